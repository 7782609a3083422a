"""Messages on one connection: never more than the venue counts, and pings never behind a crowd."""

import math
from bisect import bisect_left

import pytest
import trio
import trio.testing
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from actors._connections._message_budget import MARGIN, PEER_PINGS_EVERY, MessageBudget
from supervisor.testing import run_virtually

Sent = list[tuple[float, str]]


def most_in_any_window(times: list[float], within: float) -> int:
    return max((place + 1 - bisect_left(times, at - within) for place, at in enumerate(times)), default=0)


@settings(max_examples=60, deadline=None)
@given(
    most=st.integers(3, 30),
    within=st.sampled_from([1.0, 10.0, 60.0]),
    bursts=st.lists(st.tuples(st.floats(0, 120), st.integers(1, 30)), min_size=1, max_size=3),
    ping_every=st.sampled_from([5.0, 15.0, 20.0]),
)
def test_no_window_ever_has_too_many_messages(
    most: int, within: float, bursts: list[tuple[float, int]], ping_every: float
) -> None:
    answers, pings_due = (math.floor(within / every) + 1 for every in (PEER_PINGS_EVERY, ping_every))
    assume(most > answers + pings_due)
    sent: Sent = []

    async def burst(budget: MessageBudget, at: float, size: int) -> None:
        await trio.sleep(at)
        for _ in range(size):
            await budget.spend()
            sent.append((trio.current_time(), "request"))

    async def pings(budget: MessageBudget) -> None:
        while True:
            await trio.sleep(ping_every)
            await budget.spend(urgent=True)
            sent.append((trio.current_time(), "ping"))

    async def main() -> None:
        budget = MessageBudget(most, within, ping_every)
        async with trio.open_nursery() as nursery:
            nursery.cancel_scope.deadline = trio.current_time() + 10_000
            nursery.start_soon(pings, budget)
            async with trio.open_nursery() as asking:
                for at, size in bursts:
                    asking.start_soon(burst, budget, at, size)
            nursery.cancel_scope.cancel()

    run_virtually(main)
    # The venue pings, too, and the answers that go out below us count.
    assert most_in_any_window([at for at, _ in sent], within) + answers <= most
    assert len([kind for _, kind in sent if kind == "request"]) == sum(size for _, size in bursts)


async def test_pings_go_before_requests_and_each_in_the_order_of_asking(autojump_clock: object) -> None:
    budget = MessageBudget(5, 1.0, ping_every=15)
    order: list[str] = []

    async def ask(name: str, *, urgent: bool) -> None:
        await budget.spend(urgent=urgent)
        order.append(name)

    async with trio.open_nursery() as nursery:
        for number in range(12):
            nursery.start_soon(lambda number=number: ask(f"request {number}", urgent=False))
            await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(lambda: ask("ping", urgent=True))
    assert [name for name in order if name != "ping"] == [f"request {number}" for number in range(12)]
    assert order.index("ping") == 3, "a share is kept for it: it goes out although requests have used theirs"


async def test_a_ping_never_waits_for_long(autojump_clock: object) -> None:
    budget = MessageBudget(5, 1.0, ping_every=15)

    async def crowd() -> None:
        for _ in range(1000):
            await budget.spend()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(crowd)
        for _ in range(20):
            await trio.sleep(15)
            started = trio.current_time()
            await budget.spend(urgent=True)
            assert trio.current_time() - started <= 1.0 + MARGIN
        nursery.cancel_scope.cancel()


async def test_a_ping_goes_at_once_when_requests_have_used_their_share(autojump_clock: object) -> None:
    budget = MessageBudget(5, 1.0, ping_every=15)
    started = trio.current_time()
    async with trio.open_nursery() as nursery:
        for _ in range(6):
            nursery.start_soon(budget.spend)
        await trio.testing.wait_all_tasks_blocked()
        await budget.spend(urgent=True)
        assert trio.current_time() == started
        nursery.cancel_scope.cancel()


async def test_a_ping_waits_for_what_all_messages_have_used_and_not_for_what_requests_have(
    autojump_clock: object,
) -> None:
    budget = MessageBudget(5, 1.0, ping_every=15)
    started = trio.current_time()
    await budget.spend(urgent=True)
    await trio.sleep(0.5)
    for _ in range(3):
        await budget.spend()
    assert trio.current_time() - started == pytest.approx(0.5), "a ping is no request"
    await budget.spend(urgent=True)
    assert trio.current_time() - started == pytest.approx(1.0 + MARGIN)


@pytest.mark.parametrize(("most", "peer_pings", "at_once"), [(5, True, 3), (5, False, 4), (1, True, 1), (2, False, 1)])
async def test_requests_have_what_pongs_and_pings_leave_and_never_nothing(
    autojump_clock: object, most: int, peer_pings: bool, at_once: int
) -> None:
    budget = MessageBudget(most, 1.0, ping_every=15, peer_pings=peer_pings)
    started = trio.current_time()
    sent = []
    for _ in range(at_once + 1):
        await budget.spend()
        sent.append(trio.current_time() - started)
    assert sent == pytest.approx([0.0] * at_once + [1.0 + MARGIN])


async def test_where_one_message_is_allowed_a_ping_counts_as_one(autojump_clock: object) -> None:
    budget = MessageBudget(1, 1.0, ping_every=15)
    started = trio.current_time()
    await budget.spend()
    await budget.spend(urgent=True)
    assert trio.current_time() - started == pytest.approx(1.0 + MARGIN)


async def test_without_a_limit_nobody_waits(autojump_clock: object) -> None:
    budget = MessageBudget(None, 1.0, ping_every=15)
    for _ in range(100):
        await budget.spend()
    assert trio.current_time() < 0.1


async def test_who_gives_up_spends_nothing_and_lets_the_next_one_pass(autojump_clock: object) -> None:
    budget = MessageBudget(3, 1.0, ping_every=15)
    await budget.spend()
    done: list[float] = []

    async def patient() -> None:
        await budget.spend()
        done.append(trio.current_time())

    async with trio.open_nursery() as nursery:
        with trio.move_on_after(1) as scope:
            nursery.start_soon(trio.sleep, 0)
            await budget.spend()
        nursery.start_soon(patient)
    assert scope.cancelled_caught
    assert done == [pytest.approx(1 + MARGIN, abs=0.01)]
