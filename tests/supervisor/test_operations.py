"""What operators do to running trees: each verb in each state of the child, and under each strategy."""

from collections.abc import Callable
from typing import Any

import pytest
import trio

from supervisor import (
    Backoff,
    BadTree,
    Budget,
    Child,
    Me,
    NoSuchChild,
    Running,
    Supervisor,
    WrongState,
    actor,
    child,
    diff,
)
from supervisor.testing import Boom, Cue, OnCue, Recorder, Trace, check_failure_conservation, trace

Strategies = ("one_for_one", "one_for_all", "rest_for_one")
minute = Backoff(60.0, 60.0, 60.0)
soon = Backoff(0.5, 0.5, 0.5)


async def forever(me: Me) -> None:
    await trio.sleep_forever()


async def crash_at_once(me: Me) -> None:  # noqa: ASYNC124
    raise Boom


def on_cue(*cues: Cue) -> OnCue:
    return OnCue(cues or (Cue(),), Recorder())


CRASH_ONCE = (Cue("crash", after=1.0), Cue())


def abc(strategy: str = "one_for_one", **first: Any) -> Supervisor:
    """Three children, of which the first crashes after 1 s and then waits a minute."""
    options = {"backoff": minute, **first}
    children = [child("a", on_cue(*CRASH_ONCE), **options), child("b", forever), child("c", forever)]
    return Supervisor("bot", children, strategy=strategy)  # type: ignore[arg-type]


def lived(tree: Supervisor, *steps: tuple[float, Callable[[Running], object]], until: float = 30.0) -> Trace:
    found = trace(tree, until=until, steps=steps)
    check_failure_conservation(found)
    return found


def states(running: Running) -> dict[str, str]:
    return {status.path.rpartition("/")[2]: status.state for status in running.status().walk() if "/" in status.path}


def seen(tree: Supervisor, at: float, *steps: tuple[float, Callable[[Running], object]]) -> dict[str, str]:
    """Do the steps and return the states of the children at a time."""
    found: list[dict[str, str]] = []
    lived(tree, *steps, (at, lambda running: found.append(states(running))), until=at + 0.1)
    return found[0]


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


# park_child, unpark_child -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("strategy", "held"),
    [
        ("one_for_one", {"a": "ready", "b": "parked", "c": "ready"}),
        ("one_for_all", {"a": "waiting", "b": "parked", "c": "waiting"}),
        ("rest_for_one", {"a": "ready", "b": "parked", "c": "waiting"}),
    ],
)
def test_a_parked_child_holds_those_that_depend_on_it_until_it_is_unparked(strategy: str, held: dict[str, str]) -> None:
    tree = Supervisor("bot", [child(name, forever) for name in "abc"], strategy=strategy)  # type: ignore[arg-type]
    park = (1.0, lambda running: running.park_child("bot/b"))

    assert seen(tree, 50.0, park) == held
    assert set(seen(tree, 51.0, park, (50.0, lambda running: running.unpark_child("bot/b"))).values()) == {"ready"}


@pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one"])
def test_removing_a_child_that_holds_others_releases_them(strategy: str) -> None:
    tree = Supervisor("bot", [child(name, forever) for name in "abc"], strategy=strategy)  # type: ignore[arg-type]

    found = seen(
        tree,
        5.0,
        (1.0, lambda running: running.park_child("bot/a")),
        (2.0, lambda running: running.remove_child("bot/a")),
    )

    assert found == {"b": "ready", "c": "ready"}


@pytest.mark.parametrize("strategy", Strategies)
def test_a_child_that_parks_itself_holds_its_dependents_too(strategy: str) -> None:
    tree = abc(strategy, on={Boom: "park"})
    expected = "ready" if strategy == "one_for_one" else "waiting"

    assert seen(tree, 5.0) == {"a": "parked", "b": expected, "c": expected}
    assert set(seen(tree, 6.0, (5.0, lambda running: running.start_child("bot/a"))).values()) == {"ready"}


def test_a_child_can_be_parked_in_any_state() -> None:
    slow = on_cue(Cue(when_stopped="clean_up", stopping_takes=2.0))
    tree = Supervisor(
        "bot",
        [
            child("down", on_cue(Cue("return", after=0.1)), restart="transient"),
            child("waiting", on_cue(*CRASH_ONCE), backoff=minute),
            child("starting", forever, ready_within=30.0, first_start="retry"),
            child("stopping", slow),
        ],
    )

    def park(running: Running) -> None:
        running.stop_child("bot/stopping")
        for name in ("down", "waiting", "starting", "stopping"):
            running.park_child(f"bot/{name}")
            running.park_child(f"bot/{name}")

    # The first start is held up by `starting`, so `stopping` lives only after it was parked.
    assert set(seen(tree, 20.0, (5.0, park)).values()) == {"parked"}


def test_unparking_what_is_not_parked_is_refused() -> None:
    def refused(running: Running) -> None:
        with pytest.raises(WrongState, match="bot/b is ready, not parked"):
            running.unpark_child("bot/b")

    lived(abc(), (0.5, refused))


def test_parking_one_of_a_waiting_group_leaves_the_others_their_time() -> None:
    found = lived(
        abc("rest_for_one", backoff=Backoff(10.0, 10.0, 10.0)),
        (2.0, lambda running: running.park_child("bot/b")),
        (3.0, lambda running: running.unpark_child("bot/b")),
    )

    assert [(event.path, event.at) for event in found.of("started")][4:] == [
        ("bot/a", 11.0),
        ("bot/b", 11.0),
        ("bot/c", 11.0),
    ]


def test_a_parked_child_gives_back_its_place_in_the_queue_of_its_budget() -> None:
    dials = Budget("venue", 1, 10.0)
    tree = Supervisor("bot", [child(name, forever, budget=dials) for name in "abc"])
    waiting: list[int] = []
    found = lived(
        tree,
        (5.0, lambda running: running.park_child("bot/b")),
        (6.0, lambda running: waiting.append(running.budgets()[0].waiting)),
        until=40.0,
    )

    assert waiting == [1]
    assert [event.at for event in found.of("started", "bot/c")] == [pytest.approx(10.0, abs=1e-4)]


# reset_backoff ----------------------------------------------------------------------------------------------------


def test_after_a_reset_the_next_delay_is_the_first_one_again() -> None:
    tree = Supervisor("bot", [child("a", on_cue(Cue("crash", after=1.0)), backoff=soon)])
    found = lived(tree, (5.0, lambda running: running.reset_backoff("bot/a")), until=7.0)

    assert [event.decision.failures for event in found.of("ended", "bot/a")][:4] == [1, 2, 3, 1]


# add_child, remove_child ------------------------------------------------------------------------------------------


def test_a_child_added_to_dependent_siblings_waits_for_those_on_their_way() -> None:
    found = lived(
        abc("rest_for_one", backoff=Backoff(10.0, 10.0, 10.0)),
        (2.0, lambda running: running.add_child("bot", child("d", forever))),
    )

    assert [(event.path[-1], event.at) for event in found.of("started")][4:] == [(name, 11.0) for name in "abcd"]


def test_a_name_can_be_added_again_after_its_removal_and_its_incarnations_go_on_counting() -> None:
    tree = Supervisor("bot", [child("a", forever), Supervisor("s", [child("x", forever)])])
    found = lived(
        tree,
        (1.0, lambda running: running.remove_child("bot/a")),
        (2.0, lambda running: running.add_child("bot", child("a", forever))),
        (3.0, lambda running: running.remove_child("bot/s")),
        (4.0, lambda running: running.add_child("bot", Supervisor("s", [child("x", forever)]))),
    )

    assert [event.generation for event in found.of("started", "bot/a")] == [1, 2]
    assert [event.generation for event in found.of("started", "bot/s/x")] == [1, 2]


def test_an_added_child_that_fails_before_it_was_ready_stays_down_and_harms_nobody() -> None:
    tree = Supervisor("bot", [child("a", forever)])
    found = lived(tree, (1.0, lambda running: running.add_child("bot", child("b", crash_at_once, ready_within=5.0))))

    last = found.of("ended", "bot/b")[0]
    assert (last.end.kind, last.decision.action) == ("crashed", "stop")
    assert found.error is None


@pytest.mark.parametrize(
    ("what", "message"),
    [
        (child("a", forever), "there is a child named 'a' already"),
        (child("d", forever, graze=1), "unknown option 'graze'; did you mean 'grace'?"),  # type: ignore[call-arg]
        (child("d", forever, restart="transient", significant=True), "cannot be significant"),
        ("d", "add needs a Child or a Supervisor"),
    ],
)
def test_what_is_wrong_with_an_added_child_is_said_with_its_path(what: Any, message: str) -> None:
    refused: list[str] = []

    def add(running: Running) -> None:
        with pytest.raises(BadTree) as error:
            running.add_child("bot", what)
        refused.append(str(error.value))

    lived(abc(), (0.5, add))

    assert message in refused[0]
    assert refused[0].startswith("bot")


def worker(name: str, seconds: float = 1000.0) -> Child:
    return child(name, on_cue(Cue("return", after=seconds)), restart="temporary")


def test_a_template_makes_the_children_and_those_that_end_leave_nothing_behind() -> None:
    tree = Supervisor("bot", [Supervisor("workers", template=worker, max_children=2)])
    paths: list[str] = []

    def add(running: Running) -> None:
        paths.append(running.add_child("bot/workers", "one", seconds=3.0))
        paths.append(running.add_child("bot/workers", "two"))
        with pytest.raises(WrongState, match="has 2 children, the most allowed"):
            running.add_child("bot/workers", "three")
        with pytest.raises(BadTree, match="from its template"):
            running.add_child("bot/workers", child("four", forever))  # type: ignore[arg-type]

    found = seen(tree, 10.0, (1.0, add), (5.0, lambda running: paths.append(running.add_child("bot/workers", "one"))))

    assert paths == ["bot/workers/one", "bot/workers/two", "bot/workers/one"]
    assert found == {"workers": "ready", "two": "ready", "one": "ready"}


@pytest.mark.parametrize("keep_added", [True, False])
def test_added_children_survive_a_restart_of_their_supervisor_only_when_declared(keep_added: bool) -> None:
    inner = Supervisor("s", [child("a", forever)], keep_added=keep_added)
    found = seen(
        Supervisor("bot", [inner]),
        5.0,
        (1.0, lambda running: running.add_child("bot/s", child("b", forever))),
        (2.0, lambda running: running.restart_child("bot/s")),
    )

    assert ("b" in found) is keep_added


def test_a_waiting_child_counts_as_one_of_max_children() -> None:
    def crashing(name: str) -> Child:
        return child(name, on_cue(*CRASH_ONCE), backoff=minute)

    refused: list[str] = []

    def add(running: Running) -> None:
        with pytest.raises(WrongState) as error:
            running.add_child("bot/s", "y")
        refused.append(str(error.value))

    tree = Supervisor("bot", [Supervisor("s", template=crashing, max_children=1)])
    lived(tree, (0.0, lambda running: running.add_child("bot/s", "x")), (5.0, add))

    assert refused == ["bot/s has 1 children, the most allowed"]


@pytest.mark.parametrize("strategy", Strategies)
def test_removing_the_child_that_others_wait_for_lets_them_start_in_time(strategy: str) -> None:
    found = seen(abc(strategy), 100.0, (2.0, lambda running: running.remove_child("bot/a")))

    assert found == {"b": "ready", "c": "ready"}


def test_nothing_can_be_done_to_a_child_that_is_being_removed() -> None:
    slow = on_cue(Cue(when_stopped="clean_up", stopping_takes=3.0))

    def remove(running: Running) -> None:
        running.remove_child("bot/a")
        for verb in (Running.stop_child, Running.start_child, Running.restart_child, Running.park_child):
            with pytest.raises(WrongState):
                verb(running, "bot/a")

    assert seen(Supervisor("bot", [child("a", slow)]), 10.0, (1.0, remove)) == {}


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


# plan, apply, diff ------------------------------------------------------------------------------------------------


@actor()
async def feed(me: Me, symbol: str) -> None:
    await trio.sleep_forever()


def test_a_plan_says_what_is_added_removed_restarted_and_adjusted() -> None:
    old = Supervisor("bot", [feed.child("a", "BTC"), feed.child("b", "ETH"), feed.child("c", "SOL")])
    new = Supervisor("bot", [feed.child("a", "ADA"), feed.child("b", "ETH").with_(grace=1.0), feed.child("d", "XRP")])

    plan = diff(old, new)

    assert (plan.added, plan.removed, plan.restarted, plan.adjusted) == (("bot/d",), ("bot/c",), ("bot/a",), ("bot/b",))
    assert [line.split()[:2] for line in str(plan).splitlines()] == [
        ["-", "bot/c"],
        ["~", "bot/a"],
        ["=", "bot/b"],
        ["+", "bot/d"],
    ]
    assert diff(old, old).empty
    assert str(diff(old, old)) == "nothing changes"


def test_applying_a_plan_does_what_it_says_and_nothing_else() -> None:
    old = Supervisor("bot", [feed.child("a", "BTC"), feed.child("b", "ETH"), feed.child("c", "SOL")])
    new = Supervisor("bot", [feed.child("d", "XRP"), feed.child("a", "ADA"), feed.child("b", "ETH").with_(grace=1.0)])
    found = lived(old, (1.0, lambda running: running.apply(running.plan(new))), until=5.0)

    assert {(event.path, event.generation) for event in found.of("started") if event.at == 1.0} == {
        ("bot/a", 2),
        ("bot/d", 1),
    }
    assert [event.path for event in found.of("stopping") if event.at == 5.0] == ["bot/b", "bot/a", "bot/d"]


def test_children_added_by_a_plan_start_in_order_each_when_the_one_before_is_ready() -> None:
    slow = Supervisor("bot", [child(name, on_cue(Cue(ready_after=1.0)), ready_within=5.0) for name in "abc"])
    found = lived(Supervisor("bot", []), (1.0, lambda running: running.apply(running.plan(slow))))

    assert [(event.path[-1], event.at) for event in found.of("started")][1:] == [("a", 1.0), ("b", 2.0), ("c", 3.0)]


def test_a_plan_reaches_into_supervisors_below_and_those_that_wait_follow_it_when_they_start() -> None:
    crashing = child("x", on_cue(*CRASH_ONCE), max_failures=1)
    old = Supervisor("bot", [Supervisor("s", [child("a", forever)]), Supervisor("t", [crashing], backoff=minute)])
    new = Supervisor(
        "bot", [Supervisor("s", [child("b", forever)]), Supervisor("t", [child("y", forever)], backoff=minute)]
    )

    found = seen(old, 70.0, (5.0, lambda running: running.apply(running.plan(new))))

    assert found == {"s": "ready", "b": "ready", "t": "ready", "y": "ready"}


def test_a_plan_that_is_out_of_date_is_refused() -> None:
    old, one, two = (Supervisor("bot", [child(name, forever)]) for name in "abc")

    def late(running: Running) -> None:
        plan = running.plan(one)
        running.apply(running.plan(two))
        with pytest.raises(WrongState, match="changed since the plan was made"):
            running.apply(plan)

    assert seen(old, 5.0, (1.0, late)) == {"c": "ready"}


def test_a_plan_for_another_root_or_with_a_wrong_definition_is_refused() -> None:
    def wrong(running: Running) -> None:
        with pytest.raises(BadTree, match="cannot be renamed"):
            running.plan(Supervisor("other", []))

    lived(abc(), (0.5, wrong))


def test_a_plan_leaves_alone_what_operators_stopped_and_what_they_added() -> None:
    old = Supervisor("bot", [feed.child("a", "BTC"), feed.child("b", "ETH")])
    new = Supervisor("bot", [feed.child("a", "ADA"), feed.child("b", "ETH")])

    found = seen(
        old,
        5.0,
        (1.0, lambda running: running.stop_child("bot/a")),
        (1.0, lambda running: running.add_child("bot", feed.child("x", "XRP"))),
        (2.0, lambda running: running.apply(running.plan(new))),
    )

    assert found == {"a": "down", "b": "ready", "x": "ready"}


def test_a_child_that_a_plan_has_again_before_its_removal_is_over_comes_back() -> None:
    slow = child("a", on_cue(Cue(when_stopped="clean_up", stopping_takes=3.0)))
    old = Supervisor("bot", [slow])

    found = seen(
        old,
        10.0,
        (1.0, lambda running: running.apply(running.plan(Supervisor("bot", [])))),
        (2.0, lambda running: running.apply(running.plan(old))),
    )

    assert found == {"a": "ready"}


def test_an_actor_that_becomes_a_supervisor_is_still_ended_within_its_own_grace() -> None:
    stubborn = child("a", on_cue(Cue(when_stopped="clean_up", stopping_takes=100.0)), grace=2.0)
    new = Supervisor("bot", [Supervisor("a", [child("x", forever)])])
    found = lived(Supervisor("bot", [stubborn]), (1.0, lambda running: running.apply(running.plan(new))))

    assert [event.at for event in found.of("started", "bot/a")] == [0.0, 3.0]
    assert [event.at for event in found.of("started", "bot/a/x")] == [3.0]


# explain, wait_state ----------------------------------------------------------------------------------------------


def explained(tree: Supervisor, path: str, at: float, *steps: tuple[float, Callable[[Running], object]]) -> str:
    found: list[str] = []
    lived(tree, *steps, (at, lambda running: found.append(running.explain(path))), until=at + 0.1)
    return found[0]


def test_explain_says_why_when_and_what_a_failure_would_do() -> None:
    text = explained(abc(), "bot/a", 3.0)

    assert "bot/a is waiting for 2.0 s, incarnation 1." in text
    assert "crashed: Boom" in text
    assert "Next try in 58.0 s." in text
    assert "number 2 in a row: restart in 60 to 60 s" in text


def test_explain_names_the_sibling_that_holds_a_child_and_does_not_blame_later_ones() -> None:
    stop = (2.0, lambda running: running.stop_child("bot/b"))

    assert "It is held: it depends on bot/b, which is down." in explained(abc("rest_for_one"), "bot/c", 3.0, stop)
    assert "held" not in explained(abc("rest_for_one"), "bot/a", 3.0, stop)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"max_failures": 2}, "number 2 in a row: escalate"),
        ({"restart": "temporary"}, "it is temporary"),
        ({"budget": Budget("venue", 1, 100.0), "backoff": soon}, "when the budget venue: 1 in 100 s allows it"),
    ],
)
def test_explain_knows_limits_kinds_and_budgets(options: dict[str, Any], said: str) -> None:
    at = 0.5 if options.get("restart") == "temporary" else 3.0

    assert said in explained(abc(**options), "bot/a", at)


def test_explain_says_what_an_operator_wants() -> None:
    text = explained(abc(), "bot/b", 3.0, (1.0, lambda running: running.park_child("bot/b")))

    assert "An operator wants it parked." in text
    assert "It is not tried again until it is unparked." in text


async def test_wait_state_returns_the_status_when_the_child_gets_there(autojump_clock: trio.abc.Clock) -> None:
    async with abc().open() as running:
        waiting = await running.wait_state("bot/a", "waiting", "parked")
        assert (trio.current_time(), waiting.state) == (1.0, "waiting")
        await running.wait_state("bot/a", "ready")
        assert trio.current_time() == 61.0


async def test_wait_state_notices_changes_that_come_without_an_event(autojump_clock: trio.abc.Clock) -> None:
    async with abc().open() as running:
        await running.wait_state("bot/a", "waiting")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(running.wait_state, "bot/a", "parked")
            await trio.sleep(1)
            running.park_child("bot/a")
        assert trio.current_time() == 2.0


async def test_wait_state_says_when_the_child_is_gone(autojump_clock: trio.abc.Clock) -> None:
    async def remove(running: Running) -> None:
        await trio.sleep(1)
        running.remove_child("bot/b")

    async with abc().open() as running, trio.open_nursery() as nursery:
        nursery.start_soon(remove, running)
        with pytest.raises(NoSuchChild):
            await running.wait_state("bot/b", "down")


async def test_wait_state_says_when_the_tree_has_ended(autojump_clock: trio.abc.Clock) -> None:
    async with abc().open() as running:
        running.stop("enough")
        with pytest.raises(NoSuchChild, match="the tree has ended"):
            await running.wait_state("bot/a", "parked")
