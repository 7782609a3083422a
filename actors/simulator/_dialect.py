"""What a venue's file offers to the servers: how it answers a handshake, a message, a REST request, and what it tells.

A dialect speaks for one venue of one exchange. It is pure: it does no I/O, and time is an argument or asked of its
`Floor`. The servers, the hub and the faults know it only by what is in this file.

How a dialect adds accounts: it inherits `AccountDialect`, and that is all that the exchange asks for. Every API key then
has an `Account` in ``floor.accounts``, which trades by itself and by ``Exchange.place_order(..., venue=...)``.

- Telling: `AccountDialect.ordered` is called for every event of an order, and yields topics with their payloads. Put the
  API key (or what stands for it: a listen key) into the topic, ``f"{api_key}/orders"``, and let `Session.wants` say yes
  once that session has logged in and subscribed. Several messages for one event (Bybit's order and execution) are
  several tellings; their order here is their order on the wire.
- Sessions: private ones have ``surface == "private"``. Where the path tells, `AccountDialect.surface` should say so before
  the session is there. Where it is the login that tells (Gate has one path), set ``self.surface`` when it happens. An
  acknowledged login is an `Answer` with ``login=True``. Sessions that stand on a key or token which can end list it in
  ``credentials``; when one ends, their `Session.tick` is called at once.
- Logins and signatures: ``floor.credentials.secret(api_key)`` is None for a key that is unknown or revoked;
  ``floor.credentials.refuses_logins(now)`` is a fault under which whatever opens a private stream (the login message, the
  request for a listen key or a token) is denied in the venue's words for wrong credentials. Times are checked against
  ``floor.ms()``, which a fault can skew.
- REST: what is answered comes from ``floor.accounts[api_key].view(now)``, never from the account itself: a fault makes the
  view lag. Pages, windows and limits are the dialect's.
- Ids: the core counts orders and trades by whole numbers; `order_id` and `fill_id` spell them, and `status` says what the
  venue can show of a state. ``Exchange.spelled`` puts all three together, for judges.
- Ends: `expire_keys` ends what private streams stand on, where there is such a thing. A revoked key needs nothing more:
  the exchange ends those keys, silences its sessions and tells them no order any more.
"""

from __future__ import annotations

import abc
import string
from collections.abc import Callable, Collection, Iterable, Mapping
from random import Random
from typing import Literal, Protocol, TypeAlias

import attrs

from ._account_view import FillRow
from ._accounts import Account
from ._book import BookChange
from ._clock import VenueClock
from ._countdowns import Countdowns
from ._credentials import Credentials
from ._market import Printed, Tape
from ._record import OrderEvent, OrderStatus, Surface
from ._rest import Limited, Reply, Request
from ._rules import Rules

Topic: TypeAlias = str
"""What one subscription brings, in the venue's own words where it has any."""

Telling: TypeAlias = tuple[Topic, Callable[[], bytes]]
"""A topic, and what makes its payload; called only when somebody listens."""

Overdue: TypeAlias = Literal["pong", "ping", "quiet", "unpushed", "unsubscribed", "lifetime"]
"""Why a connection's time is up; see the field of that name in `Rules`."""


class BadTarget(Exception):
    """The handshake is refused.

    Args:
        status: of the HTTP answer.
        message: what was wrong with the target.
        breach: the limit that was broken, if it was one.
    """

    def __init__(self, status: int, message: str, breach: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.breach = breach


@attrs.frozen
class Goodbye:
    """The end of a connection."""

    code: int | None
    """Of the close frame; None: there is none, the transport just ends."""
    reason: str


@attrs.frozen
class Answer:
    """What the server says and does about one message, or about the time that has passed."""

    acks: tuple[bytes, ...] = ()
    """Consent to requests; sent first."""
    frames: tuple[bytes, ...] = ()
    """Everything else, in order."""
    ping: bool = False
    """Whether the message was an application-level ping."""
    login: bool = False
    """Whether the consent is to a login."""
    breach: tuple[str, str] | None = None
    """The limit that was broken, and how."""
    goodbye: Goodbye | None = None


class Session(abc.ABC):
    """One WebSocket connection's subscriptions. A venue's own adds how it is spoken with.

    Attributes:
        surface: "ws", or "private" for user streams; a login can make it that.
        path: as dialled, without its query and without anything secret.
        form: connections of one form get the same bytes for the same topic.
        credentials: listen keys or tokens on which it stands.
        topics: what it is subscribed to, in the order of subscribing.
        lost: topics that a fault has silenced, though nobody was told.
    """

    def __init__(self, path: str, surface: Surface = "ws", *, form: str = "") -> None:
        self.surface: Surface = surface
        self.path = path
        self.form = form
        self.credentials: Collection[str] = ()
        self.topics: dict[Topic, None] = {}
        self.lost: set[Topic] = set()

    @property
    def stream_count(self) -> int:
        """What the venue's limit of streams counts."""
        return len(self.topics)

    def subscribe(self, topic: Topic) -> None:
        """Subscribe; a topic that a fault has silenced flows again."""
        self.topics[topic] = None
        self.lost.discard(topic)

    def unsubscribe(self, topic: Topic) -> None:
        """End a subscription, if there is one."""
        self.topics.pop(topic, None)
        self.lost.discard(topic)

    def subscribed(self, topic: Topic) -> bool:
        """Whether the server holds that subscription."""
        return topic in self.topics and topic not in self.lost

    def lose(self, share: float, random: Random) -> int:
        """Silence a share of the topics, at least one, and say how many that were."""
        living = [topic for topic in self.topics if topic not in self.lost]
        count = min(len(living), max(1, round(share * len(living))))
        self.lost.update(random.sample(living, count))
        return count

    def wants(self, topic: Topic) -> bool:
        """Whether data of that topic flows to this connection."""
        return self.subscribed(topic)

    def dress(self, topic: Topic, payload: bytes) -> bytes:
        """The payload in the form that this connection asked for."""
        return payload

    def greet(self, now: float) -> Answer:
        """What the server says first."""
        return Answer()

    @abc.abstractmethod
    def receive(self, text: bytes, now: float) -> Answer:
        """Answer one text message of the client; the subscriptions change at once."""

    def too_many(self) -> Answer:
        """Answer to more messages than are allowed."""
        return Answer(goodbye=Goodbye(1008, "Too many requests"))

    def overdue(self, why: Overdue) -> Answer:
        """What the server says when the connection's time is up."""
        return Answer(goodbye=_OVERDUE[why])

    def due(self) -> float:
        """Second on the exchange's clock at which `tick` has something to say; infinite when there is nothing."""
        return float("inf")

    def tick(self, now: float) -> tuple[bytes, ...]:
        """What the server says by itself now."""
        return ()

    def notice(self, variant: int, now: float) -> bytes | None:
        """The venue's announcement that it will close this connection; None: it has none."""
        return None

    def ended(self, now: float) -> None:  # noqa: B027 - most venues have nothing to do then
        """The connection is over, as far as the server knows."""


_OVERDUE: Mapping[Overdue, Goodbye] = {
    "pong": Goodbye(1008, "Pong timeout"),
    "ping": Goodbye(1000, "Bye"),
    "quiet": Goodbye(None, "quiet for too long"),
    "unpushed": Goodbye(None, "nothing pushed for too long"),
    "unsubscribed": Goodbye(None, "not subscribed"),
    "lifetime": Goodbye(1001, "the connection is too old"),
}


class Dialect(Protocol):
    """One venue's language."""

    def open(self, target: str, now: float) -> Session:
        """Answer a handshake for that path and query.

        Raises:
            BadTarget: there is nothing at that path, or not for this client.
        """

    def traded(self, tape: Tape, printed: Printed) -> Iterable[Telling]:
        """Tell of a taker order that has just been printed."""

    def changed(self, tape: Tape, change: BookChange) -> Iterable[Telling]:
        """Tell of a change of the order book."""

    def answer(self, request: Request, now: float) -> Reply:
        """Answer one REST request."""

    def limited(self, status: Limited, seconds: float) -> Reply:
        """The REST answer to who is over a limit ("429"), or banned ("418"), for so many seconds more."""


class AccountDialect(abc.ABC):
    """What a dialect with accounts inherits, besides being a `Dialect`; see the top of this file."""

    def surface(self, target: str) -> Surface:
        """What a handshake for that path and query asks for, before anything is answered."""
        return "private" if "/private" in target.partition("?")[0] else "ws"

    def order_id(self, number: int) -> int | str:
        """How the venue spells the id of an order, as a bot must see it."""
        return number

    def fill_id(self, fill: FillRow | OrderEvent) -> int | str:
        """How the venue spells the id of a fill, as a bot must see it."""
        return fill.public_id

    def status(self, status: OrderStatus) -> str:
        """The bot's word for a state of an order, as far as the venue shows it."""
        return status.lower()

    @abc.abstractmethod
    def ordered(self, api_key: str, event: OrderEvent) -> Iterable[Telling]:
        """Tell an account of its order."""

    def expire_keys(self, now: float, *, notice: bool) -> list[str]:
        """End now what the venue's private streams stand on, and say which credentials those were.

        Args:
            now: second on the exchange's clock.
            notice: whether those streams are told, where the venue has words for it.
        """
        return []

    def unknown_outcome(self) -> Reply:
        """The REST answer that says neither that a request was done nor that it was not."""
        return Reply(504, b"<html><body>Gateway Timeout</body></html>")


@attrs.define
class Floor:
    """What a dialect knows of the exchange."""

    venue: str
    rules: Rules
    tapes: Mapping[str, Tape]
    """By symbol; read live, symbols may be added."""
    clock: VenueClock
    random: Random
    """Draws connection ids and tokens."""
    address: str = ""
    """Of its WebSocket listener, without a path."""
    credentials: Credentials = attrs.field(factory=Credentials)
    accounts: dict[str, Account] = attrs.field(factory=dict, repr=False)
    """By API key; empty where the dialect has no accounts."""
    countdowns: Countdowns = attrs.field(factory=Countdowns, repr=False)
    """At whose end orders are cancelled."""

    def ms(self) -> int:
        """The venue's time in milliseconds since 1970."""
        return self.clock.ms()

    def seconds(self) -> int:
        """The venue's time in whole seconds since 1970."""
        return self.ms() // 1000

    def token(self, length: int, alphabet: str = string.ascii_lowercase + string.digits) -> str:
        """Draw a connection id or the like."""
        return "".join(self.random.choices(alphabet, k=length))
