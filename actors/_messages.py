"""What the actors of one group tell each other over mailboxes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeAlias, TypeVar

import attrs
import trio

from supervisor import Mailbox

from ._net._rest_limit import Spent
from ._session import Session

T = TypeVar("T")


@attrs.frozen
class Opened:
    """The connection is up, and its subscription confirmed. Data of this session follows.

    Several sessions of one feed can be open at a time: with ``connections=2``, and while one replaces another.
    """

    session: Session
    symbols: frozenset[str] = frozenset()
    """What is confirmed. Empty for private streams."""


@attrs.frozen
class Subscribed:
    """More symbols are confirmed, or some are again, after an order to do so."""

    session: Session
    symbols: frozenset[str]


@attrs.frozen
class Rejected:
    """The venue refuses a symbol. The connection goes on with the others."""

    session: Session
    symbol: str
    reason: str


@attrs.frozen
class Batch(Generic[T]):
    """Data, in the order of the connection."""

    items: Sequence[T]
    session: Session | None = None
    """None: nobody asks."""
    waited: float = 0.0
    """Seconds since it came. Until a connection is open its data waits."""


@attrs.frozen
class Authenticating:
    """Of private streams: a key is made for a connection, or it logs in."""

    session: Session


@attrs.frozen
class Denial:
    """Of private streams: the credentials are refused, or missing. Whoever says so parks."""

    reason: str


@attrs.frozen
class Lost:
    """The connection is over, or brings nothing any more. A hint that may be left out; the next `Opened` says the same when it is the only one."""

    session: Session
    reason: str


Inflow: TypeAlias = Opened | Subscribed | Rejected | Batch[T] | Lost
"""What a connection tells the actor that owns the data."""

PrivateInflow: TypeAlias = Inflow[T] | Authenticating | Denial
"""What a private connection, and whoever makes its key, tell that actor."""


@attrs.frozen
class Ping:
    """Ask the connection to ping its peer."""


@attrs.frozen
class Reconnect:
    """Ask the connection to fail, so that a new one takes its place. Ignored by any other session."""

    session: Session
    reason: str


@attrs.frozen
class Resubscribe:
    """Ask the connection to end and renew the subscription of some symbols. Ignored by any other session."""

    session: Session
    symbols: frozenset[str]


@attrs.frozen
class Rotate:
    """Ask for another connection in the place of those that were made with a key. It takes over while they flow."""

    key: str = attrs.field(repr=False)
    reason: str
    over: bool
    """Whether they bring nothing any more."""


@attrs.frozen
class WantedChanged:
    """Tell the connection that `Wanted` is not what it was."""


Order: TypeAlias = Ping | Reconnect | Resubscribe | Rotate | WantedChanged
"""What a connection is told."""


@attrs.define
class Wanted:
    """Which symbols a feed shall have now. Kept in the tree; the feed changes it, its connections follow."""

    symbols: dict[str, None]
    """In the order in which they were asked for."""


@attrs.frozen
class KeyRequest:
    """Ask for a listen key that is valid now."""

    session: Session


@attrs.frozen
class Key:
    """The answer to a `KeyRequest`. The key stays out of its repr."""

    session: Session
    value: str = attrs.field(repr=False)


@attrs.define
class Hold:
    """Until when a venue wants to be left alone, seconds on Trio's clock.

    Kept in the tree and shared by all actors that talk to one address: asking earlier, be it in another incarnation or by
    another actor, makes a ban longer.
    """

    until: float = -float("inf")
    spent: Spent = attrs.field(factory=Spent)
    """What they have spent of the venue's allowance, of REST."""

    def extend(self, seconds: float) -> None:
        """Note that the venue asked to wait so long from now on."""
        self.until = max(self.until, trio.current_time() + seconds)


def kept(slot: Mailbox[T], make: Callable[[], T]) -> T:
    """Return what an earlier incarnation left in a mailbox of one place, or something new; it stays there.

    The value is mutable and changed in place. It lives as long as the tree, whatever becomes of the actor that uses it.
    There is no checkpoint in here, so that it cannot get lost on the way.
    """
    try:
        value = slot.receive_nowait()
    except trio.WouldBlock:
        value = make()
    slot.send_nowait(value)
    return value
