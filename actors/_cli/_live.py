"""The demo while it runs: a live tree on a terminal, one line an event elsewhere."""

from __future__ import annotations

from collections.abc import Iterator

import trio
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from supervisor import Running, Status

from ._stage import Stage
from ._witness import Witness

REFRESH = 0.25
"""Seconds between two pictures; one of twenty rows costs some 8 ms."""
FAULTS_SHOWN = 5

_COLOURS = {"ready": "green", "waiting": "yellow", "starting": "yellow", "stopping": "yellow", "parked": "red"}


async def show_live(running: Running, stage: Stage, witness: Witness, console: Console) -> None:
    """Draw the tree a few times a second, until cancelled; the last picture stays on the screen."""
    with Live(console=console, auto_refresh=False) as live:
        while True:
            live.update(picture(running.status(), stage, witness, trio.current_time()), refresh=True)
            await trio.sleep(REFRESH)


def picture(status: Status, stage: Stage, witness: Witness, now: float) -> Group:
    """Return the tree, the counts and the last faults as something that rich can draw."""
    tree = Table(box=None, header_style="dim", expand=True)
    tree.add_column("actor", no_wrap=True, min_width=24)
    tree.add_column("state", no_wrap=True, min_width=8)
    tree.add_column("for", no_wrap=True, min_width=6, justify="right")
    tree.add_column("life", no_wrap=True, min_width=4, justify="right")
    tree.add_column("last failure", no_wrap=True, overflow="ellipsis", ratio=1)
    for depth, child in _walk(status, 0):
        waits = "" if child.next_at is None else f", next try in {max(0.0, child.next_at - now):.1f} s"
        end = child.last_end.summary() if child.last_end is not None and child.last_end.failed else ""
        tree.add_row(
            "  " * depth + child.path.rpartition("/")[2],
            Text(child.state + waits, style=_COLOURS.get(child.state, "")),
            f"{now - child.since:.1f} s",
            f"#{child.generation}",
            Text(end, style="dim"),
        )
    published = sum(len(stage.published(market)) for market in stage.markets)
    delivered = sum(map(len, witness.trades.values()))
    counts = (
        f"trades {delivered} of {published}, order events {len(witness.orders)} of {len(stage.order_events)}, "
        f"failures {len(witness.recorded)}"
    )
    faults = [f"{fault.at:6.2f} s  {fault.fault}" for fault in stage.exchange.record.faults[-FAULTS_SHOWN:]]
    return Group(tree, Text(counts, style="bold"), Text("\n".join(faults), style="red"))


def _walk(status: Status, depth: int) -> Iterator[tuple[int, Status]]:
    yield depth, status
    for child in status.children:
        yield from _walk(child, depth + 1)
