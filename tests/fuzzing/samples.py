"""What fuzzing begins with: the documented samples in the tests of each venue, recordings where there are any, and what the
simulated exchange says when it is asked by the sources themselves.
"""

from __future__ import annotations

import functools
import importlib
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import attrs
import trio

import actors
from actors import HttpFailure, Venue, WireError
from actors._account_source import AccountSource, Credentials, Inquiry
from actors._net._wire import open_wire
from actors._records import OrderId
from actors._secret import Secret
from actors._source import HttpRequest, Missing, PublicSource
from actors.exchanges.okx import OkxTrades
from actors.simulator import Exchange, Network, open_network
from actors.simulator._rest import Request
from supervisor.testing import run_virtually

from ..accounts.runs import ACCOUNTS, KEY, PASSPHRASE, SECRET
from ..actors.exchanges.inquiries import asked
from ..actors.recordings import RECORDINGS, received_frames
from ..simulator.tongues import ALL as SYMBOLS

VENUES: dict[str, Venue] = {venue.name: venue for venue in vars(actors).values() if isinstance(venue, Venue)}
_TESTS = {
    "binance": ("test_binance_spot", "test_binance", "test_binance_spot_account", "test_binance_spot_account_rest"),
    "binance-usdm": ("test_binance_usdm", "test_binance_usdm_account", "test_binance"),
    "binance-coinm": ("test_binance_usdm", "test_binance_usdm_account", "test_binance"),
    "bybit": ("test_bybit", "test_bybit_account"),
    "bybit-linear": ("test_bybit", "test_bybit_account"),
    "okx": ("test_okx", "test_okx_account"),
    "kucoin": ("test_kucoin", "kucoin_account"),
    "gate": ("test_gate", "gate_account"),
}
"""Where the documented samples of a venue are."""
_FOLDERS = {
    "binance": ("binance_spot",),
    "binance-usdm": ("binance_usdm",),
    "bybit": ("bybit_v5",),
    "bybit-linear": ("bybit_v5",),
    "okx": ("okx",),
    "kucoin": ("kucoin",),
    "gate": ("gate_spot", "gate_mixed"),
}
"""Where the recordings of a venue are."""
_OF_A_KIND = 2
"""Recorded messages of the same shape that are taken."""
_LONGEST = 20_000
"""Bytes of a sample; longer ones only make the fuzzing slow."""


@attrs.define
class Sampled:
    """What a source was told."""

    frames: list[bytes] = attrs.field(factory=list)
    bodies: list[bytes] = attrs.field(factory=list)
    """Of answers to questions."""
    talks: dict[str, list[list[bytes]]] = attrs.field(factory=dict)
    """By inquiry: the bodies that answered its questions, one after the other."""
    order: OrderId = ""
    """One that the account has."""


def public_sources() -> dict[str, PublicSource]:
    """Return every source of public data, by a name of its own."""
    found = {
        f"{name} {channel}": getattr(venue, f"_{channel}_source")()
        for name, venue in VENUES.items()
        for channel in ("trade", "quote", "book")
    }
    return found | {"okx trade (all)": OkxTrades("trades-all")}


def account_sources() -> dict[str, AccountSource]:
    """Return every source of accounts, by a name of its own."""
    sources: dict[str, AccountSource] = {}
    for name, account in ACCOUNTS.items():
        maker = account.venue._account_source
        assert maker is not None
        passphrase = Secret.literal(PASSPHRASE) if account.passphrase else None
        sources[f"{name} account"] = maker(
            "main", Credentials(Secret.literal(KEY), Secret.literal(SECRET), passphrase), **account.source
        )
    return sources


@functools.cache
def documented(venue: str) -> list[bytes]:
    """Return the samples of a venue's tests."""
    found: list[bytes] = []
    for name in _TESTS[venue]:
        module = importlib.import_module(f"tests.actors.exchanges.{name}")
        for name_in_it, value in vars(module).items():
            if name_in_it.isupper():
                found += _bytes_in(value)
    return [sample for sample in dict.fromkeys(found) if len(sample) <= _LONGEST]


def _bytes_in(value: object) -> Iterator[bytes]:
    match value:
        case bytes():
            yield value
        case str() if value.lstrip().startswith(("{", "[")):
            yield value.encode()
        case list() | tuple():
            for part in value:
                yield from _bytes_in(part)
        case dict() if value and all(isinstance(key, str) for key in value):
            try:
                # A row as tests keep it, and a list of such rows.
                yield json.dumps(value).encode()
                yield json.dumps([value]).encode()
            except TypeError:
                for part in value.values():
                    yield from _bytes_in(part)


@functools.cache
def recorded(venue: str) -> list[bytes]:
    """Return some messages of each shape that was recorded; nothing where there are no recordings."""
    kinds: dict[str, list[bytes]] = {}
    for folder in _FOLDERS.get(venue, ()):
        for path in sorted((RECORDINGS / folder).rglob("*")) if (RECORDINGS / folder).exists() else ():
            for message in _messages(path):
                kept = kinds.setdefault(_shape(message), [])
                if len(kept) < _OF_A_KIND and len(message) <= _LONGEST:
                    kept.append(message)
    return [message for kept in kinds.values() for message in kept]


def _messages(path: Path) -> Iterable[bytes]:
    if path.suffix == ".jsonl":
        return path.read_bytes().splitlines()
    if ".ws." in path.name:
        return (frame.encode() for frame in received_frames(path))
    if ".http." in path.name:
        return (line.partition(b": ")[2] for line in path.read_bytes().splitlines())
    return ()


def _shape(message: bytes) -> str:
    """Return what the messages of one kind have in common: their names, and the first words in them."""

    def of(value: Any, depth: int) -> Any:
        if isinstance(value, dict):
            return {key: of(part, depth + 1) for key, part in value.items()} if depth < 3 else "{}"
        if isinstance(value, list):
            return [of(value[0], depth + 1)] if value and depth < 3 else []
        return type(value).__name__

    try:
        return json.dumps(of(json.loads(message), 0))
    except ValueError:
        return "no JSON"


@functools.cache
def simulated(seed: int = 0) -> dict[str, Sampled]:
    """Return what the simulated exchange says to each source, by the source's name."""
    found: dict[str, Sampled] = {}

    async def main() -> None:
        exchange = Exchange(seed, SYMBOLS, 2.0, {KEY: SECRET}, orders_per_second=4.0, passphrase=PASSPHRASE)
        async with open_network(exchange) as network, trio.open_nursery() as nursery:
            nursery.start_soon(exchange.run)
            await trio.sleep(8)
            async with trio.open_nursery() as talks:
                for name, source in public_sources().items():
                    # Venues limit how many may come at a time.
                    await trio.sleep(0.5)
                    found[name] = Sampled()
                    talks.start_soon(_of_public, exchange, network, source, found[name])
                for name, account in account_sources().items():
                    await trio.sleep(0.5)
                    found[name] = Sampled()
                    talks.start_soon(_of_account, exchange, network, account, found[name])
            nursery.cancel_scope.cancel()

    run_virtually(main)
    return found


async def _of_public(exchange: Exchange, network: Network, source: PublicSource, told: Sampled) -> None:
    symbol = source.symbol(SYMBOLS[source.venue][0])
    door_request = source.door_request()
    answer = None
    if door_request is not None:
        answer = _answered(exchange, source, door_request)
        told.bodies.append(answer)
    requests: list[HttpRequest] = []
    anything: Any = source
    if source.channel == "trades":
        requests += [anything.newest_request(symbol), anything.recent_request(symbol, None)]
        if anything.dense:
            requests.append(anything.fill_request(symbol, Missing(1, 20)))
    elif source.channel == "quotes":
        requests.append(anything.newest_request(symbol))
    else:
        requests.append(anything.snapshot_request(symbol))
    told.bodies += [_answered(exchange, source, request) for request in requests]
    # A refusal, too.
    refused = attrs.evolve(requests[0], query=requests[0].query.replace(symbol, "NONSENSE"))
    told.bodies.append(_answered(exchange, source, refused))
    asks = [ask.text for ask in source.subscribe([symbol], 1)]
    door = source.door("ws://exchange", answer)
    await _listen(network, source.venue, door.url, [asks], [source.ping(1)], told, 3.0)


async def _of_account(exchange: Exchange, network: Network, source: AccountSource, told: Sampled) -> None:
    key, answer = "", None
    if source.keeping is not None:
        body = asked(exchange, source, source.keeping.create)
        told.bodies.append(body)
        key = source.key(body)
    question = source.door_question()
    if question is not None:
        answer = asked(exchange, source, question)
        told.bodies.append(answer)
    told.bodies.append(asked(exchange, source, source.time_question()))
    permissions = source.permissions_question()
    if permissions is not None:
        try:
            told.bodies.append(asked(exchange, source, permissions))
        except HttpFailure:
            pass  # The simulator does not know the question; the documented sample does.
    door = source.door("ws://exchange", answer, key)
    phases: list[list[str]] = []
    while (phase := source.phase(len(phases), exchange.clock.ms(), key, 1)) is not None:
        phases.append([ask.text for ask in phase])
    probe = source.probe(exchange.clock.ms(), 99)
    extra = [source.ping(1), None if probe is None else probe.text]
    await _listen(network, source.venue, door.url, phases, extra, told, 10.0)
    symbol = source.symbol(SYMBOLS[source.venue][0])
    now, since = exchange.clock.ms(), exchange.clock.ms() - 60_000
    told.order = exchange.spelled(source.venue, KEY).orders[-1].order_id
    inquiries: dict[str, Inquiry[Any]] = {
        "open_orders": source.open_orders(symbol),
        "orders": source.orders(symbol, since, now),
        "one_order": source.one_order(symbol, told.order),
        "fills": source.fills(symbol, since, now),
    }
    for name, inquiry in inquiries.items():
        bodies: list[bytes] = []
        _drive(exchange, source, inquiry, bodies)
        told.talks.setdefault(name, []).append(bodies)


def _drive(exchange: Exchange, source: AccountSource, inquiry: Inquiry[Any], bodies: list[bytes]) -> None:
    try:
        question = next(inquiry)
        while True:
            bodies.append(asked(exchange, source, question))
            question = inquiry.send(bodies[-1])
    except StopIteration:
        return


def _answered(exchange: Exchange, source: PublicSource, request: HttpRequest) -> bytes:
    headers = {name.lower(): value for name, value in request.headers}
    asked_for = Request(request.method, request.path, request.query, headers, request.content.decode())
    return exchange.answer(source.venue, asked_for).body


async def _listen(
    network: Network,
    venue: str,
    url: str,
    phases: Sequence[Sequence[str]],
    extra: Sequence[str | None],
    told: Sampled,
    seconds: float,
) -> None:
    async def dial(_host: str, _port: int) -> trio.abc.Stream:
        return await network.dial(venue, "ws")

    async with open_wire(url, dial=dial) as wire:
        with trio.move_on_after(seconds):
            await trio.sleep(0.5)
            for phase in phases:
                for text in phase:
                    await wire.send(text)
                await trio.sleep(0.5)
            for wanted in extra:
                if wanted is not None:
                    await wire.send(wanted)
            while True:
                try:
                    told.frames += await wire.receive_many()
                except WireError:
                    return
