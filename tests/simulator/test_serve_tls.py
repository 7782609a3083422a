"""Every venue over real sockets, plain and with TLS: independent clients, and the faults as the system shows them."""

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import trio

from actors.simulator import Address, Exchange, Fault, serve

from .tongues import ALL, TONGUES, Follower, published

BOUND = 20.0
OPENED: list[trio.abc.Stream] = []
"""The clients' streams, closed at the end of a test."""
both_ways = pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
every_venue = pytest.mark.parametrize("venue", ALL)


@asynccontextmanager
async def served(venue: str, *, tls: bool) -> AsyncIterator[tuple[Exchange, Address]]:
    exchange = Exchange(1, {venue: ALL[venue]}, trades_per_second=0)
    with trio.fail_after(BOUND):
        async with serve(exchange, tls=tls) as addresses:
            try:
                yield exchange, addresses[venue]
            finally:
                while OPENED:
                    await trio.aclose_forcefully(OPENED.pop())


async def connect(url: str, trust: ssl.SSLContext | None) -> trio.abc.Stream:
    parts = urlsplit(url)
    stream: trio.abc.Stream = await trio.open_tcp_stream(str(parts.hostname), parts.port or 0)
    OPENED.append(stream)
    if parts.scheme in ("wss", "https"):
        assert trust is not None
        stream = trio.SSLStream(stream, trust, server_hostname=parts.hostname, https_compatible=True)
    return stream


async def reach(address: Address, venue: str, wire_client: type[Any]) -> Follower:
    trust = address.trust() if address.ca else None
    target, url = TONGUES[venue].target, address.ws
    if venue == "kucoin":
        async with httpx.AsyncClient(base_url=address.rest, verify=trust or True) as http:
            bullet = (await http.post("/api/v1/bullet-public")).json()["data"]
        server = bullet["instanceServers"][0]
        assert server["endpoint"] == f"{address.ws}/"
        assert server["encrypt"] == (trust is not None)
        url, target = server["endpoint"], target.format(token=bullet["token"])
    ws = wire_client(await connect(url, trust), target)
    await ws.open()
    if venue == "kucoin":
        await ws.json()
    follower = Follower(venue, ws)
    await follower.subscribe()
    await follower.acknowledged()
    return follower


@both_ways
@every_venue
async def test_trades_arrive_and_rest_answers(wire_client: type[Any], venue: str, tls: bool) -> None:
    async with served(venue, tls=tls) as (exchange, address):
        assert (urlsplit(address.ws).scheme, urlsplit(address.rest).scheme) == (
            ("wss", "https") if tls else ("ws", "http")
        )
        follower = await reach(address, venue, wire_client)
        for _ in range(3):
            exchange.print_trade(venue, ALL[venue][0], raw_count=1)
        assert [(await follower.ids())[0] for _ in range(3)] == published(exchange, venue)
        async with httpx.AsyncClient(base_url=address.rest, verify=address.trust() if tls else True) as http:
            assert (await http.get(TONGUES[venue].newest)).status_code == 200
        assert not exchange.record.violations


async def test_who_does_not_trust_the_authority_gets_nothing(wire_client: type[Any]) -> None:
    async with served("binance", tls=True) as (exchange, address):
        with pytest.raises(trio.BrokenResourceError):
            await wire_client(await connect(address.ws, ssl.create_default_context()), "/ws").open()
        stream = await connect(f"tcp://127.0.0.1:{urlsplit(address.ws).port}", None)
        await stream.send_all(b"GET /ws HTTP/1.1\r\nHost: x\r\n\r\n")
        with pytest.raises((trio.BrokenResourceError, EOFError)):
            while await stream.receive_some():
                pass
            raise EOFError
        # Those were the clients' troubles.
        follower = await reach(address, "binance", wire_client)
        exchange.print_trade("binance", "BTCUSDT", raw_count=1)
        assert await follower.ids() == published(exchange, "binance")
        assert "BEGIN" not in repr(address)


async def _ends_with(follower: Follower, error: Any) -> None:
    with pytest.raises(error):
        while True:
            await follower.ws.frame()


@both_ways
@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault("reset"), trio.BrokenResourceError),
        (Fault("truncated"), EOFError),
        (Fault("close", code=1012), EOFError),
        (Fault("maintenance", duration=1), EOFError),
        (Fault("oversized", size=2_000_000), EOFError),
        (Fault("half_open", duration=0.4), trio.BrokenResourceError),
        (Fault("notice", duration=0.2), EOFError),
    ],
    ids=lambda value: value.kind if isinstance(value, Fault) else "",
)
async def test_what_ends_a_connection(wire_client: type[Any], tls: bool, fault: Fault, error: type[Exception]) -> None:
    async with served("okx", tls=tls) as (exchange, address):
        follower = await reach(address, "okx", wire_client)
        assert exchange.inject(fault).hit
        await _ends_with(follower, error)


@both_ways
@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault("slow", duration=5, delay=0.05, chunk=64), lambda ids: ids),
        (Fault("duplicate", duration=5), lambda ids: [ids[0], ids[0], ids[1], ids[1], ids[2], ids[2]]),
        (Fault("reorder", duration=0.3), lambda ids: [ids[1], ids[0], ids[2]]),
        (Fault("stale", duration=5), lambda ids: []),
        (Fault("mute", duration=5), lambda ids: []),
        (Fault("lost_subscription"), lambda ids: []),
    ],
    ids=lambda value: value.kind if isinstance(value, Fault) else "",
)
async def test_what_happens_to_data(
    wire_client: type[Any], tls: bool, fault: Fault, expected: Callable[[list[Any]], list[Any]]
) -> None:
    async with served("gate", tls=tls) as (exchange, address):
        follower = await reach(address, "gate", wire_client)
        exchange.inject(fault)
        for _ in range(3):
            exchange.print_trade("gate", "BTC_USDT", raw_count=1)
        wanted = expected(published(exchange, "gate"))
        got: list[Any] = []
        with trio.move_on_after(5 if wanted else 0.3):
            while len(got) < len(wanted) or not wanted:
                got += await follower.ids()
        assert got == wanted


@both_ways
async def test_half_open_newcomers_are_never_answered(wire_client: type[Any], tls: bool) -> None:
    async with served("bybit", tls=tls) as (exchange, address):
        exchange.inject(Fault("half_open", duration=60))
        with trio.move_on_after(0.3) as scope:
            await reach(address, "bybit", wire_client)
        assert scope.cancelled_caught
        exchange.inject(Fault("half_open", duration=0.001))
        await trio.sleep(0.01)
        await reach(address, "bybit", wire_client)


@both_ways
async def test_accepted_and_closed_at_once(wire_client: type[Any], tls: bool) -> None:
    async with served("gate", tls=tls) as (exchange, address):
        exchange.inject(Fault("accept_then_close", duration=60))
        for _ in range(3):
            with pytest.raises(EOFError, match="1001"):
                await reach(address, "gate", wire_client)


async def test_without_the_extra_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "trustme", None)
    with pytest.raises(RuntimeError, match=r"unblinking\[tls\]"):
        async with serve(Exchange(), tls=True):
            pass
