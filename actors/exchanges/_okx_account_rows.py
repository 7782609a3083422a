"""Rows of OKX's orders and fills, which the private stream and REST have in common.

Source: OKX API guide v5 (www.okx.com/docs-v5/en) as of February 2026: "WS / Order channel", "GET / Order details",
"GET / Transaction details". Numbers stand in quotes, and where there is none an empty string.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import msgspec

from .._account_source import OrderReport
from .._records import Fill, OrderStatus, OrderUpdate, Side
from ._decode import Moment
from ._inquiries import amount
from ._okx import VENUE

_STATUS: Final[dict[str, OrderStatus]] = {
    "live": "new",
    "partially_filled": "partially_filled",
    "filled": "filled",
    "canceled": "canceled",
    "mmp_canceled": "canceled",
}
_SIDE: Final[dict[str, Side]] = {"buy": "buy", "sell": "sell"}


class OrderRow(
    msgspec.Struct,
    frozen=True,
    rename={
        "symbol": "instId",
        "order_id": "ordId",
        "client_id": "clOrdId",
        "type": "ordType",
        "status": "state",
        "price": "px",
        "quantity": "sz",
        "filled": "accFillSz",
        "created": "cTime",
        "updated": "uTime",
        "fill_id": "tradeId",
        "fill_price": "fillPx",
        "fill_quantity": "fillSz",
        "fill_time": "fillTime",
        "fill_fee": "fillFee",
        "fill_asset": "fillFeeCcy",
        "liquidity": "execType",
    },
):
    """An order. What it says of the last fill is used on the stream only: there it is what has just happened."""

    symbol: str
    order_id: int
    side: str
    type: str
    status: str
    created: Moment
    updated: Moment
    client_id: str = ""
    price: str = ""
    quantity: str = ""
    filled: str = ""
    fill_id: str = ""
    fill_price: str = ""
    fill_quantity: str = ""
    fill_time: str = ""
    fill_fee: str = ""
    fill_asset: str = ""
    liquidity: str = ""

    def __post_init__(self) -> None:
        if not self.symbol or self.order_id <= 0:
            raise ValueError("an order of nothing")
        if self.side not in _SIDE or self.status not in _STATUS:
            raise ValueError("an order of unknown side or status")
        for value in (self.price, self.quantity, self.filled, self.fill_price, self.fill_quantity, self.fill_fee):
            amount(value)
        for value in (self.fill_id, self.fill_time):
            whole(value)

    def update(self, account: str, received: int, frame: bytes) -> OrderUpdate:
        """Return what the stream tells."""
        return OrderUpdate(
            venue=VENUE,
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
            fill=self._fill(frame),
            time=self.updated,
            source="stream",
            received=received,
            raw=frame,
        )

    def _fill(self, frame: bytes) -> Fill | None:
        fill_id, quantity = whole(self.fill_id), amount(self.fill_quantity)
        # A cancellation fills nothing, whatever trade it still names.
        if fill_id <= 0 or quantity <= 0 or _STATUS[self.status] == "canceled":
            return None
        return Fill(
            symbol=self.symbol,
            order_id=self.order_id,
            id=fill_id,
            price=amount(self.fill_price),
            quantity=quantity,
            side=_SIDE[self.side],
            maker=self.liquidity == "M",
            commission=_paid(self.fill_fee),
            commission_asset=self.fill_asset,
            time=whole(self.fill_time) or self.updated,
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


class FillRow(
    msgspec.Struct,
    frozen=True,
    rename={
        "symbol": "instId",
        "order_id": "ordId",
        "id": "tradeId",
        "bill": "billId",
        "price": "fillPx",
        "quantity": "fillSz",
        "liquidity": "execType",
        "asset": "feeCcy",
        "booked": "ts",
        "filled": "fillTime",
    },
):
    """A fill as REST tells it."""

    symbol: str
    order_id: int
    bill: int
    side: str
    booked: Moment
    id: str = ""
    price: str = ""
    quantity: str = ""
    fee: str = ""
    asset: str = ""
    liquidity: str = ""
    filled: str = ""

    def __post_init__(self) -> None:
        if not self.symbol or self.side not in _SIDE or self.order_id <= 0:
            raise ValueError("a fill that is not one")
        for value in (self.price, self.quantity, self.fee):
            amount(value)
        for value in (self.id, self.filled):
            whole(value)

    @property
    def counts(self) -> bool:
        """Whether it is a trade."""
        return whole(self.id) > 0 and amount(self.quantity) > 0

    def fill(self, raw: bytes) -> Fill:
        """Return it. OKX tells what is paid as a negative number; here what is paid is positive."""
        return Fill(
            symbol=self.symbol,
            order_id=self.order_id,
            id=whole(self.id),
            price=amount(self.price),
            quantity=amount(self.quantity),
            side=_SIDE[self.side],
            maker=self.liquidity == "M",
            commission=_paid(self.fee),
            commission_asset=self.asset,
            time=whole(self.filled) or self.booked,
            raw=raw,
        )


def _paid(text: str) -> Decimal:
    fee = amount(text)
    # Not by subtraction, which would round, and fail at absurd numbers.
    return fee.copy_negate() if fee else fee


def whole(text: str) -> int:
    """Return a whole number; an empty string is zero.

    Raises:
        ValueError: It is none.
    """
    if not text:
        return 0
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise ValueError("a whole number that is not one")
    return int(text)
