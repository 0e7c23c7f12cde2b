"""Exported queries find on a real server what the engine finds; the document names each rule for which they do not.

Here the queries of all rules that match something, and some of the others; agreement.py tries every one, in minutes.
"""

from __future__ import annotations

from pathlib import Path

from agreement import differing, listed, measured
from corpora import corpora
from sekisho.telemetry.elastic.settings import Settings


@corpora
def test_the_document_names_exactly_the_rules_that_differ(settings: Settings, tmp_path: Path) -> None:
    found = measured(settings, tmp_path, silent=10)
    tried = {one.query.rule.id for one in found.verdicts}
    assert sum(bool(one.wanted) for one in found.verdicts) > 100
    assert [one.query.rule.id for one in differing(found.verdicts)] == [key for key in listed() if key in tried]
