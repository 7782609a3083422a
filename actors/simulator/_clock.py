"""The exchange's clock: seconds since it began, and the milliseconds since 1970 that its messages carry."""

from __future__ import annotations

import time

import trio

DEFAULT_EPOCH = 1_790_000_000.0
"""2026-09-21T14:13:20Z: a fixed date, so that a run in memory repeats to the millisecond."""


class ExchangeClock:
    """Tells the exchange's time from Trio's clock and an epoch.

    Args:
        epoch: seconds since 1970 at which the exchange begins. None: the fixed date above, or, once the exchange is
            served over real sockets, the wall clock's, because a real client stamps its requests with its own.
    """

    def __init__(self, epoch: float | None) -> None:
        self._given = epoch is not None
        self._epoch = DEFAULT_EPOCH if epoch is None else epoch
        self._start: float | None = None

    def now(self) -> float:
        """Seconds since the exchange was opened, or else first asked for the time; needs a running Trio."""
        current = trio.current_time()
        if self._start is None:
            self._start = current
        return current - self._start

    def ms(self, at: float | None = None) -> int:
        """Milliseconds since 1970, now or at a second of this clock."""
        return round((self._epoch + (self.now() if at is None else at)) * 1000)

    async def sleep_until(self, at: float) -> None:
        """Sleep until a second of this clock; cancellation is safe. Always a checkpoint."""
        await trio.sleep(max(0.0, at - self.now()))

    def follow_wall_clock(self) -> None:
        """Begin at the wall clock's date, unless an epoch was given."""
        now = self.now()
        if not self._given:
            self._epoch = time.time() - now


class VenueClock:
    """The clock by which a venue's gateways stamp messages and check requests: the exchange's, or one that is wrong.

    Args:
        clock: the exchange's, by which the venue's trades happen.
    """

    def __init__(self, clock: ExchangeClock) -> None:
        self._clock = clock
        self._skew = 0.0
        self._skewed_until = 0.0

    def now(self) -> float:
        """Seconds since the exchange was opened; always right."""
        return self._clock.now()

    def skew(self, seconds: float, until: float) -> None:
        """Be wrong by so many seconds, ahead if above zero, until a second of the exchange's clock."""
        self._skew, self._skewed_until = seconds, until

    def ms(self) -> int:
        """Milliseconds since 1970, as the venue believes."""
        now = self._clock.now()
        return self._clock.ms(now) + (round(self._skew * 1000) if now < self._skewed_until else 0)
