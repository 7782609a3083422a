"""`unblinking demo`: the example bot, a bad day, and what came of it."""

from __future__ import annotations

import random
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import click
import trio
from rich.console import Console

import actors
from actors import Secret, binance, binance_usdm, health
from actors.simulator import Address, serve
from supervisor import GaveUp, Note, Running, Subscription, Supervisor

from .._trees import with_children
from . import _stage
from ._live import show_live
from ._load import load_file
from ._logs import configure, log, log_fault, silence
from ._output import Lines
from ._report import Report, make_report
from ._stage import Stage
from ._witness import Witness

EVENTS = 100_000
UP_WITHIN = 15.0
"""Seconds until all feeds and the account must be live; on real sockets of one machine it takes about one."""
CATCH_UP = 15.0
"""Seconds that the bot gets, after the exchange has fallen silent, to recover what the last faults took."""
WATCHED = 120.0
"""Seconds that the exchange publishes where somebody is to look at it in a browser: ten seconds between two faults."""


@click.command()
@click.option(
    "--seconds",
    type=click.FloatRange(min=1),
    help="How long the exchange publishes.  [default: 20, with --port 120]",
)
@click.option("--seed", type=click.IntRange(min=0), help="Repeat the market and the faults of an earlier run.")
@click.option("--replay", type=click.Path(path_type=Path), help="Publish a recording of Binance traffic.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help="Serve the dashboard on this port of this machine; 0: one that the system chooses.",
)
def demo(seconds: float | None, seed: int | None, replay: Path | None, port: int | None) -> None:
    """Run a small bot against an exchange that breaks on a script, over real sockets, and report.

    Exit code 0: everything that was published reached the bot, once and in order, and every failure has its record.
    Exit code 1: something does not add up; the report says what.
    """
    if seed is None:
        seed = random.SystemRandom().randrange(1_000_000)
    if seconds is None and port is not None and replay is None:
        seconds = WATCHED
    stage = _stage.invented(seed, seconds) if replay is None else _stage.recorded(seed, seconds, replay)
    again = ["unblinking", "demo", "--seed", str(seed)]
    again += [] if seconds is None else ["--seconds", f"{seconds:g}"]
    again += [] if replay is None else ["--replay", str(replay)]
    again += [] if port is None else ["--port", str(port)]
    sys.exit(trio.run(_demo, stage, seed, port, " ".join(again)))


def example_bot(stage: Stage, addresses: dict[str, Address], witness: Witness, port: int | None = None) -> Supervisor:
    """Build the tree of docs/examples/bot.py for the embedded exchange, with a witness in it.

    With a port it has a health endpoint, too.
    """
    # Installed, the example lies in the package; in a working tree, where the documentation has it.
    package = Path(str(actors.__file__)).parent
    installed = package / "_examples" / "bot.py"
    example = load_file(installed if installed.exists() else package.parent / "docs" / "examples" / "bot.py")
    venues = {_stage.SPOT: binance, _stage.USDM: binance_usdm}
    at = {name: venues[name].at(ws=place.ws, rest=place.rest) for name, place in addresses.items()}
    tree: Supervisor = example.bot(
        markets=[(at[venue], symbol) for venue, symbol in stage.markets],
        account=at[_stage.USDM],
        symbols=[stage.symbol],
        key=Secret.literal(_stage.API_KEY),
        secret=Secret.literal(_stage.API_SECRET),
        journal=witness.handled,
    )
    if port is not None:
        tree = with_children(tree, [health(port, needs=[f"{tree.name}/strategy"]), *tree.children])
    return witness.watching(tree)


async def _demo(stage: Stage, seed: int, port: int | None, again: str) -> int:
    """Play one performance and print its report; return the exit code."""
    witness, output = Witness(), Lines(sys.stdout.fileno())
    console = Console() if sys.stdout.isatty() else None
    if console is None:
        configure(output, "text", colors=False)
    else:
        silence()
    click.echo(f"repeat this run with: {again}")
    trouble: list[str] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(output.write_out)
        try:
            await _play(stage, seed, port, witness, console, trouble)
        except GaveUp as gave_up:
            trouble.append(f"{gave_up.path} gave up: {gave_up.reason}")
        nursery.cancel_scope.cancel("the performance is over")
    report = make_report(stage, witness)
    await output.flush()
    await _print_report(output, report, trouble, again)
    return 1 if trouble or report.problems() else 0


async def _play(
    stage: Stage, seed: int, port: int | None, witness: Witness, console: Console | None, trouble: list[str]
) -> None:
    """Run the bot through the performance, and wait until it has caught up."""
    async with serve(stage.exchange) as addresses, trio.open_nursery() as nursery:
        stage.begin()
        tree = example_bot(stage, dict(addresses), witness, port)
        running = Running(tree, seed)
        say = click.echo if console is None else console.print
        nursery.start_soon(_attend, stage, running.events(EVENTS), witness, say)
        if console is not None:
            nursery.start_soon(show_live, running, stage, witness, console)
        async with trio.open_nursery() as performance:
            performance.start_soon(_stop_at_signal, performance.cancel_scope, trouble)
            async with running.opened():
                await _perform(stage, witness, trouble)
            performance.cancel_scope.cancel("the performance is over")
        nursery.cancel_scope.cancel("the tree has ended")


async def _perform(stage: Stage, witness: Witness, trouble: list[str]) -> None:
    live = witness.live
    with trio.move_on_after(UP_WITHIN) as coming_up:
        await witness.wait_until(lambda: len(live) > len(stage.markets) and all(live.values()))
    if coming_up.cancelled_caught:
        trouble.append(f"not everything was live within {UP_WITHIN:g} s")
        return
    await stage.perform()

    def caught_up() -> bool:
        return len(witness.orders) >= len(stage.order_events) and all(
            len(witness.trades.get(market, ())) >= len(stage.published(market)) for market in stage.markets
        )

    with trio.move_on_after(CATCH_UP):
        await witness.wait_until(caught_up)


async def _attend(stage: Stage, events: Subscription, witness: Witness, say: Callable[[str], None]) -> None:
    """Write down the tree's events, and log them with the faults between them; say where the dashboard is."""
    faults = stage.exchange.record.faults
    told = 0
    async for event in events:
        witness.happened(event)
        while told < len(faults):
            log_fault(faults[told])
            told += 1
        log(event)
        if isinstance(event, Note) and event.what == "listening":
            say(f"dashboard: http://{event.fields['addresses'][0]}/")


async def _stop_at_signal(scope: trio.CancelScope, trouble: list[str]) -> None:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as received:
        async for number in received:
            trouble.append(f"interrupted by {signal.Signals(number).name}: what follows is not complete")
            scope.cancel("interrupted")


async def _print_report(output: Lines, report: Report, trouble: list[str], again: str) -> None:
    for line in ["", *report.lines(), ""]:
        await output.write(line)
    problems = trouble + report.problems()
    for problem in problems:
        await output.write(f"  WRONG: {problem}")
    if not problems:
        await output.write("  Nothing was lost, nothing came twice, and every failure has its record.")
    await output.write(f"  Repeat this run with: {again}")
