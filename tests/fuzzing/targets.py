"""What is fuzzed: each function of each source that is given bytes, and the wire below them.

A target takes any bytes and raises nothing, or what it raises is a bug. What comes out must be of use: shown, added up,
written down, without an exception and without becoming larger than the input allows.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import Any, Final, Literal, TypeAlias, cast, get_args

import attrs
import msgspec
import trio
import trio.testing

from actors import BadFrame, HttpFailure, WireError
from actors._account_source import AccountSource, Inquiry, OrderReport
from actors._errors import Inconsistent, NoSuchOrder
from actors._net._rest_limit import LONGEST_BAN, banned_for, in_seconds, number
from actors._net._wire import open_wire
from actors._net._ws_frames import FrameSplitter
from actors._records import Fill, OrderUpdate
from actors._source import Control, Decoded, Door, HttpReply, HttpRequest, PublicSource
from actors.exchanges._clocks import VENUE_CLOCKS
from supervisor.testing import run_virtually

from ..actors.ws_peer import Peer, frame
from . import samples

Group: TypeAlias = Literal["streams", "answers", "inquiries", "wire"]
GROUPS: Final[tuple[Group, ...]] = get_args(Group)

NOW: Final = 1_790_000_000_000
"""The venue's time, in milliseconds."""
_SINCE: Final = NOW - 3 * 86_400_000
_BETWEEN: Final = b"\n"
"""Between the frames of a batch, and the answers to an inquiry: no JSON has one in a string."""
_FRAMES: Final = 8
_QUESTIONS: Final = 60
"""Questions of one inquiry that are answered: more is for its driver, which ends it too."""
_MOST: Final = 2**63
"""What a database holds."""
_WRITTEN: Final = 200
"""Characters of a number as people read it, beyond those of the input."""
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


# What came out --------------------------------------------------------------------------------------------------


def use(value: Any, given: int) -> None:
    """Do what a bot does with whatever came out, and with all that is in it.

    Args:
        value: A record, or a list of them, or a part of one.
        given: Bytes of the input.
    """
    match value:
        case Decimal():
            assert value.is_finite()
            # Before it is written out, which takes as long as it is.
            assert abs(value.adjusted()) <= _WRITTEN
            assert len(format(value, "f")) <= 2 * _WRITTEN + given
            assert (value * value + value).is_finite()
        case bool() | None | str() | bytes():
            pass
        case int():
            str(value)
        case float():
            assert math.isfinite(value)
        case list() | tuple() | frozenset():
            assert len(value) <= given + 1
            for part in value:
                use(part, given)
        case dict():
            use(list(value.values()), given)
        case _:
            for name in _names(value):
                part = getattr(value, name)
                if name in ("time", "received", "created", "updated", "expires") and part is not None:
                    assert -_MOST <= part < _MOST, "a time that no database holds"
                use(part, given)
            repr(value)


def _names(value: Any) -> Sequence[str]:
    if isinstance(value, msgspec.Struct):
        # Those of feeds tell some of it by properties.
        known = [name for name in ("price", "quantity", "time", "side", "first_id") if hasattr(value, name)]
        return [*dict.fromkeys([*value.__struct_fields__, *known])]
    assert attrs.has(type(value)), f"what is {type(value)}?"
    return [field.name for field in attrs.fields(type(value))]


def _is_json(data: bytes) -> bool:
    try:
        json.loads(data)
    except (ValueError, RecursionError):
        return False
    return True


# Streams --------------------------------------------------------------------------------------------------------


def _stream(source: PublicSource | AccountSource, *, private: bool) -> Callable[[bytes], int]:
    def run(data: bytes) -> int:
        batch = data.split(_BETWEEN)[:_FRAMES]
        decoded = source.decode_many(batch, NOW)
        assert decoded.error is None or type(decoded.error) is BadFrame
        assert all(isinstance(control, Control) for control in decoded.controls)
        use(decoded.items, len(data))
        for control in decoded.controls:
            # Of few bytes, 1e308, an integer of 309 digits is made.
            assert len(repr(control)) <= _WRITTEN + 309 + 6 * len(data)
        if decoded.error is not None:
            assert len(decoded.error.sample) <= _WRITTEN
            assert not (private and decoded.error.sample), "account data in an error"
        if private:
            for item in decoded.items:
                assert isinstance(item, OrderUpdate | Fill)
                assert item.symbol
                assert item.raw in batch
        if all(map(_is_json, batch)):
            _same(decoded, source, batch)
        return len(decoded.items) + len(decoded.controls)

    return run


def _same(decoded: Decoded, source: PublicSource | AccountSource, batch: Sequence[bytes]) -> None:
    """A batch says what its frames say."""
    items: list[Any] = []
    controls: list[Control] = []
    for one in batch:
        alone = source.decode_many([one], NOW)
        items += alone.items
        controls += alone.controls
        if alone.error is not None:
            assert decoded.error is not None
            break
    assert (decoded.items, decoded.controls) == (items, controls)


# Answers --------------------------------------------------------------------------------------------------------


def _answer(read: Callable[[bytes], Any]) -> Callable[[bytes], int]:
    def run(data: bytes) -> int:
        try:
            found = read(data)
        except BadFrame as error:
            assert len(error.sample) <= _WRITTEN
            return 0
        if isinstance(found, Door):
            _use_door(found)
        else:
            use(found, len(data))
        return len(found) if isinstance(found, list) else 1

    return run


def _use_door(door: Door) -> None:
    for seconds in (door.ping_every, door.pong_within):
        assert seconds is None or 0.1 <= seconds < 86_400, "a rhythm that nobody can keep"

    async def dial(_host: str, _port: int) -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()
        ours, theirs = trio.testing.memory_stream_pair()
        # It takes the request, and says nothing.
        theirs.send_stream.close()
        return ours

    async def connect() -> None:
        try:
            async with open_wire(door.url, dial=dial):
                raise AssertionError("there is nobody who would answer")
        except WireError:
            pass

    run_virtually(connect)


_STATUSES: Final = (200, 400, 401, 403, 404, 410, 418, 429, 500, 503)


_HEADS: Final = (
    b"a\n30\n",
    b"b\n1790000060000\n",
    b"g\nTue, 22 Sep 2026 14:13:20 GMT\n",
    b"\n\n",
    b"h\nMon, 01 Jan 0001 00:00:00 -0000\n",
)
"""Seeds: a status, and a header."""


def _failure(source: PublicSource | AccountSource) -> Callable[[bytes], int]:
    limit = source.limits.rest
    names = {
        "retry-after",
        "date",
        "gw-ratelimit-reset",
        "x-bapi-limit-reset-timestamp",
        "x-gate-ratelimit-reset-timestamp",
        limit.used_header,
        limit.left_header,
        limit.limit_header,
    } - {""}

    def run(data: bytes) -> int:
        status, _, rest = data.partition(_BETWEEN)
        header, _, body = rest.partition(_BETWEEN)
        headers = dict.fromkeys(sorted(names), header.decode("latin-1"))
        for name in names:
            used = number(headers, name)
            assert used is None or used >= 0
        found = source.failure(
            HttpRequest("GET", "/path"), HttpReply(_STATUSES[sum(status) % len(_STATUSES)], headers, body)
        )
        if found is None:
            return 0
        assert isinstance(found, HttpFailure)
        assert len(str(found)) <= 10 * _WRITTEN
        wait = getattr(found, "retry_after", None)
        if wait is not None:
            # As `actors._net._http` does it.
            assert 0 <= wait < math.inf
            waits = (in_seconds(wait, headers, NOW), banned_for(str(found), headers, NOW) or 0.0)
            assert all(0 <= seconds <= LONGEST_BAN for seconds in waits), "a time to wait that is none"
        if isinstance(found, HttpFailure) and hasattr(source, "unknown_symbol"):
            source.unknown_symbol(found)
        return 1

    return run


# Inquiries ------------------------------------------------------------------------------------------------------


_NO_SUCH_ORDER: Final = b"!"
"""In place of an answer: the venue does not know the order."""


def _inquiry(source: AccountSource, make: Callable[[], Inquiry[Any]]) -> Callable[[bytes], int]:
    def run(data: bytes) -> int:
        bodies = data.split(_BETWEEN)
        asks = make()
        try:
            question = next(asks)
            for place in range(_QUESTIONS):
                source.request(question, NOW)
                body = bodies[min(place, len(bodies) - 1)]
                unknown = NoSuchOrder("GET /path", "none")
                question = asks.throw(unknown) if body == _NO_SUCH_ORDER else asks.send(body)
        except StopIteration as end:
            found = end.value
            assert found is None or isinstance(found, OrderReport | list)
            # Of a single answer that is given again and again.
            use(found, len(data) * _QUESTIONS)
            return len(found) if isinstance(found, list) else int(found is not None)
        except (BadFrame, Inconsistent) as error:
            assert not getattr(error, "sample", b""), "account data in an error"
        except NoSuchOrder:
            assert _NO_SUCH_ORDER in bodies
        finally:
            asks.close()
        return 0

    return run


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
            seeds = [_BETWEEN.join(body.replace(_BETWEEN, b"") for body in talk) for talk in told.talks[method]]
            yield Target(f"{name}: {method}", "inquiries", method, _inquiry(source, make), [*seeds, *others])


def _of_source(
    name: str,
    source: PublicSource | AccountSource,
    frames: Sequence[bytes],
    bodies: Sequence[bytes],
    readers: dict[str, Callable[[bytes], Any]],
    private: bool,
) -> Iterator[Target]:
    yield Target(f"{name}: decode_many", "streams", "decode_many", _stream(source, private=private), frames)
    yield Target(
        f"{name}: failure",
        "answers",
        "failure",
        _failure(source),
        [head + body for head, body in zip(itertools.cycle(_HEADS), bodies)],
    )
    for method, read in readers.items():
        yield Target(f"{name}: {method}", "answers", method, _answer(read), bodies)


def _of_clocks() -> Iterator[Target]:
    for venue, clock in VENUE_CLOCKS.items():
        account = next(
            name for name, source in samples.account_sources().items() if source.venue == venue or venue in name
        )
        yield Target(f"{venue} clock: read", "answers", "", _answer(clock.read), samples.simulated()[account].bodies)


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
