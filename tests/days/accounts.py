"""The accounts of a day: which venues have one, how the bot gets it, and what the exchange says that is true of it.

Another venue's account is one more `Holding` here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs

from actors import AccountItem, Secret, Venue
from actors.simulator import OrderEvent, TrueRecord
from supervisor import Mailbox, Supervisor

RECONCILE_EVERY = 60.0
"""Seconds between two reconciliations while nothing is interrupted."""


@attrs.frozen
class Holding:
    """One account."""

    venue: str
    name: str
    """Of its group in the tree, and in records."""
    symbols: tuple[str, ...]
    key: str
    secret: str = attrs.field(repr=False)

    def truth(self, record: TrueRecord) -> Sequence[OrderEvent]:
        """Return everything that happened to its orders, in order."""
        return record.orders[self.venue, self.key]


HOLDINGS = (Holding("binance-usdm", "main", ("BTCUSDT",), "day-key", "day-secret"),)


def keys(holdings: Sequence[Holding]) -> dict[str, str]:
    """Return what the exchange must know."""
    return {holding.key: holding.secret for holding in holdings}


def accounts_of(holdings: Sequence[Holding], at: Mapping[str, Venue], out: Mailbox[AccountItem]) -> list[Supervisor]:
    """Return the groups of the tree."""
    return [
        at[holding.venue].account(
            holding.name,
            key=Secret.literal(holding.key),
            secret=Secret.literal(holding.secret),
            symbols=holding.symbols,
            out=out,
            reconcile_every=RECONCILE_EVERY,
        )
        for holding in holdings
    ]
