"""Orders that the venue cancels by itself when nobody has spoken up in time. Pure: time is an argument.

A client sets a countdown, and sets it again before it has run out; or, on Bybit, it runs while no connection is there that
would stop it. `Exchange.run` carries out what is due.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

import attrs


@attrs.frozen
class Countdown:
    """What is cancelled when it has run out."""

    api_key: str = attrs.field(repr=False)
    at: float
    """Second on the exchange's clock."""
    symbols: frozenset[str] | None = None
    """Of the orders; None: of all."""


class Countdowns:
    """The countdowns of one venue, one for each account and scope."""

    def __init__(self) -> None:
        self._running: dict[tuple[str, str], Countdown] = {}
        self.woken: Callable[[], None] = lambda: None
        """Called when one is set: it may be the next that is due."""

    def set(self, api_key: str, at: float, symbols: Collection[str] | None = None, *, scope: str = "") -> None:
        """Set a countdown, in place of the one of that account and scope."""
        chosen = None if symbols is None else frozenset(symbols)
        self._running[api_key, scope] = Countdown(api_key, at, chosen)
        self.woken()

    def stop(self, api_key: str, *, scope: str = "") -> None:
        """End a countdown, if there is one."""
        self._running.pop((api_key, scope), None)

    def find(self, api_key: str, *, scope: str = "") -> Countdown | None:
        """The countdown that is running."""
        return self._running.get((api_key, scope))

    def due(self) -> float:
        """When the next one has run out; infinite when none is running."""
        return min((countdown.at for countdown in self._running.values()), default=float("inf"))

    def take(self, now: float) -> list[Countdown]:
        """Those that have run out by now, which are over with that; the earliest first."""
        over = [(key, countdown) for key, countdown in self._running.items() if countdown.at <= now]
        for key, _ in over:
            del self._running[key]
        return sorted((countdown for _, countdown in over), key=lambda countdown: countdown.at)
