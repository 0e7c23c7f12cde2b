"""The doors: mutual TLS in front of both protocols, and how many may come in."""

import asyncio
import socket
import ssl
import time
from asyncio import sslproto
from collections import defaultdict
from contextlib import contextmanager

from sekisho_collector.connection import Connection, GoneError
from sekisho_collector.incoming import ProtocolError
from sekisho_collector.pool import Pool

CONNECTIONS = 8192
OF_ONE_PEER = 8  # a peer whose cable was pulled comes back before its old connection is known to be dead
AT_WORK = 256  # connections that hold a batch at a time
LARGE_FRAMES = 64 * 1024 * 1024  # bytes of frames that are larger than incoming.SMALL, all together
BUFFER = 16 * 1024  # bytes that a connection that is not read takes in all the same
HANDSHAKE = 20.0  # seconds
REMINDER = 10.0  # seconds between lines in the journal about one peer

# asyncio has 256 KiB a connection for this, which are 1.5 GiB for 6,000.
sslproto.SSLProtocol.max_size = 32 * 1024


def context(folder):
    """TLS for peers whose certificate is of our CA and made for clients. Raises OSError."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.verify_mode = ssl.CERT_REQUIRED
    made.load_verify_locations(folder / "ca.crt")
    made.load_cert_chain(folder / "server.crt", folder / "server.key")
    made.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_TICKET  # a resumed session would not be asked again
    made.num_tickets = 0
    return made


class Server:
    """Takes connections for ever."""

    def __init__(self, tls, half, spool, heard):
        self._tls, self._half, self._spool, self._heard = tls, half, spool, heard
        self._slots, self._memory = Pool(AT_WORK), Pool(LARGE_FRAMES)
        self._tasks = set()
        self._of_peer = defaultdict(list)  # peer: its connections' tasks, oldest first
        self._told = {}  # who was refused and when the journal was told

    async def listen(self, address, session):
        """Serve `session` on an address and port, for IPv4 and IPv6 alike when the address is `::`."""
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        both = family == socket.AF_INET6 and socket.has_dualstack_ipv6()
        door = socket.create_server(address, family=family, backlog=1024, dualstack_ipv6=both)
        door.setblocking(False)
        return asyncio.create_task(self._accept(door, session))

    async def _accept(self, door, session):
        loop = asyncio.get_running_loop()
        while True:
            try:
                sock, address = await loop.sock_accept(door)
            except OSError as error:
                self._tell("accept", error)
                await asyncio.sleep(0.2)
                continue
            if len(self._tasks) >= CONNECTIONS:
                self._tell(address[0], f"there are {CONNECTIONS} connections already")
                sock.close()
                continue
            task = asyncio.create_task(self._welcome(sock, address[0], session()))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _welcome(self, sock, address, session):
        """From the first byte to the last; whatever goes wrong is the end of this connection and of nothing else."""
        who, transport = address, None
        try:
            streams, transport = await self._shake_hands(sock)
            peer = _name(transport)
            who = f"{peer} ({address})"
            with self._place(peer):
                shared = (self._half, self._spool, self._slots, self._memory, self._heard)
                await Connection(session, peer, streams, *shared).serve()
            transport.close()
        except ProtocolError as error:
            self._tell(who, error)
        except TimeoutError:
            self._tell(who, "it did not go on with what it had begun")
        except (GoneError, OSError) as error:
            if transport is None:  # later it is a cable that was pulled, or a terminal that was switched off
                self._tell(who, getattr(error, "verify_message", "") or str(error) or "it left during the handshake")
        finally:
            if transport is None:
                sock.close()
            elif not transport.is_closing():
                transport.abort()

    async def _shake_hands(self, sock):
        _notice_the_dead(sock)
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=BUFFER)
        protocol = asyncio.StreamReaderProtocol(reader)
        transport, _ = await loop.connect_accepted_socket(
            lambda: protocol, sock, ssl=self._tls, ssl_handshake_timeout=HANDSHAKE, ssl_shutdown_timeout=5.0
        )
        transport.set_read_buffer_limits(high=2 * BUFFER)
        return (reader, asyncio.StreamWriter(transport, protocol, reader, loop)), transport

    @contextmanager
    def _place(self, peer):
        """One of the places that a peer has; the oldest connection makes room for the newest."""
        mine, there = asyncio.current_task(), self._of_peer[peer]
        if len(there) >= OF_ONE_PEER:
            there.pop(0).cancel()
        there.append(mine)
        try:
            yield
        finally:
            if mine in there:
                there.remove(mine)
            if not there:
                self._of_peer.pop(peer, None)

    def _tell(self, who, what):
        now = time.monotonic()
        if len(self._told) > 10_000:
            self._told.clear()
        if now - self._told.get(who, now - REMINDER) >= REMINDER:
            self._told[who] = now
            print(f"<4>{who}: {what}", flush=True)


def _name(transport):
    """The common name of the peer's certificate. Raises ProtocolError when it has none, or two."""
    subject = transport.get_extra_info("peercert").get("subject", ())
    names = [value for part in subject for key, value in part if key == "commonName"]
    if len(names) != 1 or not names[0]:
        raise ProtocolError("its certificate has not one common name")
    return names[0]


def _notice_the_dead(sock):
    """A peer without a word for two minutes is asked by the kernel; without an answer its connection ends."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in ((socket.TCP_KEEPIDLE, 60), (socket.TCP_KEEPINTVL, 20), (socket.TCP_KEEPCNT, 3)):
        sock.setsockopt(socket.IPPROTO_TCP, option, value)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 120_000)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
