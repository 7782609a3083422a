"""The health endpoint over real sockets."""

import base64
import json
import re
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager

import attrs
import pytest
import trio
from prometheus_client.parser import text_string_to_metric_families

from actors import Secret
from actors.ops._access import Access
from actors.ops._health import health
from actors.ops._http_endpoint import Bounds
from actors.ops._vitals import StreamVital, facts
from supervisor import Backoff, Limit, Mailbox, Me, Running, Supervisor, actor, child

from .clients import Answer, ask, port_of

BAD = Secret.literal("sesame-open-4711")


@attrs.define
class Feed:
    """What the feed of a test says about itself."""

    live: bool = True
    reason: str = ""
    age: float = 0.1


@actor()
async def feed(me: Me, world: Feed, out: Mailbox[int]) -> None:
    def told() -> dict[str, object]:
        stream = StreamVital(
            "BTCUSDT", live=world.live, reason=world.reason, age=world.age, limit=5.0, rate=20.0, lag=35.0, gaps=2
        )
        return facts("feed", "binance", required=True, streams=[stream])

    me.expose(told)
    out.send_nowait(1)
    await trio.sleep_forever()


@actor(backoff=Backoff(0, 0, 0), first_start="retry")
async def crashing(me: Me) -> None:
    if me.generation < 4:
        raise ConnectionRefusedError("<script>alert(1)</script> & nobody there")
    await trio.sleep_forever()


@asynccontextmanager
async def bot(world: Feed | None = None, **options: object) -> AsyncGenerator[tuple[Running, int]]:
    out = Mailbox[int]("out", capacity=10)
    tree = Supervisor(
        "bot",
        [
            health(0, **options),  # type: ignore[arg-type]
            feed.child("feed", world or Feed(), out),
            crashing.child("crashing"),
        ],
        limit=Limit(100),
    )
    async with tree.open(seed=1) as running:
        await trio.testing.wait_all_tasks_blocked(0.02)
        yield running, port_of(running)


async def test_healthz_is_200_only_while_the_verdict_is_healthy() -> None:
    world = Feed()
    async with bot(world) as (_, port):
        assert (await ask(port, "/healthz")).text == "ok\n"
        world.live, world.reason = False, "reconnecting"
        await trio.sleep(0.15)
        sick = await ask(port, "/healthz")
        as_json = await ask(port, "/healthz", ("Accept", "application/json"))
        world.live = True
        await trio.sleep(0.15)
        well = await ask(port, "/healthz?format=json")

    reason = "bot/feed (feed binance) BTCUSDT is not live: reconnecting"
    assert (sick.status, sick.text) == (503, f"not healthy\n{reason}\n")
    assert (as_json.status, as_json.json) == (503, {"healthy": False, "reasons": [reason]})
    assert (well.status, well.json) == (200, {"healthy": True, "reasons": []})


async def test_livez_and_readyz_say_only_that_it_turns_and_has_started() -> None:
    async with bot(Feed(live=False)) as (_, port):
        assert (await ask(port, "/livez")).status == 200
        assert (await ask(port, "/readyz")).status == 200


async def test_readyz_is_503_until_every_first_start_is_done() -> None:
    @actor(ready_within=10)
    async def slow(me: Me) -> None:
        await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        running = Running(Supervisor("bot", [health(0), slow.child("slow")]), seed=1)

        async def live() -> None:
            async with running.opened():
                pass

        nursery.start_soon(live)
        await trio.testing.wait_all_tasks_blocked()
        await running.wait_state("bot/health", "ready")
        answer = await ask(port_of(running), "/readyz")
        running.stop()
        await running.wait_stopped()

    assert (answer.status, answer.text) == (503, "bot is starting\n")


async def test_the_tree_and_its_failures_are_told_as_json() -> None:
    async with bot() as (_, port):
        tree = (await ask(port, "/tree.json")).json
        failures = (await ask(port, "/failures.json")).json

    assert [child["path"] for child in tree["tree"]["children"]] == ["bot/health", "bot/feed", "bot/crashing"]
    assert tree["health"] == {"healthy": True, "reasons": []}
    assert tree["vitals"][0]["streams"][0]["name"] == "BTCUSDT"
    assert failures["failures"] == 3
    assert failures["errors"] == {"ConnectionRefusedError": 3}
    assert failures["recent"][0]["error"] == "ConnectionRefusedError: <script>alert(1)</script> & nobody there"
    assert failures["recent"][0]["decision"] == "restart"


async def test_explain_says_why_a_child_is_as_it_is() -> None:
    async with bot() as (running, port):
        running.park_child("bot/crashing")
        await running.wait_state("bot/crashing", "parked")
        words = await ask(port, "/explain?path=bot/crashing")
        nobody = await ask(port, "/explain?path=bot/nobody")

    assert (words.status, words.text.splitlines()[0].split(" for ")[0]) == (200, "bot/crashing is parked")
    assert nobody.status == 404


async def test_metrics_are_in_prometheus_form_and_tell_what_happened() -> None:
    async with bot() as (_, port):
        text = (await ask(port, "/metrics")).text

    samples = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    stream = '{path="bot/feed",stream="BTCUSDT",venue="binance",vital="feed"}'
    assert float(samples["unblinking_healthy"]) == 1
    assert float(samples['unblinking_failures_total{error="ConnectionRefusedError"}']) == 3
    assert float(samples['unblinking_child_restarts_total{path="bot/crashing"}']) == 3
    assert float(samples['unblinking_child_state{path="bot/feed",state="ready"}']) == 1
    assert float(samples[f"unblinking_stream_age_seconds{stream}"]) == 0.1
    assert float(samples[f"unblinking_stream_lag_seconds{stream}"]) == 0.035
    assert float(samples[f"unblinking_stream_gaps_total{stream}"]) == 2
    assert float(samples['unblinking_mailbox_depth{mailbox="out"}']) == 1
    names = re.findall(r"^# TYPE (\S+)", text, re.MULTILINE)
    assert len(names) == len(set(names))


async def events_of(stream: trio.SocketStream) -> AsyncGenerator[tuple[str, dict[str, object]]]:
    """Yield kind and data of server-sent events, without looking at the chunks they come in."""
    text = ""
    while True:
        data = await stream.receive_some(65536)
        if not data:
            return
        text += data.decode()
        *whole, text = text.split("\n\n")
        for block in whole:
            found = re.search(r"event: (\w+)\ndata: (.*)", block)
            if found:
                yield found[1], json.loads(found[2])


async def open_events(port: int) -> trio.SocketStream:
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    await stream.send_all(f"GET /events HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n".encode())
    return stream


async def test_events_are_pushed_as_they_happen() -> None:
    async with bot() as (running, port):
        stream = await open_events(port)
        await trio.sleep(0.05)
        running.restart_child("bot/crashing")
        seen: list[str] = []
        async with aclosing(events_of(stream)) as events:
            async for kind, data in events:
                seen.append(f"{kind} {data['path']}")
                if kind == "ready":
                    break
        await stream.aclose()

    assert seen == [f"{kind} bot/crashing" for kind in ("stopping", "ended", "started", "ready")]


async def test_a_reader_of_events_that_goes_leaves_nothing_behind() -> None:
    async with bot() as (running, port):
        subscribers = running._runtime._subscribers
        for _ in range(5):
            await (await open_events(port)).aclose()
        with trio.fail_after(5):
            while running.status().find("bot/health").facts["connections"] or subscribers:  # type: ignore[index]
                await trio.sleep(0.01)
                subscribers = running._runtime._subscribers


async def test_a_reader_that_is_too_slow_is_told_how_many_events_it_lost() -> None:
    from actors.ops import _events_stream

    async with bot() as (running, _):
        sent: list[bytes] = []
        slow = trio.Event()

        async def send(data: bytes) -> None:
            sent.append(data)
            if len(sent) == 2:
                await slow.wait()

        stream = _events_stream.EventsStream(running, 16, lambda: 0)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stream.write, send)
            await trio.testing.wait_all_tasks_blocked()
            for number in range(1501):
                running._runtime.report_blocked(f"bot/{number}", 0.1)
                if number == 0:
                    await trio.testing.wait_all_tasks_blocked()
            slow.set()
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()

    assert b'event: dropped\ndata: {"dropped":500}\n\n' in sent[2]
    assert sent[2].count(b"event: blocked") == 1000


async def test_there_are_only_so_many_readers_of_events() -> None:
    async with bot(bounds=Bounds(streams=2)) as (_, port):
        streams = [await open_events(port) for _ in range(2)]
        await trio.sleep(0.1)
        answer = await ask(port, "/events")
        for stream in streams:
            await stream.aclose()

    assert answer.status == 429


async def test_with_a_token_everything_but_the_bare_probes_needs_it() -> None:
    async with bot(Feed(live=False, reason="secret reasons"), token=BAD) as (_, port):
        paths = ["/tree.json", "/failures.json", "/metrics", "/events", "/explain?path=bot", "/nowhere"]
        without = {path: (await ask(port, path)).status for path in paths}
        probes = {path: await ask(port, path) for path in ("/livez", "/readyz", "/healthz")}
        basic = base64.b64encode(b"me:sesame-open-4711").decode()
        right = [
            await ask(port, "/healthz", ("Authorization", "Bearer sesame-open-4711")),
            await ask(port, "/healthz", ("Authorization", f"Basic {basic}")),
        ]
        wrong = [
            (await ask(port, "/tree.json", ("Authorization", given))).status
            for given in ("Bearer sesame", "Basic !!", "Basic", "sesame-open-4711")
        ]

    assert set(without.values()) == {401}
    assert {path: answer.text for path, answer in probes.items()} == {
        "/livez": "ok\n", "/readyz": "ok\n", "/healthz": "not ok\n"
    }  # fmt: skip
    assert probes["/healthz"].status == 503
    assert ["secret reasons" in answer.text for answer in right] == [True, True]
    assert set(wrong) == {401}


async def test_pages_of_other_sites_and_names_that_point_here_are_refused() -> None:
    async with bot() as (_, port):
        rebound = await ask(port, "/tree.json", ("Host", "evil.example"))
        foreign = await ask(port, "/tree.json", ("Origin", "https://evil.example"))
        own = await ask(port, "/tree.json", ("Origin", f"http://127.0.0.1:{port}"))
        named = await ask(port, "/livez", ("Host", f"localhost:{port}"))
        six = await ask(port, "/livez", ("Host", f"[::1]:{port}"))

    assert [answer.status for answer in (rebound, foreign, own, named, six)] == [403, 403, 200, 200, 200]
    assert "access-control-allow-origin" not in own.headers


async def test_it_only_reads() -> None:
    async with bot() as (_, port):
        answers = [
            (await ask(port, "/tree.json", method=method)).status for method in ("POST", "PUT", "DELETE", "PATCH")
        ]
        head = await ask(port, "/tree.json", method="HEAD")

    assert answers == [405] * 4
    assert (head.status, head.body) == (200, b"")
    assert int(head.headers["content-length"]) > 100


async def test_no_answer_and_no_event_shows_a_secret() -> None:
    shown: list[str] = []

    @actor()
    async def keeper(me: Me, key: Secret) -> None:
        me.expose(lambda: {"key": key, "mine": BAD})
        await trio.sleep_forever()

    tree = Supervisor("bot", [health(0, token=BAD), keeper.child("keeper", BAD)])
    async with tree.open() as running:
        port = port_of(running)
        authorization = ("Authorization", "Bearer sesame-open-4711")
        for path in ("/", "/tree.json", "/failures.json", "/metrics", "/healthz", "/explain?path=bot/keeper", "/x"):
            answer: Answer = await ask(port, path, authorization)
            shown.append(f"{answer.headers} {answer.text}")
        shown.append(str(running.status()))
        shown.append(repr(running.tree))

    assert [text for text in shown if "sesame" in text] == []


async def test_a_port_that_is_taken_is_tried_again_and_the_bot_goes_on() -> None:
    (taken,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = taken.socket.getsockname()[1]
    impatient = health(port).with_(backoff=Backoff(0.05, 0.05, 0.05))
    async with Supervisor("bot", [impatient]).open() as running:
        status = running.status().find("bot/health")
        assert (status.state, "Address already in use" in str(status.last_end)) == ("waiting", True)
        await taken.aclose()
        await running.wait_state("bot/health", "ready")
        assert (await ask(port, "/livez")).status == 200


async def test_listening_for_the_network_without_a_token_is_noted() -> None:
    running = Running(Supervisor("bot", [health(0, "0.0.0.0")]), seed=1)
    events = running.events()
    async with running.opened():
        port = port_of(running)
        assert (await ask(port, "/livez", ("Host", "bot.example"))).status == 200
    assert "open_to_the_network" in [getattr(event, "what", "") for event in events.receive_nowait()]


async def test_when_it_is_stopped_every_connection_is_closed() -> None:
    async with bot() as (running, port):
        idle = await trio.open_tcp_stream("127.0.0.1", port)
        reader = await open_events(port)
        await trio.sleep(0.05)
        running.stop_child("bot/health")
        with trio.fail_after(2):
            await running.wait_state("bot/health", "down")
            assert await idle.receive_some() == b""
            while await reader.receive_some():
                pass
        await idle.aclose()
        await reader.aclose()
        with pytest.raises(OSError, match="all attempts to connect"):
            await trio.open_tcp_stream("127.0.0.1", port)


async def test_health_that_cannot_read_its_token_is_parked_and_says_why() -> None:
    async with Supervisor("bot", [health(0, token=Secret.env("NO_SUCH_TOKEN"))]).open() as running:
        status = running.status().find("bot/health")

    assert status.state == "parked"
    assert "NO_SUCH_TOKEN is not set" in str(status.last_end)


async def test_a_needed_child_that_is_not_ready_is_unhealthy() -> None:
    tree = Supervisor("bot", [health(0, needs=["bot/strategy"]), crashing.child("strategy")])
    async with tree.open() as running:
        await running.wait_state("bot/strategy", "ready")
        await trio.sleep(0.15)
        well = await ask(port_of(running), "/healthz")
        running.stop_child("bot/strategy")
        await running.wait_state("bot/strategy", "down")
        await trio.sleep(0.15)
        sick = await ask(port_of(running), "/healthz")

    assert (well.status, sick.status, sick.text) == (200, 503, "not healthy\nbot/strategy is down\n")


def test_the_token_is_compared_whatever_bytes_come_for_it() -> None:
    access = Access("sésame")

    assert access.allowed({"authorization": "Bearer sésame".encode().decode("latin-1")})
    assert not access.allowed({"authorization": "Bearer \xff\xfe"})
    assert not access.allowed({})
    assert "sésame" not in repr(access)


async def test_metrics_of_a_large_tree_name_every_child_once_and_every_metric_once() -> None:
    many = Supervisor("many", [child(f"c{number}", Quiet()) for number in range(450)])
    async with Supervisor("bot", [health(0), many]).open() as running:
        text = (await ask(port_of(running), "/metrics")).text
    found = {family.name: family for family in text_string_to_metric_families(text)}

    assert len(re.findall(r"^# TYPE unblinking_child_state ", text, re.MULTILINE)) == 1
    assert {sample.labels["path"] for sample in found["unblinking_child_state"].samples} == {
        "bot", "bot/health", "bot/many", *(f"bot/many/c{number}" for number in range(450))
    }  # fmt: skip
    assert len(found["unblinking_child_restarts"].samples) == 453


@attrs.frozen
class Quiet:
    async def run(self, me: Me) -> None:
        await trio.sleep_forever()
