"""A private connection: logged in step by step, asked whether it still is, replaced without a hole, parked when refused."""

from typing import Any

import attrs
import httpx  # noqa: ASYNC127 - see actors/_net/_http.py
import pytest
import trio

from actors import Secret
from actors._account_source import Credentials, Keeping, Question
from actors._connections._lines import PrivateLine
from actors._messages import Authenticating, Batch, Denial, Key, Lost, Opened, Rotate
from actors._session import Session
from supervisor import Mailbox
from supervisor._open_mailbox import OpenMailbox
from supervisor.testing import run_virtually

from ..fake_account import FakeAccount
from ..ws_peer import Peer
from .private_scene import T0, Desk, Scene, perform


def test_a_key_that_was_made_for_an_earlier_connection_opens_none() -> None:
    async def main() -> None:
        async with trio.open_nursery() as nursery:
            requests: Any = OpenMailbox(Mailbox("requests", capacity=1, overflow="drop_oldest"))
            given: Any = OpenMailbox(Mailbox("keys", capacity=2))
            clock: Any = OpenMailbox(Mailbox("clock", capacity=1))
            hold: Any = OpenMailbox(Mailbox("hold", capacity=1))
            source = FakeAccount(keeping=KEYED)
            transport = httpx.MockTransport(Desk().rest)
            line = PrivateLine(
                source, "ws://x", "http://x", requests, given, 15.0, clock, hold, transport=lambda: transport
            )
            before, present = Session(), Session()
            given.send_nowait(Key(before, "dead by now"))

            async def hand_out() -> None:
                assert (await requests.receive()).session is present
                await given.send(Key(present, "fresh"))

            nursery.start_soon(hand_out)
            assert (await line.door(present)).key == "fresh"

    run_virtually(main)


async def a_moment(_: Scene) -> None:
    await trio.sleep(0.5)


KEYED = Keeping(Question("POST", "/key"), None, every=3600.0, life=7200.0)


def test_each_step_waits_for_the_answers_of_the_one_before_and_bears_its_own_time() -> None:
    async def act(_: Scene) -> None:
        await trio.sleep(5)

    scene = perform(act, desk=Desk(slow=1.0))
    assert scene.desk.said == ["login", "orders", "fills"]
    (login_at, login), (orders_at, orders), (_, fills) = scene.desk.heard
    assert orders_at - login_at == pytest.approx(1.0, abs=0.1)
    assert orders["at"] - login["at"] == pytest.approx(1000, abs=100)
    assert [login["id"], orders["id"], fills["id"]] == [1, 2, 3]
    assert abs(login["at"] - T0 - login_at * 1000) < 50, "the venue's clock, which was measured first"
    assert scene.kinds == ["Authenticating", "Opened"]
    assert scene.told[0].session is scene.told[1].session


def test_nothing_is_subscribed_before_the_login_is_acknowledged() -> None:
    async def act(_: Scene) -> None:
        await trio.sleep(9)

    scene = perform(act, desk=Desk(acknowledges=False))
    assert scene.desk.said == ["login"]
    assert scene.kinds == ["Authenticating"]


def test_a_login_without_an_answer_ends_the_connection_in_time() -> None:
    async def act(scene: Scene) -> None:
        await trio.sleep(10.5)
        assert scene.ended == ["Unsubscribed: no answer within 10 s to step 1 of logging in"]
        assert scene.kinds == ["Authenticating", "Lost"]
        scene.desk.acknowledges = True
        await trio.sleep(3)
        assert scene.kinds[-2:] == ["Authenticating", "Opened"]

    perform(act, desk=Desk(acknowledges=False))


def test_refused_credentials_park_the_connection_and_the_owner_is_told() -> None:
    async def act(scene: Scene) -> None:
        await trio.sleep(300)
        assert scene.state == "parked"

    scene = perform(act, desk=Desk(refuses={"login": "denied"}))
    assert scene.ended == ["Unauthorized: private stream: who are you (401)"]
    assert scene.kinds == ["Authenticating", "Lost", "Denial"]
    assert "who are you" in scene.of(Denial)[0].reason
    assert len(scene.peers.dialed) == 1, "a refused login is not tried again"


def test_a_missing_secret_parks_the_connection() -> None:
    credentials = Credentials(Secret.literal("k"), Secret.env("NO_SUCH_VARIABLE_HERE"))

    async def act(scene: Scene) -> None:
        await trio.sleep(300)
        assert scene.state == "parked"

    scene = perform(act, source=FakeAccount(credentials=credentials))
    assert [end.split(":")[0] for end in scene.ended] == ["SecretMissing"]
    assert scene.kinds[-1] == "Denial"


def test_a_refusal_that_comes_late_ends_the_connection() -> None:
    async def act(scene: Scene) -> None:
        await trio.sleep(5)
        await scene.desk.peers[0].send('{"kind": "refused"}')
        await trio.sleep(0.5)
        assert scene.ended == ["Unsubscribed: refused: no (7)"]
        await trio.sleep(3)

    scene = perform(act)
    assert scene.kinds == ["Authenticating", "Opened", "Lost", "Authenticating", "Opened"]


def test_after_a_refused_login_the_clock_is_measured_again_before_the_next() -> None:
    async def act(scene: Scene) -> None:
        await trio.sleep(0.5)
        before = scene.desk.asked.count("/time")
        await trio.sleep(1.5)
        assert scene.desk.asked.count("/time") == before + 3
        scene.desk.refuses.clear()
        await trio.sleep(3)
        assert scene.kinds[-1] == "Opened"

    perform(act, desk=Desk(refuses={"login": "refused"}))


def test_answers_without_an_id_are_taken_in_order_or_by_what_they_name() -> None:
    async def serve(peer: Peer) -> None:
        await peer.handshake()
        await peer.receive()
        await peer.send('{"kind": "ack"}')
        await peer.receive()
        await peer.receive()
        await peer.send('{"kind": "ack", "about": ["fills"]}')
        await trio.sleep(1)
        await peer.send('{"kind": "ack", "about": ["orders"]}')
        await trio.sleep_forever()

    async def act(scene: Scene) -> None:
        await trio.sleep(0.9)
        assert scene.of(Opened) == []
        await trio.sleep(0.3)
        assert len(scene.of(Opened)) == 1

    perform(act, scripts=[serve])


def test_what_comes_before_the_login_is_complete_is_told_after_it() -> None:
    async def serve(peer: Peer) -> None:
        await peer.handshake()
        await peer.receive()
        await peer.send('{"trade": ["A", 1]}')
        await peer.send('{"kind": "ack"}')
        await trio.sleep_forever()

    scene = perform(a_moment, scripts=[serve], source=FakeAccount(steps=(("login",),)))
    assert scene.kinds == ["Authenticating", "Opened", "Batch"]


def test_a_venue_that_greets_is_waited_for() -> None:
    async def act(_: Scene) -> None:
        await trio.sleep(5)

    source = FakeAccount(limits=attrs.evolve(FakeAccount().limits, greets=True))
    scene = perform(act, desk=Desk(greets_after=2.0), source=source)
    assert scene.desk.heard[0][0] >= 2.0
    assert len(scene.of(Opened)) == 1


def test_it_is_asked_from_time_to_time_whether_the_login_holds() -> None:
    async def act(scene: Scene) -> None:
        await trio.sleep(95)
        assert scene.desk.said.count("probe") == 3
        scene.desk.refuses["probe"] = "refused"
        await trio.sleep(30)
        assert scene.ended == [], "an answer is all that counts"
        scene.desk.refuses["probe"] = "denied"
        await trio.sleep(30)
        assert scene.state == "parked"

    perform(act, source=FakeAccount(probe_every=30.0))


def test_a_venue_that_says_when_to_come_back_is_left_alone_until_then() -> None:
    async def act(scene: Scene) -> None:
        await trio.sleep(1)
        assert scene.ended == ["RateLimited: private stream: too much; retry after 100 s (429)"]
        scene.desk.refuses.clear()
        await trio.sleep(98)
        assert len(scene.peers.dialed) == 1
        await trio.sleep(5)
        assert (len(scene.peers.dialed), scene.kinds[-1]) == (2, "Opened")

    perform(act, desk=Desk(refuses={"login": "limited"}))


def test_a_probe_that_is_one_too_many_waits_and_the_stream_goes_on() -> None:
    async def act(scene: Scene) -> None:
        await trio.sleep(25)
        scene.desk.refuses["probe"] = "limited"
        await trio.sleep(100)
        assert scene.desk.said.count("probe") == 1
        await trio.sleep(10)
        assert scene.desk.said.count("probe") == 2
        assert scene.ended == []

    perform(act, source=FakeAccount(probe_every=30.0))


def test_a_probe_without_an_answer_ends_the_connection() -> None:
    async def act(scene: Scene) -> None:
        await trio.sleep(1)
        scene.desk.acknowledges = False
        await trio.sleep(41)
        assert scene.ended == ["Unsubscribed: no answer within 10 s to the question whether we are logged in"]

    perform(act, source=FakeAccount(probe_every=30.0))


def test_a_stream_that_is_over_is_lost_at_once_and_replaced_without_a_failure() -> None:
    async def act(scene: Scene) -> None:
        await trio.sleep(100)
        await scene.desk.peers[0].send('{"kind": "terminated"}')
        await trio.sleep(0.2)
        assert scene.of(Lost)[0].session is scene.of(Opened)[0].session
        await trio.sleep(20)
        assert scene.ended == []

    scene = perform(act)
    assert scene.kinds == ["Authenticating", "Opened", "Lost", "Authenticating", "Opened"]
    assert [note.fields["reason"] for note in scene.notes("replaced")] == ["the stream is over"]


def test_a_notice_of_the_end_opens_the_next_before_the_old_one_goes() -> None:
    async def act(scene: Scene) -> None:
        await trio.sleep(100)
        await scene.desk.peers[0].send('{"kind": "closing"}')
        await trio.sleep(3)
        await scene.desk.peers[0].send('{"trade": ["A", 1]}')
        await trio.sleep(20)

    scene = perform(act)
    assert scene.kinds == ["Authenticating", "Opened", "Authenticating", "Opened", "Batch", "Lost"]
    assert scene.of(Batch)[0].session is scene.of(Lost)[0].session is scene.of(Opened)[0].session


def test_a_key_that_ends_rotates_the_connections_made_with_it_and_no_other() -> None:
    async def act(scene: Scene) -> None:
        await trio.sleep(100)
        scene.control.send_nowait(Rotate("unknown", "whatever", over=True))
        await trio.sleep(10)
        assert len(scene.peers.dialed) == 1
        scene.control.send_nowait(Rotate("key1", "the key ends", over=False))
        await trio.sleep(20)
        assert scene.of(Lost)[-1].session is scene.of(Opened)[0].session
        scene.control.send_nowait(Rotate("key2", "the key is gone", over=True))
        await trio.sleep(100)

    scene = perform(act, source=FakeAccount(keeping=KEYED), keys=["key1", "key2", "key3"])
    assert scene.ended == []
    assert [peer.request.split(b" ")[1] for peer in scene.desk.peers] == [
        b"/private?key=key1&door=",
        b"/private?key=key2&door=",
        b"/private?key=key3&door=",
    ]
    assert scene.kinds == [
        *["Authenticating", "Opened"],
        *["Authenticating", "Opened", "Lost"],
        # Nothing came on it any more: it is lost before the next one is there.
        *["Lost", "Authenticating", "Opened"],
    ]
    assert "key1" not in repr(scene.events)


def test_without_a_key_the_attempt_fails_and_is_made_again() -> None:
    async def act(scene: Scene) -> None:
        await trio.sleep(25)
        assert [end.split(":")[0] for end in scene.ended] == ["KeyTimeout"]
        assert scene.kinds == ["Authenticating", "Lost", "Authenticating"]

    perform(act, source=FakeAccount(keeping=KEYED), keys=[""])


def test_the_address_is_asked_for_where_the_venue_gives_it_by_rest() -> None:
    scene = perform(a_moment, source=FakeAccount(asks_for_door=True))
    assert scene.desk.peers[0].request.split(b" ")[1] == b"/private?key=&door=d"


def test_an_address_that_is_refused_parks() -> None:
    async def act(scene: Scene) -> None:
        await trio.sleep(60)
        assert scene.state == "parked"

    scene = perform(act, source=FakeAccount(asks_for_door=True), desk=Desk(statuses={"/door": 401}))
    assert scene.kinds == ["Denial"]
    assert scene.desk.asked.count("/door") == 1


def test_a_login_that_is_refused_while_another_connection_lives_parks_too() -> None:
    async def act(scene: Scene) -> None:
        await trio.sleep(100)
        scene.desk.refuses["login"] = "denied"
        await scene.desk.peers[0].send('{"kind": "closing"}')
        await trio.sleep(60)
        assert scene.state == "parked"
        assert len(scene.peers.dialed) == 2

    perform(act)


def test_nothing_secret_is_told() -> None:
    async def act(scene: Scene) -> None:
        await trio.sleep(1)
        await scene.desk.peers[0].send('{"kind": "refused"}')
        await trio.sleep(30)

    scene = perform(act, source=FakeAccount(keeping=KEYED), keys=["KEYHIDDEN"] * 9)
    assert "HIDDEN" not in repr(scene.events) + repr(scene.told) + repr(scene.running.tree)


def test_authenticating_is_told_once_a_connection() -> None:
    scene = perform(a_moment, source=FakeAccount(keeping=KEYED), keys=["k"])
    assert [type(message) for message in scene.told] == [Authenticating, Opened]
    nothing = perform(a_moment, source=FakeAccount(steps=()))
    assert nothing.kinds == ["Opened"], "where the address says everything there is no login"
