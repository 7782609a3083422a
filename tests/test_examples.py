"""Every file in docs/examples does what its page says."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import actors
import supervisor

PACKAGES = Path(str(actors.__file__)).parent.parent
INSTALLED = PACKAGES / "actors" / "_examples"
EXAMPLES = INSTALLED if INSTALLED.is_dir() else PACKAGES / "docs" / "examples"
TREES = ["bot.py", "prices.py"]
"""Run by `unblinking run`, until a signal."""
PROGRAMS = {
    "account.py": "the position is the venue's\n",
    "any_failure.py": "the laws hold\n",
    "bad_day.py": "nothing was lost\n",
    "embed.py": "tick 3\nready\n",
    "failover.py": "the feed went on with okx-btc-usdt\n",
    "order_book.py": "the book is the venue's\n",
    "own_tree.py": "3 tests passed\n",
}
"""Run by `python`, with the end of what they print."""


def start(*arguments: str, cwd: Path | None = None) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(PACKAGES), "PYTHONSAFEPATH": "1", "NO_COLOR": "1"}
    return subprocess.Popen(
        [sys.executable, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=cwd,
    )


def test_no_example_is_forgotten_here() -> None:
    assert supervisor.__file__
    assert sorted([*TREES, *PROGRAMS]) == sorted(file.name for file in EXAMPLES.glob("*.py"))


@pytest.mark.parametrize("name", TREES)
def test_an_example_tree_is_accepted_and_printed(name: str) -> None:
    process = start("-c", "from actors._cli import main; main()", "check", str(EXAMPLES / name))
    output, errors = process.communicate(timeout=30)

    assert (process.returncode, errors) == (0, "")
    assert output.startswith(Path(name).stem)


@pytest.mark.parametrize("name", sorted(PROGRAMS))
def test_an_example_program_ends_as_its_page_says(name: str, tmp_path: Path) -> None:
    process = start(str(EXAMPLES / name), cwd=tmp_path)
    output, errors = process.communicate(timeout=60)

    assert (process.returncode, errors) == (0, "")
    assert output.endswith(PROGRAMS[name])


def test_the_tree_of_the_tutorial_runs_fails_restarts_and_stops() -> None:
    process = start("-c", "from actors._cli import main; main()", "run", str(EXAMPLES / "prices.py"))
    assert process.stdout is not None and process.stderr is not None
    first_price = process.stdout.readline()
    for line in process.stderr:
        if "started" in line and "path=prices/source" in line and "incarnation=2" in line:
            break
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)

    assert process.returncode == 0
    assert first_price.startswith("prices/average ")
