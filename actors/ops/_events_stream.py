"""A tree's events as server-sent events (WHATWG HTML, 9.2, 2026-08): each reader at its own pace, and none slows the tree."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import trio

from supervisor import Event, OpenTree

from ._http_endpoint import Send
from ._plain import encode

CAPACITY = 1000
"""Events that wait for one reader; of those beyond it is told only how many they were."""
ALIVE = 10.0
"""Seconds after which a reader of a quiet tree gets a sign of life."""


class EventsStream:
    """The readers of one tree's events.

    Args:
        tree: The tree.
        most: How many there can be.
        streams: How many streams are open now.
    """

    def __init__(self, tree: OpenTree, most: int, streams: Callable[[], int]) -> None:
        self._tree = tree
        self._most = most
        self._streams = streams

    def room(self) -> bool:
        """Return whether there can be another reader."""
        return self._streams() < self._most

    async def write(self, send: Send) -> None:
        """Write every event from now on, until the tree has ended."""
        with self._tree.events(CAPACITY) as events:
            await send(b"retry: 2000\n\n: from now on\n\n")
            dropped = 0
            while True:
                batch: Sequence[Event] = ()
                with trio.move_on_after(ALIVE):
                    try:
                        batch = await events.receive_many()
                    except trio.EndOfChannel:
                        await send(b"event: end\ndata: {}\n\n")
                        return
                parts = [_told(event) for event in batch] or [b": alive\n\n"]
                if events.dropped > dropped:
                    lost, dropped = events.dropped - dropped, events.dropped
                    parts.insert(0, b"event: dropped\ndata: " + encode({"dropped": lost}) + b"\n\n")
                await send(b"".join(parts))


def _told(event: Event) -> bytes:
    # JSON has no line ends in it, so that one line holds all.
    return f"id: {event.seq}\nevent: {event.kind}\ndata: ".encode() + encode(event.to_dict()) + b"\n\n"
