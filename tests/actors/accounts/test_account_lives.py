"""An account through several lives of its process: what one has not told, the next one tells."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from actors import OrderUpdate

from .account_lives import Reader, fills_of, lives, phases_of
from .account_world import World


def test_what_fills_while_no_process_runs_is_told_by_the_next_and_nothing_twice(tmp_path: Path) -> None:
    async def before(world: World, _: Reader) -> None:
        await world.open()
        await world.live(world.happen("BTCUSDT", 1, "new"))
        await world.live(world.happen("BTCUSDT", 1, "fill"))
        await world.live(world.happen("ETHUSDT", 2, "new"))
        await world.live(world.happen("ETHUSDT", 2, "cancel"))
        await trio.sleep(10)
        world.happen("BTCUSDT", 1, "fill")
        world.happen("BTCUSDT", 3, "new")

    async def after(world: World, _: Reader) -> None:
        await world.open()
        await trio.sleep(10)

    world, (first, second) = lives(tmp_path / "f", before, after)
    updates = [item for item in second.told if isinstance(item, OrderUpdate)]
    assert [(u.order_id, u.status, u.filled, u.fill and u.fill.id) for u in updates] == [
        # What it has, for a bot that remembers nothing; then what has happened.
        (1, "partially_filled", 1, None),
        (1, "partially_filled", 2, 2),
        (3, "new", 0, None),
    ]
    fills = [item.fill.id for item in [*first.told, *second.told] if isinstance(item, OrderUpdate) and item.fill]
    assert fills == [fill.id for fill in world.truth.fills]


def test_what_was_told_before_a_crash_and_handled_after_it_is_not_told_to_the_next_process(tmp_path: Path) -> None:
    async def before(world: World, reader: Reader) -> None:
        await world.open()
        await world.live(world.happen("BTCUSDT", 1, "new"))
        await trio.sleep(1)
        reader.may_read = trio.Event()
        await world.live(world.happen("BTCUSDT", 1, "fill"))
        await world.live(world.happen("BTCUSDT", 1, "fill"))
        await trio.sleep(1)
        world.running.mailbox(world.bombs).send_nowait(1)
        await trio.sleep(5)
        reader.may_read.set()
        await world.open()
        # Long enough for what is older than two reconciliations to be taken for told, and deleted.
        await trio.sleep(400)

    async def after(world: World, _: Reader) -> None:
        await world.open()
        await trio.sleep(30)

    _, (first, second) = lives(tmp_path / "f", before, after, reconcile_every=30.0)
    assert fills_of(first) == [1, 2]
    assert fills_of(second) == []
    assert phases_of(second)[-1] == "live"


steps = st.lists(
    st.one_of(
        st.tuples(
            st.just("happen"),
            st.integers(1, 3),
            st.sampled_from(["new", "fill", "fill", "fill", "cancel"]),
            st.booleans(),
        ),
        st.sampled_from([("open",), ("away",), ("back",), ("crash",), ("end",), ("lag",)]),
        st.tuples(st.just("wait"), st.sampled_from([0.05, 0.3, 5.0, 40.0, 200.0])),
    ),
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(steps)
def test_whatever_happens_to_processes_and_readers_every_fill_is_handled_and_the_last_one_is_live(
    tmp_path_factory: pytest.TempPathFactory, plan: list[tuple[Any, ...]]
) -> None:
    async def act(world: World, reader: Reader, step: tuple[Any, ...]) -> None:
        match step:
            case ("happen", number, what, live):
                new = world.happen("BTCUSDT", number + 10 * int(trio.current_time() // 100), what)
                if live:
                    # The way is full while the reader stays away: the venue does not wait for it either.
                    with trio.move_on_after(0.2):
                        await world.live(new)
            case ("open",):
                with trio.move_on_after(0.2):
                    await world.open()
            case ("away",):
                reader.may_read = trio.Event()
            case ("back",):
                reader.may_read.set()
            case ("crash",):
                world.running.mailbox(world.bombs).send_nowait(3)
            case ("lag",):
                world.lag = 1 - world.lag
            case ("wait", seconds):
                await trio.sleep(seconds)

    def life(part: list[tuple[Any, ...]]) -> Callable[[World, Reader], Awaitable[None]]:
        async def script(world: World, reader: Reader) -> None:
            with trio.move_on_after(0.2):
                await world.open()
            # The history begins with the first process that was live.
            await trio.sleep(1)
            for step in part:
                await act(world, reader, step)

        return script

    async def last(world: World, _: Reader) -> None:
        await world.open()
        await world.finish()

    parts: list[list[tuple[Any, ...]]] = [[]]
    for step in plan:
        if step == ("end",):
            parts.append([])
        else:
            parts[-1].append(step)
    folder = tmp_path_factory.mktemp("store")
    world, readers = lives(folder / "f", *map(life, parts), last, reconcile_every=30.0)
    for reader in readers:
        fills = fills_of(reader)
        assert len(set(fills)) == len(fills), "no process is told a fill twice"
    told = {fill for reader in readers for fill in fills_of(reader)}
    assert told == {fill.id for fill in world.truth.fills}
    assert phases_of(readers[-1])[-1] == "live"
