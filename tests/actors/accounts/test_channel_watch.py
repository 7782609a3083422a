"""A channel counts as mute when nothing else explains it, and its connection is not replaced over and over for it."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors._accounts._channel_watch import AGAIN, AGAIN_AT_MOST, LATE, Alone, Channel, ChannelWatch

NEVER = float("inf")
CHANNELS: tuple[Channel, ...] = ("orders", "fills")
OTHER: dict[Channel, Channel] = {"orders": "fills", "fills": "orders"}


def alone(number: int, came: float, lacking: Channel = "fills") -> Alone:
    return Alone("BTCUSDT", number, lacking, came)


channels = st.sampled_from(CHANNELS)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("heard"), channels),
        st.tuples(st.just("alone"), channels, st.integers(1, 4), st.sampled_from([0.0, 3.0, 9.0])),
        st.tuples(st.just("opened")),
        st.tuples(st.just("wait"), st.sampled_from([1.0, 5.0, LATE, 60.0, AGAIN])),
    ),
    max_size=60,
)


@given(steps)
def test_a_connection_is_replaced_only_for_what_nothing_else_explains(plan: list[tuple[Any, ...]]) -> None:
    watch, now = ChannelWatch(), 0.0
    log: list[tuple[float, tuple[Any, ...]]] = []
    replaced: list[float] = []
    for step in plan:
        log.append((now, step))
        match step:
            case ("heard", channel):
                watch.heard(channel, now)
            case ("alone", lacking, number, ago):
                watch.told(alone(number, now - ago, lacking))
            case ("opened",):
                watch.opened(now)
            case ("wait", seconds):
                now += seconds
        if now < watch.due():
            continue
        mute = watch.replace(now)
        from_here = [at for at, (what, *rest) in log if what == "opened" or (what == "heard" and rest == [mute])]
        told = {
            (rest[1], at - rest[2])
            for at, (what, *rest) in log
            if what == "alone" and rest[0] == mute and at - rest[2] > max(from_here, default=-NEVER)
        }
        assert any(
            first != second and came + LATE <= later <= now - LATE for first, came in told for second, later in told
        ), "two orders, apart, and late by now, and since then not a word"
        replaced.append(now)
        watch.opened(now)
        log.append((now, ("opened",)))
    assert all(later - earlier >= AGAIN for earlier, later in pairwise(replaced)), "never twice in an hour"


@pytest.mark.parametrize("mute", CHANNELS)
def test_a_second_order_of_which_one_channel_alone_has_told_is_enough(mute: Channel) -> None:
    watch = ChannelWatch()
    watch.opened(0.0)
    watch.heard(mute, 5.0)
    watch.told(alone(1, 10.0, mute))
    assert watch.due() == NEVER
    # The one that lives says nothing about the other.
    watch.heard(OTHER[mute], 50.0)
    watch.told(alone(2, 50.0, mute))
    assert watch.due() == 50.0 + LATE
    assert watch.replace(60.0) == mute


@given(st.lists(st.tuples(st.floats(0.0, 1000.0), st.integers(1, 30)), max_size=30), channels)
def test_a_mute_channel_is_found_whatever_is_told_without_it(told: list[tuple[float, int]], mute: Channel) -> None:
    watch = ChannelWatch()
    watch.opened(-1.0)
    told.sort()
    for came, number in told:
        watch.heard(OTHER[mute], came)
        watch.told(alone(number, came, mute))
    enough = [came for came, number in told if number != told[0][1] and came >= told[0][0] + LATE]
    assert watch.due() == (min(enough) + LATE if enough else NEVER)


def test_one_order_is_not_enough_however_often() -> None:
    watch = ChannelWatch()
    for minute in range(60):
        watch.told(alone(1, 60.0 * minute))
    assert watch.due() == NEVER


def test_what_one_lost_message_may_have_told_counts_once() -> None:
    watch = ChannelWatch()
    for number in range(20):
        watch.told(alone(number, 100.0 + number / 3))
    assert watch.due() == NEVER
    watch.told(alone(0, 110.0))
    assert watch.due() == NEVER, "of an order that counts there is nothing new"
    watch.told(alone(2, 110.0))
    assert watch.due() == 120.0


def test_one_channel_has_lost_something_and_the_other_too_and_both_live() -> None:
    watch = ChannelWatch()
    watch.told(alone(1, 100.0, "fills"))
    watch.told(alone(2, 200.0, "orders"))
    assert watch.due() == NEVER


def test_whatever_comes_over_a_channel_shows_that_it_lives() -> None:
    watch = ChannelWatch()
    watch.told(alone(1, 100.0))
    watch.told(alone(2, 200.0))
    watch.heard("fills", 209.0)
    assert watch.due() == NEVER
    # It came before that, and the venue was asked only now.
    watch.told(alone(3, 205.0))
    watch.told(alone(4, 250.0))
    assert watch.due() == NEVER


def test_what_came_over_the_connection_before_says_nothing_about_the_next() -> None:
    watch = ChannelWatch()
    watch.told(alone(1, 100.0))
    watch.told(alone(2, 200.0))
    watch.opened(205.0)
    watch.told(alone(3, 205.0))
    watch.told(alone(4, 250.0))
    assert watch.due() == NEVER


def mute_for(watch: ChannelWatch, days: int, *, heard_after: bool, channel: Channel = "fills") -> list[float]:
    """Let one channel tell of an order every minute, and the other of nothing; return when the connection is replaced."""
    replaced: list[float] = []
    for minute in range(days * 24 * 60):
        now = 60.0 * minute
        if now >= watch.due():
            replaced.append(now)
            watch.replace(now)
            watch.opened(now)
            if heard_after:
                watch.heard(channel, now)
        watch.told(alone(minute, now + 1, channel))
    return replaced


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_channel_that_never_tells_such_a_thing_costs_a_few_connections_and_then_one_a_day(channel: Channel) -> None:
    hours = [round(at / 3600) for at in mute_for(ChannelWatch(), 8, heard_after=False, channel=channel)]
    assert hours == [0, 1, 3, 7, 15, 31, 55, 79, 103, 127, 151, 175]
    assert hours[-1] - hours[-2] == AGAIN_AT_MOST / 3600


def test_where_another_connection_has_helped_it_is_replaced_as_soon_as_the_first_time_but_for_an_hour() -> None:
    replaced = mute_for(ChannelWatch(), 1, heard_after=True)
    assert [later - earlier for earlier, later in pairwise(replaced)] == [AGAIN] * 23
