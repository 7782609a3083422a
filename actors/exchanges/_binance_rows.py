"""Orders and fills as Binance's REST tells them: the rows of all its products have the same names.

Sources: binance-spot-api-docs rest-api.md and enums.md, 2026-07-21; binance-connector-python, 2026-08-21, for futures.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final, TypeVar

import msgspec

from .._account_source import OrderReport
from .._errors import BadFrame
from .._records import Fill, OrderStatus, Side
from ._decode import Moment, finite, raw_rows, rows_of

M = TypeVar("M")

STATUS: Final[dict[str, OrderStatus]] = {
    "NEW": "new",
    "PENDING_NEW": "new",
    "PARTIALLY_FILLED": "partially_filled",
    "FILLED": "filled",
    "CANCELED": "canceled",
    "REJECTED": "rejected",
    "EXPIRED": "expired",
    "EXPIRED_IN_MATCH": "expired",
}
"""``PENDING_NEW`` is an order of a list that waits for another one of it."""
SIDE: Final[dict[str, Side]] = {"BUY": "buy", "SELL": "sell"}


class _OrderRow(
    msgspec.Struct,
    frozen=True,
    rename={
        "order_id": "orderId",
        "client_id": "clientOrderId",
        "quantity": "origQty",
        "filled": "executedQty",
        "created": "time",
        "updated": "updateTime",
    },
):
    symbol: str
    order_id: int
    client_id: str
    side: str
    type: str
    status: str
    price: Decimal
    quantity: Decimal
    filled: Decimal
    created: Moment
    updated: Moment

    def __post_init__(self) -> None:
        if not self.symbol:
            raise ValueError("an order of nothing")
        finite(self.price, self.quantity, self.filled)


class _FillRow(
    msgspec.Struct,
    frozen=True,
    rename={
        "order_id": "orderId",
        "quantity": "qty",
        "commission_asset": "commissionAsset",
        "is_buyer": "isBuyer",
        "is_maker": "isMaker",
    },
):
    symbol: str
    order_id: int
    id: int
    price: Decimal
    quantity: Decimal
    commission: Decimal
    commission_asset: str
    time: Moment
    # Futures say side and maker, spot and margin isBuyer and isMaker.
    side: str | None = None
    maker: bool | None = None
    is_buyer: bool | None = None
    is_maker: bool | None = None

    def __post_init__(self) -> None:
        if not self.symbol:
            raise ValueError("a fill of nothing")
        finite(self.price, self.quantity, self.commission)


_order_row = msgspec.json.Decoder(_OrderRow)
_fill_row = msgspec.json.Decoder(_FillRow)


def orders(body: bytes) -> list[OrderReport]:
    """Read a list of orders, ascending by id.

    Raises:
        BadFrame: It is none.
    """
    reports = [_report(row, raw) for row, raw in raw_rows(_order_row, body, "orders")]
    return sorted(reports, key=lambda report: report.order_id)


def order(body: bytes) -> OrderReport:
    """Read one order.

    Raises:
        BadFrame: It is none.
    """
    return _report(rows_of(_order_row, body, "order"), body)


def fills(body: bytes) -> list[Fill]:
    """Read a list of fills, ascending by id.

    Raises:
        BadFrame: It is none.
    """
    found = [_fill(row, raw) for row, raw in raw_rows(_fill_row, body, "fills")]
    return sorted(found, key=lambda fill: (fill.id, fill.order_id))


def _report(row: _OrderRow, raw: bytes) -> OrderReport:
    side, status = SIDE.get(row.side), STATUS.get(row.status)
    if side is None or status is None:
        raise BadFrame("an order of unknown side or status")
    return OrderReport(
        symbol=row.symbol,
        order_id=row.order_id,
        client_id=row.client_id,
        side=side,
        type=row.type,
        status=status,
        price=row.price,
        quantity=row.quantity,
        filled=row.filled,
        created=row.created,
        updated=row.updated,
        raw=raw,
    )


def _fill(row: _FillRow, raw: bytes) -> Fill:
    buyer = {"BUY": True, "SELL": False}.get(row.side or "", row.is_buyer)
    maker = row.is_maker if row.maker is None else row.maker
    if buyer is None or maker is None:
        raise BadFrame("a fill of unknown side or role")
    return Fill(
        symbol=row.symbol,
        order_id=row.order_id,
        id=row.id,
        price=row.price,
        quantity=row.quantity,
        side="buy" if buyer else "sell",
        maker=maker,
        commission=row.commission,
        commission_asset=row.commission_asset,
        time=row.time,
        raw=raw,
    )
