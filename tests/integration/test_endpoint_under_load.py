"""The health endpoint under load and abuse, over real sockets: whoever asks, and however, the bot's feed loses nothing."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest
import trio

from actors import FeedState, Gap, binance, health
from actors.ops._http_endpoint import Bounds
from actors.simulator import Exchange, serve
from supervisor import Mailbox, Me, Running, Supervisor, actor

from ..ops.clients import ask, port_of

REQUESTS, CONNECTIONS = 10_000, 200
PROMPT = 10.0
"""Seconds that a prober allows, on a machine that has other things to do; kept out it would wait for ever."""
MARKET = ("binance", "BTCUSDT")


@attrs.define
class Bot:
    """A bot, and what came of its feed."""

    port: int
    running: Running
    exchange: Exchange
    ids: list[int]
    others: list[Any]

    @property
    def connections(self) -> int:
        """How many the endpoint has open."""
        facts = self.running.status().find("bot/health").facts
        assert facts is not None
        return int(facts["connections"])

    async def probe(self) -> float:
        """Ask for health as a prober does; return how many seconds the answer took."""
        began = trio.current_time()
        assert (await ask(self.port, "/healthz")).status == 200
        return trio.current_time() - began


@actor()
async def blocker(me: Me, orders: Mailbox[float]) -> None:
    """Keep the event loop for as long as it is told to, as a bug would."""
    async for seconds in orders:
        time.sleep(seconds)  # noqa: ASYNC251 - that is the point


@asynccontextmanager
async def bot(orders: Mailbox[float] | None = None) -> AsyncIterator[Bot]:
    """Run a bot; in the end its feed must have brought everything, in order, over one connection."""
    exchange = Exchange(seed=3, symbols={"binance": ["BTCUSDT"]}, trades_per_second=100)
    trades = Mailbox[Any]("trades", capacity=10_000)
    ids: list[int] = []
    others: list[Any] = []

    @actor()
    async def reader(me: Me) -> None:
        async for item in running.mailbox(trades):
            if isinstance(item, Gap | FeedState):
                others.append(item)
            else:
                ids.append(item.id)

    async with serve(exchange, host="127.0.0.1") as addresses, trio.open_nursery() as nursery:
        exchange.print_trade(*MARKET)
        at = addresses["binance"]
        feed = binance.at(ws=at.ws, rest=at.rest).trades("BTCUSDT", out=trades)
        own = [] if orders is None else [blocker.child("blocker", orders)]
        running = Running(Supervisor("bot", [health(0), feed, reader.child("reader"), *own]), seed=3)
        async with running.opened():
            nursery.start_soon(exchange.run)
            with trio.fail_after(20):
                while not ids:  # noqa: ASYNC110 - seen from outside only
                    await trio.sleep(0.05)
            yield Bot(port_of(running), running, exchange, ids, others)
            nursery.cancel_scope.cancel("the market closes")
            published = exchange.record.trades[MARKET][-1].id
            with trio.CancelScope(shield=True), trio.fail_after(20):
                while ids[-1] < published:  # noqa: ASYNC110 - seen from outside only
                    await trio.sleep(0.05)
            assert running.ledger.failures == 0, list(running.ledger.recent)
    assert ids == list(range(ids[0], published + 1))
    assert [item for item in others if isinstance(item, Gap) or not item.live] == others[:1]


@pytest.mark.slow
async def test_ten_thousand_requests_over_two_hundred_connections_take_nothing_from_the_feed() -> None:
    wrk = shutil.which("wrk")
    if wrk is None:
        pytest.skip("no wrk here: apt-get install wrk")
    answered, wrong, rounds = 0, 0, 0
    async with bot() as under_load:
        while answered < REQUESTS:
            path = ("/healthz", "/tree.json", "/metrics", "/")[rounds % 4]
            url = f"http://127.0.0.1:{under_load.port}{path}"
            command = [wrk, "-t1", f"-c{CONNECTIONS}", "-d2s", "--timeout", "10s", url]
            found = await trio.run_process(command, capture_stdout=True)
            report = found.stdout.decode()
            answered += int(re.search(r"(\d+) requests in", report)[1])  # type: ignore[index]
            bad = re.search(r"Non-2xx or 3xx responses: (\d+)", report)
            wrong += int(bad[1]) if bad else 0
            assert "Socket errors" not in report, report
            rounds += 1
            assert rounds < 60, f"{answered} answers in {2 * rounds} s"
            with trio.fail_after(20):
                # Those of the next round are two hundred more, until these have been seen to be gone.
                while under_load.connections:  # noqa: ASYNC110 - seen from outside only
                    await trio.sleep(0.05)
        assert await under_load.probe() < PROMPT

    assert wrong == 0


async def test_clients_that_dribble_and_clients_that_hold_more_connections_than_there_are_keep_no_prober_out() -> None:
    most = Bounds().connections
    async with bot() as under_load, trio.open_nursery() as nursery:
        lost = 0

        async def dribble(number: int) -> None:
            nonlocal lost
            stream = await trio.open_tcp_stream("127.0.0.1", under_load.port)
            async with stream:
                try:
                    for byte in b"GET /tree.json HTTP/1.1\r\nX: " + b"y" * 1000:
                        await stream.send_all(bytes([byte]))
                        await trio.sleep(0.2 + number % 7 / 10)
                except trio.BrokenResourceError:
                    lost += 1

        for number in range(most + 100):
            nursery.start_soon(dribble, number)
        took = []
        for _ in range(10):
            took.append(await under_load.probe())
            await trio.sleep(0.3)
        nursery.cancel_scope.cancel("seen enough")
        facts = under_load.running.status().find("bot/health").facts

    assert max(took) < PROMPT
    assert facts is not None
    assert facts["connections"] <= most
    assert facts["evicted"] >= 100


MALFORMED = [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),  # the first bytes of TLS
    b"GET / HTTP/1.1\r\n" + b"A: " + b"x" * 100_000,
    b"GET /\r\n\r\n",
    b"\r\n" * 1000,
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 200,
    bytes(range(256)) * 10,
]


async def test_malformed_requests_and_clients_that_go_in_the_middle_take_nothing_from_the_feed() -> None:
    async with bot() as under_load, trio.open_nursery() as nursery:

        async def abuse(data: bytes, *, reset: bool) -> None:
            stream = await trio.open_tcp_stream("127.0.0.1", under_load.port)
            async with stream:
                if reset:
                    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
                with trio.move_on_after(2):
                    try:
                        await stream.send_all(data)
                        while not reset and await stream.receive_some(65536):
                            pass
                    except trio.BrokenResourceError:
                        pass

        for _ in range(10):
            for data in MALFORMED:
                nursery.start_soon(lambda data=data: abuse(data, reset=False))  # type: ignore[misc]
                nursery.start_soon(lambda data=data: abuse(data, reset=True))  # type: ignore[misc]
        await trio.sleep(1)
        assert await under_load.probe() < PROMPT


FLOOD = """
import resource, socket, sys, time
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
held = []
for _ in range(1500):
    one = socket.socket()
    one.setblocking(False)
    one.connect_ex(("127.0.0.1", int(sys.argv[1])))
    held.append(one)
print("full", flush=True)
sys.stdin.read()
"""


async def test_an_accept_queue_that_is_full_while_the_event_loop_is_kept_busy_empties_again() -> None:
    orders = Mailbox[float]("orders", capacity=1)
    async with bot(orders) as under_load:
        command = [sys.executable, "-c", FLOOD, str(under_load.port)]
        flood = await trio.lowlevel.open_process(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        await under_load.running.mailbox(orders).send(1.0)
        assert flood.stdout is not None
        assert flood.stdin is not None
        assert (await flood.stdout.receive_some()).strip() == b"full"
        with trio.fail_after(10):
            await under_load.probe()
            await flood.stdin.aclose()
            await flood.wait()
            assert await under_load.probe() < PROMPT
        await flood.stdout.aclose()
