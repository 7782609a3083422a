"""Orders and fills told apart come out together: each fill once, in causal order, whatever the order of arrival."""

from decimal import Decimal

import attrs
from hypothesis import given
from hypothesis import strategies as st

from actors._pairing import ROUNDS, WITHIN, Item, Pairing
from actors._reconcile import Book, beginning, judge
from actors._records import OrderUpdate

from .test_reconcile import Truth, absorb, check_complete, history, moves


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
