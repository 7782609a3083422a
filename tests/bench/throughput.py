"""One feed from the socket to the consumer's hands: typed, deduplicated, checked for gaps; beside others, in turns."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Sequence

import trio
from clients import Taken, one_core, run_peer, venue
from figures import Figure
from venue import FIRST

from actors import FeedItem, FeedState, binance
from actors.exchanges.binance_spot import SpotTrade
from supervisor import Child, Mailbox, Me, Supervisor, actor

ROUNDS = 5
MANY = 200_000
FEW = 20_000
"""For clients that take tens of microseconds a trade."""
BESIDE = {
    "picows-msgspec": ("picows with msgspec", MANY, 0.8),
    "websockets": ("websockets with json, the naive loop", MANY, 4.0),
    "python-binance": ("python-binance", FEW, 10.0),
    "ccxt": ("ccxt", FEW, 10.0),
}
"""Of each client: its name in the table, how many trades it gets, and how many times its rate is the target."""


@actor()
async def idle(me: Me) -> None:
    """Live."""
    await trio.sleep_forever()


def sleepers(count: int) -> list[Child]:
    """Return the definitions of children that do nothing."""
    first = idle.child("c")
    return [Child(f"c{number}", first.actor, first.policy) for number in range(count)]


async def ours(port: int, count: int, *, timed: bool = False, children: Sequence[Child] = ()) -> Taken:
    """Receive so many trades through a feed in a tree.

    Raises:
        AssertionError: One was missing, came twice, or a gap was declared: then the figure would mean nothing.
    """
    out: Mailbox[FeedItem] = Mailbox("trades", capacity=10_000)
    at = binance.at(ws=f"ws://127.0.0.1:{port}", rest=f"http://127.0.0.1:{port}")
    async with Supervisor("bench", [*children, at.trades("BTCUSDT", out=out)]).open() as running:
        box = running.mailbox(out)
        gc.collect()
        last, live = -1, False
        while last < 0 or not live:
            for item in await box.receive_many():
                if isinstance(item, SpotTrade):
                    last = item.id
                live = live or (isinstance(item, FeedState) and item.live)
        began, cpu, first = time.perf_counter(), time.process_time(), last
        latencies: list[int] = []
        while last < FIRST + count - 1:
            items = await box.receive_many()
            if timed:
                latencies += [time.monotonic_ns() // 1000 - item.time for item in items if isinstance(item, SpotTrade)]
            newest = items[-1]
            assert isinstance(newest, SpotTrade), newest
            assert newest.id == last + len(items), "a trade is missing, or came twice"
            last = newest.id
        took, on_core = time.perf_counter() - began, time.process_time() - cpu
        running.hurry()
    return Taken(last - first, took, on_core, latencies)


async def feed() -> list[Figure]:
    """Trades a second and CPU time a trade, of one feed and of what others have."""
    found: dict[str, list[Taken]] = {"ours": [], **{client: [] for client in BESIDE}}
    async with venue(MANY) as port:
        with one_core():
            for turn in range(ROUNDS):
                found["ours"].append(await ours(port, MANY))
                for client, (_, count, _) in BESIDE.items():
                    if turn < 3 or count == MANY:
                        taken = await run_peer(client, port, count)
                        found[client] += [] if taken is None else [taken]
    rates = {client: statistics.median(taken.rate for taken in turns) for client, turns in found.items() if turns}
    cpu = {
        client: statistics.median(taken.cpu / taken.messages for taken in turns) * 1e6
        for client, turns in found.items()
        if turns
    }
    return [
        *(
            Figure(
                f"feed, trades (beside: {name})", rates["ours"], "/s", rates[client], ratio_target=round(1 / times, 2)
            )
            for client, (name, _, times) in BESIDE.items()
            if client in rates
        ),
        *(
            Figure(f"feed, CPU a trade (beside: {name})", cpu["ours"], "us", cpu[client])
            for client, (name, _, _) in BESIDE.items()
            if client in cpu
        ),
    ]


async def children() -> list[Figure]:
    """CPU time a trade, of a feed among many supervised children and of one that is nearly alone."""
    costs: dict[int, list[float]] = {1: [], 5_000: []}
    async with venue(MANY) as port:
        with one_core():
            for _ in range(ROUNDS):
                for count, found in costs.items():
                    taken = await ours(port, MANY, children=sleepers(count))
                    found.append(taken.cpu / taken.messages * 1e6)
    few, many = (statistics.median(found) for found in costs.values())
    return [
        Figure("CPU a trade, among 5,000 children (beside: 1 child)", many, "us", few, ratio_target=1.1),
    ]
