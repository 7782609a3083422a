"""The one heap of timers."""

import trio
from hypothesis import given
from hypothesis import strategies as st

from supervisor._timers import Timers
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
