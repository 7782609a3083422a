"""Rows of Bybit's orders and executions, which the private stream and REST have in common.

Source: Bybit v5 docs (bybit-exchange/docs, 2026-07-24): order/open-order.mdx, order/execution.mdx, enum.mdx. Numbers stand
in quotes, and where there is none an empty string.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import msgspec

from .._account_source import OrderReport
from .._records import Fill, OrderStatus, OrderUpdate, Side
from ._decode import Moment
from ._inquiries import amount

_STATUS: Final[dict[str, OrderStatus]] = {
    "New": "new",
    # Orders with a condition, before it holds and at that moment.
    "Untriggered": "new",
    "Triggered": "new",
    "PartiallyFilled": "partially_filled",
    "Filled": "filled",
    "Cancelled": "canceled",
    "PartiallyFilledCanceled": "canceled",
    "Deactivated": "canceled",
    "Rejected": "rejected",
}
_SIDE: Final[dict[str, Side]] = {"Buy": "buy", "Sell": "sell"}
_FILLS: Final = frozenset({"Trade", "AdlTrade", "BustTrade", "BlockTrade"})
"""Executions of orders. The others are bookings: funding, delivery, settlement."""


class OrderRow(
    msgspec.Struct,
    frozen=True,
    rename={
        "order_id": "orderId",
        "client_id": "orderLinkId",
        "type": "orderType",
        "status": "orderStatus",
        "quantity": "qty",
        "filled": "cumExecQty",
        "created": "createdTime",
        "updated": "updatedTime",
    },
):
    """An order. `category` stands in it on the stream only."""

    symbol: str
    order_id: str
    side: str
    type: str
    status: str
    created: Moment
    updated: Moment
    client_id: str = ""
    price: str = ""
    quantity: str = ""
    filled: str = ""
    category: str = ""

    def __post_init__(self) -> None:
        if not (self.symbol and self.order_id):
            raise ValueError("an order of nothing")
        if self.side not in _SIDE or self.status not in _STATUS:
            raise ValueError("an order of unknown side or status")
        for value in (self.price, self.quantity, self.filled):
            amount(value)

    def update(self, venue: str, account: str, received: int, frame: bytes) -> OrderUpdate:
        """Return what the stream tells."""
        return OrderUpdate(
            venue=venue,
            account=account,
            symbol=self.symbol,
            order_id=self.order_id,
            client_id=self.client_id,
            side=_SIDE[self.side],
            type=self.type,
            status=_STATUS[self.status],
            price=amount(self.price),
            quantity=amount(self.quantity),
            filled=amount(self.filled),
            fill=None,
            time=self.updated,
            source="stream",
            received=received,
            raw=frame,
        )

    def report(self, raw: bytes) -> OrderReport:
        """Return what REST tells."""
        return OrderReport(
            symbol=self.symbol,
            order_id=self.order_id,
            client_id=self.client_id,
            side=_SIDE[self.side],
            type=self.type,
            status=_STATUS[self.status],
            price=amount(self.price),
            quantity=amount(self.quantity),
            filled=amount(self.filled),
            created=self.created,
            updated=self.updated,
            raw=raw,
        )


class ExecutionRow(
    msgspec.Struct,
    frozen=True,
    rename={
        "order_id": "orderId",
        "id": "execId",
        "kind": "execType",
        "price": "execPrice",
        "quantity": "execQty",
        "left": "leavesQty",
        "maker": "isMaker",
        "commission": "execFee",
        "commission_asset": "feeCurrency",
        "time": "execTime",
    },
):
    """An execution. `category` stands in it on the stream only."""

    symbol: str
    order_id: str
    id: str
    kind: str
    price: str
    quantity: str
    side: str
    time: Moment
    maker: bool = False
    commission: str = ""
    commission_asset: str = ""
    left: str = ""
    seq: int = 0
    category: str = ""

    def __post_init__(self) -> None:
        if not (self.symbol and self.id):
            raise ValueError("an execution of nothing")
        for value in (self.price, self.quantity, self.commission, self.left):
            amount(value)
        if self.counts and (self.side not in _SIDE or not self.order_id or amount(self.quantity) <= 0):
            raise ValueError("a fill that is not one")

    @property
    def counts(self) -> bool:
        """Whether an order was filled by it."""
        return self.kind in _FILLS

    @property
    def place(self) -> tuple[int, int, Decimal]:
        """By which executions are sorted: those of one instant by what they left of the order."""
        return (self.time, self.seq, amount(self.left).copy_negate())

    def fill(self, raw: bytes) -> Fill:
        """Return the fill. The sign of its commission is as the venue has it: positive is paid."""
        return Fill(
            symbol=self.symbol,
            order_id=self.order_id,
            id=self.id,
            price=amount(self.price),
            quantity=amount(self.quantity),
            side=_SIDE[self.side],
            maker=self.maker,
            commission=amount(self.commission),
            commission_asset=self.commission_asset,
            time=self.time,
            raw=raw,
        )
