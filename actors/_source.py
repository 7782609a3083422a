"""What an exchange's file offers to the actors: values and functions without I/O.

A source says what to ask for, and reads what comes back. The public ones speak for one channel of one venue and any
number of its symbols: `TradeSource`, `QuoteSource`, `BookSource`. `AccountSource`, in a file of its own, is the private
orders of one account. Everything here is a value or a protocol.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Literal, Protocol, TypeAlias

import attrs
import msgspec

from ._errors import BadFrame, HttpFailure
from ._records import Quote, Trade

Channel: TypeAlias = Literal["trades", "quotes", "book"]
"""What can be had of a symbol: every trade; the best bid and ask; the order book."""

Frame: TypeAlias = bytes
"""One message as the WebSocket brought it. Text is valid UTF-8."""


@attrs.frozen
class HttpRequest:
    """One REST request. Query, headers and content stay out of its repr: keys and signatures stand in them."""

    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    """Below the base address; empty: that address itself, which is never told."""
    query: str = attrs.field(default="", repr=False)
    """Percent-encoded already, in the order in which it was signed."""
    headers: tuple[tuple[str, str], ...] = attrs.field(default=(), repr=False)
    weight: int = 1
    """What it costs of the venue's allowance, in the venue's own units; see `RestLimit`."""
    content: bytes = attrs.field(default=b"", repr=False)
    """The body."""

    def __str__(self) -> str:
        return f"{self.method} {self.path}".rstrip()


@attrs.frozen
class HttpReply:
    """The answer to a request: a status, headers by lower-case name, and the whole body."""

    status: int
    headers: dict[str, str] = attrs.field(repr=False)
    body: bytes = attrs.field(repr=False)


@attrs.frozen
class RestLimit:
    """How much weight a venue allows one address: ``weight`` in any ``within`` seconds."""

    weight: int
    within: float
    used_header: str = ""
    """Name, in lower case, of the header that tells the weight used so far in the window; empty: there is none."""
    left_header: str = ""
    """Name of the header that tells the weight left; empty: there is none."""
    limit_header: str = ""
    """Name of the header that tells of what that is left: a venue has several pools, and its answer is about one of them.
    Empty: of ``weight``."""


@attrs.frozen
class Limits:
    """What a venue allows one address and one connection of a channel."""

    attempts: int
    """Connections that may be opened to one address in ``attempts_within``, by all that come from there."""
    attempts_within: float
    """Seconds."""
    messages: int | None
    """Messages that the client may send on one connection in ``messages_within``; None: no limit is stated."""
    messages_within: float
    """Seconds. The window is strict: pings, and pongs to the venue's pings, count."""
    symbols: int
    """Most symbols on one connection."""
    lifetime: float | None
    """Seconds after which the venue ends the connection; None: no limit is documented."""
    rest: RestLimit
    greets: bool = False
    """Whether the venue says `Welcome`, and loses what is sent before."""


@attrs.frozen
class Door:
    """Where to connect, and how to behave there."""

    url: str = attrs.field(repr=False)
    """The whole address. A token may stand in it."""
    ping_every: float | None = None
    """Seconds between pings that the venue asked for; None: those of the source."""
    pong_within: float | None = None
    """Seconds that the venue gives itself for a pong; None: those of the connection."""
    key: str = attrs.field(default="", repr=False)
    """Of private streams, what it was made with; see `Keeping`."""


@attrs.frozen
class Ask:
    """One request on the connection that changes what is subscribed."""

    id: str
    """By which the answer is recognised."""
    text: str = attrs.field(repr=False)
    """In a login stand a key and a signature."""
    symbols: tuple[str, ...]
    """What it is about."""


@attrs.frozen
class Welcome:
    """The venue listens from now on."""


@attrs.frozen
class Pong:
    """The venue's answer to an application-level ping."""


@attrs.frozen
class Acknowledged:
    """The venue's consent to an `Ask`, or to some symbols of it."""

    id: str
    """Of the `Ask`; empty where the venue tells only the symbols."""
    symbols: tuple[str, ...] = ()
    """Those that the venue names; empty: all of the `Ask`."""


@attrs.frozen
class Listed:
    """The venue's answer to what is subscribed on this connection."""

    streams: tuple[str, ...]


@attrs.frozen
class Refused:
    """The venue's refusal of a request on the connection."""

    code: int
    message: str
    id: str = ""
    """Of the `Ask`; empty where the venue does not tell."""
    symbols: tuple[str, ...] = ()
    """Those that the venue names; empty: it could be any of the `Ask`, and none of them is subscribed."""
    harmless: bool = False
    """It was subscribed already."""
    clock_off: bool = False
    """The time in a private request was not the venue's: its clock is to be measured before the next attempt."""
    retry_after: float | None = None
    """Seconds until the venue answers requests again, where it says so: nothing is sent or opened before."""


@attrs.frozen
class Denied:
    """The venue refuses the credentials of a private stream: trying again does not help."""

    code: int
    message: str


@attrs.frozen
class Terminated:
    """The private stream is over, and nothing more comes on it, although the connection lives."""

    reason: str


@attrs.frozen
class Closing:
    """The venue will close the connection: open the next one now."""

    reason: str


@attrs.frozen
class Ignored:
    """A message of which nothing is used."""

    kind: str
    known: bool
    """False: a kind that this version has never heard of."""


Control: TypeAlias = Welcome | Pong | Acknowledged | Listed | Refused | Denied | Terminated | Closing | Ignored
"""What a frame can be besides data."""


@attrs.define
class Decoded:
    """What a batch of frames says, in their order: data and controls apart."""

    items: list[Any]
    controls: list[Control]
    error: BadFrame | None = None
    """What the first frame was that cannot be read; nothing behind it was looked at."""


Level: TypeAlias = tuple[Decimal, Decimal]
"""Price and quantity; the quantity zero takes the level away."""


class Depth(msgspec.Struct, frozen=True, gc=False):
    """One message of an order book: all of it, or what has changed."""

    symbol: str
    snapshot: bool
    """True: replaces everything."""
    first: int
    """Number of the first change in it; of a snapshot the same as ``last``."""
    last: int
    """Number of the last change in it."""
    previous: int | None
    """Number of the last change of the message before it, where the venue tells that."""
    bids: list[Level]
    asks: list[Level]
    time: int
    """Milliseconds by the venue's clock; 0 where a snapshot has none."""


@attrs.frozen
class BookRule:
    """How a venue's book messages follow each other."""

    base: Literal["rest", "stream", "whole"]
    """Where the snapshot comes from; ``whole``: every message of the stream is one."""
    chain: Literal["next", "previous"] = "next"
    """next: ``first == last of the one before + 1``. previous: ``previous == last of the one before``."""
    joint: Literal[0, 1] = 1
    """With ``rest``: the first message applied to a snapshot has ``first <= snapshot + joint <= last``."""


class Source(Protocol):
    """What all sources have."""

    @property
    def venue(self) -> str:
        """The venue's name, for records and paths."""

    def failure(self, request: HttpRequest, reply: HttpReply) -> HttpFailure | None:
        """Return the error that the reply means, or None for success."""


@attrs.frozen
class Missing:
    """A range of ids, both ends included."""

    first: int
    last: int

    @property
    def count(self) -> int:
        """How many ids it has."""
        return self.last - self.first + 1


class PublicSource(Source, Protocol):
    """One channel of one venue, for any number of its symbols: how to connect and subscribe, and what frames mean."""

    @property
    def channel(self) -> Channel:
        """What it brings."""

    @property
    def limits(self) -> Limits:
        """What the venue allows."""

    @property
    def ping_every(self) -> float:
        """Seconds between pings."""

    def symbol(self, name: str) -> str:
        """Return the venue's own spelling of a symbol, as it stands in records.

        Raises:
            ValueError: It cannot be a symbol of this venue.
        """

    def door_request(self) -> HttpRequest | None:
        """Return the request whose answer `door` needs; None where the address is fixed."""

    def door(self, address: str, answer: bytes | None) -> Door:
        """Return where to connect.

        Args:
            address: Scheme, host and port of the venue's public streams.
            answer: The body of the answer to `door_request`.

        Raises:
            BadFrame: The answer cannot be read.
        """

    def subscribe(self, symbols: Sequence[str], first_id: int) -> list[Ask]:
        """Return the requests for these symbols, within the venue's limits for one request.

        Args:
            symbols: As `symbol` gives them.
            first_id: Their ids are this number and those after it.
        """

    def unsubscribe(self, symbols: Sequence[str], first_id: int) -> list[Ask]:
        """Return the requests that end these symbols' subscriptions."""

    def list_request(self) -> str | None:
        """Return the frame that asks what is subscribed; None where an acknowledgement is all that can be had."""

    def listed(self, listed: Listed) -> frozenset[str]:
        """Return the symbols of this channel that the venue has listed."""

    def ping(self, number: int) -> str | None:
        """Return the text of an application-level ping; None where the protocol's own ping frame is used."""

    def decode_many(self, frames: Sequence[Frame], received: int) -> Decoded:
        """Read a batch of frames.

        Args:
            frames: As they came.
            received: Local time, milliseconds since 1970, for the items.
        """

    def unknown_symbol(self, failure: HttpFailure) -> bool:
        """Say whether a failed REST request means that the venue has no such symbol."""


class TradeSource(PublicSource, Protocol):
    """The public trades of a venue."""

    @property
    def dense(self) -> bool:
        """Whether ids are whole numbers without holes by symbol, so that a hole proves a loss."""

    @property
    def page(self) -> int:
        """Most trades that one REST answer can bring."""

    @property
    def lists_only(self) -> bool:
        """Whether REST has only the latest trades: what is older than its oldest row can never be had."""

    def newest_request(self, symbol: str) -> HttpRequest:
        """Return the request for the newest trade."""

    def fill_request(self, symbol: str, missing: Missing) -> HttpRequest:
        """Return the request for the lowest `page` ids of a range, of dense sources."""

    def recent_request(self, symbol: str, since: int | None) -> HttpRequest:
        """Return the request for the latest trades, as far back as one answer goes.

        Args:
            symbol: Of the trades.
            since: Milliseconds by the venue's clock: where the venue can page by time, the answer begins here, and
                may end before now; then it is asked for again from its last row on.
        """

    def rows(self, symbol: str, body: bytes, received: int) -> list[Trade]:
        """Read the answer to any of these requests, in ascending order.

        Raises:
            BadFrame: It is not what it must be.
        """


class QuoteSource(PublicSource, Protocol):
    """The best bid and ask of a venue's symbols."""

    def newest_request(self, symbol: str) -> HttpRequest:
        """Return the request for the present best bid and ask."""

    def newest(self, symbol: str, body: bytes, received: int) -> Quote:
        """Read the answer.

        Raises:
            BadFrame: It is not what it must be.
        """


class BookSource(PublicSource, Protocol):
    """The order books of a venue's symbols. `decode_many` gives `Depth`."""

    @property
    def rule(self) -> BookRule:
        """How its messages follow each other."""

    def snapshot_request(self, symbol: str) -> HttpRequest:
        """Return the request for the present book: the base where the rule says ``rest``, a probe elsewhere."""

    def snapshot(self, symbol: str, body: bytes) -> Depth:
        """Read the answer.

        Raises:
            BadFrame: It is not what it must be.
        """
