"""Streams: how to break one off, and a bounded in-memory pair that can be broken off like TCP."""

from __future__ import annotations

import operator
import socket
import struct
from collections.abc import Coroutine

import trio

_PIPE_BYTES = 1 << 20


class MemoryStream(trio.abc.Stream):
    """One end of an in-memory connection made by `memory_stream_pair`.

    Unlike trio's own it holds a bounded number of bytes, so a reader that stops makes the writer wait, and it can be
    reset: the peer then reads an error, as it does when a TCP reset arrives, and not an orderly end.
    """

    def __init__(self, incoming: _Pipe, outgoing: _Pipe) -> None:
        self._incoming = incoming
        self._outgoing = outgoing
        self._sending = self._receiving = False

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send; waits while the peer does not read. When cancelled, a part may have been sent.

        Raises:
            trio.BusyResourceError: another task is sending.
            trio.BrokenResourceError: the peer has gone.
        """
        await self._send(self._outgoing.put(bytes(data)))

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until the peer has read enough; raises as `send_all` does."""
        await self._send(self._outgoing.wait_room())

    async def _send(self, work: Coroutine[None, None, None]) -> None:
        if self._sending:
            work.close()
            raise trio.BusyResourceError("another task is sending")
        self._sending = True
        try:
            await trio.lowlevel.checkpoint()
            await work
        finally:
            work.close()
            self._sending = False

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Receive what is there, or wait; nothing is lost when cancelled.

        Raises:
            trio.BusyResourceError: another task is receiving.
            trio.BrokenResourceError: the peer reset the connection.
        """
        if max_bytes is not None and operator.index(max_bytes) < 1:
            raise ValueError("max_bytes must be at least one")
        if self._receiving:
            raise trio.BusyResourceError("another task is receiving")
        self._receiving = True
        try:
            if not self._incoming.empty:
                await trio.lowlevel.checkpoint()
            return await self._incoming.take(max_bytes or 65_536)
        finally:
            self._receiving = False

    async def aclose(self) -> None:
        """Close both directions; the peer reads what was sent and then the end. Always a checkpoint."""
        self._outgoing.finish()
        self._incoming.abandon()
        await trio.lowlevel.checkpoint()

    def reset(self) -> None:
        """Break off: both sides lose what was not yet read."""
        self._outgoing.reset()
        self._incoming.abandon()


class _Pipe:
    """One direction: a bounded buffer of bytes with an end, an abandonment by the reader, or a reset by the writer."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._buffer = bytearray()
        self._finished = self._abandoned = self._broken = False
        self._changed = trio.lowlevel.ParkingLot()

    async def put(self, data: bytes) -> None:
        self._check_writable()
        while data:
            await self.wait_room()
            room = self._limit - len(self._buffer)
            self._buffer += data[:room]
            data = data[room:]
            self._changed.unpark_all()

    async def wait_room(self) -> None:
        self._check_writable()
        while len(self._buffer) >= self._limit:
            await self._changed.park()
            self._check_writable()

    def _check_writable(self) -> None:
        if self._finished or self._broken:
            raise trio.ClosedResourceError("this end was closed")
        if self._abandoned:
            raise trio.BrokenResourceError("the peer has gone")

    @property
    def empty(self) -> bool:
        """Whether whoever takes now has to wait."""
        return not (self._buffer or self._finished or self._broken or self._abandoned)

    async def take(self, max_bytes: int) -> bytes:
        while True:
            if self._abandoned:
                raise trio.ClosedResourceError("this end was closed")
            if self._broken:
                raise trio.BrokenResourceError("the peer reset the connection")
            if self._buffer:
                data = bytes(self._buffer[:max_bytes])
                del self._buffer[:max_bytes]
                self._changed.unpark_all()
                return data
            if self._finished:
                return b""
            await self._changed.park()

    def finish(self) -> None:
        self._finished = True
        self._changed.unpark_all()

    def abandon(self) -> None:
        self._abandoned = True
        self._buffer.clear()
        self._changed.unpark_all()

    def reset(self) -> None:
        self._broken = True
        self._buffer.clear()
        self._changed.unpark_all()


def memory_stream_pair(limit: int = _PIPE_BYTES) -> tuple[MemoryStream, MemoryStream]:
    """Two connected ends that hold up to `limit` bytes in each direction."""
    there, back = _Pipe(limit), _Pipe(limit)
    return MemoryStream(there, back), MemoryStream(back, there)


def reset_stream(stream: trio.abc.Stream) -> None:
    """Break a connection off at once: a TCP reset on a socket, its like in memory.

    Raises:
        TypeError: this kind of stream cannot be reset.
    """
    if isinstance(stream, trio.SSLStream):
        reset_stream(stream.transport_stream)
    elif isinstance(stream, trio.SocketStream):
        # A linger time of zero makes close() send RST and forget what was not sent.
        if stream.socket.fileno() >= 0:
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            stream.socket.close()
    elif isinstance(stream, MemoryStream):
        stream.reset()
    elif isinstance(stream, trio.StapledStream):
        # trio's own memory streams know no reset; the nearest is an end that also refuses to be written to.
        stream.send_stream.close()
        stream.receive_stream.close()
    else:
        raise TypeError(f"{type(stream).__name__} cannot be reset")
