"""Budgets: a shared allowance of attempts or messages. Pure.

Venues ban an address that dials too often, and count strictly: in a rolling window, not in buckets that can be emptied
at once and refill meanwhile.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import deque
from typing import Final, Literal

import attrs

from ._checks import is_name, is_seconds, is_whole

BudgetKind = Literal["window", "bucket"]

LOOK_AGAIN: Final = 0.25
"""Seconds after which is looked again whether one of those under way has arrived."""
_BOTH_ENDS = 1e-6
"""Seconds beyond the window, so that a window which includes both its ends does not hold one too many."""


@attrs.frozen
class Budget:
    """The declaration of a budget. Equal declarations in one tree are one budget.

    Raises:
        ValueError: A number makes no sense.
    """

    name: str
    """Whose limit it is: ``binance connections``."""
    count: int
    """How many are allowed in a window; for a bucket the burst."""
    within: float
    """Length of the window, seconds; for a bucket the time in which ``count`` tokens come back."""
    kind: BudgetKind = "window"
    """window: never more than ``count`` in any time of this length. bucket: refills evenly, allows bursts."""

    def __attrs_post_init__(self) -> None:
        if not is_name(self.name):
            raise ValueError(f"a budget needs a printable name, not {self.name!r}")
        if not is_whole(self.count, least=1):
            raise ValueError(f"budget {self.name!r}: count must be a whole number >= 1, not {self.count!r}")
        if not is_seconds(self.within) or self.within == 0:
            raise ValueError(f"budget {self.name!r}: within must be a number of seconds > 0, not {self.within!r}")
        if self.kind not in ("window", "bucket"):
            raise ValueError(f"budget {self.name!r}: kind must be 'window' or 'bucket', not {self.kind!r}")

    def __str__(self) -> str:
        return f"{self.name}: {self.count} in {self.within:g} s"


@attrs.frozen
class BudgetStatistics:
    """A budget at one moment."""

    name: str
    left: int
    """How many could be spent right now."""
    spent: int
    """How many were used."""
    delayed: int
    """How many had to wait."""
    waiting: int
    """How many wait now."""


@attrs.define(eq=False)
class Ticket:
    """A place in the queue of a budget."""

    at: float
    """When it can probably be used, seconds on Trio's clock. `OpenBudget.claim` has the last word."""


class OpenBudget:
    """A budget that is part of an open tree. Served in the order in which tickets are taken.

    What counts are the times at which tickets were really used: tasks wake late, and a strict window notices. Who counts
    at the other end counts arrivals: what is `under_way` fills its place for so long, and is used when it has arrived.
    """

    def __init__(self, declared: Budget) -> None:
        self.declared = declared
        self._not_before = -math.inf
        self._queue: list[Ticket] = []
        self._spent = 0
        self._delayed = 0
        self._used: deque[float] = deque(maxlen=declared.count)
        self._under_way = 0
        # bucket: when it will be full again (the theoretical arrival time of the generic cell rate algorithm).
        self._full_at = -math.inf

    def queue(self, now: float) -> Ticket:
        """Take a ticket."""
        ahead = [ticket.at for ticket in self._queue]
        at = max(now, self._not_before, *ahead[-1:])
        if self.declared.kind == "window":
            times = [*self._used, *ahead][-self.declared.count :]
            if len(times) == self.declared.count:
                at = max(at, times[0] + self.declared.within + _BOTH_ENDS)
        else:
            full_at = max(self._full_at, now) + len(ahead) * self._token
            at = max(at, full_at - (self.declared.within - self._token))
        ticket = Ticket(at)
        self._queue.append(ticket)
        self._delayed += at > now
        return ticket

    def claim(self, ticket: Ticket, now: float) -> bool:
        """Use the ticket now, if the budget allows it; otherwise bring its time up to date."""
        allowed = self._allowed_at(now)
        if now < allowed:
            ticket.at = allowed
            return False
        self._queue.remove(ticket)
        self._used.append(now)
        self._full_at = max(self._full_at, now) + self._token
        self._spent += 1
        return True

    def under_way(self, since: float) -> None:
        """Count one that was used at ``since`` as on its way, until it has `arrived`."""
        place = bisect_right(self._used, since) - 1
        if place >= 0:
            del self._used[place]
        self._under_way += 1

    def arrived(self, now: float) -> None:
        """Count one that was under way as used now: it cannot arrive any later."""
        self._under_way -= 1
        self._used.append(now)
        self._full_at = max(self._full_at, now + self._token)

    def give_back(self, ticket: Ticket) -> None:
        """Leave the queue without having used the ticket."""
        self._queue.remove(ticket)

    def block_until(self, at: float) -> None:
        """Allow nothing before this time: a venue's ``Retry-After`` or ban outranks every budget."""
        self._not_before = max(self._not_before, at)

    def statistics(self, now: float) -> BudgetStatistics:
        """Return the counters of this moment."""
        if now < self._not_before:
            left = 0
        elif self.declared.kind == "window":
            used = sum(1 for used in self._used if now - used <= self.declared.within)
            left = self.declared.count - used - self._under_way
        else:
            left = self.declared.count - math.ceil(max(0.0, self._full_at - now) / self._token)
        return BudgetStatistics(self.declared.name, max(0, left), self._spent, self._delayed, len(self._queue))

    @property
    def _token(self) -> float:
        return self.declared.within / self.declared.count

    def _allowed_at(self, now: float) -> float:
        if self.declared.kind == "bucket":
            return max(self._not_before, self._full_at - (self.declared.within - self._token))
        too_many = len(self._used) + self._under_way - self.declared.count
        if too_many < 0:
            return self._not_before
        if too_many >= len(self._used):
            return max(self._not_before, now + LOOK_AGAIN)
        # The venue may count both ends of its window.
        return max(self._not_before, self._used[too_many] + self.declared.within + _BOTH_ENDS)
