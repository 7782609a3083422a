"""What each venue has to cancel the orders of who has fallen silent.

Sources: developers.binance.com, USD-M "Auto-Cancel All Open Orders", 2026-05-28; OKX API guide v5, "POST / Cancel All
After", February 2026; Kucoin/kucoin-universal-sdk, spec/rest (spot, "Set DCP"), 2025-11-04; Bybit v5 docs, order/dcp.mdx and
websocket/private/dcp.mdx, 2026-07-24. Gate.io's countdown, and COIN-M's, are not used here.
"""

from __future__ import annotations

from typing import Final

import msgspec

from .._account_source import Question
from .._cancel_rules import ConnectionRule, CountdownRule
from ._bybit import Category
from ._bybit_account import subscription

_encode = msgspec.json.Encoder().encode


def _usdm(seconds: int, symbols: tuple[str, ...]) -> list[Question]:
    return [
        Question(
            "POST",
            "/fapi/v1/countdownCancelAll",
            (("symbol", symbol), ("countdownTime", seconds * 1000)),
            weight=10,
        )
        for symbol in symbols
    ]


def _okx(seconds: int, symbols: tuple[str, ...]) -> list[Question]:
    # Allowed once a second, which is what this weight says.
    return [Question("POST", "/api/v5/trade/cancel-all-after", content=_encode({"timeOut": str(seconds)}), weight=40)]


def _kucoin(seconds: int, symbols: tuple[str, ...]) -> list[Question]:
    body: dict[str, int | str] = {"timeout": seconds or -1}
    if symbols:
        body["symbols"] = ",".join(symbols)
    return [Question("POST", "/api/v1/hf/orders/dead-cancel-all", content=_encode(body), weight=2)]


def _bybit(category: Category) -> ConnectionRule:
    product, topic = ("SPOT", "dcp.spot") if category == "spot" else ("DERIVATIVES", "dcp.future")
    return ConnectionRule(
        least=3,
        most=300,
        window=lambda seconds: Question(
            "POST",
            "/v5/order/disconnected-cancel-all",
            content=_encode({"product": product, "timeWindow": seconds}),
            weight=10,
        ),
        subscribe=subscription((topic,)),
        unsubscribe=subscription((topic,), "unsubscribe"),
        # Otherwise a connection whose client is stuck or cut off counts as alive for 10 minutes
        # (websocket/wss-authentication.mdx). The venue looks every 30 s.
        query="max_active_time=30s",
        ping_every=10.0,
    )


USDM: Final = CountdownRule(least=5, most=3600, questions=_usdm, named=True)
"""The venue states no bounds, and looks every 10 ms. One countdown for each symbol, weight 10."""
OKX: Final = CountdownRule(least=10, most=120, questions=_okx, whole=True)
"""All order-book instruments of the account."""
KUCOIN: Final = CountdownRule(least=5, most=86_400, questions=_kucoin)
"""At most 50 symbols, or all of the account."""
BYBIT: Final = _bybit("spot")
BYBIT_LINEAR: Final = _bybit("linear")
"""All orders of the product. Derivatives are one product: inverse contracts too."""
