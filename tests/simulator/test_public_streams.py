"""Public streams from outside, on the virtual clock: data, heartbeat, limits."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import attrs
import pytest
import trio
from websockets.frames import Opcode

from actors.simulator import Exchange, Rules

BOTH = {"binance": ["BTCUSDT", "ETHUSDT"], "binance-usdm": ["BTCUSDT"]}


async def test_a_raw_stream_carries_the_event_alone(autojump_clock: object, clients: Any) -> None:
    exchange = Exchange(symbols=BOTH, epoch=1_672_515_782.136)
    async with clients(exchange) as client:
        ws = await client.ws("binance", "/ws/btcusdt@trade")
        printed = exchange.print_trade("binance", "BTCUSDT", side="sell", price="0.10", quantity="100")
        assert await ws.json() == {
            "e": "trade",
            "E": 1672515782136,
            "s": "BTCUSDT",
            "t": printed.raw[0].id,
            "p": "0.10",
            "q": "100",
            "T": 1672515782136,
            "m": True,
            "M": True,
        }


async def test_a_combined_stream_wraps_each_event(autojump_clock: object, clients: Any) -> None:
    exchange = Exchange(symbols=BOTH)
    async with clients(exchange) as client:
        ws = await client.ws("binance", "/stream?streams=btcusdt@aggTrade/ethusdt@aggTrade")
        for symbol in ("ETHUSDT", "BTCUSDT"):
            printed = exchange.print_trade("binance", symbol, raw_count=3)
            message = await ws.json()
            assert message["stream"] == f"{symbol.lower()}@aggTrade"
            assert message["data"]["a"] == printed.aggregate.id
            assert (message["data"]["f"], message["data"]["l"]) == (printed.raw[0].id, printed.raw[2].id)


async def test_everything_published_while_subscribed_arrives_once_and_in_order(
    autojump_clock: object, clients: Any
) -> None:
    exchange = Exchange(seed=3, symbols=BOTH, trades_per_second=50)
    async with clients(exchange) as client:
        ws = await client.ws("binance", "/ws/btcusdt@trade")
        with trio.move_on_after(20):
            await exchange.run()
        published = [trade.id for trade in exchange.record.trades["binance", "BTCUSDT"]]
        assert 800 < len(published) < 1200
        assert [(await ws.json())["t"] for _ in published] == published


async def test_usdm_aggregate_trades_flow_on_market_only(
    autojump_clock: object, clients: Any, silent_for: Callable[[Any, float], Awaitable[bool]]
) -> None:
    exchange = Exchange(symbols=BOTH, trades_per_second=2)
    async with clients(exchange) as client, trio.open_nursery() as nursery:
        right = await client.ws("binance-usdm", "/market/ws/btcusdt@aggTrade")
        wrong = [await client.ws("binance-usdm", f"{root}/ws") for root in ("", "/public", "/private")]
        for ws in wrong:
            assert await ws.ask("SUBSCRIBE", ["btcusdt@aggTrade"]) == {"result": None, "id": 1}
        nursery.start_soon(exchange.run)
        message = await right.json()
        assert list(message) == ["e", "E", "s", "a", "p", "q", "nq", "f", "l", "T", "m", "st"]
        for ws in wrong:
            assert await silent_for(ws, 60)
        nursery.cancel_scope.cancel()


async def test_unknown_symbols_are_acknowledged_and_silent(
    autojump_clock: object, clients: Any, silent_for: Callable[[Any, float], Awaitable[bool]]
) -> None:
    exchange = Exchange(symbols=BOTH, trades_per_second=1)
    async with clients(exchange) as client, trio.open_nursery() as nursery:
        ws = await client.ws("binance", "/ws")
        assert await ws.ask("SUBSCRIBE", ["BTCUSDT@trade", "nonsense@trade", "btcusdt@nonsense"]) == {
            "result": None,
            "id": 1,
        }
        nursery.start_soon(exchange.run)
        assert await silent_for(ws, 600)
        nursery.cancel_scope.cancel()


async def test_subscriptions_change_and_the_form_can_be_switched(
    autojump_clock: object, clients: Any, silent_for: Callable[[Any, float], Awaitable[bool]]
) -> None:
    exchange = Exchange(symbols=BOTH)
    async with clients(exchange) as client:
        ws = await client.ws("binance", "/ws")
        await ws.ask("SUBSCRIBE", ["btcusdt@trade", "ethusdt@trade"])
        await ws.ask("SET_PROPERTY", ["combined", True])
        exchange.print_trade("binance", "BTCUSDT", raw_count=1)
        assert (await ws.json())["stream"] == "btcusdt@trade"
        await ws.ask("UNSUBSCRIBE", ["btcusdt@trade"])
        assert (await ws.ask("LIST_SUBSCRIPTIONS"))["result"] == ["ethusdt@trade"]
        exchange.print_trade("binance", "BTCUSDT")
        assert await silent_for(ws, 1)


@pytest.mark.parametrize(("venue", "root"), [("binance", ""), ("binance-usdm", "/market")])
async def test_pings_come_at_the_documented_interval(
    autojump_clock: object, clients: Any, venue: str, root: str
) -> None:
    exchange = Exchange(epoch=1000.0)
    async with clients(exchange) as client:
        ws = await client.ws(venue, f"{root}/ws")
        for n in range(1, 30):
            frame = await ws.frame()
            assert frame.opcode is Opcode.PING
            due = n * Rules.documented(venue).ping_interval
            assert trio.current_time() == pytest.approx(due)
            assert int(frame.data) == round((1000 + due) * 1000)
    assert not exchange.record.violations


@pytest.mark.parametrize(("venue", "root", "seconds"), [("binance", "", 80), ("binance-usdm", "/market", 780)])
async def test_without_pongs_the_connection_ends(
    autojump_clock: object, clients: Any, venue: str, root: str, seconds: float
) -> None:
    exchange = Exchange()
    async with clients(exchange) as client:
        ws = await client.ws(venue, f"{root}/ws")
        ws.answers_pings = False
        with pytest.raises(EOFError, match="1008"):
            await ws.text()
        assert trio.current_time() == pytest.approx(seconds)


async def test_unsolicited_pongs_do_not_keep_a_connection_alive(autojump_clock: object, clients: Any) -> None:
    exchange = Exchange()
    async with clients(exchange) as client, trio.open_nursery() as nursery:
        ws = await client.ws("binance", "/ws")
        ws.answers_pings = False

        async def pong_on() -> None:
            while True:
                await trio.sleep(10)
                await ws.pong(b"wrong")

        nursery.start_soon(pong_on)
        with pytest.raises(EOFError, match="1008"):
            await ws.text()
        nursery.cancel_scope.cancel()


async def test_client_pings_are_answered_with_their_payload(autojump_clock: object, clients: Any) -> None:
    async with clients(Exchange()) as client:
        ws = await client.ws("binance", "/ws")
        await ws.ping(b"are you there")
        frame = await ws.frame()
        assert (frame.opcode, bytes(frame.data)) == (Opcode.PONG, b"are you there")


@pytest.mark.parametrize(("venue", "limit"), [("binance", 5), ("binance-usdm", 10)])
@pytest.mark.parametrize("kind", ["ping", "pong", "text"])
async def test_one_message_too_many_in_a_rolling_second_is_1008(
    autojump_clock: object, clients: Any, venue: str, limit: int, kind: str
) -> None:
    exchange = Exchange()
    async with clients(exchange) as client:
        ws = await client.ws(venue, "/ws")

        async def say() -> None:
            if kind == "text":
                await ws.send(json.dumps({"method": "LIST_SUBSCRIPTIONS", "id": 1}))
            else:
                await getattr(ws, kind)()

        for _ in range(3 * limit):
            await say()
            await trio.sleep(1.001 / limit)
        assert not exchange.record.violations
        await trio.sleep(1)
        for _ in range(limit + 1):
            await say()
        with pytest.raises(EOFError, match="1008"):
            while True:
                await ws.text()
    (violation,) = exchange.record.violations
    assert (violation.rule, violation.venue, violation.connection) == ("messages", venue, 1)


async def test_more_than_1024_streams_end_the_connection(autojump_clock: object, clients: Any) -> None:
    exchange = Exchange()
    async with clients(exchange) as client:
        ws = await client.ws("binance", "/ws")
        await ws.ask("SUBSCRIBE", [f"s{n}@trade" for n in range(1024)])
        with pytest.raises(EOFError, match="1008"):
            await ws.ask("SUBSCRIBE", ["one@trade"])
    assert [violation.rule for violation in exchange.record.violations] == ["streams"]


async def test_301_attempts_in_five_minutes_are_too_many(
    autojump_clock: object, clients: Any, refused: type[Exception]
) -> None:
    exchange = Exchange()
    async with clients(exchange) as client:
        for _ in range(300):
            await (await client.ws("binance", "/ws")).stream.aclose()
        with pytest.raises(refused, match="429"):
            await client.ws("binance", "/ws")
        await client.ws("binance-usdm", "/market/ws")
        await trio.sleep(301)
        await client.ws("binance", "/ws")
    assert [violation.rule for violation in exchange.record.violations] == ["attempts"]
    assert [attempt.outcome for attempt in exchange.record.attempts][300] == "rejected 429"


async def test_rules_are_the_users_to_tighten(autojump_clock: object, clients: Any) -> None:
    strict = attrs.evolve(Rules.documented("binance"), ping_interval=1.0, pong_timeout=2.0)
    async with clients(Exchange(rules={"binance": strict})) as client:
        ws = await client.ws("binance", "/ws")
        assert (await ws.frame()).opcode is Opcode.PING
        assert trio.current_time() == pytest.approx(1)


@pytest.mark.parametrize("target", ["/nothing", "/ws" + "/x@trade" * 1100])
async def test_bad_targets_are_refused_in_the_handshake(
    autojump_clock: object, clients: Any, refused: type[Exception], target: str
) -> None:
    async with clients(Exchange()) as client:
        with pytest.raises(refused, match=r"404|414"):
            await client.ws("binance", target)


async def test_a_request_that_is_no_websocket_handshake_gets_a_400(autojump_clock: object, clients: Any) -> None:
    exchange = Exchange()
    async with clients(exchange) as client:
        stream = await client.network.dial("binance", "ws")
        await stream.send_all(b"GET /ws HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await stream.receive_some()).startswith(b"HTTP/1.1 400")


async def test_a_closing_handshake_is_answered_and_recorded(autojump_clock: object, clients: Any) -> None:
    exchange = Exchange()
    async with clients(exchange) as client:
        ws = await client.ws("binance", "/ws")
        await trio.sleep(5)
        await ws.close()
        frame = await ws.frame()
        assert (frame.opcode, bytes(frame.data)) == (Opcode.CLOSE, b"\x03\xe8")
        with pytest.raises(EOFError):
            await ws.frame()
    (entry,) = exchange.record.connections
    assert (entry.opened, entry.closed, entry.end) == (0, 5, "closed by the client (1000)")
    assert exchange.record.connections_at(3) == [entry]
    assert exchange.record.connections_at(5) == []


async def test_a_client_that_neither_reads_nor_pongs_is_left_in_bounded_time(
    autojump_clock: object, clients: Any
) -> None:
    exchange = Exchange()
    async with clients(exchange) as client:
        await client.ws("binance", "/ws/btcusdt@trade")
        for _ in range(70):
            exchange.print_trade("binance", "BTCUSDT", raw_count=100)
            await trio.lowlevel.checkpoint()
        await trio.sleep(79)
        entry = exchange.record.connections[0]
        assert entry.closed is None
        await trio.sleep(7)
        assert entry.end == "Pong timeout (close 1008)"
        assert entry.closed == pytest.approx(85)


async def test_a_client_that_does_not_read_is_cut_off(autojump_clock: object, clients: Any) -> None:
    exchange = Exchange(rules={"binance": attrs.evolve(Rules.documented("binance"), backlog=10_000)})
    async with clients(exchange) as client:
        ws = await client.ws("binance", "/ws/btcusdt@trade")
        entry = exchange.record.connections[0]
        while entry.closed is None:
            exchange.print_trade("binance", "BTCUSDT", raw_count=100)
            await trio.sleep(0.5)
        assert entry.end == "the client reads too slowly"
        with pytest.raises(trio.BrokenResourceError):
            await ws.text()
