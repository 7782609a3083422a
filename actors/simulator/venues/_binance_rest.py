"""Binance's REST: weights, bans, error bodies and public market data. Pure: time is asked of the floor.

Sources: binance-spot-api-docs rest-api.md and errors.md, 2026-07-21; binance-connector-python docstrings for USD-M,
2026-08-21.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from typing import Any

import attrs

from .._dialect import Floor
from .._limits import WeightLimit
from .._market import Tape, page_by_id, page_by_time
from .._rest import ApiError, Desk, Headers, Limited, Reply, Request, Route, Toll, encode_json
from .._rules import COINM, SPOT
from ._binance_messages import agg_trade_row, book_ticker_row, depth_body, exchange_info, trade_row

_HOUR_MS = 3_600_000
_DEPTH_WEIGHTS = {
    SPOT: ((100, 5), (500, 25), (1000, 50), (5000, 250)),
    "": ((50, 2), (100, 5), (500, 10), (1000, 20)),
}


def problem(status: int, code: int, message: str) -> ApiError:
    """An error in the venue's form; the code is negative."""
    return ApiError(status, {"code": code, "msg": message})


class Params:
    """The parameters of a request, read with the venue's complaints.

    Args:
        request: query and form body are taken together, as the venue does.
    """

    def __init__(self, request: Request) -> None:
        self._values = request.params

    def has(self, *names: str) -> bool:
        """Whether any of them was sent."""
        return any(name in self._values for name in names)

    def text(self, name: str) -> str:
        """A mandatory parameter."""
        value = self._values.get(name, "")
        if not value:
            raise problem(400, -1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")
        return value

    def number(self, name: str) -> int | None:
        """An optional whole number."""
        if name not in self._values:
            return None
        try:
            return int(self._values[name])
        except ValueError:
            raise problem(
                400, -1100, f"Illegal characters found in parameter '{name}'; legal range is '^[0-9]{{1,20}}$'."
            ) from None

    def limit(self, default: int = 500, largest: int = 1000) -> int:
        """The page size; a size beyond the documented one is an error here, so that no client relies on clamping."""
        value = self.number("limit")
        if value is None:
            return default
        if not 1 <= value <= largest:
            raise problem(400, -1130, "Data sent for parameter 'limit' is not valid.")
        return value


def tape_of(floor: Floor, params: Params) -> Tape:
    """The tape of the mandatory parameter `symbol`."""
    tape = floor.tapes.get(params.text("symbol"))
    if tape is None:
        raise problem(400, -1121, "Invalid symbol.")
    return tape


@attrs.frozen
class WeightToll:
    """Charges weight per calendar minute, and bans who does not listen."""

    floor: Floor
    limit: WeightLimit

    def pay(self, path: str, cost: int, route: Route | None, now: float) -> Headers | Reply:
        """Charge one request; 429, and then 418, when it is too much."""
        now_ms = self.floor.ms()
        verdict = self.limit.spend(cost, now_ms)
        used = (("X-MBX-USED-WEIGHT-1M", str(verdict.used)),)
        if verdict.status == 200:
            return used
        left = verdict.retry_after
        reply = too_much(self.floor, "418" if verdict.status == 418 else "429", left, verdict.banned_until)
        return attrs.evolve(reply, headers=used + reply.headers, breach=verdict.breach)


def too_much(floor: Floor, status: Limited, seconds: float, banned_until: int = 0) -> Reply:
    """The answer to who asks too much, or is banned, for so many seconds more."""
    streams = "Please use WebSocket Streams for live updates to avoid"
    if status == "418":
        until = banned_until or floor.ms() + math.ceil(seconds * 1000)
        text = f"Way too much request weight used; IP banned until {until}. {streams} bans."
    else:
        limit = floor.rules.weight_per_minute
        text = (
            f"Too much request weight used; current limit is {limit} request weight per 1 MINUTE. "
            f"{streams} polling the API."
        )
    body = encode_json({"code": -1003, "msg": text})
    return Reply(int(status), body, (("Retry-After", str(math.ceil(seconds))),))


def unknown_path(_request: Request) -> Reply:
    """The answer to a path that does not exist."""
    return Reply(404, b'{"error":"Not Found"}')


def unknown_status() -> Reply:
    """The answer that leaves open whether the request was done."""
    text = "Timeout waiting for response from backend server. Send status unknown; execution status unknown."
    return Reply(503, encode_json({"code": -1007, "msg": text}))


class MarketDesk:
    """The endpoints that need no key.

    Args:
        floor: of the venue.
        toll: what requests cost; None: weight, as the rules say.
    """

    def __init__(self, floor: Floor, toll: Toll | None = None) -> None:
        self._floor = floor
        self._spot = spot = floor.venue == SPOT
        root = {SPOT: "/api/v3", COINM: "/dapi/v1"}.get(floor.venue, "/fapi/v1")
        self.desk = Desk(
            toll or WeightToll(floor, WeightLimit(floor.rules)),
            unknown_path,
            {
                ("GET", f"{root}/ping"): Route(1, lambda _: {}),
                ("GET", f"{root}/time"): Route(1, lambda _: {"serverTime": floor.ms()}),
                ("GET", f"{root}/exchangeInfo"): Route(20 if spot else 1, self._exchange_info),
                ("GET", f"{root}/aggTrades"): Route(4 if spot else 20, self._agg_trades),
                ("GET", f"{root}/depth"): Route(self._depth_weight, self._depth),
                ("GET", f"{root}/ticker/bookTicker"): Route(2, self._book_ticker),
            },
        )
        if spot:
            self.desk.routes["GET", f"{root}/trades"] = Route(25, self._newest_trades)
            self.desk.routes["GET", f"{root}/historicalTrades"] = Route(25, self._historical_trades)

    def _exchange_info(self, request: Request) -> Any:
        floor, params = self._floor, Params(request)
        tapes = [tape_of(floor, params)] if self._spot and params.has("symbol") else floor.tapes.values()
        symbols = {tape.symbol: (tape.price_decimals, tape.quantity_decimals) for tape in tapes}
        return exchange_info(floor.venue, symbols, floor.rules.weight_per_minute or 0, floor.ms())

    def _newest_trades(self, request: Request) -> Any:
        params = Params(request)
        tape = tape_of(self._floor, params)
        return [trade_row(trade) for trade in page_by_id(tape.trades, None, params.limit())]

    def _historical_trades(self, request: Request) -> Any:
        params = Params(request)
        tape = tape_of(self._floor, params)
        return [trade_row(trade) for trade in page_by_id(tape.trades, params.number("fromId"), params.limit())]

    def _agg_trades(self, request: Request) -> Any:
        params = Params(request)
        tape, limit = tape_of(self._floor, params), params.limit()
        from_id, start, end = (params.number(name) for name in ("fromId", "startTime", "endTime"))
        if from_id is not None and (start is not None or end is not None):
            raise problem(400, -1128, "Combination of optional parameters invalid.")
        if start is not None and end is not None and not self._spot and end - start > _HOUR_MS:
            raise problem(400, -1127, "More than 1 hours between startTime and endTime.")
        if start is not None or end is not None:
            page = page_by_time(tape.aggregates, start, end, limit)
        else:
            page = page_by_id(tape.aggregates, self._not_before(tape, from_id), limit)
        return [agg_trade_row(self._floor.venue, trade) for trade in page]

    def _not_before(self, tape: Tape, from_id: int | None) -> int | None:
        """The id to page from, moved up to the oldest trade that the venue still gives out."""
        age = self._floor.rules.agg_trade_history
        if from_id is None or age is None:
            return from_id
        log = tape.aggregates
        index = bisect_left(log, self._floor.clock.now() - age, key=lambda trade: trade.at)
        return max(from_id, int(log[index].id) if index < len(log) else int(log[-1].id) + 1 if log else 0)

    def _depth_weight(self, request: Request) -> int:
        weights = _DEPTH_WEIGHTS[SPOT if self._spot else ""]
        try:
            limit = int(request.params.get("limit", "100" if self._spot else "500"))
        except ValueError:
            limit = 0
        return next((weight for largest, weight in weights if limit <= largest), weights[-1][1])

    def _depth(self, request: Request) -> Any:
        params = Params(request)
        tape = tape_of(self._floor, params)
        limit = params.limit(100, 5000) if self._spot else params.limit(500, 1000)
        return depth_body(self._floor.venue, tape.book.state(), limit, self._floor.ms())

    def _book_ticker(self, request: Request) -> Any:
        tape = tape_of(self._floor, Params(request))
        return book_ticker_row(self._floor.venue, tape.symbol, tape.book.state(), self._floor.ms())
