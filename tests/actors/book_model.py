"""An exchange with a true order book, which publishes it by any venue's rule; and ways to lose what it says."""

from collections import deque
from decimal import Decimal

import attrs

from actors._feeds._book import Ladder
from actors._feeds._book_sync import BookSync, Step
from actors._records import BookItem, BookUpdate, FeedState
from actors._session import Session
from actors._source import BookRule, Depth, Level

SPOT = BookRule("rest", "next", 1)
USDM = BookRule("rest", "previous", 0)
BYBIT = BookRule("stream", "next")
OKX = BookRule("stream", "previous")
KUCOIN = BookRule("whole")
RULES = {"spot": SPOT, "usdm": USDM, "bybit": BYBIT, "okx": OKX, "kucoin": KUCOIN}

State = tuple[tuple[Level, ...], tuple[Level, ...]]


@attrs.frozen
class Change:
    """Which side, how far from the middle, and the new quantity."""

    bid: bool
    distance: int
    quantity: int


class Model:
    """The exchange: the true book, and what it was at each time.

    Attributes:
        states: The true book by the time that a message of it carries; times are never used twice.
    """

    def __init__(self, rule: BookRule, symbol: str = "X") -> None:
        self.rule = rule
        self.symbol = symbol
        self.middle = 1000
        self.bids: dict[int, int] = {999: 5, 998: 1}
        self.asks: dict[int, int] = {1001: 5, 1003: 2}
        self.number = 100
        self.clock = 1_700_000_000_000
        self.states: dict[int, State] = {}
        self.history: list[Depth] = []
        self.note()

    def tick(self, milliseconds: int = 10) -> int:
        self.clock += milliseconds
        return self.clock

    @property
    def state(self) -> State:
        bids = tuple((Decimal(p), Decimal(q)) for p, q in sorted(self.bids.items(), reverse=True))
        return bids, tuple((Decimal(p), Decimal(q)) for p, q in sorted(self.asks.items()))

    def note(self) -> None:
        time = self.tick()
        self.states[time] = self.state
        self.history.append(self.depth(True, self.number, self.number, None, *self.state, time))

    def depth(
        self,
        snapshot: bool,
        first: int,
        last: int,
        previous: int | None,
        bids: tuple[Level, ...],
        asks: tuple[Level, ...],
        time: int,
    ) -> Depth:
        return Depth(self.symbol, snapshot, first, last, previous, list(bids), list(asks), time)

    def change(self, changes: list[Change], skip: int = 0) -> Depth:
        """Change the book, and return the message about it."""
        before = self.number
        touched: tuple[dict[int, int], dict[int, int]] = ({}, {})
        for change in changes:
            price = self.middle - change.distance if change.bid else self.middle + change.distance
            side, other = (self.bids, self.asks) if change.bid else (self.asks, self.bids)
            self.number += 1
            if change.quantity:
                side[price] = change.quantity
                crossing = [p for p in other if (p <= price if change.bid else p >= price)]
                for p in crossing:
                    del other[p]
                    touched[1 if change.bid else 0][p] = 0
            else:
                side.pop(price, None)
            touched[0 if change.bid else 1][price] = change.quantity
        if self.rule.chain == "previous":
            self.number += skip
        self.number = max(self.number, before + 1)
        if self.rule == BYBIT:
            self.number = before + 1
        first = before + 1 + (skip if self.rule.chain == "previous" else 0)
        self.note()
        if self.rule.base == "whole":
            return self.newest
        bids, asks = ([(Decimal(p), Decimal(q)) for p, q in side.items()] for side in touched)
        previous = before if self.rule.chain == "previous" else None
        return self.depth(False, first, self.number, previous, tuple(bids), tuple(asks), self.clock)

    def keep_alive(self) -> Depth:
        return self.depth(False, self.number, self.number, self.number, (), (), self.tick())

    def renumber(self) -> Depth:
        """Begin the numbers anew; return what OKX or Bybit tell about it."""
        before, self.number = self.number, 1
        self.tick(6_000)
        self.note()
        if self.rule == OKX:
            return self.depth(False, 1, 1, before, (), (), self.clock)
        return self.newest

    @property
    def newest(self) -> Depth:
        return self.history[-1]


class Follower:
    """What the actor does with a synchroniser, without the actor: items for the consumer."""

    def __init__(self, sync: BookSync, symbol: str = "X") -> None:
        self.sync = sync
        self.symbol = symbol
        self.ladder = Ladder()
        self.live = False
        self.at: int | None = None

    def items(self, step: Step) -> list[BookItem]:
        items: list[BookItem] = []
        if step.broken is not None:
            self.live = False
            items.append(FeedState("v", self.symbol, False, step.broken, 0))
        for message in step.apply:
            if message.snapshot:
                self.ladder.replace(message.bids, message.asks)
            else:
                self.ladder.change(message.bids, message.asks)
            assert not self.ladder.crossed
            previous = None if message.snapshot else self.at
            self.at = message.last
            bids, asks = tuple(message.bids), tuple(message.asks)
            items.append(
                BookUpdate("v", self.symbol, message.snapshot, bids, asks, message.last, message.time, 0, previous)
            )
        if step.apply and not self.live:
            self.live = True
            items.append(FeedState("v", self.symbol, True, "in order", 0))
        return items


@attrs.define(eq=False)
class Line:
    """One connection: what is on its way."""

    session: Session = attrs.field(factory=Session)
    open: bool = False
    queue: deque[Depth] = attrs.field(factory=deque)
