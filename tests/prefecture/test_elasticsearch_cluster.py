"""Three nodes by `playbooks/elasticsearch.yml`: who gets in, what an account may do, and that no search is lost."""

from __future__ import annotations

import re
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import shared_folder
from nodes import HOSTS, NODES, SNAPSHOTS, Nodes, Searching, provided
from prefecture import Prefecture, until
from reaching import bare, hole, reached
from test_playbooks import nothing_done, play, started

pytestmark = [pytest.mark.lab, pytest.mark.slow]
HEAP = ("-e", "elasticsearch_heap=512m")
INDEX = "logs-sekisho.endpoint-2026.11.24"
PORTS = (22, 9200, 9300)
SETTING = {"persistent": {"cluster.routing.allocation.enable": "none"}}


@pytest.fixture(scope="module")
def nodes(prefecture: Prefecture) -> Iterator[Nodes]:
    """The nodes, green, with a template and a few events of one day; stopped when the module is done."""
    folder = prefecture.folder / "snapshots"
    folder.mkdir(exist_ok=True)
    try:
        for name in NODES:
            shared_folder.mount(prefecture.lab, folder, name, SNAPSHOTS)
        run = play(prefecture, "elasticsearch.yml", *provided(), *HEAP)
        assert run.code == 0, run.text[-3000:]
        found = Nodes(prefecture)
        template = {"index_patterns": ["logs-sekisho.*"], "template": {"settings": {"number_of_replicas": 1}}}
        assert found.ask("sekisho_writer", "PUT", "/_index_template/logs-sekisho", template)[0] == 200
        for number in range(20):
            code, told = found.ask("sekisho_writer", "PUT", f"/{INDEX}/_create/{number}?refresh=true", {"n": number})
            assert code in {201, 409}, told  # 409: a lab that is used again has them
        until(found.green, 180, "the cluster is green")
        yield found
    finally:
        for name in NODES:
            prefecture.on(name, f"systemctl disable --now elasticsearch; umount {SNAPSHOTS}", timeout=180)


# Who gets in


def test_three_nodes_are_one_green_cluster(nodes: Nodes) -> None:
    for name in NODES:
        code, told = nodes.ask("sekisho_operator", "GET", "/_cluster/health", node=name)
        assert (code, told["status"], told["number_of_nodes"]) == (200, "green", 3)
    _, told = nodes.ask("sekisho_operator", "GET", "/_nodes/_all/name?filter_path=nodes.*.name")
    assert {one["name"] for one in told["nodes"].values()} == set(NODES)


def test_a_client_with_another_ca_does_not_trust_the_nodes(nodes: Nodes) -> None:
    other = Path(ssl.get_default_verify_paths().cafile or "/etc/ssl/certs/ca-certificates.crt")
    for name in NODES:
        with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
            nodes.ask("sekisho_reader", "GET", "/_cluster/health", node=name, trust=other)


@pytest.mark.parametrize(
    ("user", "password"),
    [("", ""), ("sekisho_reader", "wrong"), ("elastic", ""), ("elastic", "changeme"), ("sekisho_reader", "")],
)
def test_nobody_gets_in_without_the_password(nodes: Nodes, user: str, password: str) -> None:
    assert nodes.ask(user, "GET", "/_cluster/health", password=password)[0] == 401


def test_plain_http_is_not_answered(nodes: Nodes) -> None:
    asked = nodes.town.run("curl", "--silent", "--max-time", "5", f"http://{NODES['es-1']}:9200/")
    assert asked.returncode == 52, "an empty reply"
    assert asked.stdout == ""


@pytest.mark.parametrize("name", ["pc-0001", "mn-0001", "gyomu", "collector", "outside-web"])
def test_no_terminal_and_no_other_server_reaches_a_node(nodes: Nodes, name: str) -> None:
    targets = {f"{address}:{port}" for address in NODES.values() for port in PORTS}
    terminals = [name] if name.startswith(("pc-", "mn-")) else []
    with bare(nodes.town, *terminals):
        assert reached(nodes.town, name, targets) == set()
        own = nodes.town.do(name, "hostname --all-ip-addresses").split()[0]
        with hole(nodes.town, f"forward ip saddr {own}"):
            assert reached(nodes.town, name, targets) == targets  # were the way open, it would be seen here


def test_a_node_opens_no_connection_to_others(nodes: Nodes) -> None:
    others = [host for name, host in HOSTS.hosts.items() if name not in NODES]
    targets = {f"{host.address}:{port}" for host in others for port in (22, 443, 6514) if host.segment != "management"}
    targets |= {f"{HOSTS.hosts['control'].address}:22", f"{HOSTS.hosts['radius'].address}:22", "10.10.1.1:22"}
    assert reached(nodes.town, "es-1", targets) == set()
    with hole(nodes.town, f"forward ip saddr {NODES['es-1']}"):
        assert f"{HOSTS.hosts['gyomu'].address}:443" in reached(nodes.town, "es-1", targets)


def test_a_terminals_certificate_is_no_nodes_certificate(nodes: Nodes) -> None:
    """Both are of our CA. A terminal's is refused between nodes, even when stolen into the segment."""
    ask = (
        "timeout 10 openssl s_client -connect {address}:9300 -tls1_2 -CAfile /etc/elasticsearch/certs/ca.crt"
        " -cert {cert} -key {key} </dev/null"
    )
    own = {"cert": "/etc/elasticsearch/certs/server.crt", "key": "/etc/elasticsearch/certs/server.key"}
    stolen = {"cert": "/run/stolen.crt", "key": "/run/stolen.key"}
    for kind, path in stolen.items():
        pem = nodes.town.do("pc-0001", f"cat /etc/sekisho/device/device.{'crt' if kind == 'cert' else 'key'}")
        nodes.town.do("es-2", f"umask 077; cat >{path} <<'E'\n{pem}\nE")
    try:
        code, told = nodes.town.on("es-2", ask.format(address=NODES["es-1"], **own))
        assert code == 0, told
        code, told = nodes.town.on("es-2", ask.format(address=NODES["es-1"], **stolen))
        assert code != 0
        assert "alert" in told
        code, told = nodes.town.on(
            "es-2", f"timeout 10 openssl s_client -connect {NODES['es-1']}:9300 -tls1_2 </dev/null"
        )
        assert code != 0
        assert "alert" in told
    finally:
        nodes.town.do("es-2", f"rm -f {' '.join(stolen.values())}")


# What an account may do


@pytest.mark.parametrize(
    ("user", "method", "path", "body", "code"),
    [
        ("sekisho_writer", "PUT", f"/{INDEX}/_create/0", {"n": 0}, 409),
        ("sekisho_writer", "PUT", f"/{INDEX}/_doc/0", {"n": 1}, 403),
        ("sekisho_writer", "POST", f"/{INDEX}/_update/0", {"doc": {"n": 1}}, 403),
        ("sekisho_writer", "DELETE", f"/{INDEX}/_doc/0", None, 403),
        ("sekisho_writer", "DELETE", f"/{INDEX}", None, 403),
        ("sekisho_writer", "PUT", "/other/_create/1", {"n": 1}, 403),
        ("sekisho_writer", "PUT", "/_cluster/settings", SETTING, 403),
        ("sekisho_reader", "GET", f"/{INDEX}/_search", None, 200),
        ("sekisho_keeper", "GET", f"/{INDEX}/_search", None, 200),
        ("sekisho_keeper", "PUT", f"/{INDEX}/_create/x", {"n": 0}, 403),
        ("sekisho_keeper", "DELETE", f"/{INDEX}/_doc/0", None, 403),
        ("sekisho_keeper", "DELETE", "/other", None, 403),
        ("sekisho_keeper", "PUT", "/_snapshot/other", {"type": "fs", "settings": {"location": SNAPSHOTS}}, 403),
        ("sekisho_operator", "PUT", "/_snapshot/sekisho/x", None, 403),
        ("sekisho_reader", "PUT", f"/{INDEX}/_create/x", {"n": 0}, 403),
        ("sekisho_reader", "DELETE", f"/{INDEX}/_doc/0", None, 403),
        ("sekisho_operator", "GET", f"/{INDEX}/_search", None, 403),
        ("sekisho_operator", "PUT", f"/{INDEX}/_create/x", {"n": 0}, 403),
        ("sekisho_operator", "DELETE", f"/{INDEX}", None, 403),
    ],
)
def test_an_account_may_do_its_own_work_only(
    nodes: Nodes, user: str, method: str, path: str, body: object, code: int
) -> None:
    assert nodes.ask(user, method, path, body)[0] == code


def test_passwords_are_controls_own(nodes: Nodes) -> None:
    folder = nodes.secret("sekisho_writer").parent
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    for name in NODES:
        for user in ("sekisho_keeper", "sekisho_operator", "sekisho_reader", "sekisho_writer"):
            word = nodes.secret(user).read_text().strip()
            assert nodes.town.on(name, f"grep --recursive --fixed-strings --quiet -- {word} /etc /var/log")[0] == 1


# The playbook again


@pytest.mark.parametrize("words", [(), ("--check", "--diff")], ids=["run", "check"])
def test_a_cluster_that_is_made_is_left_alone(nodes: Nodes, words: tuple[str, ...]) -> None:
    run = play(nodes.town, "elasticsearch.yml", *provided(), *HEAP, *words)
    nothing_done(run)
    assert run.counts.keys() == NODES.keys()
    assert "\n+++ " not in run.text
    assert not [
        user for user in ("sekisho_operator", "sekisho_writer") if nodes.secret(user).read_text().strip() in run.text
    ]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("-e", f"elasticsearch_archive_checksum=sha512:{'0' * 128}"), "has another checksum than was given"),
        (
            ("-e", "elasticsearch_archive=/nowhere/elasticsearch-8.19.5.zip"),
            "/nowhere/elasticsearch-8.19.5.zip is not there",
        ),
        (("-e", "elasticsearch_archive=/nowhere/elasticsearch.zip"), "is not there"),
    ],
)
def test_an_archive_that_is_not_the_one_is_refused(nodes: Nodes, words: tuple[str, ...], told: str) -> None:
    run = play(nodes.town, "elasticsearch.yml", *provided(), *words)
    assert run.code == 2
    assert run.changed == set()
    assert told in " ".join(run.text.split())


def test_a_renewed_certificate_is_served_without_a_restart(nodes: Nodes) -> None:
    def served() -> str:
        return ssl.get_server_certificate((NODES["es-3"], 9200), timeout=20)

    before, since = nodes.town.inside(served), started(nodes.town, "es-3", "elasticsearch")
    (nodes.town.state / "ca" / "servers" / "es-3.crt").unlink()
    run = play(nodes.town, "elasticsearch.yml", *provided(), *HEAP, "--limit", "es-3")
    assert run.code == 0, run.text[-3000:]
    assert run.changed == {("es-3", "The certificate and the CA are put in place")}
    assert nodes.town.inside(served) != before
    assert started(nodes.town, "es-3", "elasticsearch") == since


def allocation(nodes: Nodes, value: str | None) -> None:
    body = {"persistent": {"cluster.routing.allocation.enable": value}}
    assert nodes.ask("sekisho_operator", "PUT", "/_cluster/settings", body)[0] == 200


def test_a_restart_that_was_cut_off_is_made_good(nodes: Nodes) -> None:
    allocation(nodes, "primaries")
    run = play(nodes.town, "elasticsearch.yml", *provided(), *HEAP)
    assert (run.code, {task for _, task in run.changed}) == (
        0,
        {"Copies are made again, after a restart that was cut off"},
    )
    assert nodes.ask("sekisho_operator", "GET", "/_cluster/settings")[1]["persistent"] == {}


@pytest.mark.timeout(1800)  # three starts of a server, one after the other
def test_a_change_restarts_one_node_after_the_other_and_no_search_is_lost(nodes: Nodes) -> None:
    heap = ("-e", "elasticsearch_heap=500m")
    expected = {(name, task) for name in NODES for task in ("The heap has its size", "The node is restarted")}
    before = {name: started(nodes.town, name, "elasticsearch") for name in NODES}
    told = play(nodes.town, "elasticsearch.yml", *provided(), *heap, "--check", "--diff")
    assert (told.code, told.changed) == (0, expected)
    assert "+-Xmx500m" in told.text
    assert {name: started(nodes.town, name, "elasticsearch") for name in NODES} == before
    with Searching(nodes, f"/{INDEX}/_search?size=0", 20) as searching:
        run = play(nodes.town, "elasticsearch.yml", *provided(), *heap)
    assert (run.code, run.changed) == (0, expected), run.text[-3000:]
    assert searching.failed == []
    assert searching.searches > 30
    assert searching.turns, "a node that was away was asked, too"
    order = re.findall(
        r"^changed: \[(es-\d)\]$", run.text.partition("[elasticsearch : The node is restarted]")[2], re.MULTILINE
    )
    assert order == sorted(NODES)
    assert nodes.green()
    _, settings = nodes.ask("sekisho_operator", "GET", "/_cluster/settings")
    assert settings["persistent"] == {}, "copies are made again"
    _, facts = nodes.ask("sekisho_operator", "GET", "/_nodes/jvm?filter_path=nodes.*.jvm.mem.heap_max_in_bytes")
    assert {one["jvm"]["mem"]["heap_max_in_bytes"] >> 20 for one in facts["nodes"].values()} == {500}


def test_without_green_no_node_is_restarted(nodes: Nodes) -> None:
    before = {name: started(nodes.town, name, "elasticsearch") for name in NODES}
    allocation(nodes, "new_primaries")
    try:
        index = f"logs-sekisho.endpoint-{time.time_ns()}"
        assert nodes.ask("sekisho_writer", "PUT", f"/{index}/_create/1", {"n": 1})[0] == 201
        assert not nodes.green()
        words = (*HEAP, "-e", "elasticsearch_green_minutes=1")
        run = play(nodes.town, "elasticsearch.yml", *provided(), *words)
        assert run.code == 2
        assert "The cluster is not green after 1 minutes" in " ".join(run.text.split())
        assert "status yellow, 3 of 3 nodes, 1 shards without a place" in " ".join(run.text.split())
        assert {name: started(nodes.town, name, "elasticsearch") for name in NODES} == before
    finally:
        allocation(nodes, None)
    until(nodes.green, 180, "the cluster is green")


def test_a_killed_node_comes_back_by_itself(nodes: Nodes) -> None:
    number = nodes.town.do("es-2", "cat /run/elasticsearch/pid").strip()
    with Searching(nodes, f"/{INDEX}/_search?size=0", 20) as searching:
        nodes.town.do("es-2", f"kill -9 {number}")
        back = 'test "$(cat /run/elasticsearch/pid)" != {0} && systemctl --quiet is-active elasticsearch'
        until(lambda: nodes.town.on("es-2", back.format(number))[0] == 0, 300, "systemd starts it again")
        until(nodes.green, 180, "the cluster is green again")
    assert searching.failed == []


# Snapshots


def test_a_day_that_was_deleted_comes_back_from_a_snapshot(nodes: Nodes) -> None:
    where, counted = "/_snapshot/sekisho/before", f"/{INDEX}/_count"
    before = nodes.ask("sekisho_reader", "GET", counted)[1]["count"]
    assert before >= 20
    code, told = nodes.ask("sekisho_keeper", "PUT", f"{where}?wait_for_completion=true", {"indices": INDEX})
    assert (code, told["snapshot"]["state"]) == (200, "SUCCESS"), told
    try:
        assert nodes.ask("sekisho_keeper", "DELETE", f"/{INDEX}")[0] == 200
        assert nodes.ask("sekisho_reader", "GET", counted)[0] == 404
        path = f"{where}/_restore?wait_for_completion=true"
        code, told = nodes.ask("sekisho_keeper", "POST", path, {"include_global_state": False})
        assert (code, told["snapshot"]["shards"]["failed"]) == (200, 0), told
        assert nodes.ask("sekisho_reader", "GET", counted)[1]["count"] == before
    finally:
        nodes.ask("sekisho_keeper", "DELETE", where)


def test_a_folder_that_is_not_the_same_on_every_node_is_refused(nodes: Nodes) -> None:
    last = list(NODES)[-1]
    town, folder = nodes.town, nodes.town.folder / "snapshots"
    town.do(last, f"umount {SNAPSHOTS} && chown elasticsearch:elasticsearch {SNAPSHOTS} && chmod 0750 {SNAPSHOTS}")
    try:
        run = play(town, "elasticsearch.yml", *provided(), *HEAP)
        assert run.code != 0
        assert "is not one and the same folder on all nodes" in run.text
    finally:
        shared_folder.mount(town.lab, folder, last, SNAPSHOTS)
    assert nodes.ask("sekisho_operator", "POST", "/_snapshot/sekisho/_verify")[0] == 200
