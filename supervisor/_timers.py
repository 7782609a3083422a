"""One heap for all timers of a tree, keyed (deadline, order): equal deadlines fire in declared order.

Trio wakes tasks with equal deadlines in random order (72 orders were seen in 100 seeds), so no order may be encoded in
timers of several tasks.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable
from itertools import count

import trio

Order = tuple[int, ...]
"""Place of a child in the whole tree: the indexes on the way down to it."""

_COMPACT_FROM = 256
"""Cancelled timers that may lie in the heap before it is cleaned."""


class Timer:
    """A call that is due at a time; `Timers.cancel` takes it back."""

    __slots__ = ("callback", "deadline", "order", "seq")

    def __init__(self, deadline: float, order: Order, seq: int, callback: Callable[[float], None]) -> None:
        self.deadline: float = deadline
        self.order: Order = order
        self.seq: int = seq
        self.callback: Callable[[float], None] | None = callback

    def __lt__(self, other: Timer) -> bool:
        if self.deadline != other.deadline:
            return self.deadline < other.deadline
        return (self.order, self.seq) < (other.order, other.seq)


class Timers:
    """The heap, and the one task that sleeps on it."""

    def __init__(self) -> None:
        self._heap: list[Timer] = []
        self._cancelled = 0
        self._seq = count()
        self._sleep: trio.CancelScope | None = None

    def at(self, deadline: float, order: Order, callback: Callable[[float], None]) -> Timer:
        """Arrange for ``callback(now)`` at the deadline (seconds on Trio's clock). The callback must not block."""
        timer = Timer(deadline, order, next(self._seq), callback)
        heapq.heappush(self._heap, timer)
        if self._sleep is not None and deadline < self._sleep.deadline:
            self._sleep.deadline = deadline
        return timer

    def cancel(self, timer: Timer) -> None:
        """Take a timer back. Does nothing when it has fired or was taken back before."""
        if timer.callback is None:
            return
        timer.callback = None
        self._cancelled += 1
        if self._cancelled > _COMPACT_FROM and self._cancelled * 2 > len(self._heap):
            self._heap = [left for left in self._heap if left.callback is not None]
            heapq.heapify(self._heap)
            self._cancelled = 0

    async def sleep_until(self, deadline: float, order: Order) -> float:
        """Sleep until the deadline, in the order of this heap; return the time then. Cancellation takes the timer back."""
        due = trio.Event()

        def wake(_now: float) -> None:
            due.set()

        timer = self.at(deadline, order, wake)
        try:
            await due.wait()
        finally:
            self.cancel(timer)
        return trio.current_time()

    def __len__(self) -> int:
        return len(self._heap) - self._cancelled

    async def run(self) -> None:
        """Fire timers until cancelled. Cancellation loses nothing but the timers that are not due yet."""
        while True:
            self._fire_due()
            deadline = self._heap[0].deadline if self._heap else math.inf
            with trio.CancelScope(deadline=deadline) as self._sleep:
                await trio.sleep_forever()
            self._sleep = None

    def _fire_due(self) -> None:
        now = trio.current_time()
        while self._heap and (self._heap[0].callback is None or self._heap[0].deadline <= now):
            timer = heapq.heappop(self._heap)
            if timer.callback is None:
                self._cancelled -= 1
                continue
            callback, timer.callback = timer.callback, None
            callback(now)
