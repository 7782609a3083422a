"""How often a symbol speaks is learned from what it said, and a silence is judged by it."""

import math

import pytest

from actors._feeds._rhythm import BUSY_CAP, ENOUGH, FLOOR, Rhythm


def learned(every: float, *, count: int = 1, arrivals: int = 1000) -> Rhythm:
    rhythm = Rhythm()
    for _ in range(arrivals):
        rhythm.arrived(every, count)
    return rhythm


def test_a_limit_follows_the_rate() -> None:
    rhythm = Rhythm()
    assert rhythm.limit(30.0) == 30.0
    for _ in range(1000):
        rhythm.arrived(0.02, 1)
    assert rhythm.rate == pytest.approx(50.0, rel=0.01)
    assert rhythm.limit(30.0) == FLOOR
    for _ in range(200):
        rhythm.arrived(5.0, 1)
    assert rhythm.limit(30.0) == pytest.approx(30.0)
    assert rhythm.limit(12.0) == 12.0


def test_a_false_alarm_raises_the_limit() -> None:
    rhythm = Rhythm()
    for _ in range(1000):
        rhythm.arrived(0.5, 1)
    before = rhythm.limit(30.0)
    rhythm.quiet_for(before)
    assert rhythm.limit(30.0) == pytest.approx(1.5 * before)


def test_nothing_is_concluded_from_less_than_enough_arrivals() -> None:
    assert learned(0.1, arrivals=ENOUGH - 1).rate == 0.0
    assert learned(0.1, arrivals=ENOUGH - 1).limit(30.0) == 30.0
    assert learned(0.1, arrivals=ENOUGH).rate == pytest.approx(10.0)
    assert learned(0.0, arrivals=ENOUGH).rate == 0.0, "all in one moment: no time, no rate"


def test_a_rate_is_of_items_and_the_usual_silence_is_between_arrivals() -> None:
    rhythm = learned(0.5, count=5)
    assert rhythm.rate == pytest.approx(10.0)
    # Eight mean intervals would be 4 s; the cap of a channel with ten items a second is lower.
    assert rhythm.limit(30.0) == pytest.approx(BUSY_CAP)
    assert learned(0.5, count=2).limit(30.0) == pytest.approx(4.0)


def test_the_cap_rises_as_the_rate_falls() -> None:
    for rate in (0.5, 1.0, 5.0):
        rhythm = learned(1 / rate)
        rhythm.quiet_for(1000.0)
        assert rhythm.limit(1e6) == pytest.approx(18.0 / rate)
    busy = learned(0.01)
    busy.quiet_for(1000.0)
    assert busy.limit(30.0) == BUSY_CAP


def test_what_was_half_a_minute_ago_counts_for_a_third() -> None:
    rhythm = learned(1.0)
    for _ in range(60):
        rhythm.arrived(0.5, 1)
    # Half a minute at two a second, and e**-1 of what was known before: 30 items in 30 s.
    kept = math.exp(-1)
    assert rhythm.rate == pytest.approx((60 * (1 - kept) + 30 * kept) / 30, rel=0.02)


def test_the_longest_silence_is_remembered_for_minutes() -> None:
    rhythm = learned(1.0)
    rhythm.quiet_for(10.0)
    rhythm.quiet_for(2.0)
    assert rhythm.limit(100.0) == pytest.approx(15.0)
    for _ in range(100):
        rhythm.arrived(1.0, 1)
    assert rhythm.limit(100.0) == pytest.approx(15.0 * math.exp(-100 / 300))
    for _ in range(10_000):
        rhythm.arrived(1.0, 1)
    assert rhythm.limit(100.0) == pytest.approx(8.0), "eight mean intervals, when nothing longer is remembered"
