"""Binance spot: `/ws` and `/stream`, trades, aggregate trades, best bid and ask, order book, REST; `/ws-api/v3` for accounts.

Sources: binance-spot-api-docs web-socket-streams.md, web-socket-api.md and rest-api.md, 2026-07-21. User data is not on
`/ws`: since 2026-02-20 it belongs to the WebSocket API, which has an address of its own at the venue, and only a path of
its own here.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from random import Random

from .._book import BookChange
from .._dialect import AccountDialect, Floor, Session, Telling
from .._limits import WeightLimit
from .._market import Printed, Scheme, Tape
from .._record import OrderEvent, Surface
from .._rest import Limited, Reply, Request
from ._binance import BinanceMarket
from ._binance_event_streams import EventStreams, margin_topic, spot_topic
from ._binance_rest import MarketDesk, too_much, unknown_status
from ._binance_session import BinanceSession
from ._binance_spot_account import SpotAccountDesk, SpotToll
from ._binance_spot_messages import execution_report
from ._binance_ws_api import PATH, WsApiSession

SCHEME = Scheme(aggregates="own", book_base=400_000_000, quantity_decimals=5)


class BinanceSpot(AccountDialect):
    """The dialect.

    Args:
        floor: of the venue.
    """

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._market = BinanceMarket(floor)
        self._weight = WeightLimit(floor.rules)
        self._streams = EventStreams(Random(floor.token(16)))
        self._desk = MarketDesk(floor, SpotToll(floor, self._weight)).desk
        self._accounts = SpotAccountDesk(floor, self._desk, self._streams)

    def surface(self, target: str) -> Surface:
        """The WebSocket API is where accounts are."""
        return "private" if target.partition("?")[0] == PATH else "ws"

    def open(self, target: str, now: float) -> Session:
        """A connection; it gets nothing but what it subscribes to."""
        if self.surface(target) == "private":
            return WsApiSession(self._floor, self._weight, self._streams, self._accounts.handlers)
        return BinanceSession(self._floor, target, self._market.knows)

    def ordered(self, api_key: str, event: OrderEvent) -> Iterable[Telling]:
        """Tell an account of its order, by whichever name a client knows it."""
        for topic in (spot_topic(api_key), margin_topic(api_key, None), margin_topic(api_key, event.symbol)):
            yield topic, partial(execution_report, event)

    def expire_keys(self, now: float, *, notice: bool) -> list[str]:
        """End every subscription and token: `eventStreamTerminated`."""
        return self._streams.expire_all(now, notice=notice)

    def unknown_outcome(self) -> Reply:
        """-1007."""
        return unknown_status()

    def traded(self, tape: Tape, printed: Printed) -> Iterable[Telling]:
        """Tell of a taker order."""
        return self._market.traded(tape, printed)

    def changed(self, tape: Tape, change: BookChange) -> Iterable[Telling]:
        """Tell of a change of the book."""
        return self._market.changed(tape, change)

    def answer(self, request: Request, now: float) -> Reply:
        """Answer one REST request."""
        return self._desk.answer(request, now)

    def limited(self, status: Limited, seconds: float) -> Reply:
        """The answer while a limit is in force."""
        return too_much(self._floor, status, seconds)
