"""All laws, in their order."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ..evidence import Breach, Evidence
from . import books, ends, failures, health, orders, silence, storms, trades

LAWS: tuple[Callable[[Evidence], Iterator[Breach]], ...] = (
    failures.check,
    trades.check,
    books.check,
    orders.check,
    silence.check,
    storms.check,
    ends.check,
    health.check,
)


def breaches(evidence: Evidence) -> list[Breach]:
    """Return everything that does not hold; L8 takes two runs, see `test_days.py`."""
    return [breach for law in LAWS for breach in law(evidence)]
