"""A connection in a tree on the virtual clock, against peers that behave like the venue of `fake_source`."""

import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import attrs
import trio

from actors._connections._connection import Connection
from actors._connections._lines import PublicLine
from actors._connections._pinger import Pinger
from actors._messages import Batch, Hold, Inflow, Lost, Opened, Order, Wanted
from actors._session import Session
from supervisor import Backoff, Ended, Event, Limit, Mailbox, Note, Running, Supervisor, child
from supervisor.testing import run_virtually

from .fake_source import FakeSource, Item
from .in_memory import Peers
from .ws_peer import CLOSE, PING, PONG, TEXT, Peer

Script = Callable[[Peer], Awaitable[None]]


@attrs.define(eq=False)
class Market:
    """What is published: numbers that rise, to every peer that has the symbol. Peers serve themselves from it."""

    bad: frozenset[str] = frozenset()
    nonsense: bool = False
    """Whether what does not exist is acknowledged, and only not listed."""
    welcomes_after: float | None = None
    acknowledges: bool = True
    pongs: bool = True
    lag: float = 0.0
    """Seconds by which data is later on a connection than it is on the next one."""
    published: int = 0
    subscribed: dict[Peer, set[str]] = attrs.field(factory=dict)
    heard: list[tuple[float, Any]] = attrs.field(factory=list)
    """Every frame of the client, and when it came: JSON, or the opcode."""

    async def serve(self, peer: Peer) -> None:
        """Accept a connection and do what a venue does."""
        await peer.handshake()
        if self.welcomes_after is not None:
            await trio.sleep(self.welcomes_after)
            await peer.send('{"kind": "welcome"}')
        self.subscribed[peer] = set()
        try:
            await self.answer(peer)
        finally:
            del self.subscribed[peer]

    async def answer(self, peer: Peer) -> None:
        while True:
            opcode, payload = await peer.receive()
            said = json.loads(payload) if opcode == TEXT else opcode
            self.heard.append((trio.current_time(), said))
            if opcode == PING and self.pongs:
                await peer.send_frame(PONG, payload)
            elif opcode == TEXT:
                await self.reply(peer, said)
            elif opcode == CLOSE:
                await peer.send_frame(CLOSE, payload)
                return
            elif opcode == -1:
                return

    async def reply(self, peer: Peer, said: dict[str, Any]) -> None:
        if said["op"] == "ping":
            if self.pongs:
                await peer.send('{"kind": "pong"}')
        elif not self.acknowledges:
            return
        elif said["op"] == "list":
            await peer.send(json.dumps({"kind": "listed", "symbols": sorted(self.subscribed[peer])}))
        else:
            symbols = set(said["symbols"])
            answer = {"kind": "ack", "id": said["id"]}
            if said["op"] == "unsubscribe":
                self.subscribed[peer] -= symbols
            elif symbols & self.bad and not self.nonsense:
                answer["kind"] = "refused"
            else:
                self.subscribed[peer] |= symbols - self.bad
            await peer.send(json.dumps(answer))

    def requests(self, op: str) -> list[list[str]]:
        return [said["symbols"] for _, said in self.heard if isinstance(said, dict) and said["op"] == op]

    async def publish(self, symbol: str, every: float, until: float = float("inf")) -> None:
        """Publish in a rhythm. The first peers get it last, if there is a lag."""
        async with trio.open_nursery() as nursery:
            while trio.current_time() < until:
                self.published += 1
                peers = [peer for peer, symbols in self.subscribed.items() if symbol in symbols]
                for place, peer in enumerate(reversed(peers)):
                    nursery.start_soon(self._send, peer, trade(symbol, self.published), place * self.lag)
                await trio.sleep(every)

    async def _send(self, peer: Peer, text: str, delay: float) -> None:
        await trio.sleep(delay)
        try:
            await peer.send(text)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass


def trade(symbol: str, number: int) -> str:
    return json.dumps({"trade": [symbol, number]})


class Scene:
    """What the owner of the data and the tree's events were told."""

    def __init__(
        self,
        running: Running,
        peers: Peers,
        inflow: Mailbox[Inflow[Item]],
        control: Mailbox[Order],
        wanted: Mailbox[Wanted],
        nursery: trio.Nursery,
    ) -> None:
        self.running = running
        self.peers = peers
        self.inflow = running.mailbox(inflow)
        self.control = running.mailbox(control)
        self.wanted = running.mailbox(wanted)
        self.nursery = nursery
        self.told: list[Any] = []
        self.events: list[Event] = []

    def of(self, kind: type) -> list[Any]:
        return [message for message in self.told if isinstance(message, kind)]

    @property
    def ended(self) -> list[str]:
        """By what the connection ended, each time."""
        return [
            type(e.end.exception).__name__
            for e in self.events
            if isinstance(e, Ended) and e.path.endswith("connection")
        ]

    @property
    def reasons(self) -> list[str]:
        return [str(e.end.exception) for e in self.events if isinstance(e, Ended) and e.path.endswith("connection")]

    def notes(self, what: str) -> list[Note]:
        return [event for event in self.events if isinstance(event, Note) and event.what == what]

    @property
    def ids(self) -> list[int]:
        return [item.id for batch in self.of(Batch) for item in batch.items]

    def ids_of(self, session: Session) -> list[int]:
        return [item.id for batch in self.of(Batch) if batch.session is session for item in batch.items]

    @property
    def session(self) -> Session:
        found: Session = self.of(Opened)[-1].session
        return found

    @property
    def lost(self) -> list[Session]:
        return [message.session for message in self.of(Lost)]

    async def read(self) -> None:
        async for message in self.inflow:
            self.told.append(message)


def perform(
    scripts: Sequence[Script],
    act: Callable[[Scene], Awaitable[None]],
    *,
    source: FakeSource = FakeSource(),  # noqa: B008 - a value
    symbols: Sequence[str] = ("A",),
    capacity: int = 100,
    reading: bool = True,
    ping_every: float = 15.0,
    transport: Any = None,
    seed: int = 1,
    **changes: Any,
) -> Scene:
    """Run a connection against scripted peers on the virtual clock, until ``act`` returns."""
    scenes: list[Scene] = []

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            peers = Peers(nursery, scripts)
            inflow: Mailbox[Inflow[Item]] = Mailbox("inflow", capacity=capacity)
            control: Mailbox[Order] = Mailbox("control", capacity=16, overflow="drop_oldest")
            wanted: Mailbox[Wanted] = Mailbox("wanted", capacity=1)
            line = PublicLine(
                source=source,
                address="ws://exchange",
                rest="http://exchange",
                wanted_slot=wanted,
                symbols=tuple(symbols),
                rest_hold=Mailbox[Hold]("hold of REST", capacity=1),
                transport=transport,
            )
            connection = Connection(
                line=line,
                inflow=inflow,
                control=control,
                hold=Mailbox[Hold]("hold", capacity=1),
                unsaid=Mailbox("unsaid", capacity=1),
                dial=peers.dial,
                **changes,
            )
            tree = Supervisor(
                "t",
                [
                    child("connection", connection, backoff=Backoff(1, 1, 1)),
                    child("pinger", Pinger(control, ping_every)),
                ],
                strategy="rest_for_one",
                limit=Limit(1000, 60),
            )
            running = Running(tree, seed)
            events = running.events(10_000)
            async with running.opened():
                scene = Scene(running, peers, inflow, control, wanted, nursery)
                scenes.append(scene)

                async def watch() -> None:
                    async for event in events:
                        scene.events.append(event)

                nursery.start_soon(watch)
                if reading:
                    nursery.start_soon(scene.read)
                await act(scene)
            nursery.cancel_scope.cancel()

    run_virtually(main)
    return scenes[0]


async def a_moment(_: Scene) -> None:
    await trio.sleep(0.5)
