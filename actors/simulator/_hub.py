"""Who is connected, what reaches them, and which faults are in force. The meeting point of market, servers and faults."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from random import Random
from typing import Protocol

import attrs

from ._clock import ExchangeClock, VenueClock
from ._dialect import Goodbye, Session, Telling
from ._faults import Fault
from ._frames import Opcode, encode
from ._limits import RollingWindow
from ._record import Attempt, ConnectionRecord, Surface, TrueRecord, Violation
from ._rules import Rules


class Connection(Protocol):
    """A live connection, as faults see it. None of these block."""

    @property
    def record(self) -> ConnectionRecord:
        """Its entry in the true record."""

    def mute(self, until: float) -> None:
        """Send nothing until then."""

    def reset(self, why: str) -> None:
        """Break it off without a word."""

    def close(self, code: int, why: str) -> None:
        """End it in order."""

    def freeze(self, until: float) -> None:
        """Neither read nor write nor end it until then, and then break it off."""

    def cut(self, why: str) -> None:
        """End the transport in the middle of a frame."""


class Subscriber(Connection, Protocol):
    """A live WebSocket connection."""

    @property
    def session(self) -> Session:
        """Its subscriptions."""

    def deliver(self, topic: str, frame: bytes) -> None:
        """Queue one encoded frame of data, which faults may distort; never blocks."""

    def say(self, frame: bytes) -> None:
        """Queue one encoded frame, whatever its size, past the faults that distort data."""

    def end_at(self, at: float, goodbye: Goodbye) -> None:
        """Close it at that second of the exchange's clock."""

    def tick(self) -> None:
        """Let the session say what has become due."""

    @property
    def dropping(self) -> int:
        """How many of the next frames of data are left out."""

    def drop(self, count: int) -> None:
        """Leave out the next frames of data, so many."""

    def replay(self, count: int) -> None:
        """Send the latest frames of data once more, so many, in their order."""


@attrs.frozen
class InForce:
    """A fault with a duration, while it lasts."""

    fault: Fault
    since: float
    until: float
    hit: list[float] = attrs.field(factory=list)
    """When it hit somebody, where that matters."""


class Hub:
    """The state that servers, market and faults share. Synchronous: whatever changes it is seen at once by all."""

    def __init__(self, clock: ExchangeClock, record: TrueRecord, rules: Mapping[str, Rules], seed: object) -> None:
        self.clock = clock
        self.record = record
        self.rules = rules
        self.clocks = {venue: VenueClock(clock) for venue in rules}
        self.random = Random(f"{seed}/faults")
        """Draws what a fault leaves open."""
        self.connections: dict[int, Connection] = {}
        self.subscribers: dict[int, Subscriber] = {}
        self.in_force: dict[tuple[str, str, Surface], InForce] = {}
        """By kind, venue and surface: the faults with a duration."""
        self.on_refuse: list[Callable[[str, Surface, float], None]] = []
        """Called with venue, listener and end when a refusal begins; whoever owns real listeners adds itself."""
        self._attempts = {
            venue: RollingWindow(r.attempts, r.attempts_window) for venue, r in rules.items() if r.attempts is not None
        }
        self._next_id = 1

    # Connections

    def attempt(self, venue: str, surface: Surface) -> bool:
        """Count an attempt at a WebSocket connection; False when it breaks one of the venue's limits."""
        rules, now = self.rules[venue], self.clock.now()
        if venue in self._attempts and not self._attempts[venue].count(now):
            self.violate(venue, surface, "attempts", f"more than {rules.attempts} in {rules.attempts_window:g} s")
            return False
        living = sum(subscriber.record.venue == venue for subscriber in self.subscribers.values())
        if rules.connections is not None and living >= rules.connections:
            self.violate(venue, surface, "connections", f"more than {rules.connections} at one time")
            return False
        return True

    def note_attempt(self, venue: str, surface: Surface, outcome: str) -> None:
        """Put an attempt into the record."""
        self.record.attempts.append(Attempt(self.clock.now(), venue, surface, outcome))

    def admit(self, venue: str, surface: Surface, path: str) -> ConnectionRecord:
        """Open the record of an accepted connection."""
        entry = ConnectionRecord(self._next_id, venue, surface, path, self.clock.now())
        self._next_id += 1
        self.record.connections.append(entry)
        return entry

    def join(self, connection: Connection) -> None:
        """A connection lives; it leaves with `leave`."""
        self.connections[connection.record.id] = connection

    def leave(self, connection: Connection) -> None:
        """A connection has ended."""
        entry = connection.record
        self.connections.pop(entry.id, None)
        subscriber = self.subscribers.pop(entry.id, None)
        entry.closed = self.clock.now()
        if subscriber is not None:
            subscriber.session.ended(entry.closed)

    def violate(self, venue: str, surface: Surface, rule: str, detail: str, connection: int | None = None) -> None:
        """Record the breach of a documented limit."""
        self.record.violations.append(Violation(self.clock.now(), venue, surface, rule, detail, connection))

    # Faults in force

    def force(self, fault: Fault, *surfaces: Surface, longest: bool = False) -> float:
        """Put a fault into force for its duration, and return its end.

        Args:
            fault: one with a duration.
            surfaces: on which; the fault's own when none is given.
            longest: whether an earlier one of the kind that ends later stays.
        """
        now = self.clock.now()
        until = now + fault.duration
        for venue in self.rules:
            for surface in surfaces or (fault.surface,):
                key = (fault.kind, venue, surface)
                if fault.venue in (None, venue):
                    present = self.active(*key)
                    if not (longest and present is not None and present.until > until):
                        self.in_force[key] = InForce(fault, now, until)
        return until

    def active(self, kind: str, venue: str, surface: Surface) -> InForce | None:
        """The fault of that kind which is in force there now."""
        if not self.in_force:
            return None
        found = self.in_force.get((kind, venue, surface))
        if found is not None and self.clock.now() >= found.until:
            del self.in_force[kind, venue, surface]
            return None
        return found

    def muted_until(self, venue: str, surface: Surface) -> float:
        """Until when a connection made now stays mute; a time in the past when it does not."""
        # Over HTTP a half-open connection is a mute one; over WebSocket the handshake is what it holds back.
        kinds = ("mute", "half_open") if surface == "rest" else ("mute",)
        found = [self.active(kind, venue, surface) for kind in kinds]
        return max((fault.until for fault in found if fault is not None and fault.fault.newcomers), default=0.0)

    def refuses(self, venue: str, listener: Surface) -> bool:
        """Whether the listener is closed now."""
        return self.active("refuse", venue, listener) is not None

    def halted(self, venue: str) -> bool:
        """Whether the venue is down for maintenance: nothing trades."""
        return self.active("maintenance", venue, "ws") is not None

    def targets(self, venue: str | None, surface: Surface) -> list[Connection]:
        """The live connections of a venue (None: of all) on a surface, oldest first; not those about to end."""
        return [
            connection
            for connection in self.connections.values()
            if connection.record.surface == surface
            and venue in (None, connection.record.venue)
            and not connection.record.end
        ]

    def listeners(self, venue: str | None, surface: Surface) -> list[Subscriber]:
        """Those of the targets that are WebSocket connections."""
        found = self.targets(venue, surface)
        return [self.subscribers[c.record.id] for c in found if c.record.id in self.subscribers]

    # Publishing

    def publish(self, venue: str, tellings: Iterable[Telling]) -> None:
        """Send payloads to every subscriber of their topics, each in the form it asked for."""
        audience = [subscriber for subscriber in self.subscribers.values() if subscriber.record.venue == venue]
        if not audience:
            return
        for topic, make in tellings:
            frames: dict[str, bytes] = {}
            for subscriber in audience:
                session = subscriber.session
                if not session.wants(topic):
                    continue
                frame = frames.get(session.form)
                if frame is None:
                    frame = frames[session.form] = encode(Opcode.TEXT, session.dress(topic, make()))
                subscriber.deliver(topic, frame)
