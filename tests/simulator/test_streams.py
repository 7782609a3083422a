"""The in-memory connection keeps Trio's contract for streams, is bounded, and breaks like TCP."""

from typing import Any

import pytest
import trio
from trio.testing import check_two_way_stream

from actors.simulator import Exchange, Fault, MemoryStream, memory_stream_pair
from actors.simulator._streams import reset_stream


async def test_it_keeps_trios_contract_for_streams(autojump_clock: object) -> None:
    async def make() -> tuple[MemoryStream, MemoryStream]:
        return memory_stream_pair(1000)

    async def make_clogged() -> tuple[MemoryStream, MemoryStream]:
        near, far = memory_stream_pair(1)
        await near.send_all(b"x")
        await far.send_all(b"x")
        return near, far

    await check_two_way_stream(make, make_clogged)


async def test_a_writer_waits_for_a_reader_that_stopped(autojump_clock: object) -> None:
    near, far = memory_stream_pair(100)
    with trio.move_on_after(1) as scope:
        await near.send_all(bytes(101))
    assert scope.cancelled_caught
    assert await far.receive_some() == bytes(100)
    await near.wait_send_all_might_not_block()


async def test_a_reset_loses_what_was_not_read_and_fails_both_ways() -> None:
    near, far = memory_stream_pair()
    await near.send_all(b"unread")
    near.reset()
    with pytest.raises(trio.BrokenResourceError):
        await far.receive_some()
    with pytest.raises(trio.BrokenResourceError):
        await far.send_all(b"x")
    for attempt in (near.send_all(b"x"), near.receive_some()):
        with pytest.raises(trio.ClosedResourceError):
            await attempt


async def test_a_reset_wakes_whoever_waits() -> None:
    near, far = memory_stream_pair(1)
    failures = []

    async def fail(work: Any) -> None:
        try:
            await work
        except trio.BrokenResourceError:
            failures.append(work)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(fail, far.receive_some())
        nursery.start_soon(fail, far.send_all(b"xx"))
        await trio.testing.wait_all_tasks_blocked()
        near.reset()
    assert len(failures) == 2


async def test_the_exchange_serves_trios_own_memory_streams_too(autojump_clock: object, wire_client: type[Any]) -> None:
    exchange = Exchange(trades_per_second=0)
    near, far = trio.testing.memory_stream_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(exchange.handle_ws, "binance", far)
        ws = wire_client(near, "/ws/btcusdt@aggTrade")
        await ws.open()
        exchange.print_trade("binance", "BTCUSDT")
        assert (await ws.json())["e"] == "aggTrade"
        exchange.inject(Fault("reset"))
        with pytest.raises(EOFError):
            await ws.frame()
    assert exchange.record.connections[0].end == "reset by a fault"


@pytest.mark.parametrize("listener", ["ws", "rest"])
async def test_a_stream_handed_over_during_a_refusal_is_closed(autojump_clock: object, listener: str) -> None:
    exchange = Exchange()
    exchange.inject(Fault("refuse", surface=listener, duration=1))  # type: ignore[arg-type]
    near, far = memory_stream_pair()
    await (exchange.handle_ws if listener == "ws" else exchange.handle_http)("binance", far)
    assert await near.receive_some() == b""


def test_a_stream_that_cannot_be_reset_is_refused() -> None:
    with pytest.raises(TypeError, match="cannot be reset"):
        reset_stream(object())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "sent",
    [b"nonsense\r\n\r\n", b"", b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"],
)
async def test_half_a_handshake_ends_in_bounded_time(autojump_clock: object, sent: bytes) -> None:
    exchange = Exchange()
    near, far = memory_stream_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(exchange.handle_ws, "binance", far)
        await near.send_all(sent)
        while answer := await near.receive_some():
            assert answer.startswith(b"HTTP/1.1 400")
            await near.aclose()
            break
    assert trio.current_time() <= 15
    assert exchange.record.connections == []


async def test_binary_messages_and_broken_frames_end_the_connection(autojump_clock: object, clients: Any) -> None:
    exchange = Exchange(trades_per_second=0)
    async with clients(exchange) as client:
        for sent, code in ((b"\x82\x80\0\0\0\0", 1003), (b"\xff\xff\0\0\0\0", 1002), (b"\x81\x00", 1002)):
            ws = await client.ws("binance", "/ws")
            await ws.stream.send_all(sent)
            with pytest.raises(EOFError, match=str(code)):
                await ws.text()


async def test_a_client_that_goes_away_is_forgotten(autojump_clock: object, clients: Any) -> None:
    exchange = Exchange(trades_per_second=0)
    async with clients(exchange) as client:
        polite, rude = await client.ws("binance", "/ws"), await client.ws("binance", "/ws")
        await polite.stream.aclose()
        rude.stream.reset()
        await trio.testing.wait_all_tasks_blocked()
        assert exchange.hub.connections == {}
    assert [entry.end for entry in exchange.record.connections] == ["the client went away"] * 2
