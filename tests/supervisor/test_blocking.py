"""An actor that keeps the event loop for itself is named."""

import time

import trio

from supervisor import Blocked, Me, Supervisor, child


async def test_an_actor_that_computes_without_awaiting_is_named_with_the_time_it_took() -> None:
    async def think(me: Me) -> None:
        async with trio.open_nursery() as nursery:  # noqa: ASYNC112 - the point is a task of the actor's own
            nursery.start_soon(deeper)

    watched = trio.Event()

    async def deeper() -> None:
        await watched.wait()
        time.sleep(0.2)  # noqa: ASYNC251 - the point of this test

    async def rest(me: Me) -> None:
        await trio.sleep_forever()

    tree = Supervisor("bot", [child("rest", rest), Supervisor("in", [child("think", think, restart="temporary")])])
    async with tree.open(watch_blocking=0.1) as running:
        events = running.events()
        watched.set()
        await trio.sleep(0.3)
        running.stop()
        await running.wait_stopped()
        seen = [event for event in events.receive_nowait() if isinstance(event, Blocked)]

    assert [event.path for event in seen] == ["bot/in/think"]
    assert seen[0].seconds > 0.19
