"""What an account's book remembers, and from when on REST is asked: by the venue's clock, whatever is done to it."""

import attrs
import pytest

from actors._accounts import _book, _told_fills
from actors._accounts._book import CLOCK_OFF, MARGIN, Book

from .account_truth import history, play


def test_what_is_remembered_is_bounded_and_old_fills_stay_delivered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_told_fills, "FILLS_KEPT", 3)
    monkeypatch.setattr(_book, "CLOSED_KEPT", 2)
    truth = history([("BTCUSDT", i, what) for i in range(1, 5) for what in ("new", "fill", "fill", "fill", "fill")])
    book = Book()
    play(book, truth.events)
    assert all(book.has_fill(fill) for fill in truth.fills)
    assert not book.has_fill(attrs.evolve(truth.fills[-1], id=99))
    assert not book.has_fill(attrs.evolve(truth.fills[0], symbol="ETHUSDT"))
    assert [book.get(("BTCUSDT", i)) is None for i in range(1, 5)] == [True, True, False, False]


def test_open_orders_are_listed_by_symbol() -> None:
    truth = history([("BTCUSDT", 2, "new"), ("BTCUSDT", 1, "new"), ("ETHUSDT", 3, "new"), ("BTCUSDT", 2, "cancel")])
    book = Book()
    play(book, truth.events)
    assert book.open_orders("BTCUSDT") == [("BTCUSDT", 1)]
    assert book.open_orders("ETHUSDT") == [("ETHUSDT", 3)]
    assert book.open_orders() == [("BTCUSDT", 1), ("ETHUSDT", 3)]


def test_each_time_is_asked_about_twice() -> None:
    book = Book()
    book.since = 5_000
    asked = []
    for began in (10_000, 100_000, 200_000, 300_000):
        asked.append(book.asks_since("BTCUSDT"))
        book.reconciled("BTCUSDT", began)
    assert asked == [5_000, 5_000, 5_000, 100_000 - MARGIN], "from the last but one, and a margin"
    assert book.asks_since("ETHUSDT") == 5_000, "of a symbol that comes later, from the beginning"


def test_a_clock_that_is_set_back_takes_along_what_was_noted_by_it() -> None:
    book = Book()
    book.since = 5_000
    for began in (400_000, 500_000):
        book.reconciled("BTCUSDT", began)
    book.follow(106_000, None)
    assert book.asks_since("BTCUSDT") == 400_000 - 106_000 - MARGIN
    book.follow(106_000, None)
    assert book.asks_since("BTCUSDT") == 400_000 - 106_000 - MARGIN, "once"
    book.reconciled("BTCUSDT", 400_000)
    book.follow(107_000, None)
    assert book.asks_since("BTCUSDT") == 500_000 - 107_000 - MARGIN
    assert book.since == 5_000, "it was told, and not read off a clock"


def test_a_history_that_begins_with_the_opening_does_so_by_the_clock_that_is_right() -> None:
    book = Book()
    book.since = 200_000
    book.follow(106_000, 94_000)
    assert book.asks_since("BTCUSDT") == 94_000
    book.follow(107_000, 150_000)
    assert book.since == 94_000, "never later: what has been told belongs to it"


@pytest.mark.parametrize(
    ("then", "now", "back"),
    [
        (106_000, 0, 106_000),
        (-300_000, -406_000, 106_000),
        (0, 106_000, 0),
        (106_000, 106_000, 0),
        (CLOCK_OFF, 0, CLOCK_OFF),
        (CLOCK_OFF + 1, 0, 0),
        (None, 0, 0),
    ],
)
def test_what_an_earlier_process_has_noted_is_moved_back_where_the_clock_was_further_ahead_then(
    then: int | None, now: int, back: int
) -> None:
    earlier = Book()
    earlier.since, earlier.since_ahead, earlier.ahead = 1_000_000, then, then
    for began in (1_400_000, 1_500_000):
        earlier.reconciled("BTCUSDT", began)
    book = Book()
    book.continue_from(earlier, 7, now)
    assert book.since == 1_000_000 - back
    assert book.since_ahead == (None if then is None else then - back), "moved once, whoever reads it next"
    book.follow(7, None)
    assert book.points == {"BTCUSDT": (1_400_000 - back, 1_500_000 - back)}
    book.follow(107, None)
    assert book.points == {"BTCUSDT": (1_399_900 - back, 1_499_900 - back)}, "and with the clock from there on"
