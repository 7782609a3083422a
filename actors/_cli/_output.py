"""Lines to a file descriptor from inside a running tree, without ever stopping its event loop.

`print` blocks the whole program while the reader of a pipe is slow: a bot piped into a pager would stop answering its
exchange. Here a full pipe makes one task wait, or costs counted log lines, and nothing else.
"""

import errno
import os
import select
from collections import deque

import trio

LOG_CAPACITY = 10_000
"""Log lines that wait for a slow reader before they are dropped; some 2 MB."""


class Lines:
    """Whole lines to one file descriptor.

    Args:
        fd: Where to: 1 for standard output, 2 for standard error.
        capacity: How many lines `put` keeps for a slow reader.
    """

    def __init__(self, fd: int, capacity: int = LOG_CAPACITY) -> None:
        self._fd = fd
        self._capacity = capacity
        self._waiting: deque[str] = deque()
        self._arrived = trio.Event()
        self._busy = trio.Lock()
        self.dropped = 0
        """Lines that `put` refused because the reader was too slow."""

    async def write(self, line: str) -> None:
        """Write one line and return when the system has it: a slow reader slows the caller.

        Raises:
            OSError: The reader is gone (`BrokenPipeError`), or the disk is full.

        Cancelled while waiting, nothing of the line is written if it fits into one page of a pipe (4096 bytes).
        """
        rest = memoryview(line.encode() + b"\n")
        async with self._busy:
            while rest:
                await self._wait_writable()
                rest = rest[os.write(self._fd, rest[: select.PIPE_BUF]) :]

    def put(self, line: str) -> None:
        """Leave one line for `write_out`; when the buffer is full, drop it and count it."""
        if len(self._waiting) >= self._capacity:
            self.dropped += 1
            return
        self._waiting.append(line)
        self._arrived.set()

    async def write_out(self) -> None:
        """Write what `put` leaves, for ever. Cancelled, it loses nothing that `flush` would not still write."""
        while True:
            await self._arrived.wait()
            await self.flush()

    async def flush(self) -> None:
        """Write what is waiting now. A line leaves the buffer only when it is written."""
        self._arrived = trio.Event()
        while self._waiting:
            await self.write(self._waiting[0])
            self._waiting.popleft()

    async def _wait_writable(self) -> None:
        # A pipe or terminal that polls as writable takes one page without blocking.
        try:
            await trio.lowlevel.wait_writable(self._fd)
        except OSError as exc:
            # epoll refuses regular files and /dev/null: they are always writable.
            if exc.errno != errno.EPERM:
                raise
