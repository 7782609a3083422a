"""Ids that prove nothing: a session joins by a trade that was delivered already, or there is a gap."""

import uuid
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors._feeds._continuity import Cursor
from actors._feeds._unnumbered import HELD, OVERLAP, REMEMBERED, Unnumbered
from actors._records import Gap
from actors._session import Session

from ..track_model import Model, Print, play, steps


def text(place: int) -> Print:
    """Like Bybit linear: UUIDs; several trades in a millisecond."""
    name = str(uuid.UUID(int=(place * 0x9E3779B97F4A7C15F39CC0605CEDC835) % 2**128))
    return Print(name, name, 1000 + place // 2)


def sparse(place: int) -> Print:
    """Like KuCoin: numbers that rise, with holes."""
    number = place * 7 + place % 3
    return Print(number, number, 1000 + place // 2)


MAKERS = pytest.mark.parametrize("make", [text, sparse], ids=["text", "sparse"])


def unnumbered(page: int = 1000) -> Unnumbered:
    return Unnumbered(Cursor("model", "X", lambda: 0), page=page)


def finish(model: Model) -> None:
    model.now += 5
    if not model.lines:
        model.open()
    model.publish(1)
    model.read_all()
    model.settle()


odd = st.tuples(st.just("odd"), st.integers(0, 2), st.integers(1, 6), st.just("twice"))


@MAKERS
@settings(max_examples=400, deadline=None)
@given(plan=steps(odd, st.just(("wonder",))))
def test_whatever_arrives_each_trade_goes_out_once_in_order_or_lies_in_a_gap(
    make: Any, plan: list[tuple[Any, ...]]
) -> None:
    model = Model(unnumbered(), make)
    model.publish(2)
    play(model, plan)
    finish(model)
    model.check_order()
    model.check_covered()


@MAKERS
@settings(max_examples=300, deadline=None)
@given(plan=steps(odd))
def test_a_short_list_leaves_gaps_and_nothing_worse(make: Any, plan: list[tuple[Any, ...]]) -> None:
    model = Model(unnumbered(4), make, page=4)
    model.publish(2)
    play(model, plan)
    finish(model)
    model.check_order()
    model.check_covered()


@MAKERS
def test_what_the_first_session_owed_when_it_ended_before_its_first_trade_is_a_gap(make: Any) -> None:
    model = Model(unnumbered(), make)
    model.publish(2)
    # The list already has the trade that is on its way on the session, and never comes.
    play(model, [("open",), ("publish", 1), ("ask",), ("answer", 0), ("crash",), ("publish", 2), ("open",)])
    finish(model)
    model.check_order()
    model.check_covered()
    assert model.places == [3, 4, 5], "what came after the list is filled from it"
    assert len(model.gaps) == 1


@MAKERS
@settings(max_examples=300, deadline=None)
@given(plan=steps(odd))
def test_where_rest_pages_by_time_short_answers_are_put_together(make: Any, plan: list[tuple[Any, ...]]) -> None:
    model = Model(unnumbered(4), make, page=4, pages_by_time=True)
    model.publish(2)
    play(model, plan)
    finish(model)
    model.check_order()
    model.check_covered()


@MAKERS
@settings(max_examples=300, deadline=None)
@given(plan=steps(odd))
def test_as_long_as_rest_reaches_back_there_is_no_gap(make: Any, plan: list[tuple[Any, ...]]) -> None:
    """Nothing gives up, the list is long, and something was delivered: whatever sessions do, nothing is missing."""
    model = Model(unnumbered(), make)
    model.publish(2)
    model.open()
    model.publish(1)
    model.read_all()
    play(model, [step for step in plan if step[0] not in ("fail", "final")])
    finish(model)
    assert model.gaps == []
    assert model.places == list(range(2, len(model.published)))


@MAKERS
@settings(max_examples=300, deadline=None)
@given(
    plan=st.lists(
        st.one_of(
            st.tuples(st.just("publish"), st.integers(1, 5)),
            st.tuples(st.just("lose"), st.integers(1, 3), st.integers(0, 1)),
            st.tuples(st.just("read"), st.integers(0, 1), st.integers(1, 6)),
            st.tuples(st.just("odd"), st.integers(0, 1), st.integers(1, 6), st.just("shuffled")),
        ),
        max_size=30,
    )
)
def test_what_one_of_two_sessions_loses_is_delivered_or_declared_and_never_out_of_order(
    make: Any, plan: list[tuple[Any, ...]]
) -> None:
    model = Model(unnumbered(), make)
    model.open()
    model.open()
    play(model, plan)
    model.read_all()
    model.settle()
    order = [(item.time, item.id if isinstance(item.id, int) else 0) for item in model.out if isinstance(item, Print)]
    assert order == sorted(order)
    assert len(set(model.places)) == len(model.places)


def ready(track: Unnumbered) -> list[Any]:
    return [item.id if isinstance(item, Print) else "gap" for item in track.cursor.ready]


def trades(*places: int) -> list[Print]:
    return [sparse(place) for place in places]


def names(*places: int) -> list[Any]:
    return [sparse(place).id for place in places]


def test_the_first_session_is_joined_at_once() -> None:
    track, one = unnumbered(), Session()
    track.opened(one, 0.0)
    assert track.live(one, trades(1, 2), 0.0) == 2
    assert ready(track) == names(1, 2)
    assert track.question(0.0) is None
    assert track.complete


def test_a_second_session_waits_for_an_overlap_and_asks_nobody() -> None:
    track, one, two = unnumbered(), Session(), Session()
    track.opened(one, 0.0)
    track.live(one, trades(1, 2), 0.0)
    track.opened(two, 1.0)
    assert track.question(1.0) is None
    track.live(two, trades(4, 5), 1.0)
    assert ready(track) == names(1, 2), "trade 3 may be on its way"
    track.live(one, trades(3, 4), 1.1)
    assert ready(track) == names(1, 2, 3, 4, 5)
    track.lost(one)
    assert track.live(two, trades(6), 2.0) == 1
    assert ready(track)[-1:] == names(6)
    assert track.complete
    assert track.question(2.0) is None


def test_a_second_session_that_finds_no_overlap_has_rest_asked() -> None:
    track, one, two = unnumbered(), Session(), Session()
    track.opened(one, 0.0)
    track.live(one, trades(1), 0.0)
    track.opened(two, 1.0)
    track.live(two, trades(3), 1.0)
    question = track.question(1.0)
    assert question is not None
    assert question.not_before == 1.0 + OVERLAP
    track.answer(question, trades(0, 1, 2, 3), final=False)
    assert ready(track) == names(1, 2, 3)


def test_after_an_interruption_the_list_is_delivered_from_the_last_trade_on() -> None:
    track, one, two = unnumbered(), Session(), Session()
    track.opened(one, 0.0)
    track.live(one, trades(1), 0.0)
    track.lost(one)
    assert not track.complete
    assert track.question(0.0) is None, "nobody would bring what comes after the answer"
    track.opened(two, 1.0)
    question = track.question(1.0)
    assert question is not None
    assert track.answer(question, trades(0, 1, 2, 3), final=False)
    assert ready(track) == names(1, 2, 3)
    # The list may have been a little old: the first live trade must be in it, or it is asked for again.
    track.live(two, trades(5), 1.1)
    assert ready(track) == names(1, 2, 3)
    question = track.question(1.1)
    assert question is not None
    assert question.urgent
    assert not track.answer(question, trades(0, 1, 2, 3), final=False)
    assert track.answer(question, trades(1, 2, 3, 4, 5, 6), final=False)
    assert ready(track) == names(1, 2, 3, 4, 5, 6)
    track.live(two, trades(6, 7), 1.2)
    assert ready(track) == names(1, 2, 3, 4, 5, 6, 7)
    assert track.question(1.2) is None


def test_a_list_that_does_not_reach_back_leaves_a_gap_in_its_place() -> None:
    track, one, two = unnumbered(), Session(), Session()
    track.opened(one, 0.0)
    track.live(one, trades(1), 0.0)
    track.lost(one)
    track.opened(two, 1.0)
    track.live(two, trades(9), 1.0)
    question = track.question(1.0)
    assert question is not None
    assert track.answer(question, trades(7, 8, 9), final=False)
    assert ready(track) == [*names(1), "gap", *names(7, 8, 9)]
    gap = track.cursor.ready[1]
    assert isinstance(gap, Gap)
    assert (gap.first_id, gap.last_id, gap.count) == (None, None, None)
    assert (gap.after_id, gap.before_id) == tuple(names(1, 7))
    assert (gap.after_time, gap.before_time) == (sparse(1).time, sparse(7).time)
    assert track.complete


def test_without_an_answer_live_trades_go_on_behind_a_gap() -> None:
    track, one, two = unnumbered(), Session(), Session()
    track.opened(one, 0.0)
    track.live(one, trades(1), 0.0)
    track.lost(one)
    track.opened(two, 1.0)
    track.live(two, trades(5), 1.0)
    question = track.question(1.0)
    assert question is not None
    track.give_up(question, "REST is down")
    assert ready(track) == [*names(1), "gap", *names(5)]
    assert track.live(two, trades(6), 1.0) == 1
    assert track.question(1.0) is None


def test_a_doubt_without_news_costs_nothing() -> None:
    track, one = unnumbered(), Session()
    track.opened(one, 0.0)
    track.live(one, trades(1), 0.0)
    track.wonder()
    question = track.question(30.0)
    assert question is not None
    assert not question.urgent
    before = track.filled
    track.answer(question, trades(0, 1), final=False)
    assert track.filled == before
    track.live(one, trades(2), 40.0)
    assert ready(track) == names(1, 2)
    assert track.question(40.0) is None


def test_what_came_during_a_doubt_waits_for_the_answer() -> None:
    track, one = unnumbered(), Session()
    track.opened(one, 0.0)
    track.live(one, trades(1), 0.0)
    track.wonder()
    question = track.question(30.0)
    assert question is not None
    track.live(one, trades(4), 30.1)
    assert ready(track) == names(1)
    track.answer(question, trades(0, 1, 2, 3, 4), final=False)
    assert ready(track) == names(1, 2, 3, 4), "a mute that ended by itself is found"
    assert track.live(one, trades(5), 31.0) == 1


def test_a_doubt_that_gets_useless_answers_is_dropped() -> None:
    track, one = unnumbered(), Session()
    track.opened(one, 0.0)
    track.live(one, trades(5), 0.0)
    track.wonder()
    question = track.question(30.0)
    assert question is not None
    assert not track.answer(question, [], final=False)
    assert not track.answer(question, trades(1, 2), final=False)
    assert track.answer(question, [], final=True)
    track.live(one, trades(6), 31.0)
    assert ready(track) == names(5, 6)
    assert track.complete


def test_a_doubt_that_rest_cannot_settle_is_dropped() -> None:
    track, one = unnumbered(), Session()
    track.opened(one, 0.0)
    track.live(one, trades(1), 0.0)
    track.wonder()
    question = track.question(30.0)
    assert question is not None
    track.live(one, trades(2), 30.1)
    track.give_up(question, "down")
    assert ready(track) == names(1, 2)


def test_a_trade_that_only_the_stream_has_keeps_its_place() -> None:
    track, one, two = unnumbered(), Session(), Session()
    track.opened(one, 0.0)
    track.live(one, [text(1)], 0.0)
    track.lost(one)
    track.opened(two, 1.0)
    track.live(two, [text(4), text(5)], 1.0)
    question = track.question(1.0)
    assert question is not None
    track.answer(question, [text(1), text(2), text(3), text(5)], final=False)
    assert ready(track) == [text(place).id for place in (1, 2, 3, 4, 5)]


def test_among_trades_of_one_millisecond_the_order_of_list_and_stream_is_kept() -> None:
    def now(name: str) -> Print:
        return Print(name, name, 1000)

    track, one, two = unnumbered(), Session(), Session()
    track.opened(one, 0.0)
    track.live(one, [now("a")], 0.0)
    track.lost(one)
    track.opened(two, 1.0)
    track.live(two, [now("d"), now("e"), now("h")], 1.0)
    question = track.question(1.0)
    assert question is not None
    track.answer(question, [now(name) for name in "abcefg"], final=False)
    assert "".join(ready(track)) == "abcdefgh"


def test_the_oldest_that_wait_give_way_and_rest_shows_them() -> None:
    track, one, two = unnumbered(), Session(), Session()
    track.opened(one, 0.0)
    track.live(one, trades(0), 0.0)
    track.lost(one)
    track.opened(two, 1.0)
    track.live(two, trades(*range(1, HELD + 11)), 1.0)
    assert track.dropped == 10
    question = track.question(1.0)
    assert question is not None
    track.answer(question, trades(*range(HELD + 5)), final=False)
    assert ready(track) == names(*range(HELD + 11))


def test_what_was_ready_and_not_delivered_when_the_feed_failed_is_delivered_from_the_list() -> None:
    track, one, two = unnumbered(), Session(), Session()
    track.opened(one, 0.0)
    track.live(one, trades(1, 2, 3), 0.0)
    track.cursor.delivered(1)
    track.restarted()
    assert ready(track) == []
    track.opened(two, 1.0)
    question = track.question(1.0)
    assert question is not None
    track.answer(question, trades(0, 1, 2, 3), final=False)
    assert ready(track) == names(2, 3)


def test_memory_is_bounded() -> None:
    track, one = unnumbered(), Session()
    track.opened(one, 0.0)
    for start in range(0, 5 * REMEMBERED, 100):
        track.live(one, trades(*range(start, start + 100)), 0.0)
        track.cursor.delivered(100)
    assert len(track._delivered) <= 2 * REMEMBERED


def test_a_session_that_ends_before_its_first_trade_is_followed_by_a_gap_and_what_came_after_the_list() -> None:
    track, one, two = unnumbered(), Session(), Session()
    track.opened(one, 0.0)
    question = track.question(0.0)
    assert question is not None
    track.answer(question, trades(1, 2), final=False)
    assert ready(track) == []
    track.lost(one)
    track.opened(two, 1.0)
    track.live(two, trades(4), 1.0)
    question = track.question(1.0)
    assert question is not None
    track.answer(question, trades(1, 2, 3, 4), final=False)
    assert ready(track) == ["gap", *names(3, 4)], "2 may have been printed when the session was there"


@MAKERS
@settings(max_examples=300, deadline=None)
@given(
    plan=st.lists(
        st.one_of(
            st.tuples(st.just("publish"), st.integers(1, 5)),
            st.tuples(st.just("lose"), st.integers(1, 3), st.just(0)),
            st.tuples(st.just("read"), st.just(0), st.integers(1, 6)),
        ),
        max_size=30,
    )
)
def test_what_a_session_loses_while_it_lives_is_found_by_comparing_lists(
    make: Any, plan: list[tuple[Any, ...]]
) -> None:
    model = Model(unnumbered(), make)
    model.publish(1)
    model.open()
    model.publish(1)
    model.read_all()
    play(model, plan)
    model.publish(1)
    model.read_all()
    model.track.audit()
    model.settle()
    model.check_order()
    model.check_covered()
    missing = len(model.published) - 1 - len(model.places)
    assert (missing > 0) == bool(model.gaps)


def test_a_comparison_that_finds_nothing_changes_nothing() -> None:
    track, one = unnumbered(), Session()
    track.opened(one, 0.0)
    track.live(one, trades(1, 2, 3), 0.0)
    assert track.question(0.0) is None
    track.audit()
    question = track.question(0.0)
    assert question is not None
    assert not question.urgent
    track.live(one, trades(4), 0.1)
    assert ready(track) == names(1, 2, 3, 4), "nothing waits for it"
    assert track.answer(question, trades(0, 1, 2, 3, 4, 5), final=False)
    assert ready(track) == names(1, 2, 3, 4)
    assert track.question(0.0) is None


def test_a_comparison_that_could_not_be_made_is_made_later() -> None:
    track, one = unnumbered(), Session()
    track.opened(one, 0.0)
    track.live(one, trades(1, 2, 3), 0.0)
    track.audit()
    question = track.question(0.0)
    assert question is not None
    assert track.answer(question, trades(1, 2, 3), final=False)
    track.live(one, trades(4, 8), 10.0)
    track.audit()
    question = track.question(30.0)
    assert question is not None
    track.give_up(question, "down")
    assert track.question(30.0) is None
    track.wonder()
    question = track.question(60.0)
    assert question is not None
    # The list from the last trade on, of a venue that pages by time, does not reach back to what was lost.
    assert track.answer(question, trades(8), final=False)
    question = track.question(60.0)
    assert question is not None
    assert question.since == sparse(3).time
    assert track.answer(question, trades(3, 4, 5, 6, 7, 8), final=False)
    [gap] = [item for item in track.cursor.ready if isinstance(item, Gap)]
    assert (gap.after_id, gap.before_id) == tuple(names(4, 8))
    assert track.question(60.0) is None


def test_a_silence_that_can_never_be_explained_is_a_gap() -> None:
    track, one = unnumbered(), Session()
    track.opened(one, 0.0)
    track.live(one, trades(1, 2, 3), 0.0)
    track.wonder()
    question = track.question(30.0)
    assert question is not None
    track.give_up(question, "down")
    track.live(one, trades(8, 9, 10, 11, 12), 31.0)
    track.audit()
    question = track.question(60.0)
    assert question is not None
    assert track.answer(question, trades(10, 11, 12), final=False)
    [gap] = [item for item in track.cursor.ready if isinstance(item, Gap)]
    assert (gap.after_id, gap.before_id) == tuple(names(3, 8))
    assert track.question(60.0) is None


def test_a_silence_that_is_explained_later_is_no_gap() -> None:
    track, one = unnumbered(), Session()
    track.opened(one, 0.0)
    track.live(one, trades(1, 2, 3), 0.0)
    track.wonder()
    question = track.question(30.0)
    assert question is not None
    track.give_up(question, "down")
    track.live(one, trades(4, 5), 31.0)
    track.audit()
    question = track.question(60.0)
    assert question is not None
    assert track.answer(question, trades(2, 3, 4, 5), final=False)
    assert ready(track) == names(1, 2, 3, 4, 5)


def test_a_list_from_the_last_trade_on_is_no_comparison_with_what_was_before() -> None:
    """A session that lost something ends before the first comparison, and the list after it does not reach back."""
    track, one, two = unnumbered(), Session(), Session()
    track.opened(one, 0.0)
    track.live(one, trades(1, 2, 3), 0.0)
    track.live(one, trades(8), 5.0)
    track.lost(one)
    track.opened(two, 10.0)
    question = track.question(10.0)
    assert question is not None
    assert question.since == sparse(8).time
    assert track.answer(question, trades(8, 9), final=False)
    track.live(two, trades(10), 11.0)
    track.audit()
    while (question := track.question(11.0)) is not None:
        since = question.since or 0
        assert track.answer(question, [row for row in trades(*range(11)) if row.time >= since], final=False)
    gaps = [item for item in track.cursor.ready if isinstance(item, Gap)]
    assert [(gap.after_id, gap.before_id) for gap in gaps] == [tuple(names(3, 8))]
