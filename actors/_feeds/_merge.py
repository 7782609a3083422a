"""What a price feed over several sources hands out: the trades of the one that it follows, while they are fresh. Pure.

* Trades of the other sources are looked at and dropped; only the newest one of each is held. When its source becomes the
  one that is followed it goes out first, unless it is older than ``max_age``. So nothing that a source published before
  goes out, and its own order is kept.
* Between two changes of the source, its trades go out once and in order, or there is a `Gap` in their place: for those
  that came too late, and for those that the reader did not take within ``max_age``. An old price is never handed out,
  and a slow reader never makes a source wait: it could not be judged then.
* At a change the source that is left is not accounted for any further.

The age of a trade counts from when it would have come with its source's usual delay.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, TypeAlias

import attrs

from .._records import BestItem, Blind, FeedItem, FeedState, Gap, Switched, Trade
from ._failover import Choice, Terms

MOST_WAITING: Final = 10_000
"""Items that wait for a slow reader. With more, none of them is worth the wait."""


@attrs.define
class _Run:
    """Trades in a row that are not handed out."""

    after: Trade | None
    """The last one handed out before them."""
    first: int | str | None = None
    last: int | str | None = None
    count: int | None = 0
    """None: it cannot be told."""
    reason: str = ""

    def add(self, first: int | str | None, last: int | str | None, count: int | None, reason: str) -> None:
        if self.count == 0:
            self.first = first
        self.last, self.reason = last, reason
        self.count = None if self.count is None or count is None else self.count + count

    def gap(self, behind: Trade | Gap, received: int) -> Gap:
        first, last, after = self.first, self.last, self.after
        # Ids tell what is missing only where these have no holes among them.
        if not (isinstance(first, int) and isinstance(last, int) and last - first + 1 == self.count):
            first = last = None
        return Gap(
            venue=behind.venue,
            symbol=behind.symbol,
            after_id=None if after is None else after.id,
            before_id=None if isinstance(behind, Gap) else behind.first_id,
            after_time=None if after is None else after.time,
            before_time=None if isinstance(behind, Gap) else behind.time,
            first_id=first if isinstance(first, int) else None,
            last_id=last if isinstance(last, int) else None,
            reason=self.reason,
            received=received,
        )


_Waiting: TypeAlias = tuple[float, BestItem]


class Merge:
    """The state of a feed of several sources. Outlives the actor that keeps it."""

    def __init__(self, feed: str, names: Iterable[str], terms: Terms) -> None:
        self.choice = Choice(feed, names, terms)
        self.late = 0
        """How many trades of a source that was followed came too late."""
        self.untaken = 0
        """How many trades were in time, and the reader did not take them in time."""
        self._held: dict[str, tuple[float, Trade]] = {}
        self._waiting: list[_Waiting] = []
        self._open: _Run | None = None
        """What is not handed out behind everything that waits; its gap goes before the next trade."""
        self._newest: Trade | None = None
        """The last trade that waits or was taken, since the last change."""
        self._taken: Trade | None = None
        """The last trade that was taken, since the last change."""

    def take(self, name: str, items: Sequence[FeedItem], now: float, received: int) -> Switched | Blind | None:
        """Look at what a source has brought; return the change that follows from it."""
        choice, followed = self.choice, self.choice.followed == name
        for item in items:
            if isinstance(item, FeedState):
                choice.said(name, live=item.live, reason=item.reason)
            elif isinstance(item, Gap):
                choice.gap(name)
                if followed:
                    self._append(item, now, received)
            else:
                late = choice.traded(name, item, now)
                in_time = late <= choice.terms.max_age
                if not followed:
                    self._held.pop(name, None)
                    if in_time:
                        self._held[name] = (now - late, item)
                elif in_time:
                    self._append(item, now - late, received)
                    self._newest = item
                else:
                    self.late += 1
                    self._miss(item, f"came more than {choice.terms.max_age:g} s later than usual")
        change = self.judge(now, received)
        if len(self._waiting) > MOST_WAITING:
            self._shed(now, received, everything=True)
        return change

    def judge(self, now: float, received: int) -> Switched | Blind | None:
        """Return the change that is due, having put it in its place."""
        move = self.choice.judge(now)
        if move is None:
            return None
        self._open = self._newest = None
        if move.source is None:
            change: Switched | Blind = Blind(self.choice.feed, move.reason, received)
            self._waiting.append((now, change))
            return change
        change = Switched(self.choice.feed, move.source, move.previous, move.reason, received)
        self._waiting.append((now, change))
        due, trade = self._held.pop(move.source, (0.0, None))
        if trade is not None and now - due <= self.choice.terms.max_age:
            self._waiting.append((due, trade))
            self._newest = trade
        return change

    def ready(self, now: float, received: int) -> list[BestItem]:
        """Return what is to be handed out now, in order."""
        max_age = self.choice.terms.max_age
        if any(now - due > max_age for due, _ in self._waiting):
            self._shed(now, received, everything=False)
        return [item for _, item in self._waiting]

    def taken(self, count: int) -> None:
        """Take note that the first ones of `ready` were handed out."""
        for _, item in reversed(self._waiting[:count]):
            if isinstance(item, Switched | Blind):
                self._taken = None
                break
            if not isinstance(item, Gap):
                self._taken = item
                break
        del self._waiting[:count]

    @property
    def waits(self) -> bool:
        """Whether something is to be handed out."""
        return bool(self._waiting)

    # Inside ----------------------------------------------------------------------------------------------------

    def _append(self, item: Trade | Gap, due: float, received: int) -> None:
        if self._open is not None:
            self._waiting.append((due, self._open.gap(item, received)))
            self._open = None
        self._waiting.append((due, item))

    def _miss(self, trade: Trade, reason: str) -> None:
        if self._open is None:
            self._open = _Run(self._newest)
        _add(self._open, trade, reason)

    def _shed(self, now: float, received: int, *, everything: bool) -> None:
        """Put gaps in the place of trades that have waited too long, or of all; then only the last change is kept."""
        max_age = self.choice.terms.max_age
        reason = f"was not taken within {max_age:g} s"
        kept: list[_Waiting] = []
        run, after = None, self._taken
        for due, item in self._waiting:
            if isinstance(item, Switched | Blind):
                run, after = None, None
                if everything:
                    kept.clear()
                kept.append((due, item))
            elif everything or (not isinstance(item, Gap) and now - due > max_age):
                run = run or _Run(after)
                _add(run, item, item.reason if isinstance(item, Gap) else reason)
                self.untaken += not isinstance(item, Gap)
            else:
                if run is not None:
                    kept.append((due, run.gap(item, received)))
                    run = None
                kept.append((due, item))
                after = after if isinstance(item, Gap) else item
        if run is not None:
            if self._open is not None:
                run.add(self._open.first, self._open.last, self._open.count, self._open.reason)
            self._open = run
        self._waiting, self._newest = kept, after


def _add(run: _Run, item: Trade | Gap, reason: str) -> None:
    if isinstance(item, Gap):
        run.add(item.first_id, item.last_id, item.count, reason)
    elif isinstance(item.id, int) and isinstance(item.first_id, int):
        run.add(item.first_id, item.id, item.id - item.first_id + 1, reason)
    else:
        run.add(item.first_id, item.id, 1, reason)
