"""Binance USD-M futures: the private stream and the signed requests of an account.

Sources: developers.binance.com, USD-M user data streams and account pages of 2026-05-28; the notice of 2026-03-06 on the
addresses of private streams; binance-connector-python, 2026-08-21.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

import attrs
import msgspec

from .._errors import BadFrame, HttpFailure
from .._reconcile import OrderReport
from .._records import Fill, OrderStatus, OrderUpdate, Side
from .._secret import Secret
from .._source import Control, Frame, HttpReply, HttpRequest
from . import _binance
from ._decode import UNREADABLE, finite, rows_of

VENUE: Final = "binance-usdm"
PAGE: Final = 1000
RECV_WINDOW: Final = 5000
"""Milliseconds; the venue's own default."""

_LOOK_BACK: Final = 6 * 24 * 3600 * 1000
"""Milliseconds; orders and fills can be asked for by time over 7 days."""

EVENTS: Final = ("ORDER_TRADE_UPDATE", "ACCOUNT_UPDATE", "MARGIN_CALL", "listenKeyExpired")
"""What the private stream is asked for. The venue does not check these names: a misspelt one just never arrives, and
without the list nothing may arrive at all."""

_PRIVATE: Final = frozenset({"ORDER_TRADE_UPDATE"})
_PRIVATE_KNOWN: Final = frozenset(
    {"ACCOUNT_CONFIG_UPDATE", "ACCOUNT_UPDATE", "ALGO_UPDATE", "MARGIN_CALL", "STRATEGY_UPDATE", "TRADE_LITE"}
)

_STATUS: Final[dict[str, OrderStatus]] = {
    "NEW": "new",
    "PARTIALLY_FILLED": "partially_filled",
    "FILLED": "filled",
    "CANCELED": "canceled",
    "REJECTED": "rejected",
    "EXPIRED": "expired",
    "EXPIRED_IN_MATCH": "expired",
}
_SIDE: Final[dict[str, Side]] = {"BUY": "buy", "SELL": "sell"}


class _Order(
    msgspec.Struct,
    frozen=True,
    rename={
        "symbol": "s",
        "client_id": "c",
        "side": "S",
        "type": "o",
        "quantity": "q",
        "price": "p",
        "status": "X",
        "order_id": "i",
        "last_quantity": "l",
        "filled": "z",
        "last_price": "L",
        "commission_asset": "N",
        "commission": "n",
        "time": "T",
        "fill_id": "t",
        "maker": "m",
    },
):
    symbol: str
    client_id: str
    side: str
    type: str
    quantity: Decimal
    price: Decimal
    status: str
    order_id: int
    last_quantity: Decimal
    filled: Decimal
    last_price: Decimal
    time: int
    fill_id: int
    maker: bool
    commission_asset: str | None = None
    commission: Decimal = Decimal(0)

    def __post_init__(self) -> None:
        finite(self.quantity, self.price, self.last_quantity, self.filled, self.last_price, self.commission)


class _OrderTradeUpdate(
    msgspec.Struct, frozen=True, tag_field="e", tag="ORDER_TRADE_UPDATE", rename={"order": "o", "time": "T"}
):
    order: _Order
    time: int


class _PrivateCombined(msgspec.Struct, frozen=True):
    stream: str
    data: _OrderTradeUpdate


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
    created: int
    updated: int

    def __post_init__(self) -> None:
        finite(self.price, self.quantity, self.filled)


class _FillRow(
    msgspec.Struct,
    frozen=True,
    rename={"order_id": "orderId", "quantity": "qty", "commission_asset": "commissionAsset"},
):
    symbol: str
    order_id: int
    id: int
    price: Decimal
    quantity: Decimal
    side: str
    maker: bool
    commission: Decimal
    commission_asset: str
    time: int

    def __post_init__(self) -> None:
        finite(self.price, self.quantity, self.commission)


class _Key(msgspec.Struct, frozen=True, rename={"value": "listenKey"}):
    value: str


class _Time(msgspec.Struct, frozen=True, rename={"value": "serverTime"}):
    value: int


_private = msgspec.json.Decoder(_OrderTradeUpdate)
_private_combined = msgspec.json.Decoder(_PrivateCombined)
_order_rows = msgspec.json.Decoder(list[_OrderRow])
_order_row = msgspec.json.Decoder(_OrderRow)
_fill_rows = msgspec.json.Decoder(list[_FillRow])
_key = msgspec.json.Decoder(_Key)
_time = msgspec.json.Decoder(_Time)


@attrs.frozen
class UsdmAccount:
    """The private stream and signed requests of one account: a `actors._source.AccountSource`."""

    account: str
    key: Secret
    secret: Secret
    venue: str = VENUE
    order_page: int = PAGE
    window: int = RECV_WINDOW

    def stream_path(self, listen_key: str) -> str:
        """Return path and query of the private stream: the key and the full list of events, separated by slashes."""
        return f"/private/ws?listenKey={listen_key}&events={'/'.join(EVENTS)}"

    def decode(self, frame: Frame, received: int) -> OrderUpdate | Control:
        """Read one frame of the private stream."""
        try:
            message = _private_combined.decode(frame).data if _binance.is_combined(frame) else _private.decode(frame)
        except UNREADABLE:
            return _binance.control(frame, known=_PRIVATE_KNOWN, data=_PRIVATE, show=False)
        order = message.order
        side, status = _SIDE.get(order.side), _STATUS.get(order.status)
        if side is None or status is None:
            raise BadFrame("an order of unknown side or status")
        fill = None
        # `x` is TRADE for ordinary fills and CALCULATED for liquidations: the trade id is what makes it a fill.
        if order.fill_id > 0 and order.last_quantity > 0:
            fill = Fill(
                symbol=order.symbol,
                order_id=order.order_id,
                id=order.fill_id,
                price=order.last_price,
                quantity=order.last_quantity,
                side=side,
                maker=order.maker,
                commission=order.commission,
                commission_asset=order.commission_asset or "",
                time=order.time,
            )
        return OrderUpdate(
            venue=self.venue,
            account=self.account,
            symbol=order.symbol,
            order_id=order.order_id,
            client_id=order.client_id,
            side=side,
            type=order.type,
            status=status,
            price=order.price,
            quantity=order.quantity,
            filled=order.filled,
            fill=fill,
            time=order.time,
            source="stream",
            received=received,
        )

    def create_key_request(self) -> HttpRequest:
        """Return the request for a listen key: valid 60 minutes, the same one extended where one is active."""
        return HttpRequest("POST", "/fapi/v1/listenKey", "", _binance.with_key(self.key))

    def extend_key_request(self) -> HttpRequest:
        """Return the request that extends the listen key by 60 minutes."""
        return HttpRequest("PUT", "/fapi/v1/listenKey", "", _binance.with_key(self.key))

    def listen_key(self, body: bytes) -> str:
        """Read the listen key from the answer."""
        value: str = rows_of(_key, body, "listen key").value
        if not value.isalnum():
            # It goes into an address: nothing may stand in it that means something there.
            raise BadFrame("a listen key that is not one")
        return value

    def key_is_gone(self, failure: HttpFailure) -> bool:
        """Say whether the failure is -1125, "This listenKey does not exist."."""
        return failure.code == _binance.INVALID_LISTEN_KEY

    def order_is_unknown(self, failure: HttpFailure) -> bool:
        """Say whether the failure is -2013, "Order does not exist."."""
        return failure.code == _binance.NO_SUCH_ORDER

    def clock_is_off(self, failure: HttpFailure) -> bool:
        """Say whether the failure is -1021, INVALID_TIMESTAMP."""
        return failure.code == _binance.INVALID_TIMESTAMP

    def time_request(self) -> HttpRequest:
        """Return the request for the venue's time."""
        return HttpRequest("GET", "/fapi/v1/time")

    def time(self, body: bytes) -> int:
        """Read the venue's time."""
        value: int = rows_of(_time, body, "time").value
        return value

    def open_orders_request(self, symbol: str | None, now: int) -> HttpRequest:
        """Return the request for all open orders of a symbol: weight 1; of all symbols: 40."""
        return self._signed("/fapi/v1/openOrders", {} if symbol is None else {"symbol": symbol}, now)

    def orders_request(self, symbol: str, now: int, *, from_id: int | None, since: int) -> HttpRequest:
        """Return the request for a page of orders: weight 5. Without an id the venue looks back 7 days at most."""
        start: dict[str, str | int] = {"startTime": _recent(since, now)} if from_id is None else {"orderId": from_id}
        return self._signed("/fapi/v1/allOrders", {"symbol": symbol, **start, "limit": PAGE}, now)

    def order_request(self, symbol: str, order_id: int, now: int) -> HttpRequest:
        """Return the request for one order: weight 1."""
        return self._signed("/fapi/v1/order", {"symbol": symbol, "orderId": order_id}, now)

    def fills_request(self, symbol: str, now: int, *, from_id: int | None, since: int) -> HttpRequest:
        """Return the request for a page of fills: weight 5. Id and times must not be combined."""
        start: dict[str, str | int] = {"startTime": _recent(since, now)} if from_id is None else {"fromId": from_id}
        return self._signed("/fapi/v1/userTrades", {"symbol": symbol, **start, "limit": PAGE}, now)

    def orders(self, body: bytes) -> list[OrderReport]:
        """Read orders: an array, or the one object that `order_request` gives."""
        rows = [rows_of(_order_row, body, "order")] if body[:1] == b"{" else rows_of(_order_rows, body, "orders")
        return sorted((_report(row) for row in rows), key=lambda report: report.order_id)

    def fills(self, body: bytes) -> list[Fill]:
        """Read fills."""
        rows: list[_FillRow] = rows_of(_fill_rows, body, "fills")
        return sorted((_fill(row) for row in rows), key=lambda fill: fill.id)

    def failure(self, request: HttpRequest, reply: HttpReply) -> HttpFailure | None:
        """Return the error that the reply means, or None."""
        return _binance.failure(request, reply)

    def _signed(self, path: str, parameters: dict[str, str | int], now: int) -> HttpRequest:
        return _binance.signed(path, parameters, key=self.key, secret=self.secret, now=now, window=self.window)


def _recent(since: int, now: int) -> int:
    # With an older start the venue answers with the seven days after it, and not with what is new.
    return max(since, now - _LOOK_BACK)


def _report(row: _OrderRow) -> OrderReport:
    side, status = _SIDE.get(row.side), _STATUS.get(row.status)
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
    )


def _fill(row: _FillRow) -> Fill:
    values: dict[str, Any] = msgspec.structs.asdict(row)
    side = _SIDE.get(row.side)
    if side is None:
        raise BadFrame("a fill of unknown side")
    return Fill(**{**values, "side": side})
