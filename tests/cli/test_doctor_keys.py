"""`unblinking doctor`: what it says about the accounts' keys, against the embedded exchange over real sockets."""

import json
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest
import trio

from actors import Secret, health
from actors._connections._venue_clock import VenueClock
from actors._doctor import examine
from actors._doctor._clocks import clocks
from actors._doctor._finding import Finding, worst
from actors._doctor._keys import DAYS_LEFT, keys
from actors.exchanges._clocks import VENUE_CLOCKS
from actors.simulator import Address, Exchange, Fault, serve
from actors.simulator._rest import Reply, Request
from supervisor import Mailbox, Supervisor

from ..accounts.runs import ACCOUNTS, KEY, PASSPHRASE, SECRET

OUT = Mailbox[Any]("out", capacity=100)
DAY = 86_400_000
WITH_PASSPHRASE = [name for name, account in ACCOUNTS.items() if account.passphrase]
TELLING = {
    "binance": ("/sapi/v1/account/apiRestrictions", "may trade"),
    "bybit": ("/v5/user/query-api", "may trade"),
    "okx": ("/api/v5/account/config", "may trade"),
    "kucoin": ("/api/v1/user/api-key", "may trade"),
    "gate": ("/api/v4/account/main_keys", "may trade"),
}
"""By account, where the venue tells what a key may do."""

Answer = Callable[[str, Request], Reply]


@asynccontextmanager
async def served(*names: str) -> AsyncIterator[tuple[Exchange, Mapping[str, Address]]]:
    symbols: dict[str, list[str]] = {}
    for name in names:
        symbols[ACCOUNTS[name].venue.name] = [ACCOUNTS[name].symbol]
    exchange = Exchange(1, symbols, trades_per_second=0, orders_per_second=0, keys={KEY: SECRET}, passphrase=PASSPHRASE)
    with trio.fail_after(60):
        async with serve(exchange) as at, trio.open_nursery() as nursery:
            nursery.start_soon(exchange.run)
            yield exchange, at
            nursery.cancel_scope.cancel()


def account(
    name: str,
    at: Mapping[str, Address],
    *,
    key: Secret | None = None,
    secret: Secret | None = None,
    passphrase: str = PASSPHRASE,
    called: str = "",
) -> Supervisor:
    entry = ACCOUNTS[name]
    address = at[entry.venue.name]
    return entry.venue.at(ws=address.ws, rest=address.rest).account(
        called or name.replace(" ", "-"),
        key=key or Secret.literal(KEY),
        secret=secret or Secret.literal(SECRET),
        passphrase=Secret.literal(passphrase) if entry.passphrase else None,
        out=OUT,
        source=entry.source,
    )


async def asked(*accounts: Supervisor) -> list[Finding]:
    return [finding async for finding in examine(Supervisor("bot", accounts), [keys])]


@contextmanager
def answering(exchange: Exchange, other: Callable[[Request, Reply], Reply | None]) -> Iterator[None]:
    """Let something else than the venue's own answers be sent."""
    own: Answer = exchange.answer

    def answer(venue: str, request: Request) -> Reply:
        reply = own(venue, request)
        return other(request, reply) or reply

    exchange.answer = answer  # type: ignore[method-assign]
    try:
        yield
    finally:
        exchange.answer = own  # type: ignore[method-assign]


async def test_every_venue_takes_the_right_key_without_breaking_a_limit_or_opening_a_stream() -> None:
    async with served(*ACCOUNTS) as (exchange, at):
        found = await asked(*(account(name, at) for name in ACCOUNTS))

    assert [finding.about for finding in found] == [f"bot/{name.replace(' ', '-')}" for name in ACCOUNTS]
    for finding, name in zip(found, ACCOUNTS, strict=True):
        assert finding.level in ("ok", "warning"), finding
        # The simulated keys are bound to no address.
        assert finding.level == "ok" or "not bound to an address" in finding.text
        assert f"{ACCOUNTS[name].venue.name} takes it" in finding.text or finding.level == "warning"
    assert exchange.record.violations == []
    assert {attempt.surface for attempt in exchange.record.attempts} == {"rest"}


@pytest.mark.parametrize("name", ACCOUNTS)
async def test_a_key_that_is_unknown_has_another_secret_or_is_revoked_is_wrong(name: str) -> None:
    async with served(name) as (exchange, at):
        unknown = await asked(account(name, at, key=Secret.literal("no-such-key")))
        other = await asked(account(name, at, secret=Secret.literal("0th3r-s3cr3t")))
        exchange.inject(Fault("revoke_key", venue=ACCOUNTS[name].venue.name, surface="private"))
        revoked = await asked(account(name, at))

    for (finding,) in (unknown, other, revoked):
        assert finding.level == "failed" and finding.text.startswith("wrong key"), finding
        assert "Is the key revoked?" in finding.advice
    told = "".join(map(repr, unknown + other + revoked))
    assert "no-such-key" not in told and "0th3r-s3cr3t" not in told and SECRET not in told


@pytest.mark.parametrize("name", WITH_PASSPHRASE)
async def test_a_wrong_passphrase_is_told(name: str) -> None:
    async with served(name) as (_, at):
        (finding,) = await asked(account(name, at, passphrase="0th3r-w0rds"))

    assert finding.level == "failed" and finding.text.startswith("wrong key") and "passphrase" in finding.text.lower()
    assert "0th3r-w0rds" not in repr(finding)


REFUSALS = [
    ("binance-usdm", 401, {"code": -2015, "msg": "Invalid API-key, IP, or permissions for action."}, "wrong key, address"),
    ("bybit", 200, {"retCode": 10010, "retMsg": "Unmatched IP, please check your API key's bound IP"}, "address not"),
    ("bybit", 200, {"retCode": 10005, "retMsg": "Permission denied, please check your API key permissions."}, "cannot read"),
    ("bybit", 200, {"retCode": 33004, "retMsg": "Your api key has expired."}, "expired"),
    ("okx", 401, {"code": "50110", "msg": "Your IP 192.0.2.1 is not linked to your API key"}, "address not"),
    ("okx", 401, {"code": "50120", "msg": "This API key doesn't have permission to use this function"}, "cannot read"),
    ("kucoin", 401, {"code": "400006", "msg": "The IP address is not in the API whitelist"}, "address not"),
    ("kucoin", 403, {"code": "400007", "msg": "Access denied--> Require more permission"}, "cannot read"),
    ("gate", 403, {"label": "IP_FORBIDDEN", "message": "IP address is not in whitelist"}, "address not"),
    ("gate", 403, {"label": "FORBIDDEN", "message": "no permission"}, "cannot read"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "status", "body", "text"), REFUSALS)
async def test_what_the_venue_means_by_its_refusal_is_told(
    name: str, status: int, body: dict[str, Any], text: str
) -> None:
    times = {clock.request.path for clock in VENUE_CLOCKS.values()}

    def refuse(request: Request, _reply: Reply) -> Reply | None:
        return None if request.path in times else Reply(status, json.dumps(body).encode())

    async with served(name) as (exchange, at):
        with answering(exchange, refuse):
            (finding,) = await asked(account(name, at))

    assert finding.level == "failed" and finding.text.startswith(text), finding
    assert finding.advice


def changed(name: str, **fields: Any) -> Callable[[Request, Reply], Reply | None]:
    """Return what changes the venue's own word about the key."""
    path = TELLING[name][0]

    def change(request: Request, reply: Reply) -> Reply | None:
        if request.path != path:
            return None
        told: Any = json.loads(reply.body)
        inner = told
        for step in ("result", "data"):
            inner = inner.get(step, inner) if isinstance(inner, dict) else inner
        (inner[0] if isinstance(inner, list) else inner).update(fields)
        return Reply(reply.status, json.dumps(told).encode())

    return change


BYBIT_RIGHTS = {"ContractTrade": [], "Spot": ["SpotTrade"], "Wallet": ["AccountTransfer", "Withdraw"]}
RIGHTS: list[tuple[str, dict[str, Any], str, str]] = [
    ("binance", {"enableWithdrawals": True}, "warning", "may withdraw"),
    ("binance", {"enableReading": False}, "failed", "cannot read"),
    ("binance", {"enableSpotAndMarginTrading": False}, "warning", "cannot trade"),
    ("binance", {"ipRestrict": False}, "warning", "not bound to an address"),
    ("bybit", {"permissions": BYBIT_RIGHTS}, "warning", "may withdraw"),
    ("bybit", {"readOnly": 1}, "warning", "cannot trade"),
    ("bybit", {"ips": ["*"]}, "warning", "not bound to an address"),
    ("okx", {"perm": "read_only,trade,withdraw"}, "warning", "may withdraw"),
    ("okx", {"perm": "read_only"}, "warning", "cannot trade"),
    ("okx", {"ip": ""}, "warning", "not bound to an address"),
    ("kucoin", {"permission": "General,Spot,Withdrawal"}, "warning", "may withdraw"),
    ("kucoin", {"permission": "General"}, "warning", "cannot trade"),
    ("kucoin", {"permission": "Spot"}, "failed", "cannot read"),
    ("kucoin", {"ipWhitelist": ""}, "warning", "not bound to an address"),
    ("gate", {"perms": [{"name": "spot", "read_only": True}]}, "warning", "cannot trade"),
    ("gate", {"perms": [{"name": "wallet", "read_only": True}]}, "failed", "cannot read"),
    ("gate", {"ip_whitelist": []}, "warning", "not bound to an address"),
]


@pytest.mark.parametrize(("name", "fields", "level", "text"), RIGHTS)
async def test_what_a_key_may_do_too_much_or_too_little_is_told(
    name: str, fields: dict[str, Any], level: str, text: str
) -> None:
    async with served(name) as (exchange, at):
        with answering(exchange, changed(name, **fields)):
            found = await asked(account(name, at))

    told = [finding for finding in found if text in finding.text]
    assert [finding.level for finding in told] == [level], found
    assert told[0].advice


BOUND = {
    "binance": {"ipRestrict": True},
    "bybit": {"ips": ["192.0.2.1"]},
    "okx": {"ip": "192.0.2.1"},
    "kucoin": {"ipWhitelist": "192.0.2.1"},
    "gate": {"ip_whitelist": ["192.0.2.1"]},
}


@pytest.mark.parametrize("name", BOUND)
async def test_a_key_that_is_just_right_is_well(name: str) -> None:
    async with served(name) as (exchange, at):
        with answering(exchange, changed(name, **BOUND[name])):
            (finding,) = await asked(account(name, at))

    assert finding.level == "ok" and finding.advice == ""
    assert "may read, may trade" in finding.text and "is bound to addresses" in finding.text


@pytest.mark.parametrize(
    ("days", "level"), [(-1.0, "failed"), (1.0, "warning"), (DAYS_LEFT - 0.1, "warning"), (DAYS_LEFT + 0.1, None)]
)
async def test_a_key_that_ends_soon_is_told(days: float, level: str | None) -> None:
    ends = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + days * 86_400))
    async with served("bybit") as (exchange, at):
        with answering(exchange, changed("bybit", expiredAt=ends, ips=["*"])):
            found = await asked(account("bybit", at))

    told = [finding.level for finding in found if "expire" in finding.text]
    assert told == ([] if level is None else [level])


@pytest.mark.parametrize("name", TELLING)
async def test_where_what_the_key_may_do_is_not_told_its_open_orders_show_that_it_is_right(name: str) -> None:
    path = TELLING[name][0]
    async with served(name) as (exchange, at):
        with answering(exchange, lambda request, _: Reply(404, b"<html>") if request.path == path else None):
            (finding,) = await asked(account(name, at))

    assert finding.level == "ok" and "what it may do is not told" in finding.text


async def test_a_clock_that_the_venue_does_not_like_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    own = VenueClock.now
    async with served("okx", "bybit") as (_, at):
        monkeypatch.setattr(VenueClock, "now", lambda clock: own(clock) - 3_600_000)
        found = await asked(account("okx", at), account("bybit", at))

    assert [finding.level for finding in found] == ["failed", "failed"]
    assert all(finding.text.startswith("clock off: ") for finding in found)


async def test_a_machine_whose_clock_is_off_still_has_the_right_key() -> None:
    """Accounts sign with the venue's time; the other check tells of the machine's."""
    async with served("binance-coinm") as (exchange, at):
        exchange.inject(Fault("clock_skew", venue="binance-coinm", surface="rest", duration=600, shift=3600.0))
        tree = Supervisor("bot", [account("binance-coinm", at)])
        found = [finding async for finding in examine(tree, [clocks, keys])]

    assert [(finding.check, finding.level) for finding in found] == [("clock", "failed"), ("key", "ok")]


async def test_a_venue_that_does_not_answer_or_wants_to_be_left_alone_is_told() -> None:
    async with served("kucoin") as (exchange, at):
        exchange.inject(Fault("http_5xx", venue="kucoin", surface="rest", duration=0.5))
        (down,) = await asked(account("kucoin", at))
        await trio.sleep(0.6)
        exchange.inject(Fault("http_429", venue="kucoin", surface="rest", duration=60))
        (limited,) = await asked(account("kucoin", at))

    assert down.level == limited.level == "failed"
    assert "the venue has trouble" in down.advice and "left alone" in limited.advice


async def test_a_secret_that_is_missing_or_cannot_be_read_is_told_and_shown_nowhere() -> None:
    broken = "-----BEGIN PRIVATE KEY-----\\nTk9UQUtFWQ==\\n-----END PRIVATE KEY-----"
    async with served("binance") as (_, at):
        (missing,) = await asked(account("binance", at, key=Secret.env("NO_SUCH_KEY")))
        (unreadable,) = await asked(account("binance", at, secret=Secret.literal(broken)))

    assert missing.level == unreadable.level == "failed"
    assert "NO_SUCH_KEY is not set" in missing.text
    assert "cannot be read as one" in unreadable.text and "Tk9UQUtFWQ" not in repr(unreadable)


async def test_every_account_and_dead_mans_switch_is_asked_about_once_and_the_time_once_for_all() -> None:
    paths: list[str] = []
    async with served("bybit") as (exchange, at):
        other = account("bybit", at, key=Secret.literal("x"), called="other")
        venue = ACCOUNTS["bybit"].venue.at(ws=at["bybit"].ws, rest=at["bybit"].rest)
        switch = venue.cancel_all_after("switch", key=Secret.literal(KEY), secret=Secret.literal(SECRET))
        tree = Supervisor("bot", [account("bybit", at), other, switch])
        with answering(exchange, lambda request, _: paths.append(request.path)):
            found = [finding async for finding in examine(tree, [keys])]

    levels = {"bot/bybit": "warning", "bot/other": "failed", "bot/switch": "warning"}
    assert {finding.about: finding.level for finding in found} == levels
    assert len(found) == 3
    # Of a wrong key neither what it may do is told nor its orders.
    assert paths == ["/v5/market/time"] * 3 + ["/v5/user/query-api"] * 2 + ["/v5/order/realtime", "/v5/user/query-api"]


async def test_a_tree_without_accounts_has_nothing_to_say() -> None:
    assert await asked() == [] == [finding async for finding in examine(Supervisor("bot", [health(0)]), [keys])]
    assert worst([]) == "ok"
