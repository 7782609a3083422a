"""The track of a symbol whose trade ids have no holes: a hole proves a loss, and says which trades. Pure.

The rule: what is delivered has consecutive ids. A trade is next if its `first_id` follows what is covered; one at or
below that is a repetition; one further on shows a hole. An aggregate of which a part was covered (``first_id <= covered
< id``) is a hole up to its end: REST gives its single trades, and then it is a repetition itself.

Valid for Binance spot ``t`` and ``a``, USD-M ``a``, Bybit spot ``i``, OKX ``tradeId`` (seen without exception in
recordings; USD-M raw ids have holes by nature and must not be used).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import attrs

from .._records import Trade
from .._session import Session
from .._source import Missing
from ._continuity import Cursor, Position, Question

RESTART_AFTER: Final = 60_000
"""Milliseconds. A lower id whose trade is this much younger than the last one is no repetition: the venue has started
its ids anew, as testnets do when they are wiped."""
HELD: Final = 5_000
"""Most live trades of one symbol that wait behind a hole; those beyond are fetched by REST."""
OTHER_SESSION: Final = 0.1
"""Seconds in which another session may bring what one has lost, before REST is asked."""


@attrs.define
class Numbered:
    """Follows one symbol. See `Track`.

    Args:
        cursor: Of the symbol.
        lists_only: REST has only the latest trades.
        largest: Most trades that a hole may have; of a larger one only the end is filled.
    """

    cursor: Cursor
    lists_only: bool = False
    largest: int = 50_000
    empty: bool = False
    """The venue had no trade at all when it was asked: the first ever is the first to deliver."""
    begun: bool = False
    """Something was delivered. Until then the place is that of the newest trade from before the feed began."""
    filled: int = 0
    repeated: int = 0
    dropped: int = 0
    _pending: list[Trade] = attrs.field(factory=list)
    """Live trades behind a hole, ascending."""
    _known: int = -1
    """The highest id that the venue is known to have given out."""
    _top: int = -1
    """The highest id that came live."""
    _sessions: dict[Session | None, int] = attrs.field(factory=dict)
    """The highest id that each has brought."""
    _hole: tuple[int, float] | None = None
    """The first id of the hole that was seen last, and when that was first seen."""
    _asking: bool = False
    _heard: bool = False
    """A live trade came since it was decided to ask: it says where the stream is, as well as the newest trade would."""
    _interrupted: bool = True

    @property
    def complete(self) -> bool:
        """Whether nothing is known, or to be feared, to be missing up to here."""
        return not self._interrupted and self._missing() is None

    # Sessions --------------------------------------------------------------------------------------------------

    def opened(self, session: Session, now: float) -> None:
        """Take note of a session. The first after an interruption is followed by the question for the newest trade."""
        if not self._sessions:
            self._asking, self._heard, self._interrupted = True, False, True
        self._sessions.setdefault(session, -1)

    def lost(self, session: Session) -> None:
        """Take note of its end. What it brought stays."""
        if self._sessions.pop(session, None) is not None and not self._sessions:
            self._interrupted, self._asking = True, False

    def restarted(self) -> None:
        """Begin anew at what was delivered."""
        self.cursor.restarted()
        self._sessions.clear()
        self._pending.clear()
        self._known = self._top = -1
        self._hole, self._asking, self._interrupted = None, False, True

    # Live trades -----------------------------------------------------------------------------------------------

    def live(self, session: Session | None, trades: Sequence[Trade], now: float) -> int:
        """Take what a session has brought."""
        start = self.cursor.head.covered
        if start is not None and not self._pending and self.begun and trades:
            # Nearly always: a batch that goes on where the last one ended.
            firsts, ends = [trade.first_id for trade in trades], [trade.id for trade in trades]
            if firsts[0] == start + 1 and _follow_each_other(firsts, ends):
                covered = _end(trades[-1])
                self.cursor.put(trades, covered)
                self._brought(session, covered)
                self._asking = self._interrupted = False
                fresh = sum(1 for trade in trades if _end(trade) > self._top) if self._top > start else len(trades)
                self._top = max(self._top, covered)
                return fresh
        return self._sort_in(session, trades)

    def _sort_in(self, session: Session | None, trades: Sequence[Trade]) -> int:
        if not trades:
            return 0
        highest = max(_end(trade) for trade in trades)
        fresh = len({_end(trade) for trade in trades if _end(trade) > self._top})
        self._top = max(self._top, highest)
        self._heard = self._heard or fresh > 0
        self._brought(session, highest)
        self._begin(min(_start(trade) for trade in trades))
        before = self.cursor.head.covered
        for trade in trades:
            covered, time = self.cursor.head.covered, self.cursor.head.time
            if covered is None or _end(trade) > covered:
                self._pending.append(trade)
            elif time is not None and trade.time > time + RESTART_AFTER:
                self._renumbered(_start(trade) - 1)
                self._pending.append(trade)
                self._top = highest
            else:
                self.repeated += 1
        self._pending.sort(key=_order)
        self._advance()
        if len(self._pending) > HELD:
            self._drop()
        if self.cursor.head.covered != before and self._missing() is None:
            self._asking = self._interrupted = False
        return fresh

    def _begin(self, lowest: int) -> None:
        """Fix the place where delivery begins.

        The anchor may be asked for while the subscription is already open. A live trade at or below it was therefore
        published after the subscription, and delivery begins with it.
        """
        covered = self.cursor.head.covered
        if self.begun or (covered is None and self.empty):
            return
        if covered is None or lowest <= covered:
            self._place(lowest - 1)

    def _advance(self) -> None:
        """Make ready what follows without a hole."""
        covered = self.cursor.head.covered
        if covered is None:
            return
        run: list[Trade] = []
        taken = 0
        for trade in self._pending:
            if _end(trade) <= covered:
                self.repeated += 1
            elif _start(trade) == covered + 1:
                run.append(trade)
                covered = _end(trade)
            else:
                break
            taken += 1
        del self._pending[:taken]
        if run:
            self.begun = True
            self.cursor.put(run, covered)

    def _drop(self) -> None:
        unique = {_order(trade): trade for trade in self._pending}
        self.repeated += len(self._pending) - len(unique)
        self._pending = list(unique.values())
        beyond = self._pending[HELD:]
        if beyond:
            del self._pending[HELD:]
            self._known = max(self._known, *(_end(trade) for trade in beyond))
            self.dropped += len(beyond)

    def _brought(self, session: Session | None, highest: int) -> None:
        if session in self._sessions:
            self._sessions[session] = max(self._sessions[session], highest)

    # Questions -------------------------------------------------------------------------------------------------

    def wonder(self) -> None:
        """Ask for the newest trade."""
        self._asking, self._heard = True, False

    def audit(self) -> None:
        """Do nothing: the ids show every loss."""

    def _missing(self) -> Missing | None:
        """Return the hole right behind what is covered, if one is known."""
        covered = self.cursor.head.covered
        if covered is None:
            if not self.empty:
                return None
            covered = -1
        if self._pending:
            first = self._pending[0]
            return Missing(covered + 1, _end(first) if _start(first) <= covered else _start(first) - 1)
        return Missing(covered + 1, self._known) if self._known > covered else None

    def question(self, now: float) -> Question | None:
        """Return the hole to be filled, or the question for the newest trade. Of a hole too large its start is a gap."""
        missing = self._missing()
        if missing is None:
            self._hole = None
            if not self._asking:
                return None
            return Question("recent" if self.lists_only else "newest")
        if missing.count > self.largest and self.cursor.head.covered is not None:
            cut = missing.last - self.largest
            self._gap(Missing(missing.first, cut), f"more than {self.largest} trades were missing")
            missing = Missing(cut + 1, missing.last)
        if self._hole is None or self._hole[0] != missing.first:
            self._hole = (missing.first, now)
        others = self._pending and len(self._sessions) > 1 and min(self._sessions.values()) < missing.last
        return Question(
            "recent" if self.lists_only else "fill",
            missing=missing,
            since=self.cursor.head.time,
            urgent=True,
            not_before=self._hole[1] + OTHER_SESSION if others else -float("inf"),
        )

    def answer(self, question: Question, rows: Sequence[Trade], *, final: bool) -> bool:
        """Take the answer to a question."""
        rows = sorted(rows, key=_order)
        if question.kind != "fill" and self._asking:
            self._newest(rows)
        missing = self._missing()
        if missing is None or question.kind == "newest":
            return True
        if self.cursor.head.covered is None:
            # The first trades of all: they begin with the lowest that anybody has.
            lowest = [_start(trade) for trade in (*rows[:1], *self._pending[:1])]
            self._place(min(lowest, default=missing.last + 1) - 1)
            self._advance()
            missing = self._missing()
            if missing is None:
                return True
        run, absent = usable(missing, rows)
        if absent is not None:
            older_than_the_list = self.lists_only and bool(rows) and _start(rows[0]) > missing.first
            if not (final or older_than_the_list):
                return False
            reason = (
                "older than what the venue lists" if older_than_the_list else "the venue does not give these trades"
            )
            self._gap(absent, reason, run[0] if run else None)
        if run:
            self.begun = True
            self.filled += len(run)
            self.cursor.put(run, _end(run[-1]))
        self._advance()
        self._caught_up()
        return True

    def _newest(self, rows: Sequence[Trade]) -> None:
        self._asking = False
        position = self.cursor.head
        if not rows:
            self.empty = self.empty or position.covered is None
            self._caught_up()
            return
        newest = rows[-1]
        if position.covered is None and not self.empty:
            self._place(_end(newest))
        elif (
            position.covered is not None
            and _end(newest) <= position.covered
            and position.time is not None
            and newest.time > position.time + RESTART_AFTER
        ):
            self._renumbered(_end(newest))
        else:
            self._known = max(self._known, _end(newest))
        self._caught_up()

    def give_up(self, question: Question, reason: str) -> None:
        """Declare the hole a gap; with another question, go on without an answer."""
        missing = self._missing()
        if missing is None or not question.urgent:
            self._asking = False
            return
        self._gap(missing, reason)
        self._advance()
        self._caught_up()

    def _caught_up(self) -> None:
        if self._missing() is None and (self._heard or not self._asking):
            self._asking, self._interrupted = False, not self._sessions

    # Places ----------------------------------------------------------------------------------------------------

    def _place(self, covered: int) -> None:
        self.cursor.head = attrs.evolve(self.cursor.head, covered=covered)
        if not self.cursor.ready:
            # Nothing has to be delivered to be there.
            self.cursor.done = self.cursor.head

    def _gap(self, missing: Missing, reason: str, behind: Trade | None = None) -> None:
        if behind is None and self._pending and _start(self._pending[0]) == missing.last + 1:
            behind = self._pending[0]
        self.begun = True
        self.filled += 1
        self.cursor.gap(reason, missing=missing, behind=behind)

    def _renumbered(self, last_id: int) -> None:
        """Follow the venue, which has started its ids anew: which ones it gave out up to here is not known."""
        self._pending.sort(key=_order)
        self._advance()
        while self._pending:
            missing = self._missing()
            assert missing is not None, "what is pending is behind a hole"
            self._gap(missing, "the venue started its trade ids anew")
            self._advance()
        self._known = self._top = -1
        self._sessions = dict.fromkeys(self._sessions, -1)
        self.cursor.head = Position(-1, self.cursor.head.id, None)
        if last_id >= 0:
            self._gap(Missing(0, last_id), "the venue started its trade ids anew")


def usable(missing: Missing, rows: Sequence[Trade]) -> tuple[list[Trade], Missing | None]:
    """Pick from an answer, ascending, what fills a hole.

    Returns:
        The first consecutive run of rows inside the range, and the ids before it that the answer does not have: all of
        the range when the answer has nothing to use.
    """
    inside = [row for row in rows if missing.first <= _start(row) and _end(row) <= missing.last]
    if not inside:
        return [], missing
    run = [inside[0]]
    for row in inside[1:]:
        if _start(row) == _end(run[-1]) + 1:
            run.append(row)
        elif _end(row) > _end(run[-1]):
            break
    before = Missing(missing.first, _start(run[0]) - 1) if _start(run[0]) > missing.first else None
    return run, before


def _follow_each_other(firsts: list[Any], ends: list[Any]) -> bool:
    """Say whether there is no hole between trades, and none twice."""
    if firsts == ends:
        return ends == list(range(ends[0], ends[0] + len(ends)))
    return all(first == end + 1 for first, end in zip(firsts[1:], ends, strict=False))


def _start(trade: Trade) -> int:
    return trade.first_id  # type: ignore[return-value]


def _end(trade: Trade) -> int:
    return trade.id  # type: ignore[return-value]


def _order(trade: Trade) -> tuple[int, int]:
    return trade.first_id, trade.id  # type: ignore[return-value]
