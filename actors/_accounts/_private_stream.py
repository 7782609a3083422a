"""The owner of an account's orders: after every interruption the bot's view equals the venue's (law L3).

Theory of operation
-------------------
* It outlives its connections. Live events come over the `inflow` mailbox; updates and the account's state go into
  `out`. The `Book` holds what was delivered. It outlives this actor too, and changes in the same synchronous step that
  puts an update into `out`.
* Every connection is followed by a reconciliation: orders and fills are asked for, and what the book lacks is
  delivered in causal order, each fill once. Live events are held meanwhile, and those that were covered are dropped
  after it. Only then is the account ``live``. A connection that takes over from one that still flows interrupts nothing,
  and is reconciled like any other time.
* REST reads a copy that may lag behind the stream. Answers that do not add up are asked for again, a second
  reconciliation follows `SETTLE` seconds later, and each asks far enough back to see again what the one before saw.
* A live event that does not follow from the book shows a loss: held, and reconciled at once. A reconciliation on schedule
  goes on beside the stream; what it finds although the stream should have told it long ago shows that the stream is mute:
  reconnected. When it fails, or finds no answer for a while, the account is ``degraded``, and it is tried again.
* Where orders and fills have channels of their own, and one of the two brings nothing time after time: reconnected, too.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Literal

import attrs
import trio

from supervisor import Backoff, Mailbox, Me, actor

from .. import _wall_clock
from .._account_source import AccountSource
from .._connections._together import together
from .._connections._venue_clock import VenueClock, watch
from .._errors import BadFrame, HttpFailure, Inconsistent, RateLimited, SecretMissing, Unauthorized
from .._messages import Authenticating, Batch, Denial, Hold, Lost, Opened, Order, PrivateInflow, Reconnect, kept
from .._net._http import Http, open_http
from .._records import AccountItem, OrderUpdate
from .._session import Session
from .._wall_clock import now_ms
from ..ops._vitals import StreamVital, facts
from ._account_store import AccountStore, ledger_of
from ._book import Book
from ._bookkeeper import Backlog, Bookkeeper
from ._inquiring import DELAYS, TRIES, Inquirer
from ._live_events import LiveEvents
from ._liveness import Liveness
from ._pairing import Item
from ._questions import Answers, Asking, Outcome, ask_everything
from ._reconcile import differences, present
from ._telling import Telling

SETTLE: Final = 5.0
"""Seconds after the first reconciliation of a connection until the second."""
MUTE_AFTER: Final = 10_000
"""Milliseconds after which an update that only REST has told should have come over the stream."""
RETRY: Final = Backoff(floor=2.0, base=5.0, cap=60.0)
"""Before a reconciliation on schedule is tried again."""

_NEVER: Final = math.inf


@actor(
    ready_within=30.0,
    first_start="retry",
    max_failures=None,
    backoff=Backoff(floor=0.5, base=1.0, cap=60.0),
    on={Unauthorized: "park", SecretMissing: "park"},
)
@attrs.frozen
class PrivateStream:
    """Delivers the order updates of one account into ``out``."""

    source: AccountSource
    rest: str
    symbols: tuple[str, ...]
    inflow: Mailbox[PrivateInflow[Any]]
    out: Mailbox[AccountItem]
    control: Mailbox[Order]
    hold: Mailbox[Hold]
    book: Mailbox[Book]
    backlog: Mailbox[Backlog]
    clock: Mailbox[VenueClock]
    since: int | None = None
    """Where the account's history begins, milliseconds by the venue's clock; None: when the tree was opened."""
    reconcile_every: float = 300.0
    """Seconds between reconciliations while the connection lives."""
    quiet_after: float = 60.0
    """Seconds without an event, while orders are open, after which there is one earlier."""
    live: Liveness | None = None
    store: Path | Literal[False] | None = None
    """Where its state is kept for the next process; None: in the tree's ledger, if there is one; False: nowhere."""
    transport: Any = None
    required: bool = True
    """Whether the bot is unhealthy without it."""
    wall: Callable[[], float] = _wall_clock.now
    """What the machine's clock shows, seconds since the epoch."""

    async def run(self, me: Me) -> None:
        """Deliver until cancelled. Cancellation loses nothing: the book says what was delivered.

        Raises:
            Unauthorized: The venue refuses the credentials: parks.
            SecretMissing: A credential is missing: parks.
            HttpFailure: The venue could not be asked.
            BadFrame: Its answers cannot be read.
            Inconsistent: Its answers do not add up, again and again.
        """
        async with open_http(
            self.rest,
            self.source.failure,
            hold=kept(self.hold, Hold),
            transport=self.transport,
            limit=self.source.limits.rest,
        ) as http:
            await _Delivery(self, me, http).run()


class _Delivery:
    """One incarnation of the private stream's owner."""

    def __init__(self, settings: PrivateStream, me: Me, http: Http) -> None:
        self._settings = settings
        self._source = settings.source
        self._me = me
        self._http = http
        self._book = kept(settings.book, Book)
        self._clock = kept(settings.clock, VenueClock)
        self._nap = trio.CancelScope()
        self._asking = Asking(self._everything, lambda: self._nap.cancel("there is news of the questions"))
        self._inquirer = Inquirer(settings.source, http, self._clock, self._limited, self._asking.hinder)
        backlog = kept(settings.backlog, lambda: Backlog(self._store()))
        self._bookkeeper = Bookkeeper(backlog, settings.out, self._book, me)
        self._telling = Telling(
            settings.source.venue, settings.source.account, settings.out, self._book, self._bookkeeper, settings.live
        )
        self._events = LiveEvents(
            self._book, self._telling, apart=settings.source.fills_apart, me=me, missed=self._missed
        )
        self._sessions: list[Session] = []
        """Connections that are open, the oldest first."""
        self._live_from = 0
        """Since when, by the venue's clock, the stream brings what happens."""
        self._tries = 0
        """Reconciliations in a row that have come to nothing."""
        self._due = _NEVER
        self._quiet_for = settings.quiet_after
        self._quiet_at = _NEVER

    def _store(self) -> AccountStore | None:
        path = ledger_of(self._me.tree.tree) if self._settings.store is None else self._settings.store
        return AccountStore(path, self._source.venue, self._source.account) if path else None

    def _facts(self) -> dict[str, Any]:
        # Quiet by nature, so that no age tells anything: what counts is that it is reconciled.
        state = self._book.state
        stream = StreamVital(self._source.account, live=state == "live", reason=self._telling.reason, state=state)
        return facts(
            "account",
            self._source.venue,
            required=self._settings.required,
            streams=[stream],
            held=self._events.held,
            not_held=self._events.not_held,
            store_trouble=self._bookkeeper.trouble,
        )

    async def run(self) -> None:
        self._me.expose(self._facts)
        try:
            await self._begin()
            await together(self._deliver_all, self._asking.run, self._watch_clock, self._bookkeeper.run)
        except Exception as failure:
            # The next incarnation may be a long backoff away: until then nobody must believe what was said last.
            parks = isinstance(failure, Unauthorized | SecretMissing)
            reason = str(failure) if parks else f"{type(failure).__name__}: {failure}"
            with self._me.cleanup():
                # Shielded, and bounded by the grace.
                await self._telling.say("parked" if parks else "connecting", reason)  # noqa: ASYNC120
            raise
        finally:
            self._telling.show(live=False)
            with self._me.cleanup():
                # A shield with a deadline, and a thread is waited for in any case.
                await self._bookkeeper.close()  # noqa: ASYNC102

    async def _begin(self) -> None:
        await self._inquirer.set_clock()
        known = None
        if self._book.since is None:
            # Before the connection is opened: what happens after it belongs to the history.
            opened = trio.current_time()
            began = self._clock.now() - math.ceil(self._clock.uncertainty)
            ahead = self._ahead()
            known = await self._bookkeeper.load()
            if known is not None:
                self._book.continue_from(known, self._clock.set_back, ahead)
            elif self._settings.since is not None:
                self._book.since = self._settings.since
            else:
                self._book.since, self._book.since_ahead = began, ahead
            if self._book.since is not None and self._book.since_ahead is not None:
                # Now, or so long before this process as its beginning says.
                self._book.opened = opened + (self._book.since - began) / 1000
        self._book.symbols.update(self._settings.symbols)
        # Ready before the first item goes out: whoever takes it may be started only after us.
        self._me.ready()
        await self._telling.say("connecting", "starting")
        if known is not None:
            # Of a bot that has just been started, nobody but us knows which orders it has.
            for update in present(self._book, self._source.venue, self._source.account, now_ms()):
                await self._telling.put(update)

    def _ahead(self) -> int:
        """Milliseconds by which the venue's clock is ahead of the machine's."""
        return round(self._clock.ahead_of(self._settings.wall()) * 1000)

    async def _watch_clock(self) -> None:
        await watch(self._clock, self._inquirer.check_clock, self._settings.wall, self._me)

    # The loop --------------------------------------------------------------------------------------------------

    async def _deliver_all(self) -> None:
        while True:
            messages: list[PrivateInflow[Any]] = []
            with trio.CancelScope(deadline=self._next()) as self._nap:
                if self._asking.outcome is None and self._asking.trouble is None:
                    messages = await self._settings.inflow.receive_many()
            if self._nap.cancelled_caught and trio.current_time() >= self._events.mute_due():
                # What it should have told lies not unread in the mailbox either.
                await self._is_mute(self._events.mute())
            for message in messages:
                await self._take(message)
            if (trouble := self._asking.take_trouble()) is not None:
                await self._telling.say(
                    "degraded" if self._events.flowing else self._book.state or "connecting", trouble
                )
            if self._asking.outcome is not None:
                await self._asked_for(self._asking.take())
            await self._see_to_time()

    async def _take(self, message: PrivateInflow[Any]) -> None:
        match message:
            case Batch():
                for item in message.items:
                    await self._item(item)
            case Authenticating() if not self._sessions:
                await self._telling.say("authenticating", "logging in")
            case Opened():
                await self._opened(message.session)
            case Lost():
                await self._lost(message)
            case Denial():
                await self._telling.say("parked", message.reason)

    async def _opened(self, session: Session) -> None:
        takes_over = bool(self._sessions) and self._events.flowing
        self._sessions.append(session)
        if takes_over:
            self._events.opened()
            self._due = trio.current_time() + min(SETTLE, self._settings.reconcile_every)
            return
        self._live_from = self._clock.now() + math.ceil(self._clock.uncertainty)
        self._tries = 0
        self._events.stop()
        self._events.opened()
        await self._telling.say("reconciling", "connected")
        self._ask()

    async def _lost(self, message: Lost) -> None:
        if message.session in self._sessions:
            self._sessions.remove(message.session)
        if not self._sessions:
            self._stop_flowing()
            await self._telling.say("connecting", message.reason)

    def _stop_flowing(self) -> None:
        self._events.stop()
        self._due = self._quiet_at = _NEVER

    # Live events -----------------------------------------------------------------------------------------------

    async def _item(self, item: Item) -> None:
        self._book.symbols.add(item.symbol)
        self._quiet_for = self._settings.quiet_after
        self._quiet_at = trio.current_time() + self._quiet_for
        await self._events.take(item)

    async def _missed(self, problem: str) -> None:
        """Hold what comes, and ask: at once, and when that has not helped a bit later."""
        self._stop_flowing()
        await self._telling.say("reconciling", "an update was missed")
        await self._try_again(Inconsistent(problem))

    async def _try_again(self, problem: Inconsistent) -> None:
        if self._tries >= TRIES:
            raise problem
        delay = DELAYS[min(self._tries, len(DELAYS)) - 1] if self._tries else 0.0
        self._tries += 1
        self._due = trio.current_time() + delay

    # Reconciling -----------------------------------------------------------------------------------------------

    def _next(self) -> float:
        due = min(self._due, self._quiet_due(), self._events.unpaired_due(), self._events.mute_due())
        # What cannot be done yet must not keep us from reading.
        return _NEVER if self._asking.busy else max(due, trio.current_time() + 0.01)

    def _quiet_due(self) -> float:
        return self._quiet_at if self._events.flowing and self._book.has_open_orders else _NEVER

    async def _see_to_time(self) -> None:
        now = trio.current_time()
        if self._asking.busy or not self._sessions:
            return
        if now >= self._events.unpaired_due():
            self._me.note("unpaired", items=self._events.unpaired)
            await self._missed("orders and fills that belong together do not come")
        if now >= min(self._due, self._quiet_due()):
            if now >= self._quiet_due():
                self._quiet_for = min(2 * self._quiet_for, self._settings.reconcile_every)
            self._ask()

    def _ask(self) -> None:
        self._due = self._quiet_at = _NEVER
        self._asking.begin()

    async def _everything(self) -> Answers:
        declared = self._settings.symbols
        return await ask_everything(self._source, self._inquirer, self._clock, self._book, declared, self._me)

    async def _asked_for(self, outcome: Outcome) -> None:
        if isinstance(outcome, Answers):
            try:
                found = self._differences(outcome)
            except Inconsistent as problem:
                outcome = problem
            else:
                await self._reconciled(outcome, found)
                return
        await self._failed(outcome)

    def _differences(self, answers: Answers) -> list[OrderUpdate]:
        return differences(
            self._book,
            answers.orders,
            answers.fills,
            venue=self._source.venue,
            account=self._source.account,
            received=now_ms(),
            live_from=self._live_from,
        )

    async def _failed(self, problem: HttpFailure | BadFrame | Inconsistent) -> None:
        self._me.note("not_reconciled", reason=str(problem))
        if not self._sessions:
            return
        if self._events.flowing:
            self._tries += 1
            self._due = trio.current_time() + RETRY.delay(self._tries, self._me.random)
            await self._telling.say("degraded", str(problem))
        elif isinstance(problem, Inconsistent):
            await self._try_again(problem)
        else:
            raise problem

    async def _reconciled(self, answers: Answers, found: list[OrderUpdate]) -> None:
        for update in found:
            await self._telling.deliver(update)
        # Of the clock as it was when the questions began: by the rest it was set back since.
        self._book.ahead = self._ahead() + self._clock.set_back - self._book.set_back
        for symbol in answers.symbols:
            self._book.reconciled(symbol, answers.began)
            self._bookkeeper.reconciled(symbol)
        if found:
            self._me.note("reconciled", updates=len(found))
        if not self._sessions:
            return
        first = not self._events.flowing
        if first:
            await self._events.flow()
        else:
            missed = [u for u in found if self._live_from <= u.time < self._clock.now() - MUTE_AFTER]
            if missed:
                await self._is_mute(f"{len(missed)} updates did not come over the stream")
            else:
                await self._events.settle()
        if self._events.flowing:
            self._tries = 0
            self._due = trio.current_time() + min(SETTLE if first else math.inf, self._settings.reconcile_every)
            self._quiet_at = trio.current_time() + self._quiet_for
            # A rate limit, or a failure, may have taken us out of it.
            await self._telling.say("live", "reconciled")

    async def _is_mute(self, reason: str) -> None:
        self._me.note("mute", reason=reason)
        sessions, self._sessions = self._sessions, []
        self._stop_flowing()
        for session in sessions:
            self._settings.control.send_nowait(Reconnect(session, reason))
        await self._telling.say("connecting", reason)

    async def _limited(self, limited: RateLimited) -> None:
        await trio.lowlevel.checkpoint()
        self._me.note("rate_limited", seconds=limited.retry_after)
        self._asking.hinder("the venue limits our requests")
