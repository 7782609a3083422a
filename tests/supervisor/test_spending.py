"""Actors that draw from a shared budget while they live: the window holds, whoever draws, and nobody's place is lost."""

from collections.abc import Awaitable, Callable

import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from supervisor import Backoff, Budget, Limit, Me, Supervisor, actor, child
from supervisor.testing import run_virtually

DIALS = Budget("dials", count=3, within=10.0)
AT_ONCE = Backoff(floor=0.0, base=0.0, cap=0.0)


@actor(backoff=AT_ONCE, max_failures=None, budget=DIALS)
async def dialler(me: Me, used: list[float], again_after: float, lives_for: float) -> None:
    """Its start is one dial; it makes another one while it lives, and then fails."""
    used.append(trio.current_time())
    await trio.sleep(again_after)
    await me.spend(DIALS)
    used.append(trio.current_time())
    await trio.sleep(lives_for)
    raise OSError("lost")


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0.0, 4.0), st.floats(0.0, 4.0)), min_size=1, max_size=4),
    st.integers(0, 2**32 - 1),
)
def test_starts_and_spending_together_keep_the_window(actors: list[tuple[float, float]], seed: int) -> None:
    used: list[float] = []

    async def main() -> None:
        children = [dialler.child(f"d{place}", used, *times) for place, times in enumerate(actors)]
        async with Supervisor("bot", children, limit=Limit(restarts=1000, within=1.0)).open(seed=seed):
            await trio.sleep(100.0)

    run_virtually(main)
    assert len(used) >= 20, "the budget is used, not only kept"
    for first, fourth in zip(used, used[DIALS.count :], strict=False):
        assert fourth - first > DIALS.within


async def test_who_asks_first_is_served_first(autojump_clock: trio.testing.MockClock) -> None:
    served: list[str] = []

    async def run(me: Me, asks_at: float) -> None:
        await trio.sleep(asks_at)
        waited = await me.spend(Budget("one a minute", count=1, within=60.0))
        served.append(f"{me.name} after {waited:.0f} s")
        await trio.sleep_forever()

    tree = Supervisor("bot", [child("late", run_with(run, 2.0)), child("early", run_with(run, 1.0))])
    async with tree.open():
        await trio.sleep(120.0)
    assert served == ["early after 0 s", "late after 59 s"]


async def test_whoever_is_stopped_while_it_waits_uses_nothing_up(autojump_clock: trio.testing.MockClock) -> None:
    once = Budget("once", count=1, within=60.0)
    served: list[str] = []

    async def run(me: Me, asks_at: float) -> None:
        await trio.sleep(asks_at)
        await me.spend(once)
        served.append(f"{me.name} at {trio.current_time() - began:.0f}")
        await trio.sleep_forever()

    began = trio.current_time()
    tree = Supervisor("bot", [child(name, run_with(run, at)) for name, at in (("a", 0.0), ("b", 1.0), ("c", 2.0))])
    async with tree.open() as running:
        await trio.sleep(5.0)
        running.stop_child("bot/b")
        await trio.sleep(200.0)
        (counted,) = running.budgets()
    # Those behind it keep the time that they were given.
    assert served == ["a at 0", "c at 120"]
    assert counted.spent == 2 and counted.waiting == 0


async def test_a_closed_budget_lets_nobody_through_before_its_time(autojump_clock: trio.testing.MockClock) -> None:
    began = trio.current_time()
    dials = Budget("dials", count=100, within=1.0)
    at: list[float] = []

    async def told_to_wait(me: Me) -> None:
        me.close_budget(dials, 30.0)
        await trio.sleep_forever()

    async def run(me: Me) -> None:
        await me.spend(dials)
        at.append(trio.current_time() - began)
        await trio.sleep_forever()

    async with Supervisor("bot", [child("first", told_to_wait), child("second", run)]).open():
        await trio.sleep(60.0)
    assert at == [30.0]


def run_with(function: Callable[[Me, float], Awaitable[None]], at: float) -> Callable[[Me], Awaitable[None]]:
    """Give the function its second argument."""

    async def run(me: Me) -> None:
        await function(me, at)

    return run
