"""L4: a feed that says it is live brings what is published within the declared time; and nobody cries wolf."""

from __future__ import annotations

from collections.abc import Iterator

from actors import MuteFeed
from actors.simulator import Fault

from ...actors.products import PRODUCTS
from ..bot import SILENCE
from ..evidence import Breach, Evidence
from .deliveries import Delivery, deliveries
from .told import Windows, echo, rest_trouble, windows

ASKING = 6.0
"""Seconds on top of the declared silence: for asking the venue, the grace, and the answer."""
GIVE_UP = 3
"""Times the silence, when the venue cannot be asked."""
AUDIT = 45.0
"""Seconds of being live, on top of that, where ids prove nothing: a loss in the middle of a stream shows when lists are
compared."""
TOGETHER = 0.001
"""Seconds."""
ECHO = 240.0
"""Seconds after a fault has begun in which failures may still come from it: the longest one lasts 180 s."""


def check(evidence: Evidence) -> Iterator[Breach]:
    """Look for trades that were overdue while their feed was live, and for failures without a cause."""
    for life in evidence.lives:
        for delivery in deliveries(evidence, life):
            for begin, end in overdue(evidence, delivery):
                if not delivery.live.never(begin, end):
                    name = f"{delivery.venue} in life {life.number}"
                    yield Breach("L4", f"{name}: live from {begin:.3f} s without what was published", begin)
                    break
    yield from _false_alarms(evidence)


def overdue(evidence: Evidence, delivery: Delivery) -> Iterator[tuple[float, float]]:
    """Yield the stretches in which a trade was overdue: from when it was due to when it came."""
    excused = windows(evidence.happened, venue=delivery.venue)
    trouble = rest_trouble(evidence, delivery.venue)
    dense = PRODUCTS[delivery.venue][2]
    if not dense:
        excused = Windows(excused.spans + trouble.spans)
    # A strategy that has failed takes nothing for a moment.
    pauses = Windows(tuple((at, at + 2.5) for at in delivery.life.journal.booms))
    for trade, came in zip(delivery.published, delivery.settled, strict=True):
        if came - trade.at < SILENCE:
            continue
        asked = trouble.touches(trade.at - SILENCE, trade.at + SILENCE + ASKING)
        allowed = (GIVE_UP * SILENCE if asked else SILENCE) + ASKING + pauses.overlap(trade.at, trade.at + SILENCE)
        allowed += 0.0 if dense else AUDIT
        due = excused.later(trade.at, allowed)
        # That it is live again is told together with what was missing, and not before.
        end = min(came, delivery.life.stopped) - TOGETHER
        if not dense and delivery.live.seconds(trade.at, end) < AUDIT:
            continue
        if due < end:
            yield due, end


def _false_alarms(evidence: Evidence) -> Iterator[Breach]:
    causes = [(at, at + echo(entry.what, ECHO)) for at, entry in evidence.happened]
    accounts = {holding.name for holding in evidence.orders}
    # Of an account one subscription of several may be lost, and missed when something happens that it would have brought.
    lost = [at for at, entry in evidence.happened if _loses_a_part(entry.what)]
    for life in evidence.lives:
        for event in life.trace.of("ended"):
            if not event.end.failed or any(at <= event.at <= end for at, end in causes):
                continue
            is_of_account = event.path.split("/")[1] in accounts and isinstance(event.end.exception, MuteFeed)
            if not (is_of_account and any(at <= event.at for at in lost)):
                yield Breach(
                    "L4", f"life {life.number}: {event.path} failed without a cause: {event.end.summary()}", event.at
                )


def _loses_a_part(what: object) -> bool:
    return isinstance(what, Fault) and what.kind == "lost_subscription" and what.surface == "private"
