"""Telling systemd: over real datagram sockets, with a stand-in for systemd at the other end."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest
import trio

from actors import systemd
from actors.ops._sd_notify import Notifier, status_line, watchdog_interval
from actors.ops._vitals import StreamVital, Verdict, facts
from supervisor import Me, Running, Supervisor, actor


@attrs.define
class Manager:
    """What systemd is to a service."""

    socket: socket.socket

    def heard(self) -> list[str]:
        found = []
        while True:
            try:
                found.append(self.socket.recv(65536).decode())
            except BlockingIOError:
                return found

    async def until(self, message: str) -> list[str]:
        found: list[str] = []
        with trio.fail_after(10):
            while message not in found:
                await trio.sleep(0.01)
                found += self.heard()
        return found


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Manager]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.setblocking(False)
        path = str(tmp_path / "notify")
        listener.bind(path if request.param == "path" else f"\0{path}")
        monkeypatch.setenv("NOTIFY_SOCKET", path if request.param == "path" else f"@{path}")
        monkeypatch.delenv("WATCHDOG_USEC", raising=False)
        monkeypatch.delenv("WATCHDOG_PID", raising=False)
        yield Manager(listener)


@attrs.define
class World:
    live: bool = True
    go: trio.Event = attrs.field(factory=trio.Event)


@actor(ready_within=10)
async def feed(me: Me, world: World) -> None:
    def told() -> dict[str, object]:
        stream = StreamVital("BTCUSDT", live=world.live, reason="reconnecting\nREADY=1")
        return facts("feed", "binance", required=True, streams=[stream])

    me.expose(told)
    await world.go.wait()
    me.ready()
    await trio.sleep_forever()


def bot(world: World, **options: bool) -> Running:
    return Running(Supervisor("bot", [systemd(**options), feed.child("feed", world)]), seed=1)


def started() -> World:
    world = World()
    world.go.set()
    return world


async def test_ready_comes_when_the_whole_tree_has_started_and_stopping_before_it_ends(manager: Manager) -> None:
    world = World()
    running = bot(world)
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def live() -> None:
            async with running.opened():
                await running.wait_stopped()

        before = await manager.until("STATUS=starting")
        await trio.sleep(0.4)
        before += manager.heard()
        world.go.set()
        await manager.until("READY=1")
        running.stop()
    after = manager.heard()

    assert "READY=1" not in before
    assert "STOPPING=1\nSTATUS=stopping" in after
    assert "READY=1" not in after


async def test_the_status_is_the_verdict_in_one_line(manager: Manager) -> None:
    world = started()
    world.live = False
    async with bot(world).opened():
        found = await manager.until(
            "STATUS=not healthy: bot/feed (feed binance) BTCUSDT is not live: reconnecting READY=1"
        )

    assert [message for message in found if message.startswith("READY")] == ["READY=1"]


async def test_the_watchdog_is_fed_within_half_of_its_time(manager: Manager, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "400000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    times = []
    async with bot(started()).opened():
        with trio.move_on_after(2):
            while True:
                await manager.until("WATCHDOG=1")
                times.append(trio.current_time())

    assert len(times) >= 8
    assert max(b - a for a, b in zip(times, times[1:], strict=False)) < 0.4


async def test_while_the_event_loop_is_blocked_the_watchdog_is_not_fed(
    manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    import time

    monkeypatch.setenv("WATCHDOG_USEC", "200000")
    async with bot(started()).opened():
        await manager.until("WATCHDOG=1")
        time.sleep(0.5)  # noqa: ASYNC251 - that is the point
        while_blocked = manager.heard()
        await manager.until("WATCHDOG=1")

    assert "WATCHDOG=1" not in while_blocked


@pytest.mark.parametrize("only_healthy", [True, False])
async def test_health_feeds_the_watchdog_only_where_that_is_asked_for(
    manager: Manager, monkeypatch: pytest.MonkeyPatch, only_healthy: bool
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "200000")
    world = started()
    async with bot(world, only_healthy=only_healthy).opened():
        await manager.until("WATCHDOG=1")
        world.live = False
        await trio.sleep(0.3)
        manager.heard()
        await trio.sleep(0.4)
        found = manager.heard()

    assert ("WATCHDOG=1" in found) is not only_healthy


async def test_without_systemd_it_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    running = bot(started())
    async with running.opened():
        await trio.sleep(0.3)
        assert running.status().find("bot/systemd").state == "ready"

    assert running.ledger.failures == 0


@pytest.mark.parametrize("address", ["/no/such/socket", "vsock:2:1234", "@nobody-there", "/" + "x" * 200])
async def test_a_systemd_that_cannot_be_reached_harms_nothing(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    running = bot(started())
    events = running.events()
    async with running.opened():
        await trio.sleep(0.6)
        told = [event.what for event in events.receive_nowait() if event.to_dict()["event"] == "note"]  # type: ignore[union-attr]
        assert running.status().find("bot/systemd").state == "ready"

    assert told == ["systemd_not_told"]
    assert running.ledger.failures == 0


def test_a_full_socket_never_waits(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "full"))
        notifier = Notifier(str(tmp_path / "full"))
        trouble = None
        for _ in range(100_000):
            trouble = notifier.send("WATCHDOG=1")
            if trouble is not None:
                break

    assert trouble is not None and trouble.startswith("BlockingIOError")


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "7"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "8"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_what_systemd_asks_for_is_read(environment: dict[str, str], seconds: float | None) -> None:
    assert watchdog_interval(environment, pid=7) == seconds


def test_a_status_is_short() -> None:
    assert status_line("ready", Verdict(healthy=True)) == "healthy"
    assert status_line("stopping", Verdict(healthy=False)) == "stopping"
    assert status_line("ready", Verdict(False, ("a", "b", "c"))) == "not healthy: a (and 2 more)"
    assert len(status_line("ready", Verdict(False, ("x" * 1000,)))) == 300
