"""When a dead man's switch speaks, and what it says. Pure.

It is fed only while all is well: whoever listens takes silence for trouble, so that no failure of ours, this code's own
among them, can look like health.
"""

from __future__ import annotations

from math import inf
from typing import Final, Literal, TypeAlias

import attrs

Beat: TypeAlias = Literal["start", "well", "fail"]

TRIES: Final = 4
"""Of one beat. After them the next one is due at its own time."""
FIRST_PAUSE: Final = 1.0
"""Seconds before the second try; doubled before each further one."""


@attrs.define
class Beats:
    """What is to be sent next. Times are in seconds on any clock that never goes back.

    * First ``start``, once.
    * While well: ``well`` at once, and then every so many seconds.
    * Not well when the next ``well`` is due: ``fail``, once, and nothing more until it is well again.
    * What could not be sent is tried again a few times, as long as it is still true.
    """

    every: float
    said: Beat | None = None
    """What was last delivered, or given up."""
    due: float = -inf
    """When the next beat is due."""
    tries: int = 0
    """Failed ones of the beat that is due."""
    not_before: float = -inf
    """When the next try is due."""

    def next(self, now: float, *, well: bool) -> Beat | None:
        """Return what is to be sent now; None: nothing."""
        if now < self.not_before:
            return None
        if self.said is None:
            return "start"
        if well:
            # News that it is well again does not wait.
            return "well" if now >= self.due or self.said != "well" else None
        return "fail" if self.said != "fail" and now >= self.due else None

    def sent(self, now: float, beat: Beat) -> None:
        """Take note that a beat was taken."""
        self._over(now, beat)

    def failed(self, now: float, beat: Beat, *, wait: float = 0.0, final: bool = False) -> bool:
        """Take note that it was not; return whether it is tried again before the next one is due.

        Args:
            now: The time.
            beat: What was not taken.
            wait: Seconds for which the other side asked to be left alone.
            final: Whether it will not take it later either.
        """
        self.tries += 1
        again = not final and self.tries < TRIES
        if again:
            self.not_before = now + max(FIRST_PAUSE * 2 ** (self.tries - 1), wait)
            return True
        self._over(now, beat)
        # A beat that was given up must not be followed by the same one at once.
        self.not_before = now + max(self.every if beat != "start" else 0.0, wait)
        return False

    def _over(self, now: float, beat: Beat) -> None:
        self.said, self.tries, self.not_before = beat, 0, -inf
        self.due = now + self.every
