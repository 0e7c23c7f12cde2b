"""What a rule's field is called in the documents of our store, by the shape in which an event came.

Derived from what the engine itself looks fields up by (`records/shapes.py`, `records/routing.py`). An event has one
shape, so that a field is asked for by all of its names and one of them answers.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sekisho.detection.records import shapes
from sekisho.detection.records.record import Family
from sekisho.detection.records.routing import Route
from sekisho.detection.rules.refusal import CannotUse

# Of every shape of a Windows event; the source's own values, kept under the names of the Elastic Common Schema.
ECS = {"EventID": "event.code", "Channel": "event.dataset", "Provider_Name": "event.provider"}
_DATA = ("winlog.event_data.", "Event.EventData.", "")
_USER_DATA = ("winlog.user_data.", "Event.UserData.", "Event.UserData.*.")
_SYSTEM = ("winlog.", "Event.System.", "")
_USER = "Event.System.Security.#attributes.UserID"
# What shapes call otherwise, beyond the system part: texts without a name, messages, and what EVTX has as attributes.
_OTHERS = {
    "Data": (
        "winlog.event_data.Data",
        "winlog.event_data.param*",
        "Event.EventData.Data",
        "Event.EventData.Data.#text",
    ),
    "Message": ("message", "Message"),
    "UserID": (*(f"{prefix}UserID" for prefix in _DATA), _USER),
    "Security_UserID": (_USER,),
    "Provider": (*(f"{prefix}Provider" for prefix in (*_DATA, *_USER_DATA)), "Event.System.Provider.#attributes.*"),
}
MESSAGES = ("message", "MESSAGE")  # of syslog, and of journald
_JOURNAL = frozenset({"program", "host", "pid", "MESSAGE", "SYSLOG_IDENTIFIER", "SYSLOG_FACILITY", "PRIORITY", "type"})
_WITHIN = frozenset({"sudo"})  # programs that write fields into their messages


def names(field: str, routes: Collection[Route]) -> tuple[str, ...]:
    """The names of a field in the events of these routes.

    Raises:
        CannotUse: no field of the documents answers it, or one that means something else in other events of the rule.
    """
    found: dict[str, None] = {}
    for route in routes:
        aliases = dict(route.aliases)
        if field in aliases and (field in aliases.values() or aliases[field] in aliases):
            raise CannotUse(
                f"'{field}' は、イベントの種類によって指すものが違う",
                f"{field!r} means different things in the kinds of events that the rule is for",
            )
        for family in sorted(route.families, key=lambda one: one.value):
            found |= dict.fromkeys(_names(aliases.get(field, field), family, route))
    return tuple(found)


def _names(field: str, family: Family, route: Route) -> Sequence[str]:
    if family is Family.WINDOWS:
        return _windows(field, by_channel=not route.event_ids)
    if family is Family.PACKET:
        return (shapes.PACKET.get(field, field),)
    if family is Family.LOG:
        return _log(field, route)
    return (field,)


def _windows(field: str, *, by_channel: bool) -> Sequence[str]:
    """`by_channel`: of all events of a channel, some of which may have their fields in `UserData`."""
    if field in ECS:
        return (ECS[field],)
    if field in _OTHERS:
        return _OTHERS[field]
    data = [prefix + field for prefix in (*_DATA, *(_USER_DATA if by_channel else ()))]
    if field in shapes.WINLOGBEAT or field in shapes.FLAT:
        own = (shapes.WINLOGBEAT.get(field, field), field, shapes.FLAT.get(field, field))
        data += [prefix + name for prefix, name in zip(_SYSTEM, own, strict=True)]
    return tuple(dict.fromkeys(data))


def _log(field: str, route: Route) -> Sequence[str]:
    if field == "message":
        return MESSAGES
    inside = route.marks.programs & _WITHIN or any("devname=" in word for word in route.marks.words)
    if inside and field not in _JOURNAL and not field.startswith("_"):
        raise CannotUse(
            f"'{field}' は、索引にある項目ではなく、メッセージの中に書かれている",
            f"{field!r} is no field of the index: it stands within the message",
        )
    return (field,)
