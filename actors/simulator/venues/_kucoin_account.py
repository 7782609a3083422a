"""KuCoin's accounts: signed REST about orders and fills, the private bullet call, and the messages of the user topics.

Pure. Sources: Kucoin/kucoin-universal-sdk, spec/rest, spec/ws and the samples in its tests, 2025-11-04; www.kucoin.com/docs,
"Get HF Completed order list" (3 days), 2024; "Error code", 2026. Nobody says whether the times of a question for orders
mean when they were made or when they ended: here it is the former, which shows a client less.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import msgspec

from .._account_view import AccountView, FillRow, Order
from .._dialect import Floor
from .._record import OrderEvent
from .._rest import ApiError, Desk, Handler, Request, Route, encode_json
from ._kucoin_tokens import Tokens, bullet

V1 = "/spotMarket/tradeOrders"
V2 = "/spotMarket/tradeOrdersV2"
USER_TOPICS = (V1, V2, "/account/balance")

_HEADERS = ("kc-api-key", "kc-api-sign", "kc-api-timestamp", "kc-api-passphrase")
_TIME_WINDOW = 5000
"""Milliseconds by which the time of a request may be off."""
_DAY_MS = 86_400_000
_FEE = Decimal("0.001")
_OPEN = ("NEW", "PARTIALLY_FILLED")


def order_id(number: int) -> str:
    """As KuCoin spells it: 24 hexadecimal digits."""
    return f"{number:024x}"


class AccountDesk:
    """Adds the account's endpoints to the venue's REST desk.

    Args:
        floor: of the venue.
        desk: of the venue.
        tokens: of the venue.
    """

    def __init__(self, floor: Floor, desk: Desk, tokens: Tokens) -> None:
        self._floor = floor
        self._tokens = tokens
        orders = "/api/v1/hf/orders"
        desk.routes |= {
            ("POST", "/api/v1/bullet-private"): Route(10, self._signed(self._bullet)),
            ("GET", "/api/v1/user/api-key"): Route(20, self._signed(self._api_key_info)),
            ("GET", f"{orders}/active"): Route(2, self._signed(self._active)),
            ("GET", f"{orders}/active/symbols"): Route(2, self._signed(self._active_symbols)),
            ("GET", f"{orders}/done"): Route(2, self._signed(self._done)),
            ("GET", f"{orders}/client-order/*"): Route(2, self._signed(self._one_of_client)),
            ("POST", f"{orders}/dead-cancel-all"): Route(2, self._signed(self._dead_cancel)),
            ("GET", f"{orders}/*"): Route(2, self._signed(self._one)),
            ("GET", "/api/v1/hf/fills"): Route(2, self._signed(self._fills)),
        }

    def _signed(self, handler: Handler) -> Handler:
        def check(request: Request) -> Any:
            self._check(request)
            return {"code": "200000", "data": handler(request)}

        return check

    def _check(self, request: Request) -> None:
        key, sign, time, passphrase = (request.headers.get(name, "") for name in _HEADERS)
        if not (key and sign and time and passphrase):
            raise _problem(401, 400001, "Please check the header of your request for KC-API-KEY, KC-API-SIGN, ...")
        if not time.isdigit() or abs(int(time) - self._floor.ms()) > _TIME_WINDOW:
            raise _problem(401, 400002, "Invalid KC-API-TIMESTAMP")
        secret = self._floor.credentials.secret(key)
        if secret is None:
            raise _problem(401, 400003, "KC-API-KEY not exists")
        if request.headers.get("kc-api-key-version") not in ("2", "3"):
            raise _problem(401, 400009, "Invalid KC-API-KEY-VERSION")
        if not _same(_hmac(secret, self._floor.credentials.passphrase), passphrase):
            raise _problem(401, 400004, "Invalid KC-API-PASSPHRASE")
        target = f"{request.path}?{request.query}" if request.query else request.path
        if not _same(_hmac(secret, f"{time}{request.method}{target}{request.body}"), sign):
            raise _problem(401, 400005, "Invalid KC-API-SIGN")

    def _bullet(self, request: Request) -> Any:
        if self._floor.credentials.refuses_logins(self._floor.clock.now()):
            raise _problem(401, 400003, "KC-API-KEY not exists")
        return bullet(self._floor, self._tokens.issue(request.headers["kc-api-key"]))

    def _api_key_info(self, request: Request) -> Any:
        info = {"remark": "simulated", "apiKey": request.headers["kc-api-key"], "apiVersion": 3}
        info |= {"permission": "General,Spot", "ipWhitelist": "", "createdAt": self._floor.ms() - _DAY_MS}
        return info | {"uid": 165_111_215, "isMaster": True}

    def _dead_cancel(self, request: Request) -> Any:
        """Cancel orders when the next of these does not come in time (spot "Set DCP", sdk spec/rest, 2025-11-04)."""
        try:
            body = msgspec.json.decode(request.body)
            seconds, symbols = int(body["timeout"]), str(body.get("symbols", ""))
        except (msgspec.DecodeError, AttributeError, KeyError, TypeError, ValueError):
            raise _problem(200, 400100, "timeout is invalid") from None
        chosen = [symbol for symbol in symbols.split(",") if symbol]
        if not (seconds == -1 or 5 <= seconds <= 86_400) or len(chosen) > 50 or not {*chosen} <= {*self._floor.tapes}:
            raise _problem(200, 400100, "timeout or symbols are invalid")
        api_key, countdowns, now = request.headers["kc-api-key"], self._floor.countdowns, self._floor.seconds()
        if seconds == -1:
            countdowns.stop(api_key)
            return {"currentTime": now, "triggerTime": 0}
        countdowns.set(api_key, self._floor.clock.now() + seconds, chosen or None)
        return {"currentTime": now, "triggerTime": now + seconds}

    def _view(self, request: Request) -> AccountView:
        return self._floor.accounts[request.headers["kc-api-key"]].view(self._floor.clock.now())

    def _symbol(self, request: Request) -> str:
        symbol = request.params.get("symbol", "")
        if symbol not in self._floor.tapes:
            raise _problem(200, 400100, "symbol is invalid")
        return symbol

    def _active(self, request: Request) -> Any:
        return [order_row(order) for order in reversed(self._view(request).open_orders(self._symbol(request)))]

    def _active_symbols(self, request: Request) -> Any:
        return {"symbols": sorted({order.symbol for order in self._view(request).open_orders()})}

    def _done(self, request: Request) -> Any:
        start, end = self._times(request, 3 * _DAY_MS)
        found = self._view(request).orders_between(self._symbol(request), start, end)
        numbered = [
            (order.updated * 1_000_000 + order.order_id % 1_000_000, order) for order in found if not order.open
        ]
        return _page(request, sorted(numbered, key=lambda pair: pair[0]), order_row)

    def _fills(self, request: Request) -> Any:
        start, end = self._times(request, 7 * _DAY_MS)
        found = self._view(request).fills_between(self._symbol(request), start, end)
        return _page(request, [(fill.trade_id, fill) for fill in found], fill_row)

    def _times(self, request: Request, back: int) -> tuple[int, int]:
        """Start and end: a day where only one is given, and never longer ago than the venue remembers."""
        now = self._floor.ms()
        start, end = (_number(request, name) for name in ("startAt", "endAt"))
        if start is None:
            start = now - back if end is None else end - _DAY_MS
            end = now if end is None else end
        elif end is None:
            end = start + _DAY_MS
        return max(start, now - back), end

    def _one(self, request: Request) -> Any:
        symbol, view = self._symbol(request), self._view(request)
        text = request.path.rpartition("/")[2]
        found = [order for order in view.orders(symbol) if order_id(order.order_id) == text]
        return self._found(found[0] if found else None)

    def _one_of_client(self, request: Request) -> Any:
        symbol = self._symbol(request)
        order = self._view(request).order_of_client(request.path.rpartition("/")[2])
        return self._found(order if order is not None and order.symbol == symbol else None)

    def _found(self, order: Order | None) -> Any:
        if order is None:
            raise _problem(200, 400100, "order not exist")
        return order_row(order)


def _problem(status: int, code: int, message: str) -> ApiError:
    return ApiError(status, {"code": str(code), "msg": message})


def _hmac(secret: str, text: str) -> str:
    return base64.b64encode(hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest()).decode()


def _same(expected: str, given: str) -> bool:
    # As bytes: compare_digest takes text only while it is ASCII, and this text is the client's.
    return hmac.compare_digest(expected.encode(), given.encode())


def _number(request: Request, name: str) -> int | None:
    text = request.params.get(name)
    if text is None:
        return None
    if not text.isdigit():
        raise _problem(200, 400100, f"{name} is invalid")
    return int(text)


def _page(request: Request, rows: list[tuple[int, Any]], shown: Any) -> dict[str, Any]:
    """The newest rows, or those before `lastId`."""
    limit, last = _number(request, "limit"), _number(request, "lastId")
    limit = 20 if limit is None else limit
    if not 1 <= limit <= 100:
        raise _problem(200, 400100, "limit is invalid: from 1 to 100")
    before = [(number, row) for number, row in rows if last is None or number < last]
    page = before[: -limit - 1 : -1]
    return {"items": [shown(row) for _, row in page], "lastId": page[-1][0] if page else 0}


def order_row(order: Order) -> dict[str, Any]:
    """One order as REST shows it."""
    price = Decimal(order.price)
    left = order.quantity - order.filled
    gone = order.status in ("CANCELED", "EXPIRED")
    quote = order.symbol.partition("-")[2]
    return {
        "id": order_id(order.order_id),
        "clientOid": order.client_id,
        "symbol": order.symbol,
        "opType": "DEAL",
        "type": "limit",
        "side": order.side,
        "price": order.price,
        "size": str(order.quantity),
        "funds": str(order.quantity * price),
        "dealSize": str(order.filled),
        "dealFunds": str(order.turnover),
        "remainSize": "0" if gone else str(left),
        "remainFunds": "0" if gone else str(left * price),
        "cancelledSize": str(left) if gone else "0",
        "cancelledFunds": str(left * price) if gone else "0",
        "fee": str(order.turnover * _FEE),
        "feeCurrency": quote,
        "stp": None,
        "timeInForce": "GTC",
        "postOnly": False,
        "hidden": False,
        "iceberg": False,
        "visibleSize": "0",
        "cancelAfter": 0,
        "channel": "API",
        "remark": None,
        "tags": None,
        "cancelExist": gone,
        "tradeType": "TRADE",
        "inOrderBook": order.open,
        "active": order.open,
        "tax": "0",
        "createdAt": order.created,
        "lastUpdatedAt": order.updated,
    }


def fill_row(fill: FillRow) -> dict[str, Any]:
    """One fill as REST shows it: its trade is a number here, and text in the stream."""
    funds = Decimal(fill.price) * Decimal(fill.quantity)
    return {
        "id": fill.trade_id,
        "orderId": order_id(fill.order_id),
        "counterOrderId": order_id(fill.trade_id),
        "tradeId": int(fill.public_id),
        "symbol": fill.symbol,
        "side": fill.side,
        "liquidity": "maker" if fill.maker else "taker",
        "type": "limit",
        "forceTaker": False,
        "price": fill.price,
        "size": fill.quantity,
        "funds": str(funds),
        "fee": str(funds * _FEE),
        "feeRate": str(_FEE),
        "feeCurrency": fill.symbol.partition("-")[2],
        "stop": "",
        "tradeType": "TRADE",
        "taxRate": "0",
        "tax": "0",
        "createdAt": fill.time,
    }


def changes(topic: str, event: OrderEvent) -> Iterator[bytes]:
    """The messages that one event is told in, on either topic; only the newer one tells that an order was received."""
    if event.execution == "NEW":
        if topic == V2:
            yield _change(topic, event, "received", "new")
        yield _change(topic, event, "open", "open", **_sizes(event))
    elif event.execution == "TRADE":
        match = {"tradeId": str(event.public_id), "matchPrice": event.last_price, "matchSize": event.last_quantity}
        role = "maker" if event.maker else "taker"
        match |= {"liquidity": role, "feeType": f"{role}Fee"}
        yield _change(topic, event, "match", "open" if event.maker else "match", **match, **_sizes(event))
        if event.status == "FILLED":
            yield _change(topic, event, "filled", "done", **_sizes(event))
    else:
        yield _change(topic, event, "canceled", "done", **_sizes(event))


def _sizes(event: OrderEvent) -> dict[str, str]:
    left = str(Decimal(event.quantity) - Decimal(event.filled))
    open_ = event.status in _OPEN
    gone = event.status in ("CANCELED", "EXPIRED")
    return {
        "size": event.quantity,
        "filledSize": event.filled,
        "remainSize": left if open_ else "0",
        "canceledSize": left if gone else "0",
    }


def _change(topic: str, event: OrderEvent, kind: str, status: str, **more: str) -> bytes:
    data: dict[str, Any] = {
        "clientOid": event.client_id,
        "orderId": order_id(event.order_id),
        "orderTime": event.created,
        "orderType": "limit",
        "originSize": event.quantity,
        "price": event.price,
        "side": event.side,
        "status": status,
        "symbol": event.symbol,
        "ts": event.time * 1_000_000,
        "type": kind,
    }
    head = {"topic": topic, "type": "message", "subject": "orderChange", "userId": "633559791e1cbc0001f319bc"}
    return encode_json(head | {"channelType": "private", "data": data | more})
