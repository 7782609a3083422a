"""A feed of many symbols over several sessions: none holds up another, and what is wanted can change."""

import json
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs

import httpx  # noqa: ASYNC127 - see actors/_net/_http.py
import pytest
import trio

from actors import FeedState, Gap
from actors._feeds._asking import TASKS
from actors._feeds._continuity import Track
from actors._feeds._feed import ANCHORS, REMIND, Feed
from actors._feeds._numbered import HELD
from actors._messages import (
    Batch,
    Hold,
    Inflow,
    Lost,
    Opened,
    Order,
    Reconnect,
    Rejected,
    Resubscribe,
    Subscribed,
    Wanted,
    WantedChanged,
    kept,
)
from actors._records import SymbolChange, Trade
from actors._session import Session
from actors.exchanges.binance_spot import SpotTrade, SpotTrades
from supervisor import Limit, Mailbox, Note, Running, Supervisor, child
from supervisor.testing import run_virtually

from ..in_memory import drain

T0 = 1_700_000_000_000


class Town:
    """A venue of some symbols, and the feed's surroundings."""

    def __init__(self, *symbols: str) -> None:
        self.symbols = symbols
        self.published: dict[str, int] = dict.fromkeys(symbols, 100)
        """The newest id of each."""
        self.hanging: set[str] = set()
        """REST never answers about these."""
        self.unknown: set[str] = set()
        self.asked: list[tuple[float, str, str]] = []
        self.under_way = self.most_under_way = 0
        self.delay = 0.0
        self.out: list[tuple[float, Any]] = []
        self.orders: list[tuple[float, Order]] = []
        self.notes: list[Note] = []
        self.running: Running
        self.inflow: Mailbox[Inflow[Trade]] = Mailbox("inflow", capacity=64)
        self.controls = tuple(Mailbox[Order](f"control {n}", capacity=8, overflow="drop_oldest") for n in range(2))
        self.changes: Mailbox[SymbolChange] = Mailbox("changes", capacity=8)
        self.wanted = Mailbox[Wanted]("wanted", capacity=1)
        self.outbox: Mailbox[Any] = Mailbox("out", capacity=100)

    async def answer(self, request: httpx.Request) -> httpx.Response:
        fields = parse_qs(request.url.query.decode())
        symbol = fields["symbol"][0]
        self.asked.append((trio.current_time(), symbol, request.url.path))
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            await trio.sleep(float("inf") if symbol in self.hanging else self.delay)
        finally:
            self.under_way -= 1
        if symbol in self.unknown:
            return httpx.Response(400, content=b'{"code":-1121,"msg":"Invalid symbol."}')
        limit, newest = int(fields["limit"][0]), self.published[symbol]
        first = int(fields["fromId"][0]) if "fromId" in fields else newest - limit + 1
        rows = [
            {"id": i, "price": "1", "qty": "1", "time": T0 + i, "isBuyerMaker": False}
            for i in range(first, min(newest, first + limit - 1) + 1)
        ]
        return httpx.Response(200, content=json.dumps(rows).encode())

    def tree(self) -> Supervisor:
        feed = Feed(
            source=SpotTrades(),
            symbols=self.symbols,
            rest="https://x",
            inflow=self.inflow,
            out=self.outbox,
            controls=self.controls,
            hold=Mailbox[Hold]("hold", capacity=1),
            cursors=Mailbox[dict[str, Track]]("cursors", capacity=1),
            wanted=self.wanted,
            changes=self.changes,
            silence=30.0,
            patience=40.0,
            largest=50_000,
            transport=lambda: httpx.MockTransport(self.answer),
        )
        return Supervisor("t", [child("feed", feed)], limit=Limit(1000, 1))

    async def tell(self, *messages: Inflow[Trade]) -> None:
        await self.running.mailbox(self.inflow).send_many(messages)

    async def open(self, *symbols: str) -> Session:
        session = Session()
        await self.tell(Opened(session, frozenset(symbols or self.symbols)))
        return session

    def publish(self, symbol: str, count: int = 1) -> list[Trade]:
        first = self.published[symbol] + 1
        self.published[symbol] += count
        return [SpotTrade(i, Decimal(1), Decimal(1), T0 + i, False, symbol) for i in range(first, first + count)]

    def ids(self, symbol: str) -> list[int]:
        return [item.id for _, item in self.out if not isinstance(item, FeedState | Gap) and item.symbol == symbol]

    def states(self, symbol: str) -> list[tuple[bool, str]]:
        return [
            (item.live, item.reason) for _, item in self.out if isinstance(item, FeedState) and item.symbol == symbol
        ]

    def ordered(self, kind: type) -> list[Any]:
        return [order for _, order in self.orders if isinstance(order, kind)]


def play(town: Town, script: Callable[[Town], Awaitable[None]]) -> Town:
    async def main() -> None:
        async def write_down(items: Any, into: list[tuple[float, Any]]) -> None:
            async for item in items:
                into.append((trio.current_time(), item))

        async with trio.open_nursery() as nursery:
            running = town.running = Running(town.tree(), 1)
            events: list[Any] = []
            async with running.opened():
                nursery.start_soon(drain, running.events(capacity=10_000), events)
                nursery.start_soon(write_down, running.mailbox(town.outbox), town.out)
                for control in town.controls[:1]:
                    nursery.start_soon(write_down, running.mailbox(control), town.orders)
                await script(town)
                await trio.sleep(0.1)
            nursery.cancel_scope.cancel()
            town.notes = [event for event in events if isinstance(event, Note)]

    run_virtually(main)
    return town


def test_a_symbol_that_waits_for_rest_holds_up_no_other() -> None:
    async def script(town: Town) -> None:
        session = await town.open()
        await trio.sleep(0.5)
        town.publish("AAA")
        town.hanging.add("AAA")
        await town.tell(Batch(town.publish("AAA"), session))
        for _ in range(20):
            await town.tell(Batch([*town.publish("BBB"), *town.publish("AAA")], session))
            await trio.sleep(0.5)
            assert town.ids("BBB")[-1] == town.published["BBB"]
        assert town.ids("AAA") == []
        assert town.states("AAA")[-1] == (False, "waiting for what is missing")
        assert town.states("BBB")[-1][0]
        town.hanging.clear()
        await trio.sleep(15)
        assert town.ids("AAA") == list(range(101, town.published["AAA"] + 1))
        assert town.states("AAA")[-1][0]

    play(Town("AAA", "BBB"), script)


def test_what_finds_no_room_while_rest_is_waited_for_is_fetched_afterwards() -> None:
    async def script(town: Town) -> None:
        session = await town.open()
        town.hanging.add("AAA")
        town.publish("AAA")
        for _ in range(HELD // 100 + 10):
            await town.tell(Batch(town.publish("AAA", 100), session))
        await trio.sleep(5)
        assert town.ids("AAA") == []
        town.hanging.clear()
        await trio.sleep(60)
        assert town.ids("AAA") == list(range(101, town.published["AAA"] + 1))

    play(Town("AAA"), script)


def test_only_a_few_questions_are_under_way_and_everybody_has_a_turn() -> None:
    symbols = [f"S{number}" for number in range(ANCHORS + 20)]

    async def script(town: Town) -> None:
        town.delay = 0.2
        session = await town.open()
        for symbol in symbols:
            await town.tell(Batch(town.publish(symbol), session))
        await trio.sleep(1)
        await town.tell(Lost(session, "reset"))
        for symbol in symbols:
            town.publish(symbol, 3)
        await town.open()
        await trio.sleep(len(symbols) * 2 * 0.2 / TASKS + 1)
        for symbol in symbols:
            assert town.ids(symbol) == [101, 102, 103, 104]
            assert town.states(symbol)[-1][0]
        assert town.most_under_way <= TASKS

    play(Town(*symbols), script)


def test_symbols_that_tell_themselves_what_they_lack_need_no_question_for_the_newest() -> None:
    symbols = [f"S{number}" for number in range(15)]

    async def script(town: Town) -> None:
        town.delay = 0.1
        session = await town.open()
        await trio.sleep(2)
        await town.tell(Lost(session, "reset"))
        for symbol in symbols:
            town.publish(symbol, 2)
        before = len(town.asked)
        session = await town.open()
        await town.tell(Batch([trade for symbol in symbols for trade in town.publish(symbol)], session))
        await trio.sleep(2)
        assert all(town.ids(symbol) == [101, 102, 103] for symbol in symbols)
        newest = [path for _, _, path in town.asked[before:] if path == "/api/v3/trades"]
        assert len(newest) <= TASKS

    play(Town(*symbols), script)


def test_items_that_nobody_wants_are_dropped_and_noted_once() -> None:
    async def script(town: Town) -> None:
        session = await town.open()
        town.published["ZZZ"] = 5
        for _ in range(3):
            await town.tell(Batch([*town.publish("ZZZ"), *town.publish("AAA")], session))

    town = play(Town("AAA"), script)
    assert town.ids("ZZZ") == []
    assert town.ids("AAA") == [101, 102, 103]
    assert [note.what for note in town.notes].count("not_wanted") == 1


def test_a_symbol_can_be_added_and_dropped_while_the_feed_runs() -> None:
    async def script(town: Town) -> None:
        session = await town.open()
        town.published["NEW"] = 500
        changes = town.running.mailbox(town.changes)
        await changes.send(SymbolChange(add=("new", "AAA"), drop=("BBB", "never", "")))
        await trio.sleep(0.5)
        assert list(kept(town.running.mailbox(town.wanted), lambda: Wanted({})).symbols) == ["AAA", "NEW"]
        assert town.states("BBB")[-1] == (False, "unsubscribed")
        assert town.states("NEW") == [(False, "starting")]
        await town.tell(Subscribed(session, frozenset(["NEW"])))
        await town.tell(Batch([*town.publish("NEW", 2), *town.publish("BBB")], session))
        await trio.sleep(0.5)
        assert town.ids("NEW") == [501, 502]
        assert town.ids("BBB") == []
        assert [live for live, _ in town.states("NEW")] == [False, True]
        # Again, as if it had never been there.
        await changes.send(SymbolChange(add=("BBB",)))
        await trio.sleep(0.1)
        town.publish("BBB", 10)
        await town.tell(Subscribed(session, frozenset(["BBB"])))
        await town.tell(Batch(town.publish("BBB"), session))
        await trio.sleep(0.5)
        assert town.ids("BBB") == [town.published["BBB"]]

    town = play(Town("AAA", "BBB"), script)
    assert len(town.ordered(WantedChanged)) == 2
    assert town.ids("AAA") == []


def test_an_added_symbol_survives_a_crash_of_the_feed() -> None:
    async def script(town: Town) -> None:
        session = await town.open()
        town.published["NEW"] = 500
        await town.running.mailbox(town.changes).send(SymbolChange(add=("NEW",), drop=("BBB",)))
        await trio.sleep(0.5)
        await town.tell(Subscribed(session, frozenset(["NEW"])))
        await town.tell(Batch(town.publish("NEW", 2), session))
        await trio.sleep(0.5)
        await town.tell(Batch(["no trade at all"], session))  # type: ignore[list-item]
        await trio.sleep(5)
        town.publish("NEW", 3)
        await town.open("AAA", "NEW")
        await trio.sleep(2)
        assert town.ids("NEW") == [501, 502, 503, 504, 505]
        assert town.states("BBB")[-1] == (False, "unsubscribed")

    play(Town("AAA", "BBB"), script)


def test_a_refused_symbol_is_said_to_be_so_and_the_others_go_on() -> None:
    async def script(town: Town) -> None:
        session = Session()
        await town.tell(Opened(session, frozenset(["AAA"])), Rejected(session, "BBB", "no such topic"))
        await town.tell(Batch(town.publish("AAA"), session))
        await town.tell(Rejected(session, "BBB", "no such topic"))

    town = play(Town("AAA", "BBB"), script)
    assert town.states("BBB") == [(False, "starting"), (False, "refused: no such topic")]
    assert town.ids("AAA") == [101]
    assert [note.fields["symbol"] for note in town.notes if note.what == "refused"] == ["BBB"]


def test_a_symbol_that_rest_does_not_know_is_refused_although_the_stream_accepts_it() -> None:
    async def script(town: Town) -> None:
        town.unknown.add("BBB")
        await town.open()
        await trio.sleep(600)
        assert not town.states("BBB")[-1][0]
        assert town.states("BBB")[-1][1].startswith("refused: ")
        assert len([1 for _, symbol, _ in town.asked if symbol == "BBB"]) <= 3
        assert town.ordered(Reconnect) == []
        assert town.states("AAA")[-1][0]

    play(Town("AAA", "BBB"), script)


def test_of_two_sessions_one_can_be_lost_and_nobody_notices() -> None:
    async def script(town: Town) -> None:
        one, two = await town.open(), await town.open()
        await trio.sleep(1)
        asked = len(town.asked)
        for round_ in range(60):
            trades = town.publish("AAA")
            if round_ == 20:
                await town.tell(Lost(one, "reset"))
            if round_ == 40:
                one = await town.open()
            if not 20 <= round_ < 40:
                await town.tell(Batch(trades, one))
            await trio.sleep(0.02)
            await town.tell(Batch(trades, two))
            sent = trio.current_time()
            await trio.sleep(0.5)
            assert town.ids("AAA")[-1] == town.published["AAA"]
            assert town.out[-1][0] <= sent, "nothing is delayed"
        assert town.ids("AAA") == list(range(101, 161))
        assert town.states("AAA") == [(False, "starting"), (True, "caught up")]
        assert len(town.asked) == asked, "REST was not needed"

    play(Town("AAA"), script)


def test_what_one_session_has_lost_comes_from_the_other_and_not_from_rest() -> None:
    async def script(town: Town) -> None:
        one, two = await town.open(), await town.open()
        await trio.sleep(1)
        asked = len(town.asked)
        a, b, c = town.publish("AAA", 3)
        await town.tell(Batch([a, c], one))
        await trio.sleep(0.05)
        assert town.ids("AAA") == [101]
        await town.tell(Batch([a, b], two))
        await trio.sleep(0.02)
        assert town.ids("AAA") == [101, 102, 103]
        assert len(town.asked) == asked
        three = town.publish("AAA", 3)
        await town.tell(Batch(three[::2], one), Batch(three[:1], two))
        await trio.sleep(0.3)
        assert town.ids("AAA") == [101, 102, 103, 104, 105, 106]
        assert len(town.asked) == asked + 1, "neither had it"

    play(Town("AAA"), script)


@pytest.mark.parametrize("quiet", [0, 1])
def test_a_busy_symbol_that_goes_mute_is_noticed_within_three_seconds_and_fetched_at_once(quiet: int) -> None:
    async def script(town: Town) -> None:
        session = await town.open()
        for _ in range(1500):
            await town.tell(Batch(town.publish("AAA"), session))
            await trio.sleep(0.02)
        mute_at = trio.current_time()
        for _ in range(200):
            town.publish("AAA")
            await trio.sleep(0.02)
        at, order = next((at, order) for at, order in town.orders if isinstance(order, Resubscribe | Reconnect))
        assert order.session is session
        assert mute_at < at <= mute_at + 3.0
        # Of a session of which all is silent nothing is to be hoped for.
        assert isinstance(order, Reconnect if quiet else Resubscribe)
        assert town.ids("AAA")[-1] > 1600 + 40, "what was missed is delivered before any reconnection"
        assert not town.states("AAA")[-1][0]

    play(Town("AAA", *(f"Q{number}" for number in range(quiet))), script)


def test_an_order_to_reconnect_is_repeated_until_it_is_followed() -> None:
    async def script(town: Town) -> None:
        session = await town.open()
        for _ in range(500):
            await town.tell(Batch(town.publish("AAA"), session))
            await trio.sleep(0.02)
        for _ in range(20):
            town.publish("AAA")
            await trio.sleep(1)
        first = len(town.ordered(Reconnect))
        assert first >= 1
        await trio.sleep(REMIND)
        assert len(town.ordered(Reconnect)) == first + 1
        await town.tell(Lost(session, "at last"))
        await trio.sleep(3 * REMIND)
        assert len(town.ordered(Reconnect)) == first + 1
        town.publish("AAA", 3)
        await town.open()
        await trio.sleep(1)
        assert town.ids("AAA")[-1] == town.published["AAA"], "the new one is the first again, and is caught up"
        assert town.states("AAA")[-1][0]

    play(Town("AAA"), script)


def test_what_a_session_brings_after_it_was_given_up_is_still_delivered() -> None:
    async def script(town: Town) -> None:
        session = await town.open()
        for _ in range(500):
            await town.tell(Batch(town.publish("AAA"), session))
            await trio.sleep(0.02)
        for _ in range(8):
            town.publish("AAA")
            await trio.sleep(1)
        assert town.ordered(Reconnect)
        await town.tell(Batch(town.publish("AAA"), session))
        await trio.sleep(1)
        assert town.ids("AAA") == list(range(101, town.published["AAA"] + 1))
        assert not town.states("AAA")[-1][0], "and yet nobody relies on it"

    play(Town("AAA"), script)


def test_a_slow_reader_holds_up_the_connection_and_loses_nothing() -> None:
    async def script(town: Town) -> None:
        session = await town.open()
        with trio.move_on_after(5):
            while True:
                await town.tell(Batch(town.publish("AAA", 10), session))
                await trio.sleep(0.001)
        await trio.sleep(60)
        ids = town.ids("AAA")
        assert ids == list(range(101, 101 + len(ids)))
        assert ids[-1] >= town.published["AAA"] - 10

    play(Town("AAA"), script)
