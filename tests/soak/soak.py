"""`nox -s soak -- --days 7 --seed 1`: days of twenty connections on the virtual clock, with rotations and faults.

Claims: no trade is lost or doubled (law L2), memory does not grow with time, no task is left at the end, and no venue's limit
is broken. The same seed gives the same run.
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
from random import Random

import attrs
import trio
import trio.testing

from actors import FeedItem, Venue
from actors.simulator import Exchange, Fault, FaultScript, open_network
from supervisor import Mailbox, Running, Supervisor

from ..actors.in_memory import through
from ..actors.products import PRODUCTS
from .witness import Witness

DAY = 86_400.0
FEEDS = 20
SAMPLES = 512
"""Failures that the ledger keeps, the first and the last ones."""
A_SAMPLE = 200
"""Objects of a failure that is kept: records, exceptions, tracebacks and their frames."""
RECORD = 1000
"""Entries of each log of the exchange's own record, which fills up and must not be taken for a leak."""
FAULTS_A_WEEK = 200
SILENCE = 600.0
"""Seconds. The market of the soak is a quiet one, so that a week of it can be had."""
BASES = {
    "-": ("BTC-USDT", "ETH-USDT", "SOL-USDT"),
    "_": ("BTC_USDT", "ETH_USDT", "SOL_USDT"),
    "": ("BTCUSDT", "ETHUSDT", "SOLUSDT"),
}


@attrs.define
class Report:
    """What a soak found."""

    delivered: int = 0
    in_gaps: int = 0
    gaps: int = 0
    dark: int = 0
    faults: int = 0
    connections: int = 0
    failures: int = 0
    objects: list[int] = attrs.Factory(list)
    """Objects alive at the end of each tenth of the run, without those of the exchange."""
    breaches: list[str] = attrs.Factory(list)

    def __str__(self) -> str:
        lines = [
            f"{self.delivered} trades delivered, {self.in_gaps} in {self.gaps} gaps, {self.dark} times not live",
            f"{self.connections} connections, {self.faults} faults, {self.failures} failures recorded",
            f"objects alive at the end of each tenth: {', '.join(map(str, self.objects))}",
            *self.breaches,
        ]
        return "\n".join(lines)


def is_of_the_exchange(found: object) -> bool:
    """Say whether an object is the simulated exchange's, whose record of the books is long and must not pass for a leak."""
    return type(found).__module__.startswith("actors.simulator")


def feeds() -> list[tuple[str, Venue, str]]:
    """Return venue name, venue and symbol of each connection."""
    found = []
    for name, (venue, example, _) in PRODUCTS.items():
        separator = next((mark for mark in "-_" if mark in example), "")
        found += [(name, venue, symbol) for symbol in BASES[separator]]
    return found[:FEEDS]


def faults(seed: int, days: float) -> FaultScript:
    """Return the faults of some days, of kinds that every venue has."""
    random = Random(f"{seed}:faults")
    entries = []
    for _ in range(round(FAULTS_A_WEEK * days / 7)):
        venue = random.choice(list(PRODUCTS))
        kind = random.choice(["reset", "close", "mute", "refuse", "garbage", "http_5xx"])
        surface = "rest" if kind == "http_5xx" else "ws"
        duration = random.uniform(5.0, 300.0) if kind in ("mute", "refuse", "http_5xx") else 0.0
        entries.append((random.uniform(60.0, days * DAY), Fault(kind, venue=venue, surface=surface, duration=duration)))
    return FaultScript(entries)


def run(days: float, seed: int, rate: float = 0.02) -> Report:
    """Run the soak."""
    report = Report()
    failures: list[int] = []
    lines = feeds()
    symbols: dict[str, list[str]] = {}
    for name, _, symbol in lines:
        symbols.setdefault(name, []).append(symbol)
    exchange = Exchange(
        seed=seed, symbols=symbols, trades_per_second=rate, book_changes_per_second=0.0, record_limit=RECORD
    )
    script = faults(seed, days)

    async def main() -> None:
        at_first = trio.lowlevel.current_statistics().tasks_living
        async with open_network(exchange) as network, trio.open_nursery() as nursery:
            groups, witnesses = [], []
            for name, venue, symbol in lines:
                out: Mailbox[FeedItem] = Mailbox(f"{name} {symbol}", capacity=1000)
                groups.append(through(venue, network).trades(symbol, out=out, silence=SILENCE))
                witnesses.append((out, Witness(exchange.record, name, symbol)))
            running = Running(Supervisor("soak", groups), seed)

            async def follow(out: Mailbox[FeedItem], witness: Witness) -> None:
                async for item in running.mailbox(out):
                    witness.take(item)

            async def count_objects() -> None:
                while True:
                    await trio.sleep(days * DAY / 10)
                    gc.collect()
                    failures.append(running.ledger.failures)
                    report.objects.append(sum(1 for found in gc.get_objects() if not is_of_the_exchange(found)))

            async with running.opened():
                for out, witness in witnesses:
                    nursery.start_soon(follow, out, witness)
                nursery.start_soon(count_objects)
                await trio.sleep(30.0)
                with trio.move_on_after(days * DAY):
                    await exchange.run(script)
                await trio.sleep(600.0)
                report.failures = running.ledger.failures
            for _, witness in witnesses:
                witness.end()
                report.delivered += witness.delivered
                report.in_gaps += witness.in_gaps
                report.gaps += witness.gaps
                report.dark += witness.dark
                report.breaches += witness.breaches
            nursery.cancel_scope.cancel()
        if (left := trio.lowlevel.current_statistics().tasks_living - at_first) > 0:
            report.breaches.append(f"{left} tasks are left")

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
    report.faults = len(exchange.record.faults)
    report.connections = sum(1 for record in exchange.record.connections if record.surface == "ws")
    report.breaches += sorted({f"{broken.venue}: {broken.rule}" for broken in exchange.record.violations})
    if len(report.objects) >= 10:
        # The ledger keeps samples of failures, with their tracebacks, up to a bound that only long runs reach.
        samples = A_SAMPLE * min(failures[9] - failures[4], SAMPLES)
        if report.objects[9] > 1.05 * report.objects[4] + samples:
            report.breaches.append("memory grows: more objects are alive at the end than in the middle of the run")
    return report


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=float, default=7.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=float, default=0.02, help="trades a second of each symbol")
    arguments = parser.parse_args()
    began = time.perf_counter()
    report = run(arguments.days, arguments.seed, arguments.rate)
    print(report)
    print(f"{arguments.days:g} days in {time.perf_counter() - began:.0f} s")
    if report.breaches:
        sys.exit(
            f"failed; repeat with: nox -s soak -- --days {arguments.days:g} --seed {arguments.seed} --rate {arguments.rate:g}"
        )


if __name__ == "__main__":
    main()
