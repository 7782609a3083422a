"""Binance spot: `/ws` and `/stream`, trades, aggregate trades, best bid and ask, order book, public REST.

Sources: binance-spot-api-docs web-socket-streams.md and rest-api.md, 2026-07-21. User data is not here: since
2026-02-20 it belongs to the WebSocket API.
"""

from __future__ import annotations

from collections.abc import Iterable

from .._book import BookChange
from .._dialect import Floor, Telling
from .._market import Printed, Scheme, Tape
from .._rest import Limited, Reply, Request
from ._binance import BinanceMarket
from ._binance_rest import MarketDesk, too_much
from ._binance_session import BinanceSession

SCHEME = Scheme(aggregates="own", book_base=400_000_000, quantity_decimals=5)


class BinanceSpot:
    """The dialect.

    Args:
        floor: of the venue.
    """

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._market = BinanceMarket(floor)
        self._desk = MarketDesk(floor).desk

    def open(self, target: str, now: float) -> BinanceSession:
        """A connection; it gets nothing but what it subscribes to."""
        return BinanceSession(self._floor, target, self._market.knows)

    def traded(self, tape: Tape, printed: Printed) -> Iterable[Telling]:
        """Tell of a taker order."""
        return self._market.traded(tape, printed)

    def changed(self, tape: Tape, change: BookChange) -> Iterable[Telling]:
        """Tell of a change of the book."""
        return self._market.changed(tape, change)

    def answer(self, request: Request, now: float) -> Reply:
        """Answer one REST request."""
        return self._desk.answer(request, now)

    def limited(self, status: Limited, seconds: float) -> Reply:
        """The answer while a limit is in force."""
        return too_much(self._floor, status, seconds)
