"""An account on the virtual clock: the venue's REST side and all that is around the account are played by hand."""

import json
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs

import attrs
import httpx  # noqa: ASYNC127 - see actors/_net/_http.py
import trio

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
from supervisor import Ended, Event, Limit, Mailbox, Note, Running, Supervisor, child
from supervisor.testing import run_virtually

from ..in_memory import drain
from ..owner_world import explode
from .account_truth import Truth

T0 = 1_700_000_000_000


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


def notes(world: World, what: str) -> list[Note]:
    return [event for event in world.events if isinstance(event, Note) and event.what == what]


def reconciliations(world: World) -> int:
    """How often everything was asked for."""
    return world.asked.count("/fapi/v1/userTrades") // len(world.symbols)
