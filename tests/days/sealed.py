"""A world in which nothing comes from outside: no wall clock, no thread, no socket. While a day runs, all of it is replaced.

* `time.time` is the exchange's date plus the virtual clock plus whatever the bot's machine is off.
* Threads work inline.
* `trio.open_tcp_listeners` gives listeners in memory, which `Sealed.connect` reaches.
* The watchers inside of the bot look at their tree every `LOOK` seconds instead of every second: reading a tree of a hundred
  children costs a millisecond, which is nothing to a bot and half of a simulated second.
* Heartbeats and alerts end in `Sealed.posted`, through an in-process transport.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import attrs
import httpx  # noqa: ASYNC127 - see actors/_net/_http.py
import trio

from actors._net._http import open_http
from actors.ops import _alerter, _channel, _dead_mans_switch, _posting
from actors.simulator import MemoryStream, memory_stream_pair
from actors.simulator._clock import DEFAULT_EPOCH
from supervisor.testing import inline_threads

LOOK = 5.0
"""Seconds between two looks of the bot's own watchers at their tree."""


@attrs.frozen
class Posted:
    """A heartbeat, or an alert, that was taken."""

    at: float
    path: str
    body: bytes


class _Name:
    def __init__(self, port: int) -> None:
        self._port = port

    def getsockname(self) -> tuple[str, int]:
        return ("127.0.0.1", self._port)


class MemoryListener(trio.abc.Listener[MemoryStream]):
    """A listener that `Sealed.connect` connects to."""

    def __init__(self, sealed: Sealed, port: int) -> None:
        self.socket = _Name(port)
        self._sealed = sealed
        self._port = port
        self._waiting: deque[MemoryStream] = deque()
        self._changed = trio.lowlevel.ParkingLot()

    def put(self, stream: MemoryStream) -> None:
        self._waiting.append(stream)
        self._changed.unpark()

    async def accept(self) -> MemoryStream:
        await trio.lowlevel.checkpoint()
        while not self._waiting:
            await self._changed.park()
        return self._waiting.popleft()

    async def aclose(self) -> None:
        self._sealed.listeners.pop(self._port, None)
        await trio.lowlevel.checkpoint()


class Sealed:
    """The surroundings of one day.

    Attributes:
        off: Seconds by which the bot's wall clock is ahead.
        refusing_until: Nobody takes heartbeats and alerts before this second.
        posted: What was taken.
    """

    def __init__(self) -> None:
        self.off = 0.0
        self.refusing_until = 0.0
        self.posted: list[Posted] = []
        self.listeners: dict[int, MemoryListener] = {}

    def wall(self) -> float:
        """Return the bot's wall clock."""
        return DEFAULT_EPOCH + trio.current_time() + self.off

    def connect(self, port: int) -> MemoryStream | None:
        """Connect to a listener of the bot; None: there is none."""
        listener = self.listeners.get(port)
        if listener is None:
            return None
        client, server = memory_stream_pair()
        listener.put(server)
        return client

    async def _listen(self, port: int, **_: Any) -> list[MemoryListener]:
        await trio.lowlevel.checkpoint()
        if port in self.listeners:
            raise OSError(f"port {port} is taken")
        listener = self.listeners[port] = MemoryListener(self, port)
        return [listener]

    async def _take(self, request: httpx.Request) -> httpx.Response:
        await trio.lowlevel.checkpoint()
        now = trio.current_time()
        if now < self.refusing_until:
            return httpx.Response(503)
        self.posted.append(Posted(now, request.url.path, await request.aread()))
        return httpx.Response(200)

    def _open_http(self, base: str, judge: Any, **options: Any) -> Any:
        given = {**options, "transport": lambda: httpx.MockTransport(self._take)}
        return open_http(base, judge, **given)


@contextmanager
def sealed() -> Iterator[Sealed]:
    """Seal this process off until the block ends. Whatever reads the time inside must do so under Trio."""
    world = Sealed()
    replaced: list[tuple[Any, str, Any]] = [
        (time, "time", world.wall),
        (time, "time_ns", lambda: round(world.wall() * 1e9)),
        (trio, "open_tcp_listeners", world._listen),
        (_posting, "open_http", world._open_http),
        (_channel, "open_http", world._open_http),
        (_alerter, "_TICK", LOOK),
        (_dead_mans_switch, "_LOOK", LOOK),
    ]
    before = [(owner, name, getattr(owner, name)) for owner, name, _ in replaced]
    try:
        for owner, name, new in replaced:
            setattr(owner, name, new)
        with inline_threads():
            yield world
    finally:
        for owner, name, old in cast("list[tuple[Any, str, Any]]", before):
            setattr(owner, name, old)
