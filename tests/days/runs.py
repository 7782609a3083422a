"""A day lived and judged, and what is said of it. In a module of its own, so that every process finds it."""

from __future__ import annotations

import time
from collections.abc import Iterator

import attrs

from .day import Settings, run_day
from .evidence import Breach, Evidence
from .laws.every import breaches
from .shrink import shrink

SHOWN = 5
"""Breaches of a day that are printed."""


@attrs.frozen
class Report:
    """What one day came to."""

    settings: Settings
    summary: str
    breaches: tuple[Breach, ...]
    log: tuple[str, ...] = ()


def live(settings: Settings, *, with_log: bool = False) -> Report:
    """Live one day and judge it, in whichever process."""
    began = time.process_time()
    evidence = run_day(settings)
    lived = time.process_time() - began
    found = tuple(breaches(evidence))
    return Report(settings, summary(evidence, lived), found, tuple(evidence.log()) if with_log else ())


def summary(evidence: Evidence, seconds: float) -> str:
    """Return one line about a day."""
    polls, record = evidence.polls, evidence.record
    well = sum(poll.status == 200 for poll in polls) / len(polls)
    trades = sum(log.total for log in record.trades.values())
    failures = sum(life.trace.ledger.failures for life in evidence.lives)
    return (
        f"{len(evidence.happened)} faults, {trades} trades, {record.attempts.total} connections,"
        f" {failures} failures, {len(evidence.lives)} lives, well {well:.0%}, {seconds:.1f} s of CPU, {evidence.digest()[:12]}"
    )


def shrunk(report: Report, most: int) -> Settings:
    """Return the day with the fewest entries that still breaks the same law in the same words, numbers apart."""
    wanted = _kind(report.breaches[0])

    def fails(part: tuple[int, ...]) -> bool:
        found = live(attrs.evolve(report.settings, only=part))
        return any(_kind(breach) == wanted for breach in found.breaches)

    numbers = [entry.number for entry in report.settings.entries()]
    return attrs.evolve(report.settings, only=shrink(numbers, fails, most=most))


def _kind(breach: Breach) -> str:
    """Return what breaches of one kind have in common: the law, and the words without digits up to the first colon."""
    words = "".join(letter for letter in breach.what if not letter.isdigit())
    return f"{breach.law} {words[:60]}"


def explain(report: Report, reruns: int) -> Iterator[str]:
    """Yield lines about a day that broke a law: what, how to repeat it, and the fewest entries with which it still does.

    Args:
        report: Of the day.
        reruns: Runs that finding them may take; 0: it is left out.
    """
    for breach in report.breaches[:SHOWN]:
        yield f"  {breach}"
    if len(report.breaches) > SHOWN:
        yield f"  and {len(report.breaches) - SHOWN} more"
    yield f"  repeat with: {report.settings.command()}"
    if reruns and report.settings.only is None:
        small = shrunk(report, reruns)
        yield f"  and with {len(small.entries())} entries of {len(report.settings.entries())}: {small.command()}"
        yield from (f"    {entry}" for entry in small.entries())
