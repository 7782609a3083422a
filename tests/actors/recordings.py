"""Real traffic for tests, where it is at hand."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

RECORDINGS = Path(
    os.environ.get("UNBLINKING_RECORDINGS") or Path(__file__).resolve().parents[3] / "shared" / "recordings"
)
"""Where they are, if anywhere."""


def recording(name: str) -> Path:
    """Return the file of a recording, or skip the test."""
    path = RECORDINGS / name
    if not path.exists():
        pytest.skip(f"recording {name} is not at hand")
    return path


def received_frames(path: Path) -> Iterator[str]:
    """Yield the messages that the venue sent: lines of the form ``<epoch>: <json>``."""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            if line.strip() and not line.startswith("wss://"):
                yield line.partition(": ")[2].strip()
