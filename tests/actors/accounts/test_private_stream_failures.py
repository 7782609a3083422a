"""Questions that are refused, limited or fail: the account says that it is not live, and waits as it is told to."""

import httpx  # noqa: ASYNC127 - see actors/_net/_http.py
import trio

from actors import Secret
from actors._account_source import Credentials
from actors.exchanges.binance_usdm import UsdmAccount

from .account_world import World, play, reply


def test_whoever_is_parked_while_live_says_so_first() -> None:
    async def script(world: World) -> None:
        await world.open()
        await trio.sleep(10)
        assert world.states[-1:] == [True]
        world.trouble = reply({"code": -2015, "msg": "Invalid API-key, IP, or permissions for action."}, 401)
        await trio.sleep(300)
        assert world.running.status().children[1].state == "parked"
        assert world.states == [False, True, False]

    assert play(script).failures == ["Unauthorized"]


def test_who_fails_again_and_again_before_it_is_live_does_not_repeat_that_it_is_not() -> None:
    async def script(world: World) -> None:
        await world.open()
        world.trouble = reply({}, 503)
        await trio.sleep(60)
        world.trouble = None
        await trio.sleep(60)

    world = play(script)
    assert len(world.failures) > 2
    assert world.states == [False], "told once: nothing has changed since"


def test_a_bot_that_takes_nothing_does_not_hold_up_the_failure() -> None:
    async def script(world: World) -> None:
        await world.open()
        await trio.sleep(10)
        while world.running.mailbox(world.outbox).send_many_nowait([world.out[0]]):
            pass
        world.trouble = reply({"code": -2015, "msg": "Invalid API-key, IP, or permissions for action."}, 401)
        with trio.fail_after(310):
            await world.running.wait_state("t/orders", "parked")

    assert play(script).failures == ["Unauthorized"]


def test_refused_credentials_park_it() -> None:
    async def script(world: World) -> None:
        world.trouble = reply({"code": -2015, "msg": "Invalid API-key, IP, or permissions for action."}, 401)
        await world.open()
        await trio.sleep(60)
        assert world.running.status().children[1].state == "parked"

    assert play(script).failures == ["Unauthorized"]


def test_a_rate_limit_is_waited_out_without_asking() -> None:
    async def script(world: World) -> None:
        world.trouble = httpx.Response(418, headers={"retry-after": "500"})
        await world.open()
        await trio.sleep(1)
        asked = len(world.asked)
        world.trouble = None
        world.happen("BTCUSDT", 1, "new")
        await trio.sleep(498)
        assert len(world.asked) == asked
        await trio.sleep(3)
        assert len(world.updates) == 1

    play(script)


def test_a_rate_limit_on_a_routine_question_ends_with_the_account_live_again() -> None:
    async def script(world: World) -> None:
        await world.open()
        await trio.sleep(100)
        world.trouble = httpx.Response(429, headers={"retry-after": "30"})
        await trio.sleep(210)
        assert world.states == [False, True, False]
        world.trouble = None
        await trio.sleep(60)
        assert world.states == [False, True, False, True]

    play(script)


def test_answers_that_never_add_up_keep_the_account_from_being_live() -> None:
    async def script(world: World) -> None:
        world.happen("BTCUSDT", 1, "new")
        world.happen("BTCUSDT", 1, "fill")
        world.troubled = "userTrades"
        world.trouble = reply([])
        await world.open()
        await trio.sleep(100)

    world = play(script)
    assert "Inconsistent" in world.failures
    assert True not in world.states


def test_the_secrets_appear_nowhere() -> None:
    async def script(world: World) -> None:
        world.trouble = httpx.ConnectError("no")
        await world.open()
        await trio.sleep(30)

    world = World()
    account = UsdmAccount("main", Credentials(Secret.literal("KEYHIDDEN"), Secret.literal("SECRETHIDDEN")))
    assert "HIDDEN" not in repr(account) + repr(world.tree())
    play(script, world)
    assert "signature" not in str(world.events)
