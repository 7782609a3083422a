"""Clients that were written for the real venues receive the simulator's trades: each once, in order, none invented."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal
from typing import Any

import attrs
import pytest
import trio

from actors.simulator import Exchange, PublishedTrade, serve

COUNT = 200

pytestmark = pytest.mark.slow


@attrs.frozen
class Case:
    """One subscription of one library."""

    library: str
    venue: str
    symbol: str
    settings: dict[str, Any]

    def __str__(self) -> str:
        channel = self.settings["channel"]
        return "-".join([self.library, self.venue, *([] if channel in ("trades", self.venue) else [channel])])


def ccxt(venue: str, exchange: str, symbol: str, unified: str, **options: Any) -> Case:
    settings = {"exchange": exchange, "symbol": unified, "name": symbol, "channel": "trades"}
    settings["options"] = {"options": options}
    return Case("ccxt", venue, symbol, settings)


def cryptofeed(venue: str, exchange: str, symbol: str, name: str, unified: str) -> Case:
    settings = {"exchange": exchange, "symbol": unified, "name": name, "channel": "trades"}
    return Case("cryptofeed", venue, symbol, settings)


CASES = [
    ccxt("binance", "binance", "BTCUSDT", "BTC/USDT"),
    # By itself it takes `trade`, which USD-M does not document.
    ccxt("binance-usdm", "binance", "BTCUSDT", "BTC/USDT:USDT", watchTrades={"name": "aggTrade"}),
    ccxt("bybit", "bybit", "BTCUSDT", "BTC/USDT"),
    ccxt("bybit-linear", "bybit", "BTCUSDT", "BTC/USDT:USDT"),
    ccxt("okx", "okx", "BTC-USDT", "BTC/USDT"),
    ccxt("kucoin", "kucoin", "BTC-USDT", "BTC/USDT"),
    ccxt("gate", "gate", "BTC_USDT", "BTC/USDT"),
    Case("python-binance", "binance", "BTCUSDT", {"name": "BTCUSDT", "channel": "trades"}),
    Case("python-binance", "binance-usdm", "BTCUSDT", {"name": "BTCUSDT", "channel": "futures"}),
    Case("pybit", "bybit", "BTCUSDT", {"name": "BTCUSDT", "channel": "spot"}),
    Case("pybit", "bybit-linear", "BTCUSDT", {"name": "BTCUSDT", "channel": "linear"}),
    cryptofeed("binance", "Binance", "BTCUSDT", "BTCUSDT", "BTC-USDT"),
    cryptofeed("bybit", "Bybit", "BTCUSDT", "BTC/USDT", "BTC-USDT"),
    cryptofeed("bybit-linear", "Bybit", "BTCUSDT", "BTCUSDT", "BTC-USDT-PERP"),
    cryptofeed("okx", "OKX", "BTC-USDT", "BTC-USDT", "BTC-USDT"),
    cryptofeed("gate", "Gateio", "BTC_USDT", "BTC_USDT", "BTC-USDT"),
]


def published(exchange: Exchange, case: Case) -> Sequence[PublishedTrade]:
    """The true record of what the subscription brings."""
    record = exchange.record
    # OKX's `trades` channel tells what one taker order took at one price as one trade; cryptofeed's trades of Binance
    # are aggregate ones.
    aggregate = case.venue == "okx" or (case.library, case.venue) == ("cryptofeed", "binance")
    return (record.agg_trades if aggregate else record.trades)[case.venue, case.symbol]


def row_of(trade: PublishedTrade) -> dict[str, Any]:
    return {
        "id": str(trade.id),
        "price": Decimal(trade.price),
        "quantity": Decimal(trade.quantity),
        "side": trade.side,
        "time": trade.time,
    }


def read(row: dict[str, Any], trade: dict[str, Any]) -> dict[str, Any]:
    # ccxt divides KuCoin's nanoseconds as floating-point numbers, and so loses a millisecond now and then.
    time = trade["time"] if abs(row["time"] - trade["time"]) <= 1 else row["time"]
    return row | {"price": Decimal(row["price"]), "quantity": Decimal(row["quantity"]), "time": time}


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_a_client_of_the_real_venue_receives_the_trades_of_the_record(
    case: Case, run_client: Callable[..., Awaitable[list[Any]]]
) -> None:
    exchange = Exchange(seed=7, symbols={case.venue: [case.symbol]}, trades_per_second=100.0)
    # cryptofeed speaks TLS only.
    async with serve(exchange, tls=case.library == "cryptofeed") as addresses, trio.open_nursery() as market:
        address = addresses[case.venue]
        settings = case.settings | {"ws": address.ws, "rest": address.rest, "ca": address.ca, "count": COUNT}
        received = await run_client(case.library, lambda: market.start_soon(exchange.run), settings)
        market.cancel_scope.cancel()
    assert len(received) == COUNT
    truth = [row_of(trade) for trade in published(exchange, case)]
    first = next(index for index, row in enumerate(truth) if row["id"] == received[0]["id"])
    # From its first one on, without a hole and without a stranger.
    expected = truth[first : first + COUNT]
    assert [read(*pair) for pair in zip(received, expected, strict=True)] == expected
    assert exchange.record.violations == []
