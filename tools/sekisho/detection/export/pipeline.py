"""The pySigma plug-in: `sigma convert -t lucene -p sekisho` writes queries for our documents in Elasticsearch.

pySigma finds it as `sigma.pipelines.sekisho`. Fields and logsources are those that the engine looks up; what no query
could answer as the engine does is refused, here too, so that `sigma convert` never writes it by mistake.
"""

from __future__ import annotations

from dataclasses import dataclass

from sigma.conditions import SigmaCondition
from sigma.correlations import SigmaCorrelationRule
from sigma.exceptions import SigmaTransformationError
from sigma.processing.pipeline import ProcessingItem, ProcessingPipeline
from sigma.processing.transformations import SetStateTransformation
from sigma.processing.transformations.base import ConditionTransformation
from sigma.rule import SigmaDetection, SigmaDetectionItem, SigmaRule

from sekisho.core.language import Both
from sekisho.detection.export import fields, items, logsource, refused
from sekisho.detection.records import routing
from sekisho.detection.records.routing import Route
from sekisho.detection.rules.refusal import CannotUse
from sekisho.detection.rules.rule import Logsource
from sekisho.telemetry.elastic import template

BACKENDS = frozenset({"lucene", "eql", "esql", "elastalert"})
_NAME = "_sekisho_logsource"  # of the selection that is added; with `_` it is no part of `them`
CORRELATION = Both(
    "correlation: Luceneにはなく、EQLは同じ値を数え、ES|QLの時間枠は時計に沿って区切られる",
    "a correlation: Lucene has none, EQL counts equal values, and the windows of ES|QL are those of the clock",
)


class NotExported(SigmaTransformationError):  # noqa: N818 - as pySigma tells its own
    """A rule is not exported, and `reason` says why, in both languages."""

    def __init__(self, reason: Both) -> None:
        super().__init__(reason.en)
        self.reason = reason


@dataclass
class ToDocuments(ConditionTransformation):
    """A rule about a source's fields becomes one about the fields of our documents.

    Raises:
        NotExported: a query would answer otherwise than the engine.
    """

    def apply(self, rule: SigmaRule | SigmaCorrelationRule) -> None:
        """Change the rule."""
        if isinstance(rule, SigmaCorrelationRule):
            raise NotExported(CORRELATION)
        source = rule.logsource
        try:
            refused.check(rule)
            routes = routing.routes(Logsource(source.category, source.product, source.service))
            for detection in rule.detection.detections.values():
                _rename(detection, routes)
            refused.check_size(rule)
        except CannotUse as error:
            raise NotExported(error.reason) from error
        added = logsource.condition(routes)
        rule.detection.detections[_NAME] = added if isinstance(added, SigmaDetection) else SigmaDetection([added])
        super().apply(rule)

    def apply_condition(self, cond: SigmaCondition) -> None:
        """Let the logsource hold too."""
        cond.condition = f"{_NAME} and ({cond.condition})"


def _rename(detection: SigmaDetection, routes: tuple[Route, ...]) -> None:
    for place, one in enumerate(detection.detection_items):
        if isinstance(one, SigmaDetectionItem):
            names = fields.names(str(one.field), routes)
            one.value = [items.as_indexed(value) for value in one.value]
            detection.detection_items[place] = items.asked_by(one, names)
        else:
            _rename(one, routes)


def sekisho() -> ProcessingPipeline:
    """The pipeline, new at each call."""
    return ProcessingPipeline(
        name="Sekisho's documents in Elasticsearch: the source's own fields, in every shape that they come in",
        priority=20,
        allowed_backends=BACKENDS,
        items=[
            ProcessingItem(identifier="sekisho_documents", transformation=ToDocuments()),
            ProcessingItem(identifier="sekisho_index", transformation=SetStateTransformation("index", template.EVENTS)),
        ],
    )
