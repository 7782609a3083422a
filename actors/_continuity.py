"""Trade ids in order and once, or the range that is missing. Pure.

The rule (law L2): what a feed delivers has consecutive ids. An id at or below the last one delivered is a repetition and
is dropped; an id further on than the next one shows a hole, which must be filled or declared a gap before anything
behind it may go out.

Valid for ids that are consecutive by venue and symbol: Binance spot ``t`` and ``a``, USD-M ``a`` (seen without
exception in recordings; USD-M raw ids have holes by nature and must not be used).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from operator import attrgetter
from typing import Final

import attrs

from ._records import Trade

RESTART_AFTER: Final = 60_000
"""Milliseconds. A lower id whose trade is this much younger than the last one is no repetition: the venue has started
its ids anew, as testnets do when they are wiped."""

_by_id = attrgetter("id")


@attrs.define
class Cursor:
    """How far a feed has delivered. Outlives the feed actor, and changes only together with the delivery."""

    last: int | None = None
    """Id of the last trade or gap delivered, or of the anchor: the newest trade from before the feed began."""
    time: int | None = None
    """Time of the last trade delivered, milliseconds by the venue's clock."""
    delivered: bool = False
    """False while `last` is only the anchor."""
    empty: bool = False
    """The venue had no trade at all when it was asked for the anchor: the first ever is the first to deliver."""
    repeated: int = 0
    """How many repetitions were dropped."""

    def passed(self, trade: Trade) -> None:
        """Note that a trade was delivered."""
        self.last = trade.id
        self.time = trade.time
        self.delivered = True

    def skipped(self, last_id: int) -> None:
        """Note that everything up to this id was declared a gap."""
        self.last = last_id
        self.delivered = True


@attrs.frozen
class Missing:
    """A range of ids, both ends included."""

    first: int
    last: int

    @property
    def count(self) -> int:
        """How many ids it has."""
        return self.last - self.first + 1


@attrs.frozen
class Step:
    """What to do with a batch: deliver ``ready``; then fill ``missing``; then look at ``rest`` again."""

    ready: Sequence[Trade]
    missing: Missing | None
    rest: Sequence[Trade]
    repeated: int
    restarted: bool = False
    """The first trade of ``rest`` belongs to a new numbering."""


def in_order(trades: Sequence[Trade]) -> Sequence[Trade]:
    """Return the trades ascending by id. Frames may come out of order, and then mostly within one batch."""
    ids = [trade.id for trade in trades]
    if all(a <= b for a, b in pairwise(ids)):
        return trades
    times = [trade.time for trade in trades]
    if max(times) - min(times) > RESTART_AFTER:
        # Two numberings in one batch: sorting would mix them.
        return trades
    return sorted(trades, key=_by_id)


def start_of(cursor: Cursor, trades: Sequence[Trade]) -> int | None:
    """Return what `Cursor.last` must be before this batch is looked at.

    The anchor is asked for while the subscription is already open. A live trade at or below the anchor was therefore
    published after the subscription, and delivery begins with it.
    """
    if cursor.delivered or not trades:
        return cursor.last
    lowest = min(trade.id for trade in trades)
    if cursor.last is None or lowest <= cursor.last:
        return lowest - 1
    return cursor.last


def step(last: int, last_time: int | None, trades: Sequence[Trade]) -> Step:
    """Split a batch, ascending by id, at the first hole.

    Args:
        last: Id of the last trade delivered.
        last_time: Its time, if known.
        trades: The batch; see `in_order`.
    """
    ready: list[Trade] = []
    repeated = 0
    for place, trade in enumerate(trades):
        if trade.id == last + 1:
            ready.append(trade)
            last, last_time = trade.id, trade.time
        elif trade.id <= last:
            if last_time is not None and trade.time > last_time + RESTART_AFTER:
                return Step(ready, None, trades[place:], repeated, restarted=True)
            repeated += 1
        else:
            return Step(ready, Missing(last + 1, trade.id - 1), trades[place:], repeated)
    return Step(ready, None, (), repeated)


def usable(missing: Missing, rows: Sequence[Trade]) -> tuple[list[Trade], Missing | None]:
    """Pick from the answer to a backfill request what fills the hole.

    Returns:
        The first consecutive run of rows inside the range, and the ids before it that the answer does not have: all of
        the range when the answer has nothing to use.
    """
    inside = [row for row in in_order(rows) if missing.first <= row.id <= missing.last]
    if not inside:
        return [], missing
    run = [inside[0]]
    for row in inside[1:]:
        if row.id == run[-1].id + 1:
            run.append(row)
        elif row.id > run[-1].id + 1:
            break
    before = Missing(missing.first, run[0].id - 1) if run[0].id > missing.first else None
    return run, before
