"""The supervisor alone, as a user's program sees it: checked by mypy and pyright, never run."""

from typing import assert_type

import attrs
import trio

from supervisor import (
    Budget,
    BudgetStatistics,
    Child,
    End,
    Ended,
    Event,
    GaveUp,
    Ledger,
    Mailbox,
    MailboxStatistics,
    Me,
    Note,
    PathCount,
    Plan,
    PlannedEnd,
    Running,
    Spread,
    Started,
    Status,
    Subscription,
    Supervisor,
    actor,
    child,
    diff,
    run,
)


@attrs.frozen
class Trade:
    """What one mailbox carries."""

    price: int


@attrs.frozen
class Order:
    """What another one carries."""

    size: int


trades = Mailbox[Trade]("trades", capacity=100)
orders = Mailbox[Order]("orders", capacity=10, overflow="conflate", key=lambda order: order.size)
dials = Budget("venue connections", 300, 300.0)


@actor(restart="transient", budget=dials, max_failures=5, at_max="park", on={OSError: "restart", PlannedEnd: "stop"})
async def source(me: Me, out: Mailbox[Trade], symbol: str) -> None:
    me.ready()
    await out.send(Trade(1))
    await out.send_many([Trade(2), Trade(3)])
    assert_type(out.send_many_nowait([Trade(4)]), int)
    me.note("sent", symbol=symbol, count=4)
    raise PlannedEnd("that was all")


@attrs.frozen
class Trader:
    """An actor as a value."""

    inbox: Mailbox[Trade]
    outbox: Mailbox[Order]

    async def run(self, me: Me) -> None:
        try:
            async for trade in self.inbox:
                assert_type(trade, Trade)
                self.outbox.send_nowait(Order(me.random.randrange(10)))
            assert_type(await self.inbox.receive_many(10), list[Trade])
        finally:
            with me.cleanup() as scope:
                assert_type(scope, trio.CancelScope)
                await trio.sleep(1)  # noqa: ASYNC102 - shielded by `cleanup`


@actor(silence=10.0)
async def alone(me: Me) -> None:
    me.beat()
    await trio.sleep_forever()


def per_symbol(name: str, symbol: str) -> Child:
    return source.child(name, trades, symbol)


tree = Supervisor(
    "bot",
    [
        source.child("source", trades, symbol="BTCUSDT").with_(grace=2.0),
        child("trader", Trader(trades, orders), silence=5.0, unstoppable="exit"),
        child("alone", alone),
        Supervisor("more", template=per_symbol, max_children=10, keep_added=True, first_start="retry"),
    ],
    strategy="rest_for_one",
    spread=Spread(failures=3),
    auto_shutdown="never",
)
assert_type(tree.with_(limit=tree.limit), Supervisor)
assert_type(diff(tree, tree), Plan)


async def embedded() -> None:
    async with tree.open(seed=1) as running:
        assert_type(running.add_child("bot/more", "eth", "ETHUSDT"), str)
        for verb in (running.stop_child, running.start_child, running.restart_child, running.restart_child_now):
            verb("bot/more/eth")
        running.apply(running.plan(tree))
        assert_type(running.explain("bot/source"), str)
        assert_type(await running.wait_state("bot/source", "ready", "parked"), Status)
        assert_type(running.status().find("bot/source").last_end, End | None)
        assert_type(running.mailboxes(), list[MailboxStatistics])
        assert_type(running.budgets(), list[BudgetStatistics])
        assert_type(running.ledger, Ledger)
        assert_type(running.ledger.of("bot/source"), PathCount)
        box = running.mailbox(trades)
        assert_type(box, Mailbox[Trade])
        assert_type(await box.receive(), Trade)
        events = running.events(capacity=10)
        assert_type(events, Subscription)
        async for event in events:
            assert_type(event, Event)
            match event:
                case Ended(end=end, decision=decision):
                    assert_type(end.exception, BaseException | None)
                    assert_type(decision.delay, float | None)
                case Note(what=what):
                    assert_type(what, str)
                case Started():
                    assert_type(event.generation, int)
                case _:
                    pass


async def inside_a_nursery() -> None:
    try:
        async with trio.open_nursery() as nursery:
            running: Running = await nursery.start(tree.run)
            running.stop()
    except* OSError as caught:
        assert_type(caught, ExceptionGroup[OSError])


def main() -> None:
    try:
        run(tree, seed=1)
    except GaveUp as caught:
        assert_type(caught.total, int)
        assert_type(caught.reason, str)


async def what_must_not_pass(live: Running) -> None:
    """Each line has an error, and the checkers complain about an ignore that is not needed."""
    box = live.mailbox(trades)
    await box.send(Order(1))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    box.send_nowait(Order(1))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await box.send_many([Order(1)])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
    Trader(orders, trades)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    source.child("source", orders, "BTCUSDT")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    source.child("source", trades)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    source.child("source", trades, "BTCUSDT", 3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    source.child("source", trades, symbl="BTCUSDT")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    child("trader", Trade(1))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    child("alone", alone, garce=1.0)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    child("alone", alone, grace="1 s")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    actor(restart="always")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    actor(on={ValueError: "ignore"})  # type: ignore[dict-item]  # pyright: ignore[reportArgumentType]
    actor(backof=None)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    Supervisor("bot", [], strategy="one_for_two")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Supervisor("bot", [], max_childs=3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    Supervisor("bot", [alone])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
    await live.wait_state("bot/source", "asleep")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Mailbox[Trade]("trades", capacity=1, overflow="drop")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Mailbox[Trade]("trades")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    tree.name = "other"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
