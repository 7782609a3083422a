"""The lists on the page about planted bugs, written from what is planted: `nox -s mutants -- --page`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from . import AREAS
from .copies import ROOT
from .core import CORE

PAGE: Final = ROOT / "docs" / "explanation" / "planted-bugs.md"
_PLACES: Final = re.compile(r"(<!-- (\w+): `nox -s mutants -- --page` writes this -->\n).*?(<!-- end -->\n)", re.DOTALL)


def written(page: str) -> str:
    """Return the page with its lists as they must be."""
    lists = {"bugs": _bugs, "survivors": _survivors, "core": _core}
    return _PLACES.sub(
        lambda place: "\n".join((place[1], *(f"{block}\n" for block in lists[place[2]]()), place[3])), page
    )


def _table(*rows: Sequence[str]) -> str:
    first, *others = (" | ".join(cell.replace("|", "\\|") for cell in row) for row in rows)
    return "\n".join(f"| {line} |" for line in (first, " | ".join("---" for _ in rows[0]), *others))


def _bugs() -> Iterator[str]:
    for area, bugs in AREAS.items():
        yield f"### {area}: {len(bugs)}"
        yield _table(("planted", "who made it, or what it comes from"), *((bug.name, bug.source) for bug in bugs))


def _survivors() -> Iterator[str]:
    alive = [(bug.name, bug.survives) for bugs in AREAS.values() for bug in bugs if bug.survives]
    yield _table(("planted", "why no test can notice it"), *alive) if alive else "None: each of them must be found."


def _core() -> Iterator[str]:
    alive = [(module.file, one) for module in CORE for one in module.survivors]
    yield "\n".join(f"- `{module.file}`, by {' and '.join(f'`{test}`' for test in module.proof)}" for module in CORE)
    if alive:
        yield _table(
            ("in", "the line", "becomes", "why that is no bug"),
            *((f"`{file}`", f"`{one.was}`", f"`{one.becomes}`", one.reason) for file, one in alive),
        )
