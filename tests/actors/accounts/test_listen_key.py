"""The listen key: valid at every connection, kept alive, replaced when it is gone."""

import json
from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Any

import httpx  # noqa: ASYNC127 - see actors/_net/_http.py
import pytest
import trio

from actors import Secret
from actors._account_source import Credentials
from actors._accounts._listen_key import ListenKeeper
from actors._connections._venue_clock import VenueClock
from actors._messages import Denial, Hold, Key, KeyRequest, Order, PrivateInflow, Rotate
from actors._session import Session
from actors.exchanges.binance_usdm import UsdmAccount
from supervisor import Ended, Event, Limit, Mailbox, Note, Running, Supervisor, child
from supervisor.testing import run_virtually

from ..in_memory import drain

MINUTE = 60.0


class World:
    """The venue's side of listen keys, and the connection's, played by hand."""

    def __init__(self, key: Secret) -> None:
        self.key = key
        self.value = "key1"
        self.trouble: Exception | httpx.Response | None = None
        self.asked: list[tuple[float, str]] = []
        self.events: list[Event] = []
        self.orders: list[Order] = []
        self.requests: Mailbox[KeyRequest] = Mailbox("requests", capacity=1, overflow="drop_oldest")
        self.keys: Mailbox[Key] = Mailbox("keys", capacity=1, overflow="drop_oldest")
        self.control: Mailbox[Order] = Mailbox("control", capacity=8, overflow="drop_oldest")
        self.inflow: Mailbox[PrivateInflow[Any]] = Mailbox("inflow", capacity=8)
        self.told: list[PrivateInflow[Any]] = []
        self.running: Running

    async def answer(self, request: httpx.Request) -> httpx.Response:
        assert request.url.path == "/fapi/v1/listenKey"
        assert request.url.query == b""
        assert request.headers["x-mbx-apikey"] == "api-key"
        self.asked.append((trio.current_time(), request.method))
        await trio.sleep(0.1)
        if isinstance(self.trouble, Exception):
            raise self.trouble
        return self.trouble or httpx.Response(200, content=json.dumps({"listenKey": self.value}).encode())

    async def ask(self) -> Session:
        session = Session()
        await self.running.mailbox(self.requests).send(KeyRequest(session))
        return session

    async def get(self, seconds: float = 1) -> Key | None:
        with trio.move_on_after(seconds):
            return await self.running.mailbox(self.keys).receive()
        return None

    @property
    def methods(self) -> list[str]:
        return [method for _, method in self.asked]

    @property
    def failures(self) -> list[str]:
        return [type(e.end.exception).__name__ for e in self.events if isinstance(e, Ended) and e.end.failed]

    @property
    def state(self) -> str:
        return self.running.status().children[0].state


def play(script: Callable[[World], Awaitable[None]], key: Secret = Secret.literal("api-key")) -> World:  # noqa: B008
    world = World(key)

    async def main() -> None:
        keeper = ListenKeeper(
            source=UsdmAccount("main", Credentials(world.key, Secret.literal("s"))),
            rest="https://x",
            requests=world.requests,
            keys=world.keys,
            control=world.control,
            inflow=world.inflow,
            hold=Mailbox[Hold]("hold", capacity=1),
            clock=Mailbox[VenueClock]("clock", capacity=1),
            transport=lambda: httpx.MockTransport(world.answer),
        )
        async with trio.open_nursery() as nursery:
            running = world.running = Running(Supervisor("t", [child("key", keeper)], limit=Limit(1000, 1)), 1)
            nursery.start_soon(drain, running.events(10_000), world.events)
            async with running.opened():
                nursery.start_soon(drain, running.mailbox(world.control), world.orders)
                nursery.start_soon(drain, running.mailbox(world.inflow), world.told)
                await script(world)
            nursery.cancel_scope.cancel()

    run_virtually(main)
    return world


def test_each_connection_gets_a_key_that_was_confirmed_for_it() -> None:
    async def script(world: World) -> None:
        for value in ("key1", "key2"):
            world.value = value
            session = await world.ask()
            key = await world.get()
            assert key is not None
            assert (key.session, key.value) == (session, value)
            assert value not in repr(key)

    assert play(script).methods == ["POST", "POST"]


def test_without_a_request_nothing_is_asked() -> None:
    async def script(world: World) -> None:
        await trio.sleep(100 * MINUTE)

    assert play(script).asked == []


def test_the_key_is_extended_every_half_hour() -> None:
    async def script(world: World) -> None:
        await world.ask()
        await trio.sleep(95 * MINUTE)

    world = play(script)
    assert world.methods == ["POST", "PUT", "PUT", "PUT"]
    times = [at for at, _ in world.asked]
    assert all(29 * MINUTE < b - a < 31 * MINUTE for a, b in pairwise(times))
    assert world.orders == []
    assert [e.what for e in world.events if isinstance(e, Note)] == ["key_extended"] * 3


def test_a_key_that_is_gone_makes_the_connection_fail_over_to_a_new_one() -> None:
    async def script(world: World) -> None:
        await world.ask()
        await world.get()
        world.trouble = httpx.Response(400, content=b'{"code":-1125,"msg":"This listenKey does not exist."}')
        await trio.sleep(30.5 * MINUTE)
        world.trouble, world.value = None, "key2"
        assert world.orders == [Rotate("key1", "the key is gone", over=True)]
        assert "key1" not in repr(world.orders)
        await world.ask()
        key = await world.get()
        assert key is not None
        assert key.value == "key2"

    assert play(script).failures == []


def test_another_key_in_the_answer_means_that_ours_is_gone() -> None:
    async def script(world: World) -> None:
        await world.ask()
        await world.get()
        world.value = "another"
        await trio.sleep(31 * MINUTE)
        assert len(world.orders) == 1

    play(script)


def test_a_failed_extension_is_tried_again_soon_and_given_up_before_the_key_ends() -> None:
    async def script(world: World) -> None:
        await world.ask()
        await world.get()
        world.trouble = httpx.ConnectError("no route")
        await trio.sleep(50 * MINUTE)
        assert 18 <= world.methods.count("PUT") <= 21
        assert world.failures == []
        await trio.sleep(7 * MINUTE)
        assert world.failures == ["HttpFailure"]

    play(script)


def test_a_short_trouble_costs_nothing() -> None:
    async def script(world: World) -> None:
        await world.ask()
        await world.get()
        world.trouble = httpx.Response(503)
        await trio.sleep(33 * MINUTE)
        world.trouble = None
        await trio.sleep(60 * MINUTE)

    world = play(script)
    assert (world.orders, world.failures) == ([], [])


def test_no_key_is_a_failure_that_is_retried() -> None:
    async def script(world: World) -> None:
        world.trouble = httpx.Response(503)
        await world.ask()
        await trio.sleep(5)
        world.trouble = None
        await world.ask()
        assert await world.get(5) is not None

    assert play(script).failures == ["UnknownOutcome"]


@pytest.mark.parametrize("code", [-2014, -2015])
def test_refused_credentials_park_it(code: int) -> None:
    async def script(world: World) -> None:
        world.trouble = httpx.Response(401, content=json.dumps({"code": code, "msg": "no"}).encode())
        await world.ask()
        await trio.sleep(100)
        assert world.state == "parked"
        assert [type(message) for message in world.told] == [Denial]

    world = play(script)
    assert world.failures == ["Unauthorized"]
    assert world.methods == ["POST"], "a refused key is not tried again"


def test_a_missing_secret_parks_it() -> None:
    async def script(world: World) -> None:
        await world.ask()
        await trio.sleep(100)
        assert world.state == "parked"

    assert play(script, Secret.env("NO_SUCH_VARIABLE_HERE")).failures == ["SecretMissing"]


def test_a_rate_limit_is_waited_out() -> None:
    async def script(world: World) -> None:
        world.trouble = httpx.Response(429, headers={"retry-after": "40"})
        await world.ask()
        await trio.sleep(1)
        world.trouble = None
        latest = await world.ask()
        assert await world.get(38) is None
        key = await world.get(5)
        assert key is not None
        assert key.session is latest, "the answer goes to the connection that waits now"

    assert play(script).methods == ["POST", "POST"]
