"""The live tree as frozen values, for people, tests and endpoints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import attrs
import trio

from ._outcome import Decision, End
from ._state import ChildState


@attrs.frozen(slots=False)  # Frozen slots cost twice as much to fill, and a status fills many.
class Status:
    """One child at one moment. Times are seconds on Trio's clock."""

    path: str
    kind: Literal["actor", "supervisor"]
    state: ChildState
    generation: int
    """Incarnations so far."""
    restarts: int
    """Decisions so far to start it again."""
    failures: int
    """Failures in a row, without a healthy time between."""
    since: float
    """When it came into its state."""
    next_at: float | None
    """While waiting: when the next try is due. None: not waiting; or due, and siblings are to be stopped or started first."""
    beat_age: float | None
    """Seconds since the last beat; None where no silence is declared, or while it is not ready."""
    last_end: End | None = None
    last_decision: Decision | None = None
    children: tuple[Status, ...] = ()
    facts: Mapping[str, Any] | None = None
    """What the incarnation tells about itself, see `Me.expose`; None: nothing, or none lives."""

    def walk(self) -> Iterator[Status]:
        """Yield this one and all below it, in start order."""
        yield self
        for child in self.children:
            yield from child.walk()

    def find(self, path: str) -> Status:
        """Return the child with this full path, or raise `KeyError`."""
        for status in self.walk():
            if status.path == path:
                return status
        raise KeyError(path)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        own = {field.name: getattr(self, field.name) for field in attrs.fields(Status)}
        own["last_end"] = None if self.last_end is None else self.last_end.summary()
        own["last_decision"] = None if self.last_decision is None else str(self.last_decision)
        own["facts"] = None if self.facts is None else dict(self.facts)
        own["children"] = [child.to_dict() for child in self.children]
        return own

    def __str__(self) -> str:
        return "\n".join(_lines(self, "", "", trio.current_time()))


def _lines(status: Status, first: str, rest: str, now: float) -> list[str]:
    parts = [f"{first}{status.path.rpartition('/')[2]}", f"{status.state} {now - status.since:.1f} s"]
    parts.append(f"#{status.generation}")
    if status.restarts:
        parts.append(f"{status.restarts} restarts")
    if status.next_at is not None:
        parts.append(f"next try in {max(0.0, status.next_at - now):.1f} s")
    if status.last_end is not None and status.last_end.failed:
        parts.append(f"last: {status.last_end.summary()}")
    lines = ["  ".join(parts)]
    for place, child in enumerate(status.children):
        last = place == len(status.children) - 1
        lines += _lines(child, rest + ("└─ " if last else "├─ "), rest + ("   " if last else "│  "), now)
    return lines
