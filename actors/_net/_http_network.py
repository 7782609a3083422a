"""How REST requests reach the network: over the same `Dial` as WebSockets, and with the same idea of whom to trust.

httpcore, below httpx, would dial by itself; its proxy support is another one than that of the WebSockets. This puts a
`Dial` in that place.
"""

from __future__ import annotations

import select
import ssl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import httpcore
import trio

from ._dial import Dial, secured, why
from ._prompt import PromptStream


class DialBackend(httpcore.AsyncNetworkBackend):
    """Connects where httpcore wants to, as a `Dial` does.

    Args:
        dial: Connects to host and port.
    """

    def __init__(self, dial: Dial) -> None:
        self._dial = dial

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect.

        Raises:
            httpcore.ConnectTimeout: Not within ``timeout`` seconds.
            httpcore.ConnectError: Not at all.
        """
        with _bounded(timeout, httpcore.ConnectTimeout):
            try:
                return _Stream(await self._dial(host, port))
            except (OSError, UnicodeError, trio.BrokenResourceError) as error:
                raise httpcore.ConnectError(why(error, host)) from None

    async def sleep(self, seconds: float) -> None:
        """Sleep; for httpcore's own retries, which nobody asks for."""
        await trio.sleep(seconds)


class _Stream(httpcore.AsyncNetworkStream):
    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        with _bounded(timeout, httpcore.ReadTimeout):
            try:
                return bytes(await self._stream.receive_some(max_bytes))
            except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
                raise httpcore.ReadError(str(error.__cause__ or error)) from None

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        with _bounded(timeout, httpcore.WriteTimeout):
            try:
                await self._stream.send_all(buffer)
            except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
                raise httpcore.WriteError(str(error.__cause__ or error)) from None

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        host = server_hostname or ""
        with _bounded(timeout, httpcore.ConnectTimeout):
            try:
                return _Stream(await secured(self._stream, host, ssl_context))
            except (trio.BrokenResourceError, ssl.CertificateError) as error:
                raise httpcore.ConnectError(why(error, host)) from None

    def get_extra_info(self, info: str) -> Any:
        # Nothing else is asked for that would matter here: HTTP/2 is not offered.
        return self._is_readable() if info == "is_readable" else None

    def _is_readable(self) -> bool:
        """Whether an idle connection has something to say, which can only be its end."""
        stream: Any = self._stream
        while isinstance(stream, trio.SSLStream):
            stream = stream.transport_stream
        if not isinstance(stream, trio.SocketStream | PromptStream):
            return False
        if (descriptor := stream.socket.fileno()) < 0:
            return True
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        return bool(poll.poll(0))


@contextmanager
def _bounded(seconds: float | None, error: type[Exception]) -> Iterator[None]:
    with trio.move_on_after(float("inf") if seconds is None else seconds) as scope:
        yield
    if scope.cancelled_caught:
        raise error(f"after {seconds:g} s")
