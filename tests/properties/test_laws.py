"""Laws L1, L5, L6 and L8 on generated trees, generated failures and generated interleavings, on the virtual clock."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from supervisor import Child, Supervisor
from supervisor.testing import (
    OnCue,
    Recorder,
    Trace,
    check_failure_conservation,
    check_order_and_end,
    check_restarts_keep_their_delays,
    trace,
    walk,
)
from supervisor.testing.strategies import seeds, trees

relaxed = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


@st.composite
def runs(draw: st.DrawFn) -> tuple[Supervisor, Trace]:
    recorder = Recorder()
    tree = draw(trees(recorder))
    until = draw(st.sampled_from([0.0, 0.5, 2.0, 10.0, 40.0]))
    found = trace(tree, recorder, until=until, seed=draw(seeds), schedule_seed=draw(seeds))
    return tree, found


def time_that_shields_may_take(tree: Supervisor) -> float:
    """Actors that shield themselves, or swallow the cancellation, cannot be ended by anyone."""
    return sum(
        max(cue.stopping_takes for cue in node.actor.script)
        for _, node in walk(tree)
        if isinstance(node, Child) and isinstance(node.actor, OnCue)
    )


@relaxed
@given(runs())
def test_every_end_has_one_record_with_one_decision_and_nothing_raised_is_missing(
    run: tuple[Supervisor, Trace],
) -> None:
    _, found = run
    check_failure_conservation(found)


@relaxed
@given(runs())
def test_no_restart_comes_before_its_time_and_limits_hold(run: tuple[Supervisor, Trace]) -> None:
    tree, found = run
    check_restarts_keep_their_delays(found, tree)


@relaxed
@given(runs())
def test_children_start_in_order_stop_in_reverse_within_their_times_and_leave_nothing(
    run: tuple[Supervisor, Trace],
) -> None:
    tree, found = run
    check_order_and_end(found, tree, slack=time_that_shields_may_take(tree))


@relaxed
@given(trees(Recorder()), seeds, seeds)
def test_the_same_seeds_give_the_same_run(tree: Supervisor, seed: int, schedule_seed: int) -> None:
    first = trace(tree, until=10, seed=seed, schedule_seed=schedule_seed)
    second = trace(tree, until=10, seed=seed, schedule_seed=schedule_seed)

    assert first.story() == second.story()
