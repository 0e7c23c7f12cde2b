"""RELP, the server's side: `NUMBER COMMAND LENGTH[ DATA]\\n`; every frame is answered by its number.

Spoken with rsyslog's omrelp (librelp), versions 0 and 1, which differ in nothing that we use.
"""

import re

from sekisho_collector.incoming import SMALL, Bye, Event, ProtocolError, Reserve, Say, Session, checked

HEADER = re.compile(rb"(\d{1,9}) ([a-z]{1,32}) (\d{1,9})([ \n])")
BEGINNING = re.compile(rb"\d{1,9}(?: (?:[a-z]{1,32}(?: \d{0,9})?)?)?")  # what a header can still become


class Relp(Session):
    """One RELP session."""

    via = "relp"

    def _converse(self):
        number, command, data = yield from self._frame()
        if command != b"open":
            raise ProtocolError("a session begins with `open`")
        yield Say(_response(number, _opened(data)))
        while True:
            number, command, data = yield from self._frame(between=True)
            if command == b"syslog":
                yield Event(data, _response(number, b"200 OK"))
            elif command == b"close":
                yield Bye(_response(number, b"") + b"0 serverclose 0\n")
                return
            else:
                raise ProtocolError(f"the command {command.decode()!r} is not taken here")

    def _frame(self, between=False):
        incoming = self.incoming
        while not (header := HEADER.match(incoming.data, incoming.at)):
            if len(incoming) and not BEGINNING.fullmatch(incoming.data, incoming.at):
                raise ProtocolError("this is not RELP")
            incoming.between = between and not len(incoming)
            yield None
        incoming.between = False
        number, command, length, end = header.groups()
        incoming.at = header.end()
        size = checked(int(length))
        if end == b"\n":
            if size:
                raise ProtocolError("a frame ends before its data")
            return number, command, b""
        if size > SMALL:
            yield Reserve(size)
        data = yield from incoming.take(size)
        if (yield from incoming.take(1)) != b"\n":
            raise ProtocolError("a frame is longer than it says")
        return number, command, data


def _opened(offers):
    offered = dict(line.partition(b"=")[::2] for line in offers.split(b"\n"))
    version = offered.get(b"relp_version", b"")
    if version not in {b"0", b"1"}:
        raise ProtocolError("only RELP versions 0 and 1 are spoken here")
    if b"syslog" not in offered.get(b"commands", b"").split(b","):
        raise ProtocolError("the peer does not offer the command `syslog`")
    return b"200 OK\nrelp_version=%b\nrelp_software=sekisho\ncommands=syslog" % version


def _response(number, data):
    return b"%b rsp %d%b%b\n" % (number, len(data), b" " if data else b"", data)
