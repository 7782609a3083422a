"""The surroundings of an owner of quotes or books, played by hand: the venue's REST side, the connections, the bot."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import attrs
import httpx  # noqa: ASYNC127 - see actors/_net/_http.py
import msgspec
import trio

from actors._errors import BadFrame, HttpFailure
from actors._messages import Batch, Hold, Inflow, Lost, Opened, Order, Reconnect, Resubscribe, Subscribed, Wanted
from actors._records import FeedState, Quote, SymbolChange
from actors._session import Session
from actors._source import BookRule, Depth, HttpReply, HttpRequest, Limits, RestLimit
from supervisor import Backoff, Limit, Mailbox, Me, Running, Supervisor, actor, child
from supervisor.testing import run_virtually

from .in_memory import drain

T = TypeVar("T")


@attrs.frozen
class FakeSource:
    """A venue whose REST answers are messages of ours in JSON."""

    rule: BookRule = attrs.field(factory=lambda: BookRule("rest"))
    venue: str = "v"
    channel: str = "book"
    ping_every: float = 10.0
    limits: Limits = attrs.field(factory=lambda: Limits(300, 300.0, None, 1.0, 100, None, RestLimit(6000, 60.0)))

    def symbol(self, name: str) -> str:
        if not name.isalnum():
            raise ValueError(f"not a symbol: {name!r}")
        return name.upper()

    def failure(self, request: HttpRequest, reply: HttpReply) -> HttpFailure | None:
        return None if reply.status == 200 else HttpFailure(str(request), "refused", status=reply.status)

    def unknown_symbol(self, failure: HttpFailure) -> bool:
        return failure.status == 404

    def snapshot_request(self, symbol: str) -> HttpRequest:
        return HttpRequest("GET", f"/{symbol}")

    def snapshot(self, symbol: str, body: bytes) -> Depth:
        return read(body, Depth)

    def newest_request(self, symbol: str) -> HttpRequest:
        return HttpRequest("GET", f"/{symbol}")

    def newest(self, symbol: str, body: bytes, received: int) -> Quote:
        return read(body, Quote)


def read(body: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.DecodeError as error:
        raise BadFrame(str(error)) from None


@actor(backoff=Backoff(0, 0, 0))
async def explode(me: Me, bombs: Mailbox[int]) -> None:
    """Fail when told, after so many checkpoints, and take the owner along: cancelled wherever it is."""
    for _ in range(await bombs.receive()):
        await trio.lowlevel.checkpoint()
    raise RuntimeError("told to")


class World:
    """What an owner has to do with.

    Attributes:
        present: What REST says about each symbol; None: no such symbol.
        trouble: Answered by every REST request while set.
        reading: Whether the bot takes what is in its mailbox.
    """

    def __init__(
        self,
        owner: type[Any],
        source: FakeSource,
        out: Mailbox[Any] | None = None,
        symbols: tuple[str, ...] = ("X",),
    ) -> None:
        self.owner = owner
        self.source = source
        self.symbols = symbols
        self.present: dict[str, Callable[[], Any]] = {}
        self.trouble: httpx.Response | None = None
        self.delay = 0.0
        self.asked: list[tuple[float, str]] = []
        self.out: list[Any] = []
        self.take: Callable[[Any], None] = self.out.append
        self.orders: list[Order] = []
        self.running: Running
        self.inflow: Mailbox[Inflow[Any]] = Mailbox("inflow", capacity=8)
        self.control: Mailbox[Order] = Mailbox("control", capacity=8, overflow="drop_oldest")
        self.bombs: Mailbox[int] = Mailbox("bombs", capacity=100)
        self.outbox: Mailbox[Any] = out or Mailbox("out", capacity=3)
        self.changes: Mailbox[SymbolChange] = Mailbox("changes", capacity=3)
        self.reading = trio.Event()
        self.reading.set()
        self.under_way = self.most_under_way = 0

    async def answer(self, request: httpx.Request) -> httpx.Response:
        symbol = request.url.path.removeprefix("/")
        self.asked.append((trio.current_time(), symbol))
        self.under_way += 1
        self.most_under_way = max(self.under_way, self.most_under_way)
        try:
            await trio.sleep(self.delay)
        finally:
            self.under_way -= 1
        if self.trouble is not None:
            return self.trouble
        if symbol not in self.present:
            return httpx.Response(404)
        return httpx.Response(200, content=msgspec.json.encode(self.present[symbol]()))

    def tree(self, **changes: Any) -> Supervisor:
        values: dict[str, Any] = {
            "source": self.source,
            "symbols": self.symbols,
            "rest": "https://x",
            "inflow": self.inflow,
            "out": self.outbox,
            "controls": (self.control,),
            "hold": Mailbox[Hold]("hold", capacity=1),
            "cursors": Mailbox[Any]("cursors", capacity=1),
            "wanted": Mailbox[Wanted]("wanted", capacity=1),
            "changes": self.changes,
            "silence": 20.0,
            "transport": lambda: httpx.MockTransport(self.answer),
        }
        owner = self.owner(**{**values, **changes})
        return Supervisor(
            "t",
            [explode.child("explode", self.bombs), child("owner", owner)],
            strategy="rest_for_one",
            limit=Limit(1000, 1),
        )

    async def tell(self, *messages: Inflow[Any]) -> None:
        await self.running.mailbox(self.inflow).send_many(messages)

    async def open(self, *symbols: str) -> Session:
        session = Session()
        await self.tell(Opened(session, frozenset(symbols or self.symbols)))
        return session

    async def bring(self, session: Session, *items: Any) -> None:
        await self.tell(Batch(items, session))

    async def lose(self, session: Session) -> None:
        await self.tell(Lost(session, "reset"))

    async def confirm(self, session: Session, *symbols: str) -> None:
        await self.tell(Subscribed(session, frozenset(symbols or self.symbols)))

    async def want(self, *, add: tuple[str, ...] = (), drop: tuple[str, ...] = ()) -> None:
        await self.running.mailbox(self.changes).send(SymbolChange(add, drop))

    async def settle(self, seconds: float = 0.1) -> None:
        await trio.sleep(seconds)

    def stop_reading(self) -> None:
        self.reading = trio.Event()

    def states(self, symbol: str = "X") -> list[bool]:
        return [item.live for item in self.out if isinstance(item, FeedState) and item.symbol == symbol]

    @property
    def reconnects(self) -> list[Reconnect]:
        return [order for order in self.orders if isinstance(order, Reconnect)]

    @property
    def renewals(self) -> list[Resubscribe]:
        return [order for order in self.orders if isinstance(order, Resubscribe)]


def play(script: Callable[[World], Awaitable[None]], world: World, **changes: Any) -> World:
    """Run a script against an owner on the virtual clock."""

    async def main() -> None:
        async def read_out(items: Mailbox[Any]) -> None:
            async for item in items:
                world.take(item)
                await world.reading.wait()

        async with trio.open_nursery() as nursery:
            running = world.running = Running(world.tree(**changes), 1)
            async with running.opened():
                nursery.start_soon(read_out, running.mailbox(world.outbox))
                nursery.start_soon(drain, running.mailbox(world.control), world.orders)
                await script(world)
            nursery.cancel_scope.cancel()

    run_virtually(main)
    return world
