"""OKX's public REST. Pure: time is asked of the floor.

Source: www.okx.com/docs-v5/en, about 2026-02, order book trading / market data; status codes 50011 and 51001.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from typing import Any

from .._book import Level
from .._dialect import Floor
from .._market import Tape
from .._record import OrderStatus, PublishedTrade
from .._rest import ApiError, Desk, Reply, Request, Route, encode_json
from .._toll import EndpointToll

STATUS: dict[OrderStatus, str] = {
    "NEW": "live",
    "PARTIALLY_FILLED": "partially_filled",
    "FILLED": "filled",
    "CANCELED": "canceled",
    # There is no word of its own for what has run out.
    "EXPIRED": "canceled",
}
"""The venue's words for the states of an order."""
_MONTHS_MS = 90 * 86_400_000


def instrument_type(symbol: str) -> str:
    """What kind of instrument a name is."""
    parts = symbol.split("-")
    return "SPOT" if len(parts) < 3 else "SWAP" if parts[-1] == "SWAP" else "FUTURES"


def shown(levels: Iterable[Level]) -> list[tuple[str, str, str, str]]:
    """Levels with the two columns that OKX adds: a zero, and the number of orders."""
    return [(price, size, "0", "0" if size == "0" else "1") for price, size in levels]


def too_often(_seconds: float) -> Reply:
    """The answer to who asks too much; it does not say how long to wait."""
    return Reply(429, encode_json({"msg": "Too Many Requests", "code": "50011"}))


class OkxDesk:
    """The endpoints that need no key; each has a limit of its own, by address.

    Args:
        floor: of the venue.
    """

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self.desk = Desk(
            EndpointToll(too_often, 20, 2.0),
            lambda _: Reply(404, encode_json({"code": "404", "data": {}, "msg": "Not Found"})),
            {
                ("GET", "/api/v5/public/time"): Route(1, self._time, (10, 2.0)),
                ("GET", "/api/v5/public/instruments"): Route(1, self._instruments, (20, 2.0)),
                ("GET", "/api/v5/market/trades"): Route(1, self._newest, (100, 2.0)),
                ("GET", "/api/v5/market/history-trades"): Route(1, self._history, (20, 2.0)),
                ("GET", "/api/v5/market/books"): Route(1, self._books, (40, 2.0)),
                ("GET", "/api/v5/market/ticker"): Route(1, self._ticker, (20, 2.0)),
            },
        )

    def _tape(self, request: Request) -> Tape:
        name = request.params.get("instId", "")
        if not name:
            raise _error(400, "50014", "Parameter instId can not be empty.")
        tape = self._floor.tapes.get(name)
        if tape is None:
            raise _error(200, "51001", "Instrument ID, Instrument ID code, or Spread ID doesn't exist.")
        return tape

    def _time(self, _request: Request) -> Any:
        return _reply([{"ts": str(self._floor.ms())}])

    def _instruments(self, request: Request) -> Any:
        wanted = request.params.get("instId")
        rows = []
        for name, tape in self._floor.tapes.items():
            base, _, quote = name.partition("-")
            row = {"instType": "SPOT", "instId": name, "baseCcy": base, "quoteCcy": quote, "state": "live"}
            row |= {"tickSz": "0.01", "lotSz": f"1e-{tape.quantity_decimals}", "minSz": "0.00001"}
            if wanted in (None, name):
                rows.append(row)
        return _reply(rows)

    def _newest(self, request: Request) -> Any:
        tape = self._tape(request)
        limit = _number(request, "limit", 100, 500) or 100
        return _reply([_row(tape.symbol, trade) for trade in reversed(tape.trades[-limit:])])

    def _history(self, request: Request) -> Any:
        """Newest first. `after` asks for older ones, `before` for newer ones, but of those the latest page."""
        tape, params = self._tape(request), request.params
        limit = _number(request, "limit", 100, 100) or 100
        after, before = (_number(request, name, None) for name in ("after", "before"))
        if params.get("type", "1") == "2":
            low, high = _between(tape.trades, after, before, by_time=True)
        else:
            low, high = _between(tape.trades, after, before, by_time=False)
        oldest = bisect_left(tape.trades, self._floor.ms() - _MONTHS_MS, key=lambda trade: trade.time)
        page = tape.trades[max(low, oldest, high - limit) : high]
        return _reply([_row(tape.symbol, trade) for trade in reversed(page)])

    def _books(self, request: Request) -> Any:
        tape = self._tape(request)
        size = _number(request, "sz", 1, 400) or 1
        state = tape.book.state()
        book = {"asks": shown(state.asks[:size]), "bids": shown(state.bids[:size])}
        return _reply([book | {"ts": str(self._floor.ms()), "seqId": state.last}])

    def _ticker(self, request: Request) -> Any:
        tape = self._tape(request)
        quote = tape.book.quote
        row = {"instType": "SPOT", "instId": tape.symbol, "last": tape.price}
        row |= {"askPx": quote.ask, "askSz": quote.ask_quantity, "bidPx": quote.bid, "bidSz": quote.bid_quantity}
        return _reply([row | {"ts": str(self._floor.ms())}])


def _between(trades: Any, after: int | None, before: int | None, *, by_time: bool) -> tuple[int, int]:
    """The indexes between two ids, or two times in milliseconds, both exclusive."""

    def key(trade: PublishedTrade) -> int:
        return trade.time if by_time else int(trade.id)

    low = 0 if before is None else bisect_right(trades, before, key=key)
    high = len(trades) if after is None else bisect_left(trades, after, key=key)
    return low, high


def _reply(data: object) -> dict[str, Any]:
    return {"code": "0", "msg": "", "data": data}


def _error(status: int, code: str, message: str) -> ApiError:
    return ApiError(status, {"code": code, "msg": message, "data": []})


def _number(request: Request, name: str, default: int | None, largest: int | None = None) -> int | None:
    """A number; one beyond the documented limit is an error here, so that no client relies on clamping."""
    text = request.params.get(name)
    if text is None:
        return default
    if not text.isdigit() or (largest is not None and not 1 <= int(text) <= largest):
        raise _error(400, "51000", f"Parameter {name} error")
    return int(text)


def _row(symbol: str, trade: PublishedTrade) -> dict[str, Any]:
    return {
        "instId": symbol,
        "side": trade.side,
        "sz": trade.quantity,
        "source": "0",
        "px": trade.price,
        "tradeId": str(trade.id),
        "ts": str(trade.time),
    }
