"""What the strategy was told over time, and the times at which nothing can be asked of the bot. Pure."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from itertools import pairwise

import attrs

from actors.simulator import Fault

from ..evidence import Evidence
from ..plan import BYBIT_BAN, Entry, Freeze, SlowReader

CATCH_UP = 30.0
"""Seconds after a slow network, or a sleep, in which what was held up may still arrive."""


@attrs.define
class Switch:
    """Something that is on or off, over time; off in the beginning."""

    changes: list[tuple[float, bool]] = attrs.field(factory=list)

    def set(self, at: float, *, on: bool) -> None:
        """Note a change; times never fall."""
        self.changes.append((at, on))

    def at(self, when: float) -> bool:
        """Say whether it is on just after that second."""
        place = bisect_right(self.changes, when, key=lambda change: change[0])
        return place > 0 and self.changes[place - 1][1]

    def always(self, begin: float, end: float) -> bool:
        """Say whether it was on all the time between two seconds, both included."""
        return self.at(begin) and not any(not on for at, on in self._between(begin, end))

    def never(self, begin: float, end: float) -> bool:
        """Say whether it was off all the time between two seconds, both included."""
        return not self.at(begin) and not any(on for at, on in self._between(begin, end))

    def seconds(self, begin: float, end: float) -> float:
        """Return for how long it was on between two seconds."""
        edges = [begin, *(at for at, _ in self.changes if begin < at < end), max(begin, end)]
        return sum(to - since for since, to in pairwise(edges) if self.at(since))

    def _between(self, begin: float, end: float) -> Sequence[tuple[float, bool]]:
        # What changed at `begin` itself is looked at, too: several changes can share a moment.
        first = bisect_left(self.changes, begin, key=lambda change: change[0])
        last = bisect_right(self.changes, end, key=lambda change: change[0])
        return self.changes[first:last]


@attrs.frozen
class Windows:
    """Stretches of time."""

    spans: tuple[tuple[float, float], ...]

    def overlap(self, begin: float, end: float) -> float:
        """Return how many seconds of a stretch are covered; those that are covered twice count twice."""
        return sum(max(0.0, min(end, to) - max(begin, since)) for since, to in self.spans)

    def touches(self, begin: float, end: float) -> bool:
        """Say whether any of it lies in a stretch."""
        return any(since <= end and begin <= to for since, to in self.spans)

    def covers(self, begin: float, end: float) -> bool:
        """Say whether one of them contains a whole stretch."""
        return any(since <= begin and end <= to for since, to in self.spans)

    def later(self, begin: float, seconds: float) -> float:
        """Return when so many seconds have passed outside of them."""
        end = begin + seconds
        while (due := begin + seconds + self.overlap(begin, end)) > end:
            end = due
        return end


def windows(happened: Iterable[tuple[float, Entry]], *, venue: str | None = None) -> Windows:
    """Return when nothing can be asked: the machine slept, the strategy did not read, the network was slow.

    Args:
        happened: The entries of the day, with their times.
        venue: Whose slow network counts; None: nobody's.
    """
    spans = []
    for at, entry in happened:
        what = entry.what
        if isinstance(what, Freeze):
            spans.append((at, at + what.seconds + CATCH_UP))
        elif isinstance(what, SlowReader):
            spans.append((at, at + what.seconds + 1.0))
        elif isinstance(what, Fault) and what.kind == "slow" and venue is not None and what.venue in (None, venue):
            spans.append((at, at + what.duration + CATCH_UP))
    return Windows(tuple(spans))


def echo(what: object, seconds: float) -> float:
    """Return for how long after its beginning something may still be felt.

    Args:
        what: An entry's.
        seconds: For how long anything is.
    """
    banned = (
        isinstance(what, Fault) and what.kind == "http_418" and (what.venue is None or what.venue.startswith("bybit"))
    )
    return seconds + (BYBIT_BAN if banned else 0.0)


def rest_trouble(evidence: Evidence, venue: str) -> Windows:
    """Return when a venue could not be asked by REST, as far as the faults tell."""
    whole = ("maintenance", "clock_skew")
    kinds = (*whole, "http_5xx", "http_429", "http_418", "unknown_outcome", "mute", "half_open", "refuse", "slow")
    spans = []
    for at, entry in evidence.happened:
        what = entry.what
        if not isinstance(what, Fault) or what.venue not in (None, venue) or what.kind not in kinds:
            continue
        if what.surface == "rest" or what.kind in whole:
            spans.append((at, at + echo(what if venue.startswith("bybit") else None, what.duration + 1.0)))
    return Windows(tuple(spans))
