"""The server below the endpoint: no client can disturb another one, whatever it sends, holds or does not read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import h11
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock, memory_stream_one_way_pair, memory_stream_pair

from actors.ops._http_endpoint import Bounds, Endpoint, Reply, Request
from supervisor.testing import run_virtually

OK = b"GET /ok HTTP/1.1\r\nHost: localhost\r\n\r\n"
CLOSE = b"GET /ok HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


async def respond(request: Request) -> Reply:
    if request.path == "/bug":
        raise RuntimeError("a bug")
    if request.path == "/large":
        return Reply(200, b"x" * 1_000_000)
    return Reply(200, f"{request.method} {request.path}".encode())


def endpoint(bounds: Bounds | None = None, reported: list[str] | None = None) -> Endpoint:
    def report(request: Request, error: Exception) -> None:
        (reported if reported is not None else []).append(f"{request.path} {error}")

    return Endpoint(respond, bounds or Bounds(), report)


def virtually(main: Callable[[], Awaitable[None]]) -> None:
    run_virtually(main)


async def everything(stream: trio.abc.ReceiveStream) -> bytes:
    """Return all that comes until the other side closes."""
    found = b""
    try:
        while data := await stream.receive_some(65536):
            found += data
    except trio.BrokenResourceError:
        pass
    return found


def answers_in(sent: bytes, received: bytes) -> list[int]:
    """Return the codes of the answers, which must be proper HTTP to the last byte."""
    codes: list[int] = []
    while received:
        client = h11.Connection(h11.CLIENT)
        method = "HEAD" if sent.startswith(b"HEAD ") else "GET"
        client.send(h11.Request(method=method, target="/", headers=[("Host", "x")]))
        client.send(h11.EndOfMessage())
        client.receive_data(received)
        client.receive_data(b"")
        while not isinstance(event := client.next_event(), h11.EndOfMessage):
            assert isinstance(event, h11.Response | h11.Data)
            if isinstance(event, h11.Response):
                codes.append(event.status_code)
        received = client.trailing_data[0]
    return codes


HEADERS = st.sampled_from(
    [
        b"Host: localhost\r\n",
        b"Host: a\r\nHost: b\r\n",
        b"Content-Length: 5\r\n",
        b"Content-Length: -1\r\n",
        b"Content-Length: 99999999999999999999\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: gzip\r\n",
        b"Connection: close\r\n",
        b"Connection: upgrade\r\nUpgrade: websocket\r\n",
        b"Expect: 100-continue\r\n",
        b" folded\r\n",
        b"Nothing\r\n",
        b": empty\r\n",
        b"Authorization: Bearer \xff\x00\r\n",
        b"X: " + b"y" * 20_000 + b"\r\n",
    ]
)
REQUESTS = st.builds(
    lambda method, target, version, headers, end, body: (
        method + b" " + target + b" " + version + b"\r\n" + b"".join(headers) + end + body
    ),
    st.sampled_from([b"GET", b"GET", b"POST", b"CONNECT", b"OPTIONS", b"get", b"", b"PRI", b"\xff"]),
    st.sampled_from(
        [b"/ok", b"/bug", b"*", b"http://other/", b"/%ff%00", b"/?a=1&b", b"/\xff", b"/?" + b"a=1&" * 30, b""]
    ),
    st.sampled_from([b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0", b"HTTP/9", b"", b"XTTP/1.1"]),
    st.lists(HEADERS, max_size=4),
    st.sampled_from([b"\r\n", b"\r\n", b"\n", b""]),
    st.sampled_from([b"", b"", b"hello", b"5\r\nhello\r\n0\r\n\r\n", b"zz\r\n", b"x" * 20_000]),
)
BYTES = st.lists(st.binary(max_size=200) | REQUESTS | st.just(OK), max_size=4).map(b"".join)


@settings(max_examples=150, deadline=None)
@given(sent=BYTES, cuts=st.lists(st.integers(0, 400), max_size=5), polite=st.booleans())
def test_any_bytes_get_proper_answers_or_a_closed_connection_and_disturb_nobody(
    sent: bytes, cuts: list[int], polite: bool
) -> None:
    async def main() -> None:
        reported: list[str] = []
        server = endpoint(reported=reported)
        ours, theirs = memory_stream_pair()
        good, other = memory_stream_pair()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(server.serve, theirs)
            nursery.start_soon(server.serve, other)
            received: list[bytes] = []

            async def read() -> None:
                received.append(await everything(ours))

            nursery.start_soon(read)
            places = sorted({min(cut, len(sent)) for cut in cuts} | {0, len(sent)})
            try:
                for start, end in zip(places, places[1:], strict=False):
                    await ours.send_all(sent[start:end])
                    await trio.testing.wait_all_tasks_blocked()
                if polite:
                    await ours.send_eof()
            except trio.BrokenResourceError:
                pass  # It has closed, as it may.
            began = trio.current_time()
            await good.send_all(CLOSE)
            assert answers_in(CLOSE, await everything(good)) == [200]
            assert trio.current_time() - began < 2.0
        # The nursery ends by itself: every connection has an end within its bounds.
        assert server.connections == 0
        codes = answers_in(sent, received[0])
        assert set(codes) <= {200, 400, 405, 413, 431, 500}
        assert codes.count(500) == len(reported)

    virtually(main)


async def test_nobody_gets_a_tunnel(autojump_clock: MockClock) -> None:
    reported: list[str] = []
    async with trio.open_nursery() as nursery:
        sent = b"CONNECT /ok HTTP/1.1\r\nHost: x\r\n\r\n"
        ours = await talk(endpoint(reported=reported), nursery, sent + CLOSE)
        assert answers_in(sent, await everything(ours)) == [405]

    assert reported == []


async def talk(server: Endpoint, nursery: trio.Nursery, data: bytes) -> trio.abc.Stream:
    ours, theirs = memory_stream_pair()
    nursery.start_soon(server.serve, theirs)
    await ours.send_all(data)
    await trio.testing.wait_all_tasks_blocked()
    return ours


async def test_a_client_that_sends_byte_by_byte_is_cut_off_when_its_time_is_over(autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        ours = await talk(endpoint(), nursery, b"GET / HTTP/1.1\r\n")
        sent = 0
        with pytest.raises(trio.BrokenResourceError):
            while True:
                await trio.sleep(1)
                await ours.send_all(b"X")
                sent += 1

    assert 8 <= sent <= 10


async def test_a_client_that_sends_nothing_is_cut_off_when_it_has_been_idle_for_too_long(
    autojump_clock: MockClock,
) -> None:
    async with trio.open_nursery() as nursery:
        ours = await talk(endpoint(), nursery, OK)
        began = trio.current_time()
        assert answers_in(OK, await everything(ours)) == [200]

    assert trio.current_time() - began == 60


async def test_a_client_that_does_not_read_its_answer_is_cut_off(autojump_clock: MockClock) -> None:
    server = endpoint()
    to_server, at_server = memory_stream_one_way_pair()
    from_server, _unread = memory_stream_one_way_pair()

    async def never_writable() -> None:
        await trio.sleep_forever()

    from_server.send_all_hook = never_writable
    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.serve, trio.StapledStream(from_server, at_server))
        await to_server.send_all(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")

    assert (trio.current_time() - began, server.connections) == (10, 0)


async def test_when_all_connections_are_held_the_longest_idle_one_gives_way(autojump_clock: MockClock) -> None:
    server = endpoint(Bounds(connections=3))
    async with trio.open_nursery() as nursery:
        held = []
        for _ in range(3):
            held.append(await talk(server, nursery, b"GET / HT"))
            await trio.sleep(0.5)
        prober = await talk(server, nursery, CLOSE)

        assert answers_in(CLOSE, await everything(prober)) == [200]
        assert await held[0].receive_some() == b""
        assert (server.evicted, server.refused) == (1, 0)
        nursery.cancel_scope.cancel()


async def test_many_requests_on_one_connection_are_answered_in_order(autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        ours = await talk(endpoint(), nursery, OK * 50 + CLOSE)
        assert answers_in(OK, await everything(ours)) == [200] * 51


async def test_a_bug_in_an_answer_is_a_500_that_is_reported_and_the_connection_goes_on(
    autojump_clock: MockClock,
) -> None:
    reported: list[str] = []
    async with trio.open_nursery() as nursery:
        sent = b"GET /bug HTTP/1.1\r\nHost: x\r\n\r\n" + CLOSE
        ours = await talk(endpoint(reported=reported), nursery, sent)
        assert answers_in(sent, await everything(ours)) == [500, 200]

    assert reported == ["/bug a bug"]


async def test_a_head_that_is_too_large_is_refused(autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        sent = b"GET / HTTP/1.1\r\nX: " + b"y" * 30_000
        ours = await talk(endpoint(), nursery, sent)
        assert answers_in(sent, await everything(ours)) == [431]


async def test_cancellation_closes_every_connection_at_once(autojump_clock: MockClock) -> None:
    server = endpoint()
    async with trio.open_nursery() as nursery:
        streams = [await talk(server, nursery, data) for data in (b"", b"GET / HT", OK)]
        nursery.cancel_scope.cancel()

    assert server.connections == 0
    for stream in streams:
        assert (await everything(stream)).count(b"HTTP/1.1") <= 1
