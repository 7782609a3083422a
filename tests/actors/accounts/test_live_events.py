"""A live event is news, or was told already, or shows that something was missed.

Some are races of reconciling while live: nautechsystems/nautilus_trader#4991.
"""

from decimal import Decimal

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors._accounts._book import Book
from actors._accounts._reconcile import judge
from actors._records import OrderStatus

from .account_truth import absorb, check_complete, history, moves, play, reconcile


def test_a_live_event_that_skips_a_fill_shows_the_loss() -> None:
    truth = history([("BTCUSDT", 1, "new"), ("BTCUSDT", 1, "fill"), ("BTCUSDT", 1, "fill"), ("BTCUSDT", 1, "cancel")])
    book = Book()
    book.absorb(truth.events[0])
    assert judge(book, truth.events[2]) == "incomplete"
    assert judge(book, truth.events[3]) == "incomplete"
    assert judge(Book(), truth.events[2]) == "incomplete", "so does one of an order that nobody knows"


def test_a_live_fill_that_adds_nothing_to_what_was_filled_shows_that_something_is_wrong() -> None:
    truth = history([("BTCUSDT", 1, "new"), ("BTCUSDT", 1, "fill"), ("BTCUSDT", 1, "fill")])
    book = Book()
    play(book, truth.events)
    fill = truth.events[-1].fill
    assert fill is not None
    other = attrs.evolve(truth.events[-1], fill=attrs.evolve(fill, id=99), time=truth.time + 1)
    assert judge(book, other) == "incomplete", "it can be one of those that were assumed only where some were"


@given(moves, st.data())
def test_a_fill_that_is_replayed_after_it_was_reconciled_is_no_news(
    plan: list[tuple[str, int, str]], data: st.DataObject
) -> None:
    truth = history(plan)
    book = Book()
    absorb(book, reconcile(book, truth))
    for event in data.draw(st.permutations(truth.events)):
        assert judge(book, event) == "repeated", "in whatever order the venue says it again"


def test_a_cancellation_that_overtakes_a_fill_is_set_right_by_asking() -> None:
    truth = history([("BTCUSDT", 1, what) for what in ("new", "fill", "fill", "cancel")])
    new, first, second, cancel = truth.events
    book = Book()
    out = play(book, [new, first])
    assert judge(book, cancel) == "incomplete", "it says that more was filled than was told"
    out += absorb(book, reconcile(book, truth))
    assert [judge(book, event) for event in (cancel, second)] == ["repeated", "repeated"]
    check_complete(out, truth)


@pytest.mark.parametrize("end", ["filled", "canceled", "expired", "rejected"])
def test_an_end_that_is_told_again_is_no_news_whatever_it_says(end: OrderStatus) -> None:
    truth = history([("BTCUSDT", 1, what) for what in ("new", "fill", "fill", "fill", "fill")])
    book = Book()
    play(book, truth.events)
    late = attrs.evolve(truth.events[-1], status=end, fill=None, time=truth.time + 100)
    assert judge(book, late) == "repeated"


def test_an_order_whose_beginning_the_stream_leaves_out_is_told_from_its_beginning() -> None:
    truth = history([("BTCUSDT", 1, "new"), ("BTCUSDT", 1, "fill"), ("BTCUSDT", 1, "cancel")])
    book = Book()
    out = play(book, truth.events[1:])
    assert [(u.status, u.filled) for u in out] == [
        ("new", Decimal(0)),
        ("partially_filled", Decimal(1)),
        ("canceled", Decimal(1)),
    ]
    check_complete(out, truth)
    assert judge(book, truth.events[0]) == "repeated", "should it come late after all"
