"""Starting the command as a user does: as a process of its own."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import actors

BOUND = 30
"""Seconds after which a process that should have ended is taken for hung."""


class Outcome(NamedTuple):
    """How a process ended."""

    code: int
    output: str
    errors: str


class Command:
    """Runs `unblinking` against the packages that this process has imported, wherever they lie."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.started: list[subprocess.Popen[str]] = []
        source = str(Path(str(actors.__file__)).parent.parent)
        self.environment = {**os.environ, "PYTHONPATH": source, "NO_COLOR": "1"}

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start `unblinking ARGUMENTS` in the test's own folder."""
        return self.start_python("-c", "from actors._cli import main; main()", *arguments)

    def start_python(self, *arguments: str) -> subprocess.Popen[str]:
        """Start this Python with other arguments."""
        process = subprocess.Popen(
            [sys.executable, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment,
            cwd=self.folder,
        )
        self.started.append(process)
        return process

    def run(self, *arguments: str, bound: float = BOUND) -> Outcome:
        """Run `unblinking ARGUMENTS` to its end."""
        return self.finish(self.start(*arguments), bound)

    def finish(self, process: subprocess.Popen[str], bound: float = BOUND) -> Outcome:
        """Wait for the end of a process."""
        output, errors = process.communicate(timeout=bound)
        return Outcome(process.returncode, output, errors)

    def close(self) -> None:
        """Kill what still runs."""
        for process in self.started:
            process.kill()
            process.communicate()


@pytest.fixture
def unblinking(tmp_path: Path) -> Iterator[Command]:
    """The command, with a folder of its own."""
    command = Command(tmp_path)
    yield command
    command.close()


@pytest.fixture(scope="session")
def examples() -> Path:
    """The folder of the documentation's examples: in the package when it is installed, else in the tree."""
    package = Path(str(actors.__file__)).parent
    installed = package / "_examples"
    return installed if installed.is_dir() else package.parent / "docs" / "examples"


@pytest.fixture
def recordings() -> Path:
    """The folder of recordings of real traffic; skips the test where there is none."""
    tree = Path(__file__).resolve().parents[2]
    folder = Path(os.environ.get("UNBLINKING_RECORDINGS", tree.parent / "shared" / "recordings"))
    if not folder.is_dir():
        pytest.skip("no recordings of real traffic here; UNBLINKING_RECORDINGS says where they are")
    return folder
