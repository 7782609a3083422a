"""`nox -s simulate -- --days N --seed S [--minutes M]`: whole bots through whole bad days; the laws are checked after each.

A day that breaks a law prints the line that repeats it, and then the fewest entries with which it still does.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from random import SystemRandom

import attrs

from .day import Settings, run_day
from .evidence import Breach, Evidence
from .laws.every import breaches
from .shrink import shrink

RERUNS = 30
"""Runs that finding the fewest entries may take."""
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


def days(arguments: argparse.Namespace) -> list[Settings]:
    """Return the days that are asked for: day number n of seed S is the first one of seed S + n."""
    only = None
    if arguments.only is not None:
        only = tuple(int(number) for number in arguments.only.split(",") if number != "none")
    first = SystemRandom().randrange(10**9) if arguments.seed is None else arguments.seed
    return [
        Settings(seed=first + number, minutes=arguments.minutes, faults=arguments.faults, rate=arguments.rate, only=only)
        for number in range(arguments.days)
    ]


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


def _explain(report: Report, reruns: int) -> Iterator[str]:
    for breach in report.breaches[:SHOWN]:
        yield f"  {breach}"
    if len(report.breaches) > SHOWN:
        yield f"  and {len(report.breaches) - SHOWN} more"
    yield f"  repeat with: {report.settings.command()}"
    if reruns and report.settings.only is None:
        small = shrunk(report, reruns)
        yield f"  and with {len(small.entries())} entries of {len(report.settings.entries())}: {small.command()}"
        yield from (f"    {entry}" for entry in small.entries())


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(prog="nox -s simulate --", description=__doc__)
    parser.add_argument("--days", type=int, default=12)
    parser.add_argument("--seed", type=int, help="of the first day; default: a fresh one, which is printed")
    parser.add_argument("--minutes", type=float, default=Settings().minutes, help="length of a day; its 24 hours share it")
    parser.add_argument("--faults", type=int, default=Settings().faults, help="of a day")
    parser.add_argument("--rate", type=float, default=Settings().rate, help="trades a second and product, on average")
    parser.add_argument("--only", help="numbers of the entries to play, as a failing day prints them")
    parser.add_argument("--shrink", type=int, default=RERUNS, help="most runs to find the fewest entries; 0: do not")
    parser.add_argument("--log", type=Path, help="file for the event log; of one day")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="days at a time")
    arguments = parser.parse_args()
    wanted = days(arguments)
    if arguments.log is not None:
        if len(wanted) != 1:
            parser.error("--log is for one day")
        report = live(wanted[0], with_log=True)
        arguments.log.write_text("\n".join((*report.log, "")))
        reports: Iterator[Report] = iter([report])
        pool = None
    else:
        pool = ProcessPoolExecutor(max_workers=arguments.jobs, max_tasks_per_child=10)
        reports = pool.map(live, wanted)
    failed = 0
    for report in reports:
        print(f"day of seed {report.settings.seed}: {report.summary}", flush=True)
        if report.breaches:
            failed += 1
            for line in _explain(report, arguments.shrink):
                print(line, flush=True)
    if pool is not None:
        pool.shutdown()
    print(f"{len(wanted)} days of {arguments.minutes:g} minutes, {failed} that break a law")
    if failed:
        sys.exit(1)


if __name__ == "__main__":
    main()
