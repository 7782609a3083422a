"""Ids in order and once, or the range that is missing."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from actors._continuity import RESTART_AFTER, Cursor, Missing, in_order, start_of, step, usable
from actors._records import Trade
from actors.exchanges.binance_spot import SpotTrade


def trade(trade_id: int, time: int | None = None) -> Trade:
    return SpotTrade(trade_id, Decimal(1), Decimal(1), trade_id if time is None else time, False, "BTCUSDT")


def ids(trades: object) -> list[int]:
    return [t.id for t in trades]  # type: ignore[attr-defined]


def deliver(batches: list[list[int]], last: int, published: set[int]) -> tuple[list[int], list[Missing]]:
    """Play a feed whose REST gives what was published: the loop of the feed actor without I/O."""
    out: list[int] = []
    gaps: list[Missing] = []
    for batch in batches:
        rest = in_order([trade(i) for i in batch])
        while rest:
            taken = step(last, None, rest)
            out += ids(taken.ready)
            last = out[-1] if taken.ready else last
            rest = taken.rest
            hole = taken.missing
            while hole is not None:
                rows, before = usable(hole, [trade(i) for i in sorted(published)])
                if before is not None:
                    gaps.append(before)
                    last = before.last
                out += ids(rows)
                last = rows[-1].id if rows else last
                hole = Missing(last + 1, hole.last) if last < hole.last else None
    return out, gaps


frames = st.lists(st.lists(st.integers(1, 60), max_size=8), max_size=12)


@given(frames, st.sets(st.integers(1, 60)))
def test_whatever_arrives_every_id_goes_out_once_in_order_or_lies_in_a_gap(
    batches: list[list[int]], by_rest: set[int]
) -> None:
    out, gaps = deliver(batches, 0, by_rest)
    highest = max((i for batch in batches for i in batch), default=0)
    missing = [i for gap in gaps for i in range(gap.first, gap.last + 1)]
    assert sorted(out + missing) == list(range(1, highest + 1)), "each id is delivered or in a gap, and never both"
    assert out == sorted(out)
    in_time = set()
    for batch in batches:
        in_time |= set(batch)
    assert not set(missing) & by_rest, "what REST can give is no gap"


@given(frames)
def test_with_a_complete_rest_there_is_never_a_gap(batches: list[list[int]]) -> None:
    out, gaps = deliver(batches, 0, set(range(1, 61)))
    assert gaps == []
    assert out == list(range(1, len(out) + 1))


def test_a_repetition_is_dropped_and_counted() -> None:
    taken = step(5, 5, [trade(4), trade(5), trade(6), trade(6), trade(7)])
    assert ids(taken.ready) == [6, 7]
    assert taken.repeated == 3
    assert taken.missing is None


def test_nothing_behind_a_hole_goes_out_before_it() -> None:
    taken = step(5, 5, [trade(6), trade(9), trade(10)])
    assert ids(taken.ready) == [6]
    assert taken.missing == Missing(7, 8)
    assert taken.missing.count == 2
    assert ids(taken.rest) == [9, 10]


def test_a_lower_id_much_later_is_a_new_numbering_and_no_repetition() -> None:
    taken = step(1000, 50_000, [trade(3, 50_000 + RESTART_AFTER + 1)])
    assert taken.restarted
    assert ids(taken.rest) == [3]
    assert not step(1000, 50_000, [trade(3, 50_000 + RESTART_AFTER)]).restarted
    assert not step(1000, None, [trade(3, 10**12)]).restarted


def test_a_batch_in_order_is_not_copied() -> None:
    batch = [trade(1), trade(2), trade(2)]
    assert in_order(batch) is batch
    assert ids(in_order([trade(2), trade(1)])) == [1, 2]


def test_two_numberings_in_one_batch_are_not_mixed() -> None:
    batch = [trade(1000, 0), trade(3, RESTART_AFTER + 1)]
    assert in_order(batch) is batch
    assert ids(in_order([trade(1000, 0), trade(3, RESTART_AFTER)])) == [3, 1000]


def test_without_an_anchor_delivery_begins_with_the_first_live_trade() -> None:
    assert start_of(Cursor(), [trade(7), trade(8)]) == 6
    assert start_of(Cursor(), []) is None


def test_a_live_trade_at_or_below_the_anchor_was_published_after_the_subscription() -> None:
    assert start_of(Cursor(last=9), [trade(7), trade(8)]) == 6


def test_between_the_anchor_and_the_first_live_trade_nothing_is_lost() -> None:
    assert start_of(Cursor(last=9), [trade(12)]) == 9


def test_the_anchor_does_not_move_once_something_was_delivered() -> None:
    assert start_of(Cursor(last=9, delivered=True), [trade(7)]) == 9


def test_the_cursor_follows_what_was_delivered() -> None:
    cursor = Cursor()
    cursor.passed(trade(4, 44))
    assert (cursor.last, cursor.time, cursor.delivered) == (4, 44, True)
    cursor.skipped(9)
    assert (cursor.last, cursor.time) == (9, 44)
    fresh = Cursor(last=3)
    fresh.skipped(5)
    assert fresh.delivered


def test_rows_outside_the_hole_are_not_used() -> None:
    rows, before = usable(Missing(5, 7), [trade(i) for i in (3, 4, 5, 6, 7, 8)])
    assert (ids(rows), before) == ([5, 6, 7], None)


def test_an_answer_without_use_leaves_the_whole_hole() -> None:
    assert usable(Missing(5, 7), [trade(9)]) == ([], Missing(5, 7))
    assert usable(Missing(5, 7), []) == ([], Missing(5, 7))


def test_a_hole_inside_the_answer_ends_the_run() -> None:
    rows, before = usable(Missing(5, 9), [trade(i) for i in (6, 7, 7, 9)])
    assert ids(rows) == [6, 7]
    assert before == Missing(5, 5)
