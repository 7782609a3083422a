"""Bybit's rows of orders and executions, and how its ids are spelled. Pure.

Source: Bybit v5 docs (docs/v5, 2026-07-24), websocket/private/order.mdx and execution.mdx, order/open-order.mdx,
order/execution.mdx, enum.mdx.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from .._account_view import FillRow, Order
from .._record import OrderEvent, OrderStatus

_PREFIX = 0x9AAC161B_8ED6_450D << 64 | 0x9 << 60
_NUMBER = (1 << 60) - 1

_STATUS: dict[OrderStatus, str] = {
    "NEW": "New",
    "PARTIALLY_FILLED": "PartiallyFilled",
    "FILLED": "Filled",
    "CANCELED": "Cancelled",
    # There is no word of its own for what has run out.
    "EXPIRED": "Cancelled",
}


def order_id(number: int) -> str:
    """An order's id: a UUID."""
    return str(UUID(int=_PREFIX | number))


def order_number(text: str) -> int:
    """The number of an order; -1 for what is no id."""
    try:
        value = UUID(text).int
    except ValueError:
        return -1
    return value & _NUMBER if value & ~_NUMBER == _PREFIX else -1


def status_of(status: OrderStatus, filled: bool, spot: bool) -> str:
    """The venue's word for a state; on spot there is one for what was cancelled after a part was filled."""
    word = _STATUS[status]
    return "PartiallyFilledCanceled" if word == "Cancelled" and filled and spot else word


def order_row(order: Order, category: str) -> dict[str, Any]:
    """An order as REST shows it."""
    spot = category == "spot"
    return {
        "orderId": order_id(order.order_id),
        "orderLinkId": order.client_id,
        "blockTradeId": "",
        "symbol": order.symbol,
        "price": order.price,
        "qty": str(order.quantity),
        "side": order.side.capitalize(),
        "isLeverage": "",
        "positionIdx": 0,
        "orderStatus": status_of(order.status, bool(order.filled), spot),
        "cancelType": "CancelByUser" if order.status == "CANCELED" else "UNKNOWN",
        "rejectReason": "EC_NoError",
        "avgPrice": order.average_price if order.filled else "",
        "leavesQty": str(order.quantity - order.filled) if order.open else "0",
        "leavesValue": "",
        "cumExecQty": str(order.filled),
        "cumExecValue": str(order.turnover),
        "cumExecFee": "0",
        "timeInForce": "GTC",
        "orderType": "Limit",
        "stopOrderType": "" if spot else "UNKNOWN",
        "createdTime": str(order.created),
        "updatedTime": str(order.updated),
    }


def order_event(event: OrderEvent, category: str, *, race: bool) -> dict[str, Any]:
    """An order as the private stream tells it.

    Args:
        event: what has happened.
        category: "spot" or "linear".
        race: whether it is the second message about a filled order, which a cancellation has come too late for.
    """
    spot = category == "spot"
    canceled = event.status == "CANCELED" or race
    return {
        "category": category,
        "symbol": event.symbol,
        "orderId": order_id(event.order_id),
        "orderLinkId": event.client_id,
        "blockTradeId": "",
        "side": event.side.capitalize(),
        "positionIdx": 0,
        "orderStatus": status_of(event.status, float(event.filled) > 0, spot),
        "cancelType": "CancelByUser" if canceled else "UNKNOWN",
        "rejectReason": "EC_OrigClOrdIDDoesNotExist" if race else "EC_NoError",
        "timeInForce": "GTC",
        "price": event.price,
        "qty": event.quantity,
        "avgPrice": event.average_price if float(event.filled) else "",
        "leavesQty": "0" if event.status == "FILLED" else "",
        "leavesValue": "",
        "cumExecQty": event.filled,
        "cumExecValue": "",
        "cumExecFee": "",
        "orderType": "Limit",
        "stopOrderType": "",
        "isLeverage": "",
        "createdTime": str(event.created),
        "updatedTime": str(event.time + race),
        "feeCurrency": "",
        "closedPnl": "0",
    }


def execution_event(event: OrderEvent, category: str) -> dict[str, Any]:
    """A fill as the private stream tells it."""
    return {
        "category": category,
        "symbol": event.symbol,
        "closedSize": "",
        "execFee": "0",
        "execId": str(event.public_id),
        "execPrice": event.last_price,
        "execQty": event.last_quantity,
        "execType": "Trade",
        "execValue": "",
        "feeRate": "0",
        "markPrice": "",
        "leavesQty": "",
        "orderId": order_id(event.order_id),
        "orderLinkId": event.client_id,
        "orderPrice": event.price,
        "orderQty": event.quantity,
        "orderType": "Limit",
        "stopOrderType": "UNKNOWN",
        "side": event.side.capitalize(),
        "execTime": str(event.time),
        "isLeverage": "0",
        "isMaker": event.maker,
        "seq": event.trade_id,
        "blockTradeId": "",
        "feeCurrency": "",
    }


def fill_row(fill: FillRow, category: str) -> dict[str, Any]:
    """A fill as REST shows it."""
    return {
        "symbol": fill.symbol,
        "orderId": order_id(fill.order_id),
        "orderLinkId": "",
        "side": fill.side.capitalize(),
        "orderType": "Limit",
        "stopOrderType": "" if category == "spot" else "UNKNOWN",
        "leavesQty": "",
        "execFee": "0",
        "execId": str(fill.public_id),
        "execPrice": fill.price,
        "execQty": fill.quantity,
        "execType": "Trade",
        "execValue": "",
        "execTime": str(fill.time),
        "feeCurrency": "",
        "isMaker": fill.maker,
        "feeRate": "0",
        "seq": fill.trade_id,
        "blockTradeId": "",
    }
