"""A stream between the network and the WebSocket library, which takes the messages out before the library sees them.

trio_websocket hands every message through its own reader, its own queue and a task switch, and while two of them wait
unread it answers no ping. Below it, this stream takes out what is data (`actors._net._ws_frames`) and hands over everything
that one read brought at once. The library gets the handshake and the control frames, and does all the sending.

Backpressure. Messages that nobody takes are kept, up to `MAX_BYTES` or `MAX_MESSAGES`; that holds for a consumer that
stands still for a minute at 140 kB/s, and as long as it holds pings are answered. When it is full, reading pauses: what
the peer sends stays in the network, its pings too, which nobody can see there. Then an unsolicited pong goes out every
`PONG_EVERY` seconds (RFC 6455, 5.5.3), which keeps most peers content; Binance writes that such pongs "will not prevent
disconnection" (binance-spot-api-docs web-socket-streams.md, 2026-07-21). So whoever receives should always take, and
leave the choice of what to drop to a mailbox. Memory: the bound, one read, and one message under way.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator
from typing import Final

import attrs
import trio

from ._ws_frames import CLOSE, Ending, FrameSplitter

MAX_BYTES: Final = 8 * 1024 * 1024
"""Bytes read since messages were last taken, beyond which reading pauses."""
MAX_MESSAGES: Final = 65_536
"""Messages untaken, beyond which reading pauses."""
PONG_EVERY: Final = 15.0
"""Seconds between unsolicited pongs while reading is paused. The venues ping every 15 s to 3 min, and wait as long."""
SEND_TIMEOUT: Final = 20.0
"""Seconds that the peer gets to take what the library sends by itself: pongs, and the answer to a close frame."""
ABNORMAL: Final = 1006
"""The close code of a connection that ended without a close frame (RFC 6455, 7.1.5). Never sent."""

_MAX_HEAD: Final = 16 * 1024
"""Bytes of an answer to the handshake; the library's parser has the same bound."""
# The same end of a head as the library's parser takes (h11: a blank line, also without carriage returns).
_END_OF_HEAD: Final = re.compile(rb"\n\r?\n")
_STATUS: Final = re.compile(rb"HTTP/1\.[01] (\d{3})[ \r\n]")
_BAD_GATEWAY: Final = (1014).to_bytes(2, "big")
"""A close code that was assigned after the library's list was written, which would refuse it."""
_INTERNAL_ERROR: Final = (1011).to_bytes(2, "big")


@attrs.frozen
class WireStatistics:
    """What passed through a connection so far."""

    messages: int
    """Messages that arrived."""
    bytes: int
    """Bytes that arrived, of any kind."""
    waiting: int
    """Messages that nobody has taken yet."""
    paused: bool
    """Whether reading is paused because too much waits."""
    pauses: int
    """How often it was."""
    paused_seconds: float
    """For how long altogether; a pause that lasts is counted when it ends."""
    unsolicited_pongs: int
    """How many went out during pauses."""


class Tap(trio.abc.Stream):
    """The stream. `receive_some` and `send_all` are for the library, the rest is for the wire above it.

    Args:
        stream: The network's. Closing the tap closes it.
        max_message: Bytes of the longest message.
        max_bytes: Bytes read beyond which reading pauses until messages are taken.
        max_messages: Messages beyond which it does.

    Attributes:
        while_paused: Called every `PONG_EVERY` seconds of a pause: to send a pong.
        last_heard: When bytes of any kind last came, in Trio's time.
        ending: How the connection ended; None while it lasts. Messages may still wait.
        refusal: The head of an answer to the handshake that was not 101.
        half_sent: Something was sent in part only, so that nothing can follow it.
    """

    def __init__(
        self,
        stream: trio.abc.Stream,
        *,
        max_message: int,
        max_bytes: int = MAX_BYTES,
        max_messages: int = MAX_MESSAGES,
    ) -> None:
        self._stream = stream
        self._frames = FrameSplitter(max_message)
        self._max_bytes = max_bytes
        self._max_messages = max_messages
        self._head: bytes | None = b""
        """What has come of the handshake's answer; None behind it."""
        self._untaken = 0
        self._control: Iterator[bytes] = iter(())
        """Control frames that are taken, and that the library has not seen yet."""
        self._receiver: trio.lowlevel.Task | None = None
        """Who waits for messages. A `trio.lowlevel.ParkingLot` would take 600 bytes, and connections are many."""
        self._room: trio.Event | None = None
        """While reading is paused: set when messages are taken."""
        self._left = self._closing = False
        self._messages = self._bytes = self._pauses = self.unsolicited_pongs = 0
        self._paused_seconds = 0.0
        self._violated = False
        self._on_violation: Callable[[], None] | None = None
        self._taker: Callable[[list[bytes]], bool] | None = None
        self.while_paused: Callable[[], Awaitable[None]] | None = None
        self.last_heard = trio.current_time()
        self.ending: Ending | None = None
        self.refusal: bytes | None = None
        self.half_sent = False

    # For the wire.

    @trio.lowlevel.enable_ki_protection
    async def take(self) -> list[bytes]:
        """Return all messages that have arrived, in their order; none, when the connection is over. Takes one caller.

        Cancellation loses nothing.
        """
        if self._frames.messages or self.ending is not None:
            await trio.lowlevel.checkpoint()
        while not self._frames.messages and self.ending is None:
            self._receiver = trio.lowlevel.current_task()
            await trio.lowlevel.wait_task_rescheduled(self._give_up)
        return self._taken()

    def _give_up(self, _: object) -> trio.lowlevel.Abort:
        self._receiver = None
        return trio.lowlevel.Abort.SUCCEEDED

    @trio.lowlevel.enable_ki_protection
    def _wake(self) -> None:
        receiver, self._receiver = self._receiver, None
        if receiver is not None:
            trio.lowlevel.reschedule(receiver)

    def hand_to(self, taker: Callable[[list[bytes]], bool]) -> None:
        """Have this called with all messages that wait, in the task that reads, whenever more have come.

        It must not raise. False: it has taken none of them, and they wait for `take`.
        """
        self._taker = taker

    def _taken(self) -> list[bytes]:
        messages, self._frames.messages = self._frames.messages, []
        self._messages += len(messages)
        self._untaken = 0
        self._make_room()
        return messages

    def _make_room(self) -> None:
        if self._room is not None:
            self._room.set()

    def leave(self) -> None:
        """Keep no messages from now on; and if the connection still lasts, it is ended here, with code 1000."""
        self._left = True
        self._frames.messages.clear()
        self._make_room()
        self._closing = self.ending is None
        self.end(Ending(1000, "closed on this side"))

    def end(self, ending: Ending) -> None:
        """Say how the connection ended. What was said first stays."""
        if self.ending is None:
            self.ending = ending
        self._wake()

    @property
    def violation(self) -> Ending | None:
        """What the peer did wrong; its code belongs in the close frame."""
        return self._frames.violation

    def when_violated(self, callback: Callable[[], None]) -> None:
        """Have this called once, when there is a violation and all that came before it is dealt with."""
        self._on_violation = callback
        if self._violated:
            callback()

    def statistics(self) -> WireStatistics:
        """Return what passed through so far."""
        waiting = len(self._frames.messages)
        return WireStatistics(
            messages=self._messages + waiting,
            bytes=self._bytes,
            waiting=waiting,
            paused=self._room is not None,
            pauses=self._pauses,
            paused_seconds=self._paused_seconds,
            unsolicited_pongs=self.unsolicited_pongs,
        )

    # For the library.

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Return what the library has to see: a piece of the handshake, one control frame, or nothing at the end."""
        just_read = False
        while True:
            while (frame := self._next_control()) is not None:
                if not just_read:
                    await trio.lowlevel.checkpoint()
                # Otherwise without one: the pong goes out before an answer to the messages that came behind the ping.
                just_read = False
                if frame[0] == CLOSE:
                    return frame[:2] + frame[2:4].replace(_BAD_GATEWAY, _INTERNAL_ERROR) + frame[4:]
                # Behind our close frame the library fails on a ping, because no pong may be sent any more.
                if not self._closing:
                    return frame
            if self._frames.violation is not None:
                # Only now that the library has answered the pings before it: behind the close frame it could not.
                self._refuse()
            if self._full():
                await self._wait_for_room()
            data = await self._read(max_bytes)
            if not data:
                return b""
            if self._head is not None:
                data = self._read_head(self._head, data)
                if self.refusal is not None:
                    return b""
                if data:
                    return data
            else:
                self._split(data)
                just_read = True

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send, and remember if it was in part only.

        Raises:
            trio.BrokenResourceError: The connection is broken, or the peer took nothing for `SEND_TIMEOUT` seconds.
        """
        if self.half_sent:
            await trio.lowlevel.checkpoint()
            raise trio.BrokenResourceError("half a frame is on the wire")
        try:
            with trio.move_on_after(SEND_TIMEOUT) as scope:
                await self._stream.send_all(data)
        except trio.Cancelled:
            self.half_sent = True
            raise
        if scope.cancelled_caught:
            self.half_sent = True
            raise trio.BrokenResourceError("the peer takes nothing")

    async def wait_send_all_might_not_block(self) -> None:
        """Wait as the network's stream does."""
        await self._stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        """Close the network's stream."""
        await self._stream.aclose()

    # Inside.

    def _next_control(self) -> bytes | None:
        frame = next(self._control, None)
        if frame is None and self._frames.control:
            self._control, self._frames.control = iter(self._frames.control), []
            frame = next(self._control)
        return frame

    async def _read(self, max_bytes: int | None) -> bytes:
        try:
            data = bytes(await self._stream.receive_some(max_bytes))
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            cause = error.__cause__
            self.end(Ending(ABNORMAL, f"{type(cause).__name__}: {cause}" if cause else "the connection broke"))
            raise
        if data:
            self.last_heard = trio.current_time()
            self._bytes += len(data)
        else:
            self.end(Ending(ABNORMAL, "the peer ended the connection without a close frame"))
        return data

    def _read_head(self, head: bytes, data: bytes) -> bytes:
        """Return what of the handshake the library must see. Behind the head begin the frames."""
        whole = head + data
        end = _END_OF_HEAD.search(whole, max(0, len(head) - 3))
        if end is None:
            # Beyond the bound the library's own parser fails; until then nothing more is kept.
            self._head = whole[: _MAX_HEAD + 1]
            return data
        status = _STATUS.match(whole)
        if status is not None and status[1] != b"101":
            # The library would wait for a body, as long as that may be.
            self.refusal = whole[: end.end()]
            return b""
        self._head = None
        self._split(whole[end.end() :])
        return whole[len(head) : end.end()]

    def _split(self, data: bytes) -> None:
        frames = self._frames
        frames.feed(data)
        self._untaken += len(data)
        if self._left:
            frames.messages.clear()
        elif frames.messages and self._taker is not None and self._taker(frames.messages):
            self._taken()
        if (ending := frames.violation or frames.closed) is not None:
            self.end(ending)
        elif frames.messages:
            self._wake()

    def _refuse(self) -> None:
        if not self._violated:
            self._violated = True
            if self._on_violation is not None:
                self._on_violation()

    def _full(self) -> bool:
        waiting = len(self._frames.messages)
        # With no message waiting there is nothing to take, however long the one under way may be.
        full = waiting >= self._max_messages or (waiting > 0 and self._untaken >= self._max_bytes)
        return full and not self._left and self.ending is None

    async def _wait_for_room(self) -> None:
        self._pauses += 1
        started = trio.current_time()
        try:
            while self._full():
                self._room = trio.Event()
                with trio.move_on_after(PONG_EVERY) as scope:
                    await self._room.wait()
                if scope.cancelled_caught and self.while_paused is not None:
                    await self.while_paused()
        finally:
            self._room = None
            self._paused_seconds += trio.current_time() - started
