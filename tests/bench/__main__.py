"""`nox -s bench`: the supervisor's speed and size beside bare Trio's, as one table and as JSON.

Each measure runs in a fresh process, so that none inherits another's heap. `-- NAME ...` measures only those.
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
import trio
from figures import Figure, as_json, table
from measures import MEASURES


def measure(name: str) -> list[Figure]:
    """Run one measure in a process of its own."""
    command = [sys.executable, str(Path(__file__).parent), "--raw", name]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return [Figure(**figure) for figure in json.loads(done.stdout)]


async def beside_bare_speed(name: str) -> list[Figure]:
    """Run one measure, and say how fast the machine was before and after it."""
    before = await bare.slowness()
    figures = await MEASURES[name]()
    slowness = (before + await bare.slowness()) / 2
    return [figure if figure.slowness else attrs.evolve(figure, slowness=slowness) for figure in figures]


def flatness(figures: dict[str, list[Figure]]) -> list[Figure]:
    """Compare the restart among many siblings with that among few."""
    if not {"restart-1", "restart-100000"} <= figures.keys():
        return []
    (few, _), (many, _) = figures["restart-1"], figures["restart-100000"]
    assert few.bare is not None and many.bare is not None
    return [Figure("restart, 100,000 siblings against 1", many.value / few.value, "times", many.bare / few.bare, 2.0)]


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help=f"measures to run: {', '.join(MEASURES)}")
    parser.add_argument("--json", type=Path, help="file to write the figures to")
    parser.add_argument("--cpu", action="store_true", help="count CPU time, where other work disturbs the clock")
    parser.add_argument("--raw", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - MEASURES.keys():
        parser.error(f"no such measure: {', '.join(sorted(unknown))}")
    if arguments.raw:
        print(json.dumps([attrs.asdict(figure) for figure in trio.run(beside_bare_speed, arguments.names[0])]))
        return
    if arguments.cpu:
        os.environ["UNBLINKING_BENCH_CPU"] = "1"
    found: dict[str, list[Figure]] = {}
    for name in arguments.names or MEASURES:
        print(f"measuring {name}", file=sys.stderr, flush=True)
        found[name] = measure(name)
    figures = [figure for group in found.values() for figure in group] + flatness(found)
    print(table(figures))
    if arguments.json:
        machine = {
            "python": platform.python_version(),
            "trio": trio.__version__,
            "system": platform.platform(),
            "cores": os.cpu_count(),
            "clock": "CPU time" if arguments.cpu else "wall time",
            "load": os.getloadavg(),
        }
        arguments.json.write_text(as_json(figures, machine))


if __name__ == "__main__":
    main()
