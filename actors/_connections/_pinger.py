"""The metronome of a connection."""

from __future__ import annotations

from typing import Final

import attrs
import trio

from supervisor import Backoff, Mailbox, Me, actor

from .._messages import Order, Ping

_BACKOFF: Final = Backoff(floor=0.05, base=0.05, cap=60.0)
"""Of the connection and its pinger, which restart together, the longer delay counts: it is the connection's."""


@actor(backoff=_BACKOFF)
@attrs.frozen
class Pinger:
    """Asks the connection for a ping, time after time.

    The connection itself sends the ping and judges the answer, because only it may touch the wire. A quiet symbol may
    have no data for hours, and the venue's own pings are not seen above the WebSocket library (USD-M sends one in three
    minutes only): this is what tells a quiet connection from a dead one.
    """

    control: Mailbox[Order]
    interval: float
    """Seconds from ping to ping."""

    async def run(self, me: Me) -> None:
        """Tick until cancelled."""
        while True:
            # What `trio.sleep` does, without two coroutines more for each of a thousand connections.
            with trio.move_on_after(self.interval):
                await trio.sleep_forever()
            await self.control.send(Ping())
