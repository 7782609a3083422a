"""What the events of Binance's spot and margin accounts stand on: subscriptions, and the tokens that margin needs. Pure."""

from __future__ import annotations

from random import Random
from weakref import WeakSet

import attrs

_TOKEN_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"  # noqa: S105 - what tokens are made of


@attrs.define(eq=False)
class EventStream:
    """The right to the events of one account: a subscription, or a listen token.

    Attributes:
        credential: what it is known by, to the client or only here.
        topic: what it brings.
        expires: second on the exchange's clock.
        notice: whether its end is told.
    """

    credential: str = attrs.field(repr=False)
    topic: str
    expires: float = float("inf")
    notice: bool = True

    def active(self, now: float) -> bool:
        """Whether events flow on it."""
        return now < self.expires


def spot_topic(api_key: str) -> str:
    """The events of a spot account."""
    return f"{api_key}/spot"


def margin_topic(api_key: str, symbol: str | None) -> str:
    """The events of a cross account, or of the isolated one of a symbol."""
    return f"{api_key}/cross" if symbol is None else f"{api_key}/isolated/{symbol}"


class EventStreams:
    """All that live at one venue.

    Args:
        random: draws tokens.
    """

    def __init__(self, random: Random) -> None:
        self._random = random
        self._tokens: dict[str, EventStream] = {}
        # A subscription goes with its connection, which tells nobody.
        self._subscriptions: WeakSet[EventStream] = WeakSet()

    def _draw(self) -> str:
        return "".join(self._random.choices(_TOKEN_ALPHABET, k=70))

    def subscribe(self, topic: str) -> EventStream:
        """A subscription that lasts as long as its connection."""
        stream = EventStream(self._draw(), topic)
        self._subscriptions.add(stream)
        return stream

    def token(self, topic: str, until: float, now: float) -> EventStream:
        """A listen token. Earlier ones stay valid until their own end."""
        self._tokens = {value: stream for value, stream in self._tokens.items() if stream.active(now)}
        stream = EventStream(self._draw(), topic, until)
        self._tokens[stream.credential] = stream
        return stream

    def find(self, token: str, now: float) -> EventStream | None:
        """The token with that value, while it is valid."""
        stream = self._tokens.get(token)
        return stream if stream is not None and stream.active(now) else None

    def expire_all(self, now: float, *, notice: bool) -> list[str]:
        """End everything at once, and say by which credentials it was known."""
        ended = [stream for stream in (*self._tokens.values(), *self._subscriptions) if stream.active(now)]
        for stream in ended:
            stream.expires, stream.notice = now, notice
        return [stream.credential for stream in ended]
