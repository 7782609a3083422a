"""Bybit v5, spot and linear: public trades, quotes and order books.

Source: Bybit v5 docs (bybit-exchange/docs, 2026-07-24): websocket/public/trade.mdx and orderbook.mdx,
market/recent-trade.mdx and orderbook.mdx.

On spot the trade id `i` was consecutive by symbol in every capture found between 2023 and 2026; the venue does not promise
it. On linear it is a UUID: a hole cannot be seen from the trades themselves. REST gives the latest 60 (spot) or 1000
(linear) trades and nothing before them, so that on a busy spot symbol a hole is seen and cannot be filled.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, ClassVar, Final, Literal
from urllib.parse import urlencode

import attrs
import msgspec

from .._errors import BadFrame
from .._records import Quote, Side, Trade
from .._source import BookRule, Channel, Control, Decoded, Depth, Frame, HttpRequest, Missing
from . import _bybit
from ._bybit import REST, TESTNET_REST, TESTNET_WS, VENUE, VENUE_LINEAR, WS, Category, PublicTopics
from ._decode import Moment, Reader, Row, finite, levels, plain, reader, rows_of

__all__ = [
    "REST",
    "TESTNET_REST",
    "TESTNET_WS",
    "VENUE",
    "VENUE_LINEAR",
    "WS",
    "BybitBooks",
    "BybitLinearTrade",
    "BybitQuotes",
    "BybitSpotTrade",
    "BybitTrades",
    "Category",
]

_PAGE: Final = {"spot": 60, "linear": 1000}
_NAMES: Final = {
    "id": "i",
    "price": "p",
    "quantity": "v",
    "time": "T",
    "taker": "S",
    "symbol": "s",
}


class BybitSpotTrade(msgspec.Struct, frozen=True, gc=False, rename=_NAMES):
    """One trade of a spot symbol. See `actors.Trade`."""

    venue: ClassVar[str] = VENUE

    id: int
    price: Decimal
    quantity: Decimal
    time: Moment
    taker: Literal["Buy", "Sell"]
    symbol: str
    received: int = 0

    @property
    def first_id(self) -> int:
        """The same as `id`."""
        return self.id

    @property
    def side(self) -> Side:
        """The taker's side."""
        return "buy" if self.taker == "Buy" else "sell"


class BybitLinearTrade(msgspec.Struct, frozen=True, gc=False, rename=_NAMES):
    """One trade of a perpetual or future. Its id is a UUID. See `actors.Trade`."""

    venue: ClassVar[str] = VENUE_LINEAR

    id: str
    price: Decimal
    quantity: Decimal
    time: Moment
    taker: Literal["Buy", "Sell"]
    symbol: str
    received: int = 0

    @property
    def first_id(self) -> str:
        """The same as `id`."""
        return self.id

    @property
    def side(self) -> Side:
        """The taker's side."""
        return "buy" if self.taker == "Buy" else "sell"


class _SpotTrades(msgspec.Struct, frozen=True, gc=False):
    topic: str
    data: list[BybitSpotTrade]


class _LinearTrades(msgspec.Struct, frozen=True, gc=False):
    topic: str
    data: list[BybitLinearTrade]


class _Book(msgspec.Struct, frozen=True, gc=False, rename={"symbol": "s", "bids": "b", "asks": "a", "last": "u"}):
    symbol: str
    bids: list[Row]
    asks: list[Row]
    last: int
    seq: int
    # Only answers by REST have these in here.
    ts: Moment = 0
    cts: Moment = 0


class _BookMessage(msgspec.Struct, frozen=True, gc=False):
    topic: str
    type: Literal["snapshot", "delta"]
    ts: Moment
    data: _Book
    cts: Moment = 0


class _TopMessage(msgspec.Struct, frozen=True, gc=False):
    topic: str
    type: Literal["snapshot"]
    ts: Moment
    data: _Book
    cts: Moment = 0


class _TradeRow(msgspec.Struct, frozen=True, gc=False, rename={"id": "execId", "quantity": "size", "taker": "side"}):
    id: str
    price: Decimal
    quantity: Decimal
    time: Moment
    taker: Literal["Buy", "Sell"]
    seq: int = 0


class _TradeList(msgspec.Struct, frozen=True, rename={"rows": "list"}):
    rows: list[_TradeRow]


class _TradeReply(msgspec.Struct, frozen=True):
    result: _TradeList


class _BookReply(msgspec.Struct, frozen=True):
    result: _Book


# Numbers stand in quotes there.
_trade_rows = msgspec.json.Decoder(_TradeReply, strict=False)
_book = msgspec.json.Decoder(_BookReply)

_TRADES: Final = "publicTrade."
_TOP: Final = "orderbook.1."
_BOOK: Final = "orderbook.50."


def _trades(messages: list[Any], received: int) -> list[Any]:
    trades: list[Any] = []
    for message in messages:
        if not message.topic.startswith(_TRADES):
            raise ValueError("another topic")
        trades += message.data
    write = msgspec.structs.force_setattr
    for trade in trades:
        if not (trade.id and trade.symbol and plain(trade.price, trade.quantity)):
            raise ValueError("a trade that is not one")
        write(trade, "received", received)
    return trades


def _quote(venue: str, book: _Book, time: int, received: int) -> Quote:
    # A side without orders is zero and zero. The number is the one that REST and all depths have in common.
    nothing = (Decimal(0), Decimal(0))
    bid, ask = (levels(book.bids) or [nothing])[0], (levels(book.asks) or [nothing])[0]
    return Quote(venue, book.symbol, *bid, *ask, book.seq, time or None, received)


def _spot_quotes(messages: list[_TopMessage], received: int) -> list[Any]:
    return _quotes(VENUE, messages, received)


def _linear_quotes(messages: list[_TopMessage], received: int) -> list[Any]:
    return _quotes(VENUE_LINEAR, messages, received)


def _quotes(venue: str, messages: list[_TopMessage], received: int) -> list[Any]:
    quotes = []
    for message in messages:
        if not (message.topic.startswith(_TOP) and message.data.symbol):
            raise ValueError("another topic")
        quotes.append(_quote(venue, message.data, message.cts or message.ts, received))
    return quotes


def _depths(messages: list[_BookMessage], received: int) -> list[Any]:
    depths = []
    for message in messages:
        book = message.data
        if not (message.topic.startswith(_BOOK) and book.symbol):
            raise ValueError("another topic")
        # 1: the service was restarted, and this is all there is, whatever its type says (orderbook.mdx).
        whole = message.type == "snapshot" or book.last == 1
        time = message.cts or message.ts
        depths.append(Depth(book.symbol, whole, book.last, book.last, None, levels(book.bids), levels(book.asks), time))
    return depths


def _no_trade(frame: Frame) -> Control:
    return _bybit.control(frame, _TRADES)


def _no_quote(frame: Frame) -> Control:
    return _bybit.control(frame, _TOP, not_used="delta")


def _no_depth(frame: Frame) -> Control:
    return _bybit.control(frame, _BOOK)


_trade_readers: Final[dict[str, Reader[Any]]] = {
    "spot": reader(_SpotTrades, _trades, _no_trade, strict=False),
    "linear": reader(_LinearTrades, _trades, _no_trade),
}
_quote_readers: Final = {
    "spot": reader(_TopMessage, _spot_quotes, _no_quote),
    "linear": reader(_TopMessage, _linear_quotes, _no_quote),
}
_depth_reader: Final = reader(_BookMessage, _depths, _no_depth)


@attrs.frozen
class BybitTrades(PublicTopics):
    """Trades, up to 1024 in one message: a `actors._source.TradeSource`."""

    channel: ClassVar[Channel] = "trades"
    prefix: ClassVar[str] = _TRADES
    lists_only: ClassVar[bool] = True

    @property
    def dense(self) -> bool:
        """True on spot, as observed; the venue does not promise it."""
        return self.category == "spot"

    @property
    def page(self) -> int:
        """60 on spot, 1000 on linear: all that REST has."""
        return _PAGE[self.category]

    def decode_many(self, frames: Sequence[Frame], received: int) -> Decoded:
        """Read a batch of frames."""
        return _trade_readers[self.category].read(frames, received)

    def newest_request(self, symbol: str) -> HttpRequest:
        """Return the request for the newest trade."""
        return self._request(symbol, 1)

    def fill_request(self, symbol: str, missing: Missing) -> HttpRequest:
        """Return the request for the latest trades: there is no other, whatever is missing."""
        return self._request(symbol, self.page)

    def recent_request(self, symbol: str, since: int | None) -> HttpRequest:
        """Return the request for the latest trades. It cannot begin at a time."""
        return self._request(symbol, self.page)

    def _request(self, symbol: str, limit: int) -> HttpRequest:
        query = urlencode({"category": self.category, "symbol": symbol, "limit": limit})
        return HttpRequest("GET", "/v5/market/recent-trade", query)

    def rows(self, symbol: str, body: bytes, received: int) -> list[Trade]:
        """Read the answer to any of these requests, which begins with the newest trade, in ascending order.

        Raises:
            BadFrame: It is not what it must be.
        """
        newest_first = rows_of(_trade_rows, body, "recent-trade").result.rows
        # Of the same millisecond and sequence, the order is that of the answer, turned around.
        rows = newest_first[::-1]
        rows.sort(key=lambda row: (row.time, row.seq))
        try:
            for row in rows:
                finite(row.price, row.quantity)
            if self.category == "linear":
                return [
                    BybitLinearTrade(row.id, row.price, row.quantity, row.time, row.taker, symbol, received)
                    for row in rows
                ]
            trades = [
                BybitSpotTrade(_number(row.id), row.price, row.quantity, row.time, row.taker, symbol, received)
                for row in rows
            ]
        except ValueError as error:
            raise BadFrame(f"recent-trade: {error}") from None
        return sorted(trades, key=lambda trade: trade.id)


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise ValueError("an id that is no number")
    return int(text)


@attrs.frozen
class BybitQuotes(PublicTopics):
    """Best bid and ask: a `actors._source.QuoteSource`.

    Every message is whole, and comes again after 3 s without a change. Its number is `seq`, which is common to all depths
    and to REST, and not `u`, which each depth counts for itself.
    """

    channel: ClassVar[Channel] = "quotes"
    prefix: ClassVar[str] = _TOP

    def decode_many(self, frames: Sequence[Frame], received: int) -> Decoded:
        """Read a batch of frames. A ``delta``, as the venue sent until 2023, is no quote, and counts as unknown."""
        return _quote_readers[self.category].read(frames, received)

    def newest_request(self, symbol: str) -> HttpRequest:
        """Return the request for the top of the book."""
        return _depth_request(self.category, symbol, 1)

    def newest(self, symbol: str, body: bytes, received: int) -> Quote:
        """Read the answer."""
        book = rows_of(_book, body, "orderbook").result
        try:
            return _quote(self.venue, book, book.cts or book.ts, received)
        except ValueError as error:
            raise BadFrame(f"orderbook: {error}") from None


@attrs.frozen
class BybitBooks(PublicTopics):
    """Order books of 50 levels, changes every 20 ms: a `actors._source.BookSource`.

    The first message is a snapshot. That `u` rises by one with each message is not promised, and held in some hundred
    thousand observed ones: a jump is reason to subscribe anew.
    """

    channel: ClassVar[Channel] = "book"
    prefix: ClassVar[str] = _BOOK
    rule: ClassVar[BookRule] = BookRule("stream", "next")

    def decode_many(self, frames: Sequence[Frame], received: int) -> Decoded:
        """Read a batch of frames."""
        return _depth_reader.read(frames, received)

    def snapshot_request(self, symbol: str) -> HttpRequest:
        """Return the request for the present book, as a probe: its number is that of another depth."""
        return _depth_request(self.category, symbol, 50)

    def snapshot(self, symbol: str, body: bytes) -> Depth:
        """Read the answer. Compare its time with the stream's, not its number."""
        book = rows_of(_book, body, "orderbook").result
        try:
            bids, asks = levels(book.bids), levels(book.asks)
        except ValueError as error:
            raise BadFrame(f"orderbook: {error}") from None
        return Depth(symbol, True, book.last, book.last, None, bids, asks, book.cts or book.ts)


def _depth_request(category: str, symbol: str, limit: int) -> HttpRequest:
    query = urlencode({"category": category, "symbol": symbol, "limit": limit})
    return HttpRequest("GET", "/v5/market/orderbook", query)
