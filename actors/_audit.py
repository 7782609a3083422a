"""When to compare what was delivered with REST's list, where ids do not show losses. Pure."""

from __future__ import annotations

from typing import Final

import attrs

EVERY: Final = 30.0
"""Seconds between comparisons of a symbol that brings something."""


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
