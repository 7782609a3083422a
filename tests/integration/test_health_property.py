"""Law L7 for any script of faults: at every instant the endpoint's answer is the exchange's own truth, but for the time
that it takes to notice and to recover.

The truth is what the exchange has published and the bot has not got yet. It is compared in three ways:

- what has been missing for longer than the detection bound is told by a 503: health never lies for longer than that;
- what was whole, and under no fault, for longer than the recovery bound is told by a 200: there are no false alarms;
- a 503 turns into a 200 only when all that was published before is there: that something has connected is not enough.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import attrs
import trio
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from actors import OrderUpdate, Secret, binance, binance_usdm
from actors.ops._access import Access
from actors.ops._events_stream import EventsStream
from actors.ops._http_endpoint import Request
from actors.ops._routes import Routes
from actors.ops._watched import FRESH, Watched
from actors.simulator import Exchange, Fault, open_network
from supervisor import Backoff, Child, Limit, Mailbox, Me, Running, Supervisor, actor
from supervisor.testing import run_virtually

from ..actors.in_memory import through

KEY, SECRET = "demo-key", "demo-secret"
TRADES, ORDERS = ("binance", "BTCUSDT"), ("binance-usdm", KEY)

SILENCE = 1.0
"""Declared for feed and account."""
ON_THE_WAY = 0.3
"""Seconds that something may be under way: the market publishes at once, actors hand it on from task to task."""
EVERY = 0.2
"""Seconds between two looks."""


PONG = 10.0
"""Seconds that a connection gives its peer to answer a ping: what tells a dead account from a quiet one."""


def detection(script: list[tuple[float, Fault]]) -> dict[str, float]:
    """Return after how many seconds what is missing must be told."""
    grace, margin = 2.0, FRESH + EVERY + ON_THE_WAY
    # When the venue cannot be asked, silence proves something only after three times as long.
    asked = any(fault.surface == "rest" for _, fault in script)
    return {"feed": (3 * SILENCE if asked else SILENCE) + grace + margin, "account": SILENCE + PONG + margin}


RECOVERY = 20.0
"""Seconds after the last fault, in which everything must be whole and told to be so."""

public = st.sampled_from(["reset", "close", "garbage", "truncated", "lost_subscription"])
lasting = st.sampled_from(
    ["mute", "refuse", "stale", "half_open", "accept_then_close", "lost_ack", "duplicate", "reorder"]
)
private = st.sampled_from(["reset", "close", "garbage", "truncated", "mute", "half_open", "accept_then_close"])
seconds = st.integers(1, 12).map(float)


@st.composite
def faults(draw: st.DrawFn) -> Fault:
    where = draw(st.sampled_from(["feed", "feed and for long", "account", "rest"]))
    if where == "feed":
        return Fault(draw(public), venue="binance")
    if where == "feed and for long":
        return Fault(draw(lasting), venue="binance", duration=draw(seconds))
    if where == "account":
        kind = draw(private)
        lasts = draw(seconds) if kind in ("mute", "half_open", "accept_then_close") else 0.0
        return Fault(kind, venue="binance-usdm", surface="private", duration=lasts)
    venue = draw(st.sampled_from(["binance", "binance-usdm"]))
    return Fault("http_5xx", venue=venue, surface="rest", duration=draw(seconds))


scripts = st.lists(st.tuples(st.floats(0, 15).map(lambda at: round(at, 3)), faults()), min_size=1, max_size=5)


@attrs.frozen
class Look:
    """The world at one moment."""

    at: float
    healthy: bool
    reasons: str
    missing: dict[str, tuple[float, str]]
    """For how many seconds the oldest thing that was published has not been there, and what it is; by owner."""


@attrs.define
class World:
    """An exchange's record beside what the bot has got of it."""

    exchange: Exchange
    ids: list[int] = attrs.Factory(list)
    """Of trades, in the order of arrival."""
    updates: Counter[tuple[int, str, int]] = attrs.Factory(Counter)
    began: tuple[int, int] = (0, 0)
    """How many trades and order events there were when everything was live for the first time."""

    def missing(self, now: float) -> dict[str, tuple[float, str]]:
        """Return for how long the oldest missing thing has been missing, and what it is."""
        found = {"feed": (0.0, ""), "account": (0.0, "")}
        got = set(self.ids)
        for trade in self.exchange.record.trades[TRADES][self.began[0] :]:
            if trade.id not in got:
                found["feed"] = (now - trade.at, f"trade {trade.id}")
                break
        seen = Counter[tuple[int, str, int]]()
        for event in self.exchange.record.orders[ORDERS][self.began[1] :]:
            key = (event.order_id, event.status.lower(), event.trade_id)
            seen[key] += 1
            if seen[key] > self.updates[key]:
                found["account"] = (now - event.at, f"order event {key}")
                break
        return found


@actor()
async def reader(me: Me, box: Mailbox[Any], world: World) -> None:
    async for item in box:
        if isinstance(item, OrderUpdate):
            world.updates[item.order_id, item.status, 0 if item.fill is None else item.fill.id] += 1
        elif hasattr(item, "price"):
            world.ids.append(item.id)


def quick(node: Any) -> Any:
    """Return the tree with short delays: the bounds here are those of noticing, not those of the backoff."""
    if isinstance(node, Child):
        return node.with_(backoff=Backoff(0.1, 0.1, 0.3))
    return Supervisor(node.name, [quick(child) for child in node.children], strategy=node.strategy, limit=Limit(10**6))


async def watch(script: list[tuple[float, Fault]]) -> list[Look]:
    """Return one look after another at a bot that goes through a script."""
    exchange = Exchange(seed=7, keys={KEY: SECRET}, trades_per_second=10, orders_per_second=2)
    world, looks = World(exchange), list[Look]()
    trades, orders = Mailbox[Any]("trades", capacity=10_000), Mailbox[Any]("orders", capacity=10_000)
    async with open_network(exchange) as network, trio.open_nursery() as nursery:
        exchange.print_trade("binance", "BTCUSDT")  # no real market is without a history
        spot, usdm = through(binance, network), through(binance_usdm, network)
        key, secret = Secret.literal(KEY), Secret.literal(SECRET)
        tree = Supervisor(
            "bot",
            [
                reader.child("read trades", trades, world),
                reader.child("read orders", orders, world),
                quick(spot.trades("BTCUSDT", out=trades, silence=SILENCE)),
                quick(
                    usdm.account("main", key=key, secret=secret, symbols=["BTCUSDT"], out=orders, ping_every=SILENCE)
                ),
            ],
        )
        running = Running(tree, 7)
        routes = Routes(Watched(running, (), dict), Access(), EventsStream(running, 1, lambda: 0))

        async def healthz() -> tuple[bool, str]:
            reply = await routes(Request("GET", "/healthz", {}, {}))
            assert reply.status in (200, 503)
            return reply.status == 200, reply.body.decode()

        async with running.opened():
            with trio.fail_after(20):
                nursery.start_soon(exchange.run)
                while not (await healthz())[0]:  # noqa: ASYNC110 - seen from outside only
                    await trio.sleep(EVERY)
            await trio.sleep(5)
            world.began = len(exchange.record.trades[TRADES]), len(exchange.record.orders[ORDERS])
            world.updates.clear()
            nursery.start_soon(play, exchange, script)
            ends = max(at + fault.duration for at, fault in script) + RECOVERY + 5.0
            begin = trio.current_time()
            while (now := trio.current_time() - begin) < ends:
                missing = world.missing(exchange.clock.now())
                looks.append(Look(now, *(await healthz()), missing))
                await trio.sleep(EVERY)
        nursery.cancel_scope.cancel("all is seen")
    return looks


async def play(exchange: Exchange, script: list[tuple[float, Fault]]) -> None:
    begin = trio.current_time()
    for at, fault in sorted(script, key=lambda step: step[0]):
        await trio.sleep_until(begin + at)
        exchange.inject(fault)


@settings(max_examples=12, deadline=None, phases=[Phase.reuse, Phase.generate])
@given(scripts)
def test_at_every_instant_health_is_the_truth_of_the_exchange_within_the_bounds(
    script: list[tuple[float, Fault]],
) -> None:
    looks = run_virtually(watch, script)

    bounds = detection(script)
    soon = ON_THE_WAY + EVERY + FRESH
    for look in looks:
        for owner, (lasts, what) in look.missing.items():
            assert lasts <= bounds[owner] or not look.healthy, f"{look.at:.1f} s: well without {what} for {lasts:.1f} s"
    for before, after in zip(looks, looks[1:], strict=False):
        for owner, (lasts, what) in after.missing.items():
            if after.healthy and f"({owner} " in before.reasons:
                assert lasts <= soon, f"{after.at:.1f} s: well again without {what} for {lasts:.1f} s"
    quiet_since = max(at + fault.duration for at, fault in script) + RECOVERY
    for look in looks:
        if look.at > quiet_since:
            assert look.healthy, f"{look.at:.1f} s: {look.reasons}"
            assert max(look.missing.values())[0] <= soon, look
