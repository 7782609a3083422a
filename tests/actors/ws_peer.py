"""A WebSocket server written by hand on a TCP socket: it can do what a library would refuse to do."""

import base64
import hashlib
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial

import trio

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def frame(opcode: int, payload: bytes = b"", *, final: bool = True) -> bytes:
    head = bytes([(0x80 if final else 0) | opcode])
    if len(payload) < 126:
        return head + bytes([len(payload)]) + payload
    if len(payload) < 1 << 16:
        return head + b"\x7e" + struct.pack("!H", len(payload)) + payload
    return head + b"\x7f" + struct.pack("!Q", len(payload)) + payload


class Peer:
    """The server's side of one connection."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self.request = b""
        self._received = b""
        self._sending = trio.Lock()

    async def handshake(self) -> None:
        """Read the request and accept it."""
        await self.read_request()
        key = next(
            line.split(b":", 1)[1].strip()
            for line in self.request.split(b"\r\n")
            if line.lower().startswith(b"sec-websocket-key:")
        )
        accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
        await self.stream.send_all(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )

    async def read_request(self) -> None:
        while b"\r\n\r\n" not in self.request:
            self.request += await self.stream.receive_some(4096)

    async def send(self, text: str | bytes) -> None:
        await self.send_frame(TEXT, text.encode() if isinstance(text, str) else text)

    async def send_frame(self, opcode: int, payload: bytes) -> None:
        """Send one frame; several tasks may."""
        async with self._sending:
            await self.stream.send_all(frame(opcode, payload))

    async def receive(self) -> tuple[int, bytes]:
        """Return opcode and payload of the client's next frame; opcode -1 at the end."""
        head = await self._take(2)
        if head is None:
            return (-1, b"")
        size = head[1] & 0x7F
        if size == 126:
            size = struct.unpack("!H", await self._take(2) or b"")[0]
        elif size == 127:
            size = struct.unpack("!Q", await self._take(8) or b"")[0]
        mask = await self._take(4) or b""
        payload = await self._take(size) or b""
        return (head[0] & 0x0F, bytes(b ^ mask[i % 4] for i, b in enumerate(payload)))

    async def receive_until(self, opcode: int) -> bytes:
        while True:
            got, payload = await self.receive()
            if got == opcode:
                return payload
            if got == -1:
                raise EOFError

    def reset(self) -> None:
        """Close with a TCP reset."""
        self.stream.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.stream.socket.close()

    async def _take(self, size: int) -> bytes | None:
        while len(self._received) < size:
            try:
                data = await self.stream.receive_some(65536)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                return None
            if not data:
                return None
            self._received += data
        taken, self._received = self._received[:size], self._received[size:]
        return taken


@asynccontextmanager
async def serving(script: Callable[[Peer], Awaitable[None]]) -> AsyncIterator[str]:
    """Serve ``script`` to each connection; give the address."""

    async def handle(stream: trio.SocketStream) -> None:
        async with stream:
            with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                await script(Peer(stream))

    async with trio.open_nursery() as nursery:
        [listener] = await nursery.start(partial(trio.serve_tcp, handle, 0, host="127.0.0.1"))
        host, port = listener.socket.getsockname()
        yield f"ws://{host}:{port}"
        nursery.cancel_scope.cancel()
