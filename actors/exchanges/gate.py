"""Gate.io v4 spot: public trades, best bid and ask, and order books.

Sources: Gate's spot WebSocket v4 guide, 2026-05-27; gateio/gateapi-python docs/SpotApi.md, 2025-07-31; the announcement
on rate limits of 14 January 2024; gateio/gatews#25 and gateio/gateapi-go#26, where the venue's staff answer. What "seen"
says was observed by others on the live venue in September 2026.

Requests carry no ``time``: the guide asks for one within 60 s of the venue's, and the venue subscribes public channels
without (seen). A clock that is off can therefore keep nobody out. Nor is ``spot.ping`` used, which has one too: a
protocol ping every 10 s keeps a connection open (seen), while one without subscription and pings ends after 30 s.

Ids of trades rise, but nothing says that they are without holes: that ``range`` follows the one before it is likely and
not confirmed, so that a loss is not proved by it. REST goes 30 days back.
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
from . import _gate
from ._common import Unlisted, ask, checked, get
from ._gate import VENUE, GateTrade
from ._gate_account import GateAccount

__all__ = ["REST", "VENUE", "WS", "GateAccount", "GateBooks", "GateQuotes", "GateTrade", "GateTrades"]

WS: Final = "wss://api.gateio.ws"
REST: Final = "https://api.gateio.ws"
PATH: Final = "/ws/v4/"
PAGE: Final = 1000
PING_EVERY: Final = 10.0
BOOK_EVERY: Final = "100ms"
BOOK_LEVELS: Final = 100
"""What goes with 100 ms; with 20 ms it is 20."""

LIMITS: Final = Limits(
    # Nothing is stated on attempts. Staff: no more than 100 connections from one host. This is our own modesty.
    attempts=30,
    attempts_within=60.0,
    messages=None,
    messages_within=1.0,
    # Staff: no limit. 150 on one connection were taken in one go (seen).
    symbols=150,
    lifetime=None,
    # By endpoint and address; this counts all endpoints together.
    rest=RestLimit(
        weight=200,
        within=_gate.WINDOW,
        left_header="x-gate-ratelimit-requests-remain",
        limit_header="x-gate-ratelimit-limit",
    ),
)


@attrs.frozen
class _Gate(Unlisted):
    """What the sources of all channels have."""

    channel: ClassVar[Channel]
    venue: ClassVar[str] = VENUE
    limits: ClassVar[Limits] = LIMITS
    ping_every: ClassVar[float] = PING_EVERY

    def symbol(self, name: str) -> str:
        """Return a currency pair: ``BTC_USDT``."""
        return checked(name, name.split("_", 1), "BTC_USDT")

    def door(self, address: str, answer: bytes | None) -> Door:
        """Return where to connect."""
        return Door(address.rstrip("/") + PATH)

    def subscribe(self, symbols: Sequence[str], first_id: int) -> list[Ask]:
        """Return a request for each pair: of several in one it is not known what a wrong one does to the others."""
        return self._asks("subscribe", symbols, first_id)

    def unsubscribe(self, symbols: Sequence[str], first_id: int) -> list[Ask]:
        """Return a request for each pair."""
        return self._asks("unsubscribe", symbols, first_id)

    def _asks(self, event: str, symbols: Sequence[str], first_id: int) -> list[Ask]:
        name = _gate.CHANNELS[self.channel]
        return [
            ask(number, {"id": number, "channel": name, "event": event, "payload": self._payload(symbol)}, (symbol,))
            for number, symbol in enumerate(symbols, first_id)
        ]

    def _payload(self, symbol: str) -> list[str]:
        return [symbol]

    def ping(self, number: int) -> str | None:
        """Return None: the protocol's own ping."""
        return None

    def decode_many(self, frames: Sequence[Frame], received: int) -> Decoded:
        """Read a batch of frames."""
        return _gate.READERS[self.channel].read(frames, received)

    def failure(self, request: HttpRequest, reply: HttpReply) -> HttpFailure | None:
        """Return the error that the reply means, or None."""
        return _gate.failure(request, reply)

    def unknown_symbol(self, failure: HttpFailure) -> bool:
        """Say whether there is no such pair."""
        return _gate.label(failure) in _gate.NO_SUCH_PAIR


@attrs.frozen
class GateTrades(_Gate):
    """Public trades: a `actors._source.TradeSource`.

    REST answers with the newest first, whatever range of time is asked for (gateapi-go#26), so that no answer can begin
    at a given time unless it reaches back to it by itself: at most 1000 trades. `lists_only` says so.
    """

    channel: ClassVar[Channel] = "trades"
    dense: ClassVar[bool] = False
    page: ClassVar[int] = PAGE
    lists_only: ClassVar[bool] = True

    def newest_request(self, symbol: str) -> HttpRequest:
        """Return the request for the newest trade."""
        return get("/api/v4/spot/trades", {"currency_pair": symbol, "limit": 1}, weight=1)

    def fill_request(self, symbol: str, missing: Missing) -> HttpRequest:
        """Return the request for the latest trades: REST does not know ranges of ids."""
        return self.recent_request(symbol, None)

    def recent_request(self, symbol: str, since: int | None) -> HttpRequest:
        """Return the request for the latest 1000 trades, or those of them that are not older than a time.

        REST counts in seconds; the second before is included, so that a trade known already is in the answer.
        """
        parameters: dict[str, str | int] = {"currency_pair": symbol, "limit": PAGE}
        if since is not None:
            parameters["from"] = max(since // 1000 - 1, 0)
        return get("/api/v4/spot/trades", parameters, weight=1)

    def rows(self, symbol: str, body: bytes, received: int) -> list[Trade]:
        """Read the answer."""
        return _gate.trade_rows(symbol, body, received)


@attrs.frozen
class GateQuotes(_Gate):
    """Best bid and ask, in real time: a `actors._source.QuoteSource`. A side without orders has price zero."""

    channel: ClassVar[Channel] = "quotes"

    def newest_request(self, symbol: str) -> HttpRequest:
        """Return the request for the best level of the book, whose number is one of the same row."""
        return _book_request(symbol, 1)

    def newest(self, symbol: str, body: bytes, received: int) -> Quote:
        """Read the answer."""
        return _gate.quote(symbol, body, received)


@attrs.frozen
class GateBooks(_Gate):
    """Books of 100 levels, changes every 100 ms: a `actors._source.BookSource`.

    A message with ``full`` is a book and no change; the stream does not begin with one.
    """

    channel: ClassVar[Channel] = "book"

    @property
    def rule(self) -> BookRule:
        """The base is REST's book with its id; ``U`` follows ``u``."""
        return BookRule(base="rest", chain="next", joint=1)

    def _payload(self, symbol: str) -> list[str]:
        return [symbol, BOOK_EVERY]

    def snapshot_request(self, symbol: str) -> HttpRequest:
        """Return the request for the present book."""
        return _book_request(symbol, BOOK_LEVELS)

    def snapshot(self, symbol: str, body: bytes) -> Depth:
        """Read the answer."""
        return _gate.book(symbol, body)


def _book_request(symbol: str, limit: int) -> HttpRequest:
    parameters: dict[str, str | int] = {"currency_pair": symbol, "limit": limit, "with_id": "true"}
    return get("/api/v4/spot/order_book", parameters, weight=1)
