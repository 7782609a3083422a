"""KuCoin's public REST and the tokens of its sockets. Pure: time is asked of the floor.

Sources: Kucoin/kucoin-universal-sdk spec/rest, 2025-11-04; limits: docs-new, 2026-09.
"""

from __future__ import annotations

import math
import string
from collections import OrderedDict
from typing import Any

from .._dialect import Floor
from .._market import Tape
from .._rest import ApiError, Desk, Headers, Reply, Request, Route, encode_json
from .._toll import PoolToll

_PAGE = 100
_TOKENS_KEPT = 10_000
_ALPHABET = string.ascii_letters + string.digits + "-_"


class Tokens:
    """The tokens that the bullet call has given out: each opens connections for a day.

    Args:
        floor: of the venue.
    """

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._expires: OrderedDict[str, float] = OrderedDict()

    def issue(self) -> str:
        """A new one."""
        token = f"{self._floor.token(160, _ALPHABET)}==.{self._floor.token(22, _ALPHABET)}=="
        self._expires[token] = self._floor.clock.now() + self._floor.rules.token_life
        if len(self._expires) > _TOKENS_KEPT:
            self._expires.popitem(last=False)
        return token

    def trouble(self, token: str, now: float) -> str:
        """Why a connection with that token is not accepted; empty when it is."""
        expires = self._expires.get(token)
        if expires is None:
            return "token is invalid"
        return "" if now < expires else "token is expired"

    def expire(self, now: float) -> None:
        """End all of them."""
        for token, expires in self._expires.items():
            self._expires[token] = min(expires, now)


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


class KucoinDesk:
    """The endpoints that need no key; all draw from one pool.

    Args:
        floor: of the venue.
        tokens: which the bullet call gives out.
    """

    def __init__(self, floor: Floor, tokens: Tokens) -> None:
        self._floor = floor
        self._tokens = tokens
        rules = floor.rules
        # The refusal carries its own headers of the pool.
        self.desk = Desk(
            PoolToll(rules.rest_requests, rules.rest_within, lambda _: _refused(), shown=_limits),
            lambda _: Reply(404, encode_json({"code": "404", "msg": "Not Found"})),
            {
                ("POST", "/api/v1/bullet-public"): Route(10, self._bullet),
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

    def _bullet(self, _request: Request) -> Any:
        server = {
            "endpoint": f"{self._floor.address}/",
            "encrypt": self._floor.address.startswith("wss:"),
            "protocol": "websocket",
            "pingInterval": 18_000,
            "pingTimeout": 10_000,
        }
        return _reply({"token": self._tokens.issue(), "instanceServers": [server]})

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
