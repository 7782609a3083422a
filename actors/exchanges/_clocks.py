"""Where each venue tells the time, without a key.

Sources: binance-spot-api-docs rest-api.md, "Check server time"; USD-M and COIN-M "Check Server Time"; Bybit V5 "Get Bybit
Server Time"; OKX API guide v5, "Get system time"; KuCoin "Get Server Time"; Gate API v4, "Get server current time".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import attrs
import msgspec

from .._errors import BadFrame
from .._source import HttpRequest
from . import binance_coinm, binance_spot, binance_usdm, bybit, gate, kucoin, okx
from ._decode import UNREADABLE


@attrs.frozen
class VenueClock:
    """One venue's time over REST."""

    request: HttpRequest
    _field: Callable[[Any], Any]

    def read(self, body: bytes) -> int:
        """Return the venue's time from the answer, milliseconds since 1970.

        Raises:
            BadFrame: It is not what it must be.
        """
        try:
            return int(self._field(msgspec.json.decode(body)))
        except (*UNREADABLE, KeyError, IndexError, TypeError, ValueError):
            raise BadFrame("not a time", body) from None


_BYBIT: Final = VenueClock(HttpRequest("GET", "/v5/market/time"), lambda told: told["time"])

VENUE_CLOCKS: Final[Mapping[str, VenueClock]] = {
    binance_spot.VENUE: VenueClock(HttpRequest("GET", "/api/v3/time"), lambda told: told["serverTime"]),
    binance_usdm.VENUE: VenueClock(HttpRequest("GET", "/fapi/v1/time"), lambda told: told["serverTime"]),
    binance_coinm.VENUE: VenueClock(HttpRequest("GET", "/dapi/v1/time"), lambda told: told["serverTime"]),
    bybit.VENUE: _BYBIT,
    bybit.VENUE_LINEAR: _BYBIT,
    okx.VENUE: VenueClock(HttpRequest("GET", "/api/v5/public/time"), lambda told: told["data"][0]["ts"]),
    kucoin.VENUE: VenueClock(HttpRequest("GET", "/api/v1/timestamp", weight=3), lambda told: told["data"]),
    gate.VENUE: VenueClock(HttpRequest("GET", "/api/v4/spot/time"), lambda told: told["server_time"]),
}
"""By the venue's name in records."""
