"""A venue on which nothing happens but the trades that a test prints."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from actors.simulator import Exchange

from .tongues import ALL

Silent = Callable[[Any, float], Awaitable[bool]]
every_venue = pytest.mark.parametrize("venue", ALL)


def market(venue: str, **options: Any) -> Exchange:
    # One trade by hand at a time; nothing but them.
    return Exchange(symbols={venue: ALL[venue]}, trades_per_second=0, **options)


def trade(exchange: Exchange, venue: str, count: int = 1) -> None:
    for _ in range(count):
        exchange.print_trade(venue, ALL[venue][0], raw_count=1)
