"""What the tap adds to a connection: batches, bounds, pauses, and ends that are told. On the virtual clock."""

import itertools
from typing import Any, cast

import hypothesis.strategies as st
import pytest
import trio
import trio.testing
from hypothesis import given, settings

from actors._errors import ConnectFailed, PongTimeout, SendTimeout, WireClosed
from actors._net._tap import PONG_EVERY, SEND_TIMEOUT
from actors._net._wire import open_wire
from supervisor.testing import run_virtually

from ..ws_peer import CLOSE, PING, PONG, TEXT, Peer, frame
from .wired import in_batches, scripted, wired

Clock = trio.testing.MockClock


async def test_everything_that_one_read_brought_comes_at_once(nursery: trio.Nursery, autojump_clock: Clock) -> None:
    async with wired(nursery, scripted(b"".join(frame(TEXT, b"%d" % number) for number in range(500)))) as wire:
        assert await wire.receive_many() == [b"%d" % number for number in range(500)]


async def test_pings_are_answered_in_time_while_nobody_takes_messages_for_a_minute(
    nursery: trio.Nursery, autojump_clock: Clock
) -> None:
    answered: list[float] = []
    message = b"x" * 1000

    async def script(peer: Peer) -> None:
        await peer.handshake()
        for second in range(60):
            await peer.stream.send_all(100 * frame(TEXT, message))
            if second % 10 == 0:
                asked = trio.current_time()
                await peer.stream.send_all(frame(PING, b"%d" % second))
                assert await peer.receive_until(PONG) == b"%d" % second
                answered.append(trio.current_time() - asked)
            await trio.sleep(1)
        await peer.receive_until(CLOSE)
        await peer.stream.aclose()

    async with wired(nursery, script) as wire:
        await trio.sleep(60)
        assert answered == [0] * 6
        statistics = wire.statistics()
        assert (statistics.waiting, statistics.pauses, statistics.unsolicited_pongs) == (6000, 0, 0)
        assert len(await wire.receive_many()) == 6000
        assert wire.statistics().waiting == 0


@pytest.mark.parametrize("bound", [{"max_waiting": 50}, {"max_waiting_bytes": 50 * 1004}])
async def test_when_too_much_waits_reading_pauses_and_pongs_go_out_unasked(
    bound: dict[str, int], nursery: trio.Nursery, autojump_clock: Clock
) -> None:
    pongs: list[tuple[float, bytes]] = []
    sizes: list[int] = []

    async def script(peer: Peer) -> None:
        await peer.handshake()
        client = peer.stream
        # In small pieces, as a network would: a read of the memory stream takes all there is.
        for number in range(400):
            await client.send_all(frame(TEXT, b"%04d" % number + b"x" * 996))
            await trio.testing.wait_all_tasks_blocked()
        await client.send_all(frame(PING, b"behind"))
        while not pongs or pongs[-1][1] != b"behind":
            pongs.append((trio.current_time(), await peer.receive_until(PONG)))
            pongs[-1] = (trio.current_time(), pongs[-1][1])
        await peer.receive_until(CLOSE)
        await peer.stream.aclose()

    async with wired(nursery, script, **bound) as wire:
        started = trio.current_time()
        await trio.sleep(4 * PONG_EVERY + 1)
        statistics = wire.statistics()
        assert statistics.paused
        assert (statistics.waiting, statistics.pauses, statistics.unsolicited_pongs) == (50, 1, 4)
        assert [round(at - started) for at, payload in pongs if payload == b""] == [15, 30, 45, 60]
        with pytest.raises(PongTimeout):
            await wire.ping(within=1)
        got: list[bytes] = []
        while len(got) < 400:
            batch = await wire.receive_many()
            sizes.append(len(batch))
            got += batch
        assert [int(message[:4]) for message in got] == list(range(400)), "nothing is lost and nothing comes twice"
        await trio.testing.wait_all_tasks_blocked()
        assert pongs[-1][1] == b"behind"
        statistics = wire.statistics()
        assert not statistics.paused
        assert statistics.paused_seconds == pytest.approx(4 * PONG_EVERY + 2)
        assert statistics.messages == 400


async def test_one_message_larger_than_the_bound_still_arrives(nursery: trio.Nursery, autojump_clock: Clock) -> None:
    sent = frame(TEXT, b"x" * 100_000)
    async with wired(
        nursery, scripted(frame(TEXT, b"first"), sent[:50_000], sent[50_000:]), max_waiting_bytes=1000
    ) as wire:
        assert await wire.receive_many() == [b"first"]
        assert await wire.receive_many() == [b"x" * 100_000]


async def test_leaving_during_a_pause_is_orderly(nursery: trio.Nursery, autojump_clock: Clock) -> None:
    closed = trio.Event()

    async def script(peer: Peer) -> None:
        await peer.handshake()
        for _ in range(100):
            await peer.stream.send_all(frame(TEXT, b"unread"))
            await trio.testing.wait_all_tasks_blocked()
        await peer.stream.send_all(frame(PING, b"late"))
        assert (await peer.receive_until(CLOSE))[:2] == (1000).to_bytes(2, "big")
        await peer.stream.send_all(frame(PING, b"later") + frame(CLOSE, (1000).to_bytes(2, "big")))
        assert await peer.receive() == (-1, b"")
        closed.set()

    async with wired(nursery, script, max_waiting=10) as wire:
        await trio.testing.wait_all_tasks_blocked()
        await trio.sleep(1)
        assert wire.statistics().paused
        started = trio.current_time()
        await wire.aclose()
        await closed.wait()
        assert trio.current_time() == started
        with pytest.raises(WireClosed) as caught:
            await wire.receive_many()
        assert caught.value.code == 1000


async def test_pings_behind_our_close_frame_do_not_disturb_it(nursery: trio.Nursery, autojump_clock: Clock) -> None:
    # The library would fail on them, because no pong may be sent any more, and the peer would find itself hung up on.
    async def script(peer: Peer) -> None:
        await peer.handshake()
        assert (await peer.receive_until(CLOSE))[:2] == (1000).to_bytes(2, "big")
        await peer.stream.send_all(frame(PING, b"late"))
        await trio.sleep(0.5)
        await peer.stream.send_all(frame(CLOSE, (1000).to_bytes(2, "big")))

    async with wired(nursery, script, close_timeout=1) as wire:
        started = trio.current_time()
        await wire.aclose()
        assert trio.current_time() - started == 0.5


async def test_a_pong_goes_out_before_the_answer_to_what_came_behind_the_ping(
    nursery: trio.Nursery, autojump_clock: Clock
) -> None:
    order: list[int] = []

    async def script(peer: Peer) -> None:
        await peer.handshake()
        for _ in range(20):
            await peer.stream.send_all(frame(PING, b"ping") + frame(TEXT, b"question"))
            order.extend([(await peer.receive())[0], (await peer.receive())[0]])
        await peer.stream.aclose()

    async with wired(nursery, script) as wire:
        with pytest.raises(WireClosed):
            while True:
                await wire.receive_many()
                await wire.send("answer")
    assert order == 20 * [PONG, TEXT]


async def test_a_receiver_is_told_when_another_task_closes(nursery: trio.Nursery, autojump_clock: Clock) -> None:
    async with wired(nursery, scripted()) as wire:

        async def receive() -> None:
            with pytest.raises(WireClosed) as caught:
                await wire.receive_many()
            assert caught.value.code == 1000

        nursery.start_soon(receive)
        await trio.testing.wait_all_tasks_blocked()
        await wire.aclose()


async def test_last_heard_is_when_anything_came(nursery: trio.Nursery, autojump_clock: Clock) -> None:
    async def script(peer: Peer) -> None:
        await peer.handshake()
        for data in (frame(TEXT, b"data"), frame(PING, b"ping"), frame(PONG), b"\x81"):
            await trio.sleep(10)
            await peer.stream.send_all(data)
        await trio.sleep_forever()

    async with wired(nursery, script) as wire:
        started = trio.current_time()
        for at in (0, 10, 20, 30, 40):
            await trio.sleep_until(started + at + 5)
            assert wire.last_heard - started == at


@given(st.lists(st.integers(1, 5), min_size=1, max_size=10), st.lists(st.integers(0, 6), max_size=20))
@settings(max_examples=60, deadline=None)
def test_a_cancelled_receive_loses_nothing(sizes: list[int], patience: list[int]) -> None:
    async def main() -> None:
        got: list[bytes] = []
        async with trio.open_nursery() as nursery, wired(nursery, in_batches(sizes, frame(CLOSE))) as wire:
            with pytest.raises(WireClosed):
                for seconds in itertools.chain(patience, itertools.repeat(float("inf"))):
                    with trio.move_on_after(seconds):
                        got += await wire.receive_many()
        assert got == [b"%d" % number for number in range(sum(sizes))]

    run_virtually(main)


@pytest.mark.parametrize("rest", [b"", b"\x81", b"\x81\x05He", b"\x01\x02He", b"\x81\x7e\x01", b"\x89\x03p"])
async def test_an_end_in_the_middle_of_a_frame_is_an_ordinary_end(
    rest: bytes, nursery: trio.Nursery, autojump_clock: Clock
) -> None:
    answer: list[tuple[int, bytes]] = []

    async def script(peer: Peer) -> None:
        await peer.handshake()
        await peer.stream.send_all(frame(TEXT, b"before") + rest)
        # Half-closed: it would still read.
        half: Any = peer.stream
        await half.send_eof()
        answer.append(await peer.receive())

    async with wired(nursery, script) as wire:
        await trio.testing.wait_all_tasks_blocked()
        assert await wire.receive_many() == [b"before"]
        with pytest.raises(WireClosed) as caught:
            await wire.receive_many()
        assert (caught.value.code, "without a close frame" in caught.value.reason) == (1006, True)
    assert answer == [(-1, b"")]


async def test_what_the_peer_sends_while_it_is_refused_is_thrown_away(
    nursery: trio.Nursery, autojump_clock: Clock
) -> None:
    async def script(peer: Peer) -> None:
        await peer.handshake()
        await peer.stream.send_all(frame(TEXT, b"good") + frame(3) + frame(TEXT, b"bad"))
        # It never reads, and so never knows.
        while True:
            await peer.stream.send_all(frame(TEXT, b"x" * 1000) + frame(PING, b"unanswered"))
            await trio.sleep(0.01)

    async with wired(nursery, script, close_timeout=1) as wire:
        assert await wire.receive_many() == [b"good"]
        started = trio.current_time()
        with pytest.raises(WireClosed, match="reserved opcode 3") as caught:
            await wire.receive_many()
        assert caught.value.code == 1002
        with pytest.raises(WireClosed, match="reserved opcode 3"):
            await wire.send("too late")
        with pytest.raises(WireClosed, match="reserved opcode 3"):
            await wire.ping(within=5)
        assert trio.current_time() - started <= 1
    assert trio.current_time() - started == 1


async def test_the_reader_does_not_wait_for_ever_for_a_peer_that_takes_no_pong(
    nursery: trio.Nursery, autojump_clock: Clock
) -> None:
    class Stuck(trio.abc.Stream):
        def __init__(self, stream: trio.abc.Stream) -> None:
            self._stream = stream
            self.stuck = False

        async def send_all(self, data: bytes | bytearray | memoryview) -> None:
            if self.stuck:
                await trio.sleep_forever()
            await self._stream.send_all(data)

        async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
            return await self._stream.receive_some(max_bytes)

        async def wait_send_all_might_not_block(self) -> None:
            await self._stream.wait_send_all_might_not_block()

        async def aclose(self) -> None:
            await self._stream.aclose()

    client, server = trio.testing.memory_stream_pair()
    stuck = Stuck(client)

    async def dial(_host: str, _port: int) -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()
        return stuck

    async def serve() -> None:
        peer = Peer(cast("trio.SocketStream", server))
        await peer.handshake()
        stuck.stuck = True
        await server.send_all(frame(PING, b"ping") + frame(TEXT, b"data"))

    nursery.start_soon(serve)
    async with open_wire("ws://server", dial=dial) as wire:
        assert await wire.receive_many() == [b"data"]
        started = trio.current_time()
        with pytest.raises(SendTimeout):
            await wire.send("waits behind the pong", within=1)
        await trio.sleep(SEND_TIMEOUT)
        with pytest.raises(SendTimeout):
            await wire.send("fails at once")
        started = trio.current_time()
    assert trio.current_time() == started, "no close frame is tried behind half a pong"


async def test_a_send_that_was_cancelled_half_way_leaves_nothing_to_send_behind_it(
    nursery: trio.Nursery, autojump_clock: Clock
) -> None:
    client, server = trio.testing.lockstep_stream_pair()

    async def dial(_host: str, _port: int) -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()
        return client

    peer = Peer(cast("trio.SocketStream", server))
    nursery.start_soon(peer.handshake)
    async with open_wire("ws://server", dial=dial) as wire:
        with trio.move_on_after(1):
            await wire.send("nobody reads this")
        with pytest.raises(SendTimeout):
            await wire.send("nor this")
        started = trio.current_time()
    assert trio.current_time() == started


@pytest.mark.parametrize("piece", [1, 1000])
async def test_the_handshake_may_come_in_any_pieces_with_data_behind_it(
    piece: int, nursery: trio.Nursery, autojump_clock: Clock
) -> None:
    async def script(peer: Peer) -> None:
        sent = peer.stream.send_all

        async def in_pieces(data: bytes) -> None:
            data += frame(TEXT, b"first")
            for at in range(0, len(data), piece):
                await sent(data[at : at + piece])
                await trio.testing.wait_all_tasks_blocked()

        peer.stream.send_all = in_pieces  # type: ignore[method-assign, assignment]
        await peer.handshake()
        await trio.sleep_forever()

    async with wired(nursery, script, close_timeout=0) as wire:
        assert await wire.receive_many() == [b"first"]


async def test_a_refusal_is_told_at_once_whatever_its_body(nursery: trio.Nursery, autojump_clock: Clock) -> None:
    async def script(peer: Peer) -> None:
        await peer.read_request()
        await peer.stream.send_all(b"HTTP/1.1 429 Too Many\r\nRetry-After: 7\r\nContent-Length: 1000000000\r\n\r\n")
        with trio.move_on_after(5):
            while True:
                await peer.stream.send_all(b"x" * 1000)
                await trio.sleep(0.1)

    started = trio.current_time()
    with pytest.raises(ConnectFailed) as caught:
        async with wired(nursery, script):
            raise AssertionError
    assert (caught.value.status, caught.value.retry_after) == (429, 7.0)
    assert trio.current_time() - started <= 0.1


async def test_an_answer_without_an_end_is_given_up(nursery: trio.Nursery, autojump_clock: Clock) -> None:
    async def script(peer: Peer) -> None:
        await peer.read_request()
        await peer.stream.send_all(b"HTTP/1.1 101 Switching Protocols\r\n")
        try:
            while True:
                await peer.stream.send_all(b"X-More: " + b"x" * 1000 + b"\r\n")
                await trio.sleep(0.01)
        except trio.BrokenResourceError:
            pass

    with pytest.raises(ConnectFailed, match="handshake failed"):
        async with wired(nursery, script):
            raise AssertionError


async def test_text_goes_as_text_and_bytes_go_as_binary(nursery: trio.Nursery, autojump_clock: Clock) -> None:
    got = []

    async def script(peer: Peer) -> None:
        await peer.handshake()
        got.extend([await peer.receive(), await peer.receive()])
        await peer.stream.aclose()

    async with wired(nursery, script) as wire:
        await wire.send("text é")
        await wire.send(b"\x00binary")
        with pytest.raises(WireClosed):
            await wire.receive_many()
    assert got == [(TEXT, "text é".encode()), (2, b"\x00binary")]
