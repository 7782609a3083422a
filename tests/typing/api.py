"""The public API as a user's program sees it: checked by mypy and pyright, never run."""

from typing import assert_type

import attrs
import trio

from actors import (
    AccountItem,
    FeedItem,
    FeedSpec,
    FeedState,
    Gap,
    OrderUpdate,
    Secret,
    Venue,
    binance,
    binance_usdm,
)
from supervisor import (
    Backoff,
    Child,
    Ended,
    Limit,
    Mailbox,
    Me,
    PlannedEnd,
    Running,
    Status,
    Supervisor,
    actor,
    child,
)

trades = Mailbox[FeedItem]("trades", capacity=10_000)
orders: Mailbox[AccountItem] = Mailbox("orders", capacity=1_000, overflow="fail")
latest = Mailbox[FeedItem]("latest", capacity=100, overflow="conflate", key=lambda item: item.symbol)


@actor(restart="transient", backoff=Backoff(cap=5), on={PlannedEnd: "restart_now", ValueError: "park"})
async def strategy(me: Me, trades: Mailbox[FeedItem], orders: Mailbox[AccountItem], *, size: float = 1.0) -> None:
    assert_type(me.path, str)
    assert_type(me.generation, int)
    me.ready()
    me.beat()
    me.note("sized", size=size)
    assert_type(await orders.receive_many(limit=3), list[AccountItem])
    async for item in trades:
        match item:
            case Gap():
                assert_type(item.count, int | None)
            case FeedState():
                assert_type(item.live, bool)
            case _:
                assert_type(item.id, int | str)
                assert_type(f"{item.price:f}", str)
    with me.cleanup():
        await trio.sleep(1)


@actor(silence=20)
@attrs.frozen
class Recorder:
    """An actor as a value."""

    inbox: Mailbox[AccountItem]

    async def run(self, me: Me) -> None:
        item = await self.inbox.receive()
        if isinstance(item, OrderUpdate) and item.fill is not None:
            me.note("filled", order=item.order_id)


assert_type(strategy.child("strategy", trades, orders, size=2.0), Child)
assert_type(strategy.child("strategy", trades, orders).with_(grace=2), Child)
assert_type(child("recorder", Recorder(orders), ready_within=15.0), Child)
assert_type(binance.at(ws="ws://localhost:1"), Venue)
feed: Supervisor = binance.trades("BTCUSDT", out=trades, silence=5)
assert_type(binance.trades(["BTCUSDT", "ETHUSDT"], connections=2), FeedSpec)
assert_type(binance.trades("BTCUSDT").into(trades, name="btc"), Supervisor)
account: Supervisor = binance_usdm.account(
    "main", key=Secret.env("KEY"), secret=Secret.file("/run/secrets/key"), out=orders
)
tree = Supervisor(
    "bot",
    [feed, account, strategy.child("strategy", trades, orders)],
    strategy="rest_for_one",
    limit=Limit(restarts=3, within=10, then="park"),
)


async def embedded() -> None:
    async with tree.open(seed=1) as running:
        assert_type(running, Running)
        assert_type(running.status(), Status)
        assert_type(running.mailbox(trades), Mailbox[FeedItem])
        async for event in running.events():
            if isinstance(event, Ended):
                assert_type(event.end.failed, bool)
        running.stop("enough")
        await running.wait_stopped()
    async with trio.open_nursery() as nursery:
        handed_over: Running = await nursery.start(tree.run)
        handed_over.stop()


# What must not pass: each line has an error, and the checkers complain about an ignore that is not needed.
strategy.child("strategy", trades)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
strategy.child("strategy", orders, trades)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
strategy.child("strategy", trades, orders).with_(garce=2)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
actor(restart="always")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
binance.trades("BTCUSDT", out=orders)  # type: ignore[arg-type]  # pyright: ignore[reportCallIssue, reportArgumentType]
binance.trades("BTCUSDT", silense=5)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
