"""A plan says what another definition would change in a running tree, and applying it does that and nothing else."""

import pytest
import trio

from supervisor import BadTree, Me, Running, Supervisor, WrongState, actor, child, diff
from supervisor.testing import Cue

from .operated import CRASH_ONCE, abc, forever, lived, minute, on_cue, seen


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
