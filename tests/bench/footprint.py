"""Memory of feeds: a thousand markets in one process, each with a connection of its own, or many on one.

What counts is resident memory of the process, so everything that a feed needs: its three actors and their supervisor, its
mailboxes, its HTTP client and its WebSocket. What does not count is what waits in its buffers: trades that the consumer
has not taken (the mailbox ``out``), batches that the feed has not taken (its inflow), and bytes read and not yet taken
from the tap. At the time of measuring all of them are empty, and the first trades have passed through each.
"""

from __future__ import annotations

import gc
from pathlib import Path

import trio
import trio_websocket
from clients import venue
from figures import Figure

from actors import FeedItem, Venue, binance
from actors._net._http import IDLE
from supervisor import Mailbox, Supervisor

FEW, MANY = 100, 1_000
TOGETHER = 200
"""Markets on one connection, as a bot that follows a thousand of them has it: Binance allows 1,024."""
PER_ADDRESS = 100
"""Feeds of one loopback address: each address has its own allowance of connections and requests, as at the venue."""
RATE = 0.5
"""Trades a second and feed."""
TARGET = 60.0
"""KB a feed."""


def resident() -> int:
    """Return the bytes of this process that are in memory, garbage collected."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def hosts(port: int, count: int) -> list[str]:
    """Return where each feed goes."""
    return [f"127.0.0.{2 + number // PER_ADDRESS}:{port}" for number in range(count)]


def places(port: int, count: int) -> list[Venue]:
    """Return a venue for each feed."""
    where = hosts(port, count)
    at = {host: binance.at(ws=f"ws://{host}", rest=f"http://{host}") for host in set(where)}
    return [at[host] for host in where]


async def feeds(port: int, count: int, markets: int = 1) -> int:
    """Open so many feeds of so many markets, take the first trade of each market, and return the memory then."""
    boxes = [Mailbox[FeedItem](f"out {number}", capacity=1_000) for number in range(count)]
    groups = [
        at.trades([f"S{number}M{market}USDT" for market in range(markets)], out=boxes[number], silence=600.0)
        for number, at in enumerate(places(port, count))
    ]
    async with Supervisor("bench", [group.with_(first_start="retry") for group in groups]).open() as running:
        async with trio.open_nursery() as nursery:
            for declared in boxes:
                reading = trio.Event()
                nursery.start_soon(read, running.mailbox(declared), markets, reading)
                await reading.wait()
            # What the questions of the start needed is given up by then.
            await trio.sleep(IDLE + 1.0)
            nursery.cancel_scope.cancel()
        after = resident()
        running.hurry()
    return after


async def read(box: Mailbox[FeedItem], markets: int, reading: trio.Event) -> None:
    """Take all that comes, and say when there was a trade of each market."""
    seen = set[str]()
    while True:
        seen |= {item.symbol for item in await box.receive_many() if hasattr(item, "price")}
        if len(seen) == markets:
            reading.set()


async def bare_connections(port: int, count: int) -> int:
    """Open so many connections of trio-websocket that only read, and return the memory when each has brought a trade."""
    opened = trio.Event()
    left = count

    async def follow(host: str, number: int) -> None:
        nonlocal left
        async with trio_websocket.open_websocket_url(f"ws://{host}/ws/s{number}usdt@trade") as connection:
            await connection.get_message()
            left -= 1
            if not left:
                opened.set()
            while True:
                await connection.get_message()

    async with trio.open_nursery() as nursery:
        for number, host in enumerate(hosts(port, count)):
            nursery.start_soon(follow, host, number)
        await opened.wait()
        after = resident()
        nursery.cancel_scope.cancel()
    return after


async def memory_of_feeds() -> list[Figure]:
    """Resident memory a feed, with a hundred and with a thousand of them in one process."""
    async with venue(1_000, RATE) as port:
        # Modules, the certificates and the heap of a first feed are there whether there are ten or a thousand.
        await feeds(port, 1)
        before = resident()
        bare = await bare_connections(port, FEW)
        together = await feeds(port, MANY // TOGETHER, TOGETHER)
        few = await feeds(port, FEW)
        many = await feeds(port, MANY)
    return [
        Figure(
            f"memory of a feed, {FEW} of them (beside: a bare connection of trio-websocket)",
            (few - before) / FEW / 1024,
            "KB",
            (bare - before) / FEW / 1024,
        ),
        Figure(f"memory of a feed, {MANY:,} of them", (many - before) / MANY / 1024, "KB", target=TARGET),
        Figure(
            f"memory of a feed, {MANY:,} of them, {TOGETHER} to a connection",
            (together - before) / MANY / 1024,
            "KB",
            target=TARGET,
        ),
        Figure(f"memory of a process with {MANY:,} feeds", many / 1024, "KB"),
    ]
