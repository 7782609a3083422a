"""Section E: strategies and intensity."""

from typing import Any

import pytest
import trio

from supervisor import GaveUp, Limit, Me, Supervisor, child
from supervisor.testing import Boom, Cue

from .common import AT_ONCE, counts, crash, forever, kinds, lived, never, on_cue, once_ok, order_of_ends, otp, starts


def test_scenario_53_the_window_slides() -> None:
    tree = Supervisor("bot", [otp("c1", on_cue(crash(2.1)))], limit=Limit(1, 1.0))
    found = lived(tree, until=20.0)

    assert found.error is None
    assert len(starts(found, "bot/c1")) == 10


def crashes_when_ready(first: float) -> Any:
    return on_cue(crash(first), Cue("crash", after=0.0, ready_after=None))


def test_scenario_55_failed_restarts_use_up_the_limit_and_the_supervisor_gives_up_with_the_causes() -> None:
    """OTP exits with ``shutdown``, which hides the causes; here they come out, and giving up is a failure."""
    tree = Supervisor("bot", [otp("c1", once_ok(), ready_within=5.0), otp("c2")], limit=never(4))
    found = lived(tree)

    assert [event.generation for event in found.of("started", "bot/c1")] == [1, 2, 3, 4, 5]
    assert order_of_ends(found)[-2:] == ["bot/c2", "bot"]
    assert isinstance(found.error, GaveUp)
    assert (found.error.total, len(found.error.exceptions)) == (5, 5)
    assert all(isinstance(cause, Boom) for cause in found.error.exceptions)


def test_scenario_55_the_same_with_a_template() -> None:
    tree = Supervisor(
        "bot",
        [Supervisor("s", template=lambda name: otp(name, once_ok(), ready_within=5.0), limit=never(4), max_failures=1)],
        limit=never(0),
    )
    found = lived(tree, (0.0, lambda running: running.add_child("bot/s", "c1")))

    assert [event.generation for event in found.of("started", "bot/s/c1")] == [1, 2, 3, 4, 5]
    assert isinstance(found.error, GaveUp)


def test_scenario_57_one_for_all_ends_after_its_budget_of_restarts() -> None:
    tree = Supervisor(
        "bot",
        [otp("c1", on_cue(crash(), Cue())), otp("c2", once_ok(lives=1000.0), ready_within=5.0)],
        strategy="one_for_all",
        limit=never(4),
    )
    found = lived(tree)

    assert [event.generation for event in found.of("started", "bot/c2")] == [1, 2, 3, 4, 5]
    assert [event.generation for event in found.of("started", "bot/c1")] == [1, 2, 3, 4, 5]
    assert kinds(found, "bot/c2")[0] == ("stopped", "restart")
    assert isinstance(found.error, GaveUp)


def test_scenario_59_rest_for_one_restarts_the_failed_one_and_those_after_it_and_a_round_counts_once() -> None:
    seen: list[Any] = []
    c2 = otp("c2", on_cue(crash(1.0), Cue("crash", after=4.0), Cue("crash", after=1.0)))
    c3 = otp("c3", on_cue(Cue(), crash(2.0), Cue()))
    tree = Supervisor("bot", [otp("c1"), c2, c3], strategy="rest_for_one", limit=never(2))
    found = lived(tree, (1.5, lambda running: seen.append(counts(running))))

    assert seen == [(3, 3, 0, 3)]
    assert starts(found, "bot/c1") == [0.0]
    assert starts(found, "bot/c2") == [0.0, 1.0]
    assert starts(found, "bot/c3") == [0.0, 1.0, 3.0]
    assert isinstance(found.error, GaveUp)
    assert found.of("ended", "bot")[0].at == 5.0


def test_scenario_61_a_failed_round_of_rest_for_one_resumes_with_the_one_that_failed() -> None:
    g1 = otp("g1", on_cue(crash(), Cue()), ready_within=5.0)
    g2 = otp("g2", on_cue(Cue(), Cue("crash", after=0.0, ready_after=None), Cue()), ready_within=5.0)
    tree = Supervisor("bot", [g1, g2], strategy="rest_for_one", limit=never(3))
    found = lived(tree)

    assert [(event.path, event.generation) for event in found.of("started")][1:] == [
        ("bot/g1", 1),
        ("bot/g2", 1),
        ("bot/g1", 2),
        ("bot/g2", 2),
        ("bot/g2", 3),
    ]


def test_scenario_61_a_failed_round_of_one_for_all_starts_again_with_the_first() -> None:
    g1 = otp("g1", on_cue(crash(), Cue()), ready_within=5.0)
    g2 = otp("g2", on_cue(Cue(), Cue("crash", after=0.0, ready_after=None), Cue()), ready_within=5.0)
    found = lived(Supervisor("bot", [g1, g2], strategy="one_for_all", limit=never(3)))

    assert [(event.path, event.generation) for event in found.of("started")][3:] == [
        ("bot/g1", 2),
        ("bot/g2", 2),
        ("bot/g1", 3),
        ("bot/g2", 3),
    ]


def test_scenario_63_a_supervisor_below_that_ends_abnormally_is_restarted_with_its_children() -> None:
    """Nothing kills a task in Trio; a supervisor ends abnormally when it gives up. It then fails for its parent, too."""
    below = Supervisor("s", [otp("worker", on_cue(crash(), Cue())), otp("other")], limit=never(0), backoff=AT_ONCE)
    found = lived(Supervisor("bot", [below]))

    assert kinds(found, "bot/s")[0] == ("crashed", "restart")
    assert isinstance(found.of("ended", "bot/s")[0].end.exception, GaveUp)
    for path in ("bot/s", "bot/s/worker", "bot/s/other"):
        assert [event.generation for event in found.of("started", path)] == [1, 2]


def test_scenario_63_also_a_transient_supervisor_that_gave_up_is_restarted() -> None:
    """In OTP a transient supervisor over its limit ends with ``shutdown``, a normal end, and is silently gone."""
    below = Supervisor(
        "s", [otp("worker", on_cue(crash(), Cue()))], limit=never(0), backoff=AT_ONCE, restart="transient"
    )
    found = lived(Supervisor("bot", [below]))

    assert starts(found, "bot/s") == [0.0, 1.0]


def test_scenario_65_without_any_restarts_the_first_failure_is_the_last() -> None:
    found = lived(Supervisor("bot", [otp("a", on_cue(crash()), restart="transient")], limit=never(0)))

    assert starts(found, "bot/a") == [0.0]
    assert isinstance(found.error, GaveUp)


def test_scenario_65_two_restarts_are_three_starts_and_then_it_gives_up_without_waiting() -> None:
    """ractor-supervisor counts when the delayed restart runs; here a failure counts when it happens."""
    slow = child("a", on_cue(crash(0.1)), backoff=AT_ONCE)
    found = lived(Supervisor("bot", [slow], limit=Limit(2, 1.0)))

    assert len(starts(found, "bot/a")) == 3
    assert found.of("ended", "bot")[0].at == pytest.approx(0.3)


def test_scenario_67_a_healthy_time_resets_a_child_s_failures_and_the_window_only_slides() -> None:
    """ractor-supervisor empties the supervisor's log after a quiet time; here the window of a limit always slides."""
    script = (crash(0.1), crash(0.1), crash(3.0), Cue())
    per_child = otp("a", on_cue(*script), healthy_after=2.0, max_failures=3)
    found = lived(Supervisor("bot", [per_child], limit=never(100)))

    assert [event.decision.failures for event in found.of("ended", "bot/a")][:3] == [1, 2, 1]
    assert len(starts(found, "bot/a")) == 4

    windowed = lived(Supervisor("bot", [otp("a", on_cue(*script), healthy_after=2.0)], limit=Limit(2, 10.0)))
    assert isinstance(windowed.error, GaveUp)

    slid = lived(Supervisor("bot", [otp("a", on_cue(*script), healthy_after=2.0)], limit=Limit(2, 2.5)))
    assert slid.error is None


def test_scenario_67_health_begins_with_ready_and_waiting_is_not_health() -> None:
    async def slow_to_start(me: Me) -> None:
        await trio.sleep(10.0)
        me.ready()
        raise Boom

    late = child("a", slow_to_start, backoff=AT_ONCE, healthy_after=5.0, ready_within=20.0)
    found = lived(Supervisor("bot", [late, child("b", forever)]), until=45.0)

    assert [event.decision.failures for event in found.of("ended", "bot/a")][:4] == [1, 2, 3, 4]
