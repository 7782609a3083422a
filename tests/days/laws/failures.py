"""L1: every end has one record and one decision, in the tree's ledger and in the database that outlives the process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from actors import ActorError
from supervisor import Ended
from supervisor.testing import check_failure_conservation

from ..bot import Boom
from ..evidence import Breach, Evidence, Life

ON_DISK = 1.0
"""Seconds after which a failure is on disk, also if the process is killed."""
_OWN = (ActorError, Boom)


def check(evidence: Evidence) -> Iterator[Breach]:
    """Compare events, counters, database, and what the strategy knows of itself."""
    for life in evidence.lives:
        name = f"life {life.number}"
        try:
            check_failure_conservation(life.trace)
        except AssertionError as error:
            yield Breach("L1", f"{name}: {error}")
        if life.trace.error is not None:
            yield Breach("L1", f"{name}: the tree gave up: {life.trace.error!r}", life.ended)
        if life.trace.events[-1].seq != len(life.trace.events):
            yield Breach("L1", f"{name}: events are missing")
        yield from _own_bugs(life, name)
        yield from _database(life, name)


def _own_bugs(life: Life, name: str) -> Iterator[Breach]:
    """No actor of ours ends with an error that is not one of its own kinds; those of the strategy are all told."""
    booms = 0
    for event in life.trace.of("ended"):
        if event.end.kind == "crashed":
            leaves = list(_leaves(event.end.exception))
            booms += sum(isinstance(leaf, Boom) for leaf in leaves)
            if not all(isinstance(leaf, _OWN) for leaf in leaves):
                yield Breach("L1", f"{name}: a bug: {event.path}: {event.end.summary()}", event.at)
    if booms != len(life.journal.booms):
        yield Breach("L1", f"{name}: the strategy failed {len(life.journal.booms)} times, recorded are {booms}")


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


def _database(life: Life, name: str) -> Iterator[Breach]:
    failed = [event for event in life.trace.of("ended") if event.end.failed]
    written = Counter((row.path, row.incarnation, row.how, row.decision) for row in life.written if row.counts)
    certain = Counter(_key(event) for event in failed if not life.killed or event.at < life.stopped - ON_DISK)
    possible = Counter(_key(event) for event in failed if not life.killed or event.at <= life.stopped)
    if missing := certain - written:
        yield Breach("L1", f"{name}: {missing.total()} failures are not in the database: {next(iter(missing))}")
    if more := written - possible:
        yield Breach("L1", f"{name}: {more.total()} failures in the database never were: {next(iter(more))}")
    if life.run is None:
        if life.stopped - life.opened > ON_DISK:
            yield Breach("L1", f"{name}: the run is not in the database")
    elif not life.killed and (life.run.ended is None or life.run.failures != life.trace.ledger.failures):
        yield Breach("L1", f"{name}: the database has {life.run}, the tree {life.trace.ledger.failures} failures")
    elif life.killed and life.run.ended is not None:
        yield Breach("L1", f"{name}: it was killed, and the database says that it ended")


def _key(event: Ended) -> tuple[str, int, str, str]:
    return event.path, event.generation, event.end.kind, event.decision.action
