"""How often a symbol has something to say, learned from what it said. Pure.

The limit is how long a silence may last before it is worth a question. A question that finds nothing costs little and
is remembered; so the limit is near what the symbol shows by nature, and not far above it.
"""

from __future__ import annotations

import math
from typing import Final

import attrs

FLOOR: Final = 1.0
"""Seconds. Shorter silences are not worth a question: a garbage collection somewhere is as long."""
BUSY_CAP: Final = 1.8
"""Seconds. The limit of a channel with `BUSY` items a second or more never rises above this, however its items cluster:
with the question and the grace after it, a mute is known within 3 s."""
BUSY: Final = 10.0
"""Items a second. With fewer, the cap rises in proportion: 18 s for one a second."""
ENOUGH: Final = 20
"""Arrivals before anything is concluded from them."""

_MEAN_INTERVALS: Final = 8.0
"""Of a Poisson process, one interval of 3000 is longer than so many mean ones."""
_LONGEST: Final = 1.5
"""Times the longest interval seen of late."""
_MEMORY: Final = 30.0
"""Seconds after which an arrival counts for a third."""
_LONG_MEMORY: Final = 300.0
"""The same for the longest interval."""


@attrs.define
class Rhythm:
    """The arrivals of one symbol: when, and how many items each brought."""

    _items: float = 0.0
    _arrivals: float = 0.0
    _seconds: float = 0.0
    """Decayed alike, so that their quotients are rates of the last half minute."""
    _longest: float = 0.0
    _seen: int = 0

    def arrived(self, after: float, count: int) -> None:
        """Learn from an arrival.

        Args:
            after: Seconds since the one before.
            count: How many items came together.
        """
        keep = math.exp(-after / _MEMORY)
        self._items = self._items * keep + count
        self._arrivals = self._arrivals * keep + 1
        self._seconds = self._seconds * keep + after
        self._longest = max(after, self._longest * math.exp(-after / _LONG_MEMORY))
        self._seen += 1

    def quiet_for(self, seconds: float) -> None:
        """Learn that a silence was nothing but quiet."""
        self._longest = max(self._longest, seconds)

    @property
    def rate(self) -> float:
        """Items a second, at the time of the last arrival; 0 while nothing is known."""
        return self._items / self._seconds if self._seen >= ENOUGH and self._seconds > 0 else 0.0

    def limit(self, most: float) -> float:
        """Return after how many seconds of silence a question is due.

        Args:
            most: The declared silence, which is never exceeded.
        """
        rate = self.rate
        if rate == 0.0:
            return most
        cap = max(BUSY_CAP, BUSY_CAP * BUSY / rate)
        natural = max(_MEAN_INTERVALS * self._seconds / self._arrivals, _LONGEST * self._longest)
        return min(max(FLOOR, natural), cap, most)
