"""A few errands at a time, each symbol in its turn, and none forgotten."""

import trio
import trio.testing

from actors._feeds._asking import Errands


async def test_a_few_run_at_a_time_in_the_order_in_which_they_came(autojump_clock: trio.testing.MockClock) -> None:
    begun: list[str] = []
    running = most = 0

    async def job(symbol: str) -> None:
        nonlocal running, most
        begun.append(symbol)
        running += 1
        most = max(most, running)
        await trio.sleep(1)
        running -= 1

    async with trio.open_nursery() as nursery:
        errands = Errands(nursery, job, tasks=3)
        for symbol in "ABCDEFGH":
            errands.add(symbol)
        errands.add("H")
        assert "H" in errands
    assert set(begun[:3]) == set("ABC")
    assert sorted(begun) == list("ABCDEFGH")
    assert begun.index("H") == 7
    assert most == 3
    assert "H" not in errands


async def test_what_is_added_while_it_runs_runs_once_more(autojump_clock: trio.testing.MockClock) -> None:
    begun: list[tuple[float, str]] = []
    start = trio.current_time()

    async def job(symbol: str) -> None:
        begun.append((trio.current_time() - start, symbol))
        await trio.sleep(1)

    async with trio.open_nursery() as nursery:
        errands = Errands(nursery, job, tasks=1)
        errands.add("A")
        errands.add("B")
        await trio.sleep(0.5)
        for _ in range(3):
            errands.add("A")
    assert begun == [(0, "A"), (1, "B"), (2, "A")]


async def test_an_errand_that_is_added_after_all_have_ended_runs(autojump_clock: trio.testing.MockClock) -> None:
    begun: list[str] = []

    async def job(symbol: str) -> None:
        begun.append(symbol)
        await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        errands = Errands(nursery, job)
        errands.add("A")
        await trio.sleep(1)
        errands.add("A")
    assert begun == ["A", "A"]
