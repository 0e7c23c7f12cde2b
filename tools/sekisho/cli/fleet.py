"""`sekisho fleet`: the terminal ledger, and Ansible's inventory over it."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from sekisho.cli import tables
from sekisho.cli.options import (
    DEFAULT_LANG,
    DEFAULT_STATE,
    JsonOption,
    LangOption,
    StateOption,
    print_json,
    say,
    screen,
)
from sekisho.core.errors import BadInput, Refused
from sekisho.core.language import Bilingual, Both
from sekisho.core.state import open_state
from sekisho.core.text import plain
from sekisho.evidence.chain import Chain
from sekisho.fleet import appliances, departments, hosts, operator
from sekisho.fleet.importing import load
from sekisho.fleet.inventory import Inventory
from sekisho.fleet.ledger import Ledger
from sekisho.fleet.standing import Standing
from sekisho.policy import devices, tiers

_SHOWN = 200  # faults printed for a person; --json has them all

fleet = typer.Typer(help="The terminal ledger, and Ansible's inventory over it.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands to the front door."""
    app.add_typer(fleet, name="fleet")


@fleet.command("import")
def import_ledger(
    file: Annotated[Path, typer.Argument(help="The office's terminal ledger: CSV (UTF-8 or CP932) or XLSX.")],
    state: StateOption = DEFAULT_STATE,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Import the good rows and leave out the bad.")] = False,
    as_json: JsonOption = False,
    lang: LangOption = DEFAULT_LANG,  # noqa: ARG001 - heard by `options.hear`
) -> None:
    """Take over a terminal ledger: all rows, or none. Importing again updates owners and departments."""
    policy = tiers.read()
    source = load.read(file, departments=departments.read(), tiers=policy, taken=set(hosts.read(policy).hosts))
    opened = open_state(state, create=True)
    done = load.load(opened, source, record=Chain(opened).append, who=operator.name(), skip_bad=skip_bad)
    refused = bool(done.faults) and not skip_bad
    if as_json:
        print_json({"file": source.name, "imported": not refused, "ignored": source.ignored, **asdict(done)})
    else:
        _tell(done, source.ignored)
    if refused:
        bad = len({fault.line for fault in done.faults})
        raise BadInput(
            Both(f"{file}: {bad}行に誤りがあり、何も取り込んでいない", f"{file}: {bad} bad rows; nothing was imported"),
            Both(
                "上の行を直すか、--skip-bad を付けて他の行だけを取り込む",
                "mend the lines above, or give --skip-bad to import the others",
            ),
        )


@fleet.command("list")
def list_terminals(
    state: StateOption = DEFAULT_STATE,
    wave: Annotated[str | None, typer.Option("--wave", help="Only this wave.")] = None,
    standing: Annotated[Standing | None, typer.Option("--standing", help="Only this standing.")] = None,
    as_json: JsonOption = False,
    lang: LangOption = DEFAULT_LANG,  # noqa: ARG001 - heard by `options.hear`
) -> None:
    """Every terminal of the ledger."""
    found = Ledger(open_state(state)).terminals(wave=wave, standing=None if standing is None else [standing])
    if as_json:
        print_json([asdict(one) for one in found])
        return
    tables.print_terminals(found, every=True)


@fleet.command("show")
def show_terminal(
    asset: Annotated[str, typer.Argument(help="The asset number.")],
    state: StateOption = DEFAULT_STATE,
    as_json: JsonOption = False,
    lang: LangOption = DEFAULT_LANG,  # noqa: ARG001 - heard by `options.hear`
) -> None:
    """One terminal with its whole history: when, who, why, and the record that proves it."""
    ledger = Ledger(open_state(state))
    one = ledger.terminal(plain(asset).upper())
    steps = ledger.history(one.asset)
    policy = tiers.read()
    addresses = {name: str(policy.address(name, one.number)) for name in policy.tiers}
    if as_json:
        print_json({**asdict(one), "addresses": addresses, "history": [asdict(step) for step in steps]})
        return
    tables.print_terminal(one, addresses[one.tier])
    tables.print_history(steps)


@fleet.command("devices")
def list_devices(
    state: StateOption = DEFAULT_STATE,
    as_json: JsonOption = False,
    lang: LangOption = DEFAULT_LANG,  # noqa: ARG001 - heard by `options.hear`
) -> None:
    """Devices without 802.1X and whether they get their fixed VLAN today; exit code 1 when one does not."""
    found = appliances.judge(devices.read(), Ledger(open_state(state)).terminals(), devices.today())
    if as_json:
        print_json(
            [
                {
                    **one.device.model_dump(mode="json"),
                    "given": one.given,
                    "why_not": None if one.why is None else asdict(one.why),
                }
                for one in found
            ]
        )
    else:
        for one in found:
            word = (
                Both("VLANを割当て", "given")
                if one.why is None
                else Both(f"VLANを割り当てない: {one.why.ja}", f"not given: {one.why.en}")
            )
            until = Both(f"承認期限 {one.device.until}", f"until {one.device.until}")
            typer.echo(f"{one.device.asset}  {one.device.mac}  {say(until)}  {say(word)}")
    if refused := [one.device.asset for one in found if not one.given]:
        raise Refused(
            Both(f"VLANを割り当てない機器: {'、'.join(refused)}", f"no VLAN for {', '.join(refused)}"),
            Both(
                "policies/devices.yml の承認を更新するか、記載を直す",
                "renew the approval in policies/devices.yml, or mend the entry",
            ),
        )


@fleet.command("inventory")
def print_inventory(
    state: StateOption = DEFAULT_STATE,
    host: Annotated[str | None, typer.Option("--host", help="Only this host's variables.")] = None,
    everything: Annotated[  # noqa: ARG001 - Ansible asks with it; it is the default here
        bool, typer.Option("--list", help="All groups and hosts (the default).")
    ] = True,
    lang: LangOption = DEFAULT_LANG,  # noqa: ARG001 - heard by `options.hear`
) -> None:
    """The dynamic inventory that Ansible reads through `inventory/ledger`."""
    policy = tiers.read()
    known = Ledger(open_state(state)).terminals() if (state / "sekisho.db").exists() else []
    inventory = Inventory(
        known, tiers=policy, hosts=hosts.read(policy), devices=devices.read(), state=state, day=devices.today()
    )
    answer: dict[str, Any] = inventory.all() if host is None else inventory.host(host)
    typer.echo(json.dumps(answer, ensure_ascii=False))


def _tell(done: load.Outcome, ignored: tuple[str, ...]) -> None:
    lines: list[Bilingual] = [*done.faults[:_SHOWN]]
    if (more := len(done.faults) - _SHOWN) > 0:
        lines.append(Both(f"… ほかに{more}件。--json ですべて示す", f"… and {more} more; --json names all"))
    if ignored:
        lines.append(Both(f"使わなかった列: {'、'.join(ignored)}", f"columns not used: {', '.join(ignored)}"))
    added, changed = len(done.added), len(done.changed)
    if added or changed or done.unchanged:
        lines.append(
            Both(
                f"追加 {added}台、変更 {changed}台、変更なし {done.unchanged}台",
                f"{added} added, {changed} changed, {done.unchanged} as they were",
            )
        )
    if done.elsewhere:
        some = _some(done.elsewhere)
        lines.append(
            Both(
                f"系統は台帳のままとした(系統は移行でのみ変わる): {some.ja}",
                f"the ledger's tier was kept for {some.en}: a tier changes only by a crossing",
            )
        )
    if done.vanished:
        some = _some(done.vanished)
        lines.append(
            Both(
                f"ファイルにないが台帳に残した: {some.ja}",
                f"in the ledger but not in the file, and kept: {some.en}",
            )
        )
    console = screen(soft_wrap=True)
    for line in lines:
        console.print(say(line), markup=False)


def _some(assets: list[str]) -> Both:
    few, more = assets[:20], len(assets) - 20
    return Both(
        "、".join(few) + (f" ほか{more}台" if more > 0 else ""),
        ", ".join(few) + (f" and {more} more" if more > 0 else ""),
    )
