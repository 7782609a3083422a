"""The owner of a feed of quotes: the best bid and ask of each symbol, never an older one after a newer one.

Theory of operation
-------------------
* Only the newest quote matters: nothing is fetched that was missed. A quote whose sequence is not above the last one
  delivered is dropped: it is a repetition, or another session has been faster. `Cursor` says which was the last; it
  outlives the owner.
* Sequences may start anew: a lower one with a time `RENUMBERED` later is news. Where quotes have no time (Binance spot),
  a lower one is news on a connection that was opened `SETTLED` after the last quote.
* After a connection comes up the venue is asked for the present quote: some venues send one only when it changes, and it
  may have changed before. Until one or the other has come the symbol is not live.
* A symbol is mute when REST has another quote and the stream brings nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Final

import attrs
import trio

from supervisor import Backoff, Mailbox, Me, actor

from .._messages import Hold, Inflow, Order, Wanted, kept
from .._net._http import Http, open_http
from .._records import FeedState, Quote, QuoteItem, SymbolChange
from .._session import Session
from .._source import HttpRequest, QuoteSource
from .._wall_clock import now_ms
from ..ops._vitals import VitalKind
from ._asking import Errands, Unavailable, UnknownSymbol
from ._owner_loop import LEAST, QUESTION, OwnerLoop

RENUMBERED: Final = 5_000
"""Milliseconds by the venue's clock."""
SETTLED: Final = 1.0
"""Seconds. One of a venue's servers may be behind another one by less."""


def quote_key(item: QuoteItem) -> tuple[str, str, bool]:
    """The ``key`` of a conflating mailbox for quotes: a quote replaces a quote, a state replaces a state."""
    return item.venue, item.symbol, isinstance(item, FeedState)


@attrs.define
class Cursor:
    """How far a symbol has been delivered. Outlives the owner."""

    quote: Quote | None = None
    """The last one delivered."""
    sequence: int | None = None
    """The highest of the stream's; None: none has come."""
    time: int | None = None
    """Of that one, by the venue's clock."""
    at: float = -float("inf")
    """When that one came, on Trio's clock."""
    session: Session | None = None
    """Who brought it."""
    older: int = 0
    """How many were dropped because a newer one had been delivered."""
    repeated: int = 0
    """How many were dropped because they had been delivered."""
    refused: int = 0
    """How many found no room in ``out``."""


@actor(ready_within=15.0, first_start="retry", max_failures=None, backoff=Backoff(floor=0.25, base=0.5, cap=60.0))
@attrs.frozen
class Quotes:
    """Delivers the best bid and ask of some symbols into ``out``."""

    source: QuoteSource
    symbols: tuple[str, ...]
    """At first; `wanted` and `changes` say which later."""
    rest: str
    inflow: Mailbox[Inflow[Quote]]
    out: Mailbox[QuoteItem] = attrs.field()
    controls: tuple[Mailbox[Order], ...]
    hold: Mailbox[Hold]
    cursors: Mailbox[dict[str, Cursor]]
    wanted: Mailbox[Wanted]
    changes: Mailbox[SymbolChange] | None
    silence: float
    """Longest time in seconds without a quote after which the venue is asked whether there is another one."""
    transport: Any = None
    required: bool = True
    """Whether the bot is unhealthy without it."""

    @out.validator
    def _check_out(self, _: Any, out: Mailbox[QuoteItem]) -> None:
        if out.overflow not in ("block", "conflate") and out.capacity < LEAST:
            raise ValueError(f"mailbox {out.name!r}: quotes need a capacity of {LEAST}, or the overflow 'block'")

    async def run(self, me: Me) -> None:
        """Deliver until cancelled. Cancellation loses nothing that the next quote would not replace."""
        hold = kept(self.hold, Hold)
        async with (
            open_http(
                self.rest, self.source.failure, hold=hold, transport=self.transport, limit=self.source.limits.rest
            ) as http,
            trio.open_nursery() as nursery,
        ):
            http.tidy_in(nursery)
            await _Delivery(self, me, http, nursery).run()


class _Delivery(OwnerLoop):
    """One incarnation of the owner."""

    _newest_wins: ClassVar[bool] = True
    _vital: ClassVar[VitalKind] = "quotes"

    def __init__(self, quotes: Quotes, me: Me, http: Http, nursery: trio.Nursery) -> None:
        self._quotes = quotes
        self._cursors = kept(quotes.cursors, dict[str, Cursor])
        self._sessions: dict[str, dict[Session, float]] = {}
        """Who brings a symbol, and since when."""
        self._catching_up = Errands(nursery, self._catch_up)
        super().__init__(quotes, me, http, nursery)

    # Symbols and sessions --------------------------------------------------------------------------------------

    def _added(self, symbol: str) -> None:
        self._cursors.setdefault(symbol, Cursor())
        self._sessions[symbol] = {}

    def _dropped(self, symbol: str) -> None:
        self._cursors.pop(symbol, None)
        self._sessions.pop(symbol, None)

    def _again(self, symbol: str) -> None:
        live = self._is_live(symbol)
        quote = self._cursors[symbol].quote
        if live and quote is not None:
            self._items += [quote, self._state(symbol, "asked for again", live=True)]
        else:
            self._items.append(self._state(symbol, "asked for again", live=live))

    def _gained(self, session: Session, symbol: str) -> None:
        self._sessions[symbol][session] = trio.current_time()
        if not self._is_live(symbol):
            self._catching_up.add(symbol)

    def _lost(self, session: Session, symbol: str, reason: str) -> None:
        sessions = self._sessions.get(symbol)
        if sessions is not None and sessions.pop(session, None) is not None and not sessions:
            self._say(symbol, reason, live=False)

    def _is_live(self, symbol: str) -> bool:
        return self._states.said.get(symbol, False)

    # Quotes ----------------------------------------------------------------------------------------------------

    def _batch(self, session: Session, items: Sequence[Quote], received: int, waited: float) -> None:
        now = trio.current_time()
        fresh: dict[str, int] = {}
        for quote in items:
            symbol = quote.symbol
            sessions = self._sessions.get(symbol)
            if sessions is None:
                continue
            if session not in sessions:
                if session not in self._lines.having(symbol):
                    continue
                # It was taken for mute, and was not.
                sessions[session] = now
            cursor = self._cursors[symbol]
            new = self._is_new(cursor, quote, session, sessions[session])
            fresh[symbol] = fresh.get(symbol, 0) + new
            if new:
                cursor.sequence, cursor.time, cursor.at, cursor.session = quote.sequence, quote.time, now, session
                cursor.quote = quote
                self._items.append(quote)
                if quote.time is not None:
                    self._lags[symbol] = received - quote.time
                if not self._is_live(symbol):
                    self._say(symbol, "quoted", live=True)
        for symbol, count in fresh.items():
            self._silence.heard(session, symbol, count, now, waited)

    def _is_new(self, cursor: Cursor, quote: Quote, session: Session, opened: float) -> bool:
        if cursor.sequence is None or quote.sequence > cursor.sequence:
            return True
        if quote.sequence == cursor.sequence:
            # Where the sequence is a time in milliseconds, two may have the same.
            if session is cursor.session and (cursor.quote is None or not _same(quote, cursor.quote)):
                return True
            cursor.repeated += 1
            # After an interruption a repetition is the proof that nothing has changed.
            return not self._is_live(quote.symbol)
        if quote.time is not None and cursor.time is not None:
            restarted = quote.time > cursor.time + RENUMBERED
        else:
            restarted = opened > cursor.at + SETTLED
        if restarted:
            self._me.note("renumbered", symbol=quote.symbol, old=cursor.sequence, new=quote.sequence)
            return True
        cursor.older += 1
        return False

    async def _catch_up(self, symbol: str) -> None:
        """Get the present quote, unless the stream is faster."""
        cursor = self._cursors.get(symbol)
        if cursor is None or self._is_live(symbol):
            return
        before = cursor.quote
        source = self._quotes.source
        request = source.newest_request(symbol)
        try:
            newest = await self._ask(request, lambda body: source.newest(symbol, body, now_ms()), QUESTION)
        except (Unavailable, UnknownSymbol) as problem:
            # The next quote of the stream does as well, or the next question.
            self._me.note("not_caught_up", symbol=symbol, reason=str(problem)[:200])
            return
        async with self._turn:
            if self._cursors.get(symbol) is cursor and self._sessions[symbol] and cursor.quote is before:
                self._seen(symbol, cursor, newest)
                await self._deliver()

    def _seen(self, symbol: str, cursor: Cursor, newest: Quote) -> None:
        """REST has told the present quote, and the stream has brought none since it was asked."""
        if self._is_live(symbol):
            return
        if cursor.quote is None or not _same(newest, cursor.quote):
            # Not every venue's REST numbers as its stream does: a foreign number would shut out the stream's.
            quote = attrs.evolve(newest, sequence=cursor.sequence or 0)
            cursor.quote = quote
            self._items.append(quote)
        self._say(symbol, "as REST has it", live=True)

    # Silence and room ------------------------------------------------------------------------------------------

    def _question(self, symbol: str) -> HttpRequest:
        return self._quotes.source.newest_request(symbol)

    def _news(self, symbol: str, body: bytes) -> bool | None:
        newest = self._quotes.source.newest(symbol, body, now_ms())
        cursor = self._cursors.get(symbol)
        if cursor is None or not self._sessions[symbol]:
            return None
        if cursor.quote is None:
            return True
        behind = newest.time is not None and cursor.time is not None and newest.time < cursor.time
        if behind or _same(newest, cursor.quote):
            self._seen(symbol, cursor, cursor.quote)
            return False
        return True

    def _tend(self, now: float) -> None:
        """Nothing is due but what finds room now."""

    def _refused(self, item: QuoteItem) -> None:
        cursor = self._cursors.get(item.symbol)
        if cursor is not None and isinstance(item, Quote):
            cursor.refused += 1

    def _counted(self) -> dict[str, int]:
        cursors = self._cursors.values()
        return {
            "older": sum(cursor.older for cursor in cursors),
            "repeated": sum(cursor.repeated for cursor in cursors),
            "refused": sum(cursor.refused for cursor in cursors),
        }

    def _owed(self, symbol: str) -> Sequence[QuoteItem]:
        live = self._is_live(symbol)
        state = self._state(symbol, "as it is now, after items found no room in the mailbox", live=live)
        cursor = self._cursors.get(symbol)
        if cursor is None:
            self._states.forget(symbol)
        return [state] if cursor is None or cursor.quote is None or not live else [cursor.quote, state]

    def _touched_by_a_drop(self) -> set[str]:
        # Quotes are replaced by the next ones, the word that there will be none is not.
        return {symbol for symbol in self._lines.wanted.symbols if not self._is_live(symbol)}


def _same(one: Quote, other: Quote) -> bool:
    return (one.bid, one.bid_quantity, one.ask, one.ask_quantity) == (
        other.bid,
        other.bid_quantity,
        other.ask,
        other.ask_quantity,
    )
