"""Orders and fills have channels of their own: where one of the two is mute, the connection is replaced, and not in vain."""

from collections.abc import Callable, Sequence
from typing import Any

import attrs
import pytest
import trio
import trio.testing

from actors import OrderUpdate, Secret, Venue, bybit, gate
from actors._account_source import Credentials
from actors._accounts._channel_watch import AGAIN, LATE
from actors._accounts._pairing import WITHIN, Item
from actors._messages import Batch, Lost, Opened, Reconnect
from actors.exchanges.binance_usdm import UsdmAccount
from supervisor import Running
from supervisor.testing import run_virtually

from .account_truth import check_complete
from .account_world import World, notes, play
from .test_kucoin_gate_accounts import Bot, in_memory

APART = UsdmAccount("main", Credentials(Secret.literal("k"), Secret.literal("s")), fills_apart=True)
MUTE = pytest.mark.parametrize("mute", ["orders", "fills"])


def told(mute: str, updates: Sequence[OrderUpdate]) -> list[Any]:
    """Return what the channel brings that is not mute."""
    if mute == "fills":
        return [attrs.evolve(update, fill=None) for update in updates]
    return [update.fill for update in updates if update.fill is not None]


def whole(updates: Sequence[OrderUpdate]) -> list[Any]:
    return told("fills", updates) + told("orders", updates)


async def trade(world: World, number: int, what: Callable[[Sequence[OrderUpdate]], list[Any]]) -> None:
    """Place an order and fill it, and let the stream bring of it what it brings."""
    await world.live(what([*world.happen("BTCUSDT", number, "new"), *world.happen("BTCUSDT", number, "fill")]))


def reasons(world: World) -> list[str]:
    return [order.reason for order in world.orders if isinstance(order, Reconnect)]


@MUTE
def test_a_second_order_that_one_channel_tells_of_alone_has_the_connection_replaced(mute: str) -> None:
    async def script(world: World) -> None:
        await world.open()
        await trio.sleep(1)
        await trade(world, 1, whole)
        await trio.sleep(30)
        await trade(world, 2, lambda updates: told(mute, updates))
        await trio.sleep(30)
        assert world.phases[-1] == "live"
        assert world.reconnects == 0, "one message may be lost"
        await trade(world, 3, lambda updates: told(mute, updates))
        await trio.sleep(LATE - 0.1)
        assert world.reconnects == 0, "it may be late"
        await trio.sleep(0.2)
        assert world.reconnects == 1
        assert [order.session for order in world.orders if isinstance(order, Reconnect)] == [world.session]
        assert world.phases[-1] == "connecting"
        await world.tell(Lost(world.session, "as ordered"))
        await world.open()
        await trio.sleep(1)
        assert world.phases[-1] == "live"

    world = play(script, source=APART)
    check_complete(world.updates, world.truth)
    assert reasons(world) == [f"one of its channels is mute: {mute} do not come"]
    assert len(notes(world, "mute")) == 1


@MUTE
def test_messages_that_are_lost_and_late_are_no_mute_channel(mute: str) -> None:
    async def script(world: World) -> None:
        await world.open()
        await trio.sleep(1)
        # One message that tells of three orders is lost.
        for number in (1, 2, 3):
            await trade(world, number, lambda updates: told(mute, updates))
        await trio.sleep(60)
        await trade(world, 4, whole)
        await trio.sleep(60)
        # Everything is late, one after the other.
        for number in range(5, 15):
            late = [*world.happen("BTCUSDT", number, "new"), *world.happen("BTCUSDT", number, "fill")]
            await world.live(told(mute, late))
            await trio.sleep(LATE - 1)
            await world.live(whole(late))
            await trio.sleep(20)
        # Now and then one is lost, and others come.
        for number in range(20, 40, 2):
            await trade(world, number, lambda updates: told(mute, updates))
            await trio.sleep(30)
            await trade(world, number + 1, whole)
            await trio.sleep(30)
        assert world.phases[-1] == "live"

    world = play(script, source=APART)
    check_complete(world.updates, world.truth)
    assert len(notes(world, "unpaired")) >= 18
    assert world.reconnects == 0


@MUTE
def test_what_was_lost_with_one_connection_says_nothing_about_the_next(mute: str) -> None:
    async def script(world: World) -> None:
        await world.open()
        await trio.sleep(1)
        for number, takes_over in ((1, False), (2, True), (3, False), (4, True)):
            await trade(world, number, lambda updates: told(mute, updates))
            await trio.sleep(30)
            old = world.session
            if takes_over:
                await world.open()
                await trio.sleep(1)
            await world.tell(Lost(old, "over"))
            if not takes_over:
                await world.open()
            await trio.sleep(30)

    world = play(script, source=APART)
    check_complete(world.updates, world.truth)
    assert len(notes(world, "unpaired")) == 4
    assert world.reconnects == 0


@MUTE
def test_what_was_held_when_a_connection_was_opened_says_nothing_about_it(mute: str) -> None:
    async def script(world: World) -> None:
        await world.open()
        await trio.sleep(1)
        world.takes = 1.0
        await world.tell(Lost(world.session, "reset"))
        await world.open()
        # REST does not have it yet, so that it waits when it may flow, and is found a little later.
        world.lag = 2
        await trade(world, 1, lambda updates: told(mute, updates))
        await trio.sleep(8)
        world.lag = 0
        await trio.sleep(60)
        await trade(world, 2, lambda updates: told(mute, updates))
        await trio.sleep(60)

    world = play(script, source=APART)
    check_complete(world.updates, world.truth)
    assert world.reconnects == 0


def test_orders_to_which_no_fill_belongs_are_no_sign() -> None:
    async def script(world: World) -> None:
        await world.open()
        await trio.sleep(1)
        await trade(world, 1, whole)
        for number in range(2, 60):
            await world.live(told("fills", world.happen("BTCUSDT", number, "new")))
            await trio.sleep(30)
            # One that is filled in part already is cancelled, too.
            await world.live(told("fills", world.happen("BTCUSDT", number if number > 2 else 1, "cancel")))
            await trio.sleep(30)

    world = play(script, source=APART)
    check_complete(world.updates, world.truth)
    assert notes(world, "unpaired") == []
    assert world.reconnects == 0


@MUTE
def test_where_another_connection_does_not_help_the_account_does_not_flap(mute: str) -> None:
    hours: list[float] = []

    async def script(world: World) -> None:
        await world.open()
        for number in range(1, 160):
            await trade(world, number, lambda updates: told(mute, updates))
            await trio.sleep(90)
            if world.reconnects > len(hours):
                hours.append(trio.current_time() / 3600)
                await world.tell(Lost(world.session, "as ordered"))
                await world.open()
            await trio.sleep(90)
            assert world.phases[-1] == "live"

    world = play(script, source=APART)
    check_complete(world.updates, world.truth)
    assert [round(hour) for hour in hours] == [0, 1, 3, 7]
    assert min(later - earlier for earlier, later in zip(hours, hours[1:], strict=False)) * 3600 >= AGAIN - 90


@MUTE
def test_what_lies_unread_because_the_bot_is_slow_did_come(mute: str) -> None:
    world = World()

    async def main() -> None:
        running = world.running = Running(world.tree(source=APART), 1)
        async with running.opened():
            out = running.mailbox(world.outbox)

            async def read(seconds: float) -> None:
                with trio.move_on_after(seconds):
                    async for item in out:
                        world.out.append(item)

            async def say(items: list[Item]) -> None:
                with trio.move_on_after(0.1):
                    await running.mailbox(world.inflow).send(Batch(items))

            await running.mailbox(world.inflow).send(Opened(world.session))
            await read(1)
            for number in (1, 2):
                items = [*world.happen("BTCUSDT", number, "new"), *world.happen("BTCUSDT", number, "fill")]
                await say(told(mute, items))
                await read(WITHIN + 1 if number == 2 else 30)
            # The other two do come, behind orders for which the bot has no room.
            for number in range(10, 16):
                await say(told("fills", world.happen("BTCUSDT", number, "new")))
            await say(whole(items))
            await trio.sleep(60)
            await read(1)
            orders = running.mailbox(world.control)
            with pytest.raises(trio.WouldBlock):
                orders.receive_nowait()

    run_virtually(main)
    check_complete(world.updates, world.truth)


async def mute_one_channel(bot: Bot) -> None:
    await bot.until(lambda: bot.states[-1:] == ["live"])
    bot.fill(bot.place())
    await trio.sleep(20)
    bot.fault("lost_subscription", share=0.5)


VENUES = pytest.mark.parametrize(
    ("venue", "symbol"), [pytest.param(gate, "BTC_USDT", id="gate"), pytest.param(bybit, "BTCUSDT", id="bybit")]
)


def private(bot: Bot) -> int:
    return sum(each.surface == "private" for each in bot.exchange.record.connections)


@VENUES
async def test_at_the_venues_that_have_two_channels_the_next_connection_has_both(
    venue: Venue, symbol: str, autojump_clock: trio.testing.MockClock
) -> None:
    async with in_memory(venue, symbol) as bot:
        await mute_one_channel(bot)
        before = private(bot)
        for _ in range(2):
            bot.fill(bot.place())
            await trio.sleep(20)
        await bot.until(lambda: bot.states[-1] == "live")
        assert private(bot) == before + 1
        states = len(bot.states)
        for _ in range(5):
            bot.fill(bot.place())
            await trio.sleep(20)

        bot.check()
        assert bot.states[states:] == [], "live all the time"
        assert private(bot) == before + 1
