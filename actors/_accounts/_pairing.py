"""Orders and fills that a stream tells in messages of their own, put together again. Pure: callers pass ``now``.

Bybit and Gate tell that an order has changed, and apart from it each execution, in either order. Neither alone is an
update: the order's state does not say which fills made it, and a fill does not say what the order has come to. Here they
wait for each other: a state is delivered when the fills up to it are there, in the order in which they happened, the last
of them with the state that it led to.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Final, TypeAlias

import attrs

from .._account_source import OrderKey
from .._records import Fill, OrderId, OrderUpdate
from ._book import Book
from ._channel_watch import Alone, Channel
from ._reconcile import RANK

Item: TypeAlias = OrderUpdate | Fill

WITHIN: Final = 3.0
"""Seconds that one waits for the other; then the venue is asked."""
ROUNDS: Final = 3
"""How often that is done before it is given up: what the venue does not know has not happened."""
MOST: Final = 10_000
"""Orders that wait for something. With more of them the venue is asked at once."""


@attrs.define
class _Waiting:
    """What is there of one order and not delivered."""

    came: float
    until: float
    states: list[OrderUpdate] = attrs.field(factory=list)
    fills: dict[int | str, Fill] = attrs.field(factory=dict)
    rounds: int = 0

    @property
    def lacking(self) -> Channel | None:
        """The channel that has told nothing of this; None: each has told something."""
        if bool(self.states) == bool(self.fills):
            return None
        return "fills" if self.states else "orders"


@attrs.frozen
class GivenUp:
    """What the stream has told of an order, and the venue did not know when it was asked, again and again.

    Attributes:
        states: How many of its states.
        fills: Ids of its fills.
    """

    symbol: str
    order_id: OrderId
    states: int
    fills: tuple[int | str, ...]


class Pairing:
    """Takes what the stream tells, gives updates.

    Args:
        book: What was delivered; whoever takes updates from here delivers them before the next call.
    """

    def __init__(self, book: Book) -> None:
        self._book = book
        self._waiting: dict[OrderKey, _Waiting] = {}
        self._given_up: list[GivenUp] = []
        self._alone: list[Alone] = []

    def __len__(self) -> int:
        return sum(len(one.states) + len(one.fills) for one in self._waiting.values())

    def take(self, item: Item, now: float) -> list[OrderUpdate]:
        """Take an item, and return what can be delivered now, in causal order. What was delivered already goes."""
        key = (item.symbol, item.order_id)
        if isinstance(item, OrderUpdate) and item.fill is not None:
            return [item]
        waiting = self._waiting.setdefault(key, _Waiting(now, now + WITHIN))
        if isinstance(item, OrderUpdate):
            waiting.states.append(item)
            waiting.states.sort(key=_in_order)
        elif not self._book.has_fill(item):
            waiting.fills.setdefault(item.id, item)
        found = list(self._release(key, waiting))
        if found and not self._forget_if_done(key):
            waiting.until = now + WITHIN
        self._forget_if_done(key)
        return found

    def settle(self, now: float) -> list[OrderUpdate]:
        """Take note that the venue was asked: what it has told goes, the rest is tried again or given up."""
        found: list[OrderUpdate] = []
        for key, waiting in list(self._waiting.items()):
            lacking = waiting.lacking
            waiting.fills = {number: fill for number, fill in waiting.fills.items() if not self._book.has_fill(fill)}
            found += self._release(key, waiting)
            if self._forget_if_done(key):
                known = self._book.get(key)
                # The fills of what is assumed are from before the account's history: nobody should have told them.
                if lacking is not None and known is not None and not known.assumed:
                    self._alone.append(Alone(*key, lacking, waiting.came))
                continue
            if now >= waiting.until:
                waiting.rounds += 1
                waiting.until = now + WITHIN * 2**waiting.rounds
            if waiting.rounds >= ROUNDS:
                del self._waiting[key]
                self._given_up.append(GivenUp(*key, len(waiting.states), tuple(waiting.fills)))
        return found

    def given_up(self) -> list[GivenUp]:
        """Return what `settle` has given up since the last call."""
        found, self._given_up = self._given_up, []
        return found

    def alone(self) -> list[Alone]:
        """Return the orders of which one channel alone had told when `settle` has found the rest, since the last call."""
        found, self._alone = self._alone, []
        return found

    def due(self) -> float:
        """Return when something will have waited too long."""
        if len(self._waiting) > MOST:
            return -float("inf")
        return min((waiting.until for waiting in self._waiting.values()), default=float("inf"))

    def _forget_if_done(self, key: OrderKey) -> bool:
        waiting = self._waiting.get(key)
        if waiting is not None and (waiting.states or waiting.fills):
            return False
        self._waiting.pop(key, None)
        return True

    def _release(self, key: OrderKey, waiting: _Waiting) -> Iterator[OrderUpdate]:
        known = self._book.get(key)
        filled = Decimal(0) if known is None else known.filled
        for state in list(waiting.states):
            if state.filled < filled:
                # What came later has said it already.
                waiting.states.remove(state)
            elif state.filled == filled:
                waiting.states.remove(state)
                yield state
            else:
                fills = _up_to(sorted(waiting.fills.values(), key=lambda fill: fill.time), state.filled - filled)
                if fills is None:
                    continue
                for fill in fills:
                    del waiting.fills[fill.id]
                waiting.states.remove(state)
                yield from _told(state, filled, fills)
                filled = state.filled
        waiting.states = [state for state in waiting.states if state.filled >= filled]


def _in_order(state: OrderUpdate) -> tuple[Decimal, int, int]:
    return state.filled, RANK[state.status], state.time


def _up_to(fills: Sequence[Fill], quantity: Decimal) -> list[Fill] | None:
    """Return the first fills that make a quantity together; None: they do not, or not yet."""
    total = Decimal(0)
    for count, fill in enumerate(fills, 1):
        total += fill.quantity
        if total == quantity:
            return list(fills[:count])
    return None


def _told(state: OrderUpdate, filled: Decimal, fills: Sequence[Fill]) -> Iterator[OrderUpdate]:
    """Yield an update for each fill, and one more where the state is none that a fill leads to."""
    by_fill = state.status in ("partially_filled", "filled")
    for place, fill in enumerate(fills):
        filled += fill.quantity
        is_last = place == len(fills) - 1
        yield attrs.evolve(
            state,
            status=state.status if by_fill and is_last else "partially_filled",
            filled=filled,
            fill=fill,
            time=fill.time,
            raw=fill.raw,
        )
    if not by_fill:
        yield state
