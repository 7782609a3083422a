"""Operators at work on generated trees: laws L1, L5 and L6 hold whatever they do, and no child is ever forgotten."""

from collections.abc import Callable
from contextlib import suppress
from typing import cast

import attrs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from supervisor import BadTree, Budget, Child, NoSuchChild, Running, Supervisor, WrongState
from supervisor._machine import Machine
from supervisor._node import machine_below
from supervisor._state import Slot
from supervisor.testing import (
    Recorder,
    Step,
    Trace,
    check_failure_conservation,
    check_restarts_keep_their_delays,
    trace,
    walk,
)
from supervisor.testing.strategies import children, seeds, trees

relaxed = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
moments = st.sampled_from([0.0, 0.5, 0.75, 1.0, 1.5, 2.0, 2.25, 3.0, 4.0, 5.0, 7.0, 9.5])

VERBS: dict[str, Callable[[Running, str], object]] = {
    "stop": Running.stop_child,
    "start": Running.start_child,
    "restart": Running.restart_child,
    "restart now": Running.restart_child_now,
    "park": Running.park_child,
    "unpark": Running.unpark_child,
    "reset backoff": Running.reset_backoff,
    "remove": Running.remove_child,
    "explain": Running.explain,
}


@attrs.frozen
class Order:
    """What an operator does; late or wrong ones are refused with one of three errors, and nothing else happens."""

    text: str
    do: Callable[[Running], object] = attrs.field(repr=False)

    def __call__(self, running: Running) -> None:
        with suppress(WrongState, NoSuchChild, BadTree):
            self.do(running)
        look_for_forgotten(running)


BUDGETS = (Budget("window", 2, 1.0), Budget("bucket", 2, 2.0, kind="bucket"))


@st.composite
def trees_with_budgets(draw: st.DrawFn, recorder: Recorder) -> Supervisor:
    def with_budgets(node: Child | Supervisor) -> Child | Supervisor:
        if isinstance(node, Supervisor):
            return with_children(node, [with_budgets(below) for below in node.children])
        return node.with_(budget=draw(st.sampled_from([None, *BUDGETS])))

    return cast(Supervisor, with_budgets(draw(trees(recorder, depth=1))))


def with_children(node: Supervisor, children: list[Child | Supervisor]) -> Supervisor:
    policy = node.policy
    return Supervisor(
        node.name,
        children,
        strategy=node.strategy,
        limit=node.limit,
        restart=policy.restart,
        backoff=policy.backoff,
        first_start=policy.first_start,
    )


@st.composite
def orders(draw: st.DrawFn, tree: Supervisor, recorder: Recorder) -> Step:
    """One thing that an operator does at some time."""
    at = draw(moments)
    supervisors = [path for path, node in walk(tree) if isinstance(node, Supervisor)]
    paths = [path for path, _ in walk(tree) if path != tree.name] + [f"{path}/extra" for path in supervisors]
    if draw(st.integers(0, 6)) == 0:
        where, what = draw(st.sampled_from(supervisors)), draw(children("extra", recorder))
        return at, Order(f"add {what} to {where}", lambda running: running.add_child(where, what))
    if draw(st.integers(0, 9)) == 0:
        # In their order: a new one would be that of stopping, too.
        changed = [node for node in tree.children if draw(st.booleans())]
        new = with_children(tree, changed)
        return at, Order(f"apply {new}", lambda running: running.apply(running.plan(new)))
    verb, path = draw(st.sampled_from(list(VERBS))), draw(st.sampled_from(paths))
    return at, Order(f"{verb} {path}", lambda running: VERBS[verb](running, path))


def look_for_forgotten(running: Running) -> None:
    """Every child that nobody holds, and that is not finished, is ready, starting, stopping, or due; or waits for one."""
    machines = [running._root.machine]
    for machine in machines:
        machines += (below for slot in machine.slots.values() if (below := machine_below(slot)) is not None)
        if machine.phase == "running":
            for slot in machine.slots.values():
                assert is_cared_for(machine, slot), f"{slot.path} is {slot.state}, and forgotten"


def is_cared_for(machine: Machine, slot: Slot) -> bool:
    if slot.state == "down":
        finished = slot.generation > 0 and slot.last is not None and slot.last.decision.action == "stop"
        return slot.held or finished
    if slot.state != "waiting":
        assert slot.group is None or slot in slot.group.members
        return True
    group = slot.group
    if group is None or slot not in group.members:
        return False
    mates = [other for other in group.members if other.group is group]
    if any(other.state in ("starting", "stopping") or other.held for other in mates):
        return True
    return group.timer is not None and group.timer.callback is not None


def check_stopped_in_reverse_order(found: Trace) -> None:
    """When the tree is stopped, each supervisor asks its children in the reverse of their order at that time."""
    assert not found.left_alive
    asked: dict[tuple[str, str], list[int]] = {}
    for event in found.of("stopping"):
        if event.reason == "its time is over":
            parent, _, name = event.path.rpartition("/")
            if name != "extra" and name[1:].isdigit():
                asked.setdefault((parent, event.reason), []).append(int(name[1:]))
    for places in asked.values():
        assert places == sorted(places, reverse=True), f"stopped in the order {places}"


@relaxed
@given(st.data(), seeds, seeds)
def test_whatever_operators_do_the_laws_hold_and_nobody_is_forgotten(
    data: st.DataObject, seed: int, schedule_seed: int
) -> None:
    recorder = Recorder()
    tree = data.draw(trees_with_budgets(recorder))
    steps = data.draw(st.lists(orders(tree, recorder), min_size=1, max_size=8))
    watched = [*steps, *((at, look_for_forgotten) for at in (1.25, 4.5, 10.0))]

    found = trace(tree, recorder, until=12.0, steps=watched, seed=seed, schedule_seed=schedule_seed)

    check_failure_conservation(found)
    check_restarts_keep_their_delays(found, tree, operated=True)
    check_stopped_in_reverse_order(found)
