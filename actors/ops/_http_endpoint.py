"""A small HTTP server for a few watchers: h11 over Trio, one request at a time on each connection, everything bounded.

What a client can take from others is bounded, too. When all connections are taken, the one that has made no progress for
the longest time gives way to the next: a prober gets in although somebody holds as many connections open as there are.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias
from urllib.parse import parse_qsl

import attrs
import h11
import trio

_CHUNK = 16 * 1024
_AT_ONCE = 8
"""Requests between two chances for the rest of the program: each costs some 0.3 ms, and feeds do not wait for hundreds."""
_LINGER = 1.0
"""Seconds in which what a client still sends is thrown away: closing at once would take the answer from it."""


@attrs.frozen
class Bounds:
    """What a client can have at most."""

    connections: int = 256
    head: int = 16 * 1024
    """Bytes of a request's first line and headers."""
    body: int = 16 * 1024
    """Bytes. No request here needs one."""
    idle: float = 60.0
    """Seconds between two requests."""
    request: float = 10.0
    """Seconds from a request's first byte to its last."""
    answer: float = 10.0
    """Seconds in which a client must take an answer, or a piece of a stream."""
    streams: int = 16
    """Streams without an end at a time."""


@attrs.frozen
class Request:
    """One request."""

    method: str
    path: str
    """As sent, without the query."""
    query: Mapping[str, str]
    headers: Mapping[str, str]
    """Names are lower case; of a name that comes twice the values are joined by a comma."""


Send: TypeAlias = Callable[[bytes], Awaitable[None]]


@attrs.frozen
class Reply:
    """One answer."""

    status: int
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = ()
    stream: Callable[[Send], Awaitable[None]] | None = None
    """Writes a body without a known end, instead of `body`, until it returns or the client goes."""


Respond: TypeAlias = Callable[[Request], Awaitable[Reply]]


class Endpoint:
    """The connections of one server.

    Args:
        respond: Gives the answer to a request. What it raises becomes a 500, and is reported.
        bounds: What a client can have at most.
        report: Told what `respond` raised.
    """

    def __init__(self, respond: Respond, bounds: Bounds, report: Callable[[Request, Exception], None]) -> None:
        self.respond = respond
        self.bounds = bounds
        self.report = report
        self._open: dict[_Connection, None] = {}
        self._turns = trio.CapacityLimiter(_AT_ONCE)
        self.accepted = 0
        """Connections so far."""
        self.evicted = 0
        """Connections that gave way to newer ones."""
        self.refused = 0
        """Connections for which no other one could give way."""
        self.requests = 0

    @property
    def connections(self) -> int:
        """How many are open now."""
        return len(self._open)

    @property
    def streams(self) -> int:
        """How many of them are streams without an end."""
        return sum(connection.streaming for connection in self._open)

    async def turn(self) -> None:
        """Wait until it is one's turn to compute, until the next checkpoint."""
        # A turn lasts from one round of the event loop to the next, so that a round has only so many.
        async with self._turns:
            await trio.lowlevel.checkpoint()

    async def serve(self, stream: trio.abc.Stream) -> None:
        """Serve one connection to its end and close it; raises nothing. Cancellation closes it at once."""
        try:
            self.accepted += 1
            if not self._make_room():
                self.refused += 1
                return
            connection = _Connection(self, stream)
            self._open[connection] = None
            try:
                await connection.run()
            finally:
                self._open.pop(connection, None)
        finally:
            await trio.aclose_forcefully(stream)

    def _make_room(self) -> bool:
        if len(self._open) < self.bounds.connections:
            return True
        now = trio.current_time()
        # Whoever is being answered, and takes it, is left alone.
        idle = [other for other in self._open if other.waiting or now - other.since > 1.0]
        if not idle:
            return False
        victim = min(idle, key=lambda other: (not other.waiting, other.since))
        del self._open[victim]
        self.evicted += 1
        victim.scope.cancel("another client needs the connection")
        return True


class _Connection:
    """One connection of one client, kept alive between requests."""

    def __init__(self, endpoint: Endpoint, stream: trio.abc.Stream) -> None:
        self._endpoint = endpoint
        self._bounds = endpoint.bounds
        self._stream = stream
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=endpoint.bounds.head)
        self.scope = trio.CancelScope()
        self.since = trio.current_time()
        """When it last made progress."""
        self.waiting = True
        """Whether the client is to send something; otherwise it is being answered."""
        self.streaming = False

    async def run(self) -> None:
        try:
            with self.scope:
                while await self._one_request():
                    self._http.start_next_cycle()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # The client has gone, which is its right.
        except h11.LocalProtocolError as error:
            # Ours, and a bug; it costs this one connection.
            self._endpoint.report(Request("", "", {}, {}), error)

    async def _one_request(self) -> bool:
        """Serve one request; return whether there can be another one."""
        self.waiting, self.since = True, trio.current_time()
        try:
            request = await self._receive()
        except h11.RemoteProtocolError as error:
            if self._http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
                self.waiting = False
                # Its fault, whatever the hint: a 5xx here always means that something is wrong with the bot.
                status = error.error_status_hint if error.error_status_hint < 500 else 400
                await self._send(Reply(status, f"{error}\n".encode()), close=True)
                await self._linger()
            return False
        if request is None:
            return False
        self.waiting, self.since = False, trio.current_time()
        self._endpoint.requests += 1
        reply = await self._answer(request)
        if reply.stream is not None and request.method != "HEAD":
            await self._send_stream(request, reply, reply.stream)
            return False
        # A client that has not sent all of its request cannot send another one.
        close = self._http.their_state is not h11.DONE
        if not await self._send(reply, close=close, head_only=request.method == "HEAD"):
            return False
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            return True
        await self._linger()
        return False

    async def _answer(self, request: Request) -> Reply:
        if request.method == "CONNECT":
            return Reply(405, b"this is no proxy\n")  # Any success would turn the connection into a tunnel.
        try:
            return await self._endpoint.respond(request)
        except Exception as error:  # noqa: BLE001 - reported; the others are served on
            self._endpoint.report(request, error)
            return Reply(500, b"this is a bug, and was reported\n")

    async def _receive(self) -> Request | None:
        """Return the next request; None when the client has gone, or takes too long."""
        head: h11.Request | None = None
        length = 0
        begun = bool(self._http.trailing_data[0])
        wait = self._bounds.request if begun else self._bounds.idle
        with trio.move_on_after(wait) as patience:
            while True:
                event = self._http.next_event()
                if event is h11.NEED_DATA:
                    if self._http.they_are_waiting_for_100_continue and head is not None:
                        return _request(head)  # It is answered without its body, which nobody wants.
                    data = await self._stream.receive_some(_CHUNK)
                    await self._endpoint.turn()
                    self._http.receive_data(bytes(data))
                    if not begun:
                        begun = True
                        patience.deadline = trio.current_time() + self._bounds.request
                elif isinstance(event, h11.Request):
                    head = event
                elif isinstance(event, h11.Data):
                    length += len(event.data)
                    if length > self._bounds.body:
                        raise h11.RemoteProtocolError("the body is too large", error_status_hint=413)
                elif isinstance(event, h11.EndOfMessage) and head is not None:
                    return _request(head)
                else:
                    return None
        return None

    async def _send(self, reply: Reply, *, close: bool = False, head_only: bool = False) -> bool:
        """Send an answer; return whether the client took it in time."""
        length = ("Content-Length", str(len(reply.body)))
        events: list[h11.Event] = [self._head(reply, length, *([("Connection", "close")] if close else []))]
        if not head_only:
            events.append(h11.Data(data=reply.body))
        return await self._write(*events, h11.EndOfMessage())

    def _head(self, reply: Reply, *more: tuple[str, str]) -> h11.Response:
        headers = [("Content-Type", reply.content_type), *more, *reply.headers]
        return h11.Response(status_code=reply.status, headers=headers)

    async def _write(self, *events: h11.Event) -> bool:
        data = b"".join(self._http.send(event) or b"" for event in events)
        with trio.move_on_after(self._bounds.answer) as patience:
            await self._stream.send_all(data)
        self.since = trio.current_time()
        return not patience.cancelled_caught

    async def _send_stream(self, request: Request, reply: Reply, stream: Callable[[Send], Awaitable[None]]) -> None:
        async def send(data: bytes) -> None:
            try:
                taken = await self._write(h11.Data(data=data))
            except trio.BrokenResourceError:
                taken = False
            if not taken:
                over.cancel("the client does not read, or has gone")
                await trio.lowlevel.checkpoint()

        async def watch_client() -> None:
            # It has nothing more to say: whatever comes, even its going, ends the stream.
            try:
                await self._stream.receive_some(1)
            except trio.BrokenResourceError:
                pass
            finally:
                over.cancel("the client has gone")

        self.streaming = True
        if not await self._write(self._head(reply, ("Connection", "close"))):
            return
        async with trio.open_nursery() as nursery:
            over = nursery.cancel_scope
            nursery.start_soon(watch_client)
            try:
                await stream(send)
            except Exception as error:  # noqa: BLE001 - reported; the others are served on
                self._endpoint.report(request, error)
            over.cancel("the stream has ended")
        await self._write(h11.EndOfMessage())

    async def _linger(self) -> None:
        if not isinstance(self._stream, trio.abc.HalfCloseableStream):
            return
        self.waiting, left = True, self._bounds.body
        with trio.move_on_after(_LINGER):
            await self._stream.send_eof()
            while left > 0 and (data := await self._stream.receive_some(_CHUNK)):
                left -= len(data)


def _request(head: h11.Request) -> Request:
    path, _, query = head.target.decode("latin-1").partition("?")
    headers: dict[str, str] = {}
    for name, value in head.headers:
        key, text = name.decode("latin-1"), value.decode("latin-1")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    try:
        pairs = dict(parse_qsl(query, keep_blank_values=True, max_num_fields=20))
    except ValueError:
        raise h11.RemoteProtocolError("the query has too many fields", error_status_hint=400) from None
    return Request(head.method.decode("latin-1"), path, pairs, headers)
