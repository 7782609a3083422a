"""The example bot as a whole, against the embedded exchange over real sockets."""

import importlib.util
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import structlog
import trio

import actors
from actors import AccountState, FeedState, Gap, OrderUpdate, Secret, binance, binance_usdm
from actors.simulator import Exchange, Fault, serve
from supervisor import Ended, Event, Running, Supervisor

KEY, SECRET = "demo-key", "demo-secret"
WRONG = "kR9-not-the-key-that-the-venue-knows"


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """The bot logs with structlog; here nobody reads it."""

    def drop(*_: Any) -> Any:
        raise structlog.DropEvent

    structlog.configure(processors=[drop])
    yield
    structlog.reset_defaults()


class Scene:
    """A running bot, what its strategy has handled, and every event of its tree."""

    def __init__(self, exchange: Exchange, running: Running) -> None:
        self.exchange = exchange
        self.running = running
        self.handled: list[Any] = []
        self.events: list[Event] = []

    def ends(self, path: str) -> list[Ended]:
        return [event for event in self.events if isinstance(event, Ended) and event.path == path]

    def trades(self, venue: str) -> list[int]:
        others = (Gap, FeedState, OrderUpdate, AccountState)
        return [item.id for item in self.handled if not isinstance(item, others) and item.venue == venue]


def build(markets: Any, account: Any, key: str, secret: str, journal: Any) -> Supervisor:
    package = Path(str(actors.__file__)).parent
    installed = package / "_examples" / "bot.py"
    file = installed if installed.exists() else package.parent / "docs" / "examples" / "bot.py"
    spec = importlib.util.spec_from_file_location("example_bot", file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    key, secret = Secret.literal(key), Secret.literal(secret)
    return module.bot(markets=markets, account=account, key=key, secret=secret, journal=journal)


@asynccontextmanager
async def bot(key: str = KEY, secret: str = SECRET) -> AsyncIterator[Scene]:
    """Run the example bot and its exchange."""
    exchange = Exchange(seed=5, keys={KEY: SECRET}, trades_per_second=50, orders_per_second=5)
    async with serve(exchange) as at, trio.open_nursery() as nursery:
        for venue in at:
            exchange.print_trade(venue, "BTCUSDT")  # no real market is without a history
        spot = binance.at(ws=at["binance"].ws, rest=at["binance"].rest)
        usdm = binance_usdm.at(ws=at["binance-usdm"].ws, rest=at["binance-usdm"].rest)
        handled: list[Any] = []
        tree = build([(spot, "BTCUSDT"), (usdm, "BTCUSDT")], usdm, key, secret, handled.append)
        running = Running(tree, seed=5)
        scene = Scene(exchange, running)
        scene.handled = handled
        subscription = running.events(10_000)

        async def collect() -> None:
            async for event in subscription:
                scene.events.append(event)

        nursery.start_soon(collect)
        nursery.start_soon(exchange.run)
        async with running.opened():
            yield scene
        nursery.cancel_scope.cancel("the test is over")


async def until(condition: Any, within: float = 15.0) -> None:
    """Look at something that has no event of its own until it holds."""
    with trio.fail_after(within):
        while not condition():  # noqa: ASYNC110 - there is no event to wait for
            await trio.sleep(0.02)


@pytest.mark.parametrize(
    ("key", "secret", "actor", "code"),
    [(WRONG, SECRET, "bot/main/key", "-2015"), (KEY, WRONG, "bot/main/orders", "-1022")],
    ids=["wrong key", "wrong secret"],
)
async def test_wrong_credentials_are_one_clear_failure_and_the_rest_of_the_bot_goes_on(
    key: str, secret: str, actor: str, code: str
) -> None:
    async with bot(key, secret) as scene:
        await until(lambda: scene.running.status().find(actor).state == "parked")
        before = len(scene.trades("binance"))
        await until(lambda: len(scene.trades("binance")) > before + 50)

        failures = [event for event in scene.events if isinstance(event, Ended) and event.end.failed]
        assert [event.path for event in failures] == [actor]
        assert failures[0].decision.action == "park"
        assert "Unauthorized" in failures[0].end.summary()
        assert code in failures[0].end.summary()
        assert not any(isinstance(item, AccountState) and item.live for item in scene.handled)
        # No storm: nobody tries again, by REST or by the stream.
        account = [attempt for attempt in scene.exchange.record.attempts if attempt.venue == "binance-usdm"]
        assert len(account) <= 6
        assert not scene.exchange.record.violations

        shown = [str(event) + repr(event) + str(event.to_dict()) for event in scene.events]
        shown += [repr(scene.running.tree), str(scene.running.tree), str(scene.running.status())]
        shown += [repr(scene.running.status()), str(scene.running.status().to_dict())]
        assert WRONG not in "".join(shown)
        assert SECRET not in "".join(shown)


async def test_a_bot_that_loses_everything_at_once_is_complete_again() -> None:
    async with bot() as scene:
        record = scene.exchange.record
        await until(lambda: any(isinstance(item, AccountState) and item.live for item in scene.handled))
        await until(lambda: len(scene.trades("binance")) > 20 and len(scene.trades("binance-usdm")) > 20)
        for venue in ("binance", "binance-usdm"):
            scene.exchange.inject(Fault("refuse", venue=venue, duration=0.5))
            for surface in ("ws", "rest") if venue == "binance" else ("ws", "rest", "private"):
                scene.exchange.inject(Fault("reset", venue=venue, surface=surface))
        after = {venue: record.trades[venue, "BTCUSDT"][-1].id for venue in ("binance", "binance-usdm")}
        for venue, number in after.items():
            await until(lambda venue=venue, number=number: scene.trades(venue)[-1] > number + 20)
        await until(lambda: [item for item in scene.handled if isinstance(item, AccountState)][-1].live)

        for venue in after:
            delivered = scene.trades(venue)
            assert delivered == list(range(delivered[0], delivered[-1] + 1))
        fills = [item.fill.id for item in scene.handled if isinstance(item, OrderUpdate) and item.fill is not None]
        assert len(fills) == len(set(fills))
        for name in ("binance-btcusdt", "binance-usdm-btcusdt", "main"):
            assert scene.ends(f"bot/{name}/connection")[0].end.failed
            assert not scene.ends(f"bot/{name}")
