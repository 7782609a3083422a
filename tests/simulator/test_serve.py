"""Real sockets on the loopback: independent clients, resets and refusals as the operating system shows them."""

import contextlib
import errno
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import h11
import httpx
import pytest
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_client_stream

from actors.simulator import Address, Exchange, Fault, serve

BOUND = 10.0


@asynccontextmanager
async def served(**options: Any) -> AsyncIterator[tuple[Exchange, dict[str, Address]]]:
    exchange = Exchange(seed=1, keys={"demo-key": "demo-secret"}, **options)
    with trio.fail_after(BOUND):
        async with serve(exchange) as addresses:
            yield exchange, dict(addresses)


async def connect(url: str) -> trio.SocketStream:
    parts = urlsplit(url)
    return await trio.open_tcp_stream(str(parts.hostname), parts.port or 0)


@asynccontextmanager
async def foreign(url: str) -> AsyncIterator[WebSocketConnection]:
    """A trio-websocket client. It leaves its stream open when the peer ends first, so the stream is closed here."""
    parts = urlsplit(url)
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    stream = await connect(url)
    async with stream, trio.open_nursery() as nursery:
        yield await wrap_client_stream(nursery, stream, str(parts.hostname), target)
        nursery.cancel_scope.cancel()


async def test_a_foreign_client_gets_trades_and_fills_the_rest_from_history() -> None:
    async with served(trades_per_second=200) as (exchange, addresses), trio.open_nursery() as nursery:
        nursery.start_soon(exchange.run)
        async with foreign(f"{addresses['binance'].ws}/stream?streams=btcusdt@trade") as ws:
            got = [json.loads(await ws.get_message())["data"] for _ in range(20)]
        ids = [trade["t"] for trade in got]
        assert ids == list(range(ids[0], ids[0] + 20))
        async with httpx.AsyncClient(base_url=addresses["binance"].rest) as http:
            answer = await http.get(
                "/api/v3/historicalTrades", params={"symbol": "BTCUSDT", "fromId": ids[0], "limit": 20}
            )
        assert [(row["id"], row["price"], row["qty"]) for row in answer.json()] == [
            (trade["t"], trade["p"], trade["q"]) for trade in got
        ]
        nursery.cancel_scope.cancel()


async def test_a_foreign_client_follows_an_account() -> None:
    async with served(trades_per_second=0) as (exchange, addresses):
        headers = {"X-MBX-APIKEY": "demo-key"}
        async with httpx.AsyncClient(base_url=addresses["binance-usdm"].rest, headers=headers) as http:
            key = (await http.post("/fapi/v1/listenKey")).json()["listenKey"]
        url = f"{addresses['binance-usdm'].ws}/private/ws?listenKey={key}&events=ORDER_TRADE_UPDATE"
        async with foreign(url) as ws:
            exchange.place_order("demo-key", "BTCUSDT", "buy", "0.1", "60000")
            assert json.loads(await ws.get_message())["o"]["X"] == "NEW"


async def test_a_reset_is_a_reset_on_the_wire() -> None:
    async with served(trades_per_second=0) as (exchange, addresses):
        async with foreign(f"{addresses['binance'].ws}/ws") as ws:
            exchange.inject(Fault("reset"))
            with pytest.raises(ConnectionClosed, match="1006"):
                await ws.get_message()
        async with await connect(addresses["binance"].rest) as stream:
            await stream.send_all(b"GET /api/v3/ping HTTP/1.1\r\nHost: x\r\n\r\n")
            await stream.receive_some()
            exchange.inject(Fault("reset", surface="rest"))
            with pytest.raises(trio.BrokenResourceError) as caught:
                await stream.receive_some()
        assert isinstance(caught.value.__cause__, ConnectionResetError)


async def test_a_close_is_a_close_frame_with_its_code() -> None:
    async with (
        served(trades_per_second=0) as (exchange, addresses),
        foreign(f"{addresses['binance'].ws}/ws") as ws,
    ):
        exchange.inject(Fault("close", code=1012))
        with pytest.raises(ConnectionClosed) as caught:
            await ws.get_message()
        assert caught.value.reason is not None
        assert caught.value.reason.code == 1012


@pytest.mark.parametrize("surface", ["ws", "rest"])
async def test_refused_connections_and_then_the_same_port_again(surface: Any) -> None:
    async with served(trades_per_second=0) as (exchange, addresses):
        url = getattr(addresses["binance"], surface)
        port = urlsplit(url).port
        async with foreign(f"{addresses['binance'].ws}/ws") as living:
            for _ in range(2):
                exchange.inject(Fault("refuse", venue="binance", surface=surface, duration=0.3))
                began = trio.current_time()
                attempts = 0
                while True:
                    with socket.socket() as plain:
                        status = plain.connect_ex(("127.0.0.1", port))
                    if status == 0:
                        break
                    assert status == errno.ECONNREFUSED
                    attempts += 1
                    await trio.sleep(0.02)
                assert attempts > 1
                assert trio.current_time() - began >= 0.3
            await (await connect(addresses["binance-usdm"].ws)).aclose()
            await living.send_message('{"method":"LIST_SUBSCRIPTIONS","id":1}')
            assert json.loads(await living.get_message()) == {"result": [], "id": 1}


async def test_overlapping_refusals_last_until_the_latest_end() -> None:
    async with served(trades_per_second=0) as (exchange, addresses):
        began = trio.current_time()
        exchange.inject(Fault("refuse", duration=0.4))
        exchange.inject(Fault("refuse", duration=0.1))
        while True:
            try:
                stream = await connect(addresses["binance"].ws)
            except OSError:
                await trio.sleep(0.02)
            else:
                await stream.aclose()
                break
        assert trio.current_time() - began >= 0.4


async def test_leaving_closes_everything_at_once() -> None:
    exchange = Exchange(trades_per_second=0)
    with trio.fail_after(BOUND):
        async with serve(exchange) as addresses:
            streams = [await connect(addresses["binance"].ws), await connect(addresses["binance"].rest)]
            await streams[0].send_all(b"GET /ws HTTP/1.1\r\n")
            await streams[1].send_all(b"GET /api")
            await trio.testing.wait_all_tasks_blocked()
        for stream in streams:
            # What the exchange had not read makes it a reset, and that is an end as well.
            with contextlib.suppress(trio.BrokenResourceError):
                assert await stream.receive_some() == b""
            await stream.aclose()
        for address in addresses.values():
            with pytest.raises(OSError, match="all attempts"):
                await connect(address.ws)


async def test_without_an_epoch_the_date_is_the_wall_clocks() -> None:
    import time

    async with served(trades_per_second=0) as (exchange, _):
        assert abs(exchange.clock.ms() / 1000 - time.time()) < 5
    async with served(trades_per_second=0, epoch=1000.0) as (exchange, _):
        assert 1_000_000 <= exchange.clock.ms() < 1_005_000


async def test_http_over_a_socket_keeps_its_connection() -> None:
    async with served(trades_per_second=0) as (exchange, addresses):
        async with httpx.AsyncClient(base_url=addresses["binance"].rest) as http:
            for _ in range(3):
                assert (await http.get("/api/v3/ping")).json() == {}
        assert len(exchange.record.connections) == 1
        stream = await connect(addresses["binance"].rest)
        client = h11.Connection(h11.CLIENT)
        request = h11.Request(method="GET", target="/api/v3/ping", headers=[("Host", "x"), ("Connection", "close")])
        await stream.send_all((client.send(request) or b"") + (client.send(h11.EndOfMessage()) or b""))
        assert (await stream.receive_some()).startswith(b"HTTP/1.1 200")
        assert await stream.receive_some() == b""
        await stream.aclose()
