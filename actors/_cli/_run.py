"""`unblinking run`: a tree as a program, until a signal or until it gives up."""

import sys

import click
import structlog
import trio

from supervisor import Event, Supervisor

from ._follow import follow
from ._load import load_tree
from ._logs import LEVELS, LogFormat, LogLevel, configure, log
from ._output import Lines


@click.command()
@click.argument("target", metavar="FILE[:NAME]")
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Aligned text for people, or one JSON object a line.",
)
@click.option(
    "--log-level", type=click.Choice(list(LEVELS)), default="info", show_default=True, help="The least that is written."
)
@click.option(
    "--watch-blocking",
    metavar="SECONDS",
    type=click.FloatRange(min=0),
    default=1.0,
    show_default=True,
    help="Name actors that keep the event loop for longer; 0: do not measure.",
)
def run(target: str, log_format: LogFormat, log_level: LogLevel, watch_blocking: float) -> None:
    """Run the tree that a Python file defines, until SIGTERM or SIGINT; a second signal hurries.

    The log goes to standard error, one line an event.
    Exit code 0 after an orderly stop, 1 when the root gave up, 2 when the file defines no tree.
    """
    tree = load_tree(target)
    lines = Lines(sys.stderr.fileno())
    configure(lines, log_format, colors=sys.stderr.isatty(), level=log_level)
    sys.exit(trio.run(_run, tree, lines, watch_blocking or None))


async def _run(tree: Supervisor, lines: Lines, watch_blocking: float | None) -> int:
    async def log_event(event: Event) -> None:  # noqa: ASYNC124 - other followers wait
        log(event)

    gave_up = await follow(tree, lines, log_event, structlog.get_logger().critical, watch_blocking=watch_blocking)
    return 0 if gave_up is None else 1
