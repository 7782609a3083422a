"""What is asked of OKX by REST about an account: pages, windows, permissions. Without I/O.

Source: OKX API guide v5 (www.okx.com/docs-v5/en) as of February 2026: "GET / Order List", "GET / Order history" of 7 days
and of 3 months, "GET / Order details", "GET / Transaction details" of 3 days and of 3 months, "Get account configuration".

Lists go from the newest to the oldest; ``after`` leads to what is older than an id. Orders that were cancelled without a
fill are in no list, and unknown by id, two hours later.
"""

from __future__ import annotations

from typing import Final, TypeVar

import msgspec

from .._account_source import Inquiry, KeyReport, OrderReport, Question
from .._errors import BadFrame, NoSuchOrder
from .._records import Fill, OrderId
from ._decode import UNREADABLE, rows_of
from ._okx_account_rows import FillRow, OrderRow

TYPES: Final = ("SPOT", "MARGIN", "SWAP", "FUTURES")
"""Kinds of instruments; options are not among ours."""
PAGE: Final = 100
MAX_PAGES: Final = 1000
"""A list that goes on after these goes in circles."""
TIME_WEIGHT: Final = 10
CONFIG_WEIGHT: Final = 20
_WEIGHT: Final = 2
_HISTORY_WEIGHT: Final = 3
_ARCHIVE_WEIGHT: Final = 5
_OLD_FILLS_WEIGHT: Final = 10
"""Endpoints have limits of their own: 10, 5, 60, 40, 20 and 10 requests in 2 s. With these weights one allowance of 100
is within each."""

_DAY: Final = 24 * 3600 * 1000
_HISTORY: Final = 7 * _DAY
_FILLS: Final = 3 * _DAY
_MARGIN: Final = 3600 * 1000
"""Milliseconds that the lists of what is old and of what is new overlap: neither says where exactly it ends."""

R = TypeVar("R", OrderRow, FillRow)
Parameters = tuple[tuple[str, str | int], ...]


class _Reply(msgspec.Struct, frozen=True):
    data: list[msgspec.Raw]


class _Config(msgspec.Struct, frozen=True):
    perm: str | None = None
    ip: str | None = None


class _ConfigReply(msgspec.Struct, frozen=True):
    data: list[_Config]


_reply = msgspec.json.Decoder(_Reply)
_order = msgspec.json.Decoder(OrderRow, strict=False)
_fill = msgspec.json.Decoder(FillRow, strict=False)
_config = msgspec.json.Decoder(_ConfigReply)


def open_orders(symbol: str | None) -> Inquiry[list[OrderReport]]:
    """Ask for open orders."""
    rows = yield from _orders("/api/v5/trade/orders-pending", _named(symbol), _WEIGHT)
    return [row.report(raw) for row, raw in rows]


def orders(types: tuple[str, ...], symbol: str | None, since: int, now: int) -> Inquiry[list[OrderReport]]:
    """Ask for the orders that are over and were made since a time, of each kind of instrument by itself."""
    found: list[OrderReport] = []
    for kind in _kinds(types, symbol):
        parameters = (("instType", kind), *_named(symbol), ("begin", since))
        if since < now - _HISTORY + _MARGIN:
            rows = yield from _orders("/api/v5/trade/orders-history-archive", parameters, _ARCHIVE_WEIGHT)
            found += [row.report(raw) for row, raw in rows]
        rows = yield from _orders("/api/v5/trade/orders-history", parameters, _HISTORY_WEIGHT)
        found += [row.report(raw) for row, raw in rows]
    return found


def one_order(symbol: str, order_id: OrderId) -> Inquiry[OrderReport | None]:
    """Ask for one order."""
    parameters = (("instId", symbol), ("ordId", order_id))
    try:
        body = yield Question("GET", "/api/v5/trade/order", parameters, weight=_WEIGHT)
    except NoSuchOrder:
        return None
    rows = _read(_order, body)
    return rows[0][0].report(rows[0][1]) if rows else None


def fills(types: tuple[str, ...], symbol: str | None, since: int, now: int) -> Inquiry[list[Fill]]:
    """Ask for fills since a time: the last three days at once, what is older of each kind of instrument by itself."""
    found: dict[int, tuple[FillRow, bytes]] = {}
    if since < now - _FILLS + _MARGIN:
        until = now - _FILLS + 2 * _MARGIN
        for kind in _kinds(types, symbol):
            parameters = (("instType", kind), *_named(symbol), ("begin", since), ("end", until))
            rows = yield from _fills("/api/v5/trade/fills-history", parameters, _OLD_FILLS_WEIGHT)
            found.update((row.bill, (row, raw)) for row, raw in rows)
    rows = yield from _fills("/api/v5/trade/fills", (*_named(symbol), ("begin", since)), _WEIGHT)
    found.update((row.bill, (row, raw)) for row, raw in rows)
    # Bills are numbered as they come up.
    made = [row.fill(raw) for _, (row, raw) in sorted(found.items()) if row.counts]
    return sorted(made, key=lambda fill: fill.time)


def permissions(body: bytes) -> KeyReport:
    """Read what a key may do from the account's configuration.

    Raises:
        BadFrame: It is not what was asked for.
    """
    rows = rows_of(_config, body, "config").data
    if len(rows) != 1:
        raise BadFrame(f"config: {len(rows)} of them")
    bound = None if rows[0].ip is None else bool(rows[0].ip.strip())
    if rows[0].perm is None:
        return KeyReport(bound_to_addresses=bound)
    granted = {name.strip() for name in rows[0].perm.split(",")}
    return KeyReport(
        reads=True, trades="trade" in granted, withdraws="withdraw" in granted, bound_to_addresses=bound, expires=None
    )


def _named(symbol: str | None) -> Parameters:
    return () if symbol is None else (("instId", symbol),)


def _kinds(types: tuple[str, ...], symbol: str | None) -> tuple[str, ...]:
    """Return the kinds of instruments that a name can be: orders of a pair are of spot or of margin trading."""
    if symbol is None:
        return types
    parts = symbol.split("-")
    if len(parts) <= 2:
        possible: tuple[str, ...] = ("SPOT", "MARGIN")
    else:
        possible = ("SWAP",) if parts[-1] == "SWAP" else ("FUTURES",)
    return tuple(kind for kind in possible if kind in types) or possible


def _orders(path: str, parameters: Parameters, weight: int) -> Inquiry[list[tuple[OrderRow, bytes]]]:
    found: list[tuple[OrderRow, bytes]] = []
    after: Parameters = ()
    for _ in range(MAX_PAGES):
        body = yield Question("GET", path, (*parameters, *after, ("limit", PAGE)), weight=weight)
        rows = _read(_order, body)
        found += rows
        if len(rows) < PAGE:
            return found
        after = (("after", rows[-1][0].order_id),)
    raise BadFrame(f"{path}: more than {MAX_PAGES} pages")


def _fills(path: str, parameters: Parameters, weight: int) -> Inquiry[list[tuple[FillRow, bytes]]]:
    found: list[tuple[FillRow, bytes]] = []
    after: Parameters = ()
    for _ in range(MAX_PAGES):
        body = yield Question("GET", path, (*parameters, *after, ("limit", PAGE)), weight=weight)
        rows = _read(_fill, body)
        found += rows
        if len(rows) < PAGE:
            return found
        after = (("after", rows[-1][0].bill),)
    raise BadFrame(f"{path}: more than {MAX_PAGES} pages")


def _read(decoder: msgspec.json.Decoder[R], body: bytes) -> list[tuple[R, bytes]]:
    rows = rows_of(_reply, body, "list").data
    try:
        return [(decoder.decode(raw), bytes(raw)) for raw in rows]
    except UNREADABLE:
        # Not chained and without a word of the row: it is account data.
        raise BadFrame("a row that is not one") from None
