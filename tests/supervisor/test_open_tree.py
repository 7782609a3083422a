"""A tree ends together with the block or the task that opened it, and what ended one of them comes out."""

import pytest
import trio

from supervisor import GaveUp, Me, Supervisor, child
from supervisor.testing import Boom, Cue, OnCue, Recorder

from .lives import ready_after, soon


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
