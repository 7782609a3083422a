"""Independent clients: websockets' Sans-I/O core and h11, on any Trio stream, so that every frame can be seen."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any
from urllib.parse import urlencode

import attrs
import h11
import pytest
import trio
from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.uri import parse_uri

from actors.simulator import Exchange, Network, open_network


class WireClient:
    """One WebSocket connection, frame by frame. It answers pings unless told not to."""

    def __init__(self, stream: trio.abc.Stream, target: str) -> None:
        self.stream = stream
        self.answers_pings = True
        self._protocol = ClientProtocol(parse_uri(f"ws://exchange{target}"))
        self._frames: deque[Frame] = deque()

    async def open(self) -> None:
        """Do the handshake; raises what the protocol says of a refusal."""
        self._protocol.send_request(self._protocol.connect())
        await self._flush()
        while True:
            await self._read()
            for event in self._events():
                if isinstance(event, Response):
                    if self._protocol.handshake_exc is not None:
                        raise self._protocol.handshake_exc
                    return

    def _events(self) -> list[Any]:
        events = self._protocol.events_received()
        self._frames.extend(event for event in events if isinstance(event, Frame))
        return events

    async def _read(self) -> None:
        data = await self.stream.receive_some()
        if data:
            self._protocol.receive_data(data)
        else:
            self._protocol.receive_eof()
        if self.answers_pings:
            await self._flush()
        else:
            self._protocol.data_to_send()
        if not data:
            raise EOFError

    async def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            if data:
                await self.stream.send_all(data)

    async def frame(self) -> Frame:
        """The next frame; EOFError at the end, BrokenResourceError at a reset."""
        while not self._frames:
            await self._read()
            self._events()
        return self._frames.popleft()

    async def text(self) -> str:
        """The next text frame, past pings and pongs."""
        while (frame := await self.frame()).opcode is not Opcode.TEXT:
            if frame.opcode is Opcode.CLOSE:
                raise EOFError(int.from_bytes(frame.data[:2], "big"))
        return bytes(frame.data).decode()

    async def json(self) -> Any:
        return json.loads(await self.text())

    async def ask(self, method: str, params: object = None, number: object = 1) -> Any:
        """Send a request and return the next message that answers one."""
        await self.send(json.dumps({"method": method, "params": [] if params is None else params, "id": number}))
        while True:
            message = await self.json()
            if "id" in message or "error" in message:
                return message

    async def send(self, text: str) -> None:
        self._protocol.send_text(text.encode())
        await self._flush()

    async def ping(self, payload: bytes = b"") -> None:
        self._protocol.send_ping(payload)
        await self._flush()

    async def pong(self, payload: bytes = b"") -> None:
        self._protocol.send_pong(payload)
        await self._flush()

    async def close(self) -> None:
        self._protocol.send_close(1000)
        await self._flush()


@attrs.frozen
class HttpAnswer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class HttpClient:
    """One keep-alive HTTP connection."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream
        self._http = h11.Connection(h11.CLIENT)

    async def request(self, method: str, target: str, headers: dict[str, str] | None = None) -> HttpAnswer:
        head = [("Host", "exchange"), *(headers or {}).items()]
        request = h11.Request(method=method, target=target, headers=head)
        await self.stream.send_all(self._http.send(request) + self._http.send(h11.EndOfMessage()))
        response, body = None, b""
        while not isinstance(event := self._http.next_event(), h11.EndOfMessage):
            if event is h11.NEED_DATA:
                self._http.receive_data(bytes(await self.stream.receive_some()))
            elif isinstance(event, h11.Response):
                response = event
            elif isinstance(event, h11.Data):
                body += event.data
            else:
                raise EOFError
        assert response is not None
        if self._http.our_state is not h11.MUST_CLOSE:
            self._http.start_next_cycle()
        found = {name.decode().lower(): value.decode() for name, value in response.headers}
        return HttpAnswer(response.status_code, found, body)


class Client:
    """Everything that reaches one exchange in memory."""

    def __init__(self, exchange: Exchange, network: Network) -> None:
        self.exchange = exchange
        self.network = network

    async def ws(self, venue: str, target: str) -> WireClient:
        client = WireClient(await self.network.dial(venue, "ws"), target)
        await client.open()
        return client

    async def http(self, venue: str) -> HttpClient:
        return HttpClient(await self.network.dial(venue, "rest"))

    async def get(self, venue: str, target: str, headers: dict[str, str] | None = None) -> HttpAnswer:
        return await (await self.http(venue)).request("GET", target, headers)

    async def listen_key(self, method: str = "POST", api_key: str = "demo-key") -> HttpAnswer:
        http = await self.http("binance-usdm")
        return await http.request(method, "/fapi/v1/listenKey", {"X-MBX-APIKEY": api_key} if api_key else {})

    async def signed(
        self, path: str, api_key: str = "demo-key", secret: str = "demo-secret", **params: object
    ) -> HttpAnswer:
        query = urlencode({"timestamp": self.exchange.clock.ms(), **params})
        signature = hmac.new(secret.encode(), query.encode(), hashlib.sha256).hexdigest()
        return await self.get("binance-usdm", f"{path}?{query}&signature={signature}", {"X-MBX-APIKEY": api_key})


Clients = Callable[[Exchange], AbstractAsyncContextManager[Client]]


@pytest.fixture
def clients() -> Clients:
    @asynccontextmanager
    async def reach(exchange: Exchange) -> AsyncIterator[Client]:
        async with open_network(exchange) as network:
            yield Client(exchange, network)

    return reach


@pytest.fixture
def wire_client() -> type[WireClient]:
    return WireClient


@pytest.fixture
def refused() -> type[InvalidHandshake]:
    """What the client raises when a handshake is answered with something else than 101."""
    return InvalidHandshake


@pytest.fixture
def silent_for() -> Callable[[WireClient, float], Awaitable[bool]]:
    """Whether no text comes for so many seconds."""

    async def check(client: WireClient, seconds: float) -> bool:
        with trio.move_on_after(seconds):
            await client.text()
            return False
        return True

    return check
