"""The judge of accounts sees each way of being wrong, and nothing where nothing is wrong."""

from decimal import Decimal
from typing import Any

import attrs
import pytest

from actors import AccountState, Fill, OrderUpdate
from actors.simulator import TrueAccount, TrueFill, TrueOrder

from .judge import FOUND, LAST, LATE, Happening, Verdict, false_moments, judge, overdue_moments

D = Decimal


def fill(number: int, order: int = 1, quantity: str = "1", price: str = "5") -> Fill:
    return Fill("S", order, number, D(price), D(quantity), "buy", True, D(0), "USDT", 0)


def update(status: Any, filled: int, one: Fill | None = None, order: int = 1) -> OrderUpdate:
    return OrderUpdate(
        "v", "a", "S", order, f"c{order}", "buy", "LIMIT", status, D(5), D(2), D(filled), one, 0, "stream", 0
    )


def state(*, live: bool) -> AccountState:
    return AccountState("v", "a", "live" if live else "connecting", "a test", 0)


def happened(at: float, status: str, filled: int, fill_id: int | None = None, order: int = 1) -> Happening:
    return Happening(at, "S", order, status, D(filled), fill_id)


LIFE = [
    happened(10.0, "new", 0),
    happened(20.0, "partially_filled", 1, 7),
    happened(30.0, "filled", 2, 8),
    happened(30.0, "new", 0, order=2),
]
TRUE = TrueAccount(
    (
        TrueOrder("S", 1, "c1", "buy", "filled", D(2), D(2)),
        TrueOrder("S", 2, "c2", "buy", "new", D(2), D(0)),
    ),
    (TrueFill("S", 1, 7, "buy", D(5), D(1)), TrueFill("S", 1, 8, "buy", D(5), D(1))),
)
NEW, PART, FULL = update("new", 0), update("partially_filled", 1, fill(7)), update("filled", 2, fill(8))
SECOND = update("new", 0, order=2)


def verdict(*timed: tuple[float, Any], ends: float = 35.0, rest_is_true: bool = True) -> Verdict:
    return judge(TRUE, LIFE, [(0.0, state(live=True)), *timed], fault_at=15.0, ends=ends, rest_is_true=rest_is_true)


def test_what_is_told_as_it_happens_is_lawful() -> None:
    found = verdict((10.0, NEW), (20.0, PART), (30.0, FULL), (30.0, SECOND))
    assert found.lawful
    assert (found.orders, found.fills, found.noticed_after, found.by_reconciling) == (2, 2, None, 0)


@pytest.mark.parametrize(
    ("items", "broken"),
    [
        ((NEW, PART, SECOND), "missed"),
        ((NEW, PART, SECOND), "wrong_orders"),
        ((NEW, PART, FULL), "wrong_orders"),
        ((NEW, PART, FULL, update("canceled", 0, order=2)), "wrong_orders"),
        ((NEW, PART, FULL, SECOND, update("new", 0, order=3)), "strange_orders"),
        ((NEW, PART, PART, FULL, SECOND), "doubled"),
        ((NEW, PART, FULL, FULL, SECOND), "doubled"),
        ((NEW, PART, update("filled", 2, fill(9)), SECOND), "false_fills"),
        ((NEW, PART, update("filled", 2, fill(8, price="6")), SECOND), "false_fills"),
        ((NEW, FULL, PART, SECOND), "disordered"),
        ((NEW, PART, FULL, update("filled", 2), SECOND), "disordered"),
        ((NEW, PART, FULL, NEW, SECOND), "disordered"),
        ((NEW, PART, update("filled", 2), SECOND), "disordered"),
    ],
)
def test_each_breach_is_seen(items: tuple[Any, ...], broken: str) -> None:
    found = verdict(*((30.0, item) for item in items))
    assert getattr(found, broken) > 0
    assert not found.lawful


def test_who_becomes_live_must_know_what_happened_before() -> None:
    gone = (15.0, state(live=False))
    honest = verdict((10.0, NEW), gone, (25.0, PART), (25.0, state(live=True)), (30.0, FULL), (30.0, SECOND))
    assert honest.lawful
    assert (honest.noticed_after, honest.recovered_after) == (0.0, 10.0)
    early = [(10.0, NEW), gone, (25.0, state(live=True)), (25.0, PART), (30.0, FULL), (30.0, SECOND)]
    assert verdict(*early).untrue == 1
    assert not verdict(*early).lawful
    assert verdict(*early, rest_is_true=False).untrue == 0


def test_what_has_just_happened_may_be_on_its_way() -> None:
    gone = (15.0, state(live=False))
    rest = [(40.0, FULL), (40.0, SECOND)]
    at = 20.0 + LATE - 0.1
    assert verdict((10.0, NEW), gone, (at, state(live=True)), (at, PART), *rest).untrue == 0
    # But nothing may be there before it happens.
    assert verdict((10.0, NEW), gone, (19.9, PART), (19.9, state(live=True)), *rest).untrue == 1


def test_a_stream_that_ends_silent_has_not_recovered() -> None:
    asked = [
        (at, attrs.evolve(one, source="reconcile"))
        for at, one in ((10.0, NEW), (20.0, PART), (30.0, FULL), (30.0, SECOND))
    ]
    assert not verdict(*asked).lawful
    assert not verdict((10.0, NEW), (20.0, PART), (30.0, FULL), (30.0, SECOND), ends=30.1 + LAST).lawful


def test_who_ends_without_being_live_has_not_recovered() -> None:
    assert not verdict((10.0, NEW), (20.0, PART), (30.0, FULL), (30.0, SECOND), (31.0, state(live=False))).lawful


def test_a_view_that_is_wrong_while_live_is_seen_where_it_could_have_been_right() -> None:
    start = (0.0, state(live=True))
    whole = [start, (10.0, NEW), (20.0, PART), (30.0, FULL), (30.0, SECOND)]
    assert false_moments(LIFE, whole, []) == []
    without = [start, (10.0, NEW), (30.0, PART), (30.0, FULL), (30.0, SECOND)]
    assert false_moments(LIFE, without, []) == [20.0 + LATE + 0.5]
    assert false_moments(LIFE, without, [(19.0, 19.0)]) == [], "lost, and nobody said so"
    assert false_moments(LIFE, [*without[:2], (15.0, state(live=False)), *without[2:]], []) == []
    again = [start, (10.0, NEW), (15.0, state(live=False)), (16.0, state(live=True)), *without[2:]]
    assert false_moments(LIFE, again, [(12.0, 12.0)]) == [20.0 + LATE + 0.5], "what was lost before has been made good"


def test_what_began_before_the_account_was_live_again_may_be_going_on() -> None:
    degraded = [(0.0, state(live=True)), (10.0, NEW), (15.0, state(live=False)), (16.0, state(live=True))]
    items = [*degraded, (30.0, PART), (30.0, FULL), (30.0, SECOND)]
    assert false_moments(LIFE, items, [(12.0, 25.0)]) == []
    assert false_moments(LIFE, items, [(12.0, 15.9)]) == [20.0 + LATE + 0.5]


def test_what_was_lost_long_ago_must_be_held_whatever_is_being_lost() -> None:
    start = [(0.0, state(live=True)), (10.0, NEW)]
    rest = [(30.0, FULL), (30.0, SECOND)]
    assert overdue_moments(LIFE, [*start, (20.0, PART), *rest]) == []
    assert overdue_moments(LIFE, [*start, (20.0 + FOUND, PART), (20.0 + FOUND, FULL), (20.0 + FOUND, SECOND)]) == []
    at = 30.0 + FOUND + 1.0
    assert overdue_moments(LIFE, [*start, (20.0, PART), (at, FULL), (at, SECOND)]) == [30.0 + FOUND + 0.5]
    gone = (25.0, state(live=False))
    assert overdue_moments(LIFE, [*start, (20.0, PART), gone, (at, FULL), (at, SECOND)]) == []
