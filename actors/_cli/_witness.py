"""What the demo sees of the bot, independently of what the bot's runtime says about itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import trio

from actors import AccountState, FeedState, Gap, OrderUpdate
from supervisor import Child, Ended, Event, Me, PlannedEnd, Started, StopActor, Supervisor

from .._trees import with_children
from ._tally import Silence

Life = tuple[str, int]
"""Path and incarnation."""
TradeRow = tuple[int, str, str, str, int]
"""Id, price, quantity, side, time: what must be the same on both sides."""


class Witness:
    """Writes down everything that the strategy handles, every exception that leaves an actor, and every record of one.

    Attributes:
        trades: By venue and symbol, in the order of arrival.
        gaps: What the feeds declared to be lost.
        orders: Order updates in the order of arrival.
        live: Whether it is, by venue and symbol, or venue and account.
        silence: The longest time in which a feed delivered nothing.
        raised: Lives that an exception ended.
        recorded: Lives that ended with a failure according to the tree.
        ended: The records of ends, each with its decision.
        started: How many incarnations began.
    """

    def __init__(self) -> None:
        self.trades: dict[tuple[str, str], list[TradeRow]] = {}
        self.gaps: list[Gap] = []
        self.orders: list[OrderUpdate] = []
        self.live: dict[tuple[str, str], bool] = {}
        self.silence = Silence()
        self.raised: set[Life] = set()
        self.recorded: set[Life] = set()
        self.ended: list[Ended] = []
        self.started = 0
        self._news = trio.Event()

    def handled(self, item: Any) -> None:
        """Take note of what the strategy has just handled."""
        if isinstance(item, Gap):
            self.gaps.append(item)
        elif isinstance(item, OrderUpdate):
            self.orders.append(item)
        elif isinstance(item, FeedState):
            self.live[item.venue, item.symbol] = item.live
        elif isinstance(item, AccountState):
            self.live[item.venue, item.account] = item.live
        else:
            row = (item.id, format(item.price, "f"), format(item.quantity, "f"), item.side, item.time)
            self.trades.setdefault((item.venue, item.symbol), []).append(row)
            self.silence.heard(f"{item.venue} {item.symbol}", trio.current_time())
        self._news.set()

    async def wait_until(self, condition: Callable[[], bool]) -> None:
        """Wait until the condition holds; it is looked at after everything that the strategy has handled."""
        while not condition():
            self._news = trio.Event()
            await self._news.wait()

    def happened(self, event: Event) -> None:
        """Take note of an event of the tree."""
        if isinstance(event, Started):
            self.started += 1
        elif isinstance(event, Ended):
            self.ended.append(event)
            if event.end.failed:
                self.recorded.add((event.path, event.generation))

    @property
    def unrecorded(self) -> set[Life]:
        """Failures that were raised and have no record: there must be none."""
        return self.raised - self.recorded

    def watching(self, tree: Supervisor) -> Supervisor:
        """Return the same tree with a witness at the door of every actor."""
        children = [
            self.watching(child)
            if isinstance(child, Supervisor)
            else attrs.evolve(child, actor=_Door(child, self.raised))
            for child in tree.children
        ]
        return with_children(tree, children)


@attrs.frozen
class _Door:
    """Runs an actor and notes when a failure comes out. It sees what the runtime sees, before the runtime does."""

    child: Child
    raised: set[Life]

    @property
    def required(self) -> bool | None:
        """Whether the bot needs it, if its actor says so: who watches the tree asks for it here."""
        return getattr(self.child.actor, "required", None)

    async def run(self, me: Me, /) -> None:
        try:
            await self.child.actor.run(me)
        except BaseException as error:
            if any(not isinstance(leaf, trio.Cancelled | PlannedEnd | StopActor) for leaf in _leaves(error)):
                self.raised.add((me.path, me.generation))
            raise


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in _leaves(inner)]
    return [error]
