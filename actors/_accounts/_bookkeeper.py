"""Seeing to it that what the bot has handled is written down; see `_account_store`. The account never waits for the disk."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import takewhile
from typing import Any, Final

import attrs
import trio

from supervisor import Mailbox, Me

from .._records import OrderUpdate
from ..ops._ledger_file import LedgerTrouble
from ._account_store import AccountStore, Complete, Entry, FillTold, OrderTold, everything
from ._book import Book

_LOOK_EVERY: Final = 0.1
"""Seconds. A mailbox does not tell when something is taken out of it."""
_RETRY: Final = (1.0, 30.0)
"""Seconds until a file that could not be written is tried again: at first, and at most."""
_PATIENCE: Final = 10.0
"""Seconds for which a file is tried that somebody else holds, when the process begins: what filled while none ran is known
by it alone."""
_MOST: Final = 20_000
"""Entries that wait. When there are more, the book is written anew instead, once the reader has done with all of it: seen
when it waits for the next item."""


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
        if self._trouble is not None:
            return str(self._trouble)
        return "behind: it is written anew when the bot has done with everything" if self._is_behind else None

    @property
    def _is_behind(self) -> bool:
        """Whether entries do not go on from what the file has."""
        backlog = self._backlog
        return backlog.store is not None and (backlog.store.incomplete or backlog.too_many > backlog.made_good)

    async def load(self) -> Book | None:
        """Return what an earlier process has told; None: nothing, or it cannot be read, which is noted."""
        if self._store is None:
            return None
        until = trio.current_time() + _PATIENCE
        while True:
            try:
                return await trio.to_thread.run_sync(self._store.load, limiter=self._limiter)
            except LedgerTrouble as trouble:
                self._tell(trouble)
                if trouble.kind != "locked" or trio.current_time() >= until:
                    return None
            await trio.sleep(_RETRY[0])

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
            self._append(Complete(symbol, *self._book.points[symbol], self._book.ahead))

    def _append(self, entry: Entry) -> None:
        backlog = self._backlog
        if len(backlog.waiting) >= _MOST:
            # The last one stands for all of them: when it is handled, they are.
            backlog.waiting.clear()
            backlog.too_many += 1
        backlog.waiting.append((self._out.statistics().sent, entry))
        self._news.set()

    async def run(self) -> None:
        """Write, for ever. Cancellation: what is handled by then is left to `close`."""
        if self._store is None:
            await trio.sleep_forever()
        retry, most = _RETRY
        while True:
            if not self._backlog.waiting:
                await self._news.wait()
            self._news = trio.Event()
            await trio.sleep(_LOOK_EVERY)
            if await self._write_handled(self._store):
                retry = _RETRY[0]
            else:
                await trio.sleep(retry)
                retry = min(2 * retry, most)

    async def close(self) -> None:
        """Write what is handled by now, and close the file."""
        if self._store is not None:
            await self._write_handled(self._store)
            await trio.to_thread.run_sync(self._store.close, limiter=self._limiter)

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
        count, too_many, anew = len(entries), backlog.too_many, self._is_behind
        if anew and (count < len(backlog.waiting) or not self._book.remembers_what_is_asked):
            # The book has more than is handled, or less than what is asked about.
            return True
        book = self._book.copy() if anew else None
        try:
            await self._write(store, entries, book)
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

    async def _write(self, store: AccountStore, entries: Sequence[Entry], anew: Book | None) -> None:
        since, since_ahead = self._book.since or 0, self._book.since_ahead

        def write() -> None:
            if anew is None:
                store.write(since, entries, since_ahead=since_ahead)
            else:
                store.write(since, everything(anew), since_ahead=since_ahead, complete_from=anew.fills_from)

        await trio.to_thread.run_sync(write, limiter=self._limiter)

    def _tell(self, trouble: LedgerTrouble) -> None:
        if self._trouble is None or self._trouble.kind != trouble.kind:
            self._me.note("account_store_trouble", kind=trouble.kind, message=str(trouble))
        self._trouble = trouble
