"""Which rules are blind is the same by both stores."""

from __future__ import annotations

from pathlib import Path

from conftest import Place
from recordings import CORPORA, sample
from sekisho.core import folders
from sekisho.detection import blind, load
from sekisho.detection.matching import correlate
from sekisho.detection.rules.rule import Ruleset
from sekisho.detection.sight import Seen, Sight
from sekisho.telemetry.embedded.store import EmbeddedStore
from sekisho.telemetry.query import Span
from sekisho.telemetry.store import Store
from sekisho.telemetry.workers import Workers

SINCE = Span(1_577_836_800_000_000)  # 2020


def seen(ruleset: Ruleset, store: Store, span: Span) -> Seen:
    sight = Sight(ruleset.rules, correlate.facts(ruleset))
    with Workers(2) as some:
        return sight.of_store(store, span, some, lambda *_: None)


def test_both_stores_show_the_same(place: Place, tmp_path: Path) -> None:
    ruleset = load.load([folders.data("detection_rules"), CORPORA / "sigmahq" / "rules" / "windows" / "builtin"])
    events = sample(200)
    embedded = EmbeddedStore(tmp_path / "events")
    for store in (embedded, place.store):
        with store.writing() as writer:
            for at in range(0, len(events), 1000):
                writer.put(events[at : at + 1000])
    for span in (Span(), SINCE):
        one, other = seen(ruleset, embedded, span), seen(ruleset, place.store, span)
        assert one.routes == other.routes
        told = list(blind.blind(ruleset, one))
        assert told == list(blind.blind(ruleset, other))
        assert {found.kind for found in told} == {"logsource", "fields", "rules"}
    assert seen(ruleset, embedded, Span()).routes != seen(ruleset, embedded, SINCE).routes
