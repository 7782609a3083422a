"""Bybit's signed REST: orders and executions by cursor, the key's permissions, disconnect-cancel-all. Pure.

Source: Bybit v5 docs (docs/v5, 2026-07-24), guide.mdx, order/open-order.mdx, order/order-list.mdx, order/execution.mdx,
order/dcp.mdx, user/apikey-info.mdx, rate-limit/rate-limit.mdx, error.mdx.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from urllib.parse import quote, unquote

import msgspec

from .._account_view import AccountView, FillRow, Order
from .._dialect import Floor
from .._limits import RollingWindow
from .._rest import ApiError, Desk, Handler, Request, Route
from ._bybit_messages import fill_row, order_number, order_row
from ._bybit_private import Protection

_DAY_MS = 86_400_000
_WEEK_MS = 7 * _DAY_MS
_CLOSED_KEPT = 500
_PER_SECOND = 50
_PRODUCTS = {"spot": "SPOT", "linear": "DERIVATIVES"}

T = TypeVar("T")


class BybitAccountDesk:
    """Adds the account's endpoints to the venue's REST desk.

    Args:
        floor: of the venue.
        desk: of the venue.
        category: "spot" or "linear".
        protection: of the venue.
    """

    def __init__(self, floor: Floor, desk: Desk, category: str, protection: Protection) -> None:
        self._floor = floor
        self._category = category
        self._protection = protection
        self._windows: dict[tuple[str, str], RollingWindow] = {}
        desk.routes["GET", "/v5/order/realtime"] = Route(1, self._signed(self._realtime))
        desk.routes["GET", "/v5/order/history"] = Route(1, self._signed(self._history))
        desk.routes["GET", "/v5/execution/list"] = Route(1, self._signed(self._executions))
        desk.routes["GET", "/v5/user/query-api"] = Route(1, self._signed(self._key))
        desk.routes["GET", "/v5/account/info"] = Route(1, self._signed(self._info))
        desk.routes["POST", "/v5/order/disconnected-cancel-all"] = Route(1, self._signed(self._protect))

    def _reply(self, result: object) -> dict[str, Any]:
        return {"retCode": 0, "retMsg": "OK", "result": result, "retExtInfo": {}, "time": self._floor.ms()}

    def _error(self, code: int, message: str) -> ApiError:
        body = {"retCode": code, "retMsg": message, "result": {}, "retExtInfo": {}, "time": self._floor.ms()}
        return ApiError(200, body)

    def _signed(self, handler: Handler) -> Handler:
        def check(request: Request) -> Any:
            headers = request.headers
            api_key = headers.get("x-bapi-api-key", "")
            secret = self._floor.credentials.secret(api_key)
            if secret is None:
                raise self._error(10003, "API key is invalid.")
            stamp, window = headers.get("x-bapi-timestamp", ""), headers.get("x-bapi-recv-window", "5000")
            if not (stamp.isdigit() and window.isdigit()):
                raise self._error(10002, "The request time is missing, or is none.")
            now = self._floor.ms()
            if not now - int(window) <= int(stamp) < now + 1000:
                raise self._error(10002, f"invalid request, check your timestamp; server_timestamp[{now}]")
            payload = f"{stamp}{api_key}{window}{request.query or request.body}"
            expected = hmac.new(secret.encode(), payload.encode(), hashlib.sha256).hexdigest()
            # As bytes: compare_digest takes text only while it is ASCII, and this text is the client's.
            if not hmac.compare_digest(expected.encode(), headers.get("x-bapi-sign", "").encode()):
                raise self._error(10004, "error sign!")
            rate = self._windows.setdefault((api_key, request.path), RollingWindow(_PER_SECOND, 1.0))
            if not rate.count(self._floor.clock.now()):
                raise self._error(10006, "Too many visits!")
            return handler(request)

        return check

    def _view(self, request: Request) -> AccountView:
        account = self._floor.accounts[request.headers["x-bapi-api-key"]]
        return account.view(self._floor.clock.now())

    def _scope(self, request: Request, *, whole: bool) -> str | None:
        """The symbol that is asked for; None: all."""
        params = request.params
        if params.get("category") != self._category:
            raise self._error(10001, "params error: Category is invalid")
        symbol = params.get("symbol")
        if symbol is not None and symbol not in self._floor.tapes:
            raise self._error(10001, "params error: symbol invalid")
        named = symbol or params.get("settleCoin") or params.get("baseCoin") or params.get("orderId")
        if not named and not whole and self._category == "linear":
            raise self._error(
                10001, "params error: Missing some parameters that must be filled in, symbol or settleCoin"
            )
        return symbol

    def _number(self, request: Request, name: str, default: int, largest: int | None = None) -> int:
        text = request.params.get(name, str(default))
        if not text.isdigit() or (largest is not None and not 1 <= int(text) <= largest):
            raise self._error(10001, f"params error: Invalid {name}")
        return int(text)

    def _window(self, request: Request) -> tuple[int, int]:
        """Start and end in milliseconds: at most a week, by default the last one."""
        params = request.params
        now = self._floor.ms()
        end = self._number(request, "endTime", 0)
        start = self._number(request, "startTime", max(0, (end or now) - _WEEK_MS))
        if "endTime" not in params:
            end = start + _WEEK_MS
        if not 0 <= end - start <= _WEEK_MS:
            raise self._error(10001, "The time range between startTime and endTime cannot exceed 7 days")
        return start, end

    def _page(
        self, request: Request, rows: Sequence[T], largest: int, key: Callable[[T], int], shown: Callable[[T], object]
    ) -> dict[str, Any]:
        """A page of rows that begin with the newest; the cursor is the last row's number."""
        limit = self._number(request, "limit", largest if largest < 50 else 20, largest)
        # As it came, or as a client that escapes what is escaped already sends it.
        cursor = unquote(unquote(request.params.get("cursor", "")))
        last = cursor.removeprefix("page_token=").rstrip("&")
        if cursor and not last.isdigit():
            raise self._error(10001, "params error: Invalid cursor")
        rest = [row for row in rows if not last or key(row) < int(last)]
        page = rest[:limit]
        following = quote(f"page_token={key(page[-1])}&") if len(rest) > limit else ""
        return self._reply(
            {"category": self._category, "nextPageCursor": following, "list": [shown(row) for row in page]}
        )

    def _orders(self, request: Request, orders: Sequence[Order]) -> Any:
        wanted = request.params.get("orderId")
        if wanted is not None:
            orders = [order for order in orders if order.order_id == order_number(wanted)]
        newest_first = sorted(orders, key=lambda order: -order.order_id)
        return self._page(
            request, newest_first, 50, lambda order: order.order_id, lambda order: order_row(order, self._category)
        )

    def _realtime(self, request: Request) -> Any:
        symbol, view = self._scope(request, whole=False), self._view(request)
        lately = sorted((order for order in view.orders() if not order.open), key=lambda order: order.updated)
        closed = [order for order in lately[-_CLOSED_KEPT:] if symbol in (None, order.symbol)]
        if request.params.get("orderId") is not None:
            return self._orders(request, [*view.open_orders(symbol), *closed])
        return self._orders(request, closed if request.params.get("openOnly") == "1" else view.open_orders(symbol))

    def _history(self, request: Request) -> Any:
        symbol, now = self._scope(request, whole=True), self._floor.ms()
        start, end = self._window(request)
        if "orderId" in request.params:
            start, end = 0, now
        found = [
            order
            for order in self._view(request).orders_between(symbol, start, end)
            # What was cancelled without a fill is remembered for a day.
            if not order.open and (order.filled or order.updated >= now - _DAY_MS)
        ]
        return self._orders(request, found)

    def _executions(self, request: Request) -> Any:
        symbol, view = self._scope(request, whole=True), self._view(request)
        start, end = self._window(request)
        wanted = request.params.get("orderId")
        found: list[tuple[int, FillRow]] = [
            (number, fill)
            for number, fill in enumerate(view.fills, 1)
            if start <= fill.time <= end
            and symbol in (None, fill.symbol)
            and (wanted is None or fill.order_id == order_number(wanted))
        ]
        return self._page(
            request, found[::-1], 100, lambda entry: entry[0], lambda entry: fill_row(entry[1], self._category)
        )

    def _key(self, request: Request) -> Any:
        granted = {"Spot": ["SpotTrade"], "ContractTrade": ["Order", "Position"], "Wallet": []}
        return self._reply(
            {"apiKey": "", "readOnly": 0, "secret": "", "permissions": granted, "ips": ["*"], "type": 1}
            | {"deadlineDay": 88, "expiredAt": "2099-05-15T03:13:24Z", "unified": 0, "uta": 1}
        )

    def _info(self, _request: Request) -> Any:
        # 6: a unified trading account 2.0 (enum.mdx).
        return self._reply({"unifiedMarginStatus": 6, "marginMode": "REGULAR_MARGIN", "isMasterTrader": False})

    def _protect(self, request: Request) -> Any:
        try:
            body = msgspec.json.decode(request.body)
            seconds = int(body["timeWindow"])
        except (msgspec.DecodeError, KeyError, TypeError, ValueError):
            raise self._error(10001, "params error: timeWindow") from None
        if not 3 <= seconds <= 300 or body.get("product", "OPTIONS") not in ("OPTIONS", *_PRODUCTS.values()):
            raise self._error(10001, "params error: timeWindow or product")
        if body.get("product") == _PRODUCTS[self._category]:
            self._protection.window(request.headers["x-bapi-api-key"], float(seconds))
        return {"retCode": 0, "retMsg": "success"}
