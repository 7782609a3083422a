"""One file a venue: how it speaks, and how it numbers its trades."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from .._accounts import Account, ListenKeys
from .._dialect import Dialect, Floor
from .._market import Scheme
from .._rules import BYBIT, BYBIT_LINEAR, GATE, KUCOIN, OKX, SPOT, USDM
from . import binance_spot, binance_usdm, bybit, gate, kucoin, okx

SCHEMES: Mapping[str, Scheme] = {
    SPOT: binance_spot.SCHEME,
    USDM: binance_usdm.SCHEME,
    BYBIT: bybit.SCHEME,
    BYBIT_LINEAR: bybit.LINEAR_SCHEME,
    OKX: okx.SCHEME,
    KUCOIN: kucoin.SCHEME,
    GATE: gate.SCHEME,
}

_WITHOUT_ACCOUNTS: Mapping[str, Callable[[Floor], Dialect]] = {
    SPOT: binance_spot.BinanceSpot,
    BYBIT: bybit.Bybit,
    BYBIT_LINEAR: bybit.Bybit,
    OKX: okx.Okx,
    KUCOIN: kucoin.Kucoin,
    GATE: gate.Gate,
}


def dialects(
    floors: Mapping[str, Floor], secrets: Mapping[str, str], accounts: Mapping[str, Account], keys: ListenKeys
) -> dict[str, Dialect]:
    """The languages of some venues.

    Args:
        floors: by venue.
        secrets: by API key, of the USD-M accounts.
        accounts: by API key.
        keys: the listen keys of USD-M.
    """
    return {
        venue: binance_usdm.BinanceUsdm(floor, secrets, accounts, keys)
        if venue == USDM
        else _WITHOUT_ACCOUNTS[venue](floor)
        for venue, floor in floors.items()
    }
