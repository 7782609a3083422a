"""A local order book, kept by whoever reads a feed of books: never crossed, never silently wrong.

    book = Book("BTCUSDT")
    async for item in books:
        book.apply(item)
        if book.live:
            (price, quantity) = book.best_bid

`apply` raises rather than keep a book that cannot be right. Each error says what to do about it; after all of them the
book is not `live`, and the next snapshot of its symbol mends it.

BookError
    StaleBook       the book was read while it is not live
    NoSnapshot      an update came, and there is nothing that it could be applied to
    MissedUpdate    an update came, and the one before it never did
    CrossedBook     with this update the best bid would not be below the best ask
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from .._errors import ActorError
from .._records import BookItem, BookUpdate, FeedState
from .._source import Level

ASK_AGAIN: Final = (
    "wait for the next snapshot of the symbol, or have it sent: SymbolChange(add=(symbol,)) into the feed's `changes`"
)


class BookError(ActorError):
    """A local order book cannot be used or kept.

    Args:
        symbol: Of the book.
        reason: What happened, and what to do.
    """

    def __init__(self, symbol: str, reason: str) -> None:
        super().__init__(f"{symbol or 'book'}: {reason}")
        self.symbol = symbol
        self.reason = reason


class StaleBook(BookError):
    """The book was read while it is not live."""


class NoSnapshot(BookError):
    """An update came, and there is nothing that it could be applied to."""


class MissedUpdate(BookError):
    """An update came, and the one before it never did: a mailbox dropped it, or another reader took it."""


class CrossedBook(BookError):
    """With this update the best bid would not be below the best ask."""


class Ladder:
    """Both sides of a book: price levels in order, without a word about where they come from.

    Prices and quantities stand in parallel sorted lists: finding a price costs a dozen comparisons of decimals, which is
    less than hashing them would, and inserting one moves a few thousand pointers at most.
    """

    __slots__ = ("_asks", "_bids")

    def __init__(self) -> None:
        self._bids: tuple[list[Decimal], list[Decimal]] = ([], [])
        self._asks: tuple[list[Decimal], list[Decimal]] = ([], [])

    def replace(self, bids: Iterable[Level], asks: Iterable[Level]) -> None:
        """Forget everything and begin with these levels, in any order."""
        self._bids = _sorted(bids)
        self._asks = _sorted(asks)

    def change(self, bids: Iterable[Level], asks: Iterable[Level]) -> None:
        """Set the quantities of these levels; zero takes a level away."""
        _change(self._bids, bids)
        _change(self._asks, asks)

    def clear(self) -> None:
        """Forget everything."""
        self._bids = ([], [])
        self._asks = ([], [])

    @property
    def crossed(self) -> bool:
        """Whether the best bid is not below the best ask."""
        bids, asks = self._bids[0], self._asks[0]
        return bool(bids) and bool(asks) and bids[-1] >= asks[0]

    @property
    def best_bid(self) -> Level | None:
        """The highest bid."""
        prices, quantities = self._bids
        return (prices[-1], quantities[-1]) if prices else None

    @property
    def best_ask(self) -> Level | None:
        """The lowest ask."""
        prices, quantities = self._asks
        return (prices[0], quantities[0]) if prices else None

    def bids(self, count: int | None = None) -> list[Level]:
        """Return the best bids, highest first."""
        prices, quantities = self._bids
        start = 0 if count is None else max(len(prices) - count, 0)
        return list(zip(reversed(prices[start:]), reversed(quantities[start:]), strict=True))

    def asks(self, count: int | None = None) -> list[Level]:
        """Return the best asks, lowest first."""
        prices, quantities = self._asks
        return list(zip(prices[:count], quantities[:count], strict=True))

    def __len__(self) -> int:
        return len(self._bids[0]) + len(self._asks[0])


def _sorted(levels: Iterable[Level]) -> tuple[list[Decimal], list[Decimal]]:
    # Sorted by price alone, so that of a price given twice the last one counts; sorting is stable.
    prices: list[Decimal] = []
    quantities: list[Decimal] = []
    for price, quantity in sorted(levels, key=_price):
        if prices and prices[-1] == price:
            prices.pop()
            quantities.pop()
        if quantity:
            prices.append(price)
            quantities.append(quantity)
    return prices, quantities


def _price(level: Level) -> Decimal:
    return level[0]


def _change(side: tuple[list[Decimal], list[Decimal]], levels: Iterable[Level]) -> None:
    prices, quantities = side
    for price, quantity in levels:
        place = bisect_left(prices, price)
        if place < len(prices) and prices[place] == price:
            if quantity:
                quantities[place] = quantity
            else:
                del prices[place], quantities[place]
        elif quantity:
            prices.insert(place, price)
            quantities.insert(place, quantity)


class Book:
    """The order book of one symbol, kept from what its feed delivers.

    Levels deeper than the venue's snapshot reaches are known only from their changes on; see the page of the venue.

    Args:
        symbol: As it stands in the updates.
        venue: The same; None: that of the first item.
    """

    __slots__ = ("_complete", "_ladder", "_live", "_reason", "_received", "_sequence", "_symbol", "_time", "_venue")

    def __init__(self, symbol: str, venue: str | None = None) -> None:
        self._symbol = symbol
        self._venue = venue
        self._ladder = Ladder()
        self._complete = False
        """A snapshot came, and every update since."""
        self._live = False
        self._reason = "nothing has come yet"
        self._sequence: int | None = None
        self._time = 0
        self._received = 0

    def __repr__(self) -> str:
        state = f"live at {self._sequence}" if self._live else f"not live: {self._reason}"
        return f"<Book {self._venue or '?'} {self._symbol} {state}, {len(self._ladder)} levels>"

    # Keeping it ------------------------------------------------------------------------------------------------

    def apply(self, item: BookItem) -> None:
        """Take what came from the feed.

        Raises:
            NoSnapshot: An update, or the word that the feed is live, without a snapshot before it.
            MissedUpdate: The update before this one never came.
            CrossedBook: The update would cross the book, which is emptied.
            ValueError: The item is about another symbol, or of another venue. The book is as it was.
        """
        if self._venue is None:
            self._venue = item.venue
        if item.symbol != self._symbol or item.venue != self._venue:
            raise ValueError(
                f"the book of {self._symbol} on {self._venue} cannot take an item of {item.symbol} on {item.venue}"
            )
        if isinstance(item, FeedState):
            self._state(item)
        elif item.snapshot:
            self._ladder.replace(item.bids, item.asks)
            self._complete = True
            self._passed(item)
        else:
            self._update(item)

    def _state(self, state: FeedState) -> None:
        if not state.live:
            self._complete = False
            self._not_live(state.reason)
        elif self._complete:
            self._live = True
            self._reason = state.reason
        else:
            self._not_live("no snapshot came before the feed was live")
            raise NoSnapshot(self._symbol, f"the feed is live, but its snapshot never came: {ASK_AGAIN}")

    def _update(self, update: BookUpdate) -> None:
        if not self._complete:
            raise NoSnapshot(self._symbol, f"update {update.sequence} has no snapshot to be applied to: {ASK_AGAIN}")
        if update.previous != self._sequence:
            mine = self._sequence
            self._complete = False
            self._not_live(f"the update after {mine} is missing")
            raise MissedUpdate(
                self._symbol, f"update {update.sequence} follows {update.previous}, the book is at {mine}: {ASK_AGAIN}"
            )
        self._ladder.change(update.bids, update.asks)
        self._passed(update)

    def _passed(self, update: BookUpdate) -> None:
        self._sequence = update.sequence
        self._time = update.time
        self._received = update.received
        if self._ladder.crossed:
            bid, ask = self._ladder.best_bid, self._ladder.best_ask
            # Which side is wrong cannot be told: nothing of it is worth keeping.
            self._ladder.clear()
            self._complete = False
            self._not_live(f"crossed by update {update.sequence}")
            raise CrossedBook(
                self._symbol, f"update {update.sequence} puts the best bid {bid} at or above {ask}: {ASK_AGAIN}"
            )

    def _not_live(self, reason: str) -> None:
        self._live = False
        self._reason = reason

    # Reading it ------------------------------------------------------------------------------------------------

    @property
    def symbol(self) -> str:
        """The venue's own name of what is traded."""
        return self._symbol

    @property
    def venue(self) -> str | None:
        """The venue's name; None before the first item."""
        return self._venue

    @property
    def live(self) -> bool:
        """Whether the book is complete up to `sequence` and the feed connected."""
        return self._live

    @property
    def reason(self) -> str:
        """Why it is live, or why it is not."""
        return self._reason

    @property
    def sequence(self) -> int | None:
        """The venue's number of the last change in it; None before the first snapshot."""
        return self._sequence

    @property
    def time(self) -> int:
        """Time of the last update, milliseconds by the venue's clock; 0 where the venue does not tell."""
        return self._time

    @property
    def received(self) -> int:
        """Time of the last update, milliseconds by the local clock."""
        return self._received

    @property
    def best_bid(self) -> Level | None:
        """The highest bid, price and quantity; None when there is none.

        Raises:
            StaleBook: The book is not live.
        """
        self._check(stale_ok=False)
        return self._ladder.best_bid

    @property
    def best_ask(self) -> Level | None:
        """The lowest ask, price and quantity; None when there is none.

        Raises:
            StaleBook: The book is not live.
        """
        self._check(stale_ok=False)
        return self._ladder.best_ask

    def bids(self, count: int | None = None, *, stale_ok: bool = False) -> list[Level]:
        """Return the best bids, highest first.

        Args:
            count: How many at most; None: all.
            stale_ok: Also while the book is not live: what was true last.

        Raises:
            StaleBook: The book is not live.
        """
        self._check(stale_ok=stale_ok)
        return self._ladder.bids(count)

    def asks(self, count: int | None = None, *, stale_ok: bool = False) -> list[Level]:
        """Return the best asks, lowest first. See `bids`."""
        self._check(stale_ok=stale_ok)
        return self._ladder.asks(count)

    def _check(self, *, stale_ok: bool) -> None:
        if not self._live and not stale_ok:
            raise StaleBook(
                self._symbol, f"not live ({self._reason}): wait until `live`, or read it with stale_ok=True"
            )
