"""The dead man's switch: fed only while all is well, and its address is shown nowhere."""

import json
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import attrs
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from actors import Secret
from actors.ops._beats import TRIES, Beat, Beats
from actors.ops._dead_mans_switch import dead_mans_switch
from actors.ops._posting import parse
from actors.ops._vitals import StreamVital, facts
from supervisor import Limit, Me, Note, Running, Subscription, Supervisor, actor

from .receiver import Receiver, receiving

CAPABILITY = "/ping/0b4a2f3e-7d11-4c5e-9a55-capability"


@attrs.define
class World:
    live: bool = True


@actor()
async def feed(me: Me, world: World) -> None:
    stream = StreamVital("BTCUSDT", live=True)
    me.expose(
        lambda: facts(
            "feed", "binance", required=True, streams=[attrs.evolve(stream, live=world.live, reason="reconnecting")]
        )
    )
    await trio.sleep_forever()


@asynccontextmanager
async def bot(
    receiver: Receiver, world: World, *, every: float = 0.2, path: str = CAPABILITY, **options: object
) -> AsyncGenerator[tuple[Running, Subscription]]:
    url = f"http://127.0.0.1:{receiver.port}{path}"
    switch = dead_mans_switch(url, every, **options)  # type: ignore[arg-type]
    running = Running(Supervisor("bot", [switch, feed.child("feed", world)], limit=Limit(100)), seed=1)
    events = running.events()
    async with running.opened():
        yield running, events


def notes(events: Subscription) -> list[Note]:
    return [event for event in events.receive_nowait() if isinstance(event, Note)]


async def test_it_says_start_and_then_beats_while_all_is_well() -> None:
    async with receiving() as receiver, bot(receiver, World()):
        await receiver.until(4)

    assert receiver.targets[:4] == [f"{CAPABILITY}/start", CAPABILITY, CAPABILITY, CAPABILITY]
    assert {taken.method for taken in receiver.taken} == {"POST"}


async def test_when_it_is_not_well_it_says_so_once_and_is_silent_until_it_is_well_again() -> None:
    world = World()
    async with receiving() as receiver, bot(receiver, world):
        await receiver.until(2)
        world.live = False
        await receiver.until_last(lambda target: target.endswith("/fail"))
        said = len(receiver.taken)
        await trio.sleep(0.8)
        assert len(receiver.taken) == said
        world.live = True
        await receiver.until(said + 2)

    assert receiver.taken[said - 1].body == b"bot/feed (feed binance) BTCUSDT is not live: reconnecting"
    assert receiver.targets[said:][:2] == [CAPABILITY, CAPABILITY]


async def test_the_other_form_tells_state_and_reason_in_the_query() -> None:
    world = World()
    async with receiving() as receiver, bot(receiver, world, path="/p/k3y-4711/bot?env=live", form="cronitor"):
        await receiver.until(2)
        world.live = False
        await receiver.until_last(lambda target: "state=fail" in target)

    assert receiver.targets[:2] == ["/p/k3y-4711/bot?env=live&state=run", "/p/k3y-4711/bot?env=live&state=complete"]
    assert receiver.targets[-1].startswith("/p/k3y-4711/bot?env=live&state=fail&message=bot%2Ffeed%20")


async def test_a_beat_that_is_not_taken_is_tried_again_and_told_once() -> None:
    async with receiving() as receiver:
        receiver.answer = lambda taken: (500 if len(receiver.taken) in (2, 3) else 200, b"")
        async with bot(receiver, World(), every=30) as (running, events):
            await receiver.until(4)
            await trio.sleep(0.1)
            told = running.status().find("bot/dead_mans_switch").facts
            found = notes(events)

    assert receiver.targets == [f"{CAPABILITY}/start", CAPABILITY, CAPABILITY, CAPABILITY]
    assert [note.what for note in found] == ["heartbeat", "heartbeat_failed", "heartbeat_taken_again"]
    assert told == {"said": "well", "delivered": 2, "undelivered": 2, "trouble": ""}


async def test_the_address_is_shown_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with receiving() as receiver:
        receiver.answer = lambda taken: (404, CAPABILITY.encode())
        async with bot(receiver, World()) as (running, events):
            await receiver.until(1)
            await trio.sleep(0.3)
            everything = [repr(running.tree), str(running.status()), repr(running.status())]
            everything += [running.explain("bot/dead_mans_switch"), json.dumps(running.status().to_dict())]
            everything += [repr(event) + json.dumps(event.to_dict()) for event in events.receive_nowait()]
            port = receiver.port
    closed = Receiver(port)
    async with bot(closed, World()) as (running, events):
        await trio.sleep(0.3)
        found = events.receive_nowait()
        everything += [repr(event) + json.dumps(event.to_dict()) for event in found]

    text = "\n".join(everything)
    assert "heartbeat_failed" in text
    # Of what libraries log when they are asked to tell everything, the server's name is no secret.
    assert "capability" not in text + caplog.text and "0b4a2f3e" not in text + caplog.text
    assert "127.0.0.1" not in text


@pytest.mark.parametrize(
    "url", ["not an address", "ftp://host/x-capability", "https://user:capability@host/", "https://"]
)
async def test_what_is_no_address_parks_it_and_is_not_shown(url: str) -> None:
    running = Running(Supervisor("bot", [dead_mans_switch(url)]), seed=1)
    events = running.events()
    async with running.opened():
        status = await running.wait_state("bot/dead_mans_switch", "parked")

    assert "capability" not in repr(status) + repr(events.receive_nowait())


async def test_a_secret_that_is_not_there_parks_it() -> None:
    running = Running(Supervisor("bot", [dead_mans_switch(Secret.env("NO_SUCH_SECRET"))]), seed=1)
    async with running.opened():
        status = await running.wait_state("bot/dead_mans_switch", "parked")

    assert "NO_SUCH_SECRET" in repr(status.last_end)


@pytest.mark.parametrize("wrong", [{"every": 0}, {"every": float("nan")}, {"form": "pigeon"}])
def test_wrong_options_are_refused_when_the_tree_is_written(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"every|form"):
        dead_mans_switch("https://hc.example/x", **wrong)  # type: ignore[arg-type]


Moment = tuple[float, bool, bool]
MOMENTS = st.lists(st.tuples(st.floats(0.1, 40), st.booleans(), st.booleans()), max_size=80)


def play(moments: list[Moment], every: float) -> list[tuple[float, bool, Beat, bool]]:
    """Let time pass, with well or not, and with a receiver that takes beats or not; return time, well, beat, taken."""
    beats, now, said = Beats(every), 1000.0, []
    for pause, well, takes in moments:
        now += pause
        beat = beats.next(now, well=well)
        if beat is not None:
            said.append((now, well, beat, takes))
            if takes:
                beats.sent(now, beat)
            else:
                beats.failed(now, beat)
    return said


@given(moments=MOMENTS, every=st.floats(1, 120))
def test_it_is_fed_only_while_it_is_well(moments: list[Moment], every: float) -> None:
    assert all(well for _, well, beat, _ in play(moments, every) if beat == "well")
    assert not any(well for _, well, beat, _ in play(moments, every) if beat == "fail")


@given(moments=MOMENTS, every=st.floats(1, 120))
def test_a_failure_is_told_once_until_it_is_well_again(moments: list[Moment], every: float) -> None:
    told = [beat for _, _, beat, taken in play(moments, every) if taken and beat != "start"]

    assert ("fail", "fail") not in list(zip(told, told[1:], strict=False))


@given(moments=MOMENTS, every=st.floats(1, 120))
def test_it_says_start_once_and_first(moments: list[Moment], every: float) -> None:
    said = play(moments, every)
    taken = [beat for _, _, beat, took in said if took]

    assert not said or said[0][2] == "start"
    assert taken.count("start") <= 1
    assert [beat for _, _, beat, _ in said].count("start") <= TRIES


@given(pauses=st.lists(st.floats(0.1, 5), min_size=30, max_size=200))
def test_while_it_is_well_and_taken_no_two_beats_are_farther_apart_than_declared_plus_a_look(
    pauses: list[float],
) -> None:
    said = play([(pause, True, True) for pause in pauses], 10.0)
    times = [at for at, _, beat, _ in said if beat == "well"]

    assert all(10.0 <= b - a <= 10.0 + 5.0 + 1e-6 for a, b in zip(times, times[1:], strict=False))


@given(moments=st.lists(st.tuples(st.floats(0.1, 2), st.booleans(), st.just(False)), min_size=1, max_size=300))
def test_a_receiver_that_takes_nothing_is_asked_a_bounded_number_of_times(moments: list[Moment]) -> None:
    said = play(moments, 60.0)
    lasted = sum(pause for pause, _, _ in moments)

    assert len(said) <= 2 * TRIES * (1 + lasted // 60) + TRIES


@given(st.text())
def test_no_text_breaks_the_reading_of_addresses(text: str) -> None:
    parse(text)
    parse(f"https://{text}")
