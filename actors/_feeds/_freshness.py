"""How often a source of prices speaks, and how late: learned from itself. Pure.

Two clocks are at work. The rhythm of a market is read from the venue's own times, so that an outage of ours, after
which the missed trades come all at once, teaches nothing wrong. Lateness is what lies between the venue's time of a
trade and its arrival on our monotonic clock, less what usually lies there: neither a venue's clock that is off, nor
one of ours that is set, nor the length of the way counts. Arrivals are seconds on Trio's clock.
"""

from __future__ import annotations

from collections import deque
from typing import Final

import attrs

QUICKEST: Final = 1.0
"""Seconds. No silence shorter than this is held against a source, however busy it is."""
MEMORY: Final = 60.0
"""Seconds by the venue's clock in which what was learned fades to between a third and a half."""
ENOUGH: Final = 20
"""Intervals from which a rhythm can be learned; before that only the declared bound holds."""
USUAL_TIMES: Final = 8.0
"""How many times the usual interval a source may be silent. Were trades independent of each other, one silence in nine
million would be longer: the usual one, as a moment meets it, is twice the mean, and ``exp(-16)`` is left."""
LONGEST_TIMES: Final = 2.0
"""How many times the longest interval of late it may be silent: a market that calms down is learned at once."""
SLOT: Final = 10.0
"""Seconds. The least delay of each slot is kept."""
SLOTS: Final = 60
"""The slots that count: ten minutes. A venue that is late for longer than this is taken to be so by nature."""


@attrs.define
class Pace:
    """The rhythm of a source, and how long it may be silent."""

    last: int | None = None
    """Time of the last trade, milliseconds by the venue's clock; None where the next interval would prove nothing."""
    intervals: int = 0
    weight: float = 0.0
    """Sum of the intervals, seconds; older ones count less."""
    squares: float = 0.0
    """Sum of their squares, likewise."""
    longest: float = 0.0
    """The longest interval of late, fading, seconds."""

    def passed(self, time: int, most: float) -> None:
        """Learn from a trade.

        Args:
            time: When it happened, milliseconds by the venue's clock.
            most: No interval counts for more seconds than this, so that one that is wrong does not spoil the rest.
        """
        last, self.last = self.last, time
        if last is None or time <= last:
            return
        interval = min((time - last) / 1000, most)
        kept = MEMORY / (MEMORY + interval)
        self.weight = self.weight * kept + interval
        self.squares = self.squares * kept + interval * interval
        self.longest = max(self.longest * kept, interval)
        self.intervals += 1

    def interrupted(self) -> None:
        """Trades are missing here: the interval across the hole is none."""
        self.last = None

    @property
    def usual(self) -> float | None:
        """The interval, in seconds, that a moment usually finds itself in; None while too little is known.

        Not the mean: a hundred trades in one millisecond and then nothing for a second are a rhythm of a second.
        """
        return self.squares / self.weight if self.intervals >= ENOUGH else None

    def limit(self, most: float) -> float:
        """Return how many seconds of silence are within its habits, and at most ``most``."""
        usual = self.usual
        if usual is None:
            return most
        return min(most, max(QUICKEST, USUAL_TIMES * usual, LONGEST_TIMES * self.longest))


@attrs.define
class Delay:
    """The usual delay of a source, and how late a trade is against it."""

    usual: float = float("inf")
    """Seconds; it has the difference of the clocks in it, and means nothing by itself."""
    slot: int = -1
    least: float = float("inf")
    """The least delay in the present slot."""
    past: deque[tuple[int, float]] = attrs.Factory(lambda: deque(maxlen=SLOTS))
    """The earlier slots: number and least delay."""
    two: tuple[float, ...] = ()
    """The two least of the past."""

    def late(self, arrived: float, time: int) -> float:
        """Learn from a trade, and return how many seconds later than usual it came; never less than 0.

        Args:
            arrived: Seconds on the local clock.
            time: When it happened, milliseconds by the venue's clock.
        """
        delay = arrived - time / 1000
        slot = int(arrived // SLOT)
        if slot != self.slot:
            self._next_slot(slot)
        if delay < self.least:
            self.least = delay
            # One trade with a time from the future must not make all others late: the second least of three or more.
            least = sorted((*self.two, delay))
            self.usual = least[1] if len(least) > 2 else least[0]
        return max(0.0, delay - self.usual)

    def _next_slot(self, slot: int) -> None:
        if self.slot >= 0:
            self.past.append((self.slot, self.least))
        self.slot, self.least = slot, float("inf")
        while self.past and self.past[0][0] <= slot - SLOTS:
            self.past.popleft()
        self.two = tuple(sorted(least for _, least in self.past)[:2])
