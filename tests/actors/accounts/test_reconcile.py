"""After reconciling, what was delivered equals what the exchange has; each fill once, in causal order.

Some are races of reconciling while live: nautechsystems/nautilus_trader#4991.
"""

from decimal import Decimal

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors._accounts._book import Book
from actors._accounts._reconcile import differences, judge
from actors._errors import Inconsistent
from actors._records import Fill

from .account_truth import NEVER, absorb, check_complete, history, moves, play, reconcile


@given(moves, st.data())
def test_any_lost_events_are_found_and_each_fill_goes_out_once(
    plan: list[tuple[str, int, str]], data: st.DataObject
) -> None:
    truth = history(plan)
    seen = [event for event in truth.events if data.draw(st.booleans())]
    book = Book()
    out = play(book, seen)
    out += absorb(book, reconcile(book, truth))
    check_complete(out, truth)
    assert reconcile(book, truth) == [], "reconciling again finds nothing"
    assert play(book, truth.events) == [], "held live events bring nothing twice"


@given(moves, st.data())
def test_a_crash_in_the_middle_of_the_delivery_loses_and_repeats_nothing(
    plan: list[tuple[str, int, str]], data: st.DataObject
) -> None:
    truth = history(plan)
    book = Book()
    out = play(book, truth.events[: data.draw(st.integers(0, len(truth.events)))])
    found = reconcile(book, truth)
    out += absorb(book, found[: data.draw(st.integers(0, len(found)))])
    out += absorb(book, reconcile(book, truth))
    check_complete(out, truth)


@given(moves, st.data())
def test_a_live_stream_without_loss_needs_no_reconciling(plan: list[tuple[str, int, str]], data: st.DataObject) -> None:
    truth = history(plan)
    book = Book()
    out = play(book, truth.events)
    assert out == truth.events
    assert reconcile(book, truth) == []


@given(moves)
def test_reconciled_updates_are_in_the_order_of_the_exchange(plan: list[tuple[str, int, str]]) -> None:
    truth = history(plan)
    found = reconcile(Book(), truth)
    assert [u.time for u in found] == sorted(u.time for u in found)
    assert all(u.source == "reconcile" for u in found)


@given(moves, st.data())
def test_a_rest_answer_that_lags_behind_the_stream_takes_nothing_back(
    plan: list[tuple[str, int, str]], data: st.DataObject
) -> None:
    truth = history(plan)
    cut = data.draw(st.integers(0, len(plan)))
    old = history(plan[:cut])
    book = Book()
    play(book, truth.events)
    assert reconcile(book, old) == []


def test_orders_and_fills_that_do_not_add_up_are_asked_for_again() -> None:
    truth = history([("BTCUSDT", 1, "new"), ("BTCUSDT", 1, "fill")])
    with pytest.raises(Inconsistent, match="do not add up"):
        differences(Book(), truth.orders.values(), [], venue="v", account="a", received=0, live_from=NEVER)
    with pytest.raises(Inconsistent, match="the order is not"):
        differences(Book(), [], truth.fills, venue="v", account="a", received=0, live_from=NEVER)


@given(moves, st.data())
def test_what_happens_while_rest_is_asked_is_left_to_the_stream(
    plan: list[tuple[str, int, str]], data: st.DataObject
) -> None:
    # The stream opens, then orders are asked for, then fills; things happen in between.
    opened = data.draw(st.integers(0, len(plan)))
    orders_at = data.draw(st.integers(opened, len(plan)))
    truth, at_opening, at_orders = history(plan), history(plan[:opened]), history(plan[:orders_at])
    book = Book()
    missed = len(at_opening.events)
    out = play(book, truth.events[: data.draw(st.integers(0, missed))])
    live_from = at_opening.time + 1
    out += absorb(
        book,
        differences(
            book, at_orders.orders.values(), truth.fills, venue="v", account="a", received=0, live_from=live_from
        ),
    )
    out += play(book, truth.events[missed:])
    check_complete(out, truth)


def test_a_fill_that_is_newer_than_its_order_and_older_than_the_stream_is_asked_for_again() -> None:
    truth = history([("BTCUSDT", 1, "new"), ("BTCUSDT", 1, "fill")])
    old = history([("BTCUSDT", 1, "new")])
    with pytest.raises(Inconsistent):
        differences(Book(), old.orders.values(), truth.fills, venue="v", account="a", received=0, live_from=NEVER)


def test_an_amended_order_is_told_once() -> None:
    truth = history([("BTCUSDT", 1, "new")])
    book = Book()
    play(book, truth.events)
    amended = attrs.evolve(truth.orders["BTCUSDT", 1], price=Decimal(11), updated=truth.time + 5)
    [update] = absorb(book, differences(book, [amended], [], venue="v", account="a", received=0, live_from=NEVER))
    assert (update.price, update.status) == (Decimal(11), "new")
    assert differences(book, [amended], [], venue="v", account="a", received=0, live_from=NEVER) == []
    assert judge(book, attrs.evolve(truth.events[0], price=Decimal(12), time=truth.time + 9)) == "news"


def test_a_rejected_order_has_no_beginning() -> None:
    truth = history([("BTCUSDT", 1, "new")])
    rejected = attrs.evolve(truth.orders["BTCUSDT", 1], status="rejected")
    [update] = differences(Book(), [rejected], [], venue="v", account="a", received=0, live_from=NEVER)
    assert update.status == "rejected"


def test_where_two_own_orders_meet_each_of_them_has_its_fill() -> None:
    truth = history([("BTCUSDT", 1, "new"), ("BTCUSDT", 2, "new"), ("BTCUSDT", 1, "fill")])
    [fill] = truth.fills
    # The one trade gives both fills its id.
    truth.happen("BTCUSDT", 2, "partially_filled", Decimal(1))
    other = attrs.evolve(truth.events[-1], fill=attrs.evolve(truth.fills[-1], id=fill.id))
    book = Book()
    play(book, truth.events[:-1])
    assert judge(book, other) == "news"
    assert other.fill is not None
    truth.fills[-1] = other.fill
    assert [update.fill for update in reconcile(book, truth)] == [other.fill]


@given(moves, st.data())
def test_ids_that_are_text_and_do_not_rise_change_nothing(
    plan: list[tuple[str, int, str]], data: st.DataObject
) -> None:
    truth = history(plan)
    names = data.draw(st.permutations([f"{number:x}" for number in range(100, 140)]))

    def spelled(fill: Fill) -> Fill:
        return attrs.evolve(fill, order_id=f"o{fill.order_id}", id=names[int(fill.id) - 1])

    truth.fills = [spelled(fill) for fill in truth.fills]
    truth.orders = {
        (key[0], key[1]): attrs.evolve(report, order_id=f"o{report.order_id}") for key, report in truth.orders.items()
    }
    truth.events = [
        attrs.evolve(e, order_id=f"o{e.order_id}", fill=None if e.fill is None else spelled(e.fill))
        for e in truth.events
    ]
    book = Book()
    out = play(book, [event for event in truth.events if data.draw(st.booleans())])
    out += absorb(book, reconcile(book, truth))
    assert sorted(str(u.fill.id) for u in out if u.fill) == sorted(str(fill.id) for fill in truth.fills)
    assert reconcile(book, truth) == []
    assert play(book, truth.events) == []


def test_an_order_that_is_made_while_rest_is_asked_is_told_once() -> None:
    truth = history([("BTCUSDT", 1, "new"), ("BTCUSDT", 2, "new"), ("BTCUSDT", 2, "fill")])
    before = history([("BTCUSDT", 1, "new")])
    for orders, fills in ((before.orders, truth.fills), (truth.orders, []), (truth.orders, truth.fills)):
        # It is in neither answer, in the fills only, in both; or the fills are older than the orders.
        book = Book()
        out = []
        try:
            found = differences(
                book, orders.values(), fills, venue="v", account="a", received=0, live_from=before.time + 1
            )
        except Inconsistent:
            found = reconcile(book, truth)
        out += absorb(book, found)
        out += play(book, truth.events)
        check_complete(out, truth)


def test_an_order_that_is_replaced_by_another_keeps_its_own_end() -> None:
    # Where amending makes a new order, the client's id goes on to it; what is said about the old one stays its own.
    truth = history([("BTCUSDT", 1, "new"), ("BTCUSDT", 2, "new"), ("BTCUSDT", 1, "cancel"), ("BTCUSDT", 2, "fill")])
    book = Book()
    out = play(book, [truth.events[0], truth.events[1], truth.events[3]])
    out += absorb(book, reconcile(book, truth))
    assert [(u.order_id, u.status) for u in out if u.source == "reconcile"] == [(1, "canceled")]
    check_complete(out, truth)
