"""All failures of a tree: exact counts, bounded samples."""

from __future__ import annotations

from collections import Counter, OrderedDict, deque

import attrs

from ._events import Ended
from ._outcome import FAILURES, iter_leaves

_PATHS = 10_000
"""Paths counted one by one. Dynamic children can have any number of names; older ones move to `Ledger.OTHERS`."""


_ERRORS = 1_000
"""Classes of exceptions counted one by one: classes can be made at run time, too."""


@attrs.frozen
class PathCount:
    """Totals of one child over all its incarnations."""

    ends: int = 0
    failures: int = 0
    restarts: int = 0


class Ledger:
    """Keeps every `Ended` record in counts, and the first and the last ones whole.

    Attributes:
        by_kind: How many ends of each kind.
        by_action: How many decisions of each kind. Its total equals that of `by_kind` (law L1).
        by_error: How many failures by the class of what was raised, of a group its first leaf. The total is `failures`.
        recent: The last records.
        first_failures: The first failures; what started the trouble is often more telling than what came last.
    """

    OTHERS = "(others)"

    def __init__(self, samples: int = 256) -> None:
        self.by_kind: Counter[str] = Counter()
        self.by_action: Counter[str] = Counter()
        self.by_error: Counter[str] = Counter()
        self.recent: deque[Ended] = deque(maxlen=samples)
        self.first_failures: list[Ended] = []
        self._samples = samples
        # Ends, failures, restarts; the path that ended last is the last one.
        self._by_path: OrderedDict[str, list[int]] = OrderedDict()

    @property
    def ends(self) -> int:
        """How many incarnations have ended."""
        return self.by_kind.total()

    @property
    def failures(self) -> int:
        """How many of the ends were failures."""
        return sum(self.by_kind[kind] for kind in FAILURES)

    @property
    def restarts(self) -> int:
        """How many decisions were to start the child again."""
        return self.by_action["restart"] + self.by_action["planned_restart"]

    def of(self, path: str) -> PathCount:
        """Return the totals of one child."""
        return PathCount(*self._by_path.get(path, ()))

    def record(self, event: Ended) -> None:
        """Take one record in."""
        action, failed = event.decision.action, event.end.failed
        self.by_kind[event.end.kind] += 1
        self.by_action[action] += 1
        self.recent.append(event)
        if failed:
            self._count_error(event)
            if len(self.first_failures) < self._samples:
                self.first_failures.append(event)
        counts = self._counts_of(event.path)
        counts[0] += 1
        counts[1] += failed
        counts[2] += action in ("restart", "planned_restart")
        if len(self._by_path) > _PATHS:
            old = self._by_path.pop(next(path for path in self._by_path if path != self.OTHERS))
            others = self._counts_of(self.OTHERS)
            for place, count in enumerate(old):
                others[place] += count

    def _count_error(self, event: Ended) -> None:
        exception = event.end.exception
        leaf = None if exception is None else next(iter_leaves(exception), exception)
        name = type(leaf).__name__
        self.by_error[name if name in self.by_error or len(self.by_error) < _ERRORS else self.OTHERS] += 1

    def _counts_of(self, path: str) -> list[int]:
        """Return the totals of a path, which becomes the last one."""
        counts = self._by_path.get(path)
        if counts is None:
            counts = self._by_path[path] = [0, 0, 0]
        else:
            self._by_path.move_to_end(path)
        return counts
