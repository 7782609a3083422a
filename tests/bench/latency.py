"""From the venue's writing to the consumer's hands: at a quiet rate and at that of a very bad minute, beside others."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from clients import Taken, one_core, run_peer, venue
from figures import Curve, Figure, percentile
from throughput import ours

ROUNDS = 3
SECONDS = 3.0
"""Of trades, in each turn."""
RATES = (1_000, 20_000)
"""Trades a second."""
BESIDE = {"websockets-msgspec": "websockets", "websockets": "websockets with json", "picows-msgspec": "picows"}
WARM = 0.1
"""The first part of each turn, which does not count: code and caches are cold."""
TARGET = 2.0
"""Times the p99 of websockets at the higher rate."""


def tail(taken: Taken) -> list[float]:
    """Return median, p99 and p99.9 of one turn, in microseconds."""
    latencies = taken.latencies[int(WARM * len(taken.latencies)) :]
    return [percentile(latencies, percent) for percent in (50, 99)] + [_p999(latencies)]


def _p999(latencies: Sequence[int]) -> float:
    return statistics.quantiles(latencies, n=1000, method="inclusive")[-1]


async def latency() -> list[Figure | Curve]:
    """Latency of a feed beside that of websockets on asyncio with the same decoding, of the naive loop, and of picows."""
    figures: list[Figure | Curve] = []
    for rate in RATES:
        count = int(SECONDS * rate)
        turns: dict[str, list[list[float]]] = {"unblinking": [], **{name: [] for name in BESIDE.values()}}
        async with venue(count, rate) as port:
            with one_core():
                for _ in range(ROUNDS):
                    turns["unblinking"].append(tail(await ours(port, count, timed=True)))
                    for client, name in BESIDE.items():
                        if (taken := await run_peer(client, port, count, timed=True)) is not None:
                            turns[name].append(tail(taken))
        medians = {
            name: [statistics.median(column) for column in zip(*found, strict=True)] for name, found in turns.items()
        }
        beside = medians["websockets"]
        for place, which in enumerate(("p50", "p99", "p99.9")):
            target = TARGET if which == "p99" and rate == max(RATES) else None
            name = f"latency at {rate:,} trades a second, {which} (beside: websockets)"
            bare = beside[place] if beside else None
            figures.append(Figure(name, medians["unblinking"][place], "us", bare, ratio_target=target))
        lines = {name: list(zip((50.0, 99.0, 99.9), found, strict=True)) for name, found in medians.items() if found}
        figures.append(Curve(f"latency-{rate}", "percentile", "microseconds", lines))
    return figures
