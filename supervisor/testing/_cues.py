"""Actors that fail on cue: each incarnation plays one `Cue` of a script."""

from __future__ import annotations

from typing import Literal

import attrs
import trio

from .._errors import PlannedEnd, StopActor
from .._me import Me

How = Literal[
    "return",
    "crash",
    "group",
    "planned",
    "stop",
    "foreign_cancelled",
    "masked",
    "hang",
    "hang_without_beat",
]
"""How an incarnation ends by itself; the last two do not.

``foreign_cancelled``: a stored `trio.Cancelled` is raised again, which a bare nursery would absorb without a trace.
``masked``: it crashes, and a checkpoint in its ``finally`` under a cancelled scope of its own hides the crash.
"""

ENDINGS: tuple[How, ...] = ("return", "crash", "group", "planned", "stop", "foreign_cancelled", "masked")

WhenStopped = Literal["end", "clean_up", "crash", "swallow", "shield"]
"""What it does when it is cancelled: end at once, clean up inside its grace, crash in its cleanup, swallow the
cancellation for a while, or work on inside a shield of its own."""


class Boom(Exception):
    """The failure that cues raise."""


@attrs.frozen
class Cue:
    """What one incarnation does. Times are seconds."""

    how: How = "hang"
    after: float = 1.0
    """From its readiness to its end."""
    ready_after: float | None = 0.0
    """From its start to `Me.ready`; None: it never says so, and ends after `after` from its start."""
    when_stopped: WhenStopped = "end"
    stopping_takes: float = 0.0
    """How long cleanup, swallowing or the shield lasts."""


@attrs.frozen
class Lived:
    """What one incarnation really did, written down by itself."""

    path: str
    generation: int
    started_at: float
    ended_at: float
    raised: str | None
    """Name of the exception class it let out; None when it returned."""
    cancelled: bool
    """Whether it saw a cancellation."""


class Recorder:
    """Collects what incarnations really did, independent of the supervisor's own records.

    Args:
        most: Incarnations that are let live. On a virtual clock a storm of restarts would never end.
    """

    def __init__(self, most: int = 20_000) -> None:
        self.most = most
        self.lived: list[Lived] = []
        self.alive: dict[tuple[str, int], float] = {}


@attrs.frozen
class OnCue:
    """An actor that plays its script: the first incarnation the first cue, and so on; the last one repeats."""

    script: tuple[Cue, ...]
    recorder: Recorder = attrs.field(eq=False, repr=False)
    beats: float = 0.5
    """Seconds between its beats."""

    async def run(self, me: Me) -> None:
        """Live one incarnation."""
        cue = self.script[min(me.generation, len(self.script)) - 1]
        key = (me.path, me.generation)
        if len(self.recorder.lived) >= self.recorder.most:
            raise SystemExit(f"a storm: more than {self.recorder.most} incarnations")
        started = self.recorder.alive[key] = trio.current_time()
        raised: str | None = None
        cancelled = False
        try:
            await self._play(me, cue)
        except BaseException as error:
            raised = type(error).__name__
            cancelled = isinstance(error, trio.Cancelled)
            raise
        finally:
            del self.recorder.alive[key]
            now = trio.current_time()
            self.recorder.lived.append(Lived(me.path, me.generation, started, now, raised, cancelled))

    async def _play(self, me: Me, cue: Cue) -> None:
        try:
            if cue.ready_after is not None:
                await trio.sleep(cue.ready_after)
                me.ready()
            await self._pass_time(me, cue)
        except trio.Cancelled:
            if cue.when_stopped == "crash":
                raise Boom(f"{me.path}#{me.generation} crashed when stopped") from None  # noqa: ASYNC104 - its cue
            if cue.when_stopped == "clean_up":
                with me.cleanup():
                    await trio.sleep(cue.stopping_takes)  # noqa: ASYNC102 - `cleanup` is a shield with a deadline
            if cue.when_stopped == "shield":
                with trio.CancelScope(shield=True):
                    await trio.sleep(cue.stopping_takes)
            if cue.when_stopped == "swallow":
                with trio.CancelScope(shield=True):
                    await trio.sleep(cue.stopping_takes)
                return  # noqa: ASYNC104 - its cue
            raise
        await _end(me, cue)

    async def _pass_time(self, me: Me, cue: Cue) -> None:
        if cue.how == "hang_without_beat":
            await trio.sleep_forever()
        end = float("inf") if cue.how == "hang" else trio.current_time() + cue.after
        while (left := end - trio.current_time()) > 0:
            me.beat()
            await trio.sleep(min(left, self.beats))


async def _end(me: Me, cue: Cue) -> None:
    text = f"{me.path}#{me.generation}"
    if cue.how == "crash":
        raise Boom(text)
    if cue.how == "group":
        raise ExceptionGroup(text, [Boom(text), OSError(text)])
    if cue.how == "planned":
        raise PlannedEnd(text)
    if cue.how == "stop":
        raise StopActor(text)
    if cue.how == "foreign_cancelled":
        await raise_foreign_cancelled()
    if cue.how == "masked":
        await crash_masked_by_cancelled(text)


async def raise_foreign_cancelled() -> None:
    """Let out a `trio.Cancelled` that belongs to a scope which is long closed."""
    stored: trio.Cancelled | None = None
    with trio.CancelScope() as scope:
        scope.cancel("stored for later")
        try:
            await trio.lowlevel.checkpoint()
        except trio.Cancelled as caught:
            stored = caught
            raise
    assert stored is not None
    raise stored


async def crash_masked_by_cancelled(text: str) -> None:
    """Crash with a checkpoint in ``finally`` under a scope cancelled by hand (python-trio/trio#455), and leak the result."""
    stored: trio.Cancelled | None = None
    with trio.CancelScope() as scope:
        try:
            try:
                raise Boom(text)
            finally:
                scope.cancel("closing")
                await trio.lowlevel.checkpoint()  # noqa: ASYNC102 - what this function is about
        except trio.Cancelled as caught:
            stored = caught
            raise
    assert stored is not None
    raise stored
