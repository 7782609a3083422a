"""What is declared about a child: restart kind, backoff, limits, times. Pure values and functions."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any, Literal, TypedDict, cast

import attrs

from ._budget import Budget
from ._checks import is_seconds, is_whole

RestartKind = Literal["permanent", "transient", "temporary"]
Action = Literal["restart", "restart_now", "stop", "park", "escalate"]
AtLimit = Literal["escalate", "park"]
FirstStart = Literal["fail", "retry"]
Unstoppable = Literal["wait", "exit"]

RESTART_KINDS = ("permanent", "transient", "temporary")
ACTIONS_BY_SEVERITY = ("restart_now", "restart", "stop", "park", "escalate")
"""Later is worse: in a group of exceptions the worst leaf decides."""


@attrs.frozen
class Backoff:
    """Full jitter with a floor: the delay before try ``n`` is ``uniform(floor, min(cap, base * 2**n))`` seconds.

    Full jitter keeps its spread at the cap, where clamped schemes line every client up again (AWS's backoff simulator).
    """

    floor: float = 0.25
    """Least delay, seconds. A retry without any delay is a wasted connection attempt."""
    base: float = 0.5
    """Upper end of the first delay, seconds."""
    cap: float = 60.0
    """Upper end of every delay, seconds."""
    immediate_first: bool = False
    """Whether the first try after a healthy time comes at once."""

    def bounds(self, failures: int) -> tuple[float, float]:
        """Return the least and the greatest delay, seconds, after so many consecutive failures (1, 2, ...)."""
        if self.immediate_first:
            if failures <= 1:
                return (0.0, 0.0)
            failures -= 1
        # 2.0**1100 would overflow; the cap is reached long before.
        ceiling = min(self.cap, self.base * 2.0 ** min(max(failures - 1, 0), 1000))
        return (min(self.floor, ceiling), ceiling)

    def delay(self, failures: int, rng: Random) -> float:
        """Draw the delay, seconds, after so many consecutive failures (1, 2, ...)."""
        low, high = self.bounds(failures)
        return low if low == high else rng.uniform(low, high)

    def problems(self) -> list[str]:
        """Say what is wrong with the numbers."""
        found = [
            f"backoff.{name} must be a number of seconds >= 0, not {value!r}"
            for name, value in (("floor", self.floor), ("base", self.base), ("cap", self.cap))
            if not is_seconds(value)
        ]
        if not found and not self.floor <= self.base <= self.cap:
            found.append(f"backoff needs floor <= base <= cap, not {self.floor} / {self.base} / {self.cap}")
        return found

    def __str__(self) -> str:
        first = ", first at once" if self.immediate_first else ""
        return f"backoff {self.floor:g}..{self.base:g} s doubling to {self.cap:g} s{first}"


@attrs.frozen
class Limit:
    """How many restarts a supervisor allows in a sliding window. The failure after the last allowed one trips it."""

    restarts: int = 10
    within: float = 60.0
    """Length of the window, seconds. A restart exactly this old still counts, as in OTP."""
    then: AtLimit = "escalate"
    """What happens at the limit: the supervisor gives up, or the child is parked."""

    def problems(self) -> list[str]:
        """Say what is wrong with the numbers."""
        found = []
        if not is_whole(self.restarts, least=0):
            found.append(f"limit.restarts must be a whole number >= 0, not {self.restarts!r}")
        if not is_seconds(self.within) or self.within == 0:
            found.append(f"limit.within must be a number of seconds > 0, not {self.within!r}")
        if self.then not in ("escalate", "park"):
            found.append(f"limit.then must be 'escalate' or 'park', not {self.then!r}")
        return found

    def __str__(self) -> str:
        return f"at most {self.restarts} restarts in {self.within:g} s, then {self.then}"


@attrs.frozen
class Spread:
    """Spreading of restarts when many children fail for one reason: a link that flaps ends every connection at once."""

    failures: int = 8
    """How many failures of one kind, in the whole subtree, make a common cause."""
    within: float = 1.0
    """Within how many seconds."""
    over: float = 5.0
    """Each further restart is delayed by up to this many seconds more."""

    def problems(self) -> list[str]:
        """Say what is wrong with the numbers."""
        found = [] if is_whole(self.failures, least=1) else [f"spread.failures must be >= 1, not {self.failures!r}"]
        for name, value in (("within", self.within), ("over", self.over)):
            if not is_seconds(value):
                found.append(f"spread.{name} must be a number of seconds >= 0, not {value!r}")
        return found


class Window:
    """Counts restarts in the sliding window of a `Limit`."""

    def __init__(self) -> None:
        self._times: list[float] = []

    def allows(self, now: float, limit: Limit) -> bool:
        """Say whether one more restart at ``now`` is within the limit, and count it if so."""
        if self.used(now, limit) >= limit.restarts:
            return False
        self._times.append(now)
        return True

    def used(self, now: float, limit: Limit) -> int:
        """Return how many restarts the window holds at ``now``."""
        over = 0
        while over < len(self._times) and now - self._times[over] > limit.within:
            over += 1
        del self._times[:over]
        return len(self._times)


class PolicyOptions(TypedDict, total=False):
    """The options of a child, as keywords. See `Policy`, which has the same names and the defaults."""

    restart: RestartKind
    on: Mapping[type[BaseException], Action]
    backoff: Backoff
    healthy_after: float
    max_failures: int | None
    at_max: AtLimit
    ready_within: float | None
    silence: float | None
    grace: float
    bound: float
    unstoppable: Unstoppable
    first_start: FirstStart
    significant: bool
    budget: Budget | None


def _freeze(on: Any) -> Any:
    return tuple(on.items()) if isinstance(on, Mapping) else on


@attrs.frozen
class Policy:
    """Everything that is declared about one child except what it runs. All times are seconds."""

    restart: RestartKind = "permanent"
    """permanent: after every end; transient: after a failure; temporary: never."""
    on: tuple[tuple[type[BaseException], Action], ...] = attrs.field(default=(), converter=_freeze)
    """What to do by exception class; the first class that matches wins, in a group the worst leaf decides."""
    backoff: Backoff = Backoff()
    healthy_after: float = 30.0
    """How long it must have been ready before its consecutive failures are forgotten."""
    max_failures: int | None = None
    """Consecutive failures without becoming healthy after which restarting ends; None: never."""
    at_max: AtLimit = "escalate"
    """What happens at `max_failures`."""
    ready_within: float | None = None
    """Time allowed until `Me.ready`; the next child starts only then. None: ready as soon as it runs."""
    silence: float | None = None
    """Longest time without `Me.beat` before the child counts as stuck; None: not watched."""
    grace: float = 5.0
    """Time from the stop until cleanup is cut off."""
    bound: float = 1.0
    """Time after the grace until the child is reported as unstoppable."""
    unstoppable: Unstoppable = "wait"
    """What happens to a child that does not end after its bound: wait for it, or stop the rest and end the process."""
    first_start: FirstStart = "fail"
    """A failure before the first `ready`: fail the supervisor, or retry with backoff."""
    significant: bool = False
    """Whether its normal end can end its supervisor, see `Supervisor`'s ``auto_shutdown``."""
    budget: Budget | None = None
    """What each start draws from; shared by all children of the tree that declare an equal one."""

    def problems(self) -> list[str]:
        """Say what is wrong or contradicts itself."""
        found = [f"{name} {message}" for name, message in self._wrong_values()]
        backoff: object = self.backoff
        found += (
            backoff.problems() if isinstance(backoff, Backoff) else [f"backoff must be a Backoff(...), not {backoff!r}"]
        )
        if self.restart == "temporary":
            restarting = [key.__name__ for key, action in self._on_pairs() if action in ("restart", "restart_now")]
            if restarting:
                found.append(f"restart='temporary' contradicts on={{{restarting[0]}: 'restart'}}")
            if self.first_start == "retry":
                found.append("restart='temporary' contradicts first_start='retry'")
        if self.significant and self.restart == "permanent":
            found.append("significant=True contradicts restart='permanent': such a child never ends for good")
        return found

    def _on_pairs(self) -> list[tuple[type[BaseException], Action]]:
        on: object = self.on
        return [(key, action) for key, action in on if isinstance(key, type)] if isinstance(on, tuple) else []

    def _wrong_values(self) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        choices: list[tuple[str, object, tuple[str, ...]]] = [
            ("restart", self.restart, RESTART_KINDS),
            ("at_max", self.at_max, ("escalate", "park")),
            ("first_start", self.first_start, ("fail", "retry")),
            ("unstoppable", self.unstoppable, ("wait", "exit")),
        ]
        for name, value, allowed in choices:
            if value not in allowed:
                found.append((name, f"must be one of {', '.join(map(repr, allowed))}, not {value!r}"))
        for name, value in (("healthy_after", self.healthy_after), ("grace", self.grace), ("bound", self.bound)):
            if not is_seconds(value):
                found.append((name, f"must be a number of seconds >= 0, not {value!r}"))
        for name, optional in (("ready_within", self.ready_within), ("silence", self.silence)):
            if optional is not None and (not is_seconds(optional) or optional == 0):
                found.append((name, f"must be a number of seconds > 0, or None, not {optional!r}"))
        significant, budget = cast(object, self.significant), cast(object, self.budget)
        if not isinstance(significant, bool):
            found.append(("significant", f"must be True or False, not {significant!r}"))
        if budget is not None and not isinstance(budget, Budget):
            found.append(("budget", f"must be a Budget(...), or None, not {budget!r}"))
        if self.max_failures is not None and not is_whole(self.max_failures, least=1):
            found.append(("max_failures", f"must be a whole number >= 1, or None, not {self.max_failures!r}"))
        return found + [("on", message) for message in _wrong_mapping(self.on)]


def _wrong_mapping(on: object) -> list[str]:
    if not isinstance(on, tuple):
        return [f"must map exception classes to actions, not {on!r}"]
    found = []
    for key, action in on:
        if not (isinstance(key, type) and issubclass(key, BaseException)):
            found.append(f"must have exception classes as keys, not {key!r}")
        if action not in ACTIONS_BY_SEVERITY:
            found.append(f"must map to one of {', '.join(ACTIONS_BY_SEVERITY)}, not {action!r}")
    return found


POLICY_OPTIONS: tuple[str, ...] = tuple(field.name for field in attrs.fields(Policy))
