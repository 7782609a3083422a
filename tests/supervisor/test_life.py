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

soon = Backoff(0.1, 0.1, 0.1)


async def forever(me: Me) -> None:
    await trio.sleep_forever()


def ready_after(seconds: float) -> object:
    async def run(me: Me) -> None:
        await trio.sleep(seconds)
        me.ready()
        await trio.sleep_forever()

    return run


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


@pytest.mark.parametrize("schedule_seed", range(20))
def test_a_cancellation_from_outside_stops_the_children_in_reverse_order_too(schedule_seed: int) -> None:
    from supervisor.testing import run_virtually

    ended: list[str] = []

    async def note_end(me: Me) -> None:
        try:
            await trio.sleep_forever()
        finally:
            with me.cleanup():
                await trio.sleep(0.5)
            ended.append(me.path)

    tree = Supervisor(
        "bot",
        [child("a", note_end), Supervisor("s", [child("b", note_end), child("c", note_end)]), child("d", note_end)],
    )

    async def main() -> bool:
        with trio.move_on_after(3) as scope:
            async with tree.open():
                await trio.sleep_forever()
        return scope.cancelled_caught

    assert run_virtually(main, schedule_seed=schedule_seed) is True
    assert ended == ["bot/d", "bot/s/c", "bot/s/b", "bot/a"]


async def test_an_exception_in_the_block_comes_out_as_it_is_after_the_tree_has_stopped(
    autojump_clock: trio.abc.Clock,
) -> None:
    ended = []

    async def note_end(me: Me) -> None:
        try:
            await trio.sleep_forever()
        finally:
            ended.append(me.path)

    with pytest.raises(Boom):
        async with Supervisor("bot", [child("a", note_end)]).open():
            raise Boom

    assert ended == ["bot/a"]


async def test_when_the_root_gives_up_the_block_is_cancelled_and_the_causes_come_out(
    autojump_clock: trio.abc.Clock,
) -> None:
    recorder = Recorder()
    crashing = OnCue((Cue("crash", after=1),), recorder)

    with pytest.raises(GaveUp) as gave_up:
        async with Supervisor("bot", [child("a", crashing, max_failures=3, backoff=soon)]).open():
            await trio.sleep_forever()

    assert gave_up.value.total == 3
    assert all(isinstance(cause, Boom) for cause in gave_up.value.exceptions)


async def test_a_failure_of_the_block_and_of_the_tree_are_both_raised(autojump_clock: trio.abc.Clock) -> None:
    async def crash(me: Me) -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as exit_:
        async with Supervisor("bot", [child("a", crash)]).open():
            raise Boom

    assert isinstance(exit_.value.__cause__, Boom)


@pytest.mark.parametrize("exit_type", [KeyboardInterrupt, SystemExit])
def test_an_exit_raised_in_a_child_stops_the_tree_in_order_and_comes_out_as_itself(
    exit_type: type[BaseException],
) -> None:
    ended = []

    async def note_end(me: Me) -> None:
        try:
            await trio.sleep_forever()
        finally:
            ended.append(me.path)

    async def leave(me: Me) -> None:
        await trio.sleep(1)
        raise exit_type

    tree = Supervisor("bot", [child("a", note_end), Supervisor("s", [child("b", note_end), child("c", leave)])])

    with pytest.raises(exit_type):
        trio.run(tree.run)

    assert ended == ["bot/s/b", "bot/a"]


async def test_nursery_start_hands_over_the_running_tree_when_the_first_starts_are_done(
    autojump_clock: trio.abc.Clock,
) -> None:
    tree = Supervisor("bot", [child("a", ready_after(3), ready_within=5.0)])  # type: ignore[arg-type]
    async with trio.open_nursery() as nursery:
        running = await nursery.start(tree.run)

        assert trio.current_time() == 3.0
        assert running.status().find("bot/a").state == "ready"
        running.stop("enough")
        await running.wait_stopped()

        assert running.status().state == "down"


async def test_a_tree_without_children_opens_and_closes() -> None:
    async with Supervisor("bot", []).open() as running:
        assert running.status().state == "ready"


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


async def test_status_shows_state_next_try_and_last_failure(autojump_clock: trio.abc.Clock) -> None:
    recorder = Recorder()
    crashing = OnCue((Cue("crash", after=1),), recorder)
    tree = Supervisor("bot", [child("a", crashing, backoff=Backoff(5.0, 5.0, 5.0)), child("b", forever)])
    async with tree.open() as running:
        await trio.sleep(2)
        status = running.status().find("bot/a")

    assert (status.state, status.generation, status.restarts, status.failures) == ("waiting", 1, 1, 1)
    assert status.next_at == pytest.approx(6.0)
    assert status.last_end is not None
    assert isinstance(status.last_end.exception, Boom)


def test_backoff_starts_anew_only_after_a_healthy_time_and_waiting_is_not_health() -> None:
    recorder = Recorder()
    crashing = OnCue((Cue("crash", after=0.5),) * 4 + (Cue("crash", after=30.0),), recorder)
    backoff = Backoff(1.0, 1.0, 100.0)

    found = trace(Supervisor("bot", [child("a", crashing, backoff=backoff, healthy_after=20.0)]), recorder, until=120)

    assert [event.decision.failures for event in found.of("ended", "bot/a")][:6] == [1, 2, 3, 4, 1, 1]


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


async def test_what_an_actor_exposes_stands_in_the_status_while_it_lives(
    autojump_clock: trio.testing.MockClock,
) -> None:
    count = 0

    async def counting(me: Me) -> None:
        me.expose(lambda: {"count": count, "generation": me.generation})
        await trio.sleep(10.0)
        raise OSError("lost")

    async def broken(me: Me) -> None:
        me.expose(lambda: {"one": 1 / 0})
        await trio.sleep_forever()

    slow = Backoff(floor=5.0, base=5.0, cap=5.0)
    tree = Supervisor("bot", [child("counting", counting, backoff=slow), child("broken", broken)])
    async with tree.open() as running:
        await trio.sleep(1.0)
        count = 7
        assert running.status().find("bot/counting").facts == {"count": 7, "generation": 1}
        assert running.status().find("bot/broken").facts == {"error": "ZeroDivisionError: division by zero"}
        assert running.status().to_dict()["children"][0]["facts"] == {"count": 7, "generation": 1}
        await trio.sleep(10.0)
        waiting = running.status().find("bot/counting")
        assert (waiting.state, waiting.facts) == ("waiting", None), "the dead tell nothing"
        await trio.sleep(5.0)
        assert running.status().find("bot/counting").facts == {"count": 7, "generation": 2}
