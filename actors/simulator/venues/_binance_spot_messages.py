"""Binance spot's JSON about accounts: events and rows. Pure; the field order is the documentation's.

Sources: binance-spot-api-docs user-data-stream.md and rest-api.md, 2026-07-21.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from .._account_view import FillRow, Order
from .._record import OrderEvent
from .._rest import encode_json

_ASSETS = ("USDT", "USDC", "FDUSD", "BTC", "ETH", "BNB", "EUR")


def _padded(value: str) -> str:
    """With eight decimals, as spot shows all its numbers."""
    return f"{Decimal(value):.8f}"


def quote_asset(symbol: str) -> str:
    """In what a symbol is paid."""
    return next((asset for asset in _ASSETS if symbol.endswith(asset) and symbol != asset), symbol[-3:])


def execution_report(event: OrderEvent) -> bytes:
    """`executionReport`."""
    ended = event.execution == "CANCELED"
    trade = event.execution == "TRADE"
    last = Decimal(event.last_price) * Decimal(event.last_quantity)
    return encode_json(
        {
            "e": "executionReport",
            "E": event.time,
            "s": event.symbol,
            # Of a cancel `c` is the id of the request, and `C` that of the order.
            "c": f"cancel-{event.order_id}" if ended else event.client_id,
            "S": event.side.upper(),
            "o": "LIMIT",
            "f": "GTC",
            "q": _padded(event.quantity),
            "p": _padded(event.price),
            "P": "0.00000000",
            "F": "0.00000000",
            "g": -1,
            "C": event.client_id if ended else "",
            "x": event.execution,
            "X": event.status,
            "r": "NONE",
            "i": event.order_id,
            "l": _padded(event.last_quantity),
            "z": _padded(event.filled),
            "L": _padded(event.last_price),
            "n": "0",
            "N": quote_asset(event.symbol) if trade else None,
            "T": event.time,
            "t": event.trade_id if trade else -1,
            "v": 3,
            "I": event.order_id,
            "w": event.status in ("NEW", "PARTIALLY_FILLED"),
            "m": event.maker,
            "M": False,
            "O": event.created,
            "Z": _padded(str(Decimal(event.average_price) * Decimal(event.filled))),
            "Y": _padded(str(last)),
            "Q": "0.00000000",
            "W": event.created,
            "V": "NONE",
        }
    )


def stream_terminated(now_ms: int) -> bytes:
    """`eventStreamTerminated`."""
    return encode_json({"e": "eventStreamTerminated", "E": now_ms})


def subscribed_event(subscription: int, payload: bytes) -> bytes:
    """An event as it comes over the WebSocket API."""
    return b'{"subscriptionId":%d,"event":%b}' % (subscription, payload)


def spot_order_row(order: Order, *, isolated: bool | None = None) -> dict[str, Any]:
    """One order as `allOrders`, `openOrders` and `order` show it; margin's rows say whether they are isolated."""
    row: dict[str, Any] = {
        "symbol": order.symbol,
        "orderId": order.order_id,
        "orderListId": -1,
        "clientOrderId": order.client_id,
        "price": _padded(order.price),
        "origQty": _padded(str(order.quantity)),
        "executedQty": _padded(str(order.filled)),
        "cummulativeQuoteQty": _padded(str(order.turnover)),
        "status": order.status,
        "timeInForce": "GTC",
        "type": "LIMIT",
        "side": order.side.upper(),
        "stopPrice": "0.00000000",
        "icebergQty": "0.00000000",
        "time": order.created,
        "updateTime": order.updated,
        "isWorking": True,
        "workingTime": order.created,
        "origQuoteOrderQty": "0.00000000",
        "selfTradePreventionMode": "NONE",
    }
    return row if isolated is None else row | {"isIsolated": isolated}


def spot_fill_row(fill: FillRow, *, isolated: bool | None = None) -> dict[str, Any]:
    """One row of `myTrades`."""
    row: dict[str, Any] = {
        "symbol": fill.symbol,
        "id": fill.trade_id,
        "orderId": fill.order_id,
        "orderListId": -1,
        "price": _padded(fill.price),
        "qty": _padded(fill.quantity),
        "quoteQty": _padded(str(Decimal(fill.price) * Decimal(fill.quantity))),
        "commission": "0",
        "commissionAsset": quote_asset(fill.symbol),
        "time": fill.time,
        "isBuyer": fill.side == "buy",
        "isMaker": fill.maker,
        "isBestMatch": True,
    }
    return row if isolated is None else row | {"isIsolated": isolated}
