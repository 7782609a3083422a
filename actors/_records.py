"""What a bot gets from the exchange side: trades, gaps, order updates, and whether they are to be relied on.

Prices and quantities are `decimal.Decimal`, with the digits that the venue sent: ``format(price, "f")`` prints them
as they came. Times of the venue are whole milliseconds since 1970, UTC, by the venue's clock; ``received`` is the same
by the local clock.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal, Protocol, TypeAlias

import attrs

Side: TypeAlias = Literal["buy", "sell"]
OrderStatus: TypeAlias = Literal["new", "partially_filled", "filled", "canceled", "rejected", "expired"]
UpdateSource: TypeAlias = Literal["stream", "reconcile"]
OrderId: TypeAlias = int | str
"""As the venue has it: a whole number wherever its ids are numbers."""

CLOSED: frozenset[OrderStatus] = frozenset({"filled", "canceled", "rejected", "expired"})
"""The states of an order in which nothing more happens to it."""


class Trade(Protocol):
    """One public trade, or one aggregate of trades where the venue numbers those.

    Each venue has its own struct with these attributes, decoded straight from the wire.
    """

    @property
    def venue(self) -> str:
        """The venue's name: ``binance``."""

    @property
    def symbol(self) -> str:
        """The venue's own name of what was traded: ``BTCUSDT``."""

    @property
    def id(self) -> int | str:
        """The venue's own, unique for its symbol. A whole number wherever the venue numbers its trades."""

    @property
    def first_id(self) -> int | str:
        """The same as `id`, except for aggregates of consecutively numbered trades: the id of their first."""

    @property
    def price(self) -> Decimal:
        """In units of the quote asset."""

    @property
    def quantity(self) -> Decimal:
        """In units of the base asset, or in contracts."""

    @property
    def side(self) -> Side:
        """The taker's side."""

    @property
    def time(self) -> int:
        """When it happened: milliseconds since 1970 by the venue's clock."""

    @property
    def received(self) -> int:
        """When its batch was decoded: milliseconds since 1970 by the local clock."""


@attrs.frozen
class Gap:
    """Trades that were published, or may have been, and could not be had: they are missing at exactly this place."""

    venue: str
    symbol: str
    after_id: int | str | None
    """Id of the trade before the gap; None when there was none."""
    before_id: int | str | None
    """Id of the first trade after the gap; None when it is not known yet."""
    after_time: int | None
    """Time of the last trade before the gap; None when there was none."""
    before_time: int | None
    """Time of the first trade after the gap; None when it is not known yet."""
    first_id: int | None
    """The first one missing; None where the venue's ids do not tell."""
    last_id: int | None
    """The last one missing, itself included; None where the venue's ids do not tell."""
    reason: str
    received: int

    @property
    def count(self) -> int | None:
        """How many trades are missing; None where the venue's ids do not tell: perhaps none."""
        return None if self.first_id is None or self.last_id is None else self.last_id - self.first_id + 1


@attrs.frozen
class FeedState:
    """Whether a symbol's feed is live. Sent whenever that changes, in its place among the data."""

    venue: str
    symbol: str
    live: bool
    """True: connected, subscribed, and complete up to here. False: what follows may be late."""
    reason: str
    received: int


FeedItem: TypeAlias = Trade | Gap | FeedState
"""What arrives in the mailbox of a feed of trades."""


@attrs.frozen
class Quote:
    """The best bid and ask of a symbol at one moment."""

    venue: str
    symbol: str
    bid: Decimal
    bid_quantity: Decimal
    ask: Decimal
    ask_quantity: Decimal
    sequence: int
    """The venue's number of this state; it never falls within one connection."""
    time: int | None
    """Milliseconds by the venue's clock; None where the venue does not tell."""
    received: int


QuoteItem: TypeAlias = Quote | FeedState
"""What arrives in the mailbox of a feed of quotes."""


@attrs.frozen
class BookUpdate:
    """A change of a symbol's order book, or the whole of it. `Book` keeps a local one from these."""

    venue: str
    symbol: str
    snapshot: bool
    """True: forget what was, this is all."""
    bids: tuple[tuple[Decimal, Decimal], ...]
    """Price and quantity; the quantity zero takes the level away."""
    asks: tuple[tuple[Decimal, Decimal], ...]
    sequence: int
    """The venue's number of the last change in it."""
    time: int
    """Milliseconds by the venue's clock; 0 where the venue does not tell."""
    received: int
    previous: int | None = None
    """``sequence`` of the update that this one follows: an update lost on the way shows. None for a snapshot."""


BookItem: TypeAlias = BookUpdate | FeedState
"""What arrives in the mailbox of a feed of books. After a `FeedState` that is not live the book is not to be used
until the next one that is; before that one a snapshot comes."""


@attrs.frozen
class Switched:
    """A feed of several sources goes on with another one."""

    feed: str
    source: str | None
    """The name of the source from now on."""
    previous: str | None
    """The name of the source until now; None: there was none."""
    reason: str
    received: int


@attrs.frozen
class Blind:
    """No source of a feed is fresh: what came last is stale, and nothing follows until the next `Switched`."""

    feed: str
    reason: str
    received: int


BestItem: TypeAlias = Trade | Gap | Switched | Blind
"""What arrives in the mailbox of a feed of several sources."""


@attrs.frozen
class SymbolChange:
    """Tell a running feed which symbols it shall have besides, and which no longer.

    Quotes and books of a symbol to add that is there already are sent again.
    """

    add: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()


@attrs.frozen
class Fill:
    """One execution of an own order. ``(venue, symbol, order_id, id)`` identifies it.

    The order belongs to it: where two own orders met, both fills have the id of the one trade.
    """

    symbol: str
    order_id: OrderId
    id: int | str
    price: Decimal
    quantity: Decimal
    side: Side
    maker: bool
    commission: Decimal
    commission_asset: str
    time: int
    raw: bytes | None = attrs.field(default=None, repr=False, eq=False)
    """What the venue sent, unread: the frame of the stream, or the row of a REST answer."""


@attrs.frozen
class OrderUpdate:
    """The state of an own order after something happened to it. ``(venue, symbol, order_id)`` identifies the order."""

    venue: str
    account: str
    symbol: str
    order_id: OrderId
    client_id: str
    side: Side
    type: str
    """The venue's own word: ``LIMIT``."""
    status: OrderStatus
    price: Decimal
    """The order's price; zero for market orders."""
    quantity: Decimal
    filled: Decimal
    """Filled so far, this update included."""
    fill: Fill | None
    """The execution that this update reports; None when something else happened."""
    time: int
    source: UpdateSource
    """stream: told live; reconcile: found by asking, because the live event was or may have been missed."""
    received: int
    raw: bytes | None = attrs.field(default=None, repr=False, eq=False)
    """What the venue sent, unread: the frame of the stream, or the row of a REST answer."""

    @property
    def closed(self) -> bool:
        """Whether nothing more will happen to the order."""
        return self.status in CLOSED


AccountPhase: TypeAlias = Literal["connecting", "authenticating", "reconciling", "live", "degraded", "parked"]
"""What an account is doing:

* connecting: there is no connection.
* authenticating: a listen key is made, or the login is under way.
* reconciling: connected; what may have been missed is asked for, and live events wait.
* live: the updates so far are complete, and whatever happens comes at once.
* degraded: events come, and asking the venue whether they are complete has failed, goes unanswered, or is not allowed for a
  while.
* parked: the venue refuses the credentials, or they are missing. Nothing is tried until somebody says so.
"""


@attrs.frozen
class AccountState:
    """Whether the order updates are complete. Sent whenever that changes, in its place among them."""

    venue: str
    account: str
    state: AccountPhase
    reason: str
    received: int

    @property
    def live(self) -> bool:
        """True: connected and reconciled. False: orders may have changed without an update so far."""
        return self.state == "live"


AccountItem: TypeAlias = OrderUpdate | AccountState
"""What arrives in the mailbox of an account."""
