"""What is shipped: both packages, typed, with the example; and the guard against the other package named supervisor."""

import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

import actors

TREE = Path(__file__).resolve().parent.parent
INSTALLED = Path(str(actors.__file__)).parent.parent != TREE

installed = pytest.mark.skipif(not INSTALLED, reason="looks at the installed wheel; nox installs it")

SUPERVISORD = {"__init__.py": "", "supervisord.py": "", "events.py": "def clear(): ...\n"}
"""PyPI's supervisor, as far as our guard could see it."""


@installed
@pytest.mark.parametrize(
    "file",
    [
        "supervisor/py.typed",
        "actors/py.typed",
        "actors/simulator/__init__.py",
        "actors/_examples/bot.py",
        "actors/ops/dashboard.html",
    ],
)
def test_the_wheel_holds_both_typed_packages_and_the_example(file: str) -> None:
    assert file in {str(path) for path in metadata.files("unblinking") or ()}


@installed
def test_the_wheel_ships_neither_tests_nor_caches() -> None:
    names = {str(path) for path in metadata.files("unblinking") or ()}
    tops = {name.split("/")[0] for name in names if ".dist-info" not in name and not name.startswith("..")}

    assert tops == {"supervisor", "actors"}
    assert not [name for name in names if "test_" in name]


@installed
def test_the_command_is_an_entry_point_of_the_distribution() -> None:
    scripts = metadata.entry_points(group="console_scripts", name="unblinking")

    assert [script.value for script in scripts] == ["actors._cli:main"]


def python(code: str, *paths: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths)), "PYTHONSAFEPATH": "1"}
    return subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True, env=environment, timeout=60
    )


def test_another_package_named_supervisor_is_recognised_and_named(tmp_path: Path) -> None:
    """Installed over ours, supervisord replaces `supervisor/__init__.py`: the marker is gone."""
    other = tmp_path / "supervisor"
    other.mkdir()
    for name, text in SUPERVISORD.items():
        (other / name).write_text(text)

    found = python("import actors", tmp_path, Path(str(actors.__file__)).parent.parent)

    assert found.returncode == 1
    last = found.stderr.splitlines()[-1]
    assert last.startswith("ImportError: ")
    assert "supervisord" in last
    assert "environment" in last


def test_alone_the_import_is_silent() -> None:
    found = python("import actors, supervisor", Path(str(actors.__file__)).parent.parent)

    assert (found.returncode, found.stdout, found.stderr) == (0, "", "")
