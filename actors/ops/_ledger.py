"""The actor that writes every failure of its tree to a file. The tree never waits for the disk."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import attrs
import trio

from supervisor import Backoff, Child, Ended, Event, Mailbox, Me, OpenTree, Ready, Subscription, actor, child

from .._messages import kept
from ._failure import Failure, failure_of
from ._ledger_file import Item, LedgerFile, LedgerTrouble, Recovered, Run

_GATHER: Final = 0.2
"""Seconds in which events are gathered for one transaction."""
_RETRY: Final = 1.0
"""Seconds until a file that could not be written is tried again."""
_BATCH: Final = 2_000
"""Most items of one transaction."""
_UNRECOVERED: Final = 10_000
"""Children whose recovery is awaited at a time."""


@attrs.define(eq=False)
class _Memory:
    """What stays when an incarnation ends: nothing that happens until the next one is lost."""

    file: LedgerFile
    events: Subscription
    run: Run
    capacity: int
    limiter: trio.CapacityLimiter = attrs.field(factory=lambda: trio.CapacityLimiter(1))
    """One thread at a time, of our own: nobody else's threads keep ours waiting."""
    waiting: deque[Item] = attrs.field(factory=deque[Item])
    unrecovered: set[str] = attrs.field(factory=set[str])
    missed: int = 0
    """Failures that had to go because the file could not be written for too long."""
    written: int = 0
    trouble: LedgerTrouble | None = None

    def take(self, events: Iterable[Event]) -> None:
        """Queue what is to be written of some events; the oldest go when there is no room."""
        for event in events:
            failure = failure_of(event)
            if failure is not None:
                self._queue(failure)
                if failure.counts and len(self.unrecovered) < _UNRECOVERED:
                    self.unrecovered.add(failure.path)
            elif isinstance(event, Ready) and event.path in self.unrecovered:
                self.unrecovered.discard(event.path)
                self._queue(Recovered(event.path, event.at))
            if isinstance(event, Ended) and event.path == self.run.root:
                self.run = attrs.evolve(self.run, ended=event.wall, how=event.end.kind)

    def _queue(self, item: Item) -> None:
        if len(self.waiting) >= self.capacity:
            self.missed += isinstance(self.waiting.popleft(), Failure)
        self.waiting.append(item)

    def batch(self, tree: OpenTree) -> tuple[Run, list[Item]]:
        """Return what is to be written next."""
        items = [self.waiting[place] for place in range(min(_BATCH, len(self.waiting)))]
        return attrs.evolve(self.run, failures=tree.ledger.failures), items

    def done(self, items: list[Item]) -> None:
        """Forget what was written."""
        for item in items:
            self.waiting.popleft()
            self.written += isinstance(item, Failure)


@actor(
    first_start="retry",
    max_failures=None,
    backoff=Backoff(floor=0.5, base=0.5, cap=30.0),
    grace=5.0,
    # The next child starts when this one listens: its first event is not missed.
    ready_within=10.0,
)
@attrs.frozen
class LedgerWriter:
    """Writes the file; see `ledger`."""

    path: Path
    keep: float
    max_bytes: int
    capacity: int
    memory: Mailbox[_Memory]

    async def run(self, me: Me) -> None:
        """Write until cancelled, and then what is left."""
        memory = kept(self.memory, lambda: self._begin(me.tree))
        me.ready()
        me.expose(lambda: _facts(memory))
        me.at_tree_end(lambda: _last_words(me.tree, memory))
        try:
            await self._write_all(me, memory)
        finally:
            with me.cleanup():
                memory.take(memory.events.receive_nowait())
                # Cleanup is a shield with a deadline, and a thread is waited for in any case.
                while memory.waiting and await _write(me, memory):  # noqa: ASYNC102
                    pass
                await trio.to_thread.run_sync(memory.file.close, limiter=memory.limiter)  # noqa: ASYNC102

    def _begin(self, tree: OpenTree) -> _Memory:
        now = time.time()
        file = LedgerFile(self.path, self.keep, self.max_bytes)
        run = Run(f"{os.getpid()}-{time.time_ns()}", tree.tree.name, now)
        memory = _Memory(file, tree.events(self.capacity), run, self.capacity)
        memory.take(tree.ledger.recent)  # Of children that were started earlier, or failed before this one was added.
        return memory

    async def _write_all(self, me: Me, memory: _Memory) -> None:
        await _write(me, memory)  # Even without a failure: that it cannot be written is better known at once.
        while True:
            pause = _RETRY
            if memory.trouble is None and not memory.waiting:
                memory.take(await memory.events.receive_many())
                pause = _GATHER
            await trio.sleep(pause)
            memory.take(memory.events.receive_nowait())
            if memory.waiting or memory.trouble is not None:
                await _write(me, memory)


async def _write(me: Me, memory: _Memory) -> bool:
    """Write one batch in a thread; return whether it is on disk. Trouble is told once, and so is its end.

    Cancellation waits for the thread, which takes half a second at most where the file is locked.
    """
    run, items = memory.batch(me.tree)
    lost = memory.missed + memory.events.dropped
    try:
        await trio.to_thread.run_sync(memory.file.write, run, items, limiter=memory.limiter)
    except LedgerTrouble as trouble:
        if memory.trouble is None or memory.trouble.kind != trouble.kind:
            me.note("ledger_trouble", kind=trouble.kind, message=str(trouble), waiting=len(memory.waiting))
        memory.trouble = trouble
        return False
    finally:
        moved, memory.file.moved_to = memory.file.moved_to, None
        if moved is not None:
            me.note("ledger_moved_aside", message=f"{memory.file.path} was corrupt; it is now {moved}", to=str(moved))
    memory.done(items)
    if memory.trouble is not None:
        me.note("ledger_written_again", message=f"{memory.file.path} is written again", lost=lost)
        memory.trouble = None
    return True


def _last_words(tree: OpenTree, memory: _Memory) -> None:
    """Write what came after the actor had ended: its own end, that of the root, and how the run has ended."""
    memory.take(memory.events.receive_nowait())
    try:
        while True:
            run, items = memory.batch(tree)
            memory.file.write(run, items)
            memory.done(items)
            if not memory.waiting:
                return
    finally:
        memory.file.close()


def _facts(memory: _Memory) -> dict[str, object]:
    return {
        "file": str(memory.file.path),
        "trouble": None if memory.trouble is None else str(memory.trouble),
        "written": memory.written,
        "waiting": len(memory.waiting),
        "missed": memory.missed,
        "events_dropped": memory.events.dropped,
        "bytes": memory.file.bytes,
    }


def ledger(
    path: str | Path,
    *,
    keep: float = 30 * 86_400.0,
    max_bytes: int = 100 * 1024 * 1024,
    capacity: int = 10_000,
    name: str = "ledger",
) -> Child:
    """Return a child that writes every failure of the tree to a SQLite file; `unblinking failures` reads it.

    Make it the first child of the root: it then sees every event, and is stopped last. A failure is on disk within half a
    second. While the file cannot be written (disk full, locked, not allowed) the tree goes on: a note ``ledger_trouble``
    tells it once, failures wait up to ``capacity``, and those beyond are counted. A corrupt file is moved aside.

    Args:
        path: The file; its folder is made. One file can serve several trees, each with runs of its own.
        keep: Seconds after which a failure is deleted.
        max_bytes: Size of the file's contents at which the oldest failures are deleted.
        capacity: Events, and failures, that wait at most.
        name: Of the child.
    """
    memory: Mailbox[_Memory] = Mailbox(f"{name} memory", capacity=1)
    return child(name, LedgerWriter(Path(path), keep, max_bytes, capacity, memory))
