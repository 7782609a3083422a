"""What all supervisors of one open tree share: timers, the event stream, the ledger, mailboxes, the seed."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from functools import lru_cache
from operator import is_
from random import Random
from types import FunctionType
from typing import TYPE_CHECKING, Any, Self, TypeVar

import attrs
import trio

from ._blocking import path_of_task
from ._budget import Budget, OpenBudget
from ._events import Blocked, DeadLettered, Ended, Event, Note, Ready, Started
from ._ledger import Ledger
from ._mailbox import DeadLetter, Mailbox
from ._open_mailbox import OpenMailbox
from ._outcome import describe
from ._timers import Timers

if TYPE_CHECKING:
    from ._tree import OpenTree

T = TypeVar("T")

_PLAIN = frozenset({bool, bytes, float, int, str, FunctionType, type(None)})
"""Types in which no mailbox can be."""
_DEAD_LETTERS = 1000
"""Dead letters that are kept; older ones are only counted."""


class Subscription:
    """The tree's events from now on. A slow reader loses the oldest ones, which are counted, and never slows the tree.

    It ends with the tree; ``with running.events() as events:`` ends it with the block.
    """

    def __init__(self, mailbox: OpenMailbox[Event], leave: Callable[[OpenMailbox[Event]], None]) -> None:
        self._mailbox = mailbox
        self._leave = leave

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Get no more events; those that wait can still be read. A second call does nothing."""
        self._leave(self._mailbox)

    @property
    def dropped(self) -> int:
        """How many events this reader was too slow for."""
        return self._mailbox.statistics().dropped

    def __aiter__(self) -> AsyncIterator[Event]:
        return self._mailbox

    async def receive_many(self) -> list[Event]:
        """Return all events that wait, at least one. Cancellation loses nothing.

        Raises:
            trio.EndOfChannel: The tree has ended and every event was read.
        """
        return await self._mailbox.receive_many()

    def receive_nowait(self) -> list[Event]:
        """Return all events that wait, perhaps none."""
        return self._mailbox.receive_many_nowait()


class Runtime:
    """Shared by the supervisors of one open tree.

    Attributes:
        root: Name of the tree's root.
        seed: Fixes the jitter of the whole tree (law L8).
        dead_letters: The last items that nobody could finish; the mailboxes' statistics count all of them.
    """

    def __init__(self, root: str, seed: int | None, wall_clock: Callable[[], float] = time.time) -> None:
        self.root: str = root
        self.dead_letters: deque[DeadLetter[Any]] = deque(maxlen=_DEAD_LETTERS)
        self.seed: int = Random().getrandbits(32) if seed is None else seed
        self.timers: Timers = Timers()
        self.ledger: Ledger = Ledger()
        self._wall_clock = wall_clock
        self._seq = 0
        self._subscribers: list[OpenMailbox[Event]] = []
        # Keyed by identity; the declaration is kept so that its id stays taken.
        self._mailboxes: dict[int, tuple[Mailbox[Any], OpenMailbox[Any]]] = {}
        self._burying: Callable[[DeadLetter[Any]], None] = self._bury
        """One for all mailboxes, of which there are many."""
        self._budgets: dict[Budget, OpenBudget] = {}
        self._changed = trio.lowlevel.ParkingLot()
        self.end_process: Callable[[str], None] = lambda reason: None
        """Set by whoever opens the tree: stop it, and end the process if that does not help."""
        self.tree: OpenTree | None = None
        """The tree as its actors see it; set by whoever opens it."""
        self.last_words: dict[str, Callable[[], None]] = {}
        """By path, what is to be called after the tree's last event."""

    def random_for(self, name: str) -> Random:
        """Return a generator that depends on the seed and the name alone, not on what others drew."""
        return Random(f"{self.seed}:{name}")

    def publish(self, event: Event) -> None:
        """Stamp an event and hand it to the ledger and to every subscriber."""
        self._seq += 1
        # Stamped before anyone else has seen it; frozen from here on.
        object.__setattr__(event, "seq", self._seq)
        object.__setattr__(event, "wall", self._wall_clock())
        if isinstance(event, Ended):
            self.ledger.record(event)
        for mailbox in self._subscribers:
            mailbox.send_nowait(event)
        self.changed()

    def tell(self, kind: type[Started | Ready], path: str, generation: int, now: float) -> None:
        """Publish an event without details; where nobody listens only its number is used up."""
        if self._subscribers:
            self.publish(kind(path, generation, now))
        else:
            self._seq += 1
            self.changed()

    def changed(self) -> None:
        """Wake those who wait for a change: not every one comes with an event."""
        if self._changed:
            self._changed.unpark_all()

    async def wait_changed(self) -> None:
        """Wait for the next change of any child. Cancellation changes nothing."""
        await self._changed.park()

    def budget(self, declared: Budget) -> OpenBudget:
        """Return the open budget of a declaration; equal declarations share one."""
        found = self._budgets.get(declared)
        if found is None:
            found = self._budgets[declared] = OpenBudget(declared)
        return found

    def budgets(self) -> list[OpenBudget]:
        """Return the budgets that are open."""
        return list(self._budgets.values())

    def subscribe(self, capacity: int) -> Subscription:
        """Return a reader of the events from now on."""
        mailbox: OpenMailbox[Event] = OpenMailbox(Mailbox("events", capacity=capacity, overflow="drop_oldest"))
        self._subscribers.append(mailbox)
        return Subscription(mailbox, self._unsubscribe)

    def _unsubscribe(self, mailbox: OpenMailbox[Event]) -> None:
        mailbox.close()
        # By identity: mailboxes that are declared alike are equal.
        self._subscribers = [other for other in self._subscribers if other is not mailbox]

    def say_last_words(self, now: float) -> None:
        """Call what actors left for the end of the tree."""
        for path, last_words in self.last_words.items():
            try:
                last_words()
            except Exception as error:  # noqa: BLE001 - the others are called all the same, and nothing is lost
                fields = {"error": describe(error)}
                self.publish(Note(path, 0, now, what="last_words_failed", fields=fields))
        self.last_words.clear()

    def close(self) -> None:
        """End every subscription and mailbox: readers get what is left, and then the end."""
        for mailbox in self._subscribers:
            mailbox.close()
        for _, opened in self._mailboxes.values():
            opened.close()

    def mailbox(self, declared: Mailbox[T]) -> OpenMailbox[T]:
        """Return the open mailbox of a declaration, opening it at the first request."""
        if isinstance(declared, OpenMailbox):
            return declared
        found = self._mailboxes.get(id(declared))
        if found is None:
            found = self._mailboxes[id(declared)] = (declared, OpenMailbox(declared, self._burying))
        return found[1]

    def _bury(self, letter: DeadLetter[Any]) -> None:
        self.dead_letters.append(letter)
        path, now = path_of_task(trio.lowlevel.current_task(), self.root), trio.current_time()
        self.publish(
            DeadLettered(path, 0, now, mailbox=letter.mailbox, deliveries=letter.deliveries, error=letter.error)
        )

    def report_blocked(self, path: str, seconds: float) -> None:
        """Publish that a child kept the event loop for too long."""
        self.publish(Blocked(path, 0, trio.current_time(), seconds=seconds))

    def mailboxes(self) -> list[OpenMailbox[Any]]:
        """Return the mailboxes that are open, in the order in which they were first used."""
        return [opened for _, opened in self._mailboxes.values()]

    def with_open_mailboxes(self, value: Any) -> Any:
        """Return an actor, or one of its arguments, with declared mailboxes replaced by the open ones.

        Looks into tuples, and into the fields of frozen attrs classes.
        """
        kind: Any = type(value)
        if kind is tuple:
            items = tuple([self.with_open_mailboxes(item) for item in value])
            return value if all(map(is_, items, value)) else items
        if isinstance(value, Mailbox):
            return self.mailbox(value)
        changed = {}
        for name, argument in _fields_of(kind):
            before = getattr(value, name)
            kind = type(before)
            if kind not in _PLAIN and not (kind is tuple and _PLAIN.issuperset(map(type, before))):
                after = self.with_open_mailboxes(before)
                if after is not before:
                    changed[argument] = after
        return attrs.evolve(value, **changed) if changed else value


@lru_cache(maxsize=1024)
def _fields_of(kind: Any) -> tuple[tuple[str, str], ...]:
    """Return names and arguments of the fields of an attrs class; nothing for other types."""
    return tuple((field.name, field.alias) for field in attrs.fields(kind) if field.init) if attrs.has(kind) else ()
