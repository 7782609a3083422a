"""Asks REST for what symbols lack, a few symbols at a time, and puts into the mailbox what is ready."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

import attrs
import trio

from supervisor import Mailbox, Me

from .._net._http import Http
from .._records import FeedItem, Trade
from .._source import HttpRequest, TradeSource
from .._wall_clock import now_ms
from ._asking import Errands, Unavailable, UnknownSymbol, ask
from ._continuity import Question, Track

QUESTION: Final = 5.0
"""Seconds for a question on which no trade waits."""
DOUBT: Final = 2.0
"""Seconds for a question about silence: where ids prove nothing, live trades wait for its answer."""
LAG: Final = (0.25, 0.5, 1.0, 2.0)
"""Seconds until what REST does not have yet is asked for again: it reads a copy that lags a little."""


class Look(Protocol):
    """Sees what a symbol needs, and whether it is live."""

    def __call__(self, symbol: str, reason: str) -> None:
        """Look at a symbol."""


class Found(Protocol):
    """Takes the answer to a question about silence."""

    def __call__(self, symbol: str, *, news: bool | None) -> None:
        """Take it: whether there is news, or None when the venue cannot be asked."""


@attrs.frozen
class Desk:
    """What a `Filler` works with."""

    source: TradeSource
    out: Mailbox[FeedItem]
    patience: float
    me: Me
    http: Http
    tracks: dict[str, Track]
    look: Look
    found: Found


class Filler:
    """Settles symbols: asks until their tracks have no question left.

    Two tasks may deliver the same symbol; what one takes from its track's `ready` is in the mailbox before the other can
    look.
    """

    def __init__(self, desk: Desk, nursery: trio.Nursery) -> None:
        self._desk = desk
        self._errands = Errands(nursery, self._settle)
        # Mostly empty, and then a dict takes a third of a set.
        self._probing: dict[str, None] = {}
        self._refused: dict[str, None] = {}
        """By REST."""
        self._reasons: dict[str, str] = {}
        """Why each refused symbol is, as was said last."""

    def add(self, symbol: str) -> None:
        """Have a symbol settled."""
        if symbol not in self._refused:
            self._errands.add(symbol)

    def is_refused(self, symbol: str) -> bool:
        """Whether REST has said that there is no such symbol, and nothing has spoken against it since."""
        return symbol in self._refused

    def probe(self, symbol: str) -> None:
        """Have the venue asked whether a symbol has news."""
        self._probing[symbol] = None
        self._errands.add(symbol)

    def forget(self, symbol: str) -> None:
        """Begin anew with a symbol."""
        self._probing.pop(symbol, None)
        self._refused.pop(symbol, None)
        self._reasons.pop(symbol, None)

    async def anchor(self, symbols: Sequence[str]) -> None:
        """Ask for the newest trade of each symbol, for a bounded time; not at all where its turn comes later than that."""
        with trio.move_on_after(QUESTION):
            async with trio.open_nursery() as nursery:
                for symbol in symbols:
                    self._desk.tracks[symbol].wonder()
                    nursery.start_soon(self._ask_all, symbol, self._desk.tracks[symbol], QUESTION)

    async def flush(self, track: Track) -> None:
        """Put what is ready into the mailbox. Cancellation: what was not put in stays ready."""
        out, cursor = self._desk.out, track.cursor
        while cursor.ready:
            # Between these two there is no checkpoint.
            taken = out.send_many_nowait(cursor.ready)
            cursor.delivered(taken)
            if not taken:
                await out.wait_writable()

    def flush_nowait(self, track: Track) -> bool:
        """Put what is ready into the mailbox as far as there is room; return whether that was all."""
        cursor = track.cursor
        cursor.delivered(self._desk.out.send_many_nowait(cursor.ready))
        return not cursor.ready

    def refused(self, symbol: str, reason: str) -> list[Track]:
        """Say that the venue does not bring a symbol; once, unless the reason changes. Returns the tracks to flush."""
        track = self._desk.tracks.get(symbol)
        if track is not None and self._reasons.get(symbol) != reason:
            self._reasons[symbol] = reason
            self._desk.me.note("refused", symbol=symbol, reason=reason)
            track.cursor.state(f"refused: {reason}", live=False, again=True)
            return [track]
        return []

    # One symbol ------------------------------------------------------------------------------------------------

    async def _settle(self, symbol: str) -> None:
        track = self._desk.tracks.get(symbol)
        probing = symbol in self._probing
        self._probing.pop(symbol, None)
        if track is None:
            return
        if probing:
            track.wonder()
        before, started = track.filled, trio.current_time()
        answered = await self._ask_all(symbol, track, DOUBT if probing else QUESTION)
        if self._desk.tracks.get(symbol) is not track:
            return
        if track.filled > before:
            self._desk.me.note(
                "backfilled",
                symbol=symbol,
                count=track.filled - before,
                seconds=round(trio.current_time() - started, 3),
            )
        self._desk.look(symbol, "caught up")
        await self.flush(track)
        if probing:
            self._desk.found(symbol, news=True if track.filled > before else False if answered else None)

    async def _ask_all(self, symbol: str, track: Track, least: float) -> bool:
        """Ask until there is no question left, or no answer; return whether there were answers."""
        tries = 0
        since = trio.current_time()
        while self._desk.tracks.get(symbol) is track:
            now = trio.current_time()
            question = track.question(now)
            if question is None or question.not_before > now:
                return True
            until = since + (self._desk.patience if question.urgent else least)
            try:
                rows = await self._ask(symbol, question, until)
            except UnknownSymbol as problem:
                self._refused[symbol] = None
                for told in self.refused(symbol, str(problem)):
                    await self.flush(told)
                return False
            except Unavailable as problem:
                if self._desk.tracks.get(symbol) is not track:
                    return False
                track.give_up(question, str(problem))
                if not (question.urgent or track.complete):
                    self._desk.me.note("not_caught_up", symbol=symbol, reason=str(problem))
                await self._deliver(track)
                following = track.question(trio.current_time())
                if not question.urgent and not (following is not None and following.urgent):
                    return False
                # What has become urgent meanwhile has waited already.
                since = trio.current_time() if question.urgent else since
                tries = 0
                continue
            if self._desk.tracks.get(symbol) is not track:
                return False
            helped = track.answer(question, rows, final=tries >= len(LAG) or trio.current_time() >= until)
            await self._deliver(track)
            if helped:
                tries, since = 0, trio.current_time()
            else:
                await trio.sleep(LAG[min(tries, len(LAG) - 1)])
                tries += 1
        return False

    async def _ask(self, symbol: str, question: Question, until: float) -> list[Trade]:
        source = self._desk.source
        return await ask(
            self._desk.http,
            source,
            _request(source, symbol, question),
            lambda body: source.rows(symbol, body, now_ms()),
            until=until,
        )

    async def _deliver(self, track: Track) -> None:
        for gap in track.cursor.declared:
            self._desk.me.note(
                "gap",
                symbol=gap.symbol,
                first=gap.first_id,
                last=gap.last_id,
                after=gap.after_id,
                before=gap.before_id,
                reason=gap.reason,
            )
        track.cursor.declared.clear()
        await self.flush(track)


def _request(source: TradeSource, symbol: str, question: Question) -> HttpRequest:
    if question.missing is not None and question.kind == "fill":
        return source.fill_request(symbol, question.missing)
    if question.kind == "newest":
        return source.newest_request(symbol)
    return source.recent_request(symbol, question.since)
