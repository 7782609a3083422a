"""Gate's public REST. Pure: time is asked of the floor.

Sources: gateio/gateapi-python docs/SpotApi.md, 2025-07-31; the headers: the change log of 2025-02-10.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from typing import Any

from .._dialect import Floor
from .._market import Tape
from .._record import PublishedTrade
from .._rest import ApiError, Desk, Headers, Reply, Request, Route, encode_json
from .._toll import EndpointToll

_MONTH_MS = 30 * 86_400_000
_DEEPEST = 100_000
"""`limit * (page - 1)` may not go beyond it."""


def too_often(seconds: float, floor: Floor) -> Reply:
    """The answer to who asks too much."""
    limit = floor.rules.rest_requests or 0
    body = encode_json({"label": "TOO_MANY_REQUESTS", "message": "Request Rate limit Exceeded"})
    return Reply(429, body, _limits(floor, limit, 0, seconds))


def _limits(floor: Floor, limit: int, left: int, seconds: float) -> Headers:
    return (
        ("X-Gate-RateLimit-Requests-Remain", str(left)),
        ("X-Gate-RateLimit-Limit", str(limit)),
        ("X-Gate-RateLimit-Reset-Timestamp", str(math.ceil(floor.ms() / 1000 + seconds))),
    )


class GateDesk:
    """The endpoints that need no key; each has a limit of its own, by address.

    Args:
        floor: of the venue.
    """

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        rules = floor.rules
        body = encode_json({"label": "TOO_MANY_REQUESTS", "message": "Request Rate limit Exceeded"})
        toll = EndpointToll(
            lambda _: Reply(429, body),
            rules.rest_requests,
            rules.rest_within,
            shown=lambda limit, left, seconds: _limits(floor, limit, left, seconds),
        )
        self.desk = Desk(
            toll,
            lambda _: Reply(404, encode_json({"label": "NOT_FOUND", "message": "Request path not found"})),
            {
                ("GET", "/api/v4/spot/time"): Route(1, lambda _: {"server_time": floor.ms()}),
                ("GET", "/api/v4/spot/trades"): Route(1, self._trades),
                ("GET", "/api/v4/spot/order_book"): Route(1, self._order_book),
                ("GET", "/api/v4/spot/tickers"): Route(1, self._tickers),
                ("GET", "/api/v4/spot/currency_pairs"): Route(1, self._pairs),
            },
        )

    def _tape(self, request: Request) -> Tape:
        name = request.params.get("currency_pair", "")
        if not name:
            raise _error("MISSING_REQUIRED_PARAM", "Missing required parameter: currency_pair")
        tape = self._floor.tapes.get(name)
        if tape is None:
            raise _error("INVALID_CURRENCY_PAIR", f"Invalid currency pair {name}")
        return tape

    def _trades(self, request: Request) -> Any:
        """The newest first, whatever is asked for: of a range of times too the newest ones are on the first page."""
        tape, params = self._tape(request), request.params
        limit = _number(request, "limit", 100, 1000)
        page = _number(request, "page", 1)
        if page < 1 or limit * (page - 1) > _DEEPEST:
            raise _error("INVALID_PARAM_VALUE", "page is out of range")
        log = tape.trades
        low = bisect_left(log, self._floor.ms() - _MONTH_MS, key=_time_of)
        high = len(log)
        if "last_id" in params:
            # It ignores the range of times; without `reverse` it asks for what came after that id.
            last = _number(request, "last_id", 0)
            if params.get("reverse") == "true":
                high = bisect_left(log, last, key=_id_of)
            else:
                low = max(low, bisect_right(log, last, key=_id_of))
        else:
            if "from" in params:
                low = max(low, bisect_left(log, _number(request, "from", 0) * 1000, key=_time_of))
            if "to" in params:
                high = bisect_left(log, (_number(request, "to", 0) + 1) * 1000, key=_time_of)
        high -= limit * (page - 1)
        found = log[max(low, high - limit) : high] if high > low else []
        return [_row(tape.symbol, trade) for trade in reversed(found)]

    def _order_book(self, request: Request) -> Any:
        tape = self._tape(request)
        limit = _number(request, "limit", 10, 100)
        state, now = tape.book.state(), self._floor.ms()
        head = {"id": state.last} if request.params.get("with_id") == "true" else {}
        return head | {"current": now, "update": now, "asks": state.asks[:limit], "bids": state.bids[:limit]}

    def _tickers(self, request: Request) -> Any:
        tapes = [self._tape(request)] if "currency_pair" in request.params else self._floor.tapes.values()
        rows = []
        for tape in tapes:
            quote = tape.book.quote
            row = {"currency_pair": tape.symbol, "last": tape.price}
            row |= {"lowest_ask": quote.ask, "lowest_size": quote.ask_quantity}
            rows.append(row | {"highest_bid": quote.bid, "highest_size": quote.bid_quantity})
        return rows

    def _pairs(self, _request: Request) -> Any:
        rows = []
        for name, tape in self._floor.tapes.items():
            base, _, quote = name.partition("_")
            row = {"id": name, "base": base, "quote": quote, "trade_status": "tradable"}
            rows.append(row | {"precision": tape.price_decimals, "amount_precision": tape.quantity_decimals})
        return rows


def _time_of(trade: PublishedTrade) -> int:
    return trade.time


def _id_of(trade: PublishedTrade) -> int:
    return int(trade.id)


def _error(label: str, message: str) -> ApiError:
    return ApiError(400, {"label": label, "message": message})


def _number(request: Request, name: str, default: int, largest: int | None = None) -> int:
    """A number; one beyond the documented limit is an error here, so that no client relies on clamping."""
    text = request.params.get(name, str(default))
    if not text.isdigit() or (largest is not None and not 1 <= int(text) <= largest):
        raise _error("INVALID_PARAM_VALUE", f"invalid {name}")
    return int(text)


def _row(symbol: str, trade: PublishedTrade) -> dict[str, Any]:
    return {
        "id": str(trade.id),
        "create_time": str(trade.time // 1000),
        "create_time_ms": f"{trade.time}.000000",
        "currency_pair": symbol,
        "side": trade.side,
        "amount": trade.quantity,
        "price": trade.price,
        "sequence_id": str(trade.seq),
        "range": f"{trade.id}-{trade.id}",
    }
