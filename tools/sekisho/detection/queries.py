"""Rules as queries of others: pySigma's own conversion by the pipeline `sekisho`, or the reason why a rule has none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import orjson
from sigma.backends.elasticsearch.elasticsearch_eql import EqlBackend
from sigma.backends.elasticsearch.elasticsearch_esql import ESQLBackend
from sigma.backends.elasticsearch.elasticsearch_lucene import LuceneBackend
from sigma.collection import SigmaCollection
from sigma.exceptions import SigmaError
from sigma.filters import SigmaFilter
from sigma.rule import SigmaRule

from sekisho.core.language import Both
from sekisho.detection import load
from sekisho.detection.export import refused
from sekisho.detection.export.formats import Format
from sekisho.detection.export.pipeline import CORRELATION, NotExported, sekisho
from sekisho.detection.rules import documents, files
from sekisho.detection.rules.refusal import CannotUse
from sekisho.detection.rules.rule import Correlation, Rule, Unusable
from sekisho.telemetry.elastic import template

_BACKENDS: dict[str, Any] = {"lucene": LuceneBackend, "eql": EqlBackend, "esql": ESQLBackend}
_ONLY_CORRELATED = Both(
    "correlationだけが使うルールで、単独では警告しない",
    "only a correlation asks for it; it raises no alerts of its own",
)


class Query(NamedTuple):
    """A rule and its queries: one for each of its conditions."""

    rule: Rule
    texts: tuple[str, ...]


class Export(NamedTuple):
    """What became of the rules: those that have queries, and those that have none with the reason."""

    queries: tuple[Query, ...]
    refused: tuple[Unusable, ...]


def of(paths: Sequence[Path], form: Format) -> Export:
    """The rules of files and folders in a format.

    Raises:
        Missing: a path is not there.
        BadInput: a folder has no rules.
    """
    ruleset = load.load(paths)
    without = [*ruleset.unusable, *(_unusable(one, CORRELATION) for one in ruleset.correlations)]
    usable = {(rule.path, rule.id): rule for rule in ruleset.rules}
    filters: list[SigmaFilter] = []
    found: list[tuple[Rule, dict[str, Any]]] = []
    for path, document in _documents(paths):
        if "filter" in document:
            filters += _filter(document)
        elif "correlation" not in document and (rule := usable.pop((path, load.identity(document)), None)):
            found.append((rule, document))
    converter = _Converter(form, filters)
    queries: list[Query] = []
    for rule, document in found:
        if rule.id in ruleset.silent:
            without.append(_unusable(rule, _ONLY_CORRELATED))
            continue
        try:
            queries.append(Query(rule, converter.convert(document)))
        except CannotUse as error:
            without.append(_unusable(rule, error.reason))
    return Export(tuple(queries), tuple(without))


class _Converter:
    def __init__(self, form: Format, filters: Sequence[SigmaFilter]) -> None:
        self._form, self._filters = form, list(filters)
        options: dict[str, Any] = {} if form.target == "esql" else {"index_names": [template.EVENTS]}
        self._backend = _BACKENDS[form.target](processing_pipeline=sekisho(), **options)

    def convert(self, document: dict[str, Any]) -> tuple[str, ...]:
        """The queries of a rule.

        Raises:
            CannotUse: it has none that would answer as the engine does.
        """
        form = self._form
        try:
            filtered = SigmaCollection([SigmaRule.from_dict(document), *self._filters])
            made = self._backend.convert(filtered, form.format)
        except NotExported as error:
            raise CannotUse(error.reason.ja, error.reason.en) from error
        except (SigmaError, NotImplementedError, RecursionError, ValueError, TypeError) as error:
            raise CannotUse(f"pySigmaが変換できない: {error}", f"pySigma cannot convert it: {error}") from error
        for one in filtered.rules:
            refused.check_format(cast("SigmaRule", one), form)
        return tuple(one if isinstance(one, str) else orjson.dumps(one).decode() for one in _listed(made))


def _listed(made: object) -> list[Any]:
    return made if isinstance(made, list) else [made]


def _documents(paths: Iterable[Path]) -> Iterator[tuple[str, dict[str, Any]]]:
    """All documents that can be read; those that cannot were told by the engine's own loading."""
    for path in files.under(paths):
        try:
            yield from [(path, one) for one in documents.read(Path(path))]
        except CannotUse:
            continue


def _filter(document: dict[str, Any]) -> list[SigmaFilter]:
    try:
        return [SigmaFilter.from_dict(document)]
    except (SigmaError, ValueError, TypeError, AttributeError, KeyError):
        return []


def _unusable(rule: Rule | Correlation, why: Both) -> Unusable:
    return Unusable(rule.path, rule.id, rule.title, why)
