"""A logsource as a condition on the documents of our store: the engine's routes, said to pySigma."""

from __future__ import annotations

from collections.abc import Collection

from sekisho.detection.export.fields import ECS, MESSAGES
from sekisho.detection.export.items import Part, contains, every, is_one_of, is_there, some
from sekisho.detection.records.record import Family
from sekisho.detection.records.routing import Route
from sekisho.detection.records.sources import Marks
from sekisho.telemetry.formats import process, ulogd

DATASET, PROVIDER, CODE = ECS["Channel"], ECS["Provider_Name"], ECS["EventID"]
_CHANNELS = ("winlog.channel", "Event.System.Channel", "Channel")  # by one of these a Windows event is known
_LOGS = ("journald", "syslog")
_OURS = (*_LOGS, "auditd", "process", "ulogd")  # datasets of records that we read ourselves


def condition(routes: Collection[Route]) -> Part:
    """What holds for the events of one of these routes, and for no others."""
    return some([_family(route, family) for route in routes for family in sorted(route.families, key=_name)])


def _name(family: Family) -> str:
    return family.value


def _family(route: Route, family: Family) -> Part:
    marks = route.marks
    if family is Family.WINDOWS:
        return every(_windows(route))
    if family is Family.PROCESS:
        found: list[Part] = [is_there(process.DERIVED)]
    elif family is Family.PACKET:
        found = [is_there(ulogd.MARK)]
    elif family is Family.AUDIT:
        found = [is_one_of(DATASET, ["auditd"])]
    elif family is Family.LOG:
        found = [is_one_of(DATASET, _LOGS), is_there(ulogd.MARK, there=False)]
    else:
        found = [is_one_of(DATASET, _OURS, negated=True), *(is_there(name, there=False) for name in _CHANNELS)]
    return every([*found, *_marks(marks)])


def _windows(route: Route) -> list[Part]:
    found: list[Part] = []
    if route.channels:
        found.append(is_one_of(DATASET, sorted(route.channels)))
    if route.providers:
        found.append(is_one_of(PROVIDER, sorted(route.providers)))
    if route.event_ids:
        found.append(is_one_of(CODE, sorted(route.event_ids)))
    return found or [some([is_there(name) for name in _CHANNELS])]


def _marks(marks: Marks) -> list[Part]:
    found: list[Part] = []
    if marks.programs:
        found.append(is_one_of(PROVIDER, sorted(marks.programs)))
    if marks.words:
        found.append(some([contains(name, marks.words) for name in MESSAGES]))
    found += [some([is_there(name) for name in sorted(group)]) for group in marks.fields]
    found += [some([is_one_of(name, sorted(values)) for name in sorted(names)]) for names, values in marks.values]
    return found
