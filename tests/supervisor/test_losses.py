"""The three ways in which Trio loses a failure: each is shown, and then recorded."""

import trio

from supervisor import Ended, ForeignCancelled, Me, Supervisor, child
from supervisor.testing import Boom, crash_masked_by_cancelled, raise_foreign_cancelled, trace


async def test_a_bare_nursery_absorbs_a_foreign_cancelled_without_a_trace() -> None:
    finished = []

    async def sibling() -> None:
        await trio.sleep_forever()
        finished.append("sibling")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(sibling)
        nursery.start_soon(raise_foreign_cancelled)

    assert finished == []


def test_a_foreign_cancelled_is_recorded_as_a_crash_and_restarted_and_siblings_live() -> None:
    async def leak(me: Me) -> None:
        if me.generation == 1:
            await raise_foreign_cancelled()
        await trio.sleep_forever()

    async def sibling(me: Me) -> None:
        await trio.sleep_forever()

    found = trace(Supervisor("bot", [child("sibling", sibling), child("leak", leak)]), until=5)

    first: Ended = found.of("ended", "bot/leak")[0]
    assert isinstance(first.end.exception, ForeignCancelled)
    assert first.decision.action == "restart"
    assert len(found.of("started", "bot/leak")) == 2
    assert len(found.of("started", "bot/sibling")) == 1


async def test_a_bare_nursery_loses_a_crash_that_is_masked_by_a_cancellation(autojump_clock: trio.abc.Clock) -> None:
    with trio.move_on_after(1):
        try:
            await trio.sleep_forever()
        finally:
            try:
                raise Boom
            finally:
                await trio.lowlevel.checkpoint()  # python-trio/trio#455: Boom is gone


def test_a_crash_masked_by_a_cancellation_is_recorded() -> None:
    async def masked(me: Me) -> None:
        if me.generation == 1:
            await crash_masked_by_cancelled("first")
        await trio.sleep_forever()

    found = trace(Supervisor("bot", [child("masked", masked)]), until=5)

    first: Ended = found.of("ended", "bot/masked")[0]
    assert [type(hidden) for hidden in first.end.masked] == [Boom]
    assert first.end.failed


def test_a_crash_masked_while_the_supervisor_stops_the_child_is_recorded() -> None:
    async def masked(me: Me) -> None:
        try:
            await trio.sleep_forever()
        finally:
            try:
                raise Boom
            finally:
                await trio.lowlevel.checkpoint()

    found = trace(Supervisor("bot", [child("masked", masked)]), until=5)

    last: Ended = found.of("ended", "bot/masked")[-1]
    assert [type(hidden) for hidden in last.end.masked] == [Boom]


def test_siblings_that_crash_in_one_tick_are_both_recorded_though_one_cleans_up() -> None:
    together = trio.Event()

    async def crash(me: Me) -> None:
        await together.wait()
        raise Boom("first")

    async def crash_and_clean_up(me: Me) -> None:
        try:
            await together.wait()
            raise Boom("second")
        finally:
            await trio.sleep(0.1)

    tree = Supervisor("bot", [child("a", crash), child("b", crash_and_clean_up)], strategy="one_for_all")
    found = trace(tree, until=1.2, steps=[(1.0, lambda _: together.set())])

    shown = [
        str(hidden)
        for event in found.of("ended")
        for hidden in (event.end.exception, *event.end.masked)
        if isinstance(hidden, Boom)
    ]
    assert sorted(shown) == ["first", "second"]
