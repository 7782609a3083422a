"""The status of a tree: what each child does now, what comes next, and what its actor exposes."""

import pytest
import trio
import trio.testing

from supervisor import Backoff, Me, Supervisor, child
from supervisor.testing import Boom, Cue, OnCue, Recorder

from .lives import forever


async def test_status_shows_state_next_try_and_last_failure(autojump_clock: trio.abc.Clock) -> None:
    recorder = Recorder()
    crashing = OnCue((Cue("crash", after=1),), recorder)
    tree = Supervisor("bot", [child("a", crashing, backoff=Backoff(5.0, 5.0, 5.0)), child("b", forever)])
    async with tree.open() as running:
        await trio.sleep(2)
        status = running.status().find("bot/a")

    assert (status.state, status.generation, status.restarts, status.failures) == ("waiting", 1, 1, 1)
    assert status.next_at == pytest.approx(6.0)
    assert status.last_end is not None
    assert isinstance(status.last_end.exception, Boom)


async def test_what_an_actor_exposes_stands_in_the_status_while_it_lives(
    autojump_clock: trio.testing.MockClock,
) -> None:
    count = 0

    async def counting(me: Me) -> None:
        me.expose(lambda: {"count": count, "generation": me.generation})
        await trio.sleep(10.0)
        raise OSError("lost")

    async def broken(me: Me) -> None:
        me.expose(lambda: {"one": 1 / 0})
        await trio.sleep_forever()

    slow = Backoff(floor=5.0, base=5.0, cap=5.0)
    tree = Supervisor("bot", [child("counting", counting, backoff=slow), child("broken", broken)])
    async with tree.open() as running:
        await trio.sleep(1.0)
        count = 7
        assert running.status().find("bot/counting").facts == {"count": 7, "generation": 1}
        assert running.status().find("bot/broken").facts == {"error": "ZeroDivisionError: division by zero"}
        assert running.status().to_dict()["children"][0]["facts"] == {"count": 7, "generation": 1}
        await trio.sleep(10.0)
        waiting = running.status().find("bot/counting")
        assert (waiting.state, waiting.facts) == ("waiting", None), "the dead tell nothing"
        await trio.sleep(5.0)
        assert running.status().find("bot/counting").facts == {"count": 7, "generation": 2}
