"""Section D: restart kinds. All in ``Sup(o4o, 2/3600)``."""

from typing import Any

import pytest

from supervisor import Child, Supervisor
from supervisor.testing import Cue

from .common import counts, kinds, lived, never, on_cue, otp


def one(restart: Any, cue: Cue) -> tuple[tuple[int, int, int, int], list[tuple[str, str]]]:
    """Let one child end once, and return the counts afterwards, and what was recorded."""
    seen: list[tuple[int, int, int, int]] = []
    tree = Supervisor("bot", [otp("c1", on_cue(cue, Cue()), restart=restart)], limit=never(2))
    found = lived(tree, (5.0, lambda running: seen.append(counts(running))), until=6.0)
    return seen[0], kinds(found, "bot/c1")


def test_scenario_43_a_permanent_child_that_returns_is_restarted() -> None:
    assert one("permanent", Cue("return")) == ((1, 1, 0, 1), [("returned", "restart"), ("stopped", "stop")])


def test_scenario_44_a_transient_child_that_returns_is_kept_as_down() -> None:
    assert one("transient", Cue("return")) == ((1, 0, 0, 1), [("returned", "stop")])


def test_scenario_45_a_temporary_child_that_returns_is_gone() -> None:
    assert one("temporary", Cue("return")) == ((0, 0, 0, 0), [("returned", "stop")])


@pytest.mark.parametrize(
    ("restart", "expected", "decided"),
    [
        ("permanent", (1, 1, 0, 1), [("crashed", "restart"), ("stopped", "stop")]),
        ("transient", (1, 1, 0, 1), [("crashed", "restart"), ("stopped", "stop")]),
        ("temporary", (0, 0, 0, 0), [("crashed", "stop")]),
    ],
)
def test_scenario_49_a_crash_restarts_all_but_temporary_children(restart: Any, expected: Any, decided: Any) -> None:
    assert one(restart, Cue("crash")) == (expected, decided)


@pytest.mark.parametrize("restart", ["permanent", "transient", "temporary"])
@pytest.mark.parametrize("how", ["return", "stop", "crash"])
def test_scenario_51_dynamic_children_follow_the_same_rules_and_finished_ones_leave_nothing(
    restart: Any, how: Any
) -> None:
    seen: list[int] = []

    def template(name: str) -> Child:
        return otp(name, on_cue(Cue(how), Cue()), restart=restart)

    tree = Supervisor("bot", [Supervisor("s", template=template)])
    found = lived(
        tree,
        (0.0, lambda running: running.add_child("bot/s", "x")),
        (5.0, lambda running: seen.append(counts(running, "bot/s")[0])),
    )

    restarted = restart == "permanent" or (restart == "transient" and how == "crash")
    assert seen == [1 if restarted else 0]
    assert len(found.of("started", "bot/s/x")) == (2 if restarted else 1)
