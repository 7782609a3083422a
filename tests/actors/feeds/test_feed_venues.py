"""Every venue through bad minutes on the virtual clock: each trade once, in order, or in a gap that covers it."""

import os
from typing import Any

import pytest
import trio

from actors import FeedState, Gap, binance, binance_usdm, okx
from actors._venue import Venue
from actors.simulator import Exchange, Fault, FaultScript, open_network
from supervisor import Ended, Mailbox, Note, Running, Supervisor
from supervisor.testing import run_virtually

from ..in_memory import drain, through
from ..products import PRODUCTS

MINUTES = float(os.environ.get("UNBLINKING_BAD_MINUTES", "10")) * 60
VENUES = [(venue, symbol) for venue, symbol, _ in PRODUCTS.values()]
CALM = 15.0
"""Seconds before the first fault can come."""
SEEDS = range(int(os.environ.get("UNBLINKING_BAD_HOURS", "1")))


class Day:
    """What came out of a run."""

    def __init__(self, venue: Venue, symbol: str, exchange: Exchange) -> None:
        self.venue = venue
        self.symbol = symbol
        self.exchange = exchange
        self.items: list[Any] = []
        self.events: list[Any] = []

    @property
    def published(self) -> list[Any]:
        record = self.exchange.record
        # OKX's `trades` are aggregates; the single ones behind them are what is numbered.
        return list(record.trades[self.venue.name, self.symbol])

    @property
    def notes(self) -> list[str]:
        return [f"{event.at:.1f} {event.what} {event.fields}" for event in self.events if isinstance(event, Note)]

    def check(self) -> tuple[int, int]:
        """Check that nothing is missing, doubled or out of order; return how many were delivered and in gaps."""
        place = {str(trade.id): number for number, trade in enumerate(self.published)}
        covered: set[int] = set()
        holes: list[tuple[int, int]] = []
        last = -1
        for number, item in enumerate(self.items):
            if isinstance(item, FeedState):
                continue
            if isinstance(item, Gap):
                following = [str(x.id) for x in self.items[number:] if not isinstance(x, Gap | FeedState)]
                before = str(item.before_id) if item.before_id is not None else (following or [""])[0]
                holes.append((place.get(str(item.after_id), -1), place.get(before, len(place))))
                continue
            end = place[str(item.id)]
            start = place[str(item.first_id)]
            assert start > last, f"{item} is out of order, or came twice"
            covered |= set(range(start, end + 1))
            last = end
        assert covered, "something was delivered"
        in_gaps = 0
        for number in range(min(covered), len(place)):
            if number not in covered:
                trade = self.published[number]
                assert any(lo < number < hi for lo, hi in holes), f"{trade} is missing; gaps {holes}"
                in_gaps += 1
        return len(covered), in_gaps


def live_through(
    venue: Venue,
    symbol: str,
    script: FaultScript,
    *,
    seed: int,
    rate: float = 2.0,
    seconds: float = MINUTES,
    **options: Any,
) -> Day:
    exchange = Exchange(seed=seed, symbols={venue.name: [symbol]}, trades_per_second=rate)
    day = Day(venue, symbol, exchange)

    async def main() -> None:
        out: Mailbox[Any] = Mailbox("out", capacity=100)
        async with open_network(exchange) as network, trio.open_nursery() as nursery:
            tree = Supervisor("bot", [through(venue, network).trades([symbol], out=out, **options)])
            running = Running(tree, seed)
            async with running.opened():
                nursery.start_soon(drain, running.mailbox(out), day.items)
                nursery.start_soon(drain, running.events(capacity=100_000), day.events)
                await trio.sleep(CALM)
                with trio.move_on_after(seconds):
                    await exchange.run(script)
                await trio.sleep(300)
            nursery.cancel_scope.cancel()

    run_virtually(main, schedule_seed=seed)
    return day


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("connections", [1, 2])
@pytest.mark.parametrize(("venue", "symbol"), VENUES, ids=lambda value: getattr(value, "name", ""))
def test_bad_minutes_lose_nothing_unsaid(venue: Venue, symbol: str, connections: int, seed: int) -> None:
    script = FaultScript.random(
        seed, MINUTES, mean_gap=25.0, venues=(venue.name,), surfaces=("ws", "rest"), longest=20.0
    )
    day = live_through(venue, symbol, script, seed=seed, connections=connections)
    delivered, in_gaps = day.check()
    print(
        f"{venue.name} connections={connections} seed={seed}: delivered {delivered}, in gaps {in_gaps}, "
        f"gaps {sum(isinstance(i, Gap) for i in day.items)}"
    )
    assert list(day.exchange.record.violations) == []
    assert not [e for e in day.events if isinstance(e, Ended) and e.path.endswith("feed") and e.end.kind == "crashed"]
    if venue in (binance, binance_usdm, okx):
        assert in_gaps == 0, "REST has everything"


UNPROVEN = [(venue, symbol) for venue, symbol, dense in PRODUCTS.values() if not dense]


@pytest.mark.parametrize(("venue", "symbol"), UNPROVEN, ids=lambda value: getattr(value, "name", ""))
def test_a_loss_in_the_middle_is_found_although_the_stream_brings_nothing_new_afterwards(
    venue: Venue, symbol: str
) -> None:
    found: list[float] = []
    for lost in (50.0, 60.0, 70.0, 80.0):
        mute, stale = Fault("mute", venue=venue.name, duration=6.0), Fault("stale", venue=venue.name, duration=120.0)
        script = FaultScript([(lost, mute), (lost + 10.0, stale)])
        day = live_through(venue, symbol, script, seed=7, rate=0.5, seconds=lost + 135.0)
        day.check()
        gaps = [event.at for event in day.events if isinstance(event, Note) and event.what == "gap"]
        found += [at - CALM - lost for at in gaps[:1]]
    assert found, "a mute that is shorter than a natural silence is not noticed while it lasts"
    assert max(found) < 6.0 + 45.0
