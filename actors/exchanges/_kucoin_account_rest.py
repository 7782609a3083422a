"""KuCoin classic spot: the orders and fills of an account by REST: rows, pages, and what is asked for.

Sources: Kucoin/kucoin-universal-sdk, spec/rest and the samples in its tests, 2025-11-04; www.kucoin.com/docs, "Get HF
Completed order list" (3 days), "Get HF Filled List" (100 rows, lastId), 2024.
"""

from __future__ import annotations

from collections.abc import Generator
from decimal import Decimal
from typing import Final, Generic, TypeVar
from urllib.parse import quote

import msgspec

from .._account_source import Inquiry, KeyReport, OrderReport, Question
from .._errors import BadFrame, NoSuchOrder
from .._records import Fill, OrderId, OrderStatus, Side
from ._decode import Moment, finite, rows_of
from ._inquiries import DAY, amount, each_row, number_or_text, windows

ACTIVE: Final = "/api/v1/hf/orders/active"
ORDERS: Final = "/api/v1/hf/orders/"
MAY_BE_EMPTY: Final = (ACTIVE, f"{ACTIVE}/symbols")
"""Where success with nothing in it says that there is nothing."""
DONE: Final = "/api/v1/hf/orders/done"
FILLS: Final = "/api/v1/hf/fills"
PAGE: Final = 100
DONE_FOR: Final = 3 * DAY - 60_000
"""Milliseconds for which orders that have ended are listed; a minute less, because the question takes its time."""
FILLED_FOR: Final = 7 * DAY - 60_000
"""The same of fills."""

TIME: Final = Question("GET", "/api/v1/timestamp", weight=3, signed=False)
PERMISSIONS: Final = Question("GET", "/api/v1/user/api-key", weight=20)

_WITHDRAWAL: Final = frozenset({"Transfer", "Withdrawal"})
"""Either word has meant that funds may leave the account: the first one in the samples, the second one since."""
T = TypeVar("T")


class _OrderRow(
    msgspec.Struct,
    frozen=True,
    rename={
        "order_id": "id",
        "client_id": "clientOid",
        "quantity": "size",
        "filled": "dealSize",
        "canceled": "cancelExist",
        "created": "createdAt",
        "updated": "lastUpdatedAt",
    },
):
    order_id: str
    symbol: str
    type: str
    side: Side
    active: bool
    created: Moment
    updated: Moment
    canceled: bool = False
    client_id: str | None = None
    price: str | None = None
    quantity: str | None = None
    filled: str | None = None


class _FillRow(msgspec.Struct, frozen=True, rename="camel"):
    symbol: str
    order_id: str
    trade_id: int | str
    side: Side
    price: Decimal
    size: Decimal
    created_at: Moment
    liquidity: str = ""
    fee: str | None = None
    fee_currency: str | None = None


class _Reply(msgspec.Struct, Generic[T], frozen=True):
    data: T


class _Page(msgspec.Struct, frozen=True, rename="camel"):
    items: list[msgspec.Raw] | None = None
    last_id: int | None = None


class _Symbols(msgspec.Struct, frozen=True):
    symbols: list[str] | None = None


class _Key(msgspec.Struct, frozen=True, rename={"addresses": "ipWhitelist"}):
    permission: str | None = None
    addresses: str | None = None


_order_row = msgspec.json.Decoder(_OrderRow)
_fill_row = msgspec.json.Decoder(_FillRow)
_rows = msgspec.json.Decoder(_Reply[list[msgspec.Raw] | None])
_page = msgspec.json.Decoder(_Reply[_Page | None])
_one = msgspec.json.Decoder(_Reply[msgspec.Raw])
_symbols = msgspec.json.Decoder(_Reply[_Symbols | None])
_time = msgspec.json.Decoder(_Reply[int])
_key = msgspec.json.Decoder(_Reply[_Key])


def time(body: bytes) -> int:
    """Read the venue's time."""
    return rows_of(_time, body, "timestamp").data


def open_orders(symbol: str | None) -> Inquiry[list[OrderReport]]:
    """Ask for the open orders of a symbol, or first for the symbols that have any, and then for those of each."""
    symbols = [symbol] if symbol is not None else []
    if symbol is None:
        reply = rows_of(_symbols, (yield Question("GET", f"{ACTIVE}/symbols", weight=2)), "symbols").data
        symbols = [] if reply is None else reply.symbols or []
    found: list[OrderReport] = []
    for name in symbols:
        body = yield Question("GET", ACTIVE, (("symbol", name),), weight=2)
        found += each_row(_order_row, rows_of(_rows, body, "orders").data or [], _report, "orders")
    return found


def orders(symbol: str | None, since: int, now: int) -> Inquiry[list[OrderReport]]:
    """Ask for the open orders, and for those that have ended: of the last three days at most."""
    if symbol is None:
        raise ValueError("KuCoin lists the orders of one symbol at a time")
    found = yield from open_orders(symbol)
    rows = yield from _pages(DONE, symbol, max(since, now - DONE_FOR), now)
    return found + each_row(_order_row, rows, _report, "orders")


def one_order(symbol: str, order_id: OrderId) -> Inquiry[OrderReport | None]:
    """Ask for one order. The venue forgets canceled orders after days."""
    try:
        body = yield Question("GET", f"{ORDERS}{quote(str(order_id), safe='')}", (("symbol", symbol),), weight=2)
    except NoSuchOrder:
        return None
    [report] = each_row(_order_row, [rows_of(_one, body, "order").data], _report, "order")
    return report


def fills(symbol: str | None, since: int, now: int) -> Inquiry[list[Fill]]:
    """Ask for fills: of the last seven days at most."""
    if symbol is None:
        raise ValueError("KuCoin lists the fills of one symbol at a time")
    rows = yield from _pages(FILLS, symbol, max(since, now - FILLED_FOR), now)
    found = each_row(_fill_row, rows, _fill, "fills")
    # Pages are newest first, and a row may stand on two of them.
    once = {(fill.order_id, fill.id): fill for fill in reversed(found)}
    return sorted(once.values(), key=lambda fill: fill.time)


def permissions(body: bytes) -> KeyReport:
    """Read the answer. When a key ends is not in it."""
    key = rows_of(_key, body, "api-key").data
    if key.permission is None:
        return KeyReport()
    words = {word.strip() for word in key.permission.split(",")}
    return KeyReport(
        reads="General" in words,
        trades="Spot" in words,
        withdraws=bool(words & _WITHDRAWAL),
        bound_to_addresses=bool(key.addresses),
    )


def is_one_order(path: str) -> bool:
    return path.startswith(ORDERS) and path not in (*MAY_BE_EMPTY, DONE)


def _pages(path: str, symbol: str, since: int, now: int) -> Generator[Question, bytes, list[msgspec.Raw]]:
    """Ask for all rows of a time, a day at a time, newest first within a day."""
    rows: list[msgspec.Raw] = []
    for start, end in windows(since, now, DAY):
        last: int | None = None
        while True:
            parameters: list[tuple[str, str | int]] = [("symbol", symbol), ("startAt", start)]
            parameters += [] if end is None else [("endAt", end)]
            parameters += [("limit", PAGE)]
            parameters += [] if last is None else [("lastId", last)]
            page = rows_of(_page, (yield Question("GET", path, tuple(parameters), weight=2)), "page").data or _Page()
            items = page.items or []
            rows += items
            if len(items) < PAGE:
                break
            if page.last_id is None or (last is not None and page.last_id >= last):
                # A page that is full and leads nowhere: asking on would never end.
                raise BadFrame("a page without a next one")
            last = page.last_id
    return rows


def _report(row: _OrderRow, raw: bytes) -> OrderReport:
    filled, quantity = amount(row.filled), amount(row.quantity)
    status: OrderStatus
    if row.active:
        status = "partially_filled" if filled else "new"
    elif quantity:
        status = "filled" if filled == quantity else "canceled"
    else:
        status = "canceled" if row.canceled or not filled else "filled"
    return OrderReport(
        symbol=row.symbol,
        order_id=row.order_id,
        client_id=row.client_id or "",
        side=row.side,
        type=row.type,
        status=status,
        price=amount(row.price),
        quantity=quantity,
        filled=filled,
        created=row.created,
        updated=row.updated,
        raw=raw,
    )


def _fill(row: _FillRow, raw: bytes) -> Fill:
    finite(row.price, row.size)
    return Fill(
        symbol=row.symbol,
        order_id=row.order_id,
        id=number_or_text(row.trade_id),
        price=row.price,
        quantity=row.size,
        side=row.side,
        maker=row.liquidity == "maker",
        commission=amount(row.fee),
        commission_asset=row.fee_currency or "",
        time=row.created_at,
        raw=raw,
    )
