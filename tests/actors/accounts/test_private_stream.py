"""An account alone: after anything that can happen, what was delivered equals what the exchange has."""

import json
from collections.abc import Awaitable, Callable
from decimal import Decimal
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qs

import attrs
import httpx  # noqa: ASYNC127 - see actors/_net/_http.py
import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from actors import AccountItem, AccountState, OrderUpdate, Secret
from actors._account_source import Credentials
from actors._accounts._book import Book
from actors._accounts._bookkeeper import Backlog
from actors._accounts._private_stream import PrivateStream
from actors._connections._venue_clock import VenueClock
from actors._messages import Batch, Hold, Lost, Opened, Order, PrivateInflow, Reconnect
from actors._records import CLOSED
from actors._session import Session
from actors.exchanges.binance_usdm import UsdmAccount
from supervisor import Backoff, Ended, Event, Limit, Mailbox, Me, Running, Supervisor, actor, child
from supervisor.testing import run_virtually

from ..in_memory import drain
from .account_truth import Truth, check_complete

T0 = 1_700_000_000_000
OK = httpx.Response(200)


@actor(backoff=Backoff(0, 0, 0))
async def explode(me: Me, bombs: Mailbox[int]) -> None:
    """Fail when told, after so many checkpoints, and take the account along: cancelled wherever it is."""
    for _ in range(await bombs.receive()):
        await trio.lowlevel.checkpoint()
    raise RuntimeError("told to")


class World:
    """An account's REST side and surroundings, played by hand. One second of Trio's clock is one of the venue's.

    Attributes:
        lag: How many of the latest events REST does not know yet.
        longest_lag: Seconds after which it knows an event all the same.
        clock_ahead: Milliseconds by which the clock that requests are held against is ahead of the one of the orders.
        takes: Seconds until a REST request is answered.
        trouble: Raised, or answered, by every REST request while set; a path limits it.
    """

    def __init__(self) -> None:
        self.truth = Truth()
        self.snapshots: list[tuple[dict[Any, Any], list[Any]]] = [({}, [])]
        self.happened: list[float] = []
        self.longest_lag = 30.0
        self.lag = 0
        self.takes = 0.01
        self.trouble: Exception | httpx.Response | None = None
        self.troubled = ""
        self.clock_ahead = 0
        self.asked: list[str] = []
        self.out: list[AccountItem] = []
        self.orders: list[Order] = []
        self.events: list[Event] = []
        self.session = Session()
        self.running: Running
        self.inflow: Mailbox[PrivateInflow[Any]] = Mailbox("inflow", capacity=8)
        self.control: Mailbox[Order] = Mailbox("control", capacity=8, overflow="drop_oldest")
        self.bombs: Mailbox[int] = Mailbox("bombs", capacity=100)
        self.outbox: Mailbox[AccountItem] = Mailbox("out", capacity=2)
        self.symbols: tuple[str, ...] = ("BTCUSDT", "ETHUSDT")

    def now(self) -> int:
        return T0 + int(trio.current_time() * 1000)

    # The venue.

    def happen(self, symbol: str, order_id: int, what: str) -> list[OrderUpdate]:
        """Let something happen to an order, where it makes sense; return the events that a live stream would bring."""
        self.truth.time = max(self.truth.time, self.now())
        before = len(self.truth.events)
        order = self.truth.orders.get((symbol, order_id))
        if order is None:
            self.truth.happen(symbol, order_id, "new")
        elif order.status not in CLOSED and what == "cancel":
            self.truth.happen(symbol, order_id, "canceled")
        elif order.status not in CLOSED and what == "fill":
            status = "filled" if order.filled == 3 else "partially_filled"
            self.truth.happen(symbol, order_id, status, Decimal(1))  # type: ignore[arg-type]
        new = [attrs.evolve(event, venue="binance-usdm", account="main") for event in self.truth.events[before:]]
        for _ in new:
            self.snapshots.append((dict(self.truth.orders), list(self.truth.fills)))
            self.happened.append(trio.current_time())
        return new

    async def answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        self.asked.append(path)
        await trio.sleep(self.takes)
        if self.trouble is not None and self.troubled in path:
            if isinstance(self.trouble, Exception):
                raise self.trouble
            return self.trouble
        if path == "/fapi/v1/time":
            return reply({"serverTime": self.now() + self.clock_ahead})
        fields = {name: values[0] for name, values in parse_qs(request.url.query.decode()).items()}
        if abs(int(fields["timestamp"]) - self.now() - self.clock_ahead) > 1000:
            return reply({"code": -1021, "msg": "Timestamp"}, 400)
        seen = sum(at <= trio.current_time() - self.longest_lag for at in self.happened)
        orders, fills = self.snapshots[max(0, seen, len(self.snapshots) - 1 - self.lag)]
        rows = [order_row(order) for order in orders.values() if order.symbol == fields.get("symbol", order.symbol)]
        rows.sort(key=lambda row: row["orderId"])
        if path == "/fapi/v1/openOrders":
            return reply([row for row in rows if row["status"] in ("NEW", "PARTIALLY_FILLED")])
        if path == "/fapi/v1/order":
            found = [row for row in rows if row["orderId"] == int(fields["orderId"])]
            return reply(found[0]) if found else reply({"code": -2013, "msg": "Order does not exist."}, 400)
        if path == "/fapi/v1/allOrders":
            if "orderId" in fields:
                return reply([row for row in rows if row["orderId"] >= int(fields["orderId"])])
            return reply([row for row in rows if row["time"] >= int(fields["startTime"])])
        assert path == "/fapi/v1/userTrades"
        found = [fill_row(fill) for fill in fills if fill.symbol == fields["symbol"]]
        if "fromId" in fields:
            return reply([row for row in found if row["id"] >= int(fields["fromId"])])
        return reply([row for row in found if row["time"] >= int(fields["startTime"])])

    # The bot's side.

    def tree(self, **changes: Any) -> Supervisor:
        account = PrivateStream(
            source=UsdmAccount("main", Credentials(Secret.literal("k"), Secret.literal("s"))),
            rest="https://x",
            symbols=self.symbols,
            inflow=self.inflow,
            out=self.outbox,
            control=self.control,
            hold=Mailbox[Hold]("hold", capacity=1),
            book=Mailbox[Book]("book", capacity=1),
            backlog=Mailbox[Backlog]("backlog", capacity=1),
            clock=Mailbox[VenueClock]("clock", capacity=1),
            transport=lambda: httpx.MockTransport(self.answer),
            wall=lambda: self.now() / 1000,
        )
        account = attrs.evolve(account, **changes)
        return Supervisor(
            "t",
            [explode.child("explode", self.bombs), child("orders", account)],
            strategy="rest_for_one",
            limit=Limit(1000, 1),
        )

    async def tell(self, *messages: PrivateInflow[Any]) -> None:
        await self.running.mailbox(self.inflow).send_many(messages)

    async def open(self) -> None:
        self.session = Session()
        await self.tell(Opened(self.session))

    async def live(self, updates: list[OrderUpdate]) -> None:
        if updates:
            await self.tell(Batch(updates))

    async def finish(self) -> None:
        """Let everything be well again, and long enough for it to be found out."""
        self.trouble, self.lag = None, 0
        # What crashed has no connection any more, and what is mute is to get another: the group would see to both.
        await trio.sleep(70)
        for _ in range(2):
            await self.tell(Lost(self.session, "x"))
            await self.open()
            await trio.sleep(400)

    @property
    def updates(self) -> list[OrderUpdate]:
        return [item for item in self.out if isinstance(item, OrderUpdate)]

    @property
    def phases(self) -> list[str]:
        return [item.state for item in self.out if isinstance(item, AccountState)]

    @property
    def states(self) -> list[bool]:
        """Whether it was live, whenever that has changed."""
        told = [item.live for item in self.out if isinstance(item, AccountState)]
        return [live for place, live in enumerate(told) if place == 0 or live != told[place - 1]]

    @property
    def reconnects(self) -> int:
        return sum(isinstance(order, Reconnect) for order in self.orders)

    @property
    def failures(self) -> list[str]:
        return [
            type(event.end.exception).__name__
            for event in self.events
            if isinstance(event, Ended) and event.path == "t/orders" and event.end.failed
        ]


def reply(body: object, status: int = 200) -> httpx.Response:
    return httpx.Response(status, content=json.dumps(body).encode())


def order_row(order: Any) -> dict[str, Any]:
    return {
        "symbol": order.symbol,
        "orderId": order.order_id,
        "clientOrderId": order.client_id,
        "side": order.side.upper(),
        "type": order.type,
        "status": order.status.upper(),
        "price": str(order.price),
        "origQty": str(order.quantity),
        "executedQty": str(order.filled),
        "time": order.created,
        "updateTime": order.updated,
    }


def fill_row(fill: Any) -> dict[str, Any]:
    return {
        "symbol": fill.symbol,
        "orderId": fill.order_id,
        "id": fill.id,
        "price": str(fill.price),
        "qty": str(fill.quantity),
        "side": fill.side.upper(),
        "maker": fill.maker,
        "commission": "0",
        "commissionAsset": "USDT",
        "time": fill.time,
    }


def play(script: Callable[[World], Awaitable[None]], world: World | None = None, **changes: Any) -> World:
    """Run a script against an account on the virtual clock."""
    world = world or World()

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            running = world.running = Running(world.tree(**changes), 1)
            nursery.start_soon(drain, running.events(10_000), world.events)
            async with running.opened():
                nursery.start_soon(drain, running.mailbox(world.outbox), world.out)
                nursery.start_soon(drain, running.mailbox(world.control), world.orders)
                await script(world)
            nursery.cancel_scope.cancel()

    run_virtually(main)
    return world


def test_live_updates_go_out_as_they_come() -> None:
    async def script(world: World) -> None:
        await world.open()
        await trio.sleep(1)
        for what in ("new", "fill", "cancel"):
            await world.live(world.happen("BTCUSDT", 1, what))
        await trio.sleep(1)

    world = play(script)
    assert [u.status for u in world.updates] == ["new", "partially_filled", "canceled"]
    assert {u.source for u in world.updates} == {"stream"}
    assert world.states == [False, True]


def test_what_happened_during_an_interruption_is_delivered_before_the_account_is_live() -> None:
    async def script(world: World) -> None:
        await world.open()
        await world.live(world.happen("BTCUSDT", 1, "new"))
        await trio.sleep(1)
        await world.tell(Lost(world.session, "reset"))
        world.happen("BTCUSDT", 1, "fill")
        world.happen("ETHUSDT", 2, "new")
        world.happen("BTCUSDT", 1, "cancel")
        await trio.sleep(1)
        assert world.states == [False, True, False]
        await world.open()
        await world.live(world.happen("ETHUSDT", 2, "fill"))
        await trio.sleep(1)

    world = play(script)
    check_complete(world.updates, world.truth)
    told = [
        item.live if isinstance(item, AccountState) else (item.order_id, item.status, item.source) for item in world.out
    ]
    live_again = len(told) - 1 - told[::-1].index(True)
    recovered = [place for place, item in enumerate(told) if isinstance(item, tuple) and item[2] == "reconcile"]
    assert max(recovered) < live_again


def test_nothing_of_before_the_start_is_told_but_open_orders_are() -> None:
    world = World()

    async def script(_: World) -> None:
        await world.open()
        await trio.sleep(1)
        await world.live(world.happen("BTCUSDT", 2, "fill"))
        await trio.sleep(1)

    async def before() -> None:
        await trio.lowlevel.checkpoint()
        for order_id, what in ((1, "new"), (1, "fill"), (1, "cancel"), (2, "new"), (2, "fill")):
            world.happen("BTCUSDT", order_id, what)

    trio.run(before, clock=trio.testing.MockClock())
    world.truth.time = T0 - 1000
    world.truth.fills = [attrs.evolve(fill, time=T0 - 1000) for fill in world.truth.fills]
    world.truth.orders = {
        k: attrs.evolve(o, created=T0 - 2000, updated=T0 - 1000) for k, o in world.truth.orders.items()
    }
    world.snapshots = [(dict(world.truth.orders), list(world.truth.fills))]
    play(script, world)
    assert [(u.order_id, u.status, u.filled, u.source) for u in world.updates] == [
        (2, "partially_filled", 1, "reconcile"),
        (2, "partially_filled", 2, "stream"),
    ]


def test_an_update_that_shows_a_loss_is_followed_by_asking() -> None:
    async def script(world: World) -> None:
        await world.open()
        await world.live(world.happen("BTCUSDT", 1, "new"))
        await trio.sleep(20)
        world.happen("BTCUSDT", 1, "fill")
        await world.live(world.happen("BTCUSDT", 1, "fill"))
        await trio.sleep(1)

    world = play(script)
    check_complete(world.updates, world.truth)
    assert world.states == [False, True, False, True]


def test_a_stream_that_keeps_updates_to_itself_is_found_out_and_replaced() -> None:
    async def script(world: World) -> None:
        await world.open()
        await trio.sleep(60)
        world.happen("BTCUSDT", 1, "new")
        await trio.sleep(200)
        assert world.reconnects == 0
        await trio.sleep(60)
        assert world.reconnects == 1
        assert world.states == [False, True, False]

    world = play(script)
    check_complete(world.updates, world.truth)


def test_an_answer_that_lags_is_made_good_a_little_later() -> None:
    async def script(world: World) -> None:
        world.happen("BTCUSDT", 1, "new")
        world.happen("BTCUSDT", 1, "fill")
        world.lag = 1
        await world.open()
        await trio.sleep(2)
        assert len(world.updates) == 1
        world.lag = 0
        await trio.sleep(6)

    world = play(script)
    check_complete(world.updates, world.truth)


def test_orders_on_a_symbol_that_nobody_declared_are_followed() -> None:
    async def script(world: World) -> None:
        world.happen("BTCUSDT", 1, "new")
        await world.open()
        await world.live(world.happen("ETHUSDT", 2, "new"))
        await trio.sleep(1)
        await world.tell(Lost(world.session, "x"))
        world.happen("ETHUSDT", 2, "fill")
        world.happen("BTCUSDT", 1, "cancel")
        await world.open()
        await trio.sleep(1)

    world = World()
    world.symbols = ()
    check_complete(play(script, world).updates, world.truth)


def test_whoever_is_parked_while_live_says_so_first() -> None:
    async def script(world: World) -> None:
        await world.open()
        await trio.sleep(10)
        assert world.states[-1:] == [True]
        world.trouble = reply({"code": -2015, "msg": "Invalid API-key, IP, or permissions for action."}, 401)
        await trio.sleep(300)
        assert world.running.status().children[1].state == "parked"
        assert world.states == [False, True, False]

    assert play(script).failures == ["Unauthorized"]


def test_who_fails_again_and_again_before_it_is_live_does_not_repeat_that_it_is_not() -> None:
    async def script(world: World) -> None:
        await world.open()
        world.trouble = reply({}, 503)
        await trio.sleep(60)
        world.trouble = None
        await trio.sleep(60)

    world = play(script)
    assert len(world.failures) > 2
    assert world.states == [False], "told once: nothing has changed since"


def test_a_bot_that_takes_nothing_does_not_hold_up_the_failure() -> None:
    async def script(world: World) -> None:
        await world.open()
        await trio.sleep(10)
        while world.running.mailbox(world.outbox).send_many_nowait([world.out[0]]):
            pass
        world.trouble = reply({"code": -2015, "msg": "Invalid API-key, IP, or permissions for action."}, 401)
        with trio.fail_after(310):
            await world.running.wait_state("t/orders", "parked")

    assert play(script).failures == ["Unauthorized"]


def test_refused_credentials_park_it() -> None:
    async def script(world: World) -> None:
        world.trouble = reply({"code": -2015, "msg": "Invalid API-key, IP, or permissions for action."}, 401)
        await world.open()
        await trio.sleep(60)
        assert world.running.status().children[1].state == "parked"

    assert play(script).failures == ["Unauthorized"]


def test_a_clock_that_drifts_is_set_again() -> None:
    async def script(world: World) -> None:
        await world.open()
        await trio.sleep(1)
        await world.tell(Lost(world.session, "x"))
        # The venue jumps by a minute; asking for the time once is enough.
        real = world.now
        world.now = lambda: real() + 60_000  # type: ignore[method-assign]
        world.happen("BTCUSDT", 1, "new")
        await world.open()
        await trio.sleep(1)
        assert len(world.updates) == 1

    world = play(script)
    assert world.asked.count("/fapi/v1/time") == 6, "three measurements each time"
    assert world.failures == []


@pytest.mark.parametrize("ahead", [106_000, -106_000])
def test_what_is_missed_around_a_wrong_time_of_the_venue_is_told_before_the_account_is_live(ahead: int) -> None:
    async def script(world: World) -> None:
        await world.open()
        await trio.sleep(100)
        world.clock_ahead = ahead
        await world.tell(Lost(world.session, "reset"))
        await world.open()
        # Long enough for reconciliations that begin by that time, from where the next one asks.
        await trio.sleep(50)
        await world.tell(Lost(world.session, "reset"))
        world.happen("BTCUSDT", 1, "new")
        world.happen("BTCUSDT", 1, "cancel")
        world.happen("BTCUSDT", 2, "new")
        world.happen("BTCUSDT", 2, "fill")
        await trio.sleep(5)
        world.clock_ahead = 0
        await world.open()
        await trio.sleep(1)
        assert world.states[-1]
        check_complete(world.updates, world.truth)

    assert play(script, reconcile_every=20.0).failures == []


def test_a_history_that_was_opened_by_a_clock_that_was_ahead_begins_when_it_was_opened() -> None:
    async def script(world: World) -> None:
        await trio.sleep(1)
        await world.open()
        await trio.sleep(10)
        await world.tell(Lost(world.session, "reset"))
        for what in ("new", "fill", "cancel"):
            world.happen("BTCUSDT", 1, what)
        world.clock_ahead = 0
        await world.open()
        await trio.sleep(1)
        assert world.states[-1]
        check_complete(world.updates, world.truth)

    world = World()
    world.clock_ahead = 106_000
    play(script, world)


def test_a_rate_limit_is_waited_out_without_asking() -> None:
    async def script(world: World) -> None:
        world.trouble = httpx.Response(418, headers={"retry-after": "500"})
        await world.open()
        await trio.sleep(1)
        asked = len(world.asked)
        world.trouble = None
        world.happen("BTCUSDT", 1, "new")
        await trio.sleep(498)
        assert len(world.asked) == asked
        await trio.sleep(3)
        assert len(world.updates) == 1

    play(script)


def test_a_rate_limit_on_a_routine_question_ends_with_the_account_live_again() -> None:
    async def script(world: World) -> None:
        await world.open()
        await trio.sleep(100)
        world.trouble = httpx.Response(429, headers={"retry-after": "30"})
        await trio.sleep(210)
        assert world.states == [False, True, False]
        world.trouble = None
        await trio.sleep(60)
        assert world.states == [False, True, False, True]

    play(script)


def test_answers_that_never_add_up_keep_the_account_from_being_live() -> None:
    async def script(world: World) -> None:
        world.happen("BTCUSDT", 1, "new")
        world.happen("BTCUSDT", 1, "fill")
        world.troubled = "userTrades"
        world.trouble = reply([])
        await world.open()
        await trio.sleep(100)

    world = play(script)
    assert "Inconsistent" in world.failures
    assert True not in world.states


def test_the_secrets_appear_nowhere() -> None:
    async def script(world: World) -> None:
        world.trouble = httpx.ConnectError("no")
        await world.open()
        await trio.sleep(30)

    world = World()
    account = UsdmAccount("main", Credentials(Secret.literal("KEYHIDDEN"), Secret.literal("SECRETHIDDEN")))
    assert "HIDDEN" not in repr(account) + repr(world.tree())
    play(script, world)
    assert "signature" not in str(world.events)


steps = st.lists(
    st.one_of(
        st.tuples(
            st.just("happen"),
            st.sampled_from(["BTCUSDT", "ETHUSDT"]),
            st.integers(1, 4),
            st.sampled_from(["new", "fill", "fill", "cancel"]),
            st.booleans(),
        ),
        st.sampled_from([("open",), ("lost",), ("poison",), ("down",), ("up",)]),
        st.tuples(st.just("lag"), st.integers(0, 3)),
        st.tuples(st.just("wait"), st.floats(0, 20)),
        st.tuples(st.just("cancel"), st.integers(0, 12)),
    ),
    max_size=30,
)


@settings(max_examples=60, deadline=None)
@given(steps)
def test_whatever_happens_every_update_is_accounted_for(plan: list[tuple[object, ...]]) -> None:
    async def script(world: World) -> None:
        await world.open()
        await trio.sleep(0.5)
        for step in plan:
            match step:
                case ("happen", str(symbol), int(number), str(what), live):
                    # Ids grow with time, as they do at the venue, and are unique by symbol only.
                    new = world.happen(symbol, number + 10 * int(trio.current_time() // 30), what)
                    if live:
                        await world.live(new)
                case ("open",):
                    await world.open()
                case ("lost",):
                    await world.tell(Lost(world.session, "x"))
                case ("poison",):
                    await world.tell(Batch(["poison"]))  # type: ignore[list-item]
                case ("down",):
                    world.trouble = httpx.ConnectError("no route")
                case ("up",):
                    world.trouble = None
                case ("lag", int(count)):
                    world.lag = count
                case ("wait", float(seconds)):
                    await trio.sleep(seconds)
                case ("cancel", int(later)):
                    world.running.mailbox(world.bombs).send_nowait(later)
        await world.finish()

    world = play(script)
    check_complete(world.updates, world.truth)
    assert world.states[-1] is True
    assert all(a != b for a, b in pairwise(world.phases)), "only changes are told"
