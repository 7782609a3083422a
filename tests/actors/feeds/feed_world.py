"""A feed on the virtual clock: the venue's REST side and all that is around the feed are played by hand."""

import json
from collections.abc import Awaitable, Callable
from decimal import Decimal
from urllib.parse import parse_qs

import httpx  # noqa: ASYNC127 - see actors/_net/_http.py
import trio

from actors import FeedItem, FeedState, Gap, Trade
from actors._feeds._continuity import Track
from actors._feeds._feed import Feed
from actors._messages import Batch, Hold, Inflow, Opened, Order, Reconnect, Resubscribe, Wanted
from actors._session import Session
from actors.exchanges.binance_spot import SpotTrade, SpotTrades
from supervisor import Limit, Mailbox, Running, Supervisor, child
from supervisor.testing import run_virtually

from ..in_memory import drain
from ..owner_world import explode

T0 = 1_700_000_000_000


def trade(trade_id: int, time: int | None = None) -> Trade:
    return SpotTrade(trade_id, Decimal(1), Decimal(1), T0 + trade_id if time is None else time, False, "BTCUSDT")


class World:
    """The venue's REST side and the feed's surroundings, played by hand.

    Attributes:
        published: Ids that the venue has published.
        withheld: Ids that REST never gives.
        trouble: Raised, or answered, by every REST request while set.
        busy: Seconds for which the consumer works on each item.
    """

    def __init__(self) -> None:
        self.published: list[int] = [100]
        self.times: dict[int, int] = {}
        self.withheld: set[int] = set()
        self.trouble: Exception | httpx.Response | None = None
        self.hang = False
        self.busy = 0.0
        self.bomb_at_gaps = False
        self.asked: list[tuple[float, str]] = []
        self.out: list[FeedItem] = []
        self.orders: list[Order] = []
        self.session = Session()
        self.running: Running
        self.inflow: Mailbox[Inflow[Trade]] = Mailbox("inflow", capacity=8)
        self.control: Mailbox[Order] = Mailbox("control", capacity=8, overflow="drop_oldest")
        self.bombs: Mailbox[int] = Mailbox("bombs", capacity=100)
        self.outbox: Mailbox[FeedItem] = Mailbox("out", capacity=3)

    async def answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append((trio.current_time(), f"{request.url.path}?{request.url.query.decode()}"))
        if self.hang:
            await trio.sleep_forever()
        if isinstance(self.trouble, Exception):
            raise self.trouble
        if self.trouble is not None:
            return self.trouble
        fields = parse_qs(request.url.query.decode())
        limit = int(fields["limit"][0])
        ids = [i for i in self.published if i not in self.withheld]
        ids = [i for i in ids if i >= int(fields["fromId"][0])][:limit] if "fromId" in fields else ids[-limit:]
        rows = [
            {"id": i, "price": "1", "qty": "1", "time": self.times.get(i, T0 + i), "isBuyerMaker": False} for i in ids
        ]
        return httpx.Response(200, content=json.dumps(rows).encode())

    def tree(self, **changes: float) -> Supervisor:
        settings_: dict[str, float] = {"silence": 20.0, "patience": 30.0, "largest": 5000, **changes}
        feed = Feed(
            source=SpotTrades(),
            symbols=("BTCUSDT",),
            rest="https://x",
            inflow=self.inflow,
            out=self.outbox,
            controls=(self.control,),
            hold=Mailbox[Hold]("hold", capacity=1),
            cursors=Mailbox[dict[str, Track]]("cursors", capacity=1),
            wanted=Mailbox[Wanted]("wanted", capacity=1),
            changes=None,
            transport=lambda: httpx.MockTransport(self.answer),
            **settings_,  # type: ignore[arg-type]
        )
        return Supervisor(
            "t",
            [explode.child("explode", self.bombs), child("feed", feed)],
            strategy="rest_for_one",
            limit=Limit(1000, 1),
        )

    def publish(self, count: int = 1) -> list[int]:
        start = self.published[-1] + 1 if self.published else 100
        new = list(range(start, start + count))
        self.published += new
        return new

    async def tell(self, *messages: Inflow[Trade]) -> None:
        await self.running.mailbox(self.inflow).send_many(messages)

    async def open(self) -> None:
        self.session = Session()
        await self.tell(Opened(self.session, frozenset({"BTCUSDT"})))

    async def live(self, *ids: int) -> None:
        await self.tell(Batch([trade(i, self.times.get(i)) for i in ids], self.session))

    async def settle(self, seconds: float = 0.5) -> None:
        await trio.sleep(seconds)

    @property
    def ids(self) -> list[int]:
        return [item.id for item in self.out if not isinstance(item, FeedState | Gap)]

    @property
    def gaps(self) -> list[tuple[int, int]]:
        return [(item.first_id, item.last_id) for item in self.out if isinstance(item, Gap)]

    @property
    def states(self) -> list[bool]:
        return [item.live for item in self.out if isinstance(item, FeedState)]

    @property
    def resubscribed(self) -> list[Resubscribe]:
        return [order for order in self.orders if isinstance(order, Resubscribe)]

    @property
    def reconnects(self) -> list[Reconnect]:
        return [order for order in self.orders if isinstance(order, Reconnect)]


def play(script: Callable[[World], Awaitable[None]], world: World | None = None, **changes: float) -> World:
    """Run a script against a feed on the virtual clock."""
    world = world or World()

    async def main() -> None:
        async def read(items: Mailbox[FeedItem]) -> None:
            async for item in items:
                world.out.append(item)
                if world.busy:
                    await trio.sleep(world.busy)
                if world.bomb_at_gaps and isinstance(item, Gap):
                    running.mailbox(world.bombs).send_nowait(0)

        async with trio.open_nursery() as nursery:
            running = world.running = Running(world.tree(**changes), 1)
            async with running.opened():
                nursery.start_soon(read, running.mailbox(world.outbox))
                nursery.start_soon(drain, running.mailbox(world.control), world.orders)
                await script(world)
            nursery.cancel_scope.cancel()

    run_virtually(main)
    return world
