"""The feed alone: every trade once, in order, or in a gap, whatever its connections, REST and it itself go through."""

import json
from collections.abc import Awaitable, Callable
from decimal import Decimal
from itertools import pairwise
from urllib.parse import parse_qs

import httpx  # noqa: ASYNC127 - see actors/_net/_http.py
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from actors import FeedItem, FeedState, Gap, Trade
from actors._feeds._continuity import Track
from actors._feeds._feed import Feed
from actors._messages import Batch, Hold, Inflow, Lost, Opened, Order, Reconnect, Resubscribe, Wanted
from actors._session import Session
from actors.exchanges.binance_spot import SpotTrade, SpotTrades
from supervisor import Backoff, Limit, Mailbox, Me, Note, Running, Supervisor, actor, child
from supervisor.testing import run_virtually

from ..in_memory import drain

T0 = 1_700_000_000_000


def trade(trade_id: int, time: int | None = None) -> Trade:
    return SpotTrade(trade_id, Decimal(1), Decimal(1), T0 + trade_id if time is None else time, False, "BTCUSDT")


@actor(backoff=Backoff(0, 0, 0))
async def explode(me: Me, bombs: Mailbox[int]) -> None:
    """Fail when told, after so many checkpoints, and take the feed along: cancelled wherever it is."""
    for _ in range(await bombs.receive()):
        await trio.lowlevel.checkpoint()
    raise RuntimeError("told to")


class World:
    """The venue's REST side and the feed's surroundings, played by hand.

    Attributes:
        published: Ids that the venue has published.
        withheld: Ids that REST never gives.
        trouble: Raised, or answered, by every REST request while set.
    """

    def __init__(self) -> None:
        self.published: list[int] = [100]
        self.times: dict[int, int] = {}
        self.withheld: set[int] = set()
        self.trouble: Exception | httpx.Response | None = None
        self.hang = False
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


def test_live_trades_go_out_as_they_come_and_the_feed_is_live() -> None:
    async def script(world: World) -> None:
        await world.open()
        await world.live(*world.publish(3))
        await world.live(*world.publish(1))
        await world.settle()

    world = play(script)
    assert world.ids == [101, 102, 103, 104]
    assert world.states == [False, True]
    assert world.gaps == []


def test_what_was_published_between_anchor_and_first_live_trade_is_delivered() -> None:
    async def script(world: World) -> None:
        await world.settle()
        world.publish(2)
        await world.open()
        await world.settle()
        world.publish(2)
        await world.live(*world.publish(1))
        await world.settle()

    assert play(script).ids == [101, 102, 103, 104, 105]


def test_a_live_trade_below_a_late_anchor_is_not_dropped() -> None:
    async def script(world: World) -> None:
        await world.settle(10)  # the anchor before the connection cannot be had
        world.trouble = None
        new = world.publish(3)  # published after the subscription; the anchor is asked for only now
        world.running.mailbox(world.inflow).send_many_nowait(
            [Opened(world.session, frozenset({"BTCUSDT"})), Batch([trade(i) for i in new], world.session)]
        )
        await world.settle()

    world = World()
    world.trouble = httpx.Response(503)
    assert play(script, world).ids == [101, 102, 103]


def test_a_venue_without_any_trade_yet_loses_not_even_the_first() -> None:
    async def script(world: World) -> None:
        await world.open()
        await world.settle()
        first = world.publish(3)
        await world.live(first[-1])
        await world.settle()

    world = World()
    world.published = []
    play(script, world)
    assert world.ids == [100, 101, 102]
    assert world.gaps == []


def test_without_rest_the_first_live_trade_is_the_beginning() -> None:
    async def script(world: World) -> None:
        await world.settle(10)
        await world.open()
        await world.live(*world.publish(2))
        await world.settle(10)

    world = World()
    world.trouble = httpx.Response(503)
    play(script, world)
    assert world.ids == [101, 102]
    assert world.states == [False, True]


def test_a_hole_is_filled_before_anything_behind_it() -> None:
    async def script(world: World) -> None:
        await world.open()
        await world.live(*world.publish(1))
        world.publish(2500)
        await world.live(*world.publish(1))
        await world.settle(5)

    world = play(script)
    assert world.ids == list(range(101, 2603))
    assert len([a for _, a in world.asked if "limit=1000" in a or "limit=500" in a]) == 3, "a page has 1000"


def test_a_reconnection_brings_what_a_quiet_symbol_traded_meanwhile() -> None:
    async def script(world: World) -> None:
        await world.open()
        await world.live(*world.publish(1))
        await world.tell(Lost(world.session, "reset"))
        await world.settle()
        assert world.states == [False, True, False]
        world.publish(3)
        await world.open()
        await world.settle()
        assert world.ids == [101, 102, 103, 104]
        assert world.states == [False, True, False, True]

    play(script)


def test_an_end_of_an_earlier_connection_does_not_end_the_present_one() -> None:
    async def script(world: World) -> None:
        old = world.session
        await world.open()
        await world.tell(Lost(old, "late"))
        await world.settle()
        assert world.states == [False, True]

    play(script)


def test_ids_that_the_venue_never_gives_become_a_gap_in_their_place() -> None:
    async def script(world: World) -> None:
        await world.open()
        await world.live(*world.publish(1))
        world.withheld.update(world.publish(3)[1:])
        await world.live(*world.publish(1))
        await world.settle(20)

    world = play(script)
    assert world.ids == [101, 102, 105]
    [gap] = [item for item in world.out if isinstance(item, Gap)]
    assert (gap.first_id, gap.last_id, gap.count) == (103, 104, 2)
    assert (gap.after_time, gap.before_time) == (T0 + 102, T0 + 105)
    assert "does not give" in gap.reason
    data = [item for item in world.out if not isinstance(item, FeedState)]
    place = data.index(gap)
    assert [getattr(item, "id", None) for item in data[place - 1 : place + 2]] == [102, None, 105]
    assert (gap.after_id, gap.before_id) == (102, 105)
    assert world.states == [False, True, False, True], "what waits for seconds is not live"


def test_ids_that_rest_has_a_moment_later_are_no_gap() -> None:
    async def script(world: World) -> None:
        await world.open()
        await world.live(*world.publish(1))
        late = world.publish(2)
        world.withheld.update(late)
        await world.live(*world.publish(1))
        await world.settle(1.2)
        world.withheld.clear()
        await world.settle(5)

    world = play(script)
    assert world.ids == [101, 102, 103, 104]
    assert world.gaps == []


def test_when_rest_stays_away_live_trades_go_on_after_the_patience() -> None:
    async def script(world: World) -> None:
        await world.open()
        await world.live(*world.publish(1))
        world.publish(2)
        world.trouble = httpx.ConnectError("no route")
        await world.live(*world.publish(1))
        await world.settle(29)
        assert world.ids == [101]
        await world.settle(10)
        assert world.ids == [101, 104]
        assert world.gaps == [(102, 103)]

    play(script)


def test_a_request_that_hangs_ends_with_the_patience() -> None:
    async def script(world: World) -> None:
        await world.open()
        await world.live(*world.publish(1))
        world.publish(1)
        world.hang = True
        await world.live(*world.publish(1))
        await world.settle(31)
        assert world.gaps == [(102, 102)]

    play(script)


def test_a_rate_limit_that_is_longer_than_the_patience_is_obeyed() -> None:
    async def script(world: World) -> None:
        await world.open()
        await world.live(*world.publish(1))
        world.publish(1)
        world.trouble = httpx.Response(429, headers={"retry-after": "300"})
        await world.live(*world.publish(1))
        await world.settle(1)
        asked = len(world.asked)
        assert world.gaps == [(102, 102)]
        world.publish(1)
        world.trouble = None
        await world.live(*world.publish(1))
        await world.settle(250)
        assert len(world.asked) == asked, "nothing is asked before the venue allows it"
        assert world.gaps == [(102, 102), (104, 104)]

    play(script)


def test_a_short_rate_limit_is_waited_out() -> None:
    async def script(world: World) -> None:
        await world.open()
        await world.live(*world.publish(1))
        world.publish(1)
        world.trouble = httpx.Response(429, headers={"retry-after": "10"})
        await world.live(*world.publish(1))
        await world.settle(1)
        world.trouble = None
        await world.settle(10)
        assert (world.ids, world.gaps) == ([101, 102, 103], [])

    play(script)


def test_of_a_hole_that_is_too_large_the_end_is_filled() -> None:
    async def script(world: World) -> None:
        await world.open()
        await world.live(*world.publish(1))
        world.publish(100)
        await world.live(*world.publish(1))
        await world.settle(5)

    world = play(script, largest=10)
    assert world.gaps == [(102, 191)]
    assert world.ids == [101, *range(192, 203)]


def test_a_mute_connection_is_replaced_and_what_it_kept_is_delivered() -> None:
    async def script(world: World) -> None:
        await world.open()
        await world.live(*world.publish(1))
        await world.settle(10)
        world.publish(2)
        await world.settle(9)
        assert world.reconnects == []
        await world.settle(4)
        assert [(order.session, list(order.symbols)) for order in world.resubscribed] == [(world.session, ["BTCUSDT"])]
        assert world.reconnects == []
        assert world.ids == [101, 102, 103]
        assert world.states == [False, True, False]
        await world.settle(5)
        assert [order.session for order in world.reconnects] == [world.session], "nobody confirmed the renewal"

    play(script)


def test_a_quiet_symbol_is_asked_about_and_left_alone() -> None:
    async def script(world: World) -> None:
        await world.open()
        await world.settle(3600)
        assert world.reconnects == []
        assert world.states == [False, True]
        questions = len(world.asked)
        assert 3600 / 20 - 2 <= questions <= 3600 / 20 + 3

    play(script)


def test_a_trade_that_rest_knows_a_moment_before_the_stream_is_no_alarm() -> None:
    async def script(world: World) -> None:
        await world.open()
        await world.settle(19.9)
        new = world.publish(1)
        await world.settle(1.0)
        await world.live(*new)
        await world.settle(5)
        assert world.reconnects == []
        assert world.ids == [101]

    play(script)


def test_silence_that_rest_cannot_explain_ends_the_connection_after_three_times() -> None:
    async def script(world: World) -> None:
        await world.open()
        await world.settle(1)
        world.trouble = httpx.ConnectError("no route")
        await world.settle(55)
        assert world.reconnects == []
        await world.settle(30)
        assert {order.session for order in world.reconnects} == {world.session}

    play(script)


def test_without_a_connection_nobody_asks() -> None:
    async def script(world: World) -> None:
        await world.settle(600)
        assert len(world.asked) == 1

    play(script)


def test_a_venue_that_numbers_anew_is_followed_behind_a_gap() -> None:
    async def script(world: World) -> None:
        await world.open()
        await world.live(*world.publish(1))
        await world.settle()
        world.published = [1, 2, 3]
        world.times = {i: T0 + 1_000_001 + 100_000 + i for i in range(10)}
        await world.live(3)
        await world.settle()
        world.published.append(4)
        await world.live(4)
        await world.settle()

    world = World()
    world.published = [1_000_000]
    play(script, world)
    assert world.ids == [1_000_001, 3, 4]
    assert world.gaps == [(0, 2)]


def test_a_feed_that_crashes_repeats_nothing_and_loses_nothing() -> None:
    async def script(world: World) -> None:
        await world.open()
        await world.live(*world.publish(2))
        await world.settle()
        lost = world.publish(2)
        # The batch that makes the feed crash is lost with it; its trades are not.
        await world.tell(Batch([trade(lost[0]), "no trade at all"]))  # type: ignore[list-item]
        await world.settle(3)
        await world.open()
        await world.settle(3)
        assert world.ids == [101, 102, 103, 104]

    play(script)


class Poison(Exception):
    """Crashes the feed from inside of a REST request."""


steps = st.lists(
    st.one_of(
        st.tuples(st.just("publish"), st.integers(1, 6), st.sampled_from(["live", "lost", "twice", "shuffled"])),
        st.sampled_from([("open",), ("lost",), ("poison batch",), ("poison rest",), ("rest down",), ("rest up",)]),
        st.tuples(st.just("wait"), st.floats(0, 40)),
        st.tuples(st.just("withhold"), st.integers(1, 3)),
        st.tuples(st.just("cancel"), st.integers(0, 12)),
    ),
    max_size=25,
)


@settings(max_examples=60, deadline=None)
@given(steps)
def test_whatever_happens_each_trade_goes_out_once_in_order_or_lies_in_a_gap(
    plan: list[tuple[object, ...]],
) -> None:
    async def script(world: World) -> None:
        await world.settle(1)
        await world.open()
        for step in plan:
            match step:
                case ("publish", int(count), how):
                    new = world.publish(count)
                    if how == "live":
                        await world.live(*new)
                    elif how == "twice":
                        await world.live(*new, *new)
                        await world.live(*new)
                    elif how == "shuffled":
                        await world.live(*reversed(new))
                case ("open",):
                    await world.open()
                case ("lost",):
                    await world.tell(Lost(world.session, "x"))
                case ("poison batch",):
                    await world.tell(Batch(["poison"]))  # type: ignore[list-item]
                case ("poison rest",):
                    world.trouble = Poison()
                case ("rest down",):
                    world.trouble = httpx.ConnectError("no route")
                case ("rest up",):
                    world.trouble = None
                case ("wait", float(seconds)):
                    await world.settle(seconds)
                case ("cancel", int(later)):
                    world.running.mailbox(world.bombs).send_nowait(later)
                case ("withhold", int(count)):
                    world.withheld.update(world.publish(count))
        world.trouble = None
        # A feed that crashed has no connection any more: the group would have opened another.
        await world.settle(70)
        await world.open()
        await world.settle(300)

    world = play(script)
    assert world.ids == sorted(set(world.ids)), "once and in order"
    covered = [(i, i) for i in world.ids] + world.gaps
    covered.sort()
    for (_, end), (start, _) in pairwise(covered):
        assert start == end + 1, "nothing is missing, nothing is both a trade and in a gap"
    if covered:
        assert covered[0][0] == 101
        # Withheld ids at the very end cannot be known of.
        seen = [i for i in world.published if i not in world.withheld]
        assert covered[-1][1] >= seen[-1]
    else:
        assert [i for i in world.published if i not in world.withheld] == [100]


def test_a_feed_that_is_cancelled_anywhere_repeats_nothing_and_loses_nothing() -> None:
    async def script(world: World) -> None:
        world.publish(1)
        for later in range(40):
            await world.open()
            world.publish(1)  # to be fetched by REST
            world.running.mailbox(world.bombs).send_nowait(later)
            await world.live(*world.publish(5))
            await world.settle()
        await world.settle(10)
        await world.open()
        await world.settle(10)

    world = play(script)
    assert world.ids == world.published[1:]
    assert world.gaps == []


def test_a_feed_that_is_cancelled_right_after_a_gap_does_not_tell_it_again() -> None:
    async def script(world: World) -> None:
        await world.open()
        await world.live(*world.publish(1))
        for _ in range(3):
            world.withheld.update(world.publish(1))
            await world.live(*world.publish(1))
            await world.settle(10)
            await world.open()
            await world.settle(10)

    world = World()
    world.bomb_at_gaps = True
    play(script, world)
    assert world.gaps == [(102, 102), (104, 104), (106, 106)]
    assert world.ids == [101, 103, 105, 107]


def test_a_slow_reader_gets_everything() -> None:
    async def script(world: World) -> None:
        await world.open()
        for _ in range(50):
            await world.live(*world.publish(4))
        await world.settle()

    assert play(script).ids == list(range(101, 301))


def test_what_happened_is_noted() -> None:
    notes: list[str] = []

    async def script(world: World) -> None:
        events = world.running.events(1000)
        world.publish()
        await world.open()
        await world.settle()
        world.publish(1)
        await world.live(*world.publish(1))
        await world.settle()
        notes.extend(event.what for event in events.receive_nowait() if isinstance(event, Note))

    play(script)
    assert "backfilled" in notes
