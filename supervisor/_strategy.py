"""Strategies: who is restarted together with a child that failed. Pure."""

from __future__ import annotations

from typing import Literal

Strategy = Literal["one_for_one", "one_for_all", "rest_for_one"]
STRATEGIES: tuple[Strategy, ...] = ("one_for_one", "one_for_all", "rest_for_one")


def group_of(strategy: Strategy, failed: int, count: int) -> range:
    """Return the places, in start order, of the children that restart together.

    Args:
        strategy: The supervisor's strategy.
        failed: Place of the child that failed, 0 for the first.
        count: How many children there are.
    """
    if strategy == "one_for_one":
        return range(failed, failed + 1)
    if strategy == "one_for_all":
        return range(count)
    return range(failed, count)
