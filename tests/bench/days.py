"""What a simulated day costs: `python -m tests.days` with one day of a fixed seed, in a process of its own."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

from figures import Figure

ROOT = Path(__file__).parents[2]
COMMAND = ("-m", "tests.days", "--days", "1", "--seed", "1", "--jobs", "1", "--shrink", "0")
TARGET = 20.0
"""Seconds of one core."""


async def day() -> list[Figure]:
    """CPU time of one day, imports included; nothing where there are no simulated days."""
    if not (ROOT / "tests" / "days").is_dir():
        return []
    before = _cpu()
    # The installed package comes first on the path, the tests after it.
    program = "import runpy, sys; sys.path.append('.'); sys.argv = sys.argv[2:]; runpy.run_module('tests.days', run_name='__main__')"
    subprocess.run([sys.executable, "-c", program, *COMMAND], check=True, cwd=ROOT, stdout=subprocess.DEVNULL)  # noqa: ASYNC221
    return [Figure("a simulated day of five venues, one core", _cpu() - before, "s", target=TARGET)]


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
