"""`unblinking doctor` as a user starts it, and its checks against the embedded exchange over real sockets."""

import json
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from actors import (
    Secret,
    Venue,
    binance,
    binance_coinm,
    binance_usdm,
    bybit,
    bybit_linear,
    gate,
    health,
    kucoin,
    ledger,
    okx,
)
from actors._cli._doctor import EXIT_CODES
from actors._doctor import examine
from actors._doctor._addresses import addresses
from actors._doctor._clocks import clocks
from actors._doctor._finding import Check, Finding, worst
from actors._doctor._limits import limits
from actors._doctor._machine import disk, ports, secrets
from actors._doctor._needs import Needs
from actors.exchanges._clocks import VENUE_CLOCKS
from actors.simulator import Address, Exchange, Fault, serve
from supervisor import Mailbox, Supervisor

from .conftest import Command

OUT = Mailbox[Any]("out", capacity=100)
VENUES: Mapping[str, tuple[Venue, str]] = {
    "binance": (binance, "BTCUSDT"),
    "binance-usdm": (binance_usdm, "BTCUSDT"),
    "binance-coinm": (binance_coinm, "BTCUSD_PERP"),
    "bybit": (bybit, "BTCUSDT"),
    "bybit-linear": (bybit_linear, "BTCUSDT"),
    "okx": (okx, "BTC-USDT"),
    "kucoin": (kucoin, "BTC-USDT"),
    "gate": (gate, "BTC_USDT"),
}


@asynccontextmanager
async def served(*names: str, tls: bool = False) -> AsyncIterator[tuple[Exchange, Mapping[str, Address]]]:
    exchange = Exchange(1, {name: [VENUES[name][1]] for name in names}, trades_per_second=0)
    with trio.fail_after(30):
        async with serve(exchange, tls=tls) as addresses_of, trio.open_nursery() as nursery:
            nursery.start_soon(exchange.run)
            yield exchange, addresses_of
            nursery.cancel_scope.cancel()


def tree_at(addresses_of: Mapping[str, Address], way: Callable[[Venue], Venue] = lambda venue: venue) -> Supervisor:
    groups = []
    for name, address in addresses_of.items():
        venue, symbol = VENUES[name]
        groups.append(way(venue.at(ws=address.ws, rest=address.rest)).trades(symbol, out=OUT))
    return Supervisor("bot", groups)


async def found_by(tree: Supervisor, *checks: Check) -> list[Finding]:
    return [finding async for finding in examine(tree, checks)]


def of(findings: list[Finding], check: str) -> list[Finding]:
    return [finding for finding in findings if finding.check == check]


async def test_every_venue_is_reached_by_rest_and_by_websocket_and_its_clock_agrees() -> None:
    async with served(*VENUES) as (exchange, at):
        found = await found_by(tree_at(at), addresses, clocks, limits)

    assert {finding.level for finding in found if finding.check != "tcp"} == {"ok"}, found
    for check in ("rest", "websocket"):
        assert sorted(finding.text.split()[0] for finding in of(found, check)) == sorted(VENUES)
    assert sorted(finding.about for finding in of(found, "clock")) == sorted(VENUES) == sorted(VENUE_CLOCKS)
    assert exchange.record.violations == []


async def test_encryption_with_a_trusted_certificate_is_well_and_with_a_foreign_one_is_told_with_advice() -> None:
    async with served("binance", tls=True) as (_, at):
        trusting = await found_by(tree_at(at, lambda venue: venue.through(ca=at["binance"].trust())), addresses)
        foreign = await found_by(tree_at(at), addresses)

    assert worst(trusting) == "ok" and len(of(trusting, "tls")) == 2
    assert [finding.level for finding in of(foreign, "tls")] == ["failed", "failed"]
    assert "the certificate is refused" in of(foreign, "tls")[0].text
    assert ".through(ca=FILE)" in of(foreign, "tls")[0].advice
    # One cause is one line: what is above of TLS is not tried.
    assert of(foreign, "rest") == of(foreign, "websocket") == []


async def test_a_refused_port_and_a_name_that_is_none_are_told() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        venue = binance.at(ws=f"ws://127.0.0.1:{probe.getsockname()[1]}", rest="https://no-such-host.invalid")
        found = await found_by(Supervisor("bot", [venue.trades("BTCUSDT", out=OUT)]), addresses, clocks)

    (refused,) = of(found, "tcp")
    assert refused.level == "failed" and "refused" in refused.text and "firewall" in refused.advice
    name = next(finding for finding in of(found, "dns") if finding.level == "failed")
    assert name.about == "no-such-host.invalid" and "getent hosts" in name.advice
    assert of(found, "websocket") == of(found, "rest") == []
    assert [finding.level for finding in of(found, "clock")] == ["failed"]


async def test_a_port_that_nobody_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors._doctor._addresses.WITHIN", 0.3)
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    at = f"ws://127.0.0.1:{listeners[0].socket.getsockname()[1]}"
    async with served("binance") as (_, real):
        venue = binance.at(ws=at, rest=real["binance"].rest)
        found = await found_by(Supervisor("bot", [venue.trades("BTCUSDT", out=OUT)]), addresses)
    for listener in listeners:
        await listener.aclose()

    assert [(finding.level, finding.text) for finding in of(found, "websocket")] == [
        ("failed", "the handshake was not answered in time")
    ]


async def test_a_venue_that_is_down_says_so() -> None:
    async with served("binance") as (exchange, at):
        exchange.inject(Fault("http_5xx", venue="binance", surface="rest", duration=60))
        found = await found_by(tree_at(at), addresses)

    (rest,) = of(found, "rest")
    assert rest.level == "failed" and "the venue has trouble" in rest.advice


@pytest.mark.parametrize(
    ("shift", "level", "side"), [(5.0, "failed", "behind"), (-5.0, "failed", "ahead of"), (0.6, "warning", "behind")]
)
async def test_a_clock_that_is_off_is_told_with_its_side(shift: float, level: str, side: str) -> None:
    async with served("okx") as (exchange, at):
        exchange.inject(Fault("clock_skew", venue="okx", surface="rest", duration=60, shift=shift))
        (found,) = await found_by(tree_at(at), clocks)

    assert found.level == level and f" ms {side} the venue" in found.text
    assert "chronyc" in found.advice


async def test_connections_and_symbols_are_counted_against_what_the_venue_allows() -> None:
    few = okx.trades(["BTC-USDT", "ETH-USDT"], out=OUT, connections=2)
    many = [okx.quotes(f"A{number}-USDT", out=OUT) for number in range(300)]
    little = await found_by(Supervisor("bot", [few]), limits)
    much = await found_by(Supervisor("bot", many), limits)

    assert worst(little) == "ok"
    assert little[0].text.startswith("2 connections declared, 3 may be opened in 1 s")
    assert "at most 2 symbols on a connection, 200 are allowed" in little[1].text
    assert much[0].level == "warning" and "it takes 99 s until all are open" in much[0].text


async def test_secrets_are_read_and_shown_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_KEY", "s3cr3t-in-env")
    file = tmp_path / "key"
    file.write_text("s3cr3t-in-file")
    file.chmod(0o644)
    accounts = [
        binance_usdm.account("one", key=Secret.env("A_KEY"), secret=Secret.file(file), out=OUT),
        binance_usdm.account("two", key=Secret.env("NO_SUCH_KEY"), secret=Secret.env("A_KEY"), out=OUT),
    ]
    found = await found_by(Supervisor("bot", accounts), secrets)
    file.chmod(0o600)
    private = await found_by(Supervisor("bot", accounts[:1]), secrets)

    # Each once, although all actors of an account hold them, and both accounts the one of the environment.
    assert sorted(finding.level for finding in found) == ["failed", "ok", "warning"]
    assert any("NO_SUCH_KEY is not set" in finding.text for finding in found)
    assert any(finding.advice == f"chmod 600 {file}" for finding in found)
    assert worst(private) == "ok"
    assert "s3cr3t" not in "".join(map(repr, found))


async def test_the_ledgers_folder_must_be_there_and_have_room(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    files = [tmp_path / "failures.sqlite", tmp_path / "missing" / "failures.sqlite", tmp_path / "taken"]
    good, missing, taken = [
        (await found_by(Supervisor("bot", [ledger(file, max_bytes=10_000_000)]), disk))[0] for file in files
    ]
    (huge,) = await found_by(Supervisor("bot", [ledger(files[0], max_bytes=10**18)]), disk)

    assert (good.level, missing.level, taken.level, huge.level) == ("ok", "failed", "failed", "failed")
    assert missing.advice == f"mkdir -p {tmp_path / 'missing'}"
    assert "make room" in huge.advice
    assert list(tmp_path.iterdir()) == [tmp_path / "taken"]


async def test_the_port_of_the_health_endpoint_must_be_free() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        (busy,) = await found_by(Supervisor("bot", [health(port)]), ports)
    (free,) = await found_by(Supervisor("bot", [health(port)]), ports)
    (foreign,) = await found_by(Supervisor("bot", [health(8080, host="192.0.2.1")]), ports)

    assert busy.level == "failed" and f"unblinking status 127.0.0.1:{port}" in busy.advice
    assert free.level == "ok"
    assert foreign.level == "failed" and "no address of this machine" in foreign.advice


async def test_a_check_that_fails_itself_is_a_finding_and_the_others_go_on() -> None:
    async def broken(needs: Needs) -> list[Finding]:
        raise RuntimeError("s3cr3t")

    async def fine(needs: Needs) -> list[Finding]:
        return [Finding("ok", "fine", "", "well")]

    found = await found_by(Supervisor("bot", [health(0)]), broken, fine)

    assert [(finding.level, finding.check) for finding in found] == [("failed", "broken"), ("ok", "fine")]
    assert "s3cr3t" not in str(found)


BOT = """
import os
from actors import binance, health, ledger
from supervisor import Mailbox, Supervisor

out = Mailbox("out", capacity=10)
venue = binance.at(ws=os.environ["WS"], rest=os.environ["REST"])
tree = Supervisor("bot", [ledger("failures.sqlite"), health(0), venue.trades("BTCUSDT", out=out)])
"""


def start(unblinking: Command) -> None:
    (unblinking.folder / "bot.py").write_text(BOT)
    exchange = unblinking.start_python(str(Path(__file__).parent / "two_venues.py"))
    assert exchange.stdout is not None
    ws, rest = json.loads(exchange.stdout.readline())["binance"]
    unblinking.environment |= {"WS": ws, "REST": rest}


def test_each_line_says_ok_or_what_to_do_and_the_worst_is_the_exit_code(unblinking: Command) -> None:
    start(unblinking)
    good = unblinking.run("doctor", "bot.py")
    lines = good.output.splitlines()
    as_json = json.loads(unblinking.run("doctor", "bot.py", "--json").output)
    unblinking.environment["WS"] = "ws://127.0.0.1:1"
    bad = unblinking.run("doctor", "bot.py")

    assert (good.code, good.errors) == (EXIT_CODES["ok"], ""), good
    assert all(line.startswith("ok ") for line in lines[:-2]) and lines[-1].endswith(" ok, 0 warning, 0 failed")
    assert as_json["worst"] == "ok"
    assert {finding["check"] for finding in as_json["findings"]} >= {
        "packages", "disk", "ports", "stopping", "dns", "tcp", "rest", "websocket", "clock", "limits",
    }  # fmt: skip
    assert bad.code == EXIT_CODES["failed"] == 1
    assert any(line.startswith("failed   tcp        127.0.0.1:1: ") for line in bad.output.splitlines())


def test_supervisord_beside_us_is_told(unblinking: Command) -> None:
    start(unblinking)
    stranger = unblinking.folder / "site" / "supervisor-4.2.5.dist-info"
    stranger.mkdir(parents=True)
    (stranger / "METADATA").write_text("Metadata-Version: 2.1\nName: supervisor\nVersion: 4.2.5\n")
    unblinking.environment["PYTHONPATH"] += f":{stranger.parent}"
    found = unblinking.run("doctor", "bot.py")

    assert found.code == EXIT_CODES["failed"]
    assert "supervisord 4.2.5 is installed" in found.output and "pip uninstall supervisor unblinking" in found.output


def test_a_file_that_defines_no_tree_is_exit_code_2(unblinking: Command) -> None:
    assert unblinking.run("doctor", "nothing.py").code == 2


def test_the_advice_of_a_warning_is_its_own_exit_code() -> None:
    assert sorted(EXIT_CODES.values()) == [0, 1, 3]
