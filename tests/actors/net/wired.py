"""A wire to a peer in memory that follows a script."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import trio
import trio.testing

from actors._net._wire import Wire, open_wire

from ..ws_peer import CLOSE, TEXT, Peer, frame


@asynccontextmanager
async def wired(
    nursery: trio.Nursery, script: Callable[[Peer], Awaitable[None]], **options: Any
) -> AsyncIterator[Wire]:
    """Open a wire to a peer in memory that follows a script."""

    async def dial(_host: str, _port: int) -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()
        client, server = trio.testing.memory_stream_pair()
        nursery.start_soon(script, Peer(cast("trio.SocketStream", server)))
        return client

    async with open_wire("ws://server", dial=dial, **options) as wire:
        yield wire


def scripted(*sent: bytes) -> Callable[[Peer], Awaitable[None]]:
    """Return a script that sends, and reads until the client closes."""

    async def script(peer: Peer) -> None:
        await peer.handshake()
        for data in sent:
            await peer.stream.send_all(data)
        await peer.receive_until(CLOSE)
        await peer.stream.send_all(frame(CLOSE, (1000).to_bytes(2, "big")))
        await peer.stream.aclose()

    return script


def in_batches(sizes: Sequence[int], end: bytes) -> Callable[[Peer], Awaitable[None]]:
    """Return a script that sends so many numbers at a time, counting on, every two seconds, and then the end."""

    async def script(peer: Peer) -> None:
        await peer.handshake()
        number = 0
        for size in sizes:
            await trio.sleep(2)
            await peer.stream.send_all(b"".join(frame(TEXT, b"%d" % (number + each)) for each in range(size)))
            number += size
        await peer.stream.send_all(end)

    return script
