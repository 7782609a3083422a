"""One WebSocket connection as a client: messages in batches, pings that are timed, errors that are typed.

The only file on the client side that imports trio_websocket. What that library would do to us, and what is done here:

* Its reader task reports errors by cancelling a nursery around the caller, and can lose them so that a bare
  ``Cancelled`` comes out (its issue #184). Here the reader runs in a nursery of its own and never raises: what ended it
  is kept, and raised by the next `Wire` call.
* Two unread messages stop its answers to pings. The queue is made long; whoever receives must not wait long in between.
* Its waits for the handshake and for pongs do not end with the connection. Here they do, and each is bounded.
* Leaving it takes up to a minute. Here it is `close_timeout`, and the socket is closed in any case.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from itertools import count
from typing import Any, Final, TypeAlias, cast
from urllib.parse import SplitResult, urlsplit

import trio
from trio_websocket import ConnectionClosed, ConnectionRejected, WebSocketConnection, wrap_client_stream
from wsproto.utilities import ProtocolError

from ._errors import ConnectFailed, PongTimeout, SendTimeout, WireClosed, WireError
from ._source import Frame

CONNECT_TIMEOUT: Final = 10.0
"""Seconds for name, TCP, TLS and handshake together."""
CLOSE_TIMEOUT: Final = 1.0
"""Seconds that the peer gets to answer our close frame."""
SEND_TIMEOUT: Final = 5.0
"""Seconds until a message must be with the operating system."""
MAX_MESSAGE: Final = 4 * 1024 * 1024
"""Bytes. The largest market messages are those of all symbols at once, about a megabyte."""
QUEUE: Final = 1024
"""Messages that may wait unread before pings go unanswered."""

Dial: TypeAlias = Callable[[str, int], Awaitable[trio.abc.Stream]]
"""Connects to host and port. Simulators inject one that stays in memory."""


class _Reader:
    """Stands in for the nursery that trio_websocket asks for: runs its reader task, and keeps how it ended."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery
        self._scopes: set[trio.CancelScope] = set()
        # It outlives a cancellation of the caller, who may want to close in order; `stop` ends it in any case.
        self._scope = trio.CancelScope(shield=True)
        self.failure: Exception | None = None
        self.done = trio.Event()

    def start_soon(self, function: Callable[..., Awaitable[Any]], *args: object, name: object = None) -> None:
        self._nursery.start_soon(self._run, function, args, name=name or "websocket reader")

    async def _run(self, function: Callable[..., Awaitable[Any]], args: tuple[object, ...]) -> None:
        try:
            with self._scope:
                await function(*args)
        except Exception as error:  # noqa: BLE001 - kept, and raised to whoever uses the wire next
            self.failure = error
        finally:
            self.done.set()
            for scope in self._scopes:
                scope.cancel("the connection ended")

    def stop(self) -> None:
        self._scope.cancel("the wire is closed")

    @contextmanager
    def while_reading(self, timeout: float) -> Iterator[trio.CancelScope]:
        """Run the block until the connection ends, and no longer than ``timeout`` seconds."""
        with trio.move_on_after(timeout) as scope:
            if self.done.is_set():
                scope.cancel("the connection ended")
            self._scopes.add(scope)
            try:
                yield scope
            finally:
                self._scopes.discard(scope)


class Wire:
    """An open connection. Made by `open_wire`. One task may receive; any may send and ping."""

    def __init__(
        self, connection: WebSocketConnection, reader: _Reader, stream: trio.abc.Stream, close_timeout: float
    ) -> None:
        self._connection = connection
        self._reader = reader
        self._stream = stream
        self._close_timeout = close_timeout
        self._payloads = count(1)
        self._broken: WireError | None = None
        self._closed = False

    async def receive_many(self) -> list[Frame]:
        """Return the messages that have arrived, at least one, in their order.

        What arrived before the connection ended is returned before the end is raised. Cancellation loses nothing.

        Raises:
            WireClosed: The connection is over.
        """
        try:
            message: Frame = await self._connection.get_message()
        except ConnectionClosed:
            raise await self._ending() from None
        return [message]

    async def send(self, message: str, *, within: float = SEND_TIMEOUT) -> None:
        """Send one text message.

        Cancellation: the message may be half on the wire. The connection is then of no further use.

        Raises:
            WireClosed: The connection is over.
            SendTimeout: The peer takes nothing.
        """
        if self._broken is not None:
            await trio.lowlevel.checkpoint()
            raise self._broken
        with self._reader.while_reading(within) as scope:
            sent = False
            try:
                await self._connection.send_message(message)
                sent = True
            except (ConnectionClosed, ProtocolError):
                raise await self._ending() from None
            finally:
                if not sent and self._broken is None:
                    self._broken = SendTimeout(within)
        if scope.cancelled_caught:
            raise await self._ending() if self._reader.done.is_set() else SendTimeout(within)

    async def ping(self, *, within: float) -> float:
        """Ping the peer and return the seconds until its pong.

        Cancellation is safe.

        Raises:
            WireClosed: The connection is over.
            PongTimeout: The pong did not come within ``within`` seconds.
        """
        started = trio.current_time()
        with self._reader.while_reading(within) as scope:
            try:
                # A new payload each time: the library refuses one whose pong never came.
                await self._connection.ping(next(self._payloads).to_bytes(8, "big"))
            except (ConnectionClosed, ProtocolError):
                raise await self._ending() from None
        if scope.cancelled_caught:
            raise await self._ending() if self._reader.done.is_set() else PongTimeout(within)
        return trio.current_time() - started

    async def aclose(self) -> None:
        """Close the connection: in order within `close_timeout`, and in any case. Further calls do nothing.

        Cancellation: the socket is closed at once.
        """
        if self._closed:
            return
        self._closed = True
        try:
            if self._broken is None:
                with self._reader.while_reading(self._close_timeout):
                    await self._connection.aclose()
        except (ConnectionClosed, ProtocolError, trio.BrokenResourceError):
            # The peer ended it at the same time, which is what was wanted.
            pass
        finally:
            await trio.aclose_forcefully(self._stream)

    async def _ending(self) -> WireClosed:
        if self._connection.closed is None:
            # The reader has closed its channel and is about to say why.
            with trio.move_on_after(self._close_timeout):
                await self._reader.done.wait()
        failure, closed = self._reader.failure, self._connection.closed
        if failure is not None:
            return WireClosed(1006, f"{type(failure).__name__}: {failure}")
        if closed is None:
            return WireClosed(1006, "the connection was lost")
        return WireClosed(int(closed.code), str(closed.reason or ""))


@asynccontextmanager
async def open_wire(
    url: str,
    *,
    ssl_context: ssl.SSLContext | None = None,
    dial: Dial | None = None,
    connect_timeout: float = CONNECT_TIMEOUT,
    close_timeout: float = CLOSE_TIMEOUT,
    max_message: int = MAX_MESSAGE,
) -> AsyncGenerator[Wire, None]:
    """Connect, and close when the block is left, however it is left.

    Args:
        url: ``wss://`` with certificate checks, or ``ws://``. Its query appears in no error.
        ssl_context: For ``wss``; None: the system's certificates.
        dial: Connects to host and port; None: TCP.
        connect_timeout: Seconds until the connection must be up.
        close_timeout: Seconds for an orderly end.
        max_message: Bytes; a longer message ends the connection with code 1009.

    Raises:
        ConnectFailed: The connection did not come up.
        ValueError: The address is none.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("ws", "wss") or not parts.hostname:
        raise ValueError("not a ws:// or wss:// address")
    deadline = trio.current_time() + connect_timeout
    stream = await _connect(parts, ssl_context, dial, connect_timeout)
    raised: BaseException | None = None
    # Only the reader lives in this nursery, and it does not raise. What the block raises is carried around the nursery,
    # so that it comes out as itself and not as a group.
    async with trio.open_nursery() as nursery:
        reader = _Reader(nursery)
        try:
            connection = await _handshake(parts, stream, reader, deadline, max_message)
            wire = Wire(connection, reader, stream, close_timeout)
            try:
                yield wire
            finally:
                await wire.aclose()
        except BaseException as error:  # noqa: ASYNC103, BLE001 - raised again below
            raised = error
        finally:
            reader.stop()
            await trio.aclose_forcefully(stream)
    if raised is not None:
        raise raised


async def _connect(
    parts: SplitResult, ssl_context: ssl.SSLContext | None, dial: Dial | None, within: float
) -> trio.abc.Stream:
    host = parts.hostname or ""
    try:
        with trio.fail_after(within):
            stream = await (dial or trio.open_tcp_stream)(host, _port(parts))
            if parts.scheme == "ws":
                return stream
            return await _secure(stream, host, ssl_context or ssl.create_default_context())
    except trio.TooSlowError:
        reason = f"not connected within {within:g} s"
    except (OSError, UnicodeError) as error:
        # ssl.SSLError and socket.gaierror are OSErrors; a host name that is none is a UnicodeError.
        # Trio's own text only says that all addresses failed; why is in the cause, one for each address.
        cause = error.__cause__ or error
        cause = cause.exceptions[0] if isinstance(cause, BaseExceptionGroup) else cause
        reason = f"{type(cause).__name__}: {cause}"
    except trio.BrokenResourceError as error:
        reason = f"TLS failed: {error.__cause__ or error}"
    raise ConnectFailed(_public(parts), reason)


async def _secure(stream: trio.abc.Stream, host: str, context: ssl.SSLContext) -> trio.abc.Stream:
    secured = trio.SSLStream(stream, context, server_hostname=host, https_compatible=True)
    try:
        await secured.do_handshake()
    except BaseException:
        await trio.aclose_forcefully(stream)
        raise
    return secured


async def _handshake(
    parts: SplitResult, stream: trio.abc.Stream, reader: _Reader, deadline: float, max_message: int
) -> WebSocketConnection:
    resource = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        with reader.while_reading(deadline - trio.current_time()) as scope:
            connection = await wrap_client_stream(
                # Of the nursery only start_soon is used, and of the stream only what every stream has.
                cast("trio.Nursery", reader),
                cast("trio.SocketStream", stream),
                _host_header(parts),
                resource,
                message_queue_size=QUEUE,
                max_message_size=max_message,
                receive_buffer_size=None,
            )
    except (ConnectionClosed, ProtocolError) as error:
        raise ConnectFailed(_public(parts), f"the handshake failed: {error}") from None
    if not scope.cancelled_caught:
        return connection
    failure = reader.failure
    if isinstance(failure, ConnectionRejected):
        retry_after = _seconds(dict(failure.headers).get(b"retry-after", b""))
        raise ConnectFailed(
            _public(parts),
            f"refused with status {failure.status_code}",
            status=int(failure.status_code),
            retry_after=retry_after,
        )
    if failure is not None:
        raise ConnectFailed(_public(parts), f"the handshake failed: {type(failure).__name__}: {failure}")
    if reader.done.is_set():
        raise ConnectFailed(_public(parts), "the connection was closed during the handshake")
    raise ConnectFailed(_public(parts), "the handshake was not answered in time")


def _seconds(text: bytes) -> float | None:
    try:
        seconds = float(text)
    except ValueError:
        return None
    return seconds if 0 < seconds < float("inf") else None


def _port(parts: SplitResult) -> int:
    return parts.port or (443 if parts.scheme == "wss" else 80)


def _host_header(parts: SplitResult) -> str:
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    return host if _port(parts) == (443 if parts.scheme == "wss" else 80) else f"{host}:{_port(parts)}"


def _public(parts: SplitResult) -> str:
    """Return the address without user, query and fragment: listen keys and tokens stand in those."""
    return f"{parts.scheme}://{_host_header(parts)}{parts.path}"
