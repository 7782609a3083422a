"""own_tree.py: a tree and its tests, on the virtual clock. Start it with `python own_tree.py`, or let pytest find it."""

from typing import Any

from supervisor import Ended, Mailbox, Me, Supervisor, actor, child
from supervisor.testing import (
    Cue,
    OnCue,
    Recorder,
    Trace,
    check_failure_conservation,
    check_order_and_end,
    check_restarts_keep_their_delays,
    trace,
)


class KeyRejected(Exception):
    """Trying again would not help."""


@actor(on={KeyRejected: "park"})
async def orders(me: Me, prices: Mailbox[int]) -> None:
    """Stands for your own code."""
    async for price in prices:
        me.beat()
        if price < 0:
            raise KeyRejected("-2015")


def build(source: Any, prices: Mailbox[int]) -> Supervisor:
    """Return the tree; what a test wants to replace is an argument."""
    return Supervisor(
        "bot",
        [
            child("source", source, first_start="retry", ready_within=10.0, max_failures=8, at_max="park"),
            orders.child("orders", prices),
        ],
        strategy="rest_for_one",
    )


def live(script: list[Cue], *, seed: int = 0) -> Trace:
    """Let the tree live for five minutes with a source that plays the script. Takes milliseconds."""
    recorder = Recorder()
    tree = build(OnCue(tuple(script), recorder), Mailbox("prices", capacity=10))
    found = trace(tree, recorder, until=300.0, seed=seed, schedule_seed=seed)
    check_failure_conservation(found)
    check_restarts_keep_their_delays(found, tree)
    check_order_and_end(found, tree)
    return found


def decisions(found: Trace, path: str) -> list[str]:
    """Return what was decided about each end of a child."""
    return [event.decision.action for event in found.events if isinstance(event, Ended) and event.path == path]


def test_orders_wait_for_a_source_that_is_down_at_the_start() -> None:
    """Three failures, then a source that stays: orders start once, after it."""
    found = live([Cue("crash", after=0.0, ready_after=None)] * 3 + [Cue("hang")])

    assert decisions(found, "bot/source") == ["restart", "restart", "restart", "stop"]
    assert len(found.of("started", "bot/orders")) == 1
    assert found.of("started", "bot/orders")[0].at >= found.of("ready", "bot/source")[0].at


def test_a_source_that_hangs_before_it_is_ready_is_started_again_after_ten_seconds() -> None:
    """The time allowed is part of the definition, so it is part of its tests."""
    found = live([Cue("hang", ready_after=None), Cue("hang")])

    [late, _] = [event for event in found.events if isinstance(event, Ended) and event.path == "bot/source"]
    assert (late.end.kind, late.at) == ("start_timeout", 10.0)


def test_a_source_that_never_holds_is_parked_and_the_tree_lives_on() -> None:
    """Any of twenty seeds: the jitter differs, the outcome does not."""
    for seed in range(20):
        found = live([Cue("crash", after=1.0)], seed=seed)

        assert decisions(found, "bot/source") == ["restart"] * 7 + ["park"]
        assert found.error is None


if __name__ == "__main__":
    tests = [test for name, test in list(globals().items()) if name.startswith("test_")]
    for test in tests:
        test()
    print(len(tests), "tests passed")
