"""`nox -s mutmut`: mutmut changes every line of the pure core in every way that it knows, and the tests must notice.

``-- TEXT ...`` chooses modules by their name. What survives is printed as a diff; survivors of which it is known why stand
below with their reason. The exit code is 0 when there are no others. Tests that hang have noticed, too: they get five times
as long as without a change, and 20 s.

mutmut changes the bodies of functions and methods. It leaves out what is decorated (properties), constants and the fields
of classes.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import attrs

from .copies import copied


@attrs.frozen
class Survivor:
    """A change that no test can notice, or needs to.

    Attributes:
        was: The line as it is, without its indentation.
        becomes: What mutmut makes of it.
        reason: Why that is no bug.
    """

    was: str
    becomes: str
    reason: str


@attrs.frozen
class Module:
    """One module of the core, and the fast tests that must notice every change of it."""

    file: str
    proof: tuple[str, ...]
    survivors: tuple[Survivor, ...] = ()


_SAME_FLOAT: Final = "float() reads both"
CORE: Final = (
    Module(
        "supervisor/_timers.py",
        ("tests/supervisor/test_timers.py",),
        (
            Survivor(
                "return self.deadline < other.deadline",
                "return self.deadline <= other.deadline",
                "the two are not equal there",
            ),
            Survivor(
                "return (self.order, self.seq) < (other.order, other.seq)",
                "return (self.order, self.seq) <= (other.order, other.seq)",
                "no two timers have the same number",
            ),
            Survivor(
                "if self._sleep is not None and deadline < self._sleep.deadline:",
                "if self._sleep is not None and deadline <= self._sleep.deadline:",
                "the deadline is set to what it is",
            ),
        ),
    ),
    Module(
        "supervisor/_budget.py",
        ("tests/supervisor/test_budget.py",),
        (
            Survivor(
                "at = max(now, self._not_before, *ahead[-1:])",
                "at = max(now, self._not_before, *ahead[-2:])",
                "of those who wait, the last is due last",
            ),
            Survivor(
                "self._used: deque[float] = deque(maxlen=declared.count)",
                "self._used: deque[float] = deque(maxlen=None)",
                "older ones are never looked at; without it they would pile up",
            ),
        ),
    ),
    Module(
        "actors/_accounts/_channel_watch.py",
        ("tests/actors/accounts/test_channel_watch.py",),
        (
            Survivor(
                "self._wait = AGAIN", "self._wait = None", "the first replacement sets it, before anything reads it"
            ),
        ),
    ),
    Module(
        "actors/_accounts/_pairing.py",
        ("tests/actors/accounts/test_pairing.py",),
        (
            Survivor(
                "waiting.until = now + WITHIN * 2**waiting.rounds",
                "waiting.until = now + WITHIN * 2 * waiting.rounds",
                "there are two rounds before it is given up, and both make 2 of 1 and 4 of 2",
            ),
            Survivor('return -float("inf")', 'return -float("INF")', _SAME_FLOAT),
            Survivor(
                'return min((waiting.until for waiting in self._waiting.values()), default=float("inf"))',
                'return min((waiting.until for waiting in self._waiting.values()), default=float("INF"))',
                _SAME_FLOAT,
            ),
            Survivor(
                "waiting.states = [state for state in waiting.states if state.filled >= filled]",
                "waiting.states = [state for state in waiting.states if state.filled > filled]",
                "a state of just that quantity was told by then",
            ),
        ),
    ),
    Module(
        "actors/_connections/_message_budget.py",
        ("tests/actors/connections/test_message_budget.py",),
        (
            Survivor(
                "until = self._window.allowed_at(urgent=urgent) if self._is_first(me) else math.inf",
                "until = self._window.allowed_at(urgent=urgent) if (self._is_first(me)) or True else math.inf",
                "who is not the first wakes together with the first, and waits on",
            ),
            Survivor(
                "self._most_requests = 0 if most is None else max(1, most - reserved)",
                "self._most_requests = 1 if most is None else max(1, most - reserved)",
                "without a limit it is not looked at",
            ),
        ),
    ),
    Module("actors/_feeds/_rhythm.py", ("tests/actors/feeds/test_rhythm.py",)),
    Module(
        "actors/_net/_rest_limit.py",
        ("tests/actors/net/test_rest_limit.py",),
        (
            Survivor(
                "self._entries = [entry for entry in self._entries if entry.at > now - within - _MARGIN]",
                "self._entries = [entry for entry in self._entries if entry.at >= now - within - _MARGIN]",
                "the margin is not a sum of powers of two: no time lies exactly there",
            ),
            *(
                Survivor(
                    'raise AssertionError("without any entry everything fits")',
                    f"raise AssertionError({text})",
                    "it cannot be reached",
                )
                for text in (
                    "None",
                    '"XXwithout any entry everything fitsXX"',
                    '"WITHOUT ANY ENTRY EVERYTHING FITS"',
                )
            ),
            Survivor("if unknown > 0:", "if unknown >= 0:", "an entry without weight counts nothing"),
            *(
                Survivor(
                    'text = headers.get(name, "") if name else ""',
                    f"text = headers.get(name, {one}) if name else {other}",
                    "neither is a number",
                )
                for one, other in (('"XXXX"', '""'), ('""', '"XXXX"'))
            ),
            *(
                Survivor(
                    'return int(parsedate_to_datetime(headers.get("date", "")).timestamp() * 1000)',
                    f'return int(parsedate_to_datetime(headers.get("date", {default})).timestamp() * 1000)',
                    "neither is a date, and what is none raises ValueError",
                )
                for default in ("None", "", '"XXXX"')
            ),
        ),
    ),
)
_SETTINGS: Final = """
[tool.mutmut]
source_paths = ["{package}"]
only_mutate = ["{file}"]
pytest_add_cli_args_test_selection = {proof}
pytest_add_cli_args = ["-p", "no:cacheprovider", "-p", "no:xdist", "-o", "faulthandler_timeout=0", "--hypothesis-profile=mutants"]
also_copy = ["actors", "supervisor", "docs", "README.md"]
use_git_change_detection = false
timeout_constant = 4.0
timeout_multiplier = 5.0
"""
_ALIVE: Final = re.compile(r"^\s+(\S+): (survived|no tests|suspicious)$", re.MULTILINE)


def mutmut(root: Path, *arguments: str) -> str:
    """Run mutmut below a root; return what it says."""
    done = subprocess.run(
        [sys.executable, "-m", "mutmut", *arguments],
        cwd=root,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"mutmut {' '.join(arguments)} ended with {done.returncode}: {done.stdout[-3000:]}")
    return done.stdout


def changed(diff: str) -> tuple[str, str]:
    """Return the line that a diff takes away, and the one that it puts there."""
    lines = [line for line in diff.splitlines() if line[:1] in "-+" and line[:3] not in ("---", "+++")]
    taken = " ".join(line[1:].strip() for line in lines if line[0] == "-")
    return taken, " ".join(line[1:].strip() for line in lines if line[0] == "+")


def examine(module: Module, jobs: int) -> bool:
    """Let mutmut change one module; print what survives, and return whether that is as declared."""
    with copied() as root:
        package = module.file.partition("/")[0]
        settings = _SETTINGS.format(package=package, file=module.file, proof=[*module.proof])
        with (root / "pyproject.toml").open("a") as file:
            file.write(settings)
        mutmut(root, "run", "--max-children", str(jobs))
        results = mutmut(root, "results", "--all", "true")
        alive = _ALIVE.findall(results)
        count = len(re.findall(r"^\s+\S+: ", results, re.MULTILINE))
        known = {(survivor.was, survivor.becomes): survivor for survivor in module.survivors}
        unknown = 0
        for name, verdict in alive:
            was, becomes = changed(mutmut(root, "show", name))
            survivor = known.get((was, becomes))
            if survivor is None:
                unknown += 1
                print(f"{module.file}: {verdict}\n    {was}\n    {becomes}", flush=True)
    print(
        f"{module.file}: {count} changes, {count - len(alive)} noticed, {len(alive) - unknown} survive as declared",
        end="",
    )
    print(f", {unknown} NOT NOTICED" if unknown else "", flush=True)
    return count > 0 and not unknown


def main(arguments: Sequence[str] | None = None) -> int:
    """Examine what is asked for."""
    parser = argparse.ArgumentParser(prog="nox -s mutmut --", description=__doc__)
    parser.add_argument("words", nargs="*", help="only modules with one of these in their name")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many at a time")
    chosen = parser.parse_args(arguments)
    modules = [module for module in CORE if not chosen.words or any(word in module.file for word in chosen.words)]
    well = [examine(module, chosen.jobs) for module in modules]
    return 0 if all(well) else 1


if __name__ == "__main__":
    sys.exit(main())
