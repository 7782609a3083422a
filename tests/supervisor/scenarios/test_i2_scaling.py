"""Section I2: scaling, as ratios between two sizes in one process, as OTP's own suite does it."""

import gc
import time
from collections.abc import Callable
from typing import Any

import pytest
import trio

from supervisor import Me, Running, Supervisor, child
from supervisor.testing import Boom, run_virtually

from .common import AT_ONCE, forever, never

FEW, MANY = 1000, 5000
MOST = 3 * MANY / FEW
"""OTP allows ten times the proportion between sizes that are further apart; a square would be 25 here."""


def ratio(measure: Callable[[int], float]) -> float:
    """Compare the best of some runs with each size: the best is what other load on the machine disturbs least.

    Without the garbage collector, whose full passes depend on all that the test process has ever made.
    """
    gc.collect()
    gc.disable()
    try:
        few = min(measure(FEW) for _ in range(3))
        return min(measure(MANY) for _ in range(2)) / few
    finally:
        gc.enable()


def opened(tree: Supervisor, work: Callable[[Running], Any]) -> float:
    """Open a tree, work on it, stop it; return the processor's seconds."""

    async def main() -> None:
        async with tree.open() as running:
            await work(running)

    start = time.process_time()
    run_virtually(main)
    return time.process_time() - start


@pytest.mark.slow
def test_scenario_117_starting_and_stopping_many_static_children_takes_time_in_proportion() -> None:
    async def nothing(running: Running) -> None:
        await running.wait_state("bot/c0", "ready")

    def measure(count: int) -> float:
        return opened(Supervisor("bot", [child(f"c{place}", forever) for place in range(count)]), nothing)

    assert ratio(measure) <= MOST


@pytest.mark.slow
def test_scenario_118_removing_many_dynamic_children_takes_time_in_proportion() -> None:
    def measure(count: int) -> float:
        def template(name: str) -> Any:
            return child(name, forever, restart="temporary")

        async def work(running: Running) -> None:
            for place in range(count):
                running.add_child("bot", f"c{place}")
            await running.wait_state(f"bot/c{count - 1}", "ready")
            for place in range(count):
                running.remove_child(f"bot/c{place}")
            while running.ledger.ends < count:
                await running._runtime.wait_changed()

        return opened(Supervisor("bot", template=template), work)

    assert ratio(measure) <= MOST


@pytest.mark.slow
def test_scenario_119_a_mass_exit_is_dealt_with_in_proportion() -> None:
    def measure(count: int) -> float:
        fail = trio.Event()

        async def fails_on_demand(me: Me) -> None:
            await fail.wait()
            if me.generation == 1:
                raise Boom
            await trio.sleep_forever()

        async def work(running: Running) -> None:
            fail.set()
            while running.ledger.failures < count:
                await running._runtime.wait_changed()
            await running.wait_state(f"bot/c{count - 1}", "ready")

        children = [child(f"c{place}", fails_on_demand, backoff=AT_ONCE) for place in range(count)]
        return opened(Supervisor("bot", children, limit=never(10**6)), work)

    assert ratio(measure) <= MOST
