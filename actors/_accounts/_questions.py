"""Everything that has to be asked to know what may have happened to an account since a time."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Iterable
from typing import Final, TypeAlias

import attrs
import trio

from supervisor import Me

from .._account_source import AccountSource, OrderKey, OrderReport
from .._connections._venue_clock import JUMP, VenueClock
from .._errors import BadFrame, HttpFailure, Inconsistent, Unauthorized
from .._records import Fill
from ._book import Book
from ._inquiring import TRIES, Inquirer
from ._reconcile import lacking

FORGOTTEN_AFTER: Final = 24 * 3600 * 1000
"""Milliseconds after the last news of an order. What is neither open nor known to the venue then has ended without a fill:
Binance forgets such orders after three days (USD-M "Query Order", 2026-05-28)."""


@attrs.frozen
class Answers:
    """What the venue said."""

    began: int
    """When the first question was asked, by the venue's clock."""
    symbols: tuple[str | None, ...]
    """What it is about; None: about everything."""
    orders: list[OrderReport] = attrs.field(repr=False)
    fills: list[Fill] = attrs.field(repr=False)


Outcome: TypeAlias = Answers | HttpFailure | BadFrame | Inconsistent


class Asking:
    """Asks beside everything else, when told to, and one time after the other.

    Args:
        ask: What to do.
        news: Called when there is an outcome, or a trouble.

    Attributes:
        busy: Whether it is under way.
        outcome: What has come of it; `take` takes it away.
        trouble: Why there is no answer yet, and may be none for long; `take_trouble` takes it away.
    """

    def __init__(self, ask: Callable[[], Awaitable[Answers]], news: Callable[[], None]) -> None:
        self._ask = ask
        self._news = news
        self._told = trio.Event()
        self._scope = trio.CancelScope()
        self.busy = False
        self.outcome: Outcome | None = None
        self.trouble: str | None = None

    def begin(self) -> None:
        """Ask everything, from the beginning where that is under way: what was asked before this moment is too old."""
        self.outcome = None
        self.busy = True
        self._scope.cancel("asked for again")
        self._told.set()

    def take(self) -> Outcome:
        """Return the outcome, once."""
        outcome, self.outcome = self.outcome, None
        assert outcome is not None, "there is one"
        return outcome

    def hinder(self, trouble: str) -> None:
        """Note that there is no answer for now: the venue must be left alone, or attempts have failed for a while."""
        self.trouble = trouble
        self._news()

    def take_trouble(self) -> str | None:
        """Return why there is no answer, once; None: nothing is known to be in the way."""
        trouble, self.trouble = self.trouble, None
        return trouble

    async def run(self) -> None:
        """Serve, for ever.

        Raises:
            Unauthorized: The venue refuses the credentials.
            SecretMissing: A credential is missing.
        """
        while True:
            await self._told.wait()
            self._told = trio.Event()
            with trio.CancelScope() as self._scope:
                outcome = await self._outcome()
                # The last answer may have come in the very moment in which everything was asked for again.
                if not self._told.is_set():
                    self.outcome, self.busy = outcome, False
                    self._news()

    async def _outcome(self) -> Outcome:
        try:
            return await self._ask()
        except Unauthorized:
            raise
        except (HttpFailure, BadFrame, Inconsistent) as failure:
            return failure


async def ask_everything(
    source: AccountSource, inquirer: Inquirer, clock: VenueClock, book: Book, declared: Iterable[str], me: Me
) -> Answers:
    """Ask for orders and fills since the last reconciliation but one; the book is not changed but for its symbols and times.

    Orders come before fills, as `differences` wants it. Of the orders that are open as far as is known, and of those that
    a new fill belongs to, each one is asked for by itself where it is not among the others: orders that were made long
    ago and have ended are in no list. When the venue's clock turns out to have been set meanwhile, the questions were
    about the wrong time, and are asked anew.

    Raises:
        HttpFailure: There was no answer.
        BadFrame: An answer cannot be read.
        Inconsistent: The venue's clock is another one time after time.
    """
    for _ in range(TRIES):
        asked = trio.current_time()
        opened = None if book.opened is None else clock.at(book.opened) - math.ceil(clock.uncertainty)
        book.follow(clock.set_back, opened)
        answers = await _ask_once(source, inquirer, clock, book, declared, me)
        if abs(clock.at(asked) - answers.began) <= JUMP:
            return answers
        me.note("clock_set", seconds=round((clock.at(asked) - answers.began) / 1000, 1))
    raise Inconsistent("the venue's clock is another one each time it is measured")


async def _ask_once(
    source: AccountSource, inquirer: Inquirer, clock: VenueClock, book: Book, declared: Iterable[str], me: Me
) -> Answers:
    began = clock.now()
    if not source.whole and not declared:
        reports = await inquirer.inquire(source.open_orders(None))
        book.symbols.update(report.symbol for report in reports)
    symbols: tuple[str | None, ...] = (None,) if source.whole else tuple(sorted(book.symbols))
    orders: list[OrderReport] = []
    fills: list[Fill] = []
    for symbol in symbols:
        since = book.asks_since(symbol)
        found: dict[OrderKey, OrderReport] = {}
        _merge(found, await inquirer.inquire(source.orders(symbol, since, max(since, clock.now()))))
        _merge(found, await inquirer.inquire(source.open_orders(symbol)))
        known = book.open_orders(symbol)
        await _complete(source, inquirer, me, found, known)
        for key in known:
            if key not in found and (ended := _forgotten(book, key, clock.now())) is not None:
                me.note("order_forgotten", symbol=key[0], order=key[1])
                found[key] = ended
        mine = await inquirer.inquire(source.fills(symbol, since, max(since, clock.now())))
        new = [fill for fill in mine if fill.time >= since and not book.has_fill(fill)]
        await _complete(source, inquirer, me, found, dict.fromkeys((fill.symbol, fill.order_id) for fill in new))
        for lacks, earlier in lacking(book, found.values(), mine).items():
            if earlier < since:
                mine += await inquirer.inquire(source.fills(lacks, earlier, since))
        orders += found.values()
        fills += mine
    return Answers(began, symbols, orders, fills)


async def _complete(
    source: AccountSource, inquirer: Inquirer, me: Me, found: dict[OrderKey, OrderReport], keys: Iterable[OrderKey]
) -> None:
    for key in keys:
        if key in found:
            continue
        report = await inquirer.inquire(source.one_order(*key))
        if report is None:
            # Just made, and not in the copy that REST reads yet; or so old that the venue has forgotten it.
            me.note("order_unknown", symbol=key[0], order=key[1])
        else:
            _merge(found, [report])


def _forgotten(book: Book, key: OrderKey, now: int) -> OrderReport | None:
    """Return the end of an order that is not open and that the venue does not know any more; None: it may come back."""
    known = book.orders[key]
    if now - known.time < FORGOTTEN_AFTER:
        return None
    return OrderReport(
        symbol=key[0],
        order_id=key[1],
        client_id=known.client_id,
        side=known.side,
        type=known.type,
        status="canceled",
        price=known.price,
        quantity=known.quantity,
        filled=known.filled,
        created=known.time,
        updated=now,
    )


def _merge(found: dict[OrderKey, OrderReport], reports: Iterable[OrderReport]) -> None:
    """Keep the newest report of each order."""
    for report in reports:
        known = found.get(report.key)
        if known is None or (report.updated, report.filled) >= (known.updated, known.filled):
            found[report.key] = report
