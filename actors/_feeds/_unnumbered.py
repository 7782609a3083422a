"""The track of a symbol whose trade ids prove nothing: text, or numbers with holes by nature. Pure.

The rule: what one session brings has no holes as long as it lives, so that two things are to be shown. Where a session
*joins* what was delivered: one of its trades is one that was delivered already, by another session or by REST. And what
lies between the last trade delivered and a new session, when no other carried on meanwhile: REST's list shows it, if the
list has the last trade delivered. Otherwise there is a gap, of unknown size, perhaps empty.

Until a session has joined, its trades wait, so that nothing comes out of order. The list is asked for after the
subscription was confirmed, and again until it has the session's first trade: REST reads a copy that lags a little.

What a session loses while it lives cannot be seen from what it brings. Every list is therefore compared with what was
delivered, and `audit` has one asked for now and then: a row between two delivered ones was lost, and is declared a gap
between exactly these, although the bot has seen newer trades by then.

Valid for Bybit linear (UUID), KuCoin ``sequence`` and Gate ``id`` (both rise, with holes).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import attrs

from .._records import Gap, Trade
from .._session import Session
from ._audit import Comparison, Place
from ._continuity import Cursor, Question
from ._joint import is_before, merged, number

REMEMBERED: Final = 4_000
"""How many trades are known again. More than any list of REST has."""
HELD: Final = 5_000
"""Most trades of a session that wait for it to join; the oldest give way, and REST has to show them."""
OVERLAP: Final = 1.0
"""Seconds in which a session should join another one that carries on; then REST is asked whether that one is mute."""


@attrs.define(eq=False)
class _Side:
    """One session."""

    joined: bool
    trusted: bool = False
    """It was joined when `wonder` cast a doubt on it."""
    waiting: list[Trade] = attrs.field(factory=list)
    since: float = 0.0
    """When the first of those that wait came."""


@attrs.define
class Unnumbered:
    """Follows one symbol. See `Track`.

    Args:
        cursor: Of the symbol.
        page: Most rows of one answer.
    """

    cursor: Cursor
    page: int = 1000
    begun: bool = False
    """A session was open before: from then on every trade is owed."""
    filled: int = 0
    repeated: int = 0
    dropped: int = 0
    _delivered: dict[int | str, int] = attrs.field(factory=dict)
    """Ids and times of the latest trades that were made ready, in their order."""
    _anchor: Trade | None = None
    """The newest trade that REST knew when the first session was there, and had brought nothing."""
    _unsaid: bool = False
    """That session has ended and had still brought nothing: what came after its beginning, up to the anchor, is missing."""
    _sides: dict[Session, _Side] = attrs.field(factory=dict)
    _asking: bool = False
    _comparison: Comparison = attrs.field(factory=Comparison)
    _interrupted: bool = False
    """Since the last delivery there was a time without a session that had joined."""

    @property
    def complete(self) -> bool:
        """Whether nothing is known, or to be feared, to be missing up to here."""
        return self.begun and not self._interrupted and not any(side.waiting for side in self._sides.values())

    # Sessions --------------------------------------------------------------------------------------------------

    def opened(self, session: Session, now: float) -> None:
        """Take note of a session. The very first has joined: nothing before it is owed."""
        if session in self._sides:
            return
        first = not self.begun
        self.begun = True
        if first or not self._joined():
            self._asking = True
        self._sides[session] = _Side(joined=first)
        self._comparison.again()

    def lost(self, session: Session) -> None:
        """Take note of its end."""
        if self._sides.pop(session, None) is None:
            return
        if not self._joined() and not any(side.trusted for side in self._sides.values()):
            self._interrupted = True
            self._asking = bool(self._sides)
            self._unsaid = self._owes_the_beginning()

    def restarted(self) -> None:
        """Begin anew at what was delivered."""
        for item in self.cursor.restarted():
            self._delivered.pop(getattr(item, "id", ""), None)
        self._sides.clear()
        self._comparison.put_off()
        self._asking, self._interrupted = False, self.begun
        self._unsaid = self._owes_the_beginning()

    def _owes_the_beginning(self) -> bool:
        return self._anchor is not None and self.cursor.head.id is None

    def _joined(self) -> bool:
        return any(side.joined for side in self._sides.values())

    # Live trades -----------------------------------------------------------------------------------------------

    def live(self, session: Session | None, trades: Sequence[Trade], now: float) -> int:
        """Take what a session has brought. What comes from one that is not open is dropped."""
        side = None if session is None else self._sides.get(session)
        if side is None:
            return 0
        if side.joined:
            fresh = self._take(trades)
            if fresh:
                self._asking = False
                if len(self._sides) > 1:
                    self._let_join()
            return fresh
        known = self._delivered
        fresh = sum(1 for trade in trades if trade.id not in known)
        if not side.waiting:
            side.since = now
        side.waiting += trades
        self._let_join()
        if len(side.waiting) > HELD:
            beyond = len(side.waiting) - HELD
            del side.waiting[:beyond]
            self.dropped += beyond
        return fresh

    def _let_join(self) -> None:
        """Let every session join that has brought a trade which was delivered."""
        again = True
        while again:
            again = False
            for side in self._sides.values():
                if side.joined or not side.waiting:
                    continue
                places = [place for place, trade in enumerate(side.waiting) if trade.id in self._delivered]
                if places:
                    self._join(side, side.waiting[places[-1] + 1 :])
                    self.repeated += places[-1] + 1
                    again = True

    def _join(self, side: _Side, rest: Sequence[Trade]) -> None:
        side.joined, side.trusted, side.waiting = True, False, []
        self._interrupted = self._asking = False
        self._take(rest)

    def _take(self, trades: Sequence[Trade]) -> int:
        """Make ready what is new; return how many that are."""
        known, head = self._delivered, self.cursor.head
        new: list[Trade] = []
        last_id, last_time = head.id, head.time
        late: list[Trade] = []
        oldest = next(iter(known.items()), None)
        for trade in trades:
            if trade.id in known:
                self.repeated += 1
            elif last_time is not None and is_before(trade, last_id, last_time):
                if oldest is None or is_before(trade, *oldest):
                    # From before the beginning, or delivered so long ago that it is forgotten.
                    self.repeated += 1
                else:
                    late.append(trade)
            else:
                known[trade.id] = trade.time
                new.append(trade)
                last_id, last_time = trade.id, trade.time
        if late:
            new = self._in_place(late, new)
        self.cursor.put(new)
        if len(known) > 2 * REMEMBERED:
            self._delivered = dict(list(known.items())[-REMEMBERED:])
        return len(new)

    def _in_place(self, late: list[Trade], new: list[Trade]) -> list[Trade]:
        """Put trades that came in the wrong order in front of new ones, where they are not too late for that."""
        head = self.cursor.head
        in_time: list[Trade] = []
        for trade in late:
            if head.time is not None and is_before(trade, head.id, head.time):
                self._too_late(trade)
            else:
                in_time.append(trade)
                self._delivered[trade.id] = trade.time
        return sorted((*new, *in_time), key=lambda trade: (trade.id if isinstance(trade.id, int) else 0, trade.time))

    def _too_late(self, trade: Trade) -> None:
        """Declare a trade a gap that is in hand and must not be handed over: the bot has seen newer ones."""
        behind: Place = (None, None)
        front: Place = (None, None)
        for known in reversed(self._delivered.items()):
            if not is_before(trade, *known):
                front = known
                break
            behind = known
        self._delivered[trade.id] = trade.time
        self._late_gap(
            front, behind, "one session has lost it, and another brought it too late to be delivered in order"
        )

    def _late_gap(self, front: Place, behind: Place, reason: str) -> None:
        self.cursor.add(
            Gap(
                venue=self.cursor.venue,
                symbol=self.cursor.symbol,
                after_id=front[0],
                before_id=behind[0],
                after_time=front[1],
                before_time=behind[1],
                first_id=None,
                last_id=None,
                reason=reason,
                received=self.cursor.clock(),
            )
        )

    # Questions -------------------------------------------------------------------------------------------------

    def audit(self) -> None:
        """Have the list compared with what was delivered. Nothing waits for it."""
        self._comparison.wanted = True

    def wonder(self) -> None:
        """Ask for the list, and let live trades wait until it is there: what came before them may be missing."""
        self._asking = True
        self._comparison.again()
        for side in self._sides.values():
            side.trusted = side.trusted or side.joined
            side.joined = False

    def question(self, now: float) -> Question | None:
        """Return the question for the list, when a session has to join or a silence is to be judged."""
        if not self._sides:
            return None
        since = self.cursor.head.time
        waiting = [side.since for side in self._sides.values() if side.waiting]
        if waiting and not self._joined():
            # Behind a mere doubt nobody waits for long.
            return Question("recent", since=since, urgent=not any(side.trusted for side in self._sides.values()))
        if self._asking:
            return Question("recent", since=since)
        if waiting:
            return Question("recent", since=since, urgent=True, not_before=min(waiting) + OVERLAP)
        if self._comparison.wanted:
            return Question("recent", since=self._comparison.until)
        return None

    def answer(self, question: Question, rows: Sequence[Trade], *, final: bool) -> bool:
        """Take the list."""
        waiting = any(side.waiting for side in self._sides.values())
        if not waiting:
            for front, behind, reason in self._comparison.compare(rows, self._delivered, question.since):
                self._late_gap(front, behind, reason)
        if not (waiting or self._asking):
            return True
        if self.cursor.head.id is None and not self._knows_a_beginning(rows, waiting=waiting):
            return True
        new = self._behind_the_last(rows)
        if new is None:
            if not (final or self._is_newer(rows)):
                return False
            if not self._is_newer(rows) and any(side.trusted for side in self._sides.values()):
                # An answer without use is no reason to believe what was only doubted.
                self.give_up(question, "")
                return True
            new = list(rows) if self._is_newer(rows) else []
            first = new[0] if new else self._first_waiting()
            self._gap("REST's list does not reach back to the last trade", first)
        live = {trade.id for side in self._sides.values() for trade in side.waiting}
        progress = bool(new)
        self.filled += sum(1 for row in new if row.id not in live)
        self._take(self._with_waiting(new))
        self._let_join()
        if not new:
            self._trust()
        for side in self._sides.values():
            side.trusted = False
        if any(side.waiting for side in self._sides.values()):
            if progress:
                return True
            if not final:
                return False
            self._decree("REST's list never had the first trade of the new session")
        # A full page may not have been all, where REST pages by time.
        self._asking = len(rows) >= self.page and progress
        self._interrupted = self._interrupted and self._asking
        return True

    def _knows_a_beginning(self, rows: Sequence[Trade], *, waiting: bool) -> bool:
        """Say whether there is a trade to go on from, before the first one was delivered."""
        if self._anchor is None and not self._interrupted and not waiting:
            # As long as the first session lives, it brings what it owes; afterwards one can go on from here.
            self._anchor = rows[-1] if rows else None
            self._asking = False
            return False
        anchor = self._anchor
        if anchor is None or any(trade.id == anchor.id for side in self._sides.values() for trade in side.waiting):
            # No trade from before the first subscription is known: the first that a session brings is the beginning.
            if self._interrupted and (rows or waiting):
                self._gap("the first session ended before it brought a trade", self._first_waiting())
            for side in self._sides.values():
                self._join(side, side.waiting)
            self._asking = self._interrupted = self._unsaid = False
            return False
        self._delivered.setdefault(anchor.id, anchor.time)
        if self._unsaid:
            self._unsaid = False
            behind = self._behind_the_last(rows)
            self._gap(
                "the first session ended before it brought a trade", behind[0] if behind else self._first_waiting()
            )
        return True

    def _behind_the_last(self, rows: Sequence[Trade]) -> list[Trade] | None:
        """Return the rows behind the last one that was delivered; None if the list does not have that."""
        for place in range(len(rows) - 1, -1, -1):
            if rows[place].id in self._delivered:
                return list(rows[place + 1 :])
        last = self.cursor.head.id
        if isinstance(last, int) and rows and number(rows[0]) <= last <= number(rows[-1]):
            return [row for row in rows if number(row) > last]
        return None

    def _is_newer(self, rows: Sequence[Trade]) -> bool:
        if not rows:
            return False
        head = self.cursor.head
        return head.time is None or not is_before(rows[-1], head.id, head.time)

    def _with_waiting(self, rows: Sequence[Trade]) -> Sequence[Trade]:
        """Let the sessions join whose trades the rows have, and return all of it in order."""
        for side in self._sides.values():
            if side.joined or not side.waiting:
                continue
            both = merged(rows, side.waiting)
            if both is not None:
                rows = both
                side.joined, side.trusted, side.waiting = True, False, []
                self._interrupted = False
        return rows

    def _trust(self) -> None:
        """End the doubt: there is nothing new, so that nothing was missed."""
        for side in self._sides.values():
            if side.trusted:
                self._join(side, side.waiting)

    def _decree(self, reason: str) -> None:
        """Let the session that has waited longest join, behind a gap."""
        side = min((side for side in self._sides.values() if side.waiting), key=lambda side: side.since)
        if not (self.cursor.ready and isinstance(self.cursor.ready[-1], Gap)):
            self._gap(reason, side.waiting[0])
        self._join(side, side.waiting)
        self._let_join()

    def _first_waiting(self) -> Trade | None:
        waiting = [side for side in self._sides.values() if side.waiting]
        return min(waiting, key=lambda side: side.since).waiting[0] if waiting else None

    def _gap(self, reason: str, behind: Trade | None) -> None:
        self.filled += 1
        self.cursor.gap(reason, behind=behind)

    def give_up(self, question: Question, reason: str) -> None:
        """Go on without an answer: behind a gap, where trades wait and there was an interruption."""
        head = self.cursor.head
        doubted = any(side.trusted for side in self._sides.values())
        self._comparison.put_off((head.id, head.time) if doubted and head.time is not None else None)
        self._asking = False
        self._trust()
        if question.urgent and any(side.waiting for side in self._sides.values()):
            self._decree(reason)
