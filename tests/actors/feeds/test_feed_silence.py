"""A feed that hears nothing asks REST: a mute connection is replaced, and a quiet symbol left alone."""

import httpx  # noqa: ASYNC127 - see actors/_net/_http.py

from actors._messages import Batch, Opened
from actors._session import Session

from .feed_world import World, play, trade


def test_a_mute_connection_is_replaced_and_what_it_kept_is_delivered() -> None:
    async def script(world: World) -> None:
        await world.open()
        await world.live(*world.publish(1))
        await world.settle(10)
        world.publish(2)
        await world.settle(9)
        assert world.reconnects == []
        await world.settle(4)
        assert [(order.session, list(order.symbols)) for order in world.resubscribed] == [(world.session, ["BTCUSDT"])]
        assert world.reconnects == []
        assert world.ids == [101, 102, 103]
        assert world.states == [False, True, False]
        await world.settle(5)
        assert [order.session for order in world.reconnects] == [world.session], "nobody confirmed the renewal"

    play(script)


def test_a_quiet_symbol_is_asked_about_and_left_alone() -> None:
    async def script(world: World) -> None:
        await world.open()
        await world.settle(3600)
        assert world.reconnects == []
        assert world.states == [False, True]
        questions = len(world.asked)
        assert 3600 / 20 - 2 <= questions <= 3600 / 20 + 3

    play(script)


def test_a_trade_that_rest_knows_a_moment_before_the_stream_is_no_alarm() -> None:
    async def script(world: World) -> None:
        await world.open()
        await world.settle(19.9)
        new = world.publish(1)
        await world.settle(1.0)
        await world.live(*new)
        await world.settle(5)
        assert world.reconnects == []
        assert world.ids == [101]

    play(script)


def test_silence_that_rest_cannot_explain_ends_the_connection_after_three_times() -> None:
    async def script(world: World) -> None:
        await world.open()
        await world.settle(1)
        world.trouble = httpx.ConnectError("no route")
        await world.settle(55)
        assert world.reconnects == []
        await world.settle(30)
        assert {order.session for order in world.reconnects} == {world.session}

    play(script)


def test_without_a_connection_nobody_asks() -> None:
    async def script(world: World) -> None:
        await world.settle(600)
        assert len(world.asked) == 1

    play(script)


def test_a_consumer_that_takes_nothing_keeps_the_feed_from_no_question() -> None:
    async def script(world: World) -> None:
        await world.open()
        await world.settle()
        world.busy = 1000.0
        batch = Batch([trade(each) for each in world.publish(8)], world.session)
        await world.tell(Opened(Session(), frozenset({"BTCUSDT"})), batch)
        await world.settle(5)
        asked, told = len(world.asked), len(world.out)
        await world.settle(60)
        assert len(world.asked) > asked
        assert len(world.out) == told

    play(script)
