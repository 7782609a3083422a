"""What finds no room on its way to the bot was not delivered; whoever trades stops without waiting for room."""

from typing import Any, cast

import trio

from actors import Liveness
from actors._accounts._book import Book
from actors._accounts._bookkeeper import Backlog, Bookkeeper
from actors._accounts._telling import Telling
from supervisor import Mailbox, Me
from supervisor._open_mailbox import OpenMailbox
from supervisor.testing import run_virtually

from .account_truth import history


def test_an_update_that_does_not_reach_the_bot_was_not_delivered() -> None:
    async def main() -> None:
        out: Any = OpenMailbox(Mailbox("out", capacity=1))
        book, nobody = Book(), cast("Me", None)
        bookkeeper = Bookkeeper(Backlog(None), out, book, nobody)
        telling = Telling("v", "a", out, book, bookkeeper, None)
        first, second = history([("BTCUSDT", 1, "new"), ("BTCUSDT", 2, "new")]).events
        await telling.deliver(first)
        with trio.move_on_after(1) as scope:
            await telling.deliver(second)
        assert scope.cancelled_caught, "the mailbox is full"
        assert book.open_orders() == [("BTCUSDT", 1)], "whoever comes next finds that the other one is missing"

    run_virtually(main)


def test_whoever_trades_stops_before_the_bot_has_room_for_the_news() -> None:
    async def main() -> None:
        out: Any = OpenMailbox(Mailbox("out", capacity=1))
        slot: Any = OpenMailbox(Mailbox("live", capacity=1))
        live, book = Liveness("live", slot), Book()
        bookkeeper: Any = None
        telling = Telling("v", "a", out, book, bookkeeper, live)
        await telling.say("live", "reconciled")
        assert live.now
        with trio.move_on_after(1) as scope:
            await telling.say("connecting", "reset")
        assert scope.cancelled_caught, "the mailbox is full"
        assert (live.now, book.state) == (False, "live")
        out.receive_nowait()
        await telling.say("connecting", "reset")
        assert book.state == "connecting"

    run_virtually(main)
