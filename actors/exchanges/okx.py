"""OKX v5: public trades, best bid and ask, and books of every instrument but options.

Sources: OKX API guide v5 (www.okx.com/docs-v5/en) as of February 2026; section names below are its own. The zh guide of
7 July 2026, for order book checksums.

Two channels bring trades. ``trades`` on ``/public`` merges the fills of one taker order at one price: a message with
``count`` stands for the ids ``tradeId - count + 1 .. tradeId``. ``trades-all`` on ``/business`` has each by itself.
Ids follow each other without holes by instrument; the guide does not promise it, every recording shows it. REST has
them singly, by id, three months back, newest first.

The heartbeat is text that is no JSON: ``ping`` and ``pong``. The venue ends connections on which it has pushed nothing
for 30 s. ``checksum`` of books is always 0 since June 2026, and is not looked at.
"""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import ClassVar, Final, Literal, TypeAlias

import attrs

from .._errors import HttpFailure
from .._records import Quote, Trade
from .._source import (
    Ask,
    BookRule,
    Channel,
    Decoded,
    Depth,
    Door,
    Frame,
    HttpReply,
    HttpRequest,
    Limits,
    Missing,
    RestLimit,
)
from . import _okx
from ._common import Unlisted, ask, get
from ._okx import VENUE, OkxTrade

__all__ = ["REST", "VENUE", "WS", "OkxBooks", "OkxQuotes", "OkxTrade", "OkxTrades"]

WS: Final = "wss://ws.okx.com:8443"
REST: Final = "https://www.okx.com"
PAGE: Final = 100
PING_EVERY: Final = 20.0

TradeChannel: TypeAlias = Literal["trades", "trades-all"]
PATHS: Final[dict[str, str]] = {
    "trades": "/ws/v5/public",
    "trades-all": "/ws/v5/business",
    "bbo-tbt": "/ws/v5/public",
    "books": "/ws/v5/public",
}


LIMITS: Final = Limits(
    # "WebSocket", "Overview" and "Connect".
    attempts=3,
    attempts_within=1.0,
    # To subscribe, unsubscribe and log in, by connection. An error names no instrument, so that each has a request of its
    # own. Pings are counted here and not there: they take 180 of the 480, and 200 instruments leave 100 for what changes
    # in an hour.
    messages=480,
    messages_within=3600.0,
    symbols=200,
    lifetime=None,
    rest=RestLimit(weight=_okx.WEIGHT, within=_okx.WINDOW),
)


@attrs.frozen
class _Okx(Unlisted, abc.ABC):
    """What the sources of all channels have."""

    venue: ClassVar[str] = VENUE
    limits: ClassVar[Limits] = LIMITS
    ping_every: ClassVar[float] = PING_EVERY
    """Seconds: the venue ends a connection after 30 s without a push, and an answer is one."""

    @property
    @abc.abstractmethod
    def _name(self) -> str:
        """The venue's name of the channel."""

    def symbol(self, name: str) -> str:
        """Return an instrument's name: ``BTC-USDT``, ``BTC-USDT-SWAP``, ``BTC-USD_UM-261030``."""
        return _okx.symbol(name)

    def door(self, address: str, answer: bytes | None) -> Door:
        """Return where to connect."""
        return Door(address.rstrip("/") + PATHS[self._name])

    def subscribe(self, symbols: Sequence[str], first_id: int) -> list[Ask]:
        """Return one request for each instrument."""
        return self._asks("subscribe", symbols, first_id)

    def unsubscribe(self, symbols: Sequence[str], first_id: int) -> list[Ask]:
        """Return one request for each instrument."""
        return self._asks("unsubscribe", symbols, first_id)

    def _asks(self, op: str, symbols: Sequence[str], first_id: int) -> list[Ask]:
        return [
            ask(number, {"id": str(number), "op": op, "args": [{"channel": self._name, "instId": symbol}]}, (symbol,))
            for number, symbol in enumerate(symbols, first_id)
        ]

    def ping(self, number: int) -> str | None:
        """Return the text that the venue answers with ``pong``."""
        return "ping"

    def decode_many(self, frames: Sequence[Frame], received: int) -> Decoded:
        """Read a batch of frames."""
        return _okx.READERS[self._name].read(frames, received)

    def failure(self, request: HttpRequest, reply: HttpReply) -> HttpFailure | None:
        """Return the error that the reply means, or None. Errors come with status 200 too."""
        return _okx.failure(request, reply)

    def unknown_symbol(self, failure: HttpFailure) -> bool:
        """Say whether there is no such instrument."""
        return failure.code == _okx.NO_SUCH_INSTRUMENT


@attrs.frozen
class OkxTrades(_Okx):
    """Public trades: a `actors._source.TradeSource`."""

    channel_name: TradeChannel = attrs.field(default="trades", validator=attrs.validators.in_(("trades", "trades-all")))
    channel: ClassVar[Channel] = "trades"
    dense: ClassVar[bool] = True
    page: ClassVar[int] = PAGE
    lists_only: ClassVar[bool] = False

    @property
    def _name(self) -> str:
        return self.channel_name

    def newest_request(self, symbol: str) -> HttpRequest:
        """Return the request for the newest trade."""
        return get("/api/v5/market/trades", {"instId": symbol, "limit": 1}, _okx.LIST_WEIGHT)

    def fill_request(self, symbol: str, missing: Missing) -> HttpRequest:
        """Return the request for the lowest ids of a range.

        The answer goes backwards from ``after``, which it does not include; ``before`` alone would bring the latest
        page ("GET / Trades history"). So ``after`` stands one page above the first id, or right above the last.
        """
        after, limit = min(missing.first + PAGE, missing.last + 1), min(missing.count, PAGE)
        parameters: dict[str, str | int] = {"instId": symbol, "type": 1, "after": after, "limit": limit}
        return get("/api/v5/market/history-trades", parameters, _okx.HISTORY_WEIGHT)

    def recent_request(self, symbol: str, since: int | None) -> HttpRequest:
        """Return the request for the latest 500 trades."""
        return get("/api/v5/market/trades", {"instId": symbol, "limit": 500}, _okx.LIST_WEIGHT)

    def rows(self, symbol: str, body: bytes, received: int) -> list[Trade]:
        """Read the answer to any of these."""
        return _okx.trade_rows(symbol, body, received)


@attrs.frozen
class OkxQuotes(_Okx):
    """Best bid and ask, at most every 10 ms: a `actors._source.QuoteSource`.

    A quote's sequence is ``seqId``; REST has none, and 0 stands for it. A side without orders has price zero.
    """

    channel: ClassVar[Channel] = "quotes"
    _name: ClassVar[str] = "bbo-tbt"

    def newest_request(self, symbol: str) -> HttpRequest:
        """Return the request for the best level of the book."""
        return _okx.book_request(symbol, 1)

    def newest(self, symbol: str, body: bytes, received: int) -> Quote:
        """Read the answer."""
        return _okx.quote(symbol, body, received)


@attrs.frozen
class OkxBooks(_Okx):
    """Books of 400 levels, changes every 100 ms: a `actors._source.BookSource`.

    Each message names the one before it, `Depth.previous`. It is the same as `Depth.last` in the message that comes
    every minute when nothing changes, and above it in the one that starts the numbers anew after maintenance: both
    follow the message before them like any other ("WS / Order book channel"). A difference without numbers, as it was
    sent until 2022, has its time for a number and follows nothing.
    """

    channel: ClassVar[Channel] = "book"
    _name: ClassVar[str] = "books"

    limits: ClassVar[Limits] = attrs.evolve(LIMITS, symbols=30)
    """As of the other channels, but 30 books on a connection, as the venue recommends."""

    @property
    def rule(self) -> BookRule:
        """The stream begins with a snapshot."""
        return BookRule(base="stream", chain="previous")

    def snapshot_request(self, symbol: str) -> HttpRequest:
        """Return the request for the present book."""
        return _okx.book_request(symbol, 400)

    def snapshot(self, symbol: str, body: bytes) -> Depth:
        """Read the answer."""
        return _okx.book(symbol, body)
