"""The owner of books alone: what the bot's local book says is the truth, or it is not live."""

import httpx  # noqa: ASYNC127 - see actors/_net/_http.py
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors._feeds._book import Book
from actors._feeds._books import FIRST
from actors._source import Depth

from ..book_model import BYBIT, OKX, RULES, SPOT, Model
from ..book_world import DEEP, UP, BookWorld
from ..owner_world import play


@pytest.mark.parametrize("kind", sorted(RULES))
def test_a_snapshot_comes_first_and_then_what_changes(kind: str) -> None:
    async def script(world: BookWorld) -> None:
        session = await world.begin()
        assert world.right
        for changes in (UP, DEEP, [], UP):
            await world.bring(session, world.model.change(changes, 2))
            await world.settle()
            assert world.right
        assert world.states() == [False, True]
        assert world.errors == []

    world = BookWorld(RULES[kind])
    play(script, world)
    assert world.updates()[0].snapshot
    assert [update.snapshot for update in world.updates()[1:]] == [kind == "kucoin"] * 4


def test_what_comes_while_the_snapshot_is_under_way_is_not_lost() -> None:
    async def script(world: BookWorld) -> None:
        world.delay = 2.0
        session = await world.open()
        await world.settle()
        for _ in range(3):
            await world.bring(session, world.model.change(UP))
        snapshot = world.model.newest
        world.present["X"] = lambda: snapshot
        for _ in range(3):
            await world.bring(session, world.model.change(DEEP))
        await world.settle(3)
        assert world.right
        assert len(world.asked) == 1

    play(script, BookWorld())


def test_a_snapshot_older_than_the_stream_is_asked_for_again() -> None:
    async def script(world: BookWorld) -> None:
        old = world.model.newest
        world.model.change(UP)
        world.present["X"] = lambda: old if len(world.asked) < 3 else world.model.newest
        session = await world.open()
        await world.bring(session, world.model.change(DEEP))
        await world.settle(5)
        assert world.right
        assert len(world.asked) == 3
        assert world.states() == [False, True]

    play(script, BookWorld())


@pytest.mark.parametrize("kind", ["bybit", "okx", "spot", "usdm"])
def test_a_hole_is_told_before_anything_else_and_repaired_for_that_symbol_alone(kind: str) -> None:
    async def script(world: BookWorld) -> None:
        session = await world.begin()
        world.model.change(UP)  # lost
        await world.bring(session, world.model.change(DEEP))
        await world.settle(0)
        if world.source.rule.base == "stream":
            await world.settle()
            assert not world.book.live
            assert world.renewals[0].symbols == frozenset("X")
            await world.bring(session, world.model.newest)
        await world.settle(2)
        assert world.right
        assert world.states("X") == [False, True, False, True]
        assert world.states("Y") == [False, True]
        assert world.reconnects == []

    play(script, BookWorld(RULES[kind], ("X", "Y")))


def test_a_subscription_that_brings_no_snapshot_is_renewed_and_then_the_connection_replaced() -> None:
    async def script(world: BookWorld) -> None:
        session = await world.open()
        await world.settle(FIRST + 1)
        assert [order.session for order in world.renewals] == [session]
        await world.settle(2 * FIRST)
        assert [order.session for order in world.reconnects] == [session]
        await world.begin()
        assert world.right

    play(script, BookWorld(OKX), silence=1000.0)


def test_a_new_connection_begins_every_book_anew() -> None:
    async def script(world: BookWorld) -> None:
        session = await world.begin()
        await world.lose(session)
        await world.settle()
        assert not world.book.live
        world.model.change(UP)
        session = await world.begin()
        await world.settle(2)
        assert world.right
        assert world.states() == [False, True, False, True]

    for rule in RULES.values():
        play(script, BookWorld(rule))


def test_losing_one_of_two_connections_is_not_noticed_by_the_reader() -> None:
    async def script(world: BookWorld) -> None:
        first, second = await world.begin(), await world.begin()
        for number in range(6):
            change = world.model.change(UP if number % 2 else DEEP)
            await world.bring(first, change)
            if number == 3:
                await world.lose(second)
                second = await world.begin()
            elif number != 2:
                await world.bring(second, change)
        await world.lose(first)
        await world.bring(second, world.model.change(UP))
        await world.settle()
        assert world.right
        assert world.states() == [False, True]
        assert [update.sequence for update in world.updates()] == list(range(100, 108))

    play(script, BookWorld())
    play(script, BookWorld(BYBIT))


def test_a_hole_in_one_connection_is_filled_by_the_other() -> None:
    async def script(world: BookWorld) -> None:
        first, second = await world.begin(), await world.begin()
        one, two, three = (world.model.change(changes) for changes in (UP, DEEP, UP))
        await world.bring(first, one)
        await world.bring(second, one)
        await world.bring(first, three)  # it has lost `two`
        await world.settle(0.5)
        await world.bring(second, two)
        await world.settle()
        assert world.right
        assert world.states() == [False, True]

    play(script, BookWorld())
    play(script, BookWorld(OKX))


def test_a_hole_that_the_other_connection_does_not_fill_in_time_is_repaired() -> None:
    async def script(world: BookWorld) -> None:
        await world.begin()
        second = await world.begin()
        await world.bring(second, world.model.change(UP))
        world.model.change(UP)
        await world.bring(second, world.model.change(DEEP))
        await world.settle(3)
        assert world.right
        assert world.states() == [False, True, False, True]

    play(script, BookWorld())


def test_an_update_that_would_cross_the_book_never_goes_out() -> None:
    async def script(world: BookWorld) -> None:
        session = await world.begin()
        bad = world.model.change([])
        best_ask = world.model.state[1][0]
        crossing = Depth("X", False, bad.first, bad.last, None, [best_ask], [], bad.time)
        await world.bring(session, crossing)
        await world.settle(2)
        assert world.right
        assert world.errors == []
        assert world.states() == [False, True, False, True]

    play(script, BookWorld())


def test_snapshots_are_asked_for_a_few_at_a_time_and_again_after_failures() -> None:
    async def script(world: BookWorld) -> None:
        world.delay = 0.2
        world.trouble = httpx.Response(503)
        await world.begin()
        await world.settle(5)
        assert world.most_under_way <= 3
        world.trouble = None
        await world.settle(120)
        assert world.right
        assert world.most_under_way <= 3

    play(script, BookWorld(symbols=tuple(f"S{n}" for n in range(20))))


def test_a_book_that_keeps_breaking_is_begun_less_and_less_often() -> None:
    async def script(world: BookWorld) -> None:
        session = await world.begin()
        for _ in range(600):
            world.model.change(UP)  # lost
            await world.bring(session, world.model.change(DEEP))
            await world.settle(0.1)
        assert len(world.asked) < 20
        await world.bring(session, world.model.change(DEEP))
        await world.settle(60)
        assert world.right

    play(script, BookWorld(), silence=1000.0)


def test_a_reader_who_has_lost_its_book_gets_it_again_by_adding_the_symbol() -> None:
    async def script(world: BookWorld) -> None:
        session = await world.begin()
        world.books["X"] = Book("X")
        await world.bring(session, world.model.change(UP))
        await world.settle()
        assert len(world.errors) == 1
        await world.want(add=("x",))
        await world.settle()
        assert world.right
        assert len(world.asked) == 1

    play(script, BookWorld())


def test_symbols_come_and_go_while_running() -> None:
    async def script(world: BookWorld) -> None:
        session = await world.begin()
        world.models["Z"] = Model(SPOT, "Z")
        world.books["Z"] = Book("Z")
        world.present["Z"] = lambda: world.models["Z"].newest
        await world.want(add=("z",), drop=("X",))
        await world.confirm(session, "Z")
        await world.bring(session, world.models["Z"].change(UP), world.model.change(UP))
        await world.settle(1)
        assert world.states("X") == [False, True, False]
        assert world.states("Z") == [False, True]

    play(script, BookWorld())


def test_a_symbol_that_the_venue_does_not_know_leaves_the_others_alone() -> None:
    async def script(world: BookWorld) -> None:
        del world.present["Y"]
        await world.begin()
        await world.settle(100)
        assert world.states("X") == [False, True]
        assert world.states("Y") == [False]
        assert len([symbol for _, symbol in world.asked if symbol == "Y"]) < 8

    play(script, BookWorld(symbols=("X", "Y")))


@pytest.mark.parametrize("kind", sorted(RULES))
def test_a_mute_book_is_noticed_and_a_quiet_one_left_alone(kind: str) -> None:
    async def script(world: BookWorld) -> None:
        session = await world.begin()
        await world.settle(600)
        assert world.states() == [False, True]
        assert world.renewals == world.reconnects == []
        world.model.change(UP)
        while not world.renewals:
            await world.settle(1)
        assert not world.book.live
        assert [order.session for order in world.renewals] == [session]
        await world.confirm(session)
        if world.source.rule.base != "rest":
            await world.bring(session, world.model.newest)
        await world.settle(5)
        assert world.right

    play(script, BookWorld(RULES[kind]), silence=30.0)


def test_when_the_renewed_subscription_is_mute_too_the_connection_is_replaced() -> None:
    async def script(world: BookWorld) -> None:
        session = await world.begin()
        world.model.change(UP)
        await world.settle(40)
        assert [order.session for order in world.renewals] == [session]
        assert [order.session for order in world.reconnects] == [session]

    play(script, BookWorld(), silence=20.0)


def test_what_an_earlier_incarnations_connections_said_is_not_believed() -> None:
    async def script(world: BookWorld) -> None:
        await world.begin()
        await world.running.mailbox(world.bombs).send(0)
        await world.open()
        await world.settle(5)
        assert world.states() == [False, True, False]
        await world.begin()
        assert world.right

    play(script, BookWorld())


def test_the_status_of_the_tree_tells_what_was_counted() -> None:
    async def script(world: BookWorld) -> None:
        session = await world.begin()
        change = world.model.change(UP)
        await world.bring(session, change, change)
        world.model.change(UP)
        await world.bring(session, world.model.change(DEEP))
        await world.settle(2)
        facts = world.running.status().children[-1].facts
        assert facts is not None
        assert [stream["live"] for stream in facts["streams"]] == [True, True]
        assert {name: facts[name] for name in ("duplicates", "holes", "breaks")} == {
            "duplicates": 2,  # one of them was in the snapshot
            "holes": 1,
            "breaks": 1,
        }

    play(script, BookWorld(symbols=("X", "Y")))


@given(st.lists(st.tuples(st.integers(0, 12), st.booleans()), min_size=1, max_size=6), st.sampled_from(sorted(RULES)))
@settings(max_examples=30, deadline=None)
def test_whenever_the_owner_fails_its_next_incarnation_is_not_believed_before_it_is_right(
    bombs: list[tuple[int, bool]], kind: str
) -> None:
    async def script(world: BookWorld) -> None:
        session = await world.begin()
        for steps, twice in bombs:
            await world.running.mailbox(world.bombs).send(steps)
            await world.bring(session, world.model.change(UP))
            if twice:
                await world.bring(session, world.model.change(DEEP))
            await world.settle(2)
            assert world.book.live is (world.states()[-1])
            session = await world.begin()
            await world.settle(5)
            assert world.right
            assert world.errors == []

    play(script, BookWorld(RULES[kind]))
