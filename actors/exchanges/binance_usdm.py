"""Binance USD-M futures: addresses and public aggregate trades; `UsdmAccount` is in a file of its own.

Sources: developers.binance.com, USD-M pages of 2026-05-28; the notice of 2026-03-06 on the split of stream addresses into
/public, /market and /private; binance-connector-python, 2026-08-21.

Only aggregate trades are offered: their ids are consecutive, while those of raw trades have holes by nature
(insurance-fund trades are not published).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final

import attrs
import msgspec

from .._errors import BadFrame, HttpFailure
from .._records import Trade
from .._source import Control, Frame, HttpReply, HttpRequest, Listed
from . import _binance
from ._binance_usdm_account import PAGE, VENUE, UsdmAccount

__all__ = [
    "PAGE",
    "REST",
    "TESTNET_REST",
    "TESTNET_WS",
    "VENUE",
    "WS",
    "UsdmAccount",
    "UsdmAggTrade",
    "UsdmTrades",
    "decode",
]

WS: Final = "wss://fstream.binance.com"
REST: Final = "https://fapi.binance.com"
TESTNET_WS: Final = "wss://fstream.binancefuture.com"
TESTNET_REST: Final = "https://testnet.binancefuture.com"
_MARKET: Final = frozenset({"aggTrade"})
_MARKET_KNOWN: Final = frozenset(
    {"24hrMiniTicker", "24hrTicker", "bookTicker", "depthUpdate", "forceOrder", "kline", "markPriceUpdate"}
)


class UsdmAggTrade(_binance.AggTrade, frozen=True, gc=False):
    """One aggregate trade: the fills at one price and taker side within 100 ms. See `actors.Trade`."""

    venue: ClassVar[str] = VENUE


class _Combined(msgspec.Struct, frozen=True, gc=False):
    stream: str
    data: UsdmAggTrade


_combined = msgspec.json.Decoder(_Combined)
_raw = msgspec.json.Decoder(UsdmAggTrade)
_agg_rows = msgspec.json.Decoder(list[UsdmAggTrade])


def decode(frame: Frame) -> UsdmAggTrade | Control:
    """Read one frame of a market stream, in the raw or in the combined form.

    Raises:
        BadFrame: Not JSON, or an aggregate trade that is not one.
    """
    try:
        trade = _combined.decode(frame).data if _binance.is_combined(frame) else _raw.decode(frame)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _binance.control(frame, known=_MARKET_KNOWN, data=_MARKET, show=True)
    if not trade.symbol:
        return _binance.control(frame, known=_MARKET_KNOWN, data=_MARKET, show=True)
    return trade


@attrs.frozen
class UsdmTrades:
    """The aggregate trades of one symbol: a `actors._source.TradeSource`."""

    symbol: str = attrs.field(converter=_binance.symbol)
    venue: str = VENUE
    page: int = PAGE

    @property
    def stream(self) -> str:
        """The stream's name; symbols in it are lower case."""
        return f"{self.symbol.lower()}@aggTrade"

    def stream_path(self) -> str:
        """Return path and query of the combined stream. ``aggTrade`` flows under /market and nowhere else."""
        return f"/market/stream?streams={self.stream}"

    def list_request(self) -> str:
        """Return the frame that asks what is subscribed."""
        return _binance.list_request()

    def lists_us(self, listed: Listed) -> bool:
        """Say whether our stream is among those listed."""
        return self.stream in listed.streams

    def decode(self, frame: Frame) -> Trade | Control:
        """Read one frame; a trade of another symbol is as bad as garbage."""
        message = decode(frame)
        if isinstance(message, UsdmAggTrade) and message.symbol != self.symbol:
            raise BadFrame(f"not an aggTrade of {self.symbol}", frame)
        return message

    def stamp(self, trades: Sequence[Trade], received: int) -> None:
        """Write the local time into freshly decoded trades."""
        _binance.stamp(trades, received)

    def newest_request(self) -> HttpRequest:
        """Return the request for the newest aggregate trade: weight 20."""
        return HttpRequest("GET", "/fapi/v1/aggTrades", _binance.query({"symbol": self.symbol, "limit": 1}))

    def backfill_request(self, first_id: int, count: int) -> HttpRequest:
        """Return the request for aggregate trades from an id on. The venue keeps 48 h; times must not be combined."""
        query = _binance.query({"symbol": self.symbol, "fromId": first_id, "limit": min(count, PAGE)})
        return HttpRequest("GET", "/fapi/v1/aggTrades", query)

    def rows(self, body: bytes) -> list[Trade]:
        """Read the answer to either request."""
        return _binance.ascending(_binance.rows_of(_agg_rows, body, "aggTrades"), self.symbol)

    def failure(self, request: HttpRequest, reply: HttpReply) -> HttpFailure | None:
        """Return the error that the reply means, or None."""
        return _binance.failure(request, reply)
