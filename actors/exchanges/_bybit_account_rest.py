"""What is asked of Bybit by REST about an account: pages, windows, permissions. Without I/O.

Source: Bybit v5 docs (bybit-exchange/docs, 2026-07-24): order/open-order.mdx, order/order-list.mdx, order/execution.mdx,
user/apikey-info.mdx, rate-limit/rate-limit.mdx.

* ``order/realtime`` has open orders, and of closed ones the latest 500 as long as the service was not restarted: it does
  not lag. ``order/history`` has all that ended in the last 7 days, cancelled ones for a day only, and may lag.
* Lists go from the newest to the oldest, by the time at which an order was made. A cursor leads to the next page.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, Final, TypeVar

import msgspec

from .._account_source import Inquiry, KeyReport, OrderReport, Question
from .._errors import BadFrame
from .._records import Fill
from ._bybit import Category
from ._bybit_account_rows import ExecutionRow, OrderRow
from ._decode import UNREADABLE, rows_of

ORDER_PAGE: Final = 50
FILL_PAGE: Final = 100
WEIGHT: Final = 10
"""Each of these may be asked 50 times a second by one user; with this weight that is never reached."""
WEEK: Final = 7 * 24 * 3600 * 1000
"""Milliseconds that one question may reach over."""
MAX_PAGES: Final = 1000
"""A list that goes on after these goes in circles."""

_REALTIME: Final = "/v5/order/realtime"
_HISTORY: Final = "/v5/order/history"
_EXECUTIONS: Final = "/v5/execution/list"

R = TypeVar("R", OrderRow, ExecutionRow)
Parameters = tuple[tuple[str, str | int], ...]


class _Page(msgspec.Struct, frozen=True, rename={"rows": "list", "cursor": "nextPageCursor"}):
    rows: list[msgspec.Raw]
    cursor: str | None = None


class _Reply(msgspec.Struct, frozen=True):
    result: _Page


class _Key(msgspec.Struct, frozen=True, rename={"read_only": "readOnly", "expires": "expiredAt", "addresses": "ips"}):
    read_only: int
    permissions: dict[str, list[str] | None]
    addresses: list[str] | None = None
    expires: str | None = None


class _KeyReply(msgspec.Struct, frozen=True):
    result: _Key


_reply = msgspec.json.Decoder(_Reply)
_order = msgspec.json.Decoder(OrderRow, strict=False)
_execution = msgspec.json.Decoder(ExecutionRow, strict=False)
_key = msgspec.json.Decoder(_KeyReply)


def open_orders(category: Category, symbol: str | None, settle_coins: tuple[str, ...]) -> Inquiry[list[OrderReport]]:
    """Ask for open orders; of linear without a symbol, for each coin of settlement."""
    found: list[OrderReport] = []
    for scope in _scopes(category, symbol, settle_coins):
        rows = yield from _rows(_order, _REALTIME, (*scope, ("openOnly", 0)), ORDER_PAGE)
        found += [row.report(raw) for row, raw in rows]
    return found


def orders(
    category: Category, symbol: str | None, settle_coins: tuple[str, ...], since: int, now: int
) -> Inquiry[list[OrderReport]]:
    """Ask for the orders made since a time: the history, and of those that closed lately the present state."""
    found: list[OrderReport] = []
    named: Parameters = () if symbol is None else (("symbol", symbol),)
    for start, end in _windows(since, now):
        parameters = (("category", category), *named, ("startTime", start), ("endTime", end))
        rows = yield from _rows(_order, _HISTORY, parameters, ORDER_PAGE)
        found += [row.report(raw) for row, raw in rows]
    # Later, so that it is the newer of the two.
    for scope in _scopes(category, symbol, settle_coins):
        rows = yield from _rows(
            _order, _REALTIME, (*scope, ("openOnly", 1)), ORDER_PAGE, lambda row: row.created < since
        )
        found += [row.report(raw) for row, raw in rows]
    return found


def one_order(category: Category, symbol: str, order_id: str) -> Inquiry[OrderReport | None]:
    """Ask for one order: among those in real time, then in the history."""
    parameters = (("category", category), ("symbol", symbol), ("orderId", order_id))
    for path in (_REALTIME, _HISTORY):
        body = yield Question("GET", path, parameters, weight=WEIGHT)
        for row, raw in _read(_order, _page(body)):
            if row.order_id == order_id:
                return row.report(raw)
    return None


def fills(category: Category, symbol: str | None, since: int, now: int) -> Inquiry[list[Fill]]:
    """Ask for executions since a time."""
    found: list[tuple[Any, Fill]] = []
    named: Parameters = () if symbol is None else (("symbol", symbol),)
    for start, end in _windows(since, now):
        # Without an end it is a week after the start: what happens while we ask is in the answer.
        until: Parameters = (("endTime", end),) if end < now else ()
        parameters = (("category", category), *named, ("startTime", start), *until)
        rows = yield from _rows(_execution, _EXECUTIONS, parameters, FILL_PAGE)
        found += [(row.place, row.fill(raw)) for row, raw in rows if row.counts]
    found.sort(key=lambda entry: entry[0])
    return [fill for _, fill in found]


def permissions(category: Category, body: bytes) -> KeyReport:
    """Read what a key may do.

    Raises:
        BadFrame: It is not what was asked for.
    """
    key = rows_of(_key, body, "query-api").result
    granted = {name for names in key.permissions.values() for name in names or ()}
    writes = key.read_only == 0
    trading = {"SpotTrade"} if category == "spot" else {"Order", "DerivativesTrade"}
    addresses = [address for address in key.addresses or () if address not in ("", "*")]
    return KeyReport(
        reads=True,
        trades=writes and bool(trading & granted),
        withdraws=writes and "Withdraw" in granted,
        bound_to_addresses=bool(addresses),
        # With addresses it does not expire, and the date means nothing.
        expires=None if addresses else _milliseconds(key.expires),
    )


def _scopes(category: Category, symbol: str | None, settle_coins: tuple[str, ...]) -> Iterator[Parameters]:
    if symbol is not None:
        yield (("category", category), ("symbol", symbol))
    elif category == "spot":
        yield (("category", category),)
    else:
        for coin in settle_coins:
            yield (("category", category), ("settleCoin", coin))


def _windows(since: int, now: int) -> Iterator[tuple[int, int]]:
    start = since
    while True:
        end = min(start + WEEK, now)
        yield start, max(end, start)
        if end >= now:
            return
        start = end


def _rows(
    decoder: msgspec.json.Decoder[R],
    path: str,
    parameters: Parameters,
    limit: int,
    last: Callable[[R], bool] = lambda _: False,
) -> Inquiry[list[tuple[R, bytes]]]:
    """Ask for page after page, up to the one with a row that ``last`` says is the last of interest."""
    found: list[tuple[R, bytes]] = []
    cursor = ""
    for _ in range(MAX_PAGES):
        more: Parameters = (("cursor", cursor),) if cursor else ()
        page = _page((yield Question("GET", path, (*parameters, ("limit", limit), *more), weight=WEIGHT)))
        rows = _read(decoder, page)
        found += rows
        if not rows or not page.cursor or page.cursor == cursor or any(last(row) for row, _ in rows):
            return found
        cursor = page.cursor
    raise BadFrame(f"{path}: more than {MAX_PAGES} pages")


def _page(body: bytes) -> _Page:
    return rows_of(_reply, body, "list").result


def _read(decoder: msgspec.json.Decoder[R], page: _Page) -> list[tuple[R, bytes]]:
    try:
        return [(decoder.decode(raw), bytes(raw)) for raw in page.rows]
    except UNREADABLE:
        # Not chained and without a word of the row: it is account data.
        raise BadFrame("a row that is not one") from None


def _milliseconds(text: str | None) -> int | None:
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    milliseconds = int(moment.timestamp() * 1000) if moment.tzinfo is not None else 0
    return milliseconds if milliseconds > 0 else None
