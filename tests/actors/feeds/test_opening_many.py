"""Many feeds of one process, each with a connection of its own, share one address's allowance while they open."""

from typing import Any

import trio

from actors import FeedState, Gap, binance
from actors.simulator import Exchange, open_network
from supervisor import Mailbox, Running, Supervisor
from supervisor.testing import run_virtually

from ..in_memory import drain, through

FEEDS = 170
"""More than may ask for their newest trade within a minute: 25 of weight each, of 60 % of 6,000."""


def test_a_feed_whose_turn_at_rest_is_late_does_not_keep_the_next_one_from_starting() -> None:
    names = [f"A{number}USDT" for number in range(FEEDS)]
    exchange = Exchange(seed=1, symbols={"binance": names}, trades_per_second=0.2)
    out = Mailbox[Any]("out", capacity=10_000)
    took: list[float] = []
    items: list[Any] = []

    async def main() -> None:
        async with open_network(exchange) as network, trio.open_nursery() as nursery:
            nursery.start_soon(exchange.run)
            venue = through(binance, network)
            running = Running(Supervisor("bot", [venue.trades([name], out=out, name=name) for name in names]), 1)
            since = trio.current_time()
            async with running.opened():
                took.append(trio.current_time() - since)
                nursery.start_soon(drain, running.mailbox(out), items)
                await trio.sleep(120.0)
            nursery.cancel_scope.cancel()

    run_virtually(main)
    # One that waits for its turn, or for the answer, holds up all behind it: they are started in order.
    assert took[0] < 20.0, f"{took[0]:.1f} s"
    assert {item.symbol for item in items if isinstance(item, FeedState) and item.live} == set(names)
    assert not [item for item in items if isinstance(item, Gap)]
    assert not exchange.record.violations
