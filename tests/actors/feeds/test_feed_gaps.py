"""What a feed misses REST gives, now or a little later; what it does not give in time is a gap in its place."""

import httpx  # noqa: ASYNC127 - see actors/_net/_http.py

from actors import FeedState, Gap

from .feed_world import T0, World, play


def test_ids_that_the_venue_never_gives_become_a_gap_in_their_place() -> None:
    async def script(world: World) -> None:
        await world.open()
        await world.live(*world.publish(1))
        world.withheld.update(world.publish(3)[1:])
        await world.live(*world.publish(1))
        await world.settle(20)

    world = play(script)
    assert world.ids == [101, 102, 105]
    [gap] = [item for item in world.out if isinstance(item, Gap)]
    assert (gap.first_id, gap.last_id, gap.count) == (103, 104, 2)
    assert (gap.after_time, gap.before_time) == (T0 + 102, T0 + 105)
    assert "does not give" in gap.reason
    data = [item for item in world.out if not isinstance(item, FeedState)]
    place = data.index(gap)
    assert [getattr(item, "id", None) for item in data[place - 1 : place + 2]] == [102, None, 105]
    assert (gap.after_id, gap.before_id) == (102, 105)
    assert world.states == [False, True, False, True], "what waits for seconds is not live"


def test_ids_that_rest_has_a_moment_later_are_no_gap() -> None:
    async def script(world: World) -> None:
        await world.open()
        await world.live(*world.publish(1))
        late = world.publish(2)
        world.withheld.update(late)
        await world.live(*world.publish(1))
        await world.settle(1.2)
        world.withheld.clear()
        await world.settle(5)

    world = play(script)
    assert world.ids == [101, 102, 103, 104]
    assert world.gaps == []


def test_when_rest_stays_away_live_trades_go_on_after_the_patience() -> None:
    async def script(world: World) -> None:
        await world.open()
        await world.live(*world.publish(1))
        world.publish(2)
        world.trouble = httpx.ConnectError("no route")
        await world.live(*world.publish(1))
        await world.settle(29)
        assert world.ids == [101]
        await world.settle(10)
        assert world.ids == [101, 104]
        assert world.gaps == [(102, 103)]

    play(script)


def test_a_request_that_hangs_ends_with_the_patience() -> None:
    async def script(world: World) -> None:
        await world.open()
        await world.live(*world.publish(1))
        world.publish(1)
        world.hang = True
        await world.live(*world.publish(1))
        await world.settle(31)
        assert world.gaps == [(102, 102)]

    play(script)


def test_a_rate_limit_that_is_longer_than_the_patience_is_obeyed() -> None:
    async def script(world: World) -> None:
        await world.open()
        await world.live(*world.publish(1))
        world.publish(1)
        world.trouble = httpx.Response(429, headers={"retry-after": "300"})
        await world.live(*world.publish(1))
        await world.settle(1)
        asked = len(world.asked)
        assert world.gaps == [(102, 102)]
        world.publish(1)
        world.trouble = None
        await world.live(*world.publish(1))
        await world.settle(250)
        assert len(world.asked) == asked, "nothing is asked before the venue allows it"
        assert world.gaps == [(102, 102), (104, 104)]

    play(script)


def test_a_short_rate_limit_is_waited_out() -> None:
    async def script(world: World) -> None:
        await world.open()
        await world.live(*world.publish(1))
        world.publish(1)
        world.trouble = httpx.Response(429, headers={"retry-after": "10"})
        await world.live(*world.publish(1))
        await world.settle(1)
        world.trouble = None
        await world.settle(10)
        assert (world.ids, world.gaps) == ([101, 102, 103], [])

    play(script)


def test_of_a_hole_that_is_too_large_the_end_is_filled() -> None:
    async def script(world: World) -> None:
        await world.open()
        await world.live(*world.publish(1))
        world.publish(100)
        await world.live(*world.publish(1))
        await world.settle(5)

    world = play(script, largest=10)
    assert world.gaps == [(102, 191)]
    assert world.ids == [101, *range(192, 203)]
