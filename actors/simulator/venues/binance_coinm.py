"""Binance COIN-M: what USD-M has, at addresses without roots; a listen key is the name of a stream, and brings all events.

Sources: developers.binance.com, COIN-M pages and the notice of integration of 2026-06-10.
"""

from __future__ import annotations

from .._market import Scheme
from .._record import Surface
from ._binance_account import COINM_REST, FuturesRest
from .binance_usdm import BinanceUsdm

SCHEME = Scheme(aggregates="own", only_aggregates=True, quantity_decimals=0, book_holes=True)
"""Quantities are numbers of contracts."""


class BinanceCoinm(BinanceUsdm):
    """The dialect.

    Args:
        floor: of the venue.
    """

    product: FuturesRest = COINM_REST

    def surface(self, target: str) -> Surface:
        """`/ws/<listenKey>` is private from the start; by SUBSCRIBE a connection becomes it."""
        name = target.partition("?")[0].removeprefix("/ws/")
        return "private" if name.isalnum() else "ws"
