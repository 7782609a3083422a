"""Checks law L2 while a feed runs, without keeping what it has checked: a week of trades does not fit into memory."""

from __future__ import annotations

from typing import Any

from actors import FeedState, Gap
from actors.simulator import TrueRecord


class Witness:
    """Follows one symbol's feed through the exchange's true record."""

    def __init__(self, record: TrueRecord, venue: str, symbol: str) -> None:
        self._log = record.trades[venue, symbol]
        self._name = f"{venue} {symbol}"
        self._next: int | None = None
        """Place in the log, counted from its very first entry, of the trade that must come next."""
        self._gap: Gap | None = None
        self.delivered = 0
        self.in_gaps = 0
        self.gaps = 0
        self.dark = 0
        """How often the feed was not live."""
        self.breaches: list[str] = []

    def take(self, item: Any) -> None:
        """Look at what came out of the feed."""
        if isinstance(item, FeedState):
            self.dark += not item.live
        elif isinstance(item, Gap):
            self.gaps += 1
            self._gap = item
        else:
            low = self._place(item.first_id)
            high = low if item.first_id == item.id else self._place(item.id)
            if low is None or high is None:
                self._breach(f"{item.id} was never published")
                return
            self._passed(low)
            self._next = high + 1
            self.delivered += high + 1 - low

    def end(self) -> None:
        """Nothing more will come: what was published must be there."""
        self._passed(self._log.total)

    def _passed(self, place: int) -> None:
        expected = self._next
        if expected is not None and place < expected:
            self._breach(f"place {place} came again, after {expected - 1}")
        elif expected is not None and place > expected:
            if self._gap is None:
                self._breach(f"{place - expected} trades before place {place} are missing")
            else:
                self.in_gaps += place - expected
        self._gap = None

    def _place(self, trade_id: int | str) -> int | None:
        """Return the place of a trade, looking where it should be first, and then back from the end."""
        log = self._log
        if self._next is not None and 0 <= self._next - log.dropped < len(log):
            found = log[self._next - log.dropped]
            if found.id == trade_id:
                return self._next
        for place in range(len(log) - 1, -1, -1):
            if log[place].id == trade_id:
                return place + log.dropped
        return None

    def _breach(self, what: str) -> None:
        if len(self.breaches) < 10:
            self.breaches.append(f"{self._name}: {what}")
