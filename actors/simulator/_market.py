"""The market of one symbol: a seeded random walk that prints trades, and the book beside it. Pure: time is an argument."""

from __future__ import annotations

import math
from bisect import bisect_left
from decimal import Decimal
from random import Random
from typing import Literal
from uuid import UUID

import attrs

from ._book import Book, BookChange, BookHistory, fixed
from ._record import Log, PublishedQuote, PublishedTrade, Side

_RAW_PER_TAKER = (1, 1, 1, 1, 1, 1, 1, 2, 2, 3)
"""How many makers one taker order meets; ten equally likely cases."""

MEAN_RAW_PER_TAKER = sum(_RAW_PER_TAKER) / len(_RAW_PER_TAKER)


@attrs.frozen(kw_only=True)
class Scheme:
    """How a venue numbers its trades and its book."""

    ids: Literal["dense", "holes", "uuid"] = "dense"
    """Of single trades: one more each time; increasing with holes; text that says nothing."""
    base: int = 0
    """Added to the ids of trades, so that they are as long as the venue's."""
    book_base: int = 0
    """Added to the numbers of the book."""
    aggregates: Literal["own", "last"] | None = None
    """How aggregate trades are numbered: by themselves, or by the last trade in them. None: there are none."""
    only_aggregates: bool = False
    """Whether the aggregate is what the venue numbers without holes, and single trades are not shown."""
    quantity_decimals: int = 5
    book_levels: int = 100
    book_holes: bool = False


@attrs.frozen
class Printed:
    """One taker order: its raw trades, the one aggregate that covers them without a hole, and the book around them."""

    raw: tuple[PublishedTrade, ...]
    aggregate: PublishedTrade
    before: BookChange | None
    """How the book came to where the trade was possible."""
    after: BookChange
    """What the trade took out of it."""


class Tape:
    """The trades and the book of one symbol at one venue, and their numbers.

    Args:
        venue: its name.
        symbol: in the venue's spelling.
        scheme: the venue's.
        seed: a text; the same one gives the same market.
        trades: where the single trades go (aggregate ones, if nothing else is numbered).
        aggregates: where aggregate trades go.
        quotes: where best bids and asks go.
        live: False for a symbol that only a replay moves.
    """

    def __init__(
        self,
        venue: str,
        symbol: str,
        scheme: Scheme,
        seed: str,
        trades: Log[PublishedTrade],
        aggregates: Log[PublishedTrade],
        quotes: Log[PublishedQuote],
        *,
        live: bool = True,
    ) -> None:
        self.venue = venue
        self.symbol = symbol
        self.scheme = scheme
        self.live = live
        # Three generators, so that neither ids nor book disturb the walk.
        self.random = Random(seed)
        self._id_random = Random(f"{seed}/ids")
        book_random = Random(f"{seed}/book")
        self.trades = trades
        self.aggregates = aggregates
        self.quotes = quotes
        self.price_decimals = 2
        self.quantity_decimals = scheme.quantity_decimals
        self._price = 6_000_000 if symbol.startswith("BTC") else self.random.randint(1_000, 500_000)
        self._next_raw = scheme.base + self.random.randint(1_000_000, 9_000_000)
        self._next_aggregate = self.random.randint(100_000, 900_000)
        self._serial = 0
        self.book = Book(
            book_random,
            self._price,
            price_decimals=self.price_decimals,
            quantity_decimals=self.quantity_decimals,
            levels=scheme.book_levels,
            first=scheme.book_base + book_random.randint(1_000_000, 9_000_000),
            holes=scheme.book_holes,
        )
        self.book_random = book_random
        self.history = BookHistory(self.book.state())

    @property
    def price(self) -> str:
        """The last price."""
        return fixed(self._price, self.price_decimals)

    def next_delay(self, trades_per_second: float) -> float:
        """Seconds to the next taker order of a Poisson market with that rate of numbered trades."""
        per_taker = 1.0 if self.scheme.only_aggregates else MEAN_RAW_PER_TAKER
        return self.random.expovariate(trades_per_second / per_taker)

    def next_drift(self, changes_per_second: float) -> float:
        """Seconds to the next change of the book without a trade."""
        return self.book_random.expovariate(changes_per_second)

    def print(
        self,
        at: float,
        time: int,
        *,
        side: Side | None = None,
        quantity: str | None = None,
        price: str | None = None,
        raw_count: int | None = None,
    ) -> Printed:
        """Print one taker order; what is not given is drawn.

        Args:
            at: seconds on the exchange's clock.
            time: the same instant in milliseconds since 1970.
            side: the taker's.
            quantity: of each raw trade.
            price: decimal string, becomes the last price.
            raw_count: how many raw trades it consists of; one unless given, where a quantity is.
        """
        random = self.random
        if side is None:
            side = "sell" if random.random() < 0.5 else "buy"
        if price is None:
            self._price = max(1, self._price + random.randint(-5, 5))
        else:
            self._price = max(1, int(Decimal(price).scaleb(self.price_decimals)))
        shown = price if price is not None else self.price
        count = raw_count or (1 if quantity is not None else random.choice(_RAW_PER_TAKER))
        sizes = [Decimal(quantity or fixed(random.randint(1, 20_000), self.quantity_decimals)) for _ in range(count)]
        total = sum(sizes, Decimal(0))
        units = math.ceil(total.scaleb(self.quantity_decimals))
        before = self._changed(self.book.before_trade(side, self._price, units, at, time))
        after = self.book.trade(side, self._price, units, at, time)
        seq = after.last
        raw = []
        for size in sizes:
            number, shown_id = self._next_id()
            raw.append(PublishedTrade(shown_id, shown, str(size), side, time, number, number, at, seq))
        first, last = raw[0].first_id, raw[-1].last_id
        number = last if self.scheme.aggregates == "last" else self._next_aggregate
        self._next_aggregate += 1
        aggregate = PublishedTrade(number, shown, str(total), side, time, first, last, at, seq)
        self.remember((aggregate,) if self.scheme.only_aggregates else tuple(raw), aggregate)
        self._changed(after)
        return Printed(tuple(raw), aggregate, before, after)

    def drift(self, at: float, time: int) -> BookChange:
        """Change the book without a trade."""
        change = self.book.drift(at, time)
        self._changed(change)
        return change

    def _changed(self, change: BookChange | None) -> BookChange | None:
        if change is not None:
            self.history.append(change, self.book)
            if change.quote is not None:
                self.quotes.append(change.quote)
        return change

    def _next_id(self) -> tuple[int, int | str]:
        if self.scheme.ids == "uuid":
            self._serial += 1
            # Version 5, as the venue's are.
            return self._serial, str(UUID(int=self._id_random.getrandbits(128), version=5))
        number = self._next_raw
        # Half of the ids follow the one before; the other holes are of a few numbers, now and then of many.
        skip = 0 if self.scheme.ids == "dense" else self._id_random.choice((0, 0, 0, 0, 1, 2, 3, 7, 45))
        self._next_raw += 1 + skip
        return number, number

    def remember(self, trades: tuple[PublishedTrade, ...], aggregate: PublishedTrade | None) -> None:
        """Put published trades into the history; a replay calls this with what was recorded."""
        for trade in trades:
            self.trades.append(trade)
        if aggregate is not None and self.scheme.aggregates is not None:
            self.aggregates.append(aggregate)


def page_by_id(log: Log[PublishedTrade], from_id: int | None, limit: int) -> list[PublishedTrade]:
    """Up to `limit` trades in ascending order: from an id, inclusive, or the newest. The ids must be numbers.

    Ids before the oldest remembered one are silently left out, as a venue with a limited history does.
    """
    if from_id is None:
        return log[max(0, len(log) - limit) :]
    start = bisect_left(log, from_id, key=lambda trade: int(trade.id))
    return log[start : start + limit]


def page_by_time(log: Log[PublishedTrade], start: int | None, end: int | None, limit: int) -> list[PublishedTrade]:
    """Up to `limit` trades between two times in milliseconds, both inclusive.

    With a start the oldest come first; with an end alone, the newest up to it (in ascending order all the same).
    """
    low = 0 if start is None else bisect_left(log, start, key=lambda trade: trade.time)
    high = len(log) if end is None else bisect_left(log, end + 1, key=lambda trade: trade.time)
    if start is None:
        low = max(low, high - limit)
    return log[low : min(high, low + limit)]
