"""The states of an account, and what it does in each: nothing that it can do without is waited for."""

import attrs
import httpx  # noqa: ASYNC127 - see actors/_net/_http.py
import trio

from actors import AccountState, Liveness, OrderUpdate
from actors._messages import Authenticating, Batch, Denial, Lost, Opened
from actors._session import Session
from actors.ops._vitals import verdict

from .account_truth import check_complete
from .account_world import World, notes, play, reconciliations, reply


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


def test_what_a_deaf_connection_loses_after_an_outage_of_rest_is_found_by_the_schedule() -> None:
    async def script(world: World) -> None:
        await world.open()
        await trio.sleep(1)
        world.trouble = reply({}, 503)
        await trio.sleep(20)
        assert world.phases[-1] == "degraded"
        world.trouble = None
        await trio.sleep(20)
        assert world.phases[-1] == "live", "on the same connection, and nobody knows that it is deaf"
        world.happen("BTCUSDT", 1, "new")
        await trio.sleep(300)
        assert world.reconnects == 1

    world = play(script)
    assert [u.source for u in world.updates] == ["reconcile"]
    check_complete(world.updates, world.truth)


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
