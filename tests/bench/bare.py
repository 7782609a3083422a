"""The same work done with bare Trio: what the figures are compared with."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable

import trio

clock = time.thread_time if os.environ.get("UNBLINKING_BENCH_CPU") else time.perf_counter
"""Wall time, as a user sees it; or the time that this thread had on a core. Nothing that is measured here sleeps."""


class Boom(Exception):
    """The failure of every cycle."""


class Cycle:
    """Measures crash cycles: seconds from just before the ``raise`` to the first line of the next incarnation."""

    def __init__(self) -> None:
        self.samples: list[float] = []
        self.left = 0
        self.finished = trio.Event()
        self._go = trio.Event()
        self._raised_at: float | None = None

    async def round(self, cycles: int) -> None:
        """Let so many cycles pass."""
        self.left, self.finished = cycles, trio.Event()
        self._raised_at = None
        self._go.set()
        await self.finished.wait()

    async def live(self) -> None:
        """Live one incarnation: wait for a round, and crash in it."""
        if self._raised_at is not None:
            self.samples.append(clock() - self._raised_at)
            self.left -= 1
            if self.left == 0:
                self._go = trio.Event()
                self.finished.set()
        await self._go.wait()
        self._raised_at = clock()
        raise Boom("again")


async def restarts(cycle: Cycle, task_status: trio.TaskStatus[None]) -> None:
    """Crash, record, ``nursery.start`` of the next incarnation, over and over. Until cancelled."""
    records: deque[Exception] = deque(maxlen=256)
    ended = trio.Event()

    async def incarnation(task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        try:
            await cycle.live()
        except Exception as error:  # noqa: BLE001 - this is the record
            records.append(error)
        finally:
            ended.set()

    async with trio.open_nursery() as nursery:
        task_status.started()
        while True:
            ended = trio.Event()
            await nursery.start(incarnation)
            await ended.wait()


REFERENCE_CYCLE = 36e-6
"""Seconds that the median bare cycle took on the machine that the absolute targets were set on."""


async def slowness() -> float:
    """Return how many times slower this machine is just now than the one that the absolute targets were set on."""
    cycle = Cycle()
    async with trio.open_nursery() as nursery:
        await nursery.start(restarts, cycle)
        await cycle.round(500)  # warm up
        cycle.samples.clear()
        await cycle.round(2000)
        nursery.cancel_scope.cancel()
    return sorted(cycle.samples)[len(cycle.samples) // 2] / REFERENCE_CYCLE


class Countdown:
    """Wakes one task when so many others have come by."""

    def __init__(self, count: int) -> None:
        self._left = count
        self.done = trio.Event()

    def come_by(self) -> None:
        """Count one."""
        self._left -= 1
        if not self._left:
            self.done.set()


async def idle(started: Callable[[], None]) -> None:
    """Say that it runs, and wait for its cancellation."""
    started()
    await trio.sleep_forever()


async def spawn(count: int) -> tuple[float, float]:
    """Start idle tasks, each with a scope of its own, and cancel and join them. Returns seconds of both."""
    countdown = Countdown(count)
    scopes: list[trio.CancelScope] = []

    async def life(scope: trio.CancelScope) -> None:
        with scope:
            await idle(countdown.come_by)

    async with trio.open_nursery() as nursery:
        before = clock()
        for _ in range(count):
            scope = trio.CancelScope()
            scopes.append(scope)
            nursery.start_soon(life, scope)
        await countdown.done.wait()
        started = clock()
        for scope in scopes:
            scope.cancel()
    return started - before, clock() - started


async def ordered_start_and_stop(count: int) -> tuple[float, float]:
    """Start idle tasks one after another with ``nursery.start``, and stop them in reverse, each joined. Seconds of both."""
    lives: list[tuple[trio.CancelScope, trio.Event]] = []

    async def life(task_status: trio.TaskStatus[None]) -> None:
        with trio.CancelScope() as scope:
            ended = trio.Event()
            lives.append((scope, ended))
            task_status.started()
            await trio.sleep_forever()
        ended.set()

    before = clock()
    async with trio.open_nursery() as nursery:
        for _ in range(count):
            await nursery.start(life)
        started = clock()
        for scope, ended in reversed(lives):
            scope.cancel()
            await ended.wait()
    return started - before, clock() - started


async def channel(batches: int, size: int) -> float:
    """Move items over a memory channel, one at a time as it does. Returns seconds an item."""
    send, receive = trio.open_memory_channel[int](size)
    items = list(range(size))

    async def produce() -> None:
        async with send:
            for _ in range(batches):
                for item in items:
                    await send.send(item)

    before = clock()
    async with trio.open_nursery() as nursery, receive:
        nursery.start_soon(produce)
        async for _ in receive:
            pass
    return (clock() - before) / (batches * size)
