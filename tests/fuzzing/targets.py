"""What is fuzzed: each function of each source that is given bytes, and the wire below them.

A target takes any bytes and raises nothing, or what it raises is a bug. What comes out must be of use: shown, added up,
written down, without an exception and without becoming larger than the input allows.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, Literal, TypeAlias, cast, get_args

import attrs
import trio
import trio.testing

from actors import WireError
from actors._account_source import AccountSource, Inquiry
from actors._net._rest_limit import LONGEST_BAN
from actors._net._wire import open_wire
from actors._net._ws_frames import FrameSplitter
from actors._source import PublicSource
from actors.exchanges._clocks import VENUE_CLOCKS
from supervisor.testing import run_virtually

from ..actors.ws_peer import Peer, frame
from . import samples
from .runs import BETWEEN, HEADS, NOW, of_answer, of_failure, of_inquiry, of_stream

Group: TypeAlias = Literal["streams", "answers", "inquiries", "wire"]
GROUPS: Final[tuple[Group, ...]] = get_args(Group)
_SINCE: Final = NOW - 3 * 86_400_000
_CHUNK: Final = 7
_MAX_MESSAGE: Final = 300


@attrs.frozen
class Target:
    """One thing to fuzz.

    Attributes:
        name: Unique.
        group: What is fuzzed together.
        method: What of the source is called; empty: it is no source's.
        run: Takes an input, and returns how much came of it.
        seeds: Inputs to begin with; something comes of one of them at least.
    """

    name: str
    group: Group
    method: str
    run: Callable[[bytes], int]
    seeds: Sequence[bytes] = attrs.field(repr=False)


def targets() -> list[Target]:
    """Return all of them, in a steady order."""
    return [*_of_public_sources(), *_of_accounts(), *_of_clocks(), *_of_the_wire()]


# The wire -------------------------------------------------------------------------------------------------------


def _split(data: bytes) -> int:
    """However the bytes are cut, the same comes out of them, and no more is kept than is allowed."""
    whole, cut = FrameSplitter(_MAX_MESSAGE), FrameSplitter(_MAX_MESSAGE)
    whole.feed(data)
    for at in range(0, len(data), _CHUNK):
        cut.feed(data[at : at + _CHUNK])
        assert len(cut._parts) <= _MAX_MESSAGE
        assert len(cut._tail) <= 2 + 125
    assert (whole.messages, whole.control, whole.violation, whole.closed) == (
        cut.messages,
        cut.control,
        cut.violation,
        cut.closed,
    )
    for message in whole.messages:
        assert len(message) <= _MAX_MESSAGE
        if type(message) is bytes:
            message.decode()
    return len(whole.messages) + len(whole.control)


def _wire(data: bytes, *, accepted: bool) -> int:
    """A connection on which these bytes come, behind the handshake or in its place, ends as connections end."""

    async def serve(stream: Any) -> None:
        peer = Peer(stream)
        try:
            if accepted:
                await peer.handshake()
            else:
                await peer.read_request()
            for at in range(0, len(data), 64):
                await peer.stream.send_all(data[at : at + 64])
            half: Any = peer.stream
            await half.send_eof()
            while (await peer.receive())[0] != -1:
                pass
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        finally:
            await trio.aclose_forcefully(stream)

    async def main() -> int:
        count = 0
        with trio.fail_after(60):
            async with trio.open_nursery() as nursery:

                async def dial(_host: str, _port: int) -> trio.abc.Stream:
                    await trio.lowlevel.checkpoint()
                    client, server = trio.testing.memory_stream_pair()
                    nursery.start_soon(serve, server)
                    return client

                try:
                    async with open_wire("ws://exchange", dial=dial, max_message=_MAX_MESSAGE) as wire:
                        count += 1
                        while True:
                            count += len(await wire.receive_many())
                except WireError as error:
                    wait = getattr(error, "retry_after", None)
                    assert wait is None or 0 < wait <= LONGEST_BAN
        return count

    return cast("int", run_virtually(main))


# The table ------------------------------------------------------------------------------------------------------

PUBLIC: Final = ("decode_many", "door", "failure", "rows", "newest", "snapshot")
"""Methods of public sources that read; each source has those of its channel."""
PRIVATE: Final = (
    "decode_many",
    "door",
    "key",
    "time",
    "permissions",
    "failure",
    "open_orders",
    "orders",
    "one_order",
    "fills",
)
"""Methods of accounts that read."""


def _of_public_sources() -> Iterator[Target]:
    for name, source in samples.public_sources().items():
        told = samples.simulated()[name]
        others = [*samples.documented(source.venue), *samples.recorded(source.venue)]
        anything: Any = source
        symbol = source.symbol(samples.SYMBOLS[source.venue][0])
        readers: dict[str, Callable[[bytes], Any]] = {"door": lambda body, s=anything: s.door("wss://exchange", body)}
        if source.door_request() is None:
            # The address is fixed.
            del readers["door"]
        if source.channel == "trades":
            readers["rows"] = lambda body, s=anything, of=symbol: s.rows(of, body, NOW)
        elif source.channel == "quotes":
            readers["newest"] = lambda body, s=anything, of=symbol: s.newest(of, body, NOW)
        else:
            readers["snapshot"] = lambda body, s=anything, of=symbol: s.snapshot(of, body)
        yield from _of_source(name, source, [*told.frames[:200], *others], [*told.bodies, *others], readers, False)


def _of_accounts() -> Iterator[Target]:
    for name, source in samples.account_sources().items():
        told = samples.simulated()[name]
        others = samples.documented(source.venue)
        readers: dict[str, Callable[[bytes], Any]] = {"time": source.time}
        if source.keeping is not None:
            readers["key"] = source.key
        if source.door_question() is not None:
            readers["door"] = lambda body, s=source: s.door("wss://exchange", body, "key")
        if source.permissions_question() is not None:
            readers["permissions"] = source.permissions
        yield from _of_source(name, source, [*told.frames, *others], [*told.bodies, *others], readers, True)
        symbol = source.symbol(samples.SYMBOLS[source.venue][0])
        makers: dict[str, Callable[[], Inquiry[Any]]] = {
            "open_orders": lambda s=source, of=symbol: s.open_orders(of),
            "orders": lambda s=source, of=symbol: s.orders(of, _SINCE, NOW),
            "one_order": lambda s=source, of=symbol, order=told.order: s.one_order(of, order),
            "fills": lambda s=source, of=symbol: s.fills(of, _SINCE, NOW),
        }
        for method, make in makers.items():
            seeds = [BETWEEN.join(body.replace(BETWEEN, b"") for body in talk) for talk in told.talks[method]]
            yield Target(f"{name}: {method}", "inquiries", method, of_inquiry(source, make), [*seeds, *others])


def _of_source(
    name: str,
    source: PublicSource | AccountSource,
    frames: Sequence[bytes],
    bodies: Sequence[bytes],
    readers: dict[str, Callable[[bytes], Any]],
    private: bool,
) -> Iterator[Target]:
    yield Target(f"{name}: decode_many", "streams", "decode_many", of_stream(source, private=private), frames)
    yield Target(
        f"{name}: failure",
        "answers",
        "failure",
        of_failure(source),
        [head + body for head, body in zip(itertools.cycle(HEADS), bodies)],
    )
    for method, read in readers.items():
        yield Target(f"{name}: {method}", "answers", method, of_answer(read), bodies)


def _of_clocks() -> Iterator[Target]:
    for venue, clock in VENUE_CLOCKS.items():
        account = next(
            name for name, source in samples.account_sources().items() if source.venue == venue or venue in name
        )
        yield Target(f"{venue} clock: read", "answers", "", of_answer(clock.read), samples.simulated()[account].bodies)


def _of_the_wire() -> Iterator[Target]:
    texts = [frame(1, sample) for sample in samples.documented("okx")[:5]]
    seeds = [
        b"".join(texts),
        frame(1, "aé€𝄞".encode(), final=False) + frame(9, b"ping") + frame(0, b"end") + frame(8, b"\x03\xe8bye"),
        frame(2, bytes(200)) + frame(1, b"x" * 126) + frame(10) + frame(8),
        frame(1, b"x" * 301) + frame(3) + b"\x81\x80" + b"\xc1\x00" + b"\x81\x7f" + bytes(8),
    ]
    heads = [
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n",
        b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 7\r\nContent-Length: 2\r\n\r\nno",
        b"HTTP/1.1 503 Service Unavailable\nTransfer-Encoding: chunked\n\n5\r\nhello\r\n0\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: wss://elsewhere\r\n\r\n",
    ]
    yield Target("frames", "wire", "", _split, seeds)
    yield Target("wire", "wire", "", lambda data: _wire(data, accepted=True), seeds)
    yield Target("handshake", "wire", "", lambda data: _wire(data, accepted=False), heads)
