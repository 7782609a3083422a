"""Ids that prove nothing, and whatever arrives: each trade goes out once, in order, or lies in a gap."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ..track_model import Model, Print, play, steps
from .nameless import MAKERS, unnumbered


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
