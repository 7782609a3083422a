"""Keys, secrets, passphrases, signatures, tokens and listen keys show nowhere, whatever happens to the accounts.

One bot with an account of every kind goes through a bad hour on the virtual clock, with everything that watches it. All
that any of it has told is then searched for all that must not be told: what the bot was given, and what went over the
wire, as the exchange's side has seen it.
"""

from __future__ import annotations

import base64
import json
import logging
import ssl
import traceback
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import attrs
import h11
import pytest
import structlog
import trio
import trio.testing

from actors import Liveness, Secret, alerts, health, ledger, opentelemetry, webhook
from actors._account_source import AccountSource
from actors._cli._logs import configure, log
from actors._doctor import examine
from actors._doctor._keys import keys as key_check
from actors._doctor._machine import secrets as secret_check
from actors._doctor._needs import Needs
from actors.ops._access import Access
from actors.ops._events_stream import EventsStream
from actors.ops._http_endpoint import Bounds, Endpoint
from actors.ops._ledger_reader import read_failures
from actors.ops._routes import Routes
from actors.ops._watched import Watched
from actors.simulator import Exchange, Fault, FaultScript, Network, open_network
from actors.simulator._rest import Reply, Request
from actors.simulator._ws_server import WsConnection
from supervisor import Ended, Event, Limit, Mailbox, Running, Supervisor
from supervisor.testing import run_virtually

from ..actors.exchanges.test_signatures import ED, PRIVATE, public_pem_of
from ..ops.post_office import PostOffice
from .runs import ACCOUNTS, Account, everybody
from .sweep import HEAD, forms, found, in_headers, in_text

pytest.importorskip("opentelemetry.sdk")

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

KEY, SECRET, PASSPHRASE = "Kswordfish4711", "Sxyzzy+plugh/31415==", "Popen sesame 2718"
ED_KEY = "Eedelweiss1848"
TOKEN, HOOK, HEADER = "Ttallyho20260101", "Hhookline00sinker", "Wwebhook99header"
GIVEN = (KEY, SECRET, PASSPHRASE, ED_KEY, PRIVATE["ed25519"], TOKEN, HOOK, HEADER)
ENTRIES = {**ACCOUNTS, "ed25519": ACCOUNTS["binance"]}
HOUR = 3600.0
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Nothing is encrypted here, and reading the system's certificates for every connection takes longer than all the rest."""
PATHS = (
    "/",
    "/healthz",
    "/healthz?format=json",
    "/readyz",
    "/livez",
    "/tree.json",
    "/failures.json",
    "/metrics",
    "/no",
)


class Lines:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def put(self, line: str) -> None:
        self.lines.append(line)


@attrs.define
class Wire:
    """What the exchange's side sees of secrets, and what it says that quotes them."""

    secrets: set[str] = attrs.field(factory=set[str])
    """Keys, passphrases, listen keys, tokens."""
    signatures: set[str] = attrs.field(factory=set[str])
    quoting_until: float = 0.0
    """On the exchange's clock: until then every REST request is refused by somebody who quotes all of it."""
    quoted: int = 0

    def attach(self, exchange: Exchange, monkeypatch: pytest.MonkeyPatch) -> None:
        answer, receive, push = exchange.answer, WsConnection._receive, WsConnection._push

        def answered(venue: str, request: Request) -> Reply:
            reply = answer(venue, request)
            self.take([*in_headers(request.headers.items()), *in_text(request.query), *in_text(reply.body)])
            if exchange.clock.now() < self.quoting_until:
                self.quoted += 1
                return self._quote(request)
            return reply

        def received(connection: WsConnection, message: Any) -> None:
            self.take(in_text(bytes(message.payload)))
            receive(connection, message)

        def pushed(connection: WsConnection, frame: bytes) -> None:
            head = 2 if frame[1] < 126 else 4 if frame[1] == 126 else 10
            self.take(in_text(frame[head:]))
            push(connection, frame)

        monkeypatch.setattr(exchange, "answer", answered)
        monkeypatch.setattr(WsConnection, "_receive", received)
        monkeypatch.setattr(WsConnection, "_push", pushed)

    def take(self, named: Iterable[tuple[str, str]]) -> None:
        for name, value in named:
            (self.signatures if "sign" in name.lower() else self.secrets).add(value)

    def looks(self) -> dict[str, str]:
        """Return all that must not be found."""
        known = {form: f"{secret[:HEAD]}..." for secret in {*GIVEN, *self.secrets} for form in forms(secret)}
        return known | {form: "a signature" for made in self.signatures for form in forms(made, encoded=False)}

    def _quote(self, request: Request) -> Reply:
        """Answer as no venue should, in the words of each: with what was asked."""
        # Only the beginning is told: what is worth most comes first, and of what was asked the end.
        said = " ".join(
            [*(f"{name}={value}" for name, value in in_headers(request.headers.items())), request.query[-120:]]
        )
        status = (400, 401, 403, 500, 404)[self.quoted % 5]
        if self.quoted % 7 == 0:
            return Reply(200, said.encode())
        body = {"code": -2015, "msg": said, "retCode": 10003, "retMsg": said, "label": "INVALID_KEY", "message": said}
        return Reply(status, json.dumps(body).encode())


def source_of(tree: Supervisor) -> Iterator[AccountSource]:
    seen: list[Any] = []
    for _, value in Needs(tree).having("source"):
        if hasattr(value.source, "permissions_question") and value.source not in seen:
            seen.append(value.source)
            yield value.source


def account(name: str, entry: Account, network: Network, out: Mailbox[Any]) -> Supervisor:
    venue = entry.venue

    async def dial(host: str, _port: int) -> trio.abc.Stream:
        return await network.dial(venue.name, "rest" if host.startswith("rest") else "ws")

    signs = (ED_KEY, PRIVATE["ed25519"]) if name == "ed25519" else (KEY, SECRET)
    return (
        venue.at(ws="ws://ws.exchange", rest="http://rest.exchange")
        .through(dial=dial, ca=NO_TLS)
        .account(
            name.replace(" ", "-"),
            key=Secret.literal(signs[0]),
            secret=Secret.literal(signs[1]),
            passphrase=Secret.literal(PASSPHRASE) if entry.passphrase else None,
            symbols=[entry.symbol],
            out=out,
            live=Liveness(f"{name} live"),
            source=entry.source,
        )
    )


def bad_hour() -> FaultScript:
    """Everything that makes an account say something, one after the other, at every venue."""
    private = {"surface": "private"}
    script = [
        (60, "garbage", private),
        (120, "truncated", private),
        (180, "close", {**private, "code": 1008}),
        (240, "refuse_login", {**private, "duration": 60.0}),
        (241, "reset", private),
        (400, "http_5xx", {"surface": "rest", "duration": 30.0}),
        (401, "reset", private),
        (500, "unknown_outcome", {"surface": "rest", "duration": 30.0}),
        (501, "reset", private),
        (600, "http_429", {"surface": "rest", "duration": 20.0}),
        (601, "reset", private),
        (700, "lost_login_ack", {**private, "duration": 30.0}),
        (701, "reset", private),
        (800, "oversized", private),
        (900, "clock_skew", {"surface": "rest", "duration": 60.0, "shift": 90.0}),
        (901, "reset", private),
        (1100, "mute", {**private, "duration": 120.0}),
        (1400, "revoke_key", private),
        (1401, "reset", private),
        (1600, "restore_key", private),
    ]
    keyed = {venue.venue.name for venue in ACCOUNTS.values()} & {"binance", "binance-usdm", "binance-coinm", "kucoin"}
    faults = [
        (float(at), Fault(kind, venue=venue, **settings))
        for at, kind, settings in script
        for venue in {entry.venue.name for entry in ENTRIES.values()}
    ]
    faults += [
        (at, Fault("expire_key", venue=venue, surface="private", notice=notice))
        for at, notice in ((1000.0, True), (1050.0, False))
        for venue in keyed
    ]
    return FaultScript(sorted(faults, key=lambda fault: fault[0]))


async def get(endpoint: Endpoint, target: str, *, stop: Callable[[], bool] | None = None) -> str:
    """Ask an endpoint over a stream in memory, and return all that comes."""
    client, server = trio.testing.memory_stream_pair()
    said = bytearray()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(endpoint.serve, server)
        talk = h11.Connection(h11.CLIENT)
        basic = base64.b64encode(f"any:{TOKEN}".encode()).decode()
        headers = [("Host", "localhost"), ("Authorization", f"Basic {basic}"), ("Connection", "close")]
        await client.send_all(talk.send(h11.Request(method="GET", target=target, headers=headers)) or b"")
        with trio.move_on_after(HOUR if stop is not None else 30.0):
            while data := await client.receive_some(65536):
                said += data
                if stop is not None and stop():
                    break
        nursery.cancel_scope.cancel()
    return said.decode("utf-8", "replace")


def texts_of(value: Any) -> str:
    return f"{value!r}\n{value}"


def told_by(event: Event) -> str:
    """Return everything that a program could print of an event."""
    parts = [texts_of(event), json.dumps(event.to_dict(), default=str)]
    if isinstance(event, Ended):
        for error in (event.end.exception, *event.end.masked):
            if error is not None:
                parts += [texts_of(error), repr(error.args), repr(vars(error)), *traceback.format_exception(error)]
    return "\n".join(parts)


def values_of(tree: Supervisor) -> str:
    """Return what a program could print of the definition, of every value in it, and of what its sources make."""
    parts = [texts_of(tree)]
    parts += [texts_of(value) for _, value in Needs(tree)._values]
    now = 1_790_000_000_000
    for source in source_of(tree):
        asking = source.open_orders(None)
        questions = [next(asking), source.time_question(), source.permissions_question(), source.door_question()]
        asking.close()
        if source.keeping is not None:
            questions += [source.keeping.create, source.keeping.extend]
            parts.append(texts_of(source.keeping))
        for question in questions:
            parts += [] if question is None else [texts_of(question), texts_of(source.request(question, now))]
        step, asks = 0, source.phase(0, now, "ListenKeyOfTheSweep", 1)
        while asks is not None and step < 10:
            parts += [texts_of(asks), *map(texts_of, asks)]
            step += 1
            asks = source.phase(step, now, "ListenKeyOfTheSweep", 1)
        parts.append(texts_of(source))
    return "\n".join(parts)


async def run(folder: Path, wire: Wire, monkeypatch: pytest.MonkeyPatch, lines: Lines) -> dict[str, str]:
    symbols: dict[str, list[str]] = {entry.venue.name: [entry.symbol] for entry in ENTRIES.values()}
    exchange = Exchange(
        3,
        symbols,
        trades_per_second=0.01,
        orders_per_second=0.02,
        keys={KEY: SECRET, ED_KEY: public_pem_of(ED)},
        passphrase=PASSPHRASE,
    )
    wire.attach(exchange, monkeypatch)
    office, shown = PostOffice(), dict[str, str]()
    spans, reader = InMemorySpanExporter(), InMemoryMetricReader()
    tracers = TracerProvider(shutdown_on_exit=False)
    tracers.add_span_processor(SimpleSpanProcessor(spans))
    out: Mailbox[Any] = Mailbox("orders", capacity=1000)
    happened: list[Event] = []
    items: list[Any] = []
    async with open_network(exchange) as network, trio.open_nursery() as nursery:

        async def post(_host: str, _port: int) -> trio.abc.Stream:
            await trio.lowlevel.checkpoint()
            client, server = trio.testing.memory_stream_pair()
            nursery.start_soon(office.serve, server)
            return client

        hook = webhook(f"http://post.example/{HOOK}?token={HOOK}", headers={"X-Token": HEADER}, dial=post)
        tree = Supervisor(
            "bot",
            [
                ledger(folder / "failures.sqlite"),
                alerts(hook),
                opentelemetry(
                    tracer_provider=tracers, meter_provider=MeterProvider([reader], shutdown_on_exit=False), every=30.0
                ),
                health(0, token=Secret.literal(TOKEN)),
                *(account(name, entry, network, out) for name, entry in ENTRIES.items()),
            ],
            limit=Limit(10**6),
        )
        running = Running(tree, seed=5)
        events = running.events(100_000)
        watched = Watched(running, (), lambda: dict.fromkeys(("connections", "requests", "evicted", "refused"), 0))
        endpoint = Endpoint(
            Routes(watched, Access(TOKEN, True), EventsStream(running, 16, lambda: 0)),
            Bounds(),
            lambda request, error: shown.update({f"bug in {request.path}": "".join(traceback.format_exception(error))}),
        )

        async def collect() -> None:
            async for item in running.mailbox(out):
                items.append(item)

        async def follow() -> None:
            async for event in events:
                happened.append(event)
                log(event)

        async def look(name: str) -> None:
            for path in PATHS:
                shown[f"{path} {name}"] = await get(endpoint, path)
            for status in everybody(running.status()):
                shown[f"explain {status.path} {name}"] = await get(endpoint, f"/explain?path={status.path}")
                shown[f"status {status.path} {name}"] = texts_of(status)
            metrics = reader.get_metrics_data()
            shown[f"otel metrics {name}"] = "" if metrics is None else metrics.to_json()

        async def listen() -> None:
            shown["/events"] = await get(endpoint, "/events", stop=lambda: False)

        async def operate() -> None:
            script_ends = 1700.0
            for at in (245.0, 405.0, 505.0, 1450.0, script_ends):
                await exchange.clock.sleep_until(at)
                await look(f"at {at:g}")
                if at not in (245.0, 1450.0):
                    unpark()
            wire.quoting_until = exchange.clock.now() + 120.0
            exchange.inject(Fault("reset", surface="private"))
            await trio.sleep(60.0)
            await look("while it is quoted")
            found_by_doctor = [str(finding) async for finding in examine(tree, [secret_check, key_check])]
            shown["doctor, quoted"] = "\n".join(found_by_doctor)
            await trio.sleep(90.0)
            unpark()
            await trio.sleep(120.0)
            await look("at the end")
            found_by_doctor = [str(finding) async for finding in examine(tree, [secret_check, key_check])]
            shown["doctor"] = "\n".join(found_by_doctor)
            running.stop("the bad hour is over")

        def unpark() -> None:
            for status in everybody(running.status()):
                if status.state == "parked":
                    running.unpark_child(status.path)

        nursery.start_soon(collect)
        nursery.start_soon(follow)
        nursery.start_soon(listen)
        nursery.start_soon(exchange.run, bad_hour())
        async with running.opened():
            nursery.start_soon(operate)
            await running.wait_stopped()
        shown["status at the end"] = texts_of(running.status())
        await trio.sleep(1.0)
        nursery.cancel_scope.cancel()
    shown["events"] = "\n".join(map(told_by, happened))
    shown["records"] = "\n".join(map(told_by, [*running.ledger.recent, *running.ledger.first_failures]))
    shown["items"] = "\n".join(map(texts_of, items))
    shown["values"] = values_of(tree)
    shown["posted"] = "\n".join(post.body.decode() for post in office.posted)
    shown["otel spans"] = "\n".join(str(span.to_json()) for span in spans.get_finished_spans())
    shown["failures"] = "\n".join(
        json.dumps(row.to_dict(), default=str) for row in read_failures(folder / "failures.sqlite")
    )
    for file in folder.iterdir():
        shown[f"file {file.name}"] = file.read_bytes().decode("latin-1")
    shown["structlog"] = "\n".join(lines.lines)
    return shown


@pytest.fixture
def written() -> Iterator[Lines]:
    lines = Lines()
    configure(lines, "json", colors=False, level="debug")
    yield lines
    structlog.reset_defaults()


@pytest.mark.slow
def test_nothing_that_a_bot_shows_in_a_bad_hour_holds_a_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, written: Lines
) -> None:
    caplog.set_level(logging.DEBUG)
    wire = Wire()
    shown = run_virtually(run, tmp_path, wire, monkeypatch, written)
    shown["logging"] = caplog.text + "\n".join(repr(vars(record)) for record in caplog.records)

    # It looked at something, and something went wrong at all.
    assert wire.quoted > len(ENTRIES) and len(wire.signatures) > 1000
    assert {KEY, ED_KEY, PASSPHRASE} < wire.secrets and len(wire.secrets) > 10
    for part in ("structlog", "/events", "events", "items", "posted", "failures", "otel spans", "file failures.sqlite"):
        assert len(shown[part]) > 1000, part
    for name in ENTRIES:
        assert f"bot/{name.replace(' ', '-')}" in shown["failures"], name
    for word in ("Unauthorized", "UnknownOutcome", "BadFrame", "RateLimited"):
        assert word in shown["events"], word
    assert not [place for place in shown if place.startswith("bug")]
    # What the bot was given, and what went over the wire.
    assert found(wire.looks(), shown) == []
