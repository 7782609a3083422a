"""When a tree is in a state that a person should know of. Pure: events and statuses go in, alerts come out."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from typing import Any, Final

import attrs

from supervisor import DeadLettered, Ended, Event, Note, Status, Unstoppable

from ._alerts import Alert, AlertKind, Severity
from ._failure import cause_of
from ._vitals import Vital

_CRITICAL: Final[frozenset[AlertKind]] = frozenset(
    {"parked", "escalated", "blind", "account", "cancel_all", "data", "unstoppable"}
)
_MOST: Final = 500
"""Alerts that have no end of their own, such as gaps, that are kept open."""
_CAUSES: Final = 20
"""Causes of restarts that are told apart."""
_CLOCK_AFTER: Final = 10.0
"""Seconds for which data must come from the future."""

_UNSEEN: Final = "(too fast to be told apart)"
"""Cause of failures whose events were dropped: the tree's ledger counts them all the same."""


@attrs.frozen(kw_only=True)
class AlertRules:
    """When there is an alert. None switches a rule off. Times in seconds."""

    account_after: float | None = 30.0
    """So long a required account is not live."""
    data_after: float | None = 60.0
    """So long anything else that the bot requires is not live, or stale."""
    restarts: int | None = 20
    """More restarts of the whole tree than this, after failures, ``within`` so long."""
    within: float = 60.0
    clock: float | None = 1.0
    """A venue's data comes from so far in the future by our clock."""
    quiet: float = 900.0
    """So long after the last of them things that merely happen, such as gaps, count as over."""
    without: tuple[AlertKind, ...] = ()
    """Kinds of alerts that are not wanted."""


@attrs.define
class _Incident:
    alert: Alert
    last: float
    times: int = 1


class _Rate:
    """Restarts lately, by cause."""

    def __init__(self, within: float) -> None:
        self._within = within
        self._slots: deque[tuple[float, Counter[str]]] = deque()

    def add(self, cause: str, at: float) -> None:
        if not self._slots or at - self._slots[-1][0] >= self._within / 60:
            self._slots.append((at, Counter()))
        add_bounded(self._slots[-1][1], cause)

    def causes(self, now: float) -> Counter[str]:
        while self._slots and now - self._slots[0][0] > self._within:
            self._slots.popleft()
        total: Counter[str] = Counter()
        for _, causes in self._slots:
            for cause, count in causes.items():
                add_bounded(total, cause, count)
        return total


def add_bounded(counter: Counter[str], cause: str, count: int = 1) -> None:
    """Count a cause; beyond `_CAUSES` of them they are counted together."""
    counter[cause if cause in counter or len(counter) < _CAUSES else "other causes"] += count


class Watch:
    """Turns what happens in a tree, and how it is, into alerts.

    Args:
        root: Name of the tree.
        rules: When there is one.
    """

    def __init__(self, root: str, rules: AlertRules) -> None:
        self._root = root
        self._rules = rules
        self._open: dict[str, Alert] = {}
        self._incidents: dict[str, _Incident] = {}
        self._since: dict[str, float] = {}
        self._vital: dict[str, str] = {}
        self._failures = 0
        self._rate = _Rate(rules.within)
        self._storm: Counter[str] = Counter()
        self._changes: list[Alert] = []

    def changes(self) -> list[Alert]:
        """Return the alerts that have opened, changed or ended since the last call."""
        found, self._changes = self._changes, []
        return found

    # Events --------------------------------------------------------------------------------------------------------

    def take(self, events: Iterable[Event]) -> None:
        """Take note of events, in their order."""
        for event in events:
            if isinstance(event, Ended):
                self._ended(event)
            elif isinstance(event, Note):
                self._note(event)
            elif isinstance(event, Unstoppable):
                where = tuple(f"it hangs in {place}" for place in event.stack[-1:])
                self._incident("unstoppable", event, f"{event.path} does not end when asked to", lines=where)
            elif isinstance(event, DeadLettered):
                line = f"failed {event.deliveries} times: {cause_of(event.error)}"
                title = f"an item of mailbox {event.mailbox} cannot be handled by {event.path}"
                self._incident("dead_letter", event, title, lines=(line,), cause=cause_of(event.error))

    def _ended(self, event: Ended) -> None:
        end, decision = event.end, event.decision
        self._failures += end.failed
        cause = end.kind if end.exception is None else cause_of(end.exception)
        lines = (f"{end.summary()}", f"decision: {decision}")
        if decision.action == "escalate" and event.path.rpartition("/")[0] == self._root:
            self._start("escalated", self._root, event.wall, f"{self._root} gives up over {event.path}", cause, lines)
        elif event.path == self._root and end.failed:
            self._start("escalated", self._root, event.wall, f"{self._root} has given up", cause, lines)
        elif decision.action == "park":
            self._start("parked", event.path, event.wall, f"{event.path} is parked", cause, lines)
        elif decision.action == "restart" and end.failed:
            self._restarted(cause, event.at)

    def _restarted(self, cause: str, at: float) -> None:
        if self._rules.restarts is not None:
            self._rate.add(cause, at)
            if _key("restarts", self._root) in self._open:
                add_bounded(self._storm, cause)

    def _note(self, event: Note) -> None:
        fields, path = event.fields, event.path
        if event.what == "gap":
            line = f"{fields.get('symbol', '?')}: {fields.get('reason', 'not filled')}"
            self._incident("gap", event, f"{path} has a gap that could not be filled", lines=(line,))
        elif event.what == "blind":
            reason = str(fields.get("reason", ""))
            self._start("blind", path, event.wall, f"{path} is blind: no source can be trusted", reason, (reason,))
        elif event.what == "switched":
            self._over(_key("blind", path), event.wall)
        elif event.what == "ledger_trouble":
            text = str(fields.get("message", "it cannot be written"))
            self._start("ledger", path, event.wall, f"failures are not written: {text}", str(fields.get("kind", "")))
        elif event.what == "ledger_written_again":
            self._over(_key("ledger", path), event.wall)
        elif event.what == "cancel_all_not_armed":
            left = fields.get("seconds_left")
            lines = (str(fields.get("reason", "")), *([] if left is None else [f"orders are cancelled in {left:g} s"]))
            title = f"{path} cannot set the countdown at the exchange"
            self._start("cancel_all", path, event.wall, title, "", lines)
        elif event.what in ("cancel_all_armed", "cancel_all_disarmed"):
            self._over(_key("cancel_all", path), event.wall)
        elif event.what == "cancel_all_ran_out":
            lines = (str(fields.get("reason", "")),)
            self._incident("cancel_all", event, f"{path} has run out: the exchange cancels the orders", lines=lines)
        elif event.what == "clock_off":
            self._incident("clock", event, f"the clock is off, says {path}", lines=(_plain(fields),))
        elif event.what == "clock_right" and f"clock of {path}" in self._incidents:
            self._end_incident(f"clock of {path}", event.wall)

    def _incident(
        self, kind: AlertKind, event: Event, title: str, *, lines: tuple[str, ...], cause: str | None = None
    ) -> None:
        if kind in self._rules.without:
            return
        key = f"{kind} of {event.path}"  # Of a name that no state has.
        known = self._incidents.get(key)
        if known is None:
            while len(self._incidents) >= _MOST:
                self._end_incident(next(iter(self._incidents)), event.wall)
            alert = Alert(
                key, kind, _severity(kind), event.path, title, title if cause is None else cause, lines, event.wall
            )
            self._incidents[key] = _Incident(alert, event.at)
        else:
            known.times += 1
            known.last = event.at
            known.alert = alert = attrs.evolve(known.alert, lines=(*lines, f"{known.times} times so far"), fresh=False)
        self._changes.append(alert)

    def _end_incident(self, key: str, wall: float) -> None:
        incident = self._incidents.pop(key)
        self._changes.append(attrs.evolve(incident.alert, over=wall, fresh=True))

    # The present ---------------------------------------------------------------------------------------------------

    def count(self, failures: int) -> int:
        """Take note of how many failures there were so far; return how many of them were not seen as events."""
        unseen, self._failures = max(0, failures - self._failures), failures
        return unseen

    def look(
        self, status: Status, vitals: Sequence[Vital], now: float, wall: float, failures: int | None = None
    ) -> None:
        """Judge the tree as it is; take all events up to this moment before.

        Args:
            status: The live tree.
            vitals: Its owners of data.
            now: Seconds on Trio's clock.
            wall: Seconds since the epoch.
            failures: How many there were so far; None: as many as there were events.
        """
        for _ in range(0 if failures is None else self.count(failures)):
            self._restarted(_UNSEEN, now)
        children = {child.path: child for child in status.walk()}
        self._look_at_children(children, vitals, wall)
        self._look_at_data(vitals, now, wall)
        self._look_at_rate(now, wall)
        for key in [key for key, one in self._incidents.items() if now - one.last >= self._rules.quiet]:
            self._end_incident(key, wall)

    def _look_at_children(self, children: dict[str, Status], vitals: Sequence[Vital], wall: float) -> None:
        for path, child in children.items():
            # Of one whose event was lost, or that was parked before there was anybody to see it.
            if child.state == "parked" and _key("parked", path) not in self._open:
                end = child.last_end
                cause = "" if end is None else end.kind if end.exception is None else cause_of(end.exception)
                lines = () if end is None else (end.summary(), f"decision: {child.last_decision}")
                self._start("parked", path, wall, f"{path} is parked", cause, lines)
        seeing = {
            vital.path
            for vital in vitals
            if vital.alive and vital.streams and all(stream.live for stream in vital.streams)
        }
        for key, alert in list(self._open.items()):
            found = children.get(alert.path)
            over = (
                (alert.kind in ("parked", "blind", "ledger", "cancel_all") and found is None)
                or (alert.kind == "parked" and found is not None and found.state != "parked")
                or (alert.kind == "blind" and alert.path in seeing)
                or (alert.kind in ("ledger", "cancel_all") and _no_trouble(found))
            )
            if over:
                self._over(key, wall)

    def _look_at_data(self, vitals: Sequence[Vital], now: float, wall: float) -> None:
        bad: dict[str, tuple[Alert, float]] = {}
        ahead: dict[str, list[str]] = {}
        kinds: dict[str, str] = {}
        for vital in vitals:
            # One that does not live tells nothing, not even what it is.
            told = vital.vital or self._vital.get(vital.path, "")
            kinds[vital.path] = told
            kind: AlertKind = "account" if told == "account" else "data"
            after = self._rules.account_after if kind == "account" else self._rules.data_after
            problems = tuple(vital.problems()) if vital.required and after is not None else ()
            if problems and after is not None:
                about = f"{vital.path} is not live" if len(problems) == 1 else f"{vital.path}: {len(problems)} troubles"
                alert = self._alert(kind, vital.path, wall, about, f"not live for {after:g} s", problems[:5])
                bad[f"live {vital.path}"] = (attrs.evolve(alert, key=f"live {vital.path}"), after)
            for stream in vital.streams:
                if self._rules.clock is not None and stream.lag is not None and stream.lag < -1000 * self._rules.clock:
                    ahead.setdefault(vital.venue, []).append(f"{stream.name}: {-stream.lag / 1000:.1f} s ahead")
        for venue, lines in ahead.items():
            title = f"data of {venue} comes from the future: the clock of this machine is off"
            alert = self._alert("clock", venue, wall, title, "", tuple(lines[:3]))
            bad[alert.key] = (alert, _CLOCK_AFTER)
        self._vital = kinds
        self._since = {key: self._since.get(key, now) for key in bad}
        for key, (alert, after) in bad.items():
            known = self._open.get(key)
            if known is None and now - self._since[key] >= after:
                self._put(alert)
            elif known is not None:
                self._put(attrs.evolve(known, lines=alert.lines, fresh=False))
        for key in [
            key for key, one in self._open.items() if one.kind in ("account", "data", "clock") and key not in bad
        ]:
            self._over(key, wall)

    def _look_at_rate(self, now: float, wall: float) -> None:
        limit = self._rules.restarts
        if limit is None:
            return
        lately = self._rate.causes(now)
        number, key = lately.total(), _key("restarts", self._root)
        known = self._open.get(key)
        if known is None and number > limit:
            self._storm = lately
            title = f"more than {limit} restarts within {self._rules.within:g} s"
            self._put(self._alert("restarts", self._root, wall, title, "", self._counts()))
        elif known is not None:
            if known.lines != self._counts():
                self._put(attrs.evolve(known, lines=self._counts(), fresh=False))
            if number <= limit // 2:
                self._over(key, wall)

    def _counts(self) -> tuple[str, ...]:
        shown = [f"{count} x {cause}" for cause, count in self._storm.most_common(8)]
        return (f"{self._storm.total()} restarts since it began", *shown)

    # What is open --------------------------------------------------------------------------------------------------

    def _alert(
        self, kind: AlertKind, path: str, wall: float, title: str, cause: str, lines: tuple[str, ...] = ()
    ) -> Alert:
        return Alert(_key(kind, path), kind, _severity(kind), path, title, cause, lines, wall)

    def _start(
        self, kind: AlertKind, path: str, wall: float, title: str, cause: str, lines: tuple[str, ...] = ()
    ) -> None:
        if _key(kind, path) not in self._open:
            self._put(self._alert(kind, path, wall, title, cause, lines))

    def _put(self, alert: Alert) -> None:
        if alert.kind not in self._rules.without:
            self._open[alert.key] = alert
            self._changes.append(alert)

    def _over(self, key: str, wall: float) -> None:
        alert = self._open.pop(key, None)
        if alert is not None:
            self._changes.append(attrs.evolve(alert, over=wall, fresh=True))


def _severity(kind: AlertKind) -> Severity:
    return "critical" if kind in _CRITICAL else "warning"


def _key(kind: AlertKind, path: str) -> str:
    return f"{kind} {path}"


def _no_trouble(child: Status | None) -> bool:
    facts = None if child is None else child.facts
    return facts is not None and "trouble" in facts and not facts["trouble"]


def _plain(fields: Any) -> str:
    return ", ".join(f"{name} {value}" for name, value in fields.items())
