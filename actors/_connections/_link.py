"""One wire from its first attempt to its end: greeted, subscribed, confirmed, pumped, pinged."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import attrs
import trio

from supervisor import MailboxClosed, Me

from .._errors import ConnectFailed, RateLimited, Unauthorized, Unsubscribed
from .._messages import Authenticating, Batch, Hold, Lost, Opened, Rejected, Rotate, Subscribed
from .._net._wire import Wire, connect
from .._session import Session
from .._source import (
    Acknowledged,
    Closing,
    Control,
    Decoded,
    Denied,
    Door,
    Frame,
    Ignored,
    Listed,
    Pong,
    Refused,
    Terminated,
    Welcome,
)
from .._wall_clock import now_ms
from ._login import Talk
from ._message_budget import MessageBudget
from ._outflow import Outflow
from ._pings import Pings
from ._subscriptions import Subscriptions
from ._together import with_helpers

if TYPE_CHECKING:
    from ._connection import Connection

EARLY: Final = 10_000
"""Items that are kept until the connection counts as open; with more of them it does, whatever is still to come."""
_KINDS_NOTED: Final = 20


@attrs.frozen
class _Flow:
    """An open wire, and those who help with it."""

    wire: Wire
    helpers: trio.Nursery
    pings: Pings


class Link:
    """One wire of a connection, and what is subscribed on it.

    Attributes:
        session: What the owner of the data knows it by.
        opened: Whether the owner was told of it.
        fed: Whether data has come.
        closing: Why it must be replaced, if it must.
        ended: Whether it is over.
        failure: Why it ended; None: it was told to.
    """

    __slots__ = (
        "_asking",
        "_changed",
        "_doom",
        "_early",
        "_early_items",
        "_flow",
        "_greeted",
        "_hold",
        "_key",
        "_line",
        "_me",
        "_messages",
        "_news",
        "_open_by",
        "_outflow",
        "_reason",
        "_settings",
        "_subscriptions",
        "_talk",
        "_told",
        "_unknown",
        "closing",
        "ended",
        "failure",
        "fed",
        "opened",
        "opened_at",
        "session",
    )

    def __init__(self, settings: Connection, me: Me, outflow: Outflow, hold: Hold, changed: Callable[[], None]) -> None:
        self.session = Session()
        self.opened = self.fed = self.ended = False
        self.closing: str | None = None
        self.failure: Exception | None = None
        self.opened_at = float("inf")
        self._settings = settings
        self._line = settings.line
        self._me = me
        self._outflow = outflow
        self._hold = hold
        self._changed = changed
        self._doom: Exception | None = None
        self._reason = "stopped"
        limits = settings.line.limits
        self._messages = MessageBudget(
            limits.messages,
            limits.messages_within,
            ping_every=settings.line.ping_every,
            peer_pings=settings.line.ping(0) is None,
        )
        self._subscriptions = settings.line.subscriptions(settings.confirm_within)
        self._talk: Talk | None = None
        self._key = ""
        self._told = False
        """Whether the owner knows of this session, and that it is not lost."""
        self._greeted = not limits.greets
        self._early: list[tuple[float, Sequence[Any]]] = []
        """What came before it was open, and when."""
        self._early_items = 0
        """How many items that is."""
        self._flow: _Flow | None = None
        """While the wire is open."""
        self._asking = True
        """Whether somebody sees to what is to be asked; before the wire is open nobody has to."""
        self._news = trio.Event()
        """Something has happened that whoever asks has to know."""
        self._open_by = float("inf")
        """When it counts as open, whatever is still to come."""
        self._unknown: dict[str, int] = {}

    # Told from outside -----------------------------------------------------------------------------------------

    async def live(self, nursery: trio.Nursery, prepare: Callable[[], Awaitable[None]]) -> None:
        """Run until the end, which is written down and never raised.

        Cancellation: the wire is closed in order, within the grace.

        Args:
            nursery: In which it lives, and what its wire needs.
            prepare: What comes before the first attempt: waiting for permission.
        """
        try:
            await prepare()
            await self._run(nursery)
        except Exception as error:  # noqa: BLE001 - kept, and raised by the connection unless another link takes over
            self.failure = error
        finally:
            self.ended = True
            self._changed()

    def retire(self, reason: str) -> None:
        """End it, which has been opened: another one has taken its place."""
        self._reason = reason
        if self._flow is not None:
            self._flow.helpers.cancel_scope.cancel("replaced")

    def fail(self, error: Exception) -> None:
        """End it with this failure, at once if it flows, and otherwise as soon as it does."""
        self._doom = self._doom or error
        if self._flow is not None:
            self._flow.helpers.cancel_scope.cancel("told to fail")

    def ping(self) -> None:
        """Ping the peer now, unless that has just been done or is being done."""
        if self._flow is not None:
            self._flow.pings.ping()

    def want(self, symbols: Iterable[str]) -> None:
        """Change what is subscribed."""
        if self._subscriptions is not None and self._greeted:
            self._subscriptions.want(symbols)
            self._go_on_asking()

    def renew(self, symbols: Iterable[str]) -> None:
        """End and renew the subscriptions of these symbols."""
        if self._subscriptions is not None:
            self._subscriptions.renew(symbols)
            self._go_on_asking()

    def rotate(self, order: Rotate) -> None:
        """Have another one take its place, if it was made with that key."""
        if self._key == order.key:
            self._announce(order.reason, over=order.over)

    def _announce(self, reason: str, *, over: bool) -> None:
        if over:
            # Nothing comes any more, although the wire lives: what happens from now on is missed.
            self._say_lost(reason)
        self.closing = self.closing or reason
        self._changed()

    # The life of a wire ----------------------------------------------------------------------------------------

    async def _run(self, nursery: trio.Nursery) -> None:
        settings = self._settings
        # The venue counts the attempt when it arrives, which is somewhere between here and the end of the handshake.
        arrived = None if settings.attempts is None else self._me.under_way(settings.attempts)
        try:
            if self._line.keyed:
                self._say_authenticating()
            door = await self._line.door(self.session)
            self._key = door.key
            self._talk = self._line.talk(
                door, settings.confirm_within, self._messages, lambda: self._outflow.held_until
            )
            wire = await connect(
                nursery, door.url, tls=settings.tls, dial=settings.dial, connect_timeout=settings.connect_timeout
            )
            try:
                if arrived is not None:
                    arrived()
                try:
                    if self._doom is None:
                        await with_helpers(partial(self._flow_through, wire, door))
                except Exception as error:  # noqa: BLE001 - raised below
                    # What was found to be wrong just before the wire ended counts more than that end.
                    self._doom = self._doom or error
                if self._doom is not None:
                    self._reason = f"{type(self._doom).__name__}: {self._doom}"
                    raise self._doom
            finally:
                # Before the closing, which takes a while: the owner may be about to be stopped, too.
                self._say_lost(self._reason)
                with self._me.cleanup():
                    await wire.aclose()
        except (ConnectFailed, RateLimited) as failure:
            self._say_lost(f"{type(failure).__name__}: {failure}")
            if failure.retry_after is not None:
                self._hold.extend(failure.retry_after)
            raise
        except Exception as failure:
            self._say_lost(f"{type(failure).__name__}: {failure}")
            raise
        finally:
            if arrived is not None:
                arrived()

    def _say_authenticating(self) -> None:
        if not self._told:
            self._told = True
            self._outflow.say(Authenticating(self.session))

    def _say_lost(self, reason: str) -> None:
        if self._told:
            self._told = False
            # A closed mailbox belongs to a tree that has ended; then nobody asks.
            with suppress(MailboxClosed):
                self._outflow.say(Lost(self.session, reason))

    async def _flow_through(self, wire: Wire, door: Door, helpers: trio.Nursery) -> None:
        """Take what comes. Whatever else there is to do has a task only while there is: feeds are many."""
        within = self._settings.pong_within if door.pong_within is None else door.pong_within
        pings = Pings(wire, self._line, within, helpers, lambda: self._greeted, self._messages, self._outflow, self._me)
        self._flow = _Flow(wire, helpers, pings)
        try:
            helpers.start_soon(self._begin, wire)
            if door.ping_every is not None:
                helpers.start_soon(pings.keep_on, door.ping_every)
            wire.hand_to(self._arrived)
            while True:
                self._read(await wire.receive_many())
                await self._outflow.flush()
        finally:
            self._flow = None

    def _arrived(self, frames: list[Frame]) -> bool:
        """Read what has just come, in the task of the wire, while the owner has taken all that came before."""
        if self._flow is None or self._doom is not None or self._outflow.is_holding():
            return False
        try:
            self._read(frames)
        except Exception as error:  # noqa: BLE001 - raised where the wire is owned
            self.fail(error)
        if self._outflow.is_holding():
            self._flow.helpers.start_soon(self._outflow.flush)
        return True

    def _read(self, frames: list[Frame]) -> None:
        self._me.beat()
        self._take(self._line.decode_many(frames, now_ms()))

    def _take(self, decoded: Decoded) -> None:
        end: Exception | None = decoded.error
        for control in decoded.controls:
            try:
                self._hear(control)
            except (RateLimited, Unsubscribed, Unauthorized) as error:
                # What came before it is handed over first.
                end = error
        if decoded.items:
            if self._subscriptions is not None and self._subscriptions.undecided:
                self._subscriptions.brought({item.symbol for item in decoded.items})
            if not self.fed:
                self.fed = True
                self._changed()
            if self.opened:
                self._outflow.say(Batch(decoded.items, self.session))
            else:
                self._early.append((trio.current_time(), decoded.items))
                self._early_items += len(decoded.items)
                if self._early_items > EARLY:
                    self._open()
        if end is not None:
            raise end

    def _hear(self, control: Control) -> None:
        match control:
            case Pong():
                if self._flow is not None:
                    self._flow.pings.pong()
            case Welcome():
                self._greeted = True
                self._go_on_asking()
            case Acknowledged() | Listed() | Refused():
                self._answered(control)
            case Closing():
                self._announce(control.reason, over=False)
            case Terminated():
                self._announce(control.reason, over=True)
            case Denied():
                raise Unauthorized("private stream", control.message, code=control.code)
            case Ignored(known=False):
                self._note_unknown(control.kind)

    def _note_unknown(self, kind: str) -> None:
        if kind not in self._unknown and len(self._unknown) < _KINDS_NOTED:
            self._me.note("unknown_message", kind=kind)
            self._unknown[kind] = 0
        if kind in self._unknown:
            self._unknown[kind] += 1

    # Subscribing -----------------------------------------------------------------------------------------------

    async def _begin(self, wire: Wire) -> None:
        """Be greeted, then log in, or subscribe."""
        with trio.move_on_after(self._settings.confirm_within):
            while not self._greeted:
                await self._until_news()
        if not self._greeted:
            raise Unsubscribed(f"not greeted within {self._settings.confirm_within:g} s")
        if self._subscriptions is None:
            await self._log_in(wire)
            return
        self._subscriptions.want(self._line.wanted() or ())
        self._open_by = trio.current_time() + self._settings.confirm_within
        await self._ask(wire, self._subscriptions)

    def _go_on_asking(self) -> None:
        """Tell whoever asks that there is news; if nobody does any more, somebody does again."""
        self._news.set()
        if self._flow is not None and self._subscriptions is not None and not self._asking:
            self._asking = True
            self._flow.helpers.start_soon(self._ask, self._flow.wire, self._subscriptions)

    async def _ask(self, wire: Wire, subscriptions: Subscriptions) -> None:
        """Send requests and see to the answers that are overdue, until there is nothing to do and to wait for."""
        while True:
            due = min(subscriptions.due(), float("inf") if self.opened else self._open_by)
            if subscriptions.has_next(trio.current_time()):
                with trio.move_on_at(due) as scope:
                    await self._messages.spend()
                text = None if scope.cancelled_caught else subscriptions.next(trio.current_time())
                if text is not None:
                    await wire.send(text)
            elif self._news.is_set() or due < float("inf"):
                with trio.move_on_at(due):
                    await self._until_news()
            else:
                self._asking = False
                return
            self._see_to_answers(subscriptions)
            await self._outflow.flush()

    async def _until_news(self) -> None:
        await self._news.wait()
        self._news = trio.Event()

    async def _log_in(self, wire: Wire) -> None:
        assert self._talk is not None, "without subscriptions there is a login, if only an empty one"
        await self._talk.log_in(wire, self._say_authenticating)
        self._open()
        await self._outflow.flush()
        await self._talk.keep_asking(wire)

    def _see_to_answers(self, subscriptions: Subscriptions) -> None:
        now = trio.current_time()
        subscriptions.check(now, unread_until=self._outflow.held_until)
        subscriptions.check_hope()
        if not self.opened:
            if now >= self._open_by or subscriptions.settled:
                self._open()
        else:
            self._tell_news()

    def _answered(self, control: Acknowledged | Refused | Listed) -> None:
        subscriptions = self._subscriptions
        if subscriptions is None:
            assert self._talk is not None, "frames come after the door"
            self._talk.hear(control)
            return
        known = subscriptions.answered(control, trio.current_time())
        if not known and isinstance(control, Refused):
            self._me.note("refused", code=control.code, message=control.message)
        subscriptions.check_hope()
        if not self.opened and subscriptions.settled:
            self._open()
        elif self.opened:
            self._tell_news()
        self._go_on_asking()

    def _open(self) -> None:
        """Tell the owner that the connection is open, with what is confirmed so far."""
        symbols = frozenset[str]() if self._subscriptions is None else self._subscriptions.confirmed
        self.opened = self._told = True
        self.opened_at = trio.current_time()
        self._outflow.say(Opened(self.session, symbols))
        self._tell_news(but=symbols)
        early, self._early = self._early, []
        for at, items in early:
            self._outflow.say(Batch(items, self.session, trio.current_time() - at))
        self._changed()

    def _tell_news(self, but: frozenset[str] = frozenset()) -> None:
        if self._subscriptions is None:
            return
        news = self._subscriptions.news()
        if confirmed := frozenset(news.confirmed) - but:
            self._outflow.say(Subscribed(self.session, confirmed))
        for symbol, reason in news.refused:
            self._me.note("rejected", symbol=symbol, reason=reason)
            self._outflow.say(Rejected(self.session, symbol, reason))
