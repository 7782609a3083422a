"""`unblinking failures`: what the ledger file knows."""

import datetime
import os
from collections.abc import Sequence
from pathlib import Path

import attrs
import click
import msgspec

from ..ops._failure import Failure
from ..ops._ledger_reader import Cause, NoLedger, RunSeen, by_cause, parse_since, read_failures, read_runs
from ._asking import printable
from ._load import BadInput

LEDGER = "UNBLINKING_LEDGER"
SHOWN = 20


@click.command()
@click.option("--path", metavar="PATH", help="of this child and those below it only: bot/btc")
@click.option("--since", metavar="T", help="90m, 2h, 7d, or a date and time, UTC unless it says otherwise")
@click.option("--json", "as_json", is_flag=True, help="everything, with the chains of exceptions, as one JSON object")
@click.option(
    "--ledger",
    "file",
    type=click.Path(path_type=Path),
    help=f"the file; otherwise that of the variable {LEDGER}, or failures.sqlite",
)
@click.option(
    "--last", type=click.IntRange(min=0), default=SHOWN, show_default=True, help="how many to list one by one"
)
def failures(path: str | None, since: str | None, as_json: bool, file: Path | None, last: int) -> None:
    """Print the failures in a ledger file, and a summary by cause. The bot may be running, or not.

    Exit code 0, or 2 when there is no ledger to read.
    """
    file = file or Path(os.environ.get(LEDGER) or "failures.sqlite")
    try:
        moment = None if since is None else parse_since(since)
    except ValueError:
        raise BadInput(f"--since {since!r} is neither a time such as 90m, 2h or 7d nor a date") from None
    try:
        found = read_failures(file, path=None if path is None else path.rstrip("/"), since=moment)
        runs = read_runs(file, since=moment)
    except NoLedger as error:
        raise BadInput(str(error)) from None
    causes = by_cause(found)
    if as_json:
        told = {
            "failures": [failure.to_dict() for failure in found],
            "causes": [cause.to_dict() for cause in causes],
            "runs": [{**attrs.asdict(run), "missing": run.missing} for run in runs],
        }
        click.echo(msgspec.json.encode(told))
    else:
        click.echo("\n".join(_lines(found, causes, runs, last)))


def _lines(found: Sequence[Failure], causes: Sequence[Cause], runs: Sequence[RunSeen], last: int) -> list[str]:
    if not found:
        return ["no failures", *_missing(runs)]
    lines = [] if len(found) <= last else [f"{len(found) - last} earlier ones are not listed; --last lists more"]
    for failure in found[max(0, len(found) - last) :]:
        decision = failure.decision + ("" if failure.delay is None else f" in {failure.delay:.1f} s")
        recovered = "" if failure.recovered_after is None else f", ready again after {failure.recovered_after:.1f} s"
        lines.append(
            f"{_clock(failure.wall)}  {printable(failure.path)}#{failure.incarnation}  {failure.how}: "
            f"{printable(failure.error)}" + (f"  -> {decision}{recovered}" if decision else "")
        )
    lines += ["", f"{len(found)} failures, by cause:"]
    for cause in causes:
        where = printable(cause.paths[0]) + (f" and {len(cause.paths) - 1} more" if len(cause.paths) > 1 else "")
        recovery = "" if cause.recovery is None else f", ready again after {cause.recovery:.1f} s in the middle"
        lines.append(f"{cause.count:>7}  {printable(cause.cause)}")
        lines.append(f"{'':>9}{where}; {_clock(cause.first)} to {_clock(cause.last)}{recovery}")
    return lines + _missing(runs)


def _missing(runs: Sequence[RunSeen]) -> list[str]:
    return [
        f"{run.missing} failures of the run of {printable(run.root)} since {_clock(run.started)} were counted "
        "and are not in the file"
        for run in runs
        if run.missing
    ]


def _clock(wall: float) -> str:
    return datetime.datetime.fromtimestamp(wall, datetime.UTC).strftime("%Y-%m-%d %H:%M:%SZ")
