"""A client that was written for the real venues keeps the simulator's order book, by its own rules for each venue."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Iterator
from decimal import Decimal
from typing import Any

import attrs
import pytest
import trio

from actors.simulator import BookHistory, BookState, Exchange, serve

COUNT = 60

pytestmark = pytest.mark.slow


@attrs.frozen
class Case:
    """One book of ccxt."""

    venue: str
    exchange: str
    symbol: str
    unified: str
    library: str = "ccxt"

    def __str__(self) -> str:
        return f"{self.library}-{self.venue}"


CASES = [
    Case("binance", "binance", "BTCUSDT", "BTC/USDT"),
    Case("binance-usdm", "binance", "BTCUSDT", "BTC/USDT:USDT"),
    Case("bybit", "bybit", "BTCUSDT", "BTC/USDT"),
    Case("bybit-linear", "bybit", "BTCUSDT", "BTC/USDT:USDT"),
    Case("okx", "okx", "BTC-USDT", "BTC/USDT"),
    Case("kucoin", "kucoin", "BTC-USDT", "BTC/USDT"),
]


def states(history: BookHistory) -> Iterator[BookState]:
    """The book before its first change, and after each."""
    yield history.at(history.changes[0].previous)
    for change in history.changes:
        yield history.at(change.last)


def exact(side: Iterable[Iterable[str]]) -> list[tuple[Decimal, ...]]:
    return [tuple(map(Decimal, level)) for level in side]


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_a_client_of_the_real_venue_holds_the_book_of_the_record(
    case: Case, run_client: Callable[..., Awaitable[list[Any]]]
) -> None:
    exchange = Exchange(seed=7, symbols={case.venue: [case.symbol]}, trades_per_second=20.0)
    settings: dict[str, Any] = {
        "exchange": case.exchange,
        "symbol": case.unified,
        "name": case.symbol,
        "channel": "books",
    }
    # Of KuCoin's markets ccxt asks more than the simulator answers; the others it asks as at the real venue.
    settings["asks"] = case.venue != "kucoin"
    settings["options"] = {"options": {"fetchMarkets": {"types": ["linear" if ":" in case.unified else "spot"]}}}
    async with serve(exchange) as addresses, trio.open_nursery() as market:
        address = addresses[case.venue]
        settings |= {"ws": address.ws, "rest": address.rest, "count": COUNT}
        received = await run_client(case.library, lambda: market.start_soon(exchange.run), settings)
        market.cancel_scope.cancel()
    truth = states(exchange.record.books[case.venue, case.symbol])
    state = next(truth)
    for book in received:
        # Of Bybit's books ccxt keeps no number; what is left is that they come in order.
        while (exact(book["bids"]), exact(book["asks"])) != (exact(state.bids), exact(state.asks)) or (
            book["nonce"] not in (state.last, None)
        ):
            state = next(truth, None)
            assert state is not None, "the exchange never had this book, or not in this order"
    assert len({json.dumps(book) for book in received}) > COUNT // 2, "the book has hardly moved"
    assert exchange.record.violations == []
