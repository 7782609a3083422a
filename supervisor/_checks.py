"""What counts as a number of seconds, a count, a name. Pure."""

from __future__ import annotations

import math


def is_seconds(value: object) -> bool:
    """Say whether the value is a finite number of seconds, zero or more."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0


def is_whole(value: object, *, least: int) -> bool:
    """Say whether the value is a whole number, and not below the least."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def is_name(value: object) -> bool:
    """Say whether the value is printable text."""
    return isinstance(value, str) and bool(value) and value.isprintable()
