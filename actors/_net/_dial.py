"""How a stream to an exchange comes up: names, TCP, proxies, TLS. The only file that imports python_socks.

A `Dial` connects to host and port. `system_dial` goes straight there, with happy eyeballs (RFC 8305): of a name's
addresses, IPv6 and IPv4, the next one is tried a quarter of a second after the last. `proxied` goes through a proxy.
WebSockets and REST use the same one, so that both leave through the same door.
"""

from __future__ import annotations

import functools
import socket
import ssl
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final, TypeAlias, cast
from urllib.parse import SplitResult, unquote, urlsplit

import attrs
import trio
from python_socks import ProxyError, ProxyType
from python_socks.async_.trio.v2 import Proxy

from ._prompt import PromptStream

Dial: TypeAlias = Callable[[str, int], Awaitable[trio.abc.Stream]]
"""Connects to host and port, or raises OSError. Whoever calls it sets the bound. Simulators inject one in memory."""
Tls: TypeAlias = ssl.SSLContext | str | Path | None
"""Whom to trust: the system's certificates (None), only those in a file (PEM) or folder, or as a context says."""

_MAX_ANSWER: Final = 16 * 1024
"""Bytes of a proxy's answer to CONNECT."""
_PROXIES: Final = {
    "http": (ProxyType.HTTP, 80),
    "https": (ProxyType.HTTP, 443),
    "socks5": (ProxyType.SOCKS5, 1080),
    "socks5h": (ProxyType.SOCKS5, 1080),
}


class ProxyFailed(OSError):
    """The proxy could not be reached, refused, or answered with nonsense. The text holds no user and no password."""


async def system_dial(host: str, port: int) -> trio.abc.Stream:
    """Connect straight to the host, with happy eyeballs.

    Raises:
        OSError: No address of the host takes the connection; `socket.gaierror`: the name has none.
        UnicodeError: The name is none.
    """
    stream = await trio.open_tcp_stream(host, port)
    # Windows reads sockets in its own way.
    return stream if sys.platform == "win32" else PromptStream(stream)


def proxied(url: str, *, dial: Dial | None = None, tls: Tls = None) -> Dial:
    """Return a dial that goes through a proxy.

    The host's name is resolved by the proxy. User and password appear in no repr and no error.

    Args:
        url: ``http://user:password@host:port`` (HTTP CONNECT), ``https://`` (the same, with TLS to the proxy) or
            ``socks5://``. User and password are percent-encoded, and may be left out.
        dial: How to get to the proxy; None: `system_dial`. Another `proxied` makes a chain.
        tls: Whom to trust as an ``https`` proxy.

    Raises:
        ValueError: The address is none of these.
    """
    try:
        parts = urlsplit(url)
        if parts.scheme in _PROXIES and parts.hostname and parts.port != 0:
            return _Proxied(parts, dial or system_dial, tls)
    except ValueError:
        # The text of this one would show the address, and a password may stand anywhere in it.
        pass
    raise ValueError("a proxy is http://, https:// or socks5:// with a host and perhaps a port")


@attrs.frozen(repr=False)
class _Proxied:
    parts: SplitResult
    dial: Dial
    tls: Tls

    def __repr__(self) -> str:
        return f"proxied({self.public!r})"

    @property
    def public(self) -> str:
        """The address without user and password."""
        host = self.parts.hostname or ""
        return f"{self.parts.scheme}://{f'[{host}]' if ':' in host else host}:{self.port}"

    @property
    def port(self) -> int:
        return self.parts.port or _PROXIES[self.parts.scheme][1]

    async def __call__(self, host: str, port: int) -> trio.abc.Stream:
        way = _WayToProxy(self)
        proxy = Proxy(
            _PROXIES[self.parts.scheme][0],
            self.parts.hostname or "",
            self.port,
            unquote(self.parts.username or ""),
            unquote(self.parts.password or ""),
            # Only its `connect` is used.
            forward=cast("Proxy", way),
        )
        try:
            await proxy.connect(host, port)
        except ProxyFailed:
            raise
        except ProxyError as error:
            raise ProxyFailed(f"the proxy {self.public} refused: {error}") from None
        except Exception as error:  # noqa: BLE001 - what the library raises on nonsense is anything
            raise ProxyFailed(f"the proxy {self.public} failed: {type(error).__name__}") from None
        assert way.stream is not None, "it was connected through"
        return way.stream


class _WayToProxy:
    """Stands in for the first of two chained proxies, and for the stream that it would give: goes to the only one.

    This way python_socks speaks its protocols over any stream, and reads no byte more than belongs to it.
    """

    def __init__(self, proxied: _Proxied) -> None:
        self._proxied = proxied
        self.stream: trio.abc.Stream | None = None

    async def connect(self, dest_host: str, dest_port: int) -> _WayToProxy:
        stream = None
        try:
            stream = await self._proxied.dial(dest_host, dest_port)
            if self._proxied.parts.scheme == "https":
                stream = await secured(stream, dest_host, tls_context(self._proxied.tls))
        except (OSError, UnicodeError, trio.BrokenResourceError) as error:
            raise ProxyFailed(f"the proxy {self._proxied.public} is not reached: {why(error, dest_host)}") from None
        self.stream = stream
        return self

    async def write(self, data: bytes) -> None:
        assert self.stream is not None
        await self.stream.send_all(data)

    async def read(self) -> bytes:
        """Return the whole head of the answer to CONNECT, and nothing of what comes behind it."""
        head = b""
        while not head.endswith((b"\r\n\r\n", b"\n\n")):
            # Byte by byte: it is short, and there is no way to put back what was read too much.
            head += await self.read_exactly(1)
            if len(head) > _MAX_ANSWER:
                raise ProxyFailed(f"the proxy {self._proxied.public} answers with more than {_MAX_ANSWER} bytes")
        return head

    async def read_exactly(self, size: int) -> bytes:
        assert self.stream is not None
        data = b""
        while len(data) < size:
            chunk = await self.stream.receive_some(size - len(data))
            if not chunk:
                raise ProxyFailed(f"the proxy {self._proxied.public} hung up")
            data += chunk
        return data

    async def close(self) -> None:
        if self.stream is not None:
            await trio.aclose_forcefully(self.stream)


def tls_context(tls: Tls) -> ssl.SSLContext:
    """Return a context that checks certificates and host names, unless a given context does not.

    Everybody who trusts the same gets the same one: reading the system's certificates takes tens of milliseconds and
    most of a megabyte, too much for each of a thousand feeds, or for each attempt to connect. A file or folder that has
    changed is read again.

    Raises:
        ValueError: There are no certificates where they were said to be.
    """
    if isinstance(tls, ssl.SSLContext):
        return tls
    if tls is None:
        return _system_context()
    path = Path(tls)
    try:
        return _context_of(path, path.stat().st_mtime_ns)
    except OSError as error:
        raise ValueError(f"no certificates can be read from {path}: {error.strerror or error}") from None


@functools.cache
def _system_context() -> ssl.SSLContext:
    return ssl.create_default_context()


@functools.lru_cache(maxsize=16)
def _context_of(path: Path, _changed: int) -> ssl.SSLContext:
    if path.is_dir():
        return ssl.create_default_context(capath=str(path))
    return ssl.create_default_context(cafile=str(path))


async def secured(stream: trio.abc.Stream, host: str, context: ssl.SSLContext) -> trio.SSLStream[Any]:
    """Put TLS on a stream: names the host (SNI), and checks its certificate as the context says.

    Cancellation and failure close the stream.

    Raises:
        trio.BrokenResourceError: The handshake failed; why is its cause.
    """
    # https_compatible: exchanges close without a TLS goodbye, and nothing here ends at the end of the stream.
    secure = trio.SSLStream(stream, context, server_hostname=host, https_compatible=True)
    try:
        await secure.do_handshake()
    except BaseException:
        await trio.aclose_forcefully(stream)
        raise
    return secure


def why(error: BaseException, host: str) -> str:
    """Say in words why a stream did not come up."""
    if isinstance(error, trio.BrokenResourceError):
        cause = error.__cause__ or error
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"TLS failed: the certificate is refused: {cause.verify_message}"
        return f"TLS failed: {cause}"
    # Trio's own text only says that all addresses failed; why is in the cause, one for each address.
    cause = error.__cause__ or error
    causes = cause.exceptions if isinstance(cause, BaseExceptionGroup) else (cause,)
    return "; ".join(dict.fromkeys(_why(each, host) for each in causes[:3]))


def _why(error: BaseException, host: str) -> str:
    if isinstance(error, socket.gaierror):
        return f"the name {host} does not resolve: {error.strerror or error}"
    if isinstance(error, UnicodeError):
        return f"{host!r} is not the name of a host: {error}"
    if isinstance(error, ProxyFailed):
        return str(error)
    return f"{type(error).__name__}: {error}"
