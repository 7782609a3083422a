"""Section B: shutdown."""

from typing import Any

import pytest
import trio

from supervisor import Child, Me, PlannedEnd, Running, StopActor, Supervisor, WrongState, child
from supervisor.testing import Boom, Cue, run_virtually

from .common import forever, kinds, lived, on_cue, order_of_ends, otp, which


def cleans_up(seconds: float) -> Any:
    return on_cue(Cue(when_stopped="clean_up", stopping_takes=seconds))


def ends(found: Any) -> dict[str, float]:
    return {event.path: event.at for event in found.of("ended")}


def test_scenario_21_a_blocked_child_is_cut_off_after_its_time_and_then_the_one_before_is_stopped() -> None:
    found = lived(Supervisor("bot", [otp("c1", grace=1.0), otp("c2", cleans_up(200.0), grace=1.0)]), until=5.0)

    assert [(event.path, event.at) for event in found.of("ended")] == [("bot/c2", 6.0), ("bot/c1", 6.0), ("bot", 6.0)]
    assert [(event.path, event.what) for event in found.of("note")] == [("bot/c2", "cleanup_cut_off")]
    assert found.error is None


def test_scenario_21_children_of_a_template_are_cut_off_in_parallel() -> None:
    tree = Supervisor("bot", [Supervisor("s", template=lambda name: child(name, cleans_up(200.0), grace=1.0))])

    def add(running: Running) -> None:
        for name in ("one", "two", "three"):
            running.add_child("bot/s", name)

    found = lived(tree, (1.0, add), until=5.0)

    assert [ends(found)[f"bot/s/{name}"] for name in ("one", "two", "three")] == [6.0, 6.0, 6.0]


def test_scenario_23_children_that_end_by_themselves_while_all_is_stopping_are_not_restarted() -> None:
    how: dict[str, Exception | None] = {
        "ret": None,
        "stop": StopActor("x"),
        "planned": PlannedEnd("x"),
        "crash": Boom("x"),
    }

    def ends_alone(error: Exception | None) -> Any:
        async def run(me: Me) -> None:
            await trio.sleep(5.2)
            if error is not None:
                raise error

        return run

    twelve = [
        otp(f"{restart}-{name}", ends_alone(error), restart=restart)
        for restart in ("temporary", "transient", "permanent")
        for name, error in how.items()
    ]
    first = otp("A", restart="temporary", grace=1.0)
    last = otp("Z", cleans_up(1.0), restart="temporary", grace=2.0)
    found = lived(Supervisor("bot", [first, *twelve, last]), until=5.0)

    assert len(found.of("started")) == 15
    assert ends(found)["bot/Z"] == 6.0
    for restart in ("temporary", "transient", "permanent"):
        assert kinds(found, f"bot/{restart}-ret") == [("returned", "stop")]
        assert kinds(found, f"bot/{restart}-stop") == [("returned", "stop")]
        assert kinds(found, f"bot/{restart}-planned") == [("planned", "stop")]
        assert kinds(found, f"bot/{restart}-crash") == [("crashed", "ignored")]
    assert kinds(found, "bot/A") == kinds(found, "bot/Z") == [("stopped", "stop")]
    assert found.error is None


def test_scenario_25_an_operator_s_stop_is_a_normal_end_whatever_had_to_be_cut_off() -> None:
    children = [
        otp("c1", cleans_up(200.0), grace=0.0),
        otp("c2", grace=1.0),
        otp("c3", cleans_up(200.0), grace=1.0),
    ]
    found = lived(Supervisor("bot", [Supervisor("s", children)]), (1.0, lambda running: running.stop_child("bot/s")))

    assert order_of_ends(found)[:4] == ["bot/s/c3", "bot/s/c2", "bot/s/c1", "bot/s"]
    assert [ends(found)[f"bot/s/{name}"] for name in ("c3", "c2", "c1")] == [2.0, 2.0, 2.0]
    assert kinds(found, "bot/s") == [("stopped", "stop")]


def test_scenario_27_children_of_a_template_stop_together_each_within_its_own_time() -> None:
    def template(name: str, seconds: float) -> Child:
        return child(name, cleans_up(seconds), grace=2.0)

    def add(running: Running) -> None:
        for name, seconds in (("one", 1.0), ("two", 1.0), ("three", 5.0)):
            running.add_child("bot", name, seconds)

    found = lived(Supervisor("bot", template=template), (0.0, add), until=10.0)

    assert ends(found) == {"bot/one": 11.0, "bot/two": 11.0, "bot/three": 12.0, "bot": 12.0}
    assert found.stopped_in == 2.0


@pytest.mark.parametrize("naughty", ["swallow", "shield"])
def test_scenario_29_a_child_that_does_not_listen_does_not_hang_its_supervisor(naughty: Any) -> None:
    """In Trio a naughty child is one that shields itself, or swallows the cancellation: it is waited for, and named."""
    seen: list[Any] = []
    stubborn = otp("a", on_cue(Cue(when_stopped=naughty, stopping_takes=50.0)), grace=1.0, bound=1.0)
    found = lived(
        Supervisor("bot", [stubborn, otp("b")]),
        (1.0, lambda running: running.stop_child("bot/a")),
        (5.0, lambda running: running.restart_child("bot/b")),
        (6.0, lambda running: seen.append(which(running))),
        until=100.0,
    )

    assert seen == [{"a": "stopping", "b": "ready"}]
    assert [event.at for event in found.of("started", "bot/b")] == [0.0, 5.0]
    assert [(event.path, event.at) for event in found.of("unstoppable")] == [("bot/a", 3.0)]
    assert ends(found)["bot/a"] == 51.0


def test_scenario_31_the_report_names_exactly_those_that_did_not_stop() -> None:
    """suture gives up on them after its timeout. Here nothing is left behind unseen: the tree waits, or the process ends."""
    stubborn = otp("b", on_cue(Cue(when_stopped="shield", stopping_takes=50.0)), grace=1.0, bound=1.0)
    found = lived(Supervisor("bot", [otp("a"), stubborn, Supervisor("s", [otp("c")])]), until=10.0)

    named = found.of("unstoppable")
    assert [(event.path, event.generation, event.at) for event in named] == [("bot/b", 1, 12.0)]
    assert any("_play" in line for line in named[0].stack)
    assert ends(found) == {"bot/s/c": 10.0, "bot/s": 10.0, "bot/a": 12.0, "bot/b": 60.0, "bot": 60.0}


def test_scenario_31_a_child_declared_so_ends_the_process_when_it_does_not_stop() -> None:
    ended: list[tuple[int, float]] = []
    stubborn = otp(
        "a", on_cue(Cue(when_stopped="shield", stopping_takes=50.0)), grace=1.0, bound=1.0, unstoppable="exit"
    )
    tree = Supervisor("bot", [stubborn, otp("b")])

    async def main() -> None:
        running = Running(tree, 1, exit_process=lambda code: ended.append((code, trio.current_time())))
        with pytest.raises(Exception, match="cannot be stopped"):
            async with running.opened():
                running.stop_child("bot/a")
                await running.wait_stopped()

    run_virtually(main)

    assert len(ended) == 1
    assert ended[0][0] == 70
    assert ended[0][1] < 50.0


def test_scenario_33_adding_after_the_end_is_refused_at_once() -> None:
    async def main() -> None:
        async with Supervisor("bot", []).open() as running:
            running.stop("enough")
            await running.wait_stopped()
            with pytest.raises(WrongState):
                running.add_child("bot", otp("a"))

    run_virtually(main)


def test_scenario_33_one_definition_can_be_open_twice() -> None:
    """suture refuses to run a supervisor twice. Here a tree is a value: each opening has a life of its own."""
    tree = Supervisor("bot", [child("a", forever)])

    async def main() -> list[str]:
        async with tree.open() as one, tree.open() as two:
            one.stop_child("bot/a")
            await one.wait_state("bot/a", "down")
            return [running.status().find("bot/a").state for running in (one, two)]

    assert run_virtually(main) == ["down", "ready"]
