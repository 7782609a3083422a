"""Binance COIN-M futures: the private stream and the signed requests of an account, which are those of USD-M elsewhere.

Sources: developers.binance.com, COIN-M user data streams and account pages, 2026; binance-connector-python, 2026-08-21.
"""

from __future__ import annotations

from typing import ClassVar, Final

import attrs

from .._account_source import Keeping
from .._source import Ask, Door
from . import _binance
from ._binance_history import Listing
from ._binance_usdm_account import LOOK_BACK, PAGE, WEEK, UsdmAccount, listen_keys

VENUE: Final = "binance-coinm"
ORDERS_PAGE: Final = 100
"""Pages of different age name 100 and 1000: a page of 100 is right by both."""


@attrs.frozen
class CoinmAccount(UsdmAccount):
    """The private stream and signed requests of one account: a `actors._account_source.AccountSource`."""

    venue: str = VENUE
    keeping: Keeping = attrs.field(default=listen_keys("/dapi/v1"))

    root: ClassVar[str] = "/dapi/v1"
    order_listing: ClassVar[Listing] = Listing("/dapi/v1/allOrders", 20, ORDERS_PAGE, "orderId", WEEK, LOOK_BACK)
    fill_listing: ClassVar[Listing] = Listing("/dapi/v1/userTrades", 20, PAGE, "fromId", WEEK, LOOK_BACK)

    def door(self, address: str, answer: bytes | None, key: str) -> Door:
        """Return the address of the combined streams, which are not split into roots here."""
        return Door(f"{address}/stream")

    def phase(self, number: int, now: int, key: str, first_id: int) -> list[Ask] | None:
        """Return the subscription of the listen key, which is a stream's name. In an address it would be seen.

        A dead key is acknowledged like any other name; it was confirmed by REST a moment ago.
        """
        return None if number else _binance.asks("SUBSCRIBE", {"": key}, first_id)
