"""`nox -s mutants`: plant one bug after the other, and see that what must find it does.

``-- TEXT ...`` chooses bugs by their name or file; ``--jobs N`` runs so many at a time. The exit code is that of a test:
0 when every bug was found, or is declared to survive; 1 when one was not.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final

import attrs

from tests.mutants import ALL
from tests.mutants.bug import Bug
from tests.mutants.copies import copied
from tests.mutants.page import PAGE, written

LONGEST = 120.0
"""Seconds for one bug. One that makes the tests hang was found, unless they take as long without it."""
HUNG: Final = -1
"""Stands for an exit code of pytest."""


@attrs.frozen
class Result:
    """What became of one bug."""

    bug: Bug
    verdict: str
    seconds: float
    told: str = ""

    @property
    def well(self) -> bool:
        """Whether it is as it must be."""
        return self.verdict == "killed" or (self.verdict == "survived" and bool(self.bug.survives))


def plant(bug: Bug, root: Path) -> None:
    """Break one place of the code below a root.

    Raises:
        ValueError: The place is not there, or not the only one.
    """
    file = root / bug.file
    source = file.read_text(encoding="utf-8")
    if (count := source.count(bug.line)) != 1:
        raise ValueError(f"{bug.file} has {count} places like {bug.line.strip()!r}: the bug no longer fits the code")
    file.write_text(source.replace(bug.line, bug.broken), encoding="utf-8")


def prove(proof: Sequence[str], root: Path, longest: float = LONGEST) -> tuple[int, str]:
    """Run tests on the code below a root; return pytest's exit code and the end of what it said."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
    command += ["-o", "addopts=--import-mode=importlib", "-o", "faulthandler_timeout=0", "--hypothesis-profile=mutants"]
    try:
        done = subprocess.run(
            [*command, *proof],
            cwd=root,
            env={**os.environ, "PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": ""},
            capture_output=True,
            text=True,
            timeout=longest,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return HUNG, f"nothing came of it within {longest:g} s"
    return done.returncode, done.stdout[-1500:]


def judge(bug: Bug, root: Path) -> Result:
    """Plant one bug in a copy of the code below a root, and run what must find it."""
    began = time.monotonic()
    with copied(root) as copy:
        plant(bug, copy)
        code, told = prove(bug.proof, copy)
    if code == HUNG:
        with copied(root) as copy:
            well, said = prove(bug.proof, copy)
        code, told = (1, told) if well == 0 else (well, f"without the bug: {said}")
    verdict = {0: "survived", 1: "killed"}.get(code, f"pytest ended with code {code}")
    return Result(bug, verdict, time.monotonic() - began, told)


def main(arguments: Sequence[str] | None = None) -> int:
    """Plant what is asked for, and print what became of it."""
    parser = argparse.ArgumentParser(prog="nox -s mutants --", description=__doc__)
    parser.add_argument("words", nargs="*", help="only bugs with one of these in their name or file")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many at a time")
    parser.add_argument(
        "--page", action="store_true", help="plant nothing: write the lists of the documentation's page"
    )
    chosen = parser.parse_args(arguments)
    if chosen.page:
        PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
        return 0
    bugs = [bug for bug in ALL if not chosen.words or any(word in f"{bug.name} {bug.file}" for word in chosen.words)]
    with copied() as root:
        # Whatever fails without a bug would count as having found one.
        proof = sorted({test for bug in bugs for test in bug.proof})
        code, told = prove(proof, root, LONGEST * len(proof))
        if code != 0:
            print(f"{told}\nthe tests fail on the code as it is, with code {code}")
            return 1
        with ThreadPoolExecutor(chosen.jobs) as pool:
            results = []
            for result in pool.map(partial(judge, root=root), bugs):
                results.append(result)
                print(f"{result.verdict:9} {result.seconds:6.1f} s  {result.bug.file}: {result.bug.name}", flush=True)
                if not result.well:
                    print(result.told, flush=True)
                elif result.bug.survives:
                    print(f"{'':19}it survives because {result.bug.survives}", flush=True)
    bad = [result for result in results if not result.well]
    killed = sum(result.verdict == "killed" for result in results)
    print(
        f"\n{len(results)} bugs planted, {killed} killed, {len(results) - killed - len(bad)} survive as declared",
        end="",
    )
    print(f", {len(bad)} NOT FOUND" if bad else "")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
