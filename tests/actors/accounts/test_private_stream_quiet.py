"""A stream that tells nothing is asked about; what REST tells late, or has forgotten, is accounted for all the same."""

import pytest
import trio

from .account_truth import check_complete
from .account_world import World, play, reconciliations


def test_with_open_orders_a_quiet_stream_is_asked_about_earlier_and_less_and_less_often() -> None:
    async def script(world: World) -> None:
        await world.open()
        await trio.sleep(20)
        await world.live(world.happen("BTCUSDT", 1, "new"))
        begin = reconciliations(world)
        times = []
        for _ in range(900):
            await trio.sleep(1)
            if reconciliations(world) > begin + len(times):
                times.append(round(trio.current_time() - 20))
        assert times == pytest.approx([60, 180, 420, 720], abs=2)

    play(script, quiet_after=60.0)


def test_without_open_orders_a_quiet_stream_is_quiet() -> None:
    async def script(world: World) -> None:
        await world.open()
        await trio.sleep(20)
        asked = reconciliations(world)
        await trio.sleep(200)
        assert reconciliations(world) == asked

    play(script, quiet_after=10.0)


def test_a_loss_is_found_out_by_the_quiet_long_before_the_schedule() -> None:
    async def script(world: World) -> None:
        await world.open()
        await world.live(world.happen("BTCUSDT", 1, "new"))
        await trio.sleep(20)
        world.happen("BTCUSDT", 1, "fill")
        await trio.sleep(60)
        assert world.reconnects == 1

    world = play(script)
    check_complete(world.updates, world.truth)


def test_what_rest_tells_late_about_the_time_before_the_connection_is_no_reason_to_reconnect() -> None:
    async def script(world: World) -> None:
        world.happen("BTCUSDT", 1, "new")
        world.lag = 1
        await trio.sleep(20)
        await world.open()
        await trio.sleep(3)
        world.lag = 0
        await trio.sleep(10)

    world = play(script)
    assert world.reconnects == 0
    check_complete(world.updates, world.truth)


def test_a_fill_that_rest_has_kept_to_itself_for_long_is_found_all_the_same() -> None:
    async def script(world: World) -> None:
        world.longest_lag = 1000.0
        await world.open()
        await trio.sleep(1)
        await world.live(world.happen("BTCUSDT", 1, "new"))
        await trio.sleep(20)
        world.happen("BTCUSDT", 1, "fill")
        world.lag = 1
        asked = reconciliations(world)
        await trio.sleep(600)
        assert reconciliations(world) >= asked + 3, "and each found that nothing was missing"
        world.lag = 0
        await trio.sleep(400)

    world = play(script)
    check_complete(world.updates, world.truth)
    assert world.failures == []


def test_an_order_that_the_venue_has_forgotten_has_ended() -> None:
    async def script(world: World) -> None:
        await world.open()
        await trio.sleep(1)
        await world.live(world.happen("BTCUSDT", 1, "new"))
        await trio.sleep(20)
        world.snapshots, world.happened = [({}, [])], []
        await trio.sleep(12 * 3600)
        assert [u.status for u in world.updates] == ["new"], "it may be a copy that lags"
        await trio.sleep(13 * 3600)

    world = play(script, reconcile_every=3600.0, quiet_after=3600.0)
    assert [(u.status, u.source) for u in world.updates] == [("new", "stream"), ("canceled", "reconcile")]
