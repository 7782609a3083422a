"""Each fault of a connection on each venue, as an independent client sees it."""

from collections import Counter
from typing import Any

import pytest
import trio
from websockets.frames import Opcode

from actors.simulator import Exchange, Fault

from .by_hand import Silent, every_venue, market, trade
from .tongues import TONGUES, dial, follow, published


@every_venue
async def test_stale_repeats_the_last_message_from_before(autojump_clock: object, clients: Any, venue: str) -> None:
    exchange = market(venue)
    async with clients(exchange) as client:
        follower = await follow(client, venue)
        trade(exchange, venue, 2)
        before = [(await follower.ids())[0] for _ in range(2)]
        exchange.inject(Fault("stale", venue=venue, duration=10))
        trade(exchange, venue, 3)
        assert [(await follower.ids())[0] for _ in range(3)] == [before[-1]] * 3
        await trio.sleep(10)
        trade(exchange, venue)
        assert await follower.ids() == published(exchange, venue)[-1:]
    assert len(published(exchange, venue)) == 6


@every_venue
async def test_who_never_had_anything_gets_nothing_stale(
    autojump_clock: object, clients: Any, silent_for: Silent, venue: str
) -> None:
    exchange = market(venue)
    async with clients(exchange) as client:
        follower = await follow(client, venue)
        exchange.inject(Fault("stale", venue=venue, duration=10))
        trade(exchange, venue, 3)
        assert await silent_for(follower.ws, 5)


@every_venue
async def test_half_open_neither_answers_nor_ends(
    autojump_clock: object, clients: Any, silent_for: Silent, venue: str
) -> None:
    exchange = market(venue)
    async with clients(exchange) as client:
        follower = await follow(client, venue)
        exchange.inject(Fault("half_open", venue=venue, duration=3600))
        for _ in range(30):
            await follower.ws.ping()
            trade(exchange, venue)
            with trio.move_on_after(100) as scope:
                await follower.ws.frame()
            assert scope.cancelled_caught
        with trio.move_on_after(20) as scope:
            await dial(client, venue)
        assert scope.cancelled_caught
        await follower.ws.close()
        with trio.move_on_after(20) as scope:
            await follower.ws.frame()
        assert scope.cancelled_caught
        with pytest.raises(trio.BrokenResourceError):
            await follower.ws.frame()
        assert trio.current_time() == pytest.approx(3600, abs=1)
        await follow(client, venue)


@every_venue
async def test_half_open_rest_answers_nobody(autojump_clock: object, clients: Any, venue: str) -> None:
    exchange = market(venue)
    async with clients(exchange) as client:
        http = await client.http(venue)
        exchange.inject(Fault("half_open", venue=venue, surface="rest", duration=60))
        for each in (http, await client.http(venue)):
            with trio.move_on_after(20) as scope:
                await each.request("GET", TONGUES[venue].newest)
            assert scope.cancelled_caught
        await trio.sleep(60)
        assert (await client.get(venue, TONGUES[venue].newest)).status == 200


@every_venue
async def test_half_open_can_spare_newcomers(autojump_clock: object, clients: Any, venue: str) -> None:
    exchange = market(venue)
    async with clients(exchange) as client:
        await follow(client, venue)
        exchange.inject(Fault("half_open", venue=venue, duration=3600, newcomers=False))
        second = await follow(client, venue)
        trade(exchange, venue)
        assert await second.ids() == published(exchange, venue)


@every_venue
async def test_accept_then_close_ends_newcomers_at_once(autojump_clock: object, clients: Any, venue: str) -> None:
    exchange = market(venue)
    async with clients(exchange) as client:
        living = await follow(client, venue)
        exchange.inject(Fault("accept_then_close", venue=venue, duration=60, code=1012))
        for _ in range(3):
            with pytest.raises(EOFError, match="1012"):
                await (await dial(client, venue)).message()
            await trio.sleep(1)
        trade(exchange, venue)
        assert await living.ids() == published(exchange, venue)
        await trio.sleep(60)
        await follow(client, venue)


@every_venue
@pytest.mark.parametrize("chunk", [0, 16])
async def test_slow_delays_or_trickles_and_loses_nothing(
    autojump_clock: object, clients: Any, venue: str, chunk: int
) -> None:
    exchange = market(venue)
    async with clients(exchange) as client:
        follower = await follow(client, venue)
        exchange.inject(Fault("slow", venue=venue, duration=20, delay=0.5, chunk=chunk))
        began = trio.current_time()
        trade(exchange, venue, 3)
        got = [await follower.ids() for _ in range(3)]
        assert [number for numbers in got for number in numbers] == published(exchange, venue)
        took = trio.current_time() - began
        assert took == pytest.approx(0.5) if not chunk else 3 <= took <= 20.5
        await follower.ping()
        await trio.sleep(20)
        began = trio.current_time()
        trade(exchange, venue)
        await follower.ids()
        assert trio.current_time() == pytest.approx(began)


@every_venue
async def test_slow_delays_rest_too(autojump_clock: object, clients: Any, venue: str) -> None:
    exchange = market(venue)
    async with clients(exchange) as client:
        exchange.inject(Fault("slow", venue=venue, surface="rest", duration=20, delay=2))
        assert (await client.get(venue, TONGUES[venue].newest)).status == 200
        assert trio.current_time() == pytest.approx(2)


@every_venue
async def test_oversized_is_one_whole_message_beyond_any_bound(
    autojump_clock: object, clients: Any, venue: str
) -> None:
    exchange = market(venue)
    async with clients(exchange) as client:
        follower = await follow(client, venue)
        # websockets' own bound is a megabyte.
        exchange.inject(Fault("oversized", venue=venue, size=900_000))
        assert len(await follower.ws.text()) == 900_000
        exchange.inject(Fault("oversized", venue=venue))
        with pytest.raises(EOFError):
            while True:
                await follower.ws.frame()
        assert follower.ws._protocol.close_sent.code == 1009


@every_venue
async def test_truncated_ends_in_the_middle_of_a_frame(autojump_clock: object, clients: Any, venue: str) -> None:
    exchange = market(venue)
    async with clients(exchange) as client:
        follower = await follow(client, venue)
        exchange.inject(Fault("truncated", venue=venue))
        data = await follower.ws.stream.receive_some()
        assert data[0] == 0x81
        assert len(data) < 2 + data[1] & 0x7F
        assert await follower.ws.stream.receive_some() == b""
    assert [c.end for c in exchange.record.connections if c.surface == "ws"] == [
        "cut off in the middle of a frame by a fault"
    ]


@every_venue
@pytest.mark.parametrize("share", [1.0, 0.3])
async def test_duplicate_sends_a_share_twice(
    autojump_clock: object, clients: Any, silent_for: Silent, venue: str, share: float
) -> None:
    exchange = market(venue)
    async with clients(exchange) as client:
        follower = await follow(client, venue)
        exchange.inject(Fault("duplicate", venue=venue, duration=10, share=share))
        trade(exchange, venue, 40)
        got: list[Any] = []
        with trio.move_on_after(1):
            while True:
                got += await follower.ids()
        ids = published(exchange, venue)
        assert list(dict.fromkeys(got)) == ids
        twice = sum(count == 2 for count in Counter(got).values())
        assert twice == 40 if share == 1 else 3 < twice < 25


@every_venue
async def test_reorder_swaps_neighbours_and_loses_nothing(autojump_clock: object, clients: Any, venue: str) -> None:
    exchange = market(venue)
    async with clients(exchange) as client:
        follower = await follow(client, venue)
        exchange.inject(Fault("reorder", venue=venue, duration=10))
        trade(exchange, venue, 5)
        ids = published(exchange, venue)
        got = [(await follower.ids())[0] for _ in range(4)]
        assert got == [ids[1], ids[0], ids[3], ids[2]]
        # The last one waits for a successor, or for the end of the fault.
        assert await follower.ids() == ids[4:]
        assert trio.current_time() == pytest.approx(10, abs=0.1)
        trade(exchange, venue, 2)
        assert [(await follower.ids())[0] for _ in range(2)] == published(exchange, venue)[5:]


@every_venue
async def test_a_lost_subscription_is_silent_until_it_is_made_again(
    autojump_clock: object, clients: Any, silent_for: Silent, venue: str
) -> None:
    exchange = market(venue)
    async with clients(exchange) as client:
        follower = await follow(client, venue)
        assert exchange.inject(Fault("lost_subscription", venue=venue)).hit
        trade(exchange, venue)
        assert await silent_for(follower.ws, 10)
        assert not exchange.inject(Fault("lost_subscription", venue=venue)).hit
        await follower.subscribe()
        await follower.acknowledged()
        trade(exchange, venue)
        assert await follower.ids() == published(exchange, venue)[-1:]


async def test_a_share_of_the_topics_is_lost(autojump_clock: object, clients: Any) -> None:
    names = [f"S{n}USDT" for n in range(20)]
    exchange = Exchange(symbols={"binance": names}, trades_per_second=0)
    async with clients(exchange) as client:
        ws = await client.ws("binance", "/stream?streams=" + "/".join(f"{name.lower()}@trade" for name in names))
        exchange.inject(Fault("lost_subscription", share=0.25))
        for name in names:
            exchange.print_trade("binance", name, raw_count=1)
        heard = set()
        with trio.move_on_after(5):
            while True:
                heard.add((await ws.json())["data"]["s"])
        assert len(heard) == 15
        listed = (await ws.ask("LIST_SUBSCRIPTIONS"))["result"]
        assert len(listed) == 20


@every_venue
async def test_a_lost_ack_takes_effect_all_the_same(
    autojump_clock: object, clients: Any, silent_for: Silent, venue: str
) -> None:
    exchange = market(venue)
    async with clients(exchange) as client:
        follower = await dial(client, venue)
        exchange.inject(Fault("lost_ack", venue=venue, duration=10))
        await follower.subscribe()
        assert await silent_for(follower.ws, 5)
        trade(exchange, venue)
        assert await follower.ids() == published(exchange, venue)
    assert not exchange.record.violations


@every_venue
async def test_faults_of_the_first_day_hit_every_venue(autojump_clock: object, clients: Any, venue: str) -> None:
    exchange = market(venue)
    async with clients(exchange) as client:
        follower = await follow(client, venue)
        exchange.inject(Fault("garbage", venue=venue))
        with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
            await follower.message()
        exchange.inject(Fault("mute", venue=venue, duration=10))
        trade(exchange, venue)
        await follower.ping()
        await trio.sleep(10)
        trade(exchange, venue)
        assert await follower.ids() == published(exchange, venue)[1:]
        exchange.inject(Fault("close", venue=venue, code=1012))
        assert (await follower.ws.frame()).opcode is Opcode.CLOSE
        second = await follow(client, venue)
        exchange.inject(Fault("reset", venue=venue))
        with pytest.raises(trio.BrokenResourceError):
            await second.ws.frame()
        exchange.inject(Fault("refuse", venue=venue, duration=5))
        with pytest.raises(ConnectionRefusedError):
            await client.ws(venue, TONGUES[venue].target)
        exchange.inject(Fault("http_5xx", venue=venue, surface="rest", duration=5))
        assert (await client.get(venue, TONGUES[venue].newest)).status == 503
    assert not exchange.record.violations
