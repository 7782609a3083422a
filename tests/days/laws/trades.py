"""L2: every trade once, in order and as it was, or inside a gap at its place; of every product and in every life."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from actors import Blind, FeedState, Gap, Switched
from actors.simulator import PublishedTrade

from ...actors.products import PRODUCTS
from ...faults.judge import judge
from ..bot import SILENCE
from ..evidence import Breach, Evidence, Life
from .deliveries import Delivery, deliveries
from .silence import AUDIT
from .told import Windows, rest_trouble, windows

UNFINISHED = 3 * SILENCE + 15.0
"""Seconds: what is older than this when the process is asked to end has been delivered, or the feed says that it is not live."""
LAST = 5.0
"""Seconds before the end of a life: what was published then may have been on its way."""


def check(evidence: Evidence) -> Iterator[Breach]:
    """Hold everything that was delivered against what was published."""
    for life in evidence.lives:
        for delivery in deliveries(evidence, life):
            yield from _ids(delivery)
            yield from _contents(delivery)
            yield from _ending(evidence, delivery)
        yield from _best(evidence, life)


def _name(life: Life, venue: str) -> str:
    return f"{venue} in life {life.number}"


def _ids(delivery: Delivery) -> Iterator[Breach]:
    name = _name(delivery.life, delivery.venue)
    known = {trade.id for trade in delivery.published}
    for at, item in delivery.items:
        if not isinstance(item, FeedState | Gap) and not {item.id, item.first_id} <= known:
            yield Breach("L2", f"{name}: trade {item.id} was never published", at)
            return
    # What was still open at the end is judged apart: a life may end in the middle of a fault.
    last = max((place for place, at in enumerate(delivery.settled) if at < float("inf")), default=-1)
    dense = PRODUCTS[delivery.venue][2]
    verdict = judge(delivery.published[: last + 1], delivery.items, fault_at=0.0, dense=dense)
    for what in ("missed", "doubled", "disordered", "false_gaps"):
        # Where ids prove nothing it takes a while to find a loss, and the life may be over; see `_ending`.
        if (dense or what != "missed") and (count := getattr(verdict, what)):
            yield Breach("L2", f"{name}: {count} {what.replace('_', ' ')}")


def _contents(delivery: Delivery) -> Iterator[Breach]:
    places = {trade.id: place for place, trade in enumerate(delivery.published)}
    for at, item in delivery.items:
        if isinstance(item, FeedState | Gap) or item.id not in places or item.first_id not in places:
            continue
        trades = delivery.published[places[item.first_id] : places[item.id] + 1]
        # OKX tells what one taker got from several makers at one price as one.
        quantity = sum(Decimal(trade.quantity) for trade in trades)
        last = trades[-1]
        truth = (last.price, format(quantity, "f"), last.side, last.time)
        if _shown(item) != truth:
            yield Breach("L2", f"{_name(delivery.life, delivery.venue)}: {item} is not {truth}", at)
            return


def _shown(item: Any) -> tuple[str, str, str, int]:
    return format(item.price, "f"), format(item.quantity, "f"), item.side, item.time


def _ending(evidence: Evidence, delivery: Delivery) -> Iterator[Breach]:
    """Nothing old is open at the end, unless the feed says so; on the last evening nothing at all."""
    life = delivery.life
    excused = windows(evidence.happened, venue=delivery.venue)
    allowed = UNFINISHED
    if not PRODUCTS[delivery.venue][2]:
        allowed += AUDIT
        excused = Windows(excused.spans + rest_trouble(evidence, delivery.venue).spans)
    for trade in delivery.open:
        if life.last:
            if trade.at < life.stopped - LAST:
                yield Breach("L2", f"{_name(life, delivery.venue)}: trade {trade.id} never came", trade.at)
                return
        elif delivery.live.at(life.stopped) and excused.later(trade.at, allowed) < life.stopped:
            yield Breach("L2", f"{_name(life, delivery.venue)}: trade {trade.id} did not come though live", trade.at)
            return


def _best(evidence: Evidence, life: Life) -> Iterator[Breach]:
    """The feed with failover: between two changes of the source its trades come once and in order, or there is a gap."""
    name = f"best in life {life.number}"
    places = {
        venue: {trade.id: place for place, trade in enumerate(log)}
        for (venue, _), log in evidence.record.trades.items()
    }
    source: str | None = None
    last: dict[str, int] = {}
    expected: int | None = None
    gap = False
    for at, item in life.journal.best:
        if isinstance(item, Switched | Blind):
            source = None if isinstance(item, Blind) or item.source is None else item.source.rpartition("-")[0]
            expected, gap = None, False
        elif isinstance(item, Gap):
            gap = True
        elif source is None or not source.startswith(item.venue):
            yield Breach("L2", f"{name}: a trade of {item.venue} while {source} was followed", at)
            return
        else:
            low, high = places[item.venue].get(item.first_id), places[item.venue].get(item.id)
            if low is None or high is None:
                yield Breach("L2", f"{name}: trade {item.id} was never published", at)
                return
            if low <= last.get(item.venue, -1):
                yield Breach("L2", f"{name}: trade {item.id} of {item.venue} came again, or too late", at)
                return
            # Where ids prove nothing a loss may be found when another source is followed already.
            if expected is not None and low != expected and not gap and PRODUCTS[item.venue][2]:
                yield Breach("L2", f"{name}: {low - expected} trades before {item.id} of {item.venue} are missing", at)
                return
            last[item.venue], expected, gap = high, high + 1, False


def needless_gaps(evidence: Evidence) -> list[tuple[str, PublishedTrade]]:
    """Return gaps for which no trouble of REST is known; not a breach, but worth a look."""
    found = []
    for life in evidence.lives:
        for delivery in deliveries(evidence, life):
            trouble = rest_trouble(evidence, delivery.venue)
            for at, item in delivery.items:
                if isinstance(item, Gap) and not trouble.touches(at - 90.0, at):
                    found.append((_name(life, delivery.venue), item))
    return found
