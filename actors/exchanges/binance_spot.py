"""Binance spot, public trades. Source: binance-spot-api-docs web-socket-streams.md and rest-api.md, 2026-07-21.

`t` of trades and `a` of aggregate trades are consecutive by symbol, and both can be fetched by id without a key, 1000 a
request: ``trade`` costs weight 25 a request, ``aggTrade`` 4, of 6000 a minute and address.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import ClassVar, Final, Literal, TypeAlias

import attrs
import msgspec

from .._errors import BadFrame, HttpFailure
from .._records import Side, Trade
from .._source import Control, Frame, HttpReply, HttpRequest, Listed
from . import _binance

VENUE: Final = "binance"
WS: Final = "wss://stream.binance.com:9443"
REST: Final = "https://api.binance.com"
TESTNET_WS: Final = "wss://stream.testnet.binance.vision"
TESTNET_REST: Final = "https://testnet.binance.vision"
PAGE: Final = 1000

Kind: TypeAlias = Literal["trade", "aggTrade"]
KINDS: Final[tuple[Kind, ...]] = ("trade", "aggTrade")

_DATA: Final = frozenset(KINDS)
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
    time: int
    buyer_is_maker: bool
    symbol: str = ""
    received: int = 0

    @property
    def side(self) -> Side:
        """The taker's side."""
        return "sell" if self.buyer_is_maker else "buy"

    def __post_init__(self) -> None:
        _binance.finite(self.price, self.quantity)


class SpotAggTrade(_binance.AggTrade, frozen=True, gc=False):
    """One trade of the ``aggTrade`` stream: the fills of one taker order at one price. See `actors.Trade`."""

    venue: ClassVar[str] = VENUE


class _Combined(msgspec.Struct, frozen=True, gc=False):
    stream: str
    data: SpotTrade | SpotAggTrade


class _TradeRow(msgspec.Struct, frozen=True, gc=False, rename={"buyer_is_maker": "isBuyerMaker", "quantity": "qty"}):
    id: int
    price: Decimal
    quantity: Decimal
    time: int
    buyer_is_maker: bool

    def __post_init__(self) -> None:
        _binance.finite(self.price, self.quantity)


_combined = msgspec.json.Decoder(_Combined)
_raw: msgspec.json.Decoder[SpotTrade | SpotAggTrade] = msgspec.json.Decoder(SpotTrade | SpotAggTrade)
_trade_rows = msgspec.json.Decoder(list[_TradeRow])
_agg_rows = msgspec.json.Decoder(list[SpotAggTrade])


def decode(frame: Frame) -> SpotTrade | SpotAggTrade | Control:
    """Read one frame of a public stream, in the raw or in the combined form.

    Raises:
        BadFrame: Not JSON, or a trade that is not one.
    """
    try:
        if _binance.is_combined(frame):
            return _combined.decode(frame).data
        return _raw.decode(frame)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _binance.control(frame, known=_KNOWN, data=_DATA, show=True)


@attrs.frozen
class SpotTrades:
    """The trades of one symbol: a `actors._source.TradeSource`."""

    symbol: str = attrs.field(converter=_binance.symbol)
    kind: Kind = attrs.field(default="trade", validator=attrs.validators.in_(KINDS))
    venue: str = VENUE
    page: int = PAGE

    @property
    def stream(self) -> str:
        """The stream's name; symbols in it are lower case."""
        return f"{self.symbol.lower()}@{self.kind}"

    def stream_path(self) -> str:
        """Return path and query of the combined stream."""
        return f"/stream?streams={self.stream}"

    def list_request(self) -> str:
        """Return the frame that asks what is subscribed."""
        return _binance.list_request()

    def lists_us(self, listed: Listed) -> bool:
        """Say whether our stream is among those listed."""
        return self.stream in listed.streams

    def decode(self, frame: Frame) -> Trade | Control:
        """Read one frame; a trade of another symbol or kind is as bad as garbage."""
        message = decode(frame)
        if isinstance(message, (SpotTrade, SpotAggTrade)):
            wanted = SpotTrade if self.kind == "trade" else SpotAggTrade
            if message.symbol != self.symbol or not isinstance(message, wanted):
                raise BadFrame(f"not a {self.kind} of {self.symbol}", frame)
        return message

    def stamp(self, trades: Sequence[Trade], received: int) -> None:
        """Write the local time into freshly decoded trades."""
        _binance.stamp(trades, received)

    def newest_request(self) -> HttpRequest:
        """Return the request for the newest trade: weight 25, or 4 for aggregates."""
        path = "/api/v3/trades" if self.kind == "trade" else "/api/v3/aggTrades"
        return HttpRequest("GET", path, _binance.query({"symbol": self.symbol, "limit": 1}))

    def backfill_request(self, first_id: int, count: int) -> HttpRequest:
        """Return the request for trades from an id on: ``fromId`` is inclusive, the answer ascends."""
        path = "/api/v3/historicalTrades" if self.kind == "trade" else "/api/v3/aggTrades"
        return HttpRequest(
            "GET", path, _binance.query({"symbol": self.symbol, "fromId": first_id, "limit": min(count, PAGE)})
        )

    def rows(self, body: bytes) -> list[Trade]:
        """Read the answer to either request."""
        if self.kind == "aggTrade":
            return _binance.ascending(_binance.rows_of(_agg_rows, body, "aggTrades"), self.symbol)
        rows: list[_TradeRow] = _binance.rows_of(_trade_rows, body, "trades")
        trades = [SpotTrade(row.id, row.price, row.quantity, row.time, row.buyer_is_maker) for row in rows]
        return _binance.ascending(trades, self.symbol)

    def failure(self, request: HttpRequest, reply: HttpReply) -> HttpFailure | None:
        """Return the error that the reply means, or None."""
        return _binance.failure(request, reply)
