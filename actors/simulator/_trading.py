"""The accounts of all venues: what is done to their orders, and the seeded flow that does it by itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from random import Random
from typing import Literal

import attrs

from ._accounts import Account, OrderFlow
from ._dialect import AccountDialect, Dialect, Floor
from ._hub import Hub
from ._market import Printed
from ._record import OrderEvent, Side

_ORDER_IDS_PER_ACCOUNT = 1_000_000_000


@attrs.frozen
class TrueOrder:
    """The state of one order, spelled as a bot must see it."""

    symbol: str
    order_id: int | str
    client_id: str
    side: Side
    status: str
    quantity: Decimal
    filled: Decimal


@attrs.frozen
class TrueFill:
    """One fill, spelled as a bot must see it."""

    symbol: str
    order_id: int | str
    id: int | str
    side: Side
    price: Decimal
    quantity: Decimal


@attrs.frozen
class TrueAccount:
    """Orders and fills of an account, in the order in which they came to be."""

    orders: tuple[TrueOrder, ...]
    fills: tuple[TrueFill, ...]


class Trading:
    """The accounts, by venue and API key.

    Args:
        hub: whom to tell.
        floors: by venue; their accounts are filled in here, where the venue's dialect has any.
        dialects: by venue.
        seed: of the exchange.
        publish: prints a taker order to the public streams.
    """

    def __init__(
        self,
        hub: Hub,
        floors: Mapping[str, Floor],
        dialects: Mapping[str, Dialect],
        seed: object,
        publish: Callable[[str, str, Printed], None],
    ) -> None:
        self._hub = hub
        self._floors = floors
        self._publish = publish
        self._dialects = {venue: spoken for venue, spoken in dialects.items() if isinstance(spoken, AccountDialect)}
        self.accounts: dict[tuple[str, str], Account] = {}
        for venue in self._dialects:
            for number, api_key in enumerate(floors[venue].credentials.secrets):
                account = Account(
                    api_key,
                    Random(f"{seed}/{venue}/account/{number}"),
                    (number + 1) * _ORDER_IDS_PER_ACCOUNT,
                    hub.record.orders[venue, api_key],
                )
                self.accounts[venue, api_key] = floors[venue].accounts[api_key] = account

    def place(
        self, venue: str, api_key: str, symbol: str, side: Side, quantity: str, price: str, at: float
    ) -> OrderEvent:
        """Place a resting limit order.

        Raises:
            KeyError: there is no such account.
        """
        account = self.accounts[venue, api_key]
        return self._tell(venue, api_key, account.place(symbol, side, quantity, price, at, self._hub.clock.ms(at)))

    def fill(self, venue: str, api_key: str, order_id: int, quantity: str | None, at: float) -> OrderEvent:
        """Fill a part, or all that is left; the fill is a public trade as well.

        Raises:
            KeyError: there is no such account.
            ValueError: the order is not open, or less than that is left.
        """
        account, time = self.accounts[venue, api_key], self._hub.clock.ms(at)
        order, amount = account.fillable(order_id, quantity)
        tape = self._floors[venue].tapes[order.symbol]
        taker: Side = "sell" if order.side == "buy" else "buy"
        printed = tape.print(at, time, side=taker, quantity=str(amount), price=order.price)
        self._publish(venue, order.symbol, printed)
        return self._tell(venue, api_key, account.fill(order_id, str(amount), printed.raw[0], at, time))

    def end(
        self, venue: str, api_key: str, order_id: int, how: Literal["CANCELED", "EXPIRED"], at: float
    ) -> OrderEvent:
        """Cancel or expire what is left of an order.

        Raises:
            KeyError: there is no such account.
            ValueError: it is closed already.
        """
        event = self.accounts[venue, api_key].end(order_id, how, at, self._hub.clock.ms(at))
        return self._tell(venue, api_key, event)

    def _tell(self, venue: str, api_key: str, event: OrderEvent) -> OrderEvent:
        if api_key not in self._floors[venue].credentials.revoked:
            self._hub.publish(venue, self._dialects[venue].ordered(api_key, event))
        return event

    def spelled(self, venue: str, api_key: str) -> TrueAccount:
        """What is true of an account, as a bot must see it.

        Raises:
            KeyError: there is no such account.
        """
        account, dialect = self.accounts[venue, api_key], self._dialects[venue]
        return TrueAccount(
            orders=tuple(
                TrueOrder(
                    order.symbol,
                    dialect.order_id(order.order_id),
                    order.client_id,
                    order.side,
                    dialect.status(order.status),
                    order.quantity,
                    order.filled,
                )
                for order in account.orders.values()
            ),
            fills=tuple(
                TrueFill(
                    fill.symbol,
                    dialect.order_id(fill.order_id),
                    dialect.fill_id(fill),
                    fill.side,
                    Decimal(fill.price),
                    Decimal(fill.quantity),
                )
                for fill in account.fills
            ),
        )

    # By themselves.

    def carry_out(self, venue: str, now: float) -> None:
        """Cancel the open orders of the countdowns that have run out."""
        for countdown in self._floors[venue].countdowns.take(now):
            account = self.accounts[venue, countdown.api_key]
            for order in account.open_orders():
                if countdown.symbols is None or order.symbol in countdown.symbols:
                    self.end(venue, countdown.api_key, order.order_id, "CANCELED", max(countdown.at, 0.0))

    def flows(self, orders_per_second: float) -> list[tuple[str, OrderFlow]]:
        """Every account's flow of orders, with its venue, where there is a live market."""
        found = []
        for (venue, _), account in self.accounts.items():
            live = [tape for tape in self._floors[venue].tapes.values() if tape.live]
            if live:
                found.append((venue, OrderFlow(account, live, orders_per_second)))
        return found

    def step(self, venue: str, flow: OrderFlow, at: float) -> None:
        """Let a flow do its next step."""
        step, account = flow.next_step(), flow.account
        if step.action == "place":
            tape, side, quantity = flow.new_order()
            self.place(venue, account.api_key, tape.symbol, side, quantity, tape.price, at)
        elif step.action == "fill":
            part = flow.part_of(account.orders[step.order_id])
            self.fill(venue, account.api_key, step.order_id, part, at)
        elif step.action == "finish":
            self.fill(venue, account.api_key, step.order_id, None, at)
        else:
            self.end(venue, account.api_key, step.order_id, "CANCELED" if step.action == "cancel" else "EXPIRED", at)
