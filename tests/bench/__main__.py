"""`nox -s bench`: speed and size beside bare Trio's and beside what others use, as one table and as JSON.

Each measure runs in a fresh process, so that none inherits another's heap. `-- NAME ...` measures only those. With
`-- --page` the plots and the table of docs/explanation/figures.md are made from what was found, and with
`-- --page --from bench.json` from an earlier run. A client that is not installed is left out; one that is installed for
another Python is found where UNBLINKING_THIRD_PARTY_PYTHON says.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import attrs
import bare
import page
import trio
from figures import Curve, Figure, as_json, table
from measures import MEASURES


def measure(name: str) -> list[Figure | Curve]:
    """Run one measure in a process of its own."""
    command = [sys.executable, str(Path(__file__).parent), "--raw", name]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return [Curve(**found) if "curve" in found else Figure(**found) for found in json.loads(done.stdout)]


async def beside_bare_speed(name: str) -> list[Figure | Curve]:
    """Run one measure, and say how fast the machine was before and after it."""
    before = await bare.slowness()
    figures = await MEASURES[name]()
    slowness = (before + await bare.slowness()) / 2
    return [
        attrs.evolve(figure, slowness=slowness) if isinstance(figure, Figure) and not figure.slowness else figure
        for figure in figures
    ]


def flatness(found: dict[str, list[Figure | Curve]]) -> list[Figure]:
    """Compare the restart among many siblings with that among few."""
    if not {"restart-1", "restart-100000"} <= found.keys():
        return []
    figures = {name: [figure for figure in group if isinstance(figure, Figure)] for name, group in found.items()}
    (few, _), (many, _) = figures["restart-1"], figures["restart-100000"]
    assert few.bare is not None and many.bare is not None
    return [Figure("restart, 100,000 siblings against 1", many.value / few.value, "times", many.bare / few.bare, 2.0)]


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help=f"measures to run: {', '.join(MEASURES)}")
    parser.add_argument("--json", type=Path, help="file to write the figures to")
    parser.add_argument("--page", action="store_true", help="draw the plots, and write the table into the docs")
    parser.add_argument("--from", dest="earlier", type=Path, help="with --page: take this JSON, and measure nothing")
    parser.add_argument("--cpu", action="store_true", help="count CPU time, where other work disturbs the clock")
    parser.add_argument("--raw", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - MEASURES.keys():
        parser.error(f"no such measure: {', '.join(sorted(unknown))}")
    if arguments.raw:
        print(json.dumps([attrs.asdict(figure) for figure in trio.run(beside_bare_speed, arguments.names[0])]))
        return
    if arguments.earlier is not None:
        page.write(json.loads(arguments.earlier.read_text()))
        return
    if arguments.cpu:
        os.environ["UNBLINKING_BENCH_CPU"] = "1"
    found: dict[str, list[Figure | Curve]] = {}
    for name in arguments.names or MEASURES:
        print(f"measuring {name}", file=sys.stderr, flush=True)
        found[name] = measure(name)
    every = [each for group in found.values() for each in group]
    figures = [figure for figure in every if isinstance(figure, Figure)] + flatness(found)
    print(table(figures))
    machine = {
        "python": platform.python_version(),
        "trio": trio.__version__,
        "system": platform.platform(),
        "cores": os.cpu_count(),
        "clock": "CPU time" if arguments.cpu else "wall time",
        "load": os.getloadavg(),
    }
    text = as_json(figures, [curve for curve in every if isinstance(curve, Curve)], machine)
    if arguments.json:
        arguments.json.write_text(text)
    if arguments.page:
        page.write(json.loads(text))


if __name__ == "__main__":
    main()
