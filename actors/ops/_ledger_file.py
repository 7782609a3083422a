"""The ledger on disk: one SQLite file. Blocking; called in a worker thread, or when the tree has ended.

Written in WAL mode with one transaction a batch: what was committed survives the end of the process in any way, and with
``synchronous=FULL`` the loss of power, too (sqlite.org/pragma.html#pragma_synchronous, 2026-08).
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Literal, TypeAlias

import attrs

from ._failure import Failure, encode_chain

_APPLICATION: Final = 0x756E626C
"""Marks the file as ours: "unbl"."""
_VERSION: Final = 1
_BUSY: Final = 0.5
"""Seconds to wait for another connection's lock."""
_WAL: Final = 4 * 1024 * 1024
"""Bytes to which the write-ahead log is cut back."""

_SCHEMA: Final = """
PRAGMA auto_vacuum = INCREMENTAL;
PRAGMA journal_mode = WAL;
BEGIN IMMEDIATE;
CREATE TABLE runs (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, root TEXT NOT NULL, pid INTEGER NOT NULL,
    started REAL NOT NULL, seen REAL NOT NULL, ended REAL, how TEXT,
    failures INTEGER NOT NULL DEFAULT 0, written INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE failures (
    id INTEGER PRIMARY KEY, run INTEGER NOT NULL REFERENCES runs (id), seq INTEGER NOT NULL,
    wall REAL NOT NULL, at REAL NOT NULL, path TEXT NOT NULL, incarnation INTEGER NOT NULL, how TEXT NOT NULL,
    cause TEXT NOT NULL, error TEXT NOT NULL, chain TEXT NOT NULL, lived REAL, decision TEXT NOT NULL,
    reason TEXT NOT NULL, delay REAL, in_row INTEGER NOT NULL, counts INTEGER NOT NULL, recovered_after REAL,
    UNIQUE (run, seq)
);
CREATE INDEX failures_by_time ON failures (wall);
CREATE INDEX failures_to_recover ON failures (run, path) WHERE recovered_after IS NULL;
PRAGMA application_id = 1970168428;
PRAGMA user_version = 1;
COMMIT;
"""
_INSERT: Final = (
    "INSERT INTO failures (run, seq, wall, at, path, incarnation, how, cause, error, chain, lived, decision,"
    " reason, delay, in_row, counts) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (run, seq) DO NOTHING"
)
_RECOVERED: Final = "UPDATE failures SET recovered_after = ? - at WHERE run = ? AND path = ? AND recovered_after IS NULL AND at <= ? AND counts"

Trouble: TypeAlias = Literal["locked", "full", "corrupt", "unwritable"]


class LedgerTrouble(Exception):
    """The file cannot be written now.

    Attributes:
        kind: Which way: another connection holds it, the disk is full, it is corrupt, or anything else.
    """

    def __init__(self, kind: Trouble, message: str) -> None:
        super().__init__(message)
        self.kind: Trouble = kind


@attrs.frozen
class Recovered:
    """A child is ready; its failures before are over."""

    path: str
    at: float


Item: TypeAlias = Failure | Recovered


@attrs.frozen
class Run:
    """One run of a tree, as it is known when something is written."""

    key: str
    """Unique."""
    root: str
    started: float
    """Seconds since the epoch."""
    failures: int = 0
    """How many the tree has counted."""
    ended: float | None = None
    how: str | None = None
    """How the root has ended."""


def open_database(path: Path) -> sqlite3.Connection:
    """Open the file, made where there is none, for one thread after the other and never two at a time.

    Raises:
        LedgerTrouble: It is corrupt, or not ours.
        sqlite3.Error, OSError: See `troubles`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    db = sqlite3.connect(path, timeout=_BUSY, isolation_level=None, check_same_thread=False)
    try:
        _prepare(db, path)
    except BaseException:
        db.close()
        raise
    return db


def _prepare(db: sqlite3.Connection, path: Path) -> None:
    (application,) = db.execute("PRAGMA application_id").fetchone()
    (version,) = db.execute("PRAGMA user_version").fetchone()
    (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if tables == 0:
        db.executescript(_SCHEMA)
    elif application != _APPLICATION:
        raise LedgerTrouble("unwritable", f"{path} is a database of another program; choose another file")
    elif version != _VERSION:
        raise LedgerTrouble("unwritable", f"{path} was written by another version; choose another file")
    (checked,) = db.execute("PRAGMA quick_check(1)").fetchone()
    if checked != "ok":
        raise LedgerTrouble("corrupt", f"{path} is corrupt: {checked}")
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute(f"PRAGMA journal_size_limit = {_WAL}")


def move_aside(path: Path) -> Path:
    """Rename a corrupt file, and return its new name.

    Raises:
        LedgerTrouble: It cannot be renamed.
    """
    with troubles(path):
        stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
        target = path.with_name(f"{path.name}.corrupt-{stamp}")
        count = 1
        while target.exists():
            count += 1
            target = path.with_name(f"{path.name}.corrupt-{stamp}-{count}")
        path.rename(target)
        for suffix in ("-wal", "-shm"):
            # Left behind, they would be taken for the new file's.
            beside = Path(f"{path}{suffix}")
            if beside.exists():
                beside.rename(f"{target}{suffix}")
        return target


class LedgerFile:
    """The file, open for writing. Not for two threads at a time.

    Args:
        path: Where it is; its folder is made.
        keep: Seconds after which a failure is deleted.
        max_bytes: Size at which the oldest failures are deleted.
    """

    def __init__(self, path: Path, keep: float, max_bytes: int) -> None:
        self.path = path
        self._keep = keep
        self._max_bytes = max_bytes
        self._db: sqlite3.Connection | None = None
        self._inode: int | None = None
        self._trimmed_at = 0.0
        self.moved_to: Path | None = None
        """Where a corrupt file was moved; whoever tells it sets this back."""
        self.bytes = 0
        """Size of what is in it."""

    def write(self, run: Run, items: Sequence[Item]) -> None:
        """Write all items, or none.

        A corrupt file is moved aside, and the items go into a new one.

        Raises:
            LedgerTrouble: Nothing was written.
        """
        try:
            self._write(run, items)
        except LedgerTrouble as trouble:
            self.close()
            if trouble.kind != "corrupt":
                raise
            self.moved_to = move_aside(self.path)
            self._write(run, items)

    def close(self) -> None:
        """Close the file; the next write opens it again."""
        db, self._db = self._db, None
        if db is not None:
            # All that was written is committed; what fails here is the tidying up, which the next opening repeats.
            with suppress(sqlite3.Error):
                db.close()

    def _write(self, run: Run, items: Sequence[Item]) -> None:
        with troubles(self.path):
            db = self._opened()
            with transaction(db):
                number = self._run(db, run)
                written = 0
                for item in items:
                    if isinstance(item, Recovered):
                        db.execute(_RECOVERED, (item.at, number, item.path, item.at))
                    else:
                        done = db.execute(_INSERT, (number, *_values(item)))
                        written += done.rowcount if item.counts else 0
                db.execute("UPDATE runs SET written = written + ? WHERE id = ?", (written, number))
            self._trim(db)

    def _run(self, db: sqlite3.Connection, run: Run) -> int:
        row = (run.key, run.root, os.getpid(), run.started, time.time(), run.ended, run.how, run.failures)
        db.execute(
            "INSERT INTO runs (key, root, pid, started, seen, ended, how, failures) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (key) DO UPDATE SET seen = excluded.seen, ended = excluded.ended, how = excluded.how,"
            " failures = excluded.failures",
            row,
        )
        (number,) = db.execute("SELECT id FROM runs WHERE key = ?", (run.key,)).fetchone()
        return int(number)

    def _opened(self) -> sqlite3.Connection:
        if self._db is not None:
            try:
                same = self.path.stat().st_ino == self._inode
            except FileNotFoundError:
                same = False
            if same:
                return self._db
            self.close()  # Somebody has removed or replaced it: what goes into the old one nobody would find.
        db = open_database(self.path)
        self._inode = self.path.stat().st_ino
        self._db, self._trimmed_at = db, 0.0
        return db

    def _trim(self, db: sqlite3.Connection) -> None:
        """Delete what is too old, once an hour, and the oldest when there is too much."""
        now = time.time()
        if now - self._trimmed_at > 3600.0:
            self._trimmed_at = now
            before = now - self._keep
            with transaction(db):
                db.execute("DELETE FROM failures WHERE wall < ?", (before,))
                db.execute("DELETE FROM runs WHERE seen < ? AND id NOT IN (SELECT run FROM failures)", (before,))
        self.bytes = _size(db)
        if self.bytes <= self._max_bytes:
            return
        rows = 1
        while self.bytes > self._max_bytes and rows:
            with transaction(db):
                (rows,) = db.execute("SELECT count(*) FROM failures").fetchone()
                db.execute(
                    "DELETE FROM failures WHERE id IN (SELECT id FROM failures ORDER BY id LIMIT ?)", (rows // 10 + 1,)
                )
            self.bytes = _size(db)
        db.execute("PRAGMA incremental_vacuum").fetchall()


def _size(db: sqlite3.Connection) -> int:
    pages, free, size = (
        int(db.execute(f"PRAGMA {name}").fetchone()[0]) for name in ("page_count", "freelist_count", "page_size")
    )
    return (pages - free) * size


def _values(failure: Failure) -> tuple[object, ...]:
    return (
        failure.seq, failure.wall, failure.at, failure.path, failure.incarnation, failure.how, failure.cause,
        failure.error, encode_chain(failure.chain), failure.lived, failure.decision, failure.reason, failure.delay,
        failure.in_row, failure.counts,
    )  # fmt: skip


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """All or nothing; sqlite3's own begins at the first write only, and can then find the file locked half-way."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


@contextmanager
def troubles(path: Path) -> Iterator[None]:
    """Turn what SQLite and the system raise into `LedgerTrouble`."""
    try:
        yield
    except sqlite3.Error as error:
        raise _trouble(path, error) from error
    except OSError as error:
        raise LedgerTrouble("unwritable", f"{path} cannot be written: {error.strerror}") from error


def _trouble(path: Path, error: sqlite3.Error) -> LedgerTrouble:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return LedgerTrouble("locked", f"{path} is locked by another program")
    if code == sqlite3.SQLITE_FULL:
        return LedgerTrouble("full", f"{path} cannot grow: the disk is full")
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return LedgerTrouble("corrupt", f"{path} is corrupt: {error}")
    return LedgerTrouble("unwritable", f"{path} cannot be written: {error}")
