"""What a bot was given of one symbol, held against what the exchange published. Pure.

Law L2: between subscription and stop each trade is delivered once and in the exchange's order, or lies inside a `Gap` that
stands at its place. Where ids prove nothing a loss may be found later, by asking: then the gap comes later, and names both
trades between which it lies. Nothing here knows how the feed works: only the exchange's true record and what came out of the feed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from actors import FeedState, Gap
from actors.simulator import PublishedTrade


@attrs.frozen
class Verdict:
    """One symbol of one run."""

    published: int
    """From the first trade delivered to the last one published."""
    delivered: int
    missed: int
    """Published, not delivered, and in no gap."""
    doubled: int
    disordered: int
    in_gaps: int
    """Published, not delivered, and in a gap at its place."""
    gaps: int
    """Gaps announced."""
    false_gaps: int
    """Gaps that say more, or less, than is missing at their place; where ids prove nothing: none."""
    noticed_after: float | None
    """Seconds from the fault to the first state that was not live; None: the feed was live throughout."""
    recovered_after: float | None
    """Seconds from the fault to the last state that was live, if it was ever not live."""

    @property
    def lawful(self) -> bool:
        """Whether law L2 holds."""
        return not (self.missed or self.doubled or self.disordered or self.false_gaps)


def judge(
    published: Sequence[PublishedTrade], items: Sequence[tuple[float, Any]], *, fault_at: float, dense: bool
) -> Verdict:
    """Compare.

    Args:
        published: Single trades of the symbol, in order, from the true record.
        items: When each thing came out of the feed, on the exchange's clock, and the thing: of this symbol alone.
        fault_at: When the first fault began.
        dense: Whether the venue's ids prove what is missing.
    """
    places = _places(published)
    named = set() if dense else named_later(places, items)
    seen = [False] * len(published)
    first = last = -1
    doubled = disordered = gaps = false_gaps = in_gaps = missed = 0
    gap: Gap | None = None
    noticed: float | None = None
    recovered: float | None = None
    for at, item in items:
        if isinstance(item, FeedState):
            if at >= fault_at and not item.live:
                noticed = at - fault_at if noticed is None else noticed
            elif noticed is not None:
                recovered = at - fault_at
        elif isinstance(item, Gap):
            gaps += 1
            gap = item
        else:
            low, high = places[item.first_id], places[item.id]
            if any(seen[low : high + 1]):
                doubled += 1
                continue
            if low <= last and isinstance(item.id, str) and published[low].time == published[last].time:
                # Ids that are text have no order, and within a millisecond nothing else tells it. It was taken for missing.
                missed = max(0, missed - 1)
            elif low <= last:
                disordered += 1
            elif last >= 0:
                hole = range(last + 1, low)
                covered, false = _hole(published, hole, gap, named, dense=dense)
                in_gaps, missed, false_gaps = in_gaps + covered, missed + len(hole) - covered, false_gaps + false
            first = low if first < 0 else first
            seen[low : high + 1] = [True] * (high + 1 - low)
            last, gap = max(last, high), None
    tail = range(last + 1, len(published)) if last >= 0 else range(len(published))
    covered, false = _hole(published, tail, gap, named, dense=dense)
    return Verdict(
        published=len(published) - max(first, 0),
        delivered=sum(seen),
        missed=missed + len(tail) - covered,
        doubled=doubled,
        disordered=disordered,
        in_gaps=in_gaps + covered,
        gaps=gaps,
        false_gaps=false_gaps + false,
        noticed_after=noticed,
        recovered_after=recovered,
    )


def _places(published: Sequence[PublishedTrade]) -> Mapping[int | str, int]:
    return {trade.id: place for place, trade in enumerate(published)}


def named_later(places: Mapping[int | str, int], items: Sequence[tuple[float, Any]]) -> set[int]:
    """Return the places that lie in a gap which names the trades around it, wherever it stands."""
    found: set[int] = set()
    for _, item in items:
        if isinstance(item, Gap) and item.after_id in places and item.before_id in places:
            found.update(range(places[item.after_id] + 1, places[item.before_id]))
    return found


def _hole(
    published: Sequence[PublishedTrade], hole: range, gap: Gap | None, named: set[int], *, dense: bool
) -> tuple[int, int]:
    """Return how many trades of a hole the gap covers, and whether the gap is a false one."""
    if gap is None:
        return sum(place in named for place in hole), 0
    if not dense:
        return len(hole), 0
    ids = [published[place].id for place in hole]
    exact = bool(ids) and (gap.first_id, gap.last_id) == (ids[0], ids[-1])
    return (len(hole), 0) if exact else (0, 1)
