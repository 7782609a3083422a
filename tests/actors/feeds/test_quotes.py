"""The owner of quotes alone: never an older quote after a newer one, and no stale one that passes for fresh."""

from collections.abc import Callable
from decimal import Decimal
from itertools import pairwise
from typing import Any

import attrs
import httpx  # noqa: ASYNC127 - see actors/_net/_http.py
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors._feeds._quotes import RENUMBERED, Quotes, quote_key
from actors._records import FeedState, Quote, QuoteItem
from actors._session import Session
from supervisor import Mailbox

from ..owner_world import FakeSource, World, play

T0 = 1_700_000_000_000


def quote(sequence: int, *, symbol: str = "X", time: int | None = 0, bid: int | None = None) -> Quote:
    price = Decimal(sequence if bid is None else bid)
    at = time if time is None or time else T0 + sequence
    return Quote("v", symbol, price, Decimal(1), price + 1, Decimal(1), sequence, at, 0)


class QuoteWorld(World):
    def __init__(self, symbols: tuple[str, ...] = ("X",), out: Mailbox[QuoteItem] | None = None) -> None:
        super().__init__(Quotes, FakeSource(), out, symbols)
        self.now = quote(100)
        self.present = {symbol: self.answer_for(symbol) for symbol in symbols}

    def answer_for(self, symbol: str) -> Callable[[], Quote]:
        return lambda: attrs.evolve(self.now, symbol=symbol)

    def change(self, *sequences: int) -> list[Quote]:
        quotes = [quote(sequence) for sequence in sequences]
        self.now = quotes[-1]
        return quotes

    async def begin(self) -> Session:
        session = await self.open()
        await self.settle()
        return session

    @property
    def sequences(self) -> list[int]:
        return [item.sequence for item in self.out if isinstance(item, Quote)]

    @property
    def bids(self) -> list[int]:
        return [int(item.bid) for item in self.out if isinstance(item, Quote)]


def test_quotes_go_out_as_they_come() -> None:
    async def script(world: QuoteWorld) -> None:
        session = await world.begin()
        await world.bring(session, *world.change(101, 105))
        await world.bring(session, *world.change(106))
        await world.settle()

    world = play(script, QuoteWorld())
    assert isinstance(world, QuoteWorld)
    assert world.bids == [100, 101, 105, 106], "the first is the one that REST had"
    assert world.states() == [False, True]


def test_older_and_repeated_quotes_are_dropped() -> None:
    async def script(world: QuoteWorld) -> None:
        first, second = await world.begin(), await world.begin()
        await world.bring(first, quote(101), quote(103))
        await world.bring(second, quote(101), quote(102), quote(103), quote(104))
        await world.bring(first, quote(104), quote(102), quote(105))
        await world.settle()

    world = play(script, QuoteWorld())
    assert isinstance(world, QuoteWorld)
    assert world.sequences[1:] == [101, 103, 104, 105]


def test_losing_one_of_two_connections_is_not_noticed_by_the_reader() -> None:
    async def script(world: QuoteWorld) -> None:
        first, second = await world.begin(), await world.begin()
        await world.bring(first, quote(101))
        await world.lose(first)
        await world.bring(second, quote(102))
        await world.settle()
        assert world.states() == [False, True]
        await world.lose(second)
        await world.settle()
        assert world.states() == [False, True, False]

    play(script, QuoteWorld())


def test_after_an_interruption_nothing_is_live_before_the_venue_has_told_the_present_quote() -> None:
    async def script(world: QuoteWorld) -> None:
        session = await world.begin()
        await world.bring(session, *world.change(101))
        await world.lose(session)
        world.change(102)
        world.trouble = httpx.Response(503)
        await world.begin()
        await world.settle(1)
        assert world.states() == [False, True, False]
        world.trouble = None
        await world.settle(5)
        assert world.states() == [False, True, False, True]
        assert world.bids == [100, 101, 102]
        assert world.sequences == [0, 101, 101], "REST does not move the sequence"

    play(script, QuoteWorld())


def test_an_answer_that_the_stream_has_overtaken_is_not_used() -> None:
    async def script(world: QuoteWorld) -> None:
        world.delay = 1.0
        session = await world.begin()
        await world.bring(session, quote(105))
        await world.settle(3)

    world = play(script, QuoteWorld())
    assert isinstance(world, QuoteWorld)
    assert world.bids == [105]


def test_a_repetition_after_an_interruption_says_that_nothing_has_changed() -> None:
    async def script(world: QuoteWorld) -> None:
        world.trouble = httpx.Response(503)
        session = await world.begin()
        await world.bring(session, quote(101))
        await world.lose(session)
        session = await world.begin()
        await world.bring(session, quote(101))
        await world.settle()
        assert world.states() == [False, True, False, True]

    play(script, QuoteWorld())


@pytest.mark.parametrize("timed", [True, False])
def test_sequences_that_start_anew_are_followed(timed: bool) -> None:
    async def script(world: QuoteWorld) -> None:
        session = await world.begin()
        await world.bring(session, quote(1_000_000, time=T0 if timed else None))
        await world.settle(3)
        if not timed:
            await world.lose(session)
            session = await world.begin()
        await world.bring(session, quote(5, time=T0 + RENUMBERED + 1 if timed else None))
        await world.settle()
        assert world.sequences[-1] == 5
        await world.bring(session, quote(4, time=T0 + RENUMBERED if timed else None))
        await world.settle()
        assert world.sequences[-1] == 5

    play(script, QuoteWorld())


def test_two_quotes_of_one_millisecond_are_both_delivered() -> None:
    async def script(world: QuoteWorld) -> None:
        first, second = await world.begin(), await world.begin()
        await world.bring(first, quote(101, bid=7), quote(101, bid=8))
        await world.bring(second, quote(101, bid=7), quote(101, bid=8))
        await world.settle()

    world = play(script, QuoteWorld())
    assert isinstance(world, QuoteWorld)
    assert world.bids == [100, 7, 8]


def test_a_mute_symbol_is_noticed_and_a_quiet_one_left_alone() -> None:
    async def script(world: QuoteWorld) -> None:
        session = await world.begin()
        await world.bring(session, *world.change(101))
        await world.settle(600)
        assert world.states() == [False, True]
        assert world.renewals == world.reconnects == []
        world.change(102)
        while not world.renewals:
            await world.settle(1)
        assert world.states() == [False, True, False]
        await world.confirm(session)
        await world.settle(1)
        assert world.states() == [False, True, False, True]
        assert world.bids[-1] == 102

    play(script, QuoteWorld(), silence=30.0)


def test_a_symbol_thought_mute_that_was_not_goes_on() -> None:
    async def script(world: QuoteWorld) -> None:
        session = await world.begin()
        await world.bring(session, *world.change(101))
        world.change(102)
        while not world.renewals:
            await world.settle(0.1)
        await world.bring(session, quote(103))
        await world.settle()
        assert world.states() == [False, True, False, True]
        assert world.sequences[-1] == 103

    play(script, QuoteWorld(), silence=5.0)


def test_symbols_come_and_go_while_running() -> None:
    async def script(world: QuoteWorld) -> None:
        session = await world.begin()
        world.present["Z"] = world.answer_for("Z")
        await world.want(add=("z", "x"))
        await world.confirm(session, "Z")
        await world.settle()
        await world.bring(session, quote(101, symbol="Z"))
        await world.settle()
        assert world.states("Z") == [False, True]
        assert world.states("X") == [False, True, True], "asked for again"
        await world.want(drop=("X", "not a symbol"))
        await world.settle()
        assert world.states("X") == [False, True, True, False]

    play(script, QuoteWorld())


def test_a_conflating_mailbox_holds_the_newest_quote_and_the_newest_state() -> None:
    async def script(world: QuoteWorld) -> None:
        session = await world.begin()
        world.stop_reading()
        await world.bring(session, *world.change(*range(101, 150)))
        await world.settle()
        await world.bring(session, *world.change(*range(150, 200)))
        await world.settle()
        world.reading.set()
        await world.settle()
        assert world.sequences[-1] == 199
        assert len(world.sequences) < 5

    play(script, QuoteWorld(out=Mailbox("out", capacity=2, overflow="conflate", key=quote_key)))


@pytest.mark.parametrize("overflow", ["drop_oldest", "drop_newest", "fail"])
def test_after_an_overflow_the_reader_has_the_newest_quote_and_knows_whether_it_is_live(overflow: Any) -> None:
    async def script(world: QuoteWorld) -> None:
        session = await world.begin()
        world.stop_reading()
        for sequence in range(101, 120):
            await world.bring(session, *world.change(sequence))
        await world.settle()
        world.reading.set()
        await world.settle(1)
        assert world.sequences[-1] == 119
        assert all(a <= b for a, b in pairwise(world.sequences))
        world.stop_reading()
        for sequence in range(120, 130):
            await world.bring(session, quote(sequence), quote(sequence, symbol="Y"))
        await world.lose(session)
        await world.settle()
        world.reading.set()
        await world.settle(1)
        assert not world.states("X")[-1]
        assert not world.states("Y")[-1]

    play(script, QuoteWorld(("X", "Y"), out=Mailbox("out", capacity=5, overflow=overflow)))


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("bring"), st.integers(0, 1), st.lists(st.integers(101, 140), min_size=1, max_size=4)),
            st.tuples(st.sampled_from(["lose", "open"]), st.integers(0, 1), st.just([])),
            st.tuples(st.just("fail"), st.integers(0, 10), st.just([])),
        ),
        max_size=12,
    )
)
@settings(max_examples=40, deadline=None)
def test_sequences_never_fall_whatever_connections_bring_and_however_the_owner_fails(
    steps: list[tuple[str, int, list[int]]],
) -> None:
    async def script(world: QuoteWorld) -> None:
        sessions = [await world.begin(), await world.begin()]
        newest = 0
        for what, which, sequences in steps:
            if what == "bring":
                await world.bring(sessions[which], *(quote(sequence) for sequence in sequences))
                newest = max(newest, *sequences)
            elif what == "fail":
                await world.running.mailbox(world.bombs).send(which)
                await world.settle(2)
                sessions = [await world.begin(), await world.begin()]
            else:
                await world.lose(sessions[which])
                if what == "open":
                    sessions[which] = await world.begin()
            await world.settle()
        assert all(a <= b for a, b in pairwise(world.sequences))

    play(script, QuoteWorld())


def test_many_symbols_are_judged_one_by_one() -> None:
    symbols = tuple(f"S{n}" for n in range(12))

    async def script(world: QuoteWorld) -> None:
        session = await world.begin()
        await world.bring(session, *(quote(101, symbol=symbol) for symbol in symbols[:6]))
        await world.settle(1)
        assert all(world.states(symbol) == [False, True] for symbol in symbols)
        assert world.most_under_way <= 4

    play(script, QuoteWorld(symbols))


def test_the_state_of_a_symbol_comes_before_its_first_quote() -> None:
    async def script(world: QuoteWorld) -> None:
        await world.begin()
        await world.settle()

    world = play(script, QuoteWorld())
    assert [type(item) for item in world.out] == [FeedState, Quote, FeedState]
