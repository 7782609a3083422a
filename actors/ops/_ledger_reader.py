"""Reading a ledger file, also while a bot writes it."""

from __future__ import annotations

import datetime
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from statistics import median
from urllib.parse import quote

import attrs

from ._failure import Failure, decode_chain

_COLUMNS = (
    "seq, wall, at, path, incarnation, how, cause, error, chain, lived, decision, reason, delay, in_row,"
    " recovered_after, counts"
)


class NoLedger(Exception):
    """There is no ledger that can be read."""


@attrs.frozen
class RunSeen:
    """One run of a tree, as far as it is written."""

    root: str
    pid: int
    started: float
    """Seconds since the epoch, as the other times."""
    seen: float
    """When it last wrote."""
    ended: float | None
    """None: it runs, or was killed."""
    how: str | None
    failures: int
    """How many the tree has counted."""
    written: int

    @property
    def missing(self) -> int:
        """How many failures never got here."""
        return max(0, self.failures - self.written)


@attrs.frozen
class Cause:
    """Failures that have a cause in common."""

    cause: str
    count: int
    paths: tuple[str, ...]
    first: float
    last: float
    recovery: float | None
    """Median of the seconds to recovery; None: of none it is known."""

    def to_dict(self) -> dict[str, object]:
        """Return plain values for JSON."""
        return attrs.asdict(self)


def read_failures(file: Path, *, path: str | None = None, since: float | None = None) -> list[Failure]:
    """Return failures, oldest first.

    Args:
        file: The ledger.
        path: Of this child and of those below it only.
        since: Seconds since the epoch.

    Raises:
        NoLedger: There is none, or it cannot be read.
    """
    wanted, values = ["1"], list[object]()
    if path is not None:
        wanted.append("(path = ? OR substr(path, 1, ?) = ?)")
        values += [path, len(path) + 1, f"{path}/"]
    if since is not None:
        wanted.append("wall >= ?")
        values.append(since)
    with _reading(file) as db:
        query = f"SELECT {_COLUMNS} FROM failures WHERE {' AND '.join(wanted)} ORDER BY wall, id"  # noqa: S608 - our text
        return [_failure(row) for row in db.execute(query, values)]


def read_runs(file: Path, *, since: float | None = None) -> list[RunSeen]:
    """Return the runs that wrote since then, oldest first; see `read_failures`."""
    with _reading(file) as db:
        query = "SELECT root, pid, started, seen, ended, how, failures, written FROM runs WHERE seen >= ? ORDER BY id"
        return [RunSeen(*row) for row in db.execute(query, (since or 0.0,))]


def by_cause(failures: Iterable[Failure]) -> Sequence[Cause]:
    """Return the causes of failures, most frequent first."""
    grouped: dict[str, list[Failure]] = {}
    for failure in failures:
        grouped.setdefault(failure.cause, []).append(failure)
    return sorted((_cause(cause, found) for cause, found in grouped.items()), key=lambda one: (-one.count, one.cause))


def _cause(cause: str, found: Sequence[Failure]) -> Cause:
    recoveries = [failure.recovered_after for failure in found if failure.recovered_after is not None]
    return Cause(
        cause,
        len(found),
        tuple(sorted({failure.path for failure in found})),
        min(failure.wall for failure in found),
        max(failure.wall for failure in found),
        median(recoveries) if recoveries else None,
    )


def _failure(row: Sequence[object]) -> Failure:
    values = list(row)
    values[8] = decode_chain(str(values[8]))
    values[15] = bool(values[15])
    return Failure(*values)  # type: ignore[arg-type]


@contextmanager
def _reading(file: Path) -> Iterator[sqlite3.Connection]:
    if not file.is_file():
        raise NoLedger(f"{file}: no such file; --ledger says where the ledger is")
    try:
        with closing(sqlite3.connect(f"file:{quote(str(file))}?mode=ro", uri=True, timeout=2.0)) as db:
            yield db
    except sqlite3.Error as error:
        raise NoLedger(f"{file} cannot be read: {error}") from error


def parse_since(text: str, now: float | None = None) -> float:
    """Return seconds since the epoch for ``90m``, ``2h``, ``7d``, or a date and time (UTC unless it says otherwise).

    Raises:
        ValueError: It is neither.
    """
    units = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
    if text and text[-1] in units and text[:-1].replace(".", "", 1).isdecimal():
        return (time.time() if now is None else now) - float(text[:-1]) * units[text[-1]]
    moment = datetime.datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.UTC)
    return moment.timestamp()
