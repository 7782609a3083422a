"""Trading only while the account is live: through the tree, over restarts of either side."""

from collections.abc import Awaitable, Callable
from typing import Any

import trio

from actors import Liveness
from supervisor import Backoff, Limit, Mailbox, Me, Running, Supervisor, actor
from supervisor.testing import run_virtually


@actor(backoff=Backoff(0, 0, 0))
async def owner(me: Me, says: Mailbox[bool | None], live: Liveness) -> None:
    """Say what it is told; crash when told nothing."""
    me.ready()
    try:
        async for said in says:
            if said is None:
                raise RuntimeError("told to")
            live.tell(live=said)
    finally:
        live.tell(live=False)


@actor(backoff=Backoff(0, 0, 0))
async def trader(me: Me, live: Liveness, log: Mailbox[str], crashes: Mailbox[int]) -> None:
    """Trade a second at a time, while the account is live."""
    while True:
        async with live.hold() as scope:
            assert live.now
            await log.send("begin")
            while True:
                await trio.sleep(1)
                await log.send("trade")
                if crashes.statistics().used:
                    crashes.receive_nowait()
                    raise RuntimeError("told to")
        assert scope.cancelled_caught
        await log.send("end")


LIVE = Liveness("main live")
SAYS: Mailbox[bool | None] = Mailbox("says", capacity=10)
LOG: Mailbox[str] = Mailbox("log", capacity=1000)
CRASHES: Mailbox[int] = Mailbox("crashes", capacity=10)


def play(script: Callable[[Callable[[bool | None], None], Callable[[], list[str]], Any], Awaitable[None]]) -> None:
    async def main() -> None:
        tree = Supervisor(
            "t",
            [owner.child("owner", SAYS, LIVE), trader.child("trader", LIVE, LOG, CRASHES)],
            limit=Limit(100, 1),
        )
        running = Running(tree, 1)
        async with running.opened():
            say = running.mailbox(SAYS).send_nowait
            await script(say, lambda: running.mailbox(LOG).receive_many_nowait(), running)

    run_virtually(main)


def test_the_body_runs_while_it_is_live_and_again_when_it_is_live_again() -> None:
    async def script(say: Any, log: Any, _: Any) -> None:
        await trio.sleep(5)
        assert log() == []
        say(True)
        await trio.sleep(2.5)
        assert log() == ["begin", "trade", "trade"]
        say(False)
        await trio.sleep(5)
        assert log() == ["end"]
        say(True)
        await trio.sleep(1.5)
        assert log() == ["begin", "trade"]

    play(script)


def test_it_goes_out_with_its_owner() -> None:
    async def script(say: Any, log: Any, _: Any) -> None:
        say(True)
        await trio.sleep(1.5)
        say(None)
        await trio.sleep(5)
        assert log() == ["begin", "trade", "end"]
        say(True)
        await trio.sleep(0.5)
        assert log() == ["begin"]

    play(script)


def test_a_trader_that_crashes_finds_it_as_it_is() -> None:
    async def script(say: Any, log: Any, running: Any) -> None:
        say(True)
        await trio.sleep(0.5)
        running.mailbox(CRASHES).send_nowait(1)
        await trio.sleep(1.2)
        assert log() == ["begin", "trade", "begin"]
        say(False)
        await trio.sleep(0.1)
        assert log() == ["end"]

    play(script)


def test_a_change_that_is_over_at_once_still_ends_the_body() -> None:
    async def script(say: Any, log: Any, _: Any) -> None:
        say(True)
        await trio.sleep(0.5)
        say(False)
        say(True)
        await trio.sleep(0.1)
        assert log() == ["begin", "end", "begin"]

    play(script)


def test_whatever_the_body_raises_comes_out() -> None:
    @actor(restart="temporary")
    async def fails(_: Me, live: Liveness) -> None:
        async with live.hold():
            raise KeyError("mine")

    async def main() -> None:
        tree = Supervisor("t", [owner.child("owner", SAYS, LIVE), fails.child("fails", LIVE)])
        running = Running(tree, 1)
        async with running.opened():
            running.mailbox(SAYS).send_nowait(True)
            await trio.sleep(0.1)
            [failure] = running.ledger.first_failures
            assert isinstance(failure.end.exception, KeyError)

    run_virtually(main)


def test_each_tree_has_its_own() -> None:
    async def main() -> None:
        async def live(told: bool) -> None:
            seen: list[bool] = []

            @actor()
            async def look(me: Me, live: Liveness) -> None:
                await trio.sleep(0.1)
                seen.append(live.now)

            running = Running(Supervisor("t", [owner.child("owner", SAYS, LIVE), look.child("look", LIVE)]), 1)
            async with running.opened():
                running.mailbox(SAYS).send_nowait(told)
                await trio.sleep(0.5)
            assert seen[0] is told

        async with trio.open_nursery() as nursery:
            nursery.start_soon(live, True)
            nursery.start_soon(live, False)

    run_virtually(main)


def test_it_shows_its_name_only() -> None:
    assert repr(LIVE) == "Liveness(name='main live')"
    assert Liveness("x") == Liveness("x")
