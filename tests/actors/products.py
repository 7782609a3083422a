"""The products that runs of several venues are about."""

from __future__ import annotations

from typing import Final

import actors
from actors import Venue

PRODUCTS: Final[dict[str, tuple[Venue, str, bool]]] = {
    "binance": (actors.binance, "BTCUSDT", True),
    "binance-usdm": (actors.binance_usdm, "BTCUSDT", True),
    "bybit": (actors.bybit, "BTCUSDT", True),
    "bybit-linear": (actors.bybit_linear, "BTCUSDT", False),
    "okx": (actors.okx, "BTC-USDT", True),
    "kucoin": (actors.kucoin, "BTC-USDT", False),
    "gate": (actors.gate, "BTC_USDT", False),
}
"""By name: the product, its symbol, and whether the ids of its trades prove what is missing."""
