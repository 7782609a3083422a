"""ccxt, which was written for the real venues, logs in at the simulator and receives what happens to an account's orders."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import attrs
import pytest
import trio

from actors.simulator import Exchange, Rules, serve

from .conftest import ClientFailed

COUNT = 40
LOGIN = {"apiKey": "demo-key", "secret": "demo-secret", "password": "demo-passphrase"}
STATUS = {
    "new": ("open",),
    "partially_filled": ("open",),
    "filled": ("closed",),
    "canceled": ("canceled",),
    "expired": ("canceled", "expired"),
}
"""What ccxt calls each state of an order."""

pytestmark = pytest.mark.slow


@attrs.frozen
class Case:
    """What is watched where."""

    venue: str
    symbol: str
    channel: str
    library: str = "ccxt"

    @property
    def exchange(self) -> str:
        """Its name in ccxt."""
        return self.venue.partition("-")[0]

    @property
    def unified(self) -> str:
        """The symbol in ccxt."""
        return "BTC/USDT:USDT" if self.venue in ("bybit-linear", "binance-usdm") else "BTC/USDT"

    def __str__(self) -> str:
        return f"{self.venue}-{self.channel}"


CASES = [
    Case(venue, symbol, channel)
    for venue, symbol in (
        ("kucoin", "BTC-USDT"),
        ("gate", "BTC_USDT"),
        ("bybit", "BTCUSDT"),
        ("bybit-linear", "BTCUSDT"),
        ("okx", "BTC-USDT"),
        ("binance", "BTCUSDT"),
        ("binance-usdm", "BTCUSDT"),
    )
    for channel in ("my_trades", "orders")
]


async def watched(
    case: Case, run_client: Callable[..., Awaitable[list[Any]]], **login: str
) -> tuple[Exchange, list[Any]]:
    """Let the client watch an account that trades, and return what it printed."""
    exchange = Exchange(
        seed=7,
        symbols={case.venue: [case.symbol]},
        trades_per_second=5.0,
        keys={"demo-key": "demo-secret"},
        orders_per_second=20.0,
        # Whether USD-M tells everything where no events are named is in dispute; ccxt counts on it.
        rules={case.venue: attrs.evolve(Rules.documented(case.venue), tells_without_events=True)},
    )
    async with serve(exchange) as addresses, trio.open_nursery() as market:
        address = addresses[case.venue]
        settings = {
            "exchange": case.exchange,
            "symbol": case.unified,
            "name": case.symbol,
            "channel": case.channel,
            # Otherwise it asks whether the account is a unified one, which has other topics.
            "options": {"options": {"uta": False}},
            "login": LOGIN | login,
            "ws": address.ws,
            "rest": address.rest,
            "count": COUNT,
        }
        received = await run_client("ccxt", lambda: market.start_soon(exchange.run), settings)
        market.cancel_scope.cancel()
    return exchange, received


@pytest.mark.parametrize("case", [case for case in CASES if case.channel == "my_trades"], ids=str)
async def test_it_receives_each_fill_once_and_in_order(
    case: Case, run_client: Callable[..., Awaitable[list[Any]]]
) -> None:
    exchange, received = await watched(case, run_client)
    true = [
        {
            "id": str(fill.id),
            "order": str(fill.order_id),
            "side": fill.side,
            "price": fill.price,
            "quantity": fill.quantity,
        }
        for fill in exchange.spelled(case.venue, "demo-key").fills
    ]
    first = next(place for place, fill in enumerate(true) if fill["id"] == received[0]["id"])
    told = [row | {"price": Decimal(row["price"]), "quantity": Decimal(row["quantity"])} for row in received]
    # From its first one on, without a hole and without a stranger.
    assert told == true[first : first + COUNT]
    assert exchange.record.violations == []


@pytest.mark.parametrize("case", [case for case in CASES if case.channel == "orders"], ids=str)
async def test_it_receives_orders_as_they_were_and_never_backwards(
    case: Case, run_client: Callable[..., Awaitable[list[Any]]]
) -> None:
    exchange, received = await watched(case, run_client)
    dialect: Any = exchange.dialects[case.venue]
    states = {
        (str(dialect.order_id(event.order_id)), event.client_id, event.side, word, Decimal(event.filled))
        for event in exchange.record.orders[case.venue, "demo-key"]
        # KuCoin tells the last execution first, and then that the order is done. What Bybit calls
        # PartiallyFilledCanceled is closed to ccxt.
        for word in STATUS[dialect.status(event.status)]
        + (("open",) if event.execution == "TRADE" else ())
        + (("closed",) if case.venue == "bybit" and Decimal(event.filled) else ())
    }
    seen: dict[str, Decimal] = {}
    for row in received:
        filled = Decimal(row["filled"])
        assert (row["order"], row["client"], row["side"], row["status"], filled) in states
        assert filled >= seen.get(row["order"], Decimal(0))
        seen[row["order"]] = filled
    assert len(seen) > 3
    assert exchange.record.violations == []


# The listen key of Binance's futures is asked for with the API key alone.
SIGNED = [case for case in CASES if case.channel == "orders" and case.venue != "binance-usdm"]


@pytest.mark.parametrize("case", SIGNED, ids=str)
async def test_with_another_secret_it_is_refused(case: Case, run_client: Callable[..., Awaitable[list[Any]]]) -> None:
    with pytest.RaisesGroup(pytest.RaisesExc(ClientFailed, match="AuthenticationError"), flatten_subgroups=True):
        await watched(case, run_client, secret="another-secret")
