"""The WebSocket server: handshake, heartbeat, limits and the life of one connection, over any Trio stream."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping

import h11
import trio

from ._accounts import ListenKeys
from ._frames import FrameError, FrameReader, Message, Opcode, encode, encode_close
from ._hub import Hub
from ._limits import RollingWindow
from ._messages import listen_key_expired, wrapped
from ._record import ConnectionRecord, Surface
from ._rules import Rules
from ._session import BadTarget, Session
from ._streams import reset_stream

_HANDSHAKE_SECONDS = 10.0
_CLOSE_SECONDS = 5.0
"""How long a closing handshake may take."""
_LARGEST_REQUEST = 64 * 1024
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class WsConnection:
    """One accepted WebSocket connection.

    Reading, writing and time run as three tasks inside `run`; everything else is synchronous, so that a fault or a
    published trade takes effect at once and in order.
    """

    def __init__(
        self,
        hub: Hub,
        keys: ListenKeys,
        stream: trio.abc.Stream,
        session: Session,
        record: ConnectionRecord,
    ) -> None:
        self.session = session
        self.record = record
        self._hub = hub
        self._keys = keys
        self._stream = stream
        self._rules: Rules = hub.rules[record.venue]
        self._incoming = RollingWindow(self._rules.messages_per_second, 1.0)
        self._muted_until = hub.muted_until(record.venue, record.surface)
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self._wake = trio.Event()
        self._closing = False
        self._peer_closed = False
        self._pings: dict[bytes, float] = {}
        self._told: set[str] = set()
        self._scope = trio.CancelScope()

    # What faults and publishers call; synchronous.

    def deliver(self, frame: bytes) -> None:
        """Queue one encoded frame. A peer that does not read is cut off when too much waits for it."""
        if self._hub.clock.now() < self._muted_until:
            self.record.messages_muted += 1
        elif not self.record.end:
            self.record.messages_out += 1
            self._push(frame)

    def mute(self, until: float) -> None:
        """Send no frame of any kind until then; what falls into that time is lost, as on the venue."""
        self._muted_until = max(self._muted_until, until)

    def reset(self, why: str) -> None:
        """Break off with a TCP reset."""
        self._end(why)
        reset_stream(self._stream)

    def close(self, code: int, why: str) -> None:
        """Begin an orderly close with that code; a mute does not hold it back."""
        if not self._closing:
            self._note(f"{why} (close {code})")
            self._push(encode_close(code, why))
            self._begin_closing()

    def tell_expired(self, listen_key: str) -> None:
        """Send the notice that a key ended, once, and only where `events` lists it."""
        key = self._keys.find(listen_key)
        if key is None or listen_key in self._told:
            return
        self._told.add(listen_key)
        if key.notice and self.session.wants_event(listen_key, "listenKeyExpired"):
            payload = listen_key_expired(listen_key, self._hub.clock.ms())
            self.deliver(encode(Opcode.TEXT, wrapped(listen_key, payload) if self.session.combined else payload))

    # The life of the connection.

    async def run(self, first: bytes) -> None:
        """Serve until either side ends; when cancelled, the stream is closed without a closing handshake.

        Args:
            first: bytes that came with the handshake.
        """
        self._hub.join(self)
        self._hub.subscribers[self.record.id] = self
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._write)
                    nursery.start_soon(self._keep_time)
                    await self._read(first)
        finally:
            self._note("stopped")
            self._hub.leave(self)

    def _note(self, why: str) -> None:
        if not self.record.end:
            self.record.end = why

    def _end(self, why: str) -> None:
        self._note(why)
        self._scope.cancel()

    def _begin_closing(self) -> None:
        self._closing = True
        # Whatever the peer does or does not do from here on, also when it no longer reads.
        self._scope.deadline = trio.current_time() + _CLOSE_SECONDS

    def _push(self, frame: bytes) -> None:
        self._pending.append(frame)
        self._pending_bytes += len(frame)
        self._wake.set()
        if self._pending_bytes > self._rules.backlog:
            self.reset("the client reads too slowly")

    async def _write(self) -> None:
        try:
            while True:
                await self._wake.wait()
                self._wake = trio.Event()
                data = b"".join(self._pending)
                self._pending.clear()
                last = self._closing
                await self._stream.send_all(data)
                # Counted down only now: what the operating system has not taken is still unsent.
                self._pending_bytes -= len(data)
                if last and self._peer_closed:
                    # RFC 6455, 7.1.1: the server is the first to close the transport, once both have said goodbye.
                    self._end("closed")
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self._end("the client went away")

    async def _read(self, data: bytes | bytearray) -> None:
        reader: FrameReader | None = FrameReader(_LARGEST_REQUEST)
        while True:
            try:
                for message in reader.feed(data) if reader is not None else ():
                    self._receive(message)
            except FrameError as exc:
                # Frame boundaries are lost: what else comes until the end of the stream means nothing.
                reader = None
                self.close(exc.code, str(exc))
            try:
                data = await self._stream.receive_some(65_536)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                data = b""
            if not data:
                self._end("the client went away")
                return

    def _receive(self, message: Message) -> None:
        if message.opcode is Opcode.CLOSE:
            self._receive_close(message)
            return
        if self._closing:
            return
        self.record.messages_in += 1
        if not self._incoming.count(self._hub.clock.now()):
            self._breach("messages_per_second", f"more than {self._rules.messages_per_second}", "Too many requests")
        elif message.opcode is Opcode.PING:
            self._reply(encode(Opcode.PONG, message.payload))
        elif message.opcode is Opcode.PONG:
            self._receive_pong(message.payload)
        elif message.opcode is Opcode.TEXT:
            answer = self.session.receive(message.payload)
            if self.session.stream_count > self._rules.streams_per_connection:
                self._breach("streams", f"{self.session.stream_count} streams", "Too many streams")
            else:
                self._reply(encode(Opcode.TEXT, answer))
        else:
            self.close(1003, "binary messages are not understood")

    def _breach(self, rule: str, detail: str, reason: str) -> None:
        self._hub.violate(self.record.venue, self.record.surface, rule, detail, self.record.id)
        self.close(1008, reason)

    def _reply(self, frame: bytes) -> None:
        if self._hub.clock.now() >= self._muted_until:
            self._push(frame)

    def _receive_close(self, message: Message) -> None:
        if self._closing:
            self._end("closed")
            return
        self._note(f"closed by the client ({message.close_code()})")
        if self._hub.clock.now() >= self._muted_until:
            self._push(encode(Opcode.CLOSE, message.payload[:2]))
            self._peer_closed = True
            self._begin_closing()

    def _receive_pong(self, payload: bytes) -> None:
        if payload in self._pings:
            # An answer to a ping answers all earlier ones (RFC 6455, 5.5.3).
            for sent in list(self._pings):
                del self._pings[sent]
                if sent == payload:
                    break

    async def _keep_time(self) -> None:
        clock, rules = self._hub.clock, self._rules
        next_ping = clock.now() + rules.ping_interval
        while True:
            dead = min(self._pings.values(), default=float("inf")) + rules.pong_timeout
            wake = min(next_ping, dead, *self._expiries())
            await clock.sleep_until(wake)
            # Not clock.now() alone: rounding may put it a hair before the time that was waited for.
            now = max(clock.now(), wake)
            for listen_key in self.session.user_streams:
                key = self._keys.find(listen_key)
                if key is not None and not key.active(now):
                    self.tell_expired(listen_key)
            if self._pings and min(self._pings.values()) + rules.pong_timeout <= now:
                self.close(1008, "Pong timeout")
                return
            if now >= next_ping:
                next_ping += rules.ping_interval
                if now >= self._muted_until and not self._closing:
                    payload = str(clock.ms(now)).encode()
                    self._pings[payload] = now
                    self._push(encode(Opcode.PING, payload))

    def _expiries(self) -> list[float]:
        keys = (self._keys.find(value) for value in self.session.user_streams if value not in self._told)
        return [key.expires for key in keys if key is not None] or [float("inf")]


async def serve_ws(
    hub: Hub, keys: ListenKeys, venue: str, known: Callable[[str], bool], stream: trio.abc.Stream
) -> None:
    """Serve one connection from its handshake to its end, and close the stream.

    Cancellation is safe: the stream is closed at once.

    Args:
        hub: where the connection is registered.
        keys: the listen keys of the venue.
        venue: its name.
        known: says whether a stream exists.
        stream: the transport, a fresh connection.
    """
    try:
        opened = None
        with trio.move_on_after(_HANDSHAKE_SECONDS):
            opened = await _handshake(hub, venue, known, stream)
        if opened is not None:
            session, entry, rest = opened
            await WsConnection(hub, keys, stream, session, entry).run(rest)
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        hub.note_attempt(venue, "ws", "broken off in the handshake")
    finally:
        await trio.aclose_forcefully(stream)


async def _handshake(
    hub: Hub, venue: str, known: Callable[[str], bool], stream: trio.abc.Stream
) -> tuple[Session, ConnectionRecord, bytes] | None:
    http = h11.Connection(h11.SERVER, max_incomplete_event_size=16 * 1024)
    try:
        event = http.next_event()
        while event is h11.NEED_DATA:
            http.receive_data(bytes(await stream.receive_some(65_536)))
            event = http.next_event()
        if not isinstance(event, h11.Request):
            return None
        http.next_event()
    except h11.RemoteProtocolError as exc:
        hub.note_attempt(venue, "ws", "not HTTP")
        await _refuse(http, stream, exc.error_status_hint, str(exc))
        return None
    headers = {name.decode().lower(): value.decode("latin-1") for name, value in event.headers}
    target = event.target.decode("latin-1")
    surface: Surface = "private" if target.startswith("/private") else "ws"
    try:
        key = _checked_key(event.method, headers)
        if not hub.attempt(venue, surface):
            raise BadTarget(429, "too many attempts to connect")
        if len(target) > hub.rules[venue].longest_target:
            raise BadTarget(414, "the target is too long")
        session = Session(venue, target, known, lists_unknown=hub.rules[venue].lists_unknown)
        if session.stream_count > hub.rules[venue].streams_per_connection:
            hub.violate(venue, session.surface, "streams", f"{session.stream_count} streams")
            raise BadTarget(400, "too many streams")
    except BadTarget as exc:
        hub.note_attempt(venue, surface, f"rejected {exc.status}")
        await _refuse(http, stream, exc.status, str(exc))
        return None
    hub.note_attempt(venue, session.surface, "accepted")
    entry = hub.admit(venue, session.surface, session.path)
    accept = base64.b64encode(hashlib.sha1(key.encode() + _GUID, usedforsecurity=False).digest())
    answer = [(b"Upgrade", b"websocket"), (b"Connection", b"Upgrade"), (b"Sec-WebSocket-Accept", accept)]
    await stream.send_all(http.send(h11.InformationalResponse(status_code=101, headers=answer)) or b"")
    return session, entry, http.trailing_data[0]


def _checked_key(method: bytes, headers: Mapping[str, str]) -> str:
    """The client's key, if this is a WebSocket handshake (RFC 6455, 4.2.1)."""
    if method != b"GET" or headers.get("upgrade", "").lower() != "websocket":
        raise BadTarget(400, "a WebSocket handshake is expected here")
    if headers.get("sec-websocket-version") != "13" or "sec-websocket-key" not in headers:
        raise BadTarget(400, "an incomplete WebSocket handshake")
    return headers["sec-websocket-key"]


async def _refuse(http: h11.Connection, stream: trio.abc.Stream, status: int, reason: str) -> None:
    body = reason.encode()
    head = [("Content-Length", str(len(body))), ("Connection", "close")]
    data = http.send(h11.Response(status_code=status, headers=head)) or b""
    await stream.send_all(data + (http.send(h11.Data(data=body)) or b"") + (http.send(h11.EndOfMessage()) or b""))
    with trio.move_on_after(_CLOSE_SECONDS):
        # Let the client read the answer: closing at once with unread input would reset the connection.
        if isinstance(stream, trio.abc.HalfCloseableStream):
            await stream.send_eof()
        while await stream.receive_some(65_536):
            pass
