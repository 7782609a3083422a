"""When each trade that a venue published was delivered, or declared missing. Pure.

Nothing here knows how a feed works: only the exchange's true record and what the strategy was given.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

from actors import FeedState, Gap
from actors.simulator import PublishedTrade

from ...actors.products import PRODUCTS
from ..evidence import Evidence, Life
from .told import Switch

NEVER = float("inf")


@attrs.frozen
class Delivery:
    """One product in one life of the process."""

    life: Life
    venue: str
    items: tuple[tuple[float, Any], ...]
    """All that was given of it."""
    published: tuple[PublishedTrade, ...]
    """From the first trade that was to be delivered on, to the last one of the life."""
    settled: tuple[float, ...]
    """By place among `published`: when it was delivered or declared missing; infinite: never."""
    live: Switch

    @property
    def open(self) -> Sequence[PublishedTrade]:
        """What was neither delivered nor declared missing when the process was asked to end."""
        return [trade for trade, at in zip(self.published, self.settled, strict=True) if at == NEVER]


def deliveries(evidence: Evidence, life: Life) -> list[Delivery]:
    """Return what became of every trade of every product in one life."""
    found = []
    for (venue, symbol), log in evidence.record.trades.items():
        items = tuple((at, item) for at, item in life.journal.trades if (item.venue, item.symbol) == (venue, symbol))
        # Until the last child has ended something may still come.
        published = [trade for trade in log if trade.at <= life.ended]
        found.append(_delivery(life, venue, items, published))
    return found


def _delivery(
    life: Life, venue: str, items: tuple[tuple[float, Any], ...], published: Sequence[PublishedTrade]
) -> Delivery:
    live = Switch()
    places = {trade.id: place for place, trade in enumerate(published)}
    settled = [NEVER] * len(published)
    first: int | None = None
    passed = 0
    """Everything before this place is settled, or was not asked for."""
    gap_at: float | None = None
    named: int | None = None
    """Behind the last trade that this gap names, where it names any."""
    for at, item in items:
        if isinstance(item, FeedState):
            live.set(at, on=item.live)
            if item.live and first is None and gap_at is None and PRODUCTS[venue][2]:
                # From the first moment at which it says so, it owes everything; where ids prove nothing, from its first
                # trade on: what comes in the wrong order before that cannot be told from what is older.
                owed = next((place for place, trade in enumerate(published) if trade.at > at), len(published))
                first = passed = owed
        elif isinstance(item, Gap):
            if item.before_id in places and item.after_id in places and places[item.before_id] < passed:
                # A loss that was found later.
                hole = slice(places[item.after_id] + 1, places[item.before_id])
                settled[hole] = [min(at, before) for before in settled[hole]]
            else:
                gap_at = at
                named = places[item.last_id] + 1 if item.last_id in places else None
        else:
            low, high = places.get(item.first_id), places.get(item.id)
            if low is None or high is None:
                continue
            if first is None or low < first:
                first = passed = low
            if gap_at is not None:
                settled[passed:low] = [min(gap_at, before) for before in settled[passed:low]]
            settled[low : high + 1] = [min(at, before) for before in settled[low : high + 1]]
            passed, gap_at = max(passed, high + 1), None
    if first is not None and gap_at is not None:
        settled[passed:named] = [min(gap_at, before) for before in settled[passed:named]]
    first = len(published) if first is None else first
    return Delivery(life, venue, items, tuple(published[first:]), tuple(settled[first:]), live)
