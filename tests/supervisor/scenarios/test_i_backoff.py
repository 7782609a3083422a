"""Section I: backoff and escalation policies."""

from random import Random
from typing import Any

import pytest
import trio

from supervisor import Backoff, ForeignCancelled, GaveUp, Limit, Mailbox, Me, Running, Supervisor, actor, child
from supervisor.testing import Boom, Cue, run_virtually

from .common import AT_ONCE, crash, kinds, lived, never, on_cue, otp, starts, which

MINUTES, DAYS = 60.0, 86_400.0


@pytest.mark.parametrize(
    ("tries", "least", "most", "delay"),
    [
        (0, 5 * MINUTES, 7 * MINUTES, 5 * MINUTES),
        (2, 5.0, 7.0, 7.0),
        (2, 5.0, 7 * DAYS, 20.0),
        (29, 5 * MINUTES, 10 * MINUTES, 10 * MINUTES),
        (2**31 - 1, 10_000 * DAYS, 10_000 * DAYS, 10_000 * DAYS),
    ],
)
def test_scenario_79_the_ceiling_of_the_delay_doubles_up_to_its_cap_and_never_overflows(
    tries: int, least: float, most: float, delay: float
) -> None:
    """Pekko multiplies by its jitter after the cap and can exceed it. Here the delay is drawn from below the ceiling."""
    backoff = Backoff(floor=0.25, base=least, cap=most)

    assert backoff.bounds(tries + 1) == (0.25, delay)
    assert all(0.25 <= backoff.delay(tries + 1, Random(seed)) <= delay for seed in range(50))


def test_scenario_81_no_restart_is_scheduled_before_the_old_incarnation_has_cleaned_up() -> None:
    seen: list[Any] = []

    async def slow_to_die(me: Me) -> None:
        try:
            if me.generation == 1:
                await trio.sleep(1.0)
                raise Boom
            await trio.sleep_forever()
        finally:
            with me.cleanup():
                await trio.sleep(3.0)  # noqa: ASYNC102 - cleanup() is the shielded scope with a timeout

    def look(running: Running) -> None:
        status = running.status().find("bot/a")
        seen.append((status.state, status.restarts, status.next_at))

    tree = Supervisor("bot", [child("a", slow_to_die, backoff=Backoff(2.0, 2.0, 2.0))])
    found = lived(tree, (2.0, look), (5.0, look), until=10.0)

    assert seen == [("ready", 0, None), ("waiting", 1, 6.0)]
    assert starts(found, "bot/a") == [0.0, 6.0]


def test_scenario_83_three_in_a_second_are_allowed_and_the_fourth_is_not() -> None:
    quick, pause = crash(0.1), crash(1.2)
    script = (quick, quick, quick, pause, quick, quick, quick)
    found = lived(Supervisor("bot", [otp("a", on_cue(*script))], limit=Limit(3, 1.0)), until=10.0)

    assert len(starts(found, "bot/a")) == 7
    assert isinstance(found.error, GaveUp)


def test_scenario_83_a_window_that_the_backoff_outlasts_never_trips_but_failures_in_a_row_do() -> None:
    """In Pekko, as in OTP with delays, such a child is retried for ever; `max_failures` is the limit that still holds."""
    slow = child("a", on_cue(Cue("crash", after=0.0)), backoff=Backoff(0.1, 0.1, 0.1))
    limit = Limit(3, 0.01)

    assert lived(Supervisor("bot", [slow], limit=limit), until=10.0).error is None
    stopped = lived(Supervisor("bot", [slow.with_(max_failures=5)], limit=limit), until=10.0)
    assert isinstance(stopped.error, GaveUp)
    assert len(starts(stopped, "bot/a")) == 5


def test_scenario_85_a_child_resets_its_backoff_by_becoming_ready_where_that_is_declared_to_be_health() -> None:
    """Pekko's manual reset is a message to the supervisor; here a child says `ready` with its first good message."""

    async def sometimes_useful(me: Me) -> None:
        if me.generation % 2:
            me.ready()
        await trio.sleep(0.5)
        raise Boom

    found = lived(
        Supervisor("bot", [child("a", sometimes_useful, backoff=AT_ONCE, healthy_after=0.0, ready_within=5.0)]),
        until=3.9,
    )

    assert [event.decision.failures for event in found.of("ended", "bot/a")][:6] == [1, 2, 1, 2, 1, 2]


def test_scenario_85_an_operator_can_reset_it_too() -> None:
    tree = Supervisor("bot", [otp("a", on_cue(crash(1.0)))])
    found = lived(tree, (2.5, lambda running: running.reset_backoff("bot/a")), until=4.5)

    assert [event.decision.failures for event in found.of("ended", "bot/a")][:4] == [1, 2, 1, 2]


def test_scenario_87_what_arrives_while_a_child_waits_is_kept_up_to_the_capacity_and_drops_are_counted() -> None:
    """Pekko stashes, or replies for the child; here a mailbox belongs to the tree and its overflow is declared."""
    box: Mailbox[int] = Mailbox("numbers", capacity=2, overflow="drop_newest")
    seen: list[int] = []
    dropped: list[int] = []

    @actor(backoff=Backoff(5.0, 5.0, 5.0))
    async def consume(me: Me, numbers: Mailbox[int]) -> None:
        if me.generation == 1:
            raise Boom
        async for number in numbers:
            seen.append(number)

    def send(running: Running) -> None:
        for number in (1, 2, 3, 4):
            running.mailbox(box).send_nowait(number)
        dropped.append(running.mailbox(box).statistics().dropped)

    lived(Supervisor("bot", [consume.child("consume", box)]), (1.0, send), until=10.0)

    assert (seen, dropped) == ([1, 2], [2])


def test_scenario_89_at_the_limit_the_failing_child_is_parked_and_the_others_go_on() -> None:
    """suture lets its count decay and resumes by itself after a pause.

    Here the window slides, the child is parked until an operator unparks it, and its own count begins anew.
    """
    seen: list[Any] = []
    failing = otp("a", on_cue(crash(0.5), crash(0.5), crash(0.5), crash(0.5), Cue()))
    tree = Supervisor("bot", [failing, otp("b")], limit=Limit(3, 30.0, then="park"))
    found = lived(
        tree,
        (5.0, lambda running: seen.append(which(running))),
        (40.0, lambda running: running.unpark_child("bot/a")),
        (41.0, lambda running: seen.append((which(running), running.status().find("bot/a").failures))),
    )

    assert seen == [{"a": "parked", "b": "ready"}, ({"a": "ready", "b": "ready"}, 0)]
    assert [action for _, action in kinds(found, "bot/a")] == ["restart", "restart", "restart", "park", "stop"]
    assert starts(found, "bot/b") == [0.0]


def test_scenario_91_a_foreign_cancellation_is_a_failure_and_the_child_is_restarted() -> None:
    found = lived(Supervisor("bot", [otp("a", on_cue(Cue("foreign_cancelled"), Cue())), otp("b")], limit=never(3)))

    assert kinds(found, "bot/a")[0] == ("crashed", "restart")
    assert isinstance(found.of("ended", "bot/a")[0].end.exception, ForeignCancelled)
    assert len(starts(found, "bot/a")) == 2
    assert starts(found, "bot/b") == [0.0]


def test_scenario_91_an_outer_cancellation_is_none() -> None:
    tree = Supervisor("bot", [otp("a")])

    async def main() -> tuple[int, int]:
        with trio.move_on_after(1):
            async with tree.open() as running:
                await trio.sleep_forever()
        return running.ledger.failures, running.ledger.ends

    assert run_virtually(main) == (0, 2)
