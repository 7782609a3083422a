"""A running bot as tables for a terminal: its tree, its streams, and what is wrong."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ._asking import printable

_COLOURS = {"ready": "green", "waiting": "yellow", "starting": "yellow", "stopping": "yellow", "parked": "red"}

Told = Mapping[str, Any]


def picture(told: Told) -> Group:
    """Return what ``/tree.json`` tells as something that rich can draw."""
    parts: list[RenderableType] = [headline(told)]
    parts += [Text(f"  {printable(reason)}") for reason in told["health"].get("reasons", ())]
    parts += [Text(), _tree(told)]
    if any(vital.get("streams") for vital in told.get("vitals", ())):
        parts += [Text(), _streams(told["vitals"])]
    counts = f"failures {told.get('failures', 0)}, restarts {told.get('restarts', 0)}"
    if told.get("dead_letters"):
        counts += f", dead letters {told['dead_letters']}"
    dropped = {box["name"]: box["dropped"] for box in told.get("mailboxes", ()) if box.get("dropped")}
    if dropped:
        counts += ", dropped " + ", ".join(f"{printable(name)} {count}" for name, count in dropped.items())
    return Group(*parts, Text(), Text(counts))


def headline(told: Told) -> Text:
    """Return the verdict in one line; words say it, not only colour."""
    healthy = told["health"]["healthy"]
    reasons = len(told["health"].get("reasons", ()))
    words = "healthy" if healthy else f"NOT HEALTHY, {reasons} reason{'s' * (reasons != 1)}"
    return Text(f"{printable(told.get('name', '?'))}: {words}", style="bold green" if healthy else "bold red")


def _tree(told: Told) -> Table:
    now = float(told.get("now", 0.0))
    table = _table("actor", "state", "for", "life", "restarts", "last failure")
    for depth, child in _walk(told["tree"], 0):
        state = str(child["state"])
        next_at = child.get("next_at")
        waits = "" if next_at is None else f", next try in {max(0.0, next_at - now):.1f} s"
        last = child.get("last_end") or ""
        failed = last if last.partition(":")[0] in ("crashed", "stale", "start_timeout") else ""
        table.add_row(
            "  " * depth + printable(str(child["path"]).rpartition("/")[2]),
            Text(state + waits, style=_COLOURS.get(state, "")),
            _duration(now - float(child["since"])),
            f"#{child['generation']}",
            str(child["restarts"] or ""),
            Text(printable(failed), style="dim"),
        )
    return table


def _streams(vitals: Any) -> Table:
    table = _table("stream", "venue", "live", "age", "limit", "rate", "lag", "gaps", "why")
    for vital in vitals:
        for stream in vital.get("streams", ()):
            age, limit = stream.get("age"), stream.get("limit")
            stale = age is not None and limit is not None and age > limit
            good = bool(stream["live"]) and not stale
            kind = f"{vital['vital']} {stream['name']}" + ("" if vital["required"] else " (not required)")
            table.add_row(
                printable(kind),
                printable(vital["venue"]),
                Text("stale" if stale else "live" if good else "NOT LIVE", style="green" if good else "red"),
                "" if age is None else f"{age:.1f} s",
                "" if limit is None else f"{limit:g} s",
                "" if stream.get("rate") is None else f"{stream['rate']:.1f}/s",
                "" if stream.get("lag") is None else f"{stream['lag']:.0f} ms",
                str(stream.get("gaps") or ""),
                printable(stream.get("reason") or ""),
            )
    return table


def _table(*columns: str) -> Table:
    table = Table(box=None, header_style="dim", pad_edge=False)
    for column in columns:
        table.add_column(column, no_wrap=True, overflow="ellipsis")
    return table


def _walk(child: Told, depth: int) -> Iterator[tuple[int, Told]]:
    yield depth, child
    for below in child.get("children", ()):
        yield from _walk(below, depth + 1)


def _duration(seconds: float) -> str:
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"
