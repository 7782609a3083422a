"""What people are told, and when: alerts, grouped into few messages. Pure: time is an argument, seconds on Trio's clock."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, Literal, TypeAlias

import attrs

AlertKind: TypeAlias = Literal[
    "parked",
    "escalated",
    "blind",
    "account",
    "data",
    "restarts",
    "gap",
    "clock",
    "ledger",
    "cancel_all",
    "unstoppable",
    "dead_letter",
    "down",
]
Severity: TypeAlias = Literal["warning", "critical"]

_GROUPS: Final = 15
"""Groups of one section that a text shows."""
_NAMED: Final = 5
"""Alerts of one group that a text names."""
_LISTED: Final = 50
"""Alerts of one section that `AlertMessage.to_dict` lists."""
_LINE: Final = 300
"""Characters of one line."""


@attrs.frozen
class Alert:
    """Something that a person should know. Times are seconds since the epoch, for people."""

    key: str
    """What it is about: of one key at most one alert is open."""
    kind: AlertKind
    severity: Severity
    path: str
    title: str
    cause: str = ""
    """What alerts of one kind can have in common; those are told together."""
    lines: tuple[str, ...] = ()
    opened: float = 0.0
    over: float | None = None
    """When it was over; None: it is open."""
    fresh: bool = True
    """False: it was open before, and its lines have changed."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            **attrs.asdict(self, filter=lambda field, _: field.name != "fresh"),
            "lines": list(self.lines),
        }


@attrs.frozen
class AlertMessage:
    """One message: everything that was to be told at one moment."""

    tree: str
    wall: float
    """When it was made, seconds since the epoch."""
    opened: tuple[Alert, ...] = ()
    repeated: tuple[Alert, ...] = ()
    resolved: tuple[Alert, ...] = ()
    more: Mapping[str, int] = attrs.field(factory=dict[str, int])
    """By kind, alerts for which there was no room: they are only counted."""
    passed: Mapping[str, int] = attrs.field(factory=dict[str, int])
    """By kind, alerts that came and went since the message before."""

    @property
    def severity(self) -> Literal["warning", "critical", "resolved"]:
        """The worst in it; resolved: nothing in it is open."""
        news = self.opened + self.repeated
        if any(alert.severity == "critical" for alert in news):
            return "critical"
        return "warning" if news or self.more or self.passed else "resolved"

    @property
    def title(self) -> str:
        """One line about all of it."""
        alerts = self.opened + self.repeated + self.resolved
        if len(alerts) == 1 and not self.more and not self.passed:
            (alert,) = alerts
            mark = "resolved: " if self.resolved else "still: " if self.repeated else ""
            return _short(f"{self.tree}: {mark}{alert.title}")
        parts = [
            f"{count} {word}"
            for count, word in (
                (len(self.opened) + sum(self.more.values()), "new"),
                (sum(self.passed.values()), "passed"),
                (len(self.repeated), "still open"),
                (len(self.resolved), "resolved"),
            )
            if count
        ]
        return f"{self.tree}: alerts: {', '.join(parts)}"

    def text(self, limit: int = 4096, size: Callable[[str], int] = len) -> str:
        """Return it for people.

        Args:
            limit: Largest size; what is beyond is left out, and the text says so.
            size: How the size of a text is measured.
        """
        return _cut([self.title, *self._body()], limit, size)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON. Long lists are cut; ``counts`` has all."""
        sections = {"opened": self.opened, "repeated": self.repeated, "resolved": self.resolved}
        return {
            "tree": self.tree,
            "wall": self.wall,
            "severity": self.severity,
            "title": self.title,
            "text": self.text(),
            **{name: [alert.to_dict() for alert in alerts[:_LISTED]] for name, alerts in sections.items()},
            "counts": {
                **{name: dict(Counter(alert.kind for alert in alerts)) for name, alerts in sections.items()},
                "more": dict(self.more),
                "passed": dict(self.passed),
            },
        }

    def _body(self) -> Iterator[str]:
        for mark, alerts in (("NEW", self.opened), ("STILL OPEN", self.repeated), ("RESOLVED", self.resolved)):
            yield from _section(mark, alerts)
        for label, counts in (("Also, too many to be listed", self.more), ("Came and went", self.passed)):
            if counts:
                yield f"{label}: {', '.join(f'{kind} {count}' for kind, count in counts.items())}"


def _section(mark: str, alerts: Iterable[Alert]) -> Iterator[str]:
    groups: dict[tuple[str, str], list[Alert]] = {}
    for alert in alerts:
        groups.setdefault((alert.kind, alert.cause or alert.key), []).append(alert)
    ordered = sorted(groups.values(), key=lambda group: (group[0].severity != "critical", -len(group)))
    for group in ordered[:_GROUPS]:
        first = group[0]
        if len(group) == 1:
            yield _short(f"{mark} {first.severity}: {first.title}")
            yield from (_short(f"  {line}") for line in first.lines)
            yield f"  {_when(first)}"
        else:
            named = ", ".join(alert.path for alert in group[:_NAMED])
            rest = f" and {len(group) - _NAMED} more" if len(group) > _NAMED else ""
            yield _short(f"{mark} {first.severity}: {len(group)} x {first.kind}: {first.cause}")
            yield _short(f"  {named}{rest}")
    if hidden := ordered[_GROUPS:]:
        yield f"{mark}: {sum(map(len, hidden))} more, of {len(hidden)} other causes"


def _when(alert: Alert) -> str:
    since = f"since {_clock(alert.opened)}"
    return since if alert.over is None else f"{since}, over {_clock(alert.over)}"


def _clock(wall: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(wall))


def _short(text: str) -> str:
    line = " ".join(text.split()) if "\n" in text else text
    return line if len(line) <= _LINE else f"{line[: _LINE - 3]}..."


def _cut(lines: list[str], limit: int, size: Callable[[str], int]) -> str:
    text = "\n".join(lines)
    while size(text) > limit and len(lines) > 1:
        # Half of what is too much at a time: a text of a thousand lines is not measured a thousand times.
        lines = lines[: max(1, len(lines) - max(1, len(lines) // 8))]
        text = "\n".join([*lines, "(cut: there is more)"])
    while size(text) > limit:
        text = text[: max(0, min(limit, len(text) - 1))]
    return text


@attrs.define
class _Standing:
    alert: Alert
    told_at: float | None = None
    repeats: int = 0
    repeat_at: float = float("inf")
    over_at: float | None = None


class Desk:
    """Decides what is told to one channel, and when.

    Args:
        tree: Name of the tree.
        every: Seconds between two messages, at least.
        gather: Seconds for which news wait for others.
        settle: Seconds for which an alert must be over before that is told.
        repeats: Seconds after which an open alert is told again, each from when it was first told; the last one goes on.
        most: Alerts that it keeps; those beyond are counted.

    Attributes:
        opened: Alerts so far, of keys that were not open.
        told: Those of them that a message has named.
        counted: Those that a message has only counted, or will; and those that came back before their end was told.
    """

    def __init__(
        self,
        tree: str,
        *,
        every: float = 10.0,
        gather: float = 1.0,
        settle: float = 30.0,
        repeats: tuple[float, ...] = (3600.0, 4 * 3600.0, 24 * 3600.0),
        most: int = 1000,
    ) -> None:
        self._tree = tree
        self._every = every
        self._gather = gather
        self._settle = settle
        self._repeats = repeats
        self._most = most
        self._standing: dict[str, _Standing] = {}
        self._more: Counter[str] = Counter()
        self._passed: Counter[str] = Counter()
        self._news_since: float | None = None
        self._last = -float("inf")
        self.opened = self.told = self.counted = 0

    @property
    def open(self) -> int:
        """Alerts that are open, as far as they are kept."""
        return sum(standing.over_at is None for standing in self._standing.values())

    @property
    def untold(self) -> int:
        """News that no message has told yet: alerts, and ends of alerts that were told."""
        waiting = sum(one.told_at is None or one.over_at is not None for one in self._standing.values())
        return waiting + sum(self._more.values()) + sum(self._passed.values())

    def take(self, alert: Alert, now: float) -> None:
        """Take note of an alert that has opened, has changed, or is over."""
        standing = self._standing.get(alert.key)
        if alert.over is not None:
            if standing is None:
                return  # It was only counted.
            standing.alert = alert
            standing.over_at = now if standing.over_at is None else standing.over_at
            if standing.told_at is None:
                del self._standing[alert.key]
                self._count(self._passed, alert, now)
        elif standing is not None:
            if standing.over_at is not None:
                self.opened += 1
                self.counted += 1
            standing.alert, standing.over_at = alert, None
        elif alert.fresh:
            self.opened += 1
            if len(self._standing) >= self._most:
                self._count(self._more, alert, now)
            else:
                self._standing[alert.key] = _Standing(alert)
                self._news(now)

    def _count(self, counter: Counter[str], alert: Alert, now: float) -> None:
        counter[alert.kind] += 1
        self.counted += 1
        self._news(now)

    def _news(self, now: float) -> None:
        if self._news_since is None:
            self._news_since = now

    def compose(self, now: float, wall: float, *, at_once: bool = False) -> AlertMessage | None:
        """Return the next message when it is time for one. What is in it counts as told.

        Args:
            now: Seconds on Trio's clock.
            wall: Seconds since the epoch.
            at_once: There will be no later time: tell all that is new, whatever the pauses.
        """
        if not at_once and now - self._last < self._every:
            return None
        news = self._news_since is not None and (at_once or now - self._news_since >= self._gather)
        settled = now if at_once else now - self._settle
        standing = list(self._standing.values())
        # What is new waits for its company; what is due again and what is over takes it along.
        resolved = [one for one in standing if one.over_at is not None and one.over_at <= settled]
        repeated = [one for one in standing if one.over_at is None and one.repeat_at <= now]
        if not (news or resolved or repeated):
            return None
        opened = [one for one in standing if one.told_at is None]
        message = AlertMessage(
            self._tree,
            wall,
            opened=tuple(one.alert for one in opened),
            repeated=tuple(one.alert for one in repeated),
            resolved=tuple(one.alert for one in resolved),
            more=dict(self._more),
            passed=dict(self._passed),
        )
        for one in opened + repeated:
            self._mark(one, now)
        for one in resolved:
            del self._standing[one.alert.key]
        self.told += len(opened)
        self._more.clear()
        self._passed.clear()
        self._news_since = None
        self._last = now
        return message

    def _mark(self, standing: _Standing, now: float) -> None:
        if standing.told_at is None:
            standing.told_at = now
        place, repeats = standing.repeats, self._repeats
        standing.repeats += 1
        if not repeats:
            return
        following = standing.told_at + repeats[place] if place < len(repeats) else now + repeats[-1]
        # After a long sleep, or a channel that was down: once is enough.
        standing.repeat_at = following if following > now else now + repeats[-1]
