"""What an operator can do to a running child, beyond watching it. Pure, like the machine that it works on.

Nothing that an operator does counts as a failure, and an operator's stop sticks: it holds through group restarts until
the operator starts the child again.
"""

from __future__ import annotations

from typing import Any

from ._errors import BadTree, Problem, SupervisorError
from ._machine import Machine
from ._spec import Child, Node, Supervisor
from ._state import ACTIVE, Group, Slot
from ._strategy import restarts_with


class NoSuchChild(SupervisorError, LookupError):
    """There is no child at this path now."""


class WrongState(SupervisorError):
    """The child is in a state in which this cannot be done to it."""


def stop(machine: Machine, slot: Slot, now: float) -> None:
    """End the child, and keep it down until it is started again. Does nothing when it is down for good already.

    If it waits for its restart, those that wait for it go on waiting. Those that run go on running.
    """
    _check_not_removed(slot)
    slot.wish = "stopped"
    if slot.state in ACTIVE:
        machine.ask(slot, "operator", "stopped by an operator", now)
    elif slot.state in ("waiting", "parked"):
        slot.move("down", now)
        if machine.spec.strategy == "one_for_one":
            machine.let_go(slot, now)
        elif slot.group is not None:
            machine.release(slot)
            machine.advance(slot.group, now)


def start(machine: Machine, slot: Slot, now: float) -> None:
    """Start a child that is down or parked; those that were held by it follow.

    Raises:
        WrongState: It lives, or waits for its restart; or its supervisor does not run.
    """
    _check_not_removed(slot)
    if slot.state not in ("down", "parked"):
        raise WrongState(f"{slot.path} is {slot.state}; only a child that is down or parked can be started")
    _let_run(machine, slot, now)


def restart(machine: Machine, slot: Slot, now: float) -> None:
    """End the child in order and start it again at once, with those that depend on it. Start it if it does not live.

    Raises:
        WrongState: Its supervisor does not run.
    """
    _check_not_removed(slot)
    _check_runs(machine, slot)
    if slot.state in ACTIVE:
        slot.wish = "again"
        machine.ask(slot, "operator", "restarted by an operator", now)
    elif slot.state == "stopping":
        slot.wish = "again"
    elif slot.state == "waiting":
        restart_now(machine, slot, now)
    else:
        _let_run(machine, slot, now)


def restart_now(machine: Machine, slot: Slot, now: float) -> None:
    """Do not wait for the rest of the backoff. Budgets still hold.

    Raises:
        WrongState: It does not wait.
    """
    if slot.state != "waiting" or slot.group is None:
        raise WrongState(f"{slot.path} is {slot.state}; only a child that waits for its restart can be hurried")
    slot.group.due = min(slot.group.due, now)
    machine.advance(slot.group, now)


def park(machine: Machine, slot: Slot, now: float) -> None:
    """End the child and those that depend on it; nothing starts them until it is unparked or started."""
    _check_not_removed(slot)
    if slot.state == "parked":
        return
    slot.wish = "parked"
    if slot.state in ACTIVE:
        machine.ask(slot, "operator", "parked by an operator", now)
    elif machine.phase != "running":
        return  # The wish holds when the supervisor is started again.
    elif slot.state in ("waiting", "down"):
        if slot.state == "down":
            slot.move("waiting", now)
        slot.move("parked", now)
        machine.hold_group(slot, now)


def unpark(machine: Machine, slot: Slot, now: float) -> None:
    """Start a parked child again; its failures are forgotten.

    Raises:
        WrongState: It is not parked.
    """
    if slot.state != "parked":
        raise WrongState(f"{slot.path} is {slot.state}, not parked")
    _let_run(machine, slot, now)


def reset_backoff(slot: Slot) -> None:
    """Forget the child's failures in a row: the next delay is the first one again. A wait that runs is not shortened."""
    slot.failures = 0


def add(machine: Machine, what: Node | str, args: tuple[Any, ...], kwargs: dict[str, Any], now: float) -> Slot:
    """Add a child as the last one, and start it.

    Raises:
        BadTree: The child is wrong, has a taken name, or is not what this supervisor takes.
        WrongState: There are ``max_children`` already, or the supervisor is stopping.
    """
    spec = _new_child(machine.spec, what, args, kwargs)
    problems = [problem.under(machine.path) for problem in spec.problems()]
    before = machine.slots.get(spec.name)
    if before is not None and not before.gone:
        problems.append(Problem(machine.path, f"there is a child named {spec.name!r} already"))
    if spec.policy.significant:
        problems.append(Problem(f"{machine.path}/{spec.name}", "a child added while running cannot be significant"))
    if problems:
        raise BadTree(problems)
    if machine.phase != "running":
        raise WrongState(f"{machine.path} is stopping")
    most = machine.spec.max_children
    if most is not None and sum(not slot.gone for slot in machine.slots.values()) >= most:
        raise WrongState(f"{machine.path} has {most} children, the most allowed")
    if before is not None:
        machine.drop(before, now)
    slot = machine.new_slot(spec, now, None, added=True)
    let_run(machine, [slot], now)
    return slot


def remove(machine: Machine, slot: Slot, now: float) -> None:
    """End the child and forget it."""
    slot.wish = "removed"
    if slot.state in ACTIVE:
        machine.ask(slot, "operator", "removed by an operator", now)
    elif slot.state != "stopping":
        if slot.state in ("waiting", "parked"):
            slot.move("down", now)
        machine.drop(slot, now)


def let_run(machine: Machine, slots: list[Slot], now: float) -> None:
    """Start children that are down, in order; those that depend on others which are on their way come after them."""
    joined = {slot: _on_its_way(machine, slot) for slot in slots}
    for slot, group in joined.items():
        slot.move("waiting", now)
        if group is not None:
            group.take_in(slot)
            machine.advance(group, now)
    alone = [slot for slot, group in joined.items() if group is None]
    if alone:
        machine.regroup(alone[0], alone, now, now)


def _on_its_way(machine: Machine, slot: Slot) -> Group | None:
    """Return the group of the nearest sibling that this child depends on and that is not up yet."""
    strategy = machine.spec.strategy
    if strategy == "one_for_one":
        return None
    before = (other for other in reversed(machine.slots.values()) if restarts_with(strategy, other.place, slot.place))
    return next((other.group for other in before if other.group is not None), None)


def _check_not_removed(slot: Slot) -> None:
    if slot.wish == "removed":
        raise WrongState(f"{slot.path} is being removed")


def _check_runs(machine: Machine, slot: Slot) -> None:
    if machine.phase != "running":
        raise WrongState(f"{slot.path} is {slot.state}, and its supervisor does not run")


def _let_run(machine: Machine, slot: Slot, now: float) -> None:
    _check_runs(machine, slot)
    slot.wish = "up"
    slot.failures = 0
    group = slot.group
    if group is None:
        let_run(machine, [slot], now)
        return
    slot.move("waiting", now)
    if group.lead is slot:
        group.due = min(group.due, now)  # Its failures are forgotten, and with them its delay.
    group.next_start = 0
    machine.advance(group, now)


def _new_child(parent: Supervisor, what: Node | str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Node:
    if parent.template is None:
        if isinstance(what, Child | Supervisor):
            return what
        raise BadTree([Problem(parent.name, f"add needs a Child or a Supervisor, not {what!r}")])
    if not isinstance(what, str):
        raise BadTree([Problem(parent.name, "its children come from its template: add(path, name, arguments...)")])
    made: object = parent.template(what, *args, **kwargs)
    if not isinstance(made, Child):
        raise BadTree([Problem(parent.name, f"its template returned {made!r}, not a Child")])
    return made
