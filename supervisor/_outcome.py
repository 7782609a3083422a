"""How an incarnation ended, and what is decided about it. Pure.

Law L1: every end gives exactly one `End`, and every `End` exactly one `Decision`; both travel in one `Ended` event.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

import attrs
import trio

from ._errors import ForeignCancelled, GaveUp, PlannedEnd, StopActor
from ._policy import ACTIONS_BY_SEVERITY, Action, Policy

EndKind = Literal["returned", "crashed", "stopped", "stale", "start_timeout", "planned", "exit"]
FAILURES: frozenset[EndKind] = frozenset({"crashed", "stale", "start_timeout"})
DecisionAction = Literal["restart", "planned_restart", "stop", "park", "escalate", "ignored"]


@attrs.frozen
class End:
    """How one incarnation ended."""

    kind: EndKind
    exception: BaseException | None
    """What came out of it; for a stale or late child the reason it was ended."""
    masked: tuple[BaseException, ...]
    """Exceptions that Trio would have lost: those hidden behind a `Cancelled`, and those from cleanup."""
    started_at: float
    """Seconds on Trio's clock."""
    ended_at: float
    ready_at: float | None

    @property
    def failed(self) -> bool:
        """Whether this end is a failure, rather than normal, asked for or planned."""
        return self.kind in FAILURES

    def summary(self) -> str:
        """Say in one line how it ended."""
        if self.exception is None:
            return self.kind
        return f"{self.kind}: {describe(self.exception)}"


@attrs.frozen
class Decision:
    """What the supervisor does about one end."""

    action: DecisionAction
    reason: str
    at: float | None = None
    """When the next incarnation is due, seconds on Trio's clock; None where there will be none, or not by itself."""
    delay: float | None = None
    """The backoff in it, seconds."""
    failures: int = 0
    """Consecutive failures so far, this one included."""

    def __str__(self) -> str:
        delay = "" if self.delay is None else f" in {self.delay:.2f} s"
        return f"{self.action}{delay} ({self.reason})"


def describe(exception: BaseException) -> str:
    """Return the exception as one line; groups name their leaves."""
    if isinstance(exception, BaseExceptionGroup):
        leaves = list(iter_leaves(exception))
        shown = "; ".join(describe(leaf) for leaf in leaves[:3])
        more = f"; and {len(leaves) - 3} more" if len(leaves) > 3 else ""
        return f"{exception.message} [{shown}{more}]"
    text = str(exception)
    return f"{type(exception).__name__}: {text}" if text else type(exception).__name__


def iter_leaves(exception: BaseException) -> Iterator[BaseException]:
    """Return the exceptions that are not groups, depth first."""
    if not isinstance(exception, BaseExceptionGroup):
        return iter((exception,))
    return (leaf for inner in exception.exceptions for leaf in iter_leaves(inner))


class Caught(NamedTuple):
    """What came out of an incarnation, sorted, before anyone asked why."""

    exception: BaseException | None
    """The failure without any `Cancelled` in it."""
    cancelled: bool
    """Whether a `Cancelled` was in it."""
    masked: tuple[BaseException, ...]


def sort_caught(error: BaseException | None) -> Caught:
    """Part what an actor raised into its real failure and Trio's cancellations.

    Whether the cancellation was ours is not asked here: the scope knows, the exception does not.
    """
    if error is None:
        return Caught(None, cancelled=False, masked=())
    if isinstance(error, trio.Cancelled):
        return Caught(None, cancelled=True, masked=tuple(_hidden_behind(error)))
    if isinstance(error, BaseExceptionGroup):
        cancelled, rest = error.split(trio.Cancelled)
        if cancelled is None:
            return Caught(error, cancelled=False, masked=())
        hidden: list[BaseException] = []
        for leaf in iter_leaves(cancelled):
            hidden += (found for found in _hidden_behind(leaf) if found not in hidden)
        return Caught(rest, cancelled=True, masked=tuple(hidden))
    return Caught(error, cancelled=False, masked=())


def _hidden_behind(cancelled: BaseException) -> Iterator[BaseException]:
    """Yield real exceptions in the context of a `Cancelled`.

    A checkpoint in a ``finally`` under a cancelled scope replaces the exception in flight by ``Cancelled``, which the
    nursery absorbs (python-trio/trio#455); the original survives only as ``__context__``.
    """
    seen: set[int] = set()
    current = cancelled.__context__
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        real = current.split(trio.Cancelled)[1] if isinstance(current, BaseExceptionGroup) else current
        if real is not None and not isinstance(real, trio.Cancelled):
            yield real
        current = current.__context__


def classify(
    caught: Caught,
    *,
    cancel_called: bool,
    cause: BaseException | None,
    cause_kind: EndKind | None,
    started_at: float,
    ended_at: float,
    ready_at: float | None,
) -> End:
    """Turn what was caught into an `End`.

    Args:
        caught: What came out, sorted.
        cancel_called: Whether the supervisor had cancelled this incarnation's own scope.
        cause: Why the supervisor ended it, where that is a failure (stale, start timeout).
        cause_kind: The kind that goes with the cause.
        started_at: Seconds on Trio's clock, as the other times.
        ended_at: When it had fully ended, cleanup included.
        ready_at: When it became ready, if it did.
    """
    exception, masked = caught.exception, caught.masked
    kind: EndKind
    seen = masked if exception is None else (exception, *masked)
    exits = [leaf for found in seen for leaf in iter_leaves(found) if _is_exit(leaf)]
    if exits:
        kind = "exit"
        masked += () if exception is None or exception is exits[0] else (exception,)
        exception = exits[0]
    elif cause is not None and cause_kind is not None:
        masked += () if exception is None else (exception,)
        kind, exception = cause_kind, cause
    elif caught.cancelled and not cancel_called:
        foreign = ForeignCancelled("trio.Cancelled came out although nobody had cancelled this actor")
        foreign.__cause__ = exception or (masked[0] if masked else None)
        kind, exception = "crashed", foreign
    elif exception is None:
        kind = "stopped" if cancel_called else "returned"
    elif cancel_called and _only(exception, (PlannedEnd, StopActor)):
        kind = "stopped"
    elif _only(exception, (PlannedEnd,)):
        kind = "planned"
    elif _only(exception, (PlannedEnd, StopActor)):
        kind = "returned"
    else:
        kind = "crashed"
    return End(kind, exception, masked, started_at, ended_at, ready_at)


def _is_exit(exception: BaseException) -> bool:
    return isinstance(exception, (KeyboardInterrupt, SystemExit))


def _only(exception: BaseException, types: tuple[type[BaseException], ...]) -> bool:
    if isinstance(exception, GaveUp):
        return False  # Whatever a supervisor gave up over, giving up is a failure.
    if isinstance(exception, BaseExceptionGroup):
        return all(_only(inner, types) for inner in exception.exceptions)
    return isinstance(exception, types)


def verdict(policy: Policy, end: End) -> tuple[Action, str]:
    """Say what the child's own policy wants after this end, before limits; with the reason in words."""
    if end.kind == "exit":
        return "escalate", describe(end.exception) if end.exception else "exit"
    if end.kind == "planned":
        if policy.restart == "temporary":
            return "stop", "planned end of a temporary child"
        return "restart_now", "planned end"
    if end.kind in ("returned", "stopped"):
        if policy.restart == "permanent":
            return "restart", "a permanent child ended"
        return "stop", f"normal end of a {policy.restart} child"
    assert end.exception is not None, "a failure carries its exception"
    mapped = _mapped(policy, end.exception)
    if mapped is not None:
        return mapped
    if policy.restart == "temporary":
        return "stop", f"temporary child failed: {describe(end.exception)}"
    return "restart", describe(end.exception)


def _mapped(policy: Policy, exception: BaseException) -> tuple[Action, str] | None:
    """Look the exception up in ``on``; None where nothing there matches."""
    if not policy.on:
        return None
    for key, action in policy.on:
        # Only keys that are groups themselves (`GaveUp`) look at a group as a whole: an ExceptionGroup is also an
        # Exception, and a key `Exception` must not hide what the leaves say.
        if issubclass(key, BaseExceptionGroup) and isinstance(exception, key):
            return action, f"on {key.__name__}: {describe(exception)}"
    found = [
        (action, key.__name__)
        for leaf in iter_leaves(exception)
        for key, action in (next((pair for pair in policy.on if isinstance(leaf, pair[0])), (None, None)),)
        if key is not None and action is not None
    ]
    if not found:
        return None
    unmapped = len(found) < sum(1 for _ in iter_leaves(exception))
    default: Action = "stop" if policy.restart == "temporary" else "restart"
    worst, name = max(found, key=lambda pair: ACTIONS_BY_SEVERITY.index(pair[0]))
    if unmapped and ACTIONS_BY_SEVERITY.index(default) > ACTIONS_BY_SEVERITY.index(worst):
        return default, describe(exception)
    return worst, f"on {name}: {describe(exception)}"
