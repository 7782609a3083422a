"""What the documentation and the README say is there, and works."""

import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

import actors
import supervisor

TREE = Path(__file__).resolve().parent.parent
PACKAGES = Path(str(actors.__file__)).parent.parent


@pytest.mark.parametrize("package", [supervisor, actors], ids=lambda package: package.__name__)
def test_the_reference_names_every_public_name(package) -> None:
    page = (TREE / "docs" / "reference" / f"{package.__name__}.md").read_text()

    assert [name for name in package.__all__ if not re.search(rf"\b{name}\b", page)] == []


def test_the_options_in_the_reference_are_those_of_the_policy_with_their_defaults() -> None:
    page = (TREE / "docs" / "reference" / "supervisor.md").read_text()
    rows = dict(re.findall(r"^\| `(\w+)` \| (.+?) \|", page, re.MULTILINE))
    shown = {
        field.name: {"on": "`{}`", "backoff": "`Backoff()`"}.get(field.name)
        or (f"{field.default:g} s" if isinstance(field.default, float) else f"`{field.default!r}`".replace("'", '"'))
        for field in supervisor.Policy.__attrs_attrs__
    }

    assert {name: rows.get(name) for name in shown} == shown


def test_the_picture_of_the_states_is_drawn_from_the_table_that_the_machine_obeys() -> None:
    drawn = runpy.run_path(str(TREE / "docs" / "draw_states.py"))["draw"]()

    assert (TREE / "docs" / "reference" / "states.txt").read_text() == drawn, "run `python docs/draw_states.py`"


def test_the_tree_in_the_readme_is_a_tree(tmp_path: Path) -> None:
    code = re.search(r"```python\n(.*?)```", (TREE / "README.md").read_text(), re.DOTALL)
    assert code is not None
    assert len([line for line in code[1].splitlines() if line.strip()]) <= 16
    (tmp_path / "bot.py").write_text(code[1])
    environment = {**os.environ, "PYTHONPATH": str(PACKAGES), "PYTHONSAFEPATH": "1"}
    found = subprocess.run(
        [sys.executable, "-c", "from actors._cli import main; main()", "check", str(tmp_path / "bot.py")],
        check=False, capture_output=True, text=True, env=environment, timeout=60,
    )  # fmt: skip

    assert (found.returncode, found.stderr) == (0, "")


def test_links_between_pages_lead_somewhere() -> None:
    pages = [TREE / name for name in ("README.md", "CONTRIBUTING.md")] + sorted((TREE / "docs").rglob("*.md"))
    broken = [
        f"{page.relative_to(TREE)}: {target}"
        for page in pages
        if "_build" not in page.parts
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text())
        if not target.startswith("http") and not (page.parent / target).exists()
    ]

    assert broken == []


def test_the_files_that_the_architecture_page_names_exist() -> None:
    page = (TREE / "docs" / "explanation" / "architecture.md").read_text()
    floors = page.partition("```text")[2].partition("```")[0]
    package = {"actors": PACKAGES / "actors", "supervisor": PACKAGES / "supervisor"}
    current = folder = package["actors"]
    missing = []
    for line in floors.splitlines():
        current = next((found for name, found in package.items() if line.strip().startswith(f"{name}/")), current)
        if not line.startswith(" " * 6):
            # Lines that stand deeper name files of the folder above them.
            below = re.match(r" {4}(\w+)/", line)
            folder = current / below[1] if below else current
        missing += [name for name in re.findall(r"(_\w+\.py)", line) if not (folder / name).exists()]

    assert missing == []


def test_the_changelog_begins_with_the_promise_about_compatibility() -> None:
    head = (TREE / "CHANGELOG.md").read_text().partition("## Unreleased")[0]

    assert "What the numbers promise" in head
