"""What it takes to deliver each trade once and in order, or a gap in its place (law L2). Pure.

A `Track` follows one symbol. It takes what sessions bring and what REST answers, in whatever order that comes; it puts
into `Cursor.ready` what may go out; and it says which question is to be asked next. There are two of them: `Numbered`
for venues whose ids have no holes, `Unnumbered` for those whose ids prove nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, Protocol, TypeAlias

import attrs

from .._records import FeedState, Gap, Trade
from .._session import Session
from .._source import Missing

Item: TypeAlias = Trade | Gap | FeedState


@attrs.frozen
class Question:
    """What a track needs to know from REST."""

    kind: Literal["newest", "fill", "recent"]
    missing: Missing | None = None
    """With ``fill``: which ids."""
    since: int | None = None
    """With ``recent``: from when on, milliseconds by the venue's clock."""
    urgent: bool = False
    """Trades are known to be missing, or wait for the answer."""
    not_before: float = -float("inf")
    """Until then another session may answer it."""


@attrs.frozen
class Position:
    """A place in a symbol's trades."""

    covered: int | None = None
    """Up to this id everything was delivered or declared a gap; None where ids have no order, or nothing is known."""
    id: int | str | None = None
    """Of the last trade before this place; None: there was none."""
    time: int | None = None
    """Its time, milliseconds by the venue's clock."""


@attrs.define
class Cursor:
    """How far a symbol was delivered, and what is ready to be. Outlives the actor that delivers.

    `done` moves only in the same synchronous step that puts items into the mailbox: what is behind it was delivered, what
    is not was not.
    """

    venue: str
    symbol: str
    clock: Callable[[], int]
    """The local time in milliseconds, for records."""
    done: Position = Position()
    head: Position = Position()
    """Where `done` will be when all that is ready was delivered."""
    ready: list[Item] = attrs.field(factory=list)
    """What may go out, in order."""
    declared: list[Gap] = attrs.field(factory=list)
    """The gaps that nobody has noted yet."""
    told: bool | None = None
    """Whether the last state that was delivered is live."""
    telling: bool | None = None
    """What `told` will be when all that is ready was delivered."""
    reason: str = ""
    """Of the last change of state."""
    gaps: int = 0
    """How many were declared."""

    def put(self, trades: Sequence[Trade], covered: int | None = None) -> None:
        """Add trades to what is ready."""
        if trades:
            self.ready += trades
            last = trades[-1]
            self.head = Position(covered, last.id, last.time)

    def gap(self, reason: str, *, missing: Missing | None = None, behind: Trade | None = None) -> None:
        """Add a gap to what is ready.

        Args:
            reason: Why its trades cannot be had.
            missing: Their ids, where these tell.
            behind: The first trade behind it, where that is known.
        """
        self.add(
            Gap(
                venue=self.venue,
                symbol=self.symbol,
                after_id=self.head.id,
                before_id=None if behind is None else behind.id,
                after_time=self.head.time,
                before_time=None if behind is None else behind.time,
                first_id=None if missing is None else missing.first,
                last_id=None if missing is None else missing.last,
                reason=reason,
                received=self.clock(),
            )
        )
        if missing is not None:
            self.head = attrs.evolve(self.head, covered=missing.last)

    def add(self, gap: Gap) -> None:
        """Add a gap that is not at the head."""
        self.ready.append(gap)
        self.declared.append(gap)
        self.gaps += 1

    def state(self, reason: str, *, live: bool, again: bool = False) -> None:
        """Add the state of the feed to what is ready, if it has changed.

        Args:
            reason: Of the change.
            live: The state.
            again: Tell it even if nothing but the reason has changed.
        """
        if live is not self.telling or again:
            self.telling, self.reason = live, reason
            self.ready.append(FeedState(self.venue, self.symbol, live, reason, self.clock()))

    def delivered(self, count: int) -> None:
        """Note that so many of the items that were ready are in the mailbox now."""
        sent = self.ready[:count]
        del self.ready[:count]
        if not self.ready:
            self.done, self.told = self.head, self.telling
            return
        done = self.done
        for item in sent:
            if isinstance(item, Gap):
                done = done if item.last_id is None else attrs.evolve(done, covered=item.last_id)
            elif isinstance(item, FeedState):
                self.told = item.live
            else:
                done = Position(item.id if isinstance(item.id, int) else None, item.id, item.time)
        self.done = done

    def restarted(self) -> list[Item]:
        """Forget what was ready and is not delivered; return it."""
        forgotten, self.ready = self.ready, []
        self.head, self.telling = self.done, self.told
        self.declared.clear()
        return forgotten


class Track(Protocol):
    """One symbol's continuity. Everything is synchronous; times are Trio's."""

    @property
    def cursor(self) -> Cursor:
        """Where it is, and what is ready."""

    @property
    def complete(self) -> bool:
        """Whether nothing is known, or to be feared, to be missing up to here."""

    @property
    def filled(self) -> int:
        """How many trades came from REST and not from a stream, and how many gaps were declared."""

    @property
    def repeated(self) -> int:
        """How many trades came again, and were dropped."""

    @property
    def dropped(self) -> int:
        """How many live trades found no room while they waited for others. REST brings them, or they are in a gap."""

    def opened(self, session: Session, now: float) -> None:
        """Take note that a session has the symbol from now on."""

    def lost(self, session: Session) -> None:
        """Take note that a session does not have it any more."""

    def live(self, session: Session | None, trades: Sequence[Trade], now: float) -> int:
        """Take what a session has brought; return how many of the trades nobody had brought before."""

    def wonder(self) -> None:
        """Have `question` ask whether there is anything new, although nothing says so."""

    def audit(self) -> None:
        """Have `question` ask for a list to compare with what was delivered, where ids do not show losses."""

    def question(self, now: float) -> Question | None:
        """Return what to ask REST, or None when nothing is to be asked."""

    def answer(self, question: Question, rows: Sequence[Trade], *, final: bool) -> bool:
        """Take the answer to a question.

        Args:
            question: The one that was asked. Whether it is still of interest is looked at here.
            rows: Ascending.
            final: It was asked often enough: what the answer does not have becomes a gap.

        Returns:
            False: the answer does not help yet; ask again a little later.
        """

    def give_up(self, question: Question, reason: str) -> None:
        """Take note that there is no answer: what is missing becomes a gap."""

    def restarted(self) -> None:
        """Begin a new incarnation of the actor: no session is open, what was not delivered is forgotten."""
