"""Running a tree as a program, with somebody who follows its events from the first to the last."""

from collections.abc import Awaitable, Callable

import trio

from supervisor import Event, GaveUp, Running, Supervisor

from ._output import Lines

EVENTS = 10_000
"""Events that wait for a slow follower; a burst of a thousand restarts is a few thousand."""
LAST_WORDS = 1.0
"""Seconds that slow readers are given after the tree has ended."""


async def follow(
    tree: Supervisor,
    diagnostics: Lines,
    on_event: Callable[[Event], Awaitable[None]],
    say: Callable[[str], None],
    *,
    seconds: float | None = None,
    watch_blocking: float | None = None,
) -> GaveUp | None:
    """Run a tree until SIGTERM, SIGINT or the end of its time; return its error if the root gave up.

    Args:
        tree: What to run.
        diagnostics: Written out meanwhile, and once more at the end.
        on_event: Called for every event, in order. What it raises stops the tree in order and comes out.
        say: Called at the end with what is missing in the diagnostics, and with the reason when the root gave up.
        seconds: How long to run at most.
        watch_blocking: As in `Supervisor.open`.

    Cancellation stops the tree in order first.
    """
    gave_up: GaveUp | None = None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(diagnostics.write_out)
        told_all = trio.Event()

        async def tell() -> None:
            async for event in events:
                await on_event(event)
            told_all.set()

        async def stop_later(after: float) -> None:
            await trio.sleep(after)
            running.stop(f"its {after:g} s are over")

        running = Running(tree, seed=None)
        events = running.events(EVENTS)
        nursery.start_soon(tell)
        if seconds is not None:
            nursery.start_soon(stop_later, seconds)
        try:
            async with running.opened(signals=True, watch_blocking=watch_blocking):
                await running.wait_stopped()
        except GaveUp as error:
            gave_up = error
        with trio.move_on_after(LAST_WORDS):
            await told_all.wait()
        nursery.cancel_scope.cancel("the tree has ended")
    untold = events.dropped + len(events.receive_nowait())
    if untold:
        say(f"{untold} events are missing above: they came faster than they could be told")
    if diagnostics.dropped:
        say(f"{diagnostics.dropped} lines are missing above: they were not read in time")
    if gave_up is not None:
        say(f"{gave_up.path} gave up: {gave_up.reason}")
    with trio.move_on_after(LAST_WORDS):
        await diagnostics.flush()
    return gave_up
