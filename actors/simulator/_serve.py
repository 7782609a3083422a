"""Where clients find the exchange: real listeners on ports of the system's choice, or a network in memory."""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import attrs
import trio

from ._exchange import Exchange
from ._record import Surface
from ._streams import MemoryStream, memory_stream_pair
from ._tls import new_authority

_BACKLOG = 128
_LISTENERS: tuple[Surface, ...] = ("ws", "rest")
_MOST_CONNECTIONS = 1000
"""At one time and one door; whoever comes beyond that waits in the system's backlog."""


@attrs.frozen
class Address:
    """Where one venue is found."""

    ws: str
    """`ws://HOST:PORT`, or `wss://`, to which the venue's paths are added; on USD-M with their roots."""
    rest: str
    """`http://HOST:PORT`, or `https://`."""
    ca: str = attrs.field(default="", repr=False)
    """The certificate to trust, PEM, where it is served with TLS. As a file it is what `SSL_CERT_FILE` may name."""

    def trust(self) -> ssl.SSLContext:
        """A client's context that trusts this exchange and nobody else."""
        context = ssl.create_default_context(cadata=self.ca or None)
        context.check_hostname = True
        return context


class _Door:
    """One listening port that can be closed for a while without losing its number."""

    def __init__(
        self, exchange: Exchange, venue: str, listener: Surface, host: str, tls: ssl.SSLContext | None
    ) -> None:
        self._exchange = exchange
        self.venue = venue
        self.listener = listener
        self._tls = tls
        self._family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = self._bind(host, 0)
        self.host, self.port = self._socket.getsockname()[:2]
        self._socket.listen(_BACKLOG)
        self._open_from = 0.0
        self._accepting = trio.CancelScope()
        self._room = trio.Semaphore(_MOST_CONNECTIONS)

    def _bind(self, host: str, port: int) -> trio.socket.SocketType:
        bound = socket.socket(self._family, socket.SOCK_STREAM)
        bound.setblocking(False)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
        return trio.socket.from_stdlib_socket(bound)

    def refuse(self, venue: str, listener: Surface, until: float) -> None:
        """Refuse connections until a second of the exchange's clock; those that exist live on."""
        if (venue, listener) == (self.venue, self.listener):
            self._open_from = until
            self._accepting.cancel()
            self._socket.close()
            # Bound and not listening: the kernel answers with a reset, and nobody else can take the port.
            self._socket = self._bind(self.host, self.port)

    def close(self) -> None:
        self._socket.close()

    async def run(self) -> None:
        """Accept and serve until cancelled."""
        async with trio.open_nursery() as nursery:
            while True:
                while self._exchange.clock.now() < self._open_from:
                    await self._exchange.clock.sleep_until(self._open_from)
                self._socket.listen(_BACKLOG)
                self._accepting = trio.CancelScope()
                with self._accepting:
                    await self._accept(nursery)

    async def _accept(self, nursery: trio.Nursery) -> None:
        listening = self._socket
        while True:
            await self._room.acquire()
            accepted = False
            try:
                peer, _ = await listening.accept()
                nursery.start_soon(self._serve, trio.SocketStream(peer))
                accepted = True
            except (OSError, trio.ClosedResourceError) as exc:
                if listening is not self._socket:
                    return  # A refusal began while this task was on its way to accept.
                if not isinstance(exc, OSError):
                    raise
                if exc.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                    # As trio.serve_listeners does: out of file descriptors is no reason to die.
                    await trio.sleep(0.1)  # noqa: ASYNC120 - cancelled meanwhile, the error no longer matters
                elif exc.errno not in (errno.ECONNABORTED, errno.EPERM, errno.EPROTO):
                    raise
            finally:
                if not accepted:
                    self._room.release()

    async def _serve(self, stream: trio.SocketStream) -> None:
        handle = self._exchange.handle_ws if self.listener == "ws" else self._exchange.handle_http
        served: trio.abc.Stream = stream
        if self._tls is not None:
            # https_compatible: like the venues, it does not wait for a TLS goodbye. The handshake is done by the
            # first reading, and so inside the bound that every handshake has.
            served = trio.SSLStream(stream, self._tls, server_side=True, https_compatible=True)
        try:
            await handle(self.venue, served)
        finally:
            self._room.release()


@asynccontextmanager
async def serve(
    exchange: Exchange, host: str = "127.0.0.1", *, tls: bool = False
) -> AsyncIterator[Mapping[str, Address]]:
    """Serve the exchange over real sockets, on ports that the system chooses.

    Leaving the block, or cancelling it, closes listeners and connections at once. Unless the exchange has an epoch,
    it takes the wall clock's date now.

    Args:
        exchange: whose `run` is the caller's business.
        host: a numeric address of this machine.
        tls: whether it is `wss://` and `https://`, by a certificate of an authority that is made now; see
            `Address.trust`. Needs the extra `unblinking[tls]`.

    Raises:
        OSError: the address cannot be bound.
        RuntimeError: certificates cannot be made.
    """
    authority = new_authority(host) if tls else None
    context = None if authority is None else authority.server
    exchange.clock.follow_wall_clock()
    doors = [_Door(exchange, venue, listener, host, context) for venue in exchange.rules for listener in _LISTENERS]
    found = {(door.venue, door.listener): f"{_shown(door.host)}:{door.port}" for door in doors}
    hooks = exchange.hub.on_refuse
    try:
        hooks.extend(door.refuse for door in doors)
        async with trio.open_nursery() as nursery:
            for door in doors:
                nursery.start_soon(door.run)
            addresses = {
                venue: Address(
                    f"{'wss' if tls else 'ws'}://{found[venue, 'ws']}",
                    f"{'https' if tls else 'http'}://{found[venue, 'rest']}",
                    "" if authority is None else authority.pem,
                )
                for venue in exchange.rules
            }
            for venue, floor in exchange.floors.items():
                floor.address = addresses[venue].ws
            yield addresses
            nursery.cancel_scope.cancel()
    finally:
        for door in doors:
            hooks.remove(door.refuse)
            door.close()


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host


class Network:
    """A network in memory, for the virtual clock: dial instead of connect, refusals and resets included."""

    def __init__(self, exchange: Exchange, nursery: trio.Nursery) -> None:
        self._exchange = exchange
        self._nursery = nursery

    async def dial(self, venue: str, listener: Surface) -> MemoryStream:
        """Connect to the "ws" or "rest" listener of a venue. Always a checkpoint; cancellation is safe.

        Raises:
            ConnectionRefusedError: a refuse fault is in force.
        """
        await trio.lowlevel.checkpoint()
        if self._exchange.hub.refuses(venue, listener):
            self._exchange.hub.note_attempt(venue, listener, "refused")
            raise ConnectionRefusedError(errno.ECONNREFUSED, "the exchange does not listen")
        client, server = memory_stream_pair()
        handle = self._exchange.handle_ws if listener == "ws" else self._exchange.handle_http
        self._nursery.start_soon(handle, venue, server)
        return client


@asynccontextmanager
async def open_network(exchange: Exchange) -> AsyncIterator[Network]:
    """Serve the exchange in memory; leaving the block, or cancelling it, ends all connections at once."""
    exchange.clock.now()  # The exchange's time begins here, and not with its first client.
    for venue, floor in exchange.floors.items():
        floor.address = f"ws://{venue}.exchange"
    async with trio.open_nursery() as nursery:
        yield Network(exchange, nursery)
        nursery.cancel_scope.cancel()
