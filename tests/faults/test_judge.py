"""The judge of the fault table sees every way in which a feed can break the law."""

from typing import Any

import pytest

from actors import FeedState, Gap
from actors.simulator import PublishedTrade

from .judge import Verdict, judge


def trade(number: int) -> PublishedTrade:
    """A true trade, which stands in for the delivered one as well: both have ids."""
    return PublishedTrade(number, "1", "1", "buy", number, number, number, float(number))


PUBLISHED = [trade(number) for number in range(1, 7)]


def gap(first: int | None, last: int | None) -> Gap:
    return Gap("v", "S", None, None, None, None, first, last, "a test", 0)


def state(*, live: bool) -> FeedState:
    return FeedState("v", "S", live, "a test", 0)


def verdict(*items: Any, dense: bool = True) -> Verdict:
    timed = [(float(place), trade(item) if isinstance(item, int) else item) for place, item in enumerate(items)]
    return judge(PUBLISHED, timed, fault_at=0.0, dense=dense)


def test_everything_once_and_in_order_is_lawful() -> None:
    found = verdict(2, 3, 4, 5, 6)
    assert found.lawful
    assert (found.published, found.delivered, found.gaps) == (5, 5, 0)


@pytest.mark.parametrize(
    ("items", "broken"),
    [
        ((1, 2, 4, 5, 6), "missed"),
        ((1, 2, 3, 4, 5), "missed"),
        ((), "missed"),
        ((1, 2, 2, 3, 4, 5, 6), "doubled"),
        ((1, 3, 2, 4, 5, 6), "disordered"),
        ((1, gap(2, 2), 4, 5, 6), "false_gaps"),
        ((1, gap(2, 4), 4, 5, 6), "false_gaps"),
        ((1, 2, gap(3, 3), 3, 4, 5, 6), "false_gaps"),
    ],
)
def test_each_breach_is_seen(items: tuple[Any, ...], broken: str) -> None:
    found = verdict(*items)
    assert getattr(found, broken) > 0
    assert not found.lawful


def test_a_gap_at_its_place_covers_exactly_what_is_missing() -> None:
    found = verdict(1, gap(2, 3), 4, 5, gap(6, 6))
    assert found.lawful
    assert (found.in_gaps, found.gaps) == (3, 2)


def test_where_ids_prove_nothing_a_gap_need_not_say_how_much() -> None:
    assert verdict(1, gap(None, None), 4, 5, 6, dense=False).lawful
    assert verdict(1, 2, gap(None, None), 3, 4, 5, 6, dense=False).lawful
    assert not verdict(1, gap(None, None), 2, 4, 5, 6, dense=False).lawful, "a gap covers only its own place"


def test_where_ids_prove_nothing_a_gap_may_come_later_if_it_names_its_place() -> None:
    late = Gap("v", "S", 2, 5, None, None, None, None, "a test", 0)
    assert verdict(1, 2, 5, 6, late, dense=False).lawful
    assert not verdict(1, 5, 6, late, dense=False).lawful, "of what lies before it nothing is said"
    assert not verdict(1, 2, 5, 6, late).lawful, "where ids prove it at once, it is said at once"


def test_times_are_those_of_the_first_dark_and_the_last_live_state() -> None:
    found = verdict(state(live=True), 1, state(live=False), 2, state(live=True), 3, 4, 5, 6)
    assert (found.noticed_after, found.recovered_after) == (2.0, 4.0)


@pytest.mark.parametrize(("spell", "lawful"), [(str, True), (int, False)])
def test_within_a_millisecond_trades_have_an_order_only_if_their_ids_have_one(spell: Any, lawful: bool) -> None:
    numbers = [(1, 1), (2, 2), (3, 2), (4, 3)]
    published = [PublishedTrade(spell(n), "1", "1", "buy", time, spell(n), spell(n), 1.0) for n, time in numbers]
    swapped = [(float(place), published[one]) for place, one in enumerate((0, 2, 1, 3))]
    assert judge(published, swapped, fault_at=0.0, dense=False).lawful is lawful
    assert judge(published, swapped[:2] + swapped[3:], fault_at=0.0, dense=False).missed == 1
    later = [(float(place), published[one]) for place, one in enumerate((0, 1, 3, 2))]
    assert not judge(published, later, fault_at=0.0, dense=False).lawful
