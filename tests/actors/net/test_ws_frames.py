"""The splitter against wsproto as the oracle, and the whole wire against trio-websocket alone."""

from collections.abc import Sequence
from typing import Any, cast

import hypothesis.strategies as st
import trio
import trio.testing
import wsproto
import wsproto.events
from hypothesis import HealthCheck, example, given, settings
from trio_websocket import ConnectionClosed, wrap_client_stream
from wsproto.connection import CLIENT

from actors._errors import WireClosed
from actors._net._wire import open_wire
from actors._net._ws_frames import TOO_BIG, Binary, FrameSplitter
from supervisor.testing import run_virtually

from ..ws_peer import CLOSE, PING, PONG, Peer, frame

UNHURRIED = [HealthCheck.too_slow]
"""Frames of 64 KiB take long to draw on a busy machine."""
Message = tuple[bool, bytes]
"""Whether it is binary, and what it says."""

MASKED = st.binary(max_size=3).map(lambda payload: bytes([0x81, 0x80 | len(payload)]) + bytes(4) + payload)
SIZES = st.sampled_from([0, 1, 125, 126, 127, 65535, 65536])
PAYLOADS = st.one_of(
    st.binary(max_size=20),
    st.text(max_size=20).map(str.encode),
    st.sampled_from("aé€𝄞").flatmap(lambda letter: SIZES.map(lambda size: (letter * size).encode()[:size])),
    # Pieces of characters, which fragments put together or not.
    st.sampled_from([b"\xf0\x9d", b"\x84\x9e", b"\xe2", b"\x82\xac", b"\xc3", b"\xa9", b"\xf4\x90", b"\xed\xa0\x80"]),
)
DATA = st.builds(
    lambda opcode, payload, final: frame(opcode, payload, final=final), st.integers(0, 2), PAYLOADS, st.booleans()
)
# What the RFC allows, mostly: a property that sees only refusals proves little.
TEXTS = st.text(max_size=200).map(lambda text: frame(1, text.encode()))
BINARIES = st.binary(max_size=200).map(lambda payload: frame(2, payload))
LARGE = st.builds(lambda opcode, size: frame(opcode, b"x" * size), st.integers(1, 2), SIZES)


@st.composite
def fragmented(draw: st.DrawFn) -> bytes:
    """Draw a message in fragments, cut anywhere, with control frames between them."""
    opcode = draw(st.integers(1, 2))
    payload = draw(st.text(max_size=30)).encode() if opcode == 1 else draw(st.binary(max_size=30))
    cuts = sorted(draw(st.lists(st.integers(0, len(payload)), max_size=4)))
    parts = [payload[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(payload)], strict=True)]
    sent = b""
    for number, part in enumerate(parts):
        sent += frame(0 if number else opcode, part, final=number == len(parts) - 1)
        sent += draw(st.sampled_from([b"", frame(PING, b"between")])) if number < len(parts) - 1 else b""
    return sent


CONTROL = st.builds(frame, st.sampled_from([PING, PONG]), st.binary(max_size=125))
LEGAL = st.one_of(TEXTS, BINARIES, LARGE, fragmented(), CONTROL)
CLOSES = st.builds(
    lambda code, reason: frame(CLOSE, code.to_bytes(2, "big") + reason),
    st.one_of(
        # Not 1014, which wsproto does not know.
        st.sampled_from([0, 999, *range(1000, 1014), 1015, 1016, 2999, 3000, 4999, 5000, 65535]),
    ),
    st.one_of(st.text(max_size=30).map(str.encode), st.binary(max_size=10)),
)
ILLEGAL = st.one_of(
    DATA,
    MASKED,
    CLOSES,
    st.builds(frame, st.integers(0, 15), st.binary(max_size=126)),
    st.builds(lambda bits, data: bytes([data[0] ^ bits]) + data[1:], st.sampled_from([0x10, 0x20, 0x40, 0x80]), LEGAL),
    st.builds(lambda size: b"\x81\x7e" + size.to_bytes(2, "big") + b"x" * size, st.integers(0, 130)),
    st.builds(lambda size: b"\x82\x7f" + size.to_bytes(8, "big") + b"x" * min(size, 9), st.sampled_from([3, 1 << 63])),
    st.sampled_from([frame(CLOSE), frame(CLOSE, b"x")]),
)
TRAFFIC = st.builds(
    lambda legal, rest: b"".join(legal + rest),
    st.lists(LEGAL, max_size=8),
    st.lists(st.one_of(LEGAL, ILLEGAL), max_size=6),
)
CUTS = st.lists(st.integers(0, 3000), max_size=12)


def chunks(data: bytes, cuts: Sequence[int]) -> list[bytes]:
    """Cut into pieces of the given sizes, and the rest; with no sizes, into single bytes."""
    if not cuts and len(data) < 5000:
        return [data[at : at + 1] for at in range(len(data))]
    pieces, at = [], 0
    for size in cuts:
        pieces.append(data[at : at + size])
        at += size
    return [*pieces, data[at:]]


class Outcome:
    """What came out: messages, control frames, and if there was an end, the close code and (ours only) the reason."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.pings: list[bytes] = []
        self.code: int | None = None
        self.reason: str | None = None


def by_wsproto(pieces: Sequence[bytes]) -> Outcome:
    """Let wsproto read it, without any network."""
    connection = wsproto.connection.Connection(CLIENT)
    outcome = Outcome()
    parts: list[bytes] = []
    for piece in pieces:
        connection.receive_data(piece)
        for event in connection.events():
            if isinstance(event, wsproto.events.Message):
                binary = isinstance(event, wsproto.events.BytesMessage)
                parts.append(bytes(event.data) if binary else event.data.encode())
                if event.message_finished:
                    outcome.messages.append((binary, b"".join(parts)))
                    parts = []
            elif isinstance(event, wsproto.events.Ping):
                outcome.pings.append(bytes(event.payload))
            elif isinstance(event, wsproto.events.CloseConnection):
                outcome.code = int(event.code)
                return outcome
    return outcome


def by_splitter(pieces: Sequence[bytes]) -> Outcome:
    splitter = FrameSplitter(1 << 30)
    for piece in pieces:
        splitter.feed(piece)
    outcome = Outcome()
    outcome.messages = [(isinstance(each, Binary), bytes(each)) for each in splitter.messages]
    outcome.pings = [control[2:] for control in splitter.control if control[0] == 0x80 | PING]
    ending = splitter.violation or splitter.closed
    if ending is not None:
        outcome.code, outcome.reason = ending.code, ending.reason
    return outcome


@given(TRAFFIC, CUTS)
@example(frame(1, b"\xf0\x9d", final=False) + frame(0, b"\x84\x9e"), [])
@example(frame(1, b"\xf0\x9d", final=False) + frame(0, b"", final=False) + frame(0, b""), [])
@settings(max_examples=400, deadline=None, suppress_health_check=UNHURRIED)
def test_the_splitter_reads_what_wsproto_reads(traffic: bytes, cuts: list[int]) -> None:
    pieces = chunks(traffic, cuts)
    # Some refusals come earlier than wsproto's, which waits for the whole header: it gets enough to have one.
    theirs, ours = by_wsproto([*pieces, bytes(20)]), by_splitter([*pieces, bytes(20)])
    assert (ours.messages, ours.pings, ours.code) == (theirs.messages, theirs.pings, theirs.code)


@given(TRAFFIC, CUTS, CUTS)
@example(frame(1, b"\xe2\x82"), [4], [2])
@settings(max_examples=200, deadline=None, suppress_health_check=UNHURRIED)
def test_how_the_bytes_are_cut_changes_nothing(traffic: bytes, one: list[int], other: list[int]) -> None:
    first, second = by_splitter(chunks(traffic, one)), by_splitter(chunks(traffic, other))
    assert vars(first) == vars(second)


@given(st.lists(st.integers(0, 60), min_size=1, max_size=6), CUTS)
def test_a_message_that_is_too_long_as_a_whole_is_refused_however_short_its_fragments_are(
    sizes: list[int], cuts: list[int]
) -> None:
    splitter = FrameSplitter(max_message=100)
    fragments = [frame(0 if place else 2, b"x" * size, final=False) for place, size in enumerate(sizes)]
    for piece in chunks(b"".join(fragments) + frame(0, b""), cuts):
        splitter.feed(piece)

    if sum(sizes) <= 100:
        assert (splitter.messages, splitter.violation) == ([b"x" * sum(sizes)], None)
    else:
        assert splitter.messages == []
        assert splitter.violation is not None
        assert splitter.violation.code == TOO_BIG


@given(
    st.text(min_size=1, max_size=50).map(str.encode), st.binary(min_size=1, max_size=4), st.binary(max_size=20), CUTS
)
@settings(max_examples=200, deadline=None, suppress_health_check=UNHURRIED)
def test_the_first_byte_that_cannot_be_text_ends_it(good: bytes, bad: bytes, rest: bytes, cuts: list[int]) -> None:
    whole = good + bad + rest
    splitter = FrameSplitter(1 << 20)
    splitter.feed(b"\x01\x7e" + (1000).to_bytes(2, "big"))
    possible = True
    for at in range(len(whole)):
        splitter.feed(whole[at : at + 1])
        possible = possible and could_be_text(whole[: at + 1])
        assert (splitter.violation is None) == possible
    assert not splitter.messages


def could_be_text(start: bytes) -> bool:
    """Whether some text begins with these bytes."""
    ends = (b"", b"\x80", b"\xa0", b"\x90", b"\x80\x80", b"\xa0\x80", b"\x90\x80", b"\x90\x80\x80", b"\x80\x80\x80")
    for end in ends:
        try:
            (start + end).decode()
        except UnicodeDecodeError:
            continue
        return True
    return False


class Scripted(trio.abc.Stream):
    """A network that brings given pieces behind the handshake, then the end; what is sent goes to a peer's reader."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self.sizes: list[int] = []

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        size = self.sizes.pop(0) if self.sizes else 1 << 20
        return bytes(await self._stream.receive_some(max(1, size)))

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        await self._stream.aclose()


class Server:
    """Plays the server's part of one connection."""

    def __init__(self, traffic: bytes, sizes: list[int]) -> None:
        self.traffic = traffic
        self.sizes = sizes
        self.pongs: list[bytes] = []
        self.close: int | None = None

    async def dial(self, nursery: trio.Nursery) -> trio.abc.Stream:
        client, server = trio.testing.memory_stream_pair()
        stream = Scripted(client)
        stream.sizes = list(self.sizes)
        nursery.start_soon(self._serve, Peer(cast("trio.SocketStream", server)))
        return stream

    async def _serve(self, peer: Peer) -> None:
        await peer.handshake()
        await peer.stream.send_all(self.traffic)
        await trio.testing.wait_all_tasks_blocked()
        send_half: Any = peer.stream
        await send_half.send_eof()
        while True:
            opcode, payload = await peer.receive()
            if opcode == PONG:
                self.pongs.append(payload)
            elif opcode == CLOSE:
                self.close = int.from_bytes(payload[:2], "big") if payload else 1005
            elif opcode == -1:
                break
        await peer.stream.aclose()


async def by_wire(server: Server) -> Outcome:
    outcome = Outcome()
    async with trio.open_nursery() as nursery:

        async def dial(_host: str, _port: int) -> trio.abc.Stream:
            return await server.dial(nursery)

        async with open_wire("ws://server", dial=dial, max_message=1 << 30) as wire:
            try:
                while True:
                    outcome.messages += [(isinstance(each, Binary), bytes(each)) for each in await wire.receive_many()]
            except WireClosed as error:
                outcome.code = error.code
    return outcome


async def by_trio_websocket(server: Server) -> Outcome:
    outcome = Outcome()
    async with trio.open_nursery() as nursery:
        stream = cast("trio.SocketStream", await server.dial(nursery))
        async with trio.open_nursery() as readers:
            connection = await wrap_client_stream(
                readers, stream, "server", "/", message_queue_size=1000, max_message_size=1 << 30
            )
            try:
                while True:
                    message = await connection.get_message()
                    binary = isinstance(message, bytes)
                    outcome.messages.append((binary, message if binary else message.encode()))
            except ConnectionClosed as error:
                outcome.code = error.reason.code
                readers.cancel_scope.cancel()
        await trio.aclose_forcefully(stream)
    return outcome


@given(TRAFFIC, CUTS)
@settings(max_examples=100, deadline=None, suppress_health_check=UNHURRIED)
def test_the_wire_gives_what_trio_websocket_gives(traffic: bytes, sizes: list[int]) -> None:
    async def main() -> None:
        server, beside = Server(traffic, sizes), Server(traffic, sizes)
        ours = await by_wire(server)
        theirs = await by_trio_websocket(beside)
        oracle = by_wsproto([traffic])
        assert (ours.messages, ours.code) == (oracle.messages, oracle.code or 1006)
        assert (ours.messages, ours.code) == (theirs.messages, theirs.code)
        assert server.pongs == oracle.pings
        # A close frame goes out in every case but one: when the peer just ends. This is what it alone does not do.
        assert server.close == oracle.code

    run_virtually(main)
