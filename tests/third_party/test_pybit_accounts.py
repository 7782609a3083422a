"""pybit, which was written for the real Bybit, logs in at the simulator and receives what happens to an account's orders."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import attrs
import pytest
import trio

from actors.simulator import Exchange, serve

COUNT = 40
WORDS = {
    "New": "new",
    "PartiallyFilled": "partially_filled",
    "Filled": "filled",
    "Cancelled": "canceled",
    "PartiallyFilledCanceled": "canceled",
}

pytestmark = pytest.mark.slow


@attrs.frozen
class Case:
    """What is watched where."""

    venue: str
    wanted: str
    library: str = "pybit"

    def __str__(self) -> str:
        return f"{self.venue}-{self.wanted}"


async def watched(case: Case, run_client: Callable[..., Awaitable[list[Any]]]) -> tuple[Exchange, list[Any]]:
    """Let the client watch an account that trades, and return what it printed."""
    exchange = Exchange(
        seed=7,
        symbols={case.venue: ["BTCUSDT"]},
        trades_per_second=5.0,
        keys={"demo-key": "demo-secret"},
        orders_per_second=20.0,
    )
    async with serve(exchange) as addresses, trio.open_nursery() as market:
        settings = {
            "channel": "private",
            "wanted": case.wanted,
            "login": {"api_key": "demo-key", "api_secret": "demo-secret"},
            "ws": addresses[case.venue].ws,
            "count": COUNT,
        }
        received = await run_client(case.library, lambda: market.start_soon(exchange.run), settings)
        market.cancel_scope.cancel()
    return exchange, received


@pytest.mark.parametrize("case", [Case(venue, "execution") for venue in ("bybit", "bybit-linear")], ids=str)
async def test_it_receives_each_fill_once_and_in_order(
    case: Case, run_client: Callable[..., Awaitable[list[Any]]]
) -> None:
    exchange, received = await watched(case, run_client)
    true = [
        {
            "id": fill.id,
            "order": fill.order_id,
            "price": fill.price,
            "quantity": fill.quantity,
            "side": fill.side,
        }
        for fill in exchange.spelled(case.venue, "demo-key").fills
    ]
    first = next(place for place, fill in enumerate(true) if fill["id"] == received[0]["id"])
    told = [row | {"price": Decimal(row["price"]), "quantity": Decimal(row["quantity"])} for row in received]
    # From its first one on, without a hole and without a stranger.
    assert told == true[first : first + COUNT]
    assert exchange.record.violations == []


@pytest.mark.parametrize("case", [Case(venue, "order") for venue in ("bybit", "bybit-linear")], ids=str)
async def test_it_receives_orders_in_the_states_in_which_they_were(
    case: Case, run_client: Callable[..., Awaitable[list[Any]]]
) -> None:
    exchange, received = await watched(case, run_client)
    dialect: Any = exchange.dialects[case.venue]
    true = [
        (dialect.order_id(event.order_id), event.client_id, dialect.status(event.status), Decimal(event.filled))
        for event in exchange.record.orders[case.venue, "demo-key"]
    ]
    told = [(row["order"], row["client"], WORDS[row["status"]], Decimal(row["filled"])) for row in received]
    # Some filled orders are told twice, as the venue does.
    once = [row for place, row in enumerate(told) if row not in told[:place]]
    first = true.index(once[0])
    assert once == true[first : first + len(once)]
    assert len(once) > COUNT // 2
    assert exchange.record.violations == []
