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
        self._waiting: deque[bytes] = deque()
        self._arrived = trio.Event()
        self._busy = trio.Lock()
        self._reader_gone = False
        self.dropped = 0
        """Lines given to `put` that were never written, because the reader was too slow or went away."""

    async def write(self, line: str) -> None:
        """Write one line and return when the system has it: a slow reader slows the caller.

        Raises:
            OSError: The reader is gone (`BrokenPipeError`), or the disk is full.

        Cancelled while waiting, nothing of the line is written if it fits into one page of a pipe (4096 bytes).
        """
        await self._write(line.encode() + b"\n")

    def put(self, line: str) -> None:
        """Leave one line for `write_out`. When the buffer is full the oldest line goes, and is counted."""
        if self._reader_gone:
            self.dropped += 1
            return
        if len(self._waiting) >= self._capacity:
            self._waiting.popleft()
            self.dropped += 1
        self._waiting.append(line.encode() + b"\n")
        self._arrived.set()

    async def write_out(self) -> None:
        """Write what `put` leaves, for ever. Cancelled, it loses nothing that `flush` would not still write."""
        while True:
            await self._arrived.wait()
            await self.flush()

    async def flush(self) -> None:
        """Write what is waiting now, in one task at a time. Cancelled, what is not written is still waiting.

        Without a reader the lines are dropped and counted: a bot does not die of its log.
        """
        self._arrived = trio.Event()
        while self._waiting:
            page = [self._waiting.popleft()]
            room = select.PIPE_BUF - len(page[0])
            while self._waiting and len(self._waiting[0]) <= room:
                page.append(self._waiting.popleft())
                room -= len(page[-1])
            try:
                await self._write(b"".join(page))
            except trio.Cancelled:
                self._waiting.extendleft(reversed(page))
                raise
            except OSError:
                self._reader_gone = True
                self.dropped += len(page) + len(self._waiting)
                self._waiting.clear()

    async def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        async with self._busy:
            while rest:
                await self._wait_writable()
                rest = rest[os.write(self._fd, rest[: select.PIPE_BUF]) :]

    async def _wait_writable(self) -> None:
        # A pipe or terminal that polls as writable takes one page without blocking.
        try:
            await trio.lowlevel.wait_writable(self._fd)
        except OSError as exc:
            # epoll refuses regular files and /dev/null: they are always writable.
            if exc.errno != errno.EPERM:
                raise
