"""Tiny proxies: HTTP CONNECT and SOCKS5, on real sockets, that let through, refuse, hang, or talk nonsense."""

import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial

import trio

Answer = Callable[[trio.SocketStream], Awaitable[None]]


class Tunnels:
    """What a proxy was asked for."""

    def __init__(self, names: dict[str, str]) -> None:
        self.names = names
        """Where the proxy finds hosts; others it looks up."""
        self.asked: list[tuple[str, int]] = []

    async def open(self, stream: trio.SocketStream, host: str, port: int, welcome: bytes) -> None:
        """Connect, say so, and carry bytes both ways until one side ends."""
        self.asked.append((host, port))
        async with await trio.open_tcp_stream(self.names.get(host, host), port) as target:
            # In pieces, so that whoever takes one read for the whole answer is found out.
            for at in range(len(welcome)):
                await stream.send_all(welcome[at : at + 1])
                await trio.lowlevel.checkpoint()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_carry, stream, target, nursery.cancel_scope)
                nursery.start_soon(_carry, target, stream, nursery.cancel_scope)


async def _carry(source: trio.SocketStream, sink: trio.SocketStream, scope: trio.CancelScope) -> None:
    async for data in source:
        await sink.send_all(data)
    scope.cancel()


async def _exactly(stream: trio.SocketStream, size: int) -> bytes:
    data = b""
    while len(data) < size:
        chunk = await stream.receive_some(size - len(data))
        if not chunk:
            raise trio.BrokenResourceError
        data += chunk
    return data


async def connect_proxy(tunnels: Tunnels, user: str | None, stream: trio.SocketStream) -> None:
    """Speak HTTP CONNECT (RFC 9110, 9.3.6)."""
    head = b""
    while b"\r\n\r\n" not in head:
        head += await _exactly(stream, 1)
    expected = b"Proxy-Authorization: Basic " + base64.b64encode((user or "").encode())
    if user is not None and expected not in head:
        await stream.send_all(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
        return
    host, _, port = head.split()[1].decode().rpartition(":")
    await tunnels.open(stream, host, int(port), b"HTTP/1.1 200 Connection established\r\nVia: tests\r\n\r\n")


async def socks_proxy(tunnels: Tunnels, user: str | None, stream: trio.SocketStream) -> None:
    """Speak SOCKS5 (RFC 1928) with a user and password (RFC 1929)."""
    _, methods = await _exactly(stream, 2)
    offered = await _exactly(stream, methods)
    if user is None:
        await stream.send_all(b"\x05\x00")
    elif 2 not in offered:
        await stream.send_all(b"\x05\xff")
        return
    else:
        await stream.send_all(b"\x05\x02")
        _, size = await _exactly(stream, 2)
        name = await _exactly(stream, size)
        password = await _exactly(stream, (await _exactly(stream, 1))[0])
        if name + b":" + password != user.encode():
            await stream.send_all(b"\x01\x01")
            return
        await stream.send_all(b"\x01\x00")
    _, _, _, kind = await _exactly(stream, 4)
    if kind == 3:
        host = (await _exactly(stream, (await _exactly(stream, 1))[0])).decode()
    else:
        host = ".".join(str(byte) for byte in await _exactly(stream, 4))
    port = int.from_bytes(await _exactly(stream, 2), "big")
    await tunnels.open(stream, host, port, b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")


async def says(answer: bytes, stream: trio.SocketStream) -> None:
    """Answer anything with this."""
    await stream.receive_some(1000)
    await stream.send_all(answer)
    await stream.receive_some(1000)


@asynccontextmanager
async def listening(answer: Answer) -> AsyncIterator[str]:
    """Serve on a free port; give ``host:port``."""

    async def handle(stream: trio.SocketStream) -> None:
        async with stream:
            try:
                await answer(stream)
            except* (trio.BrokenResourceError, trio.ClosedResourceError):
                # The client went away, which is its right.
                pass

    async with trio.open_nursery() as nursery:
        [listener] = await nursery.start(partial(trio.serve_tcp, handle, 0, host="127.0.0.1"))
        yield "{}:{}".format(*listener.socket.getsockname())
        nursery.cancel_scope.cancel()
