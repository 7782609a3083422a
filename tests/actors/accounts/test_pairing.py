"""Orders and fills told apart come out together: each fill once, in causal order, whatever the order of arrival."""

from decimal import Decimal

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors._accounts._book import Book
from actors._accounts._channel_watch import Alone, Channel
from actors._accounts._pairing import MOST, ROUNDS, WITHIN, Item, Pairing
from actors._accounts._reconcile import beginning, judge
from actors._records import OrderUpdate

from .account_truth import Truth, absorb, check_complete, history, moves


def apart(truth: Truth) -> list[Item]:
    """Return what a venue tells that has channels of their own for orders and fills."""
    told: list[Item] = []
    for event in truth.events:
        told.append(attrs.evolve(event, fill=None))
        if event.fill is not None:
            told.append(event.fill)
    return told


def feed(book: Book, pairing: Pairing, items: list[Item], now: float = 0.0) -> list[OrderUpdate]:
    out: list[OrderUpdate] = []
    for item in items:
        for update in pairing.take(item, now):
            verdict = judge(book, update)
            assert verdict != "incomplete", "whatever comes out follows from what was delivered"
            if verdict == "news":
                first = beginning(book, update)
                out += absorb(book, [update] if first is None else [first, update])
    return out


@given(moves, st.data())
def test_in_any_order_of_arrival_every_fill_comes_once_and_in_its_place(
    plan: list[tuple[str, int, str]], data: st.DataObject
) -> None:
    truth = history(plan)
    book = Book()
    pairing = Pairing(book)
    items = data.draw(st.permutations(apart(truth)))
    check_complete(feed(book, pairing, items), truth)
    assert len(pairing) == 0


@given(moves, st.data())
def test_what_comes_twice_or_again_is_told_once(plan: list[tuple[str, int, str]], data: st.DataObject) -> None:
    truth = history(plan)
    book = Book()
    pairing = Pairing(book)
    items = apart(truth)
    doubled = [item for item in items for _ in range(data.draw(st.integers(1, 2)))]
    check_complete(feed(book, pairing, doubled), truth)
    assert feed(book, pairing, items) == []
    assert len(pairing) == 0
    assert pairing.due() == float("inf")


@given(moves, st.data())
def test_what_is_lost_keeps_the_rest_waiting_and_asking_sets_it_right(
    plan: list[tuple[str, int, str]], data: st.DataObject
) -> None:
    truth = history(plan)
    book = Book()
    pairing = Pairing(book)
    out = feed(book, pairing, [item for item in apart(truth) if data.draw(st.booleans())])
    for update in out:
        assert update.fill is None or update.filled >= update.fill.quantity
    if len(pairing):
        assert pairing.due() == WITHIN
    # The venue was asked, and has told everything.
    told = [event for event in truth.events if judge(book, event) != "repeated"]
    absorb(book, told)
    now = WITHIN
    for _ in range(ROUNDS):
        for update in pairing.settle(now):
            assert judge(book, update) == "repeated"
        now = pairing.due()
    assert len(pairing) == 0
    assert pairing.due() == float("inf")


def test_what_the_venue_does_not_know_when_it_is_asked_is_given_up_by_name_and_once() -> None:
    truth = history([("BTCUSDT", 1, what) for what in ("new", "fill")])
    pairing = Pairing(Book())
    (order,) = {(fill.symbol, fill.order_id) for fill in truth.fills}
    for fill in truth.fills:
        assert pairing.take(fill, 0.0) == []
    given_up = []
    for _ in range(ROUNDS):
        assert given_up == []
        assert pairing.settle(pairing.due()) == []
        given_up = pairing.given_up()
    assert [(one.symbol, one.order_id) for one in given_up] == [order]
    assert [(one.states, one.fills) for one in given_up] == [(0, tuple(fill.id for fill in truth.fills))]
    assert pairing.given_up() == []


def test_the_state_comes_with_the_fill_that_led_to_it() -> None:
    truth = history([("BTCUSDT", 1, what) for what in ("new", "fill", "fill", "cancel")])
    new, first, second, cancel = (attrs.evolve(event, fill=None) for event in truth.events)
    book = Book()
    pairing = Pairing(book)
    assert [u.status for u in feed(book, pairing, [new])] == ["new"]
    assert feed(book, pairing, [second, truth.fills[1]]) == [], "the first one is still to come"
    told = feed(book, pairing, [truth.fills[0], first])
    assert [(u.status, u.filled, u.fill and u.fill.id) for u in told] == [
        ("partially_filled", Decimal(1), 1),
        ("partially_filled", Decimal(2), 2),
    ]
    assert [u.status for u in feed(book, pairing, [cancel])] == ["canceled"]


def test_an_end_that_is_told_twice_is_told_once() -> None:
    # Bybit: Filled, and Filled again when a cancellation came too late.
    truth = history([("BTCUSDT", 1, what) for what in ("new", "fill", "fill", "fill", "fill")])
    book = Book()
    pairing = Pairing(book)
    last = attrs.evolve(truth.events[-1], fill=None)
    feed(book, pairing, apart(truth))
    assert feed(book, pairing, [attrs.evolve(last, time=last.time + 5)]) == []
    assert len(pairing) == 0


def order(number: int, *moves: str) -> tuple[Truth, list[OrderUpdate]]:
    """Return an order's history, and its states without the fills that led to them."""
    truth = history([("BTCUSDT", number, what) for what in ("new", *moves)])
    return truth, [attrs.evolve(event, fill=None) for event in truth.events]


def deliver(book: Book, updates: list[OrderUpdate]) -> list[tuple[str, Decimal, bool]]:
    return [(update.status, update.filled, update.fill is not None) for update in absorb(book, updates)]


def test_a_state_takes_the_fills_up_to_it_and_leaves_the_others() -> None:
    truth, (new, first, second, third, filled) = order(1, *["fill"] * 4)
    book = Book()
    pairing = Pairing(book)
    deliver(book, pairing.take(new, 0.0))
    assert [pairing.take(fill, 0.0) for fill in truth.fills[:3]] == [[], [], []]
    assert deliver(book, pairing.take(first, 0.0)) == [("partially_filled", Decimal(1), True)]
    # What the second state would have said comes with the third.
    assert deliver(book, pairing.take(third, 0.0)) == [
        ("partially_filled", Decimal(2), True),
        ("partially_filled", Decimal(3), True),
    ]
    assert pairing.take(second, 0.0) == []
    assert pairing.take(filled, 0.0) == []
    assert deliver(book, pairing.take(truth.fills[3], 0.0)) == [("filled", Decimal(4), True)]


def test_an_update_is_of_the_time_of_its_fill_and_has_what_the_venue_said_of_it() -> None:
    truth, (new, first) = order(1, "fill")
    book = Book()
    pairing = Pairing(book)
    deliver(book, pairing.take(new, 0.0))
    pairing.take(attrs.evolve(first, time=first.time + 7, raw=b"the state"), 0.0)
    [update] = pairing.take(attrs.evolve(truth.fills[0], raw=b"the fill"), 0.0)
    assert (update.time, update.raw) == (truth.fills[0].time, b"the fill")


def test_a_state_that_no_fill_leads_to_comes_after_the_fills_before_it() -> None:
    truth, (new, _, canceled) = order(1, "fill", "cancel")
    book = Book()
    pairing = Pairing(book)
    deliver(book, pairing.take(new, 0.0))
    assert pairing.take(canceled, 0.0) == []
    assert deliver(book, pairing.take(truth.fills[0], 0.0)) == [
        ("partially_filled", Decimal(1), True),
        ("canceled", Decimal(1), False),
    ]


def test_two_fills_of_one_moment_come_with_the_state_that_both_lead_to() -> None:
    truth, (new, first, _, last, _) = order(1, *["fill"] * 4)
    book = Book()
    pairing = Pairing(book)
    deliver(book, pairing.take(new, 0.0))
    # Which of the two was the first, nobody says: the state between them is not told.
    two = attrs.evolve(truth.fills[1], quantity=Decimal(2))
    one = attrs.evolve(truth.fills[0], time=two.time)
    assert [pairing.take(item, 0.0) for item in (two, first, last)] == [[], [], []]
    assert [update.filled for update in absorb(book, pairing.take(one, 0.0))] == [Decimal(2), Decimal(3)]
    assert len(pairing) == 0


def test_the_rest_of_an_order_that_got_on_has_its_time_anew() -> None:
    truth, (new, first, second) = order(1, "fill", "fill")
    book = Book()
    pairing = Pairing(book)
    deliver(book, pairing.take(new, 0.0))
    pairing.take(first, 0.0)
    pairing.take(second, 1.0)
    assert pairing.due() == WITHIN, "what comes, and does not help, does not prolong the wait"
    deliver(book, pairing.take(truth.fills[0], 2.0))
    assert pairing.due() == 2.0 + WITHIN


def test_what_the_venue_has_told_goes_and_what_follows_from_it_comes_for_each_order() -> None:
    book = Book()
    pairing = Pairing(book)
    orders = {number: order(number, "fill", "fill") for number in (1, 2)}
    for truth, (new, _, second) in orders.values():
        deliver(book, pairing.take(new, 0.0))
        assert pairing.take(second, 0.0) == pairing.take(truth.fills[1], 0.0) == []
    done, _ = order(3, "fill")
    pairing.take(done.fills[0], 0.0)
    unknown, _ = order(4, "fill")
    pairing.take(unknown.fills[0], 0.0)
    # The venue is asked: it tells the first fill of each, and all of the third order.
    absorb(book, [truth.events[1] for truth, _ in orders.values()])
    absorb(book, done.events)

    assert [(update.order_id, update.filled) for update in pairing.settle(1.0)] == [(1, Decimal(2)), (2, Decimal(2))]
    assert len(pairing) == 1, "of the fourth nothing is known yet"
    assert pairing.due() == WITHIN


def test_what_the_venue_does_not_know_is_asked_about_less_and_less_often_and_then_given_up() -> None:
    truth, _ = order(1, "fill")
    pairing = Pairing(Book())
    pairing.take(truth.fills[0], 0.0)
    pairing.settle(WITHIN / 2)
    assert pairing.due() == WITHIN, "asked early, for another reason: that does not count"
    pairing.settle(3.0)
    assert pairing.due() == 3.0 + 6.0
    pairing.settle(9.0)
    assert pairing.due() == 9.0 + 12.0
    assert len(pairing) == 1
    pairing.settle(21.0)
    assert len(pairing) == 0
    assert pairing.due() == float("inf")


def test_what_the_venue_knows_the_last_time_that_it_is_asked_is_settled() -> None:
    truth, _ = order(1, "fill")
    book = Book()
    pairing = Pairing(book)
    pairing.take(truth.fills[0], 0.0)
    pairing.settle(3.0)
    pairing.settle(9.0)
    absorb(book, truth.events)
    assert pairing.settle(21.0) == []
    assert len(pairing) == 0


@pytest.mark.parametrize(("kept", "lacking"), [(0, "fills"), (1, "orders")])
def test_an_order_of_which_one_channel_alone_has_told_is_named_when_the_venue_knows_the_rest(
    kept: int, lacking: Channel
) -> None:
    truth, (_, filled) = order(1, "fill")
    book = Book()
    pairing = Pairing(book)
    items: list[Item] = [filled, truth.fills[0]]
    pairing.take(items[kept], 5.0)
    pairing.take(items[kept], 6.0)
    pairing.settle(7.0)
    assert pairing.alone() == [], "the venue does not know of it yet"
    absorb(book, truth.events)
    pairing.settle(8.0)
    assert pairing.alone() == [Alone("BTCUSDT", 1, lacking, 5.0)]
    assert pairing.alone() == []


def test_where_each_channel_has_told_something_or_what_was_told_comes_to_nothing_neither_is_alone() -> None:
    book = Book()
    pairing = Pairing(book)
    truth, (new, _, second) = order(1, "fill", "fill")
    deliver(book, pairing.take(new, 0.0))
    for item in (second, truth.fills[1]):
        assert pairing.take(item, 0.0) == [], "the first fill is lost"
    _, (_, filled) = order(2, "fill")
    pairing.take(filled, 0.0)
    absorb(book, truth.events[1:])
    while len(pairing):
        pairing.settle(pairing.due())
    assert pairing.alone() == []
    assert [one.order_id for one in pairing.given_up()] == [2]


def test_of_an_order_from_before_the_history_nobody_should_have_told_the_fills() -> None:
    truth, (_, filled) = order(1, "fill")
    book = Book()
    pairing = Pairing(book)
    pairing.take(filled, 0.0)
    # As the venue lists it, without the fill, which is older than anything that is asked for.
    absorb(book, [attrs.evolve(truth.events[-1], fill=None)])
    pairing.settle(3.0)
    assert len(pairing) == 0
    assert pairing.alone() == []


def test_when_too_much_waits_the_venue_is_asked_at_once() -> None:
    truth, _ = order(1, "fill")
    pairing = Pairing(Book())
    for number in range(MOST):
        pairing.take(attrs.evolve(truth.fills[0], order_id=number), 0.0)
    assert pairing.due() == WITHIN
    pairing.take(attrs.evolve(truth.fills[0], order_id=MOST), 0.0)
    assert pairing.due() == -float("inf")
