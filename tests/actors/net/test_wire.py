"""The contract of a wire, over real sockets, against a peer that breaks the rules."""

import gc
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable

import pytest
import trio

from actors._errors import ConnectFailed, PongTimeout, SendTimeout, WireClosed
from actors._net._wire import open_wire

from ..ws_peer import CLOSE, PING, PONG, TEXT, Peer, frame, serving

Script = Callable[[Peer], Awaitable[None]]


async def accept_and_wait(peer: Peer) -> None:
    await peer.handshake()
    await trio.sleep_forever()


async def test_messages_arrive_whole_and_in_order() -> None:
    async def script(peer: Peer) -> None:
        await peer.handshake()
        await peer.send("one")
        await peer.stream.send_all(frame(TEXT, b"tw", final=False) + frame(0, b"o") + frame(2, b"three"))
        assert await peer.receive() == (TEXT, b"hello")
        await peer.send("four")
        await peer.receive_until(CLOSE)

    async with serving(script) as url, open_wire(url + "/stream?streams=x") as wire:
        got: list[bytes] = []
        while len(got) < 3:
            got += await wire.receive_many()
        assert got == [b"one", b"two", b"three"]
        await wire.send("hello")
        assert await wire.receive_many() == [b"four"]


async def test_the_request_names_host_path_and_query() -> None:
    requests = []

    async def script(peer: Peer) -> None:
        await peer.handshake()
        requests.append(peer.request)
        await peer.receive_until(CLOSE)

    async with serving(script) as url:
        async with open_wire(url + "/stream?streams=btcusdt@trade"):
            pass
        assert requests[0].startswith(b"GET /stream?streams=btcusdt@trade HTTP/1.1\r\n")
        assert f"host: {url.removeprefix('ws://')}\r\n".encode() in requests[0].lower()
        assert b"extensions" not in requests[0].lower(), "no compression is offered"


async def test_data_right_behind_the_handshake_is_not_lost() -> None:
    async def script(peer: Peer) -> None:
        sent = peer.stream.send_all

        async def together(data: bytes) -> None:
            await sent(data + frame(TEXT, b"first"))

        peer.stream.send_all = together  # type: ignore[method-assign]
        await peer.handshake()
        await trio.sleep_forever()

    async with serving(script) as url, open_wire(url, close_timeout=0.05) as wire:
        assert await wire.receive_many() == [b"first"]


async def test_a_reset_ends_the_wire_with_1006() -> None:
    async def script(peer: Peer) -> None:
        await peer.handshake()
        peer.reset()

    async with serving(script) as url, open_wire(url) as wire:
        with pytest.raises(WireClosed) as caught:
            await wire.receive_many()
        assert caught.value.code == 1006


async def test_a_tcp_end_without_a_close_frame_is_1006() -> None:
    async def script(peer: Peer) -> None:
        await peer.handshake()

    async with serving(script) as url, open_wire(url) as wire:
        with pytest.raises(WireClosed) as caught:
            await wire.receive_many()
        assert caught.value.code == 1006


async def test_an_orderly_close_tells_code_and_reason_after_the_last_message() -> None:
    async def script(peer: Peer) -> None:
        await peer.handshake()
        await peer.stream.send_all(frame(TEXT, b"last") + frame(CLOSE, (1008).to_bytes(2, "big") + b"too fast"))
        await peer.receive_until(CLOSE)

    async with serving(script) as url, open_wire(url) as wire:
        await trio.testing.wait_all_tasks_blocked(0.05)
        assert await wire.receive_many() == [b"last"]
        with pytest.raises(WireClosed) as caught:
            await wire.receive_many()
        assert (caught.value.code, caught.value.reason) == (1008, "too fast")
        with pytest.raises(WireClosed):
            await wire.send("x")
        with pytest.raises(WireClosed):
            await wire.ping(within=1)


@pytest.mark.parametrize(
    "garbage",
    [
        b"\xff\xff\xff\xff\xff",  # reserved bits and opcode
        b"HTTP/1.1 500 Internal Server Error\r\n\r\n",
        frame(TEXT, b"\xff\xfe"),  # not UTF-8
        frame(0, b"a continuation of nothing"),
        frame(PING, b"x" * 126),  # control frames hold 125 bytes at most
        frame(CLOSE, b"x"),  # half a code
    ],
)
async def test_what_is_no_websocket_ends_the_wire(garbage: bytes) -> None:
    async def script(peer: Peer) -> None:
        await peer.handshake()
        await peer.stream.send_all(garbage)
        await peer.receive_until(-1)

    async with serving(script) as url, open_wire(url, close_timeout=0.05) as wire:
        with trio.fail_after(3), pytest.raises(WireClosed):
            await wire.receive_many()


async def test_a_message_beyond_the_bound_ends_the_wire_with_1009() -> None:
    codes = []

    async def script(peer: Peer) -> None:
        await peer.handshake()
        await peer.stream.send_all(frame(TEXT, b"x" * 1000))
        await peer.stream.send_all(frame(TEXT, b"y" * 1001))
        codes.append(int.from_bytes((await peer.receive_until(CLOSE))[:2], "big"))

    async with serving(script) as url:
        async with open_wire(url, max_message=1000) as wire:
            assert await wire.receive_many() == [b"x" * 1000]
            with pytest.raises(WireClosed) as caught:
                await wire.receive_many()
            assert caught.value.code == 1009
        assert codes == [1009]


async def test_a_ping_returns_its_round_trip_and_beats_nothing_twice() -> None:
    async def script(peer: Peer) -> None:
        await peer.handshake()
        payloads = []
        while len(payloads) < 3:
            payloads.append(await peer.receive_until(PING))
            await trio.sleep(0.05)
            await peer.stream.send_all(frame(PONG, payloads[-1]))
        assert len(set(payloads)) == 3, "each ping has its own payload"
        await peer.receive_until(CLOSE)

    async with serving(script) as url, open_wire(url) as wire:
        for _ in range(3):
            assert 0.05 <= await wire.ping(within=2) < 1


async def test_no_pong_in_time_is_told_and_the_next_ping_can_be_sent() -> None:
    async with serving(accept_and_wait) as url, open_wire(url, close_timeout=0.05) as wire:
        for _ in range(2):
            with pytest.raises(PongTimeout) as caught:
                await wire.ping(within=0.05)
            assert caught.value.seconds == 0.05


async def test_a_ping_that_waits_is_told_of_the_end() -> None:
    async def script(peer: Peer) -> None:
        await peer.handshake()
        await peer.receive_until(PING)
        peer.reset()

    async with serving(script) as url, open_wire(url) as wire:
        with trio.fail_after(3), pytest.raises(WireClosed):
            await wire.ping(within=60)


async def test_a_server_that_never_answers_the_handshake_is_given_up_in_time() -> None:
    async def script(peer: Peer) -> None:
        await trio.sleep_forever()

    async with serving(script) as url:
        with trio.fail_after(3), pytest.raises(ConnectFailed, match="not answered in time"):
            async with open_wire(url, connect_timeout=0.1):
                pass


async def test_a_server_that_hangs_up_during_the_handshake_is_not_waited_for() -> None:
    async def script(peer: Peer) -> None:
        await peer.read_request()

    async with serving(script) as url:
        with trio.fail_after(3), pytest.raises(ConnectFailed, match="closed during the handshake"):
            async with open_wire(url):
                pass


async def test_garbage_instead_of_a_handshake_fails_to_connect() -> None:
    async def script(peer: Peer) -> None:
        await peer.read_request()
        await peer.stream.send_all(b"\x16\x03\x01 this is not HTTP \r\n\r\n")

    async with serving(script) as url:
        with trio.fail_after(3), pytest.raises(ConnectFailed):
            async with open_wire(url):
                pass


@pytest.mark.parametrize("body", [b"", b"slow down"])
async def test_a_refused_handshake_tells_status_and_retry_after(body: bytes) -> None:
    async def script(peer: Peer) -> None:
        await peer.read_request()
        await peer.stream.send_all(
            b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 30\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        )
        await trio.sleep(0.2)

    async with serving(script) as url:
        with trio.fail_after(3), pytest.raises(ConnectFailed) as caught:
            async with open_wire(url):
                pass
    assert (caught.value.status, caught.value.retry_after) == (429, 30.0)


@pytest.mark.parametrize(
    ("told", "kept"), [(b"99999999999", 4 * 86_400.0), (b"-1", None), (b"inf", None), (b"x", None)]
)
async def test_a_refused_handshake_keeps_nobody_away_for_ever(told: bytes, kept: float | None) -> None:
    async def script(peer: Peer) -> None:
        await peer.read_request()
        await peer.stream.send_all(b"HTTP/1.1 503 No\r\nRetry-After: %b\r\nContent-Length: 0\r\n\r\n" % told)
        await trio.sleep(0.2)

    async with serving(script) as url:
        with trio.fail_after(3), pytest.raises(ConnectFailed) as caught:
            async with open_wire(url):
                pass
    assert caught.value.retry_after == kept


async def test_a_closed_port_fails_to_connect() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    with pytest.raises(ConnectFailed, match="ConnectionRefusedError"):
        async with open_wire(f"ws://127.0.0.1:{port}"):
            pass


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (OSError("no"), "OSError: no"),
        (socket.gaierror(-3, "temporary failure"), "the name example.invalid does not resolve: temporary failure"),
        (UnicodeError("label empty"), "'example.invalid' is not the name of a host: label empty"),
    ],
)
async def test_a_name_that_does_not_resolve_fails_to_connect(error: Exception, text: str) -> None:
    async def dial(host: str, port: int) -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()
        raise error

    with pytest.raises(ConnectFailed, match=text):
        async with open_wire("wss://example.invalid", dial=dial):
            pass


async def test_a_dial_that_hangs_is_given_up_in_time(autojump_clock: trio.testing.MockClock) -> None:
    async def dial(host: str, port: int) -> trio.abc.Stream:
        await trio.sleep_forever()
        raise AssertionError

    start = trio.current_time()
    with pytest.raises(ConnectFailed, match="within 10 s"):
        async with open_wire("wss://example.invalid", dial=dial):
            pass
    assert trio.current_time() - start == 10


async def test_a_machine_that_slept_while_it_connected_has_no_time_left_for_the_handshake(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def dial(host: str, port: int) -> trio.abc.Stream:
        # The deadline has passed before Trio can tell.
        await trio.lowlevel.checkpoint()
        autojump_clock.jump(30.0)
        return trio.testing.memory_stream_pair()[0]

    with pytest.raises(ConnectFailed, match="not answered in time"):
        async with open_wire("ws://example.invalid", dial=dial):
            pass


async def test_a_certificate_that_is_not_trusted_fails_to_connect() -> None:
    async def script(peer: Peer) -> None:
        await peer.stream.receive_some(1000)
        await peer.stream.send_all(b"this is not TLS at all, not even close to it")

    async with serving(script) as url:
        with trio.fail_after(3), pytest.raises(ConnectFailed, match="TLS failed"):
            async with open_wire(url.replace("ws://", "wss://")):
                pass
    assert ssl.create_default_context().check_hostname


async def test_no_error_shows_the_query(caplog: pytest.LogCaptureFixture) -> None:
    async def script(peer: Peer) -> None:
        await peer.read_request()

    caplog.set_level(logging.DEBUG)
    async with serving(script) as url:
        with pytest.raises(ConnectFailed) as caught:
            async with open_wire(url.replace("//", "//user:hidden@") + "/private/ws?listenKey=SECRETKEY"):
                pass
    shown = str(caught.value) + repr(caught.value) + caught.value.address + caplog.text
    assert "SECRETKEY" not in shown
    assert "hidden" not in shown
    assert "/private/ws" in shown


@pytest.mark.parametrize("url", ["http://x", "ws://", "x", "wss:///path", "ws://[x", "ws://x:66666", "ws://x/a b"])
async def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="not a ws://"):
        async with open_wire(url):
            pass


async def test_pings_are_answered_while_many_messages_wait_unread() -> None:
    answered = trio.Event()

    async def script(peer: Peer) -> None:
        await peer.handshake()
        for number in range(200):
            await peer.send(str(number))
        await peer.stream.send_all(frame(PING, b"are you there"))
        assert await peer.receive_until(PONG) == b"are you there"
        answered.set()
        await peer.receive_until(CLOSE)

    async with serving(script) as url, open_wire(url) as wire:
        with trio.fail_after(3):
            await answered.wait()
        assert await wire.receive_many() == [str(number).encode() for number in range(200)]


async def test_a_peer_that_takes_nothing_is_noticed() -> None:
    async with serving(accept_and_wait) as url, open_wire(url) as wire:
        with pytest.raises(SendTimeout), trio.fail_after(5):
            await wire.send("x" * 30_000_000, within=0.1)
        with pytest.raises(SendTimeout):
            await wire.send("small")
        start = trio.current_time()
    assert trio.current_time() - start < 0.5, "no orderly close is tried on a stream that holds half a frame"


async def test_leaving_takes_no_longer_than_the_close_timeout() -> None:
    async with serving(accept_and_wait) as url:
        start = trio.current_time()
        async with open_wire(url, close_timeout=0.1):
            pass
        assert trio.current_time() - start < 1


async def test_leaving_with_unread_messages_and_a_late_ping_raises_nothing() -> None:
    # This makes trio-websocket raise inside its reader, and without our reader a bare Cancelled would come out.
    async def script(peer: Peer) -> None:
        await peer.handshake()
        for number in range(20):
            await peer.send(str(number))
        await peer.receive_until(CLOSE)
        await peer.stream.send_all(frame(PING, b"late"))
        await peer.stream.send_all(frame(CLOSE, (1000).to_bytes(2, "big")))
        await peer.receive_until(-1)

    async with serving(script) as url:
        for _ in range(3):
            reached = False
            async with open_wire(url, close_timeout=0.2) as wire:
                await wire.receive_many()
            reached = True
            assert reached


async def test_a_failure_in_the_block_comes_out_as_itself() -> None:
    class Mine(Exception):
        pass

    async with serving(accept_and_wait) as url:
        with pytest.raises(Mine):
            async with open_wire(url, close_timeout=0.05):
                raise Mine


async def test_a_cancelled_receive_loses_nothing_and_leaves_no_socket() -> None:
    go = trio.Event()

    async def script(peer: Peer) -> None:
        await peer.handshake()
        await go.wait()
        await peer.send("kept")
        await peer.receive_until(-1)

    async with serving(script) as url:
        async with open_wire(url, close_timeout=0.05) as wire:
            with trio.move_on_after(0.02) as scope:
                await wire.receive_many()
            assert scope.cancelled_caught
            go.set()
            assert await wire.receive_many() == [b"kept"]
        with trio.move_on_after(0.05) as scope:
            async with open_wire(url) as wire:
                await trio.sleep_forever()
        assert scope.cancelled_caught
        gc.collect()  # an open socket left behind would be a ResourceWarning, and so an error


async def test_closing_twice_does_nothing() -> None:
    async def script(peer: Peer) -> None:
        await peer.handshake()
        await peer.receive_until(CLOSE)

    async with serving(script) as url, open_wire(url) as wire:
        await wire.aclose()
        await wire.aclose()
        with pytest.raises(WireClosed):
            await wire.receive_many()
