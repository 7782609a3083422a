"""The feed alone: every trade once, in order, from its beginning through connections that come and go."""

import httpx  # noqa: ASYNC127 - see actors/_net/_http.py

from actors._messages import Batch, Lost, Opened
from actors._session import Session
from supervisor import Note

from .feed_world import T0, World, play, trade


def test_live_trades_go_out_as_they_come_and_the_feed_is_live() -> None:
    async def script(world: World) -> None:
        await world.open()
        await world.live(*world.publish(3))
        await world.live(*world.publish(1))
        await world.settle()

    world = play(script)
    assert world.ids == [101, 102, 103, 104]
    assert world.states == [False, True]
    assert world.gaps == []


def test_what_was_published_between_anchor_and_first_live_trade_is_delivered() -> None:
    async def script(world: World) -> None:
        await world.settle()
        world.publish(2)
        await world.open()
        await world.settle()
        world.publish(2)
        await world.live(*world.publish(1))
        await world.settle()

    assert play(script).ids == [101, 102, 103, 104, 105]


def test_a_live_trade_below_a_late_anchor_is_not_dropped() -> None:
    async def script(world: World) -> None:
        await world.settle(10)  # the anchor before the connection cannot be had
        world.trouble = None
        new = world.publish(3)  # published after the subscription; the anchor is asked for only now
        world.running.mailbox(world.inflow).send_many_nowait(
            [Opened(world.session, frozenset({"BTCUSDT"})), Batch([trade(i) for i in new], world.session)]
        )
        await world.settle()

    world = World()
    world.trouble = httpx.Response(503)
    assert play(script, world).ids == [101, 102, 103]


def test_a_venue_without_any_trade_yet_loses_not_even_the_first() -> None:
    async def script(world: World) -> None:
        await world.open()
        await world.settle()
        first = world.publish(3)
        await world.live(first[-1])
        await world.settle()

    world = World()
    world.published = []
    play(script, world)
    assert world.ids == [100, 101, 102]
    assert world.gaps == []


def test_without_rest_the_first_live_trade_is_the_beginning() -> None:
    async def script(world: World) -> None:
        await world.settle(10)
        await world.open()
        await world.live(*world.publish(2))
        await world.settle(10)

    world = World()
    world.trouble = httpx.Response(503)
    play(script, world)
    assert world.ids == [101, 102]
    assert world.states == [False, True]


def test_a_hole_is_filled_before_anything_behind_it() -> None:
    async def script(world: World) -> None:
        await world.open()
        await world.live(*world.publish(1))
        world.publish(2500)
        await world.live(*world.publish(1))
        await world.settle(5)

    world = play(script)
    assert world.ids == list(range(101, 2603))
    assert len([a for _, a in world.asked if "limit=1000" in a or "limit=500" in a]) == 3, "a page has 1000"


def test_a_reconnection_brings_what_a_quiet_symbol_traded_meanwhile() -> None:
    async def script(world: World) -> None:
        await world.open()
        await world.live(*world.publish(1))
        await world.tell(Lost(world.session, "reset"))
        await world.settle()
        assert world.states == [False, True, False]
        world.publish(3)
        await world.open()
        await world.settle()
        assert world.ids == [101, 102, 103, 104]
        assert world.states == [False, True, False, True]

    play(script)


def test_an_end_of_an_earlier_connection_does_not_end_the_present_one() -> None:
    async def script(world: World) -> None:
        old = world.session
        await world.open()
        await world.tell(Lost(old, "late"))
        await world.settle()
        assert world.states == [False, True]

    play(script)


def test_a_venue_that_numbers_anew_is_followed_behind_a_gap() -> None:
    async def script(world: World) -> None:
        await world.open()
        await world.live(*world.publish(1))
        await world.settle()
        world.published = [1, 2, 3]
        world.times = {i: T0 + 1_000_001 + 100_000 + i for i in range(10)}
        await world.live(3)
        await world.settle()
        world.published.append(4)
        await world.live(4)
        await world.settle()

    world = World()
    world.published = [1_000_000]
    play(script, world)
    assert world.ids == [1_000_001, 3, 4]
    assert world.gaps == [(0, 2)]


def test_a_slow_reader_gets_everything() -> None:
    async def script(world: World) -> None:
        await world.open()
        for _ in range(50):
            await world.live(*world.publish(4))
        await world.settle()

    assert play(script).ids == list(range(101, 301))


def test_what_happened_is_noted() -> None:
    notes: list[str] = []

    async def script(world: World) -> None:
        events = world.running.events(1000)
        world.publish()
        await world.open()
        await world.settle()
        world.publish(1)
        await world.live(*world.publish(1))
        await world.settle()
        notes.extend(event.what for event in events.receive_nowait() if isinstance(event, Note))

    play(script)
    assert "backfilled" in notes


def test_a_batch_is_with_the_consumer_before_its_sending_returns() -> None:
    async def script(world: World) -> None:
        await world.open()
        await world.settle()
        world.running.mailbox(world.inflow).send_nowait(Batch([trade(101)], world.session))
        [item] = world.running.mailbox(world.outbox).receive_many_nowait()
        assert item == trade(101)

    play(script)


def test_what_finds_no_room_at_the_consumers_comes_as_he_takes_although_nothing_more_happens() -> None:
    async def script(world: World) -> None:
        await world.open()
        await world.settle()
        world.busy = 1.0
        await world.live(*world.publish(8))
        await world.settle(9)
        assert world.ids == list(range(101, 109))

    play(script)


def test_a_batch_that_comes_while_others_wait_for_a_slow_consumer_waits_its_turn() -> None:
    async def script(world: World) -> None:
        await world.open()
        await world.settle()
        asked = len(world.asked)
        world.busy = 1.0
        first, second, third = (world.publish(count) for count in (8, 2, 1))
        batches = (Batch([trade(each) for each in ids], world.session) for ids in (first, second))
        await world.tell(Opened(Session(), frozenset({"BTCUSDT"})), *batches)
        await world.settle(2)
        await world.live(*third)
        await world.settle(12)
        assert world.ids == list(range(101, 112))
        assert len(world.asked) == asked, "out of its turn, it would look as if the second batch had been lost"

    play(script)
