"""The pings of one wire: those that are ordered, those that its door asks for, and what becomes of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import attrs
import trio

from supervisor import Me

from .._errors import PongTimeout
from .._net._wire import Wire
from ._lines import Line
from ._message_budget import MessageBudget
from ._outflow import Outflow

LEAST_BETWEEN_PINGS: Final = 1.0
"""Seconds: one socket of KuCoin (UTA) was seen to end connections with more pings, 2026-09."""


@attrs.define(eq=False)
class Pings:
    """Pings a wire. A ping has a task of its own only while it is under way, because feeds are many."""

    wire: Wire
    line: Line
    within: float
    """Seconds from a ping to its pong."""
    helpers: trio.Nursery
    """Where pings are sent: a pong that does not come ends it with `PongTimeout`."""
    allowed: Callable[[], bool]
    """Whether anything may be said yet."""
    messages: MessageBudget
    outflow: Outflow
    me: Me
    _sending: bool = False
    _sent_at: float = -float("inf")
    _count: int = 0
    _heard: trio.Event | None = None

    def ping(self) -> None:
        """Ping the peer now, unless that has just been done or is being done."""
        now = trio.current_time()
        if self.allowed() and not self._sending and now >= self._sent_at + LEAST_BETWEEN_PINGS:
            self._sending, self._sent_at = True, now
            self.helpers.start_soon(self._ping)

    def pong(self) -> None:
        """Take note of a pong that came as text."""
        if self._heard is not None:
            self._heard.set()

    async def keep_on(self, every: float) -> None:
        """Ping as often as the door asks for, for ever, counting the pings that were ordered.

        Args:
            every: Seconds from ping to ping.
        """
        due = trio.current_time() + every
        while True:
            await trio.sleep_until(due)
            due = self._sent_at + every
            if due <= trio.current_time():
                self.ping()
                due = trio.current_time() + every

    async def _ping(self) -> None:
        try:
            await self.messages.spend(urgent=True)
            await self._ping_now()
        finally:
            self._sending = False

    async def _ping_now(self) -> None:
        started = trio.current_time()
        self._count += 1
        text = self.line.ping(self._count)
        try:
            seconds = await (self.wire.ping(within=self.within) if text is None else self._ping_by_text(text))
        except PongTimeout:
            if self.outflow.held_until >= started:
                # The pong may be waiting behind messages that nobody has taken.
                return
            raise
        self.me.beat()
        self.me.note("pong", milliseconds=round(seconds * 1000, 1))

    async def _ping_by_text(self, text: str) -> float:
        started = trio.current_time()
        self._heard = trio.Event()
        await self.wire.send(text)
        with trio.move_on_after(self.within) as scope:
            await self._heard.wait()
        if scope.cancelled_caught:
            raise PongTimeout(self.within)
        return trio.current_time() - started
