"""Sigma by its specification: slow, plain, and written without a look at the engine.

It takes a rule as its YAML says it and an event as its JSON says it. Of the engine it knows nothing but `fold`, which
is a definition and not a way of doing something.
"""

from __future__ import annotations

import base64
import re
from datetime import UTC, datetime
from ipaddress import ip_address, ip_network
from itertools import product
from typing import Any

from sekisho.detection.records.folding import fold

DASHES = ("-", "/", "\u2013", "\u2014", "\u2015")


def matches(rule: dict[str, Any], event: dict[str, Any]) -> bool:
    """Whether the detection of a rule holds for an event; its logsource is not looked at."""
    detection = rule["detection"]
    conditions = detection["condition"]
    conditions = conditions if isinstance(conditions, list) else [conditions]
    names = [name for name in detection if name not in {"condition", "timeframe"}]
    truth = {name: selection(detection[name], event) for name in names}
    return any(condition(one, truth) for one in conditions)


def condition(text: str, truth: dict[str, bool]) -> bool:
    """Python has the same words with the same precedence, so that it can reckon the condition itself."""

    def several(found: re.Match[str]) -> str:
        how, pattern = found[1].lower(), found[2]
        wanted = re.compile("(?!_).*" if pattern == "them" else re.escape(pattern).replace(r"\*", ".*"))
        some = [truth[name] for name in truth if wanted.fullmatch(name) and (pattern[0] == "_" or name[0] != "_")]
        assert some
        return str(all(some) if how == "all" else any(some))

    text = re.sub(r"\b(1|any|all) of ([\w*]+)", several, text, flags=re.IGNORECASE)

    def single(found: re.Match[str]) -> str:
        word = found[0]
        if word.lower() in {"and", "or", "not"}:
            return word.lower()
        return word if word in {"True", "False"} else str(truth[word])

    text = re.sub(r"[\w-]+", single, text)
    assert re.fullmatch(r"(True|False|and|or|not|[() ])*", text)
    return bool(eval(text))  # noqa: S307 - nothing but these words is left


def selection(what: Any, event: dict[str, Any]) -> bool:
    if isinstance(what, dict):
        return all(line(key, value, event) for key, value in what.items())
    if isinstance(what, list) and any(isinstance(one, dict | list) for one in what):
        return any(selection(one, event) for one in what)
    return line("", what, event)


def line(key: str, given: Any, event: dict[str, Any]) -> bool:
    field, *modifiers = key.split("|")
    values = given if isinstance(given, list) else [given]
    how = [one for one in modifiers if one not in {"all", "neq"}]
    if not values:
        found = one_value(field, how, None, event)
    else:
        found = (all if "all" in modifiers else any)(one_value(field, how, one, event) for one in values)
    return not found if "neq" in modifiers else found


def one_value(field: str, how: list[str], wanted: Any, event: dict[str, Any]) -> bool:
    if not field:
        return any(keyword(how, wanted, value) for value in leaves(whole(event)) if value is not None)
    there, values = look(event, field)
    if "exists" in how:
        return there is wanted
    if "fieldref" in how:
        return any(
            refers(how, fold(text(one)), fold(text(other)))
            for one in values
            for other in look(event, wanted)[1]
            if one is not None and other is not None
        )
    if wanted is None:
        return not values or None in values
    return any(value_is(how, wanted, one) for one in values if one is not None)


def refers(how: list[str], one: str, other: str) -> bool:
    if "contains" in how or {"startswith", "endswith"} <= set(how):
        return other in one
    if "startswith" in how:
        return one.startswith(other)
    return one.endswith(other) if "endswith" in how else one == other


def keyword(how: list[str], wanted: Any, value: Any) -> bool:
    if "re" in how:
        return value_is(how, wanted, value)
    return value_is([*how, "contains"], str(wanted), value)


def value_is(how: list[str], wanted: Any, value: Any) -> bool:  # noqa: C901, PLR0911 - a line for each modifier
    if "re" in how:
        flags = re.IGNORECASE * bool({"i", "ignorecase"} & set(how)) | re.MULTILINE * bool(
            {"m", "multiline"} & set(how)
        )
        flags |= re.DOTALL * bool({"s", "dotall"} & set(how))
        return re.search(wanted, text(value), flags | re.ASCII * ("i" not in how)) is not None
    if "cidr" in how:
        try:
            return ip_address(value) in ip_network(wanted) if isinstance(value, str) else False
        except (ValueError, TypeError):
            return False
    for word, test in (
        ("gte", lambda a, b: a >= b),
        ("gt", lambda a, b: a > b),
        ("lte", lambda a, b: a <= b),
        ("lt", lambda a, b: a < b),
    ):
        if word in how:
            number = numeral(value)
            return number is not None and test(number, wanted)
    for part in ("minute", "hour", "day", "week", "month", "year"):
        if part in how:
            return time_part(value, part) == wanted
    if isinstance(wanted, bool):
        return value is wanted or (isinstance(value, str) and value.lower() == text(wanted))
    if isinstance(wanted, int | float):
        if isinstance(value, bool):
            return False
        whole_number = int(wanted) if wanted == int(wanted) else wanted  # a rule's 1.0 is its 1
        return value == text(whole_number) if isinstance(value, str) else value == wanted
    return any(like(one, value, cased="cased" in how) for one in written_out(how, wanted))


def written_out(how: list[str], wanted: str) -> list[list[str]]:
    """The patterns that a value stands for, as characters: `*` and `?` are wildcards, `\\*` the character."""
    some = [pieces(wanted)]
    for one in how:
        if one == "windash":
            some = [dashed for pattern in some for dashed in dashes(pattern)]
        elif one == "wide":
            some = [[char for piece in pattern for char in (piece, "\0")] for pattern in some]
        elif one == "base64":
            some = [list(base64.b64encode(raw(pattern)).decode()) for pattern in some]
        elif one == "base64offset":
            some = [shifted for pattern in some for shifted in shifts(raw(pattern))]
        elif one == "contains":
            some = [["*", *pattern, "*"] for pattern in some]
        elif one == "startswith":
            some = [[*pattern, "*"] for pattern in some]
        elif one == "endswith":
            some = [["*", *pattern] for pattern in some]
    return some


def pieces(wanted: str) -> list[str]:
    return ["\\" if one == "\\\\" else one for one in re.findall(r"\\[*?\\]|.", wanted, re.DOTALL)]


def raw(pattern: list[str]) -> bytes:
    return "".join(one[-1] for one in pattern).encode()


def shifts(data: bytes) -> list[list[str]]:
    """What every base64 text has that holds these octets, for each of the three places where they can begin."""
    found = []
    for before in range(3):
        whole = base64.b64encode(b"\0" * before + data).decode().rstrip("=")
        begin = (0, 2, 3)[before]
        end = len(whole) if (before + len(data)) % 3 == 0 else len(whole) - 1
        found.append(list(whole[begin:end]))
    return found


def dashes(pattern: list[str]) -> list[list[str]]:
    """Each `-` or `/` that begins a word, as any of the five dashes."""
    places = [
        place
        for place, one in enumerate(pattern)
        if one in "-/"
        and (place == 0 or not word(pattern[place - 1]))
        and place + 1 < len(pattern)
        and word(pattern[place + 1])
    ]
    found = []
    for chosen in product(DASHES, repeat=len(places)):
        copy = list(pattern)
        for place, one in zip(places, chosen, strict=True):
            copy[place] = one
        found.append(copy)
    return found


def word(char: str) -> bool:
    return re.fullmatch(r"\w", char) is not None


def like(pattern: list[str], value: Any, *, cased: bool) -> bool:
    def alike(one: str) -> str:
        return one if cased else fold(one)

    expression = "".join(".*" if one == "*" else "." if one == "?" else re.escape(alike(one[-1])) for one in pattern)
    return re.fullmatch(expression, alike(text(value)), re.DOTALL) is not None


def text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def numeral(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, str) and not re.fullmatch(r"[+-]?\d+(\.\d+)?", value, re.ASCII):
        return None
    return float(value) if isinstance(value, float) or "." in str(value) else int(value)


def time_part(value: Any, part: str) -> int | None:
    try:
        time = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    time = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    return time.isocalendar()[1] if part == "week" else getattr(time, part)


def look(event: dict[str, Any], field: str) -> tuple[bool, list[Any]]:
    """Whether the field is there, and its values."""
    for scope in scopes(event):
        if field in scope:
            return True, list(leaves(scope[field]))
    for scope in scopes(event):
        for name in scope:
            if field != "EventID" and name.replace(" ", "") == field.replace(" ", ""):
                return True, list(leaves(scope[name]))
    return False, []


def whole(event: dict[str, Any]) -> Any:
    if "winlog" in event:
        return {key: event[key] for key in ("winlog", "message") if key in event}
    return event.get("Event", event)


def scopes(event: dict[str, Any]) -> list[dict[str, Any]]:
    if "winlog" in event:
        winlog = event["winlog"]
        system = {"EventID": winlog.get("event_id"), "Channel": winlog.get("channel")}
        return [winlog.get("event_data") or {}, {**system, "Provider_Name": winlog.get("provider_name")}]
    if "Event" in event:
        system = dict(event["Event"]["System"])
        provider = (system.get("Provider") or {}).get("#attributes", {})
        system |= {"Provider_Name": provider["Name"]} if "Name" in provider else {}
        user = [one for one in (event["Event"].get("UserData") or {}).values() if isinstance(one, dict)]
        return [event["Event"].get("EventData") or {}, *user, system]
    system = {"Provider_Name": event.get("SourceName"), "ComputerName": event.get("Hostname")}
    return [event, {key: value for key, value in system.items() if value is not None}]


def leaves(value: Any) -> list[Any]:
    """All values within; nothing of nothing. A field that is null has none, a list that holds null has that."""
    value = element(value)
    if value is None:
        return []
    if isinstance(value, dict | list):
        inner = map(element, value.values() if isinstance(value, dict) else value)
        return [leaf for one in inner for leaf in (leaves(one) if one is not None else [None])]
    return [value]


def element(value: Any) -> Any:
    """What EVTX gives attributes is what it would be without."""
    return element(value["#text"]) if isinstance(value, dict) and "#text" in value else value
