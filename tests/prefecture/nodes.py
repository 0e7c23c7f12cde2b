"""The prefecture's Elasticsearch nodes: laid out by the playbook, asked from control, searched without a pause."""

from __future__ import annotations

import base64
import json
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Self

from elastic.archive import archive
from prefecture import Prefecture
from sekisho.fleet import hosts
from sekisho.policy import tiers as policy

TIERS = policy.read()
HOSTS = hosts.read(TIERS)
SNAPSHOTS = "/srv/snapshots"
NODES = {name: str(HOSTS.hosts[name].address) for name in HOSTS.of_role("elasticsearch")}


def provided() -> tuple[str, ...]:
    """What the playbook is given: the archive, the folder of the snapshots, and that this is a trial.

    A machine of the lab is a container, whose services cannot always have as many files as the vendor asks for.
    """
    values = (f"archive={archive()}", f"snapshot_folder={SNAPSHOTS}", "trial=true")
    return tuple(word for value in values for word in ("-e", f"elasticsearch_{value}"))


class Nodes:
    """Asks the nodes as control does: TLS with our CA, and the password of an account."""

    def __init__(self, town: Prefecture) -> None:
        self.town = town
        self.ca = town.state / "ca" / "ca.crt"

    def secret(self, user: str) -> Path:
        return self.town.state / "secrets" / "elasticsearch" / user

    def ask(
        self,
        user: str,
        method: str,
        path: str,
        body: Any = None,
        *,
        node: str = "es-1",
        password: str | None = None,
        trust: Path | None = None,
    ) -> tuple[int, Any]:
        """The status and the JSON that a node answers.

        Raises:
            OSError: there was no answer, or its certificate is not trusted.
        """
        word = self.secret(user).read_text().strip() if password is None else password
        token = base64.b64encode(f"{user}:{word}".encode()).decode()
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Basic {token}"} if user else {})
        data = None if body is None else json.dumps(body).encode()
        url = f"https://{NODES[node]}:9200{path}"
        asked = urllib.request.Request(url, data=data, headers=headers, method=method)
        context = ssl.create_default_context(cafile=str(trust or self.ca))

        def send() -> tuple[int, Any] | OSError:  # an OSError that is raised there would be the namespace's
            try:
                with urllib.request.urlopen(asked, timeout=60, context=context) as answer:  # noqa: S310 - ours
                    return answer.status, json.load(answer)
            except urllib.error.HTTPError as error:
                return error.code, json.load(error)
            except OSError as error:
                return error

        answered = self.town.inside(send)
        if isinstance(answered, OSError):
            raise answered
        return answered

    def green(self) -> bool:
        """Whether all nodes are one green cluster now, or within five seconds."""
        path = f"/_cluster/health?wait_for_status=green&wait_for_nodes={len(NODES)}&timeout=5s"
        try:
            return self.ask("sekisho_operator", "GET", path)[0] == 200
        except OSError:
            return False


# Searches by one node after the other, as a client does that knows them all; what one cannot answer the next one may.
_SEARCH = """
import base64, json, signal, ssl, sys, time, urllib.request
ca, secret, wanted, path, *nodes = sys.argv[1:]
context = ssl.create_default_context(cafile=ca)
token = base64.b64encode(b"sekisho_reader:" + open(secret, "rb").read().strip()).decode()
counts = {"searches": 0, "turns": 0, "failed": []}
running = True
def stop(*_):
    global running
    running = False
signal.signal(signal.SIGTERM, stop)
print("ready", flush=True)
while running:
    counts["searches"] += 1
    why = []
    for turn in range(2 * len(nodes)):
        nodes.append(nodes.pop(0))
        asked = urllib.request.Request(f"https://{nodes[-1]}:9200{path}", headers={"Authorization": f"Basic {token}"})
        try:
            with urllib.request.urlopen(asked, timeout=20, context=context) as answer:
                told = json.load(answer)
            if told["hits"]["total"]["value"] == int(wanted) and not told["_shards"]["failed"]:
                break
            why.append(str(told["hits"]["total"]))
        except OSError as error:
            why.append(f"{nodes[-1]}: {error}")
        counts["turns"] += 1
        time.sleep(0.2)
    else:
        counts["failed"].append(why)
    time.sleep(0.1)
print(json.dumps(counts))
"""


class Searching:
    """A context in which searches go on; afterwards `searches`, `turns` (to another node) and `failed` tell how."""

    def __init__(self, nodes: Nodes, path: str, wanted: int) -> None:
        words = (sys.executable, "-c", _SEARCH, nodes.ca, nodes.secret("sekisho_reader"), str(wanted), path)
        self._argv = nodes.town.argv(*words, *NODES.values())
        self.searches = self.turns = 0
        self.failed: list[list[str]] = []

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self._argv, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        told, _ = self._process.communicate(timeout=180)
        found = json.loads(told)
        self.searches, self.turns, self.failed = found["searches"], found["turns"], found["failed"]
