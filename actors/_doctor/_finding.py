"""What a check says."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Literal, Protocol, TypeAlias, TypeVar

import attrs
import trio

from ._needs import Needs

Level: TypeAlias = Literal["ok", "warning", "failed"]

LEVELS: Final[tuple[Level, ...]] = ("ok", "warning", "failed")
"""From good to bad."""
_AT_ONCE: Final = 8
"""Addresses that are asked at one time."""

T = TypeVar("T")


@attrs.frozen
class Finding:
    """One line: it is well, or what to do. It tells no secret."""

    level: Level
    check: str
    """Which kind of thing was looked at: ``dns``."""
    about: str
    """Which one: a host, an address, a path in the tree."""
    text: str
    """What was found."""
    advice: str = ""
    """What to do; empty where it is well."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return attrs.asdict(self)

    def __str__(self) -> str:
        about = f"{self.about}: " if self.about else ""
        return f"{self.level:<8} {self.check:<10} {about}{self.text}" + (f"; {self.advice}" if self.advice else "")


class Check(Protocol):
    """An async function that looks at one kind of thing. What it raises is told as a failure of the check."""

    __name__: str

    def __call__(self, needs: Needs, /) -> Awaitable[list[Finding]]:
        """Look, and say something about each thing that was looked at."""


def worst(findings: Sequence[Finding]) -> Level:
    """Return the worst level of all; ``ok`` where there is nothing."""
    return max((finding.level for finding in findings), key=LEVELS.index, default="ok")


async def for_each(things: Sequence[T], look: Callable[[T], Awaitable[list[Finding]]]) -> list[Finding]:
    """Look at several things at a time; return what was found in their order."""
    found: list[list[Finding]] = [[] for _ in things]
    places = trio.CapacityLimiter(_AT_ONCE)

    async def one(number: int) -> None:
        async with places:
            found[number] = await look(things[number])

    async with trio.open_nursery() as nursery:
        for number in range(len(things)):
            nursery.start_soon(one, number)
    return [finding for each in found for finding in each]
