"""Our wire against a server that plays the cases of Autobahn|Testsuite, always; the suite itself is in test_autobahn.py.

This is our own reading of RFC 6455, in the numbering of that suite, so that it runs where the suite (Python 2) cannot
be had. Here every case is played three times: byte by byte (long ones partly), in pieces of 997 bytes, and in one piece. And here it is
checked what the user of the wire gets, which a server cannot see.
"""

from collections.abc import Callable
from typing import cast

import pytest
import trio
import trio.testing

from actors._errors import WireClosed
from actors._net._wire import open_wire
from actors._net._ws_frames import Binary

from ..actors.ws_peer import CLOSE, PONG, TEXT, Peer
from .cases import BINARY, CASES, Case, close

WHOLE = 1 << 30


class Chopped(trio.abc.Stream):
    """A stream that gives what comes in pieces of at most so many bytes."""

    # Beyond these, only every second piece is small: a quarter of a megabyte byte by byte would teach nothing more.
    small = 500

    def __init__(self, stream: trio.abc.Stream, piece: int) -> None:
        self._stream = stream
        self._piece = piece
        self._reads = 0

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        self._reads += 1
        piece = self._piece if self._reads < self.small or self._reads % 2 else max(self._piece, 4099)
        return bytes(await self._stream.receive_some(min(piece, max_bytes or WHOLE)))

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        await self._stream.aclose()


class Played:
    """What came out of playing a case."""

    def __init__(self) -> None:
        self.received: list[tuple[int, bytes]] = []
        self.told: WireClosed | None = None
        self.echoes: list[tuple[int, bytes]] = []
        self.pongs: list[bytes] = []
        self.close: bytes | None = None


async def echo(dial: Callable[..., object], case: Case, played: Played) -> None:
    """The user: sends back what comes, as it came."""
    async with open_wire("ws://server", dial=dial, max_message=case.max_message) as wire:  # type: ignore[arg-type]
        try:
            while True:
                messages = await wire.receive_many()
                assert messages, "at least one"
                played.received += [(BINARY if isinstance(each, Binary) else TEXT, each) for each in messages]
                for message in messages:
                    with_kind = bytes(message) if isinstance(message, Binary) else message.decode()
                    try:
                        await wire.send(with_kind)
                    except WireClosed:
                        # It has ended meanwhile; what arrived before must still come.
                        pass
        except WireClosed as error:
            played.told = error


async def serve(peer: Peer, case: Case, played: Played) -> None:
    await peer.handshake()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(peer.stream.send_all, case.sent)
        # Only the user's end of the stream is slow.
        await trio.testing.wait_all_tasks_blocked()
        content = case.code is None and case.told is None
        while True:
            if content and played.echoes == list(case.messages) and played.pongs == list(case.pongs):
                content = False
                await peer.stream.send_all(close(1000, b"well done"))
            opcode, payload = await peer.receive()
            if opcode == PONG:
                played.pongs.append(payload)
            elif opcode == CLOSE:
                played.close = payload
                break
            else:
                assert opcode != -1, "the connection ended without a close frame"
                played.echoes.append((opcode, payload))
    await peer.stream.aclose()


@pytest.mark.parametrize("piece", [1, 997, WHOLE], ids=["bytes", "pieces", "whole"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
async def test_case(case: Case, piece: int, autojump_clock: trio.testing.MockClock) -> None:
    played = Played()
    async with trio.open_nursery() as nursery:

        async def dial(_host: str, _port: int) -> trio.abc.Stream:
            await trio.lowlevel.checkpoint()
            client, server = trio.testing.memory_stream_pair()
            nursery.start_soon(serve, Peer(cast("trio.SocketStream", server)), case, played)
            return Chopped(client, piece)

        with trio.fail_after(30):
            await echo(dial, case, played)
    assert played.received == list(case.messages), "the user gets every message that came before the end, and no other"
    assert played.pongs == list(case.pongs)
    assert played.told is not None
    assert played.close is not None
    if case.code is None:
        assert played.echoes == list(case.messages)[: len(played.echoes)]
        assert played.told.code == (case.told or 1000)
        answer = {1005: b"", 1014: (1011).to_bytes(2, "big")}.get(played.told.code, close(played.told.code)[2:])
        assert played.close[:2] == answer, "a close frame is answered with its own code"
    else:
        assert played.told.code == case.code
        assert int.from_bytes(played.close[:2], "big") == case.code
        assert played.told.reason
        assert played.close[2:].decode() == played.told.reason


def test_no_case_is_there_twice() -> None:
    assert len({case.id for case in CASES}) == len(CASES)
