"""What is declared about a child: restart kind, backoff, limits, times. Pure values and functions."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from random import Random
from typing import Any, Literal, TypedDict

import attrs

RestartKind = Literal["permanent", "transient", "temporary"]
Action = Literal["restart", "restart_now", "stop", "park", "escalate"]
AtLimit = Literal["escalate", "park"]
FirstStart = Literal["fail", "retry"]

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


class Window:
    """Counts restarts in the sliding window of a `Limit`."""

    def __init__(self, limit: Limit) -> None:
        self._limit = limit
        self._times: deque[float] = deque()

    def allows(self, now: float) -> bool:
        """Count one restart at ``now`` and say whether it is still within the limit."""
        self._forget(now)
        self._times.append(now)
        if len(self._times) <= self._limit.restarts:
            return True
        self._times.pop()  # It will not be a restart.
        return False

    def used(self, now: float) -> int:
        """Return how many restarts the window holds at ``now``."""
        self._forget(now)
        return len(self._times)

    def _forget(self, now: float) -> None:
        while self._times and now - self._times[0] > self._limit.within:
            self._times.popleft()


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
    first_start: FirstStart


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
    first_start: FirstStart = "fail"
    """A failure before the first `ready`: fail the supervisor, or retry with backoff."""

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


def is_seconds(value: object) -> bool:
    """Say whether the value is a finite number of seconds, zero or more."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0


def is_whole(value: object, *, least: int) -> bool:
    """Say whether the value is a whole number, and not below the least."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def is_name(value: object) -> bool:
    """Say whether the value is printable text."""
    return isinstance(value, str) and bool(value) and value.isprintable()
