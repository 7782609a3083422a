"""Bybit's public REST: errors come with HTTP 200. Pure: time is asked of the floor.

Source: Bybit v5 docs (docs/v5, 2026-07-24), market/recent-trade.mdx, market/orderbook.mdx, market/tickers.mdx,
rate-limit/rate-limit.mdx, error.mdx.
"""

from __future__ import annotations

from typing import Any

from .._dialect import Floor
from .._market import Tape, page_by_id
from .._rest import ApiError, Desk, Limited, Reply, Request, Route, encode_json
from .._rules import BYBIT
from .._toll import PoolToll


def too_often(status: Limited, floor: Floor) -> Reply:
    """The answer to who asks too much: 10006 in HTTP 200, or, for an address that is shut out, HTTP 403."""
    if status == "418":
        return Reply(403, b"access too frequent")
    body = {"retCode": 10006, "retMsg": "Too many visits!", "result": {}, "retExtInfo": {}, "time": floor.ms()}
    return Reply(200, encode_json(body))


class BybitDesk:
    """The endpoints that need no key.

    Args:
        floor: of the venue.
    """

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._spot = floor.venue == BYBIT
        self._category = "spot" if self._spot else "linear"
        rules = floor.rules
        toll = PoolToll(rules.rest_requests, rules.rest_within, lambda _: too_often("418", floor), ban=rules.ban)
        self.desk = Desk(
            toll,
            lambda _: Reply(404, b"<html><body>404 Not Found</body></html>"),
            {
                ("GET", "/v5/market/time"): Route(1, self._time),
                ("GET", "/v5/market/recent-trade"): Route(1, self._recent_trades),
                ("GET", "/v5/market/orderbook"): Route(1, self._order_book),
                ("GET", "/v5/market/tickers"): Route(1, self._tickers),
                ("GET", "/v5/market/instruments-info"): Route(1, self._instruments),
            },
        )

    def _reply(self, result: object) -> dict[str, Any]:
        return {"retCode": 0, "retMsg": "OK", "result": result, "retExtInfo": {}, "time": self._floor.ms()}

    def _error(self, code: int, message: str) -> ApiError:
        body = {"retCode": code, "retMsg": message, "result": {}, "retExtInfo": {}, "time": self._floor.ms()}
        return ApiError(200, body)

    def _tape(self, request: Request) -> Tape:
        params = request.params
        if params.get("category") != self._category:
            raise self._error(10001, "params error: Category is invalid")
        tape = self._floor.tapes.get(params.get("symbol", ""))
        if tape is None:
            raise self._error(10001, "params error: Symbol Invalid" if self._spot else "params error: symbol invalid")
        return tape

    def _limit(self, request: Request, default: int, largest: int) -> int:
        """The page size; a size beyond the documented one is an error here, so that no client relies on clamping."""
        try:
            limit = int(request.params.get("limit", default))
        except ValueError:
            limit = 0
        if not 1 <= limit <= largest:
            raise self._error(10001, "params error: Invalid limit")
        return limit

    def _time(self, _request: Request) -> Any:
        now = self._floor.ms()
        return self._reply({"timeSecond": str(now // 1000), "timeNano": f"{now}000000"})

    def _recent_trades(self, request: Request) -> Any:
        tape = self._tape(request)
        limit = self._limit(request, 60, 60) if self._spot else self._limit(request, 500, 1000)
        rows = [
            {
                "execId": str(trade.id),
                "symbol": tape.symbol,
                "price": trade.price,
                "size": trade.quantity,
                "side": trade.side.capitalize(),
                "time": str(trade.time),
                "isBlockTrade": False,
                "isRPITrade": False,
                "seq": str(trade.seq),
            }
            for trade in reversed(page_by_id(tape.trades, None, limit))
        ]
        return self._reply({"category": self._category, "list": rows})

    def _order_book(self, request: Request) -> Any:
        tape = self._tape(request)
        limit = self._limit(request, 1, 200) if self._spot else self._limit(request, 25, 500)
        state, now = tape.book.state(), self._floor.ms()
        return self._reply(
            {
                "s": tape.symbol,
                "a": state.asks[:limit],
                "b": state.bids[:limit],
                "ts": now,
                "u": 18_000_000 + state.count,
                "seq": state.last,
                "cts": now,
            }
        )

    def _tickers(self, request: Request) -> Any:
        tapes = [self._tape(request)] if "symbol" in request.params else self._floor.tapes.values()
        rows = [
            {
                "symbol": tape.symbol,
                "bid1Price": tape.book.quote.bid,
                "bid1Size": tape.book.quote.bid_quantity,
                "ask1Price": tape.book.quote.ask,
                "ask1Size": tape.book.quote.ask_quantity,
                "lastPrice": tape.price,
            }
            for tape in tapes
        ]
        return self._reply({"category": self._category, "list": rows})

    def _instruments(self, request: Request) -> Any:
        if request.params.get("category") != self._category:
            raise self._error(10001, "params error: Category is invalid")
        # Clients tell a perpetual from an option by its contract type and its settlement coin.
        contract: dict[str, Any] = {"contractType": "LinearPerpetual", "settleCoin": "USDT", "deliveryTime": "0"}
        rows = [
            {
                "symbol": name,
                "baseCoin": name.removesuffix("USDT"),
                "quoteCoin": "USDT",
                "status": "Trading",
                "priceFilter": {"tickSize": "0.01"},
            }
            | ({} if self._spot else contract)
            for name in self._floor.tapes
        ]
        return self._reply({"category": self._category, "list": rows, "nextPageCursor": ""})
