"""An account through several lives of its process, with a bot that takes what it is told when it likes."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import trio

from actors import AccountState, OrderUpdate
from supervisor import Mailbox, Running
from supervisor.testing import run_virtually

from ..in_memory import drain
from .account_world import World


class Reader:
    """The bot's own: what it takes counts as handled when it comes back for more, and it can be told to stay away."""

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.may_read = trio.Event()
        self.may_read.set()

    async def read(self, box: Mailbox[Any]) -> None:
        while True:
            await self.may_read.wait()
            try:
                self.told += await box.receive_many()
            except trio.EndOfChannel:
                return


def fills_of(reader: Reader) -> list[Any]:
    return [item.fill.id for item in reader.told if isinstance(item, OrderUpdate) and item.fill]


def phases_of(reader: Reader) -> list[str]:
    return [item.state for item in reader.told if isinstance(item, AccountState)]


def lives(
    path: Path, *scripts: Callable[[World, Reader], Awaitable[None]], world: World | None = None, **changes: Any
) -> tuple[World, list[Reader]]:
    """Run one process after the other against the same venue; return what each was told."""
    world = world or World()
    readers: list[Reader] = []

    async def main() -> None:
        for script in scripts:
            async with trio.open_nursery() as nursery:
                running = world.running = Running(world.tree(store=path, **changes), 1)
                readers.append(Reader())
                async with running.opened():
                    nursery.start_soon(readers[-1].read, running.mailbox(world.outbox))
                    nursery.start_soon(drain, running.mailbox(world.control), world.orders)
                    await script(world, readers[-1])
                nursery.cancel_scope.cancel()
            await trio.sleep(100)

    run_virtually(main)
    return world, readers
