"""The ledger file: every failure is in it, whatever the disk, the process or other programs do."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path

import pytest
import trio

import actors
from actors import Secret
from actors.ops import _ledger_file
from actors.ops._failure import Failure
from actors.ops._ledger import LedgerWriter, _Memory, ledger
from actors.ops._ledger_file import LedgerFile, LedgerTrouble, Recovered, Run
from actors.ops._ledger_reader import NoLedger, by_cause, read_failures, read_runs
from supervisor import Backoff, Ended, Event, GaveUp, Limit, Me, Note, Running, Subscription, Supervisor, actor

AT_ONCE = Backoff(0, 0, 0)


@actor(backoff=AT_ONCE, first_start="retry", max_failures=None)
async def failing(me: Me, times: int, pause: float = 0.0) -> None:
    if me.generation <= times:
        await trio.sleep(pause)
        try:
            raise KeyError("BTCUSDT")
        except KeyError as error:
            raise ConnectionError(f"attempt {me.generation} of 0xBEEF") from error
    await trio.sleep_forever()


@actor()
async def quiet(me: Me) -> None:
    await trio.sleep_forever()


def bot(*children: object) -> Supervisor:
    return Supervisor("bot", children, limit=Limit(10**6))  # type: ignore[arg-type]


async def until(true: Callable[[], bool], bound: float = 10.0) -> None:
    with trio.fail_after(bound):
        while not true():  # noqa: ASYNC110 - it polls what is seen from outside only
            await trio.sleep(0.02)


def is_begun(file: Path) -> bool:
    try:
        return bool(read_runs(file))
    except NoLedger:
        return False


def notes(events: Subscription) -> list[Note]:
    return [event for event in events.receive_nowait() if isinstance(event, Note)]


async def test_every_failure_is_written_with_its_chain_its_decision_and_its_time_to_recovery(tmp_path: Path) -> None:
    file = tmp_path / "below" / "failures.sqlite"
    async with bot(ledger(file), failing.child("feed", 3)).open() as running:
        await until(lambda: running.status().find("bot/ledger").facts["written"] == 3)  # type: ignore[index]
        seen_meanwhile = read_failures(file)
    found = read_failures(file)

    assert len(seen_meanwhile) == 3
    assert [(f.path, f.incarnation, f.how, f.decision, f.in_row) for f in found] == [
        ("bot/feed", number, "crashed", "restart", number) for number in (1, 2, 3)
    ]
    assert found[0].error == "ConnectionError: attempt 1 of 0xBEEF"
    assert {f.cause for f in found} == {"ConnectionError: attempt N of N"}
    assert [(link["type"], link["message"], link["relation"]) for link in found[0].chain] == [
        ("ConnectionError", "attempt 1 of 0xBEEF", ""),
        ("KeyError", "'BTCUSDT'", "cause"),
    ]
    assert "test_ledger.py" in found[0].chain[0]["places"][-1]
    assert all(f.recovered_after is not None and 0 <= f.recovered_after < 5 for f in found)


async def test_the_last_failures_reach_the_file_also_when_the_root_gives_up(tmp_path: Path) -> None:
    file = tmp_path / "failures.sqlite"

    @actor(on={ValueError: "escalate"})
    async def fatal(me: Me) -> None:
        await trio.sleep(0.05)
        raise ValueError("enough")

    running = Running(bot(ledger(file), quiet.child("quiet"), fatal.child("fatal")), seed=1)
    events = running.events()
    with pytest.raises(GaveUp):
        async with running.opened():
            await running.wait_stopped()
    failed = [event for event in events.receive_nowait() if isinstance(event, Ended) and event.end.failed]
    found = read_failures(file)
    (run,) = read_runs(file)

    assert [f.path for f in found] == [event.path for event in failed] == ["bot/fatal", "bot"]
    assert (run.root, run.how, run.failures, run.written, run.missing) == ("bot", "crashed", 2, 2, 0)
    assert found[1].cause.startswith("GaveUp: ")


async def test_an_orderly_stop_is_in_the_file(tmp_path: Path) -> None:
    file = tmp_path / "failures.sqlite"
    async with bot(ledger(file), failing.child("feed", 1)).open():
        pass
    (run,) = read_runs(file)

    assert run.how == "stopped"
    assert run.ended is not None
    assert run.failures == run.written == len(read_failures(file))


async def test_what_fails_before_the_ledger_and_between_its_incarnations_is_written(tmp_path: Path) -> None:
    file = tmp_path / "failures.sqlite"
    slow = ledger(file).with_(backoff=Backoff(0.3, 0.3, 0.3))

    @actor(ready_within=5, first_start="retry", backoff=AT_ONCE)
    async def early(me: Me) -> None:
        if me.generation < 6:
            raise OSError("too early")
        me.ready()
        await trio.sleep_forever()

    async with bot(early.child("early"), slow).open() as running:
        await running.wait_state("bot/ledger", "ready")
        running.stop_child("bot/ledger")
        await running.wait_state("bot/ledger", "down")
        running.add_child("bot", failing.child("late", 4))
        await running.wait_state("bot/late", "ready")
        await until(lambda: running.ledger.failures == 9)
        running.start_child("bot/ledger")
        await until(lambda: len(read_failures(file)) == 9)
        assert running.status().find("bot/ledger").generation == 2

    assert len(read_runs(file)) == 1


async def test_children_after_the_ledger_are_seen_from_their_first_event_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, str]] = []
    take = _Memory.take

    def watched(memory: _Memory, events: Iterable[Event]) -> None:
        events = list(events)
        seen.extend((event.path, event.kind) for event in events)
        take(memory, events)

    monkeypatch.setattr(_Memory, "take", watched)
    async with bot(ledger(tmp_path / "failures.sqlite"), quiet.child("a"), quiet.child("b")).open() as running:
        await running.wait_state("bot/b", "ready")

    for path in ("bot/a", "bot/b"):
        assert [kind for child, kind in seen if child == path] == ["started", "ready", "stopping", "ended"]


async def test_ten_thousand_failures_are_counted_exactly_and_take_bounded_room(tmp_path: Path) -> None:
    file = tmp_path / "failures.sqlite"
    async with bot(ledger(file, capacity=500, max_bytes=400_000), failing.child("feed", 3000)).open() as running:
        await until(lambda: running.ledger.failures == 3000, 60)
    (run,) = read_runs(file)
    found = read_failures(file)

    assert run.failures == 3000
    assert run.written + run.missing == 3000
    assert len(found) <= run.written
    assert file.stat().st_size < 2_000_000


async def test_a_locked_file_is_told_once_and_written_when_it_is_free(tmp_path: Path) -> None:
    file = tmp_path / "failures.sqlite"
    running = Running(bot(ledger(file), failing.child("feed", 2, 0.3)), seed=1)
    events = running.events()
    async with running.opened():
        await until(lambda: is_begun(file))
        with closing(sqlite3.connect(file, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            await until(lambda: running.status().find("bot/ledger").facts["waiting"] >= 2)  # type: ignore[index]
            await until(lambda: running.status().find("bot/ledger").facts["trouble"] is not None)  # type: ignore[index]
            assert running.status().find("bot/feed").state == "ready"
            other.execute("ROLLBACK")
        await until(lambda: len(read_failures(file)) == 2)
    told = notes(events)

    assert [note.what for note in told] == ["ledger_trouble", "ledger_written_again"]
    assert told[0].fields["kind"] == "locked"
    assert told[0].fields["message"] == f"{file} is locked by another program"


async def test_a_full_disk_is_told_and_the_bot_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "failures.sqlite"
    open_database = _ledger_file.open_database
    full = [True]

    def small(path: Path) -> sqlite3.Connection:
        db = open_database(path)
        if full[0] and path.stat().st_size:
            db.execute("PRAGMA max_page_count = 12")
        return db

    async with bot(ledger(file)).open():
        pass
    monkeypatch.setattr(_ledger_file, "open_database", small)
    running = Running(bot(ledger(file), failing.child("feed", 200)), seed=1)
    events = running.events(100_000)
    async with running.opened():
        await until(lambda: running.status().find("bot/ledger").facts["trouble"] is not None)  # type: ignore[index]
        await running.wait_state("bot/feed", "ready")
        full[0] = False
        await until(lambda: len(read_failures(file)) == 200)
    told = notes(events)

    assert (told[0].fields["kind"], told[0].fields["message"]) == ("full", f"{file} cannot grow: the disk is full")
    assert told[-1].what == "ledger_written_again"
    assert running.status().find("bot/ledger").restarts == 0


@pytest.mark.parametrize("garbage", [b"this is no database" * 500, b"SQLite format 3\x00" + b"\xff" * 8000])
async def test_a_corrupt_file_is_moved_aside_with_a_note(tmp_path: Path, garbage: bytes) -> None:
    file = tmp_path / "failures.sqlite"
    file.write_bytes(garbage)
    running = Running(bot(ledger(file), failing.child("feed", 2)), seed=1)
    events = running.events()
    async with running.opened():
        await until(lambda: running.status().find("bot/ledger").facts["written"] == 2)  # type: ignore[index]
    (told,) = notes(events)

    (aside,) = tmp_path.glob("failures.sqlite.corrupt-*")
    assert aside.read_bytes() == garbage
    assert (told.what, told.fields["to"]) == ("ledger_moved_aside", str(aside))
    assert len(read_failures(file)) == 2


async def test_a_file_that_becomes_corrupt_while_it_is_written_is_moved_aside(tmp_path: Path) -> None:
    file = tmp_path / "failures.sqlite"
    async with bot(ledger(file), failing.child("feed", 50)).open():
        await trio.sleep(0.5)
    with file.open("r+b") as raw:
        raw.seek(4096)
        raw.write(os.urandom(file.stat().st_size - 4096))
    async with bot(ledger(file), failing.child("feed", 2)).open() as running:
        await until(lambda: running.status().find("bot/ledger").facts["written"] == 2)  # type: ignore[index]

    assert len(read_failures(file)) == 2
    assert len(list(tmp_path.glob("failures.sqlite.corrupt-*"))) == 1


async def test_a_file_that_somebody_removes_is_made_again(tmp_path: Path) -> None:
    file = tmp_path / "failures.sqlite"
    async with bot(ledger(file), failing.child("feed", 1)).open() as running:
        await until(lambda: running.status().find("bot/ledger").facts["written"] == 1)  # type: ignore[index]
        for left in tmp_path.iterdir():
            left.unlink()
        running.add_child("bot", failing.child("other", 1))
        await until(lambda: is_begun(file))

    assert [f.path for f in read_failures(file)] == ["bot/other"]


async def test_the_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "other.sqlite"
    with closing(sqlite3.connect(file)) as db:
        db.execute("CREATE TABLE precious (x)")
        db.commit()
    running = Running(bot(ledger(file), failing.child("feed", 1)), seed=1)
    events = running.events()
    async with running.opened():
        await until(lambda: running.status().find("bot/ledger").facts["trouble"] is not None)  # type: ignore[index]
    told = notes(events)

    assert told[0].fields["message"] == f"{file} is a database of another program; choose another file"
    assert told[-1].what == "last_words_failed"
    with closing(sqlite3.connect(file)) as db:
        assert db.execute("SELECT name FROM sqlite_master").fetchall() == [("precious",)]


async def test_a_place_where_nothing_can_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    file = tmp_path / "file" / "failures.sqlite"
    running = Running(bot(ledger(file), failing.child("feed", 1)), seed=1)
    events = running.events()
    async with running.opened():
        await until(lambda: running.status().find("bot/ledger").facts["trouble"] is not None)  # type: ignore[index]

    assert notes(events)[0].fields["kind"] == "unwritable"


async def test_the_disk_never_keeps_the_tree_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held, free = threading.Event(), threading.Event()
    write = LedgerFile.write

    def slow(self: LedgerFile, *args: object) -> None:
        held.set()
        free.wait(10)
        write(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(LedgerFile, "write", slow)
    async with bot(ledger(tmp_path / "f.sqlite"), failing.child("feed", 20)).open() as running:
        await until(held.is_set)
        began = time.monotonic()
        await until(lambda: running.ledger.failures == 20)
        assert time.monotonic() - began < 2
        free.set()

    assert len(read_failures(tmp_path / "f.sqlite")) == 20


async def test_a_blocked_event_loop_and_its_actor_are_written(tmp_path: Path) -> None:
    @actor()
    async def hog(me: Me) -> None:
        await trio.sleep(0.05)
        time.sleep(0.3)  # noqa: ASYNC251 - what it must not do
        await trio.sleep_forever()

    file = tmp_path / "failures.sqlite"
    async with bot(ledger(file), hog.child("hog")).open(watch_blocking=0.1):
        await trio.sleep(0.6)

    assert [(f.path, f.how) for f in read_failures(file)] == [("bot/hog", "blocked")]


async def test_no_secret_gets_into_the_file(tmp_path: Path) -> None:
    key = Secret.literal("sesame-open-4711")

    @actor(backoff=AT_ONCE, first_start="retry")
    async def holder(me: Me, key: Secret) -> None:
        revealed = key.reveal()
        if me.generation == 1:
            raise RuntimeError(f"cannot sign with {key}, {key!r}")
        await trio.sleep_forever()
        del revealed

    file = tmp_path / "failures.sqlite"
    async with bot(ledger(file), holder.child("holder", key)).open():
        await trio.sleep(0.1)

    assert read_failures(file)[0].error == "RuntimeError: cannot sign with ***, ***"
    assert [left for left in tmp_path.iterdir() if b"sesame" in left.read_bytes()] == []


def failure(seq: int, wall: float, path: str = "bot/a") -> Failure:
    return Failure(seq, wall, wall, path, 1, "crashed", "cause", "error", ({"type": "X"},), 1.0, "restart", "", 1.0, 1)


def test_old_failures_are_deleted(tmp_path: Path) -> None:
    now = time.time()
    file = LedgerFile(tmp_path / "f", keep=3600, max_bytes=10**8)
    run = Run("1", "bot", now)
    file.write(run, [failure(1, now - 7200), failure(2, now)])
    file.close()

    assert [f.seq for f in read_failures(tmp_path / "f")] == [2]


def test_what_is_written_twice_is_there_once(tmp_path: Path) -> None:
    file = LedgerFile(tmp_path / "f", keep=3600, max_bytes=10**8)
    run = Run("1", "bot", time.time(), failures=1)
    for _ in range(2):
        file.write(run, [failure(1, time.time()), Recovered("bot/a", time.time() + 1)])
    file.close()

    assert (len(read_failures(tmp_path / "f")), read_runs(tmp_path / "f")[0].missing) == (1, 0)


def test_a_write_that_fails_half_way_leaves_nothing(tmp_path: Path) -> None:
    file = LedgerFile(tmp_path / "f", keep=3600, max_bytes=10**8)
    run = Run("1", "bot", time.time())
    file.write(run, [])
    wrong = failure(2, time.time(), path=None)  # type: ignore[arg-type]
    with pytest.raises(LedgerTrouble):
        file.write(run, [failure(1, time.time()), wrong])
    file.close()

    assert read_failures(tmp_path / "f") == []


def test_failures_are_found_by_path_and_time_and_grouped_by_cause(tmp_path: Path) -> None:
    now = time.time()
    file = LedgerFile(tmp_path / "f", keep=10**6, max_bytes=10**8)
    file.write(
        Run("1", "bot", now),
        [failure(1, now - 100), failure(2, now, "bot/a/b"), failure(3, now, "bot/ab"), Recovered("bot/a", now - 90)],
    )
    file.close()
    found = read_failures(tmp_path / "f", path="bot/a")
    (cause,) = by_cause(found)

    assert [f.seq for f in found] == [1, 2]
    assert [f.seq for f in read_failures(tmp_path / "f", since=now - 50)] == [2, 3]
    assert (cause.count, cause.paths, cause.recovery) == (2, ("bot/a", "bot/a/b"), pytest.approx(10, abs=0.01))


PROGRAM = """
import sys, trio
from actors import ledger
from supervisor import Backoff, Limit, Supervisor, actor, run

@actor(backoff=Backoff(0.01, 0.01, 0.01), first_start="retry", max_failures=None)
async def failing(me):
    print(me.generation, flush=True)
    raise ConnectionError("refused")

run(Supervisor("bot", [ledger(sys.argv[1]), failing.child("feed")], limit=Limit(10**6)))
"""


def test_a_killed_process_loses_nothing_that_is_older_than_a_second(tmp_path: Path) -> None:
    file = tmp_path / "failures.sqlite"
    environment = {**os.environ, "PYTHONPATH": str(Path(str(actors.__file__)).parent.parent)}
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(file)], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert process.stdout is not None
    told: list[tuple[float, int]] = []
    for line in process.stdout:
        told.append((time.monotonic(), int(line)))
        if told[-1][0] - told[0][0] > 3:
            break
    killed = time.monotonic()
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    written = {f.incarnation for f in read_failures(file)}
    due = {number for at, number in told if at < killed - 1.0}

    assert len(due) > 20
    assert due - written == set()
    with closing(sqlite3.connect(file)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert read_runs(file)[0].ended is None


def test_the_ledger_is_a_value_like_any_child(tmp_path: Path) -> None:
    made = ledger(tmp_path / "f", name="book")

    assert (made.name, isinstance(made.actor, LedgerWriter), made.problems()) == ("book", True, [])
