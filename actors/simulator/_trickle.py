"""Writing to a stream as fast as it takes it, or, under the fault that makes a venue slow, in drops."""

from __future__ import annotations

import trio

from ._hub import Hub
from ._record import Surface


async def send_slowly(hub: Hub, venue: str, surface: Surface, stream: trio.abc.Stream, data: bytes) -> None:
    """Send all of it; when cancelled, a part may have been sent.

    Raises:
        trio.BrokenResourceError: the peer has gone.
    """
    while (slow := hub.active("slow", venue, surface)) is not None and data:
        await trio.sleep(min(slow.fault.delay, max(0.0, slow.until - hub.clock.now())))
        size = slow.fault.chunk or len(data)
        await stream.send_all(data[:size])
        data = data[size:]
    if data:
        await stream.send_all(data)
