"""L6: children start in order, stop in reverse order, in time; nothing is left, and whatever hangs is named."""

from __future__ import annotations

from collections.abc import Iterator

from supervisor.testing import check_order_and_end

from ..evidence import Breach, Evidence


def check(evidence: Evidence) -> Iterator[Breach]:
    """Check the start and the end of every life."""
    for life in evidence.lives:
        name = f"life {life.number}"
        try:
            # Who is killed does not stop in order.
            if not life.killed:
                check_order_and_end(life.trace, evidence.tree)
        except AssertionError as error:
            yield Breach("L6", f"{name}: {error}", life.stopped)
        if life.left:
            yield Breach("L6", f"{name}: {life.left} tasks are left", life.ended)
        for event in life.trace.of("unstoppable"):
            yield Breach("L6", f"{name}: {event.path} did not end: {event.stack[-1:]}", event.at)
