"""The owner of a public feed: every trade once and in order, or an explicit gap (law L2).

Theory of operation
-------------------
* The feed outlives its connections. What they bring comes in batches over the `inflow` mailbox; what goes out goes into
  `out`. The `Cursor` says how far. It outlives the feed too, and moves in the same synchronous step that puts trades into
  `out`: at every moment a trade is in `out` and the cursor is past it, or neither. So a feed that fails in the middle of a
  batch delivers the rest of it again, from REST, and nothing twice.
* A hole is filled by REST before anything behind it goes out. Live batches wait in `inflow` meanwhile; when that is full,
  the connection waits. What REST cannot give becomes a `Gap` in its place.
* Every new connection is followed by a question for the newest trade, so that what a quiet symbol traded during an
  outage does not have to wait for its next trade to be noticed.
* Silence is judged by asking (law L4): the venue has something newer: the connection is mute, and is replaced. It has
  nothing newer: the symbol is quiet, and nothing happens.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Final

import attrs
import trio

from supervisor import Backoff, Mailbox, Me, actor

from ._continuity import RESTART_AFTER, Cursor, Missing, in_order, start_of, step, usable
from ._errors import BadFrame, HttpFailure, RateLimited
from ._http import Http, open_http
from ._messages import Batch, Hold, Inflow, Opened, Order, Reconnect, Session, kept
from ._records import FeedItem, FeedState, Gap, Trade
from ._source import HttpRequest, TradeSource

QUESTION: Final = 5.0
"""Seconds for the question for the newest trade. Live trades wait meanwhile, and would tell the same."""
GRACE: Final = 2.0
"""Seconds. REST may know a trade a moment before the stream brings it; a connection is mute only after this."""
RETRIES: Final = 3
"""How often ids that REST skips or does not have yet are asked for again; it reads a copy that lags a little."""
RETRY_DELAYS: Final = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds between attempts of a REST request, the last one repeated."""
BURST: Final = 8
"""Pages of a backfill at full speed; after them one each `PACE` seconds keeps within every venue's weight limit."""
PACE: Final = 0.5


class _Unavailable(Exception):
    """REST did not give an answer within the declared patience."""


@actor(ready_within=15.0, first_start="retry", max_failures=None, backoff=Backoff(floor=0.25, base=0.5, cap=60.0))
@attrs.frozen
class Feed:
    """Delivers the trades of one symbol into ``out``."""

    source: TradeSource
    rest: str
    inflow: Mailbox[Inflow[Trade]]
    out: Mailbox[FeedItem]
    control: Mailbox[Order]
    hold: Mailbox[Hold]
    cursor: Mailbox[Cursor]
    silence: float
    """Seconds without a trade after which the venue is asked whether there was one."""
    patience: float
    """Seconds without progress after which a backfill becomes a gap: live trades wait behind it."""
    largest: int
    """Most trades that a backfill fetches; of a longer hole only the end is filled."""
    transport: Any = None

    async def run(self, me: Me) -> None:
        """Deliver until cancelled. Cancellation loses nothing: the cursor says what was delivered."""
        async with open_http(
            self.rest, self.source.failure, hold=kept(self.hold, Hold), transport=self.transport
        ) as http:
            await _Delivery(self, me, http).run()


class _Delivery:
    """One incarnation of the feed."""

    def __init__(self, feed: Feed, me: Me, http: Http) -> None:
        self._feed = feed
        self._source = feed.source
        self._me = me
        self._http = http
        self._cursor = kept(feed.cursor, Cursor)
        self._session: Session | None = None
        self._live: bool | None = None
        self._news_at = trio.current_time()
        """When the last new trade came, or the venue last said that there is none."""
        self._ask_at = self._news_at + feed.silence
        """When the venue is asked next, unless news come before."""

    async def run(self) -> None:
        if self._cursor.last is None:
            # Before the connection is opened: then nothing that is published after it can lie before the anchor.
            try:
                await self._anchor()
            except _Unavailable as problem:
                self._me.note("no_anchor", reason=str(problem))
        # Ready before the first item goes out: whoever takes it may be started only after us.
        self._me.ready()
        await self._say(live=False, reason="starting")
        while True:
            messages: list[Inflow[Trade]] | None = None
            with trio.move_on_at(self._next_question()):
                messages = await self._feed.inflow.receive_many()
            if messages is None:
                await self._ask_whether_mute()
            else:
                await self._take(messages)

    def _next_question(self) -> float:
        if self._session is None:
            return float("inf")
        # Never in the past: what already waits in the mailbox comes first.
        return max(self._ask_at, trio.current_time() + 0.01)

    # What the connection says ----------------------------------------------------------------------------------

    async def _take(self, messages: Sequence[Inflow[Trade]]) -> None:
        trades: list[Trade] = []
        for message in messages:
            if isinstance(message, Batch):
                trades += message.items
                continue
            await self._trades(trades)
            trades = []
            if isinstance(message, Opened):
                await self._opened(message)
            elif message.session is self._session:
                self._session = None
                await self._say(live=False, reason=message.reason)
        await self._trades(trades)

    async def _trades(self, trades: Sequence[Trade]) -> None:
        if not trades:
            return
        rest = in_order(trades)
        if self._cursor.last is None and self._cursor.empty:
            try:
                await self._begin_with_the_first_ever()
            except _Unavailable as problem:
                self._me.note("no_anchor", reason=str(problem))
        start = start_of(self._cursor, rest)
        assert start is not None, "a batch that is not empty has a start"
        self._cursor.last = start
        before = self._cursor.last
        while rest:
            taken = step(self._last(), self._cursor.time, rest)
            self._cursor.repeated += taken.repeated
            await self._deliver(taken.ready)
            if taken.restarted:
                await self._renumbered(taken.rest[0].id - 1)
            elif taken.missing is not None:
                await self._fill(taken.missing, taken.rest[0])
            rest = taken.rest
        if self._last() != before:
            self._heard()
            if self._session is not None:
                await self._say(live=True, reason="in order")

    async def _opened(self, message: Opened) -> None:
        self._session = message.session
        self._heard()
        try:
            if self._cursor.last is None and not self._cursor.empty:
                await self._anchor()
            else:
                await self._catch_up(await self._newest())
        except _Unavailable as problem:
            # The next live trade shows what is missing, or the next question does.
            self._me.note("not_caught_up", reason=str(problem))
            return
        await self._say(live=True, reason="caught up")

    # Silence ---------------------------------------------------------------------------------------------------

    async def _ask_whether_mute(self) -> None:
        session = self._session
        assert session is not None, "without a connection nobody asks"
        silent = trio.current_time() - self._news_at
        try:
            newest = await self._newest()
        except _Unavailable as problem:
            silent = trio.current_time() - self._news_at
            if silent >= 3 * self._feed.silence:
                await self._reconnect(session, f"silent for {silent:.0f} s, and REST cannot tell why: {problem}")
            else:
                self._ask_at = trio.current_time() + self._feed.silence
            return
        if not self._is_news(newest):
            self._heard()
            await self._say(live=True, reason="quiet, and so is the venue")
            return
        messages: list[Inflow[Trade]] | None = None
        with trio.move_on_after(GRACE):
            messages = await self._feed.inflow.receive_many()
        if messages is not None:
            await self._take(messages)
            return
        await self._reconnect(session, f"no trade for {silent:.0f} s, while the venue has newer ones")
        try:
            await self._catch_up(newest)
        except _Unavailable as problem:
            self._me.note("not_caught_up", reason=str(problem))

    async def _reconnect(self, session: Session, reason: str) -> None:
        self._session = None
        self._me.note("mute", reason=reason)
        self._feed.control.send_nowait(Reconnect(session, reason))
        await self._say(live=False, reason=reason)

    def _is_news(self, newest: Trade | None) -> bool:
        if newest is None:
            return False
        last, at = self._cursor.last, self._cursor.time
        return last is None or newest.id > last or (at is not None and newest.time > at + RESTART_AFTER)

    def _heard(self) -> None:
        self._news_at = trio.current_time()
        self._ask_at = self._news_at + self._feed.silence

    # Filling holes ---------------------------------------------------------------------------------------------

    async def _anchor(self) -> None:
        newest = await self._newest()
        if newest is None:
            self._cursor.empty = True
        else:
            self._cursor.last = newest.id

    async def _begin_with_the_first_ever(self) -> None:
        rows = await self._fetch(self._source.backfill_request(0, 1), trio.current_time() + QUESTION)
        if rows:
            self._cursor.last = rows[0].id - 1

    async def _newest(self) -> Trade | None:
        rows = await self._fetch(self._source.newest_request(), trio.current_time() + QUESTION)
        return rows[-1] if rows else None

    async def _catch_up(self, newest: Trade | None) -> None:
        if newest is None:
            return
        if self._cursor.last is None:
            await self._begin_with_the_first_ever()
        if self._cursor.last is None:
            return
        if newest.id > self._cursor.last:
            await self._fill(Missing(self._cursor.last + 1, newest.id), None)
        elif self._is_news(newest):
            await self._renumbered(newest.id)

    async def _fill(self, missing: Missing, behind: Trade | None) -> None:
        """Deliver a range from REST, and gaps for what cannot be had."""
        started = trio.current_time()
        gaps = 0
        if missing.count > self._feed.largest:
            cut = missing.last - self._feed.largest
            await self._gap(cut, None, f"more than {self._feed.largest} trades were missing")
            gaps += 1
        deadline = trio.current_time() + self._feed.patience
        retries = pages = 0
        while self._last() < missing.last:
            rest = Missing(self._last() + 1, missing.last)
            request = self._source.backfill_request(rest.first, min(rest.count, self._source.page))
            try:
                rows = await self._fetch(request, deadline)
            except _Unavailable as problem:
                await self._gap(rest.last, behind, str(problem))
                gaps += 1
                break
            run, absent = usable(rest, rows)
            if absent is not None:
                retries += 1
                if retries <= RETRIES and trio.current_time() < deadline:
                    await trio.sleep(RETRY_DELAYS[retries - 1])
                    continue
                await self._gap(absent.last, run[0] if run else behind, "the venue does not give these trades")
                gaps += 1
            await self._deliver(run)
            retries = 0
            deadline = trio.current_time() + self._feed.patience
            pages += 1
            if pages >= BURST and self._last() < missing.last:
                await trio.sleep(PACE)
        self._me.note(
            "backfilled",
            first=missing.first,
            last=missing.last,
            gaps=gaps,
            seconds=round(trio.current_time() - started, 3),
        )

    async def _fetch(self, request: HttpRequest, deadline: float) -> list[Trade]:
        """Ask until there is an answer or the deadline.

        Raises:
            _Unavailable: There was none, with the last reason.
        """
        attempt = 0
        while True:
            try:
                with trio.fail_at(deadline):
                    reply = await self._http.request(request)
                rows = self._source.rows(reply.body)
            except trio.TooSlowError:
                raise _Unavailable(f"{request} was not answered in time") from None
            except RateLimited as limited:
                reason, wait = str(limited), limited.retry_after
            except (HttpFailure, BadFrame) as failure:
                reason, wait = str(failure), RETRY_DELAYS[min(attempt, len(RETRY_DELAYS) - 1)]
                # The last attempt comes shortly before the deadline, not long before it.
                left = deadline - trio.current_time() - RETRY_DELAYS[0]
                wait = min(wait, left) if left > RETRY_DELAYS[0] else wait
            else:
                self._source.stamp(rows, _now_ms())
                return rows
            attempt += 1
            if trio.current_time() + wait >= deadline:
                raise _Unavailable(reason)
            await trio.sleep(wait)

    async def _renumbered(self, last_id: int) -> None:
        """The venue has started its ids anew: what it numbered up to here in the new way is not known."""
        self._me.note("renumbered", old=self._last(), new=last_id)
        self._cursor.last, self._cursor.time = -1, None
        await self._gap(last_id, None, "the venue started its trade ids anew")

    # Delivering ------------------------------------------------------------------------------------------------

    async def _deliver(self, trades: Sequence[Trade]) -> None:
        out, place = self._feed.out, 0
        while place < len(trades):
            await out.wait_writable()
            # From here to the cursor there is no checkpoint.
            taken = out.send_many_nowait(trades[place:] if place else trades)
            if taken:
                place += taken
                self._cursor.passed(trades[place - 1])

    async def _gap(self, last_id: int, behind: Trade | None, reason: str) -> None:
        gap = Gap(
            venue=self._source.venue,
            symbol=self._source.symbol,
            first_id=self._last() + 1,
            last_id=last_id,
            after_time=self._cursor.time,
            before_time=None if behind is None else behind.time,
            reason=reason,
            received=_now_ms(),
        )
        await self._put(gap)
        self._cursor.skipped(last_id)
        self._me.note("gap", first=gap.first_id, last=gap.last_id, reason=reason)

    async def _say(self, *, live: bool, reason: str) -> None:
        if live == self._live:
            return
        state = FeedState(self._source.venue, self._source.symbol, live, reason, _now_ms())
        await self._put(state)
        self._live = live

    async def _put(self, item: FeedItem) -> None:
        """Put one item into ``out``; what follows the call runs without a checkpoint in between."""
        while True:
            await self._feed.out.wait_writable()
            if self._feed.out.send_many_nowait((item,)):
                return

    def _last(self) -> int:
        last = self._cursor.last
        assert last is not None, "there is a cursor before anything is delivered"
        return last


def _now_ms() -> int:
    return int(time.time() * 1000)
