"""What the exchange says by REST against what was delivered: the updates that are missing, in causal order. Pure.

A private stream has neither sequence numbers nor a snapshot: what it lost shows only by asking (Binance USD-M user data
streams). `Book` is what was delivered; `differences` says what has to be delivered so that it equals what REST
reports; `judge` says whether a live event is news. Nothing here changes the book.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Final, Literal

import attrs

from .._account_source import OrderKey, OrderReport
from .._errors import Inconsistent
from .._records import CLOSED, Fill, OrderStatus, OrderUpdate
from ._book import MARGIN, Book, Known, in_order

RANK: Final[dict[OrderStatus, int]] = {
    "new": 0,
    "partially_filled": 1,
    "filled": 2,
    "canceled": 2,
    "rejected": 2,
    "expired": 2,
}
"""An order's states in the order in which it can have them."""


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
    chains.sort(key=lambda entry: (entry[0], in_order((entry[2].symbol, entry[2].order_id)), entry[1]))
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
