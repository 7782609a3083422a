"""A private connection in a tree on the virtual clock, against a venue that asks for logins."""

import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import attrs
import httpx  # noqa: ASYNC127 - see actors/_net/_http.py
import trio

from actors._connections._connection import REFUSED, Connection
from actors._connections._lines import PrivateLine
from actors._connections._pinger import Pinger
from actors._connections._venue_clock import VenueClock
from actors._messages import Hold, Key, KeyRequest, Order, PrivateInflow
from supervisor import Backoff, Ended, Event, Limit, Mailbox, Note, Running, Supervisor, child
from supervisor.testing import run_virtually

from ..fake_account import FakeAccount
from ..in_memory import Peers
from ..ws_peer import CLOSE, PING, PONG, TEXT, Peer

T0 = 1_700_000_000_000
Script = Callable[[Peer], Awaitable[None]]


@attrs.define(eq=False)
class Desk:
    """The venue's side of private connections, and its REST side. One second of Trio's clock is one of the venue's.

    Attributes:
        acknowledges: Which operations it answers at all.
        refuses: Which it refuses: by ``refused``, or ``denied``.
        slow: Seconds until it answers.
    """

    acknowledges: bool = True
    refuses: dict[str, str] = attrs.field(factory=dict)
    slow: float = 0.0
    greets_after: float | None = None
    heard: list[tuple[float, dict[str, Any]]] = attrs.field(factory=list)
    asked: list[str] = attrs.field(factory=list)
    statuses: dict[str, int] = attrs.field(factory=dict)
    peers: list[Peer] = attrs.field(factory=list)

    async def serve(self, peer: Peer) -> None:
        await peer.handshake()
        self.peers.append(peer)
        if self.greets_after is not None:
            await trio.sleep(self.greets_after)
            await peer.send('{"kind": "welcome"}')
        while True:
            opcode, payload = await peer.receive()
            if opcode == TEXT:
                said = json.loads(payload)
                self.heard.append((trio.current_time(), said))
                await trio.sleep(self.slow)
                if self.acknowledges:
                    kind = self.refuses.get(said["op"], "ack")
                    await peer.send(json.dumps({"kind": kind, "id": said["id"]}))
            elif opcode == PING:
                await peer.send_frame(PONG, payload)
            elif opcode == CLOSE:
                await peer.send_frame(CLOSE, payload)
                return
            elif opcode == -1:
                return

    async def rest(self, request: httpx.Request) -> httpx.Response:
        await trio.sleep(0.01)
        path = request.url.path
        self.asked.append(path)
        status = self.statuses.get(path, 200)
        body = str(T0 + int(trio.current_time() * 1000)) if path == "/time" else "d"
        return httpx.Response(status, content=body.encode())

    @property
    def said(self) -> list[str]:
        return [said["op"] for _, said in self.heard]


class Scene:
    """What the owner of the account and the tree's events were told."""

    def __init__(self, desk: Desk, running: Running, peers: Peers, control: Mailbox[Order]) -> None:
        self.desk = desk
        self.running = running
        self.peers = peers
        self.control = running.mailbox(control)
        self.over = False
        self.told: list[Any] = []
        self.events: list[Event] = []

    def of(self, kind: type) -> list[Any]:
        return [message for message in self.told if isinstance(message, kind)]

    @property
    def kinds(self) -> list[str]:
        return [type(message).__name__ for message in self.told]

    @property
    def ended(self) -> list[str]:
        return [
            f"{type(event.end.exception).__name__}: {event.end.exception}"
            for event in self.events
            if isinstance(event, Ended) and event.path.endswith("connection")
        ]

    def notes(self, what: str) -> list[Note]:
        return [event for event in self.events if isinstance(event, Note) and event.what == what]

    @property
    def state(self) -> str:
        return self.running.status().find("t/connection").state


def perform(
    act: Callable[[Scene], Awaitable[None]],
    *,
    desk: Desk | None = None,
    source: FakeAccount = FakeAccount(),  # noqa: B008 - a value
    scripts: Sequence[Script] = (),
    keys: Sequence[str] = (),
) -> Scene:
    """Run a private connection against a venue on the virtual clock, until ``act`` returns."""
    scenes: list[Scene] = []
    desk = desk or Desk()

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            peers = Peers(nursery, scripts or [desk.serve])
            inflow: Mailbox[PrivateInflow[Any]] = Mailbox("inflow", capacity=100)
            control: Mailbox[Order] = Mailbox("control", capacity=16, overflow="drop_oldest")
            requests: Mailbox[KeyRequest] = Mailbox("requests", capacity=1, overflow="drop_oldest")
            given: Mailbox[Key] = Mailbox("keys", capacity=1, overflow="drop_oldest")
            clock: Mailbox[VenueClock] = Mailbox("clock", capacity=1)
            hold: Mailbox[Hold] = Mailbox("hold", capacity=1)
            line = PrivateLine(
                source=source,
                address="ws://exchange",
                rest="http://exchange",
                requests=requests,
                keys=given,
                ping_every=15.0,
                clock=clock,
                rest_hold=hold,
                transport=lambda: httpx.MockTransport(desk.rest),
            )
            unsaid: Mailbox[list[Any]] = Mailbox("unsaid", capacity=1)
            connection = Connection(
                line=line, inflow=inflow, control=control, hold=hold, unsaid=unsaid, dial=peers.dial
            )
            park = {"on": dict.fromkeys(REFUSED, "park")}
            tree = Supervisor(
                "t",
                [
                    child("connection", connection, backoff=Backoff(1, 1, 1), **park),
                    child("pinger", Pinger(control, 15.0)),
                ],
                strategy="rest_for_one",
                limit=Limit(1000, 60),
            )
            running = Running(tree, 1)
            events = running.events(10_000)
            scene = Scene(desk, running, peers, control)
            scenes.append(scene)

            async def live() -> None:
                async with running.opened():
                    await trio.sleep_forever()

            async def watch() -> None:
                async for event in events:
                    if not scene.over:
                        scene.events.append(event)

            async def read() -> None:
                async for message in running.mailbox(inflow):
                    if not scene.over:
                        scene.told.append(message)

            async def hand_out() -> None:
                rest = list(keys)
                async for request in running.mailbox(requests):
                    if any(keys):
                        running.mailbox(given).send_nowait(Key(request.session, rest.pop(0)))

            # Side by side: a tree is open only when its children are ready, and some are never.
            for job in (live, watch, read, hand_out):
                nursery.start_soon(job)
            await act(scene)
            scene.over = True
            nursery.cancel_scope.cancel()

    run_virtually(main)
    return scenes[0]
