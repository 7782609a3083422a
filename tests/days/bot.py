"""The bot of a day: everything that a real one has, against the exchange in memory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
import trio

import actors
from actors import Book, BookError, FeedState, SymbolChange
from actors.simulator import Network
from supervisor import Backoff, Limit, Mailbox, Me, Supervisor, actor, child

from ..actors.in_memory import through
from ..actors.products import PRODUCTS
from .accounts import Holding, accounts_of

HEALTH = 8080
"""Port of the health endpoint."""
SILENCE = 10.0
"""Seconds: the declared silence of every feed."""
QUIET = 90.0
"""Seconds for which the market of the failover can be silent by nature: at night there is a trade in ten seconds."""
BEAT_EVERY = 30.0
"""Seconds between two heartbeats."""
DEPTH = 10
"""Levels of a book that are compared."""
SAMPLE = 40
"""Of so many updates of a book one is looked at."""

BEST = ("binance", "okx", "gate")
"""Sources of the failover, in the order of preference: three, so that a majority can tell whose price is wrong."""
QUOTES = ("bybit",)


class Boom(Exception):
    """The strategy's own bug."""


@attrs.frozen
class SeenBook:
    """A local book at one moment."""

    at: float
    venue: str
    symbol: str
    sequence: int
    bids: tuple[tuple[str, str], ...]
    asks: tuple[tuple[str, str], ...]
    crossed: bool


class Journal:
    """What the strategy was given in one life of the process, with the seconds at which it was.

    Attributes:
        trades: Of every product.
        best: Of the feed with failover.
        quotes: Best bids and asks.
        orders: Of the accounts.
        books: Samples of the local books while they were live.
        live_books: When each book was live and when it was not.
        booms: When the strategy failed by itself.
    """

    def __init__(self) -> None:
        self.trades: list[tuple[float, Any]] = []
        self.best: list[tuple[float, Any]] = []
        self.quotes: list[tuple[float, Any]] = []
        self.orders: list[tuple[float, Any]] = []
        self.books: list[SeenBook] = []
        self.live_books: list[tuple[float, FeedState]] = []
        self.booms: list[float] = []
        self.local: dict[tuple[str, str], Book] = {}
        self.bug = False
        """Whether the strategy is to fail at its next item."""
        self.reads_from = 0.0
        """It takes nothing before this second."""
        self._updates = 0

    def take_book(self, at: float, item: Any) -> SymbolChange | None:
        """Apply an update to the local book; return what to ask for if that cannot be done."""
        key = item.venue, item.symbol
        book = self.local.get(key)
        if book is None:
            book = self.local[key] = Book(item.symbol)
        try:
            book.apply(item)
        except BookError:
            return SymbolChange(add=(item.symbol,))
        if isinstance(item, FeedState):
            self.live_books.append((at, item))
        self._updates += 1
        if book.live and (isinstance(item, FeedState) or self._updates % SAMPLE == 0):
            self.books.append(seen(at, item.venue, book))
        return None


def seen(at: float, venue: str, book: Book) -> SeenBook:
    """Return what is seen of a local book."""
    bids, asks = (
        tuple((format(price, "f"), format(size, "f")) for price, size in side)
        for side in (book.bids(DEPTH), book.asks(DEPTH))
    )
    crossed = bool(book.best_bid and book.best_ask and book.best_bid[0] >= book.best_ask[0])
    return SeenBook(at, venue, book.symbol, book.sequence or 0, bids, asks, crossed)


@attrs.frozen
class Boxes:
    """The mailboxes between the feeds and the strategy."""

    trades: Mailbox[Any] = attrs.field(factory=lambda: Mailbox("trades", capacity=5_000))
    best: Mailbox[Any] = attrs.field(factory=lambda: Mailbox("best", capacity=1_000))
    quotes: Mailbox[Any] = attrs.field(
        factory=lambda: Mailbox("quotes", capacity=100, overflow="conflate", key=actors.quote_key)
    )
    books: Mailbox[Any] = attrs.field(factory=lambda: Mailbox("books", capacity=5_000))
    orders: Mailbox[Any] = attrs.field(factory=lambda: Mailbox("orders", capacity=1_000))
    changes: tuple[Mailbox[SymbolChange], ...] = attrs.field(
        factory=lambda: tuple(Mailbox[SymbolChange](f"changes {name}", capacity=10) for name in PRODUCTS)
    )


@actor(max_failures=None, backoff=Backoff(0.1, 0.1, 2.0))
@attrs.frozen
class Strategy:
    """Stands for a bot's own code: takes everything, writes it down, and fails when it is told to."""

    trades: Mailbox[Any]
    best: Mailbox[Any]
    quotes: Mailbox[Any]
    books: Mailbox[Any]
    orders: Mailbox[Any]
    changes: tuple[Mailbox[SymbolChange], ...]
    journals: list[Journal] = attrs.field(eq=False, repr=False)
    """The last one is that of this life of the process."""

    async def run(self, me: Me) -> None:
        """Take until cancelled."""
        journal = self.journals[-1]
        boxes = (
            (self.trades, journal.trades),
            (self.best, journal.best),
            (self.quotes, journal.quotes),
            (self.orders, journal.orders),
        )
        async with trio.open_nursery() as nursery:
            for box, pages in boxes:
                nursery.start_soon(self._follow, journal, box, pages)
            nursery.start_soon(self._keep_books, journal)

    async def _follow(self, journal: Journal, box: Mailbox[Any], pages: list[tuple[float, Any]]) -> None:
        while True:
            await _until_reading(journal)
            items = await box.receive_many()
            now = trio.current_time()
            pages += [(now, item) for item in items]
            _fail_if_told(journal)

    async def _keep_books(self, journal: Journal) -> None:
        changes = dict(zip(PRODUCTS, self.changes, strict=True))
        while True:
            await _until_reading(journal)
            for item in await self.books.receive_many():
                wanted = journal.take_book(trio.current_time(), item)
                if wanted is not None:
                    await changes[item.venue].send(wanted)


async def _until_reading(journal: Journal) -> None:
    while (wait := journal.reads_from - trio.current_time()) > 0:  # noqa: ASYNC110 - it may be put off while we sleep
        await trio.sleep(wait)


def _fail_if_told(journal: Journal) -> None:
    if journal.bug:
        journal.bug = False
        journal.booms.append(trio.current_time())
        raise Boom("a bug of the strategy")


def build(network: Network, journals: list[Journal], ledger: Path, holdings: Sequence[Holding]) -> Supervisor:
    """Return the tree; one tree for all lives of the process."""
    at = {name: through(venue, network) for name, (venue, _, _) in PRODUCTS.items()}
    symbols = {name: symbol for name, (_, symbol, _) in PRODUCTS.items()}
    boxes = Boxes()
    sources = [at[name].trades(symbols[name], silence=SILENCE) for name in BEST]
    return Supervisor(
        "bot",
        [
            actors.ledger(ledger),
            actors.alerts(actors.webhook("http://people/alerts"), every=10.0),
            Supervisor(
                "watch",
                [actors.health(HEALTH), actors.dead_mans_switch("http://switch/beats", every=BEAT_EVERY)],
                limit=Limit(1000, 60.0, "park"),
            ),
            child(
                "strategy",
                Strategy(boxes.trades, boxes.best, boxes.quotes, boxes.books, boxes.orders, boxes.changes, journals),
            ),
            *(at[name].trades(symbols[name], out=boxes.trades, silence=SILENCE) for name in PRODUCTS),
            *(
                at[name].books(symbols[name], out=boxes.books, silence=SILENCE, changes=changes)
                for name, changes in zip(PRODUCTS, boxes.changes, strict=True)
            ),
            *(at[name].quotes(symbols[name], out=boxes.quotes, silence=SILENCE) for name in QUOTES),
            actors.best_feed("best", sources, out=boxes.best, stale_after=QUIET),
            *accounts_of(holdings, at, boxes.orders),
        ],
        limit=Limit(1000, 60.0),
    )
