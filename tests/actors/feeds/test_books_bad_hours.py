"""Books and quotes of every venue through the venue's whole protocol, with faults: what is live is true."""

from bisect import bisect_right
from collections.abc import Callable
from decimal import Decimal
from random import Random
from typing import Any

import pytest
import trio

import actors
from actors import Book, BookItem, BookUpdate, FeedState, Quote, QuoteItem
from actors.simulator import BookHistory, Exchange, Fault, FaultScript, open_network
from supervisor import Mailbox, Running, Supervisor
from supervisor.testing import run_virtually

from ..in_memory import through

VENUES = {
    "binance": ("BTCUSDT", "ETHUSDT"),
    "binance-usdm": ("BTCUSDT", "ETHUSDT"),
    "bybit": ("BTCUSDT", "ETHUSDT"),
    "bybit-linear": ("BTCUSDT", "ETHUSDT"),
    "okx": ("BTC-USDT", "ETH-USDT"),
    "kucoin": ("BTC-USDT", "ETH-USDT"),
    "gate": ("BTC_USDT", "ETH_USDT"),
}
DEPTH = 20
"""Levels that are compared."""
LATEST = 15.0
"""Seconds: how old a live book may be while its connection is mute and not yet found out."""
BAD_HOUR = FaultScript(
    [
        (5.0, Fault("reset")),
        (12.0, Fault("mute", duration=6.0)),
        (30.0, Fault("garbage")),
        (35.0, Fault("http_5xx", surface="rest", duration=6.0)),
        (36.0, Fault("close")),
        (55.0, Fault("refuse", duration=3.0)),
        (55.1, Fault("reset")),
    ]
)

Levels = list[tuple[Decimal, Decimal]]


def venue(name: str) -> Any:
    return getattr(actors, name.replace("-", "_"))


def numbers(levels: Any) -> Levels:
    return [(Decimal(price), Decimal(size)) for price, size in levels][:DEPTH]


class Truth:
    """What a book was, by what is seen of it."""

    def __init__(self, history: BookHistory) -> None:
        self.history = history

    def now(self) -> tuple[Levels, Levels]:
        return self.after(len(self.history.changes))

    def after(self, count: int) -> tuple[Levels, Levels]:
        changes = self.history.changes
        state = self.history.at(changes[count - 1].last if count else -1)
        return numbers(state.bids), numbers(state.asks)

    def some_time_before(self, seen: tuple[Levels, Levels], now: float, within: float) -> bool:
        changes = self.history.changes
        first = bisect_right(changes, now - within, key=lambda change: change.at)
        return any(self.after(count) == seen for count in range(len(changes), max(first - 1, 0), -1))


class Reader:
    """The bot: its local books, and how often they were compared."""

    def __init__(self, exchange: Exchange, name: str) -> None:
        self.truths = {symbol: Truth(exchange.record.books[name, symbol]) for symbol in VENUES[name]}
        self.books = {symbol: Book(symbol) for symbol in VENUES[name]}
        self.compared = 0
        self.quotes: dict[str, Quote] = {}
        self.sequence_fell = 0
        self.losses = 0

    async def read(self, items: Mailbox[BookItem], random: Random) -> None:
        async for item in items:
            book = self.books[item.symbol]
            book.apply(item)
            self.losses += isinstance(item, FeedState) and not item.live
            if isinstance(item, BookUpdate) and book.live and random.random() < 0.03:
                seen = (book.bids(DEPTH), book.asks(DEPTH))
                assert self.truths[item.symbol].some_time_before(seen, trio.current_time(), LATEST)
                self.compared += 1

    async def read_quotes(self, items: Mailbox[QuoteItem]) -> None:
        async for item in items:
            if isinstance(item, Quote):
                before = self.quotes.get(item.symbol)
                self.sequence_fell += before is not None and item.sequence < before.sequence
                self.quotes[item.symbol] = item

    def quotes_right(self) -> bool:
        return all(
            [[(quote.bid, quote.bid_quantity)], [(quote.ask, quote.ask_quantity)]]
            == [side[:1] for side in self.truths[symbol].now()]
            for symbol, quote in self.quotes.items()
        ) and len(self.quotes) == len(self.truths)

    def right(self) -> bool:
        return all(
            book.live and (book.bids(DEPTH), book.asks(DEPTH)) == self.truths[symbol].now()
            for symbol, book in self.books.items()
        )


def play(name: str, script: FaultScript, check: Callable[[Reader], None], connections: int = 1) -> None:
    async def main() -> None:
        exchange = Exchange(
            seed=3, symbols={name: list(VENUES[name])}, trades_per_second=5.0, book_changes_per_second=2.0
        )
        reader = Reader(exchange, name)
        out: Mailbox[BookItem] = Mailbox("books", capacity=1000)
        quotes: Mailbox[QuoteItem] = Mailbox("quotes", capacity=1000)
        async with open_network(exchange) as network, trio.open_nursery() as nursery:
            bot = through(venue(name), network)
            tree = Supervisor(
                "bot",
                [
                    bot.books(list(VENUES[name]), out=out, connections=connections, silence=5.0),
                    bot.quotes(list(VENUES[name]), out=quotes, connections=connections, silence=5.0),
                ],
            )
            running = Running(tree, 1)
            async with running.opened():
                nursery.start_soon(reader.read, running.mailbox(out), Random(1))
                nursery.start_soon(reader.read_quotes, running.mailbox(quotes))
                with trio.move_on_after(script_end(script) + 30):
                    await exchange.run(script)
                # The market stands still: the last changes arrive, and mute streams are found out.
                await trio.sleep(1)
                check(reader)
            nursery.cancel_scope.cancel()

    run_virtually(main)


def script_end(script: FaultScript) -> float:
    return max((at + fault.duration for at, fault in script), default=0.0)


@pytest.mark.parametrize("name", sorted(VENUES))
def test_books_and_quotes_follow_the_venue(name: str) -> None:
    def check(reader: Reader) -> None:
        assert reader.right()
        assert reader.quotes_right()
        assert reader.sequence_fell == 0
        assert reader.compared
        assert reader.losses == 2, "one for each symbol, at the start"

    play(name, FaultScript([(30.0, Fault("http_5xx", surface="rest", duration=1.0))]), check)


@pytest.mark.slow
@pytest.mark.parametrize("connections", [1, 2])
@pytest.mark.parametrize("name", sorted(VENUES))
def test_books_and_quotes_come_through_a_bad_hour(name: str, connections: int) -> None:
    def check(reader: Reader) -> None:
        assert reader.right()
        assert reader.quotes_right()
        assert reader.compared

    play(name, BAD_HOUR, check, connections)
