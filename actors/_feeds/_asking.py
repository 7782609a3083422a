"""Questions to a venue's REST side that are asked until there is an answer, and the few tasks that ask them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import trio

from .._errors import BadFrame, HttpFailure, RateLimited
from .._net._http import Http
from .._net._rest_limit import SHARE
from .._source import HttpRequest, PublicSource

T = TypeVar("T")

RETRY_DELAYS: Final = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds between attempts of a request, the last one repeated."""
TASKS: Final = 4
"""How many questions of one feed are under way at a time."""


class Unavailable(Exception):
    """REST gave no answer in time."""


class UnknownSymbol(Exception):
    """The venue has no such symbol."""


async def ask(http: Http, source: PublicSource, request: HttpRequest, read: Callable[[bytes], T], *, until: float) -> T:
    """Send a request, time after time, until its answer can be read.

    Args:
        http: Where to.
        source: Judges failures.
        request: What to ask.
        read: Reads the body; raises `BadFrame`.
        until: When to give up, on Trio's clock. The time until the venue's allowance has room again is added to it.

    Raises:
        UnknownSymbol: The venue says so.
        Unavailable: There was no answer, with the last reason; or the allowance has no room before the caller's own
            deadline (`trio.current_effective_deadline`).
    """
    attempt = 0
    reason = "no answer"
    while True:
        started = trio.current_time()
        try:
            await http.wait_for_turn(request, SHARE, by=trio.current_effective_deadline())
        except RateLimited as late:
            raise Unavailable(str(late)) from None
        until += trio.current_time() - started
        try:
            with trio.fail_at(until):
                reply = await http.request(request)
            return read(reply.body)
        except trio.TooSlowError:
            raise Unavailable(f"{request} was not answered in time; {reason}") from None
        except RateLimited as limited:
            reason, wait = str(limited), limited.retry_after
        except (HttpFailure, BadFrame) as failure:
            if isinstance(failure, HttpFailure) and source.unknown_symbol(failure):
                raise UnknownSymbol(str(failure)) from None
            reason, wait = str(failure), RETRY_DELAYS[min(attempt, len(RETRY_DELAYS) - 1)]
            # The last attempt comes shortly before the end, not long before it.
            left = until - trio.current_time() - RETRY_DELAYS[0]
            wait = min(wait, left) if left > RETRY_DELAYS[0] else wait
        attempt += 1
        if trio.current_time() + wait >= until:
            raise Unavailable(reason)
        await trio.sleep(wait)


class Errands:
    """Runs a job for symbols, a few at a time, in the order in which they were added.

    Args:
        nursery: Of the owner; a job that raises ends it.
        job: What to do for a symbol.
        tasks: Most jobs at a time.
    """

    def __init__(self, nursery: trio.Nursery, job: Callable[[str], Awaitable[None]], tasks: int = TASKS) -> None:
        self._nursery = nursery
        self._job = job
        self._tasks = tasks
        self._running: dict[str, bool] = {}
        """By symbol, whether its job is to run once more."""
        self._waiting: dict[str, None] = {}

    def __contains__(self, symbol: str) -> bool:
        """Whether its job waits or runs."""
        return symbol in self._running or symbol in self._waiting

    def add(self, symbol: str) -> None:
        """Have the job run for a symbol. While it waits already, nothing changes; while it runs, it runs once more."""
        if symbol in self._running:
            self._running[symbol] = True
            return
        self._waiting[symbol] = None
        if len(self._running) < self._tasks:
            first = self._next()
            self._nursery.start_soon(self._run, first, name=f"errand for {first}")

    def _next(self) -> str:
        symbol = next(iter(self._waiting))
        del self._waiting[symbol]
        self._running[symbol] = False
        return symbol

    async def _run(self, symbol: str) -> None:
        while True:
            await self._job(symbol)
            # No checkpoint from here on: what is added later finds the task gone.
            if self._running.pop(symbol):
                self._waiting[symbol] = None
            if not self._waiting:
                return
            symbol = self._next()
