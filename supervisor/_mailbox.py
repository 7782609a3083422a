"""Mailboxes: memory channels owned by the tree, which outlive the actors that talk over them.

A `Mailbox` is declared where the tree is defined, and passed to actors as an argument. When the tree is opened, the
runtime puts an `OpenMailbox` (in `_open_mailbox`) in its place: the same type to a type checker, with the items in it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Generic, Literal, NoReturn, TypeVar

import attrs
import trio

from ._checks import is_name, is_whole
from ._errors import SupervisorError

T = TypeVar("T")
Overflow = Literal["block", "drop_oldest", "drop_newest", "conflate", "fail"]
OVERFLOWS: tuple[Overflow, ...] = ("block", "drop_oldest", "drop_newest", "conflate", "fail")


class MailboxError(SupervisorError):
    """A mailbox was used in a way that it does not allow."""


class MailboxFull(MailboxError):
    """A mailbox with ``overflow="fail"`` had no room."""


class MailboxClosed(MailboxError):
    """The mailbox was closed; nothing can be sent any more."""


@attrs.frozen
class MailboxStatistics:
    """A mailbox at one moment."""

    name: str
    capacity: int
    used: int
    """Items in it now."""
    peak: int
    """Most items that were ever in it."""
    sent: int
    """Items that senders handed over. Always ``sent == received + used + dropped``."""
    received: int
    dropped: int
    """Items lost to overflow: new ones that found no room, old ones that were pushed out or replaced."""
    dead: int
    """Items that actors crashed over too often; they are among the received ones."""
    waiting_senders: int
    waiting_receivers: int
    closed: bool


@attrs.frozen
class DeadLetter(Generic[T]):
    """An item that nobody could finish."""

    mailbox: str
    item: T
    deliveries: int
    error: BaseException
    """What the last delivery ended with."""


class Mailbox(Generic[T]):
    """The declaration of a mailbox.

    Args:
        name: For people: status, metrics, errors.
        capacity: Most items in it, at least 1.
        overflow: What happens to an item that finds it full: ``block`` (the sender waits), ``drop_oldest``,
            ``drop_newest``, ``conflate`` (a newer item replaces the older one of the same ``key``, in its place),
            ``fail`` (`MailboxFull`). Every item lost is counted.
        key: For ``conflate``: the function that names what an item is about.
        redeliver: How often an item that an actor took with `take` and crashed over is given out again, before it goes
            to the tree's dead letters. 0: at once.
    """

    __slots__ = ("capacity", "key", "name", "overflow", "redeliver")

    def __init__(
        self,
        name: str,
        *,
        capacity: int,
        overflow: Overflow = "block",
        key: Callable[[T], Hashable] | None = None,
        redeliver: int = 3,
    ) -> None:
        if not is_name(name):
            raise ValueError(f"a mailbox needs a printable name, not {name!r}")
        if not is_whole(capacity, least=1):
            raise ValueError(f"mailbox {name!r}: capacity must be a whole number >= 1, not {capacity!r}")
        if overflow not in OVERFLOWS:
            raise ValueError(f"mailbox {name!r}: overflow must be one of {', '.join(OVERFLOWS)}, not {overflow!r}")
        if (overflow == "conflate") != (key is not None):
            raise ValueError(f"mailbox {name!r}: overflow='conflate' and key= go together")
        if not is_whole(redeliver, least=0):
            raise ValueError(f"mailbox {name!r}: redeliver must be a whole number >= 0, not {redeliver!r}")
        self.name: str = name
        self.redeliver: int = redeliver
        self.capacity: int = capacity
        self.overflow: Overflow = overflow
        self.key: Callable[[T], Hashable] | None = key

    def __repr__(self) -> str:
        return f"Mailbox({self.name!r}, capacity={self.capacity}, overflow={self.overflow!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mailbox) or type(other) is not type(self):
            return NotImplemented
        mine = (self.name, self.capacity, self.overflow, self.key, self.redeliver)
        return mine == (other.name, other.capacity, other.overflow, other.key, other.redeliver)

    def __hash__(self) -> int:
        return hash((self.name, self.capacity, self.overflow))

    def _not_open(self) -> NoReturn:
        raise MailboxError(
            f"mailbox {self.name!r} is a declaration: actors get the open one as their argument, "
            "other code from running.mailbox(...)"
        )

    async def send(self, item: T) -> None:
        """Put one item in.

        Cancellation while waiting for room: the item is not in. A checkpoint in every case.

        Raises:
            MailboxFull: With ``overflow="fail"`` and no room.
            MailboxClosed: After `close`.
        """
        await trio.lowlevel.checkpoint()
        self._not_open()

    def send_nowait(self, item: T) -> None:
        """Put one item in, or raise `trio.WouldBlock` where `send` would wait."""
        self._not_open()

    async def send_many(self, items: Sequence[T]) -> None:
        """Put the items in, in order, with one wake-up of the receiver for many.

        Cancellation while waiting for room: a prefix of the items is in.
        Use `wait_writable` and `send_many_nowait` where you must know which.
        """
        await trio.lowlevel.checkpoint()
        self._not_open()

    def send_many_nowait(self, items: Sequence[T]) -> int:
        """Put in as many of the first items as find room, and return how many that were."""
        self._not_open()

    async def wait_writable(self) -> None:
        """Wait until at least one item can be put in without waiting. Cancellation changes nothing."""
        await trio.lowlevel.checkpoint()
        self._not_open()

    async def receive(self) -> T:
        """Take the oldest item, waiting for one. Cancellation loses nothing.

        Raises:
            trio.EndOfChannel: After `close`, when it is empty.
        """
        await trio.lowlevel.checkpoint()
        self._not_open()

    def receive_nowait(self) -> T:
        """Take the oldest item, or raise `trio.WouldBlock` when there is none."""
        self._not_open()

    async def receive_many(self, limit: int | None = None) -> list[T]:
        """Take all items that are there (at most ``limit``), waiting for the first. Cancellation loses nothing.

        Raises:
            trio.EndOfChannel: After `close`, when it is empty.
        """
        await trio.lowlevel.checkpoint()
        self._not_open()

    def take(self) -> AbstractAsyncContextManager[T]:
        """Take one item for as long as a block works on it: ``async with mailbox.take() as item:``.

        The item is finished when the block ends without an exception. When the block is cancelled the item goes back to
        the front; when it crashes the same, until it was given out `redeliver` times more: then it goes to dead letters.
        """
        self._not_open()

    def handed_to(self, taker: Callable[[T], bool]) -> AbstractContextManager[None]:
        """Hand items over while a block runs: ``with mailbox.handed_to(taker):``.

        Saves the turn of the loop after which a waiting receiver would go on. Whoever does this receives all the same: what
        the taker refuses goes into the mailbox, and while anything is in it, all that follows does. So the order is kept.

        Args:
            taker: Called with each item, in the task of its sender, who gets what it raises. It must not wait, and send
                nothing to this mailbox. False: it does not take the item, for instance because what was received or
                taken (`take`) before is still being worked on.

        Raises:
            MailboxError: There is a taker already.
        """
        self._not_open()

    def receive_many_nowait(self, limit: int | None = None) -> list[T]:
        """Take all items that are there (at most ``limit``), perhaps none."""
        self._not_open()

    def close(self) -> None:
        """Refuse further items; receivers get what is in it and then `trio.EndOfChannel`."""
        self._not_open()

    def statistics(self) -> MailboxStatistics:
        """Return the counters of this moment."""
        self._not_open()

    def __aiter__(self) -> Mailbox[T]:
        return self

    async def __anext__(self) -> T:
        try:
            return await self.receive()
        except trio.EndOfChannel:
            raise StopAsyncIteration from None
