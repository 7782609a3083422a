"""State on disk: what the bot has handled is not told again, what it has not is; trouble with the file stops nothing."""

import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from actors import ledger
from actors._accounts import _account_store, _bookkeeper
from actors._accounts._account_store import AccountStore, Complete, FillTold, OrderTold, everything, ledger_of
from actors._accounts._book import CLOCK_OFF, MARGIN, Book
from actors._accounts._bookkeeper import Backlog, Bookkeeper
from actors._accounts._reconcile import judge
from actors._records import OrderUpdate
from actors.ops._ledger_file import LedgerFile, LedgerTrouble, Run
from supervisor import Mailbox, Me, Note, Running, Supervisor, actor

from .account_truth import absorb, history, moves, reconcile


def same(one: Book, other: Book) -> bool:
    return (dict(one.orders), set(one.fills()), one.points, one.ahead, one.since, one.since_ahead) == (
        dict(other.orders),
        set(other.fills()),
        other.points,
        other.ahead,
        other.since,
        other.since_ahead,
    )


def entries_of(updates: Sequence[OrderUpdate], book: Book) -> list[Any]:
    found: list[Any] = []
    for update in updates:
        key = (update.symbol, update.order_id)
        found.append(OrderTold(key, book.orders[key]))
        if update.fill is not None:
            fill = update.fill
            found.append(FillTold(fill.symbol, (fill.order_id, fill.id), fill.time))
    return found


@settings(max_examples=25, deadline=None)
@given(moves, st.data())
def test_what_is_written_is_what_is_read(
    tmp_path_factory: pytest.TempPathFactory, plan: list[tuple[str, int, str]], data: st.DataObject
) -> None:
    truth = history(plan)
    book = Book()
    book.since, book.since_ahead = 1000, -70
    cut = data.draw(st.integers(0, len(truth.events)))
    store = AccountStore(tmp_path_factory.mktemp("s") / "f", "v", "a")
    store.write(1000, entries_of(absorb(book, truth.events[:cut]), book), since_ahead=-70)
    store.close()
    again = AccountStore(store.path, "v", "a").load()
    assert again is not None
    assert same(again, book)
    # What has happened since is what is told, and nothing else.
    told = [u.fill.id for u in absorb(again, reconcile(again, truth)) if u.fill is not None]
    assert told == [event.fill.id for event in truth.events[cut:] if event.fill is not None]
    assert all(judge(again, event) == "repeated" for event in truth.events)


def test_ids_keep_their_type(tmp_path: Path) -> None:
    truth = history([("BTCUSDT", 1, "new"), ("BTCUSDT", 1, "fill")])
    book = Book()
    text = [
        attrs.evolve(e, order_id="a-1", fill=None if e.fill is None else attrs.evolve(e.fill, order_id="a-1", id="7"))
        for e in truth.events
    ]
    store = AccountStore(tmp_path / "f", "v", "a")
    store.write(0, [*entries_of(absorb(book, text), book), Complete(None, None, 5), Complete("BTCUSDT", 4, 5)])
    read = store.load()
    assert read is not None
    assert list(read.orders) == [("BTCUSDT", "a-1")]
    assert [key for _, key, _ in read.fills()] == [("a-1", "7")]
    assert read.points == {None: (None, 5), "BTCUSDT": (4, 5)}
    assert read.symbols == {"BTCUSDT"}


def test_each_account_has_its_own_and_a_new_one_has_nothing(tmp_path: Path) -> None:
    truth = history([("BTCUSDT", 1, "new")])
    book = Book()
    AccountStore(tmp_path / "f", "v", "a").write(0, entries_of(absorb(book, truth.events), book))
    for venue, account in (("v", "b"), ("w", "a")):
        assert AccountStore(tmp_path / "f", venue, account).load() is None


def test_what_nobody_asks_about_any_more_is_deleted_and_still_counts_as_told(tmp_path: Path) -> None:
    truth = history([("BTCUSDT", 1, what) for what in ("new", "fill", "fill", "fill", "fill")])
    open_order = history([("ETHUSDT", 2, "new")])
    book = Book()
    store = AccountStore(tmp_path / "f", "v", "a")
    store.write(0, entries_of(absorb(book, [*truth.events, *open_order.events]), book))
    late = truth.time + 3 * MARGIN + CLOCK_OFF
    store.write(0, [Complete("BTCUSDT", late, late + 1), Complete("ETHUSDT", late, late + 1)])
    read = store.load()
    assert read is not None
    assert list(read.orders) == [("ETHUSDT", 2)], "an open order stays"
    assert list(read.fills()) == []
    assert all(judge(read, event) == "repeated" for event in truth.events)


def test_a_file_of_an_earlier_version_is_read_and_goes_on_with_what_that_one_did_not_write(tmp_path: Path) -> None:
    store = AccountStore(tmp_path / "f", "v", "a")
    store.write(5, [FillTold("B", (1, 1), 7), Complete("B", 8, 9, 150)], since_ahead=150)
    store.close()
    with sqlite3.connect(store.path) as db:
        for column in ("ahead", "since_ahead"):
            db.execute(f"ALTER TABLE accounts DROP COLUMN {column}")
    read = store.load()
    assert read is not None
    assert (read.since, read.points, [key for _, key, _ in read.fills()]) == (5, {"B": (8, 9)}, [(1, 1)])
    assert (read.since_ahead, read.ahead) == (None, None)
    store.write(5, [Complete("B", 9, 10, -3)])
    read = store.load()
    assert read is not None
    assert (read.points, read.since_ahead, read.ahead) == ({"B": (9, 10)}, None, -3)


def test_a_backup_that_somebody_puts_in_its_place_is_not_written_on(tmp_path: Path) -> None:
    store = AccountStore(tmp_path / "f", "v", "a")
    assert store.load() is None
    store.write(5, [FillTold("B", (1, 1), 7)])
    store.close()
    backup = store.path.read_bytes()
    store.write(5, [FillTold("B", (1, 2), 8)])
    store.close()
    store.path.write_bytes(backup)
    store.write(5, [FillTold("B", (1, 3), 9)])
    assert store.incomplete
    read = store.load()
    assert read is not None
    assert [key for _, key, _ in read.fills()] == [(1, 1)]


def test_the_ledger_and_the_account_share_a_file(tmp_path: Path) -> None:
    for first in ("ledger", "account"):
        path = tmp_path / first
        jobs: list[Any] = [
            lambda path=path: LedgerFile(path, 3600, 10**8).write(Run("k", "bot", 0.0), []),
            lambda path=path: AccountStore(path, "v", "a").write(5, []),
        ]
        for job in jobs if first == "ledger" else reversed(jobs):
            job()
        read = AccountStore(path, "v", "a").load()
        assert read is not None
        assert read.since == 5
        with sqlite3.connect(path) as db:
            assert db.execute("SELECT count(*) FROM runs").fetchone() == (1,)


def test_a_file_that_is_locked_and_one_of_another_program(tmp_path: Path) -> None:
    store = AccountStore(tmp_path / "f", "v", "a")
    store.write(5, [])
    other = sqlite3.connect(store.path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(LedgerTrouble) as caught:
        store.write(6, [])
    assert caught.value.kind == "locked"
    other.execute("ROLLBACK")
    other.close()
    store.write(7, [])
    read = store.load()
    assert read is not None
    assert read.since == 7
    with sqlite3.connect(tmp_path / "theirs") as db:
        db.execute("CREATE TABLE t (x)")
    with pytest.raises(LedgerTrouble, match="another program"):
        AccountStore(tmp_path / "theirs", "v", "a").load()


def test_a_corrupt_file_is_moved_aside(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"this is no database, but it is long enough to be taken for one" * 100)
    store = AccountStore(path, "v", "a")
    with pytest.raises(LedgerTrouble):
        store.load()
    store.write(7, [])
    assert store.moved_to is not None
    assert store.moved_to.exists()
    read = store.load()
    assert read is not None
    assert read.since == 7


def test_the_ledger_of_a_tree_is_found(tmp_path: Path) -> None:
    @actor()
    async def idle(_: Me) -> None:
        await trio.sleep_forever()

    assert ledger_of(Supervisor("t", [idle.child("a"), Supervisor("u", [ledger(tmp_path / "f")])])) == tmp_path / "f"
    assert ledger_of(Supervisor("t", [idle.child("a")])) is None


# The bookkeeper ------------------------------------------------------------------------------------------------


class Shop:
    """A bookkeeper at work, with the mailbox whose reader is played by hand."""

    def __init__(self, path: Path) -> None:
        self.store = AccountStore(path, "v", "a")
        self.backlog = Backlog(self.store)
        self.book = Book()
        self.book.since, self.book.since_ahead = 1000, 60
        self.keeper: Bookkeeper
        self.running: Running
        self.out: Mailbox[Any]
        self.notes: list[Note] = []
        self.truth = history([("BTCUSDT", 1, what) for what in ("new", "fill", "fill", "fill", "fill")])

    def deliver(self, number: int) -> None:
        event = self.truth.events[number]
        self.out.send_nowait(event)
        self.book.absorb(event)
        self.keeper.delivered(event)

    def written(self) -> int:
        """How many fills are on the disk."""
        read = AccountStore(self.store.path, "v", "a").load()
        return 0 if read is None else len(list(read.fills()))

    def on_disk(self) -> Book:
        read = AccountStore(self.store.path, "v", "a").load()
        assert read is not None
        return read

    async def until(self, fills: int) -> None:
        with trio.fail_after(5):
            while self.written() != fills:  # noqa: ASYNC110 - the disk has no events
                await trio.sleep(0.02)

    async def read_until(self, fills: int) -> None:
        """Be the reader, who takes everything and waits for more, until so many fills are on the disk."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_read, self.out)
            await self.until(fills)
            nursery.cancel_scope.cancel()


@asynccontextmanager
async def shop(path: Path) -> AsyncIterator[Shop]:
    made = Shop(path)
    outbox: Mailbox[Any] = Mailbox("out", capacity=100)
    opened = trio.Event()

    @actor()
    async def keep(me: Me, out: Mailbox[Any]) -> None:
        made.out = out
        made.keeper = Bookkeeper(made.backlog, out, made.book, me)
        opened.set()
        try:
            await made.keeper.run()
        finally:
            with me.cleanup():
                await made.keeper.close()

    running = Running(Supervisor("t", [keep.child("keep", outbox)]), 1)
    events = running.events(1000)
    async with running.opened():
        await opened.wait()
        made.running = running
        yield made
    made.notes += [event for event in events.receive_nowait() if isinstance(event, Note)]


async def test_only_what_the_reader_has_come_back_from_is_written(tmp_path: Path) -> None:
    async with shop(tmp_path / "f") as made:
        made.deliver(0)
        made.deliver(1)
        await trio.sleep(0.3)
        assert made.written() == 0, "nobody has read it"
        await made.out.receive_many()
        await trio.sleep(0.3)
        assert made.written() == 0, "it is in somebody's hands"
        made.deliver(2)
        await made.out.receive()
        await made.until(1)
        await made.read_until(2)


async def test_a_point_counts_when_what_came_before_it_is_handled(tmp_path: Path) -> None:
    async with shop(tmp_path / "f") as made:
        made.deliver(0)
        made.book.ahead = 70
        made.book.reconciled("BTCUSDT", 77)
        made.keeper.reconciled("BTCUSDT")
        await trio.sleep(0.3)
        assert AccountStore(made.store.path, "v", "a").load() is None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_read, made.out)
            with trio.fail_after(5):
                while True:
                    found = AccountStore(made.store.path, "v", "a").load()
                    if found is not None and (found.points, found.ahead) == ({"BTCUSDT": (None, 77)}, 70):
                        break
                    await trio.sleep(0.02)
            nursery.cancel_scope.cancel()


async def test_the_disk_s_trouble_is_told_once_and_nothing_is_lost_by_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = _account_store.open_database
    broken = [True]

    def fails(path: Path) -> sqlite3.Connection:
        if broken[0]:
            raise LedgerTrouble("full", "the disk is full")
        return opened(path)

    monkeypatch.setattr(_account_store, "open_database", fails)
    async with shop(tmp_path / "f") as made:
        for number in range(3):
            made.deliver(number)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_read, made.out)
            await trio.sleep(1.5)
            assert made.keeper.trouble == "the disk is full"
            broken[0] = False
            await made.until(2)
            with trio.fail_after(5):
                while made.keeper.trouble is not None:  # noqa: ASYNC110 - told by a note, which is looked at below
                    await trio.sleep(0.02)
            nursery.cancel_scope.cancel()
    assert [note.what for note in made.notes] == ["account_store_trouble", "account_store_written_again"]


async def test_what_an_earlier_incarnation_has_delivered_is_written_when_it_is_handled(tmp_path: Path) -> None:
    async with shop(tmp_path / "f") as made:
        made.deliver(0)
        made.deliver(1)
        before = made.keeper
        made.running.restart_child("t/keep")
        with trio.fail_after(5):
            while made.keeper is before:  # noqa: ASYNC110 - its successor takes its place
                await trio.sleep(0.02)
        made.deliver(2)
        await made.out.receive_many()
        await made.read_until(2)
    assert same(made.on_disk(), made.book)


async def test_when_too_much_waits_the_book_is_written_once_all_of_it_is_handled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_bookkeeper, "_MOST", 4)
    async with shop(tmp_path / "f") as made:
        for number in range(3):
            made.deliver(number)
        await made.out.receive_many()
        await trio.sleep(0.3)
        made.deliver(3)
        await made.out.receive()
        await trio.sleep(0.3)
        # An order with the sum of its fills, and not all of them, would not add up with what the venue says.
        assert made.written() == 0
        await made.read_until(3)
    assert same(made.on_disk(), made.book)


async def test_a_new_file_says_where_the_history_began_until_all_of_it_can_be_written(tmp_path: Path) -> None:
    async with shop(tmp_path / "f") as made:
        made.deliver(0)
        made.deliver(1)
        await made.read_until(1)
        for file in tmp_path.iterdir():
            file.unlink()
        made.deliver(2)
        await made.out.receive()
        await trio.sleep(0.3)
        made.deliver(3)
        await made.out.receive()
        with trio.fail_after(5):
            while not made.store.path.exists():  # noqa: ASYNC110 - the disk has no events
                await trio.sleep(0.02)
        await trio.sleep(0.3)
        assert "behind" in str(made.keeper.trouble)
        read = made.on_disk()
        assert (read.since, dict(read.orders), list(read.fills())) == (1000, {}, [])
        await made.read_until(3)
    assert same(made.on_disk(), made.book)


async def _read(box: Mailbox[Any]) -> None:
    async for _ in box:
        pass


async def test_a_file_that_somebody_removes_is_made_again_with_everything_in_it(tmp_path: Path) -> None:
    async with shop(tmp_path / "f") as made, trio.open_nursery() as nursery:
        nursery.start_soon(_read, made.out)
        for number in range(3):
            made.deliver(number)
        made.book.ahead = 70
        made.book.reconciled("BTCUSDT", 77)
        made.keeper.reconciled("BTCUSDT")
        await made.until(2)
        for file in tmp_path.iterdir():
            file.unlink()
        made.deliver(3)
        await made.until(3)
        nursery.cancel_scope.cancel()
    assert len(everything(made.book)) == 5
    assert same(made.on_disk(), made.book)


async def test_without_a_file_nothing_is_done(tmp_path: Path) -> None:
    out: Mailbox[Any] = Mailbox("out", capacity=1)

    @actor()
    async def keep(me: Me, out: Mailbox[Any]) -> None:
        keeper = Bookkeeper(Backlog(None), out, Book(), me)
        assert await keeper.load() is None
        keeper.delivered(history([("BTCUSDT", 1, "new")]).events[0])
        keeper.reconciled(None)
        await keeper.run()

    running = Running(Supervisor("t", [keep.child("keep", out)]), 1)
    async with running.opened():
        await trio.sleep(0.1)
        assert running.ledger.failures == 0
