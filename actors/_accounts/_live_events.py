"""What an account's private stream brings: held while the venue is asked, then put together, judged and told."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

import trio

from supervisor import Me

from .._records import OrderUpdate
from ._book import Book
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

    async def take(self, item: Item) -> None:
        """Take what has come."""
        if not self.flowing:
            self._hold(item)
        elif not self._apart:
            assert isinstance(item, OrderUpdate), "where fills are told with their orders there are no bare ones"
            await self._update(item)
        else:
            for update in self._pairing.take(item, trio.current_time()):
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

    async def settle(self) -> None:
        """Take note that the venue was asked, and its answers are told: what has waited is delivered, or waits no more."""
        for update in self._pairing.settle(trio.current_time()):
            await self._update(update)
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
