"""Signs of life of one WebSocket connection, and when its time is up. Pure: time is an argument."""

from __future__ import annotations

from ._dialect import Overdue
from ._rules import Rules

_NEVER = float("inf")


class Heartbeat:
    """What was heard and said when, against the venue's rules.

    Args:
        rules: of the venue.
        now: second at which the connection was opened.
    """

    def __init__(self, rules: Rules, now: float) -> None:
        self._rules = rules
        self._opened = self._heard = self._pinged = self._pushed = now
        self._pings: dict[bytes, float] = {}
        self.next_ping = now + rules.ping_interval if rules.ping_interval else _NEVER

    def heard(self, now: float, *, ping: bool = False) -> None:
        """A frame of the client has come.

        Args:
            now: when.
            ping: whether it was an application-level ping.
        """
        self._heard = now
        if ping:
            self._pinged = now

    def pushed(self, now: float) -> None:
        """A message was sent to the client, or would have been but for a fault."""
        self._pushed = now

    def ping(self, payload: bytes, now: float) -> None:
        """A ping frame was sent."""
        self._pings[payload] = now

    def reschedule(self) -> None:
        """The ping that was due has been dealt with."""
        self.next_ping += self._rules.ping_interval or _NEVER

    def pong(self, payload: bytes) -> None:
        """A pong frame has come. An answer to a ping answers all earlier ones (RFC 6455, 5.5.3)."""
        if payload in self._pings:
            for sent in list(self._pings):
                del self._pings[sent]
                if sent == payload:
                    break

    def deadline(self, *, subscribed: bool) -> tuple[float, Overdue]:
        """When the connection's time is up, and why.

        Args:
            subscribed: whether it has any subscription now.
        """
        rules = self._rules
        ends: list[tuple[float, Overdue]] = [(_NEVER, "lifetime")]
        if self._pings:
            ends.append((min(self._pings.values()) + rules.pong_timeout, "pong"))
        if rules.client_ping_within is not None:
            ends.append((self._pinged + rules.client_ping_within, "ping"))
        if rules.quiet is not None:
            ends.append((max(self._heard, self._pushed) + rules.quiet, "quiet"))
        if rules.unpushed is not None:
            ends.append((self._pushed + rules.unpushed, "unpushed"))
        if rules.unsubscribed is not None and not subscribed:
            ends.append((self._heard + rules.unsubscribed, "unsubscribed"))
        if rules.lifetime is not None:
            ends.append((self._opened + rules.lifetime, "lifetime"))
        return min(ends)
