"""The open tree as an actor in it sees it: what health endpoints, dashboards and the like need of `Running`."""

from __future__ import annotations

from typing import Any, Protocol

from ._budget import BudgetStatistics
from ._ledger import Ledger
from ._mailbox import DeadLetter, MailboxStatistics
from ._runtime import Subscription
from ._spec import Supervisor
from ._status import Status


class OpenTree(Protocol):
    """The tree that an actor is in, see `Me.tree`; in a running program it is the `Running` itself.

    It is a protocol so that an actor that looks at its tree can be tried without one.
    """

    @property
    def tree(self) -> Supervisor:
        """The definition."""

    @property
    def ledger(self) -> Ledger:
        """Exact counts of all ends and decisions, with samples."""

    def status(self) -> Status:
        """Return the whole tree as it is now."""

    def explain(self, path: str) -> str:
        """Say in words why a child is as it is; `NoSuchChild` for a path that is not there."""

    def events(self, capacity: int = 1000) -> Subscription:
        """Return a reader of all events from now on; close it, or use it in ``with``, when you end before the tree."""

    def mailboxes(self) -> list[MailboxStatistics]:
        """Return the counters of every mailbox."""

    def budgets(self) -> list[BudgetStatistics]:
        """Return the counters of every budget."""

    def dead_letters(self) -> list[DeadLetter[Any]]:
        """Return the last items that nobody could finish."""

    def stop(self, reason: str = "asked to stop") -> None:
        """Stop the whole tree in order; returns at once."""
