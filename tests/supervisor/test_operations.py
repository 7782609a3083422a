"""What operators do to running trees: stopping, starting and restarting, in each state and under each strategy."""

from collections.abc import Callable

import pytest

from supervisor import Backoff, Budget, NoSuchChild, Running, Supervisor, WrongState, child
from supervisor.testing import Cue

from .operated import CRASH_ONCE, Strategies, abc, forever, lived, minute, on_cue, seen, soon, states

# stop_child -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", Strategies)
def test_a_stopped_child_ends_in_order_and_the_others_live_on(strategy: str) -> None:
    tree = Supervisor("bot", [child(name, forever) for name in "abc"], strategy=strategy)  # type: ignore[arg-type]
    found = lived(tree, (1.0, lambda running: running.stop_child("bot/a")))

    assert [(event.at, event.end.kind, event.decision.action) for event in found.of("ended", "bot/a")] == [
        (1.0, "stopped", "stop")
    ]
    assert len(found.of("started")) == 4
    assert found.ledger.failures == 0


@pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one"])
def test_a_stopped_child_stays_down_through_a_restart_of_its_group_until_it_is_started(strategy: str) -> None:
    tree = abc(strategy, backoff=soon)
    found = lived(
        tree, (0.5, lambda running: running.stop_child("bot/b")), (5.0, lambda running: running.start_child("bot/b"))
    )

    assert [event.at for event in found.of("started", "bot/c")] == [0.0, 1.5]
    assert [event.at for event in found.of("started", "bot/b")] == [0.0, 5.0]


def test_a_child_that_was_stopped_before_its_group_was_made_does_not_hold_that_group() -> None:
    slow = on_cue(Cue(when_stopped="clean_up", stopping_takes=2.0))
    tree = Supervisor(
        "bot",
        [child("a", on_cue(*CRASH_ONCE), backoff=soon), child("b", slow), child("c", forever)],
        strategy="rest_for_one",
    )
    found = lived(tree, (0.5, lambda running: running.stop_child("bot/b")))

    assert [event.at for event in found.of("started", "bot/a")] == [0.0, 2.5]
    assert [event.at for event in found.of("started", "bot/c")] == [0.0, 2.5]
    assert len(found.of("started", "bot/b")) == 1


def test_stopping_a_waiting_child_cancels_its_restart() -> None:
    assert seen(abc(), 100.0, (2.0, lambda running: running.stop_child("bot/a")))["a"] == "down"


@pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one"])
def test_stopping_the_lead_of_a_waiting_group_holds_the_others_and_starting_it_releases_them(strategy: str) -> None:
    stop = (2.0, lambda running: running.stop_child("bot/a"))

    assert seen(abc(strategy), 100.0, stop) == {"a": "down", "b": "waiting", "c": "waiting"}

    found = lived(abc(strategy), stop, (100.0, lambda running: running.start_child("bot/a")), until=110.0)

    assert [(event.path, event.at) for event in found.of("started")][4:] == [
        ("bot/a", 100.0),
        ("bot/b", 100.0),
        ("bot/c", 100.0),
    ]


def test_stopping_twice_is_the_same_as_once() -> None:
    def twice(running: Running) -> None:
        running.stop_child("bot/b")
        running.stop_child("bot/b")

    assert seen(abc(), 5.0, (0.5, twice), (3.0, twice))["b"] == "down"


def test_stopping_a_child_while_it_backs_off_keeps_the_record_of_its_failure() -> None:
    found = lived(abc(), (2.0, lambda running: running.stop_child("bot/a")))

    assert found.ledger.of("bot/a").failures == 1


def test_in_the_first_start_stopping_the_child_that_waits_for_its_budget_lets_the_others_start() -> None:
    slow = Budget("venue", 1, 60.0)
    tree = Supervisor("top", [child("a", forever, budget=slow), child("b", forever, budget=slow), child("c", forever)])

    found = lived(tree, (5.0, lambda running: running.stop_child("top/b")))

    assert [(event.path, event.at) for event in found.of("started")][1:] == [("top/a", 0.0), ("top/c", 5.0)]


def test_a_supervisor_is_stopped_like_any_child_with_its_children_in_reverse_order() -> None:
    tree = Supervisor("bot", [Supervisor("s", [child("a", forever), child("b", forever)]), child("c", forever)])
    found = lived(tree, (1.0, lambda running: running.stop_child("bot/s")))

    assert [event.path for event in found.of("ended") if event.at == 1.0] == ["bot/s/b", "bot/s/a", "bot/s"]


def test_what_an_operator_stopped_or_parked_stays_so_when_its_supervisor_is_restarted() -> None:
    crashing = child("x", on_cue(Cue("crash", after=5.0), Cue()), max_failures=1)
    inner = Supervisor("s", [child("a", forever), child("b", forever), child("c", forever), crashing], backoff=soon)
    steps = (
        (1.0, lambda running: running.stop_child("bot/s/a")),
        (1.0, lambda running: running.park_child("bot/s/b")),
    )

    found = seen(Supervisor("bot", [inner]), 10.0, *steps)

    assert found == {"s": "ready", "a": "down", "b": "parked", "c": "ready", "x": "ready"}


def test_a_parked_child_holds_its_dependents_also_when_its_supervisor_is_restarted() -> None:
    inner = Supervisor("s", [child("a", forever), child("b", forever)], strategy="rest_for_one", backoff=soon)
    found: list[dict[str, str]] = []
    lived(
        Supervisor("bot", [inner]),
        (1.0, lambda running: running.park_child("bot/s/a")),
        (2.0, lambda running: running.restart_child("bot/s")),
        (3.0, lambda running: found.append(states(running))),
        (4.0, lambda running: running.unpark_child("bot/s/a")),
        (5.0, lambda running: found.append(states(running))),
    )

    assert found == [
        {"s": "ready", "a": "parked", "b": "waiting"},
        {"s": "ready", "a": "ready", "b": "ready"},
    ]


# start_child ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["ready", "starting", "waiting", "stopping"])
def test_starting_a_child_that_is_neither_down_nor_parked_is_refused(state: str) -> None:
    children = {
        "ready": child("a", forever),
        "starting": child("a", forever, ready_within=10.0),
        "waiting": child("a", on_cue(*CRASH_ONCE), backoff=minute),
        "stopping": child("a", on_cue(Cue(when_stopped="clean_up", stopping_takes=3.0))),
    }
    refused: list[str] = []

    def start(running: Running) -> None:
        if state == "stopping":
            running.stop_child("bot/a")
        with pytest.raises(WrongState) as error:
            running.start_child("bot/a")
        refused.append(str(error.value))

    lived(Supervisor("bot", [children[state]]), (2.0, start), until=5.0)

    assert refused == [f"bot/a is {state}; only a child that is down or parked can be started"]


def test_a_finished_transient_child_can_be_started_again() -> None:
    tree = Supervisor("bot", [child("a", on_cue(Cue("return", after=1.0), Cue()), restart="transient")])
    found = lived(tree, (5.0, lambda running: running.start_child("bot/a")))

    assert [(event.generation, event.at) for event in found.of("started", "bot/a")] == [(1, 0.0), (2, 5.0)]


def test_a_child_that_is_started_comes_after_those_on_their_way_that_it_depends_on() -> None:
    found = lived(
        abc("rest_for_one", backoff=Backoff(10.0, 10.0, 10.0)),
        (0.5, lambda running: running.stop_child("bot/b")),
        (2.0, lambda running: running.start_child("bot/b")),
    )

    assert [(event.path, event.at) for event in found.of("started")][4:] == [
        ("bot/a", 11.0),
        ("bot/b", 11.0),
        ("bot/c", 11.0),
    ]


def test_starting_a_child_whose_backoff_was_cut_short_by_a_stop_starts_it_at_once() -> None:
    found = lived(
        abc(), (2.0, lambda running: running.stop_child("bot/a")), (3.0, lambda running: running.start_child("bot/a"))
    )

    assert [event.at for event in found.of("started", "bot/a")] == [0.0, 3.0]


def test_children_of_a_supervisor_that_does_not_run_cannot_be_started_but_can_be_stopped() -> None:
    inner = Supervisor("s", [child("a", on_cue(*CRASH_ONCE), max_failures=1), child("b", forever)], backoff=minute)
    refused: list[str] = []

    def start(running: Running) -> None:
        with pytest.raises(WrongState) as error:
            running.start_child("bot/s/a")
        refused.append(str(error.value))
        running.stop_child("bot/s/b")

    found = seen(Supervisor("bot", [inner]), 70.0, (2.0, start))

    assert refused == ["bot/s/a is down, and its supervisor does not run"]
    assert found == {"s": "ready", "a": "ready", "b": "down"}


# restart_child, restart_child_now ---------------------------------------------------------------------------------


def test_restarting_ends_in_order_starts_at_once_and_counts_nothing() -> None:
    tree = Supervisor("bot", [child("a", on_cue(Cue(when_stopped="clean_up", stopping_takes=2.0)), backoff=minute)])
    found = lived(tree, (1.0, lambda running: running.restart_child("bot/a")))

    first = found.of("ended", "bot/a")[0]
    assert (first.at, first.decision.action, first.decision.failures) == (3.0, "planned_restart", 0)
    assert [event.at for event in found.of("started", "bot/a")] == [0.0, 3.0]
    assert found.ledger.failures == 0


@pytest.mark.parametrize(
    ("strategy", "restarted"), [("one_for_one", "b"), ("one_for_all", "abc"), ("rest_for_one", "bc")]
)
def test_restarting_a_child_restarts_those_that_depend_on_it(strategy: str, restarted: str) -> None:
    tree = Supervisor("bot", [child(name, forever) for name in "abc"], strategy=strategy)  # type: ignore[arg-type]
    found = lived(tree, (1.0, lambda running: running.restart_child("bot/b")))

    assert [event.path[-1] for event in found.of("started") if event.at == 1.0] == list(restarted)


@pytest.mark.parametrize("verb", [Running.restart_child, Running.restart_child_now])
def test_a_waiting_child_is_hurried(verb: Callable[[Running, str], None]) -> None:
    found = lived(abc(), (2.0, lambda running: verb(running, "bot/a")))

    assert [event.at for event in found.of("started", "bot/a")] == [0.0, 2.0]
    assert found.ledger.failures == 1


def test_hurrying_one_of_a_waiting_group_hurries_the_group_and_keeps_its_order() -> None:
    found = lived(abc("rest_for_one"), (2.0, lambda running: running.restart_child_now("bot/c")))

    assert [(event.path, event.at) for event in found.of("started")][4:] == [
        ("bot/a", 2.0),
        ("bot/b", 2.0),
        ("bot/c", 2.0),
    ]


def test_restart_now_of_a_child_that_does_not_wait_is_refused() -> None:
    def refused(running: Running) -> None:
        with pytest.raises(WrongState, match="bot/b is ready"):
            running.restart_child_now("bot/b")

    lived(abc(), (2.0, refused))


def test_a_budget_holds_also_for_an_operator_in_a_hurry() -> None:
    dials = Budget("venue", 1, 10.0)
    tree = Supervisor("bot", [child("a", on_cue(*CRASH_ONCE), backoff=soon, budget=dials)])
    found = lived(tree, (1.1, lambda running: running.restart_child_now("bot/a")))

    assert [event.at for event in found.of("started", "bot/a")] == [0.0, pytest.approx(10.0, abs=1e-4)]


def test_restarting_a_child_that_is_stopping_for_its_group_does_not_overtake_the_group() -> None:
    slow = on_cue(Cue(when_stopped="clean_up", stopping_takes=2.0))
    tree = Supervisor(
        "bot",
        [child("a", on_cue(*CRASH_ONCE), backoff=Backoff(10.0, 10.0, 10.0)), child("b", slow)],
        strategy="rest_for_one",
    )
    found = lived(tree, (1.5, lambda running: running.restart_child("bot/b")))

    assert [(event.path, event.at) for event in found.of("started")][3:] == [("bot/a", 11.0), ("bot/b", 11.0)]


# reset_backoff ----------------------------------------------------------------------------------------------------


def test_after_a_reset_the_next_delay_is_the_first_one_again() -> None:
    tree = Supervisor("bot", [child("a", on_cue(Cue("crash", after=1.0)), backoff=soon)])
    found = lived(tree, (5.0, lambda running: running.reset_backoff("bot/a")), until=7.0)

    assert [event.decision.failures for event in found.of("ended", "bot/a")][:4] == [1, 2, 3, 1]


@pytest.mark.parametrize("path", ["bot", "bot/x", "bot/a/b", "other/a", "bot/s/x/y"])
def test_a_path_that_is_not_there_is_said_so_by_every_verb(path: str) -> None:
    tree = Supervisor("bot", [child("a", forever), Supervisor("s", [])])

    def every(running: Running) -> None:
        for verb in (
            Running.stop_child,
            Running.start_child,
            Running.restart_child,
            Running.restart_child_now,
            Running.park_child,
            Running.unpark_child,
            Running.reset_backoff,
            Running.remove_child,
            Running.explain,
        ):
            with pytest.raises(NoSuchChild):
                verb(running, path)

    lived(tree, (1.0, every))
