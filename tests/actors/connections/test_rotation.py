"""Rotation through everything: feeds and an account whose wires live for minutes only, against the true record."""

from collections import Counter
from typing import Any

import attrs
import pytest
import trio

from actors import AccountItem, AccountState, FeedItem, FeedState, Gap, OrderUpdate, Secret, binance, binance_usdm
from actors._connections._connection import Connection
from actors.simulator import Exchange, open_network
from supervisor import Child, Ended, Mailbox, Note, Running, Supervisor
from supervisor.testing import run_virtually

from ..feeds.test_bad_hours import check_trades
from ..in_memory import drain, through

LIFETIME = 240.0


def short_lived(node: Child | Supervisor) -> Child | Supervisor:
    """Return the same tree with wires that the venue ends sooner."""
    if isinstance(node, Supervisor):
        below = [short_lived(child) for child in node.children]
        return Supervisor(node.name, below, strategy=node.strategy, limit=node.limit)
    if isinstance(node.actor, Connection):
        return attrs.evolve(node, actor=attrs.evolve(node.actor, lifetime=LIFETIME))
    return node


@pytest.mark.slow
def test_an_hour_of_rotations_loses_and_doubles_nothing_and_ends_no_actor() -> None:
    exchange = Exchange(
        seed=3,
        symbols={"binance": ["BTCUSDT"], "binance-usdm": ["BTCUSDT"]},
        trades_per_second=0.5,
        orders_per_second=0.1,
        keys={"k": "s"},
    )
    feed: list[object] = []
    account: list[object] = []
    events: list[Any] = []

    async def main() -> None:
        trades: Mailbox[FeedItem] = Mailbox("trades", capacity=50)
        orders: Mailbox[AccountItem] = Mailbox("orders", capacity=50)
        async with open_network(exchange) as network, trio.open_nursery() as nursery:
            spot, usdm = through(binance, network), through(binance_usdm, network)
            tree = Supervisor(
                "bot",
                [
                    spot.trades("BTCUSDT", out=trades, connections=2),
                    usdm.trades("BTCUSDT", out=trades),
                    usdm.account(
                        "main", key=Secret.literal("k"), secret=Secret.literal("s"), symbols=["BTCUSDT"], out=orders
                    ),
                ],
            )
            changed = short_lived(tree)
            assert isinstance(changed, Supervisor)
            running = Running(changed, 3)
            async with running.opened():
                nursery.start_soon(drain, running.mailbox(trades), feed)
                nursery.start_soon(drain, running.mailbox(orders), account)
                nursery.start_soon(drain, running.events(capacity=100_000), events)
                await trio.sleep(30)
                with trio.move_on_after(3600):
                    await exchange.run()
                await trio.sleep(60)
                assert [event for event in events if isinstance(event, Ended)] == []
            nursery.cancel_scope.cancel()

    run_virtually(main)
    replaced = [event for event in events if isinstance(event, Note) and event.what == "replaced"]
    assert len(replaced) >= 4 * 3600 / LIFETIME
    check_trades(exchange, feed)
    assert list(exchange.record.violations) == []
    for states in ([s for s in feed if isinstance(s, FeedState)], [s for s in account if isinstance(s, AccountState)]):
        reasons = {state.reason for state in states if not state.live}
        assert not any("Closed" in reason for reason in reasons), reasons
    assert not [item for item in feed if isinstance(item, Gap)]
    live = [s.live for s in feed if isinstance(s, FeedState) and s.venue == "binance"]
    assert live == [False, True, False], "the bot sees nothing of it"
    fills = Counter(item.fill.id for item in account if isinstance(item, OrderUpdate) and item.fill is not None)
    told = exchange.record.orders["binance-usdm", "k"]
    assert fills == Counter(event.trade_id for event in told if event.execution == "TRADE"), "each fill once"
    assert len(fills) > 10
