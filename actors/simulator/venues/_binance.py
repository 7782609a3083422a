"""What spot and USD-M of Binance share: how market events are told. Pure.

Sources: binance-spot-api-docs web-socket-streams.md, 2026-07-21; binance-connector-python tests for USD-M, 2026-08-21.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from .._book import BookChange
from .._dialect import Floor, Telling
from .._market import Printed, Tape
from .._record import PublishedTrade
from .._rules import SPOT
from ._binance_messages import agg_trade_event, book_ticker_event, depth_event, trade_event


def _trade(floor: Floor, symbol: str, trade: PublishedTrade) -> bytes:
    return trade_event(symbol, trade, floor.ms())


class BinanceMarket:
    """Tells what happens in the markets of one Binance venue.

    Args:
        floor: of the venue.
    """

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._kinds = ["aggTrade", "bookTicker", "depth", "depth@100ms", *(["trade"] if floor.venue == SPOT else [])]

    def knows(self, stream: str) -> bool:
        """Whether live data can come on a stream."""
        symbol, _, kind = stream.partition("@")
        return symbol == symbol.lower() and symbol.upper() in self._floor.tapes and kind in self._kinds

    def traded(self, tape: Tape, printed: Printed) -> Iterator[Telling]:
        """`trade` (spot) and `aggTrade`."""
        floor, symbol, name = self._floor, tape.symbol, tape.symbol.lower()
        if floor.venue == SPOT:
            for trade in printed.raw:
                yield f"{name}@trade", partial(_trade, floor, symbol, trade)
        yield f"{name}@aggTrade", lambda: agg_trade_event(floor.venue, symbol, printed.aggregate, floor.ms())

    def changed(self, tape: Tape, change: BookChange) -> Iterator[Telling]:
        """`depth` (at either speed: here each change is told by itself) and `bookTicker`."""
        floor, symbol, name, quote = self._floor, tape.symbol, tape.symbol.lower(), change.quote
        for speed in ("", "@100ms"):
            yield f"{name}@depth{speed}", lambda: depth_event(floor.venue, symbol, change, floor.ms())
        if quote is not None:
            yield f"{name}@bookTicker", lambda: book_ticker_event(floor.venue, symbol, quote, floor.ms())
