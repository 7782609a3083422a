"""The USD-M account over REST: listen keys, and the signed requests about orders and fills. Pure.

Sources: USD-M user data streams pages, 2026-05-28; binance-connector-python docstrings, 2026-08-21; the signature
recipe and the time window of binance-spot-api-docs rest-api.md, 2026-07-21.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

from .._account_view import AccountView
from .._dialect import Floor
from .._listen_keys import ListenKeys
from .._rest import Desk, Handler, Request, Route
from ._binance_messages import fill_row, order_row
from ._binance_rest import Params, problem, tape_of

_REJECTED = "Invalid API-key, IP, or permissions for action."
_WEEK_MS = 7 * 86_400_000


class AccountDesk:
    """Adds the account's endpoints to a venue's REST desk.

    Args:
        floor: of the venue.
        desk: of the venue.
        keys: the venue's listen keys.
    """

    def __init__(self, floor: Floor, desk: Desk, keys: ListenKeys) -> None:
        self._floor = floor
        self._keys = keys
        routes = desk.routes
        routes["POST", "/fapi/v1/listenKey"] = Route(1, self._create_key)
        routes["PUT", "/fapi/v1/listenKey"] = Route(1, self._extend_key)
        routes["DELETE", "/fapi/v1/listenKey"] = Route(1, self._delete_key)
        routes["GET", "/fapi/v1/allOrders"] = Route(5, self._signed(self._all_orders))
        routes["GET", "/fapi/v1/openOrders"] = Route(
            lambda request: 1 if Params(request).has("symbol") else 40, self._signed(self._open_orders)
        )
        routes["GET", "/fapi/v1/order"] = Route(1, self._signed(self._order))
        routes["GET", "/fapi/v1/userTrades"] = Route(5, self._signed(self._user_trades))
        routes["POST", "/fapi/v1/countdownCancelAll"] = Route(10, self._signed(self._countdown))

    # Listen keys: the API key header alone, no signature.

    def _api_key(self, request: Request) -> str:
        key = request.headers.get("x-mbx-apikey", "")
        if not key:
            raise problem(401, -2014, "API-key format invalid.")
        if self._floor.credentials.secret(key) is None:
            raise problem(401, -2015, _REJECTED)
        return key

    def _create_key(self, request: Request) -> Any:
        api_key, now = self._api_key(request), self._floor.clock.now()
        if self._floor.credentials.refuses_logins(now):
            raise problem(401, -2015, _REJECTED)
        return {"listenKey": self._keys.create(api_key, now).value}

    def _extend_key(self, request: Request) -> Any:
        key = self._keys.extend(self._api_key(request), self._floor.clock.now())
        if key is None:
            raise problem(400, -1125, "This listenKey does not exist.")
        return {"listenKey": key.value}

    def _delete_key(self, request: Request) -> Any:
        self._keys.delete(self._api_key(request), self._floor.clock.now())
        return {}

    # Signed requests.

    def _signed(self, handler: Handler) -> Handler:
        def check(request: Request) -> Any:
            secret, params = self._floor.credentials.secrets[self._api_key(request)], Params(request)
            check_time(params, self._floor.ms())
            check_signature(secret, request, params)
            return handler(request)

        return check

    def _view(self, request: Request) -> AccountView:
        return self._floor.accounts[self._api_key(request)].view(self._floor.clock.now())

    def _all_orders(self, request: Request) -> Any:
        params = Params(request)
        symbol, limit = tape_of(self._floor, params).symbol, params.limit()
        start, end = _window(params, self._floor.ms())
        from_id = params.number("orderId")
        # With an order id and no times there is no default week.
        timed = from_id is None or params.has("startTime", "endTime")
        found = [
            order
            for order in self._view(request).orders(symbol)
            if (from_id is None or order.order_id >= from_id) and (not timed or start <= order.created <= end)
        ]
        page = found[:limit] if from_id is not None or params.has("startTime") else found[-limit:]
        return [order_row(order) for order in page]

    def _open_orders(self, request: Request) -> Any:
        params = Params(request)
        symbol = tape_of(self._floor, params).symbol if params.has("symbol") else None
        return [order_row(order) for order in self._view(request).open_orders(symbol)]

    def _order(self, request: Request) -> Any:
        params = Params(request)
        symbol = tape_of(self._floor, params).symbol
        number = params.number("orderId")
        if number is None and not params.has("origClientOrderId"):
            raise problem(400, -1102, "Either 'origClientOrderId' or 'orderId' must be sent.")
        view = self._view(request)
        order = view.order(number) if number is not None else view.order_of_client(params.text("origClientOrderId"))
        if order is None or order.symbol != symbol:
            raise problem(400, -2013, "Order does not exist.")
        return order_row(order)

    def _user_trades(self, request: Request) -> Any:
        params = Params(request)
        symbol, limit = tape_of(self._floor, params).symbol, params.limit()
        from_id, order_id = params.number("fromId"), params.number("orderId")
        if from_id is not None and params.has("startTime", "endTime"):
            raise problem(400, -1128, "Combination of optional parameters invalid.")
        start, end = _window(params, self._floor.ms())
        found = [
            fill
            for fill in self._view(request).fills
            if fill.symbol == symbol
            and (order_id is None or fill.order_id == order_id)
            and (fill.trade_id >= from_id if from_id is not None else start <= fill.time <= end)
        ]
        oldest_first = from_id is not None or params.has("startTime")
        return [fill_row(fill) for fill in (found[:limit] if oldest_first else found[-limit:])]

    def _countdown(self, request: Request) -> Any:
        params = Params(request)
        symbol, milliseconds = tape_of(self._floor, params).symbol, params.number("countdownTime")
        if milliseconds is None or milliseconds < 0:
            raise problem(400, -1102, "Mandatory parameter 'countdownTime' was not sent, was empty/null, or malformed.")
        api_key = self._api_key(request)
        if milliseconds:
            at = self._floor.clock.now() + milliseconds / 1000
            self._floor.countdowns.set(api_key, at, (symbol,), scope=symbol)
        else:
            self._floor.countdowns.stop(api_key, scope=symbol)
        return {"symbol": symbol, "countdownTime": str(milliseconds)}


def _window(params: Params, now_ms: int) -> tuple[int, int]:
    """Start and end in milliseconds, both inclusive: at most seven days, by default the last seven."""
    start, end = params.number("startTime"), params.number("endTime")
    if start is None:
        end = now_ms if end is None else end
        start = end - _WEEK_MS
    elif end is None:
        end = start + _WEEK_MS
    if end - start > _WEEK_MS:
        raise problem(400, -4166, "Search window is restricted to recent 7 days only.")
    return start, end


def check_time(params: Params, now_ms: int) -> None:
    """Check `timestamp` and `recvWindow` (default 5000 ms, at most 60000) against the server's time.

    Raises:
        ApiError: -1021 outside of the window, -1102 without a timestamp, -1131 with too wide a window.
    """
    params.text("timestamp")
    timestamp = params.number("timestamp") or 0
    window = params.number("recvWindow")
    window = 5000 if window is None else window
    if not 0 < window <= 60_000:
        raise problem(400, -1131, "recvWindow must be less than 60000")
    if timestamp >= now_ms + 1000:
        raise problem(400, -1021, "Timestamp for this request was 1000ms ahead of the server's time.")
    if now_ms - timestamp > window:
        raise problem(400, -1021, "Timestamp for this request is outside of the recvWindow.")


def check_signature(secret: str, request: Request, params: Params) -> None:
    """Check the HMAC over query string and body exactly as sent, percent-encoded, without the signature itself.

    Raises:
        ApiError: -1022 when it does not match, -1102 without one.
    """
    signature = params.text("signature")
    payload = "".join(_unsigned(part) for part in (request.query, request.body))
    expected = hmac.new(secret.encode(), payload.encode(), hashlib.sha256).hexdigest()
    # As bytes: compare_digest takes text only while it is ASCII, and this text is the client's.
    if not hmac.compare_digest(expected.encode(), signature.lower().encode()):
        raise problem(400, -1022, "Signature for this request is not valid.")


def _unsigned(part: str) -> str:
    return "&".join(pair for pair in part.split("&") if not pair.startswith("signature="))
