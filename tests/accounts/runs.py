"""One account, one trouble: a bot on the virtual clock against the simulated exchange, and what the judge says of it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import attrs
import trio

import actors
from actors import AccountItem, OrderUpdate, Secret, Venue
from actors.simulator import Exchange, Fault, FaultScript, Network, open_network
from supervisor import Mailbox, Running, Status, Supervisor
from supervisor.testing import run_virtually

from ..actors.in_memory import through
from .judge import Happening, Verdict, judge

KEY, SECRET, PASSPHRASE = "demo-key", "demo-secret", "demo-passphrase"


@attrs.frozen
class Account:
    """What is put into the table: a venue, a symbol as it spells it, and what else opens the account."""

    venue: Venue
    symbol: str
    passphrase: bool = False
    source: Mapping[str, Any] = attrs.field(factory=dict)
    """Options of the venue's own."""


ACCOUNTS: dict[str, Account] = {
    "binance": Account(actors.binance, "BTCUSDT"),
    "cross margin": Account(actors.binance, "BTCUSDT", source={"margin": "cross"}),
    "isolated": Account(actors.binance, "BTCUSDT", source={"margin": "isolated", "symbol": "BTCUSDT"}),
    "binance-usdm": Account(actors.binance_usdm, "BTCUSDT"),
    "binance-coinm": Account(actors.binance_coinm, "BTCUSD_PERP"),
    "bybit": Account(actors.bybit, "BTCUSDT"),
    "bybit-linear": Account(actors.bybit_linear, "BTCUSDT"),
    "okx": Account(actors.okx, "BTC-USDT", passphrase=True),
    "kucoin": Account(actors.kucoin, "BTC-USDT", passphrase=True),
    "gate": Account(actors.gate, "BTC_USDT"),
}
"""By the name that they have in the table."""
IN_HANDS = 0.5
"""Seconds before a kill: an update that came later may not be on the disk yet, and come again with the same ids."""

START = 5.0
"""Seconds that the bot has, to be live before anything happens."""
CALM = 20.0
"""Seconds before the fault."""
AFTER = 400.0
"""Seconds after the last fault in which orders go on: longer than the time between two reconciliations, so that whatever
is wrong with the stream is found out, and the stream tells again what happens."""
SETTLE = 330.0
"""Seconds of silence at the end: a little more than there are between two reconciliations."""


@attrs.frozen
class Trouble:
    """One row of the table."""

    name: str
    script: Callable[[str], Sequence[tuple[float, Fault]]]
    """The faults for a venue, with their seconds after `CALM`."""
    lasts: float = 0.0
    """Seconds from the first fault to the end of the last one."""
    venues: tuple[str, ...] = ()
    """Empty: all."""
    unpark_at: float | None = None
    """Second after `CALM` at which the operator, who must find the account parked, lets it try again."""
    down: tuple[tuple[float, float], ...] = ()
    """When the process is killed and when it is started again, in seconds after `CALM`."""
    orders_per_second: float = 0.3
    rest_is_true: bool = True
    """Whether REST tells the truth whenever it answers."""
    harm: Literal["none", "some", "loss"] = "loss"
    """none: nothing may show, the account is live throughout and the stream tells everything. loss: the stream must have
    lost something that only asking brings back, else the row would show nothing."""


@attrs.frozen
class Row:
    """What one run gave."""

    account: str
    trouble: str
    verdict: Verdict
    parked: bool
    """Whether something was parked when the operator came."""
    knocked: int
    """Connections tried while it was parked."""
    attempts: int
    """Connections tried from the fault on."""
    violations: tuple[str, ...]
    """Limits of the venue that were broken."""
    crashes: tuple[str, ...]
    """Ends of actors whose error is not one of the exchange side's own: bugs."""
    parks: bool
    """Whether it has to park."""
    harm: str
    """See `Trouble`."""

    @property
    def lawful(self) -> bool:
        """Whether everything holds that must hold under any trouble."""
        clean = not self.violations and not self.crashes and not self.knocked and self.parked == self.parks
        return clean and self.verdict.lawful and self.verdict.fills > 0 and self.as_harmful_as_said

    @property
    def as_harmful_as_said(self) -> bool:
        """Whether the run was a trial of what it is to try."""
        if self.harm == "none":
            return not self.verdict.by_reconciling and self.verdict.noticed_after is None
        return self.verdict.by_reconciling > 0 or self.harm == "some"


def happenings(exchange: Exchange, venue: str) -> Iterator[Happening]:
    """Return what happened to the account's orders, as the venue spells it."""
    dialect: Any = exchange.dialects[venue]
    for event in exchange.record.orders[venue, KEY]:
        yield Happening(
            event.at,
            event.symbol,
            dialect.order_id(event.order_id),
            dialect.status(event.status),
            Decimal(event.filled),
            dialect.fill_id(event) if event.execution == "TRADE" else None,
        )


def _told(item: Any) -> object:
    """Return by what a bot knows that it has seen an update before."""
    return (item.symbol, item.order_id, item.status, item.filled, item.fill and item.fill.id)


class Bot:
    """A bot with one account, which can be killed and started again.

    What it had in its hands when it was killed may come again, as the account's store says: it knows that by the ids.

    Attributes:
        items: When each thing came out of the mailbox, and the thing, over all its lives.
        running: The present life.
        failures: Ends of actors.
    """

    def __init__(
        self, exchange: Exchange, network: Network, one: Account, seed: int, folder: Path | None = None
    ) -> None:
        self.items: list[tuple[float, Any]] = []
        self.running: Running | None = None
        self.failures: list[Any] = []
        self._exchange = exchange
        self._network = network
        self._one = one
        self._seed = seed
        self._folder = folder
        self._lives = 0
        self._killed = float("inf")

    async def live(self, until: float) -> None:
        """Run until a second of the exchange's clock, and then be killed: what is on the disk then is all that stays."""
        out: Mailbox[AccountItem] = Mailbox("orders", capacity=1000)
        self._lives += 1
        handed = {_told(i) for at, i in self.items if isinstance(i, OrderUpdate) and at > self._killed - IN_HANDS}
        running = self.running = Running(Supervisor("bot", [self._account(out)]), self._seed + self._lives)

        async def collect() -> None:
            async for item in running.mailbox(out):
                again = isinstance(item, OrderUpdate) and _told(item) in handed
                if self._exchange.clock.now() < until and not again:
                    self.items.append((self._exchange.clock.now(), item))

        async with running.opened(), trio.open_nursery() as nursery:
            nursery.start_soon(collect)
            await self._exchange.clock.sleep_until(until)
            self.failures.extend(running.ledger.first_failures)
            # What its orderly end would write must not be there for the next life.
            for file in self._folder.glob(f"{self._lives}.*") if self._folder is not None else ():
                shutil.copy(file, file.with_name(file.name.replace(f"{self._lives}.", f"{self._lives + 1}.", 1)))
            self._killed = until
            nursery.cancel_scope.cancel()

    def _account(self, out: Mailbox[AccountItem]) -> Supervisor:
        store = False if self._folder is None else self._folder / f"{self._lives}.db"
        options: dict[str, Any] = {"store": store}
        one = self._one
        if one.passphrase:
            options["passphrase"] = Secret.literal(PASSPHRASE)
        return through(one.venue, self._network).account(
            "main",
            key=Secret.literal(KEY),
            secret=Secret.literal(SECRET),
            symbols=[one.symbol],
            out=out,
            source=one.source,
            **options,
        )

    def parked(self) -> list[str]:
        """Return the paths of what is parked."""
        assert self.running is not None
        return [status.path for status in everybody(self.running.status()) if status.state == "parked"]

    def unpark(self) -> None:
        """Let everything that is parked try again."""
        assert self.running is not None
        for path in self.parked():
            self.running.unpark_child(path)


def everybody(status: Status) -> Iterator[Status]:
    """Return a part of the tree and all below it."""
    yield status
    for part in status.children:
        yield from everybody(part)


def run(name: str, trouble: Trouble, *, seed: int = 0) -> Row:
    """Run one row; the same seed gives the same row."""
    one = ACCOUNTS[name]
    venue = one.venue.name
    exchange = Exchange(
        seed=seed,
        symbols={venue: [one.symbol]},
        trades_per_second=0.2,
        keys={KEY: SECRET},
        orders_per_second=trouble.orders_per_second,
        passphrase=PASSPHRASE,
    )
    began = START + CALM
    script = FaultScript([(CALM + at, fault) for at, fault in trouble.script(venue)])
    ends = began + trouble.lasts + AFTER
    bots: list[Bot] = []
    parked = False
    knocked: tuple[int, int] = (0, 0)

    async def operate(bot: Bot, at: float) -> None:
        nonlocal parked, knocked
        await exchange.clock.sleep_until(at - 10.0)
        before = len(exchange.record.attempts)
        await exchange.clock.sleep_until(at)
        parked, knocked = bool(bot.parked()), (before, len(exchange.record.attempts))
        bot.unpark()

    async def main() -> None:
        with tempfile.TemporaryDirectory() as folder:
            async with open_network(exchange) as network, trio.open_nursery() as nursery:
                bot = Bot(exchange, network, one, seed, Path(folder) if trouble.down else None)
                bots.append(bot)
                nursery.start_soon(trade)
                if trouble.unpark_at is not None:
                    nursery.start_soon(operate, bot, began + trouble.unpark_at)
                for killed, again in trouble.down:
                    await bot.live(began + killed)
                    await exchange.clock.sleep_until(began + again)
                await bot.live(ends + SETTLE)
                nursery.cancel_scope.cancel()

    async def trade() -> None:
        await exchange.clock.sleep_until(START)
        with trio.move_on_after(ends - START):
            await exchange.run(script)

    run_virtually(main)
    (bot,) = bots
    return Row(
        name,
        trouble.name,
        judge(
            exchange.spelled(venue, KEY),
            list(happenings(exchange, venue)),
            bot.items,
            fault_at=began,
            ends=ends,
            rest_is_true=trouble.rest_is_true,
        ),
        parked=parked,
        knocked=knocked[1] - knocked[0],
        attempts=sum(1 for a in exchange.record.attempts if a.surface != "rest" and a.at >= began),
        violations=tuple(sorted({violation.rule for violation in exchange.record.violations})),
        crashes=tuple(
            f"{ended.path}: {ended.end.summary()}"
            for ended in bot.failures
            if ended.end.kind == "crashed" and not isinstance(ended.end.exception, actors.ActorError)
        ),
        parks=trouble.unpark_at is not None,
        harm=trouble.harm,
    )
