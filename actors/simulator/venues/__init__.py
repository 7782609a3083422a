"""One file a venue: how it speaks, and how it numbers its trades."""

from __future__ import annotations

from collections.abc import Mapping

from .._accounts import Account, ListenKeys
from .._dialect import Dialect, Floor
from .._market import Scheme
from .._rules import SPOT, USDM
from . import binance_spot, binance_usdm

SCHEMES: Mapping[str, Scheme] = {
    SPOT: binance_spot.SCHEME,
    USDM: binance_usdm.SCHEME,
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
        else binance_spot.BinanceSpot(floor)
        for venue, floor in floors.items()
    }
