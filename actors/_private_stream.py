"""The owner of an account's orders: after every interruption the bot's view equals the venue's (law L3).

Theory of operation
-------------------
* It outlives its connections. Live updates come over the `inflow` mailbox; updates and the account's state go into
  `out`. The `Book` holds what was delivered. It outlives this actor too, and changes in the same synchronous step that
  puts an update into `out`.
* Every new connection is followed by a reconciliation: orders and fills are fetched by signed REST, and what the book
  lacks is delivered in causal order, each fill once. Live updates wait in `inflow` meanwhile, and those that were
  covered are dropped after it. Only then is the account `live`.
* REST reads a copy that may lag behind the stream. Answers that do not add up are asked for again, a second
  reconciliation follows `SETTLE` seconds later, and each asks far enough back to see again what the one before saw.
* A live update that does not follow from the book shows a loss: reconciled at once. What a periodic reconciliation finds
  although the stream should have told it long ago shows that the stream is mute: reconnected.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any, Final

import attrs
import trio

from supervisor import Backoff, Mailbox, Me, actor

from ._errors import HttpFailure, Inconsistent, RateLimited, SecretMissing, Unauthorized
from ._http import Http, open_http
from ._messages import Batch, Hold, Inflow, Lost, Opened, Order, Reconnect, kept
from ._reconcile import Book, OrderKey, OrderReport, differences, judge
from ._records import AccountItem, AccountState, Fill, OrderUpdate
from ._session import Session
from ._source import AccountSource, HttpRequest
from .ops._vitals import StreamVital, facts

SETTLE: Final = 5.0
"""Seconds after the first reconciliation of a connection until the second."""
MUTE_AFTER: Final = 10_000
"""Milliseconds after which an update that only REST has told should have come over the stream."""
TRIES: Final = 5
"""Attempts of one request, and of a reconciliation whose answers do not add up."""
DELAYS: Final = (0.25, 0.5, 1.0, 2.0)
"""Seconds between them."""
HELD: Final = 10_000
"""Live updates that are kept while there is no connection to reconcile; older ones are found by REST."""
FAREWELL: Final = 2.0
"""Seconds for telling the bot, before it ends by a failure, that the account is not live."""
PAGES: Final = 1000
"""Most pages of one answer: a venue that pages in circles must not keep us for ever."""


class _Clock:
    """The venue's clock, in milliseconds. Runs on Trio's: the machine's wall clock may be wrong, and may jump."""

    def __init__(self, venue_ms: int) -> None:
        self._offset = venue_ms - trio.current_time() * 1000

    def now(self) -> int:
        return int(trio.current_time() * 1000 + self._offset)


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
    inflow: Mailbox[Inflow[OrderUpdate]]
    out: Mailbox[AccountItem]
    control: Mailbox[Order]
    hold: Mailbox[Hold]
    book: Mailbox[Book]
    since: int | None
    """Where the account's history begins, milliseconds by the venue's clock; None: when the tree was opened."""
    reconcile_every: float
    """Seconds between reconciliations while the connection lives."""
    transport: Any = None
    required: bool = True
    """Whether the bot is unhealthy without it."""

    async def run(self, me: Me) -> None:
        """Deliver until cancelled. Cancellation loses nothing: the book says what was delivered.

        Raises:
            Unauthorized: The venue refuses the credentials: parks.
            SecretMissing: A credential is missing: parks.
            HttpFailure: The venue could not be asked.
            Inconsistent: Its answers do not add up, again and again.
        """
        async with open_http(
            self.rest, self.source.failure, hold=kept(self.hold, Hold), transport=self.transport
        ) as http:
            delivery = _Delivery(self, me, http)
            try:
                await delivery.run()
            except Exception as error:
                # Who is parked says nothing more: the bot must not go on with what it believed last.
                await delivery.fail(error)
                raise


class _Delivery:
    """One incarnation of the private stream's owner."""

    def __init__(self, settings: PrivateStream, me: Me, http: Http) -> None:
        self._settings = settings
        self._source = settings.source
        self._me = me
        self._http = http
        self._book = kept(settings.book, Book)
        self._book.symbols.update(settings.symbols)
        self._clock = _Clock(0)
        self._session: Session | None = None
        self._live: bool | None = None
        self._reason = "starting"
        self._live_from = 0
        """Since when, by the venue's clock, the stream brings what happens."""
        self._due = float("inf")
        self._held: list[OrderUpdate] = []

    def _facts(self) -> dict[str, Any]:
        # Quiet by nature, so that no age tells anything: what counts is that it is reconciled.
        stream = StreamVital(self._source.account, live=self._live is True, reason=self._reason)
        return facts("account", self._source.venue, required=self._settings.required, streams=[stream])

    async def run(self) -> None:
        self._me.expose(self._facts)
        await self._set_clock()
        if self._book.since is None:
            # Before the connection is opened: what happens after it belongs to the history.
            self._book.since = self._clock.now() if self._settings.since is None else self._settings.since
        # Ready before the first item goes out: whoever takes it may be started only after us.
        self._me.ready()
        await self._say(live=False, reason="starting")
        while True:
            messages: list[Inflow[OrderUpdate]] | None = None
            with trio.move_on_at(max(self._due, trio.current_time() + 0.01)):
                messages = await self._settings.inflow.receive_many()
            if messages is None:
                await self._reconcile_again()
                continue
            for message in messages:
                await self._take(message)

    async def fail(self, error: Exception) -> None:
        """Say that the account is no longer live, if it was, and if there is room for it in time."""
        if self._live:
            with trio.move_on_after(FAREWELL):
                await self._say(live=False, reason=f"{type(error).__name__}: {error}")

    async def _take(self, message: Inflow[OrderUpdate]) -> None:
        if isinstance(message, Batch):
            for update in message.items:
                await self._update(update)
        elif isinstance(message, Opened):
            await self._opened(message.session)
        elif isinstance(message, Lost) and message.session is self._session:
            self._session, self._due = None, float("inf")
            await self._say(live=False, reason=message.reason)

    # Live updates ----------------------------------------------------------------------------------------------

    async def _update(self, update: OrderUpdate) -> None:
        self._book.symbols.add(update.symbol)
        if self._session is None:
            # Left over from a connection that was never reconciled by this incarnation.
            self._held.append(update)
            del self._held[:-HELD]
            return
        for attempt in range(TRIES):
            verdict = judge(self._book, update)
            if verdict == "news":
                await self._deliver(update)
            if verdict != "incomplete":
                await self._say(live=True, reason="reconciled")
                return
            self._me.note("loss_seen", symbol=update.symbol, order=update.order_id)
            await self._say(live=False, reason="an update was missed")
            if attempt:
                await trio.sleep(DELAYS[min(attempt - 1, len(DELAYS) - 1)])
            await self._reconcile()
        raise Inconsistent(f"order {update.order_id} ({update.symbol}): the stream is ahead of what REST tells")

    async def _opened(self, session: Session) -> None:
        await self._say(live=False, reason="reconciling")
        self._live_from = self._clock.now()
        await self._reconcile()
        self._session = session
        held, self._held = self._held, []
        for update in held:
            await self._update(update)
        self._due = trio.current_time() + min(SETTLE, self._settings.reconcile_every)
        await self._say(live=True, reason="reconciled")

    async def _reconcile_again(self) -> None:
        session = self._session
        assert session is not None, "nothing is due without a connection"
        found = await self._reconcile()
        self._due = trio.current_time() + self._settings.reconcile_every
        missed = [update for update in found if update.time < self._clock.now() - MUTE_AFTER]
        if not missed:
            # A rate limit may have taken us out of it while we asked.
            await self._say(live=True, reason="reconciled")
        else:
            reason = f"{len(missed)} updates did not come over the stream"
            self._me.note("mute", reason=reason)
            self._session, self._due = None, float("inf")
            self._settings.control.send_nowait(Reconnect(session, reason))
            await self._say(live=False, reason=reason)

    # Asking ----------------------------------------------------------------------------------------------------

    async def _reconcile(self) -> list[OrderUpdate]:
        """Deliver what the book lacks, and return it."""
        for attempt in range(TRIES):
            asked = await self._ask_everything()
            try:
                found = self._compare(asked)
            except Inconsistent as problem:
                self._me.note("inconsistent", reason=str(problem))
                if attempt == TRIES - 1:
                    raise
                await trio.sleep(DELAYS[attempt])
                continue
            for update in found:
                await self._deliver(update)
            for symbol, (orders, fills) in asked.items():
                self._book.orders_seen.advance(symbol, max((order.order_id for order in orders), default=None))
                self._book.fills_seen.advance(symbol, max((fill.id for fill in fills), default=None))
            if found:
                self._me.note("reconciled", updates=len(found))
            return found
        raise AssertionError("the last attempt returns or raises")

    def _compare(self, asked: dict[str, tuple[list[OrderReport], list[Fill]]]) -> list[OrderUpdate]:
        orders = [order for some, _ in asked.values() for order in some]
        fills = [fill for _, some in asked.values() for fill in some]
        source = self._source
        return differences(
            self._book,
            orders,
            fills,
            venue=source.venue,
            account=source.account,
            received=_now_ms(),
            live_from=self._live_from,
        )

    async def _ask_everything(self) -> dict[str, tuple[list[OrderReport], list[Fill]]]:
        if not self._settings.symbols:
            body = await self._ask(lambda now: self._source.open_orders_request(None, now))
            self._book.symbols.update(order.symbol for order in self._source.orders(body))
        return {symbol: await self._ask_symbol(symbol) for symbol in sorted(self._book.symbols)}

    async def _ask_symbol(self, symbol: str) -> tuple[list[OrderReport], list[Fill]]:
        """Ask for everything about a symbol that the book might lack: orders first, as `differences` wants it."""
        since = self._book.since
        assert since is not None, "the history has a beginning before anything is asked"
        found: dict[OrderKey, OrderReport] = {}
        _merge(found, await self._orders(symbol, since))
        _merge(found, self._source.orders(await self._ask(lambda now: self._source.open_orders_request(symbol, now))))
        # Orders that closed long after they were made are neither open nor among the latest.
        await self._complete(found, symbol, self._book.open_orders(symbol))
        fills = [fill for fill in await self._fills(symbol, since) if fill.time >= since]
        new = {fill.order_id for fill in fills if not self._book.has_fill(symbol, fill.id)}
        await self._complete(found, symbol, sorted(new))
        return list(found.values()), fills

    async def _complete(self, found: dict[OrderKey, OrderReport], symbol: str, order_ids: Iterable[int]) -> None:
        for order_id in order_ids:
            if (symbol, order_id) not in found:
                _merge(found, await self._one_order(symbol, order_id))

    async def _orders(self, symbol: str, since: int) -> list[OrderReport]:
        found: list[OrderReport] = []
        start = self._book.orders_seen.get(symbol)
        for _ in range(PAGES):
            body = await self._ask(
                lambda now, start=start: self._source.orders_request(symbol, now, from_id=start, since=since)
            )
            page = self._source.orders(body)
            found += page
            if len(page) < self._source.order_page:
                return found
            start = page[-1].order_id + 1
        raise Inconsistent(f"more than {PAGES} pages of orders ({symbol})")

    async def _fills(self, symbol: str, since: int) -> list[Fill]:
        found: list[Fill] = []
        start = self._book.fills_seen.get(symbol)
        for _ in range(PAGES):
            body = await self._ask(
                lambda now, start=start: self._source.fills_request(symbol, now, from_id=start, since=since)
            )
            page = self._source.fills(body)
            found += page
            if len(page) < self._source.order_page:
                return found
            start = page[-1].id + 1
        raise Inconsistent(f"more than {PAGES} pages of fills ({symbol})")

    async def _one_order(self, symbol: str, order_id: int) -> list[OrderReport]:
        try:
            return self._source.orders(await self._ask(lambda now: self._source.order_request(symbol, order_id, now)))
        except HttpFailure as failure:
            if not self._source.order_is_unknown(failure):
                raise
            # Just made, and not in the copy that REST reads yet; or so old that the venue has forgotten it.
            self._me.note("order_unknown", symbol=symbol, order=order_id)
            return []

    async def _ask(self, build: Callable[..., HttpRequest]) -> bytes:
        """Send a signed request, again where that may help, and return the body."""
        for attempt in range(TRIES):
            try:
                return (await self._http.request(build(self._clock.now()))).body
            except RateLimited as limited:
                await self._wait_for(limited)
            except Unauthorized:
                raise
            except HttpFailure as failure:
                if attempt == TRIES - 1 or self._source.order_is_unknown(failure):
                    raise
                if self._source.clock_is_off(failure):
                    await self._set_clock()
                else:
                    await trio.sleep(DELAYS[attempt])
        raise HttpFailure("signed request", f"rate limited {TRIES} times in a row")

    async def _wait_for(self, limited: RateLimited) -> None:
        # However long: asking earlier makes a ban longer, and without an answer the account is not live anyway.
        self._me.note("rate_limited", seconds=limited.retry_after)
        await self._say(live=False, reason="the venue limits our requests")
        await trio.sleep(limited.retry_after)

    async def _set_clock(self) -> None:
        while True:
            try:
                reply = await self._http.request(self._source.time_request())
            except RateLimited as limited:
                self._me.note("rate_limited", seconds=limited.retry_after)
                await trio.sleep(limited.retry_after)
            else:
                self._clock = _Clock(self._source.time(reply.body))
                return

    # Delivering ------------------------------------------------------------------------------------------------

    async def _deliver(self, update: OrderUpdate) -> None:
        await self._put(update)
        # No checkpoint since it was put in.
        self._book.absorb(update)

    async def _say(self, *, live: bool, reason: str) -> None:
        if live == self._live:
            return
        await self._put(AccountState(self._source.venue, self._source.account, live, reason, _now_ms()))
        self._live, self._reason = live, reason

    async def _put(self, item: AccountItem) -> None:
        """Put one item into ``out``; what follows the call runs without a checkpoint in between."""
        while True:
            await self._settings.out.wait_writable()
            if self._settings.out.send_many_nowait((item,)):
                return


def _merge(found: dict[OrderKey, OrderReport], reports: Iterable[OrderReport]) -> None:
    """Keep the newest report of each order."""
    for report in reports:
        known = found.get(report.key)
        if known is None or (report.updated, report.filled) >= (known.updated, known.filled):
            found[report.key] = report


def _now_ms() -> int:
    return int(time.time() * 1000)
