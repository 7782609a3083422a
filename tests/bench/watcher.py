"""Feeds of one symbol, each in a tree of its own: prints when each got a trade, and when one was found mute.

usage: watcher.py '["ws://..", "http://.."]' COUNT
"""

from __future__ import annotations

import json
import sys
import time

import trio

from actors import FeedItem, FeedState, Gap, binance
from supervisor import Mailbox, Note, Running, Supervisor


async def feed(number: int, ws: str, rest: str) -> None:
    """Run one tree until killed."""
    out: Mailbox[FeedItem] = Mailbox("trades", capacity=10_000)
    tree = Supervisor("bench", [binance.at(ws=ws, rest=rest).trades("BTCUSDT", out=out)])
    async with tree.open() as running, trio.open_nursery() as nursery:
        nursery.start_soon(tell_notes, running, number)
        async for item in running.mailbox(out):
            if not isinstance(item, (FeedState, Gap)):
                print("trade", number, time.monotonic(), flush=True)


async def tell_notes(running: Running, number: int) -> None:
    """Print when the feed finds itself mute."""
    async for event in running.events():
        if isinstance(event, Note) and event.what == "mute":
            print("mute", number, time.monotonic(), flush=True)


async def main() -> None:
    """Run all until killed."""
    ws, rest = json.loads(sys.argv[1])
    async with trio.open_nursery() as nursery:
        for number in range(int(sys.argv[2])):
            nursery.start_soon(feed, number, ws, rest)


trio.run(main)
