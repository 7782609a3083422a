"""A TCP stream that reads when it has waited, and not before."""

from __future__ import annotations

import os
from operator import index
from typing import Final

import trio

_READ: Final = 64 * 1024
"""Bytes of a read, unless it is said otherwise."""


class PromptStream(trio.abc.HalfCloseableStream):
    """A TCP stream whose data is given out in the turn of the loop in which it was read.

    Trio's own stream reads first, and where there was something, it lets all other tasks run before it gives it out: where
    trades come faster than the loop turns, each is a turn old by then. This one waits first, which is the checkpoint, and
    then reads all that has come by then. For systems where a socket is a file descriptor.
    """

    __slots__ = ("_stream",)

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream

    @property
    def socket(self) -> trio.socket.SocketType:
        """What is below."""
        return self._stream.socket

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Return what there is, waiting for the first byte; nothing at the end. Cancellation loses nothing.

        Raises:
            trio.BrokenResourceError: The connection broke; why is its cause.
            trio.ClosedResourceError: It is closed here.
            trio.BusyResourceError: Another task is receiving.
        """
        if max_bytes is not None and index(max_bytes) < 1:
            await trio.lowlevel.checkpoint()
            raise ValueError("max_bytes must be >= 1")
        while True:
            descriptor = self._stream.socket.fileno()
            if descriptor < 0:
                await trio.lowlevel.checkpoint()
                raise trio.ClosedResourceError("this stream is closed")
            await trio.lowlevel.wait_readable(descriptor)
            if self._stream.socket.fileno() != descriptor:
                # Closed after the data came and before this task's turn.
                raise trio.ClosedResourceError("this stream was closed by another task")
            try:
                return os.read(descriptor, max_bytes or _READ)
            except BlockingIOError:
                # The system thought that there was something: a packet with a wrong checksum, for instance.
                continue
            except OSError as error:
                raise trio.BrokenResourceError(f"the connection broke: {error}") from error

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send, as Trio's stream does."""
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        """Wait, as Trio's stream does."""
        await self._stream.wait_send_all_might_not_block()

    async def send_eof(self) -> None:
        """Send no more."""
        await self._stream.send_eof()

    async def aclose(self) -> None:
        """Close it; whoever receives learns of it."""
        await self._stream.aclose()
