"""Accounts at Binance, from the bot's mailbox to the simulated exchange: spot with each kind of key, margin, COIN-M."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import attrs
import pytest
import trio
import trio.testing

from actors import AccountItem, AccountState, OrderUpdate, Secret, Venue, binance, binance_coinm
from actors.simulator import Address, Exchange, Fault, Rules, open_network, serve
from supervisor import Mailbox, Running, Status, Supervisor

from ..exchanges.test_signatures import ED, PRIVATE, RSA, public_pem_of
from ..in_memory import through

KEY = "demo-key"
HOUR = 3600.0


@attrs.frozen
class Case:
    """One kind of account.

    Attributes:
        secret: What the bot signs with.
        known: What the venue has of it.
        probes: Whether a revoked key shows on the connection.
    """

    venue: Venue
    symbol: str
    secret: str = attrs.field(default="demo-secret", repr=False)
    known: str = attrs.field(default="demo-secret", repr=False)
    source: Mapping[str, Any] = {}
    probes: bool = True


CASES = {
    "hmac": Case(binance, "BTCUSDT"),
    "rsa": Case(binance, "BTCUSDT", PRIVATE["rsa"], public_pem_of(RSA)),
    "ed25519": Case(binance, "BTCUSDT", PRIVATE["ed25519"], public_pem_of(ED)),
    "cross": Case(binance, "BTCUSDT", source={"margin": "cross"}, probes=False),
    "isolated": Case(binance, "BTCUSDT", source={"margin": "isolated", "symbol": "BTCUSDT"}, probes=False),
    "coinm": Case(binance_coinm, "BTCUSD_PERP", probes=False),
}
every_account = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())


@attrs.define
class Bot:
    """A bot that only listens.

    Attributes:
        items: What came out of the mailbox.
    """

    exchange: Exchange
    running: Running
    case: Case
    items: list[AccountItem] = attrs.field(factory=list)

    def place(self, quantity: str = "2") -> int:
        name = self.case.venue.name
        return self.exchange.place_order(KEY, self.case.symbol, "buy", quantity, "60000", venue=name).order_id

    def fill(self, order: int, quantity: str | None = None) -> None:
        self.exchange.fill_order(KEY, order, quantity, venue=self.case.venue.name)

    def cancel(self, order: int) -> None:
        self.exchange.cancel_order(KEY, order, venue=self.case.venue.name)

    def fault(self, kind: str, surface: Any = "private", **settings: Any) -> None:
        self.exchange.inject(Fault(kind, venue=self.case.venue.name, surface=surface, **settings))

    @property
    def states(self) -> list[str]:
        return [item.state for item in self.items if isinstance(item, AccountState)]

    @property
    def updates(self) -> list[OrderUpdate]:
        return [item for item in self.items if isinstance(item, OrderUpdate)]

    @property
    def connections(self) -> list[Any]:
        return [entry for entry in self.exchange.record.connections if entry.surface == "private"]

    def parked(self) -> list[str]:
        def walk(status: Status) -> list[str]:
            below = [path for part in status.children for path in walk(part)]
            return below + ([status.path] if status.state == "parked" else [])

        return walk(self.running.status())

    def check(self) -> None:
        """The view that the updates give equals the truth, and each fill came once."""
        true = self.exchange.spelled(self.case.venue.name, KEY)
        held = {update.order_id: (update.status, update.filled, update.client_id) for update in self.updates}
        assert held == {order.order_id: (order.status, order.filled, order.client_id) for order in true.orders}
        fills = [update.fill for update in self.updates if update.fill is not None]
        told = sorted((fill.order_id, fill.id, fill.quantity, fill.price) for fill in fills)  # type: ignore[type-var]
        assert told == sorted((fill.order_id, fill.id, fill.quantity, fill.price) for fill in true.fills)

    async def until(self, done: Callable[[], bool], seconds: float = 60) -> None:
        with trio.fail_after(seconds):
            while not done():  # noqa: ASYNC110 - seen from outside only
                await trio.sleep(0.02)

    async def until_live(self) -> None:
        await self.until(lambda: self.states[-1:] == ["live"])


@asynccontextmanager
async def listening(exchange: Exchange, venue: Venue, case: Case, **options: Any) -> AsyncIterator[Bot]:
    """Run a bot with one account."""
    out: Mailbox[AccountItem] = Mailbox("orders", capacity=1000)
    account = venue.account(
        "main",
        key=Secret.literal(KEY),
        secret=Secret.literal(case.secret),
        symbols=[case.symbol],
        source=case.source,
        out=out,
        **options,
    )
    async with Supervisor("bot", [account]).open(seed=1) as running, trio.open_nursery() as nursery:
        bot = Bot(exchange, running, case)

        async def read() -> None:
            async for item in running.mailbox(out):
                bot.items.append(item)

        nursery.start_soon(read)
        yield bot
        nursery.cancel_scope.cancel("the test is over")


def quiet(case: Case, **options: Any) -> Exchange:
    return Exchange(
        seed=3, symbols={case.venue.name: [case.symbol]}, keys={KEY: case.known}, trades_per_second=0, **options
    )


@asynccontextmanager
async def in_memory(case: Case, *, exchange: Exchange | None = None, **options: Any) -> AsyncIterator[Bot]:
    world = exchange or quiet(case)
    async with open_network(world) as network:
        async with listening(world, through(case.venue, network), case, **options) as bot:
            yield bot
        assert world.record.violations == []


@every_account
async def test_what_happens_to_orders_is_told_as_it_happens(case: Case, autojump_clock: trio.testing.MockClock) -> None:
    async with in_memory(case) as bot:
        await bot.until_live()
        first, second = bot.place(), bot.place()
        bot.fill(first, "1")
        bot.fill(first)
        bot.fill(second, "1")
        bot.cancel(second)
        await trio.sleep(3)

        bot.check()
        assert {update.source for update in bot.updates} == {"stream"}
        assert all(update.raw for update in bot.updates)
        assert [update.status for update in bot.updates if update.order_id == second] == [
            "new",
            "partially_filled",
            "canceled",
        ]
        # A cancel does not come under the client id of the order: it is put right.
        assert len({update.client_id for update in bot.updates if update.order_id == second}) == 1
        assert bot.states[-1] == "live"


@every_account
async def test_what_filled_while_the_connection_was_gone_is_told_before_the_account_is_live_again(
    case: Case, autojump_clock: trio.testing.MockClock
) -> None:
    async with in_memory(case) as bot:
        await bot.until_live()
        orders = [bot.place() for _ in range(3)]
        await trio.sleep(1)
        bot.fault("refuse", "ws", duration=20.0)
        bot.fault("reset")
        bot.fill(orders[0], "1")
        await trio.sleep(5)
        bot.fill(orders[0])
        bot.fill(orders[1], "1")
        bot.cancel(orders[2])
        late = bot.place()
        bot.fill(late)
        assert bot.states[-1] != "live"
        before = len(bot.items)
        await bot.until_live()

        bot.check()
        told = [item for item in bot.items[before:] if isinstance(item, OrderUpdate)]
        assert {update.source for update in told} == {"reconcile"}
        assert isinstance(bot.items[-1], AccountState)


@every_account
async def test_a_wrong_secret_parks_the_account_and_shows_nothing(
    case: Case, autojump_clock: trio.testing.MockClock
) -> None:
    wrong = {"rsa": PRIVATE["ed25519"]}.get(case.secret, "another-secret")
    async with in_memory(attrs.evolve(case, secret=wrong)) as bot:
        await bot.until(lambda: bool(bot.parked()), 900)
        attempts = len([each for each in bot.exchange.record.attempts if each.surface == "private"])
        await trio.sleep(HOUR)

        assert bot.states[-1] == "parked"
        assert "live" not in bot.states
        assert len([each for each in bot.exchange.record.attempts if each.surface == "private"]) == attempts
        shown = f"{bot.items} {bot.running.status()} {bot.running.tree} {bot.running.ledger.first_failures}"
        assert "another-secret" not in shown


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.probes])
async def test_a_revoked_key_is_noticed_by_asking_though_nothing_is_told(
    name: str, autojump_clock: trio.testing.MockClock
) -> None:
    # Neither a reconciliation nor a reconnect comes to help.
    async with in_memory(CASES[name], reconcile_every=24 * HOUR, quiet_after=24 * HOUR) as bot:
        await bot.until_live()
        await trio.sleep(30)
        began = trio.current_time()
        bot.fault("revoke_key", notice=False)
        await bot.until(lambda: bool(bot.parked()), 200)

        assert trio.current_time() - began <= 130
        assert bot.states[-1] == "parked"
        bot.fault("restore_key")
        order = bot.place()
        bot.fill(order)
        for path in bot.parked():
            bot.running.unpark_child(path)
        await bot.until_live()
        bot.check()


@pytest.mark.parametrize("notice", [True, False])
@pytest.mark.parametrize("name", ["hmac", "ed25519", "cross", "isolated"])
async def test_a_subscription_that_has_ended_is_replaced_whether_that_was_told_or_not(
    name: str, notice: bool, autojump_clock: trio.testing.MockClock
) -> None:
    async with in_memory(CASES[name], reconcile_every=24 * HOUR, quiet_after=24 * HOUR) as bot:
        await bot.until_live()
        order = bot.place()
        await trio.sleep(30)
        began = trio.current_time()
        bot.fault("expire_key", notice=notice)
        bot.fill(order)
        await bot.until(lambda: any(update.fill for update in bot.updates), 200)
        assert trio.current_time() - began <= (10 if notice else 130)
        await bot.until_live()
        bot.check()


async def test_a_listen_token_is_followed_by_the_next_without_a_moment_between_them(
    autojump_clock: trio.testing.MockClock,
) -> None:
    case = CASES["cross"]
    rules = attrs.evolve(Rules.documented("binance"), ping_interval=None)
    exchange = quiet(case, rules={"binance": rules})
    # Few signs of life: what takes time in a day are those.
    async with in_memory(case, exchange=exchange, ping_every=50.0, reconcile_every=6 * HOUR) as bot:
        await bot.until_live()
        states = len(bot.states)
        placed = 0
        while trio.current_time() < 38 * HOUR:
            bot.fill(bot.place())
            placed += 1
            await trio.sleep(HOUR / 2)

        bot.check()
        assert len(bot.updates) == 2 * placed
        # Tokens are valid for a day, and renewed twice a day; the account was live all the time.
        assert len(bot.connections) >= 3
        assert bot.states[states:] == []
        for old, new in zip(bot.connections, bot.connections[1:], strict=False):
            assert new.opened < old.closed, "the next one is there before the last one goes"


async def test_at_the_venues_notice_the_next_connection_is_there_before_the_last_one_goes(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with in_memory(CASES["hmac"]) as bot:
        await bot.until_live()
        states = len(bot.states)
        bot.fault("notice", duration=5.0)
        for _ in range(20):
            bot.fill(bot.place())
            await trio.sleep(0.5)

        bot.check()
        assert bot.states[states:] == []
        old, new = bot.connections
        assert new.opened < old.closed


async def test_a_clock_that_is_off_is_measured_and_the_login_succeeds(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with in_memory(CASES["ed25519"]) as bot:
        await bot.until_live()
        bot.fault("clock_skew", "rest", duration=HOUR, shift=-20.0)
        bot.fault("reset")
        bot.fill(bot.place())
        await bot.until(lambda: bot.states[-1] == "live" and any(update.fill for update in bot.updates))
        bot.check()
        assert "parked" not in bot.states


async def test_the_weight_of_the_websocket_api_stays_small(autojump_clock: trio.testing.MockClock) -> None:
    """A connection with its login and an hour of probes, beside the reconciliations: of 6000 a minute."""
    async with in_memory(CASES["hmac"]) as bot:
        await bot.until_live()
        highest = 0
        for _ in range(60):
            await trio.sleep(59)
            reply = bot.exchange.answer("binance", _ping())
            highest = max(highest, int(dict(reply.headers)["X-MBX-USED-WEIGHT-1M"]))
        assert highest < 200


def _ping() -> Any:
    from actors.simulator._rest import Request

    return Request("GET", "/api/v3/ping", "", {})


@pytest.mark.slow
@every_account
async def test_over_real_sockets(case: Case) -> None:
    exchange = quiet(case)
    async with serve(exchange) as addresses:
        address: Address = addresses[case.venue.name]
        venue = case.venue.at(ws=address.ws, rest=address.rest)
        async with listening(exchange, venue, case) as bot:
            await bot.until_live()
            first = bot.place()
            bot.fill(first, "1")
            await bot.until(partial(_has, bot, 2))
            bot.fault("reset")
            bot.fill(first)
            second = bot.place()
            bot.cancel(second)
            await bot.until(lambda: bot.states[-1] == "live" and len(bot.updates) >= 5)
            bot.check()
    assert exchange.record.violations == []


def _has(bot: Bot, updates: int) -> bool:
    return len(bot.updates) >= updates
