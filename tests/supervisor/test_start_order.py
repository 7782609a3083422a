"""Children that are ready as soon as they run start many in one turn of the event loop, and in order all the same."""

from __future__ import annotations

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from supervisor import Child, Me, Supervisor, actor


@actor()
async def begins(me: Me, began: list[str]) -> None:
    """Say so in the first step."""
    began.append(me.name)
    await trio.sleep_forever()


@actor(ready_within=10.0)
async def takes_its_time(me: Me, began: list[str]) -> None:
    """Be ready a while later."""
    began.append(me.name)
    await trio.sleep(1.0)
    me.ready()
    await trio.sleep_forever()


class Turns(trio.abc.Instrument):
    """Counts the turns of the event loop."""

    def __init__(self) -> None:
        self.count = 0

    def before_io_wait(self, timeout: float) -> None:
        """One turn is over."""
        self.count += 1


@given(slow=st.lists(st.booleans(), min_size=1, max_size=60))
def test_every_child_begins_after_the_one_before_it(slow: list[bool]) -> None:
    began: list[str] = []
    children: list[Child] = [
        (takes_its_time if slowly else begins).child(f"c{place}", began) for place, slowly in enumerate(slow)
    ]

    async def main() -> float:
        async with Supervisor("bot", children).open():
            return trio.current_time()

    clock = trio.testing.MockClock(autojump_threshold=0)
    started = trio.run(main, clock=clock)
    assert began == [f"c{place}" for place in range(len(slow))]
    assert started >= sum(slow), "each of the slow ones was waited for"


async def test_a_thousand_children_do_not_take_a_thousand_turns() -> None:
    began: list[str] = []
    turns = Turns()
    trio.lowlevel.add_instrument(turns)
    async with Supervisor("bot", [begins.child(f"c{place}", began) for place in range(1000)]).open():
        trio.lowlevel.remove_instrument(turns)
        assert len(began) == 1000
    assert turns.count < 100


@pytest.mark.parametrize("turns", [0, 1, 2])
async def test_a_stop_during_the_start_leaves_no_child_half_started(turns: int) -> None:
    began: list[str] = []
    tree = Supervisor("bot", [begins.child(f"c{number}", began) for number in range(40)])
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:

            async def stop() -> None:
                for _ in range(turns):
                    await trio.lowlevel.cancel_shielded_checkpoint()
                scope.cancel()

            nursery.start_soon(stop)
            async with tree.open():
                await trio.sleep_forever()
    assert began == [f"c{number}" for number in range(len(began))]


async def test_a_task_has_the_name_of_the_child_that_it_lives() -> None:
    names: dict[str, str] = {}

    @actor()
    async def named(me: Me) -> None:
        names[me.path] = trio.lowlevel.current_task().name
        await trio.sleep_forever()

    async with Supervisor("bot", [named.child(f"c{place}") for place in range(40)]).open():
        assert len(names) == 40
        assert all(path == name for path, name in names.items())
