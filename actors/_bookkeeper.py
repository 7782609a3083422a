"""Seeing to it that what the bot has handled is written down; see `_account_store`. The account never waits for the disk."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any, Final

import trio

from supervisor import Mailbox, Me

from ._account_store import AccountStore, Complete, Entry, FillTold, OrderTold, everything
from ._reconcile import Book
from ._records import OrderUpdate
from .ops._ledger_file import LedgerTrouble

_LOOK_EVERY: Final = 0.1
"""Seconds. A mailbox does not tell when something is taken out of it."""
_RETRY: Final = 1.0
"""Seconds until a file that could not be written is tried again."""
_MOST: Final = 20_000
"""Entries that wait. The oldest go; a later process is told them once more."""


class Bookkeeper:
    """Writes down, behind the deliveries, what the reader of the mailbox has done with.

    Args:
        store: The file; None: nothing is written.
        out: Where updates go.
        book: What was delivered.
        me: Notes trouble.
    """

    def __init__(self, store: AccountStore | None, out: Mailbox[Any], book: Book, me: Me) -> None:
        self._store = store
        self._out = out
        self._book = book
        self._me = me
        self._waiting: deque[tuple[int, Entry]] = deque()
        self._pushed_out = 0
        self._gone = 0
        """How many items had left the mailbox when we looked last."""
        self._handled = 0
        """How many of them the reader has done with."""
        self._news = trio.Event()
        self._limiter = trio.CapacityLimiter(1)
        self._trouble: LedgerTrouble | None = None

    @property
    def trouble(self) -> str | None:
        """Why nothing can be written now."""
        return None if self._trouble is None else str(self._trouble)

    async def load(self) -> Book | None:
        """Return what an earlier process has told; None: nothing, or it cannot be read, which is noted."""
        if self._store is None:
            return None
        try:
            return await trio.to_thread.run_sync(self._store.load, limiter=self._limiter)
        except LedgerTrouble as trouble:
            self._tell(trouble)
            return None

    def delivered(self, update: OrderUpdate) -> None:
        """Note an update that was put into the mailbox this moment, and absorbed."""
        if self._store is None:
            return
        key = (update.symbol, update.order_id)
        self._append(OrderTold(key, self._book.orders[key]))
        if update.fill is not None:
            fill = update.fill
            self._append(FillTold(fill.symbol, (fill.order_id, fill.id), fill.time))

    def reconciled(self, symbol: str | None) -> None:
        """Note that a reconciliation is complete; it counts when what came before it is handled."""
        if self._store is not None:
            self._append(Complete(symbol, *self._book.points[symbol]))

    def _append(self, entry: Entry) -> None:
        if len(self._waiting) >= _MOST:
            self._waiting.popleft()
            self._pushed_out += 1
        self._waiting.append((self._out.statistics().sent, entry))
        self._news.set()

    async def run(self) -> None:
        """Write, for ever. Cancellation: what is handled by then is written, within the grace."""
        if self._store is None:
            await trio.sleep_forever()
        else:
            await self._write_all(self._store)

    async def _write_all(self, store: AccountStore) -> None:
        try:
            while True:
                if not self._waiting:
                    await self._news.wait()
                self._news = trio.Event()
                await trio.sleep(_LOOK_EVERY)
                if not await self._write_handled(store):
                    await trio.sleep(_RETRY)
        finally:
            with self._me.cleanup():
                # A shield with a deadline, and a thread is waited for in any case.
                await self._write_handled(store)  # noqa: ASYNC102
                await trio.to_thread.run_sync(store.close, limiter=self._limiter)  # noqa: ASYNC102

    def _look(self) -> None:
        seen = self._out.statistics()
        gone = seen.received + seen.dropped
        if seen.waiting_receivers:
            self._handled = gone
        elif gone > self._gone:
            # It came back since we looked last, and took more: what was gone then is done with.
            self._handled = max(self._handled, self._gone)
        self._gone = gone

    async def _write_handled(self, store: AccountStore) -> bool:
        """Write what is handled; return whether that was possible."""
        self._look()
        entries: list[Entry] = []
        for place, entry in self._waiting:
            if place > self._handled:
                break
            entries.append(entry)
        if not entries:
            return True
        count = len(entries)
        pushed_out, whole = self._pushed_out, count == len(self._waiting)
        try:
            await self._write(store, entries)
            if store.incomplete and whole:
                # The file was replaced; now that nothing waits, all of it is as good as handled.
                await self._write(store, everything(self._book))
                store.incomplete = False
        except LedgerTrouble as trouble:
            self._tell(trouble)
            return False
        finally:
            if store.moved_to is not None:
                message = f"{store.path} was corrupt; it is now {store.moved_to}"
                self._me.note("account_store_moved_aside", message=message, to=str(store.moved_to))
                store.moved_to = None
        for _ in range(count - (self._pushed_out - pushed_out)):
            self._waiting.popleft()
        if self._trouble is not None:
            self._trouble = None
            self._me.note("account_store_written_again", message=f"{store.path} is written again")
        return True

    async def _write(self, store: AccountStore, entries: Sequence[Entry]) -> None:
        await trio.to_thread.run_sync(store.write, self._book.since or 0, entries, limiter=self._limiter)

    def _tell(self, trouble: LedgerTrouble) -> None:
        if self._trouble is None or self._trouble.kind != trouble.kind:
            self._me.note("account_store_trouble", kind=trouble.kind, message=str(trouble))
        self._trouble = trouble
