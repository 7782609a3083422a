"""Accounts that log in on their connection, over real sockets: a reconnect with fills in between, and a refused login."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
import trio

from actors import AccountItem, OrderUpdate, Secret, Venue, bybit, bybit_linear, okx
from actors.simulator import Exchange, Fault, serve
from supervisor import Limit, Mailbox, Running, Supervisor

KEY, SECRET, WORDS = "demo-key", "demo-secret", "demo-passphrase"
each_venue = pytest.mark.parametrize(
    ("venue", "symbol"),
    [(bybit, "BTCUSDT"), (bybit_linear, "BTCUSDT"), (okx, "BTC-USDT")],
    ids=["bybit", "bybit-linear", "okx"],
)
PATIENCE = 20.0


def exchange_of(venue: Venue, symbol: str) -> Exchange:
    return Exchange(
        3, {venue.name: [symbol]}, trades_per_second=0, orders_per_second=0, keys={KEY: SECRET}, passphrase=WORDS
    )


def tree_of(venue: Venue, out: Mailbox[AccountItem], secret: str = SECRET) -> Supervisor:
    words: dict[str, Any] = {"passphrase": Secret.literal(WORDS)} if venue.name == "okx" else {}
    account = venue.account("main", key=Secret.literal(KEY), secret=Secret.literal(secret), out=out, **words)
    return Supervisor("bot", [account], limit=Limit(100))


async def until_live(items: Any, live: bool = True) -> list[OrderUpdate]:
    """Take what comes until the account says so; return the updates before it."""
    found: list[OrderUpdate] = []
    while True:
        item = await items.receive()
        if isinstance(item, OrderUpdate):
            found.append(item)
        elif item.live == live:
            return found


@each_venue
async def test_what_fills_while_the_connection_is_down_is_there_when_it_is_live_again(
    venue: Venue, symbol: str
) -> None:
    exchange, out = exchange_of(venue, symbol), Mailbox[AccountItem]("out", capacity=1000)
    with trio.fail_after(PATIENCE):
        async with serve(exchange) as addresses:
            here = venue.at(ws=addresses[venue.name].ws, rest=addresses[venue.name].rest)
            running = Running(tree_of(here, out), seed=1)
            async with running.opened():
                items = running.mailbox(out)
                await until_live(items)
                order = exchange.place_order(KEY, symbol, "buy", "1", "10", venue=venue.name).order_id
                first = await items.receive()
                exchange.inject(Fault("reset", surface="private"))
                exchange.fill_order(KEY, order, "0.4", venue=venue.name)
                await until_live(items, live=False)
                exchange.fill_order(KEY, order, "0.1", venue=venue.name)
                updates = await until_live(items)
                exchange.fill_order(KEY, order, venue=venue.name)
                while updates[-1].status != "filled":
                    item = await items.receive()
                    updates += [item] if isinstance(item, OrderUpdate) else []
    assert isinstance(first, OrderUpdate) and (first.status, first.source) == ("new", "stream")
    fills = [update.fill for update in updates if update.fill is not None]
    assert [fill.quantity for fill in fills] == [Decimal("0.4"), Decimal("0.1"), Decimal("0.5")]
    assert [fill.id for fill in fills] == [fill.id for fill in exchange.spelled(venue.name, KEY).fills]
    assert all(update.raw for update in updates if update.source == "stream")
    assert exchange.record.violations == []


@each_venue
async def test_a_refused_login_parks_and_is_not_tried_again(venue: Venue, symbol: str) -> None:
    exchange, out = exchange_of(venue, symbol), Mailbox[AccountItem]("out", capacity=1000)
    with trio.fail_after(PATIENCE):
        async with serve(exchange) as addresses:
            here = venue.at(ws=addresses[venue.name].ws, rest=addresses[venue.name].rest)
            exchange.inject(Fault("refuse_login", surface="private", duration=3600.0))
            running = Running(tree_of(here, out), seed=1)
            async with running.opened():
                items = running.mailbox(out)
                while "parked" not in repr(await items.receive()):
                    pass
                attempts = list(exchange.record.attempts)
                await trio.sleep(1.0)
                shown = str(running.status()) + repr(running.status().to_dict())
    assert list(exchange.record.attempts) == attempts
    assert [attempt.surface for attempt in attempts].count("private") == 1
    assert not any(secret in shown for secret in (KEY, SECRET, WORDS))
