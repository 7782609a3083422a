"""How much may be asked of a venue's REST side: its allowance in a strict rolling window, and when it says stop. Pure.

Venues count weight by address, so that everything in a process that talks to one address shares one `Spent`. A window is
counted from the answer, and not from the sending: the venue counts somewhere in between, and a fixed window of the
venue's fits into ours whenever it begins.

Sources: binance-spot-api-docs rest-api.md ("LIMITS", 2026-07-21): ``X-MBX-USED-WEIGHT-1M`` on every answer, Retry-After
in seconds with 429 and 418; errors.md: -1003 with "IP banned until <milliseconds since 1970>"; web-socket-api.md:
``retryAfter`` in milliseconds since 1970.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Final

import attrs

SHARE: Final = 0.6
"""Of the allowance: what backfilling may use. The rest is for orders, listen keys and other programs."""

_MARGIN: Final = 0.001
"""Seconds. Times are added up in floating point, and the window is strict."""
_BANNED_UNTIL: Final = re.compile(r"until (\d{13})\b")
_A_MOMENT: Final = 1e11
_DIGITS: Final = 18
"""Of a number in a header. Python reads no more than some thousands, and raises then."""
LONGEST_BAN: Final = 4 * 86_400.0
"""Seconds. Binance's longest is three days; anything more is not a time. Whatever is told, we come back after it."""


@attrs.define(eq=False)
class _Spending:
    at: float
    weight: int


@attrs.define
class Spent:
    """What was spent of the allowance of one address. Times are Trio's, in seconds."""

    _entries: list[_Spending] = attrs.field(factory=list)

    def used(self, now: float, within: float) -> int:
        """Return the weight of the last ``within`` seconds."""
        self._entries = [entry for entry in self._entries if entry.at > now - within - _MARGIN]
        return sum(entry.weight for entry in self._entries)

    def wait(self, now: float, weight: int, *, allowed: float, within: float) -> float:
        """Return how many seconds from now a request of this weight fits.

        Args:
            now: Trio's time.
            weight: Of the request. One that is larger than what is allowed fits when nothing else was spent.
            allowed: Most weight in the window, this request included.
            within: Seconds of the window.
        """
        excess = self.used(now, within) + weight - max(allowed, weight)
        if excess <= 0:
            return 0.0
        for entry in sorted(self._entries, key=lambda entry: entry.at):
            excess -= entry.weight
            if excess <= 0:
                return entry.at + within + 2 * _MARGIN - now
        raise AssertionError("without any entry everything fits")

    def take(self, now: float, weight: int) -> _Spending:
        """Spend some, from now on; `landed` says when it was over."""
        entry = _Spending(now, weight)
        self._entries.append(entry)
        return entry

    def landed(self, entry: _Spending, now: float) -> None:
        """Take note that the request is answered, or given up: its window begins now."""
        entry.at = now

    def told(self, now: float, used: int, within: float) -> None:
        """Take note of what the venue says was used: others may use the same address.

        Less than we know of is no news: the venue's window may have just begun.
        """
        unknown = used - self.used(now, within)
        if unknown > 0:
            self._entries.append(_Spending(now, unknown))


def number(headers: Mapping[str, str], name: str) -> int | None:
    """Read a whole number from a header; None where there is none."""
    text = headers.get(name, "") if name else ""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _DIGITS else None


def banned_for(message: str, headers: Mapping[str, str], now_ms: int) -> float | None:
    """Return for how many seconds an address is banned, from the text of an error.

    Args:
        message: ``... IP banned until 1659146400000. Please ...``
        headers: Of the answer: its date is the venue's time, which may not be ours.
        now_ms: The local time, used where there is no date.
    """
    found = _BANNED_UNTIL.search(message)
    if found is None:
        return None
    seconds = (int(found[1]) - _venue_time(headers, now_ms)) / 1000
    return seconds if 0 < seconds < LONGEST_BAN else None


def in_seconds(wait: float, headers: Mapping[str, str], now_ms: int) -> float:
    """Return how long to wait, where the venue may have told the time when the waiting is over.

    Args:
        wait: Seconds, or milliseconds since 1970: as large as that is no number of seconds.
        headers: Of the answer.
        now_ms: The local time, used where the headers have no date.
    """
    seconds = wait if wait < _A_MOMENT else max((wait - _venue_time(headers, now_ms)) / 1000, 1.0)
    return min(seconds, LONGEST_BAN)


def _venue_time(headers: Mapping[str, str], now_ms: int) -> int:
    try:
        return int(parsedate_to_datetime(headers.get("date", "")).timestamp() * 1000)
    except ValueError:
        return now_ms
