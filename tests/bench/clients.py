"""Processes of a measure: the venue on one core, and clients on another one, each for itself."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import attrs
import trio

HERE = Path(__file__).parent
NOT_INSTALLED = 3
"""Exit status of a client without its library."""
PATIENCE = 60.0
"""Seconds that a client may take; ccxt needs some of them to be imported."""


@attrs.frozen
class Taken:
    """What a client found."""

    messages: int
    seconds: float
    cpu: float
    """Seconds that its process had on a core meanwhile."""
    latencies: list[int]
    """Microseconds from the venue's writing to the client's hands."""

    @property
    def rate(self) -> float:
        """Trades a second, by the clock that the run goes by."""
        return self.messages / (self.cpu if os.environ.get("UNBLINKING_BENCH_CPU") else self.seconds)


@contextmanager
def one_core() -> Iterator[None]:
    """Run the block, and the processes that it starts, on one core; the venue has another one."""
    here = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(here)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, here)


@asynccontextmanager
async def venue(count: int, rate: float = 0.0) -> AsyncIterator[int]:
    """Run venue.py on another core; give its port."""
    command = [sys.executable, str(HERE / "venue.py"), str(count), str(rate)]
    process = await trio.lowlevel.open_process(command, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        os.sched_setaffinity(process.pid, {min(os.sched_getaffinity(0))})
        yield int(await process.stdout.receive_some(100))
    finally:
        process.kill()
        await process.wait()


@functools.cache
def interpreter(client: str) -> str | None:
    """Return the Python that has a client's library: this one, or that of ``UNBLINKING_THIRD_PARTY_PYTHON``; or None."""
    for python in filter(None, (sys.executable, os.environ.get("UNBLINKING_THIRD_PARTY_PYTHON"))):
        command = [python, str(HERE / "peers.py"), client, "0", "0", "installed"]
        if subprocess.run(command, check=False, capture_output=True).returncode == 0:
            return python
    return None


async def run_peer(client: str, port: int, count: int, *, timed: bool = False) -> Taken | None:
    """Let another client receive so many trades; None where its library is missing, or where it fails."""
    python = await trio.to_thread.run_sync(interpreter, client)
    if python is None:
        return None
    command = [python, str(HERE / "peers.py"), client, str(port), str(count), *(["timed"] if timed else [])]
    done = None
    with trio.move_on_after(PATIENCE):
        done = await trio.run_process(command, capture_stdout=True, check=False)
    if done is None or not done.stdout:
        return None
    found: dict[str, Any] = json.loads(done.stdout)
    return Taken(**found)
