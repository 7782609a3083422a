"""A venue's REST allowance is kept in any rolling window, whoever asks; and its wishes to be left alone are read right."""

from email.utils import formatdate

import httpx  # noqa: ASYNC127 - see actors/_net/_http.py
import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from actors._errors import RateLimited
from actors._feeds._asking import ask
from actors._messages import Hold
from actors._net._http import open_http
from actors._net._rest_limit import SHARE, Spent, banned_for, in_seconds, number
from actors._source import HttpRequest, RestLimit
from actors.exchanges import _binance
from actors.exchanges.binance_spot import SpotTrades

LIMIT = RestLimit(100, 60.0, used_header="x-mbx-used-weight-1m")


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 5), st.integers(1, 60), st.floats(0, 3)), max_size=40),
    st.sampled_from([20.0, 60.0, 100.0]),
)
def test_no_rolling_window_ever_holds_more_than_is_allowed(
    requests: list[tuple[float, int, float]], allowed: float
) -> None:
    spent = Spent()
    now = 0.0
    counted: list[tuple[float, int]] = []
    for pause, weight, duration in requests:
        now += pause
        now += spent.wait(now, weight, allowed=allowed, within=60.0)
        assert spent.wait(now, weight, allowed=allowed, within=60.0) == 0
        entry = spent.take(now, weight)
        # The venue counts it somewhere between sending and answer.
        counted.append((now + duration / 2, weight))
        now += duration
        spent.landed(entry, now)
    for start, first in counted:
        inside = sum(weight for at, weight in counted if start <= at < start + 60.0)
        assert inside <= max(allowed, first)


def test_what_others_used_is_learned_from_the_venue() -> None:
    spent = Spent()
    spent.take(0.0, 10)
    spent.told(0.0, 70, 60.0)
    assert spent.used(0.0, 60.0) == 70
    assert spent.wait(0.0, 30, allowed=100, within=60.0) == 0
    assert spent.wait(0.0, 31, allowed=100, within=60.0) == pytest.approx(60.0, abs=0.0025)
    spent.told(0.0, 71, 60.0)
    assert spent.used(0.0, 60.0) == 71
    spent.told(1.0, 5, 60.0)
    assert spent.used(1.0, 60.0) == 71, "a window of the venue's that has just begun is no news"
    assert spent.used(60.0005, 60.0) == 71, "the window is strict, and sums of times are not exact"
    assert spent.used(61.5, 60.0) == 0


@pytest.mark.parametrize(("told", "used"), [({"limit": "2000"}, 10), ({"limit": "8000"}, 6010), ({}, 2010)])
async def test_what_is_left_is_left_of_the_pool_that_the_answer_names(
    autojump_clock: trio.testing.MockClock, told: dict[str, str], used: int
) -> None:
    """KuCoin's answer to an account that asks for the time is about a pool half as large as that of orders and fills."""
    limit = RestLimit(4000, 30.0, left_header="left", limit_header="limit")
    headers = {"left": "1990", **told}
    hold = Hold()
    async with open_http(
        "https://x",
        _binance.failure,
        hold=hold,
        transport=lambda: httpx.MockTransport(lambda _: httpx.Response(200, headers=headers)),
        limit=limit,
    ) as http:
        await http.request(HttpRequest("GET", "/time", weight=3))
    assert hold.spent.used(trio.current_time(), 30.0) == used


def test_a_request_heavier_than_the_share_goes_when_nothing_else_was_spent() -> None:
    spent = Spent()
    assert spent.wait(0.0, 80, allowed=60, within=60.0) == 0
    spent.take(0.0, 80)
    assert spent.wait(1.0, 1, allowed=60, within=60.0) == pytest.approx(59.0, abs=0.01)


def test_both_units_of_retry_after_are_read() -> None:
    now_ms = 1_659_142_907_000
    assert in_seconds(30.0, {}, now_ms) == 30.0
    assert in_seconds(1_659_142_937_000.0, {}, now_ms) == 30.0
    assert in_seconds(1_659_142_937_000.0, {"date": formatdate(1_659_142_917, usegmt=True)}, 0) == 20.0
    assert in_seconds(1_659_142_900_000.0, {}, now_ms) == 1.0, "a moment that is over"
    assert in_seconds(9e15, {}, now_ms) == 4 * 86_400.0
    assert in_seconds(1e11, {}, now_ms) == 1.0
    assert in_seconds(9e10, {}, now_ms) == 4 * 86_400.0, "nobody stays away for centuries because a proxy says so"


def test_a_header_that_is_no_sensible_number_is_none() -> None:
    assert number({"used": "12"}, "used") == 12
    assert number({"used": "9" * 18}, "used") == 10**18 - 1
    for text in ("", "-1", "1.5", "\u0661", "9" * 19, "9" * 10_000):
        assert number({"used": text}, "used") is None
    assert number({}, "used") is number({"": "1"}, "") is None


def test_a_ban_is_read_from_the_text_by_the_venues_clock() -> None:
    text = "Way too much request weight used; IP banned until 1659146400000. Please use WebSocket Streams"
    assert banned_for(text, {}, 1_659_146_400_000 - 90_000) == 90.0
    date = {"date": formatdate(1_659_146_400 - 120, usegmt=True)}
    assert banned_for(text, date, 0) == 120.0
    assert banned_for(text, {}, 1_659_146_400_000 - 500) == 0.5
    for no_ban in (1_659_146_400_000, 1_659_146_500_000, 1_659_146_400_000 - 4 * 86_400_000):
        assert banned_for(text, {}, no_ban) is None
    assert banned_for("banned until 1659146", {}, 0) is None
    assert banned_for("nothing", {}, 0) is None


async def test_a_ban_outlasts_a_shorter_retry_after(autojump_clock: trio.testing.MockClock) -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        body = b'{"code":-1003,"msg":"Way too many requests; IP banned until 1659146400000."}'
        date = formatdate(1_659_146_400 - 300, usegmt=True)
        return httpx.Response(418, content=body, headers={"date": date, "retry-after": "5"})

    hold = Hold()
    async with open_http(
        "https://x", _binance.failure, hold=hold, transport=lambda: httpx.MockTransport(answer)
    ) as http:
        with pytest.raises(RateLimited) as caught:
            await http.request(HttpRequest("GET", "/x"))
    assert caught.value.retry_after == 300
    assert hold.until == trio.current_time() + 300


async def test_a_retry_after_that_names_a_moment_holds_until_then(autojump_clock: trio.testing.MockClock) -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        date = formatdate(1_659_146_400 - 40, usegmt=True)
        return httpx.Response(429, headers={"date": date, "retry-after": "1659146400000"})

    hold = Hold()
    async with open_http(
        "https://x", _binance.failure, hold=hold, transport=lambda: httpx.MockTransport(answer)
    ) as http:
        with pytest.raises(RateLimited):
            await http.request(HttpRequest("GET", "/x"))
    assert hold.until == trio.current_time() + 40


async def test_backfilling_leaves_a_share_to_others(autojump_clock: trio.testing.MockClock) -> None:
    sent: list[float] = []

    def answer(_: httpx.Request) -> httpx.Response:
        sent.append(trio.current_time())
        return httpx.Response(200, content=b"[]")

    hold = Hold()
    start = trio.current_time()
    async with open_http(
        "https://x", _binance.failure, hold=hold, transport=lambda: httpx.MockTransport(answer), limit=LIMIT
    ) as http:
        heavy = HttpRequest("GET", "/x", weight=20)
        for _ in range(6):
            await ask(http, SpotTrades(), heavy, bytes, until=trio.current_time() + 1)
        assert SHARE == 0.6
        assert [at - start for at in sent] == pytest.approx([0, 0, 0, 60, 60, 60], abs=0.01)
        # Others may use the rest at once, and no more.
        await http.request(heavy)
        await http.request(heavy)
        with pytest.raises(RateLimited) as caught:
            await http.request(heavy)
        assert caught.value.status is None
        assert caught.value.retry_after == pytest.approx(60.0, abs=0.01)


async def test_two_that_share_an_address_share_its_allowance(autojump_clock: trio.testing.MockClock) -> None:
    sent: list[float] = []

    def answer(_: httpx.Request) -> httpx.Response:
        sent.append(trio.current_time())
        return httpx.Response(200, content=b"[]")

    hold = Hold()
    start = trio.current_time()

    async def use(count: int) -> None:
        async with open_http(
            "https://x", _binance.failure, hold=hold, transport=lambda: httpx.MockTransport(answer), limit=LIMIT
        ) as http:
            for _ in range(count):
                await ask(http, SpotTrades(), HttpRequest("GET", "/x", weight=10), bytes, until=trio.current_time() + 1)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(use, 7)
        nursery.start_soon(use, 7)
    assert sum(1 for at in sent if at - start < 60) == 6
    assert sum(1 for at in sent if 60 <= at - start < 120) == 6


async def test_whoever_will_not_wait_for_so_long_is_told_in_time_whoever_waits_before_him(
    autojump_clock: trio.testing.MockClock,
) -> None:
    answers = httpx.MockTransport(lambda _: httpx.Response(200, content=b"[]"))
    heavy = HttpRequest("GET", "/x", weight=60)
    start = trio.current_time()
    async with open_http("https://x", _binance.failure, transport=lambda: answers, limit=LIMIT) as http:
        await http.request(heavy)
        with pytest.raises(RateLimited):
            await http.wait_for_turn(heavy, 0.6, by=start + 5)
        assert trio.current_time() == start
        async with trio.open_nursery() as nursery:
            nursery.start_soon(http.wait_for_turn, heavy, 0.6)
            await trio.testing.wait_all_tasks_blocked()
            with pytest.raises(RateLimited) as told:
                await http.wait_for_turn(heavy, 0.6, by=start + 5)
            assert trio.current_time() - start <= 5
            assert told.value.retry_after > 50
            assert told.value.status is None
        assert trio.current_time() - start == pytest.approx(60.0, abs=0.01)


async def test_the_venues_own_count_is_obeyed(autojump_clock: trio.testing.MockClock) -> None:
    sent: list[float] = []

    def answer(_: httpx.Request) -> httpx.Response:
        sent.append(trio.current_time())
        return httpx.Response(200, content=b"[]", headers={"X-MBX-USED-WEIGHT-1M": "95"})

    start = trio.current_time()
    async with open_http(
        "https://x", _binance.failure, transport=lambda: httpx.MockTransport(answer), limit=LIMIT
    ) as http:
        await ask(http, SpotTrades(), HttpRequest("GET", "/x"), bytes, until=start + 1)
        await ask(http, SpotTrades(), HttpRequest("GET", "/x"), bytes, until=start + 1)
    assert sent[1] - start == pytest.approx(60.0, abs=0.01)
