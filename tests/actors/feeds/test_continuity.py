"""Ids without holes: in order and once, or a gap that says exactly what is missing."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors._feeds._continuity import Cursor, Position
from actors._feeds._numbered import HELD, OTHER_SESSION, RESTART_AFTER, Numbered, usable
from actors._records import Gap
from actors._session import Session
from actors._source import Missing

from ..track_model import Model, Print, play, steps


def trade(i: int, time: int | None = None, first: int | None = None) -> Print:
    return Print(i, i if first is None else first, i if time is None else time)


def numbered(last: int | None = None, **options: Any) -> Numbered:
    cursor = Cursor("model", "X", lambda: 0)
    if last is not None:
        cursor.done = cursor.head = Position(last, last, last)
    return Numbered(cursor, begun=last is not None, **options)


def ids(track: Numbered) -> list[Any]:
    return [item.id for item in track.cursor.ready if not isinstance(item, Gap)]  # type: ignore[union-attr]


def live(track: Numbered, *places: int, session: Session | None = None, now: float = 0.0) -> int:
    return track.live(session, [trade(i) for i in places], now)


losses = st.one_of(
    st.tuples(st.just("lose"), st.integers(1, 3), st.integers(0, 2)),
    st.tuples(st.just("odd"), st.integers(0, 2), st.integers(1, 6), st.sampled_from(["twice", "shuffled"])),
)


def finish(model: Model) -> None:
    model.now += 1
    if not model.lines:
        model.open()
    model.publish(1)
    model.read_all()
    model.settle()


@settings(max_examples=400, deadline=None)
@given(steps(losses, st.tuples(st.just("withhold"), st.integers(1, 2)), st.just(("wonder",))))
def test_whatever_arrives_every_id_goes_out_once_in_order_or_lies_in_a_gap(plan: list[tuple[Any, ...]]) -> None:
    model = Model(numbered(), trade, page=3)
    model.publish(2)
    model.track.wonder()
    model.ask()
    model.answer()
    play(model, plan)
    finish(model)
    model.check_order()
    if model.opened_at is not None:
        model.check_numbered()
        model.check_covered()


@settings(max_examples=300, deadline=None)
@given(steps(losses))
def test_with_a_complete_rest_there_is_never_a_gap(plan: list[tuple[Any, ...]]) -> None:
    model = Model(numbered(), trade, page=3)
    model.publish(1)
    model.track.wonder()
    model.ask()
    model.answer()
    play(model, [step for step in plan if step[0] not in ("fail", "final")])
    finish(model)
    assert model.gaps == []
    assert model.places == list(range(1, len(model.published)))


@settings(max_examples=300, deadline=None)
@given(steps(losses))
def test_of_a_venue_that_lists_only_the_latest_the_older_ones_are_a_gap(plan: list[tuple[Any, ...]]) -> None:
    model = Model(numbered(lists_only=True), trade, page=4)
    model.publish(2)
    model.track.wonder()
    model.ask()
    model.answer()
    play(model, plan)
    finish(model)
    model.check_order()
    model.check_numbered()


def test_what_is_older_than_the_list_is_a_gap_at_once() -> None:
    track = numbered(10, lists_only=True)
    track.opened(Session(), 0.0)
    live(track, 100)
    question = track.question(0.0)
    assert question is not None
    assert (question.kind, question.missing) == ("recent", Missing(11, 99))
    assert track.answer(question, [trade(i) for i in range(41, 101)], final=False)
    [gap, *_] = track.cursor.ready
    assert isinstance(gap, Gap)
    assert (gap.first_id, gap.last_id, gap.after_id, gap.before_id) == (11, 40, 10, 41)
    assert ids(track) == list(range(41, 101))
    assert track.question(0.0) is None


def test_a_list_that_lags_is_asked_for_again() -> None:
    track = numbered(10, lists_only=True)
    live(track, 13)
    question = track.question(0.0)
    assert question is not None
    assert not track.answer(question, [trade(i) for i in range(5, 11)], final=False)
    assert track.answer(question, [trade(i) for i in range(5, 14)], final=False)
    assert ids(track) == [11, 12, 13]


def test_an_aggregate_that_overlaps_is_filled_by_its_single_trades() -> None:
    track = numbered(10)
    track.live(None, [trade(14, first=9), trade(15)], 0.0)
    question = track.question(0.0)
    assert question is not None
    assert question.missing == Missing(11, 14)
    assert track.answer(question, [trade(i) for i in (11, 12, 13, 14)], final=False)
    assert ids(track) == [11, 12, 13, 14, 15]
    assert track.repeated == 1
    assert track.question(0.0) is None


def test_an_aggregate_that_follows_is_delivered_as_it_is() -> None:
    track = numbered(10)
    track.live(None, [trade(13, first=11), trade(13, first=11), trade(14, first=14)], 0.0)
    assert ids(track) == [13, 14]
    assert track.cursor.head.covered == 14


def test_a_hole_waits_a_moment_for_the_other_session() -> None:
    track, one, two = numbered(10), Session(), Session()
    track.opened(one, 0.0)
    track.opened(two, 0.0)
    live(track, 11, 13, session=one, now=5.0)
    question = track.question(5.0)
    assert question is not None
    assert question.not_before == 5.0 + OTHER_SESSION
    live(track, 11, 12, session=two, now=5.05)
    assert ids(track) == [11, 12, 13]
    assert track.question(5.05) is None
    assert track.complete


def test_a_hole_that_both_sessions_have_passed_is_asked_for_at_once() -> None:
    track, one, two = numbered(10), Session(), Session()
    track.opened(one, 0.0)
    track.opened(two, 0.0)
    live(track, 13, session=one, now=5.0)
    live(track, 14, session=two, now=5.0)
    question = track.question(5.0)
    assert question is not None
    assert question.not_before <= 5.0


def test_with_one_session_a_hole_is_asked_for_at_once() -> None:
    track, one = numbered(10), Session()
    track.opened(one, 0.0)
    live(track, 13, session=one, now=5.0)
    question = track.question(5.0)
    assert question is not None
    assert question.urgent
    assert question.not_before <= 5.0


def test_a_session_that_joins_another_one_is_no_reason_to_ask() -> None:
    track, one, two = numbered(10), Session(), Session()
    track.opened(one, 0.0)
    live(track, 11, session=one)
    assert track.complete
    track.opened(two, 1.0)
    assert track.question(1.0) is None
    track.lost(one)
    assert track.complete
    assert track.question(1.0) is None
    track.lost(two)
    assert not track.complete


def test_live_trades_that_find_no_room_behind_a_hole_are_fetched() -> None:
    track = numbered(10)
    live(track, *range(12, 12 + HELD + 50))
    assert track.dropped == 50
    question = track.question(0.0)
    assert question is not None
    track.answer(question, [trade(11)], final=False)
    assert len(ids(track)) == HELD + 1
    question = track.question(0.0)
    assert question is not None
    assert question.missing == Missing(12 + HELD, 12 + HELD + 49)


def test_of_a_hole_too_large_the_end_is_filled() -> None:
    track = numbered(10, largest=5)
    live(track, 100)
    question = track.question(0.0)
    assert question is not None
    assert question.missing == Missing(95, 99)
    [gap] = track.cursor.ready
    assert isinstance(gap, Gap)
    assert (gap.first_id, gap.last_id) == (11, 94)


def test_a_repetition_is_dropped_and_counted() -> None:
    track = numbered(5)
    assert live(track, 4, 5, 6, 6, 7) == 4
    assert ids(track) == [6, 7]
    assert track.repeated == 3


def test_what_another_session_brought_is_not_fresh() -> None:
    track = numbered(5)
    assert live(track, 6, 7) == 2
    assert live(track, 6, 7) == 0
    assert live(track, 7, 8) == 1


def test_a_lower_id_much_later_is_a_new_numbering_and_no_repetition() -> None:
    track = numbered(1000)
    track.live(None, [trade(3, 1000 + RESTART_AFTER)], 0.0)
    assert track.cursor.ready == []
    track.live(None, [trade(1001, 1001), trade(3, 1001 + RESTART_AFTER + 1), trade(4, 1001 + RESTART_AFTER + 2)], 0.0)
    assert ids(track) == [1001, 3, 4]
    gap = track.cursor.ready[1]
    assert isinstance(gap, Gap)
    assert (gap.first_id, gap.last_id, gap.after_id) == (0, 2, 1001)


def test_the_place_moves_only_with_what_was_delivered() -> None:
    track = numbered(5)
    live(track, 6, 7, 8)
    track.cursor.delivered(2)
    assert track.cursor.done == Position(7, 7, 7)
    track.restarted()
    assert track.cursor.head == Position(7, 7, 7)
    assert track.cursor.ready == []
    track.opened(Session(), 0.0)
    live(track, 9)
    question = track.question(0.0)
    assert question is not None
    assert question.missing == Missing(8, 8)


def test_a_gap_that_was_delivered_is_not_told_again() -> None:
    track = numbered(5)
    live(track, 8)
    question = track.question(0.0)
    assert question is not None
    track.give_up(question, "down")
    track.cursor.delivered(1)
    track.restarted()
    assert track.cursor.head.covered == 7


@pytest.mark.parametrize("first", [0, 1, 40])
def test_a_venue_without_any_trade_yet_loses_not_even_the_first(first: int) -> None:
    track = numbered()
    track.wonder()
    question = track.question(0.0)
    assert question is not None
    track.answer(question, [], final=False)
    track.opened(Session(), 0.0)
    live(track, first + 2)
    question = track.question(0.0)
    assert question is not None
    assert track.answer(question, [trade(first + i) for i in range(3)], final=False)
    assert ids(track) == [first, first + 1, first + 2]


def test_a_live_trade_at_or_below_the_anchor_was_published_after_the_subscription() -> None:
    track = numbered()
    track.opened(Session(), 0.0)
    question = track.question(0.0)
    assert question is not None
    track.answer(question, [trade(9)], final=False)
    live(track, 7, 8)
    live(track, 9, 10)
    assert ids(track) == [7, 8, 9, 10]


def test_between_the_anchor_and_the_first_live_trade_nothing_is_lost() -> None:
    track = numbered()
    track.wonder()
    question = track.question(0.0)
    assert question is not None
    track.answer(question, [trade(9)], final=False)
    track.opened(Session(), 0.0)
    live(track, 12)
    question = track.question(0.0)
    assert question is not None
    assert question.missing == Missing(10, 11)


def test_rows_outside_the_hole_are_not_used() -> None:
    rows, before = usable(Missing(5, 7), [trade(i) for i in (3, 4, 5, 6, 7, 8)])
    assert ([row.id for row in rows], before) == ([5, 6, 7], None)


def test_a_hole_inside_the_answer_ends_the_run() -> None:
    rows, before = usable(Missing(5, 9), [trade(i) for i in (6, 7, 7, 9)])
    assert [row.id for row in rows] == [6, 7]
    assert before == Missing(5, 5)


@given(st.integers(0, 6), st.integers(0, 3))
def test_a_restart_goes_on_behind_exactly_what_was_delivered(taken: int, more: int) -> None:
    track = numbered(100)
    session = Session()
    track.opened(session, 0.0)
    live(track, 101, 102, 103, 104, session=session)
    track.cursor.delivered(min(taken, 4))
    if taken > 4:
        live(track, 105, 106, session=session)
        track.cursor.delivered(taken - 4 + more)

    forgotten = track.cursor.restarted()

    last = 100 + min(taken + (more if taken > 4 else 0), 6)
    assert track.cursor.head == Position(last, last, last)
    assert [item.id for item in forgotten if not isinstance(item, Gap)] == list(
        range(last + 1, 105 if taken <= 4 else 107)
    )  # type: ignore[union-attr]
