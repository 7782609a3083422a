"""Notices actors that block the event loop: they compute, or call something that does not await, for too long.

While one task runs nothing else does: no pong is sent, no timer fires. Nothing inside the process can interrupt it; this
names it afterwards. A loop that never comes back is for a watchdog outside of the process.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import trio


def path_of_task(task: trio.lowlevel.Task | None, root: str) -> str:
    """Return the path of the child that a task belongs to: its own, or that of the nearest task above it that has one."""
    while task is not None:
        if task.name == root or task.name.startswith(f"{root}/"):
            return task.name
        task = None if task.parent_nursery is None else task.parent_nursery.parent_task
    return root


class BlockingWatch(trio.abc.Instrument):
    """Measures each step of each task, in real time whatever the clock of the run is.

    Costs about a fifth of the speed of a loop that does nothing but switch tasks.

    Args:
        threshold: Seconds that a step may take.
        root: Name of the tree's root.
        report: Called with the path of the child and the seconds that its step took.
    """

    def __init__(self, threshold: float, root: str, report: Callable[[str, float], None]) -> None:
        self._threshold = threshold
        self._root = root
        self._report = report
        self._since = time.perf_counter()

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        """Begin to measure."""
        self._since = time.perf_counter()

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        """Report the step if it took too long."""
        took = time.perf_counter() - self._since
        if took > self._threshold:
            self._report(path_of_task(task, self._root), took)
