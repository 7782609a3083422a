"""The venue's clock as a group of actors knows it: the middle of several measurements, on Trio's clock.

The machine's wall clock may be wrong, and may jump. It decides nothing but how much further back than it must a process
asks that goes on from an earlier one. Signed requests and logins carry the time that is kept here, so that they are valid
on a machine whose clock is minutes off; and because that is a trouble of its own (logs, certificates), the owner of the
account compares the two.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from statistics import median
from typing import Final

import attrs
import trio

from supervisor import Me

from .._account_source import AccountSource, Question
from .._errors import ClockOff, HttpFailure, Unauthorized
from .._net._http import Http
from .._source import HttpReply

SAMPLES: Final = 3
"""Measurements when nothing is known."""
KEPT: Final = 7
"""Measurements of which the middle counts."""
EVERY: Final = 600.0
"""Seconds between measurements."""
WALL_OFF: Final = 30.0
"""Seconds by which the machine's clock may differ before somebody should know."""
ADVICE: Final = "requests are signed with the venue's time; set this machine's clock, by NTP for example"
JUMP: Final = 1000.0
"""Milliseconds. A measurement that is further off than this, and than its own uncertainty, says that the others are old:
the venue's clock was set, or Trio's stood still while the machine slept."""


@attrs.define(eq=False)
class VenueClock:
    """Milliseconds since 1970 by the venue's clock. Kept in the tree, shared by the actors of one account."""

    _offsets: deque[float] = attrs.field(factory=lambda: deque[float](maxlen=KEPT))
    _offset: float = 0.0
    uncertainty: float = 0.0
    """Milliseconds by which `now` may be off: half of the time that the answers took."""
    doubted: bool = False
    """Whether the venue did not like a time that we sent."""
    set_back: int = 0
    """Milliseconds by which it turned out to be behind what it was taken for, all times together. It never falls."""

    @property
    def known(self) -> bool:
        """Whether it was measured, and nothing has cast doubt on it since."""
        return bool(self._offsets) and not self.doubted

    def now(self) -> int:
        """Return the venue's time."""
        return self.at(trio.current_time())

    def at(self, moment: float) -> int:
        """Return the venue's time at a moment of Trio's clock, as far as is known now."""
        return int(moment * 1000 + self._offset)

    def ahead_of(self, wall: float) -> float:
        """Return by how many seconds the venue's clock is ahead of another, given what that one shows."""
        return (trio.current_time() * 1000 + self._offset) / 1000 - wall

    def measured(self, venue_ms: int, sent: float, received: float) -> None:
        """Take a measurement.

        Args:
            venue_ms: What the venue said.
            sent: When it was asked, on Trio's clock.
            received: When the answer had come: what the venue said was so in the middle, give or take.
        """
        offset = venue_ms - (sent + received) * 500
        took = (received - sent) * 1000
        before = self._offset if self._offsets else offset
        if self._offsets and abs(offset - self._offset) > JUMP + took:
            self._offsets.clear()
        self._offsets.append(offset)
        self._offset = median(self._offsets)
        self.set_back += max(0, int(before - self._offset))
        self.uncertainty = took / 2 if len(self._offsets) == 1 else max(self.uncertainty * 0.9, took / 2)


async def watch(
    clock: VenueClock, measure_again: Callable[[], Awaitable[None]], wall: Callable[[], float], me: Me
) -> None:
    """Measure from time to time, for ever, and note when the machine's clock is off, and when it is right again.

    Args:
        clock: The venue's.
        measure_again: Measures it.
        wall: What the machine's clock shows, seconds since the epoch.
        me: Notes it.
    """
    off = False
    while True:
        ahead = clock.ahead_of(wall())
        if abs(ahead) > WALL_OFF:
            # Time after time, so that an alert lasts as long as the trouble.
            me.note("clock_off", seconds=round(-ahead, 1), advice=ADVICE)
        elif off:
            me.note("clock_right", seconds=round(-ahead, 1))
        off = abs(ahead) > WALL_OFF
        await trio.sleep(EVERY)
        try:
            await measure_again()
        except Unauthorized:
            raise
        except HttpFailure as failure:
            me.note("clock_not_measured", reason=str(failure))


async def measure(clock: VenueClock, http: Http, source: AccountSource, samples: int = 1) -> None:
    """Ask the venue for its time, several times over where there is reason to.

    Raises:
        HttpFailure: There was no answer.
        BadFrame: It cannot be read.
    """
    if not clock.known:
        samples = max(samples, SAMPLES)
    for _ in range(samples):
        sent = trio.current_time()
        reply = await http.request(source.request(source.time_question(), clock.now()))
        clock.measured(source.time(reply.body), sent, trio.current_time())
    clock.doubted = False


async def asked(clock: VenueClock, http: Http, source: AccountSource, question: Question) -> HttpReply:
    """Ask with the venue's time, which is measured first where it is not known.

    Raises:
        ClockOff: The venue did not like our time; the next question measures it first.
        HttpFailure: There was no answer, or a refusal.
        BadFrame: The venue's time cannot be read.
    """
    if not clock.known:
        await measure(clock, http, source)
    try:
        return await http.request(source.request(question, clock.now()))
    except ClockOff:
        clock.doubted = True
        raise
