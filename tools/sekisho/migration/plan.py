"""Waves in rings, and batches within a wave: departments are kept apart, so that no office loses all at once."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sekisho.core.clock import stamp
from sekisho.core.errors import Refused
from sekisho.core.language import Both
from sekisho.core.reason import because
from sekisho.core.sentences import Code
from sekisho.core.state import State, Transaction
from sekisho.fleet.ledger import Ledger
from sekisho.fleet.standing import Standing
from sekisho.fleet.terminal import Terminal
from sekisho.policy.waves import Waves

NAMED = "named"  # the ring of waves made of terminals that somebody named
_PLANNED = "planned"  # a wave's state until its run begins; any other word means that it was started

Recorder = Callable[[Transaction, str, Mapping[str, str], Mapping[str, Any]], int]


@dataclass(frozen=True)
class Wave:
    """A wave as it is planned; `assets` are its terminals' asset numbers in the order in which batches take them."""

    name: str
    ring: str
    assets: tuple[str, ...]


@dataclass
class Plan:
    """What planning came to: waves that were kept because they had begun, waves made now, and who has no wave."""

    kept: list[Wave] = field(default_factory=list)
    made: list[Wave] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    changed: bool = False


def batches(
    terminals: Sequence[Terminal], waves: Waves, sizes: Mapping[str, int] | None = None
) -> list[list[Terminal]]:
    """Cut a wave's terminals into batches of `waves.batch`.

    No batch takes more than `waves.department_share` of a department (at least one terminal). `sizes` are the
    departments' terminals in the whole fleet; without it only the given terminals count, which is the narrower bound.
    """
    sizes = sizes or Counter(one.department for one in terminals)
    queues = _queues(terminals)
    found = []
    while queues:
        found.append(_take(queues, waves.batch, waves.department_share, sizes))
    return found


def department_sizes(terminals: Sequence[Terminal]) -> dict[str, int]:
    """Staff terminals of each department, by its code."""
    return dict(Counter(one.department for one in terminals if one.kind == "staff"))


def plan(state: State, waves: Waves, *, record: Recorder, who: str) -> Plan:
    """Put every unplanned LGWAN staff terminal into a wave; waves that were not started are cut anew.

    A wave takes departments in turn, up to `department_share` of each; a wave that can hold all that is left takes it.
    The same ledger and policy give the same waves. Planning again without a change writes nothing.
    """
    with state.transaction() as tx:
        fleet = Ledger(state).terminals()
        kept = _kept(state, fleet)
        fixed = {wave.name for wave in kept}
        free = [one for one in fleet if _plannable(one, fixed)]
        made, left = _cut(free, waves, kept, department_sizes(fleet))
        before = {wave.name: set(wave.assets) for wave in _stored(state, fleet) if wave.name not in fixed}
        changed = before != {wave.name: set(wave.assets) for wave in made}
        if changed:
            _store(tx, state, before, made, record=record, who=who)
    return Plan(kept, made, [one.asset for one in left], changed)


def plan_named(state: State, assets: Sequence[str], *, record: Recorder, who: str) -> Wave:
    """Put terminals into a wave of their own, whatever else is planned.

    Raises:
        BadInput: there is no such terminal.
        Refused: one of them never moves (a My Number terminal, a printer), has moved, or its wave has begun.
    """
    with state.transaction() as tx:
        ledger = Ledger(state)
        fleet = ledger.terminals()
        chosen = [ledger.terminal(asset) for asset in dict.fromkeys(assets)]
        same = _together(chosen, fleet)
        begun = {wave.name for wave in _kept(state, fleet)}
        for one in chosen:
            _refuse(one, begun - _waiting(one, fleet))
        if same:
            return Wave(same, NAMED, tuple(one.asset for one in chosen))
        taken = _names(state)
        name = next(name for name in _numbered(f"{NAMED}-{chosen[0].name}", first=1) if name not in taken)
        wave = Wave(name, NAMED, tuple(one.asset for one in chosen))
        facts = {"ring": NAMED, "terminals": list(wave.assets), "who": who}
        seq = record(tx, "wave.planned", {"type": "wave", "name": name}, facts)
        for one in chosen:
            if one.standing == Standing.PLANNED:
                ledger.move(tx, one.asset, Standing.UNPLANNED, who=who, why=because(Code.PLANNED_ANEW), record=seq)
        _put(tx, ledger, wave, who=who, record=seq)
        for left in {one.wave for one in chosen} - {None}:
            tx.run("DELETE FROM wave WHERE name = ?1 AND NOT EXISTS (SELECT 1 FROM terminal WHERE wave = ?1)", (left,))
    return wave


def _refuse(one: Terminal, begun: set[str]) -> None:
    if not one.movable:
        raise Refused(
            Both(
                f"{one.asset}は移行対象外", f"{one.asset} is never planned: it is a {one.kind} of the {one.home} tier"
            ),
            Both("移行するのはLGWAN接続系の職員端末だけ", "only staff terminals of the LGWAN tier cross"),
        )
    if not (_plannable(one, begun) or one.standing == Standing.DEFERRED):
        raise Refused(
            Both(
                f"{one.asset}は計画できない: {one.standing.ja}" + (f"(ウェーブ {one.wave})" if one.wave else ""),
                f"{one.asset} cannot be planned: it is {one.standing}" + (f" in wave {one.wave}" if one.wave else ""),
            ),
            Both(f"経過は `sekisho fleet show {one.asset}`", f"see `sekisho fleet show {one.asset}`"),
        )


def _plannable(one: Terminal, fixed: set[str]) -> bool:
    waiting = one.standing == Standing.UNPLANNED or (one.standing == Standing.PLANNED and one.wave not in fixed)
    return one.movable and one.tier == "lgwan" and waiting


def _waiting(one: Terminal, fleet: Sequence[Terminal]) -> set[str]:
    """The wave that was made of named terminals, this one among them, and that has not begun."""
    if not (one.wave and one.wave.startswith(f"{NAMED}-")):
        return set()
    begun = any(other.standing != Standing.PLANNED for other in fleet if other.wave == one.wave)
    return set() if begun else {one.wave}


def _together(chosen: Sequence[Terminal], fleet: Sequence[Terminal]) -> str | None:
    """The waiting wave that has exactly these terminals already."""
    waves = set.intersection(*(_waiting(one, fleet) for one in chosen)) if chosen else set()
    assets = {one.asset for one in chosen}
    return next((name for name in waves if {one.asset for one in fleet if one.wave == name} == assets), None)


def _queues(terminals: Sequence[Terminal]) -> dict[str, list[Terminal]]:
    """Each department's terminals, the next one last; departments by their code."""
    queues: dict[str, list[Terminal]] = defaultdict(list)
    for one in sorted(terminals, key=lambda one: one.number, reverse=True):
        queues[one.department].append(one)
    return dict(sorted(queues.items()))


def _take(queues: dict[str, list[Terminal]], size: int, share: float, departments: Mapping[str, int]) -> list[Terminal]:
    """Take up to `size` terminals off the queues, one of each department in turn, within each one's share."""
    allowed = {name: max(1, math.floor(departments.get(name, 0) * share + 1e-9)) for name in queues}
    taken: list[Terminal] = []
    while len(taken) < size and (turn := [name for name in queues if allowed[name]]):
        for name in turn[: size - len(taken)]:
            taken.append(queues[name].pop())
            allowed[name] -= 1
            if not queues[name]:
                del queues[name]
    return taken


def _cut(
    free: Sequence[Terminal], waves: Waves, kept: Sequence[Wave], departments: Mapping[str, int]
) -> tuple[list[Wave], list[Terminal]]:
    queues = _queues(free)
    made: list[Wave] = []
    for ring in waves.rings:
        there = {wave.name for wave in kept if wave.ring == ring.name}
        room = math.inf if ring.waves is None else ring.waves - len(there)
        names = iter([ring.name] if ring.waves == 1 else _numbered(ring.name, first=0))
        while queues and room > 0:
            name = next(name for name in names if name not in there)
            # What is left and fits is not cut once more: batches keep the departments apart within the wave.
            fits = sum(map(len, queues.values())) <= ring.size
            taken = _take(queues, ring.size, 1.0 if fits else waves.department_share, departments)
            made.append(Wave(name, ring.name, tuple(one.asset for one in taken)))
            room -= 1
    return made, [one for queue in queues.values() for one in queue]


def _numbered(stem: str, *, first: int) -> Iterator[str]:
    if first:
        yield stem
    number = first
    while True:
        number += 1
        yield f"{stem}-{number}"


def _names(state: State) -> set[str]:
    return {str(row["name"]) for row in state.read("SELECT name FROM wave")}


def _stored(state: State, fleet: Sequence[Terminal]) -> list[Wave]:
    members: dict[str, list[Terminal]] = defaultdict(list)
    for one in sorted(fleet, key=lambda one: one.number):
        if one.wave:
            members[one.wave].append(one)
    return [
        Wave(row["name"], row["ring"], tuple(one.asset for one in members[row["name"]]))
        for row in state.read("SELECT name, ring FROM wave ORDER BY position")
    ]


def _kept(state: State, fleet: Sequence[Terminal]) -> list[Wave]:
    """Waves that were started (by their state, or because a terminal of theirs moved on), and those made by name."""
    begun = {str(row["name"]) for row in state.read("SELECT name FROM wave WHERE state != ?", (_PLANNED,))}
    begun |= {one.wave for one in fleet if one.wave and one.standing != Standing.PLANNED}
    return [wave for wave in _stored(state, fleet) if wave.name in begun or wave.ring == NAMED]


def _store(
    tx: Transaction, state: State, before: Mapping[str, set[str]], made: Sequence[Wave], *, record: Recorder, who: str
) -> None:
    ledger = Ledger(state)
    dissolved = [one for one in ledger.terminals() if one.wave in before]
    goes = {asset: wave.name for wave in made for asset in wave.assets}
    moved = [one for one in dissolved if goes.get(one.asset) != one.wave]
    stays = {one.asset for one in dissolved} - {one.asset for one in moved}
    if moved:
        facts = {"terminals": [one.asset for one in moved], "who": who}
        seq = record(tx, "fleet.unplanned", {"type": "fleet", "name": "ledger"}, facts)
        for one in moved:
            ledger.move(tx, one.asset, Standing.UNPLANNED, who=who, why=because(Code.PLANNED_ANEW), record=seq)
    for name in before:
        tx.run("DELETE FROM wave WHERE name = ?", (name,))
    for wave in made:
        told = {"ring": wave.ring, "terminals": list(wave.assets), "who": who}
        seq = record(tx, "wave.planned", {"type": "wave", "name": wave.name}, told)
        _put(tx, ledger, wave, who=who, record=seq, stays=stays)


def _put(
    tx: Transaction,
    ledger: Ledger,
    wave: Wave,
    *,
    who: str,
    record: int,
    stays: frozenset[str] | set[str] = frozenset(),
) -> None:
    tx.run(
        "INSERT INTO wave (name, ring, position, state, planned)"
        " VALUES (?, ?, (SELECT coalesce(max(position), 0) + 1 FROM wave), ?, ?)",
        (wave.name, wave.ring, _PLANNED, stamp()),
    )
    why = because(Code.IN_WAVE, wave=wave.name)
    for asset in wave.assets:
        if asset not in stays:
            ledger.move(tx, asset, Standing.PLANNED, wave=wave.name, who=who, why=why, record=record)
