"""What an exchange's file offers about accounts: values and functions without I/O.

An `AccountSource` says where the private stream is, how to log in and subscribe there, what its frames mean, and how to
ask by REST for orders and fills. Times are the venue's, in milliseconds since 1970. Nothing here ever shows a secret:
keys and signatures stand in fields that stay out of reprs.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from decimal import Decimal
from typing import Literal, Protocol, TypeAlias, TypeVar

import attrs

from ._errors import HttpFailure
from ._records import Fill, OrderId, OrderStatus, Side
from ._secret import Secret
from ._source import Ask, Decoded, Door, Frame, HttpReply, HttpRequest, Limits

T = TypeVar("T")
OrderKey: TypeAlias = tuple[str, OrderId]
"""Symbol and order id: ids are unique per symbol only."""


@attrs.frozen
class Credentials:
    """What an account is opened with."""

    key: Secret
    secret: Secret
    """A shared secret (HMAC), or a private key in PEM (RSA, Ed25519) where the venue has those."""
    passphrase: Secret | None = None
    """Of venues that have one: OKX, KuCoin."""


@attrs.frozen
class OrderReport:
    """An order as REST reports it."""

    symbol: str
    order_id: OrderId
    client_id: str
    side: Side
    type: str
    status: OrderStatus
    price: Decimal
    quantity: Decimal
    filled: Decimal
    created: int
    updated: int
    raw: bytes | None = attrs.field(default=None, repr=False, eq=False)
    """The row of the answer, unread."""

    @property
    def key(self) -> OrderKey:
        """What identifies the order."""
        return (self.symbol, self.order_id)


@attrs.frozen
class Question:
    """A REST request that is not signed yet: a signature holds the venue's time at the moment of sending.

    Attributes:
        method: Of HTTP.
        path: Below the base address, without a query.
        parameters: The query, in its order.
        content: The body; empty: none. JSON where there is one.
        weight: What it costs of the venue's allowance; see `RestLimit`.
        signed: False: only what is public, or the key alone, goes with it.
    """

    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    parameters: tuple[tuple[str, str | int], ...] = attrs.field(default=(), repr=False)
    content: bytes = attrs.field(default=b"", repr=False)
    weight: int = 1
    signed: bool = True


Inquiry: TypeAlias = Generator[Question, bytes, T]
"""Asks one question after another, gets the body of each successful answer, and returns what they say together.

Whoever drives it repeats what may be repeated (rate limits, unknown outcomes, a clock that was off). `NoSuchOrder` is
thrown into it: that is an answer. Every other failure ends it.
"""


@attrs.frozen
class Keeping:
    """How a key of the private stream is made and kept: a listen key, a listen token.

    Attributes:
        create: Gives the key, extending the one that is active where the venue does so.
        extend: Makes it live longer; None: it cannot be, a new one is made instead and the connection renewed.
        every: Seconds from one extension, or one key, to the next.
        life: Seconds that a key is valid without.
    """

    create: Question
    extend: Question | None
    every: float
    life: float


@attrs.frozen
class KeyReport:
    """What an API key may do, as far as the venue tells. None: it does not."""

    reads: bool | None = None
    trades: bool | None = None
    withdraws: bool | None = None
    bound_to_addresses: bool | None = None
    expires: int | None = None
    """Milliseconds since 1970."""


class AccountSource(Protocol):
    """One account of one venue.

    A connection goes: `door`; the venue's greeting where ``limits.greets``; then `phase` 0, 1, ... : the requests of a
    phase are sent together, and all of them acknowledged before the next phase is built, with the time of that moment.
    After the last one the connection is open. A refusal of the credentials is the control `Denied`, of anything else
    `Refused`, also when it comes late; `Terminated` says that the stream is over although the connection lives.
    """

    @property
    def venue(self) -> str:
        """The venue's name, for records and paths."""

    @property
    def account(self) -> str:
        """The account's name, as the bot gave it."""

    @property
    def limits(self) -> Limits:
        """What the venue allows on private connections, and on REST."""

    @property
    def ping_every(self) -> float:
        """Seconds between pings."""

    @property
    def whole(self) -> bool:
        """Whether inquiries can be made about all symbols at once, with ``symbol=None``."""

    @property
    def fills_apart(self) -> bool:
        """Whether the stream tells orders and fills in messages of their own, in either order (Bybit, Gate).

        Then a fill comes out of `decode_many` as a bare `Fill`, and an order's state as an `OrderUpdate` without one.
        """

    @property
    def keeping(self) -> Keeping | None:
        """The key that connections need; None: they need none."""

    def key(self, body: bytes) -> str:
        """Read the key from the answer to ``keeping.create`` or ``keeping.extend``.

        Raises:
            BadFrame: It is not what it must be.
        """

    def symbol(self, name: str) -> str:
        """Return the venue's own spelling of a symbol.

        Raises:
            ValueError: It cannot be a symbol of this venue.
        """

    # The connection --------------------------------------------------------------------------------------------

    def door_question(self) -> Question | None:
        """Return what must be asked for each connection before `door`; None: nothing."""

    def door(self, address: str, answer: bytes | None, key: str) -> Door:
        """Return where to connect.

        Args:
            address: Scheme, host and port of the venue's private streams.
            answer: The body of the answer to `door_question`.
            key: As `key` gave it; empty without `keeping`.

        Raises:
            BadFrame: The answer cannot be read.
        """

    def phase(self, number: int, now: int, key: str, first_id: int) -> list[Ask] | None:
        """Return the requests of one step of logging in and subscribing; None: everything has been said.

        Args:
            number: 0 for the first.
            now: The venue's time.
            key: As `key` gave it; empty without `keeping`.
            first_id: Their ids are this number and those after it.

        Raises:
            SecretMissing: A credential cannot be read.
        """

    @property
    def probe_every(self) -> float | None:
        """Seconds between requests of `probe`; None: the venue ends or tells what is no longer authorised."""

    def probe(self, now: int, number: int) -> Ask | None:
        """Return a request that is answered with `Acknowledged` or `Refused` while authorised, with `Denied` if not."""

    def ping(self, number: int) -> str | None:
        """Return the text of an application-level ping; None where the protocol's own ping frame is used."""

    def decode_many(self, frames: Sequence[Frame], received: int) -> Decoded:
        """Read a batch of frames: items are `OrderUpdate` and, with `fills_apart`, `Fill`; each with its raw frame.

        An error carries no sample: frames hold account data.
        """

    # REST ------------------------------------------------------------------------------------------------------

    def request(self, question: Question, now: int) -> HttpRequest:
        """Return the request for a question, signed where it must be.

        Raises:
            SecretMissing: A credential cannot be read.
        """

    def failure(self, request: HttpRequest, reply: HttpReply) -> HttpFailure | None:
        """Return the error that the reply means, or None for success.

        Of the classes with a meaning: `Unauthorized` (wrong key, revoked, address not allowed), `RateLimited`,
        `UnknownOutcome`, `ClockOff`, `NoSuchOrder`, `KeyGone`.
        """

    def time_question(self) -> Question:
        """Return the question for the venue's time."""

    def time(self, body: bytes) -> int:
        """Read the venue's time from the answer.

        Raises:
            BadFrame: It is not what it must be.
        """

    def open_orders(self, symbol: str | None) -> Inquiry[list[OrderReport]]:
        """Ask for all open orders of a symbol; with None of all symbols, whether or not the source is `whole`."""

    def orders(self, symbol: str | None, since: int, now: int) -> Inquiry[list[OrderReport]]:
        """Ask for the orders that were made since a time, and for those that ended since it as far as the venue lists them.

        Orders that were made earlier and have ended may be left out: they are asked for one by one.

        Args:
            symbol: Whose; None only where the source is `whole`.
            since: Milliseconds by the venue's clock; as far back as the venue goes where that is later.
            now: Milliseconds by the venue's clock.
        """

    def one_order(self, symbol: str, order_id: OrderId) -> Inquiry[OrderReport | None]:
        """Ask for one order; None: the venue does not know it, or not yet."""

    def fills(self, symbol: str | None, since: int, now: int) -> Inquiry[list[Fill]]:
        """Ask for all fills since a time, ascending as they happened; arguments as of `orders`."""

    def permissions_question(self) -> Question | None:
        """Return the question for what the key may do; None: the venue does not tell."""

    def permissions(self, body: bytes) -> KeyReport:
        """Read the answer.

        Raises:
            BadFrame: It is not what it must be.
        """
