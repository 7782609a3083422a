"""The connection as an actor: one wire at a time, and two while the next one takes over.

Theory of operation
-------------------
* A `Link` is one wire. The connection runs one, and obeys the orders of the group for it.
* Before the venue's lifetime limit, and on its notice, the next link is opened and subscribed while the present one still
  flows. Both flow for a moment, and the owner of the data deduplicates; then the old one goes. What is on its way on
  either of them is not lost.
* A next link that fails costs nothing: the present one goes on, and it is tried again. When the present one ends first,
  the next one takes over if it can.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import attrs
import trio

from supervisor import Backoff, Budget, Mailbox, Me, PlannedEnd, actor

from .._errors import MuteFeed, SecretMissing, Unauthorized
from .._messages import Denial, Hold, Order, Ping, Reconnect, Resubscribe, Rotate, WantedChanged, kept
from .._net._wire import CONNECT_TIMEOUT, Dial, Tls
from ._lines import Line
from ._link import Link
from ._outflow import BEAT_EVERY, Outflow
from ._subscriptions import ANSWER_WITHIN
from ._together import with_helpers

BACKOFF: Final = Backoff(floor=0.05, base=0.2, cap=60.0)
"""The first attempt comes soon: most ends are those of one connection, and the venue is there. Where it is not, the
delays have passed the usual half second after two attempts."""
SILENCE: Final = 60.0
"""Seconds without any frame or pong. The pinger makes sure that a living connection has one far more often."""
READY_WITHIN: Final = 60.0
"""Seconds for the door or the key, the connection, the greeting and the confirmation, each with a bound of its own."""
RETIRE: Final = (0.9, 0.98)
"""At which part of its lifetime a wire is replaced: spread, so that those opened together are not replaced together,
and early enough for several attempts."""
OVERLAP: Final = (2.0, 10.0)
"""Seconds for which two wires flow: at least, because one may lag behind the other, and at most, without data."""
SETTLED: Final = 60.0
"""Seconds. A venue that announces the end of a younger wire is given the time of a failed attempt."""
NEXT: Final = Backoff(floor=0.0, base=1.0, cap=60.0)
"""Before the attempts to open the next wire; a notice reaches many connections at once."""
REFUSED: Final = (Unauthorized, SecretMissing)
"""Failures that trying again does not mend."""

_LONGEST_NAP: Final = 10.0


@actor(
    silence=SILENCE,
    ready_within=READY_WITHIN,
    first_start="retry",
    max_failures=None,
    backoff=BACKOFF,
)
@attrs.frozen
class Connection:
    """One connection to a venue, over one wire after the other.

    It ends, and a new incarnation takes its place, when the peer ends it, does not answer a ping, sends what cannot be
    read, refuses every symbol, or when the feed says that it is mute.
    """

    line: Line
    inflow: Mailbox[Any]
    """Of `Inflow`, of private lines of `PrivateInflow`."""
    control: Mailbox[Order]
    hold: Mailbox[Hold]
    unsaid: Mailbox[list[Any]]
    """Keeps what the owner had no room for when an incarnation ended."""
    attempts: Budget | None = None
    """What each wire after the first is paid from; the first is paid by the start."""
    confirm_within: float = ANSWER_WITHIN
    """Seconds for each answer to a request, and for the greeting."""
    pong_within: float = 10.0
    """Seconds from a ping to its pong."""
    lifetime: float | None = None
    """Seconds after which the venue ends a wire; None: it does not."""
    connect_timeout: float = CONNECT_TIMEOUT
    tls: Tls = None
    dial: Dial | None = None

    async def run(self, me: Me) -> None:
        """Live as long as one wire or its successors do.

        Cancellation: the wires are closed in order, within the grace.

        Raises:
            WireError: The wire failed or ended.
            HttpFailure: The address could not be had.
            BadFrame: The venue sent what cannot be read.
            Unsubscribed: The venue refused every symbol, or did not answer.
            MuteFeed: The feed found that nothing comes, although there is something.
            KeyTimeout: Of private connections: no listen key came.
            Unauthorized, SecretMissing: Of private connections: the credentials are refused, or missing.
            PlannedEnd: The venue asked to wait, or nothing is wanted any more.
        """
        await _Run(self, me, kept(self.hold, Hold)).run()


class _Run:
    """One incarnation of the connection."""

    def __init__(self, settings: Connection, me: Me, hold: Hold) -> None:
        self._settings = settings
        self._me = me
        self._hold = hold
        self._outflow = Outflow(settings.inflow, me, kept(settings.unsaid, list[Any]))
        self._links: list[Link] = []
        self._wait: trio.CancelScope | None = None
        """Around the one wait that there is at a time."""
        self._early_notices = 0
        """How many wires in a row were too young for the notice that ended them."""

    async def run(self) -> None:
        """Live until a wire ends and no other takes over."""
        # What the last incarnation could not hand over comes first.
        await self._outflow.flush()
        await self._wait_until_allowed()
        await self._wait_until_wanted()
        try:
            await with_helpers(self._until_the_last)
        except Exception as failure:
            if isinstance(failure, REFUSED) and self._settings.line.keyed is not None:
                self._outflow.say(Denial(str(failure)))
            with self._me.cleanup():
                # Shielded, and bounded by the grace. The next incarnation may be a long time off.
                await self._outflow.flush()  # noqa: ASYNC120
            raise

    async def _wait_until_allowed(self) -> None:
        wait = self._hold.until - trio.current_time()
        if wait > 0:
            await trio.sleep(min(wait, _LONGEST_NAP))
            if wait > _LONGEST_NAP:
                # In short pieces: longer ones would run into `ready_within`, and obeying the venue is no failure.
                raise PlannedEnd(f"the venue asked to wait another {wait - _LONGEST_NAP:.0f} s before connecting")

    async def _wait_until_wanted(self) -> None:
        while self._nothing_wanted():
            self._me.ready()
            with trio.move_on_after(BEAT_EVERY):
                await self._settings.control.receive()
            self._me.beat()

    def _nothing_wanted(self) -> bool:
        # None: it is not for us to say; no symbol: a venue may end a wire that carries nothing.
        wanted = self._settings.line.wanted()
        return wanted is not None and not wanted

    # Orders ----------------------------------------------------------------------------------------------------

    def _obey(self, order: Order) -> None:
        match order:
            case Ping():
                for link in self._links:
                    link.ping()
            case Reconnect():
                for link in self._links:
                    if link.session is order.session:
                        link.fail(MuteFeed(order.reason))
            case Resubscribe():
                for link in self._links:
                    if link.session is order.session:
                        link.renew(order.symbols)
            case Rotate():
                for link in self._links:
                    link.rotate(order)
            case WantedChanged():
                self._want()

    def _want(self) -> None:
        wanted = self._settings.line.wanted()
        if self._nothing_wanted():
            raise PlannedEnd("no symbol is wanted any more")
        for link in self._links:
            link.want(wanted or ())

    # One wire after the other ----------------------------------------------------------------------------------

    async def _until_the_last(self, nursery: trio.Nursery) -> None:
        """Have one link follow the other, and raise what ended the last of them."""
        link = self._start(nursery, trio.lowlevel.checkpoint)
        await self._until(_opened_or_ended(link))
        while link.failure is None:
            self._me.ready()
            await self._until(_closing_or_ended(link), self._retirement(link))
            if link.failure is None:
                link = await self._replace(nursery, link)
        raise link.failure

    def _retirement(self, link: Link) -> float:
        lifetime = self._settings.lifetime
        return float("inf") if lifetime is None else link.opened_at + lifetime * self._me.random_once().uniform(*RETIRE)

    async def _replace(self, nursery: trio.Nursery, present: Link) -> Link:
        """Return the link that has taken over, or the present one when it has ended before."""
        reason = present.closing or "renewed before the venue's lifetime limit"
        is_young = present.closing is not None and trio.current_time() < present.opened_at + SETTLED
        self._early_notices = self._early_notices + 1 if is_young else 0
        failures = self._early_notices
        while True:
            delay = NEXT.delay(failures + 1, self._me.random_once())
            await self._until(lambda: present.ended, trio.current_time() + delay)
            if present.ended:
                return present
            following = self._start(nursery, self._wait_for_permission)
            await self._until(_opened_or_ended(following))
            if following.opened:
                await self._overlap(present, following)
            if not following.ended:
                await self._dismiss(nursery, present, reason)
                return following
            if isinstance(following.failure, REFUSED):
                # Nobody will open another one, and who we are is asked of us for this one, too.
                present.fail(following.failure)
                await self._until(lambda: present.ended)
                return present
            failures += 1
            self._me.note("not_replaced", reason=str(following.failure), attempts=failures)
            await self._forget(nursery, following)

    async def _overlap(self, present: Link, following: Link) -> None:
        least, most = (trio.current_time() + seconds for seconds in OVERLAP)
        await self._until(lambda: present.ended or following.ended, least)
        await self._until(lambda: present.ended or following.ended or following.fed, most)

    async def _dismiss(self, nursery: trio.Nursery, link: Link, reason: str) -> None:
        if link.failure is not None:
            reason = f"{reason}; {type(link.failure).__name__}: {link.failure}"
        link.retire(reason)
        await self._until(lambda: link.ended)
        self._me.note("replaced", reason=reason)
        await self._forget(nursery, link)

    async def _forget(self, nursery: trio.Nursery, link: Link) -> None:
        """Forget a link, as soon as the owner has all that it brought."""
        self._links.remove(link)
        taken = trio.Event()
        nursery.start_soon(self._flush, taken)
        await self._until(taken.is_set)

    async def _flush(self, taken: trio.Event) -> None:
        await self._outflow.flush()
        taken.set()
        self._wake()

    async def _wait_for_permission(self) -> None:
        await trio.sleep_until(max(self._hold.until, trio.current_time()))
        if self._settings.attempts is not None:
            await self._me.spend(self._settings.attempts)

    def _start(self, nursery: trio.Nursery, prepare: Callable[[], Awaitable[None]]) -> Link:
        link = Link(self._settings, self._me, self._outflow, self._hold, self._wake)
        self._links.append(link)
        nursery.start_soon(link.live, nursery, prepare)
        return link

    # Waiting ---------------------------------------------------------------------------------------------------

    def _wake(self) -> None:
        if self._wait is not None:
            self._wait.cancel("a link has changed")

    async def _until(self, condition: Callable[[], bool], at: float = float("inf")) -> None:
        """Wait until the condition holds, which only links and orders change, and no longer than ``at``.

        Orders are obeyed meanwhile. This is the only place where this task waits while there is a link, so that it needs
        no second one for them.
        """
        # A link that was cancelled together with us has ended, too: what is waited for may be so.
        await trio.lowlevel.checkpoint_if_cancelled()
        while not condition():
            with trio.CancelScope(deadline=at) as self._wait:
                # Cancellation loses nothing: an order is taken, or it is still there.
                self._obey(await self._settings.control.receive())
            if self._wait.cancelled_caught and trio.current_time() >= at:
                return


def _opened_or_ended(link: Link) -> Callable[[], bool]:
    return lambda: link.opened or link.ended


def _closing_or_ended(link: Link) -> Callable[[], bool]:
    return lambda: link.closing is not None or link.ended
