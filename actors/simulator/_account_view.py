"""An account as REST shows it at one moment, which may be some seconds ago. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Literal

import attrs

from ._record import OrderStatus, Side

_CLOSED = ("FILLED", "CANCELED", "EXPIRED")


@attrs.define
class Order:
    """The state of one order."""

    symbol: str
    order_id: int
    client_id: str
    side: Side
    price: str
    quantity: Decimal
    created: int
    updated: int
    status: OrderStatus = "NEW"
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
    """One fill as REST shows it."""

    symbol: str
    trade_id: int
    """The number of the public trade, counted where its id is text."""
    public_id: int | str
    """Of the public trade, as the venue shows it."""
    order_id: int
    side: Side
    price: str
    quantity: str
    maker: bool
    time: int
    at: float


class AccountView:
    """What REST says of an account.

    Args:
        orders: all that are remembered, by id, as they are.
        resting: those of them that are open, as they are.
        before: by id, the orders that were otherwise at the moment of this view; None: it was not there yet.
        fills: those of that moment, in the order in which they happened.
    """

    def __init__(
        self,
        orders: Mapping[int, Order],
        resting: Mapping[int, Order],
        before: Mapping[int, Order | None],
        fills: Sequence[FillRow],
    ) -> None:
        self._orders = orders
        self._resting = resting
        self._before = before
        self.fills = fills

    def order(self, order_id: int) -> Order | None:
        """The order with that id."""
        return self._before[order_id] if order_id in self._before else self._orders.get(order_id)

    def order_of_client(self, client_id: str) -> Order | None:
        """The order that was placed with that client id."""
        return next((order for order in self.orders() if order.client_id == client_id), None)

    def orders(self, symbol: str | None = None) -> Iterator[Order]:
        """All orders of a symbol, or with None of all, in the order of their ids."""
        for order_id, order in self._orders.items():
            then = self._before.get(order_id, order)
            if then is not None and symbol in (None, then.symbol):
                yield then

    def open_orders(self, symbol: str | None = None) -> list[Order]:
        """Those that rest in the book, in the order of their ids."""
        if not self._before:
            return [order for order in self._resting.values() if symbol in (None, order.symbol)]
        return [order for order in self.orders(symbol) if order.open]

    def orders_between(
        self, symbol: str | None, start_ms: int, end_ms: int, by: Literal["created", "updated"] = "created"
    ) -> list[Order]:
        """Orders made, or last changed, between two times, both inclusive; oldest first by that time."""
        found = [order for order in self.orders(symbol) if start_ms <= getattr(order, by) <= end_ms]
        return found if by == "created" else sorted(found, key=lambda order: (order.updated, order.order_id))

    def fills_between(self, symbol: str | None, start_ms: int, end_ms: int) -> list[FillRow]:
        """Fills between two times, both inclusive, in the order in which they happened."""
        return [fill for fill in self.fills if start_ms <= fill.time <= end_ms and symbol in (None, fill.symbol)]

    def fills_of(self, order_id: int) -> list[FillRow]:
        """The fills of one order."""
        return [fill for fill in self.fills if fill.order_id == order_id]
