"""From a connection to the owner of its data: in order, at once where possible, and held back where he is slow."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Final

import trio

from supervisor import Mailbox, Me

from .._messages import PrivateInflow

BEAT_EVERY: Final = 15.0
"""Seconds between signs of life while the owner takes nothing: his slowness is no reason to end a connection."""
_NOTE_EVERY: Final = 60.0


class Outflow:
    """What the links of one connection say to the owner.

    Saying never waits; whoever reads from a wire calls `flush` before he reads on, so that what waits here is no more
    than two batches of each link and the news of its subscriptions.

    Args:
        inflow: The owner's.
        me: For signs of life.
        unsaid: What waits; kept in the tree, so that nothing is lost between one incarnation and the next.
    """

    def __init__(self, inflow: Mailbox[PrivateInflow[Any]], me: Me, unsaid: list[PrivateInflow[Any]]) -> None:
        self._inflow = inflow
        self._me = me
        self._waiting = unsaid
        self._released_at = -float("inf")
        self._next_note = -float("inf")

    def is_holding(self) -> bool:
        """Say whether something waits until the owner has room."""
        return bool(self._waiting)

    @property
    def held_until(self) -> float:
        """Until when the owner has let us wait: what arrived before may be unread through no fault of the peer."""
        return trio.current_time() if self._waiting else self._released_at

    def say(self, message: PrivateInflow[Any]) -> None:
        """Hand a message over, or keep it until the owner has room."""
        if not self._waiting:
            with suppress(trio.WouldBlock):
                self._inflow.send_nowait(message)
                return
        self._waiting.append(message)

    async def flush(self) -> None:
        """Wait until the owner has everything. Not a checkpoint when he has.

        Cancellation: what he has not is kept for the next call.
        """
        while self._waiting:
            self._note()
            with trio.move_on_after(BEAT_EVERY):
                await self._inflow.wait_writable()
                # No checkpoint from here on: several links may be waiting, and the order is that of saying.
                del self._waiting[: self._inflow.send_many_nowait(self._waiting)]
            self._released_at = trio.current_time()
            self._me.beat()

    def _note(self) -> None:
        now = trio.current_time()
        if now >= self._next_note:
            self._next_note = now + _NOTE_EVERY
            self._me.note("held_back", waiting=self._inflow.statistics().used)
