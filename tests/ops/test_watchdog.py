"""The watchdog as a tree, over real sockets."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import attrs
import pytest
import trio

from actors import Secret, dead_mans_switch
from actors.ops import AlertMessage, Undelivered
from actors.ops._watchdog import watchdog
from supervisor import Running, Supervisor

from .clients import ask, port_of
from .receiver import receiving


@attrs.define(eq=False)
class Heard:
    """A channel that keeps what it is told."""

    name: str = "ear"
    messages: list[AlertMessage] = attrs.field(factory=list)
    broken: int = 0

    @property
    def texts(self) -> list[str]:
        return [message.title for message in self.messages]

    async def send(self, message: AlertMessage) -> None:
        await trio.lowlevel.checkpoint()
        if self.broken:
            self.broken -= 1
            raise Undelivered("answered with 500")
        self.messages.append(message)

    async def until(self, count: int) -> None:
        with trio.fail_after(10):
            while len(self.texts) < count:  # noqa: ASYNC110 - it polls what is seen from outside only
                await trio.sleep(0.01)


@asynccontextmanager
async def watching(heard: Heard, **options: object) -> AsyncGenerator[tuple[Running, int]]:
    options = {"url": None, **options}
    async with watchdog(channels=[heard], name="bot", **options).open(seed=1) as running:  # type: ignore[arg-type]
        yield running, port_of(running, "watchdog/heartbeats") if "heartbeat" in options else 0


async def test_three_failed_probes_raise_the_alarm_and_a_good_one_ends_it() -> None:
    heard = Heard()
    async with receiving() as bot, watching(heard, url=f"127.0.0.1:{bot.port}", every=1.0):
        await bot.until(2)
        bot.answer = lambda taken: (503, b"not healthy\nbot/feed is \x1b[31mparked\n")
        failing = len(bot.taken)
        await heard.until(1)
        assert failing + 3 <= len(bot.taken) <= failing + 4
        bot.answer = lambda taken: (200, b"ok\n")
        await heard.until(2)

    down, well = heard.messages
    assert heard.texts[0] == "bot: DOWN: it answers 503"
    assert heard.texts[1].startswith("bot: resolved: it is well again after ")
    assert (down.severity, well.severity) == ("critical", "resolved")
    assert down.opened[0].lines[:2] == ("not healthy", "bot/feed is [31mparked")
    assert down.opened[0].lines[2].startswith("3 probes in a row failed; it was last well ")
    assert down.opened[0].key == well.resolved[0].key
    assert set(bot.targets) == {"/healthz"}


async def test_a_bot_that_is_gone_does_not_answer() -> None:
    heard = Heard()
    async with receiving() as bot:
        port = bot.port
    async with watching(heard, url=f"http://127.0.0.1:{port}", every=0.05):
        await heard.until(1)

    assert "DOWN: it does not answer: not connected" in heard.texts[0]
    assert "it has not been well since this watchdog started" in heard.messages[0].text()


async def test_a_bot_that_hangs_does_not_answer() -> None:
    heard = Heard()
    listener = (await trio.open_tcp_listeners(0, host="127.0.0.1"))[0]
    async with watching(heard, url=f"http://127.0.0.1:{listener.socket.getsockname()[1]}", every=0.2, after=2):
        await heard.until(1)
    await listener.aclose()

    assert "DOWN: it does not answer: no answer within 0.2 s" in heard.texts[0]


async def test_heartbeats_that_stop_raise_the_alarm_and_the_next_one_ends_it() -> None:
    heard = Heard()
    async with watching(heard, heartbeat=0, silence=0.4) as (_, port):
        for _ in range(6):
            assert (await ask(port, "/", method="POST")).text == "OK\n"
            await trio.sleep(0.1)
        assert heard.texts == []
        await heard.until(1)
        await ask(port, "/start", method="POST")
        await trio.sleep(0.2)
        assert len(heard.texts) == 1, "a bot that starts over and over is not well"
        await ask(port, "/")
        await heard.until(2)

    assert heard.texts[0].startswith("bot: DOWN: no heartbeat for ")
    assert heard.texts[1].startswith("bot: resolved: heartbeats come again after")


async def test_the_dead_mans_switch_feeds_the_watchdog() -> None:
    heard = Heard()
    async with watching(heard, heartbeat=0, silence=1.0, heartbeat_key=Secret.literal("s3sam3")) as (_, port):
        bot = Supervisor("bot", [dead_mans_switch(f"http://127.0.0.1:{port}/s3sam3", every=0.1)])
        async with bot.open(seed=1):
            await trio.sleep(1.6)
            assert heard.texts == []
        await heard.until(1)
        assert (await ask(port, "/", method="POST")).status == 404
        assert (await ask(port, "/s3sam3/fail", method="POST")).status == 200

    assert len(heard.texts) == 1


async def test_a_heartbeat_that_says_that_it_is_not_well_raises_the_alarm_at_once() -> None:
    heard = Heard()
    async with watching(heard, heartbeat=0) as (_, port):
        await ask(port, "/fail", method="POST")
        await heard.until(1)

    assert heard.texts == ["bot: DOWN: it says itself that it is not well"]


async def test_pages_of_other_sites_cannot_feed_it() -> None:
    heard = Heard()
    async with watching(heard, heartbeat=0, silence=0.5) as (_, port):
        for _ in range(10):
            assert (await ask(port, "/", ("Origin", "https://evil.example"), method="POST")).status == 403
            assert (await ask(port, "/", ("Host", "evil.example"), method="POST")).status == 403
            await trio.sleep(0.08)
        await heard.until(1)


async def test_a_message_that_nobody_takes_is_told_later(autojump_clock: trio.testing.MockClock) -> None:
    heard = Heard(broken=3)
    async with watching(heard, heartbeat=0, silence=300) as (running, _):
        await trio.sleep(600)
        assert running.ledger.failures == 0

    assert len(heard.texts) == 1


async def test_what_an_alarm_knows_outlives_the_actor() -> None:
    heard = Heard()
    async with receiving() as bot, watching(heard, url=f"127.0.0.1:{bot.port}", every=1.0) as (running, _):
        bot.answer = lambda taken: (503, b"")
        await heard.until(1)
        running.restart_child("watchdog/prober")
        await trio.sleep(0.5)
        bot.answer = lambda taken: (200, b"")
        await heard.until(2)

    assert [text.split()[1] for text in heard.texts] == ["DOWN:", "resolved:"]


async def test_a_token_that_is_missing_does_not_end_the_watch() -> None:
    heard = Heard()
    missing = Secret.env("NO_SUCH_TOKEN")
    async with receiving() as bot, watching(heard, url=f"127.0.0.1:{bot.port}", every=0.5, token=missing):
        await bot.until(3)


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"url": "ftp://x"},
        {"url": "x", "every": 0},
        {"url": "x", "after": 0},
        {"heartbeat": 70000},
        {"url": "http://"},
    ],
)
def test_what_cannot_work_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"address|seconds|port|nothing"):
        watchdog(channels=[Heard()], **{"url": None, **wrong})  # type: ignore[arg-type]


def test_an_alarm_that_nobody_would_hear_is_refused() -> None:
    with pytest.raises(ValueError, match="nobody hears"):
        watchdog("localhost:8080", [])
