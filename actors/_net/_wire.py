"""One WebSocket connection as a client: messages in batches, pings that are timed, errors that are typed.

The only file on the client side that imports trio_websocket. Data never reaches that library: `actors._net._tap` takes it
out below. What the library would do to us, and what is done here:

* Its reader task reports errors by cancelling a nursery around the caller, and can lose them so that a bare
  ``Cancelled`` comes out (its issue #184). Here the reader runs in a nursery of its own and never raises: what ended it
  is kept, and raised by the next `Wire` call.
* It sends no close frame when the peer breaks the protocol. The tap notices, and the frame is sent from here.
* Its waits for the handshake and for pongs do not end with the connection. Here they do, and each is bounded.
* Leaving it takes up to a minute. Here it is `close_timeout`, and the socket is closed in any case.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from itertools import count
from typing import Any, Final, cast
from urllib.parse import SplitResult

import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_client_stream
from wsproto.utilities import ProtocolError

from .._errors import ConnectFailed, PongTimeout, SendTimeout, WireClosed
from .._source import Frame
from ._address import taken_apart
from ._dial import Dial, Tls, secured, system_dial, tls_context, why
from ._rest_limit import LONGEST_BAN
from ._tap import ABNORMAL, MAX_BYTES, MAX_MESSAGES, Tap, WireStatistics
from ._ws_frames import Ending

__all__ = [
    "CLOSE_TIMEOUT",
    "CONNECT_TIMEOUT",
    "MAX_MESSAGE",
    "SEND_TIMEOUT",
    "Dial",
    "Tls",
    "Wire",
    "connect",
    "open_wire",
]

CONNECT_TIMEOUT: Final = 10.0
"""Seconds for name, TCP, TLS and handshake together."""
CLOSE_TIMEOUT: Final = 1.0
"""Seconds that the peer gets to answer our close frame, and to end the connection after its own."""
SEND_TIMEOUT: Final = 5.0
"""Seconds until a message must be with the operating system."""
MAX_MESSAGE: Final = 4 * 1024 * 1024
"""Bytes. The largest market messages are those of all symbols at once, about a megabyte."""


class _Reader:
    """Stands in for the nursery that trio_websocket asks for: runs its reader task, and keeps how it ended."""

    def __init__(self, nursery: trio.Nursery, tap: Tap) -> None:
        self._nursery = nursery
        self._tap = tap
        self._scopes: dict[trio.CancelScope, None] = {}
        # It outlives a cancellation of the caller, who may want to close in order; `stop` ends it in any case.
        self._scope = trio.CancelScope(shield=True)
        self.failure: Exception | None = None
        self.done = False

    def start_soon(self, function: Callable[..., Awaitable[Any]], *args: object, name: object = None) -> None:
        self._nursery.start_soon(self._run, function, args, name=name or "websocket reader")

    async def _run(self, function: Callable[..., Awaitable[Any]], args: tuple[object, ...]) -> None:
        try:
            with self._scope:
                await function(*args)
        except Exception as error:  # noqa: BLE001 - kept, and raised to whoever uses the wire next
            self.failure = error
        finally:
            failure = self.failure
            lost = "the connection was lost" if failure is None else f"{type(failure).__name__}: {failure}"
            self._tap.end(Ending(ABNORMAL, lost))
            self.done = True
            for scope in self._scopes:
                scope.cancel("the connection ended")

    def start_beside(self, function: Callable[[], Awaitable[None]]) -> None:
        """Run something in the same nursery, which must neither raise nor outlive the reader."""
        self._nursery.start_soon(function)

    def stop(self) -> None:
        self._scope.cancel("the wire is closed")

    @contextmanager
    def while_reading(self, timeout: float) -> Iterator[trio.CancelScope]:
        """Run the block until the connection ends, and no longer than ``timeout`` seconds."""
        with trio.move_on_after(timeout) as scope:
            if self.done:
                scope.cancel("the connection ended")
            self._scopes[scope] = None
            try:
                yield scope
            finally:
                del self._scopes[scope]


class Wire:
    """An open connection. Made by `connect` and `open_wire`. One task may receive; any may send and ping."""

    def __init__(self, connection: WebSocketConnection, reader: _Reader, tap: Tap, close_timeout: float) -> None:
        self._connection = connection
        self._reader = reader
        self._tap = tap
        self._close_timeout = close_timeout
        self._payloads = count(1)
        self._closed = False
        tap.while_paused = self._stay_in_touch
        tap.when_violated(self._answer_violation)

    @property
    def last_heard(self) -> float:
        """When bytes of any kind last came, pongs included, in Trio's time."""
        return self._tap.last_heard

    def statistics(self) -> WireStatistics:
        """Return what passed through this connection so far."""
        return self._tap.statistics()

    async def receive_many(self) -> list[Frame]:
        """Return all messages that have arrived, at least one, in their order.

        Text is valid UTF-8; what was sent as binary is a `Binary`. What arrived before the connection ended is returned
        before the end is raised. Cancellation loses nothing. Whoever does not call this for long stops the reading:
        see `actors._net._tap`.

        Raises:
            WireClosed: The connection is over: closed by the peer (its code), broken (1006), or ended here because the
                peer broke the protocol (1002), sent text that is not UTF-8 (1007), or too long a message (1009).
        """
        if messages := await self._tap.take():
            return messages
        raise self._ending()

    def hand_to(self, taker: Callable[[list[Frame]], bool]) -> None:
        """Have all messages that wait handed over as soon as one arrives, which saves a turn of the loop.

        Whoever does this calls `receive_many` all the same: it has what was not taken, and the end of the connection.

        Args:
            taker: Called in the task that reads. It must not raise. False: it takes nothing now.
        """
        self._tap.hand_to(taker)

    async def send(self, message: str | bytes, *, within: float = SEND_TIMEOUT) -> None:
        """Send one message: `str` as text, `bytes` as binary.

        Cancellation: the message may be half on the wire. The connection is then of no further use for sending.

        Args:
            message: What to send.
            within: Seconds until it must be with the operating system; more than 20 s are never waited.

        Raises:
            WireClosed: The connection is over.
            SendTimeout: The peer takes nothing.
        """
        ending, half_sent = self._tap.ending, self._tap.half_sent
        if ending is not None or half_sent:
            await trio.lowlevel.checkpoint()
            raise SendTimeout(within) if ending is None else self._ending()
        with self._reader.while_reading(within) as scope:
            try:
                await self._connection.send_message(message)
            except (ConnectionClosed, ProtocolError):
                raise SendTimeout(within) if self._tap.half_sent else self._ending() from None
        if scope.cancelled_caught:
            raise self._ending() if self._reader.done else SendTimeout(within)

    async def ping(self, *, within: float) -> float:
        """Ping the peer and return the seconds until its pong.

        While reading is paused (`WireStatistics.paused`) a pong cannot be seen. Cancellation is as in `send`.

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
                raise self._ending() from None
        if scope.cancelled_caught:
            raise self._ending() if self._reader.done else PongTimeout(within)
        return trio.current_time() - started

    async def aclose(self) -> None:
        """Close the connection: in order within `close_timeout`, and in any case. Further calls do nothing.

        Messages that nobody took are gone. Cancellation: the socket is closed at once.
        """
        if self._closed:
            return
        self._closed = True
        began_here = self._tap.ending is None
        self._tap.leave()
        try:
            # What the peer began, its close frame or its violation, is being answered where it was read.
            await self._close(Ending(1000, "") if began_here else None)
        finally:
            self._reader.stop()
            await trio.aclose_forcefully(self._tap)

    def _answer_violation(self) -> None:
        self._reader.start_beside(self._refuse_violation)

    async def _refuse_violation(self) -> None:
        """Send the close frame for what the peer did wrong, and close."""
        await self._close(self._tap.violation)
        await trio.aclose_forcefully(self._tap)

    async def _close(self, ending: Ending | None) -> None:
        if self._tap.half_sent:
            return
        with self._reader.while_reading(self._close_timeout):
            try:
                if ending is not None:
                    await self._connection.aclose(ending.code, ending.reason or None)
                # The peer needs time to read the frame and to hang up: a socket that is closed with unread data in it
                # is reset, and the frame may be lost with that.
                await trio.sleep_forever()
            except (ConnectionClosed, ProtocolError, trio.BrokenResourceError):
                # The peer ended it at the same time, which is what was wanted.
                pass

    async def _stay_in_touch(self) -> None:
        try:
            await self._connection.pong()
        except (ConnectionClosed, ProtocolError):
            # Whoever reads next learns how it ended.
            return
        self._tap.unsolicited_pongs += 1

    def _ending(self) -> WireClosed:
        # The library can know of an end, by failing to send, before the tap has read all that came before it.
        ending = self._tap.ending or Ending(ABNORMAL, "the peer takes nothing more")
        return WireClosed(ending.code, ending.reason)


@asynccontextmanager
async def open_wire(
    url: str,
    *,
    tls: Tls = None,
    dial: Dial | None = None,
    connect_timeout: float = CONNECT_TIMEOUT,
    close_timeout: float = CLOSE_TIMEOUT,
    max_message: int = MAX_MESSAGE,
    max_waiting_bytes: int = MAX_BYTES,
    max_waiting: int = MAX_MESSAGES,
) -> AsyncGenerator[Wire, None]:
    """Connect as `connect` does, and close when the block is left, however it is left."""
    raised: BaseException | None = None
    # What lives in this nursery does not raise. What the block raises is carried around the nursery, so that it comes
    # out as itself and not as a group.
    async with trio.open_nursery() as nursery:
        try:
            wire = await connect(
                nursery,
                url,
                tls=tls,
                dial=dial,
                connect_timeout=connect_timeout,
                close_timeout=close_timeout,
                max_message=max_message,
                max_waiting_bytes=max_waiting_bytes,
                max_waiting=max_waiting,
            )
            try:
                yield wire
            finally:
                await wire.aclose()
        except BaseException as error:  # noqa: ASYNC103, BLE001 - raised again below
            raised = error
        finally:
            nursery.cancel_scope.cancel("the wire is closed")
    if raised is not None:
        raise raised


async def connect(
    nursery: trio.Nursery,
    url: str,
    *,
    tls: Tls = None,
    dial: Dial | None = None,
    connect_timeout: float = CONNECT_TIMEOUT,
    close_timeout: float = CLOSE_TIMEOUT,
    max_message: int = MAX_MESSAGE,
    max_waiting_bytes: int = MAX_BYTES,
    max_waiting: int = MAX_MESSAGES,
) -> Wire:
    """Connect. The caller closes the wire with `Wire.aclose`, before the nursery is left.

    Args:
        nursery: In which the wire's reader lives, which never raises, and ends when the wire is closed.
        url: ``wss://`` with certificate checks, or ``ws://``. Its query appears in no error.
        tls: Whom to trust for ``wss``: None, the system's certificates; a path, only the certificates there; or a
            context, which decides by itself what is checked.
        dial: Connects to host and port, for instance `proxied`; None: TCP.
        connect_timeout: Seconds until the connection must be up, proxy and TLS included.
        close_timeout: Seconds for an orderly end.
        max_message: Bytes; a longer message ends the connection with code 1009.
        max_waiting_bytes: Bytes that may arrive without being received before reading pauses.
        max_waiting: Messages that may.

    Raises:
        ConnectFailed: The connection did not come up.
        ValueError: The address is none, or there are no certificates where ``tls`` says.
    """
    parts = taken_apart(url, "ws", "wss")
    deadline = trio.current_time() + connect_timeout
    stream = await _connect(parts, tls, dial or system_dial, connect_timeout)
    tap = Tap(stream, max_message=max_message, max_bytes=max_waiting_bytes, max_messages=max_waiting)
    reader = _Reader(nursery, tap)
    try:
        return Wire(await _handshake(parts, tap, reader, deadline), reader, tap, close_timeout)
    except BaseException:
        reader.stop()
        await trio.aclose_forcefully(tap)
        raise


async def _connect(parts: SplitResult, tls: Tls, dial: Dial, within: float) -> trio.abc.Stream:
    host = parts.hostname or ""
    context = tls_context(tls) if parts.scheme == "wss" else None
    try:
        with trio.fail_after(within):
            stream = await dial(host, _port(parts))
            return stream if context is None else await secured(stream, host, context)
    except trio.TooSlowError:
        reason = f"not connected within {within:g} s"
    except (OSError, UnicodeError, trio.BrokenResourceError) as error:
        # ssl.SSLError and socket.gaierror are OSErrors; a host name that is none is a UnicodeError.
        reason = why(error, host)
    raise ConnectFailed(_public(parts), reason)


async def _handshake(parts: SplitResult, tap: Tap, reader: _Reader, deadline: float) -> WebSocketConnection:
    resource = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        with reader.while_reading(max(0.0, deadline - trio.current_time())) as scope:
            connection = await wrap_client_stream(
                # Of the nursery only start_soon is used, and of the stream only what every stream has.
                cast("trio.Nursery", reader),
                cast("trio.SocketStream", tap),
                _host_header(parts),
                resource,
                receive_buffer_size=None,
            )
    except (ConnectionClosed, ProtocolError) as error:
        raise ConnectFailed(_public(parts), f"the handshake failed: {error}") from None
    if not scope.cancelled_caught:
        return connection
    if tap.refusal is not None:
        status, headers = _read_head(tap.refusal)
        retry_after = _seconds(headers.get("retry-after", ""))
        raise ConnectFailed(_public(parts), f"refused with status {status}", status=status, retry_after=retry_after)
    failure = reader.failure
    if failure is not None:
        raise ConnectFailed(_public(parts), f"the handshake failed: {type(failure).__name__}: {failure}")
    if reader.done:
        raise ConnectFailed(_public(parts), "the connection was closed during the handshake")
    raise ConnectFailed(_public(parts), "the handshake was not answered in time")


def _read_head(head: bytes) -> tuple[int, dict[str, str]]:
    """Return status and headers, by lower-case name, of an answer that is known to begin with a status line."""
    first, *lines = head.decode("latin-1").splitlines()
    headers = (line.partition(":") for line in lines)
    return int(first.split()[1]), {name.strip().lower(): value.strip() for name, _, value in headers}


def _seconds(text: str) -> float | None:
    try:
        seconds = float(text)
    except ValueError:
        return None
    return min(seconds, LONGEST_BAN) if 0 < seconds < float("inf") else None


def _port(parts: SplitResult) -> int:
    return parts.port or (443 if parts.scheme == "wss" else 80)


def _host_header(parts: SplitResult) -> str:
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    return host if _port(parts) == (443 if parts.scheme == "wss" else 80) else f"{host}:{_port(parts)}"


def _public(parts: SplitResult) -> str:
    """Return the address without user, query and fragment: listen keys and tokens stand in those."""
    return f"{parts.scheme}://{_host_header(parts)}{parts.path}"
