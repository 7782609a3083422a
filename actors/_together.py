"""Several jobs of one thing: they end together."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio


async def together(*jobs: Callable[[], Awaitable[None]]) -> None:
    """Run jobs side by side until one raises, and raise that: as itself, unless several failed at once differently.

    The end of a connection is seen by everyone who uses it, in the same words. The last job runs in the caller's task.
    """
    *others, last = jobs
    try:
        async with trio.open_nursery() as nursery:
            for job in others:
                nursery.start_soon(job)
            await last()
    except BaseExceptionGroup as group:
        failures = [error for error in group.exceptions if not isinstance(error, trio.Cancelled)]
        if len({(type(error), str(error)) for error in failures}) > 1:
            raise
        # A failure is worth more than the cancellation that came at the same time; many cancellations are one.
        raise (failures or group.exceptions)[0] from None
