"""Binance USD-M futures: addresses, public aggregate trades, quotes and books; `UsdmAccount` is in a file of its own.

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

from .._records import Quote, Trade
from .._source import BookRule, Channel, Decoded, Depth, Frame, HttpRequest, Limits, Missing
from . import _binance
from ._binance_market import (
    AggTrade,
    DepthUpdate,
    PublicStreams,
    Ticker,
    ascending,
    channel_reader,
    snapshot,
    stamped,
    top_of_book,
)
from ._binance_usdm_account import LIMITS, PAGE, VENUE, UsdmAccount
from ._decode import rows_of

__all__ = [
    "KNOWN",
    "LIMITS",
    "PAGE",
    "REST",
    "TESTNET_REST",
    "TESTNET_WS",
    "VENUE",
    "WS",
    "BookTicker",
    "DepthMessage",
    "QuoteMessage",
    "UsdmAccount",
    "UsdmAggTrade",
    "UsdmBooks",
    "UsdmQuotes",
    "UsdmTrades",
    "depths",
]

WS: Final = "wss://fstream.binance.com"
REST: Final = "https://fapi.binance.com"
TESTNET_WS: Final = "wss://fstream.binancefuture.com"
TESTNET_REST: Final = "https://testnet.binancefuture.com"

KNOWN: Final = frozenset(
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


class BookTicker(Ticker, frozen=True, gc=False, tag_field="e", tag="bookTicker"):
    """Best bid and ask."""


class QuoteMessage(msgspec.Struct, frozen=True, gc=False):
    """One frame of quotes."""

    data: BookTicker


class DepthMessage(msgspec.Struct, frozen=True, gc=False):
    """One frame of a book."""

    data: DepthUpdate


_agg_rows = msgspec.json.Decoder(list[UsdmAggTrade])


def _trades(messages: list[_AggMessage], received: int) -> list[Any]:
    return stamped([message.data for message in messages], received)


def _quotes(messages: list[QuoteMessage], received: int) -> list[Any]:
    return [message.data.quote(VENUE, received) for message in messages]


def depths(messages: list[DepthMessage], received: int) -> list[Any]:
    """Return what messages of the book say.

    Raises:
        ValueError: One does not tell its predecessor.
    """
    made = [message.data.depth() for message in messages]
    if any(depth.previous is None for depth in made):
        raise ValueError("a depth update without the number of the one before")
    return made


_DEPTH_WEIGHT: Final = {5: 2, 50: 2, 100: 5, 500: 10, 1000: 20}

_trade_reader: Final = channel_reader(_AggMessage, _trades, suffix="@aggTrade", known=KNOWN)
_quote_reader: Final = channel_reader(QuoteMessage, _quotes, suffix="@bookTicker", known=KNOWN)
_depth_reader: Final = channel_reader(DepthMessage, depths, suffix="@depth@100ms", known=KNOWN)


@attrs.frozen
class _Usdm(PublicStreams):
    venue: ClassVar[str] = VENUE
    limits: ClassVar[Limits] = LIMITS
    root: ClassVar[str] = "/fapi/v1"
    """Of the paths of REST."""

    def _depth_request(self, symbol: str, limit: int) -> HttpRequest:
        query = _binance.query({"symbol": symbol, "limit": limit})
        return HttpRequest("GET", f"{self.root}/depth", query, weight=_DEPTH_WEIGHT[limit])


@attrs.frozen
class UsdmTrades(_Usdm):
    """Aggregate trades: a `actors._source.TradeSource`."""

    channel: ClassVar[Channel] = "trades"
    # Only under /market; elsewhere it is acknowledged and stays silent.
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
        return _trade_reader.read(frames, received)

    def newest_request(self, symbol: str) -> HttpRequest:
        """Return the request for the newest aggregate trade."""
        return self._request(symbol, limit=1)

    def fill_request(self, symbol: str, missing: Missing) -> HttpRequest:
        """Return the request for aggregate trades from an id on. The venue keeps 48 h; times must not be combined."""
        return self._request(symbol, fromId=missing.first, limit=min(missing.count, PAGE))

    def recent_request(self, symbol: str, since: int | None) -> HttpRequest:
        """Return the request for the newest aggregate trades, or for those from a time on."""
        if since is not None:
            return self._request(symbol, startTime=since, limit=PAGE)
        return self._request(symbol, limit=PAGE)

    def _request(self, symbol: str, **parameters: int) -> HttpRequest:
        query = _binance.query({"symbol": symbol, **parameters})
        return HttpRequest("GET", f"{self.root}/aggTrades", query, weight=20)

    def rows(self, symbol: str, body: bytes, received: int) -> list[Trade]:
        """Read the answer to any of these requests, in ascending order.

        Raises:
            BadFrame: It is not what it must be.
        """
        trades = rows_of(_agg_rows, body, "aggTrades")
        return ascending(trades, symbol, received)


@attrs.frozen
class UsdmQuotes(_Usdm):
    """Best bid and ask, each change: a `actors._source.QuoteSource`."""

    channel: ClassVar[Channel] = "quotes"
    # Only under /public.
    path: ClassVar[str] = "/public/stream"

    @property
    def suffix(self) -> str:
        """``@bookTicker``."""
        return "@bookTicker"

    def decode_many(self, frames: Sequence[Frame], received: int) -> Decoded:
        """Read a batch of frames."""
        return _quote_reader.read(frames, received)

    def newest_request(self, symbol: str) -> HttpRequest:
        """Return the request for the top of the book, which has a number; five levels are the least."""
        return self._depth_request(symbol, 5)

    def newest(self, symbol: str, body: bytes, received: int) -> Quote:
        """Read the answer."""
        return top_of_book(VENUE, symbol, body, received)


@attrs.frozen
class UsdmBooks(_Usdm):
    """Order books, changes every 100 ms: a `actors._source.BookSource`.

    Attributes:
        levels: Of a side in the snapshot: 50, 100, 500 or 1000, for the weight 2, 5, 10 or 20 of 2400 a minute. What
            lies deeper than the snapshot is unknown until it changes.
    """

    levels: int = attrs.field(default=1000, validator=attrs.validators.in_((50, 100, 500, 1000)))

    channel: ClassVar[Channel] = "book"
    # Only under /public.
    path: ClassVar[str] = "/public/stream"
    rule: ClassVar[BookRule] = BookRule("rest", "previous", 0)

    @property
    def suffix(self) -> str:
        """``@depth@100ms``."""
        return "@depth@100ms"

    def decode_many(self, frames: Sequence[Frame], received: int) -> Decoded:
        """Read a batch of frames."""
        return _depth_reader.read(frames, received)

    def snapshot_request(self, symbol: str) -> HttpRequest:
        """Return the request for the base of the book."""
        return self._depth_request(symbol, self.levels)

    def snapshot(self, symbol: str, body: bytes) -> Depth:
        """Read the answer."""
        return snapshot(symbol, body)
