"""The tree as an immutable value: `Child` and `Supervisor`.

A definition is checked when it is built. A `Supervisor` whose children have problems raises `BadTree` with every
problem and its path. The path starts at the supervisor being built; inside `collecting_problems` (the command uses it)
nothing is raised until the root asks, so that every path starts at the root.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import (
    TYPE_CHECKING,
    Any,
    Literal,
    Protocol,
    TypeAlias,
    TypedDict,
    Unpack,
    cast,
)

import attrs

from ._checks import is_name, is_whole
from ._errors import BadTree, Problem
from ._policy import POLICY_OPTIONS, Limit, Policy, PolicyOptions, Spread
from ._strategy import STRATEGIES, Strategy

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    import trio

    from ._me import Me
    from ._running import Running

_collecting: ContextVar[bool] = ContextVar("collecting_problems", default=False)


@contextmanager
def collecting_problems() -> Iterator[None]:
    """Let definitions with problems be built; `Supervisor.check` then reports all of them with their full paths."""
    token = _collecting.set(True)
    try:
        yield
    finally:
        _collecting.reset(token)


class ActorObject(Protocol):
    """What a child can run: a frozen value with an async method ``run``."""

    async def run(self, me: Me, /) -> None:
        """Live one incarnation. Return: normal end. Raise: failure."""


@attrs.frozen
class Call:
    """An async function with its arguments, as an actor."""

    function: Callable[..., Awaitable[None]]
    args: tuple[Any, ...] = ()
    kwargs: tuple[tuple[str, Any], ...] = ()

    async def run(self, me: Me, /) -> None:
        """Call the function for one incarnation."""
        await self.function(me, *self.args, **dict(self.kwargs))

    def __str__(self) -> str:
        return f"{getattr(self.function, '__qualname__', self.function)}()"


def with_options(
    policy: Policy, options: PolicyOptions, all_options: Sequence[str] = POLICY_OPTIONS
) -> tuple[Policy, list[str]]:
    """Return the policy with the options changed, and what is wrong with them."""
    if not options:
        return policy, []
    problems: list[str] = []
    known: dict[str, Any] = {}
    for name, value in options.items():
        if name in POLICY_OPTIONS:
            known[name] = value
        else:
            problems.append(unknown_option(name, all_options))
    changed = attrs.evolve(policy, **known)
    if found := changed.problems():
        known_before = policy.problems()
        problems += [problem for problem in found if problem not in known_before]
    return changed, problems


def unknown_option(name: str, known: Sequence[str]) -> str:
    """Say that an option does not exist, and which one was probably meant."""
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"the options are {', '.join(known)}"
    return f"unknown option {name!r}; {hint}"


@attrs.frozen
class Child:
    """One child of a supervisor: what it runs, and its policy. Made by `child` or by ``some_actor.child(...)``."""

    name: str
    actor: ActorObject
    policy: Policy = Policy()
    wrong: tuple[str, ...] = ()
    """What is wrong with it, without its path; reported by the supervisor that it is given to."""

    def with_(self, **options: Unpack[PolicyOptions]) -> Child:
        """Return the same child with some options of its policy changed."""
        policy, wrong = with_options(self.policy, options)
        return attrs.evolve(self, policy=policy, wrong=self.wrong + tuple(wrong))

    def problems(self) -> list[Problem]:
        """Return what is wrong with this child."""
        return [Problem(str(self.name), message) for message in (*_wrong_name(self.name), *self.wrong)]

    def describe(self) -> list[str]:
        """Return what it is, without its policy, for the printed tree."""
        return [str(self.actor) if isinstance(self.actor, Call) else type(self.actor).__name__]

    def __str__(self) -> str:
        from ._render import render

        return render(self)


AutoShutdown = Literal["never", "any", "all"]


class SupervisorOptions(TypedDict, total=False):
    """The options of a `Supervisor` of its own, as keywords; see there."""

    strategy: Strategy
    limit: Limit
    auto_shutdown: AutoShutdown
    spread: Spread | None
    template: Callable[..., Child] | None
    max_children: int | None
    keep_added: bool


class AllSupervisorOptions(SupervisorOptions, PolicyOptions):
    """A supervisor's own options, and those of its policy as a child."""


@attrs.frozen(init=False)
class Supervisor:
    """A supervisor and its children: an immutable value, and itself a child like any other.

    Args:
        name: Its name; a child's path is the names from the root down, joined by ``/``.
        children: In start order. They stop in reverse.
        options: Those described below, and the supervisor's own policy as a child of another one, see `Policy`.

    Raises:
        BadTree: Something is wrong with it or with anything below it.
    """

    name: str
    children: tuple[Child | Supervisor, ...]
    strategy: Strategy = "one_for_one"
    """one_for_one: only the child that failed restarts; one_for_all: all do; rest_for_one: it and those after it do."""
    limit: Limit = Limit()
    """Restarts allowed in a window, and what happens at the limit."""
    auto_shutdown: AutoShutdown = "never"
    """Whether the normal end of any, or of all, significant children ends the supervisor, normally."""
    spread: Spread | None = None
    """When failures below it count as one common cause. None: as the supervisor above it says; the root's default is
    ``Spread()``."""
    template: Callable[..., Child] | None = None
    """Makes every child of this supervisor: ``running.add(path, "name", ...)`` calls it. They stop together."""
    max_children: int | None = None
    """Most children at a time, waiting ones included; None: any number."""
    keep_added: bool = False
    """Whether children added while running are started again when the supervisor itself is restarted."""
    policy: Policy = Policy()
    wrong: tuple[str, ...] = attrs.field(default=(), repr=False)

    def __init__(
        self, name: str, children: Sequence[Child | Supervisor] = (), **options: Unpack[AllSupervisorOptions]
    ) -> None:
        given: dict[str, Any] = dict(options)
        own: dict[str, Any] = {option: given.pop(option) for option in SUPERVISOR_OPTIONS if option in given}
        policy, wrong = with_options(Policy(), given, (*POLICY_OPTIONS, *SUPERVISOR_OPTIONS))  # type: ignore[arg-type]
        listed, misplaced = _sorted_out(children)
        wrong += [*_inapplicable(given), *misplaced]
        self.__attrs_init__(name=name, children=listed, policy=policy, wrong=tuple(wrong), **own)
        if not _collecting.get():
            self.check()

    def with_(self, **options: Unpack[AllSupervisorOptions]) -> Supervisor:
        """Return the same supervisor with some options changed."""
        given: dict[str, Any] = {option: getattr(self, option) for option in SUPERVISOR_OPTIONS}
        given |= {
            option: getattr(self.policy, option) for option in POLICY_OPTIONS if option not in _NOT_FOR_SUPERVISORS
        }
        return Supervisor(self.name, self.children, **(given | dict(options)))

    def problems(self) -> list[Problem]:
        """Return what is wrong in this whole tree, with paths from here."""
        own = [*_wrong_name(self.name), *self.wrong, *_wrong_options(self)]
        names = Counter(child.name for child in self.children)
        own += [f"{count} children are named {name!r}" for name, count in names.items() if count > 1]
        found = [Problem(str(self.name), message) for message in own]
        for child in self.children:
            found += [problem.under(str(self.name)) for problem in child.problems()]
        return found

    def check(self) -> None:
        """Raise `BadTree` if anything is wrong in this tree."""
        problems = self.problems()
        if problems:
            raise BadTree(problems)

    def describe(self) -> list[str]:
        """Return what it is, without its policy, for the printed tree."""
        parts = [self.strategy, str(self.limit)]
        if self.auto_shutdown != "never":
            parts.append(f"auto_shutdown {self.auto_shutdown}")
        if self.template is not None:
            parts.append("from a template")
        if self.max_children is not None:
            parts.append(f"at most {self.max_children} children")
        return parts

    def open(
        self, *, seed: int | None = None, watch_blocking: float | None = None
    ) -> AbstractAsyncContextManager[Running]:
        """Start the tree inside any Trio program: ``async with tree.open() as running:``.

        Entering returns when every first start is done, in order. Leaving stops the children in reverse order, also
        under cancellation. When the root gives up, the block is cancelled and `GaveUp` comes out of it.

        Args:
            seed: For jitter. The same seed on the same schedule gives the same run.
            watch_blocking: Seconds, in real time, that an actor may compute without awaiting; longer ones are named in
                a `Blocked` event. None: not watched. Costs up to a fifth of the speed of switching tasks.
        """
        from ._running import open_tree

        return open_tree(self, seed=seed, watch_blocking=watch_blocking)

    async def run(  # noqa: ASYNC128 - run_tree calls started()
        self,
        *,
        seed: int | None = None,
        signals: bool = False,
        watch_blocking: float | None = None,
        task_status: trio.TaskStatus[Running] | None = None,
    ) -> None:
        """Run the tree until it ends, for ``running = await nursery.start(tree.run)``.

        Cancellation stops the children in reverse order before it takes effect.

        Args:
            seed: As in `open`.
            signals: Whether SIGTERM and SIGINT stop the tree in order; a second one hurries.
            watch_blocking: As in `open`.
            task_status: Trio's; the `Running` is handed over when every first start is done.
        """
        from ._running import run_tree

        await run_tree(self, seed=seed, signals=signals, watch_blocking=watch_blocking, task_status=task_status)

    def __str__(self) -> str:
        from ._render import render

        return render(self)


Node: TypeAlias = Child | Supervisor

SUPERVISOR_OPTIONS: tuple[str, ...] = tuple(SupervisorOptions.__annotations__)


def time_to_stop(node: Node) -> float:
    """Return how long the declared times allow a stop of this node to take, seconds."""
    if isinstance(node, Child):
        return node.policy.grace + node.policy.bound
    return sum(time_to_stop(child) for child in node.children)


def _wrong_options(node: Supervisor) -> list[str]:
    """Say what is wrong with a supervisor's own options, and where they contradict each other."""
    found: list[str] = []
    choices: list[tuple[str, object, tuple[str, ...]]] = [
        ("strategy", node.strategy, STRATEGIES),
        ("auto_shutdown", node.auto_shutdown, ("never", "any", "all")),
    ]
    for name, value, allowed in choices:
        if value not in allowed:
            found.append(f"{name} must be one of {', '.join(map(repr, allowed))}, not {value!r}")
    limit, spread, most, keep = (
        cast(object, value) for value in (node.limit, node.spread, node.max_children, node.keep_added)
    )
    found += limit.problems() if isinstance(limit, Limit) else [f"limit must be a Limit(...), not {limit!r}"]
    if spread is not None:
        found += spread.problems() if isinstance(spread, Spread) else [f"spread must be a Spread(...), not {spread!r}"]
    if most is not None and not is_whole(most, least=1):
        found.append(f"max_children must be a whole number >= 1, or None, not {most!r}")
    elif most is not None and len(node.children) > node.max_children:  # type: ignore[operator]
        found.append(f"max_children={most} contradicts its {len(node.children)} children")
    if not isinstance(keep, bool):
        found.append(f"keep_added must be True or False, not {keep!r}")
    return found + _wrong_shutdown(node)


def _wrong_shutdown(node: Supervisor) -> list[str]:
    found = []
    if node.template is not None:
        if not callable(cast(object, node.template)):
            found.append(f"template must be a function that returns a Child, not {node.template!r}")
        if node.children:
            found.append("template= contradicts a list of children; add them while it runs")
        if node.strategy != "one_for_one":
            found.append(f"template= contradicts strategy={node.strategy!r}: its children do not depend on each other")
        if node.auto_shutdown != "never":
            found.append("template= contradicts auto_shutdown: none of its children is significant")
    if node.auto_shutdown == "never":
        found += [
            f"child {child.name!r} is significant, which means nothing with auto_shutdown='never'"
            for child in node.children
            if child.policy.significant is True
        ]
    return found


def _wrong_name(name: object) -> list[str]:
    if is_name(name) and "/" not in str(name):
        return []
    return [f"a name must be printable text without '/', not {name!r}"]


_NOT_FOR_SUPERVISORS = {
    "ready_within": "a supervisor is ready when its children are; set it on them",
    "silence": "a supervisor gives no beats; set it on its children",
    "grace": "a supervisor stops within the times of its children; set it on them",
    "bound": "a supervisor stops within the times of its children; set it on them",
}


def _inapplicable(options: Mapping[str, Any]) -> list[str]:
    return [f"{name}: {why}" for name, why in _NOT_FOR_SUPERVISORS.items() if name in options]


def _sorted_out(children: Sequence[Any]) -> tuple[tuple[Node, ...], list[str]]:
    """Part the children into real ones and messages about what else was in the list."""
    listed: list[Node] = []
    wrong: list[str] = []
    for place, found in enumerate(children):
        if isinstance(found, Child | Supervisor):
            listed.append(found)
        elif hasattr(found, "child"):
            wrong.append(f"child {place} is the actor {found!r} itself; write {found.__name__}.child('name', ...)")
        elif hasattr(found, "run"):
            wrong.append(
                f"child {place} is {type(found).__name__}(...); write child('name', {type(found).__name__}(...))"
            )
        else:
            wrong.append(f"child {place} must be a Child or a Supervisor, not {found!r}")
    return tuple(listed), wrong
