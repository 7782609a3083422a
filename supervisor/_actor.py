"""Actors: the ``@actor`` decorator that carries default policies, and `child`, which puts an actor into a tree."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar, Unpack, cast, overload

from ._policy import Policy, PolicyOptions
from ._spec import ActorObject, Call, Child, with_options

if TYPE_CHECKING:
    from ._me import Me

P = ParamSpec("P")
C = TypeVar("C")


class Actor(Generic[P]):
    """An async function that can be a child; what ``@actor(...)`` makes of a function.

    It can still be called as the function that it is.
    """

    def __init__(
        self, function: Callable[Concatenate[Me, P], Awaitable[None]], policy: Policy, wrong: list[str]
    ) -> None:
        self._function = function
        self._policy = policy
        self._wrong = tuple(wrong)
        self.__name__: str = getattr(function, "__name__", repr(function))
        self.__qualname__: str = getattr(function, "__qualname__", self.__name__)
        self.__doc__ = function.__doc__
        self.__module__ = function.__module__
        self.__wrapped__ = function

    @cached_property
    def _signature(self) -> inspect.Signature:
        return inspect.signature(self._function)

    def __repr__(self) -> str:
        return f"<actor {self.__qualname__}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Actor) and (self._function, self._policy) == (other._function, other._policy)

    def __hash__(self) -> int:
        return hash(self._function)

    def __call__(self, me: Me, *args: P.args, **kwargs: P.kwargs) -> Awaitable[None]:
        """Call the function itself."""
        return self._function(me, *args, **kwargs)

    def child(self, name: str, /, *args: P.args, **kwargs: P.kwargs) -> Child:
        """Return a child that calls the function with these arguments; change its policy with ``.with_(...)``."""
        wrong = list(self._wrong)
        try:
            self._signature.bind(None, *args, **kwargs)
        except TypeError as mismatch:
            wrong.append(f"{self.__name__}(): {mismatch}")
        return Child(name, Call(self._function, args, tuple(kwargs.items())), self._policy, tuple(wrong))


class _ActorDecorator:
    """What ``@actor(...)`` returns: works on async functions and on classes with ``async def run(self, me)``."""

    def __init__(self, options: PolicyOptions) -> None:
        self._policy, self._wrong = with_options(Policy(), options)

    # A class is callable, too, so that the overloads overlap; the first one that fits is meant.
    @overload
    def __call__(self, target: type[C], /) -> type[C]: ...  # type: ignore[overload-overlap]
    @overload
    def __call__(self, target: Callable[Concatenate[Me, P], Awaitable[None]], /) -> Actor[P]: ...
    def __call__(self, target: Any, /) -> Any:
        if not isinstance(target, type):
            return Actor(target, self._policy, self._wrong)
        target_class = cast(Any, target)
        target_class.__policy__, target_class.__policy_wrong__ = self._policy, tuple(self._wrong)
        return target


def actor(**options: Unpack[PolicyOptions]) -> _ActorDecorator:
    """Declare the default policy of an actor.

    Decorates an async function ``async def f(me, ...)``, which then has ``.child(name, ...)``; or a frozen attrs class
    with ``async def run(self, me)``, whose instances go into `child`. Nothing else about the class changes.

    Args:
        options: See `Policy`. The place of use overrides them with ``with_``.
    """
    return _ActorDecorator(options)


def child(name: str, what: ActorObject | Callable[[Me], Awaitable[None]], /, **options: Unpack[PolicyOptions]) -> Child:
    """Return a child that runs an actor object, or an async function that takes only ``me``.

    Args:
        name: Unique among its siblings.
        what: A frozen value with ``async def run(self, me)``, or an async function.
        options: Override the defaults that the actor's class carries, see `Policy`.
    """
    policy: Policy = getattr(what, "__policy__", Policy())
    wrong = list(getattr(what, "__policy_wrong__", ()))
    if isinstance(what, type):
        wrong.append(f"{what.__name__} is a class; an instance is wanted: {what.__name__}(...)")
        runs: ActorObject = Call(what)
    elif isinstance(what, Actor):
        made = what.child(name)
        runs, policy, wrong = made.actor, made.policy, list(made.wrong)
    elif hasattr(what, "run"):
        runs = what
        if not inspect.iscoroutinefunction(what.run):
            wrong.append(f"{type(what).__name__}.run must be 'async def run(self, me)'")
    else:
        runs = Call(what)
        if not inspect.iscoroutinefunction(what):
            wrong.append(f"{what!r} is neither an async function nor an object with 'async def run(self, me)'")
    return Child(name, runs, policy, tuple(wrong)).with_(**options)
