"""The states of a child, the moves between them, and the mutable record of one child. Pure.

The table is the truth: the machine refuses a move that is not in it, and the picture in the docs is drawn from it.
"""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from typing import Literal

from ._budget import Ticket
from ._errors import SupervisorError
from ._events import Ended
from ._outcome import EndKind
from ._policy import Policy
from ._spec import Node, Supervisor
from ._strategy import Strategy, restarts_with
from ._timers import Order, Timer

ChildState = Literal["down", "waiting", "starting", "ready", "stopping", "parked"]

TRANSITIONS: dict[ChildState, dict[ChildState, str]] = {
    "down": {"waiting": "to be started"},
    "waiting": {"starting": "its time has come", "down": "stopped", "parked": "parked"},
    "starting": {
        "ready": "ready()",
        "stopping": "asked to end, or not ready in time",
        "waiting": "failed, backing off",
        "down": "ended for good",
        "parked": "failed, not to be retried",
    },
    "ready": {
        "stopping": "asked to end, or silent for too long",
        "waiting": "failed, backing off",
        "down": "ended for good",
        "parked": "failed, not to be retried",
    },
    "stopping": {
        "waiting": "ended, to be started again",
        "down": "ended for good",
        "parked": "failed, not to be retried",
    },
    "parked": {"waiting": "unparked", "down": "stopped"},
}

ACTIVE: frozenset[ChildState] = frozenset({"starting", "ready"})
"""States in which an incarnation lives that nobody has asked to end."""

LIVING: frozenset[ChildState] = ACTIVE | {"stopping"}
"""States in which an incarnation lives."""

Asked = Literal["group", "shutdown", "failure", "operator"]
"""Why the supervisor asked an incarnation to end: its group restarts, all stops, it was stuck, or an operator wants it."""

Wish = Literal["up", "stopped", "parked", "again", "removed"]
"""What an operator wants of a child. ``again``: ended and started again; the others last until the next wish."""


class Slot:
    """One child of a running supervisor, over all its incarnations."""

    __slots__ = (
        "added", "asked", "cause", "cause_kind", "failures", "generation", "group", "hung", "last", "last_beat", "order",
        "path", "place", "ready_at", "ready_once", "restarts", "shell", "since", "spec", "start_timer",
        "started_at", "state", "stop_timer", "ticket", "watch_timer", "wish",
    )  # fmt: skip

    def __init__(
        self, place: int, spec: Node, parent_path: str, parent_order: Order, now: float, *, added: bool
    ) -> None:
        self.place: int = place
        """Orders the children; the numbers can have holes."""
        self.spec: Node = spec
        self.path: str = f"{parent_path}/{spec.name}"
        self.order: Order = (*parent_order, place)
        self.added: bool = added
        """Whether it was added while running, rather than being part of the definition."""
        self.wish: Wish = "up"
        self.state: ChildState = "down"
        self.since: float = now
        self.generation: int = 0
        self.failures: int = 0
        """Consecutive failures without a healthy time between."""
        self.restarts: int = 0
        self.last: Ended | None = None
        """The record of the last incarnation's end."""
        self.ready_once: bool = False
        self.group: Group | None = None
        """The group it is to be started with; None while it runs, or stays down."""
        self.asked: Asked | None = None
        self.cause: BaseException | None = None
        self.cause_kind: EndKind | None = None
        self.hung: bool = False
        self.started_at: float = now
        self.ready_at: float | None = None
        self.last_beat: float = now
        self.ticket: Ticket | None = None
        """Its place in the queue of its budget, while it waits for that."""
        self.start_timer: Timer | None = None
        self.stop_timer: Timer | None = None
        self.watch_timer: Timer | None = None
        self.shell: object = None
        """What the Trio side keeps about the living incarnation; the machine never looks into it."""

    @property
    def policy(self) -> Policy:
        """The child's declared policy."""
        return self.spec.policy

    @property
    def is_supervisor(self) -> bool:
        """Whether this child is a supervisor."""
        return isinstance(self.spec, Supervisor)

    @property
    def gone(self) -> bool:
        """Whether it has ended and stays so through a group restart: temporary children are never restarted."""
        return self.state == "down" and self.generation > 0 and self.policy.restart == "temporary"

    @property
    def held(self) -> bool:
        """Whether it is kept from starting by an operator's wish or by a failure that parked it."""
        return self.state == "parked" or self.wish in ("stopped", "removed")

    def carry_on(self, before: Slot) -> None:
        """Go on counting where the same child of the supervisor's last incarnation ended: (path, generation) is unique."""
        self.generation = before.generation
        self.restarts = before.restarts
        self.last = before.last
        self.shell = before.shell
        if before.wish in ("stopped", "parked"):
            self.wish = before.wish

    def move(self, state: ChildState, now: float) -> None:
        """Go to another state, or refuse."""
        if state not in TRANSITIONS[self.state]:
            raise SupervisorError(f"{self.path}: no way from {self.state} to {state}; this is a bug, please report it")
        self.state = state
        self.since = now


class Group:
    """Children that are stopped, wait and start together: the unit of every start.

    A one_for_one restart is a group of one; the first start is a group of all.
    """

    __slots__ = ("due", "lead", "members", "next_start", "next_stop", "timer")

    def __init__(self, lead: Slot, members: list[Slot], due: float) -> None:
        self.lead: Slot = lead
        """Whose failure made the group; its order decides between equal deadlines."""
        self.members: list[Slot] = members
        """In start order. A member whose `Slot.group` is another one has left."""
        self.due: float = due
        """When starting begins, seconds on Trio's clock."""
        self.next_stop: int = len(members) - 1
        self.next_start: int = 0
        self.timer: Timer | None = None

    @property
    def stopping(self) -> bool:
        """Whether members that live are still to be stopped."""
        return self.next_stop >= 0

    def join(self) -> None:
        """Make this the group of all its members."""
        for slot in self.members:
            slot.group = self

    def ready_at_once(self, most: int) -> int:
        """Return how many members, up to ``most``, follow the one being started that are ready as soon as they run."""
        count = 0
        for slot in self.members[self.next_start + 1 : self.next_start + 1 + most]:
            policy = slot.policy
            if slot.state != "waiting" or slot.is_supervisor or policy.ready_within is not None or policy.budget:
                break
            count += 1
        return count

    def take_in(self, new: Slot) -> None:
        """Add a member that waits to be started, at its place."""
        others = [slot for slot in self.members if slot is not new]
        self.members = sorted([*others, new], key=lambda slot: slot.place)
        self.next_start = 0
        if self.stopping:
            self.next_stop = len(self.members) - 1
        new.group = self


def restarting_with(slot: Slot, siblings: Iterable[Slot], strategy: Strategy) -> list[Slot]:
    """Return the children that restart with this one, in start order.

    Those that an operator stopped outside of any group stay so, and nobody waits for them.
    """
    return [
        other
        for other in siblings
        if other is slot
        or (
            restarts_with(strategy, slot.place, other.place)
            and not other.gone
            and not (other.wish in ("stopped", "removed") and other.state == "down" and other.group is None)
        )
    ]


def longest_due(lead: Slot, delay: float, others: list[Slot], now: float, rng: Random | None) -> float:
    """Return when a group may start: the longest of its members' delays (OTP's EEP 57).

    A member that already waits brings what is left of its wait; a running one draws from its own backoff, unless there
    is no generator because the end was planned.
    """
    due = now + delay
    for slot in others:
        if slot is lead:
            continue
        if slot.group is not None and slot.state == "waiting":
            due = max(due, slot.group.due)
        elif slot.state in ACTIVE and rng is not None:
            due = max(due, now + slot.policy.backoff.delay(max(slot.failures, 1), rng))
    return due
