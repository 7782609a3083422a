"""The venue's clock: the middle of several measurements, on a clock that does not jump."""

from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from actors._connections._venue_clock import ADVICE, EVERY, JUMP, KEPT, VenueClock, watch
from actors._errors import UnknownOutcome
from supervisor.testing import run_virtually

T0 = 1_700_000_000_000


class Notes:
    """Stands where `Me` stands, and writes notes down."""

    def __init__(self) -> None:
        self.told: list[tuple[str, dict[str, Any]]] = []

    def note(self, what: str, **fields: Any) -> None:
        self.told.append((what, fields))


def run(main: Any) -> None:
    run_virtually(main)


@given(st.lists(st.tuples(st.floats(0, 0.4), st.floats(0, 1)), min_size=1, max_size=KEPT))
def test_it_is_never_further_off_than_it_says(samples: list[tuple[float, float]]) -> None:
    # Each answer takes a while, and the venue looks at its clock anywhere in between.
    clock = VenueClock()

    async def main() -> None:
        start = trio.current_time()
        for took, part in samples:
            sent = trio.current_time()
            await trio.sleep(took)
            true_ms = T0 + (sent + took * part - start) * 1000
            clock.measured(int(true_ms), sent, trio.current_time())
        true_now = T0 + (trio.current_time() - start) * 1000
        assert clock.known
        assert abs(clock.now() - true_now) <= max(took for took, _ in samples) * 500 + 2

    run(main)


def test_one_measurement_that_is_odd_does_not_move_it() -> None:
    async def main() -> None:
        await trio.lowlevel.checkpoint()
        clock = VenueClock()
        now = trio.current_time()
        for off in (0, 4, -3, 900):
            clock.measured(T0 + off, now, now)
        assert abs(clock.now() - T0) <= 4

    run(main)


def test_a_jump_makes_it_forget_what_was_before() -> None:
    async def main() -> None:
        await trio.lowlevel.checkpoint()
        clock = VenueClock()
        now = trio.current_time()
        for _ in range(5):
            clock.measured(T0, now, now)
        clock.measured(T0 + int(JUMP) + 60_000, now, now)
        assert clock.now() == T0 + int(JUMP) + 60_000

    run(main)


def test_it_says_by_how_much_it_was_set_back_whatever_came_between() -> None:
    async def main() -> None:
        await trio.lowlevel.checkpoint()
        clock = VenueClock()
        now = trio.current_time()
        told = []
        for ahead in (0, 90_000, 75_000, 0, -60_000, 0):
            for _ in range(3):
                clock.measured(T0 + ahead, now, now)
            told.append(clock.set_back)
        assert told == [0, 0, 15_000, 90_000, 150_000, 150_000]

    run(main)


def test_it_runs_on_while_nobody_asks() -> None:
    async def main() -> None:
        clock = VenueClock()
        clock.measured(T0, trio.current_time(), trio.current_time())
        await trio.sleep(1000)
        assert clock.now() == pytest.approx(T0 + 1_000_000, abs=2)
        assert clock.ahead_of((T0 + 1_005_000) / 1000) == pytest.approx(-5.0, abs=0.01)

    run(main)


@pytest.mark.parametrize("off", [-61.0, 61.0])
def test_a_machine_whose_clock_is_off_is_told_as_long_as_that_lasts(off: float) -> None:
    notes = Notes()

    async def main() -> None:
        clock = VenueClock()
        clock.measured(T0, trio.current_time(), trio.current_time())
        start = trio.current_time()
        errors = {"wall": off}

        async def measure_again() -> None:
            await trio.lowlevel.checkpoint()

        def wall() -> float:
            return T0 / 1000 + trio.current_time() - start + errors["wall"]

        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch, clock, measure_again, wall, notes)
            await trio.sleep(1)
            assert notes.told == [("clock_off", {"seconds": pytest.approx(off), "advice": ADVICE})]
            await trio.sleep(2 * EVERY)
            assert [what for what, _ in notes.told] == ["clock_off"] * 3, "so that an alert stays open"
            errors["wall"] = 29.0
            await trio.sleep(2 * EVERY)
            nursery.cancel_scope.cancel()

    run(main)
    assert [what for what, _ in notes.told] == [*["clock_off"] * 3, "clock_right"]


def test_a_clock_that_is_a_little_off_is_no_trouble_and_neither_is_a_venue_that_cannot_be_asked() -> None:
    notes = Notes()

    async def main() -> None:
        clock = VenueClock()
        clock.measured(T0, trio.current_time(), trio.current_time())
        start = trio.current_time()

        async def measure_again() -> None:
            await trio.lowlevel.checkpoint()
            raise UnknownOutcome("GET /time", "no answer")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch, clock, measure_again, lambda: T0 / 1000 + trio.current_time() - start - 5, notes)
            await trio.sleep(EVERY + 1)
            nursery.cancel_scope.cancel()

    run(main)
    assert [what for what, _ in notes.told] == ["clock_not_measured"]
