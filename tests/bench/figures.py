"""One measured figure, and the table of all of them."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Sequence
from typing import Any

import attrs

UNMOVED = ("KB", "times", "s", "a second", "a minute")
"""Units of what is waited for or weighed, and not worked for."""


@attrs.frozen
class Figure:
    """One line of the table."""

    name: str
    value: float
    unit: str
    bare: float | None = None
    """The same done with bare Trio in the same process, or by what the name says is beside, in the same unit."""
    target: float | None = None
    """The figure that it must not pass at reference speed; for rates (``/s``) the one that it must reach."""
    ratio_target: float | None = None
    """The ratio to that which it must not pass."""
    note: str | None = None
    """In place of `bare`, where there is none."""
    slowness: float | None = None
    """How many times slower the machine was, during this measure, than the one that the targets were set on. None: what
    was found before and after the measure."""

    @property
    def at_reference_speed(self) -> float:
        """The value as it would be on the machine that the targets were set on; sizes stay as they are."""
        slowness = self.slowness or 1.0
        if self.unit == "/s":
            return self.value * slowness
        return self.value if self.unit in UNMOVED else self.value / slowness

    @property
    def ratio(self) -> float | None:
        """How many times the other's cost this is; for rates, too."""
        if not self.bare or not self.value or self.value == math.inf:
            return None
        return self.bare / self.value if self.unit == "/s" else self.value / self.bare

    @property
    def met(self) -> bool | None:
        """Whether it meets its targets; None where it has none."""
        verdicts = []
        if self.target is not None:
            value = self.at_reference_speed
            verdicts.append(value >= self.target if self.unit == "/s" else value <= self.target)
        if self.ratio_target is not None and self.ratio is not None:
            verdicts.append(self.ratio <= self.ratio_target)
        return all(verdicts) if verdicts else None

    def cells(self) -> list[str]:
        """Return the line of the table."""
        goal = [] if self.target is None else [f"{'>=' if self.unit == '/s' else '<='} {_short(self.target)}"]
        goal += [] if self.ratio_target is None else [f"<= {self.ratio_target:g}x"]
        return [
            self.name,
            "never" if self.value == math.inf else f"{_short(self.value)} {self.unit}",
            (self.note or "") if self.bare is None else f"{_short(self.bare)}",
            "" if self.ratio is None else f"{self.ratio:.2f}x",
            "" if self.target is None else _short(self.at_reference_speed),
            ", ".join(goal),
            {True: "met", False: "MISSED", None: ""}[self.met],
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON, which has no infinity: what did not happen has no value."""
        plain = {**attrs.asdict(self), "ratio": self.ratio, "met": self.met}
        return {name: None if value == math.inf else value for name, value in plain.items()}


@attrs.frozen
class Curve:
    """What is drawn and does not go into the table."""

    curve: str
    x: str
    y: str
    lines: dict[str, list[tuple[float, float]]]
    """By name: the points."""


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def percentile(samples: Sequence[float], percent: int) -> float:
    """Return a percentile of many samples."""
    return statistics.quantiles(samples, n=100, method="inclusive")[percent - 1]


def table(figures: Sequence[Figure]) -> str:
    """Return all figures as text in columns."""
    rows = [
        ["", "unblinking", "bare Trio, or beside", "ratio", "at reference speed", "target", ""],
        *(figure.cells() for figure in figures),
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(
            cell.ljust(width) if place in (0, 5, 6) else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def as_json(figures: Sequence[Figure], curves: Sequence[Curve], machine: dict[str, Any]) -> str:
    """Return everything as JSON."""
    found = {
        "machine": machine,
        "figures": [figure.to_dict() for figure in figures],
        "curves": [attrs.asdict(curve) for curve in curves],
    }
    return json.dumps(found, indent=2)
