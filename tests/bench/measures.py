"""Every measure of the supervisor's speed and size, and by name those of feeds. Each runs in a process of its own.

The garbage collector is on, with its default thresholds, as in a user's program. Where a collection falls into a sample
it is in the figure. Before each round garbage that others left is collected, so that nobody pays for someone else.
"""

from __future__ import annotations

import gc
import statistics
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path

import backfill
import bare
import days
import footprint
import latency
import outage
import recovery
import switch
import throughput
import trio
import trio.testing
from figures import Curve, Figure, percentile
from wire import wire

from supervisor import Backoff, Child, Limit, Mailbox, Me, Running, Supervisor, actor, child

NO_LIMIT = Limit(restarts=10**9, within=60.0)
AT_ONCE = Backoff(floor=0.0, base=0.0, cap=0.0)
ROUNDS = 5


@actor()
async def idle(me: Me, started: Callable[[], None]) -> None:
    """Like `bare.idle`."""
    started()
    await trio.sleep_forever()


@actor(backoff=AT_ONCE)
async def crashing(me: Me, cycle: bare.Cycle) -> None:
    """Crash over and over."""
    await cycle.live()


@actor(backoff=AT_ONCE)
async def crashing_reader(me: Me, cycle: bare.Cycle, inbox: Mailbox[int], outbox: Mailbox[int]) -> None:
    """Crash over and over, with mailboxes to be put in place at each start."""
    await cycle.live()


def nothing() -> None:
    """Nobody counts."""


def idle_children(count: int, started: Callable[[], None] = nothing) -> list[Child]:
    """Return the definitions of idle children."""
    first = idle.child("c", started)
    return [Child(f"c{number}", first.actor, first.policy) for number in range(count)]


async def restart_rounds(
    running: Running, supervised: bare.Cycle, beside: bare.Cycle, rounds: int = 50, cycles: int = 200
) -> None:
    """Let bare and supervised cycles take short turns, so that what disturbs the machine disturbs both."""
    async with trio.open_nursery() as nursery:
        await nursery.start(bare.restarts, beside)
        for cycle in (beside, supervised):
            await cycle.round(2 * cycles)  # warm up
            cycle.samples.clear()
        for _ in range(rounds):
            for cycle in (beside, supervised):
                gc.collect(1)
                await cycle.round(cycles)
        nursery.cancel_scope.cancel()


def restart_figures(name: str, supervised: bare.Cycle, beside: bare.Cycle) -> Iterator[Figure]:
    """Return median and tail."""
    for percent, target, ratio in ((50, None, 2.0), (99, 150.0, None)):
        value, of_bare = (percentile(cycle.samples, percent) * 1e6 for cycle in (supervised, beside))
        yield Figure(f"{name}, p{percent}", value, "us", of_bare, target, ratio)


async def restart(siblings: int) -> list[Figure]:
    """Zero-delay restart of one child among idle siblings."""
    supervised, beside = bare.Cycle(), bare.Cycle()
    children = [crashing.child("crashing", supervised), *idle_children(siblings)]
    async with Supervisor("bench", children, limit=NO_LIMIT).open() as running:
        gc.collect()
        await restart_rounds(running, supervised, beside)
        running.hurry()
    return list(restart_figures(f"restart, {siblings:,} siblings", supervised, beside))


async def restart_with_mailboxes() -> list[Figure]:
    """The same with two mailboxes among its arguments."""
    supervised, beside = bare.Cycle(), bare.Cycle()
    boxes = Mailbox[int]("in", capacity=1), Mailbox[int]("out", capacity=1)
    tree = Supervisor("bench", [crashing_reader.child("crashing", supervised, *boxes)], limit=NO_LIMIT)
    async with tree.open() as running:
        await restart_rounds(running, supervised, beside)
    return list(restart_figures("restart, with two mailboxes", supervised, beside))[:1]


async def restart_with_subscriber() -> list[Figure]:
    """The same with somebody reading all events."""
    supervised, beside = bare.Cycle(), bare.Cycle()
    tree = Supervisor("bench", [crashing.child("crashing", supervised)], limit=NO_LIMIT)
    async with tree.open() as running, trio.open_nursery() as nursery:
        await restart_rounds(running, supervised, beside)
        silent = percentile(supervised.samples, 50)
        supervised.samples.clear()
        # They do not read meanwhile: the cost of handing an event over, not that of whatever a reader does.
        kept = [running.events(capacity=10_000) for _ in range(3)]
        await restart_rounds(running, supervised, beside)
        observed = percentile(supervised.samples, 50)
        nursery.cancel_scope.cancel()
    # A restart is three events: ended, started, ready.
    each = (observed - silent) * 1e6 / (3 * len(kept))
    return [Figure("one more subscriber, an event", each, "us")]


async def spawn_static() -> list[Figure]:
    """Children of a definition started, in order."""
    count, rates = 10_000, Rates()
    for _ in range(ROUNDS):
        gc.collect()
        await rates.bare_took((await bare.ordered_start_and_stop(count))[0] / count)
        tree = Supervisor("bench", idle_children(count))
        gc.collect()
        before = bare.clock()
        async with tree.open() as running:
            took = bare.clock() - before
            running.hurry()
        await rates.took(took / count)
    return [rates.figure("supervised spawn, of the definition", target=20_000.0)]


async def spawn_added() -> list[Figure]:
    """Children added while running."""
    count, rates = 10_000, Rates()
    for _ in range(ROUNDS):
        gc.collect()
        await rates.bare_took((await bare.spawn(count))[0] / count)
        countdown = bare.Countdown(count)
        async with Supervisor("bench", [Supervisor("pool", template=idle.child)]).open() as running:
            gc.collect()
            before = bare.clock()
            for number in range(count):
                running.add_child("bench/pool", f"c{number}", countdown.come_by)
            await countdown.done.wait()
            took = bare.clock() - before
            running.hurry()
        await rates.took(took / count)
    return [rates.figure("supervised spawn, add_child", target=20_000.0)]


class Rates:
    """Rates of long rounds, during which the machine's speed varies: each is set beside its speed just before and after."""

    def __init__(self) -> None:
        self._seconds: list[float] = []
        self._at_reference_speed: list[float] = []
        self._of_bare: list[float] = []
        self._slowness = 1.0

    async def bare_took(self, seconds: float) -> None:
        """Note what bare Trio took for one, and how fast the machine is now."""
        self._of_bare.append(seconds)
        self._slowness = await bare.slowness()

    async def took(self, seconds: float) -> None:
        """Note what we took for one, right after bare Trio."""
        slowness = (self._slowness + await bare.slowness()) / 2
        self._seconds.append(seconds)
        self._at_reference_speed.append(seconds / slowness)

    def figure(self, name: str, target: float) -> Figure:
        """Return the medians."""
        seconds = statistics.median(self._seconds)
        slowness = seconds / statistics.median(self._at_reference_speed)
        return Figure(name, 1 / seconds, "/s", 1 / statistics.median(self._of_bare), target=target, slowness=slowness)


async def memory() -> list[Figure]:
    """Resident memory of idle children, definition included."""
    count = 20_000

    async def bare_life() -> None:
        with trio.CancelScope():
            async with trio.open_nursery():
                await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        before = _resident()
        for _ in range(count):
            nursery.start_soon(bare_life)
        await trio.testing.wait_all_tasks_blocked()
        of_bare = (_resident() - before) / count
        nursery.cancel_scope.cancel()
    # What the bare tasks gave back must not be taken for ours: the heap is filled again first.
    async with trio.open_nursery() as nursery:
        for _ in range(count):
            nursery.start_soon(bare_life)
        await trio.testing.wait_all_tasks_blocked()
        before = _resident()
        async with Supervisor("bench", idle_children(count)).open() as running:
            ours = (_resident() - before) / count
            running.hurry()
        nursery.cancel_scope.cancel()
    return [Figure("memory of an idle child (bare: task, scope, nursery)", ours / 1024, "KB", of_bare / 1024, 6.0)]


def _resident() -> int:
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


async def ordered_stop() -> list[Figure]:
    """An ordered stop of 1,000 idle children."""
    count, times, of_bare = 1_000, [], []
    for _ in range(2 * ROUNDS):
        gc.collect()
        of_bare.append((await bare.ordered_start_and_stop(count))[1])
        async with Supervisor("bench", idle_children(count)).open() as running:
            gc.collect()
            before = bare.clock()
            running.stop()
            await running.wait_stopped()
            times.append(bare.clock() - before)
    value, beside = statistics.median(times), statistics.median(of_bare)
    return [Figure("ordered stop of 1,000 idle children", value, "s", beside, 0.1)]


async def status() -> list[Figure]:
    """A status of 10,000 children."""
    times = []
    async with Supervisor("bench", idle_children(10_000)).open() as running:
        for _ in range(4 * ROUNDS):
            before = bare.clock()
            found = running.status()
            times.append(bare.clock() - before)
            assert len(found.children) == 10_000
        running.hurry()
    return [Figure("status of 10,000 children", statistics.median(times) * 1e3, "ms", target=20.0)]


async def many() -> list[Figure]:
    """100,000 static children against 10,000: what each costs must stay the same."""
    costs: dict[int, list[float]] = {10_000: [], 100_000: []}
    of_bare: dict[int, list[float]] = {10_000: [], 100_000: []}
    for _ in range(2):
        for count, found in costs.items():
            gc.collect()
            of_bare[count].append(sum(await bare.ordered_start_and_stop(count)) / count)
            gc.collect()
            before = bare.clock()
            async with Supervisor("bench", idle_children(count)).open():
                pass
            found.append((bare.clock() - before) / count)
    small, large = (min(found) * 1e6 for found in costs.values())
    bare_small, bare_large = (min(found) * 1e6 for found in of_bare.values())
    return [
        Figure("define, start, stop 10,000 children, each", small, "us", bare_small),
        Figure("define, start, stop 100,000 children, each", large, "us", bare_large),
        # Trio itself gets slower with so many tasks (caches, garbage collection); beyond that we must be linear.
        Figure("100,000 against 10,000, each", large / small, "times", bare_large / bare_small, ratio_target=1.25),
    ]


async def mailbox() -> list[Figure]:
    """Batches of 100 over a mailbox, between two tasks."""
    batches, size, times, of_bare = 5_000, 100, [], []
    items = list(range(size))
    declared = Mailbox[int]("bench", capacity=size)

    async def produce(into: Mailbox[int]) -> None:
        for _ in range(batches):
            await into.send_many(items)

    async with Supervisor("bench", []).open() as running:
        box = running.mailbox(declared)
        for _ in range(ROUNDS):
            of_bare.append(await bare.channel(batches // 10, size))
            before = bare.clock()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(produce, box)
                left = batches * size
                while left:
                    left -= len(await box.receive_many())
            times.append((bare.clock() - before) / (batches * size))
    value, beside = statistics.median(times) * 1e6, statistics.median(of_bare) * 1e6
    return [Figure("mailbox, batches of 100, an item", value, "us", beside, 0.5)]


async def beat() -> list[Figure]:
    """One sign of life."""
    times: list[float] = []
    calls = 100_000

    async def measuring(me: Me) -> None:
        for _ in range(ROUNDS):
            before = bare.clock()
            for _ in range(calls):
                me.beat()
            times.append((bare.clock() - before) / calls)
        await trio.sleep_forever()

    async with Supervisor("bench", [child("measuring", measuring)]).open():
        await trio.testing.wait_all_tasks_blocked()
    return [Figure("Me.beat()", statistics.median(times) * 1e6, "us")]


MEASURES: dict[str, Callable[[], Awaitable[Sequence[Figure | Curve]]]] = {
    "restart-1": lambda: restart(1),
    "restart-5000": lambda: restart(5_000),
    "restart-100000": lambda: restart(100_000),
    "restart-mailboxes": restart_with_mailboxes,
    "spawn-static": spawn_static,
    "spawn-added": spawn_added,
    "memory": memory,
    "stop": ordered_stop,
    "status": status,
    "many": many,
    "mailbox": mailbox,
    "beat": beat,
    "subscriber": restart_with_subscriber,
    "wire": wire,
    "feed": throughput.feed,
    "children": throughput.children,
    "latency": latency.latency,
    "feeds": footprint.memory_of_feeds,
    "recovery": recovery.recovery,
    "switch": switch.switch,
    "outage": outage.outage,
    "backfill": backfill.backfill,
    "day": days.day,
}
