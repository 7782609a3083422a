"""When a child that ended is started again: after a failure, after a planned end, and in a group."""

import pytest

from supervisor import Backoff, Supervisor, child
from supervisor.testing import Cue, OnCue, Recorder, trace


def test_a_planned_end_is_free_of_failure_and_backoff() -> None:
    recorder = Recorder()
    daily = OnCue((Cue("planned", after=86_400.0),), recorder, beats=3600.0)

    found = trace(Supervisor("bot", [child("a", daily, max_failures=1)]), recorder, until=10 * 86_400.0 - 1)

    assert [event.decision.action for event in found.of("ended", "bot/a")] == ["planned_restart"] * 9 + ["stop"]
    assert found.ledger.failures == 0
    assert found.of("started", "bot/a")[-1].at == 9 * 86_400.0


def test_planned_ends_in_a_row_do_not_storm() -> None:
    recorder = Recorder()
    notice_at_once = OnCue((Cue("planned", after=0.0),), recorder)

    found = trace(Supervisor("bot", [child("a", notice_at_once)]), recorder, until=60)

    assert len(found.of("started", "bot/a")) <= 11


def test_backoff_starts_anew_only_after_a_healthy_time_and_waiting_is_not_health() -> None:
    recorder = Recorder()
    crashing = OnCue((Cue("crash", after=0.5),) * 4 + (Cue("crash", after=30.0),), recorder)
    backoff = Backoff(1.0, 1.0, 100.0)

    found = trace(Supervisor("bot", [child("a", crashing, backoff=backoff, healthy_after=20.0)]), recorder, until=120)

    assert [event.decision.failures for event in found.of("ended", "bot/a")][:6] == [1, 2, 3, 4, 1, 1]


@pytest.mark.parametrize("crashing", ["a", "b"])
def test_a_group_waits_for_the_longest_delay_of_its_members(crashing: str) -> None:
    recorder = Recorder()
    tree = Supervisor(
        "bot",
        [
            child(name, OnCue((Cue("crash", after=1) if name == crashing else Cue(), Cue()), recorder), backoff=backoff)
            for name, backoff in (("a", Backoff(2.0, 2.0, 2.0)), ("b", Backoff(5.0, 5.0, 5.0)))
        ],
        strategy="one_for_all",
    )

    found = trace(tree, recorder, until=20)

    for name in "ab":
        assert [event.at for event in found.of("started", f"bot/{name}")] == [0.0, 6.0]


def test_a_group_that_takes_over_a_waiting_one_waits_for_what_that_had_left() -> None:
    recorder = Recorder()
    long, short = Backoff(10.0, 10.0, 10.0), Backoff(1.0, 1.0, 1.0)
    first = OnCue((Cue("crash", after=3.0), Cue("hang")), recorder)
    second = OnCue((Cue("crash", after=1.0), Cue("hang")), recorder)
    tree = Supervisor(
        "bot", [child("first", first, backoff=short), child("second", second, backoff=long)], strategy="rest_for_one"
    )

    found = trace(tree, recorder, until=30)

    assert [(event.path, event.at) for event in found.of("started") if event.generation == 2] == [
        ("bot/first", 11.0),
        ("bot/second", 11.0),
    ]
