"""The stream that reads when it has waited: as every stream of Trio's, but with what came last. On real sockets."""

import fcntl
import os
import socket
import struct
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import trio
import trio.testing

from actors._net._dial import system_dial
from actors._net._prompt import PromptStream


async def trio_pair() -> tuple[trio.SocketStream, trio.SocketStream]:
    """Return both sides of a connection as Trio has them."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener:
        return await trio.open_tcp_stream("127.0.0.1", listener.socket.getsockname()[1]), await listener.accept()


def unread(stream: trio.SocketStream) -> int:
    """Return how many bytes have come that nobody has read."""
    return int(struct.unpack("i", fcntl.ioctl(stream.socket.fileno(), termios.FIONREAD, b"0000"))[0])


async def until_there(stream: trio.SocketStream, count: int) -> None:
    """Wait until so many bytes have come."""
    while unread(stream) < count:  # noqa: ASYNC110 - nothing else tells
        await trio.sleep(0.001)


class _Before(trio.abc.Instrument):
    def __init__(self, task: trio.lowlevel.Task, what: Callable[[], object]) -> None:
        self.task, self.what = task, what

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        if task is self.task:
            self.what()


@contextmanager
def before_next_step(what: Callable[[], object]) -> Iterator[None]:
    """Do something when this task, which now waits, is about to go on."""
    instrument = _Before(trio.lowlevel.current_task(), what)
    trio.lowlevel.add_instrument(instrument)
    try:
        yield
    finally:
        trio.lowlevel.remove_instrument(instrument)


async def pair() -> tuple[trio.abc.HalfCloseableStream, trio.SocketStream]:
    """Return both sides of a connection, ours as it is here."""
    ours, theirs = await trio_pair()
    return PromptStream(ours), theirs


async def clogged() -> tuple[trio.abc.HalfCloseableStream, trio.SocketStream]:
    """Return a pair of which no side can send more."""
    ours, theirs = await pair()
    for stream in (ours, theirs):
        with trio.move_on_after(0.05):
            while True:
                await stream.send_all(b"x" * 65536)
    return ours, theirs


async def test_it_is_a_stream_in_every_respect_that_trio_checks() -> None:
    await trio.testing.check_half_closeable_stream(pair, clogged)


async def test_what_comes_while_other_tasks_have_their_turn_is_in_the_same_read() -> None:
    raw, theirs = await trio_pair()
    ours = PromptStream(raw)
    async with ours, theirs:
        await theirs.send_all(b"first,")
        await until_there(raw, 6)

        def send_more() -> None:
            expected = unread(raw) + 6
            with socket.socket(fileno=os.dup(theirs.socket.fileno())) as at_once:
                at_once.send(b"second")
            while unread(raw) < expected:
                time.sleep(0.001)

        with before_next_step(send_more):
            got = await ours.receive_some()

    assert got == b"first,second"


async def test_it_is_what_connections_to_exchanges_are_made_of() -> None:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener, await system_dial("127.0.0.1", listener.socket.getsockname()[1]) as stream:
        assert isinstance(stream, PromptStream)


async def test_a_reset_is_a_broken_connection_with_its_cause() -> None:
    ours, theirs = await pair()
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    await theirs.aclose()

    async with ours:
        with pytest.raises(trio.BrokenResourceError, match="the connection broke") as caught:
            await ours.receive_some()

    assert isinstance(caught.value.__cause__, ConnectionResetError)


async def test_a_cancelled_read_loses_nothing() -> None:
    ours, theirs = await pair()
    async with ours, theirs:
        await theirs.send_all(b"kept")
        with trio.CancelScope() as scope:
            scope.cancel()
            await ours.receive_some()

        assert await ours.receive_some() == b"kept"


async def test_what_is_closed_just_before_the_read_is_not_read_by_its_number() -> None:
    # The number may be that of somebody else's connection by then.
    raw, theirs = await trio_pair()
    async with theirs:
        await theirs.send_all(b"unread")
        await until_there(raw, 6)
        with before_next_step(raw.socket.close), pytest.raises(trio.ClosedResourceError):
            await PromptStream(raw).receive_some()
