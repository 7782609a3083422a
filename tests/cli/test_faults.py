"""The demo's fault script."""

from hypothesis import given
from hypothesis import strategies as st

from actors._cli._faults import QUIET_END, QUIET_START, bad_day

VENUES = ["binance", "binance-usdm"]


@given(seed=st.integers(0, 2**32), seconds=st.floats(1, 120))
def test_the_same_seed_gives_the_same_bad_day_inside_its_time(seed: int, seconds: float) -> None:
    script = bad_day(seed, seconds, VENUES, "binance-usdm")

    assert script == bad_day(seed, seconds, VENUES, "binance-usdm")
    assert all(QUIET_START <= at <= seconds - QUIET_END + 1 for at, _ in script)


@given(seed=st.integers(0, 2**32))
def test_twenty_seconds_hold_every_kind_of_fault_and_spare_no_venue(seed: int) -> None:
    script = bad_day(seed, 20.0, VENUES, "binance-usdm")

    assert {fault.kind for _, fault in script} == {
        "reset", "close", "garbage", "mute", "refuse", "http_5xx", "expire_key",
    }  # fmt: skip
    assert {fault.venue for _, fault in script if fault.surface == "ws"} == set(VENUES)
