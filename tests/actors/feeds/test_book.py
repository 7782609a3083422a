"""The local book: right, or it says that it is not."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import Book, BookUpdate, FeedState, StaleBook
from actors._feeds._book import CrossedBook, Ladder, MissedUpdate, NoSnapshot

Levels = list[tuple[int, int]]


def update(
    sequence: int, bids: Levels | None = None, asks: Levels | None = None, *, previous: int | None = None
) -> BookUpdate:
    sides = (tuple((Decimal(price), Decimal(quantity)) for price, quantity in side or []) for side in (bids, asks))
    return BookUpdate("v", "X", previous is None, *sides, sequence, 1000 + sequence, 2000 + sequence, previous)


def state(live: bool) -> FeedState:
    return FeedState("v", "X", live, "told", 0)


def begun() -> Book:
    book = Book("X")
    for item in (state(False), update(10, [(9, 1), (8, 2)], [(11, 1), (12, 2)]), state(True)):
        book.apply(item)
    return book


def test_a_book_is_live_from_the_word_that_it_is() -> None:
    book = Book("X")
    assert not book.live
    with pytest.raises(StaleBook, match="nothing has come yet"):
        _ = book.best_bid
    book.apply(state(False))
    book.apply(update(10, [(9, 1)], [(11, 1)]))
    assert not book.live
    book.apply(state(True))
    assert book.live
    assert (book.best_bid, book.best_ask) == ((9, 1), (11, 1))
    assert (book.symbol, book.venue, book.sequence, book.time, book.received) == ("X", "v", 10, 1010, 2010)
    assert repr(book) == "<Book v X live at 10, 2 levels>"


def test_changes_set_add_and_take_away_levels() -> None:
    book = begun()
    book.apply(update(11, [(8, 5), (9, 0)], [(13, 4)], previous=10))
    assert book.bids() == [(8, 5)]
    assert book.asks() == [(11, 1), (12, 2), (13, 4)]
    assert book.asks(2) == [(11, 1), (12, 2)]
    book.apply(update(12, [(8, 0), (7, 0)], [], previous=11))
    assert book.bids(5) == []
    assert book.best_bid is None


def test_a_book_that_is_not_live_can_be_read_only_on_purpose() -> None:
    book = begun()
    book.apply(state(False))
    for read in (book.bids, book.asks):
        with pytest.raises(StaleBook, match=r"not live \(told\): wait until `live`, or read it with stale_ok=True"):
            read()
    with pytest.raises(StaleBook):
        _ = book.best_ask
    assert book.bids(stale_ok=True) == [(9, 1), (8, 2)]
    assert "not live: told" in repr(book)


def test_an_update_without_a_snapshot_is_refused() -> None:
    with pytest.raises(NoSnapshot, match="wait for the next snapshot"):
        Book("X").apply(update(11, previous=10))
    book = begun()
    book.apply(state(False))
    with pytest.raises(NoSnapshot):
        book.apply(update(11, previous=10))
    with pytest.raises(NoSnapshot, match="its snapshot never came"):
        book.apply(state(True))
    assert not book.live


def test_an_update_after_a_lost_one_is_refused_until_the_next_snapshot() -> None:
    book = begun()
    with pytest.raises(MissedUpdate, match="update 12 follows 11, the book is at 10"):
        book.apply(update(12, previous=11))
    assert not book.live
    with pytest.raises(NoSnapshot):
        book.apply(update(13, previous=12))
    book.apply(update(14, [(9, 1)]))
    book.apply(state(True))
    assert book.bids() == [(9, 1)]


@pytest.mark.parametrize("bids", [[(11, 1)], [(12, 1)]])
def test_an_update_that_crosses_empties_the_book(bids: Levels) -> None:
    book = begun()
    with pytest.raises(CrossedBook, match="update 11"):
        book.apply(update(11, bids, previous=10))
    assert not book.live
    assert book.bids(stale_ok=True) == book.asks(stale_ok=True) == []
    with pytest.raises(NoSnapshot):
        book.apply(update(12, previous=11))


def test_a_crossed_snapshot_is_refused_too() -> None:
    with pytest.raises(CrossedBook):
        Book("X").apply(update(10, [(9, 1)], [(9, 1)]))


def test_items_of_another_symbol_or_venue_are_refused_and_change_nothing() -> None:
    book = begun()
    with pytest.raises(ValueError, match="X on v cannot take an item of Y on v"):
        book.apply(FeedState("v", "Y", False, "", 0))
    with pytest.raises(ValueError, match="X on v cannot take an item of X on w"):
        book.apply(FeedState("w", "X", False, "", 0))
    assert book.live


sides = st.lists(st.tuples(st.integers(1, 30), st.integers(0, 3)), max_size=12)


@given(sides, st.lists(sides, max_size=10))
def test_a_ladder_is_a_sorted_dictionary(first: Levels, later: list[Levels]) -> None:
    ladder = Ladder()
    ladder.replace([(Decimal(p), Decimal(q)) for p, q in first], [(Decimal(p), Decimal(q)) for p, q in first])
    bids = dict(level for levels in [first, *later] for level in levels)
    for levels in later:
        changes = [(Decimal(p), Decimal(q)) for p, q in levels]
        ladder.change(changes, changes)
    there = sorted((p, q) for p, q in bids.items() if q)
    assert ladder.asks() == there
    assert ladder.bids() == there[::-1]
    assert ladder.asks(3) == there[:3]
    assert ladder.bids(3) == there[::-1][:3]
    assert len(ladder) == 2 * len(there)
    assert ladder.best_ask == (there[0] if there else None)
    assert ladder.best_bid == (there[-1] if there else None)
    assert ladder.crossed == bool(there)
