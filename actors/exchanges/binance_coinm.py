"""Binance COIN-M futures: addresses, public aggregate trades, quotes and books; `CoinmAccount` is in a file of its own.

All of it is what USD-M has, below other addresses: streams are not split into roots, quantities are numbers of contracts,
symbols are those of contracts (``BTCUSD_PERP``, ``BTCUSD_261225``).

Sources: developers.binance.com, COIN-M pages and the notice of integration of 2026-06-10; binance-connector-python,
2026-08-21. Since 2026-06-30 both products count against one allowance of weight.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Final

import attrs
import msgspec

from .._records import Quote, Trade
from .._source import Decoded, Frame
from ._binance_coinm_account import VENUE, CoinmAccount
from ._binance_market import AggTrade, ascending, channel_reader, stamped, top_of_book
from ._decode import rows_of
from .binance_usdm import KNOWN, DepthMessage, QuoteMessage, UsdmBooks, UsdmQuotes, UsdmTrades, depths

__all__ = [
    "REST",
    "TESTNET_REST",
    "TESTNET_WS",
    "VENUE",
    "WS",
    "CoinmAccount",
    "CoinmAggTrade",
    "CoinmBooks",
    "CoinmQuotes",
    "CoinmTrades",
]

WS: Final = "wss://dstream.binance.com"
REST: Final = "https://dapi.binance.com"
TESTNET_WS: Final = "wss://dstream.binancefuture.com"
TESTNET_REST: Final = "https://testnet.binancefuture.com"


class CoinmAggTrade(AggTrade, frozen=True, gc=False):
    """One aggregate trade: the fills at one price and taker side within 100 ms. See `actors.Trade`."""

    venue: ClassVar[str] = VENUE


class _AggMessage(msgspec.Struct, frozen=True, gc=False):
    data: CoinmAggTrade


_agg_rows = msgspec.json.Decoder(list[CoinmAggTrade])


def _trades(messages: list[_AggMessage], received: int) -> list[Any]:
    return stamped([message.data for message in messages], received)


def _quotes(messages: list[QuoteMessage], received: int) -> list[Any]:
    return [message.data.quote(VENUE, received) for message in messages]


_trade_reader: Final = channel_reader(_AggMessage, _trades, suffix="@aggTrade", known=KNOWN)
_quote_reader: Final = channel_reader(QuoteMessage, _quotes, suffix="@bookTicker", known=KNOWN)
_depth_reader: Final = channel_reader(DepthMessage, depths, suffix="@depth@100ms", known=KNOWN)

_PATH: Final = "/stream"
_ROOT: Final = "/dapi/v1"


@attrs.frozen
class CoinmTrades(UsdmTrades):
    """Aggregate trades: a `actors._source.TradeSource`."""

    venue: ClassVar[str] = VENUE
    path: ClassVar[str] = _PATH
    root: ClassVar[str] = _ROOT

    def decode_many(self, frames: Sequence[Frame], received: int) -> Decoded:
        """Read a batch of frames."""
        return _trade_reader.read(frames, received)

    def rows(self, symbol: str, body: bytes, received: int) -> list[Trade]:
        """Read the answer to any of these requests, in ascending order.

        Raises:
            BadFrame: It is not what it must be.
        """
        trades = rows_of(_agg_rows, body, "aggTrades")
        return ascending(trades, symbol, received)


@attrs.frozen
class CoinmQuotes(UsdmQuotes):
    """Best bid and ask, each change: a `actors._source.QuoteSource`."""

    venue: ClassVar[str] = VENUE
    path: ClassVar[str] = _PATH
    root: ClassVar[str] = _ROOT

    def decode_many(self, frames: Sequence[Frame], received: int) -> Decoded:
        """Read a batch of frames."""
        return _quote_reader.read(frames, received)

    def newest(self, symbol: str, body: bytes, received: int) -> Quote:
        """Read the answer."""
        return top_of_book(VENUE, symbol, body, received)


@attrs.frozen
class CoinmBooks(UsdmBooks):
    """Order books, changes every 100 ms: a `actors._source.BookSource`; see `UsdmBooks`."""

    venue: ClassVar[str] = VENUE
    path: ClassVar[str] = _PATH
    root: ClassVar[str] = _ROOT

    def decode_many(self, frames: Sequence[Frame], received: int) -> Decoded:
        """Read a batch of frames."""
        return _depth_reader.read(frames, received)
