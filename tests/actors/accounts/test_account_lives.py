"""An account through several lives of its process: what one has not told, the next one tells."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from actors import AccountState, OrderUpdate
from actors._accounts import _bookkeeper, _told_fills
from actors._accounts._account_store import AccountStore
from actors._accounts._book import Book
from actors._connections._venue_clock import VenueClock
from actors._messages import Lost, kept
from actors.ops._ledger_file import LedgerTrouble
from supervisor import Mailbox, Running
from supervisor.testing import run_virtually

from ..in_memory import drain
from .account_world import T0, World

Script = Callable[[World], Awaitable[None]]


class Reader:
    """The bot's own: what it takes counts as handled when it comes back for more, and it can be told to stay away."""

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.may_read = trio.Event()
        self.may_read.set()

    async def read(self, box: Mailbox[Any]) -> None:
        while True:
            await self.may_read.wait()
            try:
                self.told += await box.receive_many()
            except trio.EndOfChannel:
                return


def fills_of(reader: Reader) -> list[Any]:
    return [item.fill.id for item in reader.told if isinstance(item, OrderUpdate) and item.fill]


def phases_of(reader: Reader) -> list[str]:
    return [item.state for item in reader.told if isinstance(item, AccountState)]


def lives(
    path: Path, *scripts: Callable[[World, Reader], Awaitable[None]], world: World | None = None, **changes: Any
) -> tuple[World, list[Reader]]:
    """Run one process after the other against the same venue; return what each was told."""
    world = world or World()
    readers: list[Reader] = []

    async def main() -> None:
        for script in scripts:
            async with trio.open_nursery() as nursery:
                running = world.running = Running(world.tree(store=path, **changes), 1)
                readers.append(Reader())
                async with running.opened():
                    nursery.start_soon(readers[-1].read, running.mailbox(world.outbox))
                    nursery.start_soon(drain, running.mailbox(world.control), world.orders)
                    await script(world, readers[-1])
                nursery.cancel_scope.cancel()
            await trio.sleep(100)

    run_virtually(main)
    return world, readers


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


def test_a_store_that_cannot_be_read_is_told_and_the_account_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.mkdir()

    async def script(world: World, _: Reader) -> None:
        await world.open()
        await world.live(world.happen("BTCUSDT", 1, "new"))
        await trio.sleep(10)
        facts = world.running.status().children[1].facts
        assert facts is not None
        assert facts["store_trouble"]

    _, (reader,) = lives(path, script)
    assert phases_of(reader)[-1] == "live"


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


def test_a_store_that_one_process_could_not_read_does_not_keep_the_next_from_being_live(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(_: AccountStore) -> None:
        raise LedgerTrouble("locked", "the database is locked")

    async def first(world: World, _: Reader) -> None:
        await world.open()
        await world.live(world.happen("BTCUSDT", 1, "new"))
        await world.live(world.happen("BTCUSDT", 2, "new"))
        await world.live(world.happen("BTCUSDT", 3, "new"))
        await trio.sleep(10)
        # While no process runs; the last one as a whole.
        world.happen("BTCUSDT", 1, "fill")
        for _ in range(4):
            world.happen("BTCUSDT", 3, "fill")
        monkeypatch.setattr(AccountStore, "load", locked)

    async def second(world: World, _: Reader) -> None:
        monkeypatch.undo()
        await world.open()
        await world.live(world.happen("BTCUSDT", 2, "fill"))
        await trio.sleep(10)

    async def third(world: World, _: Reader) -> None:
        await world.open()
        await world.live(world.happen("BTCUSDT", 1, "fill"))
        await trio.sleep(10)

    world, readers = lives(tmp_path / "f", first, second, third)
    assert phases_of(readers[-1])[-1] == "live"
    fills = [
        [item.fill.id for item in reader.told if isinstance(item, OrderUpdate) and item.fill] for reader in readers
    ]
    # What was filled before a process that begins anew is in the orders that it tells first, and in no fill.
    assert fills == [[], [6], [7]]
    assert len(world.truth.fills) == 7


def test_a_store_that_somebody_holds_for_a_moment_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load, until = AccountStore.load, [0.0]

    def held(store: AccountStore) -> Book | None:
        if trio.current_time() < until[0]:
            raise LedgerTrouble("locked", "the database is locked")
        return load(store)

    async def first(world: World, _: Reader) -> None:
        await world.open()
        await world.live(world.happen("BTCUSDT", 1, "new"))
        await trio.sleep(10)
        world.happen("BTCUSDT", 1, "fill")
        until[0] = trio.current_time() + 103

    async def second(world: World, _: Reader) -> None:
        await world.open()
        await trio.sleep(10)

    monkeypatch.setattr(AccountStore, "load", held)
    _, readers = lives(tmp_path / "f", first, second)
    assert [fills_of(reader) for reader in readers] == [[], [1]]


def test_a_file_that_is_removed_while_the_process_runs_is_whole_for_the_next(tmp_path: Path) -> None:
    async def first(world: World, _: Reader) -> None:
        await world.open()
        await world.live(world.happen("BTCUSDT", 1, "new"))
        await world.live(world.happen("BTCUSDT", 1, "fill"))
        await trio.sleep(10)
        for file in tmp_path.iterdir():
            file.unlink()
        await world.live(world.happen("BTCUSDT", 1, "fill"))
        await trio.sleep(10)

    async def second(world: World, _: Reader) -> None:
        await world.open()
        await trio.sleep(100)

    _, readers = lives(tmp_path / "f", first, second)
    assert [fills_of(reader) for reader in readers] == [[1, 2], []]
    assert phases_of(readers[-1])[-1] == "live"


def test_a_book_that_has_forgotten_what_is_asked_about_is_not_written_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_bookkeeper, "_MOST", 6)
    monkeypatch.setattr(_told_fills, "FILLS_KEPT", 4)

    async def first(world: World, _: Reader) -> None:
        await world.open()
        await trio.sleep(1)
        for number in (1, 2, 3):
            await world.live(world.happen("BTCUSDT", number, "new"))
            for _ in range(3):
                await trio.sleep(0.002)
                await world.live(world.happen("BTCUSDT", number, "fill"))
        await trio.sleep(20)

    async def next_one(world: World, _: Reader) -> None:
        await world.open()
        await trio.sleep(1000)

    _, readers = lives(tmp_path / "f", first, next_one, next_one)
    assert phases_of(readers[1])[-1] == phases_of(readers[2])[-1] == "live"
    # Told more, and never less.
    assert fills_of(readers[1]) == list(range(1, 10))
    assert fills_of(readers[2]) == []


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
