"""Section G: significant children. More of it in ``test_shutdown.py``."""

from typing import Any

import pytest

from supervisor import BadTree, Child, Supervisor, WrongState, child
from supervisor.testing import Cue

from .common import forever, lived, on_cue, order_of_ends, otp


def temporary(name: str, cue: Cue | None = None, *, significant: bool = True) -> Child:
    return child(name, on_cue(cue or Cue()), restart="temporary", significant=significant)


@pytest.mark.parametrize("how", ["crash", "return", "stop"])
def test_scenario_71_any_end_of_a_temporary_significant_child_ends_all(how: Any) -> None:
    tree = Supervisor(
        "bot",
        [temporary("c1", Cue(how)), temporary("c2"), temporary("c3", significant=False)],
        auto_shutdown="any",
    )
    found = lived(tree)

    assert order_of_ends(found) == ["bot/c1", "bot/c3", "bot/c2", "bot"]
    assert found.of("ended", "bot")[0].at == 1.0
    assert found.error is None


def test_scenario_71_an_operator_s_stop_is_no_such_end() -> None:
    tree = Supervisor("bot", [temporary("c1"), temporary("c2")], auto_shutdown="any")
    found = lived(tree, (1.0, lambda running: running.stop_child("bot/c1")), until=10.0)

    assert found.of("ended", "bot")[0].at == 10.0


def test_scenario_71_all_waits_for_the_last_significant_child() -> None:
    tree = Supervisor(
        "bot",
        [temporary("c1", Cue("return")), temporary("c2", Cue("return", after=3.0)), otp("c3")],
        auto_shutdown="all",
    )
    found = lived(tree)

    assert order_of_ends(found) == ["bot/c1", "bot/c2", "bot/c3", "bot"]
    assert found.of("ended", "bot")[0].at == 3.0


def test_scenario_73_templates_and_significance_contradict_each_other() -> None:
    with pytest.raises(BadTree, match="template= contradicts auto_shutdown"):
        Supervisor("bot", template=temporary, auto_shutdown="any")

    refused: list[str] = []

    def add(running: Any) -> None:
        with pytest.raises((BadTree, WrongState)) as error:
            running.add_child("bot/s", "x")
        refused.append(str(error.value))

    lived(Supervisor("bot", [Supervisor("s", template=temporary)]), (1.0, add), until=2.0)

    assert refused == ["bot/s/x: a child added while running cannot be significant"]


@pytest.mark.parametrize("significant", [True, False])
def test_scenario_75_a_shutdown_goes_upwards_only_through_significant_supervisors(significant: bool) -> None:
    below = Supervisor(
        "b", [temporary("c", Cue("return"))], auto_shutdown="any", restart="transient", significant=significant
    )
    found = lived(Supervisor("bot", [child("a", forever), below], auto_shutdown="any"), until=10.0)

    assert found.of("ended", "bot/b")[0].at == 1.0
    assert found.of("ended", "bot")[0].at == (1.0 if significant else 10.0)
