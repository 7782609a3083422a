"""Parking: a child is out of the way, and those that depend on it wait, until somebody unparks it."""

import pytest

from supervisor import Backoff, Budget, Running, Supervisor, WrongState, child
from supervisor.testing import Boom, Cue

from .operated import CRASH_ONCE, Strategies, abc, forever, lived, minute, on_cue, seen


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
