#!/usr/bin/env python3
"""`make demo`: a migration night in the lab, driven through the command line as an official would.

It brings up the lab, provisions it, lets a first migration be refused, obtains an auditor's countersignature, causes
three mishaps on the machines themselves, moves the pilot wave, rehearses an attack on a moved terminal, and leaves a
verified evidence pack. With STORE=elasticsearch the terminals' events go to three Elasticsearch nodes of the lab, else
into the embedded store.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from rehearsal import rehearse
from stage import (
    AUDITOR,
    BUILD,
    LAB,
    ROOT,
    STATE,
    STORE,
    Stopped,
    call,
    chapter,
    console,
    control,
    lab,
    mishap,
    ports,
    provision,
)

SEARCH = ("events", "search")
FORGOTTEN_RULE = """table inet old_product {
  chain output { type filter hook output priority 10; ip daddr 203.0.113.0/24 drop; }
}"""


def bring_up() -> None:
    """The lab, from nothing."""
    chapter(1, "まっさらな端末とサーバを用意する", "Blank machines, cables and a switch")
    call("lab", "down", "--name", LAB, quiet=True)
    shutil.rmtree(BUILD, ignore_errors=True)
    BUILD.mkdir(parents=True)
    lab("up")
    chapter(2, "端末台帳を取り込む", "The terminal ledger of the example prefecture")
    control("fleet", "import", ROOT / "inventory" / "example" / "ledger.csv")
    chapter(3, "playbooks/site.yml で全体を構成する", "Everything on the machines is made by playbooks, over SSH")
    provision("site.yml")
    if STORE == "elasticsearch":
        lay_out_nodes()
    plug_in()


def lay_out_nodes() -> None:
    """The event store on three nodes of the lab. The archive is fetched by its name; an office provides its own."""
    fetch = [sys.executable, str(ROOT / "tests" / "elastic" / "archive.py")]
    archive = subprocess.run(fetch, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    words = (f"elasticsearch_archive={archive}", "elasticsearch_heap=512m", "elasticsearch_trial=true")
    provision("elasticsearch.yml", words=[part for word in words for part in ("-e", word)])
    hosts = json.loads(control("fleet", "inventory", quiet=True))["_meta"]["hostvars"]
    nodes = [one["ansible_host"] for one in hosts.values() if one.get("role") == "elasticsearch"]
    control(
        *("store", "init"),
        *(word for address in nodes for word in ("--elasticsearch", f"https://{address}:9200")),
        *("--ca-file", STATE / "ca" / "ca.crt", "--user", "sekisho_writer"),
        *("--password-file", STATE / "secrets" / "elasticsearch" / "sekisho_writer"),
    )


def plug_in() -> None:
    """Every terminal goes to its desk, and must prove there who it is before its port opens."""
    lab("plug", *ports(), "desk", quiet=True)
    deadline = time.monotonic() + 120
    while closed := [name for name, port in ports().items() if not port["vlan"]]:
        if "pr-0001" in closed:  # a printer that says nothing is not heard by the switch
            mishap("pr-0001", "ping -c1 -W1 10.90.0.1 || true")
        if time.monotonic() > deadline:
            raise Stopped(f"the port stays closed: {', '.join(closed)}")
        time.sleep(0.5)
    console.print(f"  {len(ports())} 台が 802.1X で認証済み / authenticated at their desks")


def confirm_outside() -> None:
    """The auditor's part, with the auditor's own key."""
    chapter(5, "外部監査人が証跡パックを検証し、副署する", "The outside auditor verifies a pack and countersigns")
    AUDITOR.mkdir(exist_ok=True)
    call("auditor", "keygen", AUDITOR / "auditor.key", quiet=True)
    call("auditor", "add", AUDITOR / "auditor.key.pub", "--name", "外部監査人", quiet=True)
    call("pack", "build", "-o", AUDITOR / "before.zip", quiet=True)
    expires = (datetime.now(UTC) + timedelta(days=30)).date().isoformat()
    signed = AUDITOR / "countersignature.json"
    call(
        *("pack", "countersign", AUDITOR / "before.zip", "--key", AUDITOR / "auditor.key"),
        *("--verdict", "yes", "--expires", expires, "-o", signed),
    )
    call("auditor", "accept", signed)


def migrate() -> None:
    """The pilot wave, with three mishaps that nobody told the product of."""
    chapter(4, "外部確認なしでは、ゲートが移行を拒否する", "Without an outside confirmation the gate refuses")
    control("plan")
    control("migrate", "--wave", "pilot", wants=1)
    confirm_outside()
    chapter(6, "先行グループの移行", "The pilot wave; three terminals have a problem of their own")
    console.print("  PC-0004: 管理者アカウントを不正に追加 / a rogue administrator account")
    mishap("pc-0004", "useradd --create-home rogue && usermod --append --groups sudo rogue")
    console.print("  PC-0008: 古い製品の遮断設定が残っている / a forgotten rule of an old product blocks the internet")
    mishap("pc-0008", f"nft -f - <<'E'\n{FORGOTTEN_RULE}\nE")
    console.print("  PC-0012: 電源が入っていない / switched off")
    lab("power", "pc-0012", "off", quiet=True)
    control("migrate", "--wave", "pilot")
    picture = json.loads(control("status", "--json", quiet=True))
    expect(picture)


def expect(picture: dict[str, Any]) -> None:
    """The story's end, held against what the ledger and RADIUS say."""
    terminals = picture["terminals"]
    stands = {one["asset"]: one["standing"] for one in terminals}
    wanted = {"PC-0004": "refused", "PC-0008": "returned", "PC-0012": "unreached"}
    wrong = {asset: stands[asset] for asset, standing in wanted.items() if stands[asset] != standing}
    others = [one for one in terminals if one["kind"] == "staff" and one["asset"] not in wanted]
    wrong |= {one["asset"]: one["standing"] for one in others if one["standing"] != "confirmed"}
    if wrong or not picture["sound"]:
        differ = [one["en"] for one in picture["differences"]]
        raise Stopped(f"unexpected: {wrong or differ or picture['unknown']['en']}")
    console.print(f"  [green]{len(others)} 台が移行完了、3 台は理由つきで残留[/green]")


def look() -> None:
    """What happened on the terminals is in the event store, each event once."""
    chapter(7, "端末のログを取り込み、検索する", "The terminals' logs, shipped into the event store, and searched")
    control("ship", "--once")
    moved = [one["asset"] for one in json.loads(control("status", "--json", quiet=True))["terminals"]]
    moved = [asset for asset in moved if asset.startswith("PC-") and asset != "PC-0012"]
    query = "agent.name:{} process.executable:*"  # by the certificate; a terminal cannot pretend to be another
    counts = {asset: int(control(*SEARCH, query.format(asset), "--count", quiet=True)) for asset in moved}
    if silent := [asset for asset, count in counts.items() if not count]:
        raise Stopped(f"no process start in the store from: {', '.join(silent)}")
    console.print(f"  {len(counts)} 台から {sum(counts.values()):,} 件のプロセス起動 / process starts in the store")
    console.print("  PC-0004 の不正な管理者は誰が作ったか / who made the rogue administrator of PC-0004:")
    control(*SEARCH, "agent.name:PC-0004 CommandLine:useradd*", "--limit", "3")
    control("events", "silent")


def prove() -> None:
    """The evidence pack, verified with the auditor's stand-alone program."""
    chapter(
        9,
        "証跡パックを作り、独立した検証プログラムで確かめる",
        "The evidence pack, verified by the stand-alone verifier",
    )
    pack = BUILD / "pack.zip"
    call("pack", "build", "-o", pack, quiet=True)
    verifier = ROOT / "audit" / "verify_pack.py"
    trust = STATE / "keys" / "signer.pub"
    argv = [sys.executable, verifier, pack, "--trust", trust, "--after", AUDITOR / "before.zip"]
    if subprocess.run([str(word) for word in argv], check=False).returncode:
        raise Stopped("the pack did not verify")
    console.print(f"\n証跡パック / evidence pack: [bold]{pack.relative_to(ROOT)}[/bold]")
    console.print("片付け / to remove the lab: [bold].venv/bin/sekisho lab down[/bold]")


def main() -> int:
    """Tell the story; 0 when it ended as told."""
    if STORE not in {"embedded", "elasticsearch"}:
        console.print(f"STORE={STORE}: embedded / elasticsearch", markup=False)
        return 2
    started = time.monotonic()
    try:
        bring_up()
        migrate()
        look()
        rehearse(8)
        prove()
    except Stopped as stopped:
        console.print(f"[red]demo stopped:[/red] {stopped}", markup=True)
        return 1
    console.print(f"[dim]{time.monotonic() - started:.0f} s[/dim]")
    return 0


if __name__ == "__main__":
    sys.exit(main())
