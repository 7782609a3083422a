"""Accounts: orders and fills of one API key at one venue, and a seeded flow of orders. Pure: time is an argument.

Ids are whole numbers here, whatever the venue shows: its dialect spells them (`AccountDialect`). What REST shows is asked
of `Account.view`, because under the fault `rest_lag` that is the past: each change is kept, with what was before.
"""

from __future__ import annotations

import string
from collections import deque
from collections.abc import Mapping, Sequence
from decimal import Decimal
from random import Random
from typing import Literal

import attrs

from ._account_view import AccountView, FillRow, Order
from ._book import fixed
from ._market import Tape
from ._record import Log, OrderEvent, PublishedTrade, Side

_ALPHABET = string.ascii_letters + string.digits
_ORDERS_KEPT = 100_000
_CHANGES_KEPT = 10_000
"""How many changes REST can be behind."""

LagOf = Literal["all", "fills", "orders"]


class Account:
    """Orders and fills of one API key at one venue.

    Args:
        api_key: whose they are.
        random: draws client ids and whatever the flow leaves open.
        first_id: where order ids of this account begin; accounts share no ids.
        events: the true record's log of this account.
    """

    def __init__(self, api_key: str, random: Random, first_id: int, events: Log[OrderEvent]) -> None:
        self.api_key = api_key
        self.random = random
        self.events = events
        self.orders: dict[int, Order] = {}
        self.fills: Log[FillRow] = Log(_ORDERS_KEPT)
        self._resting: dict[int, Order] = {}
        self._next_id = first_id
        self._changes: deque[tuple[float, int, Order | None]] = deque(maxlen=_CHANGES_KEPT)
        self._lag: tuple[float, float, LagOf] = (0.0, 0.0, "all")

    def open_orders(self) -> list[Order]:
        """Those that rest in the book now, in the order of their ids."""
        return list(self._resting.values())

    # What REST sees.

    def lag(self, seconds: float, until: float, of: LagOf = "all") -> None:
        """Let views made until then be so many seconds behind: all, or only the fills or the orders in them."""
        self._lag = (seconds, until, of)

    def view(self, now: float) -> AccountView:
        """What REST shows at that second of the exchange's clock."""
        seconds, until, of = self._lag
        if now >= until:
            return AccountView(self.orders, self._resting, {}, self.fills)
        before = {} if of == "fills" else self._before(now - seconds)
        fills = self.fills if of == "orders" else self._fills_until(now - seconds)
        return AccountView(self.orders, self._resting, before, fills)

    def _before(self, at: float) -> Mapping[int, Order | None]:
        """How the orders were that have changed since that second."""
        then: dict[int, Order | None] = {}
        for changed_at, order_id, order in reversed(self._changes):
            if changed_at <= at:
                break
            then[order_id] = order
        return then

    def _fills_until(self, at: float) -> Sequence[FillRow]:
        shown = len(self.fills)
        while shown and self.fills[shown - 1].at > at:
            shown -= 1
        return self.fills[:shown]

    # What happens.

    def place(self, symbol: str, side: Side, quantity: str, price: str, at: float, time: int) -> OrderEvent:
        """A new resting limit order."""
        client_id = "sim-" + "".join(self.random.choices(_ALPHABET, k=18))
        order = Order(symbol, self._next_id, client_id, side, price, Decimal(quantity), time, time)
        self._next_id += 1
        self._changes.append((at, order.order_id, None))
        self.orders[order.order_id] = self._resting[order.order_id] = order
        if len(self.orders) > _ORDERS_KEPT:
            self._forget_oldest_closed()
        return self._event(order, "NEW", at, time)

    def fillable(self, order_id: int, quantity: str | None) -> tuple[Order, Decimal]:
        """An open order, and how much of it is to be filled: that much, or with None all that is left.

        Raises:
            ValueError: the order is closed, or less than that is left.
        """
        order = self._open(order_id)
        amount = order.quantity - order.filled if quantity is None else Decimal(quantity)
        if not 0 < amount <= order.quantity - order.filled:
            raise ValueError(f"order {order_id} has {order.quantity - order.filled} left, not {amount}")
        return order, amount

    def fill(self, order_id: int, quantity: str | None, trade: PublishedTrade, at: float, time: int) -> OrderEvent:
        """Fill a part, or with None all that is left, at the price and with the id of a public trade.

        Raises:
            ValueError: as of `fillable`.
        """
        order, amount = self.fillable(order_id, quantity)
        self._changes.append((at, order_id, attrs.evolve(order)))
        order.filled += amount
        order.turnover += amount * Decimal(trade.price)
        order.status = "FILLED" if order.filled == order.quantity else "PARTIALLY_FILLED"
        self.fills.append(
            FillRow(
                symbol=order.symbol,
                trade_id=trade.first_id,
                public_id=trade.id,
                order_id=order_id,
                side=order.side,
                price=trade.price,
                quantity=str(amount),
                maker=True,
                time=time,
                at=at,
            )
        )
        return self._event(order, "TRADE", at, time, trade, str(amount))

    def end(self, order_id: int, how: Literal["CANCELED", "EXPIRED"], at: float, time: int) -> OrderEvent:
        """Cancel or expire what is left of an order.

        Raises:
            ValueError: it is closed already.
        """
        order = self._open(order_id)
        self._changes.append((at, order_id, attrs.evolve(order)))
        order.status = how
        return self._event(order, how, at, time)

    def _open(self, order_id: int) -> Order:
        order = self.orders.get(order_id)
        if order is None or not order.open:
            raise ValueError(f"order {order_id} is not open")
        return order

    def _forget_oldest_closed(self) -> None:
        oldest = next((number for number, order in self.orders.items() if not order.open), None)
        if oldest is not None:
            del self.orders[oldest]

    def _event(
        self,
        order: Order,
        execution: Literal["NEW", "TRADE", "CANCELED", "EXPIRED"],
        at: float,
        time: int,
        trade: PublishedTrade | None = None,
        amount: str = "0",
    ) -> OrderEvent:
        order.updated = time
        if not order.open:
            del self._resting[order.order_id]
        event = OrderEvent(
            symbol=order.symbol,
            order_id=order.order_id,
            client_id=order.client_id,
            side=order.side,
            execution=execution,
            status=order.status,
            price=order.price,
            quantity=str(order.quantity),
            last_price=trade.price if trade else "0",
            last_quantity=amount,
            filled=str(order.filled),
            average_price=order.average_price,
            trade_id=trade.first_id if trade else 0,
            maker=trade is not None,
            time=time,
            at=at,
            created=order.created,
            public_id=trade.id if trade else 0,
        )
        self.events.append(event)
        return event


Action = Literal["place", "fill", "finish", "cancel", "expire"]

_ACTIONS: tuple[Action, ...] = ("fill", "finish", "cancel", "expire")


@attrs.frozen
class Step:
    """What the seeded flow does next: place a new order, or move an open one on."""

    action: Action
    order_id: int = 0


class OrderFlow:
    """A seeded stream of ordinary order lives: new, some fills, and an end.

    Args:
        account: whose orders.
        tapes: the symbols that it trades.
        orders_per_second: how often a new order is placed; each lives through two or three more steps.
    """

    def __init__(self, account: Account, tapes: list[Tape], orders_per_second: float) -> None:
        self.account = account
        self.tapes = tapes
        self._rate = orders_per_second * 3

    def next_delay(self) -> float:
        """Seconds to the next step."""
        return self.account.random.expovariate(self._rate)

    def next_step(self) -> Step:
        """Draw what happens now."""
        random, open_orders = self.account.random, self.account.open_orders()
        if not open_orders or (len(open_orders) < 10 and random.random() < 0.33):
            return Step("place")
        order = random.choice(open_orders)
        return Step(random.choices(_ACTIONS, weights=(45, 30, 20, 5))[0], order.order_id)

    def new_order(self) -> tuple[Tape, Side, str]:
        """Draw market, side and quantity of a new order."""
        random = self.account.random
        tape = random.choice(self.tapes)
        side: Side = "buy" if random.random() < 0.5 else "sell"
        return tape, side, fixed(random.randint(2, 999), min(3, tape.quantity_decimals))

    def part_of(self, order: Order) -> str | None:
        """How much a partial fill takes: one or more lots, never the whole rest; None when only one lot is left."""
        decimals = -int(order.quantity.as_tuple().exponent)
        lots = int((order.quantity - order.filled).scaleb(decimals))
        return None if lots < 2 else fixed(self.account.random.randint(1, lots - 1), decimals)
