"""Tables that officials read, in the language that they asked for."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.markup import escape
from rich.table import Table

from sekisho.cli.options import say, screen
from sekisho.core.clock import japan
from sekisho.core.language import Bilingual, Both
from sekisho.fleet import departments
from sekisho.fleet.ledger import Step
from sekisho.fleet.standing import Standing
from sekisho.fleet.terminal import KINDS, Terminal
from sekisho.migration.summary import Outcome, Summary, summarise
from sekisho.policy import tiers

_FEW = 50  # terminals that are listed one by one
_COLOURS = {
    Outcome.CROSSED: "green",
    Outcome.REFUSED: "red",
    Outcome.RETURNED: "red",
    Outcome.UNREACHABLE: "yellow",
    Outcome.QUARANTINED: "red",
    Outcome.WAITING: "yellow",
}
ASSET = Both("資産番号", "asset")
MAC = Both("MACアドレス", "MAC")
DEPARTMENT = Both("所属", "department")
TIER = Both("系統", "tier")
STANDING = Both("状態", "standing")
WHY = Both("理由", "reason")
NEXT = Both("次にすること", "what to do next")
COUNT = Both("台数", "terminals")
WAVE = Both("ウェーブ", "wave")


def table(*headings: Bilingual) -> Table:
    """An empty table; asset numbers and counts are never broken."""
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in headings:
        made.add_column(say(heading), no_wrap=heading in (ASSET, MAC, COUNT, WAVE), overflow="fold")
    return made


def department(code: str) -> str:
    """A department's name; its code where the inventory knows none."""
    known = departments.read().departments
    return say(known[code]) if code in known else code


def tier(name: str) -> str:
    """A tier's label."""
    known = tiers.read().networks
    return say(known[name].label) if name in known else name


def print_summary(terminals: Sequence[Terminal], *, every: bool = False) -> None:
    """How many crossed and how many did not; then who did not, why, and what to do next."""
    summary = summarise(terminals)
    console = screen()
    console.print(_counts(summary))
    held = [one for one in summary.held if every or one.outcome != Outcome.WAITING or one.next is not None]
    if not held or len(held) > _FEW * 10:
        return
    rows = table(ASSET, DEPARTMENT, STANDING, WHY, NEXT)
    for one in held:
        terminal, colour = one.terminal, _COLOURS[one.outcome]
        rows.add_row(
            terminal.asset,
            department(terminal.department),
            f"[{colour}]{say(terminal.standing)}[/{colour}]",
            escape(say(one.why)),
            "" if one.next is None else escape(say(one.next)),
        )
    console.print(rows)
    again = {one.terminal.wave for one in held if one.outcome in {Outcome.REFUSED, Outcome.RETURNED}} - {None}
    for name in sorted(map(str, again)):
        command = f"sekisho migrate --wave {name} --retry"
        console.print(say(Both(f"直したあと: {command}", f"once mended: {command}")), markup=False)


def print_terminals(terminals: Sequence[Terminal], *, every: bool) -> None:
    """Each terminal in a row; of a large fleet, unless `every` is asked for, only how many stand where."""
    console = screen()
    if not every and len(terminals) > _FEW:
        counts = table(STANDING, COUNT)
        for standing in Standing:
            if count := sum(one.standing == standing for one in terminals):
                counts.add_row(say(standing), str(count))
        console.print(counts)
        return
    rows = table(ASSET, MAC, DEPARTMENT, TIER, STANDING, WAVE)
    departments_ = {name: department(name) for name in {one.department for one in terminals}}
    tiers_ = {name: tier(name) for name in {one.tier for one in terminals}}
    for one in terminals:
        rows.add_row(
            one.asset,
            one.mac,
            departments_[one.department],
            tiers_[one.tier],
            say(one.standing),
            escape(one.wave or ""),
        )
    console.print(rows)


def print_terminal(one: Terminal, address: str) -> None:
    """What the ledger says of one terminal."""
    facts = Table.grid(padding=(0, 2))
    step = one.why.next
    for word, value in (
        (ASSET, one.asset),
        (Both("端末名", "name"), one.name),
        (Both("種別", "kind"), say(KINDS[one.kind])),
        (DEPARTMENT, department(one.department)),
        (Both("利用者", "owner"), one.owner),
        (MAC, one.mac),
        (TIER, tier(one.tier)),
        (Both("アドレス", "address"), address),
        (STANDING, say(one.standing)),
        (WHY, say(one.why)),
        (NEXT, "" if step is None else say(step)),
        (WAVE, one.wave or ""),
        (Both("証明書の番号", "certificate's serial"), one.serial or ""),
    ):
        facts.add_row(say(word), escape(value))
    screen().print(facts)


def print_history(steps: Sequence[Step]) -> None:
    """Every step of a terminal: when, on which record, from where to where, by whom, why."""
    rows = table(Both("日時(日本)", "time (Japan)"), Both("記録", "record"), STANDING, TIER, Both("操作者", "by"), WHY)
    for one in steps:
        was = f"{say(one.was)} → " if one.was and one.was != one.became else ""
        rows.add_row(
            japan(one.at), str(one.record), was + say(one.became), tier(one.tier), escape(one.who), escape(say(one.why))
        )
    screen().print(rows)


def _counts(summary: Summary) -> str:
    size = sum(summary.counts.values())
    if not size:
        return say(Both("移行の対象となる端末がない", "there is no terminal that is to cross"))
    words = [
        f"[{_COLOURS[outcome]}]{say(outcome)} {count}[/{_COLOURS[outcome]}]"
        for outcome, count in summary.counts.items()
        if count
    ]
    return say(Both(f"移行対象 {size}台: ", f"{size} terminals to cross: ")) + say(Both("、", ", ")).join(words)
