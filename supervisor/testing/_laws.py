"""The laws of the runtime as checks on a `Trace`. Each raises AssertionError with what it found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from .._errors import StopActor
from .._events import Ended
from .._outcome import FAILURES
from .._policy import Spread
from .._spec import Node, Supervisor, time_to_stop
from ._runner import Trace

_TICK = 1e-6
"""Slack for floating point, seconds."""


def check_failure_conservation(trace: Trace) -> None:
    """L1: every incarnation that started has one record with one decision, and what was raised is what was recorded."""
    ended = Counter((event.path, event.generation) for event in trace.of("ended"))
    started = Counter((event.path, event.generation) for event in trace.of("started"))
    assert started == ended, f"started but not ended, or ended twice: {started - ended} / {ended - started}"
    assert all(count == 1 for count in ended.values()), f"recorded twice: {ended}"
    by_key: dict[tuple[str, int], Ended] = {(event.path, event.generation): event for event in trace.of("ended")}
    for life in trace.lived:
        end = by_key[life.path, life.generation].end
        shown = [type(found).__name__ for found in (end.exception, *end.masked) if found is not None]
        if life.raised is not None and life.raised not in ("Cancelled", StopActor.__name__):
            assert life.raised in shown, f"{life} raised {life.raised}, but its record shows {end}"
        if life.raised is None:
            assert not end.failed or end.kind in ("stale", "start_timeout"), f"{life} returned, recorded as {end}"
        if life.cancelled and end.kind == "returned":
            raise AssertionError(f"{life} was cancelled, recorded as a normal end")
    assert trace.ledger.ends == len(by_key), "the ledger counts every end"
    assert trace.ledger.by_action.total() == trace.ledger.ends, "as many decisions as ends"
    failures = sum(event.end.kind in FAILURES for event in by_key.values())
    assert trace.ledger.failures == failures, "the ledger counts every failure"


def check_restarts_keep_their_delays(trace: Trace, tree: Supervisor, *, operated: bool = False) -> None:
    """L5: no restart before its time, delays inside the declared backoff, limits hold.

    Args:
        trace: The run.
        tree: Its definition; children that were added while it ran are left out.
        operated: Whether someone started, restarted, added or hurried children: then nothing is too early.
    """
    assert not isinstance(trace.error, SystemExit), str(trace.error)
    nodes = dict(walk(tree))
    more = _spreads(tree)
    decided: dict[str, Ended] = {}
    for event in trace.events:
        if isinstance(event, Ended):
            # A supervisor that is started again starts its children afresh, whatever was decided about them before.
            decided = {path: found for path, found in decided.items() if not path.startswith(f"{event.path}/")}
            decided[event.path] = event
            if event.path in nodes:
                _check_delay(event, nodes[event.path], more.get(event.path, 0.0))
        elif operated:
            continue
        elif event.kind == "started" and event.path in decided:
            before = decided.pop(event.path)
            # A group that is merged with a later one may only move the start back.
            assert before.decision.action in ("restart", "planned_restart", "park", "stop"), f"{event} after {before}"
            at = before.decision.at
            assert at is None or event.at >= at - _TICK, f"{event.path} started at {event.at}, before {at}"
    _check_windows(trace, nodes)


def _spreads(tree: Supervisor) -> dict[str, float]:
    """Return by how many seconds at most the restart of each child is put off because many fail alike."""
    spreads = {tree.name: tree.spread or Spread()}
    found: dict[str, float] = {}
    for path, node in walk(tree):
        above = path.rpartition("/")[0]
        if above:
            found[path] = spreads[above].over
        if isinstance(node, Supervisor) and above:
            # A supervisor without one of its own shares that of its parent.
            spreads[path] = node.spread or spreads[above]
    return found


def _check_delay(event: Ended, node: Node, more: float) -> None:
    decision = event.decision
    if decision.action != "restart" or decision.delay is None:
        return
    low, high = node.policy.backoff.bounds(decision.failures)
    assert low - _TICK <= decision.delay <= high + more + _TICK, f"{event} outside of {low}..{high}, spread {more}"


def _check_windows(trace: Trace, nodes: dict[str, Node]) -> None:
    for path, node in nodes.items():
        if not isinstance(node, Supervisor):
            continue
        generation = 0
        times: list[float] = []
        for event in trace.events:
            if event.path == path and event.kind == "started":
                generation, times = event.generation, []
            counted = isinstance(event, Ended) and event.decision.delay is not None
            if counted and event.path.rpartition("/")[0] == path and event.decision.action == "restart":  # type: ignore[attr-defined]
                times = [at for at in times if event.at - at <= node.limit.within] + [event.at]
                assert len(times) <= node.limit.restarts, f"{path}#{generation}: {len(times)} restarts: {times}"


def check_order_and_end(trace: Trace, tree: Supervisor, *, slack: float = 0.0) -> None:
    """L6: children start in order, stop in reverse order, inside bounded time; nothing is left.

    Args:
        trace: The run.
        tree: Its definition.
        slack: Seconds allowed beyond the declared times, for actors that shield themselves.
    """
    assert not trace.left_alive, f"left alive: {trace.left_alive}"
    for path, node in walk(tree):
        if isinstance(node, Supervisor):
            _check_start_order(trace, path, node)
            _check_stop_order(trace, path, node)
    assert trace.stopped_in <= time_to_stop(tree) + slack + _TICK, (
        f"took {trace.stopped_in} s to stop; declared {time_to_stop(tree)}"
    )


def _check_start_order(trace: Trace, path: str, node: Supervisor) -> None:
    first = [event.path for event in trace.of("started") if event.generation == 1]
    names = [name for name in first if name.rpartition("/")[0] == path]
    declared = [f"{path}/{child.name}" for child in node.children]
    assert names == [name for name in declared if name in names], f"started in the order {names}"


def _check_stop_order(trace: Trace, path: str, node: Supervisor) -> None:
    places = {f"{path}/{child.name}": place for place, child in enumerate(node.children)}
    last: int | None = None
    for event in trace.events:
        if event.path == path and event.kind in ("started", "ready"):
            last = None
        if event.kind == "stopping" and event.path in places and "is stopping" not in str(event):
            if event.reason.startswith(("restarts with", "no beat", "not ready")):  # type: ignore[attr-defined]
                continue
            place = places[event.path]
            assert last is None or place < last, f"{event.path} asked to stop out of order"
            last = place


def walk(node: Node, prefix: str = "") -> Iterator[tuple[str, Node]]:
    """Yield every node with its path."""
    path = f"{prefix}{node.name}"
    yield path, node
    if isinstance(node, Supervisor):
        for child in node.children:
            yield from walk(child, f"{path}/")
