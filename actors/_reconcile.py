"""What the exchange says by REST against what was delivered: the updates that are missing, in causal order. Pure.

A private stream has neither sequence numbers nor a snapshot: what it lost shows only by asking (Binance USD-M user data
streams). `Book` is what was delivered; `differences` says what has to be delivered so that it equals what REST
reports; `judge` says whether a live event is news. Only `Book.absorb` changes anything, and is called after the
delivery of each update, so that a crash at any moment leaves the book equal to what went out.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Final, Literal

import attrs

from ._errors import Inconsistent
from ._records import CLOSED, Fill, OrderId, OrderStatus, OrderUpdate, Side

FILLS_KEPT: Final = 10_000
"""Fill ids remembered per symbol. Lower ids than the lowest one remembered count as delivered."""
CLOSED_KEPT: Final = 10_000
"""Closed orders remembered per account."""

OrderKey = tuple[str, int]
"""Symbol and order id: ids are unique per symbol only."""

_RANK: Final[dict[OrderStatus, int]] = {
    "new": 0,
    "partially_filled": 1,
    "filled": 2,
    "canceled": 2,
    "rejected": 2,
    "expired": 2,
}


@attrs.frozen
class OrderReport:
    """An order as REST reports it."""

    symbol: str
    order_id: OrderId
    client_id: str
    side: Side
    type: str
    status: OrderStatus
    price: Decimal
    quantity: Decimal
    filled: Decimal
    created: int
    updated: int
    raw: bytes | None = attrs.field(default=None, repr=False, eq=False)
    """The row of the answer, unread."""

    @property
    def key(self) -> OrderKey:
        """What identifies the order."""
        return (self.symbol, self.order_id)


@attrs.frozen
class Known:
    """What was delivered about one order."""

    status: OrderStatus
    filled: Decimal
    price: Decimal
    quantity: Decimal
    time: int
    assumed: Decimal
    """Part of ``filled`` that was taken from an order older than the account's history, without seeing its fills."""


class _FillIds:
    """The ids of delivered fills of one symbol, bounded."""

    __slots__ = ("_floor", "_ids")

    def __init__(self) -> None:
        self._ids: OrderedDict[int, None] = OrderedDict()
        self._floor = -1

    def __contains__(self, fill_id: int) -> bool:
        return fill_id <= self._floor or fill_id in self._ids

    def add(self, fill_id: int) -> None:
        self._ids[fill_id] = None
        if len(self._ids) > FILLS_KEPT:
            oldest = min(self._ids)
            del self._ids[oldest]
            self._floor = oldest


class Mark:
    """By symbol: from which id on the next reconciliation asks.

    That is the highest id that the last complete one but one had seen: every id is asked for by two of them at least, so
    that an answer that lagged behind once is made good.
    """

    def __init__(self) -> None:
        self._seen: dict[str, tuple[int | None, int | None]] = {}

    def get(self, symbol: str) -> int | None:
        """Return the id to ask from; None: ask by time."""
        return self._seen.get(symbol, (None, None))[0]

    def advance(self, symbol: str, highest: int | None) -> None:
        """Note the highest id that a complete reconciliation has seen."""
        _, last = self._seen.get(symbol, (None, None))
        self._seen[symbol] = (last, last if highest is None else max(highest, last or highest))


class Book:
    """Everything that was delivered about the orders of one account. Outlives the actor that delivers."""

    def __init__(self) -> None:
        self._orders: OrderedDict[OrderKey, Known] = OrderedDict()
        self._closed: OrderedDict[OrderKey, None] = OrderedDict()
        self._fills: dict[str, _FillIds] = {}
        self.since: int | None = None
        """Where the account's history begins, milliseconds by the venue's clock. Fills before it are not delivered."""
        self.symbols: set[str] = set()
        """What is reconciled: the symbols declared, and those of which a live update came."""
        self.orders_seen = Mark()
        self.fills_seen = Mark()

    def get(self, key: OrderKey) -> Known | None:
        """Return what was delivered about an order."""
        return self._orders.get(key)

    def has_fill(self, symbol: str, fill_id: int) -> bool:
        """Say whether a fill was delivered."""
        ids = self._fills.get(symbol)
        return ids is not None and fill_id in ids

    def open_orders(self, symbol: str) -> list[int]:
        """Return the ids of the orders that are open as far as was delivered, ascending."""
        return sorted(key[1] for key, known in self._orders.items() if key[0] == symbol and known.status not in CLOSED)

    def absorb(self, update: OrderUpdate) -> None:
        """Note that an update was delivered."""
        key = (update.symbol, update.order_id)
        known = self._orders.get(key)
        filled, assumed = (Decimal(0), update.filled) if known is None else (known.filled, known.assumed)
        if known is None and update.fill is not None:
            assumed -= update.fill.quantity
        elif known is not None and update.fill is not None:
            # Where the total grew by less than the fill, the fill was part of what had been assumed.
            assumed -= filled + update.fill.quantity - update.filled
        self._orders[key] = Known(update.status, update.filled, update.price, update.quantity, update.time, assumed)
        if update.fill is not None:
            self._fills.setdefault(update.symbol, _FillIds()).add(update.fill.id)
        if update.closed:
            self._closed[key] = None
            if len(self._closed) > CLOSED_KEPT:
                forgotten, _ = self._closed.popitem(last=False)
                self._orders.pop(forgotten, None)


Verdict = Literal["news", "repeated", "incomplete"]


def judge(book: Book, update: OrderUpdate) -> Verdict:
    """Say whether a live update is news, was delivered already, or shows that something before it was missed."""
    known = book.get((update.symbol, update.order_id))
    if update.fill is not None and book.has_fill(update.symbol, update.fill.id):
        return "repeated"
    if known is None:
        # The first that is told about an order is its beginning; anything else means that the beginning was missed.
        return "news" if update.status in ("new", "rejected") and not update.filled else "incomplete"
    if update.fill is not None:
        unseen = known.filled + update.fill.quantity - update.filled
        return "news" if 0 <= unseen <= known.assumed else "incomplete"
    rank, known_rank = _RANK[update.status], _RANK[known.status]
    if rank < known_rank or known_rank == _RANK["filled"] or (rank == known_rank and update.time <= known.time):
        return "repeated"
    return "news" if update.filled == known.filled else "incomplete"


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

    Within an order: its beginning, its fills by id, its end. Across orders: by the venue's time, never against the
    order within an order. Fills that the book has are left out; so are orders that have not changed.

    Raises:
        Inconsistent: An order's filled quantity is not the sum of what was delivered and of the new fills.
    """
    new_fills: dict[OrderKey, dict[int, Fill]] = {}
    for fill in fills:
        if not book.has_fill(fill.symbol, fill.id):
            new_fills.setdefault((fill.symbol, fill.order_id), {})[fill.id] = fill
    chains: list[tuple[int, int, OrderUpdate]] = []
    for report in {report.key: report for report in orders}.values():
        mine = new_fills.pop(report.key, {})
        known = book.get(report.key)
        start = _fitting(known, report, [mine[fill_id] for fill_id in sorted(mine)], book.since or 0, live_from)
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
    chains.sort(key=lambda entry: (entry[0], entry[2].symbol, entry[2].order_id, entry[1]))
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
    if _RANK[report.status] > _RANK[status] or (known is None and report.status == "rejected"):
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
        and _RANK[report.status] <= _RANK[known.status]
    ):
        # REST reads a copy that lags behind the stream ("Memory => Database"): what was delivered is the newer.
        return None
    raise Inconsistent(f"the fills of order {report.order_id} ({report.symbol}) do not add up to its filled quantity")
