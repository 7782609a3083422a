"""What is subscribed on one connection: wanted, asked, acknowledged, listed, refused. Pure: callers pass ``now``.

Theory of operation
-------------------
* A symbol is ``new``, then ``asked``, then ``acknowledged``, then ``confirmed``, or else ``refused``. Where the venue can
  list what is subscribed, only the list confirms: Binance acknowledges nonsense (facts of live behaviour, 2026-07).
  Elsewhere the acknowledgement does.
* Symbols are asked for in batches. Bybit fails a whole batch for one bad topic, and not every venue says which one it
  is: a batch that is refused as a whole is asked for again in halves, until the bad one stands alone.
* Whatever must be answered has a deadline. No answer means that the connection is of no use: `Unsubscribed`. Only the
  further tries of a symbol that was refused before are allowed to stay without one: some venues do not answer those.
* A symbol that is no longer wanted leaves before another one takes its place, so that a venue never counts too many.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, Literal, TypeAlias

import attrs

from .._errors import Unsubscribed
from .._source import Acknowledged, Ask, Listed, PublicSource, Refused

ANSWER_WITHIN: Final = 10.0
"""Seconds that the venue gets for an answer."""
RETRY_EVERY: Final = 300.0
"""Seconds after which a refused symbol is tried again: venues list and halt symbols while we run."""
OUTSTANDING: Final = 8
"""Most requests without an answer at a time."""
SHOWN: Final = 5
"""Most symbols that a message names."""

State: TypeAlias = Literal["new", "asked", "acknowledged", "confirmed", "refused", "leaving"]
Answer: TypeAlias = Acknowledged | Refused | Listed
_VOID: Final = 1000
"""Ids that are remembered of requests that were given up."""
_ON_THE_VENUE: Final = frozenset[State]({"asked", "acknowledged", "confirmed", "leaving"})


@attrs.define
class _Symbol:
    """One symbol on this connection."""

    state: State = "new"
    wanted: bool = True
    renew: bool = False
    """Whether it shall be ended and asked for again."""
    most: int | None = None
    """Most symbols in one request with it; None: as many as the venue takes."""
    refusal: str | None = None
    """Why it was refused, from then on until it is confirmed."""
    retry_at: float = float("inf")
    brought: bool = False
    """Whether data came since it was asked for."""

    @property
    def leaves(self) -> bool:
        """Whether its subscription is to be ended."""
        if self.wanted:
            return self.renew and self.state == "confirmed"
        return self.state in ("acknowledged", "confirmed")


@attrs.define
class _Sent:
    """A request without an answer so far."""

    ask: Ask
    subscribes: bool
    deadline: float
    open: dict[str, None]
    """Its symbols that are not answered for."""


@attrs.define
class News:
    """What has become certain since the last time."""

    confirmed: list[str]
    refused: list[tuple[str, str]]
    """Symbol and reason."""


class Subscriptions:
    """The subscriptions of one connection. Requests come out of `next`, answers go into `answered`."""

    def __init__(
        self, source: PublicSource, *, answer_within: float = ANSWER_WITHIN, retry_every: float = RETRY_EVERY
    ) -> None:
        self._source = source
        self._answer_within = answer_within
        self._retry_every = retry_every
        self._symbols: dict[str, _Symbol] = {}
        self._planned: list[tuple[Ask, bool]] = []
        self._sent: dict[str, _Sent] = {}
        self._void: list[str] = []
        """Ids of requests that were given up; a late refusal of one is not taken for one of a list."""
        self._next_id = 1
        self._nameless: list[Refused] = []
        """Refusals of which nobody can say yet whom they meant; nothing is asked meanwhile."""
        self._list_deadline = float("inf")
        self._news = News([], [])

    # What is wanted --------------------------------------------------------------------------------------------

    def want(self, symbols: Iterable[str]) -> None:
        """Change what is wanted to exactly these."""
        wanted = dict.fromkeys(symbols)
        for name in wanted:
            symbol = self._symbols.setdefault(name, _Symbol())
            if symbol.state == "confirmed" and not symbol.wanted:
                # Whoever dropped it has forgotten that it is here.
                self._news.confirmed.append(name)
            symbol.wanted = True
        for name, symbol in list(self._symbols.items()):
            if name not in wanted:
                symbol.wanted = False
                if symbol.state not in _ON_THE_VENUE:
                    del self._symbols[name]
        self._planned.clear()

    def renew(self, symbols: Iterable[str]) -> None:
        """End and renew the subscriptions of these symbols, as far as there are any."""
        for name in symbols:
            symbol = self._symbols.get(name)
            if symbol is not None and symbol.state == "confirmed":
                symbol.renew = True
        self._planned.clear()

    # What is to be sent ----------------------------------------------------------------------------------------

    def has_next(self, now: float) -> bool:
        """Say whether `next` has something to send."""
        if self._nameless or len(self._sent) >= OUTSTANDING:
            return False
        if not self._planned:
            self._plan(now)
        return bool(self._planned) or self._should_list()

    def next(self, now: float) -> str | None:
        """Return the next request, which the caller sends at once; None: there is nothing to ask, or not yet."""
        if not self.has_next(now):
            return None
        if not self._planned:
            self._list_deadline = now + self._answer_within
            return self._source.list_request()
        ask, subscribes = self._planned.pop(0)
        for name in ask.symbols:
            self._symbols[name].state = "asked" if subscribes else "leaving"
        self._sent[ask.id] = _Sent(ask, subscribes, now + self._answer_within, dict.fromkeys(ask.symbols))
        return ask.text

    def _plan(self, now: float) -> None:
        leaving = [name for name, symbol in self._symbols.items() if symbol.leaves]
        if leaving:
            self._add(self._source.unsubscribe(leaving, self._next_id), subscribes=False)
            return
        new = [name for name, symbol in self._symbols.items() if symbol.state == "new"]
        room = self._source.limits.symbols - sum(s.state in _ON_THE_VENUE for s in self._symbols.values())
        # Those that are no longer wanted make room sooner or later; for what is too much even then there is none.
        most = self._source.limits.symbols - sum(s.wanted and s.state in _ON_THE_VENUE for s in self._symbols.values())
        for name in new[max(0, most) :]:
            self._refuse(name, f"the venue takes {self._source.limits.symbols} symbols a connection", now)
        new = new[: max(0, min(room, most))]
        groups: dict[int | None, list[str]] = {}
        for name in new:
            groups.setdefault(self._symbols[name].most, []).append(name)
        for together, names in groups.items():
            size = together or len(names)
            for start in range(0, len(names), size):
                self._add(self._source.subscribe(names[start : start + size], self._next_id), subscribes=True)

    def _add(self, asks: Sequence[Ask], *, subscribes: bool) -> None:
        self._next_id += len(asks)
        self._planned.extend((ask, subscribes) for ask in asks)

    def _should_list(self) -> bool:
        return (
            not self._planned
            and not self._sent
            and self._list_deadline == float("inf")
            and any(symbol.state == "acknowledged" for symbol in self._symbols.values())
        )

    # What is answered ------------------------------------------------------------------------------------------

    def answered(self, answer: Answer, now: float) -> bool:
        """Take an answer. Return whether it was about anything that was asked here.

        Raises:
            Unsubscribed: The venue refuses to list.
        """
        match answer:
            case Listed():
                return self._listed(answer, now)
            case Acknowledged():
                found = self._meant(answer.id, answer.symbols)
                for sent in found:
                    self._consent(sent, answer.symbols)
                self._attribute(now)
                return bool(found)
            case Refused():
                return self._refused(answer, now)

    @property
    def undecided(self) -> bool:
        """Whether anything is asked that has no answer so far."""
        return bool(self._sent) or self._list_deadline < float("inf")

    def brought(self, symbols: Iterable[str]) -> None:
        """Take note that data came: where the answer is lost, it proves the subscription."""
        for name in symbols:
            symbol = self._symbols.get(name)
            if symbol is not None and symbol.state in ("asked", "acknowledged"):
                symbol.brought = True

    def _meant(self, ask_id: str, symbols: Sequence[str]) -> list[_Sent]:
        """Return the requests that an answer is about."""
        if ask_id:
            return [self._sent[ask_id]] if ask_id in self._sent else []
        if symbols:
            return [sent for sent in self._sent.values() if not sent.open.keys().isdisjoint(symbols)]
        # Neither: venues answer in order.
        return list(self._sent.values())[:1]

    def _consent(self, sent: _Sent, symbols: Sequence[str]) -> None:
        for name in [name for name in sent.open if name in symbols] if symbols else list(sent.open):
            del sent.open[name]
            self._agreed(name, subscribes=sent.subscribes)
        if not sent.open:
            self._sent.pop(sent.ask.id, None)

    def _agreed(self, name: str, *, subscribes: bool) -> None:
        symbol = self._symbols[name]
        symbol.most = None
        if not subscribes:
            self._left(name)
        elif self._source.list_request() is None:
            self._confirm(name)
        else:
            symbol.state = "acknowledged"

    def _left(self, name: str) -> None:
        if self._symbols[name].wanted:
            self._symbols[name] = _Symbol()
            self._planned.clear()
        else:
            del self._symbols[name]

    def _refused(self, answer: Refused, now: float) -> bool:
        if not answer.id and not answer.symbols and self._sent:
            self._nameless.append(answer)
            self._attribute(now)
            return True
        found = self._meant(answer.id, answer.symbols)
        if not found:
            if answer.id in self._void:
                return True
            if self._list_deadline < float("inf") and not answer.symbols:
                raise Unsubscribed(f"the venue refuses to list what is subscribed: {answer.message} ({answer.code})")
            return False
        for sent in found:
            self._judge(sent, answer, now)
        self._attribute(now)
        self._planned.clear()
        return True

    def _judge(self, sent: _Sent, answer: Refused, now: float) -> None:
        del self._sent[sent.ask.id]
        named = [name for name in sent.open if name in answer.symbols]
        unanswered = list(sent.open)
        if not sent.subscribes or (answer.harmless and not named):
            # What cannot be ended is not there; what is there already needs no second subscription.
            for name in unanswered:
                self._agreed(name, subscribes=sent.subscribes)
            return
        for name in unanswered:
            symbol = self._symbols[name]
            if name in named and answer.harmless:
                self._agreed(name, subscribes=True)
            elif name in named or len(unanswered) == 1:
                self._refuse(name, f"{answer.message} ({answer.code})", now)
            else:
                symbol.state = "new"
                symbol.most = symbol.most if named else max(1, len(unanswered) // 2)
                self._forget_if_unwanted(name)

    def _attribute(self, now: float) -> None:
        """Find out whom the refusals meant that do not tell: those that are left when all others are answered."""
        if self._nameless and len(self._sent) <= len(self._nameless):
            for sent, answer in zip(list(self._sent.values()), self._nameless, strict=False):
                self._judge(sent, answer, now)
            self._nameless.clear()
            self._planned.clear()

    def _listed(self, answer: Listed, now: float) -> bool:
        if self._list_deadline == float("inf"):
            return False
        self._list_deadline = float("inf")
        listed = self._source.listed(answer)
        for name, symbol in list(self._symbols.items()):
            if symbol.state == "acknowledged":
                # What was asked for after the list is still `asked`, because lists wait for all answers.
                if name in listed:
                    self._confirm(name)
                else:
                    self._refuse(name, "acknowledged, and not among what the venue lists", now)
            elif symbol.state == "confirmed" and name not in listed:
                symbol.state, symbol.renew = "new", False
                self._forget_if_unwanted(name)
        self._planned.clear()
        return True

    def _confirm(self, name: str) -> None:
        symbol = self._symbols[name]
        symbol.state, symbol.refusal, symbol.retry_at = "confirmed", None, float("inf")
        self._news.confirmed.append(name)
        if not symbol.wanted:
            self._planned.clear()

    def _refuse(self, name: str, reason: str, now: float) -> None:
        symbol = self._symbols[name]
        if symbol.refusal is None:
            self._news.refused.append((name, reason))
        symbol.state, symbol.refusal, symbol.retry_at = "refused", reason, now + self._retry_every
        symbol.renew = False
        self._forget_if_unwanted(name)

    def _forget_if_unwanted(self, name: str) -> None:
        symbol = self._symbols[name]
        if not symbol.wanted and symbol.state not in _ON_THE_VENUE:
            del self._symbols[name]

    # Time ------------------------------------------------------------------------------------------------------

    def due(self) -> float:
        """Return when `check` has something to do."""
        times = [sent.deadline for sent in self._sent.values()]
        times += [symbol.retry_at for symbol in self._symbols.values() if symbol.state == "refused"]
        return min([self._list_deadline, *times])

    def check(self, now: float, *, unread_until: float = -float("inf")) -> None:
        """See to what is overdue: refused symbols are tried again.

        Args:
            now: Seconds.
            unread_until: Until when answers may have waited without being read.

        Raises:
            Unsubscribed: The venue has not answered in time.
        """
        least = unread_until + self._answer_within
        if now >= self._list_deadline:
            self._list_deadline = max(self._list_deadline, least)
        if now >= self._list_deadline:
            acknowledged = [name for name, symbol in self._symbols.items() if symbol.state == "acknowledged"]
            for name in acknowledged:
                if self._symbols[name].brought:
                    self._confirm(name)
            if all(self._symbols[name].brought for name in acknowledged):
                self._list_deadline = float("inf")
        if now >= self._list_deadline:
            raise Unsubscribed(f"not listed within {self._answer_within:g} s: {self._names(('acknowledged',))}")
        for sent in list(self._sent.values()):
            if now >= sent.deadline:
                sent.deadline = max(sent.deadline, least)
            if now >= sent.deadline:
                self._unanswered(sent, now)
        for symbol in self._symbols.values():
            if symbol.state == "refused" and now >= symbol.retry_at:
                symbol.state, symbol.most = "new", 1
                self._planned.clear()

    def _unanswered(self, sent: _Sent, now: float) -> None:
        if sent.subscribes and (proven := [name for name in sent.open if self._symbols[name].brought]):
            self._consent(sent, proven)
            for name in proven:
                if self._symbols[name].state == "acknowledged":
                    self._confirm(name)
            if not sent.open:
                return
        if not sent.subscribes or any(self._symbols[name].refusal is None for name in sent.open):
            what = "subscription" if sent.subscribes else "end of the subscription"
            raise Unsubscribed(f"no answer within {self._answer_within:g} s to the {what} of {_shown(list(sent.open))}")
        del self._sent[sent.ask.id]
        self._void = [*self._void[1 - _VOID :], sent.ask.id]
        for name in sent.open:
            self._refuse(name, self._symbols[name].refusal or "no answer", now)

    # What is so ------------------------------------------------------------------------------------------------

    @property
    def settled(self) -> bool:
        """Whether each wanted symbol is confirmed or has been refused."""
        return all(s.state == "confirmed" or s.refusal is not None for s in self._symbols.values() if s.wanted)

    @property
    def confirmed(self) -> frozenset[str]:
        """The wanted symbols whose data comes."""
        return frozenset(n for n, s in self._symbols.items() if s.wanted and s.state == "confirmed" and not s.renew)

    @property
    def refused(self) -> dict[str, str]:
        """The wanted symbols that the venue refuses, each with the reason."""
        return {n: s.refusal for n, s in self._symbols.items() if s.wanted and s.refusal is not None}

    def news(self) -> News:
        """Return what has become certain since the last call, as far as it still is so."""
        told, self._news = self._news, News([], [])
        confirmed, refused = self.confirmed, self.refused
        told.confirmed = [name for name in dict.fromkeys(told.confirmed) if name in confirmed]
        told.refused = [(name, reason) for name, reason in told.refused if name in refused]
        return told

    def check_hope(self) -> None:
        """Raise `Unsubscribed` if symbols are wanted and every one of them is refused."""
        refused = self.refused
        if refused and self.settled and len(refused) == sum(s.wanted for s in self._symbols.values()):
            reasons = "; ".join(f"{name}: {refused[name]}" for name in list(refused)[:SHOWN])
            more = f"; and {len(refused) - SHOWN} more" if len(refused) > SHOWN else ""
            raise Unsubscribed(f"the venue refuses every symbol of {self._source.channel}: {reasons}{more}")

    def _names(self, states: Sequence[State]) -> str:
        return _shown([name for name, symbol in self._symbols.items() if symbol.state in states])


def _shown(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
