"""Ids that prove nothing: what a session lost while it lived is found by comparing it with lists."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from actors._records import Gap
from actors._session import Session

from ..track_model import Model, play
from .nameless import MAKERS, names, ready, sparse, trades, unnumbered


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
