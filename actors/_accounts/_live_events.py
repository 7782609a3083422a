"""What an account's private stream brings: held while the venue is asked, then put together, judged and told."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

import trio

from supervisor import Me

from .._records import Fill, OrderUpdate
from ._book import Book
from ._channel_watch import ChannelWatch
from ._pairing import Item, Pairing
from ._reconcile import beginning, judge
from ._telling import Telling

HELD: Final = 10_000
"""Live events that are held; older ones are found by asking."""


class LiveEvents:
    """Delivers live events in the order in which they follow from the book, while they may flow.

    Args:
        book: What was delivered.
        telling: Delivers.
        apart: Whether fills are told apart from their orders.
        me: For notes.
        missed: Told why, when an event does not follow from the book. It is held then, and so must be all that comes
            after it: `stop` is called before the next one.
    """

    def __init__(
        self, book: Book, telling: Telling, *, apart: bool, me: Me, missed: Callable[[str], Awaitable[None]]
    ) -> None:
        self._book = book
        self._telling = telling
        self._apart = apart
        self._me = me
        self._missed = missed
        self._pairing = Pairing(book)
        self._channels = ChannelWatch()
        self._is_new = False
        """Whether the connection was opened, and nothing has flowed since."""
        self._held: deque[Item] = deque()
        self.flowing = False
        """Whether they are delivered as they come."""
        self.not_held = 0
        """Those for which there was no room."""

    @property
    def held(self) -> int:
        """How many are held."""
        return len(self._held)

    @property
    def unpaired(self) -> int:
        """How many wait for the order, or the fill, that belongs to them."""
        return len(self._pairing)

    def unpaired_due(self) -> float:
        """Return when one will have waited too long; never while nothing flows."""
        return self._pairing.due() if self.flowing else math.inf

    def mute_due(self) -> float:
        """Return when the connection must be replaced because one of its channels is mute; never while nothing flows."""
        return self._channels.due() if self.flowing else math.inf

    def mute(self) -> str:
        """Return what is mute, when that is due: the connection is replaced now."""
        return f"one of its channels is mute: {self._channels.replace(trio.current_time())} do not come"

    def opened(self) -> None:
        """Take note of another connection; beside one that flows, or after `stop`."""
        self._channels.opened(trio.current_time())
        self._is_new = not self.flowing

    async def take(self, item: Item) -> None:
        """Take what has come."""
        if not self.flowing:
            self._hold(item)
        elif not self._apart:
            assert isinstance(item, OrderUpdate), "where fills are told with their orders there are no bare ones"
            await self._update(item)
        else:
            now = trio.current_time()
            self._channels.heard("fills" if isinstance(item, Fill) else "orders", now)
            for update in self._pairing.take(item, now):
                await self._update(update)

    def stop(self) -> None:
        """Hold what comes from now on."""
        self.flowing = False

    async def flow(self) -> None:
        """Deliver what was held, and what comes from now on as it comes. The venue was asked, and its answers are told."""
        self.flowing = True
        await self.settle()
        held, self._held = self._held, deque()
        for item in held:
            await self.take(item)
        if self._is_new and self.flowing:
            # Of what was held, the rest may have been told by the connection before.
            self._is_new = False
            self._channels.opened(trio.current_time())

    async def settle(self) -> None:
        """Take note that the venue was asked, and its answers are told: what has waited is delivered, or waits no more."""
        for update in self._pairing.settle(trio.current_time()):
            await self._update(update)
        for alone in self._pairing.alone():
            self._channels.told(alone)
        for one in self._pairing.given_up():
            self._me.note(
                "given_up", symbol=one.symbol, order_id=one.order_id, states=one.states, fills=str(list(one.fills)[:5])
            )

    def _hold(self, item: Item) -> None:
        if len(self._held) >= HELD:
            self._held.popleft()
            self.not_held += 1
        self._held.append(item)

    async def _update(self, update: OrderUpdate) -> None:
        verdict = judge(self._book, update) if self.flowing else "incomplete"
        if verdict == "news":
            first = beginning(self._book, update)
            if first is not None:
                await self._telling.deliver(first)
            await self._telling.deliver(update)
        elif verdict == "incomplete":
            self._hold(update)
            if self.flowing:
                self._me.note("loss_seen", symbol=update.symbol, order=update.order_id)
                await self._missed(f"order {update.order_id} ({update.symbol}): the stream is ahead of what REST tells")
