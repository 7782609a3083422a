"""The accounts of a day: which venues have one, how the bot gets it, and what the exchange says that is true of it.

Another account is one more `Holding` here, in a place of its own or as an alternative to others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from random import Random
from typing import Any

import attrs

from actors import AccountItem, Secret, Venue
from actors.simulator import Exchange, TrueFill
from supervisor import Mailbox, Supervisor

RECONCILE_EVERY = 60.0
"""Seconds between two reconciliations while nothing is interrupted."""
KEY, SECRET, PASSPHRASE = "day-key", "day-secret", "day-passphrase"


@attrs.frozen
class Holding:
    """One account."""

    venue: str
    name: str
    """Of its group in the tree, and in records."""
    symbol: str
    passphrase: bool = False
    """Whether the venue wants one."""


HOLDINGS = (
    (Holding("binance", "spot", "BTCUSDT"), Holding("binance-usdm", "main", "BTCUSDT")),
    (Holding("bybit", "unified", "BTCUSDT"), Holding("bybit-linear", "linear", "BTCUSDT")),
    (Holding("okx", "okx", "BTC-USDT", passphrase=True),),
    (Holding("kucoin", "kucoin", "BTC-USDT", passphrase=True),),
    (Holding("gate", "gate", "BTC_USDT"),),
)
"""By venue: of several products a day has one."""


def holdings(seed: int) -> tuple[Holding, ...]:
    """Return the accounts of a day: one at each of the five venues."""
    random = Random(f"{seed}/accounts")
    return tuple(random.choice(of_venue) for of_venue in HOLDINGS)


@attrs.frozen
class Happening:
    """One event of an order, as its venue spells it and a bot must see it."""

    at: float
    """Seconds since the day began."""
    order_id: int | str
    status: str
    filled: Decimal
    fill: TrueFill | None


def happenings(exchange: Exchange, holding: Holding) -> tuple[Happening, ...]:
    """Return everything that happened to the orders of an account, in order."""
    fills = iter(exchange.spelled(holding.venue, KEY).fills)
    dialect: Any = exchange.dialects[holding.venue]
    return tuple(
        Happening(
            event.at,
            dialect.order_id(event.order_id),
            dialect.status(event.status),
            Decimal(event.filled),
            next(fills) if event.execution == "TRADE" else None,
        )
        for event in exchange.record.orders[holding.venue, KEY]
    )


def accounts_of(holdings: Sequence[Holding], at: Mapping[str, Venue], out: Mailbox[AccountItem]) -> list[Supervisor]:
    """Return the groups of the tree."""
    return [
        at[holding.venue].account(
            holding.name,
            key=Secret.literal(KEY),
            secret=Secret.literal(SECRET),
            passphrase=Secret.literal(PASSPHRASE) if holding.passphrase else None,
            symbols=[holding.symbol],
            out=out,
            reconcile_every=RECONCILE_EVERY,
        )
        for holding in holdings
    ]
