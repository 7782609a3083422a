"""python-binance, which was written for the real Binance, logs in at the simulator and receives an account's events.

Version 1.0.37 knows of the end of spot's listen key: its user socket subscribes over the WebSocket API with a signature, and
its margin sockets with a listen token. Its futures socket names no events in the address.
"""

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

pytestmark = pytest.mark.slow


@attrs.frozen
class Case:
    """Which socket, and where."""

    channel: str
    venue: str
    symbol: str = "BTCUSDT"
    library: str = "python-binance"

    def __str__(self) -> str:
        return self.channel


CASES = [
    Case("user", "binance"),
    Case("margin", "binance"),
    Case("isolated", "binance"),
    Case("futures_user", "binance-usdm"),
    Case("coin_futures_user", "binance-coinm", "BTCUSD_PERP"),
]


async def watched(
    case: Case, run_client: Callable[..., Awaitable[list[Any]]], secret: str = "demo-secret", **rules: Any
) -> tuple[Exchange, list[Any]]:
    """Let the client watch an account that trades, and return what it printed."""
    exchange = Exchange(
        seed=7,
        symbols={case.venue: [case.symbol]},
        trades_per_second=5.0,
        keys={"demo-key": "demo-secret"},
        orders_per_second=20.0,
        rules={case.venue: attrs.evolve(Rules.documented(case.venue), **rules)},
    )
    async with serve(exchange) as addresses, trio.open_nursery() as market:
        address = addresses[case.venue]
        settings = {
            "channel": case.channel,
            "name": case.symbol,
            "login": ["demo-key", secret],
            "ws": address.ws,
            "rest": address.rest,
            "count": COUNT,
        }
        received = await run_client(case.library, lambda: market.start_soon(exchange.run), settings)
        market.cancel_scope.cancel()
    return exchange, received


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_it_receives_every_event_once_and_in_order(
    case: Case, run_client: Callable[..., Awaitable[list[Any]]]
) -> None:
    # Whether the venue tells everything where no events are named is in dispute; this client counts on it.
    exchange, received = await watched(case, run_client, tells_without_events=True)

    def row(event: Any) -> dict[str, Any]:
        told: dict[str, Any] = {
            "order": event.order_id,
            "status": event.status,
            "filled": Decimal(event.filled),
            "side": event.side.upper(),
        }
        if event.execution == "TRADE":
            price, quantity = Decimal(event.last_price), Decimal(event.last_quantity)
            told["fill"] = {"id": event.trade_id, "price": price, "quantity": quantity}
        return told

    def read(row: dict[str, Any]) -> dict[str, Any]:
        numbers = {name: Decimal(row["fill"][name]) for name in ("price", "quantity")} if "fill" in row else {}
        fill = {"fill": row["fill"] | numbers} if "fill" in row else {}
        return row | {"filled": Decimal(row["filled"])} | fill

    true = [row(event) for event in exchange.record.orders[case.venue, "demo-key"]]
    assert [read(told) for told in received] == true[:COUNT]
    assert exchange.record.violations == []


@pytest.mark.parametrize("case", [CASES[0]], ids=str)
async def test_with_another_secret_it_is_refused(case: Case, run_client: Callable[..., Awaitable[list[Any]]]) -> None:
    with pytest.RaisesGroup(pytest.RaisesExc(ClientFailed, match="-1022"), flatten_subgroups=True):
        await watched(case, run_client, secret="another-secret")
