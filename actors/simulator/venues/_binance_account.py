"""A futures account over REST: listen keys, and the signed requests about orders and fills. Pure.

Sources: USD-M and COIN-M user data streams pages, 2026-05-28; binance-connector-python docstrings, 2026-08-21.
"""

from __future__ import annotations

from typing import Any

import attrs

from .._dialect import Floor
from .._listen_keys import ListenKeys
from .._rest import Desk, Request, Route
from ._binance_auth import Authority
from ._binance_messages import fill_row, order_row
from ._binance_rest import Params, problem, tape_of

_WEEK_MS = 7 * 86_400_000


@attrs.frozen
class FuturesRest:
    """In what the two products differ."""

    root: str
    """Of the paths."""
    orders_weight: int
    fills_weight: int
    orders_page: int
    """Most rows of `allOrders`."""


USDM_REST = FuturesRest("/fapi/v1", 5, 5, 1000)
COINM_REST = FuturesRest("/dapi/v1", 20, 20, 100)
"""The pages of COIN-M name 100 and 1000 as the most rows of `allOrders`, by their age: the smaller is safe."""


class AccountDesk:
    """Adds the account's endpoints to a venue's REST desk.

    Args:
        floor: of the venue.
        desk: of the venue.
        keys: the venue's listen keys.
        product: which of the two.
    """

    def __init__(self, floor: Floor, desk: Desk, keys: ListenKeys, product: FuturesRest = USDM_REST) -> None:
        self._floor = floor
        self._keys = keys
        self._product = product
        self._authority = authority = Authority(floor)
        routes, root = desk.routes, product.root
        routes["POST", f"{root}/listenKey"] = Route(1, self._create_key)
        routes["PUT", f"{root}/listenKey"] = Route(1, self._extend_key)
        routes["DELETE", f"{root}/listenKey"] = Route(1, self._delete_key)
        routes["GET", f"{root}/allOrders"] = Route(product.orders_weight, authority.signed(self._all_orders))
        routes["GET", f"{root}/openOrders"] = Route(
            lambda request: 1 if Params(request).has("symbol") else 40, authority.signed(self._open_orders)
        )
        routes["GET", f"{root}/order"] = Route(1, authority.signed(self._order))
        routes["GET", f"{root}/userTrades"] = Route(product.fills_weight, authority.signed(self._user_trades))
        routes["POST", f"{root}/countdownCancelAll"] = Route(10, authority.signed(self._countdown))

    # Listen keys: the API key header alone, no signature.

    def _create_key(self, request: Request) -> Any:
        api_key = self._authority.api_key(request)
        self._authority.may_log_in()
        return {"listenKey": self._keys.create(api_key, self._floor.clock.now()).value}

    def _extend_key(self, request: Request) -> Any:
        key = self._keys.extend(self._authority.api_key(request), self._floor.clock.now())
        if key is None:
            raise problem(400, -1125, "This listenKey does not exist.")
        return {"listenKey": key.value}

    def _delete_key(self, request: Request) -> Any:
        self._keys.delete(self._authority.api_key(request), self._floor.clock.now())
        return {}

    # Signed requests.

    def _all_orders(self, request: Request) -> Any:
        params = Params(request)
        most = self._product.orders_page
        symbol, limit = tape_of(self._floor, params).symbol, params.limit(min(500, most), most)
        start, end = _window(params, self._floor.ms())
        from_id = params.number("orderId")
        # With an order id and no times there is no default week.
        timed = from_id is None or params.has("startTime", "endTime")
        found = [
            order
            for order in self._authority.view(request).orders(symbol)
            if (from_id is None or order.order_id >= from_id) and (not timed or start <= order.created <= end)
        ]
        page = found[:limit] if from_id is not None or params.has("startTime") else found[-limit:]
        return [order_row(order) for order in page]

    def _open_orders(self, request: Request) -> Any:
        params = Params(request)
        symbol = tape_of(self._floor, params).symbol if params.has("symbol") else None
        return [order_row(order) for order in self._authority.view(request).open_orders(symbol)]

    def _order(self, request: Request) -> Any:
        params = Params(request)
        symbol = tape_of(self._floor, params).symbol
        number = params.number("orderId")
        if number is None and not params.has("origClientOrderId"):
            raise problem(400, -1102, "Either 'origClientOrderId' or 'orderId' must be sent.")
        view = self._authority.view(request)
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
            for fill in self._authority.view(request).fills
            if fill.symbol == symbol
            and (order_id is None or fill.order_id == order_id)
            and (fill.trade_id >= from_id if from_id is not None else start <= fill.time <= end)
        ]
        oldest_first = from_id is not None or params.has("startTime")
        return [fill_row(self._floor.venue, fill) for fill in (found[:limit] if oldest_first else found[-limit:])]

    def _countdown(self, request: Request) -> Any:
        params = Params(request)
        symbol, milliseconds = tape_of(self._floor, params).symbol, params.number("countdownTime")
        if milliseconds is None or milliseconds < 0:
            raise problem(400, -1102, "Mandatory parameter 'countdownTime' was not sent, was empty/null, or malformed.")
        api_key = self._authority.api_key(request)
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
