"""What talks to an endpoint in tests: one request over a real socket."""

from __future__ import annotations

import json
from typing import Any

import attrs
import h11
import trio

from supervisor import Running


@attrs.frozen
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def port_of(running: Running, path: str = "bot/health") -> int:
    facts = running.status().find(path).facts
    assert facts is not None
    return int(facts["listening"][0].rpartition(":")[2])


async def ask(port: int, target: str, *headers: tuple[str, str], method: str = "GET") -> Answer:
    """Send one request and return its answer."""
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    async with stream:
        given = dict(headers)
        given.setdefault("Host", f"127.0.0.1:{port}")
        client = h11.Connection(h11.CLIENT)
        head = h11.Request(method=method, target=target, headers=[*given.items(), ("Connection", "close")])
        await stream.send_all((client.send(head) or b"") + (client.send(h11.EndOfMessage()) or b""))
        body, found = b"", None
        while True:
            event = client.next_event()
            if event is h11.NEED_DATA:
                client.receive_data(await stream.receive_some(65536))
            elif isinstance(event, h11.Response):
                found = event
            elif isinstance(event, h11.Data):
                body += event.data
            else:
                assert found is not None, event
                return Answer(found.status_code, {k.decode(): v.decode() for k, v in found.headers}, body)
