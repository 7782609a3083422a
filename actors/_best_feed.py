"""One price feed over several sources: `best_feed`, the actor that chooses, and `explain_feed`.

Theory of operation
-------------------
* Each source is a feed group of its own with a bounded inbox. The selector takes from all inboxes at once and never lets
  one wait, whatever its reader does: a source that had to wait would look as if it were silent.
* Everything that is decided is decided by `Merge` and `Choice`, which are pure. They are kept in the tree, so that a
  selector that has failed goes on with the same source, and with what was not handed out yet.
* The group is ``one_for_one``: a source that fails, gives up or is parked is silent to the selector, and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import attrs
import trio

from supervisor import (
    Backoff,
    Child,
    Limit,
    Mailbox,
    Me,
    NoSuchChild,
    Running,
    Supervisor,
    actor,
    child,
    collecting_problems,
)

from ._feeds._failover import Explanation, Terms
from ._feeds._feed import Feed
from ._feeds._merge import Merge
from ._groups import wrong_seconds, wrong_type
from ._messages import kept
from ._records import BestItem, Blind, FeedItem, Switched
from ._trees import with_children
from ._venue import FeedSpec
from ._wall_clock import now_ms
from .ops._vitals import StreamVital, facts

INBOX: Final = 4096
"""Items between a source and the selector, which looks at them as soon as it runs."""
RESTARTS: Final = 5000
"""Restarts a minute and child that its limit allows: more than a backoff with a floor of 0.05 s can reach."""
OVERSLEPT: Final = 0.1
"""Seconds. When the selector wakes up so much later than it wanted, the process itself was asleep."""
SECOND_LOOK: Final = 0.1
"""Seconds that the sources are given then to bring what came meanwhile, before their silence is judged."""


@actor(backoff=Backoff(floor=0.05, base=0.1, cap=5.0))
@attrs.frozen
class Selector:
    """Takes what the sources bring, and hands out what the chosen one does."""

    feed: str
    sources: tuple[str, ...]
    inboxes: tuple[Mailbox[FeedItem], ...]
    out: Mailbox[BestItem]
    state: Mailbox[Merge]
    terms: Terms
    required: bool = True
    """Whether the bot is unhealthy without it."""

    async def run(self, me: Me) -> None:
        """Choose until cancelled. Cancellation loses nothing: what is not handed out yet is kept."""
        await _Selection(self, me).run()


class _Selection:
    """One incarnation of the selector."""

    def __init__(self, selector: Selector, me: Me) -> None:
        self._selector = selector
        self._out = selector.out
        self._inboxes = dict(zip(selector.sources, selector.inboxes, strict=True))
        self._me = me
        self._merge = kept(selector.state, lambda: Merge(selector.feed, selector.sources, selector.terms))
        self._alarm = trio.CancelScope()
        """Its deadline is when the choice must be looked at though nothing comes."""
        self._disagree = self._merge.choice.disagree
        self._full = trio.Event()
        """Set while the reader is waited for."""

    async def run(self) -> None:
        self._me.expose(self._facts)
        self._look()
        async with trio.open_nursery() as nursery:
            for name in self._inboxes:
                nursery.start_soon(self._listen, name)
            nursery.start_soon(self._keep_time)
            nursery.start_soon(self._wait_for_reader)

    async def _listen(self, name: str) -> None:
        inbox = self._inboxes[name]
        while True:
            self._take(name, await inbox.receive_many())
            self._go_on()

    async def _keep_time(self) -> None:
        while True:
            with self._alarm:
                await trio.sleep_forever()
            if trio.current_time() > self._alarm.deadline + OVERSLEPT:
                await trio.sleep(SECOND_LOOK)
            self._alarm = trio.CancelScope()
            self._look()

    async def _wait_for_reader(self) -> None:
        while True:
            await self._full.wait()
            while self._merge.waits:
                await self._out.wait_writable()
                self._hand_out()
            self._full = trio.Event()

    # Without a checkpoint --------------------------------------------------------------------------------------

    def _look(self) -> None:
        """Judge, after everything that has come."""
        for name, inbox in self._inboxes.items():
            if items := inbox.receive_many_nowait():
                self._take(name, items)
        self._tell(self._merge.judge(trio.current_time(), now_ms()))
        self._go_on()

    def _take(self, name: str, items: Sequence[FeedItem]) -> None:
        self._tell(self._merge.take(name, items, trio.current_time(), now_ms()))

    def _tell(self, change: Switched | Blind | None) -> None:
        if isinstance(change, Switched):
            self._me.note("switched", source=change.source, previous=change.previous, reason=change.reason)
        elif change is not None:
            self._me.note("blind", reason=change.reason)
        disagree = self._merge.choice.disagree
        if disagree != self._disagree:
            self._disagree = disagree
            self._me.note("prices_disagree" if disagree else "prices_agree")

    def _go_on(self) -> None:
        self._alarm.deadline = self._merge.choice.next_at()
        if not self._full.is_set():
            self._hand_out()
            if self._merge.waits:
                self._full.set()

    def _facts(self) -> dict[str, Any]:
        explained = self._merge.choice.explain(trio.current_time())
        followed = explained.followed
        stream = StreamVital(
            self._selector.feed,
            live=followed is not None,
            reason=explained.reason,
            state="blind" if followed is None else f"follows {followed}",
        )
        return {
            **facts("best", followed or "", required=self._selector.required, streams=[stream]),
            "follows": followed,
            "reason": explained.reason,
            "sources": {source.name: source.verdict for source in explained.sources},
            "came_too_late": self._merge.late,
            "not_taken_in_time": self._merge.untaken,
        }

    def _hand_out(self) -> None:
        items = self._merge.ready(trio.current_time(), now_ms())
        if items:
            self._merge.taken(self._out.send_many_nowait(items))


def best_feed(
    name: str,
    sources: Sequence[FeedSpec],
    *,
    out: Mailbox[BestItem],
    stale_after: float = 10.0,
    max_age: float = 1.0,
    stable: float = 30.0,
    tolerance: float | str | Decimal = "0.01",
    required: bool = True,
    **options: Any,
) -> Supervisor:
    """Return the group that delivers the trades of one of several sources, and changes over when that one goes blind.

    Args:
        name: Of the feed in records, and of the group in the tree.
        sources: In the order of preference, such as ``binance.trades("BTCUSDT")`` without ``out``; one symbol each.
        out: Where `Trade`, `Gap`, `Switched` and `Blind` go. The selector does not wait for its reader: what is not
            taken within ``max_age`` is replaced by a `Gap`.
        stale_after: Seconds of silence after which no price is fresh. For a busy source, its own rhythm makes it fewer;
            for a quiet market choose it longer than the market is quiet by nature.
        max_age: Most seconds by which a trade that is handed out may be later than is usual for its source.
        stable: Seconds that a source must have been sound before the feed goes back to it.
        tolerance: By which part of the price sources may differ: 0.01 is one percent.
        required: Whether health is lost with this feed; its sources one by one are not required.
        options: Of the group as a child, see `supervisor.Policy`.

    Raises:
        BadTree: An option does not exist, or its value makes no sense.
    """
    terms, wrong = _terms(stale_after, max_age, stable, tolerance)
    wrong += wrong_type("out", out, Mailbox, "a Mailbox")
    wrong += wrong_type("required", required, bool, "True or False")
    wrong += [] if sources else ["a feed needs at least one source"]
    usable = []
    for source in sources:
        problem = _wrong_source(source)
        if problem is None:
            usable.append(source)
        else:
            wrong.append(problem)
    inboxes = tuple([Mailbox[FeedItem](f"{name} from {source.name}", capacity=INBOX) for source in usable])
    selector = Selector(
        feed=name,
        sources=tuple([source.name for source in usable]),
        inboxes=inboxes,
        out=out,
        state=Mailbox(f"{name} choice", capacity=1),
        terms=terms,
        required=required,
    )
    # What is wrong with a source is reported by the group, with the path from there.
    with collecting_problems():
        groups = [_apart(source.into(inbox)) for source, inbox in zip(usable, inboxes, strict=True)]
    return Supervisor(
        name,
        [attrs.evolve(child("selector", selector), wrong=tuple(wrong)), *groups],
        limit=Limit(restarts=RESTARTS * (len(usable) + 1), within=60.0, then="park"),
        **options,
    )


def explain_feed(running: Running, path: str) -> Explanation:
    """Return what a feed of several sources follows now, and why; print it to read it.

    Args:
        running: The open tree that it is in.
        path: Of the feed: ``bot/btc``.

    Raises:
        NoSuchChild: There is no such feed in the tree as it was opened.
    """
    root, *names = path.split("/")
    node: Child | Supervisor | None = running.tree if root == running.tree.name else None
    for name in (*names, "selector"):
        below = node.children if isinstance(node, Supervisor) else ()
        node = next((found for found in below if found.name == name), None)
    selector = node.actor if isinstance(node, Child) else None
    if not isinstance(selector, Selector):
        raise NoSuchChild(f"{path}: there is no feed of several sources")
    merge = kept(running.mailbox(selector.state), lambda: Merge(selector.feed, selector.sources, selector.terms))
    return merge.choice.explain(trio.current_time())


def _apart(source: Supervisor) -> Supervisor:
    """Return the group of a source so that its start and its end are its own affair.

    Nothing in it is waited for: a venue that does not answer would delay the start of the sources behind it, and that
    of the whole bot, for as long as it takes to find out.
    """
    return _not_waited_for(source).with_(first_start="retry", at_max="park")


def _not_waited_for(group: Supervisor) -> Supervisor:
    below = [
        _not_waited_for(node) if isinstance(node, Supervisor) else _spare(node).with_(ready_within=None)
        for node in group.children
    ]
    return with_children(group, below)


def _spare(node: Child) -> Child:
    """Return a child that health does not ask for: what is required is the choice among the sources."""
    if isinstance(node.actor, Feed):
        return attrs.evolve(node, actor=attrs.evolve(node.actor, required=False))
    return node


def _terms(
    stale_after: float, max_age: float, stable: float, tolerance: float | str | Decimal
) -> tuple[Terms, list[str]]:
    wrong = wrong_seconds(stale_after=stale_after, max_age=max_age, stable=stable)
    try:
        part = Decimal(str(tolerance))
    except InvalidOperation:
        part = Decimal("NaN")
    if not (part.is_finite() and 0 < part < 1):
        wrong.append(f"tolerance must be a part between 0 and 1, such as 0.01, not {tolerance!r}")
    return (Terms() if wrong else Terms(stale_after, max_age, stable, part)), wrong


def _wrong_source(source: object) -> str | None:
    if not isinstance(source, FeedSpec):
        kind = type(source).__name__
        return f"a source must be such as binance.trades('BTCUSDT'), without out=; it is a {kind}"
    if source.channel != "trades":
        return f"{source.name} must bring trades, not {source.channel}"
    if len(source.symbols) != 1:
        return f"{source.name} must have one symbol, not {len(source.symbols)}"
    return None
