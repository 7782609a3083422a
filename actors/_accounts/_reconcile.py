"""What the exchange says by REST against what was delivered: the updates that are missing, in causal order. Pure.

A private stream has neither sequence numbers nor a snapshot: what it lost shows only by asking (Binance USD-M user data
streams). `Book` is what was delivered; `differences` says what has to be delivered so that it equals what REST
reports; `judge` says whether a live event is news. Only `Book.absorb` changes anything, and is called after the
delivery of each update, so that a crash at any moment leaves the book equal to what went out.

Where the next reconciliation begins is a time: ids of orders and fills need not be numbers, nor rise. It is a time by
the venue's clock as it was known then, and that clock may be set back: `Book.follow`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Final, Literal

import attrs

from .._account_source import OrderKey, OrderReport
from .._errors import Inconsistent
from .._records import CLOSED, AccountPhase, Fill, OrderStatus, OrderUpdate, Side
from ._told_fills import FillKey, ToldFills

CLOSED_KEPT: Final = 10_000
"""Closed orders remembered per account. Unknown ones that ended no later than the last one forgotten are no news."""
MARGIN: Final = 60_000
"""Milliseconds by which each reconciliation asks further back than it should have to: by so much answers may lag behind
the stream, time after time, without anything being lost. Venues promise nothing about it."""


RANK: Final[dict[OrderStatus, int]] = {
    "new": 0,
    "partially_filled": 1,
    "filled": 2,
    "canceled": 2,
    "rejected": 2,
    "expired": 2,
}
"""An order's states in the order in which it can have them."""


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

    def continue_from(self, other: Book) -> None:
        """Become another book, of which nothing was told yet in this process."""
        vars(self).update({**vars(other), "state": self.state})

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
            self.since = min(self.since, opened)

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
        return sorted((key for key in self._open if symbol in (None, key[0])), key=_in_order)

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


def _in_order(key: OrderKey) -> tuple[str, int, str]:
    """Sort ids that are numbers as numbers, also where they are text."""
    symbol, order_id = key
    return symbol, len(str(order_id)), str(order_id)


def present(book: Book, venue: str, account: str, received: int) -> list[OrderUpdate]:
    """Return the state of each order that is open as far as the book knows, as an update in which nothing happens."""
    return [
        OrderUpdate(
            venue=venue,
            account=account,
            symbol=key[0],
            order_id=key[1],
            client_id=known.client_id,
            side=known.side,
            type=known.type,
            status=known.status,
            price=known.price,
            quantity=known.quantity,
            filled=known.filled,
            fill=None,
            time=known.time,
            source="reconcile",
            received=received,
        )
        for key, known in ((key, book.orders[key]) for key in book.open_orders())
    ]


Verdict = Literal["news", "repeated", "incomplete"]


def judge(book: Book, update: OrderUpdate) -> Verdict:
    """Say whether a live update is news, was delivered already, or shows that something before it was missed.

    Whatever comes twice or late is repeated, above all what follows an order's end: Bybit tells ``Filled`` twice when a
    cancellation came too late (order stream page).
    """
    known = book.get((update.symbol, update.order_id))
    if update.fill is not None and book.has_fill(update.fill):
        return "repeated"
    if known is None:
        if update.time <= book.forgotten:
            return "repeated"
        told = Decimal(0) if update.fill is None else update.fill.quantity
        return "news" if update.filled == told else "incomplete"
    if update.fill is not None:
        unseen = known.filled + update.fill.quantity - update.filled
        return "news" if 0 <= unseen <= known.assumed else "incomplete"
    rank, known_rank = RANK[update.status], RANK[known.status]
    if rank < known_rank or known_rank == RANK["filled"] or (rank == known_rank and update.time <= known.time):
        return "repeated"
    return "news" if update.filled == known.filled else "incomplete"


def beginning(book: Book, update: OrderUpdate) -> OrderUpdate | None:
    """Return what comes before an update that is news: the order's beginning, where the stream has not told it.

    Some venues tell nothing of an order that is executed at once before its fills; and where the beginning was lost,
    its first fill still says everything about it.
    """
    if book.get((update.symbol, update.order_id)) is not None or update.status in ("new", "rejected"):
        return None
    return attrs.evolve(update, status="new", filled=Decimal(0), fill=None)


def lacking(book: Book, orders: Iterable[OrderReport], fills: Iterable[Fill]) -> dict[str, int]:
    """Return, by symbol, from when on fills must be asked for again: an order has more than the fills there are.

    That happens where an answer about fills lagged behind for longer than anybody expects, and the time from which they
    are asked for has gone on.
    """
    new: dict[OrderKey, Decimal] = {}
    for fill in fills:
        if not book.has_fill(fill):
            key = (fill.symbol, fill.order_id)
            new[key] = new.get(key, Decimal(0)) + fill.quantity
    since: dict[str, int] = {}
    for report in orders:
        known = book.get(report.key)
        if known is None and report.created < (book.since or 0):
            continue
        filled, time = (Decimal(0), report.created) if known is None else (known.filled, known.time)
        if report.filled > filled + new.get(report.key, Decimal(0)):
            since[report.symbol] = min(since.get(report.symbol, time), time)
    return {symbol: max(book.since or 0, time - MARGIN) for symbol, time in since.items()}


def differences(
    book: Book,
    orders: Iterable[OrderReport],
    fills: Iterable[Fill],
    *,
    venue: str,
    account: str,
    received: int,
    live_from: int,
) -> list[OrderUpdate]:
    """Return the updates that bring the book to what REST reports, in causal order.

    Orders must have been asked for before fills: a fill that is newer than its order's report, and than ``live_from``
    (milliseconds by the venue's clock), comes or came over the stream, and is left to it.

    Within an order: its beginning, its fills by time, its end. Across orders: by the venue's time, never against the
    order within an order. Fills that the book has are left out; so are orders that have not changed.

    Raises:
        Inconsistent: An order's filled quantity is not the sum of what was delivered and of the new fills.
    """
    since = book.since or 0
    new_fills: dict[OrderKey, dict[int | str, Fill]] = {}
    for fill in fills:
        if fill.time >= since and not book.has_fill(fill):
            new_fills.setdefault((fill.symbol, fill.order_id), {})[fill.id] = fill
    chains: list[tuple[int, int, OrderUpdate]] = []
    for report in {report.key: report for report in orders}.values():
        # Of one millisecond they keep the order in which the venue has told them.
        mine = sorted(new_fills.pop(report.key, {}).values(), key=lambda fill: fill.time)
        known = book.get(report.key)
        if known is None and not mine and report.status in CLOSED and report.updated <= max(since - 1, book.forgotten):
            # It ended before the history began, or was delivered so long ago that nobody remembers.
            continue
        start = _fitting(known, report, mine, since, live_from)
        if start is None:
            continue
        latest = 0
        for place, update in enumerate(_chain(known, report, *start, venue, account, received)):
            # An update is never sorted before its predecessor, whatever the venue's clocks say.
            latest = max(latest, update.time)
            chains.append((latest, place, update))
    for key, left in new_fills.items():
        if any(fill.time < live_from for fill in left.values()):
            raise Inconsistent(f"a fill of order {key[1]} ({key[0]}) is there, and the order is not")
    chains.sort(key=lambda entry: (entry[0], _in_order((entry[2].symbol, entry[2].order_id)), entry[1]))
    return [update for _, _, update in chains]


def _chain(
    known: Known | None,
    report: OrderReport,
    filled: Decimal,
    fills: Sequence[Fill],
    venue: str,
    account: str,
    received: int,
) -> list[OrderUpdate]:
    def update(status: OrderStatus, filled: Decimal, time: int, fill: Fill | None) -> OrderUpdate:
        return OrderUpdate(
            venue=venue,
            account=account,
            symbol=report.symbol,
            order_id=report.order_id,
            client_id=report.client_id,
            side=report.side,
            type=report.type,
            status=status,
            price=report.price,
            quantity=report.quantity,
            filled=filled,
            fill=fill,
            time=time,
            source="reconcile",
            received=received,
            raw=report.raw if fill is None else fill.raw,
        )

    found: list[OrderUpdate] = []
    status: OrderStatus = "new" if known is None else known.status
    if known is None and report.status != "rejected":
        status = "partially_filled" if filled else "new"
        found.append(update(status, filled, report.created, None))
    elif known is not None and _amended(known, report):
        found.append(update(status, known.filled, report.updated, None))
    for fill in fills:
        filled += fill.quantity
        status = "filled" if report.status == "filled" and filled == report.filled else "partially_filled"
        found.append(update(status, filled, fill.time, fill))
    if RANK[report.status] > RANK[status] or (known is None and report.status == "rejected"):
        found.append(update(report.status, filled, report.updated, None))
    return found


def _amended(known: Known, report: OrderReport) -> bool:
    return report.updated > known.time and (known.price, known.quantity) != (report.price, report.quantity)


def _fitting(
    known: Known | None, report: OrderReport, fills: Sequence[Fill], since: int, live_from: int
) -> tuple[Decimal, Sequence[Fill]] | None:
    """Return how much was filled before the new fills, and those fills; None when the report is older than the book.

    Raises:
        Inconsistent: It does not add up.
    """
    newer = sum(1 for fill in fills if fill.time > report.updated)
    # Fills of the very millisecond of the report may be in it or not: the sum tells.
    for count in range(len(fills) - newer, -1, -1):
        if any(fill.time < max(live_from, report.updated) for fill in fills[count:]):
            break
        before = report.filled - sum((fill.quantity for fill in fills[:count]), Decimal(0))
        if known is None:
            # An order from before the account's history brings the quantity of fills that are not looked for.
            fits = before == 0 or (before > 0 and report.created < since)
        else:
            fits = 0 <= known.filled - before <= known.assumed
        if fits:
            return before, fills[:count]
    if (
        known is not None
        and report.filled < known.filled
        and all(fill.time >= live_from for fill in fills)
        and RANK[report.status] <= RANK[known.status]
    ):
        # REST reads a copy that lags behind the stream ("Memory => Database"): what was delivered is the newer.
        return None
    raise Inconsistent(f"the fills of order {report.order_id} ({report.symbol}) do not add up to its filled quantity")
