"""Books and the bot's mailbox: whatever finds no room in it, the local book is right or not live."""

from typing import Any

import pytest

from actors._feeds._book import MissedUpdate
from actors._records import FeedState
from supervisor import Mailbox

from ..book_world import DEEP, UP, BookWorld
from ..owner_world import play


@pytest.mark.parametrize("overflow", ["drop_oldest", "drop_newest", "fail"])
def test_what_found_no_room_is_made_good_with_a_snapshot(overflow: Any) -> None:
    async def script(world: BookWorld) -> None:
        session = await world.begin()
        world.stop_reading()
        for _ in range(20):
            await world.bring(session, world.model.change(UP))
            await world.bring(session, world.model.change(DEEP))
        await world.settle()
        world.reading.set()
        await world.settle(1)
        assert world.right
        assert world.errors == []
        assert world.states() == [False, True, False, True]
        assert len(world.asked) == 1, "the owner has the book"

    play(script, BookWorld(out=Mailbox("out", capacity=5, overflow=overflow)))


def test_what_another_sender_pushed_out_is_made_good() -> None:
    async def script(world: BookWorld) -> None:
        session = await world.begin()
        world.stop_reading()
        for _ in range(4):
            await world.bring(session, world.model.change(UP))
        await world.settle()
        stranger = FeedState("w", "X", True, "of another feed", 0)
        world.running.mailbox(world.outbox).send_many_nowait([stranger] * 3)
        world.reading.set()
        await world.settle()
        assert [type(error) for error in world.errors][:1] == [MissedUpdate]
        assert not world.book.live
        await world.bring(session, world.model.change(DEEP))
        await world.settle(1)
        assert world.right

    play(script, BookWorld(out=Mailbox("out", capacity=5, overflow="drop_oldest")))


def test_a_slow_reader_makes_the_connections_wait_and_loses_nothing() -> None:
    async def script(world: BookWorld) -> None:
        session = await world.begin()
        world.stop_reading()
        sent = [world.model.change(UP if n % 2 else DEEP) for n in range(10)]
        for message in sent:
            await world.bring(session, message)
        await world.settle(60)
        world.reading.set()
        await world.settle(1)
        assert world.right
        assert world.states() == [False, True]

    play(script, BookWorld(), silence=5.0)


def test_a_conflating_mailbox_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot be conflated"):
        BookWorld(out=Mailbox("out", capacity=5, overflow="conflate", key=lambda item: item.symbol)).tree()
    with pytest.raises(ValueError, match="capacity of 4"):
        BookWorld(out=Mailbox("out", capacity=3, overflow="fail")).tree()
