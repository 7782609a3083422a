"""Children come to a running tree and leave it: what waits for whom, what is refused, and what survives a restart."""

from typing import Any

import pytest

from supervisor import Backoff, BadTree, Child, Me, Running, Supervisor, WrongState, child
from supervisor.testing import Boom, Cue

from .operated import CRASH_ONCE, Strategies, abc, forever, lived, minute, on_cue, seen


async def crash_at_once(me: Me) -> None:  # noqa: ASYNC124
    raise Boom


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
