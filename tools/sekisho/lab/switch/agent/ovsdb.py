"""Open vSwitch's configuration over OVSDB's JSON-RPC (RFC 7047), without a process for each change."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable
from typing import Any

BRIDGE = "br0"
_SOCKET = "/run/openvswitch/db.sock"


class Gone(Exception):  # noqa: N818 - the database went away: the agent ends, and is started anew with every port closed
    """The connection to Open vSwitch is lost."""


class Ovsdb:
    """A connection to the database. `tags` and `ofports` follow what is in it now, by port name."""

    def __init__(self, lost: Callable[[], None]) -> None:
        self.tags: dict[str, int] = {}
        self.ofports: dict[str, int] = {}
        self._applied = 0
        self._changed = asyncio.Condition()
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._next = 0
        self._names: dict[str, str] = {}
        self._lost = lost

    async def connect(self) -> None:
        """Connect, and read what is configured."""
        self._reader, self._writer = await asyncio.open_unix_connection(_SOCKET, limit=1 << 24)
        self._task = asyncio.create_task(self._receive())
        wanted = {
            "Open_vSwitch": {"columns": ["cur_cfg"]},
            "Port": {"columns": ["name", "tag"]},
            "Interface": {"columns": ["name", "ofport"]},
        }
        self._take(await self._call("monitor", ["Open_vSwitch", None, wanted]))

    async def _call(self, method: str, params: list[Any]) -> Any:  # noqa: ANN401 - whatever JSON holds
        self._next += 1
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[self._next] = answer
        self._send({"method": method, "params": params, "id": self._next})
        return await answer

    def _send(self, message: dict[str, Any]) -> None:
        self._writer.write(json.dumps(message).encode())

    async def _receive(self) -> None:
        decoder = json.JSONDecoder()
        text = ""
        while data := await self._reader.read(1 << 16):
            text += data.decode()
            while text:
                try:
                    message, end = decoder.raw_decode(text)
                except ValueError:
                    break  # not whole yet
                text = text[end:].lstrip()
                await self._handle(message)
        for answer in self._waiting.values():
            answer.set_exception(Gone())
        self._lost()

    async def _handle(self, message: dict[str, Any]) -> None:
        if message.get("method") == "echo":
            self._send({"result": message["params"], "error": None, "id": message["id"]})
        elif message.get("method") == "update":
            self._take(message["params"][1])
            async with self._changed:
                self._changed.notify_all()
        elif message.get("id") in self._waiting:
            answer = self._waiting.pop(message["id"])
            if message.get("error"):
                answer.set_exception(RuntimeError(f"ovsdb: {message['error']}"))
            else:
                answer.set_result(message["result"])

    def _take(self, tables: dict[str, dict[str, dict[str, Any]]]) -> None:
        for row in tables.get("Open_vSwitch", {}).values():
            self._applied = row["new"]["cur_cfg"]
        for table, known, column in (("Port", self.tags, "tag"), ("Interface", self.ofports, "ofport")):
            for identity, row in tables.get(table, {}).items():
                new = row.get("new", {})
                name = self._names.setdefault(identity, new.get("name", ""))
                value = new.get(column, ["set", []])
                if isinstance(value, int):
                    known[name] = value
                else:
                    known.pop(name, None)

    async def transact(self, operations: Iterable[dict[str, Any]]) -> None:
        """Commit `operations` and return when ovs-vswitchd has put them into effect.

        Raises:
            RuntimeError: the database refused one of them; none was done.
        """
        count = [
            {"op": "mutate", "table": "Open_vSwitch", "where": [], "mutations": [["next_cfg", "+=", 1]]},
            {"op": "select", "table": "Open_vSwitch", "where": [], "columns": ["next_cfg"]},
        ]
        answers = await self._call("transact", ["Open_vSwitch", *operations, *count])
        refused = [answer for answer in answers if answer and answer.get("error")]
        if refused:
            raise RuntimeError(f"ovsdb: {refused}")
        target = answers[-1]["rows"][0]["next_cfg"]
        async with self._changed:
            await self._changed.wait_for(lambda: self._applied >= target)

    async def set_tags(self, tags: dict[str, int]) -> None:
        """Give ports their VLAN, in one transaction."""
        await self.transact(
            {"op": "update", "table": "Port", "where": [["name", "==", name]], "row": {"tag": tag}}
            for name, tag in tags.items()
        )

    async def read_tag(self, name: str) -> int | None:
        """A port's VLAN, asked of the database itself and not of our copy."""
        query = {"op": "select", "table": "Port", "where": [["name", "==", name]], "columns": ["tag"]}
        answer = await self._call("transact", ["Open_vSwitch", query])
        rows = answer[0].get("rows", [])
        return rows[0]["tag"] if rows and isinstance(rows[0]["tag"], int) else None

    async def make_bridge(self, tags: dict[str, int]) -> None:
        """Make the bridge with one access port for each name. Without a flow it passes nothing (secure)."""
        operations: list[dict[str, Any]] = []
        ports: list[list[str]] = []
        for number, (name, tag) in enumerate({BRIDGE: 4000, **tags}.items()):
            kind = {"type": "internal"} if name == BRIDGE else {"ofport_request": number}
            interface, port = f"i{number}", f"p{number}"
            operations.append(
                {"op": "insert", "table": "Interface", "uuid-name": interface, "row": {"name": name, **kind}}
            )
            row = {"name": name, "tag": tag, "interfaces": ["named-uuid", interface]}
            operations.append({"op": "insert", "table": "Port", "uuid-name": port, "row": row})
            ports.append(["named-uuid", port])
        bridge = {"name": BRIDGE, "datapath_type": "netdev", "fail_mode": "secure", "ports": ["set", ports]}
        operations.append({"op": "insert", "table": "Bridge", "uuid-name": "b", "row": bridge})
        link = {"op": "mutate", "table": "Open_vSwitch", "where": [], "mutations": [
            ["bridges", "insert", ["set", [["named-uuid", "b"]]]]]}  # fmt: skip
        await self.transact([*operations, link])
