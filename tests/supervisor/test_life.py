"""Start in order with readiness, stop in reverse order with grace and bound, and what goes wrong on the way."""

import pytest
import trio
import trio.testing

from supervisor import (
    Backoff,
    Ended,
    GaveUp,
    Me,
    Running,
    StaleActor,
    StartTimeout,
    Supervisor,
    Unstoppable,
    actor,
    child,
)
from supervisor.testing import Boom, Cue, OnCue, Recorder, trace
from supervisor.testing._runner import seeded_scheduler

from .lives import forever, ready_after, soon


def test_the_next_child_starts_when_the_one_before_is_ready() -> None:
    tree = Supervisor(
        "bot",
        [
            child("a", ready_after(2), ready_within=5.0),
            child("b", ready_after(1), ready_within=5.0),
            child("c", forever),
        ],  # type: ignore[arg-type]
    )

    found = trace(tree, until=10)

    assert [(event.path, event.at) for event in found.of("started")] == [
        ("bot", 0.0),
        ("bot/a", 0.0),
        ("bot/b", 2.0),
        ("bot/c", 3.0),
    ]
    assert found.of("ready", "bot")[0].at == 3.0


def test_children_stop_in_reverse_order_one_at_a_time_each_with_its_grace() -> None:
    recorder = Recorder()
    slow = OnCue((Cue(when_stopped="clean_up", stopping_takes=2.0),), recorder)
    tree = Supervisor("bot", [child(name, slow, grace=3.0) for name in "abc"])

    found = trace(tree, recorder, until=1)

    ended = [(event.path, event.at) for event in found.of("ended")]
    assert ended == [("bot/c", 3.0), ("bot/b", 5.0), ("bot/a", 7.0), ("bot", 7.0)]


def test_cleanup_is_cut_off_when_the_grace_is_over_and_a_note_says_so() -> None:
    recorder = Recorder()
    slow = OnCue((Cue(when_stopped="clean_up", stopping_takes=100.0),), recorder)

    found = trace(Supervisor("bot", [child("a", slow, grace=3.0)]), recorder, until=1)

    assert found.of("ended", "bot/a")[0].at == 4.0
    assert [note.what for note in found.of("note")] == ["cleanup_cut_off"]


def test_cleanup_without_the_helper_is_cut_at_its_first_await() -> None:
    reached = []

    async def naive(me: Me) -> None:
        try:
            await trio.sleep_forever()
        finally:
            await trio.sleep(0.1)
            reached.append("end of cleanup")

    found = trace(Supervisor("bot", [child("a", naive)]), until=1)

    assert reached == []
    assert found.of("ended", "bot/a")[0].end.kind == "stopped"


def test_what_does_not_stop_is_named_with_its_stack_and_the_others_are_stopped() -> None:
    async def dig_in() -> None:
        with trio.CancelScope(shield=True):
            await trio.sleep(60)

    async def stubborn(me: Me) -> None:
        await dig_in()

    tree = Supervisor("bot", [child("a", forever), child("b", stubborn, grace=2.0, bound=1.0)])
    found = trace(tree, until=1)

    named: Unstoppable = found.of("unstoppable")[0]
    assert (named.path, named.at) == ("bot/b", 4.0)
    assert any("dig_in" in line for line in named.stack)
    assert found.of("ended", "bot/a")[0].at == 4.0
    assert found.of("ended", "bot/b")[0].at == 60.0


@pytest.mark.parametrize("asleep_after", range(4))
def test_a_child_that_had_no_time_to_end_because_the_machine_slept_is_not_called_unstoppable(asleep_after: int) -> None:
    async def nested(depth: int) -> None:
        # An end takes some turns of the event loop.
        async with trio.open_nursery() as nursery:
            if depth:
                nursery.start_soon(nested, depth - 1)
            await trio.sleep_forever()

    async def deep(me: Me) -> None:
        try:
            await trio.sleep_forever()
        finally:
            with me.cleanup():
                await nested(5)

    kinds: list[str] = []

    async def listen(running: Running) -> None:
        async for event in running.events():
            kinds.append(event.kind)

    async def main() -> None:
        tree = Supervisor("bot", [child("a", deep, grace=2.0, bound=1.0)])
        async with trio.open_nursery() as nursery, tree.open() as running:
            nursery.start_soon(listen, running)
            await trio.sleep(1.0)
            running.stop_child("bot/a")
            # Twice, and so that the grace and the bound are over when it wakes.
            await trio.sleep_until(3.0)
            for _ in range(asleep_after):
                await trio.lowlevel.checkpoint()
            clock.jump(30.0)
            await trio.lowlevel.checkpoint()
            clock.jump(30.0)
            await running.wait_state("bot/a", "down")

    for seed in range(20):
        clock = trio.testing.MockClock(autojump_threshold=0)
        with seeded_scheduler(seed):
            trio.run(main, clock=clock)
    assert "ended" in kinds
    assert "unstoppable" not in kinds


def test_a_restart_waits_until_the_old_incarnation_has_fully_ended() -> None:
    recorder = Recorder()
    slow = OnCue((Cue("hang_without_beat", when_stopped="clean_up", stopping_takes=5.0),), recorder)

    found = trace(Supervisor("bot", [child("a", slow, silence=1.0, grace=10.0, backoff=soon)]), recorder, until=8)

    assert [event.at for event in found.of("started", "bot/a")] == [0.0, pytest.approx(6.1)]


def test_a_child_that_is_not_ready_in_time_is_ended_and_its_parent_fails() -> None:
    with pytest.raises(GaveUp) as gave_up:
        raise trace(Supervisor("bot", [child("a", forever, ready_within=2.0)]), until=10).error or AssertionError

    assert isinstance(gave_up.value.exceptions[0], StartTimeout)
    assert "bot/a" in gave_up.value.reason


def test_a_failed_first_start_stops_what_was_started_in_reverse_order() -> None:
    async def fail(me: Me) -> None:
        await trio.sleep(1)
        raise Boom("no")

    tree = Supervisor("bot", [child("a", forever), child("b", forever), child("c", fail, ready_within=5.0)])
    found = trace(tree, until=10)

    assert [event.path for event in found.of("ended")] == ["bot/c", "bot/b", "bot/a", "bot"]
    assert isinstance(found.error, GaveUp)
    assert isinstance(found.error.exceptions[0], Boom)


def test_a_first_start_that_may_be_retried_does_not_hold_up_the_others() -> None:
    recorder = Recorder()
    late = OnCue((Cue("crash", after=0, ready_after=None), Cue("hang")), recorder)
    tree = Supervisor(
        "bot", [child("late", late, ready_within=2.0, first_start="retry", backoff=soon), child("b", forever)]
    )

    found = trace(tree, recorder, until=10)

    assert found.error is None
    assert found.of("started", "bot/b")[0].at == 0.0
    assert [event.generation for event in found.of("ready", "bot/late")] == [2]


def test_a_silent_child_is_ended_as_stale_with_its_stack_and_restarted() -> None:
    recorder = Recorder()
    mute = OnCue((Cue("hang_without_beat"), Cue("hang")), recorder)

    found = trace(Supervisor("bot", [child("a", mute, silence=3.0, backoff=soon)]), recorder, until=10)

    first: Ended = found.of("ended", "bot/a")[0]
    assert (first.at, first.end.kind, first.decision.action) == (3.0, "stale", "restart")
    assert isinstance(first.end.exception, StaleActor)
    assert "_pass_time" in first.end.exception.__notes__[0]
    assert len(found.of("started", "bot/a")) == 2


def test_a_child_that_beats_is_left_alone() -> None:
    recorder = Recorder()

    found = trace(Supervisor("bot", [child("a", OnCue((Cue("hang"),), recorder), silence=1.0)]), recorder, until=1000)

    assert len(found.of("started", "bot/a")) == 1


def test_the_cleanup_of_an_actor_that_failed_by_itself_is_cut_off_after_its_grace() -> None:
    async def never_done(me: Me) -> None:
        try:
            await trio.sleep(1)
            raise Boom
        finally:
            with me.cleanup():
                await trio.sleep_forever()

    tree = Supervisor("bot", [child("a", never_done, grace=2.0, backoff=Backoff(60.0, 60.0, 60.0))])
    found = trace(tree, until=10)

    [note] = found.of("note", "bot/a")
    assert (note.what, note.at) == ("cleanup_cut_off", 3.0)
    ended = found.of("ended", "bot/a")[0]
    assert (ended.at, ended.end.kind) == (3.0, "crashed")


def test_a_function_actor_gets_its_open_mailboxes_and_they_outlive_its_crash() -> None:
    from supervisor import Mailbox

    box: Mailbox[int] = Mailbox("numbers", capacity=10)
    seen: list[int] = []

    async def produce(me: Me) -> None:
        pass

    @actor(backoff=soon)
    async def consume(me: Me, numbers: Mailbox[int]) -> None:
        async for number in numbers:
            seen.append(number)
            if number == 2:
                raise Boom

    tree = Supervisor("bot", [consume.child("consume", box)])
    found = trace(tree, until=5, steps=[(1.0, lambda running: running.mailbox(box).send_many_nowait([1, 2, 3, 4]))])

    assert seen == [1, 2, 3, 4]
    assert len(found.of("started", "bot/consume")) == 2
