"""The example units of systemd are what systemd takes."""

import shutil
import subprocess
from configparser import ConfigParser
from pathlib import Path

import pytest

import actors

PACKAGES = Path(str(actors.__file__)).parent.parent
INSTALLED = PACKAGES / "actors" / "_examples"
UNITS = (INSTALLED if INSTALLED.is_dir() else PACKAGES / "docs" / "examples") / "systemd"
FILES = sorted(UNITS.glob("*.service"))


def test_there_is_a_unit_for_the_bot_and_one_for_the_watchdog() -> None:
    assert [file.name for file in FILES] == ["bot.service", "watchdog.service"]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_systemd_accepts_the_unit(file: Path) -> None:
    found = subprocess.run(
        ["systemd-analyze", "verify", str(file)], check=False, capture_output=True, text=True, timeout=60
    )
    complaints = [line for line in found.stderr.splitlines() if file.name in line]

    assert (found.returncode, complaints) == (0, [])


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_the_unit_waits_for_ready_and_is_restarted_when_the_watchdog_is_not_fed(file: Path) -> None:
    unit = ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read(file)
    service = unit["Service"]

    assert (service["Type"], service["Restart"]) == ("notify", "always")
    assert int(service["WatchdogSec"]) > 0
    assert service["ExecStart"].startswith("/usr/bin/env unblinking ")
    # The notification socket is a Unix socket: without this family nothing would arrive.
    assert "AF_UNIX" in service["RestrictAddressFamilies"]
