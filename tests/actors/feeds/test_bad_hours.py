"""Hours of faults on the virtual clock, against the exchange's true record."""

import os
from collections import Counter
from decimal import Decimal
from itertools import pairwise

import pytest
import trio

from actors import AccountItem, AccountState, FeedItem, FeedState, Gap, OrderUpdate, Secret, binance, binance_usdm
from actors.simulator import Exchange, Fault, FaultScript, open_network
from supervisor import Ended, Mailbox, Running, Supervisor
from supervisor.testing import run_virtually

from ..in_memory import drain, through

HOUR = 3600.0


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(int(os.environ.get("UNBLINKING_BAD_HOURS", "2"))))
def test_every_trade_and_every_fill_comes_once_whatever_the_exchange_does(seed: int) -> None:
    exchange = Exchange(
        seed=seed,
        symbols={"binance": ["BTCUSDT"], "binance-usdm": ["BTCUSDT"]},
        trades_per_second=0.5,
        orders_per_second=0.05,
        keys={"k": "s"},
    )
    script = FaultScript.random(seed, HOUR, mean_gap=20.0)
    feed: list[object] = []
    account: list[object] = []
    events: list[object] = []

    async def main() -> None:
        trades: Mailbox[FeedItem] = Mailbox("trades", capacity=50)
        orders: Mailbox[AccountItem] = Mailbox("orders", capacity=50)
        async with open_network(exchange) as network, trio.open_nursery() as nursery:
            spot, usdm = through(binance, network), through(binance_usdm, network)
            tree = Supervisor(
                "bot",
                [
                    spot.trades("BTCUSDT", out=trades),
                    usdm.trades("BTCUSDT", out=trades),
                    usdm.account(
                        "main", key=Secret.literal("k"), secret=Secret.literal("s"), symbols=["BTCUSDT"], out=orders
                    ),
                ],
            )
            running = Running(tree, seed)
            async with running.opened():
                nursery.start_soon(drain, running.mailbox(trades), feed)
                nursery.start_soon(drain, running.mailbox(orders), account)
                nursery.start_soon(drain, running.events(capacity=100_000), events)
                await trio.sleep(30)
                with trio.move_on_after(HOUR):
                    await exchange.run(script)
                # The exchange has fallen silent: whatever the last faults took is found within the declared times.
                await trio.sleep(HOUR / 2)
            nursery.cancel_scope.cancel()

    run_virtually(main)
    check_trades(exchange, feed)
    check_orders(exchange, account)
    assert list(exchange.record.violations) == []
    ended = [event for event in events if isinstance(event, Ended)]
    assert len(ended) > 20, "the hour was not bad enough to show anything"
    assert not [event for event in ended if event.decision.action in ("escalate", "park")]


def check_trades(exchange: Exchange, feed: list[object]) -> None:
    for market in (("binance", "BTCUSDT"), ("binance-usdm", "BTCUSDT")):
        published = [(t.id, t.price, t.quantity, t.side, t.time) for t in exchange.record.trades[market]]
        got = [
            (t.id, format(t.price, "f"), format(t.quantity, "f"), t.side, t.time)  # type: ignore[attr-defined]
            for t in feed
            if not isinstance(t, FeedState | Gap) and (t.venue, t.symbol) == market  # type: ignore[attr-defined]
        ]
        gaps = [g for g in feed if isinstance(g, Gap) and (g.venue, g.symbol) == market]
        assert gaps == [], "REST had all of them, and was never down for as long as the patience"
        assert got == published
        states = [s.live for s in feed if isinstance(s, FeedState) and (s.venue, s.symbol) == market]
        assert states[-2:] == [True, False], "live at the end, until it was stopped"
        assert all(a != b for a, b in pairwise(states)), "only changes are told"


def check_orders(exchange: Exchange, account: list[object]) -> None:
    updates = [u for u in account if isinstance(u, OrderUpdate)]
    record = exchange.record.orders["binance-usdm", "k"]
    fills = Counter(u.fill.id for u in updates if u.fill is not None)
    assert fills == Counter(e.trade_id for e in record if e.execution == "TRADE"), "each fill once"
    assert any(u.source == "reconcile" for u in updates)
    assert any(u.source == "stream" for u in updates)
    for order_id in {e.order_id for e in record}:
        told = [(e.status.lower(), Decimal(e.filled), e.trade_id) for e in record if e.order_id == order_id]
        heard = [(u.status, u.filled, u.fill.id if u.fill else 0) for u in updates if u.order_id == order_id]
        assert heard == told
    states = [s.live for s in account if isinstance(s, AccountState)]
    assert states[-2:] == [True, False]


def test_a_mute_connection_is_noticed_within_the_declared_silence() -> None:
    exchange = Exchange(seed=1, symbols={"binance": ["BTCUSDT"]}, trades_per_second=1.0)
    feed: list[tuple[float, object]] = []
    muted_at = 100.0

    async def main() -> None:
        trades: Mailbox[FeedItem] = Mailbox("trades", capacity=50)

        async def read(items: Mailbox[FeedItem]) -> None:
            async for item in items:
                feed.extend([(trio.current_time(), item)])

        async with open_network(exchange) as network, trio.open_nursery() as nursery:
            tree = Supervisor("bot", [through(binance, network).trades("BTCUSDT", out=trades, silence=20)])
            nursery.start_soon(exchange.run)
            running = Running(tree, 1)
            async with running.opened():
                start = trio.current_time()
                nursery.start_soon(read, running.mailbox(trades))
                await trio.sleep(muted_at)
                exchange.inject(Fault("mute", surface="ws", duration=HOUR, newcomers=False))
                await trio.sleep(100)
                feed[:] = [(at - start, item) for at, item in feed]
            nursery.cancel_scope.cancel()

    run_virtually(main)
    lost = [at for at, item in feed if isinstance(item, FeedState) and not item.live and at >= muted_at]
    back = [at for at, item in feed if isinstance(item, FeedState) and item.live and at > lost[0]]
    assert lost[0] - muted_at <= 20 + 2 + 1
    # Its subscription is renewed first; nobody confirms that.
    assert back[0] - lost[0] <= 3 + 2
    ids = [item.id for _, item in feed if not isinstance(item, FeedState | Gap)]  # type: ignore[attr-defined]
    assert ids == list(range(ids[0], ids[0] + len(ids)))


def test_a_symbol_that_is_quiet_by_nature_raises_no_alarm() -> None:
    exchange = Exchange(seed=1, symbols={"binance": ["BTCUSDT"]}, trades_per_second=0.0)
    feed: list[object] = []
    events: list[object] = []

    async def main() -> None:
        trades: Mailbox[FeedItem] = Mailbox("trades", capacity=50)
        async with open_network(exchange) as network, trio.open_nursery() as nursery:
            tree = Supervisor("bot", [through(binance, network).trades("BTCUSDT", out=trades, silence=20)])
            nursery.start_soon(exchange.run)
            running = Running(tree, 1)
            async with running.opened():
                nursery.start_soon(drain, running.mailbox(trades), feed)
                nursery.start_soon(drain, running.events(capacity=100_000), events)
                await trio.sleep(HOUR)
                assert [e for e in events if isinstance(e, Ended)] == []
                exchange.print_trade("binance", "BTCUSDT")
                await trio.sleep(1)
                assert len([item for item in feed if not isinstance(item, FeedState)]) == 1
                assert [item.live for item in feed if isinstance(item, FeedState)] == [False, True]
            nursery.cancel_scope.cancel()

    run_virtually(main)
    assert list(exchange.record.violations) == []
