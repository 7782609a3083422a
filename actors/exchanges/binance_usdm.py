"""Binance USD-M futures: addresses and public aggregate trades; `UsdmAccount` is in a file of its own.

Sources: developers.binance.com, USD-M pages of 2026-05-28; the notice of 2026-03-06 on the split of stream addresses into
/public, /market and /private; binance-connector-python, 2026-08-21.

Only aggregate trades are offered: their ids are consecutive, while those of raw trades have holes by nature
(insurance-fund trades are not published).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Final

import attrs
import msgspec

from .._continuity import Missing
from .._errors import BadFrame
from .._records import Trade
from .._source import Channel, Control, Decoded, Frame, HttpRequest, Limits, RestLimit
from . import _binance
from ._binance_market import AggTrade, PublicStreams, ascending, stamped
from ._binance_usdm_account import PAGE, VENUE, UsdmAccount
from ._decode import reader, rows_of

__all__ = [
    "LIMITS",
    "PAGE",
    "REST",
    "TESTNET_REST",
    "TESTNET_WS",
    "VENUE",
    "WS",
    "UsdmAccount",
    "UsdmAggTrade",
    "UsdmTrades",
]

WS: Final = "wss://fstream.binance.com"
REST: Final = "https://fapi.binance.com"
TESTNET_WS: Final = "wss://fstream.binancefuture.com"
TESTNET_REST: Final = "https://testnet.binancefuture.com"

LIMITS: Final = Limits(
    attempts=_binance.ATTEMPTS,
    attempts_within=_binance.ATTEMPTS_WITHIN,
    messages=10,
    messages_within=1.0,
    symbols=_binance.STREAMS,
    lifetime=_binance.LIFETIME,
    rest=RestLimit(2400, 60.0, used_header="x-mbx-used-weight-1m"),
)
"""USD-M "Connect" page. For attempts nothing is stated: those of spot are used."""

_KNOWN: Final = frozenset(
    {
        "24hrMiniTicker",
        "24hrTicker",
        "aggTrade",
        "bookTicker",
        "depthUpdate",
        "forceOrder",
        "kline",
        "markPriceUpdate",
    }
)


class UsdmAggTrade(AggTrade, frozen=True, gc=False):
    """One aggregate trade: the fills at one price and taker side within 100 ms. See `actors.Trade`."""

    venue: ClassVar[str] = VENUE


class _AggMessage(msgspec.Struct, frozen=True, gc=False):
    data: UsdmAggTrade


_agg_rows = msgspec.json.Decoder(list[UsdmAggTrade])


def _trades(messages: list[_AggMessage], received: int) -> list[Any]:
    return stamped([message.data for message in messages], received)


def _no_trade(frame: Frame) -> Control:
    return _binance.control(frame, known=_KNOWN, data=frozenset({"aggTrade"}), show=True)


_reader = reader(_AggMessage, _trades, _no_trade)


@attrs.frozen
class UsdmTrades(PublicStreams):
    """Aggregate trades: a `actors._source.TradeSource`."""

    venue: ClassVar[str] = VENUE
    channel: ClassVar[Channel] = "trades"
    limits: ClassVar[Limits] = LIMITS
    # aggTrade flows under /market and nowhere else; elsewhere it is acknowledged and stays silent.
    path: ClassVar[str] = "/market/stream"
    dense: ClassVar[bool] = True
    page: ClassVar[int] = PAGE
    lists_only: ClassVar[bool] = False

    @property
    def suffix(self) -> str:
        """``@aggTrade``."""
        return "@aggTrade"

    def decode_many(self, frames: Sequence[Frame], received: int) -> Decoded:
        """Read a batch of frames."""
        return _reader.read(frames, received)

    def newest_request(self, symbol: str) -> HttpRequest:
        """Return the request for the newest aggregate trade."""
        return _request(symbol, limit=1)

    def fill_request(self, symbol: str, missing: Missing) -> HttpRequest:
        """Return the request for aggregate trades from an id on. The venue keeps 48 h; times must not be combined."""
        return _request(symbol, fromId=missing.first, limit=min(missing.count, PAGE))

    def recent_request(self, symbol: str, since: int | None) -> HttpRequest:
        """Return the request for the newest aggregate trades, or for those from a time on."""
        if since is not None:
            return _request(symbol, startTime=since, limit=PAGE)
        return _request(symbol, limit=PAGE)

    def rows(self, symbol: str, body: bytes, received: int) -> list[Trade]:
        """Read the answer to any of these requests, in ascending order.

        Raises:
            BadFrame: It is not what it must be.
        """
        try:
            return ascending(rows_of(_agg_rows, body, "aggTrades"), symbol, received)
        except ValueError as error:
            raise BadFrame(str(error), body) from None


def _request(symbol: str, **parameters: int) -> HttpRequest:
    return HttpRequest("GET", "/fapi/v1/aggTrades", _binance.query({"symbol": symbol, **parameters}), weight=20)
