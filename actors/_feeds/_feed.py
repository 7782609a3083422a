"""The owner of a feed of trades: every trade of many symbols once and in order, or an explicit gap (law L2).

Theory of operation
-------------------
* The feed outlives its connections. What they bring comes in batches over the `inflow` mailbox; what goes out goes into
  `out`. Each symbol has a `Track`, which outlives the feed too. It moves on in the same synchronous step that puts trades
  into `out`: at every moment a trade is in `out` and the track is past it, or neither. So a feed that fails in the middle
  of a batch delivers the rest of it again, from REST, and nothing twice.
* What is missing is asked for by `Filler`, a few symbols at a time. A symbol that waits for an answer keeps its live
  trades, in bounded number; the others go on. What REST cannot give becomes a `Gap` in its place.
* Several sessions may bring the same symbol. Whoever brings a trade first delivers it.
* Silence is judged by `Silence`, which orders questions to the venue (law L4).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final, TypeVar

import attrs
import trio

from supervisor import Backoff, Mailbox, Me, actor

from .._messages import (
    Batch,
    Hold,
    Inflow,
    Lost,
    Opened,
    Order,
    Reconnect,
    Rejected,
    Resubscribe,
    Subscribed,
    Wanted,
    kept,
)
from .._net._http import Http, open_http
from .._records import FeedItem, SymbolChange, Trade
from .._session import Session
from .._source import TradeSource
from .._wall_clock import now_ms
from ..ops._vitals import StreamVital, facts
from ._audit import Audits
from ._continuity import Cursor, Track
from ._filling import Desk, Filler
from ._numbered import Numbered
from ._owner import Lines, by_symbol, wanted_of
from ._silence import Action, Probe, Silence
from ._unnumbered import Unnumbered

ANCHORS: Final = 20
"""Of how many symbols the newest trade is asked for before anything is subscribed. A feed of more does not wait for so
many answers: those of its symbols that bring nothing at first are asked about after the subscription."""
PROBES: Final = 0.2
"""Of the venue's allowance: what questions about silence may use in the long run."""
UNWELL: Final = 1.0
"""Seconds for which a live symbol may wait for what is missing before it is said not to be live."""
REMIND: Final = 10.0
"""Seconds after which the order to reconnect is given again to a session that does not end."""

_FAR: Final = float("inf")
T = TypeVar("T")


@actor(ready_within=15.0, first_start="retry", max_failures=None, backoff=Backoff(floor=0.25, base=0.5, cap=60.0))
@attrs.frozen
class Feed:
    """Delivers the trades of some symbols into ``out``."""

    source: TradeSource
    rest: str
    inflow: Mailbox[Inflow[Trade]]
    out: Mailbox[FeedItem]
    controls: tuple[Mailbox[Order], ...]
    """One for each connection actor."""
    hold: Mailbox[Hold]
    cursors: Mailbox[dict[str, Track]]
    wanted: Mailbox[Wanted]
    changes: Mailbox[SymbolChange] | None
    silence: float
    """Longest time in seconds without a trade after which the venue is asked whether there was one."""
    patience: float
    """Seconds without progress after which missing trades become a gap: live trades wait behind them."""
    largest: int
    """Most trades that a backfill fetches; of a longer hole only the end is filled."""
    transport: Any = None
    symbols: tuple[str, ...] = ()
    """Those to begin with, as `source.symbol` spells them; afterwards `wanted` has them."""
    required: bool = True
    """Whether the bot is unhealthy without it."""

    async def run(self, me: Me) -> None:
        """Deliver until cancelled. Cancellation loses nothing: the tracks say what was delivered."""
        hold = kept(self.hold, Hold)
        async with (
            open_http(
                self.rest, self.source.failure, hold=hold, transport=self.transport, limit=self.source.limits.rest
            ) as http,
            trio.open_nursery() as nursery,
        ):
            http.tidy_in(nursery)
            await _Run(self, me, http, nursery).run(nursery)

    def track(self, symbol: str) -> Track:
        """Return the track of a symbol of which nothing was delivered yet."""
        cursor = Cursor(self.source.venue, symbol, now_ms)
        if self.source.dense:
            return Numbered(cursor, lists_only=self.source.lists_only, largest=self.largest)
        return Unnumbered(cursor, page=self.source.page)


class _Run:
    """One incarnation of the feed."""

    def __init__(self, feed: Feed, me: Me, http: Http, nursery: trio.Nursery) -> None:
        self._feed = feed
        self._me = me
        self._lines = Lines(feed.controls, wanted_of(feed.wanted, feed.symbols))
        self._tracks = kept(feed.cursors, dict[str, Track])
        self._silence = Silence(feed.silence, _pace(feed))
        self._marks: dict[Session, dict[str, tuple[int, int]]] = {}
        """By session and symbol, time and number of the last trade that it brought."""
        self._audits = None if feed.source.dense else Audits(feed.source.page, _pace(feed))
        desk = Desk(feed.source, feed.out, feed.patience, me, http, self._tracks, self._look, self._found)
        self._filler = Filler(desk, nursery)
        self._mute: dict[str, None] = {}
        """Symbols of which REST has news that no session brings. Mostly none, and then a dict takes a third of a set."""
        self._look_at: dict[str, float] = {}
        """When to look at a symbol again."""
        self._unwell: dict[str, float] = {}
        """Since when a symbol that was live waits for what is missing."""
        self._given_up: dict[Session, Reconnect] = {}
        self._remind_at = _FAR
        self._nap: trio.CancelScope | None = None
        self._strays = 0
        self._nursery = nursery
        self._under_way = 0
        """How many tasks still work on what came before: until they have done, what comes waits its turn."""
        self._lags: dict[str, float] = {}
        """Milliseconds from the venue's stamp to our receiving, of each symbol's last trade."""

    def _facts(self) -> dict[str, Any]:
        now = trio.current_time()
        streams = [self._sign(symbol, now) for symbol in self._lines.wanted.symbols]
        return facts("feed", self._feed.source.venue, required=self._feed.required, streams=streams)

    def _sign(self, symbol: str, now: float) -> StreamVital:
        track = self._tracks.get(symbol)
        age, limit, rate = self._silence.signs(symbol, now)
        return StreamVital(
            symbol,
            live=track is not None and track.cursor.telling is True,
            reason="starting" if track is None else track.cursor.reason,
            age=age,
            limit=limit,
            rate=rate,
            lag=self._lags.get(symbol),
            gaps=0 if track is None else track.cursor.gaps,
        )

    async def run(self, nursery: trio.Nursery) -> None:
        self._me.expose(self._facts)
        for symbol in list(self._tracks.keys() - self._lines.wanted.symbols.keys()):
            del self._tracks[symbol]
        fresh = [symbol for symbol in self._lines.wanted.symbols if symbol not in self._tracks]
        for track in self._tracks.values():
            track.restarted()
        for symbol in fresh:
            self._tracks[symbol] = self._feed.track(symbol)
        if self._feed.source.dense and len(fresh) <= ANCHORS:
            # Before the connection is opened: then nothing that is published after it can lie before the anchor.
            await self._filler.anchor(fresh)
        # Ready before the first item goes out: whoever takes it may be started only after us.
        self._me.ready()
        for track in self._tracks.values():
            track.cursor.state("starting", live=False)
            await self._filler.flush(track)
        if self._feed.changes is not None:
            nursery.start_soon(self._follow, self._feed.changes)
        with self._feed.inflow.handed_to(self._arrived):
            while True:
                messages = await self._while_watching(self._feed.inflow.receive_many)
                self._under_way += 1
                for message in messages:
                    behind = self._batch(message) if isinstance(message, Batch) else self._heard(message)
                    if behind:
                        await self._while_watching(partial(self._flush, behind))
                self._under_way -= 1
                if self._watch_at() <= trio.current_time():
                    self._look_round()

    def _arrived(self, message: Inflow[Trade]) -> bool:
        """Deliver a batch at once, in the task of the connection, unless what came before it is still under way."""
        if self._under_way or not isinstance(message, Batch):
            return False
        try:
            behind = self._batch(message)
        except Exception as error:  # noqa: BLE001 - it is this feed's failure, and not the connection's
            self._under_way += 1
            self._nursery.start_soon(_fail, error)
            return True
        self._flush_beside(behind)
        return True

    def _flush_beside(self, behind: list[Track]) -> None:
        if behind:
            self._under_way += 1
            self._nursery.start_soon(self._catch_up, behind)

    async def _catch_up(self, behind: list[Track]) -> None:
        await self._flush(behind)
        self._under_way -= 1

    async def _flush(self, tracks: list[Track]) -> None:
        for track in tracks:
            await self._filler.flush(track)

    # What the connections say ----------------------------------------------------------------------------------

    def _batch(self, message: Batch[Trade]) -> list[Track]:
        """Deliver a batch as far as there is room in ``out``; return the tracks that still have something ready."""
        behind = list[Track]()
        session, now = message.session, trio.current_time()
        for symbol, trades in by_symbol(message.items).items():
            track = self._tracks.get(symbol)
            if track is None:
                self._stray(symbol, len(trades))
                continue
            fresh = track.live(session, trades, now)
            if session is not None and self._is_news_of(session, symbol, trades[-1]):
                self._silence.heard(session, symbol, fresh, now, message.waited)
            if fresh:
                self._lags[symbol] = trades[-1].received - trades[-1].time
                self._mute.pop(symbol, None)
                self._filler.forget(symbol)
                self._audited(symbol, track, fresh, now)
            self._look(symbol, "in order")
            if track.cursor.ready and not self._filler.flush_nowait(track):
                behind.append(track)
        self._wake(self._silence.next_at)
        return behind

    def _audited(self, symbol: str, track: Track, fresh: int, now: float) -> bool:
        """Take note of new trades; return whether they are to be compared with REST's list, after so many or so long."""
        due = self._audits is not None and self._audits.arrived(symbol, fresh, now)
        if due:
            track.audit()
        return due

    def _is_news_of(self, session: Session, symbol: str, last: Trade) -> bool:
        """Say whether a session has not brought this before: one that repeats itself is as good as mute."""
        marks = self._marks.setdefault(session, {})
        mark = (last.time, last.id if isinstance(last.id, int) else 0)
        if mark <= marks.get(symbol, (-1, 0)):
            return False
        marks[symbol] = mark
        return True

    def _stray(self, symbol: str, count: int) -> None:
        if not self._strays:
            self._me.note("not_wanted", symbol=str(symbol)[:40])
        self._strays += count

    def _heard(self, message: Opened | Subscribed | Rejected | Lost) -> list[Track]:
        """Take news of a session; return the tracks that may have something ready."""
        now = trio.current_time()
        heard = self._lines.hear(message)
        session = message.session
        if isinstance(message, (Opened, Subscribed)):
            self._silence.opened(session, heard.gained, now)
            for symbol in heard.gained:
                self._mute.pop(symbol, None)
                self._filler.forget(symbol)
                self._tracks[symbol].opened(session, now)
        else:
            self._given_up.pop(session, None)
            self._end(session, heard.lost)
        told = [track for symbol in heard.gained | heard.lost if (track := self._tracks.get(symbol)) is not None]
        for track in told:
            self._look(track.cursor.symbol, heard.reason or "caught up")
        if isinstance(message, Rejected):
            told += self._filler.refused(message.symbol, message.reason)
        self._wake(self._silence.next_at)
        return told

    def _end(self, session: Session, symbols: frozenset[str]) -> None:
        self._silence.lost(session, symbols)
        self._marks.pop(session, None)
        for symbol in symbols:
            track = self._tracks.get(symbol)
            if track is not None:
                track.lost(session)

    # How a symbol is -------------------------------------------------------------------------------------------

    def _look(self, symbol: str, reason: str) -> None:
        """See what a symbol needs, and whether it is live."""
        track = self._tracks.get(symbol)
        if track is None:
            return
        now = trio.current_time()
        question = track.question(now)
        if question is not None:
            if question.not_before > now:
                self._look_at[symbol] = question.not_before
                self._wake(question.not_before)
            else:
                self._filler.add(symbol)
        cursor = track.cursor
        if symbol in self._mute or self._filler.is_refused(symbol) or not self._lines.having(symbol):
            self._unwell.pop(symbol, None)
            cursor.state(reason, live=False)
        elif track.complete:
            self._unwell.pop(symbol, None)
            cursor.state(reason, live=True)
        elif cursor.telling and now - self._unwell.setdefault(symbol, now) >= UNWELL:
            cursor.state("waiting for what is missing", live=False)
        elif cursor.telling:
            again = self._unwell[symbol] + UNWELL
            self._look_at[symbol] = min(self._look_at.get(symbol, again), again)
            self._wake(again)

    def _found(self, symbol: str, *, news: bool | None) -> None:
        """Take the answer to a question about silence."""
        now = trio.current_time()
        if self._filler.is_refused(symbol):
            self._silence.forget(symbol)
        track = self._tracks.get(symbol)
        # The stream may repeat itself for long, and what it lost before that is to be found all the same.
        if news and track is not None and self._audited(symbol, track, 1, now):
            self._filler.add(symbol)
        self._act(self._silence.told(symbol, now, news=news))
        self._wake(self._silence.next_at)

    # Silence ---------------------------------------------------------------------------------------------------

    def _wake(self, at: float) -> None:
        if self._nap is not None and at < self._nap.deadline:
            self._nap.deadline = at

    def _watch_at(self) -> float:
        return min(self._silence.next_at, self._remind_at, *self._look_at.values(), _FAR)

    async def _while_watching(self, wait: Callable[[], Awaitable[T]]) -> T:
        """Wait for something that a cancellation does not lose, and look round meanwhile whenever it is time.

        So neither silence nor a slow consumer keeps the watch from its work, and it needs no task of its own.
        """
        while True:
            # Never in the past: what already waits in the mailbox comes first.
            with trio.CancelScope(deadline=max(self._watch_at(), trio.current_time() + 0.01)) as self._nap:
                return await wait()
            self._look_round()

    def _look_round(self) -> None:
        """See to all that is due."""
        now = trio.current_time()
        self._act(self._silence.due(now))
        if self._remind_at <= now:
            self._remind(now)
        behind = list[Track]()
        for symbol in [symbol for symbol, at in self._look_at.items() if at <= now]:
            del self._look_at[symbol]
            track = self._tracks.get(symbol)
            if track is not None:
                self._look(symbol, "complete again")
                if not self._filler.flush_nowait(track):
                    behind.append(track)
        self._flush_beside(behind)

    def _act(self, actions: list[Action]) -> None:
        for action in actions:
            if isinstance(action, Probe):
                self._filler.probe(action.symbol)
                continue
            now = trio.current_time()
            symbols = self._lines.symbols(action.session)
            if isinstance(action, Resubscribe):
                symbols = action.symbols
                reason = "mute: its subscription is renewed"
            else:
                reason = action.reason
                symbols = self._lines.give_up(action.session)
                self._given_up[action.session] = action
                self._remind_at = min(self._remind_at, now + REMIND)
            for symbol in symbols:
                if symbol in self._tracks:
                    self._tracks[symbol].lost(action.session)
            self._mute |= {symbol: None for symbol in symbols if len(self._lines.having(symbol)) <= 1}
            self._me.note("mute", symbols=sorted(symbols)[:5], count=len(symbols), reason=reason)
            self._lines.order(action)
            for symbol in symbols:
                self._look(symbol, reason)
                self._look_at[symbol] = now
            self._wake(now)

    def _remind(self, now: float) -> None:
        for order in self._given_up.values():
            self._lines.order(order)
        self._remind_at = now + REMIND if self._given_up else _FAR

    # Changes ---------------------------------------------------------------------------------------------------

    async def _follow(self, changes: Mailbox[SymbolChange]) -> None:
        async for change in changes:
            before = dict(self._tracks)
            added, dropped = self._lines.change(change, self._feed.source.symbol, self._me.note)
            for symbol in dropped:
                self._tracks.pop(symbol, None)
                self._silence.forget(symbol)
                self._lags.pop(symbol, None)
                self._filler.forget(symbol)
                if self._audits is not None:
                    self._audits.forget(symbol)
                for kept_for in (self._look_at, self._unwell):
                    kept_for.pop(symbol, None)
                self._mute.pop(symbol, None)
            for symbol in added:
                self._tracks[symbol] = self._feed.track(symbol)
            for symbol in dropped:
                track = before.get(symbol)
                if track is not None:
                    track.cursor.state("unsubscribed", live=False, again=True)
                    await self._filler.flush(track)
            for symbol in added:
                self._tracks[symbol].cursor.state("starting", live=False)
                await self._filler.flush(self._tracks[symbol])


def _pace(feed: Feed) -> float:
    """Return how many seconds apart questions about silence are, in the long run."""
    limit = feed.source.limits.rest
    weight = max((feed.source.newest_request(symbol).weight for symbol in feed.symbols[:1]), default=1)
    return limit.within * weight / (PROBES * limit.weight)


async def _fail(error: Exception) -> None:  # noqa: ASYNC124 - asynchronous for the nursery; a wait could lose the error
    raise error
