"""Gate.io v4 spot: the orders and fills of an account by REST: rows, pages, and what is asked for.

Sources: gateio/gateapi-python docs/SpotApi.md, docs/Order.md and docs/Trade.md, 2025-07-31; the API guide of 2026 on
``/account/main_keys``.
"""

from __future__ import annotations

from collections.abc import Generator
from decimal import Decimal
from typing import Any, Final

import msgspec

from .._account_source import Inquiry, KeyReport, OrderReport, Question
from .._errors import BadFrame, NoSuchOrder
from .._records import Fill, OrderId, OrderStatus, Side
from .._secret import Secret
from . import _gate
from ._decode import Moment, finite, rows_of
from ._inquiries import DAY, SECOND, amount, each_row, windows

API: Final = "/api/v4"
ORDERS: Final = f"{API}/spot/orders"
OPEN_ORDERS: Final = f"{API}/spot/open_orders"
FILLS: Final = f"{API}/spot/my_trades"
PAGE: Final = 100
FILLS_PAGE: Final = 1000
DEEPEST: Final = 100_000
"""Rows that can be paged through; public trades have that limit, and nothing says that these have none."""
WINDOW: Final = 7 * DAY
"""Milliseconds asked for at once; the venue takes 30 days at most."""
AHEAD: Final = 600 * SECOND
"""Milliseconds by which the last window ends ahead of now."""
BACK: Final = 89 * DAY
"""How far back orders that have ended, and fills, are asked for. The guide names no end."""

TIME: Final = Question("GET", f"{API}/spot/time", signed=False)
PERMISSIONS: Final = Question("GET", f"{API}/account/main_keys")

_IMMEDIATE: Final = frozenset({"ioc", "fok"})


class OrderRow(
    msgspec.Struct,
    frozen=True,
    rename={
        "symbol": "currency_pair",
        "client_id": "text",
        "created": "create_time_ms",
        "updated": "update_time_ms",
    },
):
    id: int
    symbol: str
    type: str
    side: Side
    amount: Decimal
    left: Decimal
    created: Decimal
    updated: Decimal
    client_id: str | None = None
    price: str | None = None
    filled_amount: str | None = None
    filled_total: str | None = None
    finish_as: str | None = None
    event: str | None = None
    """On the stream: put, update, finish."""
    status: str | None = None
    """By REST: open, closed, cancelled."""


class FillRow(
    msgspec.Struct, frozen=True, rename={"symbol": "currency_pair", "quantity": "amount", "time": "create_time_ms"}
):
    id: int
    order_id: int
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    time: Decimal
    role: str = ""
    fee: str | None = None
    fee_currency: str | None = None


class _OfPair(msgspec.Struct, frozen=True):
    orders: list[msgspec.Raw]


class _Time(msgspec.Struct, frozen=True):
    server_time: Moment


class _Permission(msgspec.Struct, frozen=True):
    name: str = ""
    read_only: bool = True


class _Key(msgspec.Struct, frozen=True, rename={"addresses": "ip_whitelist"}):
    # The schema of the guide has an object in its place, and no way to tell whose entry it is.
    key: Any = None
    perms: list[_Permission] | None = None
    addresses: list[str] | None = None


_order_row = msgspec.json.Decoder(OrderRow, strict=False)
_fill_row = msgspec.json.Decoder(FillRow, strict=False)
_rows = msgspec.json.Decoder(list[msgspec.Raw])
_one = msgspec.json.Decoder(msgspec.Raw)
_of_pairs = msgspec.json.Decoder(list[_OfPair])
_time = msgspec.json.Decoder(_Time)
_keys = msgspec.json.Decoder(list[_Key])


def time(body: bytes) -> int:
    """Read the venue's time."""
    return rows_of(_time, body, "time").server_time


def open_orders(symbol: str | None) -> Inquiry[list[OrderReport]]:
    """Ask for open orders, page by page; without a symbol each page has the orders of all pairs that have so many."""
    rows: list[msgspec.Raw] = []
    page = 1
    while True:
        paging: tuple[tuple[str, str | int], ...] = (("page", page), ("limit", PAGE))
        if symbol is None:
            body = yield Question("GET", OPEN_ORDERS, paging)
            pages = [pair.orders for pair in rows_of(_of_pairs, body, "open_orders")]
        else:
            body = yield Question("GET", ORDERS, (("currency_pair", symbol), ("status", "open"), *paging))
            pages = [rows_of(_rows, body, "orders")]
        rows += [row for each in pages for row in each]
        if all(len(each) < PAGE for each in pages):
            return each_row(_order_row, rows, report_of, "orders")
        page = _next(page, PAGE)


def orders(symbol: str | None, since: int, now: int) -> Inquiry[list[OrderReport]]:
    """Ask for the open orders, and for those that ended since a time."""
    found = yield from open_orders(symbol)
    rows = yield from _pages(ORDERS, symbol, (("status", "finished"),), PAGE, since, now)
    return found + each_row(_order_row, rows, report_of, "orders")


def one_order(symbol: str, order_id: OrderId) -> Inquiry[OrderReport | None]:
    """Ask for one order."""
    try:
        body = yield Question("GET", f"{ORDERS}/{order_id}", (("currency_pair", symbol),))
    except NoSuchOrder:
        return None
    [found] = each_row(_order_row, [rows_of(_one, body, "order")], report_of, "order")
    return found


def fills(symbol: str | None, since: int, now: int) -> Inquiry[list[Fill]]:
    """Ask for fills."""
    rows = yield from _pages(FILLS, symbol, (), FILLS_PAGE, since, now)
    found = each_row(_fill_row, rows, fill_of, "my_trades")
    # Pages are newest first, and what happens meanwhile moves rows to the next one.
    once = {(fill.symbol, fill.order_id, fill.id): fill for fill in reversed(found)}
    return sorted(once.values(), key=lambda fill: (fill.time, fill.id))


def permissions(body: bytes, own: Secret) -> KeyReport:
    """Read the answer: it lists all keys, each by its first characters. Without exactly one that fits nothing is told."""
    mine = [key for key in rows_of(_keys, body, "main_keys") if _fits(key.key, own)]
    if len(mine) != 1:
        return KeyReport()
    [key] = mine
    names = {permission.name: permission.read_only for permission in key.perms or []}
    # The list has no word for withdrawals: whether the key may is not told.
    return KeyReport(
        reads="spot" in names,
        trades=names.get("spot") is False,
        bound_to_addresses=None if key.addresses is None else bool(key.addresses),
    )


def _fits(shown: Any, own: Secret) -> bool:
    start = shown.partition("*")[0] if isinstance(shown, str) else ""
    return bool(start) and own.reveal().startswith(start)


def _pages(
    path: str, symbol: str | None, more: tuple[tuple[str, str | int], ...], size: int, since: int, now: int
) -> Generator[Question, bytes, list[msgspec.Raw]]:
    """Ask for all rows of a time. The venue counts in seconds, and pages from the newest on."""
    rows: list[msgspec.Raw] = []
    pair: tuple[tuple[str, str | int], ...] = () if symbol is None else (("currency_pair", symbol),)
    for start, end in windows(max(since, now - BACK), now, WINDOW):
        times: tuple[tuple[str, str | int], ...] = (("from", start // SECOND),)
        # An order report must not be newer than the fills, although the clock may be measured wrong for a while.
        times += (("to", (now + AHEAD if end is None else end) // SECOND),)
        page = 1
        while True:
            question = Question("GET", path, (*pair, *more, *times, ("page", page), ("limit", size)))
            found = rows_of(_rows, (yield question), "page")
            rows += found
            if len(found) < size:
                break
            page = _next(page, size)
    return rows


def _next(page: int, size: int) -> int:
    if page * size >= DEEPEST:
        # A venue that does not count pages would answer with the first one for ever.
        raise BadFrame("more pages than the venue has")
    return page + 1


def report_of(row: OrderRow, raw: bytes) -> OrderReport:
    finite(row.amount, row.left)
    if not row.symbol:
        raise ValueError("an order without a symbol")
    if row.type == "market" and row.side == "buy":
        quantity, filled = Decimal(0), amount(row.filled_amount)
        if not filled and amount(row.filled_total):
            raise ValueError("a market order that does not tell how much it bought")
    else:
        quantity, filled = row.amount, row.amount - row.left
    return OrderReport(
        symbol=row.symbol,
        order_id=row.id,
        client_id=row.client_id or "",
        side=row.side,
        type=row.type,
        status=_status(row, filled),
        price=amount(row.price),
        quantity=quantity,
        filled=filled,
        created=_gate.milliseconds(row.created),
        updated=_gate.milliseconds(row.updated),
        raw=raw,
    )


def _status(row: OrderRow, filled: Decimal) -> OrderStatus:
    if row.event == "finish" or row.status in ("closed", "cancelled"):
        if row.finish_as == "filled" or row.status == "closed" or not row.left:
            return "filled"
        return "expired" if row.finish_as in _IMMEDIATE else "canceled"
    if row.event not in ("put", "update") and row.status != "open":
        raise ValueError("an order of unknown state")
    return "partially_filled" if filled else "new"


def fill_of(row: FillRow, raw: bytes) -> Fill:
    finite(row.price, row.quantity)
    if not row.symbol:
        raise ValueError("a fill without a symbol")
    return Fill(
        symbol=row.symbol,
        order_id=row.order_id,
        id=row.id,
        price=row.price,
        quantity=row.quantity,
        side=row.side,
        maker=row.role == "maker",
        commission=amount(row.fee),
        commission_asset=row.fee_currency or "",
        time=_gate.milliseconds(row.time),
        raw=raw,
    )
