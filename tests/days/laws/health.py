"""L7: the endpoint, the heartbeats and the alerts say what is so."""

from __future__ import annotations

import json
from collections.abc import Iterator

from actors import Blind, FeedState, Switched

from ..bot import BEAT_EVERY
from ..evidence import Breach, Evidence, Life, Poll
from ..plan import Freeze, NoPost
from ..sealed import LOOK
from .deliveries import deliveries
from .silence import overdue
from .told import Switch, Windows, windows

MOMENT = 0.3
"""Seconds: what is read from the tree is up to a tenth of a second old, and what is told takes a moment, too."""
WELL = 15.0
"""Seconds: when the strategy was told for so long that everything is live, the endpoint says 200."""
ALERT = 120.0
"""Seconds within which a person is told that a child is parked."""


def check(evidence: Evidence) -> Iterator[Breach]:
    """Hold what watchers were told against what the strategy was told, and both against the truth."""
    excused = windows(evidence.happened)
    for life in evidence.lives:
        told = switches(evidence, life)
        polls = [poll for poll in evidence.polls if life.opened <= poll.at <= life.stopped]
        late = Windows(tuple(span for delivery in deliveries(evidence, life) for span in overdue(evidence, delivery)))
        beats = [posted.at for posted in evidence.posted if posted.path == "/beats"]
        beats = [at for at in beats if life.opened <= at <= life.stopped]
        for at, who in sorted(
            [(p.at, "the endpoint") for p in polls if p.status == 200] + [(at, "a heartbeat") for at in beats]
        ):
            if excused.touches(at - MOMENT, at):
                continue
            dark = [name for name, switch in told.items() if switch.never(at - MOMENT, at + MOMENT)]
            if dark:
                yield Breach("L7", f"life {life.number}: {who} says that all is well while {dark[0]} is not live", at)
                break
            if late.covers(at - MOMENT, at):
                yield Breach("L7", f"life {life.number}: {who} says that all is well while trades are overdue", at)
                break
        yield from _false_sickness(evidence, life, told, polls)
        yield from _beats(evidence, life, polls, beats)
        yield from _parked(evidence, life)
    yield from _at_the_end(evidence)


def switches(evidence: Evidence, life: Life) -> dict[str, Switch]:
    """Return what the strategy was told of everything that is required."""
    told: dict[str, Switch] = {f"trades of {venue}": Switch() for venue, _ in evidence.record.trades}
    told |= {f"book of {venue}": Switch() for venue, _ in evidence.record.books}
    told |= {f"account {holding.name}": Switch() for holding in evidence.orders}
    best = told["best"] = Switch()
    for at, item in life.journal.trades:
        if isinstance(item, FeedState):
            told[f"trades of {item.venue}"].set(at, on=item.live)
    for at, item in life.journal.live_books:
        told[f"book of {item.venue}"].set(at, on=item.live)
    for at, item in life.journal.orders:
        if hasattr(item, "live"):
            told[f"account {item.account}"].set(at, on=item.live)
    for at, item in life.journal.best:
        if isinstance(item, Blind | Switched):
            best.set(at, on=isinstance(item, Switched) and item.source is not None)
    return told


def _false_sickness(evidence: Evidence, life: Life, told: dict[str, Switch], polls: list[Poll]) -> Iterator[Breach]:
    excused = windows(evidence.happened)
    for poll in polls:
        if poll.status == 200 or excused.touches(poll.at - WELL, poll.at) or poll.at - life.opened < 2 * WELL:
            continue
        if poll.status is None:
            yield Breach("L7", f"life {life.number}: nobody answers at the endpoint", poll.at)
            return
        # Stale is what lives and says so, and has brought nothing for longer than is usual: the market is quiet.
        others = [reason for reason in poll.reasons if "nothing for" not in reason and "quotes" not in reason]
        if others and all(switch.always(poll.at - WELL, poll.at + MOMENT) for switch in told.values()):
            yield Breach("L7", f"life {life.number}: all is live, and the endpoint says: {others[0]}", poll.at)
            return


def _beats(evidence: Evidence, life: Life, polls: list[Poll], beats: list[float]) -> Iterator[Breach]:
    """While the endpoint says 200 there is a heartbeat in time."""
    nobody = windows(evidence.happened).spans + tuple(
        (at, at + entry.what.seconds + BEAT_EVERY) for at, entry in evidence.happened if isinstance(entry.what, NoPost)
    )
    longest = BEAT_EVERY + 2 * LOOK
    since: float | None = None
    for poll in [*polls, Poll(life.stopped, None)]:
        if poll.status != 200:
            since = None
            continue
        since = poll.at if since is None else since
        due = poll.at - since > longest and not Windows(nobody).touches(since, poll.at)
        if due and not any(poll.at - longest <= at <= poll.at for at in beats):
            yield Breach("L7", f"life {life.number}: well since {since:.1f} s, and no heartbeat", poll.at)
            return


def _parked(evidence: Evidence, life: Life) -> Iterator[Breach]:
    """A child that is parked, and stays so, is told to a person."""
    # What could not be delivered is tried again after delays that grow with the outage, and what comes and goes
    # meanwhile is told as a number.
    nobody = [(at, at + 3 * entry.what.seconds) for at, entry in evidence.happened if isinstance(entry.what, NoPost)]
    frozen = [(at, entry.what.seconds) for at, entry in evidence.happened if isinstance(entry.what, Freeze)]
    alerts = [(posted.at, posted.body) for posted in evidence.posted if posted.path == "/alerts"]
    for event in life.trace.of("ended"):
        if event.decision.action != "park":
            continue
        until = event.at + ALERT
        # Nobody looks while the process stands still.
        noticed = event.at + 3 * LOOK + sum(seconds for at, seconds in frozen if event.at - seconds <= at <= until)
        again = [other.at for other in life.trace.of("started", event.path) if event.at < other.at <= noticed]
        if again or until > life.stopped or Windows(tuple(nobody)).touches(event.at, until):
            continue
        if event.path in _still_told(alerts, life, event.at):
            continue  # It was parked a moment ago, and nobody has been told that this was over.
        if not any(event.at <= at <= until and event.path.encode() in body for at, body in alerts):
            yield Breach("L7", f"life {life.number}: {event.path} was parked, and nobody was told", event.at)
            return


def _still_told(alerts: list[tuple[float, bytes]], life: Life, moment: float) -> set[str]:
    """Return the paths of which a person was told that they are parked, and not that this is over."""
    paths: dict[str, str] = {}
    for at, body in alerts:
        if life.opened <= at <= moment:
            message = json.loads(body)
            paths |= {alert["key"]: alert["path"] for alert in message["opened"] if alert["kind"] == "parked"}
            for alert in message["resolved"]:
                paths.pop(alert["key"], None)
    return set(paths.values())


def _at_the_end(evidence: Evidence) -> Iterator[Breach]:
    """When the faults are long over all is well, and nobody was left with an alert that is open."""
    last = [poll for poll in evidence.polls if poll.at <= evidence.seconds][-1]
    if last.status != 200:
        yield Breach("L7", f"it does not become well again: {'; '.join(last.reasons[:3])}", last.at)
    open_alerts: dict[str, str] = {}
    for posted in evidence.posted:
        if posted.path == "/alerts" and posted.at >= evidence.lives[-1].opened:
            message = json.loads(posted.body)
            if posted.at <= evidence.seconds:
                open_alerts |= {alert["key"]: alert["kind"] for alert in message["opened"] + message["repeated"]}
                for alert in message["resolved"]:
                    open_alerts.pop(alert["key"], None)
    lasting = sorted(key for key, kind in open_alerts.items() if kind in ("data", "account", "blind", "parked"))
    if lasting:
        yield Breach("L7", f"an alert is never resolved: {lasting[0]}", evidence.settled)
