"""A trade of no venue in particular."""

from decimal import Decimal

import attrs

from actors import Side

EPOCH = 1_790_000_000_000
"""The venue's clock, milliseconds, when ours is at 0."""


@attrs.frozen
class Print:
    """One trade, with a number."""

    symbol: str
    id: int
    time: int
    price: Decimal = Decimal(100)
    venue: str = "venue"
    quantity: Decimal = Decimal(1)
    side: Side = "buy"
    received: int = 0

    @property
    def first_id(self) -> int:
        return self.id


def published(symbol: str, number: int, at: float, price: float = 100.0) -> Print:
    """Return a trade that was published when our clock was there."""
    return Print(symbol, number, round(EPOCH + at * 1000), Decimal(str(price)))
