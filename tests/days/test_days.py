"""Short simulated days keep every law, and the same seed gives the same day to the byte (L8)."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from . import runs
from .day import Settings
from .evidence import Breach
from .plan import Entry

ROOT = Path(__file__).resolve().parent.parent.parent
SHORT = ("--days", "1", "--minutes", "6", "--faults", "40", "--seed", "359")
"""With processes that are killed, a sleep of the machine, a jump of its clock, and bugs of the strategy."""
# As noxfile.py does it: the working tree comes last on the path.
PROGRAM = "import runpy, sys; sys.path.append('.'); sys.argv[0] = sys.argv.pop(1); runpy.run_module(sys.argv[0], run_name='__main__')"


@pytest.mark.slow
def test_two_processes_live_the_same_day_to_the_byte(tmp_path: Path) -> None:
    logs = []
    for hash_seed in ("1", "2"):
        log = tmp_path / f"log{hash_seed}"
        subprocess.run(
            [sys.executable, "-c", PROGRAM, "tests.days", *SHORT, "--log", str(log)],
            check=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            stdout=subprocess.DEVNULL,
            timeout=300,
        )
        logs.append(log.read_bytes())

    assert len(logs[0]) > 100_000
    assert logs[0] == logs[1]


@pytest.mark.slow
def test_another_seed_is_another_day() -> None:
    first, other = (runs.live(Settings(seed=seed, minutes=5, faults=5)) for seed in (1, 2))

    assert first.breaches == other.breaches == ()
    assert first.summary.rpartition(" ")[2] != other.summary.rpartition(" ")[2]


def test_a_day_that_fails_says_how_to_repeat_it_and_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(seed=3, faults=40)
    needed = {5, 23}

    def live(given: Settings) -> runs.Report:
        numbers = {entry.number for entry in given.entries()}
        broken = (Breach("L2", f"{len(numbers)} missed"),) if needed <= numbers else (Breach("L7", "another one"),)
        return runs.Report(given, "", broken)

    monkeypatch.setattr(runs, "live", live)
    said = list(runs.explain(live(settings), 200))

    assert said[0] == "  L2: 40 missed"
    assert said[1] == f"  repeat with: {settings.command()}"
    assert said[2].endswith("--seed 3 --minutes 24 --faults 40 --rate 0.4 --only 5,23")
    shown: list[Entry] = [entry for entry in settings.entries() if entry.number in needed]
    assert said[3:] == [f"    {entry}" for entry in shown]
