"""Backoff and the restart window, as pure functions."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor import Backoff, Limit
from supervisor._policy import Window

seconds = st.floats(0, 1e4)


@given(seconds, seconds, seconds, st.booleans(), st.integers(1, 10**6), st.integers())
def test_every_delay_lies_between_floor_and_cap(
    floor: float, more: float, room: float, first: bool, failures: int, seed: int
) -> None:
    backoff = Backoff(floor, floor + more, floor + more + room, immediate_first=first)

    delay = backoff.delay(failures, Random(seed))

    if first and failures == 1:
        assert delay == 0.0
    else:
        assert backoff.floor <= delay <= backoff.cap


@pytest.mark.parametrize(
    ("failures", "high"), [(1, 0.5), (2, 1.0), (3, 2.0), (4, 4.0), (8, 60.0), (1000, 60.0), (2**31, 60.0)]
)
def test_the_upper_end_doubles_until_the_cap(failures: int, high: float) -> None:
    assert Backoff(0.25, 0.5, 60.0).bounds(failures) == (0.25, high)


def test_the_spread_survives_at_the_cap() -> None:
    rng = Random(1)
    delays = [Backoff(0.25, 0.5, 60.0).delay(100, rng) for _ in range(2000)]

    assert min(delays) < 5
    assert max(delays) > 55


def test_an_immediate_first_try_is_followed_by_the_usual_delays() -> None:
    backoff = Backoff(0.25, 0.5, 60.0, immediate_first=True)

    assert [backoff.bounds(failures) for failures in (1, 2, 3)] == [(0.0, 0.0), (0.25, 0.5), (0.25, 1.0)]


def test_a_window_allows_as_many_restarts_as_declared_and_slides() -> None:
    window, limit = Window(), Limit(2, within=10.0)

    assert [window.allows(at, limit) for at in (0.0, 1.0, 2.0)] == [True, True, False]
    assert [window.allows(at, limit) for at in (10.5, 10.8, 11.5)] == [True, False, True]


def test_a_restart_exactly_as_old_as_the_window_still_counts() -> None:
    window, limit = Window(), Limit(1, within=10.0)

    assert [window.allows(at, limit) for at in (0.0, 10.0, 20.1)] == [True, False, True]


@given(st.integers(0, 5), st.lists(st.floats(0, 3), max_size=200))
def test_a_window_never_holds_more_than_its_limit(restarts: int, gaps: list[float]) -> None:
    window, limit = Window(), Limit(restarts, within=5.0)
    allowed: list[float] = []
    now = 0.0
    for gap in gaps:
        now += gap
        if window.allows(now, limit):
            allowed.append(now)
        assert window.used(now, limit) <= restarts
    for start in allowed:
        assert sum(1 for at in allowed if start <= at <= start + 5.0) <= max(restarts, 0) + 1
