"""The times within which an incarnation must be ready, give signs of life, and end when asked to. Pure."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from ._errors import StaleActor, StartTimeout
from ._events import StopRequested, Unstoppable
from ._port import Port
from ._state import Asked, Slot

_LATE: Final = 1.0
"""Seconds: a bound whose end is noticed later than this was over while the whole process stood still."""
_TURNS: Final = 5
"""How often a child then gets a second more: until then it could not run, whatever it was asked."""


class Bounds:
    """Watches over the incarnations of one supervisor.

    Args:
        port: The Trio side.
        on_hung: Called with the child, and the time, when one does not end within its grace and bound.
    """

    def __init__(self, port: Port, on_hung: Callable[[Slot, float], None]) -> None:
        self._port = port
        self._on_hung = on_hung

    def started(self, slot: Slot, now: float) -> None:
        """Begin to wait for its readiness."""
        within = slot.policy.ready_within
        if within is not None:
            slot.start_timer = self._port.at(now + within, slot.order, partial(self._overdue, slot, slot.generation))

    def ready(self, slot: Slot, now: float) -> None:
        """Begin to listen for its beats."""
        self._port.take_back(slot.start_timer)
        slot.start_timer = None
        silence = slot.policy.silence
        if silence is not None:
            slot.watch_timer = self._port.at(now + silence, slot.order, partial(self._watch, slot, slot.generation))

    def ask(self, slot: Slot, asked: Asked, reason: str, now: float) -> None:
        """Ask it to end: cancel it, and bound the time that takes."""
        slot.move("stopping", now)
        slot.asked = asked
        self._port.take_back(slot.start_timer)
        self._port.publish(StopRequested(slot.path, slot.generation, now, reason=reason))
        self._port.cancel(slot, reason)
        if not slot.is_supervisor:  # A supervisor ends within the times of its own children.
            deadline = now + slot.policy.grace
            slot.stop_timer = self._port.at(deadline, slot.order, partial(self._grace_over, slot, slot.generation))

    def ended(self, slot: Slot) -> None:
        """Watch no longer."""
        for timer in (slot.start_timer, slot.stop_timer, slot.watch_timer):
            self._port.take_back(timer)

    def _overdue(self, slot: Slot, generation: int, now: float) -> None:
        if slot.generation == generation and slot.state == "starting":
            self._end_stuck(slot, StartTimeout(f"not ready within {slot.policy.ready_within:g} s"), now)

    def _watch(self, slot: Slot, generation: int, now: float) -> None:
        silence = slot.policy.silence
        if slot.generation != generation or slot.state != "ready" or silence is None:
            return
        due = slot.last_beat + silence
        if now < due:
            slot.watch_timer = self._port.at(due, slot.order, partial(self._watch, slot, generation))
        else:
            self._end_stuck(slot, StaleActor(f"no beat for {silence:g} s"), now)

    def _end_stuck(self, slot: Slot, cause: Exception, now: float) -> None:
        stack = self._port.stack(slot)
        if stack:
            cause.add_note("it was waiting in:\n" + "\n".join(f"  {line}" for line in stack))
        slot.cause = cause
        slot.cause_kind = "stale" if isinstance(cause, StaleActor) else "start_timeout"
        self.ask(slot, "failure", str(cause), now)

    def _grace_over(self, slot: Slot, generation: int, now: float) -> None:
        if slot.generation == generation and slot.state == "stopping":
            self._port.cut_cleanup(slot)
            self._bound(slot, now + slot.policy.bound, _TURNS)

    def _bound(self, slot: Slot, deadline: float, turns: int) -> None:
        over = partial(self._bound_over, slot, slot.generation, deadline, turns)
        slot.stop_timer = self._port.at(deadline, slot.order, over)

    def _bound_over(self, slot: Slot, generation: int, deadline: float, turns: int, now: float) -> None:
        if slot.generation != generation or slot.state != "stopping":
            return
        if turns and now - deadline > _LATE:
            # A machine that slept, or an event loop that was blocked.
            self._bound(slot, now + 1.0, turns - 1)
            return
        slot.hung = True
        self._port.publish(Unstoppable(slot.path, generation, now, stack=self._port.stack(slot)))
        self._on_hung(slot, now)
