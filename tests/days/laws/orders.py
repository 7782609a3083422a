"""L3: each fill once, and whenever an account says that it is live, the bot's view of its orders is the exchange's."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, TypeAlias

import attrs

from actors import AccountState, OrderUpdate
from actors.simulator import Fault

from ..accounts import RECONCILE_EVERY, Happening, Holding
from ..evidence import Breach, Evidence, Life
from .told import Switch, Windows, windows

OPEN = ("new", "partially_filled")
MOMENT = 0.5
"""Seconds that an event may have been on its way."""
TOGETHER = 0.001
"""Seconds: that it is live again is told together with what was missing, and not before."""
STALE = RECONCILE_EVERY + 30.0
"""Seconds after which whatever a live account was not told by its stream was found by asking."""
ASKING = 30.0
"""Seconds that a reconciliation may take: for so long after REST was behind the view may be, too."""
NOTICE = 5.0
"""Seconds after which the end of a connection is known, and was told to a strategy that may just have failed."""
IN_HANDS = 1.0
"""Seconds before the end of a life: what was told then may not be noted as told, and is told again by the next one."""

State: TypeAlias = tuple[str, Decimal]
"""Of an order: its status, and how much is filled."""
Items: TypeAlias = Sequence[tuple[float, OrderUpdate | AccountState]]


@attrs.frozen
class _Story:
    """One account in one life of the process."""

    name: str
    life: Life
    items: Items
    truth: Sequence[Happening]
    """What had happened when the process was asked to end."""
    fills: Mapping[tuple[object, object], Any]
    """By order and fill: what had been filled when the process had ended; it may be told while it does."""
    excused: Windows
    behind: tuple[tuple[float, float, float], ...]
    """From when to when REST was behind, and by how many seconds."""
    places: Mapping[object, Mapping[State, int]]
    """By order: the states in which it was, numbered; none comes twice."""
    live: Switch
    dark: Sequence[tuple[float, float]]
    """From when to when the exchange had no private connection."""

    def moment(self, at: float) -> float:
        """Return for how many seconds before that second a view need not be true."""
        late = (seconds + ASKING for began, ended, seconds in self.behind if began <= at <= ended + ASKING)
        return MOMENT + max(late, default=0.0)


def check(evidence: Evidence) -> Iterator[Breach]:
    """Hold every account of every life against the truth."""
    for holding, happened in evidence.orders.items():
        stories = [_story(evidence, holding, happened, life) for life in evidence.lives]
        for story in stories:
            yield from _fills(story)
            yield from _order(story)
            yield from _views(story)
            yield from _unconnected(story)
        yield from _all_lives(stories)


def _story(evidence: Evidence, holding: Holding, happened: Sequence[Happening], life: Life) -> _Story:
    items = [(at, item) for at, item in life.journal.orders if item.account == holding.name]
    ended = max((life.stopped, *(at for at, _ in items)))
    places: defaultdict[object, dict[State, int]] = defaultdict(dict)
    fills = {}
    for event in happened:
        if event.at <= ended:
            places[event.order_id][event.status, event.filled] = len(places[event.order_id])
            if event.fill is not None:
                fills[event.fill.order_id, event.fill.id] = event.fill
    lags = tuple(
        (at, at + entry.what.duration, entry.what.delay)
        for at, entry in evidence.happened
        if isinstance(entry.what, Fault) and entry.what.kind == "rest_lag" and entry.what.venue in (None, holding.venue)
    )
    live = Switch()
    for at, item in items:
        if isinstance(item, AccountState):
            live.set(at, on=item.live)
    return _Story(
        f"{holding.venue} {holding.name} in life {life.number}",
        life,
        items,
        [event for event in happened if event.at <= life.stopped],
        fills,
        windows(evidence.happened, venue=holding.venue),
        lags,
        dict(places),
        live,
        _dark(evidence, holding, life),
    )


def _dark(evidence: Evidence, holding: Holding, life: Life) -> list[tuple[float, float]]:
    found = []
    until = life.opened
    for connection in evidence.record.connections:
        if (connection.venue, connection.surface) == (holding.venue, "private"):
            if until < connection.opened <= life.stopped:
                found.append((until, connection.opened))
            until = max(until, life.stopped if connection.closed is None else connection.closed)
    return found if until >= life.stopped else [*found, (until, life.stopped)]


def _fills(story: _Story) -> Iterator[Breach]:
    """Each comes once, and as it was."""
    told = [(at, i.fill) for at, i in story.items if isinstance(i, OrderUpdate) and i.fill is not None]
    counted = Counter((fill.order_id, fill.id) for _, fill in told)
    if doubled := [number for number, count in counted.items() if count > 1]:
        yield Breach("L3", f"{story.name}: fill {doubled[0][1]} came more than once")
    for at, fill in told:
        true = story.fills.get((fill.order_id, fill.id))
        if true is None:
            yield Breach("L3", f"{story.name}: fill {fill.id} never was", at)
        elif (fill.side, fill.price, fill.quantity) != (true.side, true.price, true.quantity):
            yield Breach("L3", f"{story.name}: {fill} is not {true}", at)


def _order(story: _Story) -> Iterator[Breach]:
    """An order is told as it was at some time, and never as it was before what has been told already."""
    reached: dict[object, int] = {}
    for at, item in story.items:
        if isinstance(item, OrderUpdate):
            state = item.status, item.filled
            place = story.places.get(item.order_id, {}).get(state)
            if place is None:
                yield Breach("L3", f"{story.name}: order {item.order_id} never was {state}", at)
                return
            if place < reached.get(item.order_id, 0):
                yield Breach("L3", f"{story.name}: order {item.order_id} goes back to {state}", at)
                return
            reached[item.order_id] = place


def _views(story: _Story) -> Iterator[Breach]:
    """Whenever it becomes live, and in time while it is."""
    told: dict[object, State] = {}
    since: float | None = None
    for at, item in story.items:
        if isinstance(item, OrderUpdate):
            told[item.order_id] = item.status, item.filled
        elif item.live:
            since = at if since is None else since
            if not story.excused.touches(at - MOMENT, at):
                yield from _view(story, at, since, told)
    if since is None:
        # Some lives are over before the account can be reconciled.
        if story.life.last:
            yield Breach("L3", f"{story.name}: it was never live")
        return
    yield from _in_time(story, since)


def _unconnected(story: _Story) -> Iterator[Breach]:
    """Who has no connection is not live."""
    for begin, end in story.dark:
        due = story.excused.later(begin, NOTICE)
        if due < end - TOGETHER and not story.live.never(due, end - TOGETHER):
            yield Breach("L3", f"{story.name}: live without a connection", due)
            return


def _view(story: _Story, at: float, since: float, told: Mapping[object, State]) -> Iterator[Breach]:
    before: dict[object, State] = {}
    lately: defaultdict[object, set[State]] = defaultdict(set)
    touched: set[object] = set()
    moment = story.moment(at)
    for event in story.truth:
        if event.at > at:
            break
        state = event.status, event.filled
        if event.at <= at - moment:
            before[event.order_id] = state
            if event.at >= since:
                touched.add(event.order_id)
        else:
            lately[event.order_id].add(state)
    for order_id, state in before.items():
        open_still = state[0] in OPEN
        if order_id in touched or order_id in told or open_still:
            allowed: set[State | None] = {state} | lately[order_id]
            if any(status not in OPEN for status, _ in lately[order_id]):
                # It was closed a moment ago, perhaps before the account's history began.
                allowed.add(None)
            if told.get(order_id) not in allowed:
                yield Breach("L3", f"{story.name}: live, and order {order_id} is {told.get(order_id)}, not {state}", at)
                return


def _in_time(story: _Story, since: float) -> Iterator[Breach]:
    """What happens is told within the time for it, or the account is not live."""
    stopped = story.life.stopped
    heard: dict[tuple[object, int], float] = {}
    for at, item in story.items:
        if isinstance(item, OrderUpdate):
            # Whoever hears of a later state need not hear of those before it; fills are asked for by themselves.
            place = story.places.get(item.order_id, {}).get((item.status, item.filled), -1)
            while place >= 0 and (item.order_id, place) not in heard:
                heard[item.order_id, place] = at
                place -= 1
    fills = {i.fill.id: at for at, i in story.items if isinstance(i, OrderUpdate) and i.fill is not None}
    for event in story.truth:
        place = story.places[event.order_id][event.status, event.filled]
        if event.at <= since:
            continue
        due = story.excused.later(event.at, STALE)
        came = heard.get((event.order_id, place), stopped)
        if event.fill is not None:
            came = max(came, fills.get(event.fill.id, stopped))
        end = min(came, stopped) - TOGETHER
        if due < end and not story.live.never(due, end):
            what = f"order {event.order_id} {event.status}" if event.fill is None else f"fill {event.fill.id}"
            yield Breach("L3", f"{story.name}: live without {what}", event.at)
            return


def _all_lives(stories: Sequence[_Story]) -> Iterator[Breach]:
    """From when the account was live for the first time to the end of the day no fill is missing, and none is told twice.

    A process that goes on where the one before it was killed may tell again what that one had in its hands.
    """
    began = [at for story in stories for at, item in story.items if isinstance(item, AccountState) and item.live]
    told: dict[object, float] = {}
    for story in stories:
        here: dict[object, float] = {}
        for at, item in story.items:
            if isinstance(item, OrderUpdate) and item.fill is not None:
                here[item.order_id, item.fill.id] = at
        for key, at in here.items():
            if told.get(key, float("inf")) < float("inf"):
                yield Breach("L3", f"{story.name}: fill {key} was told by a life before", at)
                return
        # The last batch that was taken is in the strategy's hands until it comes back for more. When it does so after the
        # end has begun, the account may have ended, and has written down only what was handled before.
        last = max((at for at, _ in story.life.journal.orders if at < story.life.stopped), default=0.0)
        hands = min(last, story.life.stopped - IN_HANDS)
        told |= {key: at if at < hands else float("inf") for key, at in here.items()}
    for event in stories[-1].truth if began else ():
        if event.fill is not None and event.at > began[0] and (event.order_id, event.fill.id) not in told:
            yield Breach("L3", f"{stories[-1].name}: fill {event.fill.id} was never told", event.at)
            return
