"""The mailboxes of an open tree: `OpenMailbox` does what `Mailbox` declares."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import AsyncGenerator, Callable, Generator, Hashable, Sequence
from contextlib import asynccontextmanager, contextmanager
from itertools import islice
from typing import Any, Final, Generic, TypeVar

import attrs
import trio

from ._mailbox import DeadLetter, Mailbox, MailboxClosed, MailboxError, MailboxFull, MailboxStatistics, T

V = TypeVar("V")

_SMALL: Final = 4096
"""Items up to which a mailbox is a list: an empty deque takes 760 bytes, and taking the first of so many items from a list
is a microsecond more."""


@attrs.define(eq=False)
class _WaitingSender(Generic[T]):
    """A sender that waits for room, with what it still has to put in."""

    items: Sequence[T]
    next: int = 0


def _queued(place: dict[trio.lowlevel.Task, V], what: V) -> Callable[[Any], trio.lowlevel.Abort]:
    """Put the running task into a queue; return what takes it out again when it is cancelled.

    A `trio.lowlevel.ParkingLot` would take 300 bytes more, and a tree has many mailboxes.
    """
    task = trio.lowlevel.current_task()
    place[task] = what

    def abort(_: Any) -> trio.lowlevel.Abort:
        del place[task]
        return trio.lowlevel.Abort.SUCCEEDED

    return abort


@trio.lowlevel.enable_ki_protection
def _wake(place: dict[trio.lowlevel.Task, Any], most: int) -> None:
    """Wake so many who wait, the longest first."""
    for task in list(islice(place, most)):
        del place[task]
        trio.lowlevel.reschedule(task)


class OpenMailbox(Mailbox[T]):
    """A mailbox that is part of an open tree. Not constructed by users."""

    __slots__ = (
        "_again",
        "_bury",
        "_closed",
        "_dead",
        "_dropped",
        "_items",
        "_keyed",
        "_peak",
        "_received",
        "_receivers",
        "_senders",
        "_sent",
        "_taker",
        "_writers",
    )

    def __init__(self, declared: Mailbox[T], bury: Callable[[DeadLetter[T]], None] | None = None) -> None:
        super().__init__(
            declared.name,
            capacity=declared.capacity,
            overflow=declared.overflow,
            key=declared.key,
            redeliver=declared.redeliver,
        )
        self._bury = bury
        # A tree has many mailboxes, most of them empty and without anybody who waits to send: what is not needed is small.
        # Items that went back, oldest first, each with how often it was given out; they come before all others.
        self._again: list[tuple[T, int]] = []
        self._dead = 0
        self._items: list[T] | deque[T] = [] if declared.capacity <= _SMALL else deque()
        # Conflating mailboxes keep their items here instead: replacing keeps the place of the key.
        self._keyed: OrderedDict[Hashable, T] | None = None if declared.key is None else OrderedDict()
        self._senders: dict[trio.lowlevel.Task, _WaitingSender[T]] = {}
        # Who waits for an item, the longest first.
        self._receivers: dict[trio.lowlevel.Task, None] = {}
        self._writers: trio.lowlevel.ParkingLot | None = None
        self._sent = self._received = self._dropped = self._peak = 0
        self._closed = False
        self._taker: Callable[[T], bool] | None = None

    def __len__(self) -> int:
        return len(self._items if self._keyed is None else self._keyed) + len(self._again)

    def __bool__(self) -> bool:
        return True

    # Sending ---------------------------------------------------------------------------------------------------

    def _put(self, items: Sequence[T]) -> int:
        """Hand over or put in as many of the first items as possible; return how many that were."""
        done = 0 if self._taker is None else self._hand_over(items, self._taker)
        if done and self._closed:
            return done
        return self._put_prefix(items, done)

    def _hand_over(self, items: Sequence[T], taker: Callable[[T], bool]) -> int:
        """Have the taker take the first items; return how many he took."""
        # A mailbox that fails takes all or nothing, so all must have room if he refuses.
        if self.overflow == "fail" and len(items) > self.capacity:
            return 0
        for done, item in enumerate(items):
            # He may close it, or leave, while he takes.
            if len(self) or self._closed or self._taker is not taker or not taker(item):
                return done
            self._sent += 1
            self._received += 1
        return len(items)

    def _put_prefix(self, items: Sequence[T], start: int = 0) -> int:
        """Put items in from ``start`` until there is no room; return the place of the first that is not in."""
        if self._closed:
            raise MailboxClosed(f"mailbox {self.name!r} is closed")
        end = total = len(items)
        if self.key is not None:
            for place in range(start, total):
                self._conflate(items[place])
        else:
            room = self.capacity - len(self._items)
            if total - start > room:
                end = self._overflow(items, start, room)
            else:
                self._items.extend(items if start == 0 else items[start:])
        if end > start:
            self._sent += end - start
            self._wake_receivers()
        return end

    def _wake_receivers(self) -> None:
        used = len(self)
        self._peak = max(self._peak, used)
        if self._receivers:
            _wake(self._receivers, used)

    def _overflow(self, items: Sequence[T], start: int, room: int) -> int:
        """Put in what the declared overflow allows; return the place of the first item that must still wait."""
        if self.overflow == "fail":
            raise MailboxFull(f"mailbox {self.name!r} is full ({self.capacity} items)")
        if self.overflow == "drop_oldest":
            self._items.extend(items[start:])
            self._dropped += len(self._take_items(len(self._items) - self.capacity))
            return len(items)
        self._items.extend(items[start : start + room])
        if self.overflow == "block":
            return start + room
        self._dropped += len(items) - start - room
        return len(items)

    def _conflate(self, item: T) -> None:
        assert self.key is not None and self._keyed is not None, "only conflating mailboxes come here"
        key = self.key(item)
        if key in self._keyed:
            self._dropped += 1
        elif len(self._keyed) >= self.capacity:
            self._keyed.popitem(last=False)
            self._dropped += 1
        self._keyed[key] = item

    async def send(self, item: T) -> None:
        await self.send_many((item,))

    def send_nowait(self, item: T) -> None:
        if self._senders or self._put((item,)) == 0:
            raise trio.WouldBlock

    async def send_many(self, items: Sequence[T]) -> None:
        await trio.lowlevel.checkpoint_if_cancelled()
        done = 0 if self._senders else self._put(items)
        if done == len(items):
            await trio.lowlevel.cancel_shielded_checkpoint()
            return
        if self._closed:
            raise MailboxClosed(f"mailbox {self.name!r} was closed")
        waiting = _WaitingSender(items, done)
        await trio.lowlevel.wait_task_rescheduled(_queued(self._senders, waiting))
        if waiting.next < len(items):
            raise MailboxClosed(f"mailbox {self.name!r} was closed")

    def send_many_nowait(self, items: Sequence[T]) -> int:
        return 0 if self._senders else self._put(items)

    async def wait_writable(self) -> None:
        await trio.lowlevel.checkpoint()
        while self.overflow == "block" and not self._closed and (self._senders or len(self._items) >= self.capacity):
            if self._writers is None:
                self._writers = trio.lowlevel.ParkingLot()
            await self._writers.park()

    @contextmanager
    def handed_to(self, taker: Callable[[T], bool]) -> Generator[None, None, None]:
        if self._taker is not None:
            raise MailboxError(f"the items of mailbox {self.name!r} are handed to somebody already")
        self._taker = taker
        try:
            yield
        finally:
            self._taker = None

    # Receiving -------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def take(self) -> AsyncGenerator[T, None]:
        await self._wait_for_item()
        deliveries = self._again[0][1] + 1 if self._again else 1
        (item,) = self._take(1)
        try:
            yield item
        except BaseException as error:
            if isinstance(error, Exception) and deliveries > self.redeliver:
                self._dead += 1
                if self._bury is not None:
                    self._bury(DeadLetter(self.name, item, deliveries, error))
            else:
                # A cancellation is not the item's fault, and does not count.
                self._received -= 1
                self._again.insert(0, (item, deliveries - (not isinstance(error, Exception))))
                self._wake_receivers()
            raise

    def _take(self, limit: int | None) -> list[T]:
        if self._again:
            most = len(self._again) if limit is None else min(limit, len(self._again))
            first = [item for item, _ in self._again[:most]]
            del self._again[:most]
            self._received += most
            return first + (self._take(None if limit is None else limit - most) if limit != most else [])
        if self._keyed is not None:
            take = len(self._keyed) if limit is None else min(limit, len(self._keyed))
            taken = [self._keyed.popitem(last=False)[1] for _ in range(take)]
        elif limit is None or limit >= len(self._items):
            taken = list(self._items)
            self._items.clear()
        else:
            taken = self._take_items(limit)
        self._received += len(taken)
        if taken:
            self._let_senders_in()
        return taken

    def _take_items(self, count: int) -> list[T]:
        first = list(islice(self._items, count))
        if isinstance(self._items, list):
            del self._items[:count]
        else:
            for _ in first:
                self._items.popleft()
        return first

    def _let_senders_in(self) -> None:
        while self._senders and len(self._items) < self.capacity:
            task, waiting = next(iter(self._senders.items()))
            waiting.next = self._put_prefix(waiting.items, waiting.next)
            if waiting.next < len(waiting.items):
                return
            del self._senders[task]
            trio.lowlevel.reschedule(task)
        if self._writers and len(self._items) < self.capacity:
            self._writers.unpark_all()

    async def receive(self) -> T:
        await self._wait_for_item()
        return self._take(1)[0]

    def receive_nowait(self) -> T:
        taken = self._take(1)
        if not taken:
            raise trio.EndOfChannel if self._closed else trio.WouldBlock
        return taken[0]

    async def receive_many(self, limit: int | None = None) -> list[T]:
        await self._wait_for_item()
        return self._take(limit)

    @trio.lowlevel.enable_ki_protection
    async def _wait_for_item(self) -> None:
        """Wait until there is one; a checkpoint in every case, and no other task runs between it and the caller."""
        if len(self) or self._closed:
            await trio.lowlevel.checkpoint()
        while not len(self):
            if self._closed:
                raise trio.EndOfChannel
            await trio.lowlevel.wait_task_rescheduled(_queued(self._receivers, None))

    def receive_many_nowait(self, limit: int | None = None) -> list[T]:
        return self._take(limit)

    # The rest --------------------------------------------------------------------------------------------------

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        _wake(self._receivers, len(self._receivers))
        if self._writers is not None:
            self._writers.unpark_all()
        _wake(self._senders, len(self._senders))

    def statistics(self) -> MailboxStatistics:
        return MailboxStatistics(
            name=self.name,
            capacity=self.capacity,
            used=len(self),
            peak=self._peak,
            sent=self._sent,
            received=self._received,
            dropped=self._dropped,
            dead=self._dead,
            waiting_senders=len(self._senders),
            waiting_receivers=len(self._receivers),
            closed=self._closed,
        )
