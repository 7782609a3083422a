"""The true record: what the embedded exchange published, to whom it talked, and what it broke on purpose.

Everything a test or a demo compares a bot against is in here. Times named `at` are seconds on the exchange's clock,
which starts at zero; times named `time` are the milliseconds since 1970 that stand in the venue's messages.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, overload

import attrs

if TYPE_CHECKING:
    from ._book import BookHistory

T = TypeVar("T")

Side = Literal["buy", "sell"]
Surface = Literal["ws", "private", "rest"]
OrderStatus = Literal["NEW", "PARTIALLY_FILLED", "FILLED", "CANCELED", "EXPIRED"]

RECORD_LIMIT = 1_000_000
"""Entries kept per log, unless told otherwise: a day of one symbol at ten trades a second."""


@attrs.frozen
class PublishedTrade:
    """One trade as the exchange published it: on USD-M and in `agg_trades` an aggregate over raw ids."""

    id: int | str
    """As the venue shows it: a number, except on Bybit's linear market."""
    price: str
    quantity: str
    side: Side
    """The taker's side: a trade whose buyer was the maker is a sell."""
    time: int
    first_id: int
    """Of an aggregate: its first raw id. Where `id` is text: the trade's number, counted here."""
    last_id: int
    at: float
    seq: int = attrs.field(default=0, eq=False)
    """Number of the change of the book that came with it; several trades of one taker order share it."""


@attrs.frozen
class PublishedQuote:
    """The best bid and ask, as they became."""

    bid: str
    bid_quantity: str
    ask: str
    ask_quantity: str
    last: int
    """Number of the last change of the book in it."""
    time: int
    at: float


@attrs.frozen
class OrderEvent:
    """One order event of an account, published or not (a dead listen key does not stop the matching engine)."""

    symbol: str
    order_id: int
    """A whole number, however the venue spells it."""
    client_id: str
    side: Side
    execution: Literal["NEW", "TRADE", "CANCELED", "EXPIRED"]
    status: OrderStatus
    price: str
    quantity: str
    last_price: str
    last_quantity: str
    filled: str
    average_price: str
    trade_id: int
    """Number of the public trade, counted where its id is text. Zero unless `execution` is TRADE."""
    maker: bool
    time: int
    at: float
    created: int = 0
    """When the order was placed, in milliseconds since 1970."""
    public_id: int | str = 0
    """Of the public trade, as the venue shows it. Zero unless `execution` is TRADE."""


@attrs.define
class ConnectionRecord:
    """One accepted connection, from handshake (or first byte, for REST) to its end."""

    id: int
    venue: str
    surface: Surface
    path: str
    """Without its query, in which listen keys stand."""
    opened: float
    closed: float | None = None
    end: str = ""
    """Why it ended, in words; empty while it lives."""
    messages_in: int = 0
    messages_out: int = 0
    messages_muted: int = 0
    """What a mute fault swallowed."""

    def alive_at(self, at: float) -> bool:
        """Whether the connection existed at that second."""
        return self.opened <= at and (self.closed is None or at < self.closed)


@attrs.frozen
class Attempt:
    """One attempt to connect that reached the exchange. A refused TCP connection is seen only in memory."""

    at: float
    venue: str
    surface: Surface
    outcome: str


@attrs.frozen
class Violation:
    """One breach of a documented limit of the venue. A client that keeps the rules causes none."""

    at: float
    venue: str
    surface: Surface
    rule: str
    detail: str
    connection: int | None = None


@attrs.frozen
class AppliedFault:
    """One fault that was applied: when, which (as printed), and the ids of the connections it hit."""

    at: float
    fault: str
    hit: tuple[int, ...]


class Log(Sequence[T], Generic[T]):
    """A bounded append-only sequence that forgets its oldest entries and counts them.

    Args:
        limit: how many entries are kept at least. Trimming is done in blocks, so up to a quarter more may be there.
    """

    def __init__(self, limit: int = RECORD_LIMIT) -> None:
        if limit < 1:
            raise ValueError("a log keeps at least one entry")
        self._limit = limit
        self._items: list[T] = []
        self.dropped = 0
        """How many of the oldest entries were forgotten."""

    def append(self, item: T) -> None:
        """Add the newest entry."""
        self._items.append(item)
        # In blocks: deleting from the front of a list costs its whole length.
        excess = len(self._items) - self._limit
        if excess > self._limit // 4:
            del self._items[:excess]
            self.dropped += excess

    @property
    def total(self) -> int:
        """How many entries were ever appended."""
        return self.dropped + len(self._items)

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> list[T]: ...
    def __getitem__(self, index: int | slice) -> T | list[T]:
        return self._items[index]

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[T]:
        return iter(self._items)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Log):
            return self.dropped == other.dropped and self._items == other._items
        return self._items == other if isinstance(other, list) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # a growing sequence has no lasting hash

    def __repr__(self) -> str:
        return f"<Log of {len(self._items)}, {self.dropped} dropped>"


def _logs(limit: int) -> Callable[[], Log[Any]]:
    return lambda: Log(limit)


class TrueRecord:
    """What really happened on the exchange, bounded per log."""

    def __init__(self, limit: int = RECORD_LIMIT) -> None:
        new = _logs(limit)
        self.trades: defaultdict[tuple[str, str], Log[PublishedTrade]] = defaultdict(new)
        """By (venue, symbol): single trades; on USD-M, which numbers nothing else without holes, aggregate ones."""
        self.agg_trades: defaultdict[tuple[str, str], Log[PublishedTrade]] = defaultdict(new)
        """By (venue, symbol): aggregate trades, of the venues that publish them: Binance and OKX."""
        self.quotes: defaultdict[tuple[str, str], Log[PublishedQuote]] = defaultdict(new)
        """By (venue, symbol): the best bid and ask, whenever they changed."""
        self.books: dict[tuple[str, str], BookHistory] = {}
        """By (venue, symbol): the order book after each of its changes."""
        self.orders: defaultdict[tuple[str, str], Log[OrderEvent]] = defaultdict(new)
        """By (venue, API key): every event of the account's orders, in the order in which it happened."""
        self.connections: Log[ConnectionRecord] = new()
        self.attempts: Log[Attempt] = new()
        self.violations: Log[Violation] = new()
        self.faults: Log[AppliedFault] = new()

    def connections_at(self, at: float) -> list[ConnectionRecord]:
        """The connections that existed at a second of the exchange's clock."""
        return [connection for connection in self.connections if connection.alive_at(at)]
