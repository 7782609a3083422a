"""Another package named `supervisor` is noticed, and the message says what to do."""

import subprocess
import sys
from pathlib import Path

import actors


def import_actors(*paths: Path) -> subprocess.CompletedProcess[str]:
    program = f"import sys; sys.path[:0] = {[str(path) for path in paths]!r}; import actors"
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd="/")


def test_supervisord_in_our_place_is_refused_with_a_clear_message(tmp_path: Path) -> None:
    other = tmp_path / "supervisor"
    other.mkdir()
    (other / "__init__.py").write_text("# supervisord's is as empty as this\n")
    found = import_actors(tmp_path, Path(str(actors.__file__)).parent.parent)
    assert found.returncode == 1
    last = found.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError: the package 'supervisor' at ")
    assert str(other) in last
    assert "supervisord" in last
    assert "pip uninstall" in last


def test_our_own_is_accepted_in_silence() -> None:
    found = import_actors(Path(str(actors.__file__)).parent.parent)
    assert (found.returncode, found.stdout, found.stderr) == (0, "", "")
