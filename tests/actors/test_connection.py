"""One connection: confirmed before it is ready, honest about its end, never ended for the slowness of others."""

import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
import trio
import trio.testing

from actors import SecretMissing, Trade
from actors._connection import Connection, PublicLine, together
from actors._messages import Batch, Hold, Inflow, Lost, Opened, Order, Ping, Reconnect, Session
from actors._pinger import Pinger
from actors.exchanges.binance_spot import SpotTrades
from supervisor import Backoff, Ended, Event, Limit, Mailbox, Note, Ready, Running, Supervisor, child

from .in_memory import Peers
from .ws_peer import CLOSE, PING, PONG, TEXT, Peer, frame

Script = Callable[[Peer], Awaitable[None]]
LISTED = '{"result":["btcusdt@trade"],"id":1}'


def trade_frame(trade_id: int) -> str:
    data = {"e": "trade", "E": 1, "s": "BTCUSDT", "t": trade_id, "p": "1.0", "q": "2", "T": 5, "m": True, "M": True}
    return json.dumps({"stream": "btcusdt@trade", "data": data}, separators=(",", ":"))


async def confirm(peer: Peer) -> None:
    await peer.handshake()
    assert json.loads(await peer.receive_until(TEXT))["method"] == "LIST_SUBSCRIPTIONS"
    await peer.send(LISTED)


async def stay(peer: Peer) -> None:
    """Confirm, and answer pings."""
    await confirm(peer)
    await answer_pings(peer)


async def answer_pings(peer: Peer) -> None:
    while True:
        opcode, payload = await peer.receive()
        if opcode == PING:
            await peer.stream.send_all(frame(PONG, payload))
        elif opcode == CLOSE:
            await peer.stream.send_all(frame(CLOSE, payload))
            return
        elif opcode == -1:
            return


class Scene:
    """A connection in a tree, its peers, and what its owner and the tree's events said."""

    def __init__(self, running: Running, peers: Peers, inflow: Mailbox[Inflow[Trade]], control: Mailbox[Order]) -> None:
        self.running = running
        self.peers = peers
        self.inflow = running.mailbox(inflow)
        self.control = running.mailbox(control)
        self.told: list[Any] = []
        self.events: list[Event] = []

    @property
    def ended(self) -> list[str]:
        return [type(e.end.exception).__name__ for e in self.events if isinstance(e, Ended) and "connection" in e.path]

    @property
    def ids(self) -> list[int]:
        return [item.id for message in self.told if isinstance(message, Batch) for item in message.items]

    @property
    def session(self) -> Session:
        [*_, opened] = [message for message in self.told if isinstance(message, Opened)]
        return opened.session

    async def read(self) -> None:
        async for message in self.inflow:
            self.told.append(message)


def perform(
    scripts: Sequence[Script],
    act: Callable[[Scene], Awaitable[None]],
    *,
    capacity: int = 100,
    reading: bool = True,
    ping_every: float = 15.0,
    **changes: Any,
) -> Scene:
    """Run a connection against scripted peers on the virtual clock."""
    scenes: list[Scene] = []

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            peers = Peers(nursery, scripts)
            inflow: Mailbox[Inflow[Trade]] = Mailbox("inflow", capacity=capacity)
            control: Mailbox[Order] = Mailbox("control", capacity=16, overflow="drop_oldest")
            connection = Connection(
                line=PublicLine(SpotTrades("BTCUSDT")),
                address="ws://exchange",
                inflow=inflow,
                control=control,
                hold=Mailbox[Hold]("hold", capacity=1),
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
            running = Running(tree, 1)
            events = running.events(10_000)
            async with running.opened():
                scene = Scene(running, peers, inflow, control)
                scenes.append(scene)

                async def watch() -> None:
                    async for event in events:
                        scene.events.append(event)

                nursery.start_soon(watch)
                if reading:
                    nursery.start_soon(scene.read)
                await act(scene)
            nursery.cancel_scope.cancel()

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
    return scenes[0]


async def a_moment(_: Scene) -> None:
    await trio.sleep(0.5)


def test_it_is_ready_when_the_venue_lists_the_subscription() -> None:
    async def script(peer: Peer) -> None:
        await confirm(peer)
        assert peer.request.startswith(b"GET /stream?streams=btcusdt@trade HTTP/1.1")
        await peer.send(trade_frame(7))
        await answer_pings(peer)

    async def act(scene: Scene) -> None:
        await trio.sleep(0.5)
        assert scene.running.status().children[0].state == "ready"

    scene = perform([script], act)
    assert isinstance(scene.told[0], Opened)
    assert scene.ids == [7]
    assert isinstance(scene.told[-1], Lost)
    assert scene.told[-1].reason == "stopped"


def test_data_confirms_as_well_and_is_not_lost() -> None:
    async def script(peer: Peer) -> None:
        await peer.handshake()
        await peer.send(trade_frame(7))
        await peer.send(LISTED)
        await peer.send(trade_frame(8))
        await answer_pings(peer)

    scene = perform([script], a_moment)
    assert scene.ids == [7, 8]
    assert [type(m) for m in scene.told[:1]] == [Opened]
    batch = next(m for m in scene.told if isinstance(m, Batch))
    assert batch.items[0].received > 1_600_000_000_000, "stamped with the local time"


@pytest.mark.parametrize(
    "answer",
    [
        '{"result":["btcusdt@depth"],"id":1}',
        '{"result":[],"id":1}',
        '{"error":{"code":2,"msg":"Invalid request"},"id":1}',
        '{"code":2,"msg":"Invalid request"}',
    ],
)
def test_a_subscription_that_is_refused_or_not_listed_fails(answer: str) -> None:
    async def script(peer: Peer) -> None:
        await peer.handshake()
        await peer.send(answer)
        await answer_pings(peer)

    scene = perform([script], a_moment)
    assert scene.ended[0] == "Unsubscribed"
    assert not [m for m in scene.told if isinstance(m, Opened)]


def test_an_acknowledgement_alone_confirms_nothing() -> None:
    async def script(peer: Peer) -> None:
        await peer.handshake()
        await peer.send('{"result":null,"id":1}')
        await answer_pings(peer)

    scene = perform([script], a_moment)
    first = next(event for event in scene.events if isinstance(event, Ended))
    assert scene.ended[0] == "Unsubscribed"
    assert first.at - scene.peers.dialed[0] == pytest.approx(10, abs=0.1)


def test_a_failed_connection_is_followed_by_another() -> None:
    async def ends(peer: Peer) -> None:
        await confirm(peer)
        await peer.stream.send_all(frame(CLOSE, (1001).to_bytes(2, "big") + b"bye"))

    async def act(scene: Scene) -> None:
        await trio.sleep(5)
        lost = [m for m in scene.told if isinstance(m, Lost)]
        assert "1001: bye" in lost[0].reason
        assert len([m for m in scene.told if isinstance(m, Opened)]) == 2

    scene = perform([ends, stay], act)
    assert scene.ended[0] == "WireClosed"


def test_what_came_before_a_broken_frame_is_handed_over() -> None:
    async def script(peer: Peer) -> None:
        await confirm(peer)
        await peer.stream.send_all(frame(TEXT, trade_frame(1).encode()) + frame(TEXT, b'{"e":"tra'))
        await answer_pings(peer)

    scene = perform([script, stay], a_moment)
    assert scene.ids == [1]
    assert scene.ended[0] == "BadFrame"


def test_unknown_kinds_are_noted_once_and_end_nothing() -> None:
    async def script(peer: Peer) -> None:
        await confirm(peer)
        for number in range(100):
            await peer.send(f'{{"e":"novelty{number % 30}"}}')
        await peer.send(trade_frame(1))
        await answer_pings(peer)

    scene = perform([script], a_moment)
    assert scene.ids == [1]
    assert [e.what for e in scene.events if isinstance(e, Note)].count("unknown_message") == 20


@pytest.mark.parametrize(
    "notice",
    [
        '{"e":"serverShutdown","E":1770123456789}',
        '{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1770123456789}}',
    ],
)
def test_the_venues_notice_is_a_planned_end(notice: str) -> None:
    async def script(peer: Peer) -> None:
        await confirm(peer)
        await trio.sleep(2)
        await peer.send(notice)
        await answer_pings(peer)

    async def act(_: Scene) -> None:
        await trio.sleep(3)

    scene = perform([script, stay], act)
    [ended] = [e for e in scene.events if isinstance(e, Ended) and "connection#1" in str(e)]
    assert ended.end.kind == "planned"
    assert ended.decision.action == "planned_restart", str(ended)


def test_it_is_renewed_before_the_lifetime_limit() -> None:
    async def act(scene: Scene) -> None:
        await trio.sleep(0.9 * 23.5 * 3600 - 1)
        assert scene.ended == []
        await trio.sleep(0.1 * 23.5 * 3600 + 2)
        assert scene.ended == ["PlannedEnd"]

    perform([stay], act)


def test_pings_go_out_in_their_rhythm_and_their_round_trip_is_noted() -> None:
    async def act(scene: Scene) -> None:
        await trio.sleep(61)

    scene = perform([stay], act)
    pongs = [e for e in scene.events if isinstance(e, Note) and e.what == "pong"]
    assert len(pongs) == 4
    assert [event.end.kind for event in scene.events if isinstance(event, Ended)][:2] == ["stopped", "stopped"]


def test_a_connection_without_data_lives_as_long_as_pongs_come() -> None:
    async def act(scene: Scene) -> None:
        await trio.sleep(3600)
        assert scene.ended == []

    perform([stay], act)


def test_a_missing_pong_ends_it_in_time() -> None:
    async def deaf(peer: Peer) -> None:
        await confirm(peer)
        await trio.sleep_forever()

    async def act(scene: Scene) -> None:
        await trio.sleep(24.9)
        assert scene.ended == []
        await trio.sleep(1.2)  # a second of it for a close frame that is not answered either
        assert scene.ended == ["PongTimeout"]

    perform([deaf, stay], act)


def test_with_no_pinger_silence_itself_ends_it() -> None:
    async def script(peer: Peer) -> None:
        await confirm(peer)
        await trio.sleep_forever()

    async def act(scene: Scene) -> None:
        await trio.sleep(62)
        assert scene.ended == ["StaleActor"]

    perform([script, stay], act, ping_every=9999)


def test_the_order_to_reconnect_is_obeyed_by_the_session_it_names_only() -> None:
    async def act(scene: Scene) -> None:
        await trio.sleep(1)
        scene.control.send_nowait(Reconnect(Session(), "an older one"))
        await trio.sleep(1)
        assert scene.ended == []
        scene.control.send_nowait(Reconnect(scene.session, "mute"))
        await trio.sleep(1.5)
        assert scene.ended == ["MuteFeed"]
        # What was ordered while there was no connection is not for the next one.
        scene.control.send_nowait(Reconnect(scene.session, "mute"))
        scene.control.send_nowait(Ping())
        await trio.sleep(5)

    scene = perform([stay], act)
    assert scene.ended[:2] == ["MuteFeed", "MuteFeed"]


def test_a_slow_owner_does_not_cost_the_connection() -> None:
    async def script(peer: Peer) -> None:
        await confirm(peer)
        for number in range(1200):
            await peer.send(trade_frame(number))
        await answer_pings(peer)

    async def act(scene: Scene) -> None:
        await trio.sleep(600)
        assert scene.ended == []
        assert [e.what for e in scene.events if isinstance(e, Note)].count("held_back") == 1
        with trio.move_on_after(1):
            await scene.read()
        assert scene.ids == list(range(1200))

    perform([script], act, capacity=4, reading=False)


def test_retry_after_is_obeyed_across_incarnations() -> None:
    async def refuses(peer: Peer) -> None:
        await peer.read_request()
        await peer.stream.send_all(b"HTTP/1.1 429 Too Many\r\nRetry-After: 100\r\nContent-Length: 0\r\n\r\n")
        await trio.sleep(1)

    async def act(scene: Scene) -> None:
        await trio.sleep(130)

    scene = perform([refuses, stay], act)
    first, second = scene.peers.dialed
    assert 100 <= second - first <= 102
    assert scene.ended[0] == "ConnectFailed"
    assert set(scene.ended[1:-1]) == {"PlannedEnd"}


def test_a_server_that_answers_nothing_is_given_up_and_tried_again() -> None:
    async def silent(peer: Peer) -> None:
        await trio.sleep_forever()

    async def act(scene: Scene) -> None:
        await trio.sleep(15)

    scene = perform([silent, stay], act)
    assert scene.ended[0] == "ConnectFailed"
    assert [e.path for e in scene.events if isinstance(e, Ready)][-2:] == ["t/connection", "t/pinger"]


def test_a_stopped_connection_says_goodbye() -> None:
    closes: list[bytes] = []

    async def script(peer: Peer) -> None:
        await confirm(peer)
        closes.append(await peer.receive_until(CLOSE))
        await peer.stream.send_all(frame(CLOSE, closes[0]))

    perform([script], a_moment)
    assert closes == [(1000).to_bytes(2, "big")]


async def test_of_jobs_together_the_first_failure_comes_out_as_itself() -> None:
    async def fails() -> None:
        await trio.lowlevel.cancel_shielded_checkpoint()
        raise SecretMissing("x")

    with pytest.raises(SecretMissing):
        await together(trio.sleep_forever, fails, trio.sleep_forever)
    with pytest.raises(BaseExceptionGroup) as both:
        await together(fails, fails)
    assert len(both.value.exceptions) == 2
    with trio.move_on_after(0.01) as scope:
        await together(trio.sleep_forever, trio.sleep_forever)
    assert scope.cancelled_caught
