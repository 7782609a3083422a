"""A tree as its watchers see it: read at most a few times a second, however many they are."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import attrs
import trio

from supervisor import Ended, OpenTree, Status

from ._vitals import Verdict, Vital, judge, read

FRESH: Final = 0.1
"""Seconds for which what was read is told again: reading a tree of a thousand children takes some milliseconds."""


@attrs.frozen
class Look:
    """The tree at one moment."""

    at: float
    """Seconds on Trio's clock."""
    wall: float
    status: Status
    vitals: tuple[Vital, ...]
    verdict: Verdict


class Watched:
    """A tree with what is needed to tell about it.

    Args:
        tree: The tree.
        needs: Paths of children that must be ready, beside what the tree requires.
        counters: The watcher's own counters.
    """

    def __init__(self, tree: OpenTree, needs: Sequence[str], counters: Callable[[], Mapping[str, int]]) -> None:
        self.tree = tree
        self.counters = counters
        self._needs = tuple(needs)
        self._known: dict[str, bool] = {}
        self._look: Look | None = None

    def look(self) -> Look:
        """Return the tree as it is now, or was up to `FRESH` seconds ago."""
        now = trio.current_time()
        if self._look is None or now - self._look.at >= FRESH:
            status = self.tree.status()
            vitals = read(status, self.tree.tree, known=self._known, now=now)
            self._known = {vital.path: vital.required for vital in vitals}
            self._look = Look(now, time.time(), status, tuple(vitals), judge(status, vitals, self._needs))
        return self._look

    def picture(self) -> dict[str, Any]:
        """Return the whole tree as plain values for JSON."""
        look, ledger = self.look(), self.tree.ledger
        return {
            "name": look.status.path,
            "now": look.at,
            "wall": look.wall,
            "health": look.verdict.to_dict(),
            "tree": look.status.to_dict(),
            "vitals": [attrs.asdict(vital) for vital in look.vitals],
            "mailboxes": [attrs.asdict(mailbox) for mailbox in self.tree.mailboxes()],
            "budgets": [attrs.asdict(budget) for budget in self.tree.budgets()],
            "dead_letters": len(self.tree.dead_letters()),
            "ends": _counts(ledger.by_kind),
            "decisions": _counts(ledger.by_action),
            "failures": ledger.failures,
            "restarts": ledger.restarts,
        }

    def failures(self) -> dict[str, Any]:
        """Return exact counts of all failures, and the last and the first ones whole, as plain values for JSON."""
        ledger = self.tree.ledger
        return {
            "name": self.tree.tree.name,
            "now": trio.current_time(),
            "wall": time.time(),
            "failures": ledger.failures,
            "restarts": ledger.restarts,
            "ends": _counts(ledger.by_kind),
            "decisions": _counts(ledger.by_action),
            "errors": _counts(ledger.by_error),
            "recent": [event.to_dict() for event in ledger.recent if _telling(event)],
            "first": [event.to_dict() for event in ledger.first_failures],
        }


def _telling(event: Ended) -> bool:
    return event.end.failed or bool(event.end.masked) or event.end.kind == "exit"


def _counts(counts: Counter[Any]) -> dict[str, int]:
    return dict(counts.most_common())
