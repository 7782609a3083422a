"""What happens in a tree, as typed records. One stream; logs, metrics, alerts and the ledger subscribe to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

import attrs

from ._outcome import Decision, End, describe


@attrs.frozen
class Event:
    """Something that happened to one child."""

    kind: ClassVar[str] = "event"

    path: str
    """The child: ``bot/btc/connection``."""
    generation: int
    """Its incarnation, 1 for the first; 0 where the event is about the child rather than one incarnation."""
    at: float
    """Seconds on Trio's clock."""
    seq: int = 0
    """Place in the tree's event stream; consecutive from 1."""
    wall: float = 0.0
    """Seconds since the epoch, stamped for people; nothing is decided by it."""

    def to_dict(self) -> dict[str, Any]:
        """Return the event as plain values for JSON."""
        head = {"event": self.kind, "seq": self.seq, "wall": round(self.wall, 6), "at": round(self.at, 6)}
        return {**head, "path": self.path, "generation": self.generation, **self._details()}

    def _details(self) -> dict[str, Any]:
        return {}

    def __str__(self) -> str:
        details = " ".join(f"{key}={value}" for key, value in self._details().items() if value not in (None, ""))
        return f"{self.kind} {self.path}#{self.generation} {details}".rstrip()


@attrs.frozen
class Started(Event):
    """An incarnation was started."""

    kind: ClassVar[str] = "started"


@attrs.frozen
class Ready(Event):
    """An incarnation is usable."""

    kind: ClassVar[str] = "ready"


@attrs.frozen
class StopRequested(Event):
    """The supervisor asked an incarnation to end."""

    kind: ClassVar[str] = "stopping"
    reason: str = attrs.field(default="", kw_only=True)

    def _details(self) -> dict[str, Any]:
        return {"reason": self.reason}


@attrs.frozen
class Ended(Event):
    """An incarnation has ended: the one record of it (law L1), with the one decision."""

    kind: ClassVar[str] = "ended"
    end: End = attrs.field(kw_only=True)
    decision: Decision = attrs.field(kw_only=True)

    def _details(self) -> dict[str, Any]:
        end, decision = self.end, self.decision
        return {
            "how": end.kind,
            "error": None if end.exception is None else describe(end.exception),
            "masked": [describe(hidden) for hidden in end.masked] or None,
            "lived": round(end.ended_at - end.started_at, 6),
            "decision": decision.action,
            "reason": decision.reason,
            "delay": None if decision.delay is None else round(decision.delay, 6),
            "failures": decision.failures,
        }


@attrs.frozen
class Unstoppable(Event):
    """An incarnation did not end within its grace and bound. Nothing can kill a Trio task: it is named instead."""

    kind: ClassVar[str] = "unstoppable"
    stack: tuple[str, ...] = attrs.field(kw_only=True)
    """Where it hangs, outermost frame first: ``file:line function``."""

    def _details(self) -> dict[str, Any]:
        return {"stack": list(self.stack)}


@attrs.frozen
class Blocked(Event):
    """An actor kept the event loop for itself for too long; see ``watch_blocking`` of `Supervisor.open`."""

    kind: ClassVar[str] = "blocked"
    seconds: float = attrs.field(kw_only=True)

    def _details(self) -> dict[str, Any]:
        return {"seconds": round(self.seconds, 3)}


@attrs.frozen
class DeadLettered(Event):
    """An item went to the dead letters: its actor crashed over it as often as the mailbox allows."""

    kind: ClassVar[str] = "dead_lettered"
    mailbox: str = attrs.field(kw_only=True)
    deliveries: int = attrs.field(kw_only=True)
    error: BaseException = attrs.field(kw_only=True)

    def _details(self) -> dict[str, Any]:
        return {"mailbox": self.mailbox, "deliveries": self.deliveries, "error": describe(self.error)}


_OWN_NAMES: Final = frozenset({"event", "seq", "wall", "at", "path", "generation", "what"})
"""Under these names `Note.to_dict` tells about the note itself."""


def _not_its_own(_note: Note, _attribute: object, fields: Mapping[str, Any]) -> None:
    # Refused where it is said: overwritten, the note would be told with a wrong time, or as that of another child.
    if taken := sorted(_OWN_NAMES & fields.keys()):
        raise ValueError(f"a note has {' and '.join(taken)} of its own: give the field another name")


@attrs.frozen
class Note(Event):
    """Something that an actor reports about itself.

    Raises:
        ValueError: A field has a name that the note itself uses: ``event``, ``seq``, ``wall``, ``at``, ``path``,
            ``generation`` or ``what``.
    """

    kind: ClassVar[str] = "note"
    what: str = attrs.field(kw_only=True)
    fields: Mapping[str, Any] = attrs.field(kw_only=True, validator=_not_its_own)

    def _details(self) -> dict[str, Any]:
        return {"what": self.what, **self.fields}
