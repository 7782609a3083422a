"""Which of an account's two channels, orders and fills, is mute while the other one lives. Pure: callers pass ``now``.

Where a venue tells orders and fills apart (Bybit, Gate) one of the two can fall silent alone. What the other one tells is
then asked for, each time, and the bot is told everything: no question finds anything that was left out. What shows is
that the venue, when it is asked, has what one channel never told. That may have other reasons, and each has its bound:

- One message was lost, which may have told of many orders, or an order is a strange one: it takes two orders, so far apart
  that no message tells of both.
- It is late: nothing at all has come over the channel since, and for `LATE` seconds after the second of them.
- It went with the connection before: what came before this one was opened, or was held when it was, does not count.
- The other channel never tells such a thing. Bybit does not say whether liquidations, deleveraging and block trades have
  order events as they have executions. Another connection would not help: there is one in an hour at most, and
  where the channel brings nothing after it either, the next one has to wait for twice as long, up to a day.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import attrs

from .._account_source import OrderKey
from .._records import OrderId

Channel: TypeAlias = Literal["orders", "fills"]

ORDERS: Final = 2
"""Orders that it takes."""
LATE: Final = 10.0
"""Seconds by which a message of one channel may come later than what the other has told of the same. What is so far apart
does not come in one message."""
AGAIN: Final = 3600.0
"""Seconds from one replacement of the connection until the next."""
AGAIN_AT_MOST: Final = 86_400.0
"""The same, where replacing it has not helped time after time."""

_NEVER: Final = float("inf")


@attrs.frozen
class Alone:
    """An order of which one channel alone has told something, and the venue, when it was asked, the rest.

    Attributes:
        lacking: The channel that should have told the rest.
        came: When the first message came that waited for it.
    """

    symbol: str
    order_id: OrderId
    lacking: Channel
    came: float


class ChannelWatch:
    """Decides when a connection is to be replaced because one of its channels is mute."""

    def __init__(self) -> None:
        self._opened = -_NEVER
        self._heard: dict[Channel, float] = {"orders": -_NEVER, "fills": -_NEVER}
        self._alone: dict[Channel, dict[OrderKey, float]] = {"orders": {}, "fills": {}}
        """By the channel that lacks, the first orders, and since when."""
        self._not_before = -_NEVER
        self._wait = AGAIN
        self._replaced: Channel | None = None
        """For which channel the connection was replaced last, while that has not helped."""

    def opened(self, now: float) -> None:
        """Take note of another connection: whatever came until now says nothing about it."""
        self._opened = now
        for orders in self._alone.values():
            orders.clear()

    def heard(self, channel: Channel, now: float) -> None:
        """Take note that a channel has brought something, whatever it is."""
        self._heard[channel] = now
        self._alone[channel].clear()
        if self._replaced == channel:
            self._replaced = None

    def told(self, alone: Alone) -> None:
        """Take note of an order of which one channel alone has told."""
        orders = self._alone[alone.lacking]
        if len(orders) == ORDERS or alone.came <= max(self._opened, self._heard[alone.lacking]):
            return
        if all(alone.came >= came + LATE for came in orders.values()):
            orders.setdefault((alone.symbol, alone.order_id), alone.came)

    def due(self) -> float:
        """Return when the connection is to be replaced, unless something comes; never while there is no reason to."""
        return max(self._not_before, min(self._since(channel) for channel in self._alone) + LATE)

    def replace(self, now: float) -> Channel:
        """Return the channel that is mute, now that it is due; the connection is replaced for it."""
        channel = min(self._alone, key=self._since)
        self._wait = AGAIN if self._replaced is None else min(2 * self._wait, AGAIN_AT_MOST)
        self._not_before = now + self._wait
        self._replaced = channel
        return channel

    def _since(self, channel: Channel) -> float:
        """Return since when a channel lacks what it takes."""
        orders = self._alone[channel]
        return max(orders.values()) if len(orders) == ORDERS else _NEVER
