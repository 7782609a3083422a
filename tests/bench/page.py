"""The page of figures in the documentation: its table, and its plots, from the JSON of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "explanation" / "figures.md"
IMAGES = DOCS / "images"
BEGIN, END = "<!-- table: written by nox -s bench -- --page -->", "<!-- end of the table -->"
BESIDE = " (beside: "
OURS = "unblinking"
WIDTH, HEIGHT = 7.0, 3.2
"""Inches."""


def write(found: dict[str, Any]) -> None:
    """Write the table into the page, and draw the plots.

    Args:
        found: What `figures.as_json` gives.
    """
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n\n{rows(found)}\n{END}{after}")
    draw(found)


def rows(found: dict[str, Any]) -> str:
    """Return the table, and on what machine it was made."""
    machine = found["machine"]
    load = machine["load"][0]
    made = (
        f"{machine['cores']} cores, Python {machine['python']}, Trio {machine['trio']}, {machine['clock']}, "
        f"load {load:.1f} at the end of the run."
    )
    lines = ["| what | unblinking | beside | which is | target | |", "|---|---|---|---|---|---|"]
    lines += [f"| {' | '.join(_cells(figure))} |" for figure in found["figures"]]
    return "\n".join([made, "", *lines, ""])


def _cells(figure: dict[str, Any]) -> list[str]:
    name, _, beside = figure["name"].partition(BESIDE)
    unit = figure["unit"]
    goal = []
    if figure["target"] is not None:
        goal.append(f"{'≥' if unit == '/s' else '≤'} {_short(figure['target'])} {unit}")
    if figure["ratio_target"] is not None:
        times = figure["ratio_target"]
        goal.append(f"≥ {1 / times:.2g} times the rate" if unit == "/s" else f"≤ {times:g} times")
    other = figure.get("note") or ("" if figure["bare"] is None else f"{_short(figure['bare'])} {unit}")
    return [
        name,
        "never" if figure["value"] is None else f"{_short(figure['value'])} {unit}",
        other,
        beside.rstrip(")") or ("bare Trio" if other else ""),
        ", ".join(goal),
        {True: "met", False: "missed", None: ""}[figure["met"]],
    ]


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


# Plots -----------------------------------------------------------------------------------------------------------


def draw(found: dict[str, Any]) -> None:
    """Draw every plot of which the figures are there."""
    import matplotlib

    matplotlib.use("svg")
    # The same figures give the same file, and text stays text.
    matplotlib.rcParams.update({"svg.hashsalt": "figures", "svg.fonttype": "none", "font.size": 9})
    IMAGES.mkdir(exist_ok=True)
    figures = {figure["name"]: figure for figure in found["figures"]}
    curves = {curve["curve"]: curve for curve in found["curves"]}
    _bars(
        "throughput",
        "trades a second, one feed, one core",
        _beside(figures, "feed, trades"),
    )
    _bars("cpu", "microseconds of CPU a trade", _beside(figures, "feed, CPU a trade"))
    for name in ("reset", "refused for 3 s", "mute"):
        bars = _beside(figures, f"{name}, until trades again")
        _bars(f"recovery-{name.split()[0]}", f"{name}: seconds until trades come again", bars)
    for rate in (1_000, 20_000):
        _latencies(f"latency-{rate}", f"microseconds at {rate:,} trades a second", curves.get(f"latency-{rate}"))
    _outage(curves.get("outage"))


def _beside(figures: dict[str, Any], name: str) -> list[tuple[str, float | None]]:
    """Return ours and the others', by name; None: it did not happen."""
    group = [figure for title, figure in figures.items() if title.startswith(name + BESIDE)]
    if not group:
        return []
    others = [(figure["name"].partition(BESIDE)[2].rstrip(")"), figure["bare"]) for figure in group]
    return [(OURS, group[0]["value"]), *others]


def _plot(name: str, make: Callable[[Any], None], height: float = HEIGHT) -> None:
    import matplotlib.pyplot as plots

    picture, axes = plots.subplots(figsize=(WIDTH, height), layout="constrained")
    axes.spines[["top", "right"]].set_visible(False)
    make(axes)
    picture.savefig(IMAGES / f"{name}.svg", metadata={"Date": None})
    plots.close(picture)


def _bars(name: str, title: str, bars: Iterable[tuple[str, float | None]]) -> None:
    bars = list(bars)
    if not bars:
        return
    longest = max((value for _, value in bars if value is not None), default=1.0)

    def make(axes: Any) -> None:
        for place, (label, value) in enumerate(reversed(bars)):
            axes.barh(label, value or 0.0, color="tab:blue" if label == OURS else "tab:gray")
            text = "not within the time" if value is None else _short(value)
            axes.text((value or 0.0) + 0.01 * longest, place, text, va="center")
        axes.set_title(title, loc="left")
        axes.set_xlim(0, 1.2 * longest)

    _plot(name, make, height=0.6 + 0.4 * len(bars))


def _latencies(name: str, title: str, curve: dict[str, Any] | None) -> None:
    if curve is None:
        return

    def make(axes: Any) -> None:
        for label, points in curve["lines"].items():
            values = [value for _, value in points]
            axes.plot(range(len(values)), values, marker="o", label=label, linewidth=2.5 if label == OURS else 1.2)
        axes.set_xticks(range(3), ["p50", "p99", "p99.9"])
        axes.set_yscale("log")
        axes.set_title(title, loc="left")
        axes.legend(frameon=False)

    _plot(name, make)


def _outage(curve: dict[str, Any] | None) -> None:
    if curve is None:
        return

    def make(axes: Any) -> None:
        for label, points in curve["lines"].items():
            seconds, attempts = zip(*points, strict=True)
            axes.plot(
                seconds, [count or None for count in attempts], label=label, linewidth=2.5 if label == OURS else 1.2
            )
        axes.set_yscale("log")
        axes.set_xlabel(curve["x"])
        axes.set_title("attempts a second of 10,000 bots; the venue is away for 60 s", loc="left")
        axes.legend(frameon=False)

    _plot("outage", make)
