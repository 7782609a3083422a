"""An account whose file is gone, unreadable or incomplete: live all the same, and told rather more than less."""

from pathlib import Path

import pytest
import trio

from actors import OrderUpdate
from actors._accounts import _bookkeeper, _told_fills
from actors._accounts._account_store import AccountStore
from actors._accounts._book import Book
from actors.ops._ledger_file import LedgerTrouble

from .account_lives import Reader, fills_of, lives, phases_of
from .account_world import World


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
