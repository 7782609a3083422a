"""What an actor gets of its supervisor: `Me`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from random import Random
from typing import TYPE_CHECKING, Any

import trio

from ._budget import Budget
from ._events import Note

if TYPE_CHECKING:
    from ._machine import Machine
    from ._runtime import Runtime
    from ._state import Slot
    from ._tree import OpenTree


class Me:
    """One incarnation of an actor, seen from inside. Handed to the actor; not constructed by users.

    Attributes:
        path: Its place in the tree: ``bot/btc/connection``.
        generation: Which incarnation this is, 1 for the first.
    """

    __slots__ = (
        "_cleanups",
        "_cut",
        "_drawn",
        "_facts",
        "_machine",
        "_paid_at",
        "_random",
        "_runtime",
        "_slot",
        "generation",
        "path",
    )

    def __init__(self, slot: Slot, machine: Machine, runtime: Runtime) -> None:
        self._slot = slot
        self._machine = machine
        self._runtime = runtime
        self._random: Random | None = None
        self._drawn = 0
        """How many generators were made by `random_once`."""
        self._cleanups: tuple[trio.CancelScope, ...] = ()
        self._cut = False
        self._paid_at: float = slot.started_at
        """When a budget was drawn from last: by the start, or by `spend`."""
        self._facts: Callable[[], Mapping[str, Any]] | None = None
        self.path: str = slot.path
        self.generation: int = slot.generation

    def __repr__(self) -> str:
        return f"<Me {self.path}#{self.generation}>"

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self._slot.spec.name

    @property
    def random(self) -> Random:
        """A random generator of this incarnation's own, fixed by the tree's seed."""
        if self._random is None:
            self._random = self._runtime.random_for(f"{self.path}#{self.generation}")
        return self._random

    def random_once(self) -> Random:
        """Return a new random generator, fixed by the tree's seed, to draw from and to forget.

        For actors that are many and seldom draw: `random` takes 2.5 KB as long as the incarnation lives. Making one takes
        some twenty microseconds.
        """
        self._drawn += 1
        return self._runtime.random_for(f"{self.path}#{self.generation}.{self._drawn}")

    @property
    def tree(self) -> OpenTree:
        """The open tree that this actor is in: its status, its events, its counters."""
        tree = self._runtime.tree
        assert tree is not None, "actors run in open trees"
        return tree

    def at_tree_end(self, last_words: Callable[[], None]) -> None:
        """Have something called once when the whole tree has ended, after its last event: the end of the root.

        An actor has ended by then; what it could not see while it lived, its own end among it, is in `OpenTree.ledger`
        and in its subscription. A second call, by a later incarnation too, replaces the first.

        Args:
            last_words: Called in Trio's thread, and the program waits for it: be quick. What it raises stands in a `Note`.
        """
        self._runtime.last_words[self.path] = last_words

    def ready(self) -> None:
        """Say that the actor is usable: the next child starts, health is told. Further calls do nothing."""
        if self._slot.generation == self.generation:
            self._machine.ready(self._slot, trio.current_time())

    def beat(self) -> None:
        """Give a sign of life; needed within the declared ``silence``. Costs well under a microsecond."""
        if self._slot.generation == self.generation:
            self._slot.last_beat = trio.current_time()

    def note(self, what: str, /, **fields: Any) -> None:
        """Put a `Note` into the tree's event stream: something worth telling that is not a failure.

        Args:
            what: A short constant name, such as ``backfilled``.
            fields: Plain values for JSON. Never a secret.

        Raises:
            ValueError: A field is called ``event``, ``seq``, ``wall``, ``at``, ``path``, ``generation`` or ``what``: those
                the note has of its own.
        """
        now = trio.current_time()
        self._runtime.publish(Note(self.path, self.generation, now, what=what, fields=fields))

    def expose(self, facts: Callable[[], Mapping[str, Any]]) -> None:
        """Let everyone who asks for the tree's status see facts about this incarnation, such as a queue's length.

        Args:
            facts: Called at each `Running.status`, as long as this incarnation lives; returns plain values for JSON, never
                a secret. It must be quick, and must not change anything. What it raises stands in the status instead.
        """
        self._facts = facts

    def _exposed(self) -> Mapping[str, Any] | None:
        if self._facts is None:
            return None
        try:
            return self._facts()
        except Exception as error:  # noqa: BLE001 - a status tells it, and must not fail over it
            return {"error": f"{type(error).__name__}: {error}"}

    async def spend(self, budget: Budget) -> float:
        """Wait until a budget allows one more, use it, and return the seconds waited.

        The budget is that of the open tree, shared with every child whose policy or code names an equal one: an actor
        that opens a second connection draws from what restarts draw from, too. Who asks first is served first.

        Cancellation: nothing is used, and the place in the queue is given up; those behind it keep their times.
        """
        await trio.lowlevel.checkpoint()
        opened, timers = self._runtime.budget(budget), self._runtime.timers
        began = now = trio.current_time()
        ticket = opened.queue(now)
        used = False
        try:
            while not (now >= ticket.at and opened.claim(ticket, now)):
                now = await timers.sleep_until(ticket.at, self._slot.order)
            used = True
            self._paid_at = now
        finally:
            if not used:
                opened.give_back(ticket)
        return now - began

    def under_way(self, budget: Budget) -> Callable[[], None]:
        """Count what was drawn last, by the start or by `spend`, as on its way; call what is returned when it has arrived.

        Whoever keeps the limit counts arrivals. Until then it fills a place in the window, and only then its time begins
        to run: so nothing can arrive at the same moment as what was allowed meanwhile, not even when the machine sleeps in
        between. Call it in ``finally``, too; further calls do nothing. A bucket only refills later.
        """
        opened = self._runtime.budget(budget)
        opened.under_way(self._paid_at)
        left = [opened]

        def arrived() -> None:
            if left:
                left.pop().arrived(trio.current_time())

        return arrived

    def close_budget(self, budget: Budget, seconds: float) -> None:
        """Let nobody draw from a budget for so long: a venue's ``Retry-After`` or ban outranks every allowance."""
        self._runtime.budget(budget).block_until(trio.current_time() + seconds)

    @contextmanager
    def cleanup(self) -> Iterator[trio.CancelScope]:
        """Shield cleanup from the cancellation that ends the actor, for what is left of its grace.

        While nobody stops the actor, each block has a whole grace: one that lives long may clean up again and again.
        Use it in ``finally``: without it, Trio cuts asynchronous cleanup at its first ``await``. When the grace is over
        the cleanup is cut off, and a `Note` says so.
        """
        now = trio.current_time()
        start = self._slot.since if self._slot.state == "stopping" else now
        deadline = now if self._cut else start + self._slot.policy.grace
        with trio.CancelScope(deadline=deadline, shield=True) as scope:
            self._cleanups += (scope,)
            try:
                yield scope
            finally:
                self._cleanups = tuple(other for other in self._cleanups if other is not scope)
        if scope.cancelled_caught:
            self.note("cleanup_cut_off", grace=self._slot.policy.grace)

    def _cut_cleanups(self, reason: str) -> None:
        self._cut = True
        for scope in self._cleanups:
            scope.cancel(reason)
