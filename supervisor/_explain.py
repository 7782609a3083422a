"""Why is it so, and what comes next: one child in words. Pure."""

from __future__ import annotations

from ._machine import Machine
from ._state import Slot
from ._strategy import restarts_with


def explain(machine: Machine, slot: Slot, now: float) -> str:
    """Say in a few lines what state a child is in, why, when it is tried next, and what a failure now would do."""
    lines = [f"{slot.path} is {slot.state} for {now - slot.since:.1f} s, incarnation {slot.generation}."]
    if slot.wish in ("stopped", "parked", "removed"):
        lines.append(f"An operator wants it {slot.wish}.")
    if slot.last is not None:
        end, decision = slot.last.end, slot.last.decision
        lines.append(f"Its last end, {now - slot.last.at:.1f} s ago: {end.summary()}.")
        lines.append(f"Decision: {decision}.")
    if slot.state == "waiting":
        lines.append(_next_try(machine, slot, now))
    if slot.state == "parked":
        lines.append("It is not tried again until it is unparked.")
    if slot.state == "stopping":
        lines.append(
            "It does not end within its grace and bound; nothing can kill it." if slot.hung else "It is asked to end."
        )
    if slot.state in ("starting", "ready", "waiting"):
        lines.append(_outlook(machine, slot, now))
    return "\n".join(lines)


def held_by(machine: Machine, slot: Slot) -> Slot | None:
    """Return the sibling that keeps a waiting child from being started until an operator lets go of it."""
    group, strategy = slot.group, machine.spec.strategy
    if group is None or strategy == "one_for_one":
        return None
    before = (other for other in group.members if restarts_with(strategy, other.place, slot.place))
    return next((other for other in before if other is not slot and other.group is group and other.held), None)


def next_try(slot: Slot, now: float) -> float | None:
    """Return when a waiting child is due, seconds on Trio's clock; None if it is due now and others hold it up."""
    if slot.state != "waiting" or slot.group is None:
        return None
    due = slot.group.due if slot.ticket is None else slot.ticket.at
    return due if due > now else None


def _next_try(machine: Machine, slot: Slot, now: float) -> str:
    group, held = slot.group, held_by(machine, slot)
    if group is None:
        return "It waits for nothing; this is a bug, please report it."
    if held is not None:
        return f"It is held: it depends on {held.path}, which is {held.state}."
    if slot.ticket is not None and slot.ticket.at > now:
        return f"Next try in {slot.ticket.at - now:.1f} s, when the budget {slot.policy.budget} allows it."
    if group.due > now:
        together = len([other for other in group.members if other.group is group])
        with_others = f", together with {together - 1} more" if together > 1 else ""
        return f"Next try in {group.due - now:.1f} s{with_others}."
    before = [other for other in group.members if other.group is group and other.state in ("starting", "stopping")]
    return f"It starts after {before[0].path}, which is {before[0].state}." if before else "It starts now."


def _outlook(machine: Machine, slot: Slot, now: float) -> str:
    policy, limit = slot.policy, machine.spec.limit
    if policy.restart == "temporary":
        return "A failure now would end it for good: it is temporary."
    failures = slot.failures
    if slot.ready_at is not None and slot.state == "ready" and now - slot.ready_at >= policy.healthy_after:
        failures = 0
    if policy.max_failures is not None and failures + 1 >= policy.max_failures:
        return f"A failure now would be number {failures + 1} in a row: {policy.at_max}."
    if machine.judge.restarts_left(limit, now) <= 0:
        return f"A failure now would exceed {limit.restarts} restarts in {limit.within:g} s: {limit.then}."
    low, high = policy.backoff.bounds(failures + 1)
    return f"A failure now would be number {failures + 1} in a row: restart in {low:g} to {high:g} s."
