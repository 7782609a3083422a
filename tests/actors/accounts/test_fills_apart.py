"""Fills that a venue tells apart from their orders come out with them; one without the other is asked for."""

from typing import Any

import attrs
import httpx  # noqa: ASYNC127 - see actors/_net/_http.py
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from actors import OrderUpdate, Secret
from actors._account_source import Credentials
from actors._messages import Lost
from actors.exchanges.binance_usdm import UsdmAccount

from .account_truth import check_complete
from .account_world import World, play

APART = UsdmAccount("main", Credentials(Secret.literal("k"), Secret.literal("s")), fills_apart=True)


def apart(updates: list[OrderUpdate]) -> list[Any]:
    found: list[Any] = []
    for update in updates:
        found += [attrs.evolve(update, fill=None), *([] if update.fill is None else [update.fill])]
    return found


def test_fills_that_are_told_apart_come_out_with_their_orders() -> None:
    async def script(world: World) -> None:
        await world.open()
        await trio.sleep(1)
        for what in ("new", "fill", "fill", "cancel"):
            await world.live(apart(world.happen("BTCUSDT", 1, what))[::-1])
        await trio.sleep(1)

    world = play(script, source=APART)
    check_complete(world.updates, world.truth)
    assert {update.source for update in world.updates} == {"stream"}
    assert world.phases == ["connecting", "reconciling", "live"]


@pytest.mark.parametrize("kept", [0, 1])
def test_one_that_comes_without_the_other_is_asked_for(kept: int) -> None:
    async def script(world: World) -> None:
        await world.open()
        await world.live(apart(world.happen("BTCUSDT", 1, "new")))
        await trio.sleep(20)
        await world.live([apart(world.happen("BTCUSDT", 1, "fill"))[kept]])
        await trio.sleep(2)
        assert world.phases[-1] == "live"
        await trio.sleep(3)

    world = play(script, source=APART)
    check_complete(world.updates, world.truth)
    assert world.phases == ["connecting", "reconciling", "live", "reconciling", "live"]
    assert world.updates[-1].source == "reconcile"


steps = st.lists(
    st.one_of(
        st.tuples(
            st.just("happen"),
            st.sampled_from(["BTCUSDT", "ETHUSDT"]),
            st.integers(1, 4),
            st.sampled_from(["new", "fill", "fill", "cancel"]),
            st.sets(st.integers(0, 1)),
        ),
        st.sampled_from([("open",), ("take over",), ("lost",), ("crash",), ("down",), ("limit",), ("up",)]),
        st.tuples(st.just("lag"), st.integers(0, 3)),
        st.tuples(st.just("wait"), st.floats(0, 20)),
    ),
    max_size=30,
)


@settings(max_examples=60, deadline=None)
@given(steps)
def test_whatever_happens_to_fills_told_apart_is_accounted_for(plan: list[tuple[Any, ...]]) -> None:
    async def script(world: World) -> None:
        await world.open()
        await trio.sleep(0.5)
        for step in plan:
            match step:
                case ("happen", symbol, number, what, kept):
                    new = apart(world.happen(symbol, number + 10 * int(trio.current_time() // 30), what))
                    await world.live([item for place, item in enumerate(new) if place in kept])
                case ("open",):
                    await world.tell(Lost(world.session, "x"))
                    await world.open()
                case ("take over",):
                    await world.open()
                case ("lost",):
                    await world.tell(Lost(world.session, "x"))
                case ("crash",):
                    world.running.mailbox(world.bombs).send_nowait(3)
                case ("down",):
                    world.trouble = httpx.ConnectError("no route")
                case ("limit",):
                    world.trouble = httpx.Response(429, headers={"retry-after": "5"})
                case ("up",):
                    world.trouble = None
                case ("lag", count):
                    world.lag = count
                case ("wait", seconds):
                    await trio.sleep(seconds)
        await world.finish()

    world = play(script, source=APART)
    check_complete(world.updates, world.truth)
    assert world.states[-1] is True
