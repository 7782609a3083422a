"""`nox -s simulate -- --days N --seed S [--minutes M]`: whole bots through whole bad days; the laws are checked after each.

A day that breaks a law prints the line that repeats it, and then the fewest entries with which it still does.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from random import SystemRandom

from .day import Settings
from .runs import Report, explain, live

RERUNS = 30
"""Runs that finding the fewest entries may take."""


def days(arguments: argparse.Namespace) -> list[Settings]:
    """Return the days that are asked for: day number n of seed S is the first one of seed S + n."""
    only = None
    if arguments.only is not None:
        only = tuple(int(number) for number in arguments.only.split(",") if number != "none")
    first = SystemRandom().randrange(10**9) if arguments.seed is None else arguments.seed
    return [
        Settings(
            seed=first + number, minutes=arguments.minutes, faults=arguments.faults, rate=arguments.rate, only=only
        )
        for number in range(arguments.days)
    ]


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(prog="nox -s simulate --", description=__doc__)
    parser.add_argument("--days", type=int, default=12)
    parser.add_argument("--seed", type=int, help="of the first day; default: a fresh one, which is printed")
    parser.add_argument(
        "--minutes", type=float, default=Settings().minutes, help="length of a day; its 24 hours share it"
    )
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
        pool = ProcessPoolExecutor(max_workers=arguments.jobs)
        reports = pool.map(live, wanted)
    failed = 0
    for report in reports:
        print(f"day of seed {report.settings.seed}: {report.summary}", flush=True)
        if report.breaches:
            failed += 1
            for line in explain(report, arguments.shrink):
                print(line, flush=True)
    if pool is not None:
        pool.shutdown()
    print(f"{len(wanted)} days of {arguments.minutes:g} minutes, {failed} that break a law")
    if failed:
        sys.exit(1)


if __name__ == "__main__":
    main()
