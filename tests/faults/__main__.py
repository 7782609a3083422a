"""`nox -s faults`: every venue against every fault, as a table. `-- --json FILE` writes it, `-- --only TEXT` chooses rows."""

from __future__ import annotations

import argparse
import json
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import attrs

from .runs import Row
from .troubles import cases, run_case

HEAD = (
    "venue",
    "published",
    "delivered",
    "missed",
    "doubled",
    "disorder",
    "in gaps",
    "gaps",
    "noticed",
    "recovered",
    "attempts",
)


def cells(row: Row) -> tuple[str, ...]:
    """Return one line of the table."""
    verdict = row.verdict
    counts = (
        verdict.published,
        verdict.delivered,
        verdict.missed,
        verdict.doubled,
        verdict.disordered,
        verdict.in_gaps,
        verdict.gaps,
    )
    times = ("-" if at is None else f"{at:.1f} s" for at in (verdict.noticed_after, verdict.recovered_after))
    broken = ("", *row.violations, *row.crashes)
    return (row.venue, *map(str, counts), *times, str(row.attempts), " ".join(broken).strip())


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="file to write the table to")
    parser.add_argument("--only", default="", help="part of a fault's or a venue's name")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    rows: list[Row] = []
    named = ""
    chosen = [
        (place, arguments.seed)
        for place, (venue, trouble) in enumerate(cases())
        if arguments.only in trouble.name or arguments.only == venue
    ]
    with ProcessPoolExecutor(max_workers=os.cpu_count()) as pool:
        for row in pool.map(run_case, chosen):
            if row.trouble != named:
                named = row.trouble
                print(f"\n{named}\n  {HEAD[0]:<13}" + "".join(f"{title:>10}" for title in HEAD[1:]), flush=True)
            rows.append(row)
            first, *rest, broken = cells(row)
            print(f"  {first:<13}" + "".join(f"{cell:>10}" for cell in rest) + f"  {broken}".rstrip(), flush=True)
    unlawful = [row for row in rows if not row.lawful]
    print(f"\n{len(rows)} runs, {len(unlawful)} that break the law")
    if arguments.json:
        arguments.json.write_text(json.dumps([attrs.asdict(row) for row in rows], indent=1))
    if unlawful:
        sys.exit(1)


if __name__ == "__main__":
    main()
