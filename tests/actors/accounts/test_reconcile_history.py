"""What began before the history of an account, or in an earlier process, is told as it is, and each later fill once."""

from decimal import Decimal

from actors._accounts._book import MARGIN, Book
from actors._accounts._reconcile import differences, judge, lacking, present

from .account_truth import NEVER, absorb, history, play, reconcile


def test_an_open_order_from_before_the_history_is_told_with_what_was_filled_then() -> None:
    truth = history([("BTCUSDT", 1, "new"), ("BTCUSDT", 1, "fill"), ("BTCUSDT", 1, "fill")])
    book = Book()
    book.since = truth.fills[0].time + 1
    found = differences(
        book, truth.orders.values(), truth.fills[1:], venue="v", account="a", received=0, live_from=NEVER
    )
    assert [(u.status, u.filled, u.fill.id if u.fill else None) for u in found] == [
        ("partially_filled", Decimal(1), None),
        ("partially_filled", Decimal(2), 2),
    ]


def test_a_late_fill_of_an_order_from_before_the_history_still_goes_out_once() -> None:
    truth = history([("BTCUSDT", 1, "new"), ("BTCUSDT", 1, "fill"), ("BTCUSDT", 1, "fill")])
    for live in (True, False):
        book = Book()
        book.since = truth.fills[0].time + 1
        # The second fill belongs to the history, but the answer for fills lags behind the one for orders.
        absorb(book, differences(book, truth.orders.values(), [], venue="v", account="a", received=0, live_from=NEVER))
        if live:
            assert judge(book, truth.events[2]) == "news"
            book.absorb(truth.events[2])
        else:
            found = differences(
                book, truth.orders.values(), truth.fills[1:], venue="v", account="a", received=0, live_from=NEVER
            )
            assert [u.fill.id for u in absorb(book, found) if u.fill] == [2]
        assert (
            differences(
                book, truth.orders.values(), truth.fills[1:], venue="v", account="a", received=0, live_from=NEVER
            )
            == []
        )


def test_what_ended_before_the_history_is_not_told() -> None:
    truth = history([("BTCUSDT", 1, what) for what in ("new", "fill", "cancel")])
    book = Book()
    book.since = truth.time + 1
    assert reconcile(book, truth) == []


def test_an_order_that_has_more_than_its_fills_has_them_asked_for_from_its_last_update_on() -> None:
    truth = history([("BTCUSDT", 1, "new"), ("BTCUSDT", 1, "fill"), ("BTCUSDT", 1, "fill")])
    book = Book()
    play(book, truth.events[:2])
    orders = list(truth.orders.values())
    assert lacking(book, orders, truth.fills) == {}
    assert lacking(book, orders, truth.fills[:1]) == {"BTCUSDT": max(0, truth.events[1].time - MARGIN)}
    assert lacking(Book(), orders, []) == {"BTCUSDT": max(0, orders[0].created - MARGIN)}
    late = Book()
    late.since = truth.time
    assert lacking(late, orders, []) == {}, "what was filled before the history is not looked for"


def test_orders_of_an_earlier_process_are_told_as_they_are() -> None:
    truth = history([("BTCUSDT", 1, "new"), ("BTCUSDT", 1, "fill"), ("ETHUSDT", 2, "new"), ("ETHUSDT", 2, "cancel")])
    book = Book()
    play(book, truth.events)
    [update] = present(book, "v", "a", 7)
    assert (update.order_id, update.status, update.filled, update.fill, update.source) == (
        1,
        "partially_filled",
        Decimal(1),
        None,
        "reconcile",
    )
    assert judge(book, update) == "repeated"
