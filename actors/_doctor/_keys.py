"""Does each venue take the accounts' keys, from this address, and for what?

One signed question an account: what the key may do, where the venue tells that, and otherwise its open orders. It shows as
well that a login on a private stream would be taken: that is signed in the same way with the same key. So none is opened,
which might count against the venue's limit of connections, or push out the one of a bot that runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import attrs
import trio

from .._account_source import AccountSource, KeyReport, Question
from .._connections._venue_clock import VenueClock, measure
from .._errors import BadFrame, ClockOff, HttpFailure, RateLimited, SecretMissing, Unauthorized
from .._net._http import Http, open_http
from .._net._rest_limit import SHARE
from .._source import HttpRequest
from ._addresses import WITHIN, advice_about
from ._finding import Finding, for_each
from ._needs import Needs

DAYS_LEFT: Final = 14.0
"""Of a key: with fewer it may be that nobody renews it."""
FOR_ONE: Final = 20.0
"""Seconds for one account."""
_DAY: Final = 86_400_000
_FIND: Final = (
    "do key, secret and passphrase belong together, and to this venue rather than its test network? Is the key revoked?"
)
_BIND: Final = "add this machine's address to those of the key, at the venue"

_ADDRESS: Final = frozenset({10010, 50110, 400006, "IP_FORBIDDEN"})
_RIGHTS: Final = frozenset({10005, 50120, 400007, "FORBIDDEN", "READ_ONLY"})
_EXPIRED: Final = frozenset({33004})
_ANY_OF_THEM: Final = frozenset({-2015})
"""What venues mean by refusing a key, by code or label (Bybit v5 "Error codes", OKX v5 "Error code", KuCoin "Error code",
Gate v4 "Label list", Binance "Error codes": -2015 is "Invalid API-key, IP, or permissions for action"). Everything else is
the key itself: unknown, revoked, with another secret, signature or passphrase."""


@attrs.frozen
class _Account:
    """One account, and where its venue is asked."""

    path: str
    source: AccountSource
    rest: str
    transport: Any


async def keys(needs: Needs) -> list[Finding]:
    """Ask each venue about the keys of the tree's accounts."""
    return await for_each(_by_address(needs), _at_one_address)


def _by_address(needs: Needs) -> list[list[_Account]]:
    """Return the accounts of each address: they share its allowance, and its clock."""
    found: list[list[_Account]] = []
    for path, value in needs.having("source", "rest", "transport"):
        if not hasattr(value.source, "permissions_question"):
            continue
        account = _Account(path.removesuffix("/orders"), value.source, value.rest, value.transport)
        there = next((each for each in found if _same_place(each[0], account)), None)
        if there is None:
            found.append([account])
        elif not any(each.source == account.source for each in there):  # The actors of one account share its source.
            there.append(account)
    return found


def _same_place(one: _Account, other: _Account) -> bool:
    return (one.source.venue, one.rest, one.transport) == (other.source.venue, other.rest, other.transport)


async def _at_one_address(accounts: Sequence[_Account]) -> list[Finding]:
    first, clock = accounts[0], VenueClock()
    async with open_http(
        first.rest,
        first.source.failure,
        transport=first.transport,
        timeout=WITHIN,
        limit=first.source.limits.rest,
    ) as http:
        found: list[Finding] = []
        for account in accounts:
            with trio.move_on_after(FOR_ONE) as patience:
                found += await _one(account, http, clock)
            if patience.cancelled_caught:
                found.append(
                    _failed(account, f"no answer within {FOR_ONE:g} s", "see the lines about its REST address")
                )
        return found


async def _one(account: _Account, http: Http, clock: VenueClock) -> list[Finding]:
    source = account.source
    try:
        if not clock.known:
            await measure(clock, http, source)
    except (HttpFailure, BadFrame) as error:
        return [
            _failed(account, f"not asked: the venue does not tell its time: {error}", advice_about(error, str(error)))
        ]
    try:
        report = await _report(source, http, clock)
    except SecretMissing as missing:
        return [_failed(account, f"not asked: {missing}", "set it, as the bot's own user will see it")]
    except BadFrame as error:
        return [_failed(account, f"the answer cannot be read: {error}", "ask again; is that address the venue's?")]
    except HttpFailure as failure:
        return [_refused(account, failure)]
    return list(_told(account, report, clock.now()))


async def _report(source: AccountSource, http: Http, clock: VenueClock) -> KeyReport:
    """Return what the key may do; without a word in it where the venue takes the key, and tells no more."""
    question = source.permissions_question()
    if question is not None:
        try:
            return source.permissions(await _ask(source, http, clock, question))
        except RateLimited:
            raise
        except (HttpFailure, BadFrame):
            # Test networks do not have it, and some keys must not ask it. Whether the key is right at all is asked next.
            pass
    asking = source.open_orders(None)
    try:
        await _ask(source, http, clock, next(asking))
    finally:
        asking.close()
    return KeyReport()


async def _ask(source: AccountSource, http: Http, clock: VenueClock, question: Question) -> bytes:
    try:
        return await _send(source, http, clock, question)
    except ClockOff:
        # The venue's clock may have been set since it was measured.
        clock.doubted = True
        await measure(clock, http, source)
        return await _send(source, http, clock, question)


async def _send(source: AccountSource, http: Http, clock: VenueClock, question: Question) -> bytes:
    # Signed after the waiting, which would make the signature old.
    await http.wait_for_turn(HttpRequest(question.method, question.path, weight=question.weight), SHARE)
    return (await http.request(source.request(question, clock.now()))).body


def _refused(account: _Account, failure: HttpFailure) -> Finding:
    said = f"{failure.reason}" + (f" ({failure.code})" if failure.code is not None else "")
    if isinstance(failure, ClockOff):
        text = f"clock off: the venue does not like the time that it has just told itself: {said}"
        return _failed(
            account, text, "is the way to the venue that slow, or does somebody between answer from a store?"
        )
    if not isinstance(failure, Unauthorized):
        return _failed(account, f"not answered: {said}", advice_about(failure, failure.reason))
    # Gate has words in place of numbers, and the reason begins with one.
    named = {failure.code, failure.reason.partition(":")[0]}
    if named & _ANY_OF_THEM:
        text = f"wrong key, address not allowed, or not permitted: {said}"
        return _failed(account, text, f"{_BIND}; may the key read this kind of account? {_FIND}")
    if named & _ADDRESS:
        return _failed(account, f"address not allowed: {said}", _BIND)
    if named & _RIGHTS:
        return _failed(account, f"cannot read: {said}", "give the key the permission to read this kind of account")
    if named & _EXPIRED:
        return _failed(
            account, f"expired: {said}", "make a new key, bound to this machine's address: it does not expire"
        )
    return _failed(account, f"wrong key: {said}", _FIND)


def _told(account: _Account, report: KeyReport, now: int) -> Iterator[Finding]:
    """Yield what is wrong with what a key may do, or that it is well."""
    found: list[Finding] = []
    if report.reads is False:
        found.append(_failed(account, "cannot read", "give the key the permission to read this kind of account"))
    if report.trades is False:
        found.append(_warning(account, "cannot trade", "well for a bot that only watches; else give it the permission"))
    if report.withdraws:
        found.append(_warning(account, "may withdraw", "take the permission away: a bot that is broken into loses all"))
    if report.bound_to_addresses is False:
        text = "not bound to an address: whoever has it can use it from anywhere"
        found.append(_warning(account, text, _BIND))
    if report.expires is not None:
        days = (report.expires - now) / _DAY
        if days <= 0:
            found.append(_failed(account, "expired", "make a new key"))
        elif days < DAYS_LEFT:
            found.append(_warning(account, f"expires within {days:.1f} days", "make a new key, or extend this one"))
    yield from found or [Finding("ok", "key", account.path, _well(account.source.venue, report))]


def _well(venue: str, report: KeyReport) -> str:
    told = {
        "may read": report.reads,
        "may trade": report.trades,
        "may not withdraw": report.withdraws is False or None,
        "is bound to addresses": report.bound_to_addresses,
    }
    known = [name for name, value in told.items() if value]
    return f"{venue} takes it" + (f"; it {', '.join(known)}" if known else "; what it may do is not told")


def _failed(account: _Account, text: str, advice: str) -> Finding:
    return Finding("failed", "key", account.path, text, advice)


def _warning(account: _Account, text: str, advice: str) -> Finding:
    return Finding("warning", "key", account.path, text, advice)
