"""The states of an account, and what it does in each: nothing that it can do without is waited for."""

from typing import Any, cast

import attrs
import httpx  # noqa: ASYNC127 - see actors/_net/_http.py
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from actors import AccountState, Liveness, OrderUpdate, Secret
from actors._account_source import Credentials
from actors._accounts._book import Book
from actors._accounts._bookkeeper import Backlog, Bookkeeper
from actors._accounts._telling import Telling
from actors._messages import Authenticating, Batch, Denial, Lost, Opened
from actors._session import Session
from actors.exchanges.binance_usdm import UsdmAccount
from actors.ops._vitals import verdict
from supervisor import Mailbox, Me, Note
from supervisor._open_mailbox import OpenMailbox
from supervisor.testing import run_virtually

from .account_truth import check_complete, history
from .account_world import World, play, reply

APART = UsdmAccount("main", Credentials(Secret.literal("k"), Secret.literal("s")), fills_apart=True)


def notes(world: World, what: str) -> list[Note]:
    return [event for event in world.events if isinstance(event, Note) and event.what == what]


def reconciliations(world: World) -> int:
    """How often everything was asked for."""
    return world.asked.count("/fapi/v1/userTrades") // len(world.symbols)


def reasons(world: World) -> list[str]:
    return [item.reason for item in world.out if isinstance(item, AccountState)]


def test_each_step_on_the_way_is_told() -> None:
    async def script(world: World) -> None:
        first = Session()
        await world.tell(Authenticating(first))
        await trio.sleep(1)
        await world.tell(Lost(first, "no answer"))
        await trio.sleep(1)
        second = Session()
        await world.tell(Authenticating(second), Opened(second))
        await trio.sleep(1)
        await world.tell(Lost(second, "reset"))
        await trio.sleep(1)

    world = play(script)
    assert world.phases == [
        *["connecting", "authenticating", "connecting"],
        *["authenticating", "reconciling", "live", "connecting"],
    ]
    assert reasons(world)[2] == "no answer"
    assert reasons(world)[-1] == "reset"


def test_a_denial_is_told_as_parked_and_the_next_attempt_ends_it() -> None:
    async def script(world: World) -> None:
        await world.tell(Denial("who are you"))
        await trio.sleep(1)
        assert world.phases == ["connecting", "parked"]
        await world.tell(Authenticating(Session()))
        await trio.sleep(1)
        assert world.phases[-1] == "authenticating"

    assert reasons(play(script))[1] == "who are you"


def test_a_refusal_by_rest_is_told_as_parked_too() -> None:
    async def script(world: World) -> None:
        await world.open()
        await trio.sleep(1)
        world.trouble = reply({"code": -2015, "msg": "Invalid API-key, IP, or permissions for action."}, 401)
        await trio.sleep(20)
        assert world.running.status().children[1].state == "parked"

    world = play(script)
    assert world.phases == ["connecting", "reconciling", "live", "parked"]
    assert "-2015" in reasons(world)[-1]


def test_a_routine_question_that_fails_degrades_and_the_stream_goes_on() -> None:
    async def script(world: World) -> None:
        await world.open()
        await trio.sleep(100)
        world.trouble = reply({}, 503)
        await trio.sleep(250)
        assert world.phases[-1] == "degraded"
        await world.live(world.happen("BTCUSDT", 1, "new"))
        await trio.sleep(0.1)
        assert [u.source for u in world.updates] == ["stream"], "what comes is delivered at once"
        assert not verdict(world.running.status()).healthy, "healthy is live, and nothing else"
        world.trouble = None
        await trio.sleep(70)
        assert world.phases[-1] == "live"

    world = play(script)
    assert world.failures == []
    assert world.phases == ["connecting", "reconciling", "live", "degraded", "live"]


def test_a_routine_question_without_an_answer_degrades_long_before_it_is_given_up() -> None:
    async def script(world: World) -> None:
        await world.open()
        await trio.sleep(100)
        world.takes = 1000.0
        await trio.sleep(20)
        assert world.phases[-1] == "degraded", "nobody knows what the stream has left out"
        await world.live(world.happen("BTCUSDT", 1, "new"))
        await trio.sleep(0.1)
        assert [u.source for u in world.updates] == ["stream"], "what comes is delivered at once"
        world.takes = 0.01
        await trio.sleep(10)
        assert world.phases[-1] == "live"

    world = play(script, reconcile_every=100.0)
    assert not notes(world, "not_reconciled"), "the attempts went on until there was an answer"
    assert world.phases == ["connecting", "reconciling", "live", "degraded", "live"]


def test_a_limit_on_a_routine_question_does_not_hold_up_the_stream() -> None:
    async def script(world: World) -> None:
        await world.open()
        await trio.sleep(100)
        world.trouble = httpx.Response(418, headers={"retry-after": "1000"})
        await trio.sleep(250)
        world.trouble = None
        assert world.phases[-1] == "degraded"
        for what in ("new", "fill", "cancel"):
            await world.live(world.happen("BTCUSDT", 1, what))
        await trio.sleep(0.1)
        assert len(world.updates) == 3
        await trio.sleep(1000)
        assert world.phases[-1] == "live"

    world = play(script)
    check_complete(world.updates, world.truth)


def test_what_happens_while_a_routine_question_is_asked_comes_once() -> None:
    async def script(world: World) -> None:
        await world.open()
        await world.live(world.happen("BTCUSDT", 1, "new"))
        await trio.sleep(4.9)
        # From here on it is asked, one question after the other.
        for _ in range(3):
            await trio.sleep(0.02)
            await world.live(world.happen("BTCUSDT", 1, "fill"))
            await world.live(world.happen("ETHUSDT", 2, "new"))
        await trio.sleep(10)

    world = play(script)
    check_complete(world.updates, world.truth)
    assert world.phases == ["connecting", "reconciling", "live"]


def test_a_connection_that_takes_over_interrupts_nothing_and_is_reconciled() -> None:
    async def script(world: World) -> None:
        await world.open()
        await trio.sleep(100)
        old, new = world.session, Session()
        asked = reconciliations(world)
        await world.tell(Opened(new))
        [update] = world.happen("BTCUSDT", 1, "new")
        await world.tell(Batch([update], old), Batch([update], new))
        await trio.sleep(3)
        await world.tell(Lost(old, "replaced"))
        await trio.sleep(5)
        assert reconciliations(world) == asked + 1

    world = play(script)
    assert world.phases == ["connecting", "reconciling", "live"]
    assert len(world.updates) == 1


def test_a_connection_after_one_that_is_lost_is_reconciled_before_it_counts() -> None:
    async def script(world: World) -> None:
        await world.open()
        await trio.sleep(100)
        await world.tell(Lost(world.session, "the stream is over"))
        world.happen("BTCUSDT", 1, "new")
        await world.open()
        await trio.sleep(1)

    world = play(script)
    assert world.phases == ["connecting", "reconciling", "live", "connecting", "reconciling", "live"]
    assert isinstance(world.out[-2], OrderUpdate)


def test_with_open_orders_a_quiet_stream_is_asked_about_earlier_and_less_and_less_often() -> None:
    async def script(world: World) -> None:
        await world.open()
        await trio.sleep(20)
        await world.live(world.happen("BTCUSDT", 1, "new"))
        begin = reconciliations(world)
        times = []
        for _ in range(900):
            await trio.sleep(1)
            if reconciliations(world) > begin + len(times):
                times.append(round(trio.current_time() - 20))
        assert times == pytest.approx([60, 180, 420, 720], abs=2)

    play(script, quiet_after=60.0)


def test_without_open_orders_a_quiet_stream_is_quiet() -> None:
    async def script(world: World) -> None:
        await world.open()
        await trio.sleep(20)
        asked = reconciliations(world)
        await trio.sleep(200)
        assert reconciliations(world) == asked

    play(script, quiet_after=10.0)


def test_a_loss_is_found_out_by_the_quiet_long_before_the_schedule() -> None:
    async def script(world: World) -> None:
        await world.open()
        await world.live(world.happen("BTCUSDT", 1, "new"))
        await trio.sleep(20)
        world.happen("BTCUSDT", 1, "fill")
        await trio.sleep(60)
        assert world.reconnects == 1

    world = play(script)
    check_complete(world.updates, world.truth)


def test_what_rest_tells_late_about_the_time_before_the_connection_is_no_reason_to_reconnect() -> None:
    async def script(world: World) -> None:
        world.happen("BTCUSDT", 1, "new")
        world.lag = 1
        await trio.sleep(20)
        await world.open()
        await trio.sleep(3)
        world.lag = 0
        await trio.sleep(10)

    world = play(script)
    assert world.reconnects == 0
    check_complete(world.updates, world.truth)


def test_a_fill_that_rest_has_kept_to_itself_for_long_is_found_all_the_same() -> None:
    async def script(world: World) -> None:
        world.longest_lag = 1000.0
        await world.open()
        await trio.sleep(1)
        await world.live(world.happen("BTCUSDT", 1, "new"))
        await trio.sleep(20)
        world.happen("BTCUSDT", 1, "fill")
        world.lag = 1
        asked = reconciliations(world)
        await trio.sleep(600)
        assert reconciliations(world) >= asked + 3, "and each found that nothing was missing"
        world.lag = 0
        await trio.sleep(400)

    world = play(script)
    check_complete(world.updates, world.truth)
    assert world.failures == []


def test_what_came_while_it_was_asked_is_told_from_the_stream_before_the_account_is_live() -> None:
    async def script(world: World) -> None:
        await world.open()
        await trio.sleep(0.02)
        # REST does not know of it, and is asked again in some seconds only.
        world.lag = 1
        await world.live(world.happen("BTCUSDT", 1, "new"))
        assert world.phases[-1] == "reconciling"
        await trio.sleep(2)

    world = play(script)
    told = [item.state if isinstance(item, AccountState) else item.source for item in world.out]
    assert told == ["connecting", "reconciling", "stream", "live"]


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


def test_an_order_that_the_venue_has_forgotten_has_ended() -> None:
    async def script(world: World) -> None:
        await world.open()
        await trio.sleep(1)
        await world.live(world.happen("BTCUSDT", 1, "new"))
        await trio.sleep(20)
        world.snapshots, world.happened = [({}, [])], []
        await trio.sleep(12 * 3600)
        assert [u.status for u in world.updates] == ["new"], "it may be a copy that lags"
        await trio.sleep(13 * 3600)

    world = play(script, reconcile_every=3600.0, quiet_after=3600.0)
    assert [(u.status, u.source) for u in world.updates] == [("new", "stream"), ("canceled", "reconcile")]


def test_a_machine_whose_clock_is_off_still_signs_and_it_is_told() -> None:
    async def script(world: World) -> None:
        await world.open()
        await trio.sleep(1)

    world = World()
    play(script, world, wall=lambda: world.now() / 1000 - 61)
    assert world.phases[-1] == "live"
    [note] = notes(world, "clock_off")
    assert note.fields["seconds"] == pytest.approx(-61, abs=0.1)


def test_the_liveness_goes_with_the_state() -> None:
    live = Liveness("main live")
    seen: list[tuple[str, bool]] = []

    async def script(world: World) -> None:
        light = attrs.evolve(live, slot=world.running.mailbox(live._slot))

        async def look(doing: str) -> None:
            await trio.sleep(1)
            seen.append((doing, light.now))

        await look("nothing")
        await world.open()
        await look("open")
        world.running.mailbox(world.bombs).send_nowait(0)
        await look("crashed")
        await world.open()
        await look("open again")
        await world.tell(Lost(world.session, "x"))
        await look("lost")

    play(script, live=live)
    assert seen == [
        ("nothing", False),
        ("open", True),
        ("crashed", False),
        ("open again", True),
        ("lost", False),
    ]


# Fills apart ---------------------------------------------------------------------------------------------------


def apart(updates: list[OrderUpdate]) -> list[Any]:
    found: list[Any] = []
    for update in updates:
        found += [attrs.evolve(update, fill=None), *([] if update.fill is None else [update.fill])]
    return found


def test_fills_that_are_told_apart_come_out_with_their_orders() -> None:
    async def script(world: World) -> None:
        await world.open()
        await trio.sleep(1)
        for what in ("new", "fill", "fill", "cancel"):
            await world.live(apart(world.happen("BTCUSDT", 1, what))[::-1])
        await trio.sleep(1)

    world = play(script, source=APART)
    check_complete(world.updates, world.truth)
    assert {update.source for update in world.updates} == {"stream"}
    assert world.phases == ["connecting", "reconciling", "live"]


@pytest.mark.parametrize("kept", [0, 1])
def test_one_that_comes_without_the_other_is_asked_for(kept: int) -> None:
    async def script(world: World) -> None:
        await world.open()
        await world.live(apart(world.happen("BTCUSDT", 1, "new")))
        await trio.sleep(20)
        await world.live([apart(world.happen("BTCUSDT", 1, "fill"))[kept]])
        await trio.sleep(2)
        assert world.phases[-1] == "live"
        await trio.sleep(3)

    world = play(script, source=APART)
    check_complete(world.updates, world.truth)
    assert world.phases == ["connecting", "reconciling", "live", "reconciling", "live"]
    assert world.updates[-1].source == "reconcile"


steps = st.lists(
    st.one_of(
        st.tuples(
            st.just("happen"),
            st.sampled_from(["BTCUSDT", "ETHUSDT"]),
            st.integers(1, 4),
            st.sampled_from(["new", "fill", "fill", "cancel"]),
            st.sets(st.integers(0, 1)),
        ),
        st.sampled_from([("open",), ("take over",), ("lost",), ("crash",), ("down",), ("limit",), ("up",)]),
        st.tuples(st.just("lag"), st.integers(0, 3)),
        st.tuples(st.just("wait"), st.floats(0, 20)),
    ),
    max_size=30,
)


@settings(max_examples=60, deadline=None)
@given(steps)
def test_whatever_happens_to_fills_told_apart_is_accounted_for(plan: list[tuple[Any, ...]]) -> None:
    async def script(world: World) -> None:
        await world.open()
        await trio.sleep(0.5)
        for step in plan:
            match step:
                case ("happen", symbol, number, what, kept):
                    new = apart(world.happen(symbol, number + 10 * int(trio.current_time() // 30), what))
                    await world.live([item for place, item in enumerate(new) if place in kept])
                case ("open",):
                    await world.tell(Lost(world.session, "x"))
                    await world.open()
                case ("take over",):
                    await world.open()
                case ("lost",):
                    await world.tell(Lost(world.session, "x"))
                case ("crash",):
                    world.running.mailbox(world.bombs).send_nowait(3)
                case ("down",):
                    world.trouble = httpx.ConnectError("no route")
                case ("limit",):
                    world.trouble = httpx.Response(429, headers={"retry-after": "5"})
                case ("up",):
                    world.trouble = None
                case ("lag", count):
                    world.lag = count
                case ("wait", seconds):
                    await trio.sleep(seconds)
        await world.finish()

    world = play(script, source=APART)
    check_complete(world.updates, world.truth)
    assert world.states[-1] is True
