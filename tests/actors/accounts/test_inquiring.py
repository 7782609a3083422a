"""Inquiries: asked until there is an answer, and never taken for answered when there is none."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx  # noqa: ASYNC127 - see actors/_net/_http.py
import pytest
import trio

from actors import HttpFailure, Inconsistent, RateLimited, Unauthorized, UnknownOutcome
from actors._account_source import Inquiry, Question
from actors._accounts._inquiring import PAGES, TRIES, Inquirer
from actors._connections._venue_clock import VenueClock
from actors._errors import KeyGone, NoSuchOrder
from actors._messages import Hold
from actors._net._http import open_http
from actors._source import RestLimit
from supervisor.testing import run_virtually

from ..fake_account import FakeAccount

T0 = 1_700_000_000_000


class World:
    """A venue's REST side: statuses that are answered one after the other, then 200; each as long after the question."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.asked: list[tuple[float, str, int]] = []
        self.offset = 0
        self.takes = 0.01
        self.limited: list[float] = []
        self.unanswered: list[tuple[float, str]] = []
        self.inquirer: Inquirer
        self.hold = Hold()

    async def answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path == "/time":
            return httpx.Response(200, content=str(T0 + int(trio.current_time() * 1000) + self.offset).encode())
        at = int(request.url.params["at"])
        self.asked.append((trio.current_time(), path, at))
        await trio.sleep(self.takes)
        return httpx.Response(self.statuses.pop(0) if self.statuses else 200, content=path.encode())


def play(world: World, script: Callable[[World], Awaitable[None]], limit: RestLimit | None = None) -> World:
    async def limited(failure: RateLimited) -> None:
        await trio.lowlevel.checkpoint()
        world.limited.append(failure.retry_after)

    def unanswered(reason: str) -> None:
        world.unanswered.append((trio.current_time(), reason))

    async def main() -> None:
        source = FakeAccount()
        transport = lambda: httpx.MockTransport(world.answer)  # noqa: E731
        async with open_http("http://x", source.failure, hold=world.hold, transport=transport, limit=limit) as http:
            world.inquirer = Inquirer(source, http, VenueClock(), limited, unanswered)
            await world.inquirer.set_clock()
            await script(world)

    run_virtually(main)
    return world


def one(path: str = "/a") -> Inquiry[bytes]:
    return (yield Question("GET", path))


@pytest.mark.parametrize("status", [500, 503, 400])
def test_what_may_have_failed_is_asked_again(status: int) -> None:
    async def script(world: World) -> None:
        assert await world.inquirer.inquire(one()) == b"/a"

    world = play(World(status, status), script)
    assert len(world.asked) == 3
    assert len({at for _, _, at in world.asked}) == 3, "signed anew each time"


def test_after_some_attempts_the_failure_comes_out() -> None:
    async def script(world: World) -> None:
        with pytest.raises(UnknownOutcome):
            await world.inquirer.inquire(one())

    world = play(World(*[500] * 20), script)
    assert len(world.asked) == TRIES
    assert world.unanswered == [], "the failure itself says so, and soon"


def test_that_there_is_no_answer_is_told_while_it_is_asked_again() -> None:
    async def script(world: World) -> None:
        world.takes = 1000.0
        with pytest.raises(UnknownOutcome):
            await world.inquirer.inquire(one())

    world = play(World(), script)
    assert len(world.asked) == TRIES
    assert [at - world.asked[0][0] for at, _ in world.unanswered] == pytest.approx([10.0, 20.25, 30.75, 41.75])
    assert "no answer within 10 s" in world.unanswered[0][1]


@pytest.mark.parametrize(("status", "kind"), [(401, Unauthorized), (410, KeyGone)])
def test_what_the_next_attempt_would_repeat_comes_out_at_once(status: int, kind: type[HttpFailure]) -> None:
    async def script(world: World) -> None:
        with pytest.raises(kind):
            await world.inquirer.inquire(one())

    assert len(play(World(status), script).asked) == 1


def test_a_limit_is_waited_out_and_told() -> None:
    async def script(world: World) -> None:
        await world.inquirer.inquire(one())

    world = play(World(429), script)
    assert world.limited == [30.0]
    assert world.asked[1][0] - world.asked[0][0] >= 30.0


def test_the_allowance_is_kept_without_being_told() -> None:
    async def script(world: World) -> None:
        for _ in range(10):
            await world.inquirer.inquire(one())

    world = play(World(), script, RestLimit(10, 60.0))
    times = [at for at, _, _ in world.asked]
    assert all(b - a >= 60 for a, b in zip(times, times[6:], strict=False)), "six of ten, the rest is for others"
    assert world.limited == []


def test_a_wrong_time_is_measured_anew_and_the_question_signed_with_the_right_one() -> None:
    async def script(world: World) -> None:
        world.offset = 60_000
        await world.inquirer.inquire(one())

    (_, _, wrong), (later, _, right) = play(World(408), script).asked
    assert right - wrong > 59_000
    assert abs(right - T0 - later * 1000 - 60_000) < 50


def test_an_unknown_order_is_an_answer() -> None:
    def inquiry() -> Inquiry[str]:
        try:
            yield Question("GET", "/order")
        except NoSuchOrder:
            body = yield Question("GET", "/history")
            return body.decode()
        return "known"

    async def script(world: World) -> None:
        assert await world.inquirer.inquire(inquiry()) == "/history"

    play(World(404), script)


def test_pages_without_an_end_come_to_one() -> None:
    closed = []

    def endless() -> Inquiry[None]:
        try:
            while True:
                yield Question("GET", "/page")
        finally:
            closed.append(True)

    async def script(world: World) -> None:
        with pytest.raises(Inconsistent, match="/page"):
            await world.inquirer.inquire(endless())

    assert len(play(World(), script).asked) == PAGES
    assert closed == [True]


def test_an_inquiry_that_fails_is_closed() -> None:
    closed: list[Any] = []

    def inquiry() -> Inquiry[None]:
        try:
            yield Question("GET", "/a")
        finally:
            closed.append(True)

    async def script(world: World) -> None:
        with pytest.raises(Unauthorized):
            await world.inquirer.inquire(inquiry())

    play(World(401), script)
    assert closed == [True]
