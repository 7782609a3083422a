"""The USD-M accounts: listen keys, orders and fills, and a seeded flow of orders. Pure: time is an argument."""

from __future__ import annotations

import string
from decimal import Decimal
from random import Random
from typing import Literal

import attrs

from ._market import Tape
from ._record import Log, OrderEvent, PublishedTrade, Side

_ALPHABET = string.ascii_letters + string.digits
_CLOSED = ("FILLED", "CANCELED", "EXPIRED")
_ORDERS_KEPT = 100_000


@attrs.define
class ListenKey:
    """A key of the private stream. It is valid for 60 minutes after the last POST or PUT (USD-M user data streams)."""

    value: str = attrs.field(repr=False)
    api_key: str
    expires: float
    notice: bool = True
    """Whether its end is told to the streams that asked for `listenKeyExpired`."""

    def active(self, now: float) -> bool:
        """Whether events flow on it."""
        return now < self.expires


@attrs.define
class Order:
    """The present state of one order, as REST shows it."""

    symbol: str
    order_id: int
    client_id: str
    side: Side
    price: str
    quantity: Decimal
    created: int
    updated: int
    status: Literal["NEW", "PARTIALLY_FILLED", "FILLED", "CANCELED", "EXPIRED"] = "NEW"
    filled: Decimal = Decimal(0)
    turnover: Decimal = Decimal(0)

    @property
    def open(self) -> bool:
        """Whether it still rests in the book."""
        return self.status not in _CLOSED

    @property
    def average_price(self) -> str:
        """Of its fills; "0" before the first."""
        return str((self.turnover / self.filled).quantize(Decimal("0.00001"))) if self.filled else "0"


@attrs.frozen
class FillRow:
    """One fill as `userTrades` shows it."""

    symbol: str
    trade_id: int
    order_id: int
    side: Side
    price: str
    quantity: str
    maker: bool
    time: int


class Account:
    """Orders and fills of one API key.

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

    def open_orders(self) -> list[Order]:
        """In the order of their ids."""
        return list(self._resting.values())

    def place(self, symbol: str, side: Side, quantity: str, price: str, at: float, time: int) -> OrderEvent:
        """A new resting limit order."""
        client_id = "sim-" + "".join(self.random.choices(_ALPHABET, k=18))
        order = Order(symbol, self._next_id, client_id, side, price, Decimal(quantity), time, time)
        self._next_id += 1
        self.orders[order.order_id] = self._resting[order.order_id] = order
        if len(self.orders) > _ORDERS_KEPT:
            self._forget_oldest_closed()
        return self._event(order, "NEW", at, time)

    def fill(self, order_id: int, quantity: str | None, trade: PublishedTrade, at: float, time: int) -> OrderEvent:
        """Fill a part, or with None all that is left, at the price and with the raw id of a public trade.

        Raises:
            ValueError: the order is closed, or less than that is left.
        """
        order = self._open(order_id)
        amount = order.quantity - order.filled if quantity is None else Decimal(quantity)
        if not 0 < amount <= order.quantity - order.filled:
            raise ValueError(f"order {order_id} has {order.quantity - order.filled} left, not {amount}")
        order.filled += amount
        order.turnover += amount * Decimal(trade.price)
        order.status = "FILLED" if order.filled == order.quantity else "PARTIALLY_FILLED"
        self.fills.append(
            FillRow(order.symbol, trade.first_id, order_id, order.side, trade.price, str(amount), True, time)
        )
        return self._event(order, "TRADE", at, time, trade, str(amount))

    def end(self, order_id: int, how: Literal["CANCELED", "EXPIRED"], at: float, time: int) -> OrderEvent:
        """Cancel or expire what is left of an order.

        Raises:
            ValueError: it is closed already.
        """
        order = self._open(order_id)
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

    def part_of(self, order: Order) -> str | None:
        """How much a partial fill takes: one or more lots, never the whole rest; None when only one lot is left."""
        lots = int((order.quantity - order.filled) * 1000)
        return None if lots < 2 else str(Decimal(self.account.random.randint(1, lots - 1)).scaleb(-3))


class ListenKeys:
    """The listen keys of all accounts; one active key per account (USD-M user data streams, 2026-05-28)."""

    def __init__(self, random: Random, life: float) -> None:
        self._random = random
        self._life = life
        self._by_account: dict[str, ListenKey] = {}
        self._by_value: dict[str, ListenKey] = {}

    def create(self, api_key: str, now: float) -> ListenKey:
        """The active key, extended, or a new one."""
        key = self._by_account.get(api_key)
        if key is None or not key.active(now):
            if key is not None:
                # One generation of dead keys is remembered, no more: streams on older ones stay silent anyway.
                self._by_value = {k.value: k for k in self._by_account.values()}
            key = ListenKey("".join(self._random.choices(_ALPHABET, k=64)), api_key, 0.0)
            self._by_account[api_key] = key
            self._by_value[key.value] = key
        key.expires = now + self._life
        return key

    def extend(self, api_key: str, now: float) -> ListenKey | None:
        """Keep the account's key alive; None when it has none that lives."""
        key = self.active_key(api_key, now)
        if key is not None:
            key.expires = now + self._life
        return key

    def delete(self, api_key: str, now: float) -> None:
        """End the account's key without a notice."""
        self.expire(api_key, now, notice=False)

    def expire(self, api_key: str, now: float, *, notice: bool) -> ListenKey | None:
        """End the account's key at once; None when it has none that lives."""
        key = self.active_key(api_key, now)
        if key is not None:
            key.expires, key.notice = now, notice
        return key

    def active_key(self, api_key: str, now: float) -> ListenKey | None:
        """The key on which the account's events flow now."""
        key = self._by_account.get(api_key)
        return key if key is not None and key.active(now) else None

    def find(self, value: str) -> ListenKey | None:
        """The key with that value, living or just dead."""
        return self._by_value.get(value)
