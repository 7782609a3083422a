"""The machine's wall clock: only for records, and for telling how far it is from a venue's."""

from __future__ import annotations

import time


def now() -> float:
    """Return seconds since 1970."""
    return time.time()


def now_ms() -> int:
    """Return milliseconds since 1970."""
    return int(time.time() * 1000)
