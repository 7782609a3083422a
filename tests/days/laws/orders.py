"""L3: each fill once, and whenever an account says that it is live, the bot's view of its orders is the exchange's."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from decimal import Decimal

from actors import AccountState, OrderUpdate
from actors.simulator import OrderEvent

from ..accounts import RECONCILE_EVERY, Holding
from ..evidence import Breach, Evidence, Life
from .told import Switch, windows

OPEN = ("new", "partially_filled")
MOMENT = 0.5
"""Seconds that an event may have been on its way."""
TOGETHER = 0.001
"""Seconds: that it is live again is told together with what was missing, and not before."""
STALE = RECONCILE_EVERY + 30.0
"""Seconds after which whatever a live account was not told by its stream was found by asking."""


def check(evidence: Evidence) -> Iterator[Breach]:
    """Hold every account of every life against the truth."""
    for life in evidence.lives:
        for holding in evidence.holdings:
            items = [(at, item) for at, item in life.journal.orders if item.account == holding.name]
            truth = [event for event in holding.truth(evidence.record) if event.at <= life.stopped]
            yield from _check(evidence, life, holding, items, truth)


def _check(
    evidence: Evidence,
    life: Life,
    holding: Holding,
    items: Sequence[tuple[float, OrderUpdate | AccountState]],
    truth: Sequence[OrderEvent],
) -> Iterator[Breach]:
    name = f"{holding.venue} {holding.name} in life {life.number}"
    fills = Counter(item.fill.id for _, item in items if isinstance(item, OrderUpdate) and item.fill is not None)
    if doubled := [number for number, count in fills.items() if count > 1]:
        yield Breach("L3", f"{name}: fill {doubled[0]} came more than once")
    real = {event.trade_id: event for event in truth if event.execution == "TRADE"}
    for at, item in items:
        if isinstance(item, OrderUpdate) and item.fill is not None:
            event = real.get(item.fill.id)
            if event is None:
                yield Breach("L3", f"{name}: fill {item.fill.id} never was", at)
            elif (item.fill.price, item.fill.quantity) != (Decimal(event.last_price), Decimal(event.last_quantity)):
                yield Breach("L3", f"{name}: {item.fill} is not {event}", at)
    yield from _views(evidence, life, name, holding, items, truth)


def _views(
    evidence: Evidence,
    life: Life,
    name: str,
    holding: Holding,
    items: Sequence[tuple[float, OrderUpdate | AccountState]],
    truth: Sequence[OrderEvent],
) -> Iterator[Breach]:
    excused = windows(evidence.happened, venue=holding.venue)
    told: dict[object, tuple[str, Decimal]] = {}
    heard: dict[object, float] = {}
    live = Switch()
    since: float | None = None
    for at, item in items:
        if isinstance(item, OrderUpdate):
            told[item.order_id] = item.status, item.filled
            if item.fill is not None:
                heard[item.fill.id] = at
            continue
        live.set(at, on=item.live)
        if item.live:
            since = at if since is None else since
            if not excused.touches(at - MOMENT, at):
                yield from _view(name, at, since, told, truth)
    if since is None:
        # Some lives are over before the account can be reconciled.
        if life.last:
            yield Breach("L3", f"{name}: it was never live")
        return
    # What happened is told within the time for it, or the account is not live.
    for event in truth:
        if event.execution != "TRADE" or event.at <= since:
            continue
        due = excused.later(event.at, STALE)
        end = min(heard.get(event.trade_id, life.stopped), life.stopped) - TOGETHER
        if due < end and not live.never(due, end):
            yield Breach("L3", f"{name}: live without fill {event.trade_id}", event.at)
            return


def _view(
    name: str, at: float, since: float, told: dict[object, tuple[str, Decimal]], truth: Sequence[OrderEvent]
) -> Iterator[Breach]:
    before: dict[int, tuple[str, Decimal]] = {}
    lately: defaultdict[int, set[tuple[str, Decimal]]] = defaultdict(set)
    touched: set[int] = set()
    for event in truth:
        if event.at > at:
            break
        state = event.status.lower(), Decimal(event.filled)
        if event.at <= at - MOMENT:
            before[event.order_id] = state
            if event.at >= since:
                touched.add(event.order_id)
        else:
            lately[event.order_id].add(state)
    for order_id, state in before.items():
        open_still = state[0] in OPEN
        if order_id in touched or order_id in told or open_still:
            allowed: set[tuple[str, Decimal] | None] = {state} | lately[order_id]
            if any(status not in OPEN for status, _ in lately[order_id]):
                # It was closed a moment ago, perhaps before the account's history began.
                allowed.add(None)
            if told.get(order_id) not in allowed:
                yield Breach("L3", f"{name}: live, and order {order_id} is {told.get(order_id)}, not {state}", at)
                return
