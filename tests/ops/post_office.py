"""A server that takes what is POSTed to it, over real sockets, and answers as it is told."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import attrs
import h11
import trio


@attrs.frozen
class Posted:
    at: float
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@attrs.define
class PostOffice:
    port: int = 0
    posted: list[Posted] = attrs.field(factory=list)
    """What was taken with success."""
    refused: list[Posted] = attrs.field(factory=list)
    answers: deque[tuple[int, dict[str, str], bytes]] = attrs.field(factory=deque)
    """Given first, one each; after them everything succeeds."""
    mute: bool = False

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, stream: trio.SocketStream) -> None:
        async with stream:
            http = h11.Connection(h11.SERVER)
            target, headers, body = "", dict[str, str](), b""
            while True:
                event = http.next_event()
                if event is h11.NEED_DATA:
                    try:
                        http.receive_data(await stream.receive_some(65536))
                    except trio.BrokenResourceError:
                        return
                elif isinstance(event, h11.Request):
                    assert event.method == b"POST"
                    target = event.target.decode()
                    headers = {name.decode(): value.decode() for name, value in event.headers}
                elif isinstance(event, h11.Data):
                    body += event.data
                elif isinstance(event, h11.EndOfMessage):
                    break
                else:
                    return
            if self.mute:
                await trio.sleep_forever()
            status, extra, answer = self.answers.popleft() if self.answers else (200, {}, b'{"ok":true}')
            (self.posted if status == 200 else self.refused).append(Posted(trio.current_time(), target, headers, body))
            head = h11.Response(status_code=status, headers=[*extra.items(), ("Content-Length", str(len(answer)))])
            for part in (head, h11.Data(data=answer), h11.EndOfMessage()):
                await stream.send_all(http.send(part) or b"")


@asynccontextmanager
async def post_office() -> AsyncIterator[PostOffice]:
    office = PostOffice()
    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        office.port = listeners[0].socket.getsockname()[1]
        await nursery.start(trio.serve_listeners, office.serve, listeners)
        yield office
        nursery.cancel_scope.cancel()
