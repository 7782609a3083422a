"""Networks in memory, for the virtual clock: REST over a stream, WebSocket peers that follow a script."""

from collections.abc import AsyncIterable, Awaitable, Callable, Sequence
from typing import Any, cast

import h11
import httpx  # noqa: ASYNC127 - see actors/_net/_http.py
import trio
import trio.testing

from actors import Venue
from actors.simulator import Network

from .ws_peer import Peer


class StreamTransport(httpx.AsyncBaseTransport):
    """One connection a request, over whatever ``dial`` gives."""

    def __init__(self, dial: Callable[[], Awaitable[trio.abc.Stream]]) -> None:
        self._dial = dial

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        try:
            stream = await self._dial()
        except OSError as error:
            raise httpx.ConnectError(str(error)) from error
        async with stream:
            try:
                return await self._exchange(stream, request)
            except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
                raise httpx.ReadError("reset") from error
            except h11.RemoteProtocolError as error:
                raise httpx.RemoteProtocolError(str(error)) from error

    async def _exchange(self, stream: trio.abc.Stream, request: httpx.Request) -> httpx.Response:
        talk = h11.Connection(h11.CLIENT)
        headers = [*request.headers.raw, (b"Connection", b"close")]
        head = h11.Request(method=request.method, target=request.url.raw_path, headers=headers)
        said = talk.send(head) or b""
        if request.content:
            said += talk.send(h11.Data(data=request.content)) or b""
        await stream.send_all(said + (talk.send(h11.EndOfMessage()) or b""))
        response, body = None, bytearray()
        while True:
            event = talk.next_event()
            if event is h11.NEED_DATA:
                talk.receive_data(await stream.receive_some(65536))
            elif isinstance(event, h11.Response):
                response = event
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                assert response is not None
                return httpx.Response(response.status_code, headers=response.headers.raw_items(), content=bytes(body))


def through(venue: Venue, network: Network) -> Venue:
    """Return the venue as it is found in a simulated network."""

    async def dial_ws(_host: str, _port: int) -> trio.abc.Stream:
        return await network.dial(venue.name, "ws")

    async def dial_rest() -> trio.abc.Stream:
        return await network.dial(venue.name, "rest")

    return venue.at(ws="ws://exchange", rest="http://exchange").through(
        dial=dial_ws, transport=lambda: StreamTransport(dial_rest)
    )


class Peers:
    """WebSocket servers in memory: the first connection gets the first script, and so on; the last one serves the rest.

    Attributes:
        dialed: When each attempt came.
        peers: Each connection's server side.
    """

    def __init__(self, nursery: trio.Nursery, scripts: Sequence[Callable[[Peer], Awaitable[None]]]) -> None:
        self._nursery = nursery
        self._scripts = list(scripts)
        self.dialed: list[float] = []
        self.peers: list[Peer] = []

    async def dial(self, _host: str, _port: int) -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()
        script = self._scripts[min(len(self.dialed), len(self._scripts) - 1)]
        self.dialed.append(trio.current_time())
        client, server = trio.testing.memory_stream_pair()
        peer = Peer(cast("trio.SocketStream", server))
        self.peers.append(peer)
        self._nursery.start_soon(self._serve, script, peer)
        return client

    async def _serve(self, script: Callable[[Peer], Awaitable[None]], peer: Peer) -> None:
        try:
            await script(peer)
        except (trio.BrokenResourceError, trio.ClosedResourceError, EOFError):
            pass
        finally:
            await trio.aclose_forcefully(peer.stream)


async def drain(items: AsyncIterable[Any], into: list[Any]) -> None:
    """Write down everything that comes, when it comes."""
    async for item in items:
        into.append(item)
