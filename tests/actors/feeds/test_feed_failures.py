"""A feed that crashes or is cancelled, wherever it is, repeats nothing and loses nothing."""

from itertools import pairwise

import httpx  # noqa: ASYNC127 - see actors/_net/_http.py
from hypothesis import given, settings
from hypothesis import strategies as st

from actors._messages import Batch, Lost

from .feed_world import World, play, trade


def test_a_feed_that_crashes_repeats_nothing_and_loses_nothing() -> None:
    async def script(world: World) -> None:
        await world.open()
        await world.live(*world.publish(2))
        await world.settle()
        lost = world.publish(2)
        # The batch that makes the feed crash is lost with it; its trades are not.
        await world.tell(Batch([trade(lost[0]), "no trade at all"]))  # type: ignore[list-item]
        await world.settle(3)
        await world.open()
        await world.settle(3)
        assert world.ids == [101, 102, 103, 104]

    play(script)


class Poison(Exception):
    """Crashes the feed from inside of a REST request."""


steps = st.lists(
    st.one_of(
        st.tuples(st.just("publish"), st.integers(1, 6), st.sampled_from(["live", "lost", "twice", "shuffled"])),
        st.sampled_from([("open",), ("lost",), ("poison batch",), ("poison rest",), ("rest down",), ("rest up",)]),
        st.tuples(st.just("wait"), st.floats(0, 40)),
        st.tuples(st.just("withhold"), st.integers(1, 3)),
        st.tuples(st.just("cancel"), st.integers(0, 12)),
    ),
    max_size=25,
)


@settings(max_examples=60, deadline=None)
@given(steps)
def test_whatever_happens_each_trade_goes_out_once_in_order_or_lies_in_a_gap(
    plan: list[tuple[object, ...]],
) -> None:
    async def script(world: World) -> None:
        await world.settle(1)
        await world.open()
        for step in plan:
            match step:
                case ("publish", int(count), how):
                    new = world.publish(count)
                    if how == "live":
                        await world.live(*new)
                    elif how == "twice":
                        await world.live(*new, *new)
                        await world.live(*new)
                    elif how == "shuffled":
                        await world.live(*reversed(new))
                case ("open",):
                    await world.open()
                case ("lost",):
                    await world.tell(Lost(world.session, "x"))
                case ("poison batch",):
                    await world.tell(Batch(["poison"]))  # type: ignore[list-item]
                case ("poison rest",):
                    world.trouble = Poison()
                case ("rest down",):
                    world.trouble = httpx.ConnectError("no route")
                case ("rest up",):
                    world.trouble = None
                case ("wait", float(seconds)):
                    await world.settle(seconds)
                case ("cancel", int(later)):
                    world.running.mailbox(world.bombs).send_nowait(later)
                case ("withhold", int(count)):
                    world.withheld.update(world.publish(count))
        world.trouble = None
        # A feed that crashed has no connection any more: the group would have opened another.
        await world.settle(70)
        await world.open()
        await world.settle(300)

    world = play(script)
    assert world.ids == sorted(set(world.ids)), "once and in order"
    covered = [(i, i) for i in world.ids] + world.gaps
    covered.sort()
    for (_, end), (start, _) in pairwise(covered):
        assert start == end + 1, "nothing is missing, nothing is both a trade and in a gap"
    if covered:
        assert covered[0][0] == 101
        # Withheld ids at the very end cannot be known of.
        seen = [i for i in world.published if i not in world.withheld]
        assert covered[-1][1] >= seen[-1]
    else:
        assert [i for i in world.published if i not in world.withheld] == [100]


def test_a_feed_that_is_cancelled_anywhere_repeats_nothing_and_loses_nothing() -> None:
    async def script(world: World) -> None:
        world.publish(1)
        for later in range(40):
            await world.open()
            world.publish(1)  # to be fetched by REST
            world.running.mailbox(world.bombs).send_nowait(later)
            await world.live(*world.publish(5))
            await world.settle()
        await world.settle(10)
        await world.open()
        await world.settle(10)

    world = play(script)
    assert world.ids == world.published[1:]
    assert world.gaps == []


def test_a_feed_that_is_cancelled_right_after_a_gap_does_not_tell_it_again() -> None:
    async def script(world: World) -> None:
        await world.open()
        await world.live(*world.publish(1))
        for _ in range(3):
            world.withheld.update(world.publish(1))
            await world.live(*world.publish(1))
            await world.settle(10)
            await world.open()
            await world.settle(10)

    world = World()
    world.bomb_at_gaps = True
    play(script, world)
    assert world.gaps == [(102, 102), (104, 104), (106, 106)]
    assert world.ids == [101, 103, 105, 107]
