"""Section C: administration and introspection."""

from typing import Any

import pytest

from supervisor import Child, NoSuchChild, Running, Supervisor, WrongState, child
from supervisor.testing import Boom, Cue

from .common import counts, forever, lived, never, on_cue, otp, starts, which


def test_scenario_35_a_template_supervisor_counts_its_children_and_knows_them_by_path() -> None:
    """Children of a template have names here, and so the same verbs as all others; OTP knows them by process only."""
    seen: list[Any] = []
    tree = Supervisor("bot", [Supervisor("s", template=lambda name: otp(name, restart="temporary")), otp("other")])

    def administer(running: Running) -> None:
        seen.append(counts(running, "bot/s"))
        running.add_child("bot/s", "one")
        running.add_child("bot/s", "two")
        seen.append(counts(running, "bot/s"))
        running.remove_child("bot/s/one")

    def more(running: Running) -> None:
        seen.append(counts(running, "bot/s"))
        for path in ("bot/s/one", "bot/s/other"):
            with pytest.raises(NoSuchChild):
                running.remove_child(path)
        seen.append(which(running))

    lived(tree, (1.0, administer), (2.0, more))

    assert seen == [(0, 0, 0, 0), (2, 2, 0, 2), (1, 1, 0, 1), {"s": "ready", "other": "ready"}]


@pytest.mark.parametrize("supervisors", [False, True])
def test_scenario_37_counts_of_many_dynamic_children_agree_and_are_stable(supervisors: bool) -> None:
    seen: list[Any] = []

    def make(place: int) -> Child | Supervisor:
        return Supervisor(f"s{place}", []) if supervisors else child(f"c{place}", forever, restart="temporary")

    def add(running: Running) -> None:
        start = counts(running, "bot/s")[0]
        for place in range(start, start + 500):
            running.add_child("bot/s", make(place))

    def remove(running: Running) -> None:
        for status in running.status().find("bot/s").children:
            running.remove_child(status.path)

    def count(running: Running) -> None:
        seen.append(counts(running, "bot/s"))

    tree = Supervisor("bot", [Supervisor("s", [])])
    lived(tree, (1.0, add), (2.0, count), (3.0, add), (4.0, count), (5.0, count), (6.0, remove), (7.0, count))

    n = 1 if supervisors else 0
    assert seen == [
        (500, 500, 500 * n, 500 * (1 - n)),
        (1000, 1000, 1000 * n, 1000 * (1 - n)),
        (1000, 1000, 1000 * n, 1000 * (1 - n)),
        (0, 0, 0, 0),
    ]


@pytest.mark.parametrize("strategy", ["one_for_one", "one_for_all", "rest_for_one"])
@pytest.mark.parametrize("end", ["ret", "crash", "operator"])
@pytest.mark.parametrize("restart", ["permanent", "transient", "temporary"])
def test_scenario_39_only_temporary_children_are_forgotten_when_they_end(strategy: Any, end: str, restart: Any) -> None:
    """Operator stops keep the child here, whatever its kind: `remove_child` is what forgets."""
    seen: list[Any] = []
    how = {"ret": Cue("return"), "crash": Cue("crash"), "operator": Cue()}[end]

    def stop(running: Running) -> None:
        if end == "operator":
            running.stop_child("bot/a")

    def add_again(running: Running) -> None:
        seen.append(which(running).get("a"))
        try:
            running.add_child("bot", otp("a", restart=restart))
        except ValueError:
            seen.append("already present")
        else:
            seen.append("started again")

    tree = Supervisor("bot", [otp("a", on_cue(how, Cue()), restart=restart), otp("b")], strategy=strategy)
    lived(tree, (1.0, stop), (3.0, add_again))

    restarted = restart == "permanent" or (restart == "transient" and end == "crash")
    if restart == "temporary":
        assert seen == [None, "started again"]
    else:
        assert seen == ["ready" if restarted and end != "operator" else "down", "already present"]


@pytest.mark.parametrize("again", ["its restart fails", "its restart succeeded"])
def test_scenario_41_a_child_that_restarts_counts_as_one_of_max_children(again: str) -> None:
    refused: list[str] = []
    second = Cue("crash", after=0.0, ready_after=None) if again == "its restart fails" else Cue()

    def template(name: str) -> Child:
        return child(name, on_cue(Cue("crash"), second))

    def add(running: Running) -> None:
        with pytest.raises(WrongState) as error:
            running.add_child("bot/s", "two")
        refused.append(str(error.value))

    tree = Supervisor("bot", [Supervisor("s", template=template, max_children=1, limit=never(1000))])
    found = lived(tree, (0.0, lambda running: running.add_child("bot/s", "one")), (1.1, add), (5.0, add))

    assert refused == ["bot/s has 1 children, the most allowed"] * 2
    assert len(starts(found, "bot/s/one")) >= 2
    assert all(isinstance(event.end.exception, Boom) for event in found.of("ended", "bot/s/one")[:1])
