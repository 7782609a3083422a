"""How soon trades come again after a connection broke, on the virtual clock: only what is waited for takes time."""

from typing import Any

import attrs
import pytest
import trio

from actors import FeedState, Gap, Venue
from actors._connections._connection import BACKOFF
from actors.simulator import Exchange, Fault, open_network
from supervisor import Ended, Mailbox, Running, Supervisor
from supervisor.testing import run_virtually

from ..in_memory import drain, through
from ..products import PRODUCTS

BACK = 0.3
"""Seconds within which trades come again: a delay of `BACKOFF`, connecting, subscribing, and a look at REST's list."""
CALM = 15.0
RATE = 50.0
"""Trades a second: the next one is not far."""
UNDER_WAY = 0.01
"""Seconds in which what still comes is no recovery."""


@attrs.define
class After:
    """What came after a fault."""

    trades: list[float] = attrs.field(factory=list)
    """When each came, seconds after it."""
    events: list[Any] = attrs.field(factory=list)


def after_a(fault: Fault, venue: Venue, symbol: str, seed: int) -> After:
    exchange = Exchange(seed=seed, symbols={venue.name: [symbol]}, trades_per_second=RATE)
    found, out = After(), Mailbox[Any]("out", capacity=1000)

    async def watch(running: Running) -> None:
        async for item in running.mailbox(out):
            if not isinstance(item, FeedState | Gap):
                found.trades.append(trio.current_time() - CALM)

    async def main() -> None:
        async with open_network(exchange) as network, trio.open_nursery() as nursery:
            nursery.start_soon(exchange.run)
            running = Running(Supervisor("bot", [through(venue, network).trades([symbol], out=out)]), seed)
            async with running.opened():
                nursery.start_soon(watch, running)
                nursery.start_soon(drain, running.events(capacity=10_000), found.events)
                await trio.sleep(CALM)
                exchange.inject(fault)
                await trio.sleep(5.0)
            nursery.cancel_scope.cancel()

    run_virtually(main, schedule_seed=seed)
    return found


@pytest.mark.parametrize("kind", ["reset", "close"])
@pytest.mark.parametrize(("venue", "symbol", "_"), PRODUCTS.values(), ids=PRODUCTS)
def test_trades_come_again_soon_after_a_connection_broke(venue: Venue, symbol: str, _: bool, kind: Any) -> None:
    for seed in range(3):
        found = after_a(Fault(kind), venue, symbol, seed)
        ended = next(event for event in found.events if isinstance(event, Ended) and event.path.endswith("/connection"))
        # Its group comes up with it: nothing in it takes longer.
        assert ended.decision.at is not None
        assert ended.decision.at - ended.at <= BACKOFF.base
        assert min(at for at in found.trades if at > UNDER_WAY) <= BACK
