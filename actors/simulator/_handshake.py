"""The opening handshake of a WebSocket connection, server side (RFC 6455, 4.2)."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping

import h11
import trio

from ._dialect import AccountDialect, BadTarget, Dialect, Session
from ._hub import Hub
from ._record import ConnectionRecord, Surface

HANDSHAKE_SECONDS = 10.0
CLOSE_SECONDS = 5.0
"""How long a closing handshake may take."""
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


async def shake_hands(
    hub: Hub, venue: str, dialect: Dialect, stream: trio.abc.Stream, patience: trio.CancelScope
) -> tuple[Session, ConnectionRecord, bytes] | None:
    """Read a request and accept it, or refuse it; None: it was refused, or there was none.

    Args:
        hub: where the connection is registered.
        venue: its name.
        dialect: how it speaks.
        stream: a fresh connection.
        patience: what bounds the handshake; a fault that holds it back lifts that bound.

    Returns:
        The session, its record, and the bytes that came behind the request.

    Raises:
        trio.BrokenResourceError: the client has gone.
    """
    http = h11.Connection(h11.SERVER, max_incomplete_event_size=16 * 1024)
    try:
        event = http.next_event()
        while event is h11.NEED_DATA:
            http.receive_data(bytes(await stream.receive_some(65_536)))
            event = http.next_event()
        if not isinstance(event, h11.Request):
            return None
        http.next_event()
    except h11.RemoteProtocolError as exc:
        hub.note_attempt(venue, "ws", "not HTTP")
        await _refuse(http, stream, exc.error_status_hint, str(exc))
        return None
    headers = {name.decode().lower(): value.decode("latin-1") for name, value in event.headers}
    target = event.target.decode("latin-1")
    surface: Surface = dialect.surface(target) if isinstance(dialect, AccountDialect) else "ws"
    silent = hub.active("half_open", venue, surface)
    if silent is not None and silent.fault.newcomers:
        # Nobody answers, and nobody hangs up.
        patience.deadline = float("inf")
        hub.note_attempt(venue, surface, "half-open")
        await hub.clock.sleep_until(silent.until)
        return None
    try:
        key = _checked_key(event.method, headers)
        if not hub.attempt(venue, surface):
            raise BadTarget(429, "too many attempts to connect")
        if hub.halted(venue):
            raise BadTarget(503, "down for maintenance")
        if len(target) > hub.rules[venue].longest_target:
            raise BadTarget(414, "the target is too long")
        session = dialect.open(target, hub.clock.now())
    except BadTarget as exc:
        if exc.breach:
            hub.violate(venue, surface, exc.breach, str(exc))
        hub.note_attempt(venue, surface, f"rejected {exc.status}")
        await _refuse(http, stream, exc.status, str(exc))
        return None
    hub.note_attempt(venue, session.surface, "accepted")
    entry = hub.admit(venue, session.surface, session.path)
    accept = base64.b64encode(hashlib.sha1(key.encode() + _GUID, usedforsecurity=False).digest())
    answer = [(b"Upgrade", b"websocket"), (b"Connection", b"Upgrade"), (b"Sec-WebSocket-Accept", accept)]
    await stream.send_all(http.send(h11.InformationalResponse(status_code=101, headers=answer)) or b"")
    return session, entry, http.trailing_data[0]


def _checked_key(method: bytes, headers: Mapping[str, str]) -> str:
    """The client's key, if this is a WebSocket handshake (RFC 6455, 4.2.1)."""
    if method != b"GET" or headers.get("upgrade", "").lower() != "websocket":
        raise BadTarget(400, "a WebSocket handshake is expected here")
    if headers.get("sec-websocket-version") != "13" or "sec-websocket-key" not in headers:
        raise BadTarget(400, "an incomplete WebSocket handshake")
    return headers["sec-websocket-key"]


async def _refuse(http: h11.Connection, stream: trio.abc.Stream, status: int, reason: str) -> None:
    body = reason.encode()
    head = [("Content-Length", str(len(body))), ("Connection", "close")]
    data = http.send(h11.Response(status_code=status, headers=head)) or b""
    await stream.send_all(data + (http.send(h11.Data(data=body)) or b"") + (http.send(h11.EndOfMessage()) or b""))
    with trio.move_on_after(CLOSE_SECONDS):
        # Let the client read the answer: closing at once with unread input would reset the connection.
        if isinstance(stream, trio.abc.HalfCloseableStream):
            await stream.send_eof()
        while await stream.receive_some(65_536):
            pass
