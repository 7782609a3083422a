"""From when to when an account's stream loses things without a word, as only the exchange knows."""

from __future__ import annotations

import math
from typing import Any, Final

import attrs

from actors.simulator import AppliedFault, Exchange, Fault
from actors.simulator._listen_keys import ListenKeys

LASTING: Final = ("drop_events", "expire_key", "lost_subscription", "revoke_key")
"""Kinds without a duration whose harm goes on: as long as the connections that were hit, or until so many are lost."""


@attrs.define
class _Loss:
    fault: Fault
    applied: AppliedFault
    used_up: float = math.inf
    """When nothing was left to be left out, for `drop_events`."""


class Losses:
    """The silent losses of one run.

    A loss is not the moment at which it begins: a connection whose key has died stays deaf until it is replaced, also
    while the account is degraded and live again in between.

    Args:
        exchange: Where they are made.
        venue: On which.
    """

    def __init__(self, exchange: Exchange, venue: str) -> None:
        self._exchange = exchange
        self._keys: Any = getattr(exchange.dialects[venue], "keys", None)
        self._losses: list[_Loss] = []
        self._deaf: dict[int, float] = {}
        """Connections that stand on a dead listen key, and when that was seen."""

    def began(self, fault: Fault, applied: AppliedFault) -> None:
        """Take note of a fault that takes things from the stream silently."""
        self._losses.append(_Loss(fault, applied))

    def look(self) -> None:
        """Take note of what is used up by now; whoever lets something happen calls it before that and after."""
        subscribers = self._exchange.hub.subscribers
        for loss in self._losses:
            if loss.fault.kind == "drop_events" and math.isinf(loss.used_up):
                living = [subscribers[number] for number in loss.applied.hit if number in subscribers]
                if not any(connection.dropping for connection in living):
                    loss.used_up = self._exchange.clock.now()
        for number, connection in subscribers.items():
            if any(self._dead(credential) for credential in connection.session.credentials):
                self._deaf.setdefault(number, self._exchange.clock.now())

    def spans(self) -> list[tuple[float, float]]:
        """Return from when to when, each; what hit nobody and does not last has lost nothing."""
        closed = {one.id: math.inf if one.closed is None else one.closed for one in self._exchange.record.connections}
        found = []
        for loss in self._losses:
            ended = loss.applied.at + loss.fault.duration
            if loss.fault.kind in LASTING:
                ended = min(max((closed[number] for number in loss.applied.hit), default=-math.inf), loss.used_up)
            if ended >= loss.applied.at:
                found.append((loss.applied.at, ended))
        return found + [(since, closed[number]) for number, since in self._deaf.items()]

    def _dead(self, credential: str) -> bool:
        """Whether it is a listen key that has died, maybe on its way to the connection: none of the others is accepted then."""
        if not isinstance(self._keys, ListenKeys):
            return False
        key = self._keys.find(credential)
        return key is None or not key.active(self._exchange.clock.now())
