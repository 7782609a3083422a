"""Whether an account is live, for actors that must only trade while it is."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import attrs
import trio

from supervisor import Mailbox

from .._messages import kept


@attrs.define(eq=False)
class _Light:
    """The state itself. Kept in the tree, so that it survives the actors on both sides."""

    on: bool = False
    changed: trio.Event = attrs.field(factory=trio.Event)
    bodies: set[trio.CancelScope] = attrs.field(factory=set[trio.CancelScope])


@attrs.frozen(init=False)
class Liveness:
    """Whether one account is live.

    Declared like a mailbox, and given to the account and to the actors of the bot::

        live = Liveness("main live")
        tree = Supervisor("bot", [
            binance_usdm.account("main", ..., out=orders, live=live),
            strategy.child("strategy", orders, live),
        ])

    Args:
        name: For people.
    """

    name: str
    _slot: Mailbox[_Light] = attrs.field(repr=False)

    def __init__(self, name: str, slot: Mailbox[_Light] | None = None) -> None:
        self.__attrs_init__(name, Mailbox(name, capacity=1) if slot is None else slot)

    @property
    def now(self) -> bool:
        """Whether the account is live at this moment."""
        return self._light().on

    async def wait(self) -> None:
        """Wait until the account is live. Another actor may see it end before this one goes on: see `hold`."""
        await trio.lowlevel.checkpoint()
        while not self.now:
            await self._light().changed.wait()

    @asynccontextmanager
    async def hold(self) -> AsyncGenerator[trio.CancelScope, None]:
        """Run a block while the account is live: ``async with live.hold() as scope:``.

        Waits until it is. When it no longer is, the block is cancelled wherever it waits, and the program goes on behind
        it; ``scope.cancelled_caught`` tells then that it did not come to its own end.
        """
        await self.wait()
        # No checkpoint from here to the first one of the block: it begins while the account is live.
        light = self._light()
        with trio.CancelScope() as scope:  # noqa: ASYNC100 - the checkpoints are in the block
            light.bodies.add(scope)
            try:
                yield scope
            finally:
                light.bodies.discard(scope)

    def tell(self, *, live: bool) -> None:
        """Say how it is. For the owner of the account."""
        light = self._light()
        if live != light.on:
            light.on = live
            light.changed.set()
            light.changed = trio.Event()
            if not live:
                for scope in light.bodies:
                    scope.cancel("the account is not live")

    def _light(self) -> _Light:
        return kept(self._slot, _Light)
