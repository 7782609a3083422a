"""Breaking any one of these lines of the runtime turns the properties red.

Each bug is one that somebody really made, here or in another supervisor.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import supervisor

HERE = Path(__file__).parent

BUGS = {
    "backoff starts anew on connecting, not on health": (
        "_judge.py",
        "if end.ready_at is not None and now - end.ready_at >= slot.policy.healthy_after:",
        "if end.ready_at is not None:",
    ),
    "the backoff is not waited for": ("_machine.py", "if now < group.due:", "if now < 0:"),
    "children stop in the order in which they started": (
        "_machine.py",
        "self._to_stop = list(self.slots.values())",
        "self._to_stop = list(self.slots.values())[::-1]",
    ),
    "siblings are not stopped when their group restarts": (
        "_state.py",
        "self.next_stop: int = len(members) - 1",
        "self.next_stop: int = -1",
    ),
    "a foreign Cancelled passes for a normal end": (
        "_outcome.py",
        "elif caught.cancelled and not cancel_called:",
        "elif caught.cancelled and not cancel_called and False:",
    ),
    "one restart more than the limit": (
        "_policy.py",
        "if self.used(now, limit) >= limit.restarts:",
        "if self.used(now, limit) > limit.restarts:",
    ),
    "what does not stop holds up all others": ("_bounds.py", "slot.hung = True", "slot.hung = False"),
    "a member that dies before its turn splits its group": (
        "_machine.py",
        "if slot.group is not None and slot.group.stopping and verdict",
        "if False and verdict",
    ),
    "a silent child is not noticed": ("_bounds.py", "if silence is not None:", "if False:"),
    "planned ends storm": ("_judge.py", 'if action == "restart_now" and now', "if False and now"),
}


@pytest.mark.slow
@pytest.mark.parametrize("bug", BUGS)
def test_the_properties_find(bug: str, tmp_path: Path) -> None:
    name, line, broken = BUGS[bug]
    package = tmp_path / "supervisor"
    shutil.copytree(Path(supervisor.__file__).parent, package)
    source = (package / name).read_text()
    assert source.count(line) == 1, "the planted bug no longer fits the code"
    (package / name).write_text(source.replace(line, broken))

    for test in ("conftest.py", "test_model.py", "test_laws.py"):
        shutil.copy(HERE / test, tmp_path)
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--hypothesis-profile=planted_bug"]
    result = subprocess.run(
        [*command, "--rootdir", str(tmp_path), "test_model.py", "test_laws.py"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert result.returncode == 1, result.stdout[-2000:]
    assert "AssertionError" in result.stdout, result.stdout[-2000:]
