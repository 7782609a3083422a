"""Copies of the code, to break."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
_PACKAGES = ("supervisor", "actors", "tests", "docs")


@contextmanager
def copied(root: Path = ROOT) -> Iterator[Path]:
    """Give a copy of the code, with the bytecode that is there: compiling takes longer than most tests."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        copy = Path(folder)
        for name in _PACKAGES:
            shutil.copytree(root / name, copy / name, ignore=shutil.ignore_patterns("_build"))
        for name in ("pyproject.toml", "README.md"):
            shutil.copy(root / name, copy)
        yield copy
