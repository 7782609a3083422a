"""Gate's accounts: signed subscriptions and REST about orders and fills, and the messages of the user channels.

Pure. Sources: Gate's spot WebSocket v4 guide, 2026-05-27; gateio/gateapi-python docs/SpotApi.md, docs/Order.md and
docs/Trade.md, 2025-07-31; which error comes first, and with which status: live observations of 2026-08.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Literal

from .._account_view import AccountView, FillRow, Order
from .._dialect import Floor
from .._record import OrderEvent, OrderStatus
from .._rest import ApiError, Desk, Handler, Request, Route

ORDERS = "spot.orders"
USER_TRADES = "spot.usertrades"
USER_CHANNELS = (ORDERS, USER_TRADES)

TIME_WINDOW = 60
"""Seconds by which the time of a request may be off."""
_DAY_MS = 86_400_000
_LONGEST = 30 * 86_400
"""Seconds that a question may span."""
_FEE = Decimal("0.001")
_FINISHED: dict[OrderStatus, str] = {"FILLED": "filled", "CANCELED": "cancelled", "EXPIRED": "ioc"}


def hmac_sha512(secret: str, text: str) -> bytes:
    """The signature, in hexadecimal digits. As bytes: compare_digest takes text only while it is ASCII."""
    return hmac.new(secret.encode(), text.encode(), hashlib.sha512).hexdigest().encode()


class AccountDesk:
    """Adds the account's endpoints to the venue's REST desk.

    Args:
        floor: of the venue.
        desk: of the venue.
    """

    def __init__(self, floor: Floor, desk: Desk) -> None:
        self._floor = floor
        desk.routes |= {
            ("GET", "/api/v4/spot/open_orders"): Route(1, self._signed(self._open_orders)),
            ("GET", "/api/v4/spot/orders"): Route(1, self._signed(self._orders)),
            ("GET", "/api/v4/spot/orders/*"): Route(1, self._signed(self._one)),
            ("GET", "/api/v4/spot/my_trades"): Route(1, self._signed(self._my_trades)),
            ("GET", "/api/v4/account/detail"): Route(1, self._signed(self._detail)),
            ("GET", "/api/v4/account/main_keys"): Route(1, self._signed(self._main_keys)),
        }

    def _signed(self, handler: Handler) -> Handler:
        def check(request: Request) -> Any:
            self._check(request)
            return handler(request)

        return check

    def _check(self, request: Request) -> None:
        headers = request.headers
        for name in ("Timestamp", "KEY", "SIGN"):
            if not headers.get(name.lower()):
                raise _error(400, "MISSING_REQUIRED_HEADER", f"Missing required header: {name}")
        time = headers["timestamp"]
        if not time.isdigit() or abs(int(time) - self._floor.seconds()) > TIME_WINDOW:
            raise _error(403, "REQUEST_EXPIRED", "gap between request Timestamp and server time exceeds 60")
        secret = self._floor.credentials.secret(headers["key"])
        if secret is None:
            raise _error(401, "INVALID_KEY", "Invalid key provided")
        digest = hashlib.sha512(request.body.encode()).hexdigest()
        text = f"{request.method}\n{request.path}\n{request.query}\n{digest}\n{time}"
        if not hmac.compare_digest(hmac_sha512(secret, text), headers["sign"].encode()):
            raise _error(401, "INVALID_SIGNATURE", "Signature mismatch")

    def _view(self, request: Request) -> AccountView:
        return self._floor.accounts[request.headers["key"]].view(self._floor.clock.now())

    def _pair(self, request: Request) -> str | None:
        pair = request.params.get("currency_pair")
        if pair is not None and pair not in self._floor.tapes:
            raise _error(400, "INVALID_CURRENCY_PAIR", f"Invalid currency pair {pair}")
        return pair

    def _open_orders(self, request: Request) -> Any:
        """By pair, each with the same page of its orders."""
        page, limit = _paging(request, 100)
        found: dict[str, list[Order]] = {}
        for order in reversed(self._view(request).open_orders()):
            found.setdefault(order.symbol, []).append(order)
        return [
            {
                "currency_pair": pair,
                "total": len(orders),
                "orders": [order_row(order) for order in _cut(orders, page, limit)],
            }
            for pair, orders in sorted(found.items())
        ]

    def _orders(self, request: Request) -> Any:
        pair, view = self._pair(request), self._view(request)
        page, limit = _paging(request, 100)
        if request.params.get("status") == "open":
            if pair is None:
                raise _error(400, "MISSING_REQUIRED_PARAM", "Missing required parameter: currency_pair")
            return [order_row(order) for order in _cut(view.open_orders(pair)[::-1], page, limit)]
        if request.params.get("status") != "finished":
            raise _error(400, "INVALID_PARAM_VALUE", "status is open or finished")
        start, end = self._times(request)
        # The range of times is about when an order was finished.
        found = [order for order in view.orders_between(pair, start, end, by="updated") if not order.open]
        return [order_row(order) for order in _cut(found[::-1], page, limit)]

    def _one(self, request: Request) -> Any:
        pair, text = self._pair(request), request.path.rpartition("/")[2]
        view = self._view(request)
        order = view.order(int(text)) if text.isdigit() else view.order_of_client(text)
        if order is None or order.symbol != pair:
            raise _error(404, "ORDER_NOT_FOUND", "Order not found")
        return order_row(order)

    def _my_trades(self, request: Request) -> Any:
        pair, number = self._pair(request), request.params.get("order_id", "")
        page, limit = _paging(request, 1000)
        start, end = self._times(request)
        found = self._view(request).fills_between(pair, start, end)
        if number:
            found = [fill for fill in found if str(fill.order_id) == number]
        return [fill_row(fill) for fill in _cut(found[::-1], page, limit)]

    def _times(self, request: Request) -> tuple[int, int]:
        """Milliseconds of the first and the last second, both inclusive; by default the last seven days."""
        now = self._floor.seconds()
        end = _number(request, "to", now)
        start = _number(request, "from", end - 7 * 86_400)
        if end - start > _LONGEST:
            raise _error(400, "INVALID_PARAM_VALUE", "time range exceeds 30 days")
        return start * 1000, end * 1000 + 999

    def _detail(self, request: Request) -> Any:
        return {"user_id": 3_497_082, "ip_whitelist": [], "currency_pairs": [], "key": {"mode": 1}, "tier": 0}

    def _main_keys(self, request: Request) -> Any:
        perms = [{"name": "spot", "read_only": False}, {"name": "account", "read_only": True}]
        shown = {"state": 1, "mode": 1, "name": "simulated", "user_id": 3_497_082, "perms": perms, "ip_whitelist": []}
        times = {"created_at": 1_753_030_929, "update_at": 1_753_030_929, "last_access": self._floor.seconds()}
        return [shown | {"currency_pairs": [], "key": f"{request.headers['key'][:12]}*****"} | times]


def _error(status: int, label: str, message: str) -> ApiError:
    return ApiError(status, {"label": label, "message": message})


def _number(request: Request, name: str, default: int) -> int:
    text = request.params.get(name, str(default))
    if not text.isdigit():
        raise _error(400, "INVALID_PARAM_VALUE", f"Invalid request parameter `{name}` value: {text}")
    return int(text)


def _paging(request: Request, most: int) -> tuple[int, int]:
    page, limit = _number(request, "page", 1), _number(request, "limit", 100)
    if page < 1 or not 1 <= limit <= most:
        raise _error(400, "INVALID_PARAM_VALUE", f"Invalid request parameter `limit` value: {limit}")
    return page, limit


def _cut(rows: Sequence[Any], page: int, limit: int) -> Sequence[Any]:
    return rows[(page - 1) * limit : page * limit]


def _order(
    symbol: str,
    number: int,
    client_id: str,
    side: str,
    price: str,
    quantity: Decimal,
    filled: Decimal,
    turnover: Decimal,
    status: OrderStatus,
) -> dict[str, Any]:
    return {
        "id": str(number),
        "text": client_id,
        "amend_text": "-",
        "currency_pair": symbol,
        "type": "limit",
        "account": "spot",
        "side": side,
        "amount": str(quantity),
        "price": price,
        "time_in_force": "gtc",
        "iceberg": "0",
        "left": str(quantity - filled),
        "filled_amount": str(filled),
        "filled_total": str(turnover),
        "avg_deal_price": str((turnover / filled).quantize(Decimal("0.00001"))) if filled else "0",
        "fee": str((filled if side == "buy" else turnover) * _FEE),
        "fee_currency": symbol.split("_")[0 if side == "buy" else 1],
        "point_fee": "0",
        "gt_fee": "0",
        "rebated_fee": "0",
        "rebated_fee_currency": symbol.split("_")[1],
        "stp_id": 0,
        "stp_act": "-",
        "finish_as": _FINISHED.get(status, "open"),
    }


def order_row(order: Order) -> dict[str, Any]:
    """One order as REST shows it."""
    row = _order(
        order.symbol,
        order.order_id,
        order.client_id,
        order.side,
        order.price,
        order.quantity,
        order.filled,
        order.turnover,
        order.status,
    )
    status = "open" if order.open else "closed" if order.status == "FILLED" else "cancelled"
    times = {"create_time": str(order.created // 1000), "update_time": str(order.updated // 1000)}
    return row | times | {"create_time_ms": order.created, "update_time_ms": order.updated, "status": status}


def fill_row(fill: FillRow) -> dict[str, Any]:
    """One fill as REST shows it."""
    return {
        "id": str(fill.public_id),
        "create_time": str(fill.time // 1000),
        "create_time_ms": f"{fill.time}.000000",
        "order_id": str(fill.order_id),
        **_fill(fill.symbol, fill.side, fill.price, fill.quantity, maker=fill.maker),
        "fee_currency": fill.symbol.split("_")[0 if fill.side == "buy" else 1],
        "sequence_id": str(fill.trade_id),
        "text": "-",
    }


def _fill(symbol: str, side: str, price: str, quantity: str, *, maker: bool) -> dict[str, Any]:
    paid = Decimal(quantity) * (1 if side == "buy" else Decimal(price))
    role = "maker" if maker else "taker"
    row = {"currency_pair": symbol, "side": side, "role": role, "amount": quantity, "price": price}
    return row | {"fee": str(paid * _FEE), "point_fee": "0", "gt_fee": "0"}


def order_update(event: OrderEvent) -> dict[str, Any]:
    """What `spot.orders` says of one event."""
    filled, average = Decimal(event.filled), Decimal(event.average_price)
    row = _order(
        event.symbol,
        event.order_id,
        event.client_id,
        event.side,
        event.price,
        Decimal(event.quantity),
        filled,
        filled * average,
        event.status,
    )
    word: Literal["put", "update", "finish"] = "put" if event.execution == "NEW" else "update"
    times = {"create_time": str(event.created // 1000), "update_time": str(event.time // 1000)}
    times |= {"create_time_ms": str(event.created), "update_time_ms": str(event.time)}
    return row | times | {"user": 3_497_082, "event": "finish" if event.status in _FINISHED else word, "biz_info": "-"}


def user_trade(event: OrderEvent) -> dict[str, Any]:
    """What `spot.usertrades` says of one execution: its ids are numbers and text."""
    return {
        "id": event.public_id,
        "user_id": 3_497_082,
        "order_id": str(event.order_id),
        "create_time": event.time // 1000,
        "create_time_ms": f"{event.time}.000000",
        **_fill(event.symbol, event.side, event.last_price, event.last_quantity, maker=event.maker),
        "text": event.client_id,
        "id_market": event.trade_id,
    }
