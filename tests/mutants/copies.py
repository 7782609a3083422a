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
def copied() -> Iterator[Path]:
    """Give a copy of the code."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        copy = Path(folder)
        for name in _PACKAGES:
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "_build"))
        for name in ("pyproject.toml", "README.md"):
            shutil.copy(ROOT / name, copy)
        yield copy
