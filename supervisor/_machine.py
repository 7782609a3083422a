"""The supervisor as a state machine: what happened goes in, orders to the Trio side come out. No I/O, no awaiting.

Theory of operation
-------------------
* A `Machine` lives as long as one incarnation of a supervisor. Each child has a `Slot`, which outlives its incarnations.
* Every start happens through a `Group`: stop the members that live, in reverse order; wait until the group is due; start
  the members in order, each when the one before is ready. The first start is the group of all children. A failure makes
  a new group, chosen by the strategy; where it overlaps an older one it takes over its members and the time they had
  left. A slot belongs to one group at most, so nothing can be started twice, and nothing that waits is forgotten.
* `ended` is the only place where the end of an incarnation is recorded, and it publishes exactly one `Ended` event with
  exactly one decision (law L1), before anything is done about it.
* Every call is synchronous and comes from Trio's thread, so nothing interleaves within a call. Calls into the port only
  schedule; none of them calls back.
* Timers are taken back when what they wait for has happened; those that fire carry the generation they were made for.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Literal, Protocol

from ._errors import GaveUp, StaleActor, StartTimeout, SupervisorError
from ._events import Ended, Event, Ready, Started, StopRequested, Unstoppable
from ._outcome import Caught, Decision, DecisionAction, End, classify, verdict
from ._policy import Action, Window
from ._spec import Supervisor
from ._state import ACTIVE, Asked, Group, Slot, longest_due
from ._strategy import group_of
from ._timers import Order, Timer

_SAMPLES = 5
"""First and last causes that a `GaveUp` carries."""

PLANNED_NOT_BEFORE = 1.0
"""Seconds that an incarnation must have lived for its planned end to be free."""


class Port(Protocol):
    """What the machine orders from the Trio side."""

    def start(self, slot: Slot) -> None:
        """Start the slot's next incarnation."""

    def cancel(self, slot: Slot, reason: str) -> None:
        """Cancel the slot's incarnation; its cleanup may go on."""

    def cut_cleanup(self, slot: Slot) -> None:
        """Cancel the cleanup of the slot's incarnation, too."""

    def stack(self, slot: Slot) -> tuple[str, ...]:
        """Return where the slot's incarnation is waiting."""

    def at(self, deadline: float, order: Order, callback: Callable[[float], None]) -> Timer:
        """Call back at the deadline."""

    def take_back(self, timer: Timer) -> None:
        """Forget a timer."""

    def publish(self, event: Event) -> None:
        """Put an event into the tree's stream."""

    def started(self) -> None:
        """Every first start is done."""

    def finished(self) -> None:
        """No incarnation lives any more; `Machine.result` says how it came."""


class Machine:
    """See the theory of operation at the head of this file.

    Args:
        spec: The definition.
        path: Its place in the tree.
        order: Its place among equal deadlines.
        port: The Trio side.
        rng: For jitter.
        now: Seconds on Trio's clock.
        before: The machine of the incarnation before this one; counts of incarnations go on from there.

    Attributes:
        slots: The children, in start order.
        result: What the supervisor raises when it has finished; None after an ordered stop.
        phase: ``running``, ``stopping``, ``finished``.
    """

    def __init__(
        self, spec: Supervisor, path: str, order: Order, port: Port, rng: Random, now: float, before: Machine | None
    ) -> None:
        self.spec = spec
        self.path = path
        self.slots = [Slot(index, child, path, order, now) for index, child in enumerate(spec.children)]
        if before is not None:
            earlier = {slot.spec.name: slot for slot in before.slots}
            for slot in self.slots:
                if slot.spec.name in earlier:
                    slot.carry_on(earlier[slot.spec.name])
        self.result: BaseException | None = None
        self.phase: Literal["running", "stopping", "finished"] = "running"
        self._port = port
        self._rng = rng
        self._window = Window(spec.limit)
        self._alive = 0
        self._first: Group | None = None
        """The group of the first start, until that is over."""
        self._stop_next = 0
        self._stop_reason = ""
        self._failed = 0
        self._first_causes: list[Exception] = []
        self._last_causes: deque[Exception] = deque(maxlen=_SAMPLES)

    # What happens ----------------------------------------------------------------------------------------------

    def begin(self, now: float) -> None:
        """Start all children, in order."""
        for slot in self.slots:
            slot.move("waiting", now)
        if not self.slots:
            self._port.started()
            return
        self._first = Group(self.slots[0], list(self.slots), now)
        self._first.join()
        self._first.next_stop = -1
        self._advance(self._first, now)

    def ready(self, slot: Slot, now: float) -> None:
        """An incarnation says that it is usable. Does nothing when it was before, or is asked to end."""
        if slot.state != "starting":
            return
        slot.move("ready", now)
        slot.ready_at = slot.last_beat = now
        slot.ready_once = True
        self._forget(slot.start_timer)
        self._port.publish(Ready(slot.path, slot.generation, now))
        silence = slot.policy.silence
        if silence is not None:
            slot.watch_timer = self._port.at(now + silence, slot.order, partial(self._watch, slot, slot.generation))
        self._left_group(slot, now)

    def ended(self, slot: Slot, caught: Caught, *, cancel_called: bool, now: float) -> None:
        """An incarnation has ended, cleanup included: record it, decide, act."""
        for timer in (slot.start_timer, slot.stop_timer, slot.watch_timer):
            self._forget(timer)
        self._alive -= 1
        end = classify(
            caught,
            cancel_called=cancel_called,
            cause=slot.cause,
            cause_kind=slot.cause_kind,
            started_at=slot.started_at,
            ended_at=now,
            ready_at=slot.ready_at,
        )
        asked, slot.asked, slot.cause, slot.cause_kind, slot.hung = slot.asked, None, None, None, False
        if end.kind == "exit":
            self._on_exit(slot, end, now)
        elif self.phase != "running":
            self._on_end_while_stopping(slot, end, now)
        elif asked == "group":
            self._on_end_for_group(slot, end, now)
        else:
            self._on_own_end(slot, end, now)

    def stop(self, reason: str, now: float) -> None:
        """Stop all children in reverse order. Does nothing when that is under way."""
        if self.phase != "running":
            return
        self.phase = "stopping"
        self._stop_reason = reason
        for slot in self.slots:
            if slot.group is not None and slot.group.timer is not None:
                self._forget(slot.group.timer)
            slot.group = None
            if slot.state == "waiting":
                slot.move("down", now)
        self._stop_next = len(self.slots) - 1
        self._continue_stop(now)

    def hurry(self, now: float) -> None:
        """Cut the cleanup of everything that is still stopping; what is not asked yet gets no grace."""
        self.stop("hurry", now)
        for slot in self.slots:
            if slot.state in ACTIVE:
                self._ask(slot, "shutdown", self._stop_reason, now)
            if slot.state == "stopping":
                self._port.cut_cleanup(slot)

    # Deciding --------------------------------------------------------------------------------------------------

    def _on_exit(self, slot: Slot, end: End, now: float) -> None:
        slot.move("down", now)
        self._publish(slot, end, Decision("escalate", "the program is asked to exit"), now)
        self.result = end.exception
        if self.phase == "running":
            self.stop(f"{type(end.exception).__name__} in {slot.path}", now)
        else:
            self._continue_stop(now)

    def _on_end_while_stopping(self, slot: Slot, end: End, now: float) -> None:
        slot.move("down", now)
        if end.failed:
            decision = Decision("ignored", f"failed while its supervisor was stopping: {self._stop_reason}")
        else:
            decision = Decision("stop", f"its supervisor is stopping: {self._stop_reason}")
        self._publish(slot, end, decision, now)
        self._continue_stop(now)

    def _on_end_for_group(self, slot: Slot, end: End, now: float) -> None:
        group = slot.group
        assert group is not None, "a child that was stopped for its group is still in one"
        if slot.policy.restart == "temporary":
            slot.move("down", now)
            slot.group = None
            decision = Decision("stop", f"temporary; stopped with the group of {group.lead.path}")
        else:
            slot.move("waiting", now)
            decision = Decision("restart", f"with the group of {group.lead.path}", at=group.due, failures=slot.failures)
        self._publish(slot, end, decision, now)
        self._advance(group, now)

    def _on_own_end(self, slot: Slot, end: End, now: float) -> None:
        if end.ready_at is not None and now - end.ready_at >= slot.policy.healthy_after:
            slot.failures = 0
        action, reason = self._limited(slot, end, *verdict(slot.policy, end), now)
        if action in ("restart", "restart_now"):
            self._restart(slot, end, action, reason, now)
        elif action == "stop":
            slot.move("down", now)
            self._publish(slot, end, Decision("stop", reason, failures=slot.failures), now)
            self._left_group(slot, now)
        elif action == "park":
            slot.move("parked", now)
            self._publish(slot, end, Decision("park", reason, failures=slot.failures), now)
            self._hold_group(slot, now)
        else:
            slot.move("down", now)
            self._publish(slot, end, Decision("escalate", reason, failures=slot.failures), now)
            self._give_up(f"{slot.path}: {reason}", now)

    def _limited(self, slot: Slot, end: End, action: Action, reason: str, now: float) -> tuple[Action, str]:
        """Count the failure when it happens, and apply the limits to what the policy wants."""
        if action == "restart_now" and now - end.started_at < PLANNED_NOT_BEFORE:
            # A server that sends its notice to every new connection must not turn free restarts into a storm (L5).
            action, reason = "restart", f"{reason}, but only {now - end.started_at:.2f} s after its start"
        if action == "restart" or end.failed:
            self._remember(slot, end)
        if action == "restart":
            slot.failures += 1
        if end.failed and not slot.ready_once and action in ("restart", "stop") and slot.policy.first_start == "fail":
            return "escalate", f"it failed before it was ready for the first time: {reason}"
        if action != "restart":
            return action, reason
        policy, limit = slot.policy, self.spec.limit
        if policy.max_failures is not None and slot.failures >= policy.max_failures:
            return policy.at_max, f"{slot.failures} failures in a row, the most allowed: {reason}"
        if not self._window.allows(now):
            return limit.then, f"more than {limit.restarts} restarts in {limit.within:g} s: {reason}"
        return action, reason

    def _remember(self, slot: Slot, end: End) -> None:
        self._failed += 1
        cause = end.exception
        if not isinstance(cause, Exception):
            cause = SupervisorError(f"{slot.path} {end.summary()}")
        if len(self._first_causes) < _SAMPLES:
            self._first_causes.append(cause)
        else:
            self._last_causes.append(cause)

    def _give_up(self, reason: str, now: float) -> None:
        if self.result is None:
            self.result = GaveUp(self.path, reason, [*self._first_causes, *self._last_causes], self._failed)
        self.stop("giving up", now)

    # Groups ----------------------------------------------------------------------------------------------------

    def _restart(self, slot: Slot, end: End, action: Action, reason: str, now: float) -> None:
        backoff = slot.policy.backoff
        if action == "restart":
            delay = backoff.delay(slot.failures, self._rng)
        else:
            delay = 0.0
        others = self._group_members(slot)
        due = longest_due(slot, delay, others, now, self._rng if action == "restart" else None)
        slot.move("waiting", now)
        decided: DecisionAction = "restart" if action == "restart" else "planned_restart"
        self._publish(slot, end, Decision(decided, reason, at=due, delay=delay, failures=slot.failures), now)
        self._regroup(slot, others, due, now)

    def _group_members(self, slot: Slot) -> list[Slot]:
        """Return the children that restart with this one: all that the strategy names and that are not there for good."""
        if self.spec.strategy == "one_for_one":
            return [slot]
        named = (self.slots[place] for place in group_of(self.spec.strategy, slot.index, len(self.slots)))
        return [member for member in named if member is slot or not _gone(member)]

    def _regroup(self, lead: Slot, members: list[Slot], due: float, now: float) -> None:
        """Make a new group, which takes its members out of older ones."""
        left = {member.group for member in members if member.group is not None}
        group = Group(lead, members, due)
        for member in members:
            if member.state == "down":
                member.move("waiting", now)
        group.join()
        for older in left:
            if self.spec.strategy == "one_for_one":
                # Only the first start has more than one member; it goes on without this child.
                self._advance(older, now)
                continue
            self._forget(older.timer)
            if older is self._first:
                # The first start of these children is retried from now on: the tree counts as started.
                self._first_over()
        self._advance(group, now)

    def _hold_group(self, parked: Slot, now: float) -> None:
        """A parked child keeps those that depend on it from running."""
        members = self._group_members(parked)
        if len(members) == 1:
            self._left_group(parked, now)
        else:
            self._regroup(parked, members, now, now)

    def _left_group(self, slot: Slot, now: float) -> None:
        """The slot is started, or will not be: its group goes on with the next."""
        group, slot.group = slot.group, None
        if group is not None:
            self._advance(group, now)

    def _advance(self, group: Group, now: float) -> None:
        """Take a group as far as it goes without waiting: stop, wait until due, start."""
        if self.phase != "running":
            return
        while group.next_stop >= 0:
            slot = group.members[group.next_stop]
            if slot.group is group and slot.state in ACTIVE:
                self._ask(slot, "group", f"restarts with {group.lead.path}", now)
            if slot.group is group and slot.state == "stopping":
                return
            group.next_stop -= 1
        if now < group.due:
            self._forget(group.timer)
            group.timer = self._port.at(group.due, group.lead.order, partial(self._advance, group))
            return
        self._start_next(group, now)

    def _start_next(self, group: Group, now: float) -> None:
        if self.spec.strategy == "one_for_all" and group.next_start == 0 and _any_parked(group.members):
            group.next_start = len(group.members)  # Held until it is unparked: all depend on each other.
        while group.next_start < len(group.members):
            slot = group.members[group.next_start]
            if slot.group is group:
                if slot.state == "waiting":
                    self._start(slot, now)
                if slot.state in ("starting", "stopping"):
                    return
                if slot.state == "parked" and self.spec.strategy != "one_for_one":
                    break  # Held until it is unparked: those after it depend on it.
            group.next_start += 1
        if group is self._first:
            self._first_over()

    def _first_over(self) -> None:
        self._first = None
        self._port.started()

    def _start(self, slot: Slot, now: float) -> None:
        slot.move("starting", now)
        slot.generation += 1
        slot.started_at = slot.last_beat = now
        slot.ready_at = None
        self._alive += 1
        self._port.publish(Started(slot.path, slot.generation, now))
        within = slot.policy.ready_within
        if within is not None:
            slot.start_timer = self._port.at(now + within, slot.order, partial(self._overdue, slot, slot.generation))
        self._port.start(slot)

    # Stuck children --------------------------------------------------------------------------------------------

    def _overdue(self, slot: Slot, generation: int, now: float) -> None:
        if slot.generation == generation and slot.state == "starting":
            message = f"not ready within {slot.policy.ready_within:g} s"
            self._end_stuck(slot, StartTimeout(message), now)

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
        self._ask(slot, "failure", str(cause), now)

    # Stopping --------------------------------------------------------------------------------------------------

    def _ask(self, slot: Slot, asked: Asked, reason: str, now: float) -> None:
        slot.move("stopping", now)
        slot.asked = asked
        self._forget(slot.start_timer)
        self._port.publish(StopRequested(slot.path, slot.generation, now, reason=reason))
        self._port.cancel(slot, reason)
        if not slot.is_supervisor:  # A supervisor ends within the times of its own children.
            deadline = now + slot.policy.grace
            slot.stop_timer = self._port.at(deadline, slot.order, partial(self._grace_over, slot, slot.generation))

    def _grace_over(self, slot: Slot, generation: int, now: float) -> None:
        if slot.generation == generation and slot.state == "stopping":
            self._port.cut_cleanup(slot)
            deadline = now + slot.policy.bound
            slot.stop_timer = self._port.at(deadline, slot.order, partial(self._bound_over, slot, generation))

    def _bound_over(self, slot: Slot, generation: int, now: float) -> None:
        if slot.generation == generation and slot.state == "stopping":
            slot.hung = True
            self._port.publish(Unstoppable(slot.path, generation, now, stack=self._port.stack(slot)))
            if self.phase == "stopping":
                self._continue_stop(now)

    def _continue_stop(self, now: float) -> None:
        while self._stop_next >= 0:
            slot = self.slots[self._stop_next]
            if slot.state in ACTIVE:
                self._ask(slot, "shutdown", self._stop_reason, now)
            if slot.state == "stopping" and not slot.hung:
                return
            self._stop_next -= 1
        if self._alive == 0 and self.phase == "stopping":
            self.phase = "finished"
            self._port.finished()

    # Helpers ---------------------------------------------------------------------------------------------------

    def _publish(self, slot: Slot, end: End, decision: Decision, now: float) -> None:
        slot.last = Ended(slot.path, slot.generation, now, end=end, decision=decision)
        slot.restarts += decision.action in ("restart", "planned_restart")
        self._port.publish(slot.last)

    def _forget(self, timer: Timer | None) -> None:
        if timer is not None:
            self._port.take_back(timer)


def _gone(slot: Slot) -> bool:
    """Whether a child that has ended stays so through a group restart: temporary ones are never restarted."""
    return slot.policy.restart == "temporary" and slot.state == "down"


def _any_parked(slots: list[Slot]) -> bool:
    return any(slot.state == "parked" for slot in slots)
