"""What the scenarios share. They come from the suites of Erlang/OTP, Elixir, suture, Pekko and ractor-supervisor.

How those words are said in Trio: ``ret``: the function returns; ``shutdown``: it ends because its supervisor asks;
``shutdown(x)``: it raises `StopActor`; ``crash``: it raises any other exception; ``killed``: its cleanup is cut off when
its grace is over, for nothing can kill a task. An hour stands for "never in this test".
"""

from collections.abc import Awaitable, Callable
from typing import Any

import trio

from supervisor import Backoff, Child, Limit, Me, Running, Supervisor, child
from supervisor.testing import Boom, Cue, OnCue, Recorder, Step, Trace, check_failure_conservation, trace

HOUR = 3600.0
AT_ONCE = Backoff(0.0, 0.0, 0.0)
"""OTP restarts without any delay."""


async def forever(me: Me) -> None:
    await trio.sleep_forever()


def on_cue(*cues: Cue) -> OnCue:
    """An actor that plays its cues; without any it lives for ever."""
    return OnCue(cues or (Cue(),), Recorder())


def otp(name: str, actor: Any = forever, **options: Any) -> Child:
    """A child that is restarted as OTP does it: without delay."""
    return child(name, actor, **{"backoff": AT_ONCE, **options})


def crash(after: float = 1.0) -> Cue:
    return Cue("crash", after=after)


def once_ok(lives: float = 1.0) -> Callable[[Me], Awaitable[None]]:
    """Its first start succeeds, and it crashes later; every other start fails. Needs a ``ready_within``."""

    async def run(me: Me) -> None:
        if me.generation > 1:
            raise Boom(f"start {me.generation}")
        me.ready()
        await trio.sleep(lives)
        raise Boom("first life")

    return run


def never(restarts: int) -> Limit:
    """An intensity whose period never expires."""
    return Limit(restarts, HOUR)


def lived(tree: Supervisor, *steps: Step, until: float = 60.0) -> Trace:
    """Let the tree live on the virtual clock, and check that every end has one record with one decision (law L1)."""
    found = trace(tree, until=until, steps=steps)
    check_failure_conservation(found)
    return found


def counts(running: Running, path: str = "bot") -> tuple[int, int, int, int]:
    """Specs, active ones, supervisors, actors: what OTP's ``count_children`` returns."""
    below = running.status().find(path).children
    active = sum(status.state in ("starting", "ready", "stopping") for status in below)
    supervisors = sum(status.kind == "supervisor" for status in below)
    return len(below), active, supervisors, len(below) - supervisors


def which(running: Running, path: str = "bot") -> dict[str, str]:
    """States of the children by name, in start order."""
    return {status.path.rpartition("/")[2]: status.state for status in running.status().find(path).children}


def starts(found: Trace, path: str) -> list[float]:
    return [event.at for event in found.of("started", path)]


def order_of_ends(found: Trace) -> list[str]:
    return [event.path for event in found.of("ended")]


def kinds(found: Trace, path: str) -> list[tuple[str, str]]:
    """How each incarnation ended, and what was decided."""
    return [(event.end.kind, event.decision.action) for event in found.of("ended", path)]
