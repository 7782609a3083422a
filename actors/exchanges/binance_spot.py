"""Binance spot: public trades, quotes and order books.

Source: binance-spot-api-docs web-socket-streams.md and rest-api.md, 2026-07-21. `t` of trades and `a` of aggregate trades are consecutive by symbol, and both can be fetched by id without a key, 1000 a
request: ``trade`` costs weight 25 a request, ``aggTrade`` 4, of 6000 a minute and address.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, ClassVar, Final, Literal, TypeAlias

import attrs
import msgspec

from .._records import Quote, Side, Trade
from .._source import BookRule, Channel, Decoded, Depth, Frame, HttpRequest, Limits, Missing, RestLimit
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
from ._decode import Moment, Reader, rows_of

VENUE: Final = "binance"
WS: Final = "wss://stream.binance.com:9443"
REST: Final = "https://api.binance.com"
TESTNET_WS: Final = "wss://stream.testnet.binance.vision"
TESTNET_REST: Final = "https://testnet.binance.vision"
PAGE: Final = 1000

LIMITS: Final = Limits(
    attempts=_binance.ATTEMPTS,
    attempts_within=_binance.ATTEMPTS_WITHIN,
    messages=5,
    messages_within=1.0,
    symbols=_binance.STREAMS,
    lifetime=_binance.LIFETIME,
    rest=RestLimit(6000, 60.0, used_header="x-mbx-used-weight-1m"),
)
"""web-socket-streams.md, "Limits": one message too many in any second, and the connection is closed."""

Kind: TypeAlias = Literal["trade", "aggTrade"]
KINDS: Final[tuple[Kind, ...]] = ("trade", "aggTrade")

_KNOWN: Final = frozenset(
    {
        "24hrMiniTicker",
        "24hrTicker",
        "aggTrade",
        "avgPrice",
        "blockTrade",
        "depthUpdate",
        "kline",
        "referencePrice",
        "trade",
    }
)


class SpotTrade(
    msgspec.Struct,
    frozen=True,
    gc=False,
    tag_field="e",
    tag="trade",
    rename={"id": "t", "price": "p", "quantity": "q", "time": "T", "buyer_is_maker": "m", "symbol": "s"},
):
    """One trade of the ``trade`` stream. See `actors.Trade`."""

    venue: ClassVar[str] = VENUE

    id: int
    price: Decimal
    quantity: Decimal
    time: Moment
    buyer_is_maker: bool
    symbol: str = ""
    received: int = 0

    @property
    def first_id(self) -> int:
        """The same as `id`."""
        return self.id

    @property
    def side(self) -> Side:
        """The taker's side."""
        return "sell" if self.buyer_is_maker else "buy"


SpotTrade.first_id = SpotTrade.id  # type: ignore[assignment,method-assign]
"""The same without a call, which would cost each trade as much as all other checks together."""


class SpotAggTrade(AggTrade, frozen=True, gc=False):
    """One trade of the ``aggTrade`` stream: the fills of one taker order at one price. See `actors.Trade`."""

    venue: ClassVar[str] = VENUE


class _TradeMessage(msgspec.Struct, frozen=True, gc=False):
    data: SpotTrade


class _AggMessage(msgspec.Struct, frozen=True, gc=False):
    data: SpotAggTrade


class _TradeRow(msgspec.Struct, frozen=True, gc=False, rename={"buyer_is_maker": "isBuyerMaker", "quantity": "qty"}):
    id: int
    price: Decimal
    quantity: Decimal
    time: Moment
    buyer_is_maker: bool


class _QuoteMessage(msgspec.Struct, frozen=True, gc=False):
    data: Ticker


class _DepthMessage(msgspec.Struct, frozen=True, gc=False):
    data: DepthUpdate


_trade_rows = msgspec.json.Decoder(list[_TradeRow])
_agg_rows = msgspec.json.Decoder(list[SpotAggTrade])


def _trades(messages: list[Any], received: int) -> list[Any]:
    return stamped([message.data for message in messages], received)


def _quotes(messages: list[_QuoteMessage], received: int) -> list[Any]:
    return [message.data.quote(VENUE, received) for message in messages]


def _depths(messages: list[_DepthMessage], received: int) -> list[Any]:
    return [message.data.depth() for message in messages]


_trade_readers: Final[dict[str, Reader[Any]]] = {
    "trade": channel_reader(_TradeMessage, _trades, suffix="@trade", known=_KNOWN),
    "aggTrade": channel_reader(_AggMessage, _trades, suffix="@aggTrade", known=_KNOWN),
}
_quote_reader: Final = channel_reader(_QuoteMessage, _quotes, suffix="@bookTicker", known=_KNOWN)
_depth_reader: Final = channel_reader(_DepthMessage, _depths, suffix="@depth@100ms", known=_KNOWN)


@attrs.frozen
class _Spot(PublicStreams):
    venue: ClassVar[str] = VENUE
    limits: ClassVar[Limits] = LIMITS
    path: ClassVar[str] = "/stream"


@attrs.frozen
class SpotTrades(_Spot):
    """Trades: a `actors._source.TradeSource`.

    Attributes:
        kind: ``trade``, or ``aggTrade``: the fills of one taker order at one price as one, which REST gives for a sixth
            of the weight.
    """

    kind: Kind = attrs.field(default="trade", validator=attrs.validators.in_(KINDS))

    channel: ClassVar[Channel] = "trades"
    dense: ClassVar[bool] = True
    page: ClassVar[int] = PAGE
    lists_only: ClassVar[bool] = False

    @property
    def suffix(self) -> str:
        """``@trade`` or ``@aggTrade``."""
        return f"@{self.kind}"

    def decode_many(self, frames: Sequence[Frame], received: int) -> Decoded:
        """Read a batch of frames."""
        return _trade_readers[self.kind].read(frames, received)

    def newest_request(self, symbol: str) -> HttpRequest:
        """Return the request for the newest trade: weight 25, or 4 for aggregates."""
        return self._request("/api/v3/trades", symbol, limit=1)

    def fill_request(self, symbol: str, missing: Missing) -> HttpRequest:
        """Return the request for trades from an id on: ``fromId`` is inclusive, the answer ascends."""
        return self._request("/api/v3/historicalTrades", symbol, fromId=missing.first, limit=min(missing.count, PAGE))

    def recent_request(self, symbol: str, since: int | None) -> HttpRequest:
        """Return the request for the newest trades. Aggregates can begin at a time, and then ascend from there."""
        if since is not None and self.kind == "aggTrade":
            return self._request("/api/v3/aggTrades", symbol, startTime=since, limit=PAGE)
        return self._request("/api/v3/trades", symbol, limit=PAGE)

    def _request(self, path: str, symbol: str, **parameters: int) -> HttpRequest:
        query = _binance.query({"symbol": symbol, **parameters})
        if self.kind == "aggTrade":
            return HttpRequest("GET", "/api/v3/aggTrades", query, weight=4)
        return HttpRequest("GET", path, query, weight=25)

    def rows(self, symbol: str, body: bytes, received: int) -> list[Trade]:
        """Read the answer to any of these requests, in ascending order.

        Raises:
            BadFrame: It is not what it must be.
        """
        if self.kind == "aggTrade":
            aggregates = rows_of(_agg_rows, body, "aggTrades")
            return ascending(aggregates, symbol, received)
        trades = [
            SpotTrade(row.id, row.price, row.quantity, row.time, row.buyer_is_maker)
            for row in rows_of(_trade_rows, body, "trades")
        ]
        return ascending(trades, symbol, received)


@attrs.frozen
class SpotQuotes(_Spot):
    """Best bid and ask, each change: a `actors._source.QuoteSource`. The venue sends no time with them."""

    channel: ClassVar[Channel] = "quotes"

    @property
    def suffix(self) -> str:
        """``@bookTicker``."""
        return "@bookTicker"

    def decode_many(self, frames: Sequence[Frame], received: int) -> Decoded:
        """Read a batch of frames."""
        return _quote_reader.read(frames, received)

    def newest_request(self, symbol: str) -> HttpRequest:
        """Return the request for the top of the book, because ``ticker/bookTicker`` has no number."""
        return HttpRequest("GET", "/api/v3/depth", _binance.query({"symbol": symbol, "limit": 1}), weight=5)

    def newest(self, symbol: str, body: bytes, received: int) -> Quote:
        """Read the answer."""
        return top_of_book(VENUE, symbol, body, received)


_DEPTH_WEIGHT: Final = {100: 5, 500: 25, 1000: 50, 5000: 250}


@attrs.frozen
class SpotBooks(_Spot):
    """Order books, changes every 100 ms: a `actors._source.BookSource`.

    Attributes:
        levels: Of a side in the snapshot: 100, 500, 1000 or 5000, for the weight 5, 25, 50 or 250 of 6000 a minute. What
            lies deeper than the snapshot is unknown until it changes.
    """

    levels: int = attrs.field(default=1000, validator=attrs.validators.in_(_DEPTH_WEIGHT))

    channel: ClassVar[Channel] = "book"
    rule: ClassVar[BookRule] = BookRule("rest", "next", 1)

    @property
    def suffix(self) -> str:
        """``@depth@100ms``."""
        return "@depth@100ms"

    def decode_many(self, frames: Sequence[Frame], received: int) -> Decoded:
        """Read a batch of frames."""
        return _depth_reader.read(frames, received)

    def snapshot_request(self, symbol: str) -> HttpRequest:
        """Return the request for the base of the book."""
        query = _binance.query({"symbol": symbol, "limit": self.levels})
        return HttpRequest("GET", "/api/v3/depth", query, weight=_DEPTH_WEIGHT[self.levels])

    def snapshot(self, symbol: str, body: bytes) -> Depth:
        """Read the answer."""
        return snapshot(symbol, body)
