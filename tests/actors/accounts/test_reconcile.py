"""After reconciling, what was delivered equals what the exchange has; each fill once, in causal order."""

from collections.abc import Sequence
from decimal import Decimal

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors._account_source import OrderReport
from actors._accounts import _book, _told_fills
from actors._accounts._book import CLOCK_OFF, MARGIN, Book
from actors._accounts._reconcile import beginning, differences, judge, lacking, present
from actors._errors import Inconsistent
from actors._records import CLOSED, Fill, OrderStatus, OrderUpdate

NEVER = 10**15
SYMBOLS = ("BTCUSDT", "ETHUSDT")


@attrs.define
class Truth:
    """An exchange's side of an account: every event it has, and what REST would say after each."""

    events: list[OrderUpdate] = attrs.Factory(list)
    orders: dict[tuple[str, int], OrderReport] = attrs.Factory(dict)
    fills: list[Fill] = attrs.Factory(list)
    time: int = 1000

    def happen(self, symbol: str, order_id: int, status: OrderStatus, quantity: Decimal = Decimal(0)) -> None:
        key = (symbol, order_id)
        self.time += 1
        fill = None
        if status == "new":
            self.orders[key] = OrderReport(
                symbol, order_id, "c", "buy", "LIMIT", "new", Decimal(10), Decimal(4), Decimal(0), self.time, self.time
            )
        if quantity:
            fill = Fill(
                symbol,
                order_id,
                len(self.fills) + 1,
                Decimal(10),
                quantity,
                "buy",
                True,
                Decimal(0),
                "USDT",
                self.time,
            )
            self.fills.append(fill)
        old = self.orders[key]
        report = attrs.evolve(old, status=status, filled=old.filled + quantity, updated=self.time)
        self.orders[key] = report
        self.events.append(
            OrderUpdate(
                "v",
                "a",
                symbol,
                order_id,
                "c",
                "buy",
                "LIMIT",
                status,
                report.price,
                report.quantity,
                report.filled,
                fill,
                self.time,
                "stream",
                0,
            )
        )


moves = st.lists(
    st.tuples(st.sampled_from(SYMBOLS), st.integers(1, 4), st.sampled_from(["new", "fill", "cancel"])), max_size=25
)


def history(plan: Sequence[tuple[str, int, str]]) -> Truth:
    truth = Truth()
    for symbol, order_id, what in plan:
        order = truth.orders.get((symbol, order_id))
        if order is None:
            truth.happen(symbol, order_id, "new")
        elif order.status in CLOSED or what == "new":
            continue
        elif what == "cancel":
            truth.happen(symbol, order_id, "canceled")
        else:
            truth.happen(symbol, order_id, "filled" if order.filled == 3 else "partially_filled", Decimal(1))
    return truth


def reconcile(book: Book, truth: Truth) -> list[OrderUpdate]:
    return differences(book, truth.orders.values(), truth.fills, venue="v", account="a", received=0, live_from=NEVER)


def play(book: Book, events: Sequence[OrderUpdate]) -> list[OrderUpdate]:
    """Deliver live events up to the first that shows a loss."""
    out = []
    for event in events:
        verdict = judge(book, event)
        if verdict == "incomplete":
            break
        if verdict == "news":
            out += absorb(book, [each for each in (beginning(book, event), event) if each is not None])
    return out


def absorb(book: Book, updates: Sequence[OrderUpdate]) -> list[OrderUpdate]:
    for update in updates:
        book.absorb(update)
    return list(updates)


def check_complete(out: Sequence[OrderUpdate], truth: Truth) -> None:
    delivered = [u.fill.id for u in out if u.fill is not None]
    assert sorted(delivered) == [f.id for f in truth.fills], "each fill once, none missing"
    last: dict[tuple[str, int], OrderUpdate] = {}
    for update in out:
        key = (update.symbol, update.order_id)
        before = last.get(key)
        if before is None:
            assert update.status == "new"
        else:
            assert before.status not in CLOSED, "nothing follows an order's end"
            assert update.filled >= before.filled
            if update.fill is not None:
                assert update.filled == before.filled + update.fill.quantity
        last[key] = update
    assert {k: (u.status, u.filled) for k, u in last.items()} == {
        k: (r.status, r.filled) for k, r in truth.orders.items()
    }


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


def test_a_live_event_that_skips_a_fill_shows_the_loss() -> None:
    truth = history([("BTCUSDT", 1, "new"), ("BTCUSDT", 1, "fill"), ("BTCUSDT", 1, "fill"), ("BTCUSDT", 1, "cancel")])
    book = Book()
    book.absorb(truth.events[0])
    assert judge(book, truth.events[2]) == "incomplete"
    assert judge(book, truth.events[3]) == "incomplete"
    assert judge(Book(), truth.events[2]) == "incomplete", "so does one of an order that nobody knows"


def test_a_live_fill_that_adds_nothing_to_what_was_filled_shows_that_something_is_wrong() -> None:
    truth = history([("BTCUSDT", 1, "new"), ("BTCUSDT", 1, "fill"), ("BTCUSDT", 1, "fill")])
    book = Book()
    play(book, truth.events)
    fill = truth.events[-1].fill
    assert fill is not None
    other = attrs.evolve(truth.events[-1], fill=attrs.evolve(fill, id=99), time=truth.time + 1)
    assert judge(book, other) == "incomplete", "it can be one of those that were assumed only where some were"


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


def test_open_orders_are_listed_by_symbol() -> None:
    truth = history([("BTCUSDT", 2, "new"), ("BTCUSDT", 1, "new"), ("ETHUSDT", 3, "new"), ("BTCUSDT", 2, "cancel")])
    book = Book()
    play(book, truth.events)
    assert book.open_orders("BTCUSDT") == [("BTCUSDT", 1)]
    assert book.open_orders("ETHUSDT") == [("ETHUSDT", 3)]
    assert book.open_orders() == [("BTCUSDT", 1), ("ETHUSDT", 3)]


# Races of reconciling while live (nautechsystems/nautilus_trader#4991) ------------------------------------------


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


@given(moves, st.data())
def test_a_fill_that_is_replayed_after_it_was_reconciled_is_no_news(
    plan: list[tuple[str, int, str]], data: st.DataObject
) -> None:
    truth = history(plan)
    book = Book()
    absorb(book, reconcile(book, truth))
    for event in data.draw(st.permutations(truth.events)):
        assert judge(book, event) == "repeated", "in whatever order the venue says it again"


def test_a_cancellation_that_overtakes_a_fill_is_set_right_by_asking() -> None:
    truth = history([("BTCUSDT", 1, what) for what in ("new", "fill", "fill", "cancel")])
    new, first, second, cancel = truth.events
    book = Book()
    out = play(book, [new, first])
    assert judge(book, cancel) == "incomplete", "it says that more was filled than was told"
    out += absorb(book, reconcile(book, truth))
    assert [judge(book, event) for event in (cancel, second)] == ["repeated", "repeated"]
    check_complete(out, truth)


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


@pytest.mark.parametrize("end", ["filled", "canceled", "expired", "rejected"])
def test_an_end_that_is_told_again_is_no_news_whatever_it_says(end: OrderStatus) -> None:
    truth = history([("BTCUSDT", 1, what) for what in ("new", "fill", "fill", "fill", "fill")])
    book = Book()
    play(book, truth.events)
    late = attrs.evolve(truth.events[-1], status=end, fill=None, time=truth.time + 100)
    assert judge(book, late) == "repeated"


def test_an_order_whose_beginning_the_stream_leaves_out_is_told_from_its_beginning() -> None:
    truth = history([("BTCUSDT", 1, "new"), ("BTCUSDT", 1, "fill"), ("BTCUSDT", 1, "cancel")])
    book = Book()
    out = play(book, truth.events[1:])
    assert [(u.status, u.filled) for u in out] == [
        ("new", Decimal(0)),
        ("partially_filled", Decimal(1)),
        ("canceled", Decimal(1)),
    ]
    check_complete(out, truth)
    assert judge(book, truth.events[0]) == "repeated", "should it come late after all"


def test_what_ended_before_the_history_is_not_told() -> None:
    truth = history([("BTCUSDT", 1, what) for what in ("new", "fill", "cancel")])
    book = Book()
    book.since = truth.time + 1
    assert reconcile(book, truth) == []


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
