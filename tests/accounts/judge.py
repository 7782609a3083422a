"""What a bot was given of one account, held against what is true at the exchange. Pure.

Law L3: after any interruption of a private stream the bot's view of its orders and fills equals the exchange's before the
account counts as live again, and each fill is delivered once. Nothing here knows how accounts work: only the exchange's
true record, as its venue spells it, and what came out of the account's mailbox.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

import attrs

from actors import AccountState, Fill, OrderUpdate
from actors.simulator import TrueAccount, TrueFill

LATE = 2.0
"""Seconds that news may be on its way: what is younger need not be in the view yet."""
FOUND = 320.0
"""Seconds after which what the stream lost without a word is held all the same, unless the account is not live: there are
300 between two reconciliations, and one that brings no answer for ten has the account degraded."""
LAST = 30.0
"""Seconds at the end of trading in which the stream must have told something."""

OrderKey = tuple[str, int | str]
FillKey = tuple[str, int | str, int | str]
State = tuple[str, Decimal]
"""Status, and how much is filled."""


@attrs.frozen
class Happening:
    """One event of an order at the exchange, as its venue spells it."""

    at: float
    symbol: str
    order_id: int | str
    status: str
    filled: Decimal
    fill_id: int | str | None


@attrs.frozen
class Verdict:
    """One account of one run."""

    orders: int
    """True ones, at the end."""
    wrong_orders: int
    """Not held by the bot at the end, or otherwise than they are."""
    strange_orders: int
    """Held by the bot, unknown to the exchange."""
    fills: int
    """True ones, at the end."""
    missed: int
    """True fills that were not delivered."""
    doubled: int
    """Deliveries of a fill beyond the first."""
    false_fills: int
    """Fills unknown to the exchange, or with another side, price or quantity."""
    disordered: int
    """Updates after the end of their order, or whose `filled` is not the sum of the fills delivered so far."""
    by_reconciling: int
    """Updates that were not told by the stream."""
    untrue: int
    """Times at which the account became live with a view that was not the exchange's."""
    noticed_after: float | None
    """Seconds from the fault to the first state that was not live; None: the account was live throughout."""
    recovered_after: float | None
    """Seconds from the fault to the last change to live, if it was ever not live."""
    live_at_the_end: bool
    told_at_the_end: bool
    """Whether the stream itself still told something in the last seconds of trading: asking alone is not enough."""

    @property
    def lawful(self) -> bool:
        """Whether law L3 holds."""
        broken = self.wrong_orders, self.strange_orders, self.missed, self.doubled, self.false_fills, self.disordered
        return not any(broken) and not self.untrue and self.live_at_the_end and self.told_at_the_end


class View:
    """What the bot holds: what an ordinary bot would put together from its mailbox."""

    def __init__(self) -> None:
        self.orders: dict[OrderKey, State] = {}
        self.fills: dict[FillKey, Fill] = {}
        self.doubled = self.disordered = self.by_reconciling = 0
        self._filled: defaultdict[OrderKey, Decimal] = defaultdict(Decimal)
        self._closed: set[OrderKey] = set()

    def take(self, update: OrderUpdate) -> None:
        """Do what the update says."""
        key = (update.symbol, update.order_id)
        self.by_reconciling += update.source == "reconcile"
        if update.fill is not None:
            fill_key = (*key, update.fill.id)
            if fill_key in self.fills:
                self.doubled += 1
            else:
                self.fills[fill_key] = update.fill
                self._filled[key] += update.fill.quantity
        if key in self._closed or update.filled != self._filled[key]:
            self.disordered += 1
        if update.closed:
            self._closed.add(key)
        self.orders[key] = (update.status, update.filled)


class Truth:
    """What is true at the exchange, as of a time that only goes on.

    Args:
        happened: Everything that happened to the orders, in order.
        late: Seconds that news may be on its way.
    """

    def __init__(self, happened: Sequence[Happening], late: float = LATE) -> None:
        self._happened = happened
        self._late = late
        self._place = 0
        self._orders: dict[OrderKey, State] = {}
        self._fills: set[FillKey] = set()

    def agrees(self, view: View, at: float) -> bool:
        """Whether a view is true at that second, what is on its way granted."""
        self._go_on(at - self._late)
        states = {key: {state} for key, state in self._orders.items()}
        fills = set(self._fills)
        for event in self._until(at):
            key = (event.symbol, event.order_id)
            # Before it was placed there is nothing to hold.
            states.setdefault(key, {("", Decimal(0))}).add((event.status, event.filled))
            if event.fill_id is not None:
                fills.add((*key, event.fill_id))
        held = view.orders.keys() | states.keys()
        return (
            all(view.orders.get(key, ("", Decimal(0))) in states.get(key, ()) for key in held)
            and self._fills <= view.fills.keys() <= fills
        )

    def _until(self, at: float) -> Iterator[Happening]:
        for place in range(self._place, len(self._happened)):
            if self._happened[place].at > at:
                return
            yield self._happened[place]

    def _go_on(self, at: float) -> None:
        for event in self._until(at):
            key = (event.symbol, event.order_id)
            self._orders[key] = (event.status, event.filled)
            if event.fill_id is not None:
                self._fills.add((*key, event.fill_id))
            self._place += 1


def judge(
    true: TrueAccount,
    happened: Sequence[Happening],
    items: Sequence[tuple[float, Any]],
    *,
    fault_at: float,
    ends: float,
    rest_is_true: bool = True,
) -> Verdict:
    """Compare.

    Args:
        true: The account at the end.
        happened: Everything that happened to its orders, in order.
        items: When each thing came out of the mailbox, on the exchange's clock, and the thing.
        fault_at: When the first fault began.
        ends: When trading ended.
        rest_is_true: Whether REST told the truth whenever it answered; otherwise nobody can know it at once, and only
            the end is judged.
    """
    view, truth = View(), Truth(happened)
    live, untrue = False, 0
    noticed: float | None = None
    recovered: float | None = None
    for at, item in items:
        if isinstance(item, OrderUpdate):
            view.take(item)
        elif isinstance(item, AccountState) and item.live != live:
            live = item.live
            if live and rest_is_true and not truth.agrees(view, at):
                untrue += 1
            if at >= fault_at and not live:
                noticed = at - fault_at if noticed is None else noticed
            elif noticed is not None:
                recovered = at - fault_at
    orders = {(order.symbol, order.order_id): (order.status, order.filled) for order in true.orders}
    fills = {(fill.symbol, fill.order_id, fill.id): fill for fill in true.fills}
    return Verdict(
        orders=len(orders),
        wrong_orders=sum(view.orders.get(key) != state for key, state in orders.items()),
        strange_orders=len(view.orders.keys() - orders.keys()),
        fills=len(fills),
        missed=len(fills.keys() - view.fills.keys()),
        doubled=view.doubled,
        false_fills=sum(key not in fills or not _same(fills[key], fill) for key, fill in view.fills.items()),
        disordered=view.disordered,
        by_reconciling=view.by_reconciling,
        untrue=untrue,
        noticed_after=noticed,
        recovered_after=recovered,
        live_at_the_end=live,
        told_at_the_end=any(
            isinstance(item, OrderUpdate) and item.source == "stream" and ends - LAST <= at for at, item in items
        ),
    )


def false_moments(
    happened: Sequence[Happening], items: Sequence[tuple[float, Any]], losses: Sequence[tuple[float, float]]
) -> list[float]:
    """Return the seconds at which the account was live, and what the bot held was not true.

    Looked at are the moments a little later than anything happened. Left out are those at which nobody can know better:
    since it became live, that is since everything was asked for, the stream was losing things without a word. For how
    long nobody knows better has an end: see `overdue_moments`.

    Args:
        happened: Everything that happened to the orders, in order.
        items: When each thing came out of the mailbox, and the thing.
        losses: From when to when the stream lost things silently. What began before the account became live and is
            not over then, as the death of a key under a connection that stays, is going on.
    """
    truth = Truth(happened)
    found = []
    for at, view, since in _views(happened, items, LATE):
        lost = since is None or any(began <= at and ended >= since for began, ended in losses)
        if not lost and not truth.agrees(view, at):
            found.append(at)
    return found


def overdue_moments(happened: Sequence[Happening], items: Sequence[tuple[float, Any]]) -> list[float]:
    """Return the seconds at which the account was live, and the bot did not hold what had happened long before.

    Whatever the stream has lost, with a word or without: `FOUND` seconds later the venue was asked.
    """
    truth = Truth(happened, FOUND)
    return [
        at for at, view, since in _views(happened, items, FOUND) if since is not None and not truth.agrees(view, at)
    ]


def _views(
    happened: Sequence[Happening], items: Sequence[tuple[float, Any]], late: float
) -> Iterator[tuple[float, View, float | None]]:
    """Yield what the bot holds a little later than so long after each happening, and since when the account is live."""
    view = View()
    waiting = list(reversed(items))
    live_since: float | None = None
    for at in sorted({event.at + late + 0.5 for event in happened}):
        while waiting and waiting[-1][0] <= at:
            came, item = waiting.pop()
            if isinstance(item, OrderUpdate):
                view.take(item)
            elif not item.live:
                live_since = None
            elif live_since is None:
                live_since = came
        yield at, view, live_since


def _same(true: TrueFill, fill: Fill) -> bool:
    return (true.side, true.price, true.quantity) == (fill.side, fill.price, fill.quantity)
