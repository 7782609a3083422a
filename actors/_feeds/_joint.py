"""Putting together what REST lists and what a session has brought, where ids prove nothing. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from .._records import Trade


def is_before(trade: Trade, other_id: int | str | None, other_time: int) -> bool:
    """Say whether a trade lies before another one: by number where there are numbers, by time where not."""
    if isinstance(trade.id, int) and isinstance(other_id, int):
        return trade.id < other_id
    return trade.time < other_time


def number(trade: Trade) -> int:
    """Return the id of a trade of a venue that numbers them."""
    return trade.id  # type: ignore[return-value]


def merged(rows: Sequence[Trade], waiting: Sequence[Trade]) -> list[Trade] | None:
    """Put both together in order, each trade once; None when nothing shows how they lie to each other.

    They do lie to each other when they have a trade in common; or, where trades are numbered, when the rows go beyond
    the first of those that wait. A trade that only the session has stands right before the next one that both have;
    behind the last of those it is newer than the list.

    Args:
        rows: From REST, without holes.
        waiting: From a session, not empty, without holes.
    """
    places = {row.id: place for place, row in enumerate(rows)}
    beyond = isinstance(waiting[0].id, int) and bool(rows) and number(rows[-1]) >= number(waiting[0])
    if not beyond and not any(trade.id in places for trade in waiting):
        return None
    both: list[Trade] = []
    alone: list[Trade] = []
    place = 0
    for trade in waiting:
        at = places.get(trade.id)
        if at is None:
            alone.append(trade)
        elif at >= place:
            both += [*rows[place:at], *alone, rows[at]]
            alone, place = [], at + 1
    both += [*rows[place:], *alone]
    return sorted(both, key=number) if isinstance(waiting[0].id, int) else both
