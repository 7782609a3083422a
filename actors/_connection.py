"""One WebSocket connection as an actor: connect, confirm, hand over, notice the end."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, Final, Protocol

import attrs
import trio

from supervisor import Backoff, Mailbox, MailboxClosed, Me, PlannedEnd, actor

from ._errors import BadFrame, ConnectFailed, KeyExpired, KeyTimeout, MuteFeed, PongTimeout, Unsubscribed
from ._messages import Batch, Hold, Inflow, Key, KeyRequest, Lost, Opened, Order, Reconnect, Session, kept
from ._source import (
    AccountSource,
    Closing,
    Control,
    Frame,
    Ignored,
    Listed,
    ListenKeyExpired,
    Refused,
    TradeSource,
)
from ._wire import CONNECT_TIMEOUT, Dial, Wire, open_wire

CONTROL: Final = (Closing, Ignored, Listed, ListenKeyExpired, Refused)
BACKOFF: Final = Backoff(floor=0.25, base=0.5, cap=60.0)
SILENCE: Final = 60.0
"""Seconds without any frame or pong. The pinger makes sure that a living connection has one far more often."""
READY_WITHIN: Final = 45.0
"""Seconds for the key, the connection and the confirmation, each of which has a bound of its own."""

_KINDS_NOTED: Final = 20
_LONGEST_NAP: Final = 10.0
_BEAT_EVERY: Final = SILENCE / 4
_NOTE_EVERY: Final = 60.0


class Line(Protocol):
    """What differs between public and private connections."""

    async def path(self, session: Session) -> str:
        """Return path and query to connect to."""

    def confirmation(self) -> str | None:
        """Return the frame that asks whether we are subscribed; None where nothing can be asked."""

    def confirms(self, listed: Listed) -> bool:
        """Say whether the venue's list has our subscription."""

    def decode(self, frame: Frame, received: int) -> Any:
        """Read one frame.

        Raises:
            BadFrame: It cannot be read.
        """

    def stamp(self, items: Sequence[Any], received: int) -> None:
        """Write the local time into data that was just decoded."""


@attrs.frozen
class PublicLine:
    """The trades of one symbol."""

    source: TradeSource

    async def path(self, session: Session) -> str:
        """Return the stream's path."""
        await trio.lowlevel.checkpoint()
        return self.source.stream_path()

    def confirmation(self) -> str | None:
        """Return the request for the list of subscriptions."""
        return self.source.list_request()

    def confirms(self, listed: Listed) -> bool:
        """Say whether our stream is listed."""
        return self.source.lists_us(listed)

    def decode(self, frame: Frame, received: int) -> Any:
        """Read one frame."""
        return self.source.decode(frame)

    def stamp(self, items: Sequence[Any], received: int) -> None:
        """Write the local time into trades."""
        self.source.stamp(items, received)


@attrs.frozen
class PrivateLine:
    """The orders of one account. Every connection gets a listen key that was confirmed for it."""

    source: AccountSource
    requests: Mailbox[KeyRequest]
    keys: Mailbox[Key]
    patience: float = 20.0
    """Seconds to wait for a key."""

    async def path(self, session: Session) -> str:
        """Ask for a listen key, and return the path with it.

        Raises:
            KeyTimeout: None came.
        """
        await self.requests.send(KeyRequest(session))
        with trio.move_on_after(self.patience):
            async for key in self.keys:
                # An answer to an earlier connection may hold a key that has died since.
                if key.session is session:
                    return self.source.stream_path(key.value)
        raise KeyTimeout(f"no listen key within {self.patience:g} s")

    def confirmation(self) -> str | None:
        """Return None: the key was confirmed by REST a moment ago, and there is nothing to list."""
        return None

    def confirms(self, listed: Listed) -> bool:
        """Return True."""
        return True

    def decode(self, frame: Frame, received: int) -> Any:
        """Read one frame."""
        return self.source.decode(frame, received)

    def stamp(self, items: Sequence[Any], received: int) -> None:
        """Do nothing: order updates are stamped when they are decoded."""


@actor(
    silence=SILENCE,
    ready_within=READY_WITHIN,
    first_start="retry",
    max_failures=None,
    backoff=BACKOFF,
)
@attrs.frozen
class Connection:
    """One WebSocket connection.

    It ends, and a new one takes its place, when the peer ends it, does not answer a ping, sends what cannot be read, or
    when the feed says that it is mute. Before the venue's lifetime limit and on the venue's notice it ends as planned.
    """

    line: Line
    address: str
    """``wss://stream.binance.com:9443``"""
    inflow: Mailbox[Inflow[Any]]
    control: Mailbox[Order]
    hold: Mailbox[Hold]
    confirm_within: float = 10.0
    """Seconds from the connection to the first sign that the subscription holds."""
    pong_within: float = 10.0
    """Seconds from a ping to its pong."""
    lifetime: float = 23.5 * 3600
    """Seconds after which it is renewed; the venue ends it after 24 hours. Spread by up to a tenth below this."""
    connect_timeout: float = CONNECT_TIMEOUT
    dial: Dial | None = None

    async def run(self, me: Me) -> None:
        """Live as long as the connection does.

        Cancellation: the connection is closed in order, within the grace.

        Raises:
            WireError: The connection failed or ended.
            BadFrame: The venue sent what cannot be read.
            Unsubscribed: The subscription was refused or is not listed.
            MuteFeed: The feed found that nothing comes, although there is something.
            KeyExpired, KeyTimeout: Of private connections.
            PlannedEnd: The lifetime or the venue's notice.
        """
        hold = kept(self.hold, Hold)
        await self._wait_until_allowed(hold)
        session = Session()
        path = await self.line.path(session)
        try:
            async with open_wire(self.address + path, dial=self.dial, connect_timeout=self.connect_timeout) as wire:
                try:
                    await _Talk(self, me, wire, session).run()
                finally:
                    with me.cleanup():
                        await wire.aclose()
        except ConnectFailed as failure:
            if failure.retry_after is not None:
                hold.extend(failure.retry_after)
            raise

    async def _wait_until_allowed(self, hold: Hold) -> None:
        wait = hold.until - trio.current_time()
        if wait > 0:
            await trio.sleep(min(wait, _LONGEST_NAP))
            if wait > _LONGEST_NAP:
                # In short pieces: longer ones would run into `ready_within`, and obeying the venue is no failure.
                raise PlannedEnd(f"the venue asked to wait another {wait - _LONGEST_NAP:.0f} s before connecting")


class _Talk:
    """What happens on one open connection."""

    def __init__(self, settings: Connection, me: Me, wire: Wire, session: Session) -> None:
        self._settings = settings
        self._line = settings.line
        self._inflow = settings.inflow
        self._me = me
        self._wire = wire
        self._session = session
        self._held_back = False
        """Whether the owner of the data lets us wait, so that pongs may stay unread through no fault of the peer."""
        self._next_note = -float("inf")
        self._unknown: Counter[str] = Counter()

    async def run(self) -> None:
        """Confirm, then hand over until the end."""
        first = await self._confirm()
        reason = "stopped"
        try:
            self._me.ready()
            await self._put(Opened(self._session))
            if first:
                await self._put(Batch(first))
            await together(self._pump, self._obey, self._retire)
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            raise
        finally:
            # Only a hint: the next `Opened` tells the same, and after the end of the tree nobody asks.
            with suppress(trio.WouldBlock, MailboxClosed):
                self._inflow.send_nowait(Lost(self._session, reason))

    async def _confirm(self) -> list[Any]:
        """Wait for proof of the subscription, and return the data that came meanwhile.

        An acknowledgement proves nothing: unknown streams are acknowledged too (exchanges' live behaviour, 2026-07).
        """
        question = self._line.confirmation()
        if question is None:
            return []
        within = self._settings.confirm_within
        with trio.move_on_after(within):
            await self._wire.send(question)
            while True:
                items, end, listed = self._read(await self._wire.receive_many())
                if end is not None:
                    raise end
                if items:
                    return items
                if listed is not None:
                    if self._line.confirms(listed):
                        return []
                    raise Unsubscribed(f"the venue does not list the subscription, but {len(listed.streams)} others")
        raise Unsubscribed(f"neither listed nor any data within {within:g} s")

    async def _pump(self) -> None:
        while True:
            frames = await self._wire.receive_many()
            self._me.beat()
            items, end, _ = self._read(frames)
            if items:
                await self._put(Batch(items))
            if end is not None:
                raise end

    def _read(self, frames: Sequence[Frame]) -> tuple[list[Any], Exception | None, Listed | None]:
        """Decode a batch: its data up to the frame that ends the connection, that end, and the list if it came."""
        received = int(time.time() * 1000)
        items: list[Any] = []
        end: Exception | None = None
        listed: Listed | None = None
        for frame in frames:
            try:
                message = self._line.decode(frame, received)
            except BadFrame as error:
                end = error
                break
            if not isinstance(message, CONTROL):
                items.append(message)
            elif isinstance(message, Listed):
                listed = message
            else:
                end = self._judge(message)
                if end is not None:
                    break
        self._line.stamp(items, received)
        return items, end, listed

    def _judge(self, message: Control) -> Exception | None:
        match message:
            case Closing():
                return PlannedEnd(f"the venue announced: {message.reason}")
            case ListenKeyExpired():
                return KeyExpired("the venue says that the listen key has expired")
            case Refused():
                return Unsubscribed(f"refused: {message.message} ({message.code})")
            case Ignored(known=False):
                if message.kind not in self._unknown and len(self._unknown) < _KINDS_NOTED:
                    self._me.note("unknown_message", kind=message.kind)
                if message.kind in self._unknown or len(self._unknown) < _KINDS_NOTED:
                    self._unknown[message.kind] += 1
        return None

    async def _put(self, message: Inflow[Any]) -> None:
        try:
            self._inflow.send_nowait(message)
        except trio.WouldBlock:
            pass
        else:
            return
        self._held_back = True
        self._note_held_back()
        waiting = True
        while waiting:
            # A slow owner is no reason to end a connection that works. A send that is cut off has put nothing in.
            with trio.move_on_after(_BEAT_EVERY) as scope:
                await self._inflow.send(message)
            self._me.beat()
            waiting = scope.cancelled_caught
        self._held_back = False

    def _note_held_back(self) -> None:
        now = trio.current_time()
        if now >= self._next_note:
            self._next_note = now + _NOTE_EVERY
            self._me.note("held_back", waiting=self._inflow.statistics().used)

    async def _obey(self) -> None:
        async for order in self._settings.control:
            if isinstance(order, Reconnect):
                if order.session is self._session:
                    raise MuteFeed(order.reason)
            else:
                await self._ping()

    async def _ping(self) -> None:
        held_back = self._held_back
        try:
            seconds = await self._wire.ping(within=self._settings.pong_within)
        except PongTimeout:
            if held_back or self._held_back:
                # The pong may be waiting behind messages that nobody has taken.
                return
            raise
        self._me.beat()
        self._me.note("pong", milliseconds=round(seconds * 1000, 1))

    async def _retire(self) -> None:
        # Spread, so that connections that were opened together are not renewed together.
        await trio.sleep(self._settings.lifetime * self._me.random.uniform(0.9, 1.0))
        raise PlannedEnd("renewed before the venue's lifetime limit")


async def together(*jobs: Callable[[], Awaitable[None]]) -> None:
    """Run jobs side by side until one raises, and raise that: as itself, unless several failed at once."""
    try:
        async with trio.open_nursery() as nursery:
            for job in jobs:
                nursery.start_soon(job)
    except BaseExceptionGroup as group:
        failures = [error for error in group.exceptions if not isinstance(error, trio.Cancelled)]
        if len(failures) > 1:
            raise
        # A failure is worth more than the cancellation that came at the same time; many cancellations are one.
        raise (failures or group.exceptions)[0] from None
