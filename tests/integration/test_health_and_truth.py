"""Health against the exchange's own truth: feeds, books and an account of a whole bot, on the virtual clock."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import trio
import trio.testing

from actors import Secret, binance, binance_usdm
from actors.ops._vitals import Verdict, read, verdict
from actors.simulator import Exchange, Fault, open_network
from supervisor import Backoff, Child, Limit, Mailbox, Me, Running, Supervisor, actor

from ..actors.in_memory import through

KEY, SECRET = "demo-key", "demo-secret"


@actor()
async def reader(me: Me, box: Mailbox[Any]) -> None:
    while True:
        await box.receive_many()


def quick(node: Any) -> Any:
    """Return the tree with short delays, so that the test does not wait for them."""
    if isinstance(node, Child):
        return node.with_(backoff=Backoff(0.1, 0.1, 0.3))
    return Supervisor(node.name, [quick(child) for child in node.children], strategy=node.strategy, limit=Limit(1000))


@asynccontextmanager
async def bot(*, account: bool) -> AsyncIterator[tuple[Exchange, Running]]:
    exchange = Exchange(seed=5, keys={KEY: SECRET}, trades_per_second=50, orders_per_second=5)
    trades, quotes, books, orders = (
        Mailbox[Any](name, capacity=10_000) for name in ("trades", "quotes", "books", "orders")
    )
    async with open_network(exchange) as network, trio.open_nursery() as nursery:
        exchange.print_trade("binance", "BTCUSDT")  # no real market is without a history
        spot, usdm = through(binance, network), through(binance_usdm, network)
        key, secret = Secret.literal(KEY), Secret.literal(SECRET)
        accounts = [quick(usdm.account("main", key=key, secret=secret, out=orders))] if account else []
        tree = Supervisor(
            "bot",
            [
                *(reader.child(f"read {box.name}", box) for box in (trades, quotes, books, orders)),
                quick(spot.trades("BTCUSDT", out=trades, silence=1.0)),
                quick(spot.quotes("BTCUSDT", out=quotes, silence=1.0)),
                quick(spot.books("BTCUSDT", out=books, silence=1.0)),
                *accounts,
            ],
        )
        nursery.start_soon(exchange.run)
        async with tree.open(seed=5) as running:
            yield exchange, running
        nursery.cancel_scope.cancel("the test is over")


def now(running: Running) -> Verdict:
    return verdict(running.status(), running.tree, now=trio.current_time())


async def until(running: Running, *, healthy: bool, within: float) -> float:
    began = trio.current_time()
    with trio.move_on_after(within):
        while now(running).healthy is not healthy:  # noqa: ASYNC110 - seen from outside only
            await trio.sleep(0.02)
        return trio.current_time() - began
    raise AssertionError(now(running))


async def test_every_owner_shows_its_vital_signs_and_all_are_well(autojump_clock: trio.testing.MockClock) -> None:
    async with bot(account=True) as (_, running):
        await until(running, healthy=True, within=20)
        await trio.sleep(10)
        found = {vital.vital: vital for vital in read(running.status(), running.tree)}

    assert set(found) == {"feed", "quotes", "book", "account"}
    assert all(vital.required and vital.alive for vital in found.values())
    feed = found["feed"].streams[0]
    assert (feed.name, feed.live, feed.gaps) == ("BTCUSDT", True, 0)
    assert feed.age is not None and feed.age < 1
    assert feed.rate is not None and feed.rate > 1
    assert feed.lag is not None
    assert found["account"].streams[0].name == "main"


async def test_a_feed_that_goes_mute_makes_it_unhealthy_within_its_silence_and_healthy_only_with_data(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with bot(account=False) as (exchange, running):
        await until(running, healthy=True, within=20)
        exchange.inject(Fault("mute", venue="binance", duration=4.0))
        noticed = await until(running, healthy=False, within=4.0)
        reasons = now(running).reasons
        await until(running, healthy=True, within=20)
        await trio.sleep(1)
        feed = next(vital for vital in read(running.status(), running.tree) if vital.vital == "feed")

    assert noticed < 4.0
    assert reasons[0].startswith("bot/")
    assert feed.streams[0].age is not None and feed.streams[0].age < 2
