"""What the owners of quotes and of books do alike: hear the connections, change the symbols, judge silence, deliver.

Theory of operation
-------------------
* One task takes what the connections say, another what the bot wants changed; a few ask REST. Whatever any of them does
  to the owner's state it does in its `turn`, a lock: so what goes into ``out`` has one order, the order of the state.
* What is to be delivered is gathered in ``items`` during a turn, and put into ``out`` before the turn ends.
* ``out`` with the overflow ``block``: the turn waits, then the connections wait, and nothing is lost. Otherwise what
  would not find room is not put in: `_refused` says what that means to the symbol, and what its reader must be told
  instead, `_owed`, is put in when there is room.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Final, Protocol, TypeVar

import trio

from supervisor import Mailbox, Me

from .._messages import Batch, Inflow, Lost, Order, Reconnect, Resubscribe, Wanted
from .._net._http import Http
from .._records import FeedState, SymbolChange
from .._session import Session
from .._source import HttpRequest, PublicSource
from .._wall_clock import now_ms
from ..ops._vitals import StreamVital, VitalKind, facts
from ._asking import Errands, Unavailable, UnknownSymbol, ask
from ._owner import Lines, States, wanted_of
from ._silence import FAR, Action, Probe, Silence

T = TypeVar("T")

QUESTION: Final = 5.0
"""Seconds for a question about news."""
LEAST: Final = 4
"""Places in a mailbox that does not wait: a reader who missed something gets up to three items at once."""
LATER: Final = 0.1
"""Seconds until it is tried again to put into ``out`` what found no room."""
SHARE: Final = 0.1
"""Of the venue's REST allowance, for questions about news."""


class Owner(Protocol):
    """The declaration of an owner: the fields that all have."""

    @property
    def source(self) -> PublicSource:
        """What is brought."""

    @property
    def symbols(self) -> tuple[str, ...]:
        """Which symbols, at first."""

    @property
    def inflow(self) -> Mailbox[Inflow[Any]]:
        """From the connections."""

    @property
    def out(self) -> Mailbox[Any]:
        """To the bot."""

    @property
    def controls(self) -> tuple[Mailbox[Order], ...]:
        """To the connections."""

    @property
    def wanted(self) -> Mailbox[Wanted]:
        """Kept: which symbols now."""

    @property
    def changes(self) -> Mailbox[SymbolChange] | None:
        """From the bot."""

    @property
    def silence(self) -> float:
        """Seconds."""

    @property
    def required(self) -> bool:
        """Whether the bot is unhealthy without it."""


class OwnerLoop(abc.ABC):
    """One incarnation of an owner."""

    _newest_wins: ClassVar[bool] = False
    """Whether an item makes the ones before it worthless, so that these may be pushed out by it."""
    _vital: ClassVar[VitalKind]
    """What it owns, for its vital signs."""

    def __init__(self, owner: Owner, me: Me, http: Http, nursery: trio.Nursery) -> None:
        self._owner = owner
        self._source = owner.source
        self._me = me
        self._http = http
        self._nursery = nursery
        self._lines = Lines(owner.controls, wanted_of(owner.wanted, owner.symbols))
        self._states = States(owner.source.venue)
        self._lags: dict[str, float] = {}
        """Milliseconds from the venue's stamp to our receiving, of each symbol's last item."""
        self._items: list[Any] = []
        self._turn = trio.Lock()
        self._waiting = trio.CancelScope()
        self._later = FAR
        """When the next `_tend` is due."""
        self._out_dropped = owner.out.statistics().dropped
        self._owing: set[str] = set()
        """Symbols whose reader does not have what it was to be given, because ``out`` was full."""
        self._silence = Silence(owner.silence, self._pace())
        self._probes = Errands(nursery, self._probe)
        me.expose(self._facts)

    async def run(self) -> None:
        """Deliver until cancelled."""
        self._me.expose(self._facts)
        # Of connections that ended with the earlier incarnation.
        self._owner.inflow.receive_many_nowait()
        async with self._turn:
            for symbol in self._lines.wanted.symbols:
                self._added(symbol)
                self._say(symbol, "starting", live=False)
        # Ready before the first item goes out: whoever takes it may be started only after us.
        self._me.ready()
        async with self._turn:
            await self._deliver()
        if self._owner.changes is not None:
            self._nursery.start_soon(self._follow_changes, self._owner.changes)
        while True:
            messages: list[Inflow[Any]] = []
            at = min(self._later, self._silence.next_at)
            # Never in the past: what waits in the mailbox already comes first.
            with trio.CancelScope(deadline=max(at, trio.current_time() + 0.001)) as self._waiting:
                messages = await self._owner.inflow.receive_many()
            async with self._turn:
                self._hear(messages)
                now = trio.current_time()
                if now >= self._silence.next_at:
                    self._act(self._silence.due(now))
                if now >= self._later:
                    self._later = FAR
                    self._tend(now)
                await self._deliver()

    def _facts(self) -> dict[str, Any]:
        now = trio.current_time()
        streams = [self._sign(symbol, now) for symbol in self._lines.wanted.symbols]
        counted = self._counted()
        return facts(self._vital, self._source.venue, required=self._owner.required, streams=streams, **counted)

    def _sign(self, symbol: str, now: float) -> StreamVital:
        age, limit, rate = self._silence.signs(symbol, now)
        return StreamVital(
            symbol,
            live=self._states.said.get(symbol, False),
            reason=self._states.why.get(symbol, ""),
            age=age,
            limit=limit,
            rate=rate,
            lag=self._lags.get(symbol),
        )

    # What an owner must say ------------------------------------------------------------------------------------

    @abc.abstractmethod
    def _added(self, symbol: str) -> None:
        """A symbol is wanted."""

    @abc.abstractmethod
    def _dropped(self, symbol: str) -> None:
        """A symbol is no longer wanted."""

    @abc.abstractmethod
    def _again(self, symbol: str) -> None:
        """The bot wants a symbol that it has: what there is of it shall be sent again."""

    @abc.abstractmethod
    def _gained(self, session: Session, symbol: str) -> None:
        """A session brings a symbol from now on, or again."""

    @abc.abstractmethod
    def _lost(self, session: Session, symbol: str, reason: str) -> None:
        """A session does not bring a symbol any more."""

    @abc.abstractmethod
    def _batch(self, session: Session, items: Sequence[Any], received: int, waited: float) -> None:
        """Data came, ``waited`` seconds ago; ``received`` is the local time in milliseconds."""

    @abc.abstractmethod
    def _question(self, symbol: str) -> HttpRequest:
        """Return the request that tells whether there is news of a symbol."""

    @abc.abstractmethod
    def _news(self, symbol: str, body: bytes) -> bool | None:
        """Read the answer; None: there is nothing to compare it with."""

    @abc.abstractmethod
    def _tend(self, now: float) -> None:
        """Do what is due, and call `_at` for what will be."""

    @abc.abstractmethod
    def _refused(self, item: Any) -> None:
        """Count an item that found no room in ``out``; `_owed` makes it good."""

    @abc.abstractmethod
    def _counted(self) -> dict[str, int]:
        """Return what was counted, over all symbols, for the tree's status."""

    @abc.abstractmethod
    def _owed(self, symbol: str) -> Sequence[Any]:
        """Return what the reader of a symbol must be told, now that there may be room."""

    # Hearing ---------------------------------------------------------------------------------------------------

    def _hear(self, messages: Sequence[Inflow[Any]]) -> None:
        received = now_ms()
        for message in messages:
            if isinstance(message, Batch):
                assert message.session is not None, "public data has a session"
                self._batch(message.session, message.items, received, message.waited)
                continue
            heard = self._lines.hear(message)
            for symbol in heard.gained:
                self._gained(message.session, symbol)
            if heard.gained:
                self._silence.opened(message.session, heard.gained, trio.current_time())
            if heard.lost:
                self._gone(message.session, heard.lost, heard.reason)
            if isinstance(message, Lost):
                self._silence.lost(message.session)

    def _gone(self, session: Session, symbols: frozenset[str], reason: str) -> None:
        self._silence.lost(session, symbols)
        for symbol in symbols:
            self._lost(session, symbol, reason)

    async def _follow_changes(self, changes: Mailbox[SymbolChange]) -> None:
        async for change in changes:
            async with self._turn:
                had = frozenset(self._lines.wanted.symbols)
                added, dropped = self._lines.change(change, self._source.symbol, self._me.note)
                for symbol in dropped:
                    self._silence.forget(symbol)
                    self._lags.pop(symbol, None)
                    self._say(symbol, "no longer wanted", live=False)
                    self._dropped(symbol)
                    self._states.forget(symbol)
                for symbol in added:
                    self._added(symbol)
                    self._say(symbol, "starting", live=False)
                for symbol in self._named(change.add) & had - set(dropped):
                    self._again(symbol)
                await self._deliver()

    def _named(self, names: Sequence[str]) -> set[str]:
        symbols = set()
        for name in names:
            try:
                symbols.add(self._source.symbol(name))
            except ValueError:
                # `Lines.change` has noted it.
                continue
        return symbols

    # Silence ---------------------------------------------------------------------------------------------------

    def _pace(self) -> float:
        weight = self._question(next(iter(self._lines.wanted.symbols), "X")).weight
        limit = self._source.limits.rest
        return weight * limit.within / (limit.weight * SHARE)

    def _act(self, actions: Sequence[Action]) -> None:
        for action in actions:
            if isinstance(action, Probe):
                self._probes.add(action.symbol)
            elif isinstance(action, Resubscribe):
                self._me.note("mute", symbols=sorted(action.symbols)[:10], reason="news that the stream does not bring")
                self._lines.order(action)
                for symbol in action.symbols:
                    self._lost(action.session, symbol, "mute; its subscription is renewed")
            else:
                self._replace(action.session, action.reason)

    def _replace(self, session: Session, reason: str) -> None:
        self._me.note("mute", reason=reason)
        self._lines.order(Reconnect(session, reason))
        self._gone(session, self._lines.give_up(session), reason)
        self._silence.lost(session)

    async def _probe(self, symbol: str) -> None:
        news: bool | None = None
        try:
            news = await self._ask(self._question(symbol), lambda body: self._news(symbol, body), QUESTION)
        except UnknownSymbol as problem:
            # There is nothing to miss; and the others on this connection are not to suffer for it.
            self._me.note("unknown_symbol", symbol=symbol, reason=str(problem)[:200])
            news = False
        except Unavailable as problem:
            self._me.note("no_probe", symbol=symbol, reason=str(problem)[:200])
        async with self._turn:
            self._act(self._silence.told(symbol, trio.current_time(), news=news))
            await self._deliver()
        self._at(self._silence.next_at)

    async def _ask(self, request: HttpRequest, read: Callable[[bytes], T], seconds: float) -> T:
        until = trio.current_time() + seconds
        return await ask(self._http, self._source, request, read, until=until)

    def _at(self, when: float) -> None:
        """Have the loop look around at a time, or earlier."""
        self._later = min(self._later, when)
        self._waiting.deadline = min(self._waiting.deadline, when)

    # Delivering ------------------------------------------------------------------------------------------------

    def _say(self, symbol: str, reason: str, *, live: bool) -> None:
        state = self._states.change(symbol, reason, live=live)
        if state is not None:
            self._items.append(state)

    async def _deliver(self) -> None:
        out = self._owner.out
        if out.overflow != "block":
            self._deliver_what_finds_room()
            return
        while self._items:
            await out.wait_writable()
            taken = out.send_many_nowait(self._items)
            del self._items[:taken]

    def _deliver_what_finds_room(self) -> None:
        items, self._items = self._items, []
        out = self._owner.out
        if out.overflow == "conflate":
            out.send_many_nowait(items)
            return
        statistics = out.statistics()
        if statistics.dropped != self._out_dropped:
            # Somebody has pushed out what was ours, perhaps.
            self._out_dropped = statistics.dropped
            self._owing |= self._touched_by_a_drop()
        room, repaid = self._repay(out.capacity - statistics.used)
        if repaid:
            # What was gathered about them in this turn is part of what they were told.
            items = [item for item in items if item.symbol not in repaid]
        if out.overflow == "drop_oldest" and self._newest_wins:
            out.send_many_nowait(items)
        else:
            for item in items:
                if item.symbol in self._owing or room <= 0:
                    self._refused(item)
                    self._owing.add(item.symbol)
                else:
                    room -= out.send_many_nowait((item,))
        if self._owing:
            self._at(trio.current_time() + LATER)

    def _repay(self, room: int) -> tuple[int, set[str]]:
        repaid: set[str] = set()
        for symbol in sorted(self._owing):
            if room < LEAST:
                break
            owed = self._owed(symbol)
            self._owing.discard(symbol)
            room -= self._owner.out.send_many_nowait(owed)
            repaid.add(symbol)
        return room, repaid

    def _touched_by_a_drop(self) -> set[str]:
        return set(self._lines.wanted.symbols)

    def _state(self, symbol: str, reason: str, *, live: bool) -> FeedState:
        self._states.forget(symbol)
        state = self._states.change(symbol, reason, live=live)
        assert state is not None, "of what was forgotten everything is news"
        return state
