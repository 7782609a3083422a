"""Limits: what a supervisor makes of a child's failure, beyond the child's own policy. Pure.

Failures count when they happen, not when the delayed restart runs, so that long delays do not switch limits off.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from random import Random

from ._errors import GaveUp, SupervisorError
from ._outcome import End, iter_leaves, verdict
from ._policy import Action, Limit, Spread, Window
from ._spec import AutoShutdown
from ._state import Slot

_SAMPLES = 5
"""First and last causes that a `GaveUp` carries, each."""

PLANNED_NOT_BEFORE = 1.0
"""Seconds that an incarnation must have lived for its planned end to be free."""


_CAUSES = 16
"""Kinds of failure that are watched for a common cause at a time."""


class Judge:
    """Counts the failures of one incarnation of a supervisor, and applies its limits."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._window = Window()
        self._failed = 0
        self._first: tuple[Exception, ...] = ()
        self._last: tuple[Exception, ...] = ()

    def judge(self, slot: Slot, end: End, limit: Limit, now: float) -> tuple[Action, str]:
        """Say what is done about an end that nobody asked for, and why. Counts it.

        Args:
            slot: The child; its count of consecutive failures is brought up to date.
            end: How it ended.
            limit: The supervisor's limit; it can change while the supervisor runs.
            now: Seconds on Trio's clock.
        """
        if end.ready_at is not None and now - end.ready_at >= slot.policy.healthy_after:
            slot.failures = 0
        action, reason = verdict(slot.policy, end)
        if action == "restart_now" and now - end.started_at < PLANNED_NOT_BEFORE:
            # A server that sends its notice to every new connection must not turn free restarts into a storm (L5).
            action, reason = "restart", f"{reason}, but only {now - end.started_at:.2f} s after its start"
        if action == "restart" or end.failed:
            self._remember(slot, end)
        if action == "restart":
            slot.failures += 1
        if end.failed and not slot.ready_once and action in ("restart", "stop") and slot.policy.first_start == "fail":
            # Of those added while running, whoever adds them hears about it; the others go on.
            return "stop" if slot.added else "escalate", f"it failed before it was ready for the first time: {reason}"
        if action != "restart":
            return action, reason
        policy = slot.policy
        if policy.max_failures is not None and slot.failures >= policy.max_failures:
            return policy.at_max, f"{slot.failures} failures in a row, the most allowed: {reason}"
        if not self._window.allows(now, limit):
            return limit.then, f"more than {limit.restarts} restarts in {limit.within:g} s: {reason}"
        return action, reason

    def restarts_left(self, limit: Limit, now: float) -> int:
        """Return how many more restarts the window allows now."""
        return limit.restarts - self._window.used(now, limit)

    def gave_up(self, reason: str) -> GaveUp:
        """Return the error with the first and the last causes, and the exact count."""
        return GaveUp(self._path, reason, [*self._first, *self._last], self._failed)

    def _remember(self, slot: Slot, end: End) -> None:
        self._failed += 1
        cause = end.exception
        if not isinstance(cause, Exception):
            cause = SupervisorError(f"{slot.path} {end.summary()}")
        if len(self._first) < _SAMPLES:
            self._first = (*self._first, cause)
        else:
            self._last = (*self._last[1 - _SAMPLES :], cause)


def shuts_down(auto_shutdown: AutoShutdown, slot: Slot, end: End, siblings: Iterable[Slot]) -> bool:
    """Say whether the end of a child, which is not restarted, ends its supervisor, normally."""
    if auto_shutdown == "never" or not slot.policy.significant or (slot.policy.restart == "transient" and end.failed):
        return False
    return auto_shutdown == "any" or not any(
        other.policy.significant and other.state not in ("down", "parked") for other in siblings
    )


class Spreader:
    """Notices that many children failed for one reason within a short time, and spreads their restarts.

    All sockets die when the link flaps; without this they would all dial within the same half second.
    """

    def __init__(self, spread: Spread) -> None:
        self._spread = spread
        # By cause, the children that failed last and when; no more of them than make a common cause.
        self._failed: OrderedDict[str, OrderedDict[str, float]] = OrderedDict()

    def delay(self, path: str, exception: BaseException | None, now: float, rng: Random) -> float:
        """Count one failure of a child; return the delay to add to its backoff, seconds."""
        cause = _cause_of(exception)
        children = self._failed[cause] = self._failed.pop(cause, OrderedDict())
        children.pop(path, None)
        children[path] = now
        while len(children) > self._spread.failures:
            children.popitem(last=False)
        while len(self._failed) > _CAUSES:
            self._failed.popitem(last=False)
        alike = sum(now - at <= self._spread.within for at in children.values())
        return rng.uniform(0.0, self._spread.over) if alike >= self._spread.failures else 0.0


def _cause_of(exception: BaseException | None) -> str:
    if exception is None:
        return "returned"
    leaf = next(iter_leaves(exception))
    return f"{type(leaf).__qualname__} {leaf.errno}" if isinstance(leaf, OSError) else type(leaf).__qualname__
