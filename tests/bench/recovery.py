"""Faults beside others: all clients are connected to one simulated venue, and its fault hits all of them at once.

What counts is when trades come again: after a connection that was broken, after the venue is back; after one that went
silent, after the silence began. A client that goes on by itself is asked for nothing else; of ours, the moment at which
the tree noticed is asked for too. Clients are processes of their own, and the market does 50 trades a second. Each fault
has a venue and clients of its own, so that none pays for the one before: it is the first in a while. All venues run at
the same time.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import attrs
import trio
from clients import HERE, interpreter
from figures import Figure

from actors.simulator import Exchange, Fault, serve

RATE = 50.0
"""Trades a second."""
CALM = 6.0
"""Seconds before the fault: everybody is connected, and the rhythm is learned."""
STARTED = 60.0
"""Seconds that all the clients may take until they have the first trade."""
OURS = 3
"""Trees of ours at each venue: their delays are drawn, and the median counts."""
MUTE_NOTICED = 3.0
"""Seconds: the target."""
PEERS = {"websockets": "websockets in a loop", "python-binance": "python-binance", "ccxt": "ccxt"}


@attrs.frozen
class Trial:
    """One fault."""

    name: str
    faults: Sequence[Fault]
    window: float
    """Seconds in which trades must come again to be counted."""
    back: float = 0.0
    """Seconds until the venue is back, from which recovery counts."""
    target: float | None = None
    """Seconds."""
    on_its_way: float = 0.03
    """Seconds in which what still comes is no recovery: it was under way when the fault came."""

    def figures(self, began: float, ours: Sequence[Watched], theirs: dict[str, Watched]) -> list[Figure]:
        """Return what came of it.

        Args:
            began: When it was injected, by the monotonic clock.
            ours: What our trees printed.
            theirs: What the others did, by name.
        """
        since, until = began + self.back, began + self.window
        within = self.window - self.back
        mine = _median([watched.again(since, self.on_its_way, until) for watched in ours])
        figures = [
            Figure(
                f"{self.name}, until trades again (beside: {PEERS[name]})",
                float("inf") if mine is None else mine,
                "s",
                found := watched.again(since, self.on_its_way, until),
                self.target,
                note=None if found is not None else f"not within {within:g} s",
            )
            for name, watched in theirs.items()
        ]
        if self.name == "mute":
            noticed = _median([next((at - began for at in watched.noticed if at > began), None) for watched in ours])
            value = float("inf") if noticed is None else noticed
            figures.append(Figure("mute, until noticed", value, "s", target=MUTE_NOTICED))
        return figures


@attrs.define
class Watched:
    """What a client printed."""

    trades: list[float] = attrs.field(factory=list)
    """When each came, by the monotonic clock."""
    noticed: list[float] = attrs.field(factory=list)
    """When the feed was found mute; of ours only."""
    started: trio.Event = attrs.field(factory=trio.Event)
    """Set with the first trade."""

    def again(self, since: float, but_not_within: float, until: float) -> float | None:
        """Return how long after a moment trades came again, or None."""
        return next((at - since for at in self.trades if since + but_not_within < at <= until), None)


@asynccontextmanager
async def client(command: Sequence[str], nursery: trio.Nursery, count: int = 1) -> AsyncIterator[list[Watched]]:
    """Run a process with so many clients until the block is left."""
    process = await trio.lowlevel.open_process(list(command), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    found = [Watched() for _ in range(count)]
    assert process.stdout is not None
    nursery.start_soon(_read, process.stdout, found)
    try:
        yield found
    finally:
        process.kill()
        await process.wait()


async def _read(stream: trio.abc.ReceiveStream, found: Sequence[Watched]) -> None:
    rest = b""
    async for chunk in stream:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            kind, number, at = line.split()
            watched = found[int(number)]
            (watched.noticed if kind == b"mute" else watched.trades).append(float(at))
            watched.started.set()


def _fault(kind: str, **settings: object) -> Fault:
    return Fault(kind, venue="binance", **settings)  # type: ignore[arg-type]


TRIALS = (
    Trial("reset", (_fault("reset"),), 3.0, target=0.3),
    Trial("orderly close", (_fault("close", code=1001),), 3.0),
    Trial("garbage", (_fault("garbage"),), 3.0),
    Trial("refused for 3 s", (_fault("refuse", duration=3.0), _fault("reset")), 8.0, back=3.0, on_its_way=0.0),
    Trial("half-open", (_fault("half_open", duration=10.0, newcomers=False),), 10.0, on_its_way=0.5),
    Trial("mute", (_fault("mute", duration=10.0, newcomers=False),), 10.0, on_its_way=0.5),
)


async def recovery() -> list[Figure]:
    """Seconds until trades come again after each fault, beside the libraries that are installed."""
    pythons = {name: await trio.to_thread.run_sync(interpreter, name) for name in PEERS}
    figures: dict[str, list[Figure]] = {}
    start = Start(len(TRIALS))
    async with trio.open_nursery() as nursery:
        for trial in TRIALS:
            nursery.start_soon(_try, trial, pythons, start, figures)
    return [figure for trial in TRIALS for figure in figures[trial.name]]


class Start:
    """Lets all trials begin together: importing ccxt six times would disturb those that are through with it."""

    def __init__(self, count: int) -> None:
        self._missing = count
        self._all = trio.Event()

    async def wait(self) -> None:
        """Wait for the others."""
        self._missing -= 1
        if not self._missing:
            self._all.set()
        await self._all.wait()
        await trio.sleep(CALM)


async def _try(trial: Trial, pythons: dict[str, str | None], start: Start, figures: dict[str, list[Figure]]) -> None:
    exchange = Exchange(seed=1, symbols={"binance": ["BTCUSDT"]}, trades_per_second=RATE)
    async with serve(exchange) as addresses, trio.open_nursery() as nursery, AsyncExitStack() as stack:
        place = addresses["binance"]
        port = place.ws.rpartition(":")[2]
        nursery.start_soon(exchange.run)
        own = [sys.executable, str(HERE / "watcher.py"), json.dumps([place.ws, place.rest]), str(OURS)]
        ours = await stack.enter_async_context(client(own, nursery, OURS))
        theirs = {
            name: (
                await stack.enter_async_context(
                    client([python, str(HERE / "peers.py"), name, port, "0", "watch"], nursery)
                )
            )[0]
            for name, python in pythons.items()
            if python is not None
        }
        with trio.move_on_after(STARTED):
            for watched in (*ours, *theirs.values()):
                await watched.started.wait()
        await start.wait()
        began = time.monotonic()
        for fault in trial.faults:
            exchange.inject(fault)
        await trio.sleep(trial.window)
        figures[trial.name] = trial.figures(began, ours, theirs)
        nursery.cancel_scope.cancel()


def _median(found: Sequence[float | None]) -> float | None:
    times = [time for time in found if time is not None]
    return statistics.median(times) if len(times) > len(found) / 2 else None
