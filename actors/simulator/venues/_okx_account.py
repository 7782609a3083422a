"""OKX's signed REST: orders and fills by id, the account's configuration, cancel-all-after. Pure.

Source: www.okx.com/docs-v5/en, about 2026-02: REST authentication, order book trading / trade, get account configuration,
error codes.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from .._account_view import AccountView, FillRow, Order
from .._dialect import Floor
from .._rest import ApiError, Desk, Handler, Request, Route
from ._okx_private import signature
from ._okx_rest import STATUS, instrument_type

_WINDOW_MS = 30_000
_DAY_MS = 86_400_000
_FORGOTTEN_MS = 2 * 3_600_000
"""After which an order that was cancelled without a fill is unknown."""


class OkxAccountDesk:
    """Adds the account's endpoints to the venue's REST desk.

    Args:
        floor: of the venue.
        desk: of the venue.
    """

    def __init__(self, floor: Floor, desk: Desk) -> None:
        self._floor = floor
        routes: dict[tuple[str, str], tuple[Handler, tuple[int, float]]] = {
            ("GET", "/api/v5/trade/orders-pending"): (self._pending, (60, 2.0)),
            ("GET", "/api/v5/trade/orders-history"): (self._history(7), (40, 2.0)),
            ("GET", "/api/v5/trade/orders-history-archive"): (self._history(90), (20, 2.0)),
            ("GET", "/api/v5/trade/order"): (self._order, (60, 2.0)),
            ("GET", "/api/v5/trade/fills"): (self._fills(3), (60, 2.0)),
            ("GET", "/api/v5/trade/fills-history"): (self._fills(90), (10, 2.0)),
            ("GET", "/api/v5/account/config"): (self._config, (5, 2.0)),
            ("POST", "/api/v5/trade/cancel-all-after"): (self._cancel_after, (1, 1.0)),
        }
        for key, (handler, limit) in routes.items():
            desk.routes[key] = Route(1, self._signed(handler), limit)

    def _signed(self, handler: Handler) -> Handler:
        def check(request: Request) -> Any:
            headers, credentials = request.headers, self._floor.credentials
            api_key = headers.get("ok-access-key", "")
            if not api_key:
                raise _error(401, "50103", 'Request header "OK-ACCESS-KEY" can not be empty.')
            secret = credentials.secret(api_key)
            if secret is None:
                raise _error(401, "50111", "Invalid OK-ACCESS-KEY.")
            if headers.get("ok-access-passphrase") != credentials.passphrase:
                raise _error(401, "50105", 'Request header "OK-ACCESS-PASSPHRASE" incorrect.')
            moment = headers.get("ok-access-timestamp", "")
            try:
                stamp = datetime.fromisoformat(moment).timestamp() * 1000
            except ValueError:
                raise _error(401, "50112", 'Invalid "OK-ACCESS-TIMESTAMP".') from None
            if abs(stamp - self._floor.ms()) > _WINDOW_MS:
                raise _error(401, "50102", "Timestamp request expired.")
            path = f"{request.path}?{request.query}" if request.query else request.path
            expected = signature(secret, f"{moment}{request.method}{path}{request.body}")
            # As bytes: compare_digest takes text only while it is ASCII, and this text is the client's.
            if not hmac.compare_digest(expected.encode(), headers.get("ok-access-sign", "").encode()):
                raise _error(401, "50113", "Invalid Sign.")
            return handler(request)

        return check

    def _view(self, request: Request) -> AccountView:
        account = self._floor.accounts[request.headers["ok-access-key"]]
        return account.view(self._floor.clock.now())

    def _symbol(self, request: Request) -> str | None:
        symbol = request.params.get("instId")
        if symbol is not None and symbol not in self._floor.tapes:
            raise _error(200, "51001", "Instrument ID, Instrument ID code, or Spread ID doesn't exist.")
        return symbol

    def _orders(self, request: Request, orders: Sequence[Order]) -> Any:
        """A page, the newest first. `after` asks for older ones, `before` for newer ones, by id."""
        after, before = _number(request, "after"), _number(request, "before")
        found = [
            order
            for order in orders
            if (after is None or order.order_id < after) and (before is None or order.order_id > before)
        ]
        newest_first = sorted(found, key=lambda order: -order.order_id)
        return _reply([_order_row(order) for order in newest_first[: _limit(request)]])

    def _pending(self, request: Request) -> Any:
        kind = request.params.get("instType")
        found = self._view(request).open_orders(self._symbol(request))
        return self._orders(request, [order for order in found if kind in (None, instrument_type(order.symbol))])

    def _history(self, days: int) -> Handler:
        def answer(request: Request) -> Any:
            kind, symbol, now = _kind(request), self._symbol(request), self._floor.ms()
            start, end = _number(request, "begin") or 0, _number(request, "end") or now
            found = [
                order
                for order in self._view(request).orders_between(symbol, start, end)
                if not order.open
                and instrument_type(order.symbol) == kind
                and order.updated >= now - days * _DAY_MS
                and not _forgotten(order, now)
            ]
            return self._orders(request, found)

        return answer

    def _order(self, request: Request) -> Any:
        params, view = request.params, self._view(request)
        symbol = self._symbol(request)
        if symbol is None:
            raise _error(400, "50014", "Parameter instId can not be empty.")
        number = _number(request, "ordId")
        order = view.order(number) if number is not None else view.order_of_client(params.get("clOrdId", ""))
        if order is None or order.symbol != symbol or _forgotten(order, self._floor.ms()):
            raise _error(200, "51603", "Order does not exist")
        return _reply([_order_row(order)])

    def _fills(self, days: int) -> Handler:
        def answer(request: Request) -> Any:
            symbol, now = self._symbol(request), self._floor.ms()
            kind = _kind(request) if days > 3 else request.params.get("instType")
            start = max(_number(request, "begin") or 0, now - days * _DAY_MS)
            end = _number(request, "end") or now
            after, before, order = (_number(request, name) for name in ("after", "before", "ordId"))
            found = [
                (bill, fill)
                for bill, fill in enumerate(self._view(request).fills, 1)
                if start <= fill.time <= end
                and symbol in (None, fill.symbol)
                and kind in (None, instrument_type(fill.symbol))
                and (after is None or bill < after)
                and (before is None or bill > before)
                and order in (None, fill.order_id)
            ]
            return _reply([_fill_row(bill, fill) for bill, fill in found[::-1][: _limit(request)]])

        return answer

    def _config(self, _request: Request) -> Any:
        account = {"acctLv": "1", "uid": "614488474791936", "mainUid": "614488474791936", "posMode": "net_mode"}
        return _reply([account | {"perm": "read_only,trade", "ip": "", "label": "simulated", "roleType": "0"}])

    def _cancel_after(self, request: Request) -> Any:
        try:
            body = msgspec.json.decode(request.body)
            seconds = int(body["timeOut"])
        except (msgspec.DecodeError, KeyError, TypeError, ValueError):
            raise _error(400, "51000", "Parameter timeOut error") from None
        if seconds and not 10 <= seconds <= 120:
            raise _error(400, "51000", "Parameter timeOut error")
        api_key, now = request.headers["ok-access-key"], self._floor.clock.now()
        if seconds:
            self._floor.countdowns.set(api_key, now + seconds)
        else:
            self._floor.countdowns.stop(api_key)
        trigger = str(self._floor.ms() + seconds * 1000) if seconds else "0"
        return _reply([{"triggerTime": trigger, "tag": "", "ts": str(self._floor.ms())}])


def _forgotten(order: Order, now: int) -> bool:
    return not order.open and not order.filled and order.updated < now - _FORGOTTEN_MS


def _kind(request: Request) -> str:
    kind = request.params.get("instType", "")
    if kind not in ("SPOT", "MARGIN", "SWAP", "FUTURES", "OPTION"):
        raise _error(400, "51000", "Parameter instType error")
    return kind


def _reply(data: object) -> dict[str, Any]:
    return {"code": "0", "msg": "", "data": data}


def _error(status: int, code: str, message: str) -> ApiError:
    return ApiError(status, {"code": code, "msg": message, "data": []})


def _number(request: Request, name: str) -> int | None:
    text = request.params.get(name)
    if text is None:
        return None
    if not text.isdigit():
        raise _error(400, "51000", f"Parameter {name} error")
    return int(text)


def _limit(request: Request) -> int:
    limit = _number(request, "limit") or 100
    if limit > 100:
        # So that no client relies on clamping.
        raise _error(400, "51000", "Parameter limit error")
    return limit


def _order_row(order: Order) -> dict[str, Any]:
    return {
        "accFillSz": str(order.filled),
        "avgPx": order.average_price if order.filled else "",
        "cTime": str(order.created),
        "category": "normal",
        "ccy": "",
        "clOrdId": order.client_id,
        "fee": "0",
        "feeCcy": "USDT",
        "fillPx": "",
        "fillSz": "",
        "fillTime": "",
        "instId": order.symbol,
        "instType": instrument_type(order.symbol),
        "lever": "",
        "ordId": str(order.order_id),
        "ordType": "limit",
        "pnl": "0",
        "posSide": "net",
        "px": order.price,
        "rebate": "0",
        "rebateCcy": "",
        "reduceOnly": "false",
        "side": order.side,
        "source": "",
        "state": STATUS[order.status],
        "sz": str(order.quantity),
        "tag": "",
        "tdMode": "cash",
        "tgtCcy": "",
        "tradeId": "",
        "uTime": str(order.updated),
    }


def _fill_row(bill: int, fill: FillRow) -> dict[str, Any]:
    return {
        "instType": instrument_type(fill.symbol),
        "instId": fill.symbol,
        "tradeId": str(fill.public_id),
        "ordId": str(fill.order_id),
        "clOrdId": "",
        "billId": str(bill),
        "subType": "1",
        "tag": "",
        "fillPx": fill.price,
        "fillSz": fill.quantity,
        "side": fill.side,
        "posSide": "net",
        "execType": "M" if fill.maker else "T",
        "feeCcy": "USDT",
        "fee": "0",
        "ts": str(fill.time),
        "fillTime": str(fill.time),
    }
