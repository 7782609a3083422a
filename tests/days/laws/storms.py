"""L5: restarts keep their delays and limits, and no venue's limit is broken."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from actors.simulator import Violation
from supervisor.testing import check_restarts_keep_their_delays

from ..evidence import Breach, Evidence

FORGOTTEN = 130.0
"""Seconds from the start of a process in which it may run into a ban that only the process before it was told of."""


def check(evidence: Evidence) -> Iterator[Breach]:
    """Check every restart, and everything that the exchange complained of."""
    for life in evidence.lives:
        try:
            check_restarts_keep_their_delays(life.trace, evidence.tree, operated=evidence.operated)
        except AssertionError as error:
            yield Breach("L5", f"life {life.number}: {error}")
    broken = [violation for violation in evidence.record.violations if not _inherited(evidence, violation)]
    for (venue, rule), count in sorted(Counter((found.venue, found.rule) for found in broken).items()):
        first = next(found for found in broken if (found.venue, found.rule) == (venue, rule))
        yield Breach("L5", f"{venue}: {rule} broken {count} times: {first.detail}", first.at)


def _inherited(evidence: Evidence, violation: Violation) -> bool:
    """Say whether a new process could not know: how long to wait is not in the database."""
    return violation.rule in ("ignored_429", "ignored_ban") and any(
        life.opened <= violation.at <= life.opened + FORGOTTEN for life in evidence.lives[1:]
    )
