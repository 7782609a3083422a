"""Binance spot: public trades. Source: binance-spot-api-docs web-socket-streams.md and rest-api.md, 2026-07-21.

`t` of trades and `a` of aggregate trades are consecutive by symbol, and both can be fetched by id without a key, 1000 a
request: ``trade`` costs weight 25 a request, ``aggTrade`` 4, of 6000 a minute and address.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, ClassVar, Final, Literal, TypeAlias

import attrs
import msgspec

from .._continuity import Missing
from .._errors import BadFrame
from .._records import Side, Trade
from .._source import Channel, Control, Decoded, Frame, HttpRequest, Limits, RestLimit
from . import _binance
from ._binance_market import AggTrade, PublicStreams, ascending, stamped
from ._decode import Reader, reader, rows_of

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
    time: int
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
    time: int
    buyer_is_maker: bool


_trade_rows = msgspec.json.Decoder(list[_TradeRow])
_agg_rows = msgspec.json.Decoder(list[SpotAggTrade])


def _trades(messages: list[Any], received: int) -> list[Any]:
    return stamped([message.data for message in messages], received)


def _reader(message: type[Any], kind: str) -> Reader[Any]:
    known, data = _KNOWN - {kind}, frozenset({kind})

    def control(frame: Frame) -> Control:
        return _binance.control(frame, known=known, data=data, show=True)

    return reader(message, _trades, control)


_readers: Final = {"trade": _reader(_TradeMessage, "trade"), "aggTrade": _reader(_AggMessage, "aggTrade")}


@attrs.frozen
class SpotTrades(PublicStreams):
    """Trades: a `actors._source.TradeSource`."""

    kind: Kind = attrs.field(default="trade", validator=attrs.validators.in_(KINDS))

    venue: ClassVar[str] = VENUE
    channel: ClassVar[Channel] = "trades"
    limits: ClassVar[Limits] = LIMITS
    path: ClassVar[str] = "/stream"
    dense: ClassVar[bool] = True
    page: ClassVar[int] = PAGE
    lists_only: ClassVar[bool] = False

    @property
    def suffix(self) -> str:
        """``@trade`` or ``@aggTrade``."""
        return f"@{self.kind}"

    def decode_many(self, frames: Sequence[Frame], received: int) -> Decoded:
        """Read a batch of frames."""
        return _readers[self.kind].read(frames, received)

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
        trades: list[Any]
        if self.kind == "aggTrade":
            trades = list(rows_of(_agg_rows, body, "aggTrades"))
        else:
            trades = [
                SpotTrade(row.id, row.price, row.quantity, row.time, row.buyer_is_maker)
                for row in rows_of(_trade_rows, body, "trades")
            ]
        try:
            return ascending(trades, symbol, received)
        except ValueError as error:
            raise BadFrame(str(error), body) from None
