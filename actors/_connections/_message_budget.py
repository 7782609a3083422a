"""How many messages may be sent on one connection: a strict rolling window, as venues count.

Binance ends a connection that sends more than 5 messages in any second, and counts pings and pongs among them
(web-socket-streams.md, 2026-07-21); a token bucket that allows bursts gets connections closed
(nautechsystems/nautilus_trader#5012). The pongs to the venue's own pings are sent below us, without asking: a share is
kept free for them, and for our own pings.
"""

from __future__ import annotations

import math
from typing import Final

import trio

MARGIN: Final = 0.5
"""Seconds added to the window: messages may arrive nearer to each other than they were sent."""
PEER_PINGS_EVERY: Final = 20.0
"""Seconds: the shortest interval in which a venue pings (Binance spot). One of them is answered in a short window."""


class MessageWindow:
    """The pure part: never more than ``most`` messages in any ``within`` seconds, and ``reserved`` of them pings."""

    def __init__(self, most: int | None, within: float, reserved: int) -> None:
        self._within = within
        self._most = most
        # Requests always get something, or nothing would ever be subscribed.
        self._most_requests = 0 if most is None else max(1, most - reserved)
        # When the last ones were sent, of all and of requests: never more than may be in one window.
        self._all: list[float] = []
        self._requests: list[float] = []

    def allowed_at(self, *, urgent: bool) -> float:
        """Return the earliest time for the next message."""
        if self._most is None:
            return -math.inf
        oldest = [self._all[0]] if len(self._all) == self._most else []
        if not urgent and len(self._requests) == self._most_requests:
            oldest.append(self._requests[0])
        return max(oldest) + self._within if oldest else -math.inf

    def take(self, now: float, *, urgent: bool) -> None:
        """Count a message that is sent now."""
        if self._most is None:
            return
        self._all.append(now)
        del self._all[: -self._most]
        if not urgent:
            self._requests.append(now)
            del self._requests[: -self._most_requests]


class MessageBudget:
    """The messages of one connection: pings before requests, and each of them in the order of asking.

    Args:
        most: Messages in ``within`` seconds; None: any number.
        within: Length of the window, seconds.
        ping_every: Seconds between our own pings.
        peer_pings: Whether the venue pings, too. Those that want pings as text do not.
    """

    def __init__(self, most: int | None, within: float, ping_every: float, *, peer_pings: bool = True) -> None:
        pings = math.floor(within / ping_every) + 1
        pongs = math.floor(within / PEER_PINGS_EVERY) + 1 if peer_pings else 0
        self._window = MessageWindow(None if most is None else max(1, most - pongs), within + MARGIN, pings)
        self._waiting: tuple[list[object], list[object]] = ([], [])
        self._changed: trio.Event | None = None
        """What those wait for who are not first, or whose time has not come."""

    async def spend(self, *, urgent: bool = False) -> None:
        """Wait until one more message may be sent, which the caller does at once.

        Cancellation: nothing is spent.

        Args:
            urgent: A ping.
        """
        await trio.lowlevel.checkpoint()
        me = object()
        queue = self._waiting[0 if urgent else 1]
        queue.append(me)
        try:
            while not self._is_first(me) or trio.current_time() < self._window.allowed_at(urgent=urgent):
                changed = self._changed = trio.Event() if self._changed is None else self._changed
                until = self._window.allowed_at(urgent=urgent) if self._is_first(me) else math.inf
                with trio.move_on_at(until):
                    await changed.wait()
            self._window.take(trio.current_time(), urgent=urgent)
        finally:
            queue.remove(me)
            if self._changed is not None:
                self._changed.set()
                self._changed = None

    def _is_first(self, waiting: object) -> bool:
        urgent, patient = self._waiting
        return (urgent or patient)[0] is waiting
