"""An open tree: starting and stopping the root, signals, and the handle that the embedding program holds."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeVar

import trio

from . import _operations
from ._blocking import BlockingWatch
from ._budget import BudgetStatistics
from ._errors import SupervisorError
from ._events import Ended, Ready, Started
from ._explain import explain, next_try
from ._judge import Spreader
from ._ledger import Ledger
from ._machine import Machine
from ._mailbox import DeadLetter, Mailbox, MailboxStatistics
from ._node import Life, Node, machine_below
from ._operations import NoSuchChild, WrongState
from ._outcome import Decision, classify, sort_caught
from ._plan import Plan, apply, diff
from ._policy import Spread
from ._runtime import Runtime, Subscription
from ._spec import Child, Supervisor, time_to_stop
from ._state import LIVING, ChildState, Slot
from ._status import Status

T = TypeVar("T")

EXIT_UNSTOPPABLE = 70
"""Exit code of a process that is ended because a child cannot be stopped (EX_SOFTWARE)."""


class Running:
    """A tree that is open. From ``async with tree.open() as running:`` or ``await nursery.start(tree.run)``.

    A program that must not miss the first events makes it itself: ``running = Running(tree, seed)``, subscribes with
    `events`, and then enters ``async with running.opened():``.

    Attributes:
        tree: The definition.
        ledger: Exact counts of all ends and decisions, with samples.
        seed: What fixes the jitter; give it to `Supervisor.open` to repeat a run.
    """

    def __init__(self, tree: Supervisor, seed: int | None, *, exit_process: Callable[[int], object] = os._exit) -> None:
        self.tree: Supervisor = tree
        self._exit = exit_process
        self._runtime = Runtime(tree.name, seed)
        self.seed: int = self._runtime.seed
        self.ledger: Ledger = self._runtime.ledger
        self._since = self._started_at = trio.current_time()
        self._ready_at: float | None = None
        self._started_or_ended = trio.Event()
        self._ended = trio.Event()
        self._error: BaseException | None = None
        self._body: trio.CancelScope | None = None
        self._timekeeping = trio.CancelScope(shield=True)
        self._signals = trio.CancelScope(shield=True)
        self._root = Node(tree, tree.name, (), self._runtime, Spreader(Spread()), on_started=self._on_started)
        self._runtime.end_process = self._end_process
        self._runtime.tree = self

    # For the embedding program ---------------------------------------------------------------------------------

    def status(self) -> Status:
        """Return the whole tree as it is now."""
        if self._ended.is_set():
            state = "down"
        elif self._root.machine.phase != "running":
            state = "stopping"
        else:
            state = "starting" if self._ready_at is None else "ready"
        return Status(
            path=self.tree.name,
            kind="supervisor",
            state=state,  # type: ignore[arg-type]
            generation=1,
            restarts=0,
            failures=0,
            since=self._since,
            next_at=None,
            beat_age=None,
            children=self._statuses(self._root),
        )

    def events(self, capacity: int = 1000) -> Subscription:
        """Return a reader of all events from now on; ``async for event in running.events():`` ends with the tree."""
        return self._runtime.subscribe(capacity)

    def mailbox(self, declared: Mailbox[T]) -> Mailbox[T]:
        """Return the open mailbox of this tree for a declared one, for use outside of actors."""
        return self._runtime.mailbox(declared)

    def mailboxes(self) -> list[MailboxStatistics]:
        """Return the counters of every mailbox."""
        return [mailbox.statistics() for mailbox in self._runtime.mailboxes()]

    def dead_letters(self) -> list[DeadLetter[Any]]:
        """Return the last items that nobody could finish; see `Mailbox.take`."""
        return list(self._runtime.dead_letters)

    def budgets(self) -> list[BudgetStatistics]:
        """Return the counters of every budget."""
        now = trio.current_time()
        return [budget.statistics(now) for budget in self._runtime.budgets()]

    def stop(self, reason: str = "asked to stop") -> None:
        """Stop all children in reverse order; returns at once, see `wait_stopped`. A second call does nothing."""
        self._since = trio.current_time()
        self._root.machine.stop(reason, self._since)

    def hurry(self) -> None:
        """Stop, and give no more grace: whatever cleans up is cut off now."""
        self._root.machine.hurry(trio.current_time())

    async def wait_stopped(self) -> None:
        """Wait until the tree has ended. Cancellation does not stop it."""
        await self._ended.wait()

    async def wait_state(self, path: str, *states: ChildState) -> Status:
        """Wait until a child is in one of the states, and return its status. Cancellation changes nothing.

        Raises:
            NoSuchChild: There is no such child, or the tree has ended meanwhile.
        """
        while (status := self._status_of(self._find(path)[1], trio.current_time())).state not in states:
            if self._ended.is_set():
                raise NoSuchChild(f"{path}: the tree has ended; it is {status.state}")
            await self._runtime.wait_changed()
        return status

    # Operating -------------------------------------------------------------------------------------------------

    def explain(self, path: str) -> str:
        """Say in words why a child is as it is, when it is tried next, and what a failure now would do."""
        machine, slot = self._find(path)
        return explain(machine, slot, trio.current_time())

    def stop_child(self, path: str) -> None:
        """End a child; it stays down, also through restarts of its group, until `start_child`.

        All of these return at once; see `wait_state`. All raise `NoSuchChild` for a path that is not there.
        """
        self._operate(_operations.stop, path)

    def start_child(self, path: str) -> None:
        """Start a child that is down or parked; those held by it follow. Otherwise raises `WrongState`."""
        self._operate(_operations.start, path)

    def restart_child(self, path: str) -> None:
        """End a child in order and start it again at once, with those that depend on it. Not counted."""
        self._operate(_operations.restart, path)

    def restart_child_now(self, path: str) -> None:
        """Do not wait for the rest of a child's backoff; its budget still holds. Raises `WrongState` if it does not wait."""
        self._operate(_operations.restart_now, path)

    def park_child(self, path: str) -> None:
        """End a child and those that depend on it, until `unpark_child` or `start_child`."""
        self._operate(_operations.park, path)

    def unpark_child(self, path: str) -> None:
        """Start a parked child again, with its failures forgotten. Otherwise raises `WrongState`."""
        self._operate(_operations.unpark, path)

    def reset_backoff(self, path: str) -> None:
        """Forget a child's failures in a row."""
        _operations.reset_backoff(self._find(path)[1])

    def add_child(self, supervisor: str, what: Child | Supervisor | str, /, *args: Any, **kwargs: Any) -> str:
        """Add a child to a running supervisor, as the last one, and start it. Returns its path.

        Args:
            supervisor: Path of the supervisor.
            what: The child; for a supervisor with a template the name, followed by the template's arguments.
            args: For the template.
            kwargs: For the template.

        Raises:
            BadTree: The child is wrong, or its name is taken.
            WrongState: There is no room, or the supervisor is not running.
        """
        return _operations.add(self._machine(supervisor), what, args, kwargs, trio.current_time()).path

    def remove_child(self, path: str) -> None:
        """End a child and forget it."""
        self._operate(_operations.remove, path)

    def plan(self, tree: Supervisor) -> Plan:
        """Say what applying a changed definition would do; print it.

        Raises:
            BadTree: The definition is wrong, or has another root.
        """
        tree.check()
        return diff(self.tree, tree)

    def apply(self, plan: Plan) -> None:
        """Make the running tree follow the definition of the plan.

        Raises:
            WrongState: The tree has changed since the plan was made, or is stopping.
        """
        if self._root.machine.phase != "running":
            raise WrongState(f"{self.tree.name} is stopping")
        if diff(self.tree, plan.new) != plan:
            raise WrongState("the tree has changed since the plan was made; plan again")
        apply(self._root.machine, plan.new, machine_below, trio.current_time())
        self.tree = plan.new
        self._runtime.changed()

    @asynccontextmanager
    async def opened(
        self, *, signals: bool = False, watch_blocking: float | None = None
    ) -> AsyncGenerator[Running, None]:
        """Start the tree, and stop it when the block ends. Once only; `Supervisor.open` is the way to call it."""
        if watch_blocking is not None:
            watch = BlockingWatch(watch_blocking, self.tree.name, self._runtime.report_blocked)
            trio.lowlevel.add_instrument(watch)
            try:
                async with self.opened(signals=signals):
                    yield self
            finally:
                trio.lowlevel.remove_instrument(watch)
            return
        body_error: BaseException | None = None
        # The tasks below have shields of their own: they outlive a cancellation from outside, which only the block feels.
        with trio.CancelScope(shield=True) as shield:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._keep_time, name=f"{self.tree.name}: timers")
                nursery.start_soon(self._live, name=self.tree.name)
                if signals:
                    await nursery.start(self._watch_signals, name=f"{self.tree.name}: signals")
                shield.shield = False
                try:
                    await self._started_or_ended.wait()
                    if self._error is None:
                        with trio.CancelScope() as self._body:  # noqa: ASYNC100 - the caller's block is in it
                            yield self
                except BaseException as caught:  # noqa: ASYNC103, BLE001 - re-raised when the tree has ended
                    body_error = caught
                shield.shield = True
                self.stop("cancelled" if isinstance(body_error, trio.Cancelled) else "its block has ended")
                await self.wait_stopped()
                self._timekeeping.cancel("the tree has ended")
                self._signals.cancel("the tree has ended")
        _raise(self._error, body_error)

    # The rest of this class ------------------------------------------------------------------------------------

    def _operate(self, verb: Callable[[Machine, Slot, float], None], path: str) -> None:
        verb(*self._find(path), trio.current_time())
        self._runtime.changed()

    def _machine(self, path: str) -> Machine:
        if path == self.tree.name:
            return self._root.machine
        _, slot = self._find(path)
        found = machine_below(slot)
        if found is None or not found.begun or found.phase != "running":
            raise WrongState(f"{path} is {slot.state}; it must be a running supervisor")
        return found

    def _find(self, path: str) -> tuple[Machine, Slot]:
        machine: Machine | None = self._root.machine
        root, *names = path.split("/")
        if root != self.tree.name or not names:
            raise NoSuchChild(f"{path}: the paths of this tree start with {self.tree.name}/")
        for depth, name in enumerate(names, start=1):
            slot = None if machine is None else machine.slots.get(name)
            if machine is None or slot is None:
                raise NoSuchChild(f"{path}: there is no {'/'.join([root, *names[:depth]])}")
            if depth == len(names):
                return machine, slot
            machine = machine_below(slot)
        raise NoSuchChild(path)

    def _end_process(self, reason: str) -> None:
        """Stop in order; if something still lives when all declared times are over, end the process without it."""
        now = trio.current_time()
        self._root.machine.result = self._root.machine.result or SupervisorError(reason)
        self.stop(reason)
        self._runtime.timers.at(now + time_to_stop(self.tree), (), self._leave_process)

    def _leave_process(self, now: float) -> None:
        self._exit(EXIT_UNSTOPPABLE)

    def _statuses(self, node: Node) -> tuple[Status, ...]:
        now = trio.current_time()
        return tuple([self._status_of(slot, now) for slot in node.machine.slots.values() if not slot.gone])

    def _status_of(self, slot: Slot, now: float) -> Status:
        spec, state, last = slot.spec, slot.state, slot.last
        below = slot.shell if isinstance(slot.shell, Node) else None
        life = slot.shell if isinstance(slot.shell, Life) and state in LIVING else None
        # By position: there can be many thousands.
        return Status(
            slot.path,
            "supervisor" if isinstance(spec, Supervisor) else "actor",
            state,
            slot.generation,
            slot.restarts,
            slot.failures,
            slot.since,
            next_try(slot, now) if state == "waiting" else None,
            now - slot.last_beat if state == "ready" and spec.policy.silence is not None else None,
            None if last is None else last.end,
            None if last is None else last.decision,
            () if below is None else self._statuses(below),
            None if life is None else life._exposed(),
        )

    def _on_started(self) -> None:
        if self._ready_at is None:
            self._ready_at = self._since = trio.current_time()
            self._runtime.publish(Ready(self.tree.name, 1, self._ready_at))
            self._started_or_ended.set()

    async def _live(self) -> None:
        """Run the root. It has no supervisor above it, so its one record is written here."""
        self._runtime.publish(Started(self.tree.name, 1, self._started_at))
        error: BaseException | None = None
        with trio.CancelScope(shield=True):
            try:
                await self._root.run()
            except GeneratorExit:
                raise
            except BaseException as caught:  # noqa: ASYNC103, BLE001 - raised by `opened`, outside of the nursery
                error = caught
        now = trio.current_time()
        end = classify(
            sort_caught(error),
            cancel_called=error is None,
            cause=None,
            cause_kind=None,
            started_at=self._started_at,
            ended_at=now,
            ready_at=self._ready_at,
        )
        if error is None:
            decision = Decision("stop", "the tree was stopped")
        else:
            decision = Decision("escalate", "the root has no supervisor; the embedding program gets the error")
        self._error, self._since = end.exception, now
        self._runtime.publish(Ended(self.tree.name, 1, now, end=end, decision=decision))
        self._runtime.say_last_words(now)
        self._runtime.close()
        self._ended.set()
        self._started_or_ended.set()
        if error is not None and self._body is not None:
            self._body.cancel("the tree has given up")

    async def _keep_time(self) -> None:
        try:
            with self._timekeeping:
                await self._runtime.timers.run()
        except Exception as bug:  # noqa: BLE001 - without timers nothing is bounded any more
            error = SupervisorError(f"bug in a timer of the supervisor, please report it: {bug!r}")
            error.__cause__ = bug
            self._root.machine.result = error
            self.hurry()

    async def _watch_signals(self, task_status: trio.TaskStatus[None]) -> None:
        with self._signals, trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as received:
            task_status.started()
            asked = False
            async for number in received:
                if asked:
                    self.hurry()
                else:
                    self.stop(signal.Signals(number).name)
                asked = True


def open_tree(
    tree: Supervisor, *, seed: int | None = None, watch_blocking: float | None = None
) -> AbstractAsyncContextManager[Running]:
    """See `Supervisor.open`."""
    tree.check()
    return Running(tree, seed).opened(watch_blocking=watch_blocking)


def _raise(tree_error: BaseException | None, body_error: BaseException | None) -> None:
    """Raise what came out of the tree or of the block; both, when both failed."""
    if tree_error is not None and body_error is not None and not isinstance(body_error, trio.Cancelled):
        if isinstance(tree_error, KeyboardInterrupt | SystemExit):
            raise tree_error from body_error
        raise BaseExceptionGroup("the tree and the block that it was opened for both failed", [tree_error, body_error])
    if tree_error is not None:
        raise tree_error
    if body_error is not None:
        raise body_error


async def run_tree(
    tree: Supervisor,
    *,
    seed: int | None = None,
    signals: bool = False,
    watch_blocking: float | None = None,
    task_status: trio.TaskStatus[Running] | None = None,
) -> None:
    """See `Supervisor.run`."""
    tree.check()
    async with Running(tree, seed).opened(signals=signals, watch_blocking=watch_blocking) as running:
        if task_status is not None:
            task_status.started(running)
        await running.wait_stopped()


def run(tree: Supervisor, *, seed: int | None = None, watch_blocking: float | None = None) -> None:
    """Run a tree as a whole program, until SIGTERM or SIGINT, or until the root gives up.

    Args:
        tree: The definition.
        seed: As in `Supervisor.open`.
        watch_blocking: As in `Supervisor.open`.

    Raises:
        BadTree: The definition is wrong.
        GaveUp: The root has given up.
    """
    tree.check()

    async def main() -> None:
        await run_tree(tree, seed=seed, signals=True, watch_blocking=watch_blocking)

    trio.run(main)
