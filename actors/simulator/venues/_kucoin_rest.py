"""KuCoin's public REST. Pure: time is asked of the floor.

Sources: Kucoin/kucoin-universal-sdk spec/rest, 2025-11-04; limits: docs-new, 2026-09.
"""

from __future__ import annotations

import math
from typing import Any

from .._dialect import Floor
from .._market import Tape
from .._rest import ApiError, Desk, Headers, Reply, Request, Route, encode_json
from .._rules import Rules
from .._toll import PoolToll
from ._kucoin_tokens import Tokens, bullet

_PAGE = 100
_OF_ORDERS = "/api/v1/hf/"


def too_often(seconds: float, floor: Floor) -> Reply:
    """The answer to who asks too much."""
    headers = _limits(floor.rules.rest_requests or 0, 0, seconds)
    return Reply(429, encode_json({"code": "429000", "msg": "Too many requests"}), headers)


def _limits(limit: int, left: int, seconds: float) -> Headers:
    """The headers of the pool; the last one is in milliseconds (sdk default_transport.py)."""
    return (
        ("gw-ratelimit-limit", str(limit)),
        ("gw-ratelimit-remaining", str(left)),
        ("gw-ratelimit-reset", str(math.ceil(seconds * 1000))),
    )


class _Pools:
    """Two of the venue's pools: what asks for orders and fills draws from "Spot", everything else from "Public".

    Args:
        rules: of the venue.
    """

    def __init__(self, rules: Rules) -> None:
        # The refusal carries its own headers of the pool.
        self._public = PoolToll(rules.rest_requests, rules.rest_within, lambda _: _refused(), shown=_limits)
        self._spot = PoolToll(rules.account_requests, rules.rest_within, lambda _: _refused(), shown=_limits)

    def pay(self, path: str, cost: int, route: Route | None, now: float) -> Headers | Reply:
        """Charge one request."""
        return (self._spot if path.startswith(_OF_ORDERS) else self._public).pay(path, cost, route, now)


class KucoinDesk:
    """The endpoints that need no key.

    Args:
        floor: of the venue.
        tokens: which the bullet call gives out.
    """

    def __init__(self, floor: Floor, tokens: Tokens) -> None:
        self._floor = floor
        rules = floor.rules
        self.desk = Desk(
            _Pools(rules),
            lambda _: Reply(404, encode_json({"code": "404", "msg": "Not Found"})),
            {
                ("POST", "/api/v1/bullet-public"): Route(10, lambda _: _reply(bullet(floor, tokens.issue()))),
                ("GET", "/api/v1/timestamp"): Route(3, lambda _: _reply(floor.ms())),
                ("GET", "/api/v1/market/histories"): Route(3, self._histories),
                ("GET", "/api/v1/market/orderbook/level1"): Route(2, self._level1),
                ("GET", "/api/v1/market/orderbook/level2_20"): Route(2, lambda request: self._part(request, 20)),
                ("GET", "/api/v1/market/orderbook/level2_100"): Route(2, lambda request: self._part(request, 100)),
                ("GET", "/api/v3/market/orderbook/level2"): Route(3, self._whole),
                ("GET", "/api/v2/symbols"): Route(4, self._symbols),
            },
        )

    def _tape(self, request: Request) -> Tape:
        tape = self._floor.tapes.get(request.params.get("symbol", ""))
        if tape is None:
            raise ApiError(200, {"code": "900001", "msg": "symbol not exists"})
        return tape

    def _histories(self, request: Request) -> Any:
        rows = [
            {
                "sequence": str(trade.id),
                "price": trade.price,
                "size": trade.quantity,
                "side": trade.side,
                "time": trade.time * 1_000_000,
            }
            for trade in self._tape(request).trades[-_PAGE:]
        ]
        return _reply(rows)

    def _level1(self, request: Request) -> Any:
        tape = self._tape(request)
        quote = tape.book.quote
        last = tape.trades[-1].quantity if tape.trades else "0"
        top = {"time": self._floor.ms(), "sequence": str(tape.book.last), "price": tape.price, "size": last}
        top |= {"bestBid": quote.bid, "bestBidSize": quote.bid_quantity}
        return _reply(top | {"bestAsk": quote.ask, "bestAskSize": quote.ask_quantity})

    def _part(self, request: Request, depth: int) -> Any:
        state = self._tape(request).book.state()
        head = {"time": self._floor.ms(), "sequence": str(state.last)}
        return _reply(head | {"bids": state.bids[:depth], "asks": state.asks[:depth]})

    def _whole(self, _request: Request) -> Any:
        needed = "KC-API-KEY, KC-API-SIGN, KC-API-TIMESTAMP, KC-API-PASSPHRASE"
        raise ApiError(401, {"code": "400001", "msg": f"Please check the header of your request for {needed}"})

    def _symbols(self, _request: Request) -> Any:
        rows = []
        for name in self._floor.tapes:
            base, _, quote = name.partition("-")
            row = {"symbol": name, "name": name, "baseCurrency": base, "quoteCurrency": quote}
            rows.append(row | {"priceIncrement": "0.01", "baseIncrement": "0.00001", "enableTrading": True})
        return _reply(rows)


def _reply(data: object) -> dict[str, Any]:
    return {"code": "200000", "data": data}


def _refused() -> Reply:
    return Reply(429, encode_json({"code": "429000", "msg": "Too many requests"}))
