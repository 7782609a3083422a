"""New before old: the next wire flows before the present one goes, and costs nothing when it fails."""

from collections.abc import Awaitable
from itertools import pairwise

import attrs
import pytest
import trio

from actors._messages import Lost, Opened, Reconnect, Resubscribe, WantedChanged
from supervisor import Budget, Ended

from ..fake_source import FakeSource
from ..scene import Market, Scene, perform
from ..ws_peer import CLOSE, Peer, frame

LIFETIME = 1000.0
ATTEMPTS = Budget("connections to ws://exchange", 2, 50.0)


def closing(scene: Scene, place: int = -1) -> Awaitable[None]:
    return scene.peers.peers[place].send('{"kind": "closing", "reason": "maintenance"}')


async def refuses(peer: Peer) -> None:
    await peer.read_request()
    await peer.stream.send_all(b"HTTP/1.1 503 Unavailable\r\nContent-Length: 0\r\n\r\n")


def nothing_lost_or_late(scene: Scene, market: Market) -> None:
    """Every number came, from whichever session, and each session's own in order."""
    ids = scene.ids
    assert set(ids) >= set(range(ids[0], market.published - 3))
    for opened in scene.of(Opened):
        own = scene.ids_of(opened.session)
        assert own == sorted(set(own))


@pytest.mark.parametrize("seed", range(3))
def test_before_the_lifetime_limit_the_next_wire_flows_before_the_old_one_goes(seed: int) -> None:
    market = Market(lag=1.0)

    async def act(scene: Scene) -> None:
        scene.nursery.start_soon(market.publish, "A", 0.25)
        await trio.sleep(0.89 * LIFETIME)
        assert len(scene.of(Opened)) == 1
        await trio.sleep(0.11 * LIFETIME)
        old, new = (message.session for message in scene.of(Opened))
        assert scene.lost == [old]
        assert scene.ended == [], "it is not even a planned end"
        assert scene.ids_of(new)[0] < scene.ids_of(old)[-1], "both flowed"
        assert len(market.subscribed) == 1
        nothing_lost_or_late(scene, market)
        assert len(scene.notes("replaced")) == 1

    perform([market.serve], act, seed=seed, lifetime=LIFETIME)


def test_rotations_are_spread() -> None:
    times = []

    async def act(scene: Scene) -> None:
        await trio.sleep(LIFETIME)
        times.append(scene.peers.dialed[1])

    for seed in range(6):
        perform([Market().serve], act, seed=seed, lifetime=LIFETIME)
    assert max(times) - min(times) > 0.02 * LIFETIME
    assert all(0.9 * LIFETIME <= at <= 0.99 * LIFETIME for at in times)


def test_the_venues_notice_brings_the_next_wire_at_once() -> None:
    market = Market()

    async def act(scene: Scene) -> None:
        scene.nursery.start_soon(market.publish, "A", 0.5)
        await trio.sleep(100)
        await closing(scene)
        await trio.sleep(1.5)
        assert len(scene.of(Opened)) == 2
        assert scene.lost == [], "the old one still flows"
        await trio.sleep(5)
        assert scene.lost == [scene.of(Opened)[0].session]
        assert "maintenance" in scene.of(Lost)[0].reason
        nothing_lost_or_late(scene, market)
        assert scene.ended == []

    perform([market.serve], act)


def test_a_quiet_symbol_does_not_keep_two_wires_for_long() -> None:
    async def act(scene: Scene) -> None:
        await trio.sleep(100)
        await closing(scene)
        await trio.sleep(12)
        assert len(scene.of(Opened)) == 2
        assert len(scene.lost) == 1

    perform([Market().serve], act)


def test_a_next_wire_that_fails_costs_nothing_and_is_tried_again_with_backoff() -> None:
    market = Market()

    async def act(scene: Scene) -> None:
        scene.nursery.start_soon(market.publish, "A", 0.5)
        await trio.sleep(100)
        await closing(scene)
        await trio.sleep(200)
        assert scene.ended == []
        assert len(scene.of(Opened)) == 2
        assert len(scene.notes("not_replaced")) == 4
        assert "503" in scene.notes("not_replaced")[0].fields["reason"]
        delays = [b - a for a, b in pairwise(scene.peers.dialed[1:])]
        assert all(delay <= 2**n + 0.1 for n, delay in enumerate(delays, 1))
        nothing_lost_or_late(scene, market)

    perform([market.serve, refuses, refuses, refuses, refuses, market.serve], act)


def test_a_next_wire_that_ends_while_both_flow_leaves_the_present_one() -> None:
    market = Market()

    async def ends_soon(peer: Peer) -> None:
        with trio.move_on_after(1):
            await market.serve(peer)
        await peer.stream.send_all(frame(CLOSE, (1001).to_bytes(2, "big")))

    async def act(scene: Scene) -> None:
        scene.nursery.start_soon(market.publish, "A", 0.5)
        await trio.sleep(100)
        await closing(scene)
        await trio.sleep(60)
        assert scene.ended == []
        first, second, _ = (message.session for message in scene.of(Opened))
        assert scene.lost == [second, first]
        nothing_lost_or_late(scene, market)

    perform([market.serve, ends_soon, market.serve], act)


def test_when_the_old_wire_ends_first_the_next_one_takes_over() -> None:
    market = Market(welcomes_after=5)
    source = FakeSource(limits=attrs.evolve(FakeSource().limits, greets=True))

    async def act(scene: Scene) -> None:
        await trio.sleep(100)
        await closing(scene)
        await trio.sleep(3)
        await scene.peers.peers[0].stream.send_all(frame(CLOSE, (1001).to_bytes(2, "big")))
        await trio.sleep(10)
        assert scene.ended == [], "no failure, and no backoff"
        assert len(scene.of(Opened)) == 2
        assert len(scene.lost) == 1
        assert "WireClosed" in scene.of(Lost)[0].reason

    perform([market.serve], act, source=source)


def test_when_both_fail_the_connection_does_with_the_reason_of_the_old_one() -> None:
    market = Market()

    async def silent(peer: Peer) -> None:
        await trio.sleep_forever()

    async def act(scene: Scene) -> None:
        await trio.sleep(100)
        await closing(scene)
        await trio.sleep(3)
        await scene.peers.peers[0].stream.send_all(frame(CLOSE, (1012).to_bytes(2, "big")))
        await trio.sleep(15)
        assert scene.ended == ["WireClosed"]
        assert "1012" in scene.reasons[0]
        assert len(scene.of(Opened)) == 2

    perform([market.serve, silent, market.serve], act)


def test_an_old_wire_that_is_told_to_end_hands_over_as_well() -> None:
    market = Market()

    async def act(scene: Scene) -> None:
        await trio.sleep(100)
        await closing(scene)
        await trio.sleep(1.5)
        old, new = (message.session for message in scene.of(Opened))
        scene.control.send_nowait(Reconnect(old, "mute"))
        await trio.sleep(5)
        assert scene.ended == []
        assert scene.lost == [old]
        scene.control.send_nowait(Reconnect(new, "mute"))
        await trio.sleep(0.5)
        assert scene.ended == ["MuteFeed"]

    perform([market.serve], act)


def test_a_venue_that_announces_the_end_of_every_new_wire_does_not_get_a_storm() -> None:
    market = Market()

    async def announces(peer: Peer) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(market.serve, peer)
            await trio.sleep(0.2)
            await peer.send('{"kind": "closing", "reason": "full"}')

    async def act(scene: Scene) -> None:
        await trio.sleep(3600)
        assert len(scene.peers.dialed) < 150, "as with failures: a minute at most between them, half of it on average"
        assert scene.ended == []

    perform([announces], act)


def test_a_venue_that_refuses_every_next_wire_does_not_get_a_storm() -> None:
    market = Market()

    async def act(scene: Scene) -> None:
        await trio.sleep(10)
        await closing(scene)
        await trio.sleep(3600)
        assert 60 < len(scene.peers.dialed) < 150, "a minute at most between them, half of it on average"
        assert scene.ended == []

    perform([market.serve, refuses], act)


def test_the_next_wire_is_paid_from_the_budget_of_the_address() -> None:
    market = Market()

    async def dies(peer: Peer) -> None:
        with trio.move_on_after(0.5):
            await market.serve(peer)

    async def act(scene: Scene) -> None:
        await trio.sleep(100)
        await closing(scene)
        await trio.sleep(1000)
        dialed = scene.peers.dialed[1:]
        assert len(dialed) == 9
        assert all(third - first >= ATTEMPTS.within for first, third in zip(dialed, dialed[2:], strict=False))
        assert dialed[2] - dialed[0] == pytest.approx(ATTEMPTS.within, abs=0.1), "what the backoff alone would not do"
        assert scene.ended == []

    perform([market.serve, *[dies] * 8, market.serve], act, attempts=ATTEMPTS)


def test_the_time_of_an_attempt_begins_to_run_when_it_has_ended() -> None:
    market = Market()

    async def slow(peer: Peer) -> None:
        await trio.sleep(4)
        await market.serve(peer)

    async def act(scene: Scene) -> None:
        assert trio.current_time() - scene.peers.dialed[0] >= 4
        await trio.sleep(ATTEMPTS.within - 2)
        assert scene.running.budgets()[0].left == ATTEMPTS.count - 1, "its time began to run when it was there"
        await trio.sleep(4)
        assert scene.running.budgets()[0].left == ATTEMPTS.count

    perform([slow], act, attempts=ATTEMPTS)


def test_orders_and_changes_reach_both_wires() -> None:
    market = Market()

    async def act(scene: Scene) -> None:
        await trio.sleep(100)
        await closing(scene)
        await trio.sleep(1.5)
        assert len(market.subscribed) == 2
        slot = scene.wanted.receive_nowait()
        slot.symbols["B"] = None
        scene.wanted.send_nowait(slot)
        scene.control.send_nowait(WantedChanged())
        scene.control.send_nowait(Resubscribe(scene.session, frozenset("A")))
        await trio.sleep(0.3)
        assert [sorted(symbols) for symbols in market.subscribed.values()] == [["A", "B"], ["A", "B"]]
        assert market.requests("unsubscribe") == [["A"]], "only of the session that it names"
        assert scene.ended == []

    perform([market.serve], act)


def test_when_the_tree_stops_in_between_both_wires_say_goodbye() -> None:
    market = Market()

    async def act(scene: Scene) -> None:
        await trio.sleep(100)
        await closing(scene)
        await trio.sleep(1.5)
        assert len(market.subscribed) == 2

    scene = perform([market.serve], act)
    assert [said for _, said in market.heard].count(CLOSE) == 2
    assert {message.reason for message in scene.of(Lost)} == {"stopped"}
    assert len(scene.lost) == 2
    [ended] = [event for event in scene.events if isinstance(event, Ended) and event.path == "t/connection"]
    assert ended.end.kind == "stopped"
