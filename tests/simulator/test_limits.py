"""Rolling windows, weights and bans."""

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.simulator import Rules
from actors.simulator._limits import RollingWindow, WeightLimit

SPOT = Rules.documented("binance")


@settings(deadline=None)  # shared machines stall
@given(st.lists(st.floats(0, 3), max_size=60).map(sorted), st.integers(1, 6))
def test_no_rolling_second_ever_holds_more_than_the_limit(times: list[float], limit: int) -> None:
    window = RollingWindow(limit, 1.0)
    accepted = [at for at in times if window.count(at)]
    for start in accepted:
        assert sum(start <= at < start + 1.0 for at in accepted) <= limit


@settings(deadline=None)  # shared machines stall
@given(st.lists(st.floats(0, 3), max_size=60).map(sorted), st.integers(1, 6))
def test_an_event_is_only_refused_when_the_window_is_full(times: list[float], limit: int) -> None:
    window, accepted = RollingWindow(limit, 1.0), list[float]()
    for at in times:
        if window.count(at):
            accepted.append(at)
        else:
            assert sum(at - 1.0 < earlier <= at for earlier in accepted) == limit


def test_weight_is_counted_per_calendar_minute() -> None:
    limit = WeightLimit(SPOT)
    assert limit.spend(6000, 59_000).status == 200
    over = limit.spend(1, 59_500)
    assert (over.status, over.used, over.retry_after, over.breach) == (429, 6001, 1, "request_weight")
    assert limit.spend(1, 60_000).used == 1


def test_who_ignores_429_is_banned_and_each_ban_is_longer() -> None:
    limit = WeightLimit(SPOT)
    now = 0
    lengths = []
    for _ in range(14):
        limit.spend(6000, now)
        answers = [limit.spend(1, now) for _ in range(5)]
        assert [answer.status for answer in answers] == [429, 429, 429, 418, 418]
        assert [answer.breach for answer in answers] == ["request_weight", "ignored_429", "ignored_429", "banned", ""]
        lengths.append(answers[-1].retry_after)
        assert limit.spend(1, answers[-1].banned_until - 1).status == 418
        now = (answers[-1].banned_until // 60_000 + 1) * 60_000
    assert lengths[:3] == [120, 240, 480]
    assert lengths[-1] == 3 * 86_400


def test_the_first_request_after_a_ban_is_served() -> None:
    limit = WeightLimit(attrs.evolve(SPOT, tolerated_429=0, ban=120.0))
    limit.spend(6000, 0)
    banned = limit.spend(1, 0)
    assert limit.spend(1, banned.banned_until).status == 200
