"""The market of one symbol: a seeded random walk that prints trades with consecutive ids. Pure: time is an argument."""

from __future__ import annotations

from bisect import bisect_left
from decimal import Decimal
from random import Random

import attrs

from ._record import Log, PublishedTrade, Side
from ._rules import SPOT

_RAW_PER_TAKER = (1, 1, 1, 1, 1, 1, 1, 2, 2, 3)
"""How many makers one taker order meets; ten equally likely cases."""

MEAN_RAW_PER_TAKER = sum(_RAW_PER_TAKER) / len(_RAW_PER_TAKER)


@attrs.frozen
class Printed:
    """One taker order: its raw trades, and the one aggregate that covers them without a hole."""

    raw: tuple[PublishedTrade, ...]
    aggregate: PublishedTrade


class Tape:
    """The trades of one symbol at one venue, and their ids.

    Args:
        venue: "binance" or "binance-usdm".
        symbol: upper case.
        random: owns the walk, its sizes and its arrivals; no other tape draws from it.
        trades: where what carries the venue's consecutive ids goes (raw on spot, aggregate on USD-M).
        aggregates: where aggregate trades go.
        live: False for a symbol that only a replay moves.
    """

    def __init__(
        self,
        venue: str,
        symbol: str,
        random: Random,
        trades: Log[PublishedTrade],
        aggregates: Log[PublishedTrade],
        *,
        live: bool = True,
    ) -> None:
        self.venue = venue
        self.symbol = symbol
        self.live = live
        self.random = random
        self.trades = trades
        self.aggregates = aggregates
        self.price_decimals = 2
        self.quantity_decimals = 5 if venue == SPOT else 3
        self._price = 6_000_000 if symbol.startswith("BTC") else random.randint(1_000, 500_000)
        self._next_raw = random.randint(1_000_000, 9_000_000)
        self._next_aggregate = random.randint(100_000, 900_000)

    @property
    def price(self) -> str:
        """The last price."""
        return _fixed(self._price, self.price_decimals)

    def next_delay(self, trades_per_second: float) -> float:
        """Seconds to the next taker order of a Poisson market with that rate of numbered trades."""
        per_taker = MEAN_RAW_PER_TAKER if self.venue == SPOT else 1.0
        return self.random.expovariate(trades_per_second / per_taker)

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
            self._price = int(Decimal(price).scaleb(self.price_decimals))
        shown = price if price is not None else self.price
        count = raw_count or (1 if quantity is not None else random.choice(_RAW_PER_TAKER))
        first = self._next_raw
        sizes = [Decimal(quantity or _fixed(random.randint(1, 20_000), self.quantity_decimals)) for _ in range(count)]
        raw = tuple(
            PublishedTrade(first + n, shown, str(size), side, time, first + n, first + n, at)
            for n, size in enumerate(sizes)
        )
        self._next_raw += count
        total = str(sum(sizes, Decimal(0)))
        last = first + count - 1
        aggregate = PublishedTrade(self._next_aggregate, shown, total, side, time, first, last, at)
        self._next_aggregate += 1
        printed = Printed(raw, aggregate)
        self.remember(raw if self.venue == SPOT else (aggregate,), aggregate)
        return printed

    def remember(self, trades: tuple[PublishedTrade, ...], aggregate: PublishedTrade | None) -> None:
        """Put published trades into the history; a replay calls this with what was recorded."""
        for trade in trades:
            self.trades.append(trade)
        if aggregate is not None:
            self.aggregates.append(aggregate)


def page_by_id(log: Log[PublishedTrade], from_id: int | None, limit: int) -> list[PublishedTrade]:
    """Up to `limit` trades in ascending order: from an id, inclusive, or the newest.

    Ids before the oldest remembered one are silently left out, as a venue with a limited history does.
    """
    if from_id is None:
        return log[max(0, len(log) - limit) :]
    start = bisect_left(log, from_id, key=lambda trade: trade.id)
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


def _fixed(units: int, decimals: int) -> str:
    whole, part = divmod(units, 10**decimals)
    return f"{whole}.{part:0{decimals}d}"
