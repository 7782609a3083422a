"""Can every address that the tree uses be reached, and as what it should be? DNS, TLS, then the protocol itself.

What comes after a step that failed is not tried: one cause is one line.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

import attrs
import trio

from .._errors import ActorError, ConnectFailed, HttpFailure, RateLimited
from .._net._dial import Dial, Tls, secured, system_dial, tls_context, why
from .._net._http import Http, open_http
from .._net._wire import open_wire
from .._source import HttpReply, HttpRequest
from ..exchanges._clocks import VENUE_CLOCKS
from ._finding import Finding, for_each
from ._needs import Needs, Rest, Stream

WITHIN: Final = 10.0
"""Seconds for one step."""
_DAYS_LEFT: Final = 14.0
"""Of a certificate: with fewer it may be that nobody renews it."""
_PORTS: Final = {"ws": 80, "http": 80, "wss": 443, "https": 443}


@attrs.frozen
class _Address:
    """Scheme, host and port, and how to get there."""

    parts: SplitResult
    tls: Tls
    dial: Dial | None
    stays_inside: bool
    """Whether a transport of the user's own carries it: there is nothing below that could be asked."""

    @property
    def host(self) -> str:
        return self.parts.hostname or ""

    @property
    def port(self) -> int:
        return self.parts.port or _PORTS.get(self.parts.scheme, 0)

    @property
    def at(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def shown(self) -> str:
        # Whatever somebody has written into an address besides, credentials perhaps, is not shown.
        return f"{self.parts.scheme}://{self.at}"


async def addresses(needs: Needs) -> list[Finding]:
    """Look at each address once."""
    found = await for_each(needs.rests, _rest)
    found += await for_each(needs.streams, _stream)
    # REST and streams at one host are two addresses with one name.
    return list(dict.fromkeys(found))


async def _rest(rest: Rest) -> list[Finding]:
    # Without a dial of its own, a transport is the caller's: in memory, or a proxy that only it knows.
    inside = rest.transport is not None and rest.dial is None and rest.tls is None
    address = _Address(urlsplit(rest.address), rest.tls, rest.dial, inside)
    found, reached = await _below(address)
    if not reached:
        return found
    clock = VENUE_CLOCKS.get(rest.venue)
    request = HttpRequest("GET", "/") if clock is None else clock.request
    began = trio.current_time()
    try:
        async with venue_http(rest.address, rest.source, rest.transport) as http:
            await http.request(request)
    except ActorError as error:
        # Where nothing is known that could be asked for, any answer is one.
        if clock is not None or not isinstance(error, HttpFailure) or error.status is None:
            return [*found, Finding("failed", "rest", address.shown, str(error), advice_about(error, str(error)))]
    took = (trio.current_time() - began) * 1000
    return [*found, Finding("ok", "rest", address.shown, f"{rest.venue} answers within {took:.0f} ms")]


async def _stream(stream: Stream) -> list[Finding]:
    address = _Address(urlsplit(stream.address), stream.tls, stream.dial, stays_inside=False)
    found, reached = await _below(address)
    if not reached:
        return found
    if not stream.public:
        text = f"{stream.venue} can be connected to; the handshake needs a key, and is not tried"
        return [*found, Finding("ok", "websocket", address.shown, text)]
    began = trio.current_time()
    try:
        request, answer = stream.source.door_request(), None
        if request is not None:
            async with venue_http(stream.rest, stream.source, stream.transport) as http:
                answer = (await http.request(request)).body
        door = stream.source.door(stream.address, answer)
        async with open_wire(door.url, tls=stream.tls, dial=stream.dial, connect_timeout=WITHIN):
            took = (trio.current_time() - began) * 1000
    except ActorError as error:
        text = error.reason if isinstance(error, ConnectFailed) else str(error)
        return [*found, Finding("failed", "websocket", address.shown, text, advice_about(error, text))]
    text = f"{stream.venue} {stream.source.channel}: handshake within {took:.0f} ms"
    return [*found, Finding("ok", "websocket", address.shown, text)]


async def _below(address: _Address) -> tuple[list[Finding], bool]:
    """Look at name, connection and TLS; say whether it is worth to go on."""
    if address.stays_inside:
        return [], True
    found: list[Finding] = []
    if address.dial is None:
        found.append(await _name(address))
        if found[-1].level == "failed":
            return found, False
    secure = address.parts.scheme in ("wss", "https")
    kind = "tls" if secure else "tcp"
    try:
        with trio.fail_after(WITHIN):
            context = tls_context(address.tls) if secure else None
            stream = await (address.dial or system_dial)(address.host, address.port)
            try:
                if context is None:
                    text, good = "connected; nothing is encrypted", address.host in ("127.0.0.1", "::1", "localhost")
                else:
                    stream = await secured(stream, address.host, context)
                    text, good = _certificate(stream)
            finally:
                await trio.aclose_forcefully(stream)
    except trio.TooSlowError:
        text = f"not connected within {WITHIN:g} s"
        return [*found, Finding("failed", kind, address.at, text, advice_about(None, text))], False
    except (OSError, UnicodeError, ValueError, trio.BrokenResourceError) as error:
        text = str(error) if type(error) is ValueError else why(error, address.host)
        return [*found, Finding("failed", kind, address.at, text, advice_about(None, text))], False
    advice = "" if good else "use the wss:// or https:// address" if context is None else "ask whoever runs that host"
    return [*found, Finding("ok" if good else "warning", kind, address.at, text, advice)], True


async def _name(address: _Address) -> Finding:
    began = trio.current_time()
    try:
        with trio.fail_after(WITHIN):
            rows = await trio.socket.getaddrinfo(address.host, address.port, type=trio.socket.SOCK_STREAM)
    except trio.TooSlowError:
        text = f"no answer within {WITHIN:g} s"
    except (OSError, UnicodeError) as error:
        text = why(error, address.host)
    else:
        took = (trio.current_time() - began) * 1000
        return Finding("ok", "dns", address.host, f"{len({row[4][0] for row in rows})} addresses within {took:.0f} ms")
    return Finding("failed", "dns", address.host, text, f"is the name right? `getent hosts {address.host}`")


def _certificate(stream: trio.abc.Stream) -> tuple[str, bool]:
    """Say how long the peer's certificate is valid, and whether that is long enough."""
    assert isinstance(stream, trio.SSLStream), "it was secured"
    told: Any = stream.getpeercert()
    if not told:
        return "connected; the certificate is not checked, as the tree says", False
    left = (ssl.cert_time_to_seconds(told["notAfter"]) - time.time()) / 86_400
    return f"{stream.version()}, the certificate is valid for {left:.0f} days", left >= _DAYS_LEFT


@asynccontextmanager
async def venue_http(address: str, source: Any, transport: Any) -> AsyncGenerator[Http]:
    """Open the REST side of a venue as its owner would."""

    def judge(request: HttpRequest, reply: HttpReply) -> HttpFailure | None:
        failure: HttpFailure | None = source.failure(request, reply)
        return failure

    async with open_http(address, judge, transport=transport, timeout=WITHIN) as http:
        yield http


def advice_about(error: Exception | None, text: str) -> str:
    """Say what to do about an address that is not reached."""
    status = error.status if isinstance(error, ConnectFailed | HttpFailure) else None
    if isinstance(error, RateLimited) or status in (418, 429):
        return "the venue asks to be left alone: wait, and see what else runs behind this address"
    if status in (401, 403, 451):
        return "the venue may refuse this country or this network: look for another way out, or another venue"
    if status is not None and status >= 500:
        return "the venue has trouble: see its status page"
    if "certificate" in text:
        return "is this machine's clock right? Does a proxy open the encryption? Then trust its authority: .through(ca=FILE)"
    if "TLS" in text:
        return "does something between here and there speak another protocol? Is the port right?"
    if "proxy" in text:
        return "look at the proxy and its credentials"
    return "is the address right? Does a firewall stand between?"
