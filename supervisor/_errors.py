"""Errors of the runtime, grouped by whose fault it is and what to do next.

SupervisorError
    BadTree             the definition is wrong; lists every problem with its path
GaveUp                  a supervisor reached a limit, or a child could not start (an ExceptionGroup of the causes)
PlannedEnd              raised by an actor: this end was expected, start me again for free
StopActor               raised by an actor: I am finished on purpose; counts as a normal end
StaleActor              recorded when an actor gave no sign of life within its declared silence
StartTimeout            recorded when an actor did not become ready in time
ForeignCancelled        recorded when `trio.Cancelled` escaped from an actor that nobody cancelled
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import attrs


class SupervisorError(Exception):
    """Base of the errors that the supervisor raises at its caller."""


@attrs.frozen
class Problem:
    """One thing that is wrong with a tree's definition."""

    path: str
    """Where: ``bot/feeds/btc``."""
    message: str
    """What, and what to do about it."""

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"

    def under(self, parent: str) -> Problem:
        """Return the same problem seen from one level further up."""
        return Problem(f"{parent}/{self.path}", self.message)


class BadTree(SupervisorError, ValueError):
    """The definition of a tree is wrong.

    Args:
        problems: Everything that was found, each with its path.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


class GaveUp(ExceptionGroup[Exception]):
    """A supervisor has stopped trying; the group holds what made it give up.

    It is never taken for a normal end: a parent treats it as a crash of the supervisor.

    Attributes:
        path: The supervisor that gave up.
        reason: Which limit was reached, in words.
        total: How many failures it had counted; the group itself holds only the first and the last ones.
    """

    path: str
    reason: str
    total: int

    def __new__(cls, path: str, reason: str, causes: Sequence[Exception], total: int) -> Self:
        self = super().__new__(cls, f"{path} gave up: {reason}", list(causes) or [SupervisorError(reason)])
        self.path, self.reason, self.total = path, reason, total
        return self

    def __init__(self, *args: Any) -> None:
        # BaseExceptionGroup.__init__ would refuse our four arguments.
        pass

    def derive(self, excs: Sequence[Exception], /) -> GaveUp:  # type: ignore[override]
        """Keep the type when `except*` splits the group."""
        return GaveUp(self.path, self.reason, excs, self.total)


class PlannedEnd(Exception):
    """Raise this in an actor whose end was expected: a server's notice, the 24 h limit of a connection.

    The actor is started again at once. Nothing is counted as a failure.
    """


class StopActor(Exception):
    """Raise this in an actor to end it on purpose, with a reason, from any depth. The same as returning."""


class StaleActor(SupervisorError):
    """An actor gave no sign of life (`Me.beat`) for longer than its declared silence."""


class StartTimeout(SupervisorError):
    """An actor did not call `Me.ready` within its declared time."""


class ForeignCancelled(SupervisorError):
    """`trio.Cancelled` came out of an actor although nobody had cancelled it.

    Trio's nurseries would absorb it without a trace. Known sources: a stored and re-raised ``Cancelled``, and libraries
    that flatten the exception group of an internal nursery.
    """
