"""Accounts at KuCoin and Gate, from the bot's mailbox to the simulated exchange: in memory and over sockets."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest
import trio
import trio.testing

from actors import AccountItem, AccountState, OrderUpdate, Secret, Venue, gate, kucoin
from actors.simulator import Exchange, Fault, open_network, serve
from supervisor import Mailbox, Running, Status, Supervisor

from ..in_memory import through

KEY, SECRET, PASSPHRASE = "demo-key", "demo-secret", "demo-passphrase"
VENUES = [pytest.param(kucoin, "BTC-USDT", id="kucoin"), pytest.param(gate, "BTC_USDT", id="gate")]


@attrs.define
class Bot:
    """A bot that only listens.

    Attributes:
        items: What came out of the mailbox.
    """

    exchange: Exchange
    running: Running
    venue: str
    symbol: str
    items: list[AccountItem] = attrs.field(factory=list)

    def place(self, quantity: str = "1") -> int:
        return self.exchange.place_order(KEY, self.symbol, "buy", quantity, "100", venue=self.venue).order_id

    def fill(self, order: int, quantity: str | None = None) -> None:
        self.exchange.fill_order(KEY, order, quantity, venue=self.venue)

    def fault(self, kind: str, surface: Any = "private", **settings: Any) -> None:
        self.exchange.inject(Fault(kind, venue=self.venue, surface=surface, **settings))

    @property
    def states(self) -> list[str]:
        return [item.state for item in self.items if isinstance(item, AccountState)]

    @property
    def updates(self) -> list[OrderUpdate]:
        return [item for item in self.items if isinstance(item, OrderUpdate)]

    def parked(self) -> list[str]:
        def walk(status: Status) -> list[str]:
            below = [path for part in status.children for path in walk(part)]
            return below + ([status.path] if status.state == "parked" else [])

        return walk(self.running.status())

    def check(self) -> None:
        """The view that the updates give equals the truth, and each fill came once."""
        true = self.exchange.spelled(self.venue, KEY)
        held = {update.order_id: (update.status, update.filled) for update in self.updates}
        assert held == {order.order_id: (order.status, order.filled) for order in true.orders}
        fills = [update.fill for update in self.updates if update.fill is not None]
        told = sorted((str(fill.order_id), fill.id, fill.quantity, fill.price) for fill in fills)
        assert told == sorted((str(fill.order_id), fill.id, fill.quantity, fill.price) for fill in true.fills)

    async def until(self, done: Callable[[], bool]) -> None:
        with trio.fail_after(60):
            while not done():  # noqa: ASYNC110 - seen from outside only
                await trio.sleep(0.02)


@asynccontextmanager
async def listening(exchange: Exchange, venue: Venue, symbol: str, secret: str = SECRET) -> AsyncIterator[Bot]:
    """Run a bot with one account."""
    out: Mailbox[AccountItem] = Mailbox("orders", capacity=1000)
    account = venue.account(
        "main",
        key=Secret.literal(KEY),
        secret=Secret.literal(secret),
        passphrase=Secret.literal(PASSPHRASE) if venue.name == "kucoin" else None,
        symbols=[symbol],
        out=out,
    )
    async with Supervisor("bot", [account]).open(seed=1) as running, trio.open_nursery() as nursery:
        bot = Bot(exchange, running, venue.name, symbol)

        async def read() -> None:
            async for item in running.mailbox(out):
                bot.items.append(item)

        nursery.start_soon(read)
        yield bot
        nursery.cancel_scope.cancel("the test is over")


def quiet(venue: Venue, symbol: str) -> Exchange:
    return Exchange(seed=3, symbols={venue.name: [symbol]}, keys={KEY: SECRET}, trades_per_second=0)


@asynccontextmanager
async def in_memory(venue: Venue, symbol: str, secret: str = SECRET) -> AsyncIterator[Bot]:
    exchange = quiet(venue, symbol)
    async with open_network(exchange) as network:
        async with listening(exchange, through(venue, network), symbol, secret) as bot:
            yield bot
        assert exchange.record.violations == []


@pytest.mark.parametrize(("venue", "symbol"), VENUES)
async def test_what_happens_to_orders_is_told_as_it_happens(
    venue: Venue, symbol: str, autojump_clock: trio.testing.MockClock
) -> None:
    async with in_memory(venue, symbol) as bot:
        await bot.until(lambda: bot.states[-1:] == ["live"])
        first, second, third = bot.place(), bot.place(), bot.place()
        bot.fill(first, "0.25")
        bot.fill(first)
        bot.fill(second, "0.5")
        bot.exchange.cancel_order(KEY, second, venue=bot.venue)
        bot.exchange.expire_order(KEY, third, venue=bot.venue)
        await trio.sleep(3)

        bot.check()
        assert {update.source for update in bot.updates} == {"stream"}
        assert all(update.raw for update in bot.updates)
        assert bot.states[-1] == "live"


@pytest.mark.parametrize(("venue", "symbol"), VENUES)
async def test_what_filled_while_the_connection_was_gone_is_told_before_the_account_is_live_again(
    venue: Venue, symbol: str, autojump_clock: trio.testing.MockClock
) -> None:
    async with in_memory(venue, symbol) as bot:
        await bot.until(lambda: bot.states[-1:] == ["live"])
        orders = [bot.place() for _ in range(4)]
        await trio.sleep(1)
        bot.fault("refuse", "ws", duration=20.0)
        bot.fault("reset")
        bot.fill(orders[0], "0.5")
        await trio.sleep(5)
        bot.fill(orders[0])
        bot.fill(orders[1], "0.1")
        bot.exchange.cancel_order(KEY, orders[2], venue=bot.venue)
        late = bot.place()
        bot.fill(late)
        assert bot.states[-1] != "live"
        before = len(bot.items)
        await bot.until(lambda: bot.states[-1] == "live")

        bot.check()
        told = [item for item in bot.items[before:] if isinstance(item, OrderUpdate)]
        assert {update.source for update in told} == {"reconcile"}
        assert isinstance(bot.items[-1], AccountState)


@pytest.mark.parametrize(("venue", "symbol"), VENUES)
async def test_a_wrong_secret_parks_the_account_and_is_not_tried_again(
    venue: Venue, symbol: str, autojump_clock: trio.testing.MockClock
) -> None:
    async with in_memory(venue, symbol, secret="another-secret") as bot:
        await bot.until(lambda: bool(bot.parked()))
        await trio.sleep(1)
        before = len(bot.exchange.record.attempts)
        await trio.sleep(3600)

        assert bot.states[-1] == "parked"
        assert "live" not in bot.states
        # The venue's clock goes on being measured, every ten minutes, for which no key is needed.
        assert [each.surface for each in bot.exchange.record.attempts[before:]] in (["rest"] * 5, ["rest"] * 6)
        shown = f"{bot.items} {bot.running.status()} {bot.running.tree} {bot.running.ledger.first_failures}"
        assert "another-secret" not in shown
        assert PASSPHRASE not in shown


@pytest.mark.parametrize(("venue", "symbol"), VENUES)
async def test_a_refused_login_parks_the_account_until_it_is_told_to_try_again(
    venue: Venue, symbol: str, autojump_clock: trio.testing.MockClock
) -> None:
    async with in_memory(venue, symbol) as bot:
        await bot.until(lambda: bot.states[-1:] == ["live"])
        order = bot.place()
        bot.fault("refuse_login", duration=600.0)
        bot.fault("reset")
        await bot.until(lambda: bool(bot.parked()))
        bot.fill(order)
        attempts = len(bot.exchange.record.attempts)
        await trio.sleep(300)
        assert bot.states[-1] == "parked"
        assert not [each for each in bot.exchange.record.attempts[attempts:] if each.surface != "rest"]
        await trio.sleep(301)
        for path in bot.parked():
            bot.running.unpark_child(path)
        await bot.until(lambda: bot.states[-1] == "live")

        bot.check()


async def test_every_connection_at_kucoin_has_a_token_of_its_own(autojump_clock: trio.testing.MockClock) -> None:
    async with in_memory(kucoin, "BTC-USDT") as bot:
        await bot.until(lambda: bot.states[-1:] == ["live"])
        bot.fault("expire_key", notice=True)
        order = bot.place()
        await trio.sleep(10)
        bot.fill(order)
        await trio.sleep(3)

        bot.check()
        private = [each for each in bot.exchange.record.connections if each.surface == "private"]
        assert len(private) == 2
        # The next one was open before the old one was given up.
        assert private[0].closed is not None
        assert private[1].opened < private[0].closed


@pytest.mark.slow
async def test_a_day_at_kucoin_ends_no_stream_unseen(autojump_clock: trio.testing.MockClock) -> None:
    async with in_memory(kucoin, "BTC-USDT") as bot:
        await bot.until(lambda: bot.states[-1:] == ["live"])
        for _ in range(27):
            bot.fill(bot.place())
            await trio.sleep(3600)

        bot.check()
        assert set(bot.states[bot.states.index("live") :]) == {"live"}
        private = [each for each in bot.exchange.record.connections if each.surface == "private"]
        assert len(private) == 2


@pytest.mark.parametrize(("venue", "symbol"), VENUES)
async def test_a_clock_that_is_a_minute_off_signs_with_the_venue_s_time(
    venue: Venue, symbol: str, autojump_clock: trio.testing.MockClock
) -> None:
    async with in_memory(venue, symbol) as bot:
        await bot.until(lambda: bot.states[-1:] == ["live"])
        bot.fault("clock_skew", "rest", duration=600.0, shift=-90.0)
        bot.fault("reset")
        order = bot.place()
        await bot.until(lambda: bot.states[-1] == "live" and len(bot.states) > 4)
        bot.fill(order)
        await trio.sleep(3)

        bot.check()
        assert not bot.parked()


@pytest.mark.parametrize(("venue", "symbol"), VENUES)
async def test_what_came_and_went_unseen_is_told_although_the_clock_was_ahead_before(
    venue: Venue, symbol: str, autojump_clock: trio.testing.MockClock
) -> None:
    async with in_memory(venue, symbol) as bot:
        await bot.until(lambda: bot.states[-1:] == ["live"])
        await trio.sleep(200)
        bot.fault("clock_skew", "rest", duration=31.0, shift=150.0)
        bot.fault("reset")
        # Long enough for the reconciliation from which the one after the next interruption begins.
        await trio.sleep(20)
        states = len(bot.states)
        bot.fault("refuse", "ws", duration=20.0)
        bot.fault("reset")
        await trio.sleep(5)
        bot.exchange.cancel_order(KEY, bot.place(), venue=bot.venue)
        bot.fill(bot.place())
        await bot.until(lambda: bot.states[states:][-1:] == ["live"])

        bot.check()


@pytest.mark.parametrize(("venue", "symbol"), VENUES)
async def test_over_sockets_nothing_is_lost_either(venue: Venue, symbol: str) -> None:
    exchange = quiet(venue, symbol)
    async with serve(exchange) as addresses:
        address = addresses[venue.name]
        there = venue.at(ws=address.ws, rest=address.rest)
        async with listening(exchange, there, symbol) as bot:
            await bot.until(lambda: bot.states[-1:] == ["live"])
            orders = [bot.place() for _ in range(3)]
            bot.fill(orders[0], "0.5")
            await bot.until(lambda: any(update.fill for update in bot.updates))
            bot.fault("reset")
            bot.fill(orders[0])
            bot.exchange.cancel_order(KEY, orders[1], venue=bot.venue)
            await bot.until(lambda: len(bot.states) > 3 and bot.states[-1] == "live")
            bot.fill(orders[2])
            await bot.until(lambda: sum(update.closed for update in bot.updates) == 3)

            bot.check()
    assert exchange.record.violations == []
