"""`unblinking status`, `top` and `explain`: a running bot, asked over its health endpoint."""

import signal
import sys
from contextlib import suppress
from pathlib import Path

import click
import msgspec
import trio
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from ._asking import Bot, Unreachable, endpoint_options
from ._picture import headline, picture

WIDE = 200
"""Columns where nobody looks at a terminal: what is cut off there cannot be searched for."""


@click.command()
@endpoint_options
@click.option("--json", "as_json", is_flag=True, help="what the endpoint tells, as it is")
@click.option("--quiet", "-q", is_flag=True, help="the first line only")
def status(url: str, token_file: Path | None, as_json: bool, quiet: bool) -> None:
    """Print how a running bot is; URL is that of its health endpoint.

    Exit code 0 when it is healthy, 1 when it is not, 2 when it cannot be asked: for scripts and checks.
    """
    bot = Bot(url, token_file)
    told = trio.run(bot.picture)
    if as_json:
        click.echo(msgspec.json.encode(told))
    else:
        console = _console()
        console.print(headline(told) if quiet else picture(told))
    sys.exit(0 if told["health"]["healthy"] else 1)


@click.command()
@endpoint_options
@click.argument("path", metavar="PATH")
def explain(url: str, token_file: Path | None, path: str) -> None:
    """Print why a child of a running bot is as it is, when it is tried next, and what a failure now would do.

    Exit code 0, or 2 when the bot cannot be asked or there is no such child.
    """
    click.echo(trio.run(Bot(url, token_file).explain, path))


@click.command()
@endpoint_options
@click.option(
    "--every", type=click.FloatRange(min=0.1), default=1.0, show_default=True, help="seconds between two looks"
)
def top(url: str, token_file: Path | None, every: float) -> None:
    """Show a running bot live, until Ctrl-C. When the bot is lost it says so, and goes on looking.

    Exit code 0, or 2 when the bot cannot be asked at first.
    """
    console = _console()
    with suppress(KeyboardInterrupt):
        trio.run(_until_signal, Bot(url, token_file), every, console)


async def _until_signal(bot: Bot, every: float, console: Console) -> None:
    """Show until a signal comes. Received like this none can get lost in code that cannot be interrupted."""
    first = picture(await bot.picture())
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_top, bot, every, console, first)
            async for _ in signals:
                nursery.cancel_scope.cancel("a signal")


async def _top(bot: Bot, every: float, console: Console, last: RenderableType) -> None:
    lost_at: float | None = None
    with Live(last, console=console, auto_refresh=False, screen=console.is_terminal) as live:
        while True:
            await trio.sleep(every)
            try:
                last, lost_at = picture(await bot.picture()), None
                live.update(last, refresh=True)
            except Unreachable as lost:
                now = trio.current_time()
                lost_at = now if lost_at is None else lost_at
                words = f"BOT LOST for {now - lost_at:.0f} s: {lost.message}; below is how it was"
                live.update(Group(Text(words, style="bold red"), last), refresh=True)


def _console() -> Console:
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=WIDE)
