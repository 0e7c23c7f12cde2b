"""Which events a rule is for: its logsource, told by the event's own fields.

Routing decides what a rule means, and not only how fast it is: the same EventID means one thing in one channel and
another in the next. Each logsource has one or more routes; an event goes to the rules of every route that takes it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from sekisho.detection.records import sources, windows
from sekisho.detection.records.record import Family, Origin, Record
from sekisho.detection.records.sources import Marks
from sekisho.detection.rules.refusal import CannotUse
from sekisho.detection.rules.rule import Logsource, Rule
from sekisho.telemetry.query import Log

Aliases = tuple[tuple[str, str], ...]
Routed = list[tuple[Aliases, Collection[int]]]
_UNMARKED = Marks()
_LINUX_SYSMON = "linux-sysmon/operational"


@dataclass(frozen=True, slots=True)
class Route:
    """Events of a family that have one of the `channels`, `providers` and `event_ids`, where any are named.

    Names of channels and providers are in lower case. `marks` must hold too. `aliases` says what fields that such rules
    ask for are called in these events.
    """

    families: frozenset[Family]
    channels: frozenset[str] = frozenset()
    providers: frozenset[str] = frozenset()
    event_ids: frozenset[int] = frozenset()
    marks: Marks = _UNMARKED
    aliases: Aliases = ()

    def may_take(self, origin: Origin) -> bool:
        """Whether it takes events of this origin, if the marks hold."""
        return (
            origin.family in self.families
            and (not self.channels or origin.channel in self.channels)
            and (not self.providers or origin.provider in self.providers)
            and (not self.event_ids or origin.event_id in self.event_ids)
            and (not self.marks.programs or origin.provider in self.marks.programs)
        )

    def takes(self, record: Record) -> bool:
        """Whether it takes this event."""
        marks = self.marks
        return (
            self.may_take(record.origin)
            and (not marks.words or any(word in record.message for word in marks.words))
            and all(any(record.has(name) for name in group) for group in marks.fields)
            and all(
                any(text in values for name in names for text in record.folded(name)) for names, values in marks.values
            )
        )


_WINDOWS = frozenset({Family.WINDOWS})
_LOGS = frozenset({Family.LOG})
_LINUX = frozenset({Family.LOG, Family.AUDIT})
_JSON = frozenset({Family.OTHER})


@lru_cache(maxsize=1024)
def routes(source: Logsource) -> tuple[Route, ...]:
    """The routes of a logsource.

    Raises:
        CannotUse: nobody knows which events it means.
    """
    found = list(_windows(source)) if source.product in {"windows", None} else []
    found += _linux(source) if source.product == "linux" else []
    key = (source.category, source.product, source.service)
    found += [Route(_LOGS | _JSON, marks=one) for one in sources.PROGRAMS.get(key, ())]
    found += [Route(_JSON, marks=one) for one in sources.FIELDS.get(key, ())]
    if source.category == "firewall":
        found.append(Route(frozenset({Family.PACKET})))
    if source.category == "antivirus":
        found.append(_channels((windows.DEFENDER,), windows.VIRUS_EVENTS, windows.VIRUS))
    if not found:
        said = ", ".join(f"{name}: {value}" for name, value in source.as_dict().items()) or "-"
        raise CannotUse(
            f"このlogsource({said})のイベントがどれか分からない",
            f"which events this logsource ({said}) means is not known",
        )
    return tuple(found)


def _channels(names: Sequence[str], ids: Iterable[int] = (), aliases: Aliases = ()) -> Route:
    return Route(_WINDOWS, frozenset(map(str.lower, names)), event_ids=frozenset(ids), aliases=aliases)


def _windows(source: Logsource) -> Iterable[Route]:  # noqa: C901 - a line for each way that a rule can say it
    category, service = source.category, source.service
    if source.product is None and category not in {*windows.SYSMON_EVENTS, *windows.OTHER_EVENTS}:
        return
    if service is not None and service not in windows.CHANNELS:
        return
    if category is None:
        if service is not None:
            yield _channels(windows.CHANNELS[service])
        elif source.product == "windows":
            yield Route(_WINDOWS)
        return
    if category in windows.SYSMON_EVENTS and service in {None, "sysmon"}:
        yield _channels((windows.SYSMON,), windows.SYSMON_EVENTS[category])
    if category == "process_creation" and service in {None, "security"}:
        yield _channels((windows.SECURITY,), (4688,), windows.PROCESS_AUDIT)
    if category in windows.OTHER_EVENTS:
        names, ids = windows.OTHER_EVENTS[category]
        if service is None or set(windows.CHANNELS[service]) & set(names):
            yield _channels(names, ids)
    if category in windows.KERNEL_EVENTS and service is None:
        provider = frozenset({windows.KERNEL_FILE.lower()})
        yield Route(_WINDOWS, providers=provider, event_ids=frozenset(windows.KERNEL_EVENTS[category]))


def _linux(source: Logsource) -> Iterable[Route]:
    category, service = source.category, source.service
    if category == "process_creation" and service is None:
        yield Route(frozenset({Family.PROCESS}))
    if category in windows.SYSMON_EVENTS and service in {None, "sysmon"}:
        ids = frozenset(windows.SYSMON_EVENTS[category])
        yield Route(_WINDOWS, frozenset({_LINUX_SYSMON}), event_ids=ids)
    if category is None and service == "auditd":
        yield Route(frozenset({Family.AUDIT}))
    if category is None and service == "syslog":
        yield Route(_LOGS)
    if category is None and service is None:
        yield Route(_LINUX)


Marked = list[tuple[Route, Collection[int]]]


def logs(rules: Iterable[Rule]) -> frozenset[Log] | None:
    """The logs of Windows that these rules are for; None if one of them is for others too, or for all."""
    wanted = {route for rule in rules for route in routes(rule.logsource)}
    if any(route.families != _WINDOWS or not (route.channels or route.event_ids) for route in wanted):
        return None
    return frozenset(Log(route.channels, route.event_ids) for route in wanted)


def by_route(rules: Iterable[Rule]) -> dict[Route, list[int]]:
    """The places of rules, in their order, by each route that takes events to them."""
    by_source: dict[Logsource, list[int]] = {}
    for place, rule in enumerate(rules):
        by_source.setdefault(rule.logsource, []).append(place)
    found: dict[Route, list[int]] = {}
    for source, places in by_source.items():
        for route in routes(source):
            found.setdefault(route, []).extend(places)
    return {route: sorted(places) for route, places in found.items()}


class Router:
    """Rules by the events that they are for."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        # Quick to ask, and in their order.
        self._by_route = {route: dict.fromkeys(places) for route, places in by_route(rules).items()}
        self._known: dict[Origin, tuple[Routed, Marked]] = {}

    def of(self, record: Record) -> Routed:
        """The places of rules that an event is for, apart by how their fields are called there."""
        sure, marked = self._known.get(record.origin) or self._near(record.origin)
        if not marked:
            return sure
        return [*sure, *((route.aliases, places) for route, places in marked if route.takes(record))]

    def _near(self, origin: Origin) -> tuple[Routed, Marked]:
        """For events of this origin: the routes that take them, and those that do if their marks hold."""
        near = [one for one in self._by_route.items() if one[0].may_take(origin)]
        sure: Routed = [(route.aliases, places) for route, places in near if route.marks == _UNMARKED]
        marked: Marked = [one for one in near if one[0].marks != _UNMARKED]
        known = sure, marked
        if len(self._known) < 100_000:  # a source may make up channels for ever
            self._known[origin] = known
        return known
