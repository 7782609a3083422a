"""`unblinking run`: a tree as a program, until a signal or until it gives up."""

import sys

import click
import structlog
import trio

from supervisor import Event, Supervisor

from ._follow import follow
from ._load import load_tree
from ._logs import LogFormat, configure, log
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
def run(target: str, log_format: LogFormat) -> None:
    """Run the tree that a Python file defines, until SIGTERM or SIGINT; a second signal hurries.

    The log goes to standard error, one line an event.
    Exit code 0 after an orderly stop, 1 when the root gave up, 2 when the file defines no tree.
    """
    tree = load_tree(target)
    lines = Lines(sys.stderr.fileno())
    configure(lines, log_format, colors=sys.stderr.isatty())
    sys.exit(trio.run(_run, tree, lines))


async def _run(tree: Supervisor, lines: Lines) -> int:
    async def log_event(event: Event) -> None:  # noqa: ASYNC124 - other followers wait
        log(event)

    gave_up = await follow(tree, lines, log_event, structlog.get_logger().error)
    return 0 if gave_up is None else 1
