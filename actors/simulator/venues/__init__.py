"""One file a venue: how it speaks, and how it numbers its trades."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from .._dialect import Dialect, Floor
from .._market import Scheme
from .._rules import BYBIT, BYBIT_LINEAR, COINM, GATE, KUCOIN, OKX, SPOT, USDM
from . import binance_coinm, binance_spot, binance_usdm, bybit, gate, kucoin, okx

SCHEMES: Mapping[str, Scheme] = {
    SPOT: binance_spot.SCHEME,
    USDM: binance_usdm.SCHEME,
    COINM: binance_coinm.SCHEME,
    BYBIT: bybit.SCHEME,
    BYBIT_LINEAR: bybit.LINEAR_SCHEME,
    OKX: okx.SCHEME,
    KUCOIN: kucoin.SCHEME,
    GATE: gate.SCHEME,
}

_DIALECTS: Mapping[str, Callable[[Floor], Dialect]] = {
    SPOT: binance_spot.BinanceSpot,
    USDM: binance_usdm.BinanceUsdm,
    COINM: binance_coinm.BinanceCoinm,
    BYBIT: bybit.Bybit,
    BYBIT_LINEAR: bybit.Bybit,
    OKX: okx.Okx,
    KUCOIN: kucoin.Kucoin,
    GATE: gate.Gate,
}


def dialects(floors: Mapping[str, Floor]) -> dict[str, Dialect]:
    """The languages of some venues.

    Args:
        floors: by venue.
    """
    return {venue: _DIALECTS[venue](floor) for venue, floor in floors.items()}
