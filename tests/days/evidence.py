"""What one day has shown: everything that the laws are checked against."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence

import attrs

from actors.ops._failure import Failure
from actors.ops._ledger_reader import RunSeen
from actors.simulator import TrueRecord
from supervisor import Event, Supervisor
from supervisor.testing import Trace

from .accounts import Happening, Holding
from .bot import Journal, SeenBook
from .plan import Entry
from .sealed import Posted


@attrs.frozen
class Poll:
    """One look at the health endpoint."""

    at: float
    status: int | None
    """None: nobody answered."""
    reasons: tuple[str, ...] = ()


@attrs.frozen
class Life:
    """One life of the bot's process."""

    number: int
    opened: float
    """Seconds since the day began."""
    stopped: float
    """When it was asked to end."""
    ended: float
    killed: bool
    last: bool
    """Whether it is the one that lived to the end of the day."""
    journal: Journal
    trace: Trace
    written: tuple[Failure, ...]
    """Failures of this life in the ledger's database, read when it had ended."""
    run: RunSeen | None
    """The entry of this life in that database."""
    left: int
    """Tasks that were left when it had ended."""


@attrs.frozen
class Evidence:
    """What one day has shown."""

    seed: int
    seconds: float
    """From the beginning of the day to when the market stood still."""
    settled: float
    """When the last life was asked to end."""
    tree: Supervisor
    entries: tuple[Entry, ...]
    happened: tuple[tuple[float, Entry], ...]
    """When each entry really happened: none while the machine slept."""
    record: TrueRecord
    lives: tuple[Life, ...]
    orders: Mapping[Holding, tuple[Happening, ...]]
    """By account: everything that happened to its orders."""
    polls: tuple[Poll, ...]
    posted: tuple[Posted, ...]
    last_books: tuple[SeenBook, ...]
    """The live local books when the market had stood still for a while."""
    operated: bool
    """Whether somebody had to unpark a child."""

    def log(self) -> list[str]:
        """Return the event log: every event of every life, everything that the strategy was given, and every poll."""
        lines: list[str] = []
        for life in self.lives:
            lines += [json.dumps(event.to_dict(), sort_keys=True, default=repr) for event in life.trace.events]
            journal = life.journal
            for pages in (journal.trades, journal.best, journal.quotes, journal.orders):
                lines += [f"{at!r} {item!r}" for at, item in pages]
            lines += [repr(book) for book in journal.books]
        lines += [repr(poll) for poll in self.polls]
        return lines + [repr(posted) for posted in self.posted]

    def digest(self) -> str:
        """Return a fingerprint of the event log."""
        found = hashlib.sha256()
        for line in self.log():
            found.update(line.encode())
            found.update(b"\n")
        return found.hexdigest()

    def events(self) -> Sequence[Event]:
        """Return the events of all lives."""
        return [event for life in self.lives for event in life.trace.events]


@attrs.frozen
class Breach:
    """A law that did not hold."""

    law: str
    """L1 to L8."""
    what: str
    at: float | None = None
    """Seconds since the day began, where that is known."""

    def __str__(self) -> str:
        return f"{self.law}: {self.what}" + ("" if self.at is None else f" (at {self.at:.3f} s)")
