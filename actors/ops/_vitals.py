"""Vital signs: what owners of data tell about their streams, and the verdict about a whole tree. Pure.

An owner (a feed, a book, an account) calls `Me.expose` with a function that returns `facts`. Whether the bot needs it is
declared in the tree: an actor with a field ``required: bool`` is an owner, and a required one that has not told anything
yet is as bad as one that tells of trouble.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, TypeAlias

import attrs

from supervisor import Child, Status, Supervisor

VitalKind: TypeAlias = Literal["feed", "quotes", "book", "best", "account"]

_ALIVE = frozenset({"starting", "ready"})


@attrs.frozen
class StreamVital:
    """One stream of an owner, such as the trades of one symbol, at one moment."""

    name: str
    """``BTCUSDT``; of an account its name."""
    live: bool
    """Whether what it delivers is complete and current, as far as its owner knows."""
    reason: str = ""
    """Why it is not live, or since when it is."""
    age: float | None = None
    """Seconds since the last item; None: none yet, or it is quiet by nature."""
    limit: float | None = None
    """Seconds of age from which on it is stale. None: there is no such age."""
    rate: float | None = None
    """Items per second, lately."""
    lag: float | None = None
    """Milliseconds from the exchange's stamp to our receiving it, lately."""
    gaps: int = 0
    """Holes so far that could not be filled."""
    state: str | None = None
    """A word of the owner's own, such as ``reconciling``."""

    @property
    def stale(self) -> bool:
        """Whether its last item is too old."""
        return self.age is not None and self.limit is not None and self.age > self.limit


_FIELDS = tuple(field.name for field in attrs.fields(StreamVital))
_NUMBERS = ("age", "limit", "rate", "lag")


@attrs.frozen
class Vital:
    """One owner of data at one moment."""

    path: str
    vital: str
    """What it owns: feed, quotes, book, best or account. Empty: it has never told."""
    venue: str
    required: bool
    alive: bool
    """Whether an incarnation of it lives."""
    condition: str
    """State of the child in words: ``ready``, ``parked``, ``waiting, next try in 3.2 s``."""
    streams: tuple[StreamVital, ...] = ()
    trouble: str = ""
    """What it told instead of its vital signs."""

    def problems(self) -> Iterator[str]:
        """Yield why it is not well, one reason each."""
        about = " ".join(part for part in (self.vital, self.venue) if part)
        where = f"{self.path} ({about})" if about else self.path
        if not self.alive:
            yield f"{where} is {self.condition}"
        elif not self.vital:
            yield f"{where} has told nothing about itself yet{self.trouble}"
        elif not self.streams:
            yield f"{where} has no streams"
        if self.alive:
            for stream in self.streams:
                if not stream.live:
                    yield f"{where} {stream.name} is not live" + (f": {stream.reason}" if stream.reason else "")
                elif stream.stale:
                    yield f"{where} {stream.name}: nothing for {stream.age:.1f} s, allowed are {stream.limit:g} s"


@attrs.frozen
class Verdict:
    """Whether all that the bot needs is there."""

    healthy: bool
    reasons: tuple[str, ...] = ()
    """Why not; the required owner's path stands first in each."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {"healthy": self.healthy, "reasons": list(self.reasons)}


def facts(
    vital: VitalKind, venue: str, *, required: bool, streams: Sequence[StreamVital], **counters: float | str | None
) -> dict[str, Any]:
    """Return what an owner of data exposes; call it in the function that it gives to `Me.expose`.

    Args:
        vital: What it owns.
        venue: Whose data.
        required: Whether the bot is unhealthy without it.
        streams: All its streams, in a steady order.
        counters: Anything else worth showing, by name.
    """
    listed = [attrs.asdict(stream, recurse=False) for stream in streams]
    return {**counters, "vital": vital, "venue": venue, "required": required, "streams": listed}


def read(
    status: Status,
    definition: Supervisor | None = None,
    *,
    known: Mapping[str, bool] | None = None,
    now: float | None = None,
) -> list[Vital]:
    """Return all owners of data of a tree, in start order.

    Args:
        status: The live tree.
        definition: What it was made from: knows owners that have never been started, and whether they are required.
        known: Owners seen before, by path, with whether they were required: of those that do not live now, and are not in
            the definition because they were added while it runs, nothing else tells.
        now: Seconds on Trio's clock; with it, a waiting owner's condition tells how long it will wait.
    """
    by_definition = {} if definition is None else dict(_declared(definition, definition.name))
    declared = {**(known or {}), **by_definition}
    found: list[Vital] = []
    alive: dict[str, bool] = {}
    for child in status.walk():
        alive[child.path] = child.state in _ALIVE
        told = child.facts if child.facts is not None and "vital" in child.facts else None
        by_tree = declared.pop(child.path, None)
        if told is None and by_tree is None:
            continue
        found.append(_vital(child, told or {}, by_tree, now))
    # What is below a supervisor that was never started is in the definition only; what was removed is in neither.
    return found + [
        Vital(path, "", "", required, alive=False, condition="not started")
        for path, required in declared.items()
        if path in by_definition or not alive.get(path.rpartition("/")[0])
    ]


def verdict(
    status: Status, definition: Supervisor | None = None, *, needs: Sequence[str] = (), now: float | None = None
) -> Verdict:
    """Say whether all that is required lives, is live, and is fresh.

    Args:
        status: The live tree.
        definition: See `read`.
        needs: Paths of other children that must be ready.
        now: See `read`.
    """
    return judge(status, read(status, definition, now=now), needs)


def judge(status: Status, vitals: Sequence[Vital], needs: Sequence[str] = ()) -> Verdict:
    """Say the same of vitals that were read already."""
    reasons = [] if status.state == "ready" else [f"{status.path} is {status.state}"]
    if needs:
        states = {child.path: child.state for child in status.walk()}
        reasons += [
            f"{path} is {states.get(path, 'not there')}" for path in needs if states.get(path, "not there") != "ready"
        ]
    reasons += [problem for vital in vitals if vital.required for problem in vital.problems()]
    return Verdict(not reasons, tuple(reasons))


def _declared(node: Supervisor, path: str) -> Iterator[tuple[str, bool]]:
    """Yield path and need of every actor that declares whether it is required."""
    for child in node.children:
        below = f"{path}/{child.name}"
        if isinstance(child, Child):
            required = getattr(child.actor, "required", None)
            if isinstance(required, bool):
                yield below, required
        else:
            yield from _declared(child, below)


def _vital(child: Status, told: Mapping[str, Any], by_tree: bool | None, now: float | None) -> Vital:
    required = by_tree if by_tree is not None else bool(told.get("required", True))
    condition: str = child.state
    if child.next_at is not None and now is not None:
        condition += f", next try in {max(0.0, child.next_at - now):.1f} s"
    if child.state not in _ALIVE and child.last_end is not None and child.last_end.failed:
        condition += f": {child.last_end.summary()}"
    instead = (child.facts or {}).get("error")
    return Vital(
        child.path,
        str(told.get("vital", "")),
        str(told.get("venue", "")),
        required,
        alive=child.state in _ALIVE,
        condition=condition,
        streams=_streams(told.get("streams", ())),
        trouble=f": {instead}" if instead else "",
    )


def _streams(told: Any) -> tuple[StreamVital, ...]:
    try:
        return tuple(_stream(one) for one in told)
    except Exception as error:  # noqa: BLE001 - whoever exposes nonsense is unhealthy, and takes nobody with it
        return (
            StreamVital("?", live=False, reason=f"its vital signs cannot be read: {type(error).__name__}: {error}"),
        )


def _stream(told: Mapping[str, Any]) -> StreamVital:
    stream = StreamVital(**{name: told[name] for name in _FIELDS if name in told})
    for name in _NUMBERS:
        number = getattr(stream, name)
        if number is not None and not isinstance(number, int | float):
            raise TypeError(f"{name} is no number: {number!r:.50}")
    if not isinstance(stream.gaps, int):
        raise TypeError(f"gaps is no count: {stream.gaps!r:.50}")
    return stream
