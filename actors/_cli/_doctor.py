"""`unblinking doctor`: what a bot needs before it goes live."""

import sys
from typing import Final

import click
import msgspec
import trio

from supervisor import Supervisor

from .._doctor import examine
from .._doctor._finding import Finding, Level, worst
from ._asking import printable
from ._load import load_tree

EXIT_CODES: Final[dict[Level, int]] = {"ok": 0, "warning": 3, "failed": 1}
"""2 is for a file that defines no tree, as everywhere."""


@click.command()
@click.argument("target", metavar="FILE[:NAME]")
@click.option("--json", "as_json", is_flag=True, help="everything as one JSON object")
def doctor(target: str, as_json: bool) -> None:
    """Look at what the tree of a Python file needs before it goes live. Nothing is started, nothing is ordered.

    Names, encryption and protocols of the addresses it uses, the clock beside each venue's, the venues' limits, secrets and
    what the keys may do, disk, ports, packages that clash. Each line says ok, or what to do.
    Exit code 0 when all is well, 3 with warnings, 1 when something must be done, 2 when the file defines no tree.
    """
    tree = load_tree(target)
    findings = trio.run(_examine, tree, not as_json)
    level = worst(findings)
    if as_json:
        told = {"worst": level, "findings": [finding.to_dict() for finding in findings]}
        click.echo(msgspec.json.encode(told).decode())
    else:
        counts = ", ".join(
            f"{sum(finding.level == each for finding in findings)} {each}" for each in ("ok", "warning", "failed")
        )
        click.echo(f"\n{counts}")
    sys.exit(EXIT_CODES[level])


async def _examine(tree: Supervisor, tell: bool) -> list[Finding]:
    findings = []
    async for finding in examine(tree):
        findings.append(finding)
        if tell:
            # What others answer stands in it.
            click.echo(printable(str(finding)))
    return findings
