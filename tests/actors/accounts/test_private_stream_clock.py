"""Clocks that are wrong, or are set: the account signs by the right one, and misses nothing."""

import pytest
import trio

from actors._messages import Lost

from .account_truth import check_complete
from .account_world import World, notes, play


def test_a_clock_that_drifts_is_set_again() -> None:
    async def script(world: World) -> None:
        await world.open()
        await trio.sleep(1)
        await world.tell(Lost(world.session, "x"))
        # The venue jumps by a minute; asking for the time once is enough.
        real = world.now
        world.now = lambda: real() + 60_000  # type: ignore[method-assign]
        world.happen("BTCUSDT", 1, "new")
        await world.open()
        await trio.sleep(1)
        assert len(world.updates) == 1

    world = play(script)
    assert world.asked.count("/fapi/v1/time") == 6, "three measurements each time"
    assert world.failures == []


@pytest.mark.parametrize("ahead", [106_000, -106_000])
def test_what_is_missed_around_a_wrong_time_of_the_venue_is_told_before_the_account_is_live(ahead: int) -> None:
    async def script(world: World) -> None:
        await world.open()
        await trio.sleep(100)
        world.clock_ahead = ahead
        await world.tell(Lost(world.session, "reset"))
        await world.open()
        # Long enough for reconciliations that begin by that time, from where the next one asks.
        await trio.sleep(50)
        await world.tell(Lost(world.session, "reset"))
        world.happen("BTCUSDT", 1, "new")
        world.happen("BTCUSDT", 1, "cancel")
        world.happen("BTCUSDT", 2, "new")
        world.happen("BTCUSDT", 2, "fill")
        await trio.sleep(5)
        world.clock_ahead = 0
        await world.open()
        await trio.sleep(1)
        assert world.states[-1]
        check_complete(world.updates, world.truth)

    assert play(script, reconcile_every=20.0).failures == []


def test_a_history_that_was_opened_by_a_clock_that_was_ahead_begins_when_it_was_opened() -> None:
    async def script(world: World) -> None:
        await trio.sleep(1)
        await world.open()
        await trio.sleep(10)
        await world.tell(Lost(world.session, "reset"))
        for what in ("new", "fill", "cancel"):
            world.happen("BTCUSDT", 1, what)
        world.clock_ahead = 0
        await world.open()
        await trio.sleep(1)
        assert world.states[-1]
        check_complete(world.updates, world.truth)

    world = World()
    world.clock_ahead = 106_000
    play(script, world)


def test_a_machine_whose_clock_is_off_still_signs_and_it_is_told() -> None:
    async def script(world: World) -> None:
        await world.open()
        await trio.sleep(1)

    world = World()
    play(script, world, wall=lambda: world.now() / 1000 - 61)
    assert world.phases[-1] == "live"
    [note] = notes(world, "clock_off")
    assert note.fields["seconds"] == pytest.approx(-61, abs=0.1)
