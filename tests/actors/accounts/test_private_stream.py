"""An account alone: after anything that can happen, what was delivered equals what the exchange has."""

from itertools import pairwise

import attrs
import httpx  # noqa: ASYNC127 - see actors/_net/_http.py
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from actors import AccountState
from actors._messages import Batch, Lost

from .account_truth import check_complete
from .account_world import T0, World, play


def test_live_updates_go_out_as_they_come() -> None:
    async def script(world: World) -> None:
        await world.open()
        await trio.sleep(1)
        for what in ("new", "fill", "cancel"):
            await world.live(world.happen("BTCUSDT", 1, what))
        await trio.sleep(1)

    world = play(script)
    assert [u.status for u in world.updates] == ["new", "partially_filled", "canceled"]
    assert {u.source for u in world.updates} == {"stream"}
    assert world.states == [False, True]


def test_what_happened_during_an_interruption_is_delivered_before_the_account_is_live() -> None:
    async def script(world: World) -> None:
        await world.open()
        await world.live(world.happen("BTCUSDT", 1, "new"))
        await trio.sleep(1)
        await world.tell(Lost(world.session, "reset"))
        world.happen("BTCUSDT", 1, "fill")
        world.happen("ETHUSDT", 2, "new")
        world.happen("BTCUSDT", 1, "cancel")
        await trio.sleep(1)
        assert world.states == [False, True, False]
        await world.open()
        await world.live(world.happen("ETHUSDT", 2, "fill"))
        await trio.sleep(1)

    world = play(script)
    check_complete(world.updates, world.truth)
    told = [
        item.live if isinstance(item, AccountState) else (item.order_id, item.status, item.source) for item in world.out
    ]
    live_again = len(told) - 1 - told[::-1].index(True)
    recovered = [place for place, item in enumerate(told) if isinstance(item, tuple) and item[2] == "reconcile"]
    assert max(recovered) < live_again


def test_nothing_of_before_the_start_is_told_but_open_orders_are() -> None:
    world = World()

    async def script(_: World) -> None:
        await world.open()
        await trio.sleep(1)
        await world.live(world.happen("BTCUSDT", 2, "fill"))
        await trio.sleep(1)

    async def before() -> None:
        await trio.lowlevel.checkpoint()
        for order_id, what in ((1, "new"), (1, "fill"), (1, "cancel"), (2, "new"), (2, "fill")):
            world.happen("BTCUSDT", order_id, what)

    trio.run(before, clock=trio.testing.MockClock())
    world.truth.time = T0 - 1000
    world.truth.fills = [attrs.evolve(fill, time=T0 - 1000) for fill in world.truth.fills]
    world.truth.orders = {
        k: attrs.evolve(o, created=T0 - 2000, updated=T0 - 1000) for k, o in world.truth.orders.items()
    }
    world.snapshots = [(dict(world.truth.orders), list(world.truth.fills))]
    play(script, world)
    assert [(u.order_id, u.status, u.filled, u.source) for u in world.updates] == [
        (2, "partially_filled", 1, "reconcile"),
        (2, "partially_filled", 2, "stream"),
    ]


def test_an_update_that_shows_a_loss_is_followed_by_asking() -> None:
    async def script(world: World) -> None:
        await world.open()
        await world.live(world.happen("BTCUSDT", 1, "new"))
        await trio.sleep(20)
        world.happen("BTCUSDT", 1, "fill")
        await world.live(world.happen("BTCUSDT", 1, "fill"))
        await trio.sleep(1)

    world = play(script)
    check_complete(world.updates, world.truth)
    assert world.states == [False, True, False, True]


def test_a_stream_that_keeps_updates_to_itself_is_found_out_and_replaced() -> None:
    async def script(world: World) -> None:
        await world.open()
        await trio.sleep(60)
        world.happen("BTCUSDT", 1, "new")
        await trio.sleep(200)
        assert world.reconnects == 0
        await trio.sleep(60)
        assert world.reconnects == 1
        assert world.states == [False, True, False]

    world = play(script)
    check_complete(world.updates, world.truth)


def test_an_answer_that_lags_is_made_good_a_little_later() -> None:
    async def script(world: World) -> None:
        world.happen("BTCUSDT", 1, "new")
        world.happen("BTCUSDT", 1, "fill")
        world.lag = 1
        await world.open()
        await trio.sleep(2)
        assert len(world.updates) == 1
        world.lag = 0
        await trio.sleep(6)

    world = play(script)
    check_complete(world.updates, world.truth)


def test_orders_on_a_symbol_that_nobody_declared_are_followed() -> None:
    async def script(world: World) -> None:
        world.happen("BTCUSDT", 1, "new")
        await world.open()
        await world.live(world.happen("ETHUSDT", 2, "new"))
        await trio.sleep(1)
        await world.tell(Lost(world.session, "x"))
        world.happen("ETHUSDT", 2, "fill")
        world.happen("BTCUSDT", 1, "cancel")
        await world.open()
        await trio.sleep(1)

    world = World()
    world.symbols = ()
    check_complete(play(script, world).updates, world.truth)


steps = st.lists(
    st.one_of(
        st.tuples(
            st.just("happen"),
            st.sampled_from(["BTCUSDT", "ETHUSDT"]),
            st.integers(1, 4),
            st.sampled_from(["new", "fill", "fill", "cancel"]),
            st.booleans(),
        ),
        st.sampled_from([("open",), ("lost",), ("poison",), ("down",), ("up",)]),
        st.tuples(st.just("lag"), st.integers(0, 3)),
        st.tuples(st.just("wait"), st.floats(0, 20)),
        st.tuples(st.just("cancel"), st.integers(0, 12)),
    ),
    max_size=30,
)


@settings(max_examples=60, deadline=None)
@given(steps)
def test_whatever_happens_every_update_is_accounted_for(plan: list[tuple[object, ...]]) -> None:
    async def script(world: World) -> None:
        await world.open()
        await trio.sleep(0.5)
        for step in plan:
            match step:
                case ("happen", str(symbol), int(number), str(what), live):
                    # Ids grow with time, as they do at the venue, and are unique by symbol only.
                    new = world.happen(symbol, number + 10 * int(trio.current_time() // 30), what)
                    if live:
                        await world.live(new)
                case ("open",):
                    await world.open()
                case ("lost",):
                    await world.tell(Lost(world.session, "x"))
                case ("poison",):
                    await world.tell(Batch(["poison"]))  # type: ignore[list-item]
                case ("down",):
                    world.trouble = httpx.ConnectError("no route")
                case ("up",):
                    world.trouble = None
                case ("lag", int(count)):
                    world.lag = count
                case ("wait", float(seconds)):
                    await trio.sleep(seconds)
                case ("cancel", int(later)):
                    world.running.mailbox(world.bombs).send_nowait(later)
        await world.finish()

    world = play(script)
    check_complete(world.updates, world.truth)
    assert world.states[-1] is True
    assert all(a != b for a, b in pairwise(world.phases)), "only changes are told"
