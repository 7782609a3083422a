"""Comparing what was delivered with REST's list, where ids do not show losses: when, and what it shows. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, TypeAlias

import attrs

from .._records import Trade

DOUBTS: Final = 100
"""Most silences of a symbol that wait for REST to explain them."""
EVERY: Final = 30.0
"""Seconds between comparisons of a symbol that brings something."""


Place: TypeAlias = tuple[int | str | None, int | None]
"""Id and time of a trade."""
Hole: TypeAlias = tuple[Place, Place, str]
"""The trades before and behind it, and why it is one."""


@attrs.define
class Comparison:
    """How far one symbol was compared, and what is still to be."""

    wanted: bool = False
    """A list is to be asked for."""
    until: int | None = None
    """Up to which time every trade was looked for in a list."""
    _owed: bool = False
    """One could not be had; it comes with the next question."""
    _doubts: list[Place] = attrs.field(factory=list)
    """Trades behind which there was a silence that could not be asked about."""

    def again(self) -> None:
        """Want what could not be had before."""
        self.wanted = self.wanted or self._owed

    def put_off(self, doubt: Place | None = None) -> None:
        """Take note that there was no list; and behind which trade there was a silence, if that was the question."""
        if doubt is not None and doubt not in self._doubts and len(self._doubts) < DOUBTS:
            self._doubts.append(doubt)
        self._owed = self._owed or self.wanted or doubt is not None
        self.wanted = False

    def compare(self, rows: Sequence[Trade], delivered: dict[int | str, int], since: int | None) -> list[Hole]:
        """Return what lies between delivered trades and was not delivered; it counts as delivered from now on.

        Args:
            rows: Of REST, ascending.
            delivered: Ids and times of the latest trades, in order.
            since: From when on the rows were asked for.
        """
        holes: list[Hole] = []
        # Before the first comparison everything that was delivered is still to be compared.
        begins = next(iter(delivered.values()), None) if self.until is None else self.until
        complete = (self.wanted and since == self.until) or (
            bool(rows) and begins is not None and rows[0].time <= begins
        )
        if complete:
            # They reach back to where the last comparison ended, or as far as lists do.
            self.wanted = self._owed = False
            holes += self._unexplained(rows, delivered)
        before: Trade | None = None
        missed: list[Trade] = []
        for row in rows:
            if row.id not in delivered:
                missed.append(row)
                continue
            if before is not None and missed:
                delivered.update((lost.id, lost.time) for lost in missed)
                holes.append(((before.id, before.time), (row.id, row.time), "found missing in REST's list later"))
            before, missed = row, []
        if before is not None and complete:
            self.until = before.time
        return holes

    def _unexplained(self, rows: Sequence[Trade], delivered: dict[int | str, int]) -> Iterator[Hole]:
        """Give the doubtful silences that no list will ever show again."""
        listed = {row.id for row in rows}
        known = list(delivered.items())
        places = {known_id: place for place, (known_id, _) in enumerate(known)}
        doubts, self._doubts = self._doubts, []
        for front in doubts:
            if front[0] is None or front[0] in listed or not rows or front[1] is None or rows[0].time <= front[1]:
                continue
            place = places.get(front[0], len(known))
            behind: Place = known[place + 1] if place + 1 < len(known) else (None, None)
            yield front, behind, "a silence that REST could not explain in time"


@attrs.define
class _Account:
    next_at: float
    count: int = 0
    """Trades since the last comparison."""


class Audits:
    """Says for which symbol a comparison is due.

    Args:
        page: Rows of the list. It is compared before half of it was replaced, so that every trade is seen in one.
        pace: Seconds between comparisons of all symbols in the long run. With more busy symbols than that allows, some
            lists are missed.
    """

    def __init__(self, page: int, pace: float) -> None:
        self._half = max(1, page // 2)
        self._pace = pace
        self._paid_until = -float("inf")
        self._accounts: dict[str, _Account] = {}

    def arrived(self, symbol: str, count: int, now: float) -> bool:
        """Take note of new trades; return whether the symbol is to be compared now."""
        account = self._accounts.get(symbol)
        if account is None:
            account = self._accounts[symbol] = _Account(now + EVERY)
        account.count += count
        if (now < account.next_at and account.count < self._half) or self._paid_until > now:
            return False
        self._paid_until = max(self._paid_until, now - self._pace) + self._pace
        account.next_at, account.count = now + EVERY, 0
        return True

    def forget(self, symbol: str) -> None:
        """Begin anew with a symbol."""
        self._accounts.pop(symbol, None)
