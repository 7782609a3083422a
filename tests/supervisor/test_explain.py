"""A tree explains why a child is as it is and what comes next, and says when it gets into a state."""

from collections.abc import Callable
from typing import Any

import pytest
import trio

from supervisor import Budget, NoSuchChild, Running, Supervisor

from .operated import abc, lived, soon


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
