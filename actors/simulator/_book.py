"""The order book of one symbol: seeded, never crossed, in step with its trades; and what it was at each number. Pure.

Prices and quantities are counted in whole units of the symbol's smallest steps; what goes out is decimal strings.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable
from random import Random
from typing import TypeAlias

import attrs

from ._record import Log, PublishedQuote, Side

Level: TypeAlias = tuple[str, str]
"""Price and quantity; in a change the quantity "0" takes the level away."""

_FAR = 10
"""Units of price from the last trade beyond which the best price draws nearer again."""


@attrs.frozen
class BookChange:
    """Some levels that changed at one instant; each has a number of its own."""

    first: int
    """Number of its first level."""
    last: int
    """Number of its last level."""
    previous: int
    """The `last` of the change before."""
    count: int
    """How many changes there were, with this one."""
    time: int
    at: float
    quote: PublishedQuote | None
    """The new best bid and ask, if this changed them."""
    bid_units: tuple[tuple[int, int], ...] = attrs.field(repr=False)
    ask_units: tuple[tuple[int, int], ...] = attrs.field(repr=False)
    decimals: tuple[int, int] = attrs.field(repr=False)
    """Of prices and of quantities."""

    @property
    def bids(self) -> tuple[Level, ...]:
        """Numbered before the asks."""
        return tuple(shown(price, size, self.decimals) for price, size in self.bid_units)

    @property
    def asks(self) -> tuple[Level, ...]:
        """The other side."""
        return tuple(shown(price, size, self.decimals) for price, size in self.ask_units)


@attrs.frozen
class BookState:
    """A whole book, best prices first."""

    last: int
    """Number of the last change in it."""
    count: int
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]


class Book:
    """A book that follows its trades and moves a little by itself.

    Args:
        random: draws levels and sizes.
        price: in units, where it begins.
        price_decimals: of a unit of price.
        quantity_decimals: of a unit of quantity.
        levels: most of them on one side; there are at least half as many, where prices leave room for them.
        first: the number before its first change.
        holes: whether numbers are left out between changes, as where the venue counts those of others too.
    """

    def __init__(
        self,
        random: Random,
        price: int,
        *,
        price_decimals: int,
        quantity_decimals: int,
        levels: int,
        first: int,
        holes: bool = False,
    ) -> None:
        self._random = random
        self._decimals = price_decimals, quantity_decimals
        self._levels = levels
        self._holes = holes
        self._bids: list[int] = []
        self._asks: list[int] = []
        self._sizes: dict[int, int] = {}
        self._changed: dict[tuple[Side, int], int] = {}
        self._fresh: set[tuple[Side, int]] = set()
        self.last = first
        """Number of the last change."""
        self.count = 0
        self._price = price
        self._refill()
        self._changed.clear()
        self._fresh.clear()
        self._best = self._tops()
        self.quote = PublishedQuote(*self._shown_tops(), first, 0, 0.0)
        self.changed_at = 0.0

    def state(self) -> BookState:
        """All of it."""
        return BookState(self.last, self.count, self.bids(self._levels), self.asks(self._levels))

    def bids(self, limit: int) -> tuple[Level, ...]:
        """The best bids."""
        return tuple(shown(price, self._sizes[price], self._decimals) for price in self._bids[: -limit - 1 : -1])

    def asks(self, limit: int) -> tuple[Level, ...]:
        """The best asks."""
        return tuple(shown(price, self._sizes[price], self._decimals) for price in self._asks[:limit])

    def drift(self, at: float, time: int) -> BookChange:
        """Some makers change their minds."""
        random = self._random
        for _ in range(random.randint(1, 4)):
            side: Side = "buy" if self._bids and random.random() < 0.5 else "sell"
            prices = self._side(side)
            # Most of what happens, happens near the top.
            index = min(int(random.expovariate(0.2)), len(prices) - 1)
            price = prices[-1 - index] if side == "buy" else prices[index]
            lot = random.random()
            if lot < 0.2 and len(prices) > 1:
                self._set(side, price, 0)
            elif lot < 0.45:
                better = price + 1 if side == "buy" else price - 1
                self._set(side, price if better in self._sizes or not better else better, self._size())
            else:
                self._set(side, price, self._size())
        self._refill()
        if not self._changed:
            self._set("sell", self._asks[0], self._size())
        return self._commit(at, time)

    def before_trade(self, side: Side, price: int, quantity: int, at: float, time: int) -> BookChange | None:
        """Move so that a taker of that side can take that quantity at that price; None when it is so already.

        Args:
            side: the taker's.
            price: in units.
            quantity: in units.
            at: seconds on the exchange's clock.
            time: the same in milliseconds since 1970.
        """
        maker: Side = "sell" if side == "buy" else "buy"
        asks = self._asks[: (bisect_left if side == "buy" else bisect_right)(self._asks, price)]
        bids = self._bids[(bisect_left if side == "buy" else bisect_right)(self._bids, price) :]
        for stale in asks:
            self._set("sell", stale, 0)
        for stale in bids:
            self._set("buy", stale, 0)
        if self._sizes.get(price, 0) < quantity:
            self._set(maker, price, quantity + self._size())
        self._price = price
        self._refill()
        return self._commit(at, time) if self._changed else None

    def trade(self, side: Side, price: int, quantity: int, at: float, time: int) -> BookChange:
        """A taker of that side takes that quantity; see `before_trade`."""
        self._set("sell" if side == "buy" else "buy", price, self._sizes[price] - quantity)
        self._refill()
        return self._commit(at, time)

    def _side(self, side: Side) -> list[int]:
        return self._bids if side == "buy" else self._asks

    def _size(self) -> int:
        return self._random.randint(1, 50_000)

    def _set(self, side: Side, price: int, size: int) -> None:
        key = side, price
        if price not in self._sizes:
            if not size:
                return
            insort(self._side(side), price)
            if key not in self._changed:
                self._fresh.add(key)
        self._changed[key] = size
        if size:
            self._sizes[price] = size
            return
        del self._sizes[price]
        self._side(side).remove(price)
        if key in self._fresh:
            # Nobody has seen it come, nobody needs to see it go.
            self._fresh.discard(key)
            del self._changed[key]

    def _refill(self) -> None:
        """Keep both sides deep enough, not too deep, and near the last price."""
        random, bids, asks = self._random, self._bids, self._asks
        if bids and self._price - bids[-1] > _FAR:
            near = self._price - random.randint(1, 5)
            self._set("buy", min(near, asks[0] - 1) if asks else near, self._size())
        if asks and asks[0] - self._price > _FAR:
            near = self._price + random.randint(1, 5)
            self._set("sell", max(near, bids[-1] + 1) if bids else near, self._size())
        while len(bids) < self._levels // 2:
            price = (bids[0] if bids else min(self._price, asks[0] if asks else self._price)) - random.randint(1, 4)
            if price < 1:
                break
            self._set("buy", price, self._size())
        while len(asks) < self._levels // 2:
            price = (asks[-1] if asks else max(self._price, bids[-1] if bids else 0)) + random.randint(1, 4)
            self._set("sell", price, self._size())
        while len(bids) > self._levels:
            self._set("buy", bids[0], 0)
        while len(asks) > self._levels:
            self._set("sell", asks[-1], 0)

    def _commit(self, at: float, time: int) -> BookChange:
        changed, self._changed = self._changed, {}
        self._fresh.clear()
        bids = tuple((price, size) for (side, price), size in changed.items() if side == "buy")
        asks = tuple((price, size) for (side, price), size in changed.items() if side == "sell")
        previous = self.last
        skipped = self._random.randint(0, 3) if self._holes else 0
        self.last += skipped + len(changed)
        self.count += 1
        self.changed_at = at
        best, quote = self._tops(), None
        if best != self._best:
            self._best = best
            quote = self.quote = PublishedQuote(*self._shown_tops(), self.last, time, at)
        first = previous + 1 + skipped
        return BookChange(first, self.last, previous, self.count, time, at, quote, bids, asks, self._decimals)

    def _tops(self) -> tuple[int, int, int, int]:
        bids, asks, sizes = self._bids, self._asks, self._sizes
        bid, ask = bids[-1] if bids else 0, asks[0] if asks else 0
        return bid, sizes[bid] if bids else 0, ask, sizes[ask] if asks else 0

    def _shown_tops(self) -> tuple[str, str, str, str]:
        bid, bids, ask, asks = self._best
        return *shown(bid, bids, self._decimals), *shown(ask, asks, self._decimals)


class BookHistory:
    """What a book was after each of its changes, as far back as it remembers.

    Args:
        state: how it began.
        limit: changes that are kept.
        every: changes between two whole states that are kept.
    """

    def __init__(self, state: BookState, limit: int = 20_000, every: int = 500) -> None:
        self.changes: Log[BookChange] = Log(limit)
        self._every = every
        self._states: list[BookState] = [state]

    def append(self, change: BookChange, book: Book) -> None:
        """Remember a change that has just been made to the book."""
        self.changes.append(change)
        if change.count % self._every == 0:
            self._states.append(book.state())
            # A state is of use while all changes behind it are known.
            while len(self._states) > 1 and self._states[1].count < self.changes[0].count:
                del self._states[0]

    def at(self, last: int) -> BookState:
        """The book after the last change whose number is not above that one.

        Raises:
            KeyError: that is before what is remembered.
        """
        index = bisect_right(self._states, last, key=lambda state: state.last) - 1
        if index < 0 or (self.changes and self._states[index].count + 1 < self.changes[0].count):
            raise KeyError(last)
        state = self._states[index]
        begin = bisect_right(self.changes, state.last, key=lambda change: change.last)
        bids, asks = dict(state.bids), dict(state.asks)
        reached, count = state.last, state.count
        for change in self.changes[begin:]:
            if change.last > last:
                break
            reached, count = change.last, change.count
            _apply(bids, change.bids)
            _apply(asks, change.asks)
        ordered = sorted(bids.items(), key=lambda level: -float(level[0]))
        return BookState(reached, count, tuple(ordered), tuple(sorted(asks.items(), key=lambda x: float(x[0]))))


def _apply(side: dict[str, str], levels: Iterable[Level]) -> None:
    for price, size in levels:
        if size == "0":
            side.pop(price, None)
        else:
            side[price] = size


def shown(price: int, size: int, decimals: tuple[int, int]) -> Level:
    """Write a level; the quantity of one that is gone is "0"."""
    return fixed(price, decimals[0]), fixed(size, decimals[1]) if size else "0"


def fixed(units: int, decimals: int) -> str:
    """Write whole units as a decimal number with that many decimals."""
    if not decimals:
        return str(units)
    text = str(units).zfill(decimals + 1)
    return f"{text[:-decimals]}.{text[-decimals:]}"
