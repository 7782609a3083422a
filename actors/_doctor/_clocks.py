"""This machine's time beside each venue's.

The accounts here sign with the venue's own time. Whatever a bot signs by itself with this machine's is refused when that is
off, and data seems to come from the future.
"""

from __future__ import annotations

import time
from typing import Final

import trio

from .._errors import ActorError
from ..exchanges._clocks import VENUE_CLOCKS
from ._addresses import venue_http
from ._finding import Finding, for_each
from ._needs import Needs, Rest

ASKED: Final = 3
"""Times; the quickest answer tells most."""
REFUSED: Final = 1.0
"""Seconds ahead of its own time from which Binance refuses a request, whatever its ``recvWindow`` (rest-api.md, "Timing
security"); the others are no more patient."""
DOUBTFUL: Final = 0.25
_ADVICE: Final = "let this machine keep the time: `chronyc tracking`, `timedatectl`"


async def clocks(needs: Needs) -> list[Finding]:
    """Ask each venue that the tree uses for its time, at each address."""
    return await for_each([rest for rest in needs.rests if rest.venue in VENUE_CLOCKS], _clock)


async def _clock(rest: Rest) -> list[Finding]:
    clock = VENUE_CLOCKS[rest.venue]
    told: list[tuple[float, float]] = []
    try:
        async with venue_http(rest.address, rest.source, rest.transport) as http:
            for _ in range(ASKED):
                began, wall = trio.current_time(), time.time()
                reply = await http.request(clock.request)
                took = trio.current_time() - began
                told.append((took, clock.read(reply.body) / 1000 - (wall + took / 2)))
    except ActorError:
        # Why is told by the check of its address.
        return [Finding("failed", "clock", rest.venue, "cannot be compared", "see the lines about its REST address")]
    took, offset = min(told)
    # What the way to the venue takes may be all in one direction.
    sure = max(0.0, abs(offset) - took / 2)
    side = "behind" if offset > 0 else "ahead of"
    text = f"this machine is {abs(offset) * 1000:.0f} ms {side} the venue, give or take {took * 500:.0f} ms"
    if sure >= REFUSED:
        return [
            Finding(
                "failed",
                "clock",
                rest.venue,
                text,
                f"orders that the bot signs with this machine's time will be refused: {_ADVICE}",
            )
        ]
    if sure >= DOUBTFUL:
        return [Finding("warning", "clock", rest.venue, text, _ADVICE)]
    return [Finding("ok", "clock", rest.venue, text)]
