"""Spot and margin accounts over REST: the signed requests about orders and fills, listen tokens, what a key may do. Pure.

A key has one account here. It is shown as spot, as cross margin and, one symbol of it, as isolated margin alike: a client
uses one of them.

Sources: binance-spot-api-docs rest-api.md, 2026-07-21; the margin pages of developers.binance.com, 2026.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import attrs

from .._dialect import Floor
from .._limits import WeightLimit
from .._rest import Desk, Handler, Headers, Reply, Request, Route
from ._binance_auth import Authority
from ._binance_event_streams import EventStreams, margin_topic
from ._binance_rest import Params, WeightToll, problem, tape_of, too_much
from ._binance_spot_messages import spot_fill_row, spot_order_row

T = TypeVar("T")

_DAY_MS = 86_400_000
_SAPI_WEIGHT = 12_000
"""A minute, of each endpoint by itself (general info of the margin pages)."""


class SpotToll:
    """Charges what is below /api together, and each endpoint below /sapi by itself.

    Args:
        floor: of the venue.
        limit: of what is below /api, and of the WebSocket API.
    """

    def __init__(self, floor: Floor, limit: WeightLimit) -> None:
        self._floor = floor
        self._api = WeightToll(floor, limit)
        self._sapi: dict[str, WeightLimit] = {}

    def pay(self, path: str, cost: int, route: Route | None, now: float) -> Headers | Reply:
        """Charge one request; 429, and then 418, when it is too much."""
        if route is None or not path.startswith("/sapi/"):
            return self._api.pay(path, cost, route, now)
        rules = attrs.evolve(self._floor.rules, weight_per_minute=_SAPI_WEIGHT)
        verdict = self._sapi.setdefault(path, WeightLimit(rules)).spend(cost, self._floor.ms())
        used = (("X-SAPI-USED-IP-WEIGHT-1M", str(verdict.used)),)
        if verdict.status == 200:
            return used
        reply = too_much(
            self._floor, "418" if verdict.status == 418 else "429", verdict.retry_after, verdict.banned_until
        )
        return attrs.evolve(reply, headers=used + reply.headers, breach=verdict.breach)


class SpotAccountDesk:
    """Adds the endpoints of accounts to the REST desk of spot.

    Args:
        floor: of the venue.
        desk: of the venue.
        streams: where listen tokens are made.
    """

    def __init__(self, floor: Floor, desk: Desk, streams: EventStreams) -> None:
        self._floor = floor
        self._streams = streams
        self._authority = authority = Authority(floor)
        routes, api, margin = desk.routes, "/api/v3", "/sapi/v1/margin"
        self.handlers: dict[str, Handler] = {
            "openOrders": self._of(False, self._open_orders),
            "order": self._of(False, self._order),
            "allOrders": self._of(False, self._all_orders),
            "myTrades": self._of(False, self._my_trades),
            "openOrderList": lambda _: [],
        }
        """By the last part of the path below /api, past the signature."""
        costs: dict[str, int | Callable[[Request], int]] = {
            "openOrders": lambda request: 6 if Params(request).has("symbol") else 80,
            "order": 4,
            "allOrders": 20,
            "myTrades": lambda request: 5 if Params(request).has("orderId") else 20,
            "openOrderList": 6,
        }
        for name, handler in self.handlers.items():
            routes["GET", f"{api}/{name}"] = Route(costs[name], authority.signed(handler))
        for name, answer, weight in (
            ("openOrders", self._open_orders, 10),
            ("order", self._order, 10),
            ("allOrders", self._all_orders, 200),
            ("myTrades", self._my_trades, 10),
        ):
            routes["GET", f"{margin}/{name}"] = Route(weight, authority.signed(self._of(True, answer)))
        routes["POST", "/sapi/v1/userListenToken"] = Route(1, authority.signed(self._listen_token))
        routes["GET", "/sapi/v1/account/apiRestrictions"] = Route(1, authority.signed(self._restrictions))

    def _of(self, margin: bool, answer: Callable[[Request, bool | None], Any]) -> Handler:
        def handle(request: Request) -> Any:
            if not margin:
                return answer(request, None)
            params = Params(request)
            isolated = params.has("isIsolated") and params.text("isIsolated").upper() == "TRUE"
            if isolated:
                params.text("symbol")
            return answer(request, isolated)

        return handle

    def _symbol(self, params: Params) -> str:
        return tape_of(self._floor, params).symbol

    def _open_orders(self, request: Request, isolated: bool | None) -> Any:
        params = Params(request)
        symbol = self._symbol(params) if params.has("symbol") else None
        orders = self._authority.view(request).open_orders(symbol)
        return [spot_order_row(order, isolated=isolated) for order in orders]

    def _order(self, request: Request, isolated: bool | None) -> Any:
        params = Params(request)
        symbol, number = self._symbol(params), params.number("orderId")
        if number is None and not params.has("origClientOrderId"):
            raise problem(400, -1102, "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!")
        view = self._authority.view(request)
        order = view.order(number) if number is not None else view.order_of_client(params.text("origClientOrderId"))
        if order is None or order.symbol != symbol:
            raise problem(400, -2013, "Order does not exist.")
        return spot_order_row(order, isolated=isolated)

    def _all_orders(self, request: Request, isolated: bool | None) -> Any:
        params = Params(request)
        symbol, from_id = self._symbol(params), params.number("orderId")
        limit = params.limit(500, 1000 if isolated is None else 500)
        found = [*self._authority.view(request).orders(symbol)]
        page = _page(params, found, limit, self._floor.ms(), from_id, lambda o: o.order_id, lambda o: o.created)
        return [spot_order_row(order, isolated=isolated) for order in page]

    def _my_trades(self, request: Request, isolated: bool | None) -> Any:
        params = Params(request)
        symbol, limit, from_id = self._symbol(params), params.limit(), params.number("fromId")
        of_order = params.number("orderId")
        found = [
            fill
            for fill in self._authority.view(request).fills
            if fill.symbol == symbol and of_order in (None, fill.order_id)
        ]
        page = _page(params, found, limit, self._floor.ms(), from_id, lambda f: f.trade_id, lambda f: f.time)
        return [spot_fill_row(fill, isolated=isolated) for fill in page]

    def _listen_token(self, request: Request) -> Any:
        params = Params(request)
        api_key, now = self._authority.api_key(request), self._floor.clock.now()
        self._authority.may_log_in()
        isolated = params.has("isIsolated") and params.text("isIsolated").lower() == "true"
        symbol = self._symbol(params) if isolated else None
        validity = params.number("validity") or _DAY_MS
        if not 0 < validity <= _DAY_MS:
            raise problem(400, -1130, "Data sent for parameter 'validity' is not valid.")
        token = self._streams.token(margin_topic(api_key, symbol), now + validity / 1000, now)
        return {"token": token.credential, "expirationTime": self._floor.ms() + validity}

    def _restrictions(self, request: Request) -> Any:
        return {
            "ipRestrict": False,
            "createTime": 1_698_645_219_000,
            "enableReading": True,
            "enableWithdrawals": False,
            "enableInternalTransfer": False,
            "enableMargin": True,
            "enableFutures": True,
            "permitsUniversalTransfer": False,
            "enableVanillaOptions": False,
            "enableSpotAndMarginTrading": True,
        }


def _page(
    params: Params,
    rows: list[T],
    limit: int,
    now_ms: int,
    from_id: int | None,
    number: Callable[[T], int],
    time: Callable[[T], int],
) -> list[T]:
    """The rows from an id on, or those of at most a day, or, with neither, the newest."""
    if from_id is not None:
        if params.has("startTime", "endTime"):
            raise problem(400, -1128, "Combination of optional parameters invalid.")
        return [row for row in rows if number(row) >= from_id][:limit]
    start, end = params.number("startTime"), params.number("endTime")
    if start is None and end is None:
        return rows[-limit:]
    if start is None:
        start = (end or now_ms) - _DAY_MS
    if end is None:
        end = start + _DAY_MS
    if end - start > _DAY_MS:
        raise problem(400, -1127, "More than 24 hours between startTime and endTime.")
    return [row for row in rows if start <= time(row) <= end][:limit]
