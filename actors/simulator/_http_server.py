"""The HTTP server for REST: h11 over any Trio stream, one request at a time per connection, everything bounded."""

from __future__ import annotations

from collections.abc import Callable
from email.utils import formatdate

import h11
import trio

from ._hub import Hub
from ._record import ConnectionRecord
from ._rest import Reply, Request
from ._streams import reset_stream
from ._trickle import send_slowly

_IDLE_SECONDS = 75.0
_LARGEST_HEAD = 16 * 1024
_LARGEST_BODY = 64 * 1024


class HttpConnection:
    """One client connection, kept alive between requests.

    Args:
        hub: where it is registered.
        venue: its name.
        answer: gives the reply to a request.
        stream: the transport.
    """

    def __init__(self, hub: Hub, venue: str, answer: Callable[[Request], Reply], stream: trio.abc.Stream) -> None:
        self.record: ConnectionRecord = hub.admit(venue, "rest", "")
        self._hub = hub
        self._venue = venue
        self._answer = answer
        self._stream = stream
        self._muted_until = hub.muted_until(venue, "rest")
        self._scope = trio.CancelScope()
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=_LARGEST_HEAD)

    def mute(self, until: float) -> None:
        """Answer nothing until then; requests that fall into that time are never answered."""
        self._muted_until = max(self._muted_until, until)

    def freeze(self, until: float) -> None:
        """Answer nothing until then; for HTTP that is the same as a mute."""
        self.mute(until)

    def cut(self, why: str) -> None:
        """Close the transport."""
        self._end(why)

    def reset(self, why: str) -> None:
        """Break off with a TCP reset."""
        self._end(why)
        reset_stream(self._stream)

    def close(self, code: int, why: str) -> None:
        """Close the transport; HTTP has no words for it, so the code is only for the record."""
        self._end(why)

    async def run(self) -> None:
        """Serve requests until either side ends; cancellation closes the connection at once."""
        self._hub.join(self)
        try:
            with self._scope:
                while await self._one_request():
                    self._http.start_next_cycle()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self._note("the client went away")
        finally:
            self._note("closed")
            self._hub.leave(self)

    def _note(self, why: str) -> None:
        if not self.record.end:
            self.record.end = why

    def _end(self, why: str) -> None:
        self._note(why)
        self._scope.cancel()

    async def _one_request(self) -> bool:
        """One request and its answer; False when there will be no other."""
        try:
            request = None
            with trio.move_on_after(_IDLE_SECONDS):
                request = await self._receive()
        except h11.RemoteProtocolError as exc:
            if self._http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
                await self._send(Reply(exc.error_status_hint, b"{}"), close=True)
            return False
        if request is None:
            return False
        self.record.messages_in += 1
        if await self._held_back():
            return False
        reply = self._answer(request)
        if reply.breach:
            self._hub.violate(self._venue, "rest", reply.breach, request.path, self.record.id)
        with trio.move_on_after(_IDLE_SECONDS) as patience:
            await self._send(reply)
        if patience.cancelled_caught:
            self._note("the client does not read")
            return False
        self.record.messages_out += 1
        return self._http.our_state is not h11.MUST_CLOSE and self._http.their_state is h11.DONE

    async def _held_back(self) -> bool:
        if self._hub.clock.now() >= self._muted_until:
            return False
        self.record.messages_muted += 1
        while self._hub.clock.now() < self._muted_until:
            await self._hub.clock.sleep_until(self._muted_until)
        self._note("a request fell into a mute")
        return True

    async def _receive(self) -> Request | None:
        event = await self._next_event()
        if not isinstance(event, h11.Request):
            return None
        if self._http.they_are_waiting_for_100_continue:
            await self._stream.send_all(self._http.send(h11.InformationalResponse(status_code=100, headers=[])) or b"")
        body = bytearray()
        while isinstance(part := await self._next_event(), h11.Data):
            body += part.data
            if len(body) > _LARGEST_BODY:
                raise h11.RemoteProtocolError("the body is too large", error_status_hint=413)
        target = event.target.decode("latin-1")
        path, _, query = target.partition("?")
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in event.headers}
        return Request(event.method.decode(), path, query, headers, body.decode("utf-8", "replace"))

    async def _next_event(self) -> object:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            self._http.receive_data(bytes(await self._stream.receive_some(65_536)))
        return event

    async def _send(self, reply: Reply, *, close: bool = False) -> None:
        kind = "application/json;charset=UTF-8" if reply.body[:1] in (b"{", b"[") else "text/html"
        date = formatdate(self._hub.clocks[self._venue].ms() / 1000, usegmt=True)
        headers = [
            ("Date", date),
            ("Content-Type", kind),
            ("Content-Length", str(len(reply.body))),
            *reply.headers,
        ]
        if close:
            headers.append(("Connection", "close"))
        events = (
            h11.Response(status_code=reply.status, headers=headers),
            h11.Data(data=reply.body),
            h11.EndOfMessage(),
        )
        data = b"".join(self._http.send(event) or b"" for event in events)
        await send_slowly(self._hub, self._venue, "rest", self._stream, data)


async def serve_http(hub: Hub, venue: str, answer: Callable[[Request], Reply], stream: trio.abc.Stream) -> None:
    """Serve one HTTP connection to its end, and close the stream.

    Cancellation is safe: the stream is closed at once.

    Args:
        hub: where the connection is registered.
        venue: its name.
        answer: gives the reply to a request.
        stream: the transport, a fresh connection.
    """
    hub.note_attempt(venue, "rest", "accepted")
    try:
        await HttpConnection(hub, venue, answer, stream).run()
    finally:
        await trio.aclose_forcefully(stream)
