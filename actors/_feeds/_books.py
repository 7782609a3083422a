"""The owner of a feed of order books: each symbol's updates, beginning with a snapshot, without a hole.

Theory of operation
-------------------
* Each symbol has a `BookSync`, which knows the venue's rule, and the book itself (`Ladder`). An update is applied here
  before it goes out. So one that would cross the book never goes out, the book can be sent whole at any time without
  asking the venue, and it can be compared with what REST says.
* A break concerns one symbol: its reader is told that it is not live, and it begins again, with a snapshot by REST or by
  renewing its subscription. The more often it breaks, the longer until it is tried again (`PAUSE`).
* An update that found no room in ``out`` is not lost sight of: when there is room, the reader is told that the book is
  not live, and gets all of it.
* A book is mute when REST has another one and the stream brings nothing. The best `SAME` levels are compared, not the
  numbers: of most venues those by REST are others than those of the stream.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Final

import attrs
import trio

from supervisor import Backoff, Mailbox, Me, actor

from .._messages import Hold, Inflow, Order, Resubscribe, Wanted, kept
from .._net._http import Http, open_http
from .._records import BookItem, BookUpdate, FeedState, SymbolChange
from .._session import Session
from .._source import BookSource, Depth, HttpRequest
from .._wall_clock import now_ms
from ..ops._vitals import VitalKind
from ._asking import Errands, Unavailable, UnknownSymbol
from ._book import Ladder
from ._book_sync import BookSync, Counts, Step
from ._owner_loop import LEAST, OwnerLoop
from ._silence import FAR

SNAPSHOTS: Final = 3
"""How many books are asked for at a time."""
SNAPSHOT: Final = 30.0
"""Seconds for a snapshot by REST, with all attempts; then it is tried again after a pause."""
FIRST: Final = 8.0
"""Seconds from a subscription to the snapshot that it must bring; KuCoin's was seen to take 6.2."""
RENEWALS: Final = 2
"""How often a subscription is renewed before the whole connection is."""
PAUSE: Final = (0.25, 30.0)
"""Seconds until a book that broke again is begun again: the first pause, doubled each time, and the longest."""
STEADY: Final = 30.0
"""Seconds after which a book that breaks counts as one that breaks for the first time."""
NO_SUCH: Final = 300.0
"""Seconds until a symbol that the venue does not know is asked for again."""
SAME: Final = 20
"""How many levels of each side are compared."""


@attrs.define(eq=False)
class _Symbol:
    """One symbol in this incarnation."""

    name: str
    sync: BookSync
    ladder: Ladder = attrs.field(factory=Ladder)
    time: int = 0
    """Of the last message in the book."""
    given: int | None = None
    """Number of the last update that went out; None: the reader needs all of the book."""
    begun: float = -FAR
    """When it began last."""
    breaks: int = 0
    """How often in a row it broke soon after it began."""
    tries: int = 0
    """What was tried in vain since it broke."""
    next_at: float = FAR
    """When something is to be done about it."""
    not_before: float = 0.0
    """When it may be begun again."""


@actor(ready_within=15.0, first_start="retry", max_failures=None, backoff=Backoff(floor=0.25, base=0.5, cap=60.0))
@attrs.frozen
class Books:
    """Delivers the order books of some symbols into ``out``."""

    source: BookSource
    symbols: tuple[str, ...]
    """At first; `wanted` and `changes` say which later."""
    rest: str
    inflow: Mailbox[Inflow[Depth]]
    out: Mailbox[BookItem] = attrs.field()
    controls: tuple[Mailbox[Order], ...]
    hold: Mailbox[Hold]
    cursors: Mailbox[dict[str, Counts]]
    wanted: Mailbox[Wanted]
    changes: Mailbox[SymbolChange] | None
    silence: float
    """Longest time in seconds without a message after which the venue is asked whether the book is another one."""
    transport: Any = None
    required: bool = True
    """Whether the bot is unhealthy without it."""

    @out.validator
    def _check_out(self, _: Any, out: Mailbox[BookItem]) -> None:
        if out.overflow == "conflate":
            raise ValueError(f"mailbox {out.name!r}: updates of a book build upon each other and cannot be conflated")
        if out.overflow != "block" and out.capacity < LEAST:
            raise ValueError(f"mailbox {out.name!r}: books need a capacity of {LEAST}, or the overflow 'block'")

    async def run(self, me: Me) -> None:
        """Deliver until cancelled. The next incarnation begins every book again, and says so first."""
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

    _vital: ClassVar[VitalKind] = "book"

    def __init__(self, books: Books, me: Me, http: Http, nursery: trio.Nursery) -> None:
        self._books = books
        self._rule = books.source.rule
        self._counts = kept(books.cursors, dict[str, Counts])
        self._symbols: dict[str, _Symbol] = {}
        self._due: dict[str, float] = {}
        """When something is to be done about a symbol, of those about which something is."""
        self._snapshots = Errands(nursery, self._fetch, SNAPSHOTS)
        super().__init__(books, me, http, nursery)

    # Symbols and sessions --------------------------------------------------------------------------------------

    def _added(self, symbol: str) -> None:
        counts = self._counts.setdefault(symbol, Counts())
        self._symbols[symbol] = _Symbol(symbol, BookSync(self._rule, counts=counts))

    def _dropped(self, symbol: str) -> None:
        self._symbols.pop(symbol, None)
        self._due.pop(symbol, None)
        self._counts.pop(symbol, None)

    def _again(self, symbol: str) -> None:
        at = self._symbols[symbol]
        at.given = None
        self._say(symbol, "asked for again", live=False)
        if at.sync.sequence is not None:
            self._give(at, now_ms())

    def _gained(self, session: Session, symbol: str) -> None:
        at = self._symbols[symbol]
        at.sync.opened(session)
        if at.sync.need == "subscription":
            # The subscription is fresh: what it brings comes by itself.
            at.not_before = trio.current_time() + FIRST
        self._look_after(at)

    def _lost(self, session: Session, symbol: str, reason: str) -> None:
        at = self._symbols.get(symbol)
        if at is not None:
            self._follow(at, at.sync.lost(session), now_ms(), because=reason)
            self._look_after(at)

    # Messages --------------------------------------------------------------------------------------------------

    def _batch(self, session: Session, items: Sequence[Depth], received: int, waited: float) -> None:
        now = trio.current_time()
        fresh: dict[str, int] = {}
        for message in items:
            at = self._symbols.get(message.symbol)
            if at is None:
                continue
            if not at.sync.knows(session):
                if session not in self._lines.having(at.name):
                    continue
                # It was taken for mute, and was not.
                at.sync.opened(session)
            was = at.sync.sequence
            step = at.sync.take(session, message, now)
            if step.apply or step.broken is not None:
                self._follow(at, step, received)
            fresh[at.name] = fresh.get(at.name, 0) + len(step.apply)
            if step.apply and at.time:
                self._lags[at.name] = received - at.time
            if was is None or at.sync.sequence is None or at.sync.held or at.sync.suspect is not None:
                self._look_after(at)
        for symbol, count in fresh.items():
            self._silence.heard(session, symbol, count, now, waited)

    def _follow(self, at: _Symbol, step: Step, received: int, because: str = "") -> None:
        """Do what a message came to."""
        if step.broken is not None:
            self._broken(at, because or step.broken)
        for message in step.apply:
            if message.snapshot:
                at.ladder.replace(message.bids, message.asks)
            else:
                at.ladder.change(message.bids, message.asks)
            if at.ladder.crossed:
                at.sync.begin_again("crossed")
                self._broken(at, f"crossed by {message.last}")
                return
            at.time = message.time or at.time
            if at.given is not None:
                self._items.append(
                    BookUpdate(
                        self._source.venue,
                        at.name,
                        message.snapshot,
                        tuple(message.bids),
                        tuple(message.asks),
                        message.last,
                        message.time,
                        received,
                        None if message.snapshot else at.given,
                    )
                )
                at.given = message.last
        if step.apply and at.given is None:
            at.begun, at.tries = trio.current_time(), 0
            self._give(at, received)

    def _give(self, at: _Symbol, received: int) -> None:
        """Send all of a book."""
        self._items += self._whole(at, received)
        self._say(at.name, "synchronised", live=True)

    def _whole(self, at: _Symbol, received: int) -> list[BookItem]:
        assert at.sync.sequence is not None, "there is a book"
        at.given = at.sync.sequence
        bids, asks = tuple(at.ladder.bids()), tuple(at.ladder.asks())
        return [BookUpdate(self._source.venue, at.name, True, bids, asks, at.given, at.time, received)]

    def _broken(self, at: _Symbol, reason: str) -> None:
        at.ladder.clear()
        at.given = None
        self._say(at.name, reason, live=False)
        now = trio.current_time()
        if now - at.begun >= STEADY:
            at.breaks = 0
        at.tries = 0
        at.not_before = now + self._pause(at.breaks)
        at.breaks += 1
        self._me.note("book_broken", symbol=at.name, reason=reason)

    def _pause(self, count: int) -> float:
        """Return how long to leave a book alone after so many failures; the first is free."""
        first, most = PAUSE
        return self._me.random.uniform(0.5, 1.0) * min(first * 2.0 ** min(count, 20), most) if count else 0.0

    # Beginning again -------------------------------------------------------------------------------------------

    def _tend(self, now: float) -> None:
        for name in [name for name, due in self._due.items() if due <= now]:
            at = self._symbols[name]
            del self._due[name]
            deadline = at.sync.deadline
            if deadline is not None and deadline <= now:
                self._follow(at, at.sync.overdue(), now_ms())
            self._look_after(at)
        self._at(min(self._due.values(), default=FAR))

    def _look_after(self, at: _Symbol) -> None:
        """Get what the book needs, now or when its time has come."""
        now = trio.current_time()
        need = at.sync.need
        if need is None and at.sync.suspect is not None and self._rule.base == "stream":
            # The book goes on without this session, which is to be in step again one day.
            need = "subscription"
        when = FAR
        if at.name in self._snapshots:
            pass
        elif need is not None and now < at.not_before:
            when = at.not_before
        elif need == "snapshot":
            self._snapshots.add(at.name)
        elif need == "subscription":
            self._renew(at)
            at.not_before = when = now + FIRST
        deadline = at.sync.deadline
        when = min(when, FAR if deadline is None else deadline)
        if when < FAR:
            self._due[at.name] = when
            self._at(when)
        else:
            self._due.pop(at.name, None)

    def _renew(self, at: _Symbol) -> None:
        sessions = at.sync.sessions
        suspect = at.sync.suspect or sessions[at.tries % len(sessions)]
        at.sync.suspect = None
        if at.sync.sequence is None:
            at.tries += 1
            if at.tries > RENEWALS:
                at.tries = 0
                self._replace(suspect, f"{at.name}: no snapshot came, however often its subscription was renewed")
                return
        self._lines.order(Resubscribe(suspect, frozenset((at.name,))))

    async def _fetch(self, symbol: str) -> None:
        """Get a snapshot by REST, and say when to try again if that did not help."""
        at = self._symbols.get(symbol)
        if at is None or at.sync.need != "snapshot":
            return
        source = self._books.source
        depth: Depth | None = None
        pause = 0.0
        try:
            request = source.snapshot_request(symbol)
            depth = await self._ask(request, lambda body: source.snapshot(symbol, body), SNAPSHOT)
        except UnknownSymbol as problem:
            self._me.note("unknown_symbol", symbol=symbol, reason=str(problem)[:200])
            pause = NO_SUCH
        except Unavailable as problem:
            self._me.note("no_snapshot", symbol=symbol, reason=str(problem)[:200])
        async with self._turn:
            if self._symbols.get(symbol) is not at:
                # Dropped meanwhile, and perhaps added again: then it has asked for itself.
                return
            if depth is not None:
                self._follow(at, at.sync.snapshot(depth), now_ms())
                await self._deliver()
            if at.sync.need == "snapshot":
                at.tries += 1
                at.not_before = max(at.not_before, trio.current_time() + (pause or self._pause(at.tries)))
                self._due[symbol] = at.not_before
                self._at(at.not_before)

    # Silence and room ------------------------------------------------------------------------------------------

    def _question(self, symbol: str) -> HttpRequest:
        return self._books.source.snapshot_request(symbol)

    def _news(self, symbol: str, body: bytes) -> bool | None:
        depth = self._books.source.snapshot(symbol, body)
        at = self._symbols.get(symbol)
        if at is None or at.sync.sequence is None:
            return None
        if self._rule.base == "rest" and depth.last <= at.sync.sequence:
            return False
        theirs, mine = Ladder(), at.ladder
        theirs.replace(depth.bids, depth.asks)
        return theirs.bids(SAME) != mine.bids(SAME) or theirs.asks(SAME) != mine.asks(SAME)

    def _refused(self, item: BookItem) -> None:
        counts = self._counts.get(item.symbol)
        if counts is not None:
            counts.refused += 1

    def _counted(self) -> dict[str, int]:
        fields = [field.name for field in attrs.fields(Counts)]
        return {name: sum(getattr(counts, name) for counts in self._counts.values()) for name in fields}

    def _owed(self, symbol: str) -> Sequence[BookItem]:
        at = self._symbols.get(symbol)
        if at is None:
            return [FeedState(self._source.venue, symbol, False, "no longer wanted", now_ms())]
        owed: list[BookItem] = [self._state(symbol, "updates found no room in the mailbox", live=False)]
        if at.sync.sequence is not None:
            received = now_ms()
            owed += self._whole(at, received)
            owed.append(self._state(symbol, "synchronised", live=True))
        return owed
