"""What the public streams of Binance's spot and futures share: subscribing, aggregate trades, books by REST.

Sources: binance-spot-api-docs web-socket-streams.md and rest-api.md, 2026-07-21; the USD-M pages of
developers.binance.com, 2026-05-28. Data comes in the combined form, ``{"stream":"btcusdt@trade","data":{..}}``, from
connections that name no stream in their address: what they shall bring is told them by SUBSCRIBE, because an address
may have 8004 characters, and a connection 1024 streams.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, ClassVar, TypeVar

import attrs
import msgspec

from .._errors import BadFrame, HttpFailure
from .._records import Quote, Side, Trade
from .._source import Ask, Channel, Control, Depth, Door, Frame, HttpReply, HttpRequest, Limits, Listed
from . import _binance
from ._decode import MAGNITUDE, Moment, Reader, Row, finite, levels, reader, rows_of

M = TypeVar("M")


class AggTrade(
    msgspec.Struct,
    frozen=True,
    gc=False,
    tag_field="e",
    tag="aggTrade",
    rename={
        "id": "a",
        "price": "p",
        "quantity": "q",
        "time": "T",
        "buyer_is_maker": "m",
        "first_trade_id": "f",
        "last_trade_id": "l",
        "symbol": "s",
    },
):
    """One aggregate trade, from the stream or from a REST row, which lacks only the symbol and the tag."""

    venue: ClassVar[str] = ""

    id: int
    price: Decimal
    quantity: Decimal
    time: Moment
    buyer_is_maker: bool
    first_trade_id: int
    last_trade_id: int
    symbol: str = ""
    received: int = 0

    @property
    def first_id(self) -> int:
        """The same as `id`: aggregates have a numbering of their own."""
        return self.id

    @property
    def side(self) -> Side:
        """The taker's side."""
        return "sell" if self.buyer_is_maker else "buy"


AggTrade.first_id = AggTrade.id  # type: ignore[assignment,method-assign]
"""The same without a call, which would cost each trade as much as all other checks together."""


def stamped(trades: Sequence[Any], received: int) -> list[Any]:
    """Check freshly decoded trades that nobody else has seen yet, and write the local time into them.

    Raises:
        ValueError: One has no symbol, or a price or quantity that is not finite.
    """
    write = msgspec.structs.force_setattr
    for trade in trades:
        # `plain`, without the call.
        price, quantity = trade.price, trade.quantity
        size, amount = price.adjusted(), quantity.adjusted()
        if not (
            trade.symbol
            and -MAGNITUDE < size < MAGNITUDE
            and -MAGNITUDE < amount < MAGNITUDE
            and (size or price.is_finite())
            and (amount or quantity.is_finite())
        ):
            raise ValueError("a trade that is not one")
        write(trade, "received", received)
    return list(trades)


def ascending(trades: Sequence[Any], symbol: str, received: int) -> list[Trade]:
    """Complete REST rows with the symbol that was asked for and the local time, and sort them by id.

    Raises:
        BadFrame: A price or quantity is not finite.
    """
    for trade in trades:
        msgspec.structs.force_setattr(trade, "symbol", symbol)
    try:
        return sorted(stamped(trades, received), key=lambda trade: trade.id)
    except ValueError as error:
        raise BadFrame(str(error)) from None


class _Book(msgspec.Struct, frozen=True, gc=False, rename={"last": "lastUpdateId", "time": "T"}):
    last: int
    bids: list[Row]
    asks: list[Row]
    time: Moment = 0


_book = msgspec.json.Decoder(_Book)


def snapshot(symbol: str, body: bytes) -> Depth:
    """Read a book from REST. On spot it has no time.

    Raises:
        BadFrame: It is not what was asked for.
    """
    book = rows_of(_book, body, "depth")
    try:
        bids, asks = levels(book.bids), levels(book.asks)
    except ValueError as error:
        raise BadFrame(f"depth: {error}") from None
    return Depth(symbol, True, book.last, book.last, None, bids, asks, book.time)


def top_of_book(venue: str, symbol: str, body: bytes, received: int) -> Quote:
    """Read the best bid and ask from a book by REST. Its number is one of the same row as `u` of ``bookTicker``.

    Raises:
        BadFrame: It is not what was asked for.
    """
    book = snapshot(symbol, body)
    # A side without orders is zero and zero, as it is on the stream.
    nothing = (Decimal(0), Decimal(0))
    bid, ask = (book.bids or [nothing])[0], (book.asks or [nothing])[0]
    return Quote(venue, symbol, *bid, *ask, book.last, book.time or None, received)


class Ticker(
    msgspec.Struct,
    frozen=True,
    gc=False,
    rename={
        "sequence": "u",
        "symbol": "s",
        "bid": "b",
        "bid_quantity": "B",
        "ask": "a",
        "ask_quantity": "A",
        "time": "T",
    },
):
    """The best bid and ask from the ``bookTicker`` stream: on spot without a kind and without a time."""

    sequence: int
    symbol: str
    bid: Decimal
    bid_quantity: Decimal
    ask: Decimal
    ask_quantity: Decimal
    time: Moment | None = None

    def quote(self, venue: str, received: int) -> Quote:
        """Return what is delivered.

        Raises:
            ValueError: It has no symbol, or a price or quantity that is not finite.
        """
        if not self.symbol:
            raise ValueError("a quote without a symbol")
        finite(self.bid, self.bid_quantity, self.ask, self.ask_quantity)
        return Quote(
            venue,
            self.symbol,
            self.bid,
            self.bid_quantity,
            self.ask,
            self.ask_quantity,
            self.sequence,
            self.time,
            received,
        )


class DepthUpdate(
    msgspec.Struct,
    frozen=True,
    gc=False,
    tag_field="e",
    tag="depthUpdate",
    rename={
        "symbol": "s",
        "first": "U",
        "last": "u",
        "previous": "pu",
        "bids": "b",
        "asks": "a",
        "event_time": "E",
        "time": "T",
    },
):
    """What has changed in a book. Only futures tell ``pu`` and ``T``."""

    symbol: str
    first: int
    last: int
    bids: list[Row]
    asks: list[Row]
    event_time: Moment
    previous: int | None = None
    time: Moment | None = None

    def depth(self) -> Depth:
        """Return what is delivered.

        Raises:
            ValueError: It has no symbol, or numbers that make no sense, or a level that is not finite.
        """
        if not self.symbol or self.first > self.last:
            raise ValueError("a depth update that is not one")
        time = self.event_time if self.time is None else self.time
        return Depth(
            self.symbol, False, self.first, self.last, self.previous, levels(self.bids), levels(self.asks), time
        )


def channel_reader(
    message: type[M], items: Callable[[list[M], int], list[Any]], *, suffix: str, known: frozenset[str]
) -> Reader[M]:
    """Return how a channel is read.

    Args:
        message: The struct of one frame in the combined form.
        items: Makes what is delivered out of them.
        suffix: Of the channel's streams: a message of theirs that is not data is a bad frame.
        known: Kinds that are not used.
    """

    def control(frame: Frame) -> Control:
        return _binance.control(frame, known=known, data=frozenset(), show=True, stream=suffix)

    return reader(message, items, control)


@attrs.frozen
class PublicStreams(abc.ABC):
    """One channel of one product: the part of `actors._source.PublicSource` that is the same for all."""

    venue: ClassVar[str]
    channel: ClassVar[Channel]
    limits: ClassVar[Limits]
    path: ClassVar[str]
    """Of the combined streams."""
    ping_every: ClassVar[float] = _binance.PING_EVERY

    @property
    @abc.abstractmethod
    def suffix(self) -> str:
        """What follows the symbol in the stream's name: ``@trade``."""

    def symbol(self, name: str) -> str:
        """Return a symbol as REST and the records have it: upper case."""
        return _binance.symbol(name)

    def stream(self, symbol: str) -> str:
        """Return the stream's name; symbols in it are lower case."""
        return symbol.lower() + self.suffix

    def door_request(self) -> HttpRequest | None:
        """Return None: the address is fixed."""
        return None

    def door(self, address: str, answer: bytes | None) -> Door:
        """Return the address of the combined streams, none of them named."""
        return Door(address + self.path)

    def subscribe(self, symbols: Sequence[str], first_id: int) -> list[Ask]:
        """Return the requests for these symbols. Their acknowledgement proves nothing: nonsense gets one too."""
        return _binance.asks("SUBSCRIBE", {symbol: self.stream(symbol) for symbol in symbols}, first_id)

    def unsubscribe(self, symbols: Sequence[str], first_id: int) -> list[Ask]:
        """Return the requests that end these symbols' subscriptions."""
        return _binance.asks("UNSUBSCRIBE", {symbol: self.stream(symbol) for symbol in symbols}, first_id)

    def list_request(self) -> str | None:
        """Return the frame that asks what is subscribed."""
        return _binance.list_request()

    def listed(self, listed: Listed) -> frozenset[str]:
        """Return the symbols of this channel that the venue has listed."""
        return frozenset(
            name.removesuffix(self.suffix).upper() for name in listed.streams if name.endswith(self.suffix)
        )

    def ping(self, number: int) -> str | None:
        """Return None: Binance answers the protocol's own ping frames, and knows no others on streams."""
        return None

    def failure(self, request: HttpRequest, reply: HttpReply) -> HttpFailure | None:
        """Return the error that the reply means, or None."""
        return _binance.failure(request, reply)

    def unknown_symbol(self, failure: HttpFailure) -> bool:
        """Say whether the failure is -1121, "Invalid symbol.", or -1100, "Illegal characters found in a parameter"."""
        return failure.code in _binance.NO_SUCH_SYMBOL
