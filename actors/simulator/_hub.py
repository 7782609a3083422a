"""Who is connected, what reaches them, and which faults are in force. The meeting point of market, servers and faults."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import attrs

from ._clock import ExchangeClock
from ._frames import Opcode, encode
from ._limits import RollingWindow
from ._messages import wrapped
from ._record import Attempt, ConnectionRecord, Surface, TrueRecord, Violation
from ._rules import Rules
from ._session import Session


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


class Subscriber(Connection, Protocol):
    """A live WebSocket connection."""

    @property
    def session(self) -> Session:
        """Its subscriptions."""

    def deliver(self, frame: bytes) -> None:
        """Queue one encoded frame; never blocks."""

    def tell_expired(self, listen_key: str) -> None:
        """A listen key has ended."""


@attrs.frozen
class Mute:
    """A mute in force: until when, and whether connections made meanwhile are mute as well."""

    until: float
    newcomers: bool


class Hub:
    """The state that servers, market and faults share. Synchronous: whatever changes it is seen at once by all."""

    def __init__(self, clock: ExchangeClock, record: TrueRecord, rules: Mapping[str, Rules]) -> None:
        self.clock = clock
        self.record = record
        self.rules = rules
        self.connections: dict[int, Connection] = {}
        self.subscribers: dict[int, Subscriber] = {}
        self.mutes: dict[tuple[str, Surface], Mute] = {}
        self.refusals: dict[tuple[str, Surface], float] = {}
        """Until when a listener ("ws" or "rest") refuses connections."""
        self.failures: dict[str, tuple[float, int]] = {}
        """By venue, until when REST answers with which status of the 5xx class."""
        self.on_refuse: list[Callable[[str, Surface, float], None]] = []
        """Called with venue, listener and end when a refusal begins; whoever owns real listeners adds itself."""
        self._attempts = {venue: RollingWindow(r.attempts, r.attempts_window) for venue, r in rules.items()}
        self._next_id = 1

    # Connections

    def attempt(self, venue: str, surface: Surface) -> bool:
        """Count an attempt at a WebSocket connection; False when it breaks the venue's limit."""
        now = self.clock.now()
        if self._attempts[venue].count(now):
            return True
        rules = self.rules[venue]
        self.violate(venue, surface, "attempts", f"more than {rules.attempts} in {rules.attempts_window:g} s")
        return False

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
        self.subscribers.pop(entry.id, None)
        entry.closed = self.clock.now()

    def violate(self, venue: str, surface: Surface, rule: str, detail: str, connection: int | None = None) -> None:
        """Record the breach of a documented limit."""
        self.record.violations.append(Violation(self.clock.now(), venue, surface, rule, detail, connection))

    # Faults in force

    def muted_until(self, venue: str, surface: Surface) -> float:
        """Until when a connection made now stays mute; a time in the past when it does not."""
        mute = self.mutes.get((venue, surface))
        return mute.until if mute is not None and mute.newcomers else 0.0

    def refuses(self, venue: str, listener: Surface) -> bool:
        """Whether the listener is closed now."""
        return self.clock.now() < self.refusals.get((venue, listener), 0.0)

    def failing(self, venue: str) -> int | None:
        """The 5xx status with which REST answers now, if it does."""
        until, status = self.failures.get(venue, (0.0, 0))
        return status if self.clock.now() < until else None

    def targets(self, venue: str | None, surface: Surface) -> list[Connection]:
        """The live connections of a venue (None: of all) on a surface, oldest first; not those about to end."""
        return [
            connection
            for connection in self.connections.values()
            if connection.record.surface == surface
            and venue in (None, connection.record.venue)
            and not connection.record.end
        ]

    # Publishing

    def publish(self, venue: str, stream: str, payload: bytes) -> None:
        """Send a payload to every subscriber of a stream, each in the form it asked for."""
        raw: bytes | None = None
        combined: bytes | None = None
        for subscriber in list(self.subscribers.values()):
            if subscriber.record.venue != venue or not subscriber.session.wants(stream):
                continue
            if subscriber.session.combined:
                combined = combined or encode(Opcode.TEXT, wrapped(stream, payload))
                subscriber.deliver(combined)
            else:
                raw = raw or encode(Opcode.TEXT, payload)
                subscriber.deliver(raw)

    def publish_user(self, venue: str, listen_key: str, event: str, payload: bytes) -> None:
        """Send a user event to the private streams of that key which asked for it."""
        for subscriber in list(self.subscribers.values()):
            session = subscriber.session
            if subscriber.record.venue == venue and session.wants_event(listen_key, event):
                body = wrapped(listen_key, payload) if session.combined else payload
                subscriber.deliver(encode(Opcode.TEXT, body))

    def tell_expired(self, listen_key: str) -> None:
        """A listen key has ended before its time."""
        for subscriber in list(self.subscribers.values()):
            if listen_key in subscriber.session.user_streams:
                subscriber.tell_expired(listen_key)
