"""One simulated day: the exchange, the bot and its operator, and what goes wrong, on the virtual clock."""

from __future__ import annotations

import gc
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import attrs
import trio
import trio.testing

from actors.ops._ledger_reader import NoLedger, read_failures, read_runs
from actors.simulator import Exchange, Fault, MemoryStream, open_network
from supervisor import Running, Status, Supervisor, WrongState
from supervisor.testing import Trace, seeded_scheduler

from ..actors.products import PRODUCTS
from .accounts import KEY, PASSPHRASE, SECRET, Holding, happenings, holdings
from .bot import HEALTH, Journal, SeenBook, build, seen
from .evidence import Evidence, Life, Poll
from .plan import HOURS, Bug, Entry, Freeze, NoPost, Restart, SlowReader, WallJump, draw, load
from .sealed import Sealed, sealed

CALM = 60.0
"""Seconds before the first fault, in which the bot comes up."""
RECOVER = 180.0
"""Seconds after the last fault in which the market goes on: everything must be well again at their end."""
STANDSTILL = 20.0
"""Seconds in which nothing is traded any more: what is still on its way arrives."""
LOAD_EVERY = 5.0
"""Seconds between two looks at how much is to be traded."""
POLL_EVERY = 5.0
"""Seconds between two looks at the health endpoint."""
OPERATOR_EVERY = 20.0
"""Seconds between two looks of the operator, who starts what is parked."""
EVENTS = 2_000_000
"""Events that a life of the process can have."""


@attrs.frozen(kw_only=True)
class Settings:
    """What a day is made of; with the seed, everything."""

    seed: int = 1
    minutes: float = 24.0
    faults: int = 300
    rate: float = 0.4
    """Trades a second of each product, on average."""
    only: tuple[int, ...] | None = None
    """The numbers of the entries that are played; None: all of them."""

    @property
    def seconds(self) -> float:
        """How long the market trades."""
        return self.minutes * 60

    def holdings(self) -> tuple[Holding, ...]:
        """Return the accounts that the bot has."""
        return holdings(self.seed)

    def entries(self) -> list[Entry]:
        """Return what goes wrong."""
        held = tuple(holding.venue for holding in self.holdings())
        found = draw(self.seed, self.seconds - CALM - RECOVER, self.faults, tuple(PRODUCTS), held)
        return [
            attrs.evolve(entry, at=round(entry.at + CALM, 3))
            for entry in found
            if self.only is None or entry.number in self.only
        ]

    def command(self) -> str:
        """Return the line that repeats the day."""
        parts = [f"--days 1 --seed {self.seed} --minutes {self.minutes:g} --faults {self.faults} --rate {self.rate:g}"]
        if self.only is not None:
            parts.append(f"--only {','.join(map(str, self.only)) or 'none'}")
        return f"nox -s simulate -- {' '.join(parts)}"


def run_day(settings: Settings) -> Evidence:
    """Live one day; the same settings give the same day."""
    with tempfile.TemporaryDirectory(prefix="day-") as folder, sealed() as world, seeded_scheduler(settings.seed):
        clock = trio.testing.MockClock(autojump_threshold=0)
        day = _Day(settings, world, clock, Path(folder))
        gc.collect()
        gc.freeze()  # What was imported is not looked through again and again.
        trio.run(day.run, clock=clock)
        gc.unfreeze()
        return day.evidence()


class _Process:
    """The one life of the bot's process that lives now."""

    def __init__(self, tree: Supervisor, seed: int, world: Sealed, journal: Journal) -> None:
        self.running = Running(tree, seed, exit_process=_never_asked)
        self.running._runtime._wall_clock = world.wall
        self.events = self.running.events(EVENTS)
        self.journal = journal
        self.opened = trio.current_time()
        self.error: BaseException | None = None

    async def live(self) -> None:
        try:
            async with self.running.opened():
                await self.running.wait_stopped()
        except (Exception, SystemExit) as error:  # noqa: BLE001 - part of the evidence
            self.error = error


class _Day:
    def __init__(self, settings: Settings, world: Sealed, clock: trio.testing.MockClock, folder: Path) -> None:
        self._settings = settings
        self._world = world
        self._clock = clock
        self._ledger = folder / "ledger.db"
        self._random = Random(f"{settings.seed}/lives")
        self._exchange = Exchange(
            seed=settings.seed,
            symbols={name: [symbol] for name, (_, symbol, _) in PRODUCTS.items()},
            trades_per_second=settings.rate,
            orders_per_second=settings.rate * 0.05,
            keys={KEY: SECRET},
            passphrase=PASSPHRASE,
        )
        self._holdings = settings.holdings()
        self._journals: list[Journal] = []
        self._lives: list[Life] = []
        self._happened: list[tuple[float, Entry]] = []
        self._polls: list[Poll] = []
        self._last_books: list[SeenBook] = []
        self._operated = False
        self._process: _Process | None = None
        self._restarting = False
        self._tree: Supervisor
        self._nursery: trio.Nursery
        self._settled = 0.0

    async def run(self) -> None:
        """Live it."""
        for name, (_, symbol, _) in PRODUCTS.items():
            self._exchange.print_trade(name, symbol)  # no real market is without a history
        async with open_network(self._exchange) as network, trio.open_nursery() as self._nursery:
            self._tree = build(network, self._journals, self._ledger, self._holdings)
            market = await self._nursery.start(self._trade)
            self._nursery.start_soon(self._vary_load)
            self._nursery.start_soon(self._poll)
            self._nursery.start_soon(self._operate)
            await self._nursery.start(self._live)
            for entry in self._settings.entries():
                await trio.sleep_until(entry.at)
                self._happened.append((trio.current_time(), entry))
                self._do(entry)
            await trio.sleep_until(self._settings.seconds)
            market.cancel("the day is over")
            await trio.sleep(STANDSTILL)
            process = self._now()
            self._last_books = [
                seen(trio.current_time(), key[0], book) for key, book in process.journal.local.items() if book.live
            ]
            self._settled = trio.current_time()
            await self._end(killed=False, last=True)
            self._nursery.cancel_scope.cancel("the day is over")

    def evidence(self) -> Evidence:
        return Evidence(
            seed=self._settings.seed,
            seconds=self._settings.seconds,
            settled=self._settled,
            tree=self._tree,
            entries=tuple(self._settings.entries()),
            happened=tuple(self._happened),
            record=self._exchange.record,
            lives=tuple(self._lives),
            orders={holding: happenings(self._exchange, holding) for holding in self._holdings},
            polls=tuple(self._polls),
            posted=tuple(self._world.posted),
            last_books=tuple(self._last_books),
            operated=self._operated,
        )

    # What goes wrong -------------------------------------------------------------------------------------------

    def _do(self, entry: Entry) -> None:
        what, now = entry.what, trio.current_time()
        journal = self._journals[-1]
        match what:
            case Fault():
                self._exchange.inject(what)
            case Restart():
                if not self._restarting:
                    self._restarting = True
                    self._nursery.start_soon(self._restart, what)
            case Freeze():
                self._clock.jump(what.seconds)
            case WallJump():
                self._world.off = what.seconds
            case Bug():
                journal.bug = True
            case SlowReader():
                journal.reads_from = now + what.seconds
            case NoPost():
                self._world.refusing_until = now + what.seconds

    async def _restart(self, what: Restart) -> None:
        await self._end(killed=what.killed, last=False)
        await trio.sleep(what.down)
        await self._nursery.start(self._live)
        self._restarting = False

    # The process -----------------------------------------------------------------------------------------------

    def _now(self) -> _Process:
        assert self._process is not None
        return self._process

    async def _live(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        self._before = trio.lowlevel.current_statistics().tasks_living
        self._journals.append(Journal())
        process = _Process(self._tree, self._random.getrandbits(32), self._world, self._journals[-1])
        self._process = process
        task_status.started()
        await process.live()

    async def _end(self, *, killed: bool, last: bool) -> None:
        process = self._now()
        asked = trio.current_time()
        left_behind = self._keep_ledger() if killed else None
        process.running.stop("the process is to end")
        if killed:
            process.running.hurry()
        await process.running.wait_stopped()
        # Of what the last second of the life has written, a process that is killed writes nothing.
        if left_behind is not None:
            self._put_back(left_behind)
        await trio.testing.wait_all_tasks_blocked()
        self._process = None
        trace = Trace(
            events=tuple(process.events.receive_nowait()),
            lived=(),
            left_alive=(),
            error=process.error,
            duration=trio.current_time() - process.opened,
            stopped_in=trio.current_time() - asked,
            ledger=process.running.ledger,
        )
        written, run = self._written(process)
        self._lives.append(
            Life(
                number=len(self._lives) + 1,
                opened=process.opened,
                stopped=asked,
                ended=trio.current_time(),
                killed=killed,
                last=last,
                journal=process.journal,
                trace=trace,
                written=written,
                run=run,
                left=_tasks_of("bot"),
            )
        )

    def _files(self) -> list[Path]:
        return [self._ledger.with_name(self._ledger.name + suffix) for suffix in ("", "-wal", "-shm")]

    def _keep_ledger(self) -> list[tuple[Path, bytes]]:
        return [(path, path.read_bytes()) for path in self._files() if path.exists()]

    def _put_back(self, kept: Sequence[tuple[Path, bytes]]) -> None:
        for path in self._files():
            path.unlink(missing_ok=True)
        for path, content in kept:
            path.write_bytes(content)

    def _written(self, process: _Process) -> tuple[tuple[Any, ...], Any]:
        """Read what this life has written, from a copy: the next one finds the file as it was left."""
        with tempfile.TemporaryDirectory(prefix="ledger-") as folder:
            for path in self._files():
                if path.exists():
                    shutil.copy(path, folder)
            file = Path(folder) / self._ledger.name
            try:
                runs, failures = read_runs(file), read_failures(file)
            except NoLedger:
                return (), None
        run = runs[len(self._lives)] if len(runs) > len(self._lives) else None
        # By the clock that cannot be set: every life has ended before the next one began.
        return tuple(failure for failure in failures if failure.at >= process.opened), run

    # The rest of the world -------------------------------------------------------------------------------------

    async def _trade(self, task_status: trio.TaskStatus[trio.CancelScope] = trio.TASK_STATUS_IGNORED) -> None:
        with trio.CancelScope() as market:
            task_status.started(market)
            await self._exchange.run()

    async def _vary_load(self) -> None:
        settings, exchange = self._settings, self._exchange
        while True:
            hour = int(trio.current_time() / settings.seconds * HOURS)
            now = settings.rate * load(settings.seed, hour)
            exchange.trades_per_second, exchange.book_changes_per_second = now, now / 2
            await trio.sleep(LOAD_EVERY)

    async def _poll(self) -> None:
        """Ask the health endpoint again and again, each time over a connection of its own."""
        while True:
            status, reasons = await self._ask()
            self._polls.append(Poll(trio.current_time(), status, reasons))
            await trio.sleep(POLL_EVERY)

    async def _ask(self) -> tuple[int | None, tuple[str, ...]]:
        stream = self._world.connect(HEALTH)
        if stream is None:
            return None, ()
        with trio.move_on_after(1.0):
            try:
                async with stream:
                    return await _get(stream)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                pass
        return None, ()

    def _refuses(self, venue: str) -> bool:
        credentials = self._exchange.floors[venue].credentials
        return bool(credentials.revoked) or credentials.refuses_logins(trio.current_time())

    async def _operate(self) -> None:
        """Start again what is parked, as a person would who has been told and has put the key right."""
        while True:
            await trio.sleep(OPERATOR_EVERY)
            if self._process is None:
                continue
            running = self._process.running
            refused = {f"bot/{holding.name}" for holding in self._holdings if self._refuses(holding.venue)}
            for path in _parked(running.status()):
                if any(path.startswith(f"{account}/") for account in refused):
                    continue
                try:
                    running.unpark_child(path)
                except WrongState:
                    continue  # What it belongs to ends just now.
                self._operated = True


def _parked(status: Status) -> list[str]:
    return [child.path for child in status.walk() if child.state == "parked"]


def _never_asked(code: int) -> None:
    raise AssertionError(f"the tree wanted to end the process with {code}")


def _tasks_of(name: str) -> int:
    """Count the living tasks of the tree: those that carry its name."""
    root = trio.lowlevel.current_root_task()
    todo, found = [root] if root is not None else [], 0
    while todo:
        task = todo.pop()
        found += task.name.startswith((f"{name}/", f"{name}:")) or task.name == name
        todo += [child for nursery in task.child_nurseries for child in nursery.child_tasks]
    return found


async def _get(stream: MemoryStream) -> tuple[int, tuple[str, ...]]:
    await stream.send_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    data = b""
    while piece := await stream.receive_some():
        data += piece
    head, found, body = data.partition(b"\r\n\r\n")
    if not found:
        raise trio.BrokenResourceError("the endpoint ended before it had answered")
    status = int(head.split(b" ", 2)[1])
    return status, tuple(body.decode().splitlines()[1:])
