"""What every test shares: the certainty of which code is under test."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings

import actors
import supervisor

TREE = Path(__file__).resolve().parent.parent

# No test depends on the machine's speed, the making of examples included.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
# Under a planted bug it is enough that an example fails: none is made smaller, and each run has the same ones.
settings.register_profile(
    "mutants",
    settings.get_profile("any machine"),
    phases=[Phase.explicit, Phase.generate],
    derandomize=True,
    database=None,
)
settings.load_profile("any machine")


def pytest_report_header() -> list[str]:
    """Say where the packages under test come from."""
    return [f"supervisor: {supervisor.__file__}", f"actors: {actors.__file__}"]


def pytest_sessionstart(session: pytest.Session) -> None:
    """Refuse to test the working tree where the installed package was promised (see noxfile.py)."""
    if "UNBLINKING_TEST_INSTALLED" in os.environ:
        for package in (supervisor, actors):
            if Path(str(package.__file__)).parent.parent == TREE:
                raise pytest.UsageError(f"{package.__name__} was imported from the working tree, not from the wheel")
