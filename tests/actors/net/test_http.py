"""REST requests are bounded, and every failure has its class."""

import contextlib
import gc
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from urllib.parse import quote

import httpx  # noqa: ASYNC127 - see actors/_net/_http.py
import pytest
import trio
import trio.lowlevel

from actors._errors import HttpFailure, RateLimited, Unauthorized, UnknownOutcome
from actors._messages import Hold
from actors._net._http import IDLE, Http, open_http
from actors._source import HttpReply, HttpRequest
from actors.exchanges import _binance

GET = HttpRequest("GET", "/fapi/v1/time")
Answer = Callable[[httpx.Request], httpx.Response]


@asynccontextmanager
async def answered_by(answer: Answer, **options: float) -> AsyncIterator[Http]:
    async with open_http(
        "https://fapi.example",
        _binance.failure,
        transport=lambda: httpx.MockTransport(answer),
        **options,  # type: ignore[arg-type]
    ) as http:
        yield http


async def test_a_request_is_sent_exactly_as_it_was_signed() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, headers={"X-Mbx-Used-Weight-1m": "7"}, content=b"{}")

    query = "symbol=%EF%BC%91&b=1&a=2%2B3&signature=ab"
    async with answered_by(answer) as http:
        reply = await http.request(HttpRequest("GET", "/x", query, (("X-MBX-APIKEY", "k"),)))
    assert seen[0].url.raw_path == f"/x?{query}".encode()
    assert seen[0].headers["x-mbx-apikey"] == "k"
    assert seen[0].headers["host"] == "fapi.example"
    assert seen[0].headers["accept-encoding"] == "identity"
    assert (reply.status, reply.body, reply.headers["x-mbx-used-weight-1m"]) == (200, b"{}", "7")


@pytest.mark.parametrize("status", [401, 400, 418, 500])
async def test_what_a_request_was_signed_with_is_not_told_even_if_the_venue_quotes_it(status: int) -> None:
    signature = "b+/4zQ0V==SIGNATURE"
    query = f"timestamp=1790000000000&recvWindow=5000&signature={quote(signature, safe='')}"

    def answer(request: httpx.Request) -> httpx.Response:
        said = f"{request.headers['x-mbx-apikey']} and {signature} and {request.url.query.decode()}"
        return httpx.Response(status, json={"code": -2015, "msg": f"1790000000000: no good: {said}"})

    async with answered_by(answer) as http:
        with pytest.raises(HttpFailure) as raised:
            await http.request(HttpRequest("GET", "/x", query, (("X-MBX-APIKEY", "THE-KEY-OF-MINE"),)))
    text = str(raised.value) + repr(raised.value) + repr(vars(raised.value))

    assert raised.value.code == -2015 and "1790000000000: no good: *** and ***" in text
    assert "THE-KEY" not in text and "SIGNATURE" not in text and "recvWindow=5000" in text


@pytest.mark.parametrize("method", ["POST", "PUT"])
async def test_methods_without_a_body(method: str) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=request.method.encode())

    async with answered_by(answer) as http:
        assert (await http.request(HttpRequest(method, "/x"))).body == method.encode()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("response", "kind"),
    [
        (httpx.Response(401, content=b'{"code":-2014,"msg":"API-key format invalid."}'), Unauthorized),
        (httpx.Response(429, headers={"retry-after": "3"}), RateLimited),
        (httpx.Response(503), UnknownOutcome),
        (httpx.Response(400, content=b'{"code":-1121,"msg":"Invalid symbol."}'), HttpFailure),
        (httpx.Response(301, headers={"location": "https://evil.example"}), HttpFailure),
        (httpx.Response(200, headers={"content-encoding": "gzip"}, stream=httpx.ByteStream(b"x")), HttpFailure),
    ],
)
async def test_an_answer_that_is_no_success_raises_its_class(response: httpx.Response, kind: type[HttpFailure]) -> None:
    async with answered_by(lambda _: response) as http:
        with pytest.raises(HttpFailure) as caught:
            await http.request(GET)
    assert type(caught.value) is kind


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (httpx.ConnectError("no route"), HttpFailure),
        (httpx.ConnectTimeout(""), HttpFailure),
        (httpx.PoolTimeout(""), HttpFailure),
        (httpx.ReadTimeout(""), UnknownOutcome),
        (httpx.ReadError("reset"), UnknownOutcome),
        (httpx.WriteError("reset"), UnknownOutcome),
        (httpx.RemoteProtocolError("Server disconnected without sending a response."), UnknownOutcome),
    ],
)
async def test_a_broken_connection_is_told_by_whether_the_request_may_have_arrived(
    error: Exception, kind: type[HttpFailure]
) -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        raise error

    async with answered_by(answer) as http:
        with pytest.raises(HttpFailure) as caught:
            await http.request(GET)
    assert type(caught.value) is kind


async def test_after_retry_after_nothing_is_sent_until_then(autojump_clock: trio.testing.MockClock) -> None:
    sent = []

    def answer(_: httpx.Request) -> httpx.Response:
        sent.append(trio.current_time())
        return httpx.Response(429, headers={"retry-after": "30"}) if len(sent) == 1 else httpx.Response(200)

    async with answered_by(answer) as http:
        with pytest.raises(RateLimited) as caught:
            await http.request(GET)
        assert caught.value.retry_after == 30
        await trio.sleep(29)
        with pytest.raises(RateLimited) as caught:
            await http.request(GET)
        assert caught.value.retry_after == 1
        assert caught.value.status is None
        assert len(sent) == 1
        await trio.sleep(1)
        assert (await http.request(GET)).status == 200
    assert sent[1] - sent[0] == 30


async def test_a_wish_to_be_left_alone_holds_for_all_that_share_it(autojump_clock: trio.testing.MockClock) -> None:
    sent = []

    def answer(_: httpx.Request) -> httpx.Response:
        sent.append(trio.current_time())
        return httpx.Response(418, headers={"retry-after": "200"})

    def transport() -> httpx.MockTransport:
        return httpx.MockTransport(answer)

    hold = Hold()
    for _ in range(2):
        async with open_http("https://x", _binance.failure, hold=hold, transport=transport) as http:
            with pytest.raises(RateLimited) as caught:
                await http.request(GET)
            assert caught.value.retry_after == 200
    assert len(sent) == 1


class Slow(httpx.AsyncBaseTransport):
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await trio.sleep_forever()
        raise AssertionError


async def test_a_request_without_an_answer_ends_in_time(autojump_clock: trio.testing.MockClock) -> None:
    async with open_http("https://x", _binance.failure, transport=Slow, timeout=7) as http:
        start = trio.current_time()
        with pytest.raises(UnknownOutcome, match="within 7 s"):
            await http.request(GET)
        assert trio.current_time() - start == 7


class Drip(httpx.AsyncByteStream):
    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            await trio.sleep(1)
            yield b"x"


async def test_an_answer_that_drips_for_ever_ends_in_time(autojump_clock: trio.testing.MockClock) -> None:
    async with answered_by(lambda _: httpx.Response(200, stream=Drip()), timeout=7) as http:
        with pytest.raises(UnknownOutcome):
            await http.request(GET)


async def test_an_answer_beyond_the_bound_is_refused() -> None:
    async with answered_by(lambda _: httpx.Response(200, content=b"x" * 11), max_body=10) as http:
        with pytest.raises(HttpFailure, match="more than 10 bytes"):
            await http.request(GET)
    async with answered_by(lambda _: httpx.Response(200, content=b"x" * 10), max_body=10) as http:
        assert len((await http.request(GET)).body) == 10


@asynccontextmanager
async def raw_server(script: Callable[[trio.SocketStream], Awaitable[None]]) -> AsyncIterator[str]:
    async def handle(stream: trio.SocketStream) -> None:
        async with stream:
            await script(stream)

    async with trio.open_nursery() as nursery:
        [listener] = await nursery.start(partial(trio.serve_tcp, handle, 0, host="127.0.0.1"))
        host, port = listener.socket.getsockname()
        yield f"http://{host}:{port}"
        nursery.cancel_scope.cancel()


async def test_over_a_real_socket_answers_and_disconnections_are_told_apart(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    async def script(stream: trio.SocketStream) -> None:
        request = await stream.receive_some(4096)
        assert b"GET /fapi/v1/order?signature=HIDDEN HTTP/1.1\r\n" in request
        await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        await stream.receive_some(4096)

    async with raw_server(script) as base, open_http(base, _binance.failure) as http:
        request = HttpRequest("GET", "/fapi/v1/order", "signature=HIDDEN", (("X-MBX-APIKEY", "KEYHIDDEN"),))
        assert (await http.request(request)).body == b"{}"
        with pytest.raises(UnknownOutcome, match="disconnected"):
            await http.request(request)
    assert "HIDDEN" not in caplog.text, "neither queries nor headers are logged"


async def test_a_connection_that_is_not_used_for_a_while_is_closed_and_the_next_request_opens_another(
    mock_clock: trio.testing.MockClock,
) -> None:
    served: list[int] = []
    gone = trio.Event()

    async def script(stream: trio.SocketStream) -> None:
        served.append(0)
        while await stream.receive_some(4096):
            served[-1] += 1
            await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        gone.set()

    async with raw_server(script) as base, trio.open_nursery() as nursery, open_http(base, _binance.failure) as http:
        http.tidy_in(nursery)
        await http.request(GET)
        mock_clock.jump(IDLE - 1)
        await http.request(GET)
        await trio.testing.wait_all_tasks_blocked()
        mock_clock.jump(IDLE - 1)
        await trio.testing.wait_all_tasks_blocked()
        assert served == [2] and not gone.is_set(), "used again in time"
        mock_clock.jump(1)
        await gone.wait()
        await http.request(GET)
        nursery.cancel_scope.cancel()
    assert served == [2, 1]


async def test_a_connection_that_the_venue_has_closed_meanwhile_is_not_used_for_the_next_request() -> None:
    served: list[int] = []

    async def script(stream: trio.SocketStream) -> None:
        served.append(0)
        await stream.receive_some(4096)
        await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    async with raw_server(script) as base, open_http(base, _binance.failure) as http:
        for _ in range(2):
            # With the old one, it would be lost on its way: an order without an answer.
            await http.request(HttpRequest("POST", "/fapi/v1/order"))
            await trio.sleep(0.2)
    assert served == [0, 0]


async def test_an_endless_answer_over_a_real_socket_is_cut_off() -> None:
    async def script(stream: trio.SocketStream) -> None:
        await stream.receive_some(4096)
        await stream.send_all(b"HTTP/1.1 200 OK\r\n\r\n")
        with contextlib.suppress(trio.BrokenResourceError):
            while True:
                await stream.send_all(b"x" * 1000)

    async with raw_server(script) as base, open_http(base, _binance.failure, max_body=100_000) as http:
        for _ in range(2):
            with trio.fail_after(3), pytest.raises(HttpFailure, match="more than"):
                await http.request(GET)
    gc.collect()


async def test_a_closed_port_is_not_connected() -> None:
    async with raw_server(trio.aclose_forcefully) as base:
        pass
    async with open_http(base, _binance.failure) as http:
        with pytest.raises(HttpFailure, match="not connected") as caught:
            await http.request(GET)
    assert type(caught.value) is HttpFailure


@pytest.mark.parametrize("base", ["ftp://x", "x", "https://"])
async def test_an_address_that_is_none_is_refused(base: str) -> None:
    with pytest.raises(ValueError, match="not an http"):
        async with open_http(base, _binance.failure):
            pass


async def test_a_cancelled_request_leaves_the_next_one_unharmed() -> None:
    async def script(stream: trio.SocketStream) -> None:
        await stream.receive_some(4096)
        await trio.sleep(0.1)
        await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        await stream.receive_some(1)

    async with raw_server(script) as base, open_http(base, _binance.failure) as http:
        with trio.move_on_after(0.02) as scope:
            await http.request(GET)
        assert scope.cancelled_caught
        reply: HttpReply = await http.request(GET)
        assert reply.body == b"{}"


class _StuckAfterHead(trio.abc.Stream):
    """Takes what is sent first, the request's head, and of the rest nothing."""

    def __init__(self, *, breaks: bool = False) -> None:
        self._breaks = breaks
        self._taken = 0
        self.stuck = trio.Event()

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await trio.lowlevel.checkpoint()
        self._taken += 1
        if self._taken > 1:
            self.stuck.set()
            if self._breaks:
                raise trio.BrokenResourceError
            await trio.sleep_forever()

    async def wait_send_all_might_not_block(self) -> None:
        await trio.lowlevel.checkpoint()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        await trio.lowlevel.checkpoint()
        return b""

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()


@pytest.mark.parametrize("content", [b"", b"body"])
@pytest.mark.parametrize("breaks", [False, True])
async def test_a_request_that_is_cut_short_while_its_body_is_sent_leaves_nothing_half_done(
    content: bytes, breaks: bool
) -> None:
    stream = _StuckAfterHead(breaks=breaks)

    async def dial(_host: str, _port: int) -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()
        return stream

    async with open_http("http://venue.example", _binance.failure, dial=dial) as http, trio.open_nursery() as nursery:

        async def ask() -> None:
            with pytest.raises(UnknownOutcome) if breaks else contextlib.nullcontext():
                await http.request(HttpRequest("POST", "/hook", content=content))

        nursery.start_soon(ask)
        await stream.stuck.wait()
        if not breaks:
            nursery.cancel_scope.cancel()

    # A generator that was left half-way would be found here; Trio warns of it, and warnings are errors.
    gc.collect()


async def test_a_body_is_sent_as_it_is_and_does_not_show() -> None:
    seen: list[bytes] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.content)
        return httpx.Response(200)

    request = HttpRequest("POST", "/hook", content=b"\x00body")
    async with answered_by(answer) as http:
        await http.request(request)

    assert seen == [b"\x00body"]
    assert "body" not in repr(request) + str(request)
