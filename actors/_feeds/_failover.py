"""Which of several sources a price feed follows, and why. Pure: time is an argument, seconds on Trio's clock.

The rules, from the top:

* A source is *fresh* while its newest trade is neither longer ago than the source is usually silent (`Pace`, and at most
  ``stale_after``) nor later than ``max_age`` against its usual delay (`Delay`).
* It is *sound* when it is fresh, says that it is live, and its price is not *suspect*: outside of ``tolerance`` around the
  median of all fresh sources for longer than `MOMENT`, while more than half of them, three at least, are inside. Two sources
  that disagree are reported and not decided: nothing says which of them is wrong. So is any disagreement without a majority.
* The one that is followed is left at once when it is not sound and another can be had, and at the latest when it is not
  fresh, or suspect: then the feed is blind.
* A source that comes before it in the declared order is gone back to when it has been sound for ``stable`` seconds.
* Nothing flaps: a source that has failed while it was followed may come back at once; when it fails again it must have been
  sound for 1, 2, 4, ... seconds, at most ``stable``, before it can be had. Sound for ``stable``, all is forgiven.
* In the beginning, the first of the order is waited for: `SETTLE` seconds from when another can be had.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from statistics import median
from typing import Final

import attrs

from .._records import Trade
from ._freshness import Delay, Pace

MOMENT: Final = 1.0
"""Seconds that a price may be apart from the others': one venue always sees a jump first."""
SETTLE: Final = 1.0
"""Seconds that the first of the order is waited for in the beginning; it takes that long to connect to a venue."""
NEVER: Final = float("inf")


@attrs.frozen
class Terms:
    """What is declared about a feed of several sources."""

    stale_after: float = 10.0
    """Most seconds of silence after which a price is still fresh, whatever was learned."""
    max_age: float = 1.0
    """Most seconds by which a trade that is handed out may be later than usual."""
    stable: float = 30.0
    """Seconds that a preferred source must have been sound before it is gone back to."""
    tolerance: Decimal = Decimal("0.01")
    """Part of the price by which sources may differ."""


@attrs.frozen
class Move:
    """The feed follows another source from now on, or none."""

    source: str | None
    """None: it is blind."""
    previous: str | None
    reason: str


@attrs.frozen
class SourceReport:
    """One source at one moment, and why it is followed or not."""

    name: str
    followed: bool
    verdict: str
    """In words."""
    live: bool
    fresh: bool
    price: Decimal | None
    """The newest; None: there was none yet."""
    off: Decimal | None
    """How far it is from the median of the fresh sources, as a part of that; None: nothing to compare."""
    silent: float | None
    """Seconds since the newest trade came; None: there was none yet."""
    silent_limit: float
    late: float | None
    """Seconds by which it was later than usual; None: there was none yet."""
    late_limit: float
    sound_for: float | None
    """Seconds; None: it is not sound."""
    sound_needed: float
    """Seconds that it must have been sound before it can be had; more than 0 after failures."""
    failures: int
    """How often it failed while it was followed, since it was last stable."""
    trades: int
    """How many of its trades were looked at."""

    def __str__(self) -> str:
        parts = ["live" if self.live else "not live"]
        if self.silent is not None and self.late is not None:
            parts.append(f"silent {self.silent:.1f} s of {self.silent_limit:.1f}")
            parts.append(f"late {self.late:.1f} s of {self.late_limit:.1f}")
        if self.price is not None:
            parts.append(f"price {self.price:f}" + ("" if self.off is None else f" ({self.off:+.3%})"))
        return f"{self.name}: {self.verdict}\n    {', '.join(parts)}"


@attrs.frozen
class Explanation:
    """What a feed of several sources follows at one moment, and why. Printable."""

    feed: str
    followed: str | None
    """None: it is blind."""
    reason: str
    """Of the last change."""
    seconds: float
    """How long ago that was."""
    disagree: bool
    """Whether fresh sources differ by more than the tolerance and no majority tells which of them is wrong."""
    sources: tuple[SourceReport, ...]
    """In the declared order."""

    def __str__(self) -> str:
        state = "been blind" if self.followed is None else f"followed {self.followed}"
        lines = [f"{self.feed} has {state} for {self.seconds:.1f} s ({self.reason})"]
        if self.disagree:
            lines.append("  prices disagree, and there is no majority")
        return "\n".join([*lines, *(f"  {source}" for source in self.sources)])


@attrs.define
class _Source:
    """What is known about one source. The times are the seconds from which on, or until which, something holds."""

    name: str
    rank: int
    pace: Pace = attrs.Factory(Pace)
    delay: Delay = attrs.Factory(Delay)
    live: bool = False
    said: str = "it has not started"
    heard_at: float | None = None
    stale_at: float = -NEVER
    limit: float = 0.0
    late: float = 0.0
    price: Decimal | None = None
    apart_since: float | None = None
    apart_seen: float = -NEVER
    """When a majority was last there to say that it is apart."""
    suspect: bool = False
    sound_since: float | None = None
    failures: int = 0
    trades: int = 0

    def in_time(self, terms: Terms) -> bool:
        return self.late <= terms.max_age

    def fresh(self, now: float, terms: Terms) -> bool:
        return now < self.stale_at and self.in_time(terms)

    def stays(self, now: float, terms: Terms) -> bool:
        return self.fresh(now, terms) and not self.suspect

    def sound(self, now: float, terms: Terms) -> bool:
        return self.live and self.stays(now, terms)

    def sound_needed(self, terms: Terms) -> float:
        return 0.0 if self.failures <= 1 else min(terms.stable, 2.0 ** (self.failures - 2))

    def had_from(self, seconds: float) -> float:
        """Return from when on it can be had, if it must have been sound for so long."""
        return NEVER if self.sound_since is None or self.apart_since is not None else self.sound_since + seconds


class Choice:
    """The choice between sources. Tell it what comes, then ask `judge`; and ask again at `next_at` at the latest."""

    def __init__(self, feed: str, names: Iterable[str], terms: Terms) -> None:
        self.feed = feed
        self.terms = terms
        self.followed: str | None = None
        self.disagree = False
        """Whether the fresh sources have disagreed, without a majority, for longer than a moment."""
        self._sources = {name: _Source(name, rank) for rank, name in enumerate(names)}
        self._judged_at = -NEVER
        self._moved_at: float | None = None
        self._reason = "nothing was looked at yet"
        self._followed_any = False
        self._settled_at: float | None = None
        self._disagree_since: float | None = None

    # What comes ------------------------------------------------------------------------------------------------

    def traded(self, name: str, trade: Trade, now: float) -> float:
        """Take note of a trade; return by how many seconds it is later than usual."""
        source, terms = self._sources[name], self.terms
        if not source.fresh(now, terms):
            source.sound_since = None
        source.trades += 1
        source.pace.passed(trade.time, terms.stale_after)
        source.late = source.delay.late(now, trade.time)
        source.limit = source.pace.limit(terms.stale_after)
        source.heard_at, source.stale_at = now, now + source.limit
        source.price = trade.price
        return source.late

    def said(self, name: str, *, live: bool, reason: str) -> None:
        """Take note of what a source says about itself."""
        source = self._sources[name]
        source.live, source.said = live, reason
        if not live:
            source.sound_since = None

    def gap(self, name: str) -> None:
        """Take note that trades are missing."""
        self._sources[name].pace.interrupted()

    # What follows from it --------------------------------------------------------------------------------------

    def judge(self, now: float) -> Move | None:
        """Return the change that is due, having made it."""
        self._judged_at = now
        self._compare(now)
        for source in self._sources.values():
            if not source.sound(now, self.terms):
                source.sound_since = None
            elif source.sound_since is None:
                source.sound_since = now
            elif source.failures and now >= source.sound_since + self.terms.stable:
                source.failures = 0
        current = None if self.followed is None else self._sources[self.followed]
        if current is None:
            return self._begin_again(now)
        if current.sound(now, self.terms):
            return self._go_back(current, now)
        why = f"{current.name}: {self._trouble(current, now)}"
        best = self._best(now)
        if best is None and current.stays(now, self.terms):
            return None
        current.failures += 1
        return self._move(None if best is None else best.name, why, now)

    def next_at(self) -> float:
        """Return when something may change though nothing comes: until then `judge` finds nothing to do."""
        times = [NEVER if self._settled_at is None or self._followed_any else self._settled_at]
        times.append(NEVER if self._disagree_since is None else self._disagree_since + MOMENT)
        for source in self._sources.values():
            times.append(source.stale_at)
            if source.apart_since is not None:
                times += (source.apart_since + MOMENT, source.apart_seen + self.terms.stable)
            if source.sound_since is not None:
                times.append(source.sound_since + source.sound_needed(self.terms))
                times.append(source.sound_since + self.terms.stable)
        return min((time for time in times if time > self._judged_at), default=NEVER)

    def explain(self, now: float) -> Explanation:
        """Return the state of everything, with reasons. Changes nothing."""
        fresh = self._comparable(now)
        middle = median([price for _, price in fresh]) if fresh else None
        return Explanation(
            feed=self.feed,
            followed=self.followed,
            reason=self._reason,
            seconds=0.0 if self._moved_at is None else now - self._moved_at,
            disagree=self.disagree,
            sources=tuple(self._report(source, middle, now) for source in self._sources.values()),
        )

    # Inside ----------------------------------------------------------------------------------------------------

    def _comparable(self, now: float) -> list[tuple[_Source, Decimal]]:
        found = self._sources.values()
        return [
            (source, source.price) for source in found if source.price is not None and source.fresh(now, self.terms)
        ]

    def _compare(self, now: float) -> None:
        """Find out whose price is apart from the others'."""
        fresh = self._comparable(now)
        middle = median([price for _, price in fresh]) if fresh else Decimal(0)
        room = middle * self.terms.tolerance
        apart = {source.name for source, price in fresh if abs(price - middle) > room}
        majority = len(fresh) > 2 and 2 * len(apart) < len(fresh)
        for source, _ in fresh:
            if source.name in apart and majority:
                source.apart_seen = now
                if source.apart_since is None:
                    source.apart_since = now
            elif majority or (not apart and len(fresh) > 1):
                source.apart_since = None
        for source in self._sources.values():
            # That nobody is left who could say so does not make it right at once, but nor does it stay wrong for ever.
            if now >= source.apart_seen + self.terms.stable:
                source.apart_since = None
            source.suspect = source.apart_since is not None and now >= source.apart_since + MOMENT
        if apart and not majority:
            self._disagree_since = now if self._disagree_since is None else self._disagree_since
        else:
            self._disagree_since = None
        self.disagree = self._disagree_since is not None and now >= self._disagree_since + MOMENT

    def _best(self, now: float) -> _Source | None:
        for source in self._sources.values():
            if now >= source.had_from(source.sound_needed(self.terms)):
                return source
        return None

    def _begin_again(self, now: float) -> Move | None:
        best = self._best(now)
        if best is not None and best.rank > 0 and not self._followed_any:
            if self._settled_at is None:
                self._settled_at = now + SETTLE
            if now < self._settled_at:
                best = None
        if best is not None:
            return self._move(best.name, f"{best.name} is sound", now)
        return self._move(None, "nothing is sound yet", now) if self._moved_at is None else None

    def _go_back(self, current: _Source, now: float) -> Move | None:
        for source in self._sources.values():
            if source.rank < current.rank and now >= source.had_from(self.terms.stable):
                why = f"{source.name} comes first, and has been sound for {self.terms.stable:g} s"
                return self._move(source.name, why, now)
        return None

    def _move(self, source: str | None, reason: str, now: float) -> Move:
        move = Move(source, self.followed, reason)
        self.followed, self._reason, self._moved_at = source, reason, now
        self._followed_any = self._followed_any or source is not None
        return move

    def _trouble(self, source: _Source, now: float) -> str | None:
        """Say why a source is not sound; None: it is."""
        if source.heard_at is None:
            return "silent: no trade of it has come" if source.live else f"not live: {source.said}"
        if not source.in_time(self.terms):
            return f"late: {source.late:.1f} s more than usual"
        if now >= source.stale_at:
            return f"silent for {now - source.heard_at:.1f} s, and its limit is {source.limit:.1f} s"
        if source.suspect:
            return f"apart from the others with its price {source.price:f}"
        return None if source.live else f"not live: {source.said}"

    def _verdict(self, source: _Source, now: float) -> str:
        trouble = self._trouble(source, now)
        if source.name == self.followed:
            return "followed" if trouble is None else f"followed, while nothing better can be had: {trouble}"
        if trouble is not None:
            return trouble
        if source.apart_since is not None:
            return "apart from the others for a moment"
        sound = 0.0 if source.sound_since is None else now - source.sound_since
        needed = source.sound_needed(self.terms)
        if sound < needed:
            return f"sound for {sound:.1f} s; after {source.failures} failures it needs {needed:g} s"
        followed = None if self.followed is None else self._sources[self.followed]
        if followed is None:
            return "in reserve, while the first of the order is waited for"
        if source.rank < followed.rank:
            return f"sound for {sound:.1f} s; it is gone back to after {self.terms.stable:g} s"
        return "in reserve"

    def _report(self, source: _Source, middle: Decimal | None, now: float) -> SourceReport:
        heard = source.heard_at
        return SourceReport(
            name=source.name,
            followed=source.name == self.followed,
            verdict=self._verdict(source, now),
            live=source.live,
            fresh=source.fresh(now, self.terms),
            price=source.price,
            off=source.price / middle - 1 if source.price is not None and middle else None,
            silent=None if heard is None else now - heard,
            silent_limit=source.limit if heard is not None else self.terms.stale_after,
            late=None if heard is None else source.late,
            late_limit=self.terms.max_age,
            sound_for=None if source.sound_since is None else now - source.sound_since,
            sound_needed=source.sound_needed(self.terms),
            failures=source.failures,
            trades=source.trades,
        )
