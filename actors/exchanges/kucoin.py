"""KuCoin classic spot: public trades, best bid and ask, and books of 50 levels.

Sources: Kucoin/kucoin-universal-sdk, spec/ws and spec/rest, 2025-11-04; www.kucoin.com/docs-new, "Error code" and "Rate
limit", 2026. What "seen" says was observed by others on the live venue in September 2026.

Every connection begins with a request by REST for a token, an address and the interval of pings; a token is valid for
24 h and for one connection's beginning. What is sent before the venue's ``welcome`` is lost. The venue ends a
connection on which it has had no ping for 60 s, even while it streams (seen).

The ``sequence`` of trades rises and has holes, so that a loss cannot be proved, and REST has the last 100 trades and
nothing before them. A subscription to a symbol that does not exist is acknowledged, and silent (seen).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final

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
from . import _kucoin
from ._common import Unlisted, ask, checked, get
from ._kucoin import VENUE, KucoinTrade
from ._kucoin_account import KucoinAccount

__all__ = ["REST", "VENUE", "WS", "KucoinAccount", "KucoinBooks", "KucoinQuotes", "KucoinTrade", "KucoinTrades"]

WS: Final = "wss://ws-api-spot.kucoin.com"
"""Only a name: the address that counts comes with the token."""
REST: Final = "https://api.kucoin.com"
PAGE: Final = 100
PING_EVERY: Final = 18.0
A_REQUEST: Final = 100
"""Most symbols in one subscription ("Error code", 509: 100 per time)."""

LIMITS: Final = Limits(
    # 30 a minute was the policy of 2023; what is stated today is stated for another generation of sockets, and more.
    attempts=30,
    attempts_within=60.0,
    messages=100,
    messages_within=10.0,
    # "300 per session"; other pages say 400, older ones 100.
    symbols=300,
    # Not documented; connections were reported to end when their token is 24 h old.
    lifetime=86_400.0,
    # Pool "Public", by address.
    rest=RestLimit(
        weight=2000, within=_kucoin.WINDOW, left_header="gw-ratelimit-remaining", limit_header="gw-ratelimit-limit"
    ),
    greets=True,
)


@attrs.frozen
class _Kucoin(Unlisted):
    """What the sources of all channels have."""

    channel: ClassVar[Channel]
    venue: ClassVar[str] = VENUE
    limits: ClassVar[Limits] = LIMITS
    ping_every: ClassVar[float] = PING_EVERY
    """The answer with the token says it anew for each connection."""

    def symbol(self, name: str) -> str:
        """Return a symbol: ``BTC-USDT``."""
        return checked(name, name.split("-", 1), "BTC-USDT")

    def door_request(self) -> HttpRequest | None:
        """Return the request for a token. It needs no key."""
        return HttpRequest("POST", "/api/v1/bullet-public", weight=10)

    def door(self, address: str, answer: bytes | None) -> Door:
        """Return where to connect. The address is the one in the answer, whatever ``address`` says."""
        return _kucoin.door(answer)

    def subscribe(self, symbols: Sequence[str], first_id: int) -> list[Ask]:
        """Return a request for each 100 symbols."""
        return self._asks("subscribe", symbols, first_id)

    def unsubscribe(self, symbols: Sequence[str], first_id: int) -> list[Ask]:
        """Return a request for each 100 symbols."""
        return self._asks("unsubscribe", symbols, first_id)

    def _asks(self, kind: str, symbols: Sequence[str], first_id: int) -> list[Ask]:
        parts = [symbols[start : start + A_REQUEST] for start in range(0, len(symbols), A_REQUEST)]
        prefix = _kucoin.TOPICS[self.channel]
        return [
            # Without "response" nothing is acknowledged.
            ask(
                number,
                {
                    "id": str(number),
                    "type": kind,
                    "topic": prefix + ",".join(part),
                    "privateChannel": False,
                    "response": True,
                },
                part,
            )
            for number, part in enumerate(parts, first_id)
        ]

    def ping(self, number: int) -> str | None:
        """Return a ping."""
        return f'{{"id":"p{number}","type":"ping"}}'

    def decode_many(self, frames: Sequence[Frame], received: int) -> Decoded:
        """Read a batch of frames."""
        return _kucoin.READERS[self.channel].read(frames, received)

    def failure(self, request: HttpRequest, reply: HttpReply) -> HttpFailure | None:
        """Return the error that the reply means, or None. Errors come with status 200 too."""
        return _kucoin.failure(request, reply)

    def unknown_symbol(self, failure: HttpFailure) -> bool:
        """Say whether there is no such pair. The stream does not tell."""
        return failure.code in _kucoin.NO_SUCH_PAIR


@attrs.frozen
class KucoinTrades(_Kucoin):
    """Public trades: a `actors._source.TradeSource`."""

    channel: ClassVar[Channel] = "trades"
    dense: ClassVar[bool] = False
    page: ClassVar[int] = PAGE
    lists_only: ClassVar[bool] = True

    def newest_request(self, symbol: str) -> HttpRequest:
        """Return the request for the last 100 trades: fewer cannot be had."""
        return get("/api/v1/market/histories", {"symbol": symbol}, weight=3)

    def fill_request(self, symbol: str, missing: Missing) -> HttpRequest:
        """Return the same: REST does not know ids."""
        return self.newest_request(symbol)

    def recent_request(self, symbol: str, since: int | None) -> HttpRequest:
        """Return the same: REST does not know times."""
        return self.newest_request(symbol)

    def rows(self, symbol: str, body: bytes, received: int) -> list[Trade]:
        """Read the answer."""
        return _kucoin.trade_rows(symbol, body, received)


@attrs.frozen
class KucoinQuotes(_Kucoin):
    """Best bid and ask, at most every 10 ms: a `actors._source.QuoteSource`.

    The stream numbers nothing: a quote's sequence is its time, in milliseconds. A side without orders has price zero.
    """

    channel: ClassVar[Channel] = "quotes"

    def newest_request(self, symbol: str) -> HttpRequest:
        """Return the request for the present best bid and ask."""
        return get("/api/v1/market/orderbook/level1", {"symbol": symbol}, weight=2)

    def newest(self, symbol: str, body: bytes, received: int) -> Quote:
        """Read the answer."""
        return _kucoin.quote(symbol, body, received)


@attrs.frozen
class KucoinBooks(_Kucoin):
    """Books of 50 levels, whole, every 100 ms: a `actors._source.BookSource`.

    There are differences too, of the full book; what they begin with can only be had with a key. A book's number is its
    time, in milliseconds.
    """

    channel: ClassVar[Channel] = "book"

    @property
    def rule(self) -> BookRule:
        """Every message is the book."""
        return BookRule(base="whole")

    def snapshot_request(self, symbol: str) -> HttpRequest:
        """Return the request for the present 100 levels."""
        return get("/api/v1/market/orderbook/level2_100", {"symbol": symbol}, weight=2)

    def snapshot(self, symbol: str, body: bytes) -> Depth:
        """Read the answer."""
        return _kucoin.book(symbol, body)
