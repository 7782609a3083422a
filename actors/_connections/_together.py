"""Several jobs of one thing: they end together."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio


async def together(*jobs: Callable[[], Awaitable[None]]) -> None:
    """Run jobs side by side until one raises, and raise that as `with_helpers` does.

    The last job runs in the caller's task.
    """
    *others, last = jobs

    async def run(nursery: trio.Nursery) -> None:
        for job in others:
            nursery.start_soon(job)
        await last()

    await with_helpers(run)


async def with_helpers(job: Callable[[trio.Nursery], Awaitable[None]]) -> None:
    """Run a job that starts others beside it, in the nursery that it is given, whenever there is something to do.

    What one of them raises ends all of them and comes out as itself, unless several failed at once differently: the end
    of a connection is seen by everyone who uses it, in the same words. A job that returns ends nothing.
    """
    try:
        async with trio.open_nursery() as nursery:
            await job(nursery)
    except BaseExceptionGroup as group:
        failures = [error for error in group.exceptions if not isinstance(error, trio.Cancelled)]
        if len({(type(error), str(error)) for error in failures}) > 1:
            # Without the cancellations of the others, which are ours: they must not look like somebody else's.
            raise BaseExceptionGroup("several failed at the same moment", failures) from None
        # A failure is worth more than the cancellation that came at the same time; many cancellations are one.
        raise (failures or group.exceptions)[0] from None
