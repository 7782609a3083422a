"""The exchange's own dead man's switch: it never fires while the bot is healthy, and always in time when it is not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest
import trio

from actors import Secret, Venue, binance_usdm, bybit, bybit_linear, gate, kucoin, okx
from actors.ops._vitals import StreamVital, facts
from actors.simulator import Exchange, Fault, Network, open_network
from supervisor import BadTree, Limit, Me, Note, Running, Supervisor, actor

from ..in_memory import through

KEY, SECRET, WORDS = "demo-key", "demo-secret", "demo-passphrase"
CASES: list[tuple[Venue, str, dict[str, Any]]] = [
    (binance_usdm, "BTCUSDT", {"symbols": ["BTCUSDT"]}),
    (okx, "BTC-USDT", {"passphrase": Secret.literal(WORDS)}),
    (bybit, "BTCUSDT", {}),
    (bybit_linear, "BTCUSDT", {}),
    (kucoin, "BTC-USDT", {"passphrase": Secret.literal(WORDS)}),
]
SECONDS = 60
SLACK = 5.0
"""Seconds: a look, and the end of a connection."""


@attrs.define
class World:
    live: bool = True


@actor()
async def feed(me: Me, world: World) -> None:
    stream = StreamVital("BTCUSDT", live=True)
    me.expose(
        lambda: facts(
            "feed", "binance", required=True, streams=[attrs.evolve(stream, live=world.live, reason="reconnecting")]
        )
    )
    await trio.sleep_forever()


@actor(restart="temporary", max_failures=1)
async def bomb(_me: Me, fuse: trio.Event) -> None:
    await fuse.wait()
    raise RuntimeError("told to")


@attrs.frozen
class Scene:
    exchange: Exchange
    network: Network
    running: Running
    world: World
    venue: str
    symbol: str
    events: Any

    def place(self) -> int:
        return self.exchange.place_order(KEY, self.symbol, "buy", "1", "10", venue=self.venue).order_id

    def ended_at(self, order_id: int) -> float | None:
        """When an order was cancelled, on the exchange's clock."""
        events = self.exchange.record.orders[self.venue, KEY]
        return next(
            (event.at for event in events if event.order_id == order_id and event.execution == "CANCELED"), None
        )

    def notes(self) -> list[str]:
        return [event.what for event in self.events.receive_nowait() if isinstance(event, Note)]


@asynccontextmanager
async def scene(venue: Venue, symbol: str, options: dict[str, Any], *others: Any, **more: Any) -> AsyncIterator[Scene]:
    exchange = Exchange(
        1, {venue.name: [symbol]}, trades_per_second=0, orders_per_second=0, keys={KEY: SECRET}, passphrase=WORDS
    )
    world = World()
    async with open_network(exchange) as network, trio.open_nursery() as nursery:
        await nursery.start(exchange.run)
        guard = through(venue, network).cancel_all_after(
            "guard", key=Secret.literal(KEY), secret=Secret.literal(SECRET), seconds=SECONDS, **options, **more
        )
        tree = Supervisor("bot", [feed.child("feed", world), *others, guard], limit=Limit(100))
        running = Running(tree, seed=1)
        events = running.events(10_000)
        try:
            async with running.opened():
                yield Scene(exchange, network, running, world, venue.name, symbol, events)
        finally:
            nursery.cancel_scope.cancel()


each_venue = pytest.mark.parametrize(("venue", "symbol", "options"), CASES, ids=[case[0].name for case in CASES])


@each_venue
async def test_a_bot_that_goes_blind_has_its_orders_cancelled_in_time(
    autojump_clock: object, venue: Venue, symbol: str, options: dict[str, Any]
) -> None:
    async with scene(venue, symbol, options) as bot:
        order = bot.place()
        await trio.sleep(3 * SECONDS)
        assert bot.ended_at(order) is None
        blind_at = bot.exchange.clock.now()
        bot.world.live = False
        await trio.sleep(2 * SECONDS)
        ended_at = bot.ended_at(order)
        assert ended_at is not None
        assert ended_at - blind_at <= SECONDS + SLACK
        notes = bot.notes()
    assert [note for note in notes if note.startswith("cancel_all")] == [
        "cancel_all_armed",
        "cancel_all_not_renewed",
        "cancel_all_ran_out",
    ]
    assert bot.exchange.record.violations == []


LONG = [pytest.param(*case, 3600, id=case[0].name) for case in CASES]
# This takes ten seconds of real time: one of each kind.
LONG += [pytest.param(*CASES[n], 6 * 3600, id=f"{CASES[n][0].name}-six-hours", marks=pytest.mark.slow) for n in (1, 2)]


@pytest.mark.parametrize(("venue", "symbol", "options", "seconds"), LONG)
async def test_a_bot_that_is_healthy_keeps_its_orders(
    autojump_clock: object, venue: Venue, symbol: str, options: dict[str, Any], seconds: float
) -> None:
    async with scene(venue, symbol, options) as bot:
        order = bot.place()
        await trio.sleep(seconds)
        assert bot.ended_at(order) is None
        assert [note for note in bot.notes() if note.startswith("cancel_all")] == ["cancel_all_armed"]
    assert bot.exchange.record.violations == []


@each_venue
async def test_when_the_bot_sees_again_its_orders_are_guarded_again(
    autojump_clock: object, venue: Venue, symbol: str, options: dict[str, Any]
) -> None:
    async with scene(venue, symbol, options) as bot:
        await trio.sleep(SECONDS)
        bot.world.live = False
        await trio.sleep(2 * SECONDS)
        bot.world.live = True
        await trio.sleep(10)
        order = bot.place()
        await trio.sleep(3 * SECONDS)
        assert bot.ended_at(order) is None
        bot.world.live = False
        await trio.sleep(SECONDS + SLACK)
        assert bot.ended_at(order) is not None


@each_venue
async def test_a_bot_that_is_cut_off_has_its_orders_cancelled_in_time(
    autojump_clock: object, venue: Venue, symbol: str, options: dict[str, Any]
) -> None:
    async with scene(venue, symbol, options) as bot:
        order = bot.place()
        await trio.sleep(2 * SECONDS)
        cut_at = bot.exchange.clock.now()
        for surface in ("ws", "rest"):
            bot.exchange.inject(Fault("refuse", surface=surface, duration=10 * SECONDS))
        for surface in ("private", "rest"):
            bot.exchange.inject(Fault("reset", surface=surface))
        await trio.sleep(SECONDS + SLACK)
        ended_at = bot.ended_at(order)
        assert ended_at is not None and ended_at - cut_at <= SECONDS + SLACK


@each_venue
@pytest.mark.parametrize("at_stop", ["leave", "disarm"])
async def test_an_orderly_stop_leaves_or_ends_it_as_declared(
    autojump_clock: object, venue: Venue, symbol: str, options: dict[str, Any], at_stop: str
) -> None:
    async with scene(venue, symbol, options, at_stop=at_stop) as bot:
        order = bot.place()
        await trio.sleep(SECONDS)
        bot.running.stop("enough")
        await trio.sleep(2 * SECONDS)
        assert (bot.ended_at(order) is None) == (at_stop == "disarm")


@each_venue
async def test_a_tree_that_comes_down_by_a_failure_never_ends_it(
    autojump_clock: object, venue: Venue, symbol: str, options: dict[str, Any]
) -> None:
    fuse = trio.Event()

    @actor(on={RuntimeError: "escalate"})
    async def strategy(_me: Me) -> None:
        await fuse.wait()
        raise RuntimeError("told to")

    with pytest.raises(BaseException) as caught:
        async with scene(venue, symbol, options, strategy.child("strategy"), at_stop="disarm") as bot:
            order = bot.place()
            await trio.sleep(SECONDS)
            fuse.set()
            await trio.sleep(5)
    assert not isinstance(caught.value, AssertionError)
    # Nobody ran the exchange any longer: what counts is that the countdown was not stopped.
    [countdown] = [bot.exchange.floors[bot.venue].countdowns.due()]
    assert countdown < float("inf") and bot.ended_at(order) is None


@each_venue
async def test_wrong_credentials_park_it(
    autojump_clock: object, venue: Venue, symbol: str, options: dict[str, Any]
) -> None:
    async with scene(venue, symbol, options) as bot:
        bot.exchange.inject(Fault("revoke_key", surface="private"))
        bot.exchange.inject(Fault("reset", surface="private"))
        await trio.sleep(SECONDS)
        assert bot.running.status().find("bot/guard").state == "parked"


@each_venue
async def test_nothing_about_it_shows_the_key(
    autojump_clock: object, venue: Venue, symbol: str, options: dict[str, Any]
) -> None:
    async with scene(venue, symbol, options) as bot:
        await trio.sleep(SECONDS)
        shown = repr(bot.running.tree) + str(bot.running.status()) + repr(bot.running.status().to_dict())
        shown += "".join(repr(event) + repr(event.to_dict()) for event in bot.events.receive_nowait())
    assert not any(secret in shown for secret in (KEY, SECRET, WORDS))


async def test_a_venue_that_answers_nothing_for_a_while_does_not_fire_it(autojump_clock: object) -> None:
    async with scene(*CASES[0]) as bot:
        order = bot.place()
        await trio.sleep(SECONDS)
        bot.exchange.inject(Fault("http_5xx", surface="rest", duration=30.0))
        await trio.sleep(3 * SECONDS)
        assert bot.ended_at(order) is None
        assert "cancel_all_not_armed" in bot.notes()


@pytest.mark.parametrize(
    ("venue", "options", "says"),
    [
        (binance_usdm, {}, "symbols must be named"),
        (okx, {"symbols": ["BTC-USDT"]}, "symbols must not be named"),
        (bybit, {"seconds": 2}, "seconds must be a whole number from 3 to 300 on bybit"),
        (bybit, {"at_stop": "vanish"}, "at_stop must be"),
        (okx, {"seconds": 10.5}, "seconds must be a whole number"),
        (gate, {}, "gate has no dead man's switch"),
    ],
)
def test_what_does_not_fit_the_venue_is_said_when_the_tree_is_built(
    venue: Venue, options: dict[str, Any], says: str
) -> None:
    with pytest.raises(BadTree, match=says):
        Supervisor(
            "bot", [venue.cancel_all_after("guard", key=Secret.literal("k"), secret=Secret.literal("s"), **options)]
        )
