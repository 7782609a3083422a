"""A shared outage: ten thousand bots lose one venue at the same moment. How many attempts a second does it get?

On the virtual clock. Each of ours is a supervised actor with the policy of a real connection, in a tree of its own and
with a seed of its own; its attempt fails while the venue is away. The others are loops: the naive one tries again as
soon as the refusal is there, the other after a fixed delay. The ideal one is told, by nobody knows whom, how to spread
as many attempts as ours made evenly over the outage.
"""

from __future__ import annotations

import random
import statistics
from collections import Counter
from collections.abc import Callable, Iterator

import trio
import trio.testing
from figures import Curve, Figure

from actors._connections._connection import BACKOFF
from actors._groups import NEVER_REACHED
from supervisor import Me, Supervisor, actor

BOTS = 10_000
OUTAGE = 60.0
"""Seconds."""
AFTERWARDS = 60.0
"""Seconds after it that are looked at: the longest delay."""
REFUSAL = 0.05
"""Seconds from an attempt to its refusal: an ocean and back."""
FIXED = 5.0
"""Seconds between attempts of those with a fixed delay, which is what python-binance had and many loops have."""
CROWD = 200
"""Of ours that are simulated in one run of Trio; all of them together would need the memory of all of them."""


class Refused(Exception):
    """The venue is away."""


@actor(backoff=BACKOFF, max_failures=None)
async def bot(me: Me, attempts: list[float]) -> None:
    """Try once, and live when it succeeds. The first life is the connection that is lost: it was no attempt."""
    now = trio.current_time()
    if me.generation == 1:
        raise Refused
    attempts.append(now)
    if now < OUTAGE:
        # The refusal's way back is part of each round for all of them.
        await trio.sleep(REFUSAL)
        raise Refused
    me.ready()
    await trio.sleep_forever()


def of_ours(bots: int) -> list[list[float]]:
    """Return when each bot tried."""
    tried: list[list[float]] = [[] for _ in range(bots)]

    async def one(number: int) -> None:
        tree = Supervisor("bot", [bot.child("connection", tried[number])], limit=NEVER_REACHED)
        async with tree.with_(first_start="retry").open(seed=number):
            await trio.sleep_until(OUTAGE + AFTERWARDS)

    async def crowd(numbers: range) -> None:
        async with trio.open_nursery() as nursery:
            for number in numbers:
                nursery.start_soon(one, number)

    for first in range(0, bots, CROWD):
        trio.run(crowd, range(first, min(first + CROWD, bots)), clock=trio.testing.MockClock(autojump_threshold=0))
    return tried


def of_a_loop(bots: int, delay: float) -> list[list[float]]:
    """Return when each bot of a loop tried; their clocks differ by as much as their ways to the venue do."""

    def attempts(rng: random.Random) -> Iterator[float]:
        at = delay + rng.uniform(0.0, REFUSAL)
        while True:
            yield at
            if at >= OUTAGE:
                return
            at += REFUSAL + delay

    return [list(attempts(random.Random(number))) for number in range(bots)]


def per_second(tried: list[list[float]]) -> list[int]:
    """Return the attempts in each second."""
    counted = Counter(int(at) for attempts in tried for at in attempts)
    return [counted[second] for second in range(int(OUTAGE + AFTERWARDS))]


def back(tried: list[list[float]]) -> list[float]:
    """Return how long after its end each bot noticed."""
    return sorted(attempts[-1] - OUTAGE for attempts in tried)


async def outage() -> list[Figure | Curve]:
    """Attempts a second, at the beginning, later, and when the venue is back; and how long the bots stay away."""
    ways: dict[str, Callable[[], list[list[float]]]] = {
        "unblinking": lambda: of_ours(BOTS),
        "naive loop": lambda: of_a_loop(BOTS, 0.0),
        "fixed delay": lambda: of_a_loop(BOTS, FIXED),
    }
    found = {name: await trio.to_thread.run_sync(make) for name, make in ways.items()}
    counts = {name: per_second(tried) for name, tried in found.items()}
    total = sum(counts["unblinking"][: int(OUTAGE)])
    counts["ideal"] = [round(total / OUTAGE)] * int(OUTAGE) + [0] * int(AFTERWARDS)
    figures: list[Figure | Curve] = []
    for part, seconds in (("all of it", slice(None)), ("after the first 10 s", slice(10, None))):
        ours = float(max(counts["unblinking"][seconds]))
        for name in ("naive loop", "fixed delay", "ideal"):
            peak = float(max(counts[name][seconds]))
            figures.append(Figure(f"outage, peak of attempts, {part} (beside: {name})", ours, "a second", peak))
    late = {name: back(tried) for name, tried in found.items()}
    for name in ("naive loop", "fixed delay"):
        ours, theirs = (statistics.median(late[which]) for which in ("unblinking", name))
        figures.append(Figure(f"outage, back after its end, median (beside: {name})", ours, "s", theirs))
    lines = {
        name: [(float(second), float(count)) for second, count in enumerate(each)] for name, each in counts.items()
    }
    return [*figures, Curve("outage", "seconds since the venue went away", "attempts a second", lines)]
