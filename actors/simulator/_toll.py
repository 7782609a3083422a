"""What requests cost where a venue counts in rolling windows: one pool for an address, or one for each endpoint. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import attrs

from ._limits import RollingWindow
from ._rest import Headers, Reply, Route

Refusal: TypeAlias = Callable[[float], Reply]
"""The answer to who has to wait so many seconds."""

Shown: TypeAlias = Callable[[int, int, float], Headers]
"""Headers that tell the limit, what is left of it, and in how many seconds it is whole again."""


def _nothing(_limit: int, _left: int, _seconds: float) -> Headers:
    return ()


class PoolToll:
    """So much for all requests together.

    Args:
        limit: units in any `within` seconds; None: as many as they like.
        within: seconds.
        refusal: the answer to what is too much.
        ban: seconds for which who was too fast is refused altogether; 0: until the window has room.
        shown: the headers of each answer.
    """

    def __init__(
        self, limit: int | None, within: float, refusal: Refusal, *, ban: float = 0.0, shown: Shown = _nothing
    ) -> None:
        self._limit = limit
        self._window = RollingWindow(limit or 1, within)
        self._refusal = refusal
        self._ban = ban
        self._shown = shown
        self._banned_until = 0.0

    def pay(self, path: str, cost: int, route: Route | None, now: float) -> Headers | Reply:
        """Charge one request."""
        if self._limit is None:
            return ()
        if now < self._banned_until:
            return attrs.evolve(self._refusal(self._banned_until - now), breach="ignored_ban")
        if all(self._window.count(now) for _ in range(cost)):
            return self._shown(self._limit, self._window.left(now), self._window.length)
        if self._ban:
            self._banned_until = now + self._ban
        wait = self._ban or self._window.wait(now)
        reply = self._refusal(wait)
        headers = reply.headers + self._shown(self._limit, 0, wait)
        return attrs.evolve(reply, headers=headers, breach="rest_requests")


class EndpointToll:
    """So much for each endpoint by itself: its route's own limit, or else a general one.

    Args:
        refusal: the answer to what is too much.
        limit: requests of an endpoint without one of its own; None: as many as they like.
        within: seconds.
        shown: the headers of each answer.
    """

    def __init__(
        self, refusal: Refusal, limit: int | None = None, within: float = 1.0, *, shown: Shown = _nothing
    ) -> None:
        self._refusal = refusal
        self._general = None if limit is None else (limit, within)
        self._shown = shown
        self._windows: dict[tuple[str, int, float], RollingWindow] = {}

    def pay(self, path: str, cost: int, route: Route | None, now: float) -> Headers | Reply:
        """Charge one request."""
        limit = route.limit if route is not None and route.limit is not None else self._general
        if limit is None:
            return ()
        # Unknown paths share one window: what a client invents must not fill the memory.
        key = (path if route is not None else "", *limit)
        window = self._windows.setdefault(key, RollingWindow(*limit))
        if window.count(now):
            return self._shown(limit[0], window.left(now), window.length)
        reply = self._refusal(window.wait(now))
        headers = reply.headers + self._shown(limit[0], 0, window.wait(now))
        return attrs.evolve(reply, headers=headers, breach="rest_requests")
