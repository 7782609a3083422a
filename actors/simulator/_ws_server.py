"""The WebSocket server: the life of one connection, from its handshake to its end, over any Trio stream."""

from __future__ import annotations

from collections import deque

import trio

from ._dialect import Answer, Dialect, Goodbye, Session
from ._frames import FrameError, FrameReader, Message, Opcode, encode, encode_close
from ._handshake import CLOSE_SECONDS, HANDSHAKE_SECONDS, shake_hands
from ._heartbeat import Heartbeat
from ._hub import Hub
from ._limits import RollingWindow
from ._record import ConnectionRecord, Surface
from ._rules import Rules
from ._streams import reset_stream
from ._trickle import send_slowly

_RECENT = 64
"""Frames of data that a connection remembers, for `replay_events`."""


class WsConnection:
    """One accepted WebSocket connection.

    Reading, writing and time run as three tasks inside `run`; everything else is synchronous, so that a fault or a
    published trade takes effect at once and in order.
    """

    def __init__(self, hub: Hub, stream: trio.abc.Stream, session: Session, record: ConnectionRecord) -> None:
        self.session = session
        self.record = record
        self.dropping = 0
        self._hub = hub
        self._stream = stream
        self._venue = record.venue
        self._surface: Surface = record.surface
        self._rules: Rules = hub.rules[record.venue]
        messages = self._rules.messages
        self._incoming = None if messages is None else RollingWindow(messages, self._rules.messages_within)
        self._heartbeat = Heartbeat(self._rules, hub.clock.now())
        self._muted_until = hub.muted_until(record.venue, record.surface)
        self._frozen_until: float | None = None
        self._last: dict[str, bytes] = {}
        self._recent: deque[bytes] = deque(maxlen=_RECENT)
        self._held: bytes | None = None
        self._ends: tuple[float, Goodbye] | None = None
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self._wake = trio.Event()
        self._closing = False
        self._cut = False
        self._peer_closed = False
        self._alarm = float("inf")
        self._rearm = trio.Event()
        self._scope = trio.CancelScope()
        self._talk = trio.CancelScope()

    # What faults and publishers call; synchronous.

    def deliver(self, topic: str, frame: bytes) -> None:
        """Queue one encoded frame of data. A peer that does not read is cut off when too much waits for it."""
        if self.record.end:
            return
        hub = self._hub
        now = hub.clock.now()
        self._heartbeat.pushed(now)
        if self._swallows(now):
            self.record.messages_muted += 1
            return
        if self.dropping:
            self.dropping -= 1
            self.record.messages_muted += 1
            return
        self._recent.append(frame)
        if not hub.in_force and self._held is None:
            self._last[topic] = frame
            self._put(frame)
            return
        if hub.active("stale", self._venue, self._surface) is not None:
            self.record.messages_muted += 1
            if topic in self._last:
                self._put(self._last[topic])
            return
        self._last[topic] = frame
        for each in self._distorted(frame):
            self._put(each)

    def say(self, frame: bytes) -> None:
        """Queue one encoded frame, whatever its size, past the faults that distort data."""
        if not self.record.end and not self._swallows(self._hub.clock.now()):
            self.record.messages_out += 1
            self._pending.append(frame)
            self._pending_bytes += len(frame)
            self._wake.set()

    def mute(self, until: float) -> None:
        """Send no frame of any kind until then; what falls into that time is lost, as on the venue."""
        self._muted_until = max(self._muted_until, until)

    def freeze(self, until: float) -> None:
        """Neither read nor write until then, and then break off: what a peer is like whose network is gone."""
        self._frozen_until = max(self._frozen_until or 0.0, until)
        self._talk.cancel()

    def cut(self, why: str) -> None:
        """End the transport once everything queued is written, without a closing handshake."""
        self._note(why)
        self._cut = True
        self._wake.set()

    def reset(self, why: str) -> None:
        """Break off with a TCP reset."""
        self._end(why)
        reset_stream(self._stream)

    def close(self, code: int, why: str) -> None:
        """Begin an orderly close with that code; a mute does not hold it back."""
        if not self._closing and self._frozen_until is None:
            self._note(f"{why} (close {code})")
            self._push(encode_close(code, why))
            self._begin_closing()

    def end_at(self, at: float, goodbye: Goodbye) -> None:
        """Close it at that second of the exchange's clock; an earlier end stays."""
        if self._ends is None or at < self._ends[0]:
            self._ends = (at, goodbye)
            self._arm(at)

    def tick(self) -> None:
        """Let the session say what has become due."""
        for payload in self.session.tick(self._hub.clock.now()):
            self.deliver("", encode(Opcode.TEXT, payload))

    def drop(self, count: int) -> None:
        """Leave out the next frames of data, so many."""
        self.dropping += count

    def replay(self, count: int) -> None:
        """Send the latest frames of data once more, so many, in their order."""
        recent = list(self._recent)[-count:]
        if not self.record.end and not self._swallows(self._hub.clock.now()):
            for frame in recent:
                self._put(frame)

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
                with self._talk:
                    brief = self._hub.active("accept_then_close", self._venue, self._surface)
                    if brief is not None:
                        self.close(brief.fault.code, "closed by a fault")
                    else:
                        self._carry_out(self.session.greet(self._hub.clock.now()))
                    async with trio.open_nursery() as nursery:
                        nursery.start_soon(self._write)
                        nursery.start_soon(self._keep_time)
                        await self._read(first)
                # Only who is frozen comes here.
                while self._frozen_until is not None and self._hub.clock.now() < self._frozen_until:
                    await self._hub.clock.sleep_until(self._frozen_until)
                self.reset("broken off after a time half-open")
        finally:
            self._note("stopped")
            self._hub.leave(self)

    def _swallows(self, now: float) -> bool:
        return now < self._muted_until or self._frozen_until is not None

    def _distorted(self, frame: bytes) -> tuple[bytes, ...]:
        """What becomes of a frame under the faults in force."""
        hub, held = self._hub, self._held
        twice = hub.active("duplicate", self._venue, self._surface)
        if twice is not None and hub.random.random() < twice.fault.share:
            return frame, frame
        swap = hub.active("reorder", self._venue, self._surface)
        if held is not None:
            self._held = None
            return frame, held
        if swap is not None and hub.random.random() < swap.fault.share:
            self._held = frame
            self._arm(swap.until)
            return ()
        return (frame,)

    def _note(self, why: str) -> None:
        if not self.record.end:
            self.record.end = why

    def _end(self, why: str) -> None:
        self._note(why)
        self._scope.cancel()

    def _begin_closing(self) -> None:
        self._closing = True
        # Whatever the peer does or does not do from here on, also when it no longer reads.
        self._scope.deadline = trio.current_time() + CLOSE_SECONDS

    def _put(self, frame: bytes) -> None:
        self.record.messages_out += 1
        self._push(frame)

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
                last, cut = self._closing, self._cut
                await send_slowly(self._hub, self._venue, self._surface, self._stream, data)
                # Counted down only now: what the operating system has not taken is still unsent.
                self._pending_bytes -= len(data)
                if cut or (last and self._peer_closed):
                    # RFC 6455, 7.1.1: the server is the first to close the transport, once both have said goodbye.
                    self._end("closed")
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self._end("the client went away")

    async def _read(self, data: bytes | bytearray) -> None:
        reader: FrameReader | None = FrameReader(self._rules.longest_request)
        while True:
            try:
                for message in reader.feed(data) if reader is not None else ():
                    self._receive(message)
            except FrameError as exc:
                # Frame boundaries are lost: what else comes until the end of the stream means nothing.
                reader = None
                if exc.code == 1009:
                    self._hub.violate(self._venue, self._surface, "longest_request", str(exc), self.record.id)
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
        if self._closing or self._cut:
            return
        now = self._hub.clock.now()
        self.record.messages_in += 1
        answer = Answer()
        if self._incoming is not None and not self._incoming.count(now):
            rules = self._rules
            detail = f"more than {rules.messages} in {rules.messages_within:g} s"
            self._hub.violate(self._venue, self._surface, "messages", detail, self.record.id)
            answer = self.session.too_many()
        elif message.opcode is Opcode.PING:
            self._reply(encode(Opcode.PONG, message.payload))
        elif message.opcode is Opcode.PONG:
            self._heartbeat.pong(message.payload)
        elif message.opcode is Opcode.TEXT:
            answer = self.session.receive(message.payload, now)
        else:
            answer = Answer(goodbye=Goodbye(1003, "binary messages are not understood"))
        self._heartbeat.heard(now, ping=answer.ping)
        self._carry_out(answer)
        if self.session.surface != self._surface:
            self._become(self.session.surface)
        self._arm(min(self.session.due(), self._deadline()))

    def _become(self, surface: Surface) -> None:
        """A login has made it a private stream: the faults that are in force there are its own from now on."""
        hub = self._hub
        self._surface = self.record.surface = surface
        self.mute(hub.muted_until(self._venue, surface))
        brief, silent = (hub.active(kind, self._venue, surface) for kind in ("accept_then_close", "half_open"))
        if brief is not None:
            self.close(brief.fault.code, "closed by a fault")
        if silent is not None and silent.fault.newcomers:
            self.freeze(silent.until)

    def _carry_out(self, answer: Answer) -> None:
        if answer.breach is not None:
            self._hub.violate(self._venue, self._surface, *answer.breach, self.record.id)
        acks = answer.acks
        lost = ("lost_ack", "lost_login_ack") if answer.login else ("lost_ack",)
        if acks and any(self._hub.active(kind, self._venue, self._surface) is not None for kind in lost):
            self.record.messages_muted += len(acks)
            acks = ()
        for payload in (*acks, *answer.frames):
            self._reply(encode(Opcode.TEXT, payload))
        if answer.goodbye is not None and answer.goodbye.code is None:
            self.cut(answer.goodbye.reason)
        elif answer.goodbye is not None:
            self.close(answer.goodbye.code or 1000, answer.goodbye.reason)

    def _reply(self, frame: bytes) -> None:
        now = self._hub.clock.now()
        self._heartbeat.pushed(now)
        if not self._swallows(now):
            self._push(frame)

    def _receive_close(self, message: Message) -> None:
        if self._closing:
            self._end("closed")
            return
        self._note(f"closed by the client ({message.close_code()})")
        if not self._swallows(self._hub.clock.now()):
            self._push(encode(Opcode.CLOSE, message.payload[:2]))
            self._peer_closed = True
            self._begin_closing()

    # Time.

    def _deadline(self) -> float:
        return self._heartbeat.deadline(subscribed=self.session.stream_count > 0)[0]

    def _arm(self, at: float) -> None:
        """Something is due then; wake the task that keeps the time, if it would sleep longer."""
        if at < self._alarm:
            self._rearm.set()

    async def _keep_time(self) -> None:
        clock, heartbeat = self._hub.clock, self._heartbeat
        while True:
            swap = self._hub.active("reorder", self._venue, self._surface) if self._held is not None else None
            held_until = float("inf") if self._held is None else swap.until if swap is not None else 0.0
            ends = float("inf") if self._ends is None else self._ends[0]
            self._alarm = wake = min(heartbeat.next_ping, self._deadline(), self.session.due(), held_until, ends)
            self._rearm = trio.Event()
            with trio.move_on_after(max(0.0, wake - clock.now())) as patience:
                await self._rearm.wait()
            if not patience.cancelled_caught:
                continue
            # Not clock.now() alone: rounding may put it a hair before the time that was waited for.
            now = max(clock.now(), wake)
            if now >= held_until and self._held is not None:
                frame, self._held = self._held, None
                self._put(frame)
            if now >= self.session.due():
                for payload in self.session.tick(now):
                    self.deliver("", encode(Opcode.TEXT, payload))
            if self._ends is not None and now >= ends:
                self._carry_out(Answer(goodbye=self._ends[1]))
                return
            due, why = heartbeat.deadline(subscribed=self.session.stream_count > 0)
            if now >= due:
                self._carry_out(self.session.overdue(why))
                return
            if now >= heartbeat.next_ping:
                heartbeat.reschedule()
                if not self._swallows(now) and not self._closing:
                    payload = str(self._hub.clocks[self._venue].ms()).encode()
                    heartbeat.ping(payload, now)
                    self._push(encode(Opcode.PING, payload))


async def serve_ws(hub: Hub, venue: str, dialect: Dialect, stream: trio.abc.Stream) -> None:
    """Serve one connection from its handshake to its end, and close the stream.

    Cancellation is safe: the stream is closed at once.

    Args:
        hub: where the connection is registered.
        venue: its name.
        dialect: how it speaks.
        stream: the transport, a fresh connection.
    """
    try:
        opened = None
        with trio.move_on_after(HANDSHAKE_SECONDS) as patience:
            opened = await shake_hands(hub, venue, dialect, stream, patience)
        if opened is not None:
            session, entry, rest = opened
            await WsConnection(hub, stream, session, entry).run(rest)
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        hub.note_attempt(venue, "ws", "broken off in the handshake")
    finally:
        await trio.aclose_forcefully(stream)
