"""Seeing to it that what the bot has handled is written down; see `_account_store`. The account never waits for the disk."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import takewhile
from typing import Any, Final

import attrs
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
"""Entries that wait. When there are more, the book is written anew instead, once the reader has done with all of it."""


@attrs.define(eq=False)
class Backlog:
    """What was delivered and is not written yet. Outlives the actor that delivers, as the book does."""

    store: AccountStore | None
    """The file; None: nothing is written."""
    waiting: deque[tuple[int, Entry]] = attrs.field(factory=deque)
    """Each with how many items had been put into the mailbox by then."""
    too_many: int = 0
    """How often they were more than may wait."""
    made_good: int = 0
    """How often they had been when the book was written anew."""
    gone: int = 0
    """How many items had left the mailbox when we looked last."""
    handled: int = 0
    """How many of them the reader has done with."""


class Bookkeeper:
    """Writes down, behind the deliveries, what the reader of the mailbox has done with.

    Args:
        backlog: What an earlier incarnation has left to do.
        out: Where updates go.
        book: What was delivered.
        me: Notes trouble.
    """

    def __init__(self, backlog: Backlog, out: Mailbox[Any], book: Book, me: Me) -> None:
        self._backlog = backlog
        self._store = backlog.store
        self._out = out
        self._book = book
        self._me = me
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
            # It may have what nobody knows of: what comes does not go on from there.
            self._store.incomplete = True
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
        backlog = self._backlog
        if len(backlog.waiting) >= _MOST:
            # The last one stands for all of them: when it is handled, they are.
            backlog.waiting.clear()
            backlog.too_many += 1
        backlog.waiting.append((self._out.statistics().sent, entry))
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
                if not self._backlog.waiting:
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
        backlog, seen = self._backlog, self._out.statistics()
        gone = seen.received + seen.dropped
        if seen.waiting_receivers:
            backlog.handled = gone
        elif gone > backlog.gone:
            # It came back since we looked last, and took more: what was gone then is done with.
            backlog.handled = max(backlog.handled, backlog.gone)
        backlog.gone = gone

    async def _write_handled(self, store: AccountStore) -> bool:
        """Write what is handled; return whether that was possible."""
        self._look()
        backlog = self._backlog
        entries = [entry for _, entry in takewhile(lambda one: one[0] <= backlog.handled, backlog.waiting)]
        if not entries:
            return True
        count, too_many = len(entries), backlog.too_many
        anew = store.incomplete or backlog.too_many > backlog.made_good
        if anew:
            if count < len(backlog.waiting):
                # The book has more than is handled.
                return True
            entries = everything(self._book)
        try:
            await self._write(store, entries, self._book.fills_from if anew else None)
        except LedgerTrouble as trouble:
            self._tell(trouble)
            return False
        finally:
            if store.moved_to is not None:
                message = f"{store.path} was corrupt; it is now {store.moved_to}"
                self._me.note("account_store_moved_aside", message=message, to=str(store.moved_to))
                store.moved_to = None
        if self._trouble is not None:
            self._trouble = None
            self._me.note("account_store_written_again", message=f"{store.path} is written again")
        if anew:
            backlog.made_good = too_many
        if not store.incomplete and backlog.too_many == too_many:
            for _ in range(count):
                backlog.waiting.popleft()
        return True

    async def _write(self, store: AccountStore, entries: Sequence[Entry], complete_from: int | None) -> None:
        since = self._book.since or 0
        await trio.to_thread.run_sync(
            lambda: store.write(since, entries, complete_from=complete_from), limiter=self._limiter
        )

    def _tell(self, trouble: LedgerTrouble) -> None:
        if self._trouble is None or self._trouble.kind != trouble.kind:
            self._me.note("account_store_trouble", kind=trouble.kind, message=str(trouble))
        self._trouble = trouble
