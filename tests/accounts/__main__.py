"""`nox -s accounts`: every venue's account against every fault, as a table. `-- --json FILE` writes it, `-- --only TEXT` chooses rows."""

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
    "account",
    "orders",
    "wrong",
    "fills",
    "missed",
    "doubled",
    "false",
    "disorder",
    "untrue",
    "by REST",
    "noticed",
    "recovered",
    "attempts",
)


def cells(row: Row) -> tuple[str, ...]:
    """Return one line of the table."""
    verdict = row.verdict
    counts = (
        verdict.orders,
        verdict.wrong_orders + verdict.strange_orders,
        verdict.fills,
        verdict.missed,
        verdict.doubled,
        verdict.false_fills,
        verdict.disordered,
        verdict.untrue,
        verdict.by_reconciling,
    )
    times = ("-" if at is None else f"{at:.1f} s" for at in (verdict.noticed_after, verdict.recovered_after))
    remarks = [*row.violations, *row.crashes]
    if row.parked:
        remarks.append("parked, unparked")
    if row.parked != row.parks:
        remarks.append("must not park" if row.parked else "did not park")
    if row.knocked:
        remarks.append(f"{row.knocked} attempts while parked")
    if not verdict.live_at_the_end:
        remarks.append("not live at the end")
    if not verdict.told_at_the_end:
        remarks.append("the stream is silent at the end")
    if not row.as_harmful_as_said:
        remarks.append("is to be harmless" if row.harm == "none" else "nothing was lost: shows nothing")
    return (row.account, *map(str, counts), *times, str(row.attempts), "; ".join(remarks))


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="file to write the table to")
    parser.add_argument("--only", default="", help="part of a fault's name, or an account")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    rows: list[Row] = []
    named = ""
    chosen = [
        (place, arguments.seed)
        for place, (name, trouble) in enumerate(cases())
        if arguments.only in trouble.name or arguments.only == name
    ]
    with ProcessPoolExecutor(max_workers=os.cpu_count()) as pool:
        for row in pool.map(run_case, chosen):
            if row.trouble != named:
                named = row.trouble
                print(f"\n{named}\n  {HEAD[0]:<13}" + "".join(f"{title:>10}" for title in HEAD[1:]), flush=True)
            rows.append(row)
            first, *rest, remark = cells(row)
            print(f"  {first:<13}" + "".join(f"{cell:>10}" for cell in rest) + f"  {remark}".rstrip(), flush=True)
    unlawful = [row for row in rows if not row.lawful]
    print(f"\n{len(rows)} runs, {len(unlawful)} that break the law")
    for row in unlawful:
        print(f"  {row.account}: {row.trouble}")
    if arguments.json:
        arguments.json.write_text(json.dumps([attrs.asdict(row) for row in rows], indent=1))
    if unlawful:
        sys.exit(1)


if __name__ == "__main__":
    main()
