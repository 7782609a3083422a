"""One venue, one fault: a feed on the virtual clock against the simulated exchange, and what the judge says of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import attrs
import trio

import actors
from actors import FeedItem
from actors.simulator import Exchange, Fault, FaultScript, open_network
from supervisor import Mailbox, Running, Supervisor
from supervisor.testing import run_virtually

from ..actors.in_memory import through
from ..actors.products import PRODUCTS
from .judge import Verdict, judge

CALM = 30.0
"""Seconds before the fault: the feed has learned how often trades come."""
AFTER = 60.0
"""Seconds after the last fault in which everything must be delivered or declared missing."""


@attrs.frozen
class Trouble:
    """One row of the table."""

    name: str
    script: Callable[[str], Sequence[tuple[float, Fault]]]
    """The faults for a venue, with their seconds after `CALM`."""
    lasts: float = 0.0
    """Seconds from the first fault to the end of the last one."""
    venues: tuple[str, ...] = tuple(PRODUCTS)


@attrs.frozen
class Row:
    """What one run gave."""

    venue: str
    trouble: str
    verdict: Verdict
    attempts: int
    """Connections tried from the fault on."""
    violations: tuple[str, ...]
    """Limits of the venue that were broken."""
    crashes: tuple[str, ...]
    """Ends of actors whose error is not one of the exchange side's own: bugs."""

    @property
    def lawful(self) -> bool:
        """Whether everything holds that must hold under any fault."""
        return self.verdict.lawful and not self.violations and not self.crashes and self.verdict.delivered > 0


def run(venue_name: str, trouble: Trouble, *, seed: int = 0, rate: float = 10.0, connections: int = 1) -> Row:
    """Run one row; the same seed gives the same row."""
    venue, symbol, dense = PRODUCTS[venue_name]
    exchange = Exchange(seed=seed, symbols={venue_name: [symbol]}, trades_per_second=rate)
    items: list[tuple[float, Any]] = []
    ends: list[Any] = []
    script = FaultScript([(CALM + at, fault) for at, fault in trouble.script(venue_name)])

    stopped_at = float("inf")

    async def main() -> None:
        nonlocal stopped_at
        out: Mailbox[FeedItem] = Mailbox("trades", capacity=1000)

        async def collect(running: Running) -> None:
            async for item in running.mailbox(out):
                if exchange.clock.now() < stopped_at:
                    items.append((exchange.clock.now(), item))

        async with open_network(exchange) as network, trio.open_nursery() as nursery:
            feed = through(venue, network).trades(symbol, out=out, connections=connections)
            running = Running(Supervisor("bot", [feed]), seed)
            async with running.opened():
                nursery.start_soon(collect, running)
                await trio.sleep(5.0)
                with trio.move_on_after(CALM + trouble.lasts + AFTER):
                    await exchange.run(script)
                # The exchange has fallen silent; what is missing must be found without its help.
                await trio.sleep(AFTER)
                ends.extend(running.ledger.first_failures)
                stopped_at = exchange.clock.now()
            nursery.cancel_scope.cancel()

    run_virtually(main)
    published = list(exchange.record.trades[venue_name, symbol])
    began = min((applied.at for applied in exchange.record.faults), default=0.0)
    return Row(
        venue_name,
        trouble.name,
        judge(published, items, fault_at=began, dense=dense),
        attempts=sum(1 for attempt in exchange.record.attempts if attempt.surface == "ws" and attempt.at >= began),
        violations=tuple(sorted({violation.rule for violation in exchange.record.violations})),
        crashes=tuple(
            f"{ended.path}: {ended.end.summary()}"
            for ended in ends
            if ended.end.kind == "crashed" and not isinstance(ended.end.exception, actors.ActorError)
        ),
    )
