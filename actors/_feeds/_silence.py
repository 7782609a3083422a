"""When is silence a failure? The ladder from quiet to replaced, for every symbol of every session. Pure.

Theory of operation
-------------------
* Silence is judged by asking the venue (law L4), never by pings: a connection can answer pings for days and bring
  nothing. After the symbol's own limit (`Rhythm`) a question is due. No news: the symbol is quiet, and the next question
  comes after twice the time, up to the declared silence. News that the stream does not bring within a short grace: the
  session's subscription of the symbol is renewed, once. Still mute: the session is replaced, with the supervisor's
  backoff behind it.
* Where two sessions have a symbol, each is judged by the other without a question.
* A session as a whole has a rhythm too. When all of it is silent one or two of its symbols are asked about, the
  busiest, and not all: when those are mute the session is.
* When the venue cannot be asked, three times the declared silence is enough to replace a session that brings nothing.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, TypeAlias

import attrs

from .._messages import Reconnect, Resubscribe
from .._session import Session
from ._rhythm import Rhythm

FAR: Final = float("inf")
GRACE: Final = (0.5, 2.0)
"""Seconds, least and most: REST may know something a moment before the stream brings it."""
RENEWAL: Final = 3.0
"""Seconds in which the venue must confirm a renewed subscription."""
GIVE_UP: Final = 3
"""Times the declared silence, when the venue cannot be asked."""
FEW: Final = 2
"""How many symbols are asked about when all of a session is silent."""
SAME: Final = 4
"""Questions without news before the time between them begins to grow."""
BURST: Final = 4
"""Questions at once, before they are paced."""

_POSTPONED: Final = 5.0
_SETTLED: Final = 0.5
"""Seconds without an item, or since the subscription, before the items of other sessions are held against one."""
_EPSILON: Final = 1e-6
"""Seconds. Time is added up in floating point: what is due in a microsecond is due."""


class Rung(Enum):
    """How far up the ladder a symbol of a session is."""

    LISTENING = "listening"
    ASKED = "asked"
    DOUBTED = "doubted"
    """There is news; the grace runs."""
    RENEWED = "renewed"
    """Its subscription was ordered anew."""


@attrs.frozen
class Probe:
    """Ask the venue whether the symbol has news, and say what came out with `Silence.told`."""

    symbol: str


Action: TypeAlias = Probe | Resubscribe | Reconnect


@attrs.define(eq=False)
class _Symbol:
    """What is known of one symbol, whoever brings it."""

    rhythm: Rhythm = attrs.field(factory=Rhythm)
    last: float | None = None
    """When something new came; None: what lies between then and the next item is no natural silence."""
    ears: dict[Session, _Ear] = attrs.field(factory=dict)


@attrs.define(eq=False)
class _Ear:
    """What is known of one symbol on one session."""

    session: Session
    symbol: str
    heard: float
    due: float
    wait: float
    """Seconds from the last question, or from the last item, to the next question."""
    quiet: int = 0
    """Questions since the last item, all without news."""
    rung: Rung = Rung.LISTENING
    renewed: bool = False
    """A renewal was ordered since the last item."""
    behind: float | None = None
    """Since when another session has brought something that this one has not."""


@attrs.define(eq=False)
class _Whole:
    """What is known of one session, whatever it brings."""

    heard: float
    due: float = FAR
    rhythm: Rhythm = attrs.field(factory=Rhythm)
    ears: dict[str, _Ear] = attrs.field(factory=dict)


class Silence:
    """Listens to all sessions of one feed.

    Args:
        most: The declared silence in seconds: the longest time without a question.
        pace: Seconds between questions in the long run, so that many quiet symbols leave REST to others.
    """

    def __init__(self, most: float, pace: float) -> None:
        self._most = most
        self._pace = pace
        self._paid_until = -FAR
        self._sessions: dict[Session, _Whole] = {}
        self._symbols: dict[str, _Symbol] = {}
        self.next_at = FAR
        """When `due` is worth calling, at the latest; it may come earlier with every other call."""

    def limit(self, symbol: str) -> float:
        """Return after how many seconds of silence the symbol is asked about."""
        known = self._symbols.get(symbol)
        return self._most if known is None else known.rhythm.limit(self._most)

    def grace(self, symbol: str) -> float:
        """Return for how many seconds the stream may lag behind REST."""
        return _grace(self.limit(symbol))

    def signs(self, symbol: str, now: float) -> tuple[float | None, float | None, float | None]:
        """Return seconds since the last new item, the seconds that are well so far, and the items per second.

        A question that finds no news makes the second larger: the symbol is quiet, and that is known. None: not known,
        or the venue is being asked.
        """
        known = self._symbols.get(symbol)
        if known is None or known.last is None or not known.ears:
            return None, None, None
        due = max(ear.due for ear in known.ears.values())
        limit = None if due == FAR else due - known.last + GRACE[1]
        return now - known.last, limit, known.rhythm.rate

    # What happens ----------------------------------------------------------------------------------------------

    def opened(self, session: Session, symbols: frozenset[str], now: float) -> None:
        """Listen to these symbols on a session from now on; or again, after a renewal."""
        whole = self._sessions.setdefault(session, _Whole(now))
        ears = whole.ears
        for symbol in symbols:
            ear = ears.get(symbol)
            if ear is None:
                limit = self.limit(symbol)
                ear = _Ear(session, symbol, heard=now, due=now + limit, wait=limit)
                ears[symbol] = ear
                known = self._symbols.setdefault(symbol, _Symbol())
                if not known.ears:
                    known.last = None
                known.ears[session] = ear
            elif ear.rung is Rung.RENEWED:
                ear.rung, ear.behind = Rung.LISTENING, None
                ear.wait = max(self.limit(symbol), self.grace(symbol))
                ear.due = now + ear.wait
            self._earlier(ear.due)

    def lost(self, session: Session, symbols: frozenset[str] | None = None) -> None:
        """Stop listening to symbols of a session, or to all of it."""
        whole = self._sessions.get(session)
        if whole is None:
            return
        ears = whole.ears
        for symbol in list(ears) if symbols is None else symbols:
            if ears.pop(symbol, None) is not None:
                del self._symbols[symbol].ears[session]
        if not ears:
            del self._sessions[session]

    def forget(self, symbol: str) -> None:
        """Forget everything about a symbol."""
        known = self._symbols.get(symbol)
        if known is not None:
            for session in list(known.ears):
                self.lost(session, frozenset((symbol,)))
            del self._symbols[symbol]

    def heard(self, session: Session, symbol: str, fresh: int, now: float, waited: float = 0.0) -> None:
        """Take note that a session has brought items of a symbol.

        Args:
            session: Which.
            symbol: Of the items.
            fresh: How many of them no other session had brought before.
            now: Trio's time.
            waited: Seconds since they came: so much of the silence behind them has passed already.
        """
        known = self._symbols.get(symbol)
        ear = None if known is None else known.ears.get(session)
        if known is None or ear is None:
            return
        at = now - waited
        if fresh:
            # A silence that was a failure teaches nothing.
            if known.last is not None and ear.rung is not Rung.DOUBTED and not ear.renewed:
                known.rhythm.arrived(max(0.0, at - known.last), fresh)
            known.last = at if known.last is None else max(at, known.last)
        ear.heard, ear.rung, ear.renewed, ear.behind, ear.quiet = at, Rung.LISTENING, False, None, 0
        ear.wait = known.rhythm.limit(self._most)
        ear.due = max(now, at + ear.wait)
        whole = self._sessions[session]
        if len(whole.ears) > 1:
            whole.rhythm.arrived(max(0.0, at - whole.heard), 1)
            whole.due = max(now, at + whole.rhythm.limit(self._most))
            self._earlier(whole.due)
        whole.heard = max(at, whole.heard)
        self._earlier(ear.due)
        if fresh and len(known.ears) > 1:
            for other in known.ears.values():
                if other is not ear and other.behind is None and now - other.heard >= _SETTLED:
                    other.behind = now
                    if other.rung is Rung.LISTENING:
                        other.due = min(other.due, now + self.grace(symbol))
                        self._earlier(other.due)

    def told(self, symbol: str, now: float, *, news: bool | None) -> list[Action]:
        """Take note of the answer to a `Probe`.

        Args:
            symbol: Of the probe.
            now: Trio's time.
            news: Whether the venue has something that the streams have not brought; None: it cannot be asked.
        """
        actions: list[Action] = []
        known = self._symbols.get(symbol)
        if known is None:
            return actions
        for ear in list(known.ears.values()):
            if ear.rung is not Rung.ASKED:
                continue
            silent = now - ear.heard
            if news:
                whole = self._sessions[ear.session]
                # A session of many symbols brings something all the time: when it does not, that tells sooner.
                limit = min(self.limit(symbol), whole.rhythm.limit(self._most))
                ear.rung, ear.due = Rung.DOUBTED, now + _grace(limit)
            elif news is None and now - self._sessions[ear.session].heard >= GIVE_UP * self._most - _EPSILON:
                reason = f"{symbol} silent for {silent:.0f} s, and the venue cannot be asked why"
                actions += self._replace(ear.session, reason)
                continue
            else:
                ear.rung = Rung.LISTENING
                if news is False:
                    known.rhythm.quiet_for(silent)
                ear.quiet += 1
                ear.wait = min(self._most, max(ear.wait * (1 if ear.quiet < SAME else 2), self.limit(symbol)))
                ear.due = now + ear.wait
                if ear.behind is not None:
                    ear.due = min(ear.due, ear.behind + self.grace(symbol))
                whole = self._sessions[ear.session]
                if len(whole.ears) > 1:
                    whole.due = now + ear.wait
                    self._earlier(whole.due)
            self._earlier(ear.due)
        return actions

    # What to do ------------------------------------------------------------------------------------------------

    def due(self, now: float) -> list[Action]:
        """Return what is to be done now. Sessions that are to be replaced are not listened to any more."""
        actions: list[Action] = []
        for session in list(self._sessions):
            actions += self._look_at(session, now + _EPSILON)
        self.next_at = min(
            (due for whole in self._sessions.values() for due in (whole.due, *(e.due for e in whole.ears.values()))),
            default=FAR,
        )
        return actions

    def _look_at(self, session: Session, now: float) -> list[Action]:
        whole = self._sessions[session]
        ears = whole.ears
        late = [ear for ear in ears.values() if ear.due <= now]
        if not late and whole.due > now:
            return []
        mute = [ear for ear in late if self._is_mute(ear, now)]
        all_silent = len(ears) > 1 and now - whole.heard >= whole.rhythm.limit(self._most)
        if mute:
            names = ", ".join(sorted(ear.symbol for ear in mute)[:3])
            silent = max(now - ear.heard for ear in mute)
            again = any(ear.renewed for ear in mute)
            if all_silent or again:
                how = "still mute after its subscription was renewed" if again else "mute, as is all of the session"
                return self._replace(session, f"{names}: {how}; nothing for {silent:.1f} s, while there is news")
            for ear in mute:
                ear.rung, ear.renewed, ear.due = Rung.RENEWED, True, now + RENEWAL
            return [Resubscribe(session, frozenset(ear.symbol for ear in mute))]
        if all_silent:
            whole.due = now + self._most
            return self._ask_about(session, list(ears.values()), late, now, most=FEW)
        whole.due = FAR
        return self._ask_about(session, late, late, now, most=len(late))

    def _is_mute(self, ear: _Ear, now: float) -> bool:
        if ear.rung in (Rung.DOUBTED, Rung.RENEWED):
            return True
        return ear.behind is not None and now - ear.behind >= self.grace(ear.symbol)

    def _ask_about(
        self, session: Session, candidates: list[_Ear], late: list[_Ear], now: float, *, most: int
    ) -> list[Action]:
        """Ask about the busiest of the candidates, and put off what else is late."""
        actions: list[Action] = []
        under_way = sum(ear.rung in (Rung.ASKED, Rung.DOUBTED) for ear in self._sessions[session].ears.values())
        listening = [ear for ear in candidates if ear.rung is Rung.LISTENING]
        listening.sort(key=lambda ear: -self._symbols[ear.symbol].rhythm.rate)
        room = most - (under_way if most == FEW else 0)
        for ear in listening[: max(room, 0)]:
            if not self._may_ask(now):
                break
            actions.append(Probe(ear.symbol))
            ear.rung, ear.due = Rung.ASKED, FAR
            for other in self._symbols[ear.symbol].ears.values():
                # Whoever is due about the same symbol gets the same answer.
                if other.rung is Rung.LISTENING and other.due <= now:
                    other.rung, other.due = Rung.ASKED, FAR
        for ear in late:
            if ear.rung is Rung.LISTENING:
                ear.due = now + (_POSTPONED if most == FEW else self._pace)
        return actions

    def _may_ask(self, now: float) -> bool:
        paid = max(self._paid_until, now)
        if paid - now > (BURST - 1) * self._pace:
            return False
        self._paid_until = paid + self._pace
        return True

    def _replace(self, session: Session, reason: str) -> list[Action]:
        self.lost(session)
        return [Reconnect(session, reason)]

    def _earlier(self, at: float) -> None:
        self.next_at = min(self.next_at, at)


def _grace(limit: float) -> float:
    least, most = GRACE
    return min(max(least, 0.4 * limit), most)
