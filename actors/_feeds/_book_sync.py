"""From a venue's book messages to a chain of changes without a hole, for one symbol. Pure.

Theory of operation
-------------------
* A message says what the levels it names were after its `Depth.last`, and names every level that changed after its
  *base*: `Depth.previous` where the venue tells it, else ``first - 1``. So a book that is right at number S is right at
  ``last`` after the message when ``base <= S < last``. This one rule holds for the first message after a snapshot and
  for all later ones, for one session and for several: whichever session brings the next message moves the book on, and
  what the others bring of it is a duplicate (``last <= S``). It implies each venue's own words:
  Binance spot ``U <= lastUpdateId + 1 <= u``, then ``U == u + 1`` (web-socket-streams.md, 2026-07-21); USD-M
  ``U <= lastUpdateId <= u``, then ``pu == u`` ("How to manage a local order book correctly", 2026-05-28; ``pu`` is
  asked at the joint too: a quiet symbol's snapshot lies between two messages, where the words would never join);
  Gate ``U <= id + 1 <= u`` (spot WebSocket v4, 2026-05-27); OKX ``prevSeqId == seqId`` (docs-v5, 2026-02).
* A message with ``base > S`` shows a hole. While another session is in step, the message is held until that one has
  filled it, at most `PATIENCE` seconds. Otherwise the book is broken, and must begin again: with a snapshot by REST
  (what comes meanwhile is held, and applied to it), or with the snapshot that a new subscription brings.
* Numbers may start anew: after OKX's maintenance by a message whose ``last`` lies below its ``previous``; by a
  snapshot, on Bybit with ``u == 1``; or unannounced, when numbers and times contradict each other.
"""

from __future__ import annotations

from collections import deque
from typing import Final, Literal, TypeAlias

import attrs

from .._session import Session
from .._source import BookRule, Depth

PATIENCE: Final = 1.0
"""Seconds that a hole may stay open because another session is expected to fill it."""
HELD: Final = 1_000
"""Most messages held: at ten a second, more than a minute's."""
RENUMBERED: Final = 5_000
"""Milliseconds. A message with a lower number and a time this much later, or the other way round, belongs to another
numbering."""
STALE_SNAPSHOTS: Final = 5
"""After so many snapshots that were older than what is held, what is held is not waited for any more."""

Need: TypeAlias = Literal["snapshot", "subscription"]
"""What a broken book begins again with: a snapshot by REST, or a new subscription that brings one."""


@attrs.frozen
class Step:
    """What a message comes to."""

    apply: tuple[Depth, ...] = ()
    """To be applied to the book, in this order."""
    broken: str | None = None
    """The book is not to be relied on from here on, because of this; ``apply`` is empty then."""


NOTHING: Final = Step()


@attrs.define
class _Part:
    """What is known of one session."""

    in_step: bool = False
    """Its last message joined the book, or repeated what is in it."""
    last: int = -1
    """Number of its last snapshot or message that was in step."""
    astray: bool = False
    """It has missed something that no other session filled; the book goes on without it until it joins again."""


@attrs.define
class Counts:
    """What became of messages."""

    applied: int = 0
    duplicates: int = 0
    holes: int = 0
    """Messages that showed a hole."""
    discarded: int = 0
    """Messages that could not be used: before a snapshot, behind a hole, of a session gone astray."""
    breaks: int = 0
    refused: int = 0
    """Updates that found no room in the bot's mailbox."""


class BookSync:
    """The synchroniser of one symbol.

    Args:
        rule: How the venue's messages follow each other.
        held: Most messages held for a snapshot or another session; the oldest are discarded first.
        counts: Where to count; None: in new ones.
    """

    def __init__(self, rule: BookRule, held: int = HELD, counts: Counts | None = None) -> None:
        self._rule = rule
        self._limit = held
        self._parts: dict[Session, _Part] = {}
        self._held: deque[tuple[Session, Depth]] = deque()
        self._held_since: tuple[float, int] | None = None
        """When a hole was seen first, and where the book was then."""
        self._time = 0
        self._brought: Session | None = None
        """Who brought the book to where it is."""
        self._stale = 0
        self._fall: tuple[int, int] | None = None
        """Where the numbers last fell within the chain."""
        self.sequence: int | None = None
        """Where the book is; None: it must begin with a snapshot."""
        self.suspect: Session | None = None
        """Whose subscription is to be renewed; with ``base="stream"``."""
        self.counts = counts or Counts()

    @property
    def sessions(self) -> tuple[Session, ...]:
        """The sessions that bring the symbol, in the order in which they were opened."""
        return tuple(self._parts)

    def knows(self, session: Session) -> bool:
        """Say whether a session is among those that bring the symbol."""
        return session in self._parts

    @property
    def need(self) -> Need | None:
        """What is to be got so that the book can begin; None: nothing, or there is no session yet."""
        if self.sequence is not None or not self._parts or self._rule.base == "whole":
            return None
        return "snapshot" if self._rule.base == "rest" else "subscription"

    @property
    def held(self) -> int:
        """How many messages wait for a snapshot or for another session."""
        return len(self._held)

    @property
    def deadline(self) -> float | None:
        """When `overdue` must be called, unless the hole is filled before; None: there is none."""
        if self._held_since is None or self.sequence is None:
            return None
        return self._held_since[0] + PATIENCE

    # Sessions --------------------------------------------------------------------------------------------------

    def opened(self, session: Session) -> None:
        """A session's subscription is confirmed, or is so again: nothing of it is in step yet."""
        self._parts[session] = _Part()
        self._forget(session)
        if self.suspect is session:
            self.suspect = None

    def lost(self, session: Session) -> Step:
        """A session is over. With the last one the book is over too."""
        if self._parts.pop(session, None) is None:
            return NOTHING
        self._forget(session)
        if self.suspect is session:
            self.suspect = None
        if self.sequence is None:
            return NOTHING
        if not self._parts:
            return self._break("no connection", keep=False)
        behind = self._held or any(part.astray for part in self._parts.values())
        if behind and not self._others_in_step(None):
            return self._break("the connection that would have filled a hole is lost", keep=True)
        return NOTHING

    def begin_again(self, reason: str) -> Step:
        """Give up the book as it is: what it holds has proved wrong, or too old."""
        return self._break(reason, keep=False)

    def overdue(self) -> Step:
        """Stop waiting for a hole to be filled."""
        since, self._held_since = self._held_since, None
        if since is None or self.sequence is None:
            return NOTHING
        if since[1] == self.sequence:
            return self._break("a hole was not filled in time", keep=True)
        # The book moves on: it is the session behind the hole that is off.
        for session, _ in self._held:
            if session in self._parts:
                self._parts[session].astray = True
                self.suspect = session
        self._discard()
        return NOTHING

    # Messages --------------------------------------------------------------------------------------------------

    def take(self, session: Session, message: Depth, now: float) -> Step:
        """Take one message of the stream.

        Args:
            session: Who brought it; unknown ones are discarded.
            message: The message.
            now: Seconds, on the clock that `deadline` is on.
        """
        part = self._parts.get(session)
        if part is None:
            self.counts.discarded += 1
            return NOTHING
        if self._rule.base == "whole":
            return self._whole(session, message)
        if message.snapshot:
            return self._streamed_snapshot(session, part, message)
        if self.sequence is None:
            self._hold(session, message)
            return NOTHING
        return self._follow(session, part, message, now)

    def snapshot(self, message: Depth) -> Step:
        """Take a snapshot that REST gave. With an empty step and `need` unchanged it was too old: get another one."""
        if self.sequence is not None or self._rule.base != "rest":
            return NOTHING
        self.sequence, self._time, self._brought = message.last, message.time, None
        applied = self._drain(self._rule.joint)
        if self._held:
            # What lies between the snapshot and the oldest held message is missing.
            self.sequence = None
            self._held.extendleft(reversed(applied))
            self._stale += 1
            if self._stale >= STALE_SNAPSHOTS:
                self._discard()
            return NOTHING
        self._stale = 0
        self.counts.applied += 1 + len(applied)
        return Step((message, *(held for _, held in applied)))

    def _whole(self, session: Session, message: Depth) -> Step:
        mine = self.sequence
        if mine is not None and not self._renumbered(message):
            again = message.last == mine and session is self._brought
            if message.last <= mine and not again:
                self.counts.duplicates += 1
                return NOTHING
        return self._begin(session, message)

    def _streamed_snapshot(self, session: Session, part: _Part, message: Depth) -> Step:
        mine = self.sequence
        if mine is None or not self._others_in_step(session):
            return self._begin(session, message)
        if self._renumbered(message):
            if message.last < mine:
                return self._begin(session, message)
            # From before the book's numbers started anew: this session is that far behind.
            self.counts.discarded += 1
            return NOTHING
        if message.last > mine or (part.in_step and message.last < part.last):
            return self._begin(session, message)
        # Another session has brought the book further already; this one is in step from here on.
        self.counts.duplicates += 1
        self._joined(session, message.last)
        return NOTHING

    def _begin(self, session: Session, message: Depth) -> Step:
        if self.sequence is not None and message.last < self.sequence:
            for part in self._parts.values():
                part.in_step = False
            self._discard()
        self.sequence, self._time, self._brought = message.last, message.time, session
        self._joined(session, message.last)
        applied = self._drain(1)
        self.counts.applied += 1 + len(applied)
        return Step((message, *(held for _, held in applied)))

    def _follow(self, session: Session, part: _Part, message: Depth, now: float) -> Step:
        mine = self.sequence
        assert mine is not None, "without a book nothing follows"
        if self._renumbered(message):
            return self._break("the venue has started its numbers anew", keep=False, suspect=session)
        place = self._place(message)
        if place == "next":
            applied = [message]
            self._move(session, message)
            self._forget(session)
            if self._held:
                applied += [held for _, held in self._drain(1)]
            self.counts.applied += len(applied)
            return Step(tuple(applied))
        if place == "old":
            self.counts.duplicates += 1
            self._joined(session, message.last)
            return NOTHING
        self.counts.holes += 1
        part.in_step = False
        if not self._others_in_step(session):
            self._hold(session, message)
            missing = f"the messages from {mine} to {self._base(message)} are missing"
            return self._break(missing, keep=True, suspect=session)
        if part.astray:
            self.counts.discarded += 1
            self.suspect = session
            return NOTHING
        self._hold(session, message)
        if self._held_since is None:
            self._held_since = (now, mine)
        return NOTHING

    # Parts -----------------------------------------------------------------------------------------------------

    def _base(self, message: Depth, joint: int = 1) -> int:
        return message.first - joint if message.previous is None else message.previous

    def _place(self, message: Depth, joint: int = 1) -> Literal["old", "next", "ahead"]:
        """Say where a message stands to the book."""
        mine = self.sequence
        assert mine is not None, "without a book there is no place"
        previous = message.previous
        if previous is not None and message.last < previous and (previous, message.last) != self._fall:
            # The numbers start anew behind `previous`, which may itself be missing.
            return "next" if previous == mine else "ahead" if previous > mine else "old"
        if message.last <= mine:
            return "old"
        return "next" if self._base(message, joint) <= mine else "ahead"

    def _move(self, session: Session, message: Depth) -> None:
        if message.previous is not None and message.last < message.previous:
            self._fall = (message.previous, message.last)
            for other in self._parts.values():
                # They bring the old numbers still.
                other.in_step = False
        self.sequence, self._time, self._brought = message.last, message.time, session
        part = self._parts[session]
        part.in_step, part.astray, part.last = True, False, message.last

    def _renumbered(self, message: Depth) -> bool:
        """Say whether numbers and times contradict each other: the message and the book are of different numberings."""
        mine = self.sequence
        if mine is None or not self._time or not message.time:
            return False
        later = message.time - self._time
        return later > RENUMBERED if message.last < mine else later < -RENUMBERED

    def _others_in_step(self, session: Session | None) -> bool:
        return any(part.in_step for other, part in self._parts.items() if other is not session)

    def _joined(self, session: Session, last: int) -> None:
        part = self._parts[session]
        part.in_step, part.astray, part.last = True, False, last
        # What is held of it came before this message, which tells that it is in the book or undone by now.
        self._forget(session)

    def _hold(self, session: Session, message: Depth) -> None:
        if self._rule.base == "stream" and self.sequence is None:
            # A new subscription brings all of it.
            self.counts.discarded += 1
            return
        if len(self._held) >= self._limit:
            self._held.popleft()
            self.counts.discarded += 1
        self._held.append((session, message))

    def _forget(self, session: Session) -> None:
        if not self._held:
            return
        kept = [item for item in self._held if item[0] is not session]
        self.counts.discarded += len(self._held) - len(kept)
        self._held = deque(kept)
        if not kept:
            self._held_since = None

    def _discard(self) -> None:
        self.counts.discarded += len(self._held)
        self._held.clear()
        self._held_since = None
        self._stale = 0

    def _drain(self, joint: int) -> list[tuple[Session, Depth]]:
        """Move the book on by what is held; return what is to be applied. Held afterwards: what lies behind a hole."""
        applied: list[tuple[Session, Depth]] = []
        moved = True
        while moved and self._held:
            moved = False
            behind: deque[tuple[Session, Depth]] = deque()
            for session, message in self._held:
                place = self._place(message, joint)
                if place == "old":
                    self.counts.duplicates += 1
                    self._parts[session].in_step = True
                elif place == "next":
                    joint, moved = 1, True
                    self._move(session, message)
                    applied.append((session, message))
                else:
                    behind.append((session, message))
            self._held = behind
        if not self._held:
            self._held_since = None
        return applied

    def _break(self, reason: str, *, keep: bool, suspect: Session | None = None) -> Step:
        was, self.sequence = self.sequence, None
        self._held_since = None
        self.suspect = suspect
        self._stale = 0
        for part in self._parts.values():
            part.in_step = part.astray = False
        if not keep or self._rule.base != "rest":
            self._discard()
        if was is None:
            return NOTHING
        self.counts.breaks += 1
        return Step(broken=reason)
