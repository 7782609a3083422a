"""What an account has told the bot, on disk: after a restart of the process it goes on where it was.

It stands in the file of the ledger, in tables of its own. Only what the bot has handled is written: an update counts as
handled when it has left the mailbox and its reader has come back for more. A process that is killed therefore loses
nothing; what was in the bot's hands at that moment is delivered again, with the same ids. Blocking, and called in a worker
thread.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Final, TypeAlias

import attrs

from supervisor import Supervisor

from .._account_source import OrderKey
from ..ops._ledger import LedgerWriter
from ..ops._ledger_file import LedgerTrouble, move_aside, open_database, transaction, troubles
from ._book import CLOCK_OFF, MARGIN, Book, Known
from ._told_fills import FillKey

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS accounts (
    id INTEGER PRIMARY KEY, venue TEXT NOT NULL, account TEXT NOT NULL,
    since INTEGER NOT NULL, complete_from INTEGER NOT NULL, seen REAL NOT NULL,
    UNIQUE (venue, account)
);
CREATE TABLE IF NOT EXISTS account_points (
    account INTEGER NOT NULL REFERENCES accounts (id), symbol TEXT NOT NULL, before INTEGER, last INTEGER NOT NULL,
    PRIMARY KEY (account, symbol)
);
CREATE TABLE IF NOT EXISTS account_orders (
    account INTEGER NOT NULL REFERENCES accounts (id), symbol TEXT NOT NULL, order_id TEXT NOT NULL,
    client_id TEXT NOT NULL, side TEXT NOT NULL, type TEXT NOT NULL, status TEXT NOT NULL, filled TEXT NOT NULL,
    price TEXT NOT NULL, quantity TEXT NOT NULL, time INTEGER NOT NULL, assumed TEXT NOT NULL,
    PRIMARY KEY (account, symbol, order_id)
);
CREATE TABLE IF NOT EXISTS account_fills (
    account INTEGER NOT NULL REFERENCES accounts (id), symbol TEXT NOT NULL, order_id TEXT NOT NULL,
    fill_id TEXT NOT NULL, time INTEGER NOT NULL,
    PRIMARY KEY (account, symbol, order_id, fill_id)
)
"""
_ADDED: Final = ("since_ahead", "ahead")
"""Columns of the accounts that files of earlier versions do not have; see `Book`."""
_EVERYTHING: Final = ""
"""In place of a symbol, of a point that is about all of them."""
_SELECT_ORDERS: Final = (
    "SELECT symbol, order_id, client_id, side, type, status, filled, price, quantity, time, assumed"
    " FROM account_orders WHERE account = ? ORDER BY time"
)
_INSERT_ORDER: Final = (
    "INSERT OR REPLACE INTO account_orders (account, symbol, order_id, client_id, side, type, status, filled, price,"
    " quantity, time, assumed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


@attrs.frozen
class OrderTold:
    """An order's state that was delivered."""

    key: OrderKey
    known: Known


@attrs.frozen
class FillTold:
    """A fill that was delivered."""

    symbol: str
    key: FillKey
    time: int


@attrs.frozen
class Complete:
    """A reconciliation is complete: when the last two of them began."""

    symbol: str | None
    before: int | None
    last: int
    ahead: int | None = None
    """`Book.ahead` then."""


Entry: TypeAlias = OrderTold | FillTold | Complete


class AccountStore:
    """The tables of one account. Not for two threads at a time.

    Args:
        path: The file; made where there is none.
        venue: The venue's name.
        account: The account's name.
    """

    def __init__(self, path: Path, venue: str, account: str) -> None:
        self.path = path
        self._venue = venue
        self._account = account
        self._db: sqlite3.Connection | None = None
        self._inode: int | None = None
        self._seen: float | None = None
        """What the account's row said when it was read or written last: another file has another one."""
        self.moved_to: Path | None = None
        """Where a corrupt file was moved; whoever tells it sets this back."""
        self.incomplete = False
        """Whether the file does not go together with what comes: it is not the one that was written before, or it could not
        be read. Nothing is added to it then: of an order it would have the sum, and not the fills. A new one says where
        the history began, so that a later process asks for all of it."""

    def load(self) -> Book | None:
        """Return what an earlier process has told; None: nothing.

        Raises:
            LedgerTrouble: It cannot be read.
        """
        with troubles(self.path):
            return self._load(self._opened())

    def write(
        self, since: int, entries: Sequence[Entry], *, since_ahead: int | None = None, complete_from: int | None = None
    ) -> None:
        """Write all entries, or none: see `incomplete`. A corrupt file is moved aside.

        Args:
            since: Where the account's history begins.
            entries: In the order in which they were told.
            since_ahead: `Book.since_ahead`.
            complete_from: They are `everything` of a book, whose `Book.fills_from` this is, and take the place of what is
                there. None: they go on from it; nothing is added to an `incomplete` file.

        Raises:
            LedgerTrouble: Nothing was written.
        """
        try:
            self._write(since, since_ahead, entries, complete_from)
        except LedgerTrouble as trouble:
            self.close()
            if trouble.kind != "corrupt":
                raise
            self.moved_to = move_aside(self.path)
            self._write(since, since_ahead, entries, complete_from)

    def close(self) -> None:
        """Close the file; the next call opens it again."""
        db, self._db = self._db, None
        if db is not None:
            db.close()

    def _opened(self) -> sqlite3.Connection:
        if self._db is not None:
            if self.path.exists() and self.path.stat().st_ino == self._inode:
                return self._db
            self.close()
        db = open_database(self.path)
        try:
            with transaction(db):
                for statement in _SCHEMA.split(";"):
                    db.execute(statement)
                there = {name for _, name, *_ in db.execute("PRAGMA table_info(accounts)")}
                for column in _ADDED:
                    if column not in there:
                        db.execute(f"ALTER TABLE accounts ADD COLUMN {column} INTEGER")
        except BaseException:
            db.close()
            raise
        self._db, self._inode = db, self.path.stat().st_ino
        return db

    def _load(self, db: sqlite3.Connection) -> Book | None:
        row = db.execute(
            "SELECT id, since, since_ahead, ahead, complete_from, seen FROM accounts WHERE venue = ? AND account = ?",
            (self._venue, self._account),
        ).fetchone()
        if row is None:
            return None
        book = Book()
        number, since, book.since_ahead, book.ahead, complete_from, self._seen = row
        book.since, book.fills_from, book.forgotten = since, complete_from, complete_from - 1
        for symbol, order_id, *known in db.execute(_SELECT_ORDERS, (number,)):
            book.remember((symbol, json.loads(order_id)), _known(known))
        fills = "SELECT symbol, order_id, fill_id, time FROM account_fills WHERE account = ? ORDER BY time"
        for symbol, order_id, fill_id, at in db.execute(fills, (number,)):
            book.remember_fill(symbol, (json.loads(order_id), json.loads(fill_id)), at)
        for symbol, before, last in db.execute(
            "SELECT symbol, before, last FROM account_points WHERE account = ?", (number,)
        ):
            book.points[symbol if symbol != _EVERYTHING else None] = (before, last)
        book.symbols.update(symbol for symbol in book.points if symbol is not None)
        return book

    def _write(self, since: int, since_ahead: int | None, entries: Iterable[Entry], complete_from: int | None) -> None:
        with troubles(self.path):
            db = self._opened()
            seen = time.time()
            with transaction(db):
                row = db.execute(
                    "SELECT id, seen FROM accounts WHERE venue = ? AND account = ?", (self._venue, self._account)
                ).fetchone()
                # Neither its name nor its inode tells a file from another one in its place.
                self.incomplete = self.incomplete or self._seen != (None if row is None else row[1])
                if row is None:
                    row = db.execute(
                        "INSERT INTO accounts (venue, account, since, since_ahead, complete_from, seen)"
                        " VALUES (?, ?, ?, ?, 0, ?) RETURNING id, seen",
                        (self._venue, self._account, since, since_ahead, seen),
                    ).fetchone()
                number, now_seen = row
                if complete_from is not None:
                    _forget(db, number, complete_from)
                if complete_from is not None or not self.incomplete:
                    db.execute(
                        "UPDATE accounts SET since = ?, since_ahead = ?, seen = ? WHERE id = ?",
                        (since, since_ahead, seen, number),
                    )
                    for entry in entries:
                        _put(db, number, entry)
                    _prune(db, number)
                    now_seen = seen
            self._seen = now_seen
            self.incomplete = self.incomplete and complete_from is None


def ledger_of(tree: Supervisor) -> Path | None:
    """Return the file of the ledger that is in a tree; None: there is none."""
    for node in tree.children:
        if isinstance(node, Supervisor):
            found = ledger_of(node)
            if found is not None:
                return found
        elif isinstance(node.actor, LedgerWriter):
            return node.actor.path
    return None


def everything(book: Book) -> list[Entry]:
    """Return entries that make a book anew."""
    found: list[Entry] = [OrderTold(key, known) for key, known in book.orders.items()]
    found += [FillTold(symbol, key, at) for symbol, key, at in book.fills()]
    found += [Complete(symbol, before, last, book.ahead) for symbol, (before, last) in book.points.items()]
    return found


def _known(row: Sequence[str]) -> Known:
    client_id, side, kind, status, filled, price, quantity, at, assumed = row
    return Known(
        client_id,
        # They were what they must be when they were written.
        side,  # type: ignore[arg-type]
        kind,
        status,  # type: ignore[arg-type]
        Decimal(filled),
        Decimal(price),
        Decimal(quantity),
        int(at),
        Decimal(assumed),
    )


def _put(db: sqlite3.Connection, number: int, entry: Entry) -> None:
    match entry:
        case OrderTold(key=(symbol, order_id), known=known):
            values = (
                known.client_id, known.side, known.type, known.status, str(known.filled), str(known.price),
                str(known.quantity), known.time, str(known.assumed),
            )  # fmt: skip
            db.execute(_INSERT_ORDER, (number, symbol, json.dumps(order_id), *values))
        case FillTold(key=(order_id, fill_id)):
            db.execute(
                "INSERT OR REPLACE INTO account_fills (account, symbol, order_id, fill_id, time) VALUES (?, ?, ?, ?, ?)",
                (number, entry.symbol, json.dumps(order_id), json.dumps(fill_id), entry.time),
            )
        case Complete():
            symbol = _EVERYTHING if entry.symbol is None else entry.symbol
            db.execute(
                "INSERT OR REPLACE INTO account_points (account, symbol, before, last) VALUES (?, ?, ?, ?)",
                (number, symbol, entry.before, entry.last),
            )
            db.execute("UPDATE accounts SET ahead = ? WHERE id = ?", (entry.ahead, number))


def _forget(db: sqlite3.Connection, number: int, complete_from: int) -> None:
    for table in ("account_points", "account_orders", "account_fills"):
        db.execute(f"DELETE FROM {table} WHERE account = ?", (number,))  # noqa: S608 - one of the names above
    db.execute("UPDATE accounts SET complete_from = ? WHERE id = ?", (complete_from, number))


def _prune(db: sqlite3.Connection, number: int) -> None:
    """Delete what no reconciliation asks about any more, also when the clock turns out to have been ahead."""
    least, unknown = db.execute(
        "SELECT min(before), count(*) - count(before) FROM account_points WHERE account = ?", (number,)
    ).fetchone()
    if least is None or unknown:
        return
    until = least - 2 * MARGIN - CLOCK_OFF
    db.execute("DELETE FROM account_fills WHERE account = ? AND time < ?", (number, until))
    db.execute(
        "DELETE FROM account_orders WHERE account = ? AND time < ?"
        " AND status IN ('filled', 'canceled', 'rejected', 'expired')",
        (number, until),
    )
    db.execute("UPDATE accounts SET complete_from = max(complete_from, ?) WHERE id = ?", (until, number))
