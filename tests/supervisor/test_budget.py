"""Budgets: a strict window never holds one too many, tickets are served in order, and storms of children keep to it."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import trio
from hypothesis import example, given, settings
from hypothesis import strategies as st

from supervisor import Backoff, Budget, Limit, Me, Running, Supervisor, child
from supervisor._budget import OpenBudget, Ticket
from supervisor.testing import Cue, OnCue, Recorder, check_failure_conservation, trace

declared = st.builds(
    Budget,
    st.just("venue"),
    st.integers(1, 5),
    st.sampled_from([0.5, 1.0, 10.0, 300.0]),
    kind=st.sampled_from(["window", "bucket"]),
)
windows = st.builds(Budget, st.just("venue"), st.integers(1, 5), st.sampled_from([0.5, 1.0, 10.0, 300.0]))
gaps = st.lists(st.sampled_from([0.0, 0.0, 0.1, 0.25, 0.5, 1.0, 5.0, 299.0]), min_size=1, max_size=40)


def use_all(budget: OpenBudget, asked_at: list[float], late: Callable[[int], float] = lambda place: 0.0) -> list[float]:
    """Take a ticket at each time, use each as soon as the budget lets it, and return when that was."""
    used: list[float] = []
    now = 0.0
    for place, at in enumerate(asked_at):
        now = max(now, at)
        ticket = budget.queue(now)
        while not budget.claim(ticket, now):
            now = max(now, ticket.at) + late(place)
        used.append(now)
    return used


def times_from(found: list[float]) -> list[float]:
    at = 1000.0
    return [at := at + gap for gap in found]


@given(windows, gaps, st.lists(st.sampled_from([0.0, 1e-9, 0.01, 0.3]), min_size=40, max_size=40))
def test_no_closed_interval_of_the_window_holds_more_than_count(
    budget: Budget, asked: list[float], late: list[float]
) -> None:
    used = use_all(OpenBudget(budget), times_from(asked), lambda place: late[place])

    for place, first in enumerate(used):
        assert sum(first <= at <= first + budget.within for at in used[place:]) <= budget.count


steps = st.tuples(
    st.sampled_from([0.0, 0.0, 0.1, 0.5, 1.0, 5.0]),
    st.sampled_from([0.0, 0.0, 0.01, 0.3, 2.0, 60.0]),
    st.floats(0.0, 1.0),
)


@given(windows, st.lists(steps, min_size=1, max_size=40))
def test_no_window_holds_more_arrivals_than_count_however_long_each_is_under_way(
    declared: Budget, asked: list[tuple[float, float, float]]
) -> None:
    budget = OpenBudget(declared)
    now = asked_at = 0.0
    landings: list[float] = []
    arrivals: list[float] = []

    def pass_until(at: float) -> None:
        while landings and landings[0] <= at:
            budget.arrived(landings.pop(0))

    for gap, takes, part in asked:
        asked_at += gap
        now = max(now, asked_at)
        pass_until(now)
        ticket = budget.queue(now)
        while not budget.claim(ticket, now):
            now = ticket.at
            pass_until(now)
        budget.under_way(now)
        arrivals.append(now + part * takes)
        landings.append(now + takes)
        landings.sort()

    arrivals.sort()
    for place, first in enumerate(arrivals):
        assert sum(first <= at <= first + declared.within for at in arrivals[place:]) <= declared.count


@given(st.integers(1, 5), gaps)
def test_a_bucket_allows_its_burst_and_then_its_rate(count: int, asked: list[float]) -> None:
    budget = Budget("venue", count, 10.0, kind="bucket")
    used = use_all(OpenBudget(budget), times_from(asked))

    for place, first in enumerate(used):
        for number, at in enumerate(used[place:], start=1):
            assert number <= count + (at - first) * count / budget.within + 1 + 1e-6


def test_a_full_bucket_gives_count_at_once_and_then_one_at_a_time() -> None:
    used = use_all(OpenBudget(Budget("venue", 3, 6.0, kind="bucket")), [100.0] * 6)

    assert used == pytest.approx([100.0, 100.0, 100.0, 102.0, 104.0, 106.0])


def test_a_window_gives_count_at_once_and_the_next_when_the_first_has_left_it() -> None:
    used = use_all(OpenBudget(Budget("venue", 2, 10.0)), [100.0] * 5)

    assert used == pytest.approx([100.0, 100.0, 110.0, 110.0, 120.0], abs=1e-4)


@given(declared, gaps)
def test_tickets_are_due_in_the_order_in_which_they_were_taken(budget: Budget, asked: list[float]) -> None:
    opened = OpenBudget(budget)
    tickets = [opened.queue(at) for at in times_from(asked)]

    assert [ticket.at for ticket in tickets] == sorted(ticket.at for ticket in tickets)


@given(declared, st.lists(st.integers(0, 20), max_size=20), st.integers(1, 20))
@example(Budget("venue", 2, 10.0), [0, 0], 3)
def test_who_comes_later_does_not_overtake_those_who_wait_when_others_give_up(
    budget: Budget, gave_up: list[int], count: int
) -> None:
    opened = OpenBudget(budget)
    for _ in range(budget.count):
        opened.claim(opened.queue(1000.0), 1000.0)
    waiting = [opened.queue(1000.0) for _ in range(count)]
    for place in gave_up:
        if place < len(waiting):
            opened.give_back(waiting.pop(place))

    assert opened.queue(1000.0).at >= max((ticket.at for ticket in waiting), default=1000.0)


@given(declared, st.integers(1, 20))
def test_who_comes_when_its_ticket_says_is_let_through_then(budget: Budget, count: int) -> None:
    opened = OpenBudget(budget)
    tickets = [opened.queue(1000.0) for _ in range(count)]
    for ticket in tickets:
        promised = ticket.at
        if budget.kind == "window":
            assert opened.claim(ticket, promised)
            continue
        # A bucket's times are sums of fractions.
        while not opened.claim(ticket, ticket.at):
            assert ticket.at == pytest.approx(promised, abs=1e-3)


@given(declared, st.lists(st.booleans(), min_size=1, max_size=20))
def test_what_is_given_back_is_not_spent_and_holds_nobody_up(budget: Budget, kept: list[bool]) -> None:
    opened = OpenBudget(budget)
    tickets = [opened.queue(1000.0) for _ in kept]
    for ticket, keep in zip(tickets, kept, strict=True):
        if not keep:
            opened.give_back(ticket)
    now = 1000.0
    for ticket in (ticket for ticket, keep in zip(tickets, kept, strict=True) if keep):
        while not opened.claim(ticket, now):
            now = ticket.at

    statistics = opened.statistics(now)
    assert (statistics.spent, statistics.waiting) == (sum(kept), 0)


@given(declared, st.sampled_from([0.0, 5.0, 1000.0]))
def test_nothing_is_allowed_before_a_ban_is_over(budget: Budget, banned_for: float) -> None:
    opened = OpenBudget(budget)
    earlier = opened.queue(1000.0)
    opened.block_until(1000.0 + banned_for)
    opened.block_until(900.0)  # An older ban does not shorten a newer one.

    if banned_for:
        assert opened.statistics(1000.0).left == 0
        assert not opened.claim(earlier, 1000.0)
    assert earlier.at == 1000.0 + banned_for
    assert opened.statistics(1000.0 + banned_for).left == budget.count
    assert opened.claim(earlier, 1000.0 + banned_for)
    assert opened.queue(1000.0).at >= 1000.0 + banned_for


def test_statistics_say_what_is_left_spent_delayed_and_waiting() -> None:
    opened = OpenBudget(Budget("venue", 2, 10.0))
    assert opened.claim(opened.queue(95.0), 95.0)
    assert opened.statistics(95.0).left == 1
    opened = OpenBudget(opened.declared)
    tickets: list[Ticket] = [opened.queue(100.0) for _ in range(4)]
    assert [opened.claim(ticket, 100.0) for ticket in tickets] == [True, True, False, False]

    found = opened.statistics(100.0)
    assert (found.name, found.left, found.spent, found.delayed, found.waiting) == ("venue", 0, 2, 2, 2)
    assert opened.statistics(110.0).left == 0, "both ends of the window count"
    assert opened.statistics(110.1).left == 2


def test_of_a_bucket_statistics_say_how_many_whole_tokens_are_back() -> None:
    opened = OpenBudget(Budget("venue", 3, 6.0, kind="bucket"))
    assert opened.statistics(99.0).left == 3
    for _ in range(3):
        assert opened.claim(opened.queue(100.0), 100.0)

    assert [opened.statistics(at).left for at in (100.0, 101.9, 102.0, 103.9, 104.0, 106.0, 1000.0)] == [
        0, 0, 1, 1, 2, 3, 3,
    ]  # fmt: skip


@pytest.mark.parametrize(
    "wrong",
    [{"count": 0}, {"count": 1.5}, {"within": 0.0}, {"within": -1.0}, {"kind": "leaky"}, {"name": ""}],
)
def test_a_budget_that_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="budget"):
        Budget(**{"name": "venue", "count": 1, "within": 1.0, **wrong})


# In a tree --------------------------------------------------------------------------------------------------------

none = Backoff(0.0, 0.0, 0.0)


def storm(budget: Budget, children: int) -> Supervisor:
    """Children that all dial at once, and all crash as soon as they live."""
    below = [
        child(f"c{place}", OnCue((Cue("crash", after=0.0),), Recorder()), backoff=none, budget=budget)
        for place in range(children)
    ]
    half = len(below) // 2
    many = Limit(10**6)
    return Supervisor("bot", [Supervisor("x", below[:half], limit=many), Supervisor("y", below[half:], limit=many)])


def starts(found: Any) -> list[float]:
    return [event.at for event in found.of("started") if "/c" in event.path]


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 4), st.sampled_from([1.0, 5.0]), st.integers(0, 2**32 - 1))
def test_a_storm_of_children_in_several_supervisors_keeps_their_shared_budget(
    count: int, within: float, schedule_seed: int
) -> None:
    tree = storm(Budget("venue", count, within), 8)
    found = trace(tree, until=20.0, schedule_seed=schedule_seed)
    check_failure_conservation(found)

    at = starts(found)
    assert len(at) >= count * (20.0 / within - 2)
    for place, first in enumerate(at):
        assert sum(other <= first + within for other in at[place:]) <= count


def test_children_with_equal_deadlines_draw_in_declared_order() -> None:
    budget = Budget("venue", 1, 2.0)
    below = [
        child(f"c{place}", OnCue((Cue("crash", after=1.0), Cue()), Recorder()), backoff=none) for place in range(4)
    ]
    tree = Supervisor("bot", [node.with_(budget=budget) for node in below], strategy="one_for_one")
    found = trace(tree, until=40.0)

    assert [event.path[-1] for event in found.of("started") if "/c" in event.path and event.generation == 1] == [
        "0",
        "1",
        "2",
        "3",
    ]
    at = starts(found)
    assert all(later - earlier >= 2.0 for earlier, later in pairwise(at))


def claimed(budget: OpenBudget, *times: float) -> None:
    for at in times:
        assert budget.claim(budget.queue(at), at)


def test_what_is_under_way_fills_one_place_and_no_other_than_its_own() -> None:
    budget = OpenBudget(Budget("venue", 3, 10.0))
    claimed(budget, 0.0, 5.0)
    budget.under_way(0.0)
    assert budget.statistics(6.0).left == 1
    claimed(budget, 6.0)
    assert budget.statistics(6.0).left == 0
    # Its own place would have been free at 10; now that of the second one comes first.
    assert not budget.claim(ticket := budget.queue(14.0), 14.0)
    assert ticket.at == pytest.approx(15.0, abs=0.001)

    other = OpenBudget(Budget("venue", 2, 10.0))
    claimed(other, 0.0, 5.0)
    other.under_way(5.0)
    other.arrived(6.0)
    assert not other.claim(ticket := other.queue(6.0), 6.0)
    assert ticket.at == pytest.approx(10.0, abs=0.001)


def test_a_bucket_refills_from_the_arrival_on() -> None:
    budget = OpenBudget(Budget("venue", 1, 10.0, kind="bucket"))
    claimed(budget, 0.0)
    budget.under_way(0.0)
    budget.arrived(8.0)
    assert not budget.claim(ticket := budget.queue(8.0), 8.0)
    assert ticket.at == 18.0


def test_what_is_under_way_fills_its_place_until_it_has_arrived() -> None:
    budget = Budget("venue", 2, 1.0)
    under_way, most = set[str](), 0
    arrivals: list[float] = []

    async def dials(me: Me) -> None:
        nonlocal most
        arrived = me.under_way(budget)
        under_way.add(me.path)
        most = max(most, len(under_way))
        try:
            await trio.sleep(5.0)
            if me.name == "c0" and me.generation == 1:
                raise ConnectionError("refused")
        finally:
            under_way.discard(me.path)
            arrivals.append(trio.current_time())
            arrived()
            arrived()
        await trio.sleep_forever()

    soon = Backoff(floor=0.1, base=0.1, cap=0.1)
    trace(Supervisor("bot", [child(f"c{n}", dials, budget=budget, backoff=soon) for n in range(5)]), until=60.0)

    assert most == 2
    assert len(arrivals) == 6
    assert all(third - first > budget.within for first, third in zip(arrivals, arrivals[2:], strict=False))


def test_equal_declarations_are_one_budget_and_different_ones_are_not() -> None:
    async def forever(me: Me) -> None:
        await trio.sleep_forever()

    counted: list[int] = []
    tree = Supervisor(
        "bot",
        [
            child("a", forever, budget=Budget("venue", 2, 1.0)),
            child("b", forever, budget=Budget("venue", 2, 1.0)),
            child("c", forever, budget=Budget("venue", 3, 1.0)),
        ],
    )

    def count(running: Running) -> None:
        counted.extend(statistics.spent for statistics in running.budgets())

    trace(tree, until=1.0, steps=[(0.5, count)])

    assert counted == [2, 1]


def test_a_child_that_waits_for_its_budget_says_until_when() -> None:
    async def forever(me: Me) -> None:
        await trio.sleep_forever()

    due: list[float | None] = []
    budget = Budget("venue", 1, 10.0)
    tree = Supervisor("bot", [child("a", forever, budget=budget), child("b", forever, budget=budget)])
    trace(tree, until=5.0, steps=[(2.0, lambda running: due.append(running.status().find("bot/b").next_at))])

    assert due == [pytest.approx(10.0, abs=1e-4)]
