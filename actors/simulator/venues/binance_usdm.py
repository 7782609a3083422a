"""Binance USD-M: three roots, aggregate trades, best bid and ask, order book, REST, listen keys and user streams.

Sources: developers.binance.com, USD-M pages, 2026-05-28 to 2026-09; the notice of 2026-03-06 on the three roots.
"""

from __future__ import annotations

from collections.abc import Iterable
from random import Random

from .._book import BookChange
from .._dialect import AccountDialect, Floor, Telling
from .._listen_keys import ListenKeys
from .._market import Printed, Scheme, Tape
from .._record import OrderEvent
from .._rest import Limited, Reply, Request
from ._binance import BinanceMarket
from ._binance_account import USDM_REST, AccountDesk, FuturesRest
from ._binance_messages import order_event
from ._binance_rest import MarketDesk, too_much, unknown_status
from ._binance_session import BinanceSession, user_topic

SCHEME = Scheme(aggregates="own", only_aggregates=True, quantity_decimals=3, book_holes=True)


class BinanceUsdm(AccountDialect):
    """The dialect.

    Args:
        floor: of the venue.
    """

    product: FuturesRest = USDM_REST

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self.keys = ListenKeys(Random(floor.token(16)), floor.rules.listen_key_life)
        self._market = BinanceMarket(floor)
        self._desk = MarketDesk(floor).desk
        AccountDesk(floor, self._desk, self.keys, self.product)

    def open(self, target: str, now: float) -> BinanceSession:
        """A connection on one of the roots, or, as old clients dial it, on none."""
        return BinanceSession(self._floor, target, self._market.knows, self.keys)

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

    def ordered(self, api_key: str, event: OrderEvent) -> Iterable[Telling]:
        """Tell an account of its order, if it has a key on which that can be told."""
        key = self.keys.active_key(api_key, self._floor.clock.now())
        if key is not None:
            yield user_topic(key.value, "ORDER_TRADE_UPDATE"), lambda: order_event(self._floor.venue, event)

    def expire_keys(self, now: float, *, notice: bool) -> list[str]:
        """End every listen key."""
        return self.keys.expire_all(now, notice=notice)

    def unknown_outcome(self) -> Reply:
        """-1007 (binance-spot-api-docs errors.md, 2026-07-21)."""
        return unknown_status()
