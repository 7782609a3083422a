"""REST over httpx: one bounded request at a time, typed errors. The only file that imports httpx.

The client layer of httpx is left out: it logs addresses with their queries, in which signatures stand, and it follows
proxies from the environment, which the WebSocket side would not. What is used is its transport.
"""

from __future__ import annotations

import functools
import logging
import math
import ssl
from collections.abc import AsyncIterator, Callable
from typing import Any, Final, Self, TypeAlias
from urllib.parse import quote, unquote

import httpcore

# 0.28 is the last httpx that knows Trio. ASYNC127 recommends its fork httpx2, which has the same API: should httpx
# fall behind, this import is the only line to change.
import httpx  # noqa: ASYNC127
import trio

from .. import _wall_clock
from .._errors import HttpFailure, RateLimited, UnknownOutcome
from .._messages import Hold
from .._source import HttpReply, HttpRequest, RestLimit
from ._dial import Dial, Tls, system_dial, tls_context
from ._http_network import DialBackend
from ._rest_limit import banned_for, in_seconds, number

MAX_BODY: Final = 16 * 1024 * 1024
"""Bytes. A page of 1000 rows is about 200 kB; the largest documented answers, exchange information, are near 10 MB."""
_SECRET: Final = 8
"""Characters of a shortest secret: OKX's passphrases have eight."""
TIMEOUT: Final = 10.0
"""Seconds for a whole request, connecting included."""
IDLE: Final = 15.0
"""Seconds after which a connection is not used again: a venue that closes one just then costs a failed request."""

Judge: TypeAlias = Callable[[HttpRequest, HttpReply], HttpFailure | None]
"""Says what error a reply means; the venue's part of the knowledge, see `actors._source.Source.failure`."""
Transport: TypeAlias = Callable[[], httpx.AsyncBaseTransport]
"""Makes what carries the requests. Tests inject one that stays inside the process."""


def _without_headers(record: logging.LogRecord) -> bool:
    """Take the headers of an answer out of httpcore's own debug log: cookies, and redirects that repeat a secret path."""
    head, found, _ = record.getMessage().partition("receive_response_headers.complete")
    if found:
        record.msg, record.args = head + found, ()
    return True


logging.getLogger("httpcore.http11").addFilter(_without_headers)


class _Pooled(httpx.AsyncHTTPTransport):
    """httpx's own transport over a pool that dials as it is told."""

    def __init__(self, context: ssl.SSLContext, dial: Dial) -> None:
        # Not the constructor of the base: all it does is to make a pool that dials by itself.
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=context,
            max_connections=4,
            max_keepalive_connections=2,
            keepalive_expiry=IDLE,
            network_backend=DialBackend(dial),
        )

    @property
    def idle(self) -> bool:
        """Whether no connection carries a request."""
        return all(connection.is_idle() for connection in self._pool.connections)


class _Network(httpx.AsyncBaseTransport):
    """Has a pool while it is used: a feed asks at its start and after an interruption, and there are many of them."""

    def __init__(self, tls: Tls, dial: Dial) -> None:
        self._context = tls_context(tls)
        self._dial = dial
        self._pooled: _Pooled | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self._pooled is None:
            self._pooled = _Pooled(self._context, self._dial)
        return await self._pooled.handle_async_request(request)

    async def aclose(self) -> None:
        if self._pooled is not None:
            await self._pooled.aclose()

    async def close_idle(self) -> None:
        """Close all connections, if none of them carries a request."""
        if (pooled := self._pooled) is not None and pooled.idle:
            self._pooled = None
            await pooled.aclose()


def network(*, tls: Tls = None, dial: Dial | None = None) -> Transport:
    """Return what makes a transport over the network.

    Args:
        tls: Whom to trust; see `actors._net._wire.open_wire`.
        dial: Connects to host and port, for instance `proxied`; None: TCP.

    Raises:
        ValueError: From what is returned, when there are no certificates where ``tls`` says.
    """
    return lambda: _Network(tls, dial or system_dial)


class _Content(httpx.AsyncByteStream):
    """A request's body, in one piece.

    httpx's own is an asynchronous generator. When sending is cut short, by a cancellation or by the peer, nobody takes that
    to its end: it would be left half-way for the garbage collector.
    """

    def __init__(self, content: bytes) -> None:
        self._content = content

    def __aiter__(self) -> AsyncIterator[bytes]:
        return _Once(self._content)


class _Once(AsyncIterator[bytes]):
    """Gives one thing, and can be dropped before that as well as after it."""

    def __init__(self, what: bytes) -> None:
        self._left = [what]

    async def __anext__(self) -> bytes:
        if not self._left:
            raise StopAsyncIteration
        return self._left.pop()


class Http:
    """The REST side of one venue. Made by `open_http`, and open until the block is left that it is entered with.

    After the venue has said when to come back, requests before that time raise `RateLimited` without being sent; so do
    those that would go beyond its allowance.
    """

    def __init__(
        self,
        base: httpx.URL,
        transport: httpx.AsyncBaseTransport,
        judge: Judge,
        hold: Hold,
        timeout: float,
        max_body: int,
        limit: RestLimit | None,
    ) -> None:
        self._base = base
        self._transport = transport
        self._judge = judge
        self._timeout = timeout
        self._max_body = max_body
        self._hold = hold
        self._limit = limit
        self._turn = trio.Lock()
        self._nursery: trio.Nursery | None = None
        self._tidying = False
        self._used_at = -math.inf

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        # httpcore closes sockets even where this is cut short by a cancellation.
        await self._transport.aclose()

    def tidy_in(self, nursery: trio.Nursery) -> None:
        """Close idle connections after `IDLE` seconds, in tasks of this nursery; without this only the next request does."""
        self._nursery = nursery

    def _used(self) -> None:
        self._used_at = trio.current_time()
        if self._nursery is not None and not self._tidying and isinstance(self._transport, _Network):
            self._tidying = True
            self._nursery.start_soon(self._tidy, self._transport)

    async def _tidy(self, network: _Network) -> None:
        while trio.current_time() < (until := self._used_at + IDLE):  # noqa: ASYNC110 - each request moves it
            await trio.sleep_until(until)
        self._tidying = False
        await network.close_idle()

    async def wait_for_turn(self, request: HttpRequest, share: float, *, by: float = math.inf) -> None:
        """Wait until a request fits into a share of the venue's allowance. Whoever came first goes first.

        Args:
            request: What is to be sent next; that is left to `request`.
            share: Of the allowance, between 0 and 1: the rest is left to others.
            by: On Trio's clock, when the caller will not want it any more.

        Raises:
            RateLimited: Its turn comes later than that. Said at once where nobody waits before it.
        """
        with trio.move_on_at(by):
            async with self._turn:
                await trio.lowlevel.checkpoint()
                while trio.current_time() + (wait := self._wait(request, share)) <= by:
                    if wait <= 0:
                        return
                    await trio.sleep(wait)
        wait = self._wait(request, share)
        raise RateLimited(str(request), "not sent, others have used up our share", retry_after=max(wait, 0.0))

    def _wait(self, request: HttpRequest, share: float) -> float:
        limit = self._limit
        if limit is None:
            return 0.0
        allowed = limit.weight * share
        return self._hold.spent.wait(trio.current_time(), request.weight, allowed=allowed, within=limit.within)

    async def request(self, request: HttpRequest) -> HttpReply:
        """Send one request and return its successful reply.

        Cancellation: the request may or may not have reached the venue; the connection is given up.

        Raises:
            Unauthorized: The venue refuses the credentials.
            RateLimited: The venue refuses to answer for a while.
            UnknownOutcome: The request was sent and not answered, or the answer does not tell.
            HttpFailure: Everything else: not connected, refused, too large.
        """
        wait = max(self._hold.until - trio.current_time(), self._wait(request, 1.0))
        if wait > 0:
            await trio.lowlevel.checkpoint()
            raise RateLimited(str(request), "not sent", retry_after=wait)
        spending = self._hold.spent.take(trio.current_time(), request.weight)
        try:
            with trio.move_on_after(self._timeout) as scope:
                reply = await self._send(request)
        finally:
            self._hold.spent.landed(spending, trio.current_time())
            self._used()
        if scope.cancelled_caught:
            raise UnknownOutcome(str(request), f"no answer within {self._timeout:g} s")
        self._note_used(reply)
        failure = self._judge(request, reply)
        if failure is None:
            return reply
        failure = self._judge(request, without_secrets(request, reply)) or failure
        if isinstance(failure, RateLimited):
            now_ms = _wall_clock.now_ms()
            wait = in_seconds(failure.retry_after, reply.headers, now_ms)
            wait = max(wait, banned_for(str(failure), reply.headers, now_ms) or 0.0)
            if wait != failure.retry_after:
                failure = RateLimited(
                    str(request), failure.reason, retry_after=wait, status=failure.status, code=failure.code
                )
            self._hold.extend(wait)
        raise failure

    def _note_used(self, reply: HttpReply) -> None:
        limit = self._limit
        if limit is None:
            return
        left = number(reply.headers, limit.left_header)
        if left is None:
            used = number(reply.headers, limit.used_header)
        else:
            allowance = number(reply.headers, limit.limit_header)
            used = (limit.weight if allowance is None else allowance) - left
        if used is not None:
            self._hold.spent.told(trio.current_time(), used, limit.within)

    async def _send(self, request: HttpRequest) -> HttpReply:
        url = self._base.copy_with(raw_path=_raw_path(self._base, request))
        # Compressed answers would make the bound on the body's size a matter of trust.
        headers = {"Accept-Encoding": "identity", **dict(request.headers)}
        # The whole request is bounded above; one bound on each step below it would only add ways to fail.
        extensions = {"timeout": httpx.Timeout(self._timeout).as_dict()}
        sent = httpx.Request(request.method, url, headers=headers, content=request.content, extensions=extensions)
        sent.stream = _Content(request.content)
        try:
            response = await self._transport.handle_async_request(sent)
            try:
                return await self._read(request, response)
            finally:
                await response.aclose()
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol) as error:
            raise HttpFailure(str(request), f"not connected: {type(error).__name__} {error}".rstrip()) from None
        except httpx.HTTPError as error:
            raise UnknownOutcome(str(request), f"{type(error).__name__} {error}".rstrip()) from None

    async def _read(self, request: HttpRequest, response: httpx.Response) -> HttpReply:
        if response.headers.get("content-encoding", "identity") != "identity":
            raise HttpFailure(str(request), "a compressed answer, which was not asked for", status=response.status_code)
        body = bytearray()
        stream = response.stream
        assert isinstance(stream, httpx.AsyncByteStream), "an asynchronous transport gives asynchronous streams"
        with trio.CancelScope() as scope:
            async for chunk in stream:
                body += chunk
                if len(body) > self._max_body:
                    # Raising here would leave the generators below us half-way; a cancellation unwinds them.
                    scope.cancel("the answer is too long")
        if len(body) > self._max_body:
            raise HttpFailure(
                str(request), f"an answer of more than {self._max_body} bytes", status=response.status_code
            )
        return HttpReply(response.status_code, dict(response.headers), bytes(body))


def without_secrets(request: HttpRequest, reply: HttpReply) -> HttpReply:
    """Return a reply in which nothing is quoted of what its request was signed with.

    Errors tell the venue's own words, and venues quote keys and signatures in them, as do proxies that explain themselves.
    """
    values = [value for _, value in request.headers]
    values += [pair.partition("=")[2] for pair in request.query.split("&")]
    body = reply.body
    for value in values:
        # Shorter ones are settings, and numbers are times, which may stand in the answer for themselves.
        if len(value) >= _SECRET and not value.isdigit():
            for written in {value, unquote(value), quote(value, safe=""), value.replace("/", "\\/")}:
                body = body.replace(written.encode(), b"***")
    return reply if body == reply.body else HttpReply(reply.status, reply.headers, body)


def _raw_path(base: httpx.URL, request: HttpRequest) -> bytes:
    # As it is: what was signed must not be encoded a second time.
    path = base.raw_path.partition(b"?")[0].decode("ascii")
    if request.path:
        path = path.rstrip("/") + request.path
    return (f"{path}?{request.query}" if request.query else path).encode("ascii")


def open_http(
    base: str,
    judge: Judge,
    *,
    hold: Hold | None = None,
    transport: Callable[[], Any] | None = None,
    tls: Tls = None,
    dial: Dial | None = None,
    timeout: float = TIMEOUT,
    max_body: int = MAX_BODY,
    limit: RestLimit | None = None,
) -> Http:
    """Return the REST side of a venue, to be entered with ``async with``; nothing is connected before the first request.

    Args:
        base: ``https://api.binance.com``; plain ``http`` is for simulators.
        judge: Says what error a reply means.
        hold: Shared with whoever else talks to this address; None: nobody.
        transport: Makes what carries the requests; None: the network, as ``tls`` and ``dial`` say.
        tls: Whom to trust for ``https``: None, the system's certificates; a path, only the certificates there; or a
            context, which decides by itself what is checked.
        dial: Connects to host and port, for instance `proxied`; None: TCP.
        timeout: Seconds for a whole request.
        max_body: Bytes of the largest answer.
        limit: What the venue allows an address; None: only what it says itself is obeyed.

    Raises:
        ValueError: The base address is none, or there are no certificates where ``tls`` says.
    """
    url = _url(base)
    if url.scheme not in ("http", "https") or not url.host:
        raise ValueError(f"not an http:// or https:// address: {base!r}")
    carrier: httpx.AsyncBaseTransport = (transport or network(tls=tls, dial=dial))()
    return Http(url, carrier, judge, hold or Hold(), timeout, max_body, limit)


@functools.lru_cache(maxsize=64)
def _url(base: str) -> httpx.URL:
    """Return an address, which is the same for all feeds of a venue."""
    return httpx.URL(base)
