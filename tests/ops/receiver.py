"""Whoever takes heartbeats and alerts in tests: a small server over real sockets."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import attrs
import h11
import trio


@attrs.frozen
class Taken:
    method: str
    target: str
    body: bytes
    at: float


@attrs.define
class Receiver:
    port: int = 0
    taken: list[Taken] = attrs.field(factory=list)
    answer: Callable[[Taken], tuple[int, bytes]] = lambda taken: (200, b"OK")

    @property
    def targets(self) -> list[str]:
        return [taken.target for taken in self.taken]

    async def serve(self, stream: trio.abc.Stream) -> None:
        http = h11.Connection(h11.SERVER)
        async with stream:
            head, body = None, b""
            while True:
                event = http.next_event()
                if event is h11.NEED_DATA:
                    try:
                        http.receive_data(await stream.receive_some(65536))
                    except trio.BrokenResourceError:
                        return
                elif isinstance(event, h11.Request):
                    head, body = event, b""
                elif isinstance(event, h11.Data):
                    body += event.data
                elif isinstance(event, h11.EndOfMessage):
                    assert head is not None
                    taken = Taken(head.method.decode(), head.target.decode(), body, trio.current_time())
                    self.taken.append(taken)
                    status, text = self.answer(taken)
                    reply = h11.Response(status_code=status, headers=[("Content-Length", str(len(text)))])
                    events = (reply, h11.Data(data=text), h11.EndOfMessage())
                    await stream.send_all(b"".join(http.send(event) or b"" for event in events))
                    if http.our_state is not h11.DONE:
                        return
                    http.start_next_cycle()
                else:
                    return

    async def until(self, count: int, bound: float = 10.0) -> None:
        with trio.fail_after(bound):
            while len(self.taken) < count:  # noqa: ASYNC110 - it polls what is seen from outside only
                await trio.sleep(0.01)

    async def until_last(self, right: Callable[[str], bool], bound: float = 10.0) -> None:
        with trio.fail_after(bound):
            while not self.taken or not right(self.taken[-1].target):  # noqa: ASYNC110 - as above
                await trio.sleep(0.01)


@asynccontextmanager
async def receiving(port: int = 0) -> AsyncGenerator[Receiver]:
    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(port, host="127.0.0.1")
        receiver = Receiver(listeners[0].socket.getsockname()[1])
        await nursery.start(trio.serve_listeners, receiver.serve, listeners)
        yield receiver
        nursery.cancel_scope.cancel()
