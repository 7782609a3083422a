"""Everything that was delivered about the orders of one account, and from when on to ask for more. Pure.

Only `Book.absorb` changes what was delivered, and is called after the delivery of each update, so that a crash at any
moment leaves the book equal to what went out.

Where the next reconciliation begins is a time: ids of orders and fills need not be numbers, nor rise. It is a time by
the venue's clock as it was known then, and that clock may be set back: `Book.follow`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from decimal import Decimal
from typing import Final

import attrs

from .._account_source import OrderKey
from .._records import CLOSED, AccountPhase, Fill, OrderStatus, OrderUpdate, Side
from ._told_fills import FillKey, ToldFills

CLOSED_KEPT: Final = 10_000
"""Closed orders remembered per account. Unknown ones that ended no later than the last one forgotten are no news."""
MARGIN: Final = 60_000
"""Milliseconds by which each reconciliation asks further back than it should have to: by so much answers may lag behind
the stream, time after time, without anything being lost. Venues promise nothing about it."""
CLOCK_OFF: Final = 600_000
"""Milliseconds by which a venue's clock may have been ahead while an earlier process ran. Where it seems to have been more,
the machine's clock was wrong. For so much longer than it is asked about the file keeps what was told."""


@attrs.frozen
class Known:
    """What was delivered about one order."""

    client_id: str
    side: Side
    type: str
    status: OrderStatus
    filled: Decimal
    price: Decimal
    quantity: Decimal
    time: int
    assumed: Decimal
    """Part of ``filled`` that was taken from an order older than the account's history, without seeing its fills."""


class Book:
    """Everything that was delivered about the orders of one account. Outlives the actor that delivers."""

    def __init__(self) -> None:
        self.orders: OrderedDict[OrderKey, Known] = OrderedDict()
        self.since: int | None = None
        """Where the account's history begins, milliseconds by the venue's clock. Fills before it are not delivered."""
        self.opened: float | None = None
        """When it was opened, on Trio's clock, where the history begins with that."""
        self.since_ahead: int | None = None
        """Milliseconds by which the clock that ``since`` was read off was ahead of the machine's; None: it was told, or an
        earlier version has written it."""
        self.set_back = 0
        """Milliseconds by which the venue's clock had been set back in all when the book followed it last."""
        self.symbols: set[str] = set()
        """What is reconciled: the symbols declared, and those of which a live update came."""
        self.fills_from = 0
        """Fills before this time were delivered, if not by this process then by an earlier one."""
        self.forgotten = -1
        """When the last closed order ended that is not remembered any more."""
        self.state: AccountPhase | None = None
        """What was told last of the account."""
        self._open: set[OrderKey] = set()
        self._closed: OrderedDict[OrderKey, None] = OrderedDict()
        self._fills: dict[str, ToldFills] = {}
        self.points: dict[str | None, tuple[int | None, int]] = {}
        """By symbol, when the last two complete reconciliations began; None: of all symbols."""
        self.ahead: int | None = None
        """As ``since_ahead``, of the clock that the points were read off; None: an earlier version has written them."""

    def continue_from(self, other: Book, set_back: int, ahead: int) -> None:
        """Become the book of an earlier process, of which nothing was told yet in this one.

        No process was there to see the venue's clock being set back. The machine's clock tells, or it was set itself: to
        begin too early costs a larger question, to begin too late an order. So nothing is ever moved forward.

        Args:
            other: The book as it was written.
            set_back: As of `follow`, which moves the points back.
            ahead: Milliseconds by which the venue's clock is ahead of the machine's now.
        """
        vars(self).update({**vars(other), "state": self.state})
        self.set_back = set_back - _fallen(self.ahead, ahead)
        if self.since is not None:
            self._begin_at(self.since - _fallen(self.since_ahead, ahead))

    def follow(self, set_back: int, opened: int | None) -> None:
        """Move back what was noted by a clock that has been set back since: what happens now would lie before it.

        Args:
            set_back: Milliseconds by which the venue's clock was set back so far, all times together.
            opened: When the history was opened, by the clock as it is known now; None: it does not begin there.
        """
        by, self.set_back = set_back - self.set_back, set_back
        if not by:
            return
        for symbol, (before, last) in self.points.items():
            self.points[symbol] = (None if before is None else before - by, last - by)
        if opened is not None and self.since is not None:
            self._begin_at(min(self.since, opened))

    def _begin_at(self, since: int) -> None:
        if self.since is not None and self.since_ahead is not None:
            self.since_ahead -= self.since - since
        self.since = since

    def copy(self) -> Book:
        """Return a book that does not change with this one."""
        book = Book()
        vars(book).update(vars(self))
        book.orders, book.points, book.symbols = self.orders.copy(), self.points.copy(), self.symbols.copy()
        book._open, book._closed = self._open.copy(), self._closed.copy()
        book._fills = {symbol: fills.copy() for symbol, fills in self._fills.items()}
        return book

    @property
    def remembers_what_is_asked(self) -> bool:
        """Whether nothing is forgotten of the time that the next reconciliation asks about.

        If so, whoever has only what is remembered tells nothing twice, and finds that everything adds up.
        """
        forgotten = max((self.forgotten, *(fills.floor for fills in self._fills.values())))
        return forgotten < min((self.asks_since(symbol) for symbol in self.points), default=self.since or 0)

    def get(self, key: OrderKey) -> Known | None:
        """Return what was delivered about an order."""
        return self.orders.get(key)

    def has_fill(self, fill: Fill) -> bool:
        """Say whether a fill was delivered."""
        fills = self._fills.get(fill.symbol)
        return fill.time < self.fills_from if fills is None else fill in fills

    def fills(self) -> Iterator[tuple[str, FillKey, int]]:
        """Yield symbol, key and time of the delivered fills that are remembered."""
        for symbol, fills in self._fills.items():
            for key, time in fills.times.items():
                yield symbol, key, time

    def open_orders(self, symbol: str | None = None) -> list[OrderKey]:
        """Return the orders that are open as far as was delivered, of one symbol or of all, in a steady order."""
        return sorted((key for key in self._open if symbol in (None, key[0])), key=in_order)

    @property
    def has_open_orders(self) -> bool:
        """Whether any order is open as far as was delivered."""
        return bool(self._open)

    def asks_since(self, symbol: str | None) -> int:
        """Return from when on to ask: the beginning of the last complete reconciliation but one, and a bit earlier.

        Everything is so asked for twice at least, and an answer that lagged behind once is made good.

        Args:
            symbol: Of the question; None: of all symbols.
        """
        history = self.since or 0
        before, _ = self.points.get(symbol, (None, 0))
        return history if before is None else max(history, before - MARGIN)

    def reconciled(self, symbol: str | None, began: int) -> None:
        """Note that a reconciliation is complete, which began at that time."""
        last = self.points.get(symbol)
        self.points[symbol] = (None if last is None else last[1], began)

    def absorb(self, update: OrderUpdate) -> None:
        """Note that an update was delivered."""
        key = (update.symbol, update.order_id)
        known = self.orders.get(key)
        filled, assumed = (Decimal(0), update.filled) if known is None else (known.filled, known.assumed)
        if known is None and update.fill is not None:
            assumed -= update.fill.quantity
        elif known is not None and update.fill is not None:
            # Where the total grew by less than the fill, the fill was part of what had been assumed.
            assumed -= filled + update.fill.quantity - update.filled
        now = Known(
            update.client_id,
            update.side,
            update.type,
            update.status,
            update.filled,
            update.price,
            update.quantity,
            update.time,
            assumed,
        )
        self.remember(key, now)
        if update.fill is not None:
            self.remember_fill(update.fill.symbol, (update.fill.order_id, update.fill.id), update.fill.time)

    def remember(self, key: OrderKey, known: Known) -> None:
        """Note the present state of an order."""
        self.orders[key] = known
        if known.status not in CLOSED:
            self._open.add(key)
            return
        self._open.discard(key)
        self._closed[key] = None
        if len(self._closed) > CLOSED_KEPT:
            oldest, _ = self._closed.popitem(last=False)
            self.forgotten = max(self.forgotten, self.orders.pop(oldest).time)

    def remember_fill(self, symbol: str, key: FillKey, time: int) -> None:
        """Note that a fill was delivered."""
        self._fills.setdefault(symbol, ToldFills(self.fills_from - 1)).add(key, time)


def _fallen(then: int | None, now: int) -> int:
    """Return by how much less the venue's clock is ahead of the machine's than it was; 0 where it is not, or too much."""
    fallen = 0 if then is None else then - now
    return fallen if 0 < fallen <= CLOCK_OFF else 0


def in_order(key: OrderKey) -> tuple[str, int, str]:
    """Sort ids that are numbers as numbers, also where they are text."""
    symbol, order_id = key
    return symbol, len(str(order_id)), str(order_id)
