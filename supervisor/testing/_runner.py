"""Runs a tree on the virtual clock, with the scheduler's choices fixed by a seed (law L8)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import attrs
import trio
import trio.testing
from trio._core import _run

from .._events import Event
from .._ledger import Ledger
from .._running import Running
from .._spec import Supervisor
from ._cues import Lived, Recorder

Step = tuple[float, Callable[[Running], object]]
"""At this time (seconds after the start), do this to the running tree."""


@attrs.frozen(repr=False)
class Trace:
    """Everything that one run showed."""

    events: tuple[Event, ...]
    lived: tuple[Lived, ...]
    """What the actors themselves wrote down."""
    left_alive: tuple[str, ...]
    """Incarnations that were still alive after the tree had ended. Law L6: none."""
    error: BaseException | None
    """What came out of the tree; `SystemExit` for a storm of restarts, see `Recorder`."""
    duration: float
    """Seconds of virtual time from opening to the end."""
    stopped_in: float
    """Seconds of virtual time from the last step to the end."""
    ledger: Ledger = attrs.field(eq=False)

    def of(self, kind: str, path: str | None = None) -> list[Any]:
        """Return the events of a kind, of one child or of all."""
        return [event for event in self.events if event.kind == kind and path in (None, event.path)]

    def __repr__(self) -> str:
        return "\n".join(["<Trace", *self.story(), f"error={self.error!r} stopped in {self.stopped_in} s>"])

    def story(self) -> list[str]:
        """Return the events as lines with their times, for comparing runs and reading failures."""
        return [f"{event.at:10.4f} {event}" for event in self.events]


@contextmanager
def seeded_scheduler(seed: int) -> Iterator[None]:
    """Fix the order in which Trio runs tasks that are ready at the same time.

    Trio has no public way to do this (python-trio/trio#2022); pytest-trio and Trio's own Hypothesis plugin set the same
    two names. Hypothesis resets the generator for each example, so that without a seed of its own every example
    would run the same interleaving.
    """
    before = _run._ALLOW_DETERMINISTIC_SCHEDULING
    _run._ALLOW_DETERMINISTIC_SCHEDULING = True  # type: ignore[misc]
    _run._r.seed(seed)
    try:
        yield
    finally:
        _run._ALLOW_DETERMINISTIC_SCHEDULING = before  # type: ignore[misc]


@contextmanager
def inline_threads() -> Iterator[None]:
    """Let `trio.to_thread.run_sync` call its function at once, in the event loop's own thread.

    A clock that jumps over idle time does not wait for threads: one that works for a millisecond could be overtaken by
    hours, or not, by chance. For the whole process, until the block ends.
    """
    before = trio.to_thread.run_sync

    async def at_once(function: Callable[..., Any], *arguments: Any, **_: Any) -> Any:
        await trio.lowlevel.checkpoint_if_cancelled()
        result = function(*arguments)
        await trio.lowlevel.cancel_shielded_checkpoint()
        return result

    trio.to_thread.run_sync = at_once  # type: ignore[assignment]
    try:
        yield
    finally:
        trio.to_thread.run_sync = before


def run_virtually(main: Callable[..., Awaitable[Any]], *arguments: Any, schedule_seed: int = 0) -> Any:
    """Run an async function on a virtual clock that jumps over idle time, and return its result.

    The order of the tasks is fixed by the seed, and threads work inline: the same function, the same run.
    """
    with seeded_scheduler(schedule_seed), inline_threads():
        return trio.run(main, *arguments, clock=trio.testing.MockClock(autojump_threshold=0))


def trace(
    tree: Supervisor,
    recorder: Recorder | None = None,
    *,
    until: float,
    steps: Sequence[Step] = (),
    seed: int = 0,
    schedule_seed: int = 0,
    events: int = 100_000,
) -> Trace:
    """Open a tree on the virtual clock, let it live, stop it, and return what it did.

    Args:
        tree: The definition.
        recorder: That of the `OnCue` actors in it.
        until: Seconds of virtual time after which it is stopped.
        steps: What to do to it meanwhile.
        seed: The tree's seed.
        schedule_seed: The scheduler's seed.
        events: Events that are kept.
    """
    recorder = recorder or Recorder()

    async def main() -> Trace:
        return await _record(tree, recorder, until, sorted(steps, key=lambda step: step[0]), seed, events)

    result: Trace = run_virtually(main, schedule_seed=schedule_seed)
    return result


async def _record(
    tree: Supervisor, recorder: Recorder, until: float, steps: Sequence[Step], seed: int, capacity: int
) -> Trace:
    running = Running(tree, seed)
    subscription = running.events(capacity)
    start = trio.current_time()
    asked = start
    error: BaseException | None = None

    async def drive() -> None:
        nonlocal asked
        for at, do in (*steps, (until, lambda running: running.stop("its time is over"))):
            await trio.sleep_until(start + at)
            asked = trio.current_time()
            do(running)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(drive)
        try:
            async with running.opened():
                await running.wait_stopped()
        except (Exception, KeyboardInterrupt, SystemExit) as caught:  # noqa: BLE001 - part of the trace
            error = caught
            asked = trio.current_time()
        nursery.cancel_scope.cancel("the tree has ended")
    end = trio.current_time()
    return Trace(
        events=tuple(subscription.receive_nowait()),
        lived=tuple(recorder.lived),
        left_alive=tuple(f"{path}#{generation}" for path, generation in recorder.alive),
        error=error,
        duration=end - start,
        stopped_in=end - asked,
        ledger=running.ledger,
    )
