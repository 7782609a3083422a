"""The wire's speed beside that of other clients, on the same stream of trades, in turns.

Server and other clients are scripts that are not part of this project: `blast.py` sends trades as fast as they are taken,
`peers.py` receives them. They are looked for where ``UNBLINKING_BENCH`` says, or in ``../shared/bench``; without them
nothing is measured, and a client whose library is not installed is left out.
"""

from __future__ import annotations

import gc
import os
import socket
import statistics
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

import bare
import msgspec
import trio
from figures import Figure

from actors._net._wire import open_wire

ROUNDS = 5
MANY = 200_000
FEW = 20_000
"""For clients that take tens of microseconds a message."""


class Trade(msgspec.Struct):
    """What peers.py decodes, and into the same types."""

    s: str
    t: int
    p: Decimal
    q: Decimal
    T: int
    m: bool


decode_batch = msgspec.json.Decoder(list[Trade]).decode


def folder() -> Path | None:
    """Return where the scripts are."""
    found = Path(os.environ.get("UNBLINKING_BENCH", Path(__file__).parents[3] / "shared" / "bench"))
    return found if (found / "blast.py").exists() else None


@asynccontextmanager
async def blaster(scripts: Path, count: int) -> AsyncIterator[int]:
    """Run the server on one core; give its port. Whoever receives runs on another one."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
    command = [sys.executable, str(scripts / "blast.py"), str(port), str(count)]
    server = await trio.lowlevel.open_process(command, stdout=subprocess.PIPE)
    try:
        assert server.stdout is not None
        os.sched_setaffinity(server.pid, {min(os.sched_getaffinity(0))})
        await server.stdout.receive_some(100)
        yield port
    finally:
        server.kill()
        await server.wait()


async def ours(port: int, count: int, *, decode: bool) -> float:
    """Return messages a second of the wire alone, from its opening to the last message."""
    async with open_wire(f"ws://127.0.0.1:{port}") as wire:
        gc.collect()
        before = bare.clock()
        left = count
        while left > 0:
            frames = await wire.receive_many()
            if decode:
                left -= len(decode_batch(b"[" + b",".join(frames) + b"]"))
            else:
                left -= len(frames)
        return count / (bare.clock() - before)


async def theirs(scripts: Path, kind: str, port: int, count: int) -> float | None:
    """Return messages a second of another client; None where its library is missing."""
    command = [sys.executable, str(scripts / "peers.py"), kind, str(port), str(count)]
    done = await trio.run_process(command, capture_stdout=True, capture_stderr=True, check=False)
    return float(done.stdout.split()[-3]) if done.stdout else None


async def wire() -> list[Figure]:
    """Messages a second, of the wire and of others, each with JSON decoded as its users would."""
    scripts = folder()
    if scripts is None:
        return []
    here = os.sched_getaffinity(0)
    rates: dict[str, list[float]] = {"raw": [], "decoded": [], "picows-msgspec": [], "trio-websocket": []}
    async with blaster(scripts, MANY) as port, blaster(scripts, FEW) as slow_port:
        os.sched_setaffinity(0, {max(here)})
        try:
            for _ in range(ROUNDS):
                rates["decoded"].append(await ours(port, MANY, decode=True))
                for kind, where, count in (("picows-msgspec", port, MANY), ("trio-websocket", slow_port, FEW)):
                    if (rate := await theirs(scripts, kind, where, count)) is not None:
                        rates[kind].append(rate)
                rates["raw"].append(await ours(port, MANY, decode=False))
        finally:
            os.sched_setaffinity(0, here)
    median = {kind: statistics.median(found) for kind, found in rates.items() if found}
    picows = median.get("picows-msgspec")
    return [
        Figure("wire with msgspec, trades (beside: picows with msgspec)", median["decoded"], "/s", picows, None, 1.0),
        Figure("wire, frames (beside: trio-websocket with json)", median["raw"], "/s", median.get("trio-websocket")),
    ]
