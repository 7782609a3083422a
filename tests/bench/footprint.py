"""Memory of feeds: a thousand markets in one process, each with a connection of its own, or many on one.

What counts is resident memory of the process, so everything that a feed needs: its four actors and their supervisor, its
mailboxes, its HTTP client and its WebSocket. What does not count is what waits in its buffers: trades that the consumer
has not taken (the mailbox ``out``), batches that the feed has not taken (its inflow), and bytes read and not yet taken
from the tap. At the time of measuring all of them are empty, and the first trades have passed through each.
"""

from __future__ import annotations

import gc
from pathlib import Path

import trio
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


def places(port: int, count: int) -> list[Venue]:
    """Return a venue for each feed."""
    hosts = [f"127.0.0.{2 + number}:{port}" for number in range(count // PER_ADDRESS + 1)]
    at = [binance.at(ws=f"ws://{host}", rest=f"http://{host}") for host in hosts]
    return [at[number // PER_ADDRESS] for number in range(count)]


async def feeds(port: int, count: int, markets: int = 1) -> int:
    """Open so many feeds of so many markets, take the first trade of each market, and return the memory then."""
    boxes = [Mailbox[FeedItem](f"out {number}", capacity=1_000) for number in range(count)]
    groups = [
        at.trades([f"S{number}M{market}USDT" for market in range(markets)], out=boxes[number], silence=600.0)
        for number, at in enumerate(places(port, count))
    ]
    async with Supervisor("bench", [group.with_(first_start="retry") for group in groups]).open() as running:
        async with trio.open_nursery() as nursery:

            async def first_trades(box: Mailbox[FeedItem]) -> None:
                seen = set[str]()
                while len(seen) < markets:
                    seen |= {item.symbol for item in await box.receive_many() if hasattr(item, "price")}

            for declared in boxes:
                nursery.start_soon(first_trades, running.mailbox(declared))
        # What the questions of the start needed is given up by then.
        await trio.sleep(IDLE + 1.0)
        for declared in boxes:
            running.mailbox(declared).receive_many_nowait()
        after = resident()
        running.hurry()
    return after


async def memory_of_feeds() -> list[Figure]:
    """Resident memory a feed, with a hundred and with a thousand of them in one process."""
    async with venue(1_000, RATE) as port:
        # Modules, the certificates and the heap of a first feed are there whether there are ten or a thousand.
        await feeds(port, 1)
        before = resident()
        together = await feeds(port, MANY // TOGETHER, TOGETHER)
        few = await feeds(port, FEW)
        many = await feeds(port, MANY)
    return [
        Figure(f"memory of a feed, {FEW} of them", (few - before) / FEW / 1024, "KB"),
        Figure(f"memory of a feed, {MANY:,} of them", (many - before) / MANY / 1024, "KB", target=TARGET),
        Figure(
            f"memory of a feed, {MANY:,} of them, {TOGETHER} to a connection",
            (together - before) / MANY / 1024,
            "KB",
            target=TARGET,
        ),
        Figure(f"memory of a process with {MANY:,} feeds", many / 1024, "KB"),
    ]
