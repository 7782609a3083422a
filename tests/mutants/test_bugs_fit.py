"""Every planted bug still fits the code, and stands on the page about them; `nox -s mutants` plants them."""

from __future__ import annotations

from pathlib import Path

import pytest

from . import ALL
from .bug import Bug
from .page import PAGE, written

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("bug", ALL, ids=lambda bug: bug.name)
def test_its_place_is_in_the_code_once(bug: Bug) -> None:
    source = (ROOT / bug.file).read_text(encoding="utf-8")
    assert source.count(bug.line) == 1
    compile(source.replace(bug.line, bug.broken), bug.file, "exec")


@pytest.mark.parametrize("bug", ALL, ids=lambda bug: bug.name)
def test_what_must_find_it_exists(bug: Bug) -> None:
    assert bug.proof
    for test in bug.proof:
        file, _, name = test.partition("::")
        assert f"def {name}(" in (ROOT / file).read_text(encoding="utf-8")


def test_there_are_enough_of_them_and_no_two_alike() -> None:
    assert len(ALL) >= 40
    assert len({bug.name for bug in ALL}) == len(ALL)
    assert len({(bug.file, bug.line, bug.broken) for bug in ALL}) == len(ALL)


def test_the_page_has_exactly_the_list() -> None:
    page = PAGE.read_text(encoding="utf-8")

    assert written(page) == page, "run `nox -s mutants -- --page`"
    assert all(f"| {bug.name} | {bug.source} |" in page for bug in ALL)
