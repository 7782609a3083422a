"""What a connection asks for, where it goes for that, and how its set of symbols changes while it runs."""

import itertools
import json
from bisect import bisect_left
from typing import Any

import attrs
import httpx  # noqa: ASYNC127 - see actors/_net/_http.py
import pytest
import trio

from actors._connections._lines import PublicLine
from actors._connections._pings import LEAST_BETWEEN_PINGS
from actors._messages import Lost, Opened, Rejected, Resubscribe, Subscribed, WantedChanged
from actors._session import Session
from actors.exchanges.binance_spot import SpotTrades
from supervisor import Mailbox

from ..fake_source import FakeSource
from ..scene import Market, Scene, a_moment, perform, trade
from ..ws_peer import PING, PONG, TEXT, Peer

STRICT = attrs.evolve(FakeSource().limits, messages=5, messages_within=1.0)


def change(scene: Scene, *, add: str = "", drop: str = "") -> None:
    """Do what the owner does."""
    wanted = scene.wanted.receive_nowait()
    for symbol in drop:
        del wanted.symbols[symbol]
    wanted.symbols |= dict.fromkeys(add)
    scene.wanted.send_nowait(wanted)
    scene.control.send_nowait(WantedChanged())


def test_the_set_changes_while_it_runs() -> None:
    market = Market(bad=frozenset("X"))

    async def act(scene: Scene) -> None:
        await trio.sleep(1)
        change(scene, add="CX", drop="A")
        await trio.sleep(1)
        assert market.requests("unsubscribe") == [["A"]]
        assert list(market.subscribed.values()) == [{"B", "C"}]
        assert scene.of(Subscribed) == [Subscribed(scene.session, frozenset("C"))]
        assert [(rejected.session, rejected.symbol) for rejected in scene.of(Rejected)] == [(scene.session, "X")]
        change(scene, add="A", drop="X")
        await trio.sleep(1)
        assert list(market.subscribed.values()) == [{"A", "B", "C"}]
        assert scene.ended == []

    perform([market.serve], act, symbols=["A", "B"])


def test_what_was_changed_holds_for_the_next_connection() -> None:
    market = Market()

    async def act(scene: Scene) -> None:
        await trio.sleep(1)
        change(scene, add="B", drop="A")
        await trio.sleep(1)
        await trio.aclose_forcefully(scene.peers.peers[0].stream)
        await trio.sleep(3)
        assert [opened.symbols for opened in scene.of(Opened)] == [frozenset("A"), frozenset("B")]

    perform([market.serve], act)


def test_a_refused_symbol_is_tried_again_after_five_minutes_and_with_each_connection() -> None:
    market = Market(bad=frozenset("B"))

    async def act(scene: Scene) -> None:
        await trio.sleep(295)
        assert market.requests("subscribe") == [["A", "B"], ["A"], ["B"]]
        market.bad = frozenset()
        await trio.sleep(10)
        assert scene.of(Subscribed) == [Subscribed(scene.session, frozenset("B"))]
        assert len(scene.of(Rejected)) == 1

    perform([market.serve], act, symbols=["A", "B"])


def test_without_a_wanted_symbol_there_is_no_wire() -> None:
    market = Market()

    async def act(scene: Scene) -> None:
        await trio.sleep(200)
        assert scene.peers.dialed == []
        assert scene.ended == []
        assert scene.running.status().children[0].state == "ready"
        change(scene, add="A")
        await trio.sleep(1)
        assert scene.of(Opened)[0].symbols == frozenset("A")
        change(scene, drop="A")
        await trio.sleep(100)
        assert scene.ended == ["PlannedEnd"]
        assert isinstance(scene.told[-1], Lost)
        assert len(scene.peers.dialed) == 1

    perform([market.serve], act, symbols=[])


def test_a_symbol_is_resubscribed_when_its_owner_finds_it_mute() -> None:
    market = Market()

    async def act(scene: Scene) -> None:
        await trio.sleep(1)
        scene.control.send_nowait(Resubscribe(Session(), frozenset("A")))
        scene.control.send_nowait(Resubscribe(scene.session, frozenset("A")))
        await trio.sleep(1)
        assert market.requests("unsubscribe") == [["A"]]
        assert market.requests("subscribe") == [["A", "B"], ["A"]]
        assert scene.of(Subscribed) == [Subscribed(scene.session, frozenset("A"))]

    perform([market.serve], act, symbols=["A", "B"])


def test_a_burst_of_a_thousand_symbols_stays_within_what_the_venue_counts() -> None:
    market = Market()
    source = FakeSource(batch=10, limits=STRICT)
    names = [f"S{number}" for number in range(1000)]

    async def server_pings(scene: Scene) -> None:
        while True:
            await trio.sleep(20)
            await scene.peers.peers[0].send_frame(PING, b"server")

    async def act(scene: Scene) -> None:
        scene.nursery.start_soon(server_pings, scene)
        await trio.sleep(120)
        assert scene.ended == []
        assert len(market.subscribed[scene.peers.peers[0]]) == 1000
        times = [at for at, _ in market.heard]
        assert max(place + 1 - bisect_left(times, at - 1.0) for place, at in enumerate(times)) <= 5
        assert {PING, PONG} <= {said for _, said in market.heard if isinstance(said, int)}
        opened, *later = scene.told
        assert isinstance(opened, Opened)
        told = opened.symbols.union(*(message.symbols for message in later if isinstance(message, Subscribed)))
        assert told == set(names)
        assert opened.symbols, "those that are confirmed do not wait for the rest for ever"

    perform([market.serve], act, source=source, symbols=names)


def test_an_answer_is_missed_in_time_even_while_the_next_request_must_wait_for_long() -> None:
    source = FakeSource(batch=1, limits=attrs.evolve(STRICT, messages_within=3600.0))

    async def act(scene: Scene) -> None:
        await trio.sleep(15)
        assert "no answer within 10 s to the subscription of A" in scene.reasons[0]

    perform([Market(acknowledges=False).serve], act, source=source, symbols=["A", "B"])


def test_answers_that_wait_behind_a_slow_owner_are_not_missing() -> None:
    market = Market()

    async def act(scene: Scene) -> None:
        await trio.sleep(1)
        scene.nursery.start_soon(market.publish, "A", 0.1, 50)
        await trio.sleep(3)
        change(scene, add="B")
        await trio.sleep(60)
        assert scene.ended == []
        with trio.move_on_after(30):
            await scene.read()
        assert scene.ended == []
        assert Subscribed(scene.session, frozenset("B")) in scene.told

    perform([market.serve], act, capacity=2, reading=False)


@attrs.define
class Bullet:
    """Answers the request for the address."""

    status: int = 200
    asked: int = 0

    def transport(self) -> httpx.MockTransport:
        return httpx.MockTransport(self._answer)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        assert (request.method, request.url.path) == ("POST", "/bullet")
        return httpx.Response(self.status, json={"token": f"t{self.asked}", "ping_every": 4, "pong_within": 2})


@pytest.mark.parametrize("ping_every", [9999.0, 4.0])
def test_an_address_that_must_be_asked_for_is_asked_for_by_each_wire_and_says_how_to_ping(ping_every: float) -> None:
    market, bullet = Market(), Bullet()

    async def act(scene: Scene) -> None:
        await trio.sleep(21)
        assert scene.peers.peers[0].request.startswith(b"GET /stream?token=t1 HTTP/1.1")
        assert len(scene.notes("pong")) == 5
        market.pongs = False
        await trio.sleep(6.5)
        assert scene.ended == ["PongTimeout"]
        await trio.sleep(2)
        assert b"token=t2" in scene.peers.peers[1].request

    perform(
        [market.serve, Market().serve],
        act,
        source=FakeSource(bullet=True, text_pings=True),
        transport=bullet.transport,
        ping_every=ping_every,
    )


@pytest.mark.parametrize("ordered", [0.9, 2.7, 7.7, 9999.0])
def test_pings_come_as_often_as_the_door_asks_for_and_those_that_are_ordered_count(ordered: float) -> None:
    market = Market()

    async def act(scene: Scene) -> None:
        await trio.sleep(60)
        at = [note.at for note in scene.notes("pong")]
        apart = [later - earlier for earlier, later in itertools.pairwise(at)]
        assert at[-1] > 55
        assert LEAST_BETWEEN_PINGS - 0.01 <= min(apart) <= max(apart) <= 4.01

    perform([market.serve], act, source=FakeSource(ping_every_by_door=4.0), ping_every=ordered)


def test_an_address_that_cannot_be_had_is_a_failure_with_backoff() -> None:
    bullet = Bullet(status=500)

    async def act(scene: Scene) -> None:
        await trio.sleep(2.5)
        bullet.status = 200
        await trio.sleep(2)
        assert set(scene.ended) == {"HttpFailure"}
        assert scene.of(Opened)

    perform([Market().serve], act, source=FakeSource(bullet=True), transport=bullet.transport)


def test_a_real_venue_is_asked_in_its_own_words() -> None:
    heard: list[Any] = []
    data = {"e": "trade", "E": 1, "s": "BTCUSDT", "t": 7, "p": "1.0", "q": "2", "T": 5, "m": True, "M": True}

    async def binance(peer: Peer) -> None:
        await peer.handshake()
        while True:
            said = json.loads(await peer.receive_until(TEXT))
            heard.append((peer.request.split(b" ")[1], said["method"], said.get("params")))
            # Nonsense is acknowledged, and not listed.
            listed = ["btcusdt@trade"] if said["method"] == "LIST_SUBSCRIPTIONS" else None
            await peer.send(json.dumps({"result": listed, "id": said["id"]}))
            if listed:
                await peer.send(json.dumps({"stream": "btcusdt@trade", "data": data}))

    source: Any = SpotTrades()
    scene = perform([binance], a_moment, source=source, symbols=["BTCUSDT", "NOPEUSDT"])
    assert heard == [
        (b"/stream", "SUBSCRIBE", ["btcusdt@trade", "nopeusdt@trade"]),
        (b"/stream", "LIST_SUBSCRIPTIONS", None),
    ]
    assert scene.told[0].symbols == frozenset({"BTCUSDT"})
    assert [rejected.symbol for rejected in scene.of(Rejected)] == ["NOPEUSDT"]
    assert scene.ids == [7]


@pytest.mark.parametrize("items", [10_050, 20])
def test_data_that_comes_before_the_first_answer_is_bounded(items: int) -> None:
    async def floods(peer: Peer) -> None:
        await peer.handshake()
        request = json.loads(await peer.receive_until(TEXT))
        for number in range(items):
            await peer.send(trade("A", number))
        await trio.sleep(3)
        await peer.send(json.dumps({"kind": "ack", "id": request["id"]}))
        await trio.sleep_forever()

    async def act(scene: Scene) -> None:
        await trio.sleep(5)
        assert scene.ids == list(range(items))
        many = items > 10_000
        assert scene.of(Opened)[0].symbols == (frozenset() if many else frozenset("A"))
        assert len(scene.of(Subscribed)) == many

    perform([floods], act)


def test_a_line_is_a_value_that_prints_no_token() -> None:
    slot: Mailbox[Any] = Mailbox("x", capacity=1)
    line = PublicLine(FakeSource(), "ws://exchange", "http://exchange", slot, ("A",), slot)
    assert line == PublicLine(FakeSource(), "ws://exchange", "http://exchange", slot, ("A",), slot)
    assert "token" not in repr(FakeSource(bullet=True).door("ws://x", b'{"token":"t","ping_every":1,"pong_within":1}'))
