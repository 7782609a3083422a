"""Faults as values, scripts of faults, and what each kind does. A new kind is one function and one registration."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from random import Random
from typing import Protocol

import attrs

from ._accounts import ListenKeys
from ._frames import Opcode, encode
from ._hub import Hub, Mute, Subscriber
from ._record import Surface
from ._rules import SPOT, USDM

GARBAGE = '{"stream":"btcusdt@trade","data":{"e":"tra'
"""What a broken frame says unless told otherwise: JSON that was cut off."""


class Target(Protocol):
    """What a fault may reach of the exchange."""

    @property
    def hub(self) -> Hub:
        """The connections and the faults in force."""

    @property
    def listen_keys(self) -> ListenKeys:
        """Of the USD-M accounts."""

    @property
    def api_keys(self) -> Sequence[str]:
        """The accounts."""


@attrs.frozen
class Kind:
    """One kind of fault.

    Args:
        name: as scripts spell it.
        surfaces: where it makes sense.
        timed: whether it has a duration.
        apply: does it at once and says which connections it hit.
    """

    name: str
    surfaces: tuple[Surface, ...]
    timed: bool
    apply: Callable[[Target, Fault], list[int]]


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
    """Seconds; for mute, refuse and http_5xx."""
    code: int = 1001
    """Close code, for close."""
    newcomers: bool = True
    """Whether a mute also covers connections made while it lasts."""
    notice: bool = True
    """Whether expire_key is told to streams that listen for it."""
    status: int = 503
    """Of http_5xx."""
    text: str = GARBAGE
    """Of garbage."""

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

    def __str__(self) -> str:
        given = [
            f"{field.name}={getattr(self, field.name)!r}"
            for field in attrs.fields(Fault)
            if field.name != "kind" and getattr(self, field.name) != field.default
        ]
        return f"Fault({', '.join([repr(self.kind), *given])})"

    __repr__ = __str__

    def apply(self, target: Target) -> list[int]:
        """Do it now; the ids of the connections that were hit."""
        return KINDS[self.kind].apply(target, self)


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
            kinds: which kinds occur; None: all.
            surfaces: which surfaces are hit; spot has no private one.
            longest: seconds, of any timed fault.

        Raises:
            ValueError: no kind fits any of the surfaces.
        """
        random = Random(seed)
        choices = [
            (kind, venue, surface)
            for kind in (sorted(KINDS) if kinds is None else kinds)
            for venue in venues
            for surface in KINDS[kind].surfaces
            if surface in surfaces and not (surface == "private" and venue == SPOT)
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


def _kind(
    name: str, *surfaces: Surface, timed: bool = False
) -> Callable[[Callable[[Target, Fault], list[int]]], Callable[[Target, Fault], list[int]]]:
    def register(apply: Callable[[Target, Fault], list[int]]) -> Callable[[Target, Fault], list[int]]:
        KINDS[name] = Kind(name, surfaces, timed, apply)
        return apply

    return register


@_kind("reset", "ws", "private", "rest")
def _reset(target: Target, fault: Fault) -> list[int]:
    """TCP reset of every connection."""
    hit = target.hub.targets(fault.venue, fault.surface)
    for connection in hit:
        connection.reset("reset by a fault")
    return [connection.record.id for connection in hit]


@_kind("close", "ws", "private", "rest")
def _close(target: Target, fault: Fault) -> list[int]:
    """Orderly close of every connection, with a close code where there is one."""
    hit = target.hub.targets(fault.venue, fault.surface)
    for connection in hit:
        connection.close(fault.code, "closed by a fault")
    return [connection.record.id for connection in hit]


@_kind("mute", "ws", "private", "rest", timed=True)
def _mute(target: Target, fault: Fault) -> list[int]:
    """No frame of any kind for a while; the market goes on, and what it prints is lost to the connection."""
    hub = target.hub
    until = hub.clock.now() + fault.duration
    for venue in _venues(hub, fault):
        hub.mutes[venue, fault.surface] = Mute(until, fault.newcomers)
    hit = hub.targets(fault.venue, fault.surface)
    for connection in hit:
        connection.mute(until)
    return [connection.record.id for connection in hit]


@_kind("refuse", "ws", "rest", timed=True)
def _refuse(target: Target, fault: Fault) -> list[int]:
    """The listener is closed: connections are refused, existing ones live on. "ws" carries private streams too."""
    hub = target.hub
    until = hub.clock.now() + fault.duration
    for venue in _venues(hub, fault):
        hub.refusals[venue, fault.surface] = max(until, hub.refusals.get((venue, fault.surface), 0.0))
        for notify in hub.on_refuse:
            notify(venue, fault.surface, hub.refusals[venue, fault.surface])
    return []


@_kind("expire_key", "private")
def _expire_key(target: Target, fault: Fault) -> list[int]:
    """Every listen key ends now; the sockets stay open and fall silent."""
    hub, hit = target.hub, []
    for api_key in target.api_keys if fault.venue in (None, USDM) else ():
        key = target.listen_keys.expire(api_key, hub.clock.now(), notice=fault.notice)
        if key is not None:
            hit += [c.record.id for c in hub.subscribers.values() if key.value in c.session.user_streams]
            hub.tell_expired(key.value)
    return hit


@_kind("garbage", "ws", "private")
def _garbage(target: Target, fault: Fault) -> list[int]:
    """A text frame that is not JSON."""
    hub = target.hub
    hit: list[Subscriber] = [
        hub.subscribers[connection.record.id]
        for connection in hub.targets(fault.venue, fault.surface)
        if connection.record.id in hub.subscribers
    ]
    for connection in hit:
        connection.deliver(encode(Opcode.TEXT, fault.text.encode()))
    return [connection.record.id for connection in hit]


@_kind("http_5xx", "rest", timed=True)
def _http_5xx(target: Target, fault: Fault) -> list[int]:
    """Every REST request fails for a while, whatever it asks."""
    hub = target.hub
    for venue in _venues(hub, fault):
        hub.failures[venue] = (hub.clock.now() + fault.duration, fault.status)
    return [connection.record.id for connection in hub.targets(fault.venue, "rest")]


def _venues(hub: Hub, fault: Fault) -> list[str]:
    return [venue for venue in hub.rules if fault.venue in (None, venue)]
