"""Faults as values, scripts of faults, and the registry of their kinds. What each kind does is in `_fault_kinds`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from random import Random
from typing import TYPE_CHECKING, Protocol

import attrs

from ._record import Surface
from ._rules import SPOT, USDM

if TYPE_CHECKING:
    from ._dialect import Dialect, Floor
    from ._hub import Connection, Hub

GARBAGE = '{"stream":"btcusdt@trade","data":{"e":"tra'
"""What a broken frame says unless told otherwise: JSON that was cut off."""

EVERYDAY = ("close", "expire_key", "garbage", "http_5xx", "mute", "refuse", "reset")
"""What every bot must live through every day; a random script draws from these unless told otherwise."""


class Target(Protocol):
    """What a fault may reach of the exchange."""

    @property
    def hub(self) -> Hub:
        """The connections and the faults in force."""

    @property
    def dialects(self) -> dict[str, Dialect]:
        """By venue, how it speaks."""

    @property
    def floors(self) -> dict[str, Floor]:
        """By venue, its credentials and accounts."""


@attrs.frozen
class Kind:
    """One kind of fault.

    Args:
        name: as scripts spell it.
        surfaces: where it makes sense.
        timed: whether it has a duration.
        apply: does it at once and says which connections it hit.
        venues: where it makes sense; empty: everywhere.
    """

    name: str
    surfaces: tuple[Surface, ...]
    timed: bool
    apply: Callable[[Target, Fault], list[int]]
    venues: tuple[str, ...] = ()


KINDS: dict[str, Kind] = {}


@attrs.frozen(kw_only=True)
class Fault:
    """One thing that goes wrong. Printing it gives the line that makes it again.

    Raises:
        ValueError: the kind is unknown, has no meaning on that surface, or lacks its duration.
    """

    kind: str = attrs.field(kw_only=False)
    venue: str | None = None
    """None: all venues."""
    surface: Surface = "ws"
    """"ws" (public streams), "private" (user streams) or "rest"."""
    duration: float = 0.0
    """Seconds it lasts; of notice: from the announcement to the close."""
    code: int = 1001
    """Close code: of close, accept_then_close, notice and maintenance."""
    newcomers: bool = True
    """Whether a mute or half_open also covers connections made while it lasts."""
    notice: bool = True
    """Whether the end of what private streams stand on is told to them: of expire_key and revoke_key."""
    status: int = 503
    """Of http_5xx."""
    text: str = GARBAGE
    """Of garbage."""
    share: float = 1.0
    """Of the topics of each connection, for lost_subscription; of the frames, for duplicate and reorder."""
    delay: float = 0.5
    """Seconds before each write, for slow; seconds by which REST is behind, for rest_lag."""
    chunk: int = 0
    """Bytes of each write, for slow; 0: all there is."""
    size: int = 5 * 1024 * 1024
    """Bytes of the message, for oversized."""
    shift: float = 5.0
    """Seconds by which the venue's clock is ahead, for clock_skew; below zero: behind."""
    variant: int = 0
    """Which of the venue's forms a notice has, where it has several. Of rest_lag: 0 all is behind, 1 fills, 2 orders."""
    count: int = 1
    """How many frames, for drop_events and replay_events."""

    def __attrs_post_init__(self) -> None:
        kind = KINDS.get(self.kind)
        if kind is None:
            raise ValueError(f"unknown fault {self.kind!r}; there are {', '.join(sorted(KINDS))}")
        if self.surface not in kind.surfaces:
            raise ValueError(f"{self.kind} is for {', '.join(kind.surfaces)}, not for {self.surface}")
        if kind.timed != (self.duration > 0):
            raise ValueError(f"{self.kind} {'needs a' if kind.timed else 'has no'} duration")
        if not 500 <= self.status <= 599:
            raise ValueError(f"{self.status} is not of the 5xx class")
        if kind.venues and self.venue is not None and self.venue not in kind.venues:
            raise ValueError(f"{self.kind} is for {', '.join(kind.venues)}, not for {self.venue}")
        if not 0 < self.share <= 1 or self.delay <= 0 or self.chunk < 0 or self.size < 1 or self.count < 1:
            raise ValueError("a fault has a share of up to 1, and a delay, sizes and counts above zero")

    def __str__(self) -> str:
        given = [
            f"{field.name}={getattr(self, field.name)!r}"
            for field in attrs.fields(Fault)
            if field.name != "kind" and getattr(self, field.name) != field.default
        ]
        return f"Fault({', '.join([repr(self.kind), *given])})"

    __repr__ = __str__

    @staticmethod
    def kinds() -> tuple[str, ...]:
        """All kinds there are, for `FaultScript.random(kinds=...)`."""
        return tuple(sorted(KINDS))


def _ordered(entries: Iterable[tuple[float, Fault]]) -> tuple[tuple[float, Fault], ...]:
    listed = tuple(entries)
    if any(at < 0 for at, _ in listed):
        raise ValueError("a fault cannot be before the run")
    return tuple(sorted(listed, key=lambda entry: entry[0]))


@attrs.frozen
class FaultScript:
    """Faults at given seconds after the run began. Printing it gives the expression that makes it again."""

    entries: tuple[tuple[float, Fault], ...] = attrs.field(converter=_ordered)

    def __iter__(self) -> Iterator[tuple[float, Fault]]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def __str__(self) -> str:
        lines = "".join(f"    ({at!r}, {fault}),\n" for at, fault in self.entries)
        return f"FaultScript([\n{lines}])"

    __repr__ = __str__

    @classmethod
    def random(
        cls,
        seed: int,
        seconds: float,
        *,
        mean_gap: float = 30.0,
        venues: Sequence[str] = (SPOT, USDM),
        kinds: Sequence[str] | None = None,
        surfaces: Sequence[Surface] = ("ws", "private", "rest"),
        longest: float = 30.0,
    ) -> FaultScript:
        """A script drawn from a seed.

        Args:
            seed: the same seed and arguments give the same script.
            seconds: how long the bad day lasts.
            mean_gap: seconds between two faults, on average.
            venues: which venues are hit.
            kinds: which kinds occur; None: the everyday ones. `Fault.kinds()` are all.
            surfaces: which surfaces are hit.
            longest: seconds, of any timed fault.

        Raises:
            ValueError: no kind fits any of the surfaces.
        """
        random = Random(seed)
        choices = [
            (kind, venue, surface)
            for kind in (EVERYDAY if kinds is None else kinds)
            for venue in venues
            for surface in KINDS[kind].surfaces
            if surface in surfaces and (not KINDS[kind].venues or venue in KINDS[kind].venues)
        ]
        if not choices:
            raise ValueError("no kind of fault fits these venues and surfaces")
        entries: list[tuple[float, Fault]] = []
        at = random.expovariate(1 / mean_gap)
        while at < seconds:
            kind, venue, surface = random.choice(choices)
            duration = round(random.uniform(0.1, longest), 3) if KINDS[kind].timed else 0.0
            fault = Fault(kind, venue=venue, surface=surface, duration=duration)
            if kind == "close":
                fault = attrs.evolve(fault, code=random.choice((1000, 1001, 1008, 1011, 1012)))
            elif kind == "expire_key":
                fault = attrs.evolve(fault, notice=random.random() < 0.5)
            elif kind == "http_5xx":
                fault = attrs.evolve(fault, status=random.choice((500, 502, 503, 504)))
            entries.append((round(at, 3), fault))
            at += random.expovariate(1 / mean_gap)
        return cls(entries)


def ids_of(hit: Sequence[Connection]) -> list[int]:
    """The ids of connections, for the record."""
    return [connection.record.id for connection in hit]


def venues_of(hub: Hub, fault: Fault) -> list[str]:
    """The venues that a fault hits."""
    return [venue for venue in hub.rules if fault.venue in (None, venue)]


Apply = Callable[["Target", "Fault"], "list[int]"]


def kind(name: str, *surfaces: Surface, timed: bool = False, venues: tuple[str, ...] = ()) -> Callable[[Apply], Apply]:
    """Register what a kind of fault does; see `Kind`."""

    def register(apply: Apply) -> Apply:
        KINDS[name] = Kind(name, surfaces, timed, apply, venues)
        return apply

    return register
