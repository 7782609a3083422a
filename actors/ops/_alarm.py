"""When a watchdog raises the alarm, and when it says that all is well again. Pure.

Both kinds are told once each, and in turns: a trouble, its end, the next trouble.
"""

from __future__ import annotations

import attrs


@attrs.frozen
class News:
    """What is to be told."""

    down: bool
    """Whether a trouble begins; False: it is over."""
    text: str
    since: float
    """When the trouble began."""
    lines: tuple[str, ...] = ()
    """More about it."""


@attrs.define
class ProbeAlarm:
    """Judges answers to probes: some failures in a row are a trouble, one success ends it. Times are in seconds."""

    after: int
    """Failures in a row."""
    failed: int = 0
    """In a row, so far."""
    well_at: float | None = None
    """When it was last well; None: not yet."""
    since: float | None = None
    """When the present row of failures began."""
    alarmed: bool = False
    """Whether the alarm was raised and not ended."""

    def probed(self, now: float, trouble: str | None, reasons: tuple[str, ...] = ()) -> News | None:
        """Take note of an answer.

        Args:
            now: The time.
            trouble: What is wrong; None: nothing.
            reasons: What the bot says about it.

        Returns:
            What is to be told; None: nothing.
        """
        if trouble is None:
            since, self.since = self.since, None
            self.failed, self.well_at = 0, now
            if not self.alarmed:
                return None
            self.alarmed = False
            began = now if since is None else since
            return News(False, f"it is well again after {lasting(now - began)}", began)
        self.failed += 1
        self.since = now if self.since is None else self.since
        if self.alarmed or self.failed < self.after:
            return None
        self.alarmed = True
        last = (
            "it has not been well since this watchdog started"
            if self.well_at is None
            else f"it was last well {lasting(now - self.well_at)} ago"
        )
        row = f"{self.failed} probes in a row failed" if self.failed > 1 else "a probe failed"
        return News(True, trouble, self.since, (*reasons, f"{row}; {last}"))


@attrs.define
class SilenceAlarm:
    """Judges heartbeats: none for too long, or one that says so itself, is a trouble; the next one ends it."""

    silence: float
    """Seconds without a heartbeat."""
    last: float
    """When the last one came; at first, when it was begun to wait for one."""
    heard: bool = False
    """Whether any came."""
    since: float | None = None
    """When the present trouble began; None: there is none."""

    def beat(self, now: float) -> News | None:
        """Take note of a heartbeat; return what is to be told."""
        since, self.since = self.since, None
        self.last, self.heard = now, True
        return None if since is None else News(False, f"heartbeats come again after {lasting(now - since)}", since)

    def fail(self, now: float) -> News | None:
        """Take note of a heartbeat that says that the sender is not well; return what is to be told."""
        if self.since is not None:
            return None
        self.since = now
        return News(True, "it says itself that it is not well", now)

    def look(self, now: float) -> News | None:
        """Return what is to be told as time has passed."""
        if self.since is not None or now - self.last < self.silence:
            return None
        self.since = self.last
        none = "no heartbeat" if self.heard else "no heartbeat since this watchdog started,"
        return News(True, f"{none} for {lasting(now - self.last)}", self.last)


def lasting(seconds: float) -> str:
    """Return a length of time for people: ``45 s``, ``12 min``, ``3 h 5 min``."""
    whole = max(0, round(seconds))
    if whole < 120:
        return f"{whole} s"
    minutes = whole // 60
    if minutes < 120:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 48 else f"{hours // 24} days {hours % 24} h"
