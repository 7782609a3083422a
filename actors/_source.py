"""What an exchange's file offers to the actors: values and functions without I/O.

A source says what to ask for, and reads what comes back. `TradeSource` is the public trades of one symbol,
`AccountSource` the private orders of one account. Everything here is a value or a protocol.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol, TypeAlias

import attrs

from ._errors import HttpFailure
from ._reconcile import OrderReport
from ._records import Fill, OrderUpdate, Trade

Frame: TypeAlias = str | bytes
"""One message as the WebSocket brought it."""


@attrs.frozen
class HttpRequest:
    """One REST request. Query and headers stay out of its repr: keys and signatures stand in them."""

    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    query: str = attrs.field(default="", repr=False)
    """Percent-encoded already, in the order in which it was signed."""
    headers: tuple[tuple[str, str], ...] = attrs.field(default=(), repr=False)

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@attrs.frozen
class HttpReply:
    """The answer to a request: a status, headers by lower-case name, and the whole body."""

    status: int
    headers: dict[str, str] = attrs.field(repr=False)
    body: bytes = attrs.field(repr=False)


@attrs.frozen
class Listed:
    """The venue's answer to what is subscribed on this connection."""

    streams: tuple[str, ...]


@attrs.frozen
class Refused:
    """The venue's refusal of a request on the connection."""

    code: int
    message: str


@attrs.frozen
class Closing:
    """The venue will close the connection: open the next one now."""

    reason: str


@attrs.frozen
class ListenKeyExpired:
    """The listen key of this private stream is no longer valid."""


@attrs.frozen
class Ignored:
    """A message of which nothing is used."""

    kind: str
    known: bool
    """False: a kind that this version has never heard of."""


Control: TypeAlias = Listed | Refused | Closing | ListenKeyExpired | Ignored
"""What a frame can be besides data."""


class Source(Protocol):
    """What both kinds of source have."""

    @property
    def venue(self) -> str:
        """The venue's name, for records and paths."""

    def failure(self, request: HttpRequest, reply: HttpReply) -> HttpFailure | None:
        """Return the error that the reply means, or None for success."""


class TradeSource(Source, Protocol):
    """The public trades of one symbol of one venue."""

    @property
    def symbol(self) -> str:
        """The venue's own name of the symbol, as in `Trade.symbol`."""

    @property
    def page(self) -> int:
        """Most trades that one backfill request can bring."""

    def stream_path(self) -> str:
        """Return path and query of the stream, to be put after the venue's WebSocket address."""

    def list_request(self) -> str:
        """Return the frame that asks what is subscribed."""

    def lists_us(self, listed: Listed) -> bool:
        """Say whether this source's stream is among those listed."""

    def decode(self, frame: Frame) -> Trade | Control:
        """Read one frame.

        Raises:
            BadFrame: It is not JSON, or not what a message of its kind must be.
        """

    def stamp(self, trades: Sequence[Trade], received: int) -> None:
        """Write the local time into freshly decoded trades, milliseconds since 1970."""

    def newest_request(self) -> HttpRequest:
        """Return the request for the newest trade."""

    def backfill_request(self, first_id: int, count: int) -> HttpRequest:
        """Return the request for ``count`` trades from ``first_id`` on; ``count`` is at most `page`."""

    def rows(self, body: bytes) -> list[Trade]:
        """Read the answer to either request, in ascending order.

        Raises:
            BadFrame: It is not what it must be.
        """


class AccountSource(Source, Protocol):
    """The private stream and the signed requests of one account. Times are the venue's, in milliseconds."""

    @property
    def account(self) -> str:
        """The account's name, as the bot gave it."""

    def stream_path(self, listen_key: str) -> str:
        """Return path and query of the private stream."""

    def decode(self, frame: Frame, received: int) -> OrderUpdate | Control:
        """Read one frame.

        Raises:
            BadFrame: It cannot be read. The error carries no sample.
        """

    def create_key_request(self) -> HttpRequest:
        """Return the request that gives a listen key, extending the one that is active."""

    def extend_key_request(self) -> HttpRequest:
        """Return the request that keeps the listen key alive."""

    def listen_key(self, body: bytes) -> str:
        """Read the listen key from the answer."""

    def key_is_gone(self, failure: HttpFailure) -> bool:
        """Say whether the failure means that the listen key no longer exists."""

    def order_is_unknown(self, failure: HttpFailure) -> bool:
        """Say whether the failure means that the venue does not know the order."""

    def clock_is_off(self, failure: HttpFailure) -> bool:
        """Say whether the failure means that the request's time was not the venue's."""

    def time_request(self) -> HttpRequest:
        """Return the request for the venue's time."""

    def time(self, body: bytes) -> int:
        """Read the venue's time from the answer."""

    def open_orders_request(self, symbol: str | None, now: int) -> HttpRequest:
        """Return the request for all open orders of a symbol, or of all symbols."""

    def orders_request(self, symbol: str, now: int, *, from_id: int | None, since: int) -> HttpRequest:
        """Return the request for a page of orders: from an id on, or without one from a time on."""

    def order_request(self, symbol: str, order_id: int, now: int) -> HttpRequest:
        """Return the request for one order, answered like one row of `orders`."""

    def fills_request(self, symbol: str, now: int, *, from_id: int | None, since: int) -> HttpRequest:
        """Return the request for a page of fills: from an id on, or without one from a time on."""

    @property
    def order_page(self) -> int:
        """Most rows in one answer to `orders_request` and `fills_request`."""

    def orders(self, body: bytes) -> list[OrderReport]:
        """Read the answer to the requests for orders, ascending by id."""

    def fills(self, body: bytes) -> list[Fill]:
        """Read the answer to the request for fills, ascending by id."""
