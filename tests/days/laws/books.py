"""L2 for order books and quotes: what is live is true, to the level and to the digit."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from decimal import Decimal
from typing import TypeAlias

from actors import FeedState
from actors.simulator import BookState, Fault
from actors.simulator.venues.bybit import _update

from ..bot import DEPTH, SeenBook
from ..evidence import Breach, Evidence, Life
from ..plan import Freeze
from .told import Windows

_Side = tuple[tuple[Decimal, Decimal], ...]
Quote: TypeAlias = tuple[str, Decimal, Decimal, Decimal, Decimal]
"""Venue, bid, its quantity, ask, its quantity."""


NUMBERED_BY_TIME = "kucoin"
"""The numbers of its books are milliseconds of the venue's clock, in which more than one thing can happen."""

COUNTED = "bybit"
"""The numbers of its books count the changes."""


def check(evidence: Evidence) -> Iterator[Breach]:
    """Hold samples of the local books, and every quote, against what the exchange had."""
    published = _published(evidence)
    for life in evidence.lives:
        for book in life.journal.books:
            yield from _against_truth(evidence, book, f"life {life.number}")
        yield from _quotes(life, published)
    yield from _last(evidence)


def _against_truth(evidence: Evidence, book: SeenBook, where: str) -> Iterator[Breach]:
    name = f"book of {book.venue} in {where}"
    if book.crossed:
        yield Breach("L2", f"{name} is crossed", book.at)
    try:
        truth = list(_candidates(evidence, book))
    except KeyError:
        yield Breach("L2", f"{name} has a number that no change had: {book.sequence}", book.at)
        return
    if truth and _sides(book.bids, book.asks) not in map(_state, truth):
        yield Breach("L2", f"{name} is not the exchange's at {book.sequence}", book.at)


def _candidates(evidence: Evidence, book: SeenBook) -> Iterator[BookState]:
    history = evidence.record.books[book.venue, book.symbol]
    if book.venue.startswith(COUNTED):
        place = book.sequence - _update(0) - history.changes[0].count
        if not -1 <= place < len(history.changes):
            raise KeyError(book.sequence)
        yield history.at(history.changes[place].last if place >= 0 else history.changes[0].first - 1)
        return
    if book.venue != NUMBERED_BY_TIME:
        yield history.at(book.sequence)
        return
    if _clock_off(evidence, book.venue).touches(book.at - 60.0, book.at):
        return
    first = bisect_right(history.changes, book.sequence - 2, key=lambda change: change.time)
    last = bisect_right(history.changes, book.sequence + 1, key=lambda change: change.time)
    for place in range(max(first - 1, 0), last):
        yield history.at(history.changes[place].last)


def _clock_off(evidence: Evidence, venue: str) -> Windows:
    """Return when the venue's clock says nothing of its market: it is wrong, or both wake from a sleep."""
    spans = []
    for at, entry in evidence.happened:
        what = entry.what
        if isinstance(what, Freeze):
            spans.append((at, at + what.seconds))
        elif isinstance(what, Fault) and what.kind == "clock_skew" and what.venue in (None, venue):
            spans.append((at, at + what.duration))
    return Windows(tuple(spans))


def _last(evidence: Evidence) -> Iterator[Breach]:
    """When the market has stood still for a while every book is live, and is the present one."""
    seen = {(book.venue, book.symbol): book for book in evidence.last_books}
    for key, history in evidence.record.books.items():
        book = seen.get(key)
        if book is None:
            yield Breach("L2", f"the book of {key[0]} is not live at the end", evidence.settled)
        elif _sides(book.bids, book.asks) != _state(history.at(history.changes[-1].last)):
            yield Breach("L2", f"the book of {key[0]} is not the exchange's at the end", evidence.settled)


def _published(evidence: Evidence) -> set[Quote]:
    """Return everything that was the best prices once."""
    published: set[Quote] = {
        (venue, Decimal(quote.bid), Decimal(quote.bid_quantity), Decimal(quote.ask), Decimal(quote.ask_quantity))
        for (venue, _), log in evidence.record.quotes.items()
        for quote in log
    }
    # What a book was before its first change is no change of the best prices.
    for (venue, _), history in evidence.record.books.items():
        state = history.at(-1) if not history.changes else history.at(history.changes[0].first - 1)
        if state.bids and state.asks:
            (bid, bids), (ask, asks) = state.bids[0], state.asks[0]
            published.add((venue, Decimal(bid), Decimal(bids), Decimal(ask), Decimal(asks)))
    return published


def _quotes(life: Life, published: set[Quote]) -> Iterator[Breach]:
    for at, item in life.journal.quotes:
        if isinstance(item, FeedState):
            continue
        if (item.venue, item.bid, item.bid_quantity, item.ask, item.ask_quantity) not in published:
            yield Breach("L2", f"life {life.number}: {item} was never the best price", at)
            return


def _sides(bids: tuple[tuple[str, str], ...], asks: tuple[tuple[str, str], ...]) -> tuple[_Side, _Side]:
    found = [tuple((Decimal(price), Decimal(size)) for price, size in side[:DEPTH]) for side in (bids, asks)]
    return found[0], found[1]


def _state(state: BookState) -> tuple[_Side, _Side]:
    return _sides(state.bids, state.asks)
