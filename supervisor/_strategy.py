"""Strategies: who is restarted together with a child that failed. Pure."""

from __future__ import annotations

from typing import Literal

Strategy = Literal["one_for_one", "one_for_all", "rest_for_one"]
STRATEGIES: tuple[Strategy, ...] = ("one_for_one", "one_for_all", "rest_for_one")


def restarts_with(strategy: Strategy, failed: int, other: int) -> bool:
    """Say whether the child at place ``other``, in start order, restarts when the one at ``failed`` does."""
    if strategy == "one_for_one":
        return other == failed
    if strategy == "one_for_all":
        return True
    return other >= failed
