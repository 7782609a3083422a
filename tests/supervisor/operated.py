"""Trees to operate on: what is done to them at which time, and in which states their children are then."""

from collections.abc import Callable
from typing import Any

import trio

from supervisor import Backoff, Me, Running, Supervisor, child
from supervisor.testing import Cue, OnCue, Recorder, Trace, check_failure_conservation, trace

Strategies = ("one_for_one", "one_for_all", "rest_for_one")
minute = Backoff(60.0, 60.0, 60.0)
soon = Backoff(0.5, 0.5, 0.5)


async def forever(me: Me) -> None:
    await trio.sleep_forever()


def on_cue(*cues: Cue) -> OnCue:
    return OnCue(cues or (Cue(),), Recorder())


CRASH_ONCE = (Cue("crash", after=1.0), Cue())


def abc(strategy: str = "one_for_one", **first: Any) -> Supervisor:
    """Three children, of which the first crashes after 1 s and then waits a minute."""
    options = {"backoff": minute, **first}
    children = [child("a", on_cue(*CRASH_ONCE), **options), child("b", forever), child("c", forever)]
    return Supervisor("bot", children, strategy=strategy)  # type: ignore[arg-type]


def lived(tree: Supervisor, *steps: tuple[float, Callable[[Running], object]], until: float = 30.0) -> Trace:
    found = trace(tree, until=until, steps=steps)
    check_failure_conservation(found)
    return found


def states(running: Running) -> dict[str, str]:
    return {status.path.rpartition("/")[2]: status.state for status in running.status().walk() if "/" in status.path}


def seen(tree: Supervisor, at: float, *steps: tuple[float, Callable[[Running], object]]) -> dict[str, str]:
    """Do the steps and return the states of the children at a time."""
    found: list[dict[str, str]] = []
    lived(tree, *steps, (at, lambda running: found.append(states(running))), until=at + 0.1)
    return found[0]
