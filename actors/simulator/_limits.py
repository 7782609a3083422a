"""Counting what a client may do: rolling windows, the calendar-minute weight, bans. Pure: time is an argument."""

from __future__ import annotations

import math
from collections import deque
from typing import Literal

import attrs

from ._rules import Rules


class RollingWindow:
    """At most `limit` events in any `length` seconds; the strict form that Binance was seen to use (nautilus#5012)."""

    def __init__(self, limit: int, length: float) -> None:
        self._limit = limit
        self.length = length
        self._times: deque[float] = deque()

    def count(self, now: float) -> bool:
        """Count one event and say whether it is within the limit.

        Events beyond the limit are not kept: memory is bounded by the limit, and a stream of refused events does not
        lock the door for ever.
        """
        while self._times and self._times[0] <= now - self.length:
            self._times.popleft()
        if len(self._times) >= self._limit:
            return False
        self._times.append(now)
        return True

    def left(self, now: float) -> int:
        """How many events are within the limit now."""
        return self._limit - sum(at > now - self.length for at in self._times)

    def wait(self, now: float) -> float:
        """Seconds until one more event is within the limit."""
        return max(0.0, self._times[0] + self.length - now) if len(self._times) >= self._limit else 0.0


@attrs.frozen
class Verdict:
    """What the weight limit says about one request."""

    status: Literal[200, 418, 429]
    used: int
    """Weight used in this calendar minute, as in `X-MBX-USED-WEIGHT-1M`."""
    retry_after: int = 0
    """Whole seconds."""
    banned_until: int = 0
    """Milliseconds since 1970."""
    breach: str = ""
    """Empty, or the rule that this request broke."""


class WeightLimit:
    """The request weight of one address at one venue.

    A minute starts at each calendar minute (binance-spot-api-docs web-socket-api.md, 2026-07-21). Above the limit the
    answer is 429 until the minute ends; who keeps asking is banned with 418, twice as long each time.
    """

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._minute = -1
        self._used = 0
        self._ignored = 0
        self._bans = 0
        self._banned_until = 0

    def spend(self, weight: int, now_ms: int) -> Verdict:
        """Charge one request at a time in milliseconds since 1970."""
        minute, into = divmod(now_ms, 60_000)
        if minute != self._minute:
            self._minute, self._used, self._ignored = minute, 0, 0
        if now_ms < self._banned_until:
            return self._ban(now_ms, "")
        self._used += weight
        if self._rules.weight_per_minute is None or self._used <= self._rules.weight_per_minute:
            return Verdict(200, self._used)
        self._ignored += 1
        if self._ignored > self._rules.tolerated_429:
            length = min(self._rules.longest_ban, self._rules.ban * 2**self._bans)
            self._bans += 1
            self._banned_until = now_ms + math.ceil(length * 1000)
            return self._ban(now_ms, "banned")
        breach = "request_weight" if self._ignored == 1 else "ignored_429"
        return Verdict(429, self._used, retry_after=math.ceil((60_000 - into) / 1000), breach=breach)

    def _ban(self, now_ms: int, breach: str) -> Verdict:
        left = math.ceil((self._banned_until - now_ms) / 1000)
        return Verdict(418, self._used, retry_after=left, banned_until=self._banned_until, breach=breach)
