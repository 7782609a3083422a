"""One connection: confirmed before it is ready, honest about its end, never ended for the slowness of others."""

import json

import attrs
import pytest
import trio
import trio.testing

from actors import KeyTimeout, SecretMissing
from actors._connections._together import together
from actors._messages import Batch, Lost, Opened, Ping, Reconnect, Rejected
from actors._session import Session
from supervisor import Ended, Ready

from ..fake_source import FakeSource
from ..scene import Market, Scene, a_moment, perform, trade
from ..ws_peer import CLOSE, PING, PONG, TEXT, Peer, frame

GRACE = 5.0
LISTING = FakeSource(lists=True)


def test_it_is_ready_when_the_subscription_is_acknowledged() -> None:
    market = Market()

    async def act(scene: Scene) -> None:
        await trio.sleep(0.5)
        assert scene.running.status().children[0].state == "ready"
        await scene.peers.peers[0].send(trade("A", 7))
        await trio.sleep(0.1)

    scene = perform([market.serve], act, symbols=["A", "B"])
    assert scene.peers.peers[0].request.startswith(b"GET /stream HTTP/1.1")
    [opened, batch, lost] = scene.told
    assert opened == Opened(opened.session, frozenset({"A", "B"}))
    assert batch.session is opened.session
    assert scene.ids == [7]
    assert (lost.session, lost.reason) == (opened.session, "stopped")


def test_what_comes_before_the_confirmation_is_handed_over_after_it() -> None:
    async def script(peer: Peer) -> None:
        await peer.handshake()
        request = json.loads(await peer.receive_until(TEXT))
        await peer.send(trade("A", 1))
        await trio.sleep(5)
        await peer.send(trade("A", 2))
        await peer.send(json.dumps({"kind": "ack", "id": request["id"]}))
        await peer.send(trade("A", 3))
        await trio.sleep_forever()

    scene = perform([script], a_moment)
    assert isinstance(scene.told[0], Opened)
    assert scene.ids == [1, 2, 3]


def test_how_long_data_has_waited_for_the_confirmation_is_said() -> None:
    async def script(peer: Peer) -> None:
        await peer.handshake()
        request = json.loads(await peer.receive_until(TEXT))
        await peer.send(trade("A", 1))
        await trio.sleep(4)
        await peer.send(trade("B", 2))
        await trio.sleep(1)
        await peer.send(json.dumps({"kind": "ack", "id": request["id"]}))
        await trio.sleep(0.2)
        await peer.send(trade("A", 3))
        await trio.sleep_forever()

    scene = perform([script], a_moment, symbols=["A", "B"])
    assert [round(batch.waited, 3) for batch in scene.of(Batch)] == [5.0, 1.0, 0.0]


def test_where_the_venue_can_list_an_acknowledgement_alone_confirms_nothing() -> None:
    market = Market(bad=frozenset("B"), nonsense=True)
    scene = perform([market.serve], a_moment, source=LISTING, symbols=["A", "B"])
    opened = scene.told[0]
    assert opened == Opened(opened.session, frozenset("A"))
    [rejected] = scene.of(Rejected)
    assert (rejected.session, rejected.symbol) == (opened.session, "B")
    assert scene.notes("rejected")[0].fields["symbol"] == "B"


def test_when_every_symbol_is_refused_the_failure_names_topic_and_reason() -> None:
    market = Market(bad=frozenset("AB"))
    scene = perform([market.serve], a_moment, symbols=["A", "B"])
    assert scene.ended[0] == "Unsubscribed"
    assert "every symbol of trades: A: no such symbol (1); B: no such symbol (1)" in scene.reasons[0]
    assert scene.told == []


def test_one_bad_symbol_costs_the_others_nothing() -> None:
    market = Market(bad=frozenset("E"))
    scene = perform([market.serve], a_moment, symbols=list("ABCDEFGH"))
    assert scene.told[0].symbols == frozenset("ABCDFGH")
    assert [rejected.symbol for rejected in scene.of(Rejected)] == ["E"]


@pytest.mark.parametrize("source", [FakeSource(), LISTING])
def test_a_lost_acknowledgement_is_a_failure_within_its_bound(source: FakeSource) -> None:
    market = Market(acknowledges=False)

    async def act(scene: Scene) -> None:
        await trio.sleep(3)

    scene = perform([market.serve, Market().serve], act, source=source)
    assert "no answer within 10 s" in scene.reasons[0]
    first = next(event for event in scene.events if isinstance(event, Ended))
    assert first.at - scene.peers.dialed[0] == pytest.approx(10, abs=0.1)
    assert scene.session, "and the next connection works"


def test_nothing_is_said_before_the_venue_has_greeted() -> None:
    market = Market(welcomes_after=3)
    source = FakeSource(limits=attrs.evolve(FakeSource().limits, greets=True), ping_every_by_door=1.0)
    scene = perform([market.serve], a_moment, source=source)
    assert market.heard[0][1]["op"] == "subscribe"
    assert market.heard[0][0] >= 3
    assert scene.of(Opened)


def test_a_greeting_that_does_not_come_is_a_failure_within_its_bound() -> None:
    async def deaf(peer: Peer) -> None:
        await peer.handshake()
        await trio.sleep_forever()

    source = FakeSource(limits=attrs.evolve(FakeSource().limits, greets=True))

    async def act(scene: Scene) -> None:
        await trio.sleep(10.2)
        assert "not greeted within 10 s" in scene.reasons[0]

    perform([deaf], act, source=source)


@pytest.mark.parametrize("steps", range(12))
def test_it_stops_although_its_wire_has_just_ended_and_an_order_comes_at_that_moment(steps: int) -> None:
    async def act(scene: Scene) -> None:
        await trio.sleep(1)
        await trio.aclose_forcefully(scene.peers.peers[0].stream)
        for _ in range(steps):
            # The end goes through the tap, the wire and the link, one after the other.
            await trio.lowlevel.checkpoint()
        scene.control.send_nowait(Ping())
        scene.running.stop_child("t/connection")
        await trio.sleep(3)
        assert scene.running.status().children[0].state == "down"

    perform([Market().serve], act)


def test_a_failed_connection_is_followed_by_another() -> None:
    market = Market()

    async def ends(peer: Peer) -> None:
        peer_closes = frame(CLOSE, (1001).to_bytes(2, "big") + b"bye")
        await peer.handshake()
        request = json.loads(await peer.receive_until(TEXT))
        await peer.send(json.dumps({"kind": "ack", "id": request["id"]}))
        await peer.stream.send_all(peer_closes)
        await peer.receive_until(CLOSE)

    async def act(scene: Scene) -> None:
        await trio.sleep(5)
        assert "1001: bye" in scene.of(Lost)[0].reason
        assert len(scene.of(Opened)) == 2

    scene = perform([ends, market.serve], act)
    assert scene.ended[0] == "WireClosed"


def test_what_came_before_a_broken_frame_is_handed_over() -> None:
    market = Market()

    async def act(scene: Scene) -> None:
        await trio.sleep(0.5)
        await scene.peers.peers[0].stream.send_all(frame(TEXT, trade("A", 1).encode()) + frame(TEXT, b'{"tra'))
        await trio.sleep(0.1)

    scene = perform([market.serve], act)
    assert scene.ids == [1]
    assert scene.ended[0] == "BadFrame"


def test_unknown_kinds_are_noted_once_and_end_nothing() -> None:
    market = Market()

    async def act(scene: Scene) -> None:
        await trio.sleep(0.5)
        for number in range(100):
            await scene.peers.peers[0].send(f'{{"kind":"novelty{number % 30}"}}')
        await scene.peers.peers[0].send(trade("A", 1))
        await trio.sleep(0.1)

    scene = perform([market.serve], act)
    assert scene.ids == [1]
    assert len(scene.notes("unknown_message")) == 20


@pytest.mark.parametrize("text", [False, True], ids=["frames", "text"])
def test_pings_go_out_in_their_rhythm_and_their_round_trip_is_noted(text: bool) -> None:
    market = Market()

    async def act(scene: Scene) -> None:
        await trio.sleep(61)
        assert scene.ended == []

    scene = perform([market.serve], act, source=FakeSource(text_pings=text))
    pongs = scene.notes("pong")
    assert len(pongs) == 4
    assert all(note.fields["milliseconds"] >= 0 for note in pongs)
    pings = [said for _, said in market.heard if said == PING or (isinstance(said, dict) and said["op"] == "ping")]
    assert len(pings) == 4
    assert [event.end.kind for event in scene.events if isinstance(event, Ended)][:2] == ["stopped", "stopped"]


@pytest.mark.parametrize("text", [False, True], ids=["frames", "text"])
def test_a_connection_without_data_lives_as_long_as_pongs_come(text: bool) -> None:
    async def act(scene: Scene) -> None:
        await trio.sleep(3600)
        assert scene.ended == []

    perform([Market().serve], act, source=FakeSource(text_pings=text))


@pytest.mark.parametrize("text", [False, True], ids=["frames", "text"])
def test_a_missing_pong_ends_it_in_time_even_while_data_flows(text: bool) -> None:
    market = Market(pongs=False)

    async def act(scene: Scene) -> None:
        scene.nursery.start_soon(market.publish, "A", 0.5)
        await trio.sleep(24.9)
        assert scene.ended == []
        await trio.sleep(1.2)  # a second of it for the close frame
        assert scene.ended == ["PongTimeout"]

    perform([market.serve, Market().serve], act, source=FakeSource(text_pings=text))


def test_with_no_pinger_silence_itself_ends_it() -> None:
    async def act(scene: Scene) -> None:
        await trio.sleep(62)
        assert scene.ended == ["StaleActor"]

    perform([Market().serve], act, ping_every=9999)


def test_the_order_to_reconnect_is_obeyed_by_the_session_it_names_only() -> None:
    async def act(scene: Scene) -> None:
        await trio.sleep(1)
        scene.control.send_nowait(Reconnect(Session(), "an older one"))
        await trio.sleep(1)
        assert scene.ended == []
        scene.control.send_nowait(Reconnect(scene.session, "mute"))
        await trio.sleep(2.5)
        assert scene.ended == ["MuteFeed"]
        # What was ordered while there was no connection is not for the next one.
        scene.control.send_nowait(Reconnect(scene.lost[0], "mute"))
        scene.control.send_nowait(Ping())
        await trio.sleep(5)
        assert scene.ended == ["MuteFeed"]

    perform([Market().serve], act)


def test_a_consumer_that_stops_for_a_minute_costs_neither_the_connection_nor_its_pongs() -> None:
    market = Market()
    source = FakeSource(text_pings=True)

    async def server_pings(scene: Scene) -> None:
        while True:
            await trio.sleep(10)
            await scene.peers.peers[0].send_frame(PING, b"server")

    async def act(scene: Scene) -> None:
        await trio.sleep(0.5)
        scene.nursery.start_soon(market.publish, "A", 0.05)
        scene.nursery.start_soon(server_pings, scene)
        await trio.sleep(60.5)
        assert scene.ended == []
        assert scene.inflow.statistics().used == 4, "memory is bounded"
        assert len(scene.notes("held_back")) == 2, "one a minute"
        answers = [at for at, said in market.heard if said == PONG]
        assert len(answers) == 6, "the venue's pings are answered"
        pings = [at for at, said in market.heard if isinstance(said, dict) and said["op"] == "ping"]
        assert len(pings) >= 3, "ours go out: venues end connections that do not ping"
        with trio.move_on_after(20):
            await scene.read()
        assert scene.ended == []
        assert scene.ids == list(range(scene.ids[0], scene.ids[-1] + 1)), "and nothing is lost"
        assert scene.ids[-1] >= market.published - 2

    scene = perform([market.serve], act, source=source, capacity=4, reading=False)
    assert isinstance(scene.told[1], Batch)


def test_what_the_owner_had_no_room_for_is_his_as_soon_as_he_has_although_nothing_more_comes() -> None:
    market = Market()

    async def act(scene: Scene) -> None:
        await trio.sleep(0.5)
        for number in range(2):
            await scene.peers.peers[0].send(trade("A", number))
            await trio.sleep(0.1)
        assert scene.inflow.statistics().used == 2, "the last one found no room"
        with trio.move_on_after(0.1):
            await scene.read()

    scene = perform([market.serve], act, capacity=2, reading=False)
    assert scene.ids == [0, 1]


@pytest.mark.parametrize("after", [0.3, 20.0], ids=["soon", "after the grace"])
@pytest.mark.parametrize("trades", [1, 2, 3])
@pytest.mark.parametrize("end", ["close", "end of stream", "nonsense"])
def test_what_the_owner_had_no_room_for_is_his_although_the_wire_has_ended(end: str, trades: int, after: float) -> None:
    market = Market()

    async def act(scene: Scene) -> None:
        await trio.sleep(0.5)
        peer = scene.peers.peers[0]
        for number in range(trades):
            await peer.send(trade("A", number))
            await trio.sleep(0.1)
        if end == "close":
            await peer.send_frame(CLOSE, (1000).to_bytes(2, "big"))
        elif end == "end of stream":
            await peer.stream.aclose()
        else:
            await peer.send("nonsense")
        await trio.sleep(after)
        with trio.move_on_after(0.2):
            await scene.read()
        assert scene.of(Lost) or after > GRACE, "it does not wait for the next attempt to connect"
        with trio.move_on_after(5):
            await scene.read()

    scene = perform([market.serve, Market().serve], act, capacity=2, reading=False)
    assert scene.ids == list(range(trades))
    [first, second, *_] = scene.of(Opened)
    [lost, *_] = scene.of(Lost)
    assert lost.session is first.session, "or the owner takes it for well for ever"
    assert scene.told.index(lost) < scene.told.index(second)
    assert scene.ended[0] == ("BadFrame" if end == "nonsense" else "WireClosed")


def test_retry_after_is_obeyed_across_incarnations() -> None:
    async def refuses(peer: Peer) -> None:
        await peer.read_request()
        await peer.stream.send_all(b"HTTP/1.1 429 Too Many\r\nRetry-After: 100\r\nContent-Length: 0\r\n\r\n")
        await trio.sleep(1)

    async def act(scene: Scene) -> None:
        await trio.sleep(130)

    scene = perform([refuses, Market().serve], act)
    first, second = scene.peers.dialed
    assert 100 <= second - first <= 102
    assert scene.ended[0] == "ConnectFailed"
    assert set(scene.ended[1:-1]) == {"PlannedEnd"}


def test_a_server_that_answers_nothing_is_given_up_and_tried_again() -> None:
    async def silent(peer: Peer) -> None:
        await trio.sleep_forever()

    async def act(scene: Scene) -> None:
        await trio.sleep(15)

    scene = perform([silent, Market().serve], act)
    assert scene.ended[0] == "ConnectFailed"
    assert [e.path for e in scene.events if isinstance(e, Ready)][-2:] == ["t/connection", "t/pinger"]


def test_a_stopped_connection_says_goodbye() -> None:
    market = Market()
    perform([market.serve], a_moment)
    assert market.heard[-1][1] == CLOSE


async def test_of_jobs_together_the_first_failure_comes_out_as_itself() -> None:
    async def fails() -> None:
        await trio.lowlevel.cancel_shielded_checkpoint()
        raise SecretMissing("x")

    async def fails_otherwise() -> None:
        await trio.lowlevel.cancel_shielded_checkpoint()
        raise KeyTimeout("x")

    with pytest.raises(SecretMissing):
        await together(trio.sleep_forever, fails, trio.sleep_forever)
    with pytest.raises(SecretMissing):
        await together(fails, fails)  # Everyone who uses the connection sees the same end.
    with pytest.raises(ExceptionGroup) as both:
        await together(fails, trio.sleep_forever, fails_otherwise)
    assert {type(error) for error in both.value.exceptions} == {SecretMissing, KeyTimeout}, "and nothing of ours"
    with trio.move_on_after(0.01) as scope:
        await together(trio.sleep_forever, trio.sleep_forever)
    assert scope.cancelled_caught
