"""An account through several lives of its process, by clocks that are wrong or set: nothing is lost or told twice."""

from pathlib import Path

import pytest
import trio

from actors import OrderUpdate
from actors._connections._venue_clock import VenueClock
from actors._messages import Lost, kept
from supervisor import Mailbox

from .account_lives import Reader, fills_of, lives, phases_of
from .account_world import T0, World


@pytest.mark.parametrize("ahead", [100_000, 300_000])
def test_what_came_and_went_while_no_process_ran_is_told_although_the_clock_was_ahead_before(
    tmp_path: Path, ahead: int
) -> None:
    async def before(world: World, _: Reader) -> None:
        await world.open()
        await world.live(world.happen("BTCUSDT", 1, "new"))
        await trio.sleep(1000)
        world.clock_ahead = ahead
        await world.tell(Lost(world.session, "reset"))
        await world.open()
        # Long enough for reconciliations that begin by that time, from where the next one asks.
        await trio.sleep(50)
        await world.live(world.happen("BTCUSDT", 1, "fill"))
        await trio.sleep(1)
        world.happen("BTCUSDT", 2, "new")
        world.happen("BTCUSDT", 2, "cancel")
        world.happen("BTCUSDT", 3, "new")
        world.happen("BTCUSDT", 3, "fill")
        world.clock_ahead = 0

    async def after(world: World, _: Reader) -> None:
        await world.open()
        await trio.sleep(1)

    _, readers = lives(tmp_path / "f", before, after, reconcile_every=20.0)
    updates = [item for item in readers[1].told if isinstance(item, OrderUpdate)]
    assert [(u.order_id, u.status) for u in updates] == [
        (1, "partially_filled"),
        (2, "new"),
        (2, "canceled"),
        (3, "new"),
        (3, "partially_filled"),
    ]
    assert [fills_of(reader) for reader in readers] == [[1], [2]]
    assert phases_of(readers[1])[-1] == "live"


def test_a_clock_that_is_set_back_before_the_bot_has_taken_what_was_found_is_noted_as_it_was(tmp_path: Path) -> None:
    slot: Mailbox[VenueClock] = Mailbox("clock", capacity=1)

    async def before(world: World, reader: Reader) -> None:
        await world.open()
        await trio.sleep(1000)
        world.clock_ahead = 300_000
        await world.tell(Lost(world.session, "reset"))
        await world.open()
        await trio.sleep(50)
        reader.may_read = trio.Event()
        for number in range(1, 6):
            world.happen("BTCUSDT", number, "new")
        await trio.sleep(30)
        world.clock_ahead = 0
        now = trio.current_time()
        kept(world.running.mailbox(slot), VenueClock).measured(world.now(), now, now)
        reader.may_read.set()
        await trio.sleep(1)
        for what in ("new", "fill", "cancel"):
            world.happen("BTCUSDT", 9, what)

    async def after(world: World, _: Reader) -> None:
        await world.open()
        await trio.sleep(1)

    _, readers = lives(tmp_path / "f", before, after, reconcile_every=20.0, clock=slot)
    assert [fills_of(reader) for reader in readers] == [[], [1]]


@pytest.mark.parametrize("between", [True, False])
def test_a_history_that_was_opened_by_a_clock_that_was_ahead_begins_when_it_was_opened_in_the_next_process_too(
    tmp_path: Path, between: bool
) -> None:
    async def before(world: World, _: Reader) -> None:
        await world.open()
        await trio.sleep(1)
        for what in ("new", "fill", "cancel"):
            world.happen("BTCUSDT", 1, what)
        if between:
            world.clock_ahead = 0

    async def after(world: World, _: Reader) -> None:
        world.clock_ahead = 0
        await world.open()
        await trio.sleep(1)

    world = World()
    world.clock_ahead = 150_000
    _, readers = lives(tmp_path / "f", before, after, world=world)
    assert [fills_of(reader) for reader in readers] == [[], [1]]
    assert phases_of(readers[1])[-1] == "live"


@pytest.mark.parametrize("seconds", [-1e9, -300.0, -5.0, 5.0, 300.0, 1e9])
def test_a_machine_whose_clock_is_set_between_two_processes_is_told_nothing_twice(
    tmp_path: Path, seconds: float
) -> None:
    off = [0.0]

    async def before(world: World, _: Reader) -> None:
        world.happen("BTCUSDT", 9, "new")
        world.happen("BTCUSDT", 9, "fill")
        await trio.sleep(100)
        await world.open()
        for number in range(1, 40):
            await world.live(world.happen("BTCUSDT", number % 3 + 3 * (number // 10), "new"))
            await world.live(world.happen("BTCUSDT", number % 3 + 3 * (number // 10), "fill"))
            await trio.sleep(40)
        world.happen("BTCUSDT", 100, "new")
        world.happen("BTCUSDT", 100, "fill")
        off[0] = seconds

    async def after(world: World, _: Reader) -> None:
        await world.open()
        await trio.sleep(100)

    world, readers = lives(
        tmp_path / "f",
        before,
        after,
        after,
        reconcile_every=20.0,
        wall=lambda: off[0] + (T0 / 1000 + trio.current_time()),
    )
    fills = [fills_of(reader) for reader in readers]
    assert [fill for one in fills for fill in one] == [fill.id for fill in world.truth.fills]
    assert [len(one) for one in fills[1:]] == [1, 0]
    assert [phases_of(reader)[-1] for reader in readers] == ["live"] * 3
