"""The Trio side of one supervisor: runs what its machine orders, and reports every end back to it.

Rules of this file
------------------
* Each incarnation runs in a task of the supervisor's nursery, inside a scope of its own that is shielded: a cancellation
  from above hits the supervisor alone, which then stops its children one by one.
* Nothing that a child raises reaches the nursery. `_live` catches everything, and asks the scope, never the exception,
  whether the supervisor had cancelled.
* All calls into the machine are synchronous. If one of them raises, that is a bug of ours: the supervisor ends with it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from random import Random

import trio

from ._budget import OpenBudget
from ._errors import SupervisorError
from ._events import Event, Ready, Started
from ._judge import Spreader
from ._machine import Machine
from ._me import Me
from ._outcome import sort_caught
from ._runtime import Runtime
from ._spec import ActorObject, Child, Supervisor
from ._state import Slot
from ._timers import Order, Timer

_AT_ONCE = 16
"""Most children that are started in one turn of the event loop."""
_FRAMES = 12
"""Innermost frames of a stuck actor that are reported."""


class Life(Me):
    """What the Trio side keeps about a living actor, which knows it as `Me`: one object fewer to make at each start."""

    __slots__ = ("actor", "scope", "spec", "task")

    def __init__(self, slot: Slot, spec: Child, actor: ActorObject | None, machine: Machine, runtime: Runtime) -> None:
        super().__init__(slot, machine, runtime)
        self.spec = spec
        self.actor = actor
        """The actor with its open mailboxes, once there is one."""
        self.scope = trio.CancelScope(shield=True)
        self.task: trio.lowlevel.Task | None = None


class Node:
    """One incarnation of a supervisor. Implements `_machine.Port`.

    Attributes:
        machine: What decides.
        scope: Around its task. The root has none: it runs in its caller's.
        task: That task, once it runs.
    """

    def __init__(
        self,
        spec: Supervisor,
        path: str,
        order: Order,
        runtime: Runtime,
        spreader: Spreader,
        *,
        generation: int = 1,
        before: Machine | None = None,
        on_started: Callable[[], None],
    ) -> None:
        self.scope = trio.CancelScope(shield=True)
        self.task: trio.lowlevel.Task | None = None
        self._runtime = runtime
        self._on_started = on_started
        self._finished = trio.Event()
        self._nursery: trio.Nursery | None = None
        self._to_live: deque[tuple[Slot, Life | Node]] | None = None
        """What was started and has no task yet, in order; None: nothing. An empty deque takes 760 bytes."""
        self._free_tasks = 0
        """Tasks that will run in this turn of the event loop, and take the first of these."""
        self._spreader = spreader if spec.spread is None else Spreader(spec.spread)
        self._jitter = f"{path}#{generation}:jitter"
        self._random: Random | None = None
        self.machine = Machine(spec, path, order, self, before)

    async def run(self) -> None:
        """Run the children until the machine has finished; raise its result.

        Cancellation stops the children in reverse order, and takes effect when all have ended.
        """
        cancelled: trio.Cancelled | None = None
        async with trio.open_nursery() as self._nursery:
            # Shielded but for the one wait below, so that a cancellation cannot surface anywhere else.
            shield = self._nursery.cancel_scope
            shield.shield = True
            self.machine.begin(trio.current_time())
            shield.shield = False
            try:
                await self._finished.wait()
            except trio.Cancelled as caught:  # noqa: ASYNC103 - re-raised when the children have ended
                cancelled = caught
            shield.shield = True
            if cancelled is not None:
                self.machine.stop(_reason_of(cancelled), trio.current_time())
                await self._finished.wait()
        if self.machine.result is not None:
            raise self.machine.result
        if cancelled is not None:
            raise cancelled

    # Orders of the machine -------------------------------------------------------------------------------------

    def start(self, slot: Slot) -> None:
        """Start the slot's next incarnation in a task of its own."""
        assert self._nursery is not None, "the machine starts children only while the nursery is open"
        spec, before = slot.spec, slot.shell
        life: Life | Node
        if isinstance(spec, Supervisor):
            life = Node(
                spec,
                slot.path,
                slot.order,
                self._runtime,
                self._spreader,
                generation=slot.generation,
                before=machine_below(slot),
                on_started=partial(self._ready, slot),
            )
        else:
            # What the incarnation before ran is what this one runs, unless the definition has changed meanwhile.
            actor = before.actor if isinstance(before, Life) and before.spec is spec else None
            life = Life(slot, spec, actor, self.machine, self._runtime)
        slot.shell = life
        if self._to_live is None:
            self._to_live = deque()
        self._to_live.append((slot, life))
        if len(self._to_live) > self._free_tasks:
            # Trio runs the tasks of a turn in any order: whichever comes first lives the first life. Those that follow
            # at once get their tasks now; a turn of the event loop for each would cost a third of a start.
            more = 0 if slot.group is None else slot.group.ready_at_once(_AT_ONCE - 1)
            self._free_tasks += 1 + more
            for _ in range(1 + more):
                self._nursery.start_soon(self._live, name=slot.path)

    def cancel(self, slot: Slot, reason: str) -> None:
        """Cancel the slot's incarnation."""
        _life(slot).scope.cancel(reason)

    def cut_cleanup(self, slot: Slot) -> None:
        """Cut the shielded cleanup of the slot's incarnation."""
        life = _life(slot)
        if isinstance(life, Node):
            life.machine.hurry(trio.current_time())
        else:
            life._cut_cleanups(f"the grace of {slot.path} is over")

    def stack(self, slot: Slot) -> tuple[str, ...]:
        """Return where the slot's incarnation is waiting, outermost frame first."""
        task = _life(slot).task
        if task is None:
            return ()
        frames = [
            f"{frame.f_code.co_filename}:{line} {frame.f_code.co_qualname}" for frame, line in task.iter_await_frames()
        ]
        return tuple(frames[1:][-_FRAMES:])

    def at(self, deadline: float, order: Order, callback: Callable[[float], None]) -> Timer:
        """Arrange a call at the deadline."""
        return self._runtime.timers.at(deadline, order, callback)

    def take_back(self, timer: Timer | None) -> None:
        """Forget a timer, if there is one."""
        if timer is not None:
            self._runtime.timers.cancel(timer)

    def budget_of(self, slot: Slot) -> OpenBudget | None:
        """Return the open budget that the slot's starts draw from."""
        declared = slot.policy.budget
        return None if declared is None else self._runtime.budget(declared)

    def lived(self, path: str) -> int:
        """Return how many incarnations of this path have ended."""
        return self._runtime.ledger.of(path).ends

    @property
    def random(self) -> Random:
        """For jitter; most supervisors never need one, and it is larger than all the rest of them."""
        if self._random is None:
            self._random = self._runtime.random_for(self._jitter)
        return self._random

    def spread(self, slot: Slot, exception: BaseException | None, now: float) -> float:
        """Return what to add to a delay because many children fail alike, seconds."""
        return self._spreader.delay(slot.path, exception, now, self.random)

    def end_process(self, slot: Slot) -> None:
        """Stop the whole tree and end the process."""
        self._runtime.end_process(f"{slot.path} cannot be stopped, and is declared unstoppable='exit'")

    def publish(self, event: Event) -> None:
        """Put an event into the tree's stream."""
        self._runtime.publish(event)

    def tell(self, kind: type[Started | Ready], slot: Slot, now: float) -> None:
        """Put an event without details into the tree's stream."""
        self._runtime.tell(kind, slot.path, slot.generation, now)

    def started(self) -> None:
        """Tell whoever started this supervisor that its first starts are done."""
        self._on_started()

    def finished(self) -> None:
        """Let `run` return."""
        self._finished.set()

    # Lives -----------------------------------------------------------------------------------------------------

    async def _live(self) -> None:
        self._free_tasks -= 1
        if not self._to_live:
            return  # The child before it was not ready at once after all.
        slot, life = self._to_live.popleft()
        if not self._to_live:
            self._to_live = None
        error: BaseException | None = None
        life.task = trio.lowlevel.current_task()
        life.task.name = slot.path
        with life.scope:
            try:
                if isinstance(life, Node):
                    await life.run()
                else:
                    if slot.policy.ready_within is None:
                        self.machine.ready(slot, trio.current_time())
                    if life.actor is None:
                        life.actor = self._runtime.with_open_mailboxes(life.spec.actor)
                    await life.actor.run(life)
            except GeneratorExit:
                raise  # The event loop is gone; there is nobody to report to.
            except BaseException as caught:  # noqa: ASYNC103, BLE001 - this is the place where every end is recorded
                error = caught
        try:
            self.machine.ended(
                slot, sort_caught(error), cancel_called=life.scope.cancel_called, now=trio.current_time()
            )
        except Exception as bug:  # noqa: BLE001 - must not take the siblings down in disorder
            self._fail(bug)
        finally:
            error = None  # Its traceback refers to this frame: with it here each failure would be a cycle of garbage.

    def _ready(self, slot: Slot) -> None:
        self.machine.ready(slot, trio.current_time())

    def _fail(self, bug: Exception) -> None:
        """End this supervisor because its own code failed."""
        error = SupervisorError(f"bug in the supervisor {self.machine.path}, please report it: {bug!r}")
        error.__cause__ = bug
        self.machine.result = error
        self.machine.phase = "finished"
        for slot in self.machine.slots.values():
            if isinstance(slot.shell, Life | Node):
                slot.shell.scope.cancel("bug in the supervisor")
        self._finished.set()


def machine_below(slot: Slot) -> Machine | None:
    """Return the machine of a child that is a supervisor, if it was ever started."""
    return slot.shell.machine if isinstance(slot.shell, Node) else None


def _life(slot: Slot) -> Life | Node:
    assert isinstance(slot.shell, Life | Node), f"{slot.path} has never been started"
    return slot.shell


def _reason_of(cancelled: trio.Cancelled) -> str:
    return cancelled.reason or f"cancelled by {cancelled.source}"
