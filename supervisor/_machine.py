"""The supervisor as a state machine: what happened goes in, orders to the Trio side come out. No I/O, no awaiting.

Theory of operation
-------------------
* A `Machine` lives as long as one incarnation of a supervisor. Each child has a `Slot`, which outlives its incarnations.
* Every start happens through a `Group`: stop the members that live, in reverse order; wait until the group is due; start
  the members in order, each when the one before is ready. The first start is the group of all children. A failure makes
  a new group, chosen by the strategy; where it overlaps an older one it takes over its members and the time they had
  left. A slot belongs to one group at most, so nothing can be started twice, and nothing that waits is forgotten.
* A member that is held (parked, or stopped by an operator) holds those that depend on it: they wait in the group.
* `ended` is the only place where the end of an incarnation is recorded, and it publishes exactly one `Ended` event with
  exactly one decision (law L1), before anything is done about it.
* Every call is synchronous and comes from Trio's thread, so nothing interleaves within a call. Calls into the port only
  schedule; none of them calls back.
* Timers are taken back when what they wait for has happened; those that fire carry the generation they were made for.
"""

from __future__ import annotations

from functools import partial
from typing import Literal

from ._bounds import Bounds
from ._events import Ended, Ready, Started
from ._judge import Judge, shuts_down
from ._outcome import Caught, Decision, DecisionAction, End, classify, verdict
from ._policy import Action
from ._port import Port
from ._spec import Node, Supervisor
from ._state import ACTIVE, Asked, Group, Slot, longest_due, restarting_with
from ._timers import Order


class Machine:
    """See the theory of operation at the head of this file.

    Args:
        spec: The definition.
        path: Its place in the tree.
        order: Its place among equal deadlines.
        port: The Trio side.
        before: The machine of the incarnation before this one; counts of incarnations go on from there.

    Attributes:
        slots: The children by name, in start order.
        result: What the supervisor raises when it has finished; None after an ordered stop.
        phase: ``running``, ``stopping``, ``finished``.
        begun: Whether it has made its slots; a supervisor that was just started has not.
        judge: Its count of failures.
    """

    def __init__(self, spec: Supervisor, path: str, order: Order, port: Port, before: Machine | None = None) -> None:
        self.spec = spec
        self.path = path
        self.order = order
        self.slots: dict[str, Slot] = {}
        self.result: BaseException | None = None
        self.phase: Literal["running", "stopping", "finished"] = "running"
        self.begun: bool = False
        self.judge: Judge = Judge(path)
        self._port = port
        self._bounds = Bounds(port, self._on_hung)
        self._before = before
        self._places = 0
        self._alive = 0
        self._first: Group | None = None
        """The group of the first start, until that is over."""
        self._to_stop: list[Slot] = []
        self._stop_reason = ""

    # What happens ----------------------------------------------------------------------------------------------

    def begin(self, now: float) -> None:
        """Start all children, in order."""
        self.begun = True
        before, self._before = self._before, None
        for child in self.spec.children:
            self.new_slot(child, now, before, added=False)
        if before is not None and self.spec.keep_added:
            for old in before.slots.values():
                if old.added and old.spec.name not in self.slots and old.wish != "removed" and not old.gone:
                    self.new_slot(old.spec, now, before, added=True)
        members = [slot for slot in self.slots.values() if slot.wish != "stopped"]
        if not members:
            self._port.started()
            return
        for slot in members:
            slot.move("waiting", now)
            if slot.wish == "parked":
                slot.move("parked", now)
        self._first = Group(members[0], members, now)
        self._first.join()
        self._first.next_stop = -1
        self.advance(self._first, now)

    def new_slot(self, spec: Node, now: float, before: Machine | None, *, added: bool) -> Slot:
        """Make room for a child, as the last one."""
        slot = self.slots[spec.name] = Slot(self._places, spec, self.path, self.order, now, added=added)
        slot.generation = self._port.lived(slot.path)
        self._places += 1
        earlier = before.slots.get(spec.name) if before is not None else None
        if earlier is not None:
            slot.carry_on(earlier)
        return slot

    def renumber(self) -> None:
        """Give the children new places, in the order in which they are now."""
        for place, slot in enumerate(self.slots.values()):
            slot.place = place
            slot.order = (*self.order, place)
        self._places = len(self.slots)

    def ready(self, slot: Slot, now: float) -> None:
        """An incarnation says that it is usable. Does nothing when it was before, or is asked to end."""
        if slot.state != "starting":
            return
        slot.move("ready", now)
        slot.ready_at = slot.last_beat = now
        slot.ready_once = True
        self._port.tell(Ready, slot, now)
        self._bounds.ready(slot, now)
        if slot.group is None or not slot.group.stopping:  # Otherwise its group is about to stop it.
            self.leave_group(slot, now)

    def ended(self, slot: Slot, caught: Caught, *, cancel_called: bool, now: float) -> None:
        """An incarnation has ended, cleanup included: record it, decide, act."""
        self._bounds.ended(slot)
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
        elif slot.wish != "up":
            self._on_end_by_wish(slot, end, asked, now)
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
        for slot in self.slots.values():
            self.let_go(slot, now)
            if slot.state == "waiting":
                slot.move("down", now)
        self._to_stop = list(self.slots.values())
        self._continue_stop(now)

    def hurry(self, now: float) -> None:
        """Cut the cleanup of everything that is still stopping; what is not asked yet gets no grace."""
        self.stop("hurry", now)
        for slot in list(self.slots.values()):
            if slot.state in ACTIVE:
                self.ask(slot, "shutdown", self._stop_reason, now)
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
        reason = f"its supervisor is stopping: {self._stop_reason}"
        action: DecisionAction = "ignored" if end.failed else "stop"
        decision = Decision(action, reason, failures=slot.failures)
        self._publish(slot, end, decision, now)
        self._continue_stop(now)

    def _on_end_by_wish(self, slot: Slot, end: End, asked: Asked | None, now: float) -> None:
        """An operator wants it so; nothing is counted."""
        if slot.wish == "again":
            slot.wish = "up"
            slot.move("waiting", now)
            members = self.group_members(slot)
            due = longest_due(slot, 0.0, members, now, None)
            self._publish(slot, end, Decision("planned_restart", "restarted by an operator", at=due), now)
            self.regroup(slot, members, due, now)
        elif slot.wish == "parked":
            slot.move("parked", now)
            self._publish(slot, end, Decision("park", "parked by an operator"), now)
            self.hold_group(slot, now)
        else:
            slot.move("down", now)
            self._publish(slot, end, Decision("stop", f"{slot.wish} by an operator"), now)
            if slot.wish == "removed":
                self.drop(slot, now)
            elif slot.group is not None and slot.group.stopping and asked == "operator":
                self.let_go(slot, now)  # It was on its way out before the group was made: nobody waits for it.
            elif slot.group is not None:
                self.advance(slot.group, now)

    def _on_end_for_group(self, slot: Slot, end: End, now: float) -> None:
        group = slot.group
        assert group is not None, "a child that was stopped for its group is still in one"
        if slot.policy.restart == "temporary":
            slot.move("down", now)
            slot.group = None
            self._publish(slot, end, Decision("stop", f"temporary; stopped with the group of {group.lead.path}"), now)
            self._drop_if_added(slot, now)
        else:
            slot.move("waiting", now)
            reason = f"with the group of {group.lead.path}"
            self._publish(slot, end, Decision("restart", reason, at=group.due, failures=slot.failures), now)
        self.advance(group, now)

    def _on_own_end(self, slot: Slot, end: End, now: float) -> None:
        if slot.group is not None and slot.group.stopping and verdict(slot.policy, end)[0] not in ("park", "escalate"):
            # It died before its turn to be stopped for its group, which restarts it anyway: one cause, one count.
            self._on_end_for_group(slot, end, now)
            return
        action, reason = self.judge.judge(slot, end, self.spec.limit, now)
        if action in ("restart", "restart_now"):
            self._restart(slot, end, action, reason, now)
        elif action == "park":
            slot.move("parked", now)
            self._publish(slot, end, Decision("park", reason, failures=slot.failures), now)
            self.hold_group(slot, now)
        elif action == "stop":
            slot.move("down", now)
            self._publish(slot, end, Decision("stop", reason, failures=slot.failures), now)
            self.leave_group(slot, now)
            if shuts_down(self.spec.auto_shutdown, slot, end, self.slots.values()):
                self.stop(f"auto_shutdown: {slot.path} has ended", now)
            self._drop_if_added(slot, now)
        else:
            slot.move("down", now)
            self._publish(slot, end, Decision("escalate", reason, failures=slot.failures), now)
            if self.result is None:
                self.result = self.judge.gave_up(f"{slot.path}: {reason}")
            self.stop("giving up", now)

    def _restart(self, slot: Slot, end: End, action: Action, reason: str, now: float) -> None:
        delay = 0.0
        decided: DecisionAction = "planned_restart"
        if action == "restart":
            spread = self._port.spread(slot, end.exception, now)
            delay = slot.policy.backoff.delay(slot.failures, self._port.random) + spread
            decided = "restart"
            reason += f"; {spread:.2f} s more, because many fail alike" if spread else ""
        members = self.group_members(slot)
        due = longest_due(slot, delay, members, now, self._port.random if action == "restart" else None)
        reason += f"; with its group in {due - now:.2f} s" if due > now + delay else ""
        slot.move("waiting", now)
        self._publish(slot, end, Decision(decided, reason, at=due, delay=delay, failures=slot.failures), now)
        self.regroup(slot, members, due, now)

    # Groups ----------------------------------------------------------------------------------------------------

    def group_members(self, slot: Slot) -> list[Slot]:
        """Return the children that restart with this one, in start order."""
        strategy = self.spec.strategy
        return [slot] if strategy == "one_for_one" else restarting_with(slot, self.slots.values(), strategy)

    def regroup(self, lead: Slot, members: list[Slot], due: float, now: float) -> None:
        """Make a new group, which takes its members out of older ones.

        Where children depend on each other it takes over all that is left of those, and the time they had left.
        """
        older = list({member.group: None for member in members if member.group is not None})
        if self.spec.strategy != "one_for_one":
            for group in older:
                left = [member for member in group.members if member.group is group and member not in members]
                members = sorted([*members, *left], key=lambda member: member.place)
                due = max(due, group.due) if left else due
                self._port.take_back(group.timer)
        new = Group(lead, members, due)
        for member in members:
            self.release(member)
            if member.state == "down" and not member.held:
                member.move("waiting", now)
        new.join()
        if self.spec.strategy == "one_for_one":
            for group in older:  # Only the first start has more than one member; it goes on without this child.
                self.advance(group, now)
        elif self._first in older:
            # The first start of these children is retried from now on: the tree counts as started.
            self._first_over()
        self.advance(new, now)

    def hold_group(self, parked: Slot, now: float) -> None:
        """A parked child keeps those that depend on it from running."""
        members = self.group_members(parked)
        group = parked.group
        if len(members) == 1:
            self.let_go(parked, now)
        elif group is not None and all(member.group is group for member in members):
            self.release(parked)
            self.advance(group, now)
        else:
            self.regroup(parked, members, now, now)

    def leave_group(self, slot: Slot, now: float) -> None:
        """The slot is started, or will not be: its group goes on with the next."""
        group, slot.group = slot.group, None
        if group is not None:
            self.advance(group, now)

    def let_go(self, slot: Slot, now: float) -> None:
        """Take the slot out of its group; the others go on without it."""
        self.release(slot)
        group, slot.group = slot.group, None
        if group is not None:
            self._port.take_back(group.timer)
            if group is self._first or any(other.group is group for other in group.members):
                self.advance(group, now)

    def advance(self, group: Group, now: float) -> None:
        """Take a group as far as it goes without waiting: stop, wait until due, start."""
        if self.phase != "running":
            return
        while group.next_stop >= 0:
            slot = group.members[group.next_stop]
            if slot.group is group and slot.state in ACTIVE:
                self.ask(slot, "group", f"restarts with {group.lead.path}", now)
            if slot.group is group and slot.state == "stopping":
                return
            group.next_stop -= 1
        if now < group.due:
            self._port.take_back(group.timer)
            group.timer = self._port.at(group.due, group.lead.order, partial(self.advance, group))
            return
        self._start_next(group, now)

    def _start_next(self, group: Group, now: float) -> None:
        dependent = self.spec.strategy != "one_for_one"
        # Where all depend on each other none starts while one is held; asked once for a group, not at each of its starts.
        together = self.spec.strategy == "one_for_all" and group.next_start == 0
        held = together and any(slot.group is group and slot.held for slot in group.members)
        while not held and group.next_start < len(group.members):
            slot = group.members[group.next_start]
            if slot.group is group:
                if slot.state == "waiting" and not self._start(slot, group, now):
                    return
                if slot.state in ("starting", "stopping"):
                    return
                if slot.held and dependent:
                    break  # Those after it depend on it.
            group.next_start += 1
        if group is self._first:
            self._first_over()

    def _first_over(self) -> None:
        self._first = None
        self._port.started()

    def _start(self, slot: Slot, group: Group, now: float) -> bool:
        """Start an incarnation, if the slot's budget allows it now; otherwise come back when it might."""
        budget = self._port.budget_of(slot)
        if budget is not None:
            slot.ticket = slot.ticket or budget.queue(now)
            if now < slot.ticket.at or not budget.claim(slot.ticket, now):
                self._port.take_back(group.timer)
                group.timer = self._port.at(slot.ticket.at, slot.order, partial(self.advance, group))
                return False
            slot.ticket = None
        slot.move("starting", now)
        slot.generation += 1
        slot.started_at = slot.last_beat = now
        slot.ready_at = None
        self._alive += 1
        self._port.tell(Started, slot, now)
        self._bounds.started(slot, now)
        self._port.start(slot)
        return True

    def release(self, slot: Slot) -> None:
        """Give back its place in the queue of its budget."""
        budget = self._port.budget_of(slot) if slot.ticket is not None else None
        if budget is not None and slot.ticket is not None:
            budget.give_back(slot.ticket)
        slot.ticket = None

    # Stopping --------------------------------------------------------------------------------------------------

    def ask(self, slot: Slot, asked: Asked, reason: str, now: float) -> None:
        """Ask the slot's incarnation to end."""
        self._bounds.ask(slot, asked, reason, now)

    def _on_hung(self, slot: Slot, now: float) -> None:
        if slot.policy.unstoppable == "exit":
            self._port.end_process(slot)
        if self.phase == "stopping":
            self._continue_stop(now)

    def _continue_stop(self, now: float) -> None:
        together = self.spec.template is not None
        for slot in reversed(self._to_stop) if together else ():
            if slot.state in ACTIVE:
                self.ask(slot, "shutdown", self._stop_reason, now)
        while self._to_stop:
            slot = self._to_stop[-1]
            if slot.state in ACTIVE:
                self.ask(slot, "shutdown", self._stop_reason, now)
            if slot.state == "stopping" and not slot.hung:
                return
            self._to_stop.pop()
        if self._alive == 0 and self.phase == "stopping":
            self.phase = "finished"
            self._port.finished()

    # Helpers ---------------------------------------------------------------------------------------------------

    def drop(self, slot: Slot, now: float) -> None:
        """Forget a child altogether."""
        self.slots.pop(slot.spec.name, None)
        self.let_go(slot, now)

    def _drop_if_added(self, slot: Slot, now: float) -> None:
        """A temporary child that was added while running leaves nothing behind, and no child of a template does."""
        if slot.added and (slot.gone or (self.spec.template is not None and slot.state == "down")):
            self.drop(slot, now)

    def _publish(self, slot: Slot, end: End, decision: Decision, now: float) -> None:
        slot.last = Ended(slot.path, slot.generation, now, end=end, decision=decision)
        slot.restarts += decision.action in ("restart", "planned_restart")
        self._port.publish(slot.last)
