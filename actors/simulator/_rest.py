"""The REST side of one venue: routing, weights, error bodies and public market data. Pure: time is an argument.

Sources: binance-spot-api-docs rest-api.md and errors.md, 2026-07-21; binance-connector-python docstrings for USD-M,
2026-08-21.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

import attrs

from ._limits import WeightLimit
from ._market import Tape, page_by_id, page_by_time
from ._messages import agg_trade_row, encode_json, exchange_info, trade_row
from ._rules import SPOT, Rules

_HOUR_MS = 3_600_000


@attrs.frozen
class Request:
    """One HTTP request, its body read."""

    method: str
    path: str
    query: str
    """As sent: signatures are over these very characters."""
    headers: Mapping[str, str]
    """Names in lower case."""
    body: str = ""


@attrs.frozen
class Reply:
    """One HTTP answer with a JSON body, and the limit that the request broke, if any."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()
    breach: str = ""


class ApiError(Exception):
    """An error of the venue's own kind.

    Args:
        status: of the HTTP answer.
        code: the venue's, negative.
        message: in the venue's words.
    """

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code

    def body(self) -> bytes:
        """The documented error body."""
        return encode_json({"code": self.code, "msg": str(self)})


class Params:
    """The parameters of a request, read with the venue's complaints.

    Args:
        request: query and form body are taken together, as the venue does.
    """

    def __init__(self, request: Request) -> None:
        joined = "&".join(part for part in (request.query, request.body) if part)
        self._values = dict(parse_qsl(joined, keep_blank_values=True))

    def has(self, *names: str) -> bool:
        """Whether any of them was sent."""
        return any(name in self._values for name in names)

    def text(self, name: str) -> str:
        """A mandatory parameter."""
        value = self._values.get(name, "")
        if not value:
            raise ApiError(400, -1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")
        return value

    def number(self, name: str) -> int | None:
        """An optional whole number."""
        if name not in self._values:
            return None
        try:
            return int(self._values[name])
        except ValueError:
            raise ApiError(
                400, -1100, f"Illegal characters found in parameter '{name}'; legal range is '^[0-9]{{1,20}}$'."
            ) from None

    def limit(self, default: int = 500, largest: int = 1000) -> int:
        """The page size; a size beyond the documented one is an error here, so that no client relies on clamping."""
        value = self.number("limit")
        if value is None:
            return default
        if not 1 <= value <= largest:
            raise ApiError(400, -1130, "Data sent for parameter 'limit' is not valid.")
        return value


Handler = Callable[[Request, Params, float, int], Any]
"""Takes request, parameters, seconds on the exchange's clock, milliseconds since 1970; gives what the body says."""


@attrs.frozen
class Route:
    """One endpoint: what it costs and who answers."""

    weight: int | Callable[[Params], int]
    handler: Handler


class RestDesk:
    """Answers the requests of one venue.

    Args:
        venue: its name.
        rules: weights and bans.
        tapes: the venue's symbols; read live, symbols may be added.
    """

    def __init__(self, venue: str, rules: Rules, tapes: Mapping[str, Tape]) -> None:
        self.venue = venue
        self.rules = rules
        self._tapes = tapes
        self._limit = WeightLimit(rules)
        root = "/api/v3" if venue == SPOT else "/fapi/v1"
        self.routes: dict[tuple[str, str], Route] = {
            ("GET", f"{root}/ping"): Route(1, lambda *_: {}),
            ("GET", f"{root}/time"): Route(1, self._time),
            ("GET", f"{root}/exchangeInfo"): Route(20 if venue == SPOT else 1, self._exchange_info),
            ("GET", f"{root}/aggTrades"): Route(4 if venue == SPOT else 20, self._agg_trades),
        }
        if venue == SPOT:
            self.routes["GET", f"{root}/trades"] = Route(25, self._newest_trades)
            self.routes["GET", f"{root}/historicalTrades"] = Route(25, self._historical_trades)

    def handle(self, request: Request, now: float, now_ms: int) -> Reply:
        """Answer one request.

        Args:
            request: whole.
            now: seconds on the exchange's clock.
            now_ms: the same in milliseconds since 1970.
        """
        route = self.routes.get((request.method, request.path))
        params = Params(request)
        weight = 1 if route is None else route.weight if isinstance(route.weight, int) else route.weight(params)
        verdict = self._limit.spend(weight, now_ms)
        headers = [("X-MBX-USED-WEIGHT-1M", str(verdict.used))]
        if verdict.status != 200:
            headers.append(("Retry-After", str(verdict.retry_after)))
            error = self._limited(verdict.status, verdict.banned_until)
            return Reply(verdict.status, error.body(), tuple(headers), verdict.breach)
        if route is None:
            known = any(path == request.path for _, path in self.routes)
            status = 405 if known else 404
            return Reply(status, b'{"error":"Not Found"}' if status == 404 else b"{}", tuple(headers))
        try:
            body = encode_json(route.handler(request, params, now, now_ms))
        except ApiError as exc:
            return Reply(exc.status, exc.body(), tuple(headers))
        return Reply(200, body, tuple(headers))

    def _limited(self, status: int, banned_until: int) -> ApiError:
        streams = "Please use WebSocket Streams for live updates to avoid"
        if status == 418:
            text = f"Way too much request weight used; IP banned until {banned_until}. {streams} bans."
            return ApiError(status, -1003, text)
        limit = self.rules.weight_per_minute
        text = (
            f"Too much request weight used; current limit is {limit} request weight per 1 MINUTE. "
            f"{streams} polling the API."
        )
        return ApiError(status, -1003, text)

    def tape(self, params: Params) -> Tape:
        """The tape of the mandatory parameter `symbol`."""
        tape = self._tapes.get(params.text("symbol"))
        if tape is None:
            raise ApiError(400, -1121, "Invalid symbol.")
        return tape

    def _time(self, _request: Request, _params: Params, _now: float, now_ms: int) -> Any:
        return {"serverTime": now_ms}

    def _exchange_info(self, _request: Request, params: Params, _now: float, now_ms: int) -> Any:
        tapes = [self.tape(params)] if self.venue == SPOT and params.has("symbol") else self._tapes.values()
        symbols = {tape.symbol: (tape.price_decimals, tape.quantity_decimals) for tape in tapes}
        return exchange_info(self.venue, symbols, self.rules.weight_per_minute, now_ms)

    def _newest_trades(self, _request: Request, params: Params, _now: float, _now_ms: int) -> Any:
        tape = self.tape(params)
        return [trade_row(trade) for trade in page_by_id(tape.trades, None, params.limit())]

    def _historical_trades(self, _request: Request, params: Params, _now: float, _now_ms: int) -> Any:
        tape = self.tape(params)
        return [trade_row(trade) for trade in page_by_id(tape.trades, params.number("fromId"), params.limit())]

    def _agg_trades(self, _request: Request, params: Params, now: float, _now_ms: int) -> Any:
        tape, limit = self.tape(params), params.limit()
        from_id, start, end = (params.number(name) for name in ("fromId", "startTime", "endTime"))
        if from_id is not None and (start is not None or end is not None):
            raise ApiError(400, -1128, "Combination of optional parameters invalid.")
        if start is not None and end is not None and self.venue != SPOT and end - start > _HOUR_MS:
            raise ApiError(400, -1127, "More than 1 hours between startTime and endTime.")
        if start is not None or end is not None:
            page = page_by_time(tape.aggregates, start, end, limit)
        else:
            page = page_by_id(tape.aggregates, self._not_before(tape, from_id, now), limit)
        return [agg_trade_row(self.venue, trade) for trade in page]

    def _not_before(self, tape: Tape, from_id: int | None, now: float) -> int | None:
        """The id to page from, moved up to the oldest trade that the venue still gives out."""
        age = self.rules.agg_trade_history
        if from_id is None or age is None:
            return from_id
        log = tape.aggregates
        index = bisect_left(log, now - age, key=lambda trade: trade.at)
        return max(from_id, log[index].id if index < len(log) else log[-1].id + 1 if log else 0)
