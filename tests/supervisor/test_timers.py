"""The one heap of timers."""

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from supervisor._timers import _COMPACT_FROM, Timers
from supervisor.testing import run_virtually


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.booleans()), max_size=60), st.integers(0, 2**32 - 1))
def test_timers_fire_in_the_order_of_deadline_and_place_and_taken_back_ones_do_not(
    wanted: list[tuple[int, int, bool]], schedule_seed: int
) -> None:
    fired: list[tuple[float, int]] = []

    async def main() -> None:
        timers = Timers()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(timers.run)
            for deadline, place, cancelled in wanted:
                timer = timers.at(deadline, (place,), lambda now, place=place: fired.append((now, place)))  # type: ignore[misc]
                if cancelled:
                    timers.cancel(timer)
                    timers.cancel(timer)
                await trio.lowlevel.checkpoint()
            await trio.sleep(10)
            assert len(timers) == 0
            nursery.cancel_scope.cancel()

    run_virtually(main, schedule_seed=schedule_seed)
    expected = sorted((float(deadline), place) for deadline, place, cancelled in wanted if not cancelled)
    late = [found for found in fired if found[0] > 0]
    assert late == [found for found in expected if found[0] > 0]
    assert sorted(fired) == expected


async def test_cancelled_timers_do_not_pile_up() -> None:
    timers = Timers()
    for number in range(10_000):
        timers.cancel(timers.at(1e9 + number, (0,), lambda now: None))

    assert len(timers._heap) < 1000


async def test_what_was_taken_back_stays_in_the_heap_until_it_is_many_and_more_than_half_of_it() -> None:
    for count, stays in ((_COMPACT_FROM + 50, _COMPACT_FROM), (2 * _COMPACT_FROM + 100, _COMPACT_FROM + 50)):
        timers = Timers()
        made = [timers.at(1e9 + number, (0,), lambda now: None) for number in range(count)]
        for timer in made[:stays]:
            timers.cancel(timer)
        assert (len(timers._heap), len(timers)) == (count, count - stays)

        timers.cancel(made[stays])
        assert (len(timers._heap), len(timers)) == (count - stays - 1, count - stays - 1)


async def test_timers_of_one_time_and_place_fire_in_the_order_in_which_they_were_set(
    autojump_clock: trio.testing.MockClock,
) -> None:
    timers, fired = Timers(), list[int]()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(timers.run)
        for number in range(50):
            timers.at(5.0, (0,), lambda now, number=number: fired.append(number))  # type: ignore[misc]
        await trio.sleep(10)
        nursery.cancel_scope.cancel()

    assert fired == list(range(50))


async def test_a_timer_that_fires_may_set_the_next_one(autojump_clock: trio.testing.MockClock) -> None:
    timers, fired = Timers(), list[float]()

    def again(now: float) -> None:
        fired.append(now)
        timers.at(now + 1.0, (0,), again)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(timers.run)
        timers.at(1.0, (0,), again)
        await trio.sleep(4.5)
        nursery.cancel_scope.cancel()

    assert fired == [1.0, 2.0, 3.0, 4.0]


@pytest.mark.parametrize("schedule_seed", range(10))
def test_all_that_is_due_fires_before_any_task_runs(schedule_seed: int) -> None:
    happened: list[str] = []

    async def main() -> None:
        timers, woken = Timers(), trio.Event()

        def wake(_now: float) -> None:
            happened.append("first")
            woken.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(timers.run)
            timers.at(5.0, (0,), wake)
            taken_back = timers.at(5.0, (1,), lambda now: happened.append("taken back"))
            timers.at(5.0, (2,), lambda now: happened.append("last"))
            timers.cancel(taken_back)
            await woken.wait()
            happened.append("task")
            nursery.cancel_scope.cancel()

    run_virtually(main, schedule_seed=schedule_seed)
    assert happened == ["first", "last", "task"]


async def test_who_sleeps_wakes_at_the_deadline_and_who_gives_up_leaves_no_timer(
    autojump_clock: trio.testing.MockClock,
) -> None:
    timers, woken = Timers(), list[tuple[int, float]]()

    async def sleeper(place: int, deadline: float) -> None:
        woken.append((place, await timers.sleep_until(deadline, (place,))))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(timers.run)
        for place, deadline in ((2, 3.0), (0, 5.0), (1, 5.0)):
            nursery.start_soon(sleeper, place, deadline)
        called: list[float] = []
        timers.at(5.0, (1,), called.append)
        with trio.move_on_after(1.0) as scope:
            await timers.sleep_until(5.0, (3,))
        assert scope.cancelled_caught
        assert len(timers) == 4
        await trio.sleep(10)
        nursery.cancel_scope.cancel()

    assert called == [5.0]
    assert woken[0] == (2, 3.0)
    assert sorted(woken[1:]) == [(0, 5.0), (1, 5.0)]
    assert len(timers) == 0
