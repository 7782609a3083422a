"""What goes wrong with accounts: keys and logins, REST that is behind, streams that leave out or repeat."""

from __future__ import annotations

from collections.abc import Iterator

from ._accounts import LagOf
from ._dialect import AccountDialect, Floor
from ._faults import Fault, Target, ids_of, kind, venues_of
from ._rules import COINM, KUCOIN, SPOT, USDM

_LAGS: tuple[LagOf, ...] = ("all", "fills", "orders")


def _floors(target: Target, fault: Fault) -> Iterator[tuple[Floor, AccountDialect]]:
    """The venues that are hit and have accounts."""
    for venue in venues_of(target.hub, fault):
        dialect = target.dialects[venue]
        if isinstance(dialect, AccountDialect):
            yield target.floors[venue], dialect


@kind("expire_key", "private", venues=(SPOT, USDM, COINM, KUCOIN))
def _expire_key(target: Target, fault: Fault) -> list[int]:
    """What private streams stand on ends now: listen keys, subscriptions, tokens. The sockets stay open."""
    hub = target.hub
    hit = []
    for floor, dialect in _floors(target, fault):
        ended = set(dialect.expire_keys(hub.clock.now(), notice=fault.notice))
        for connection in hub.listeners(floor.venue, "private"):
            if not ended.isdisjoint(connection.session.credentials):
                connection.tick()
                hit.append(connection)
    return ids_of(hit)


@kind("revoke_key", "private")
def _revoke_key(target: Target, fault: Fault) -> list[int]:
    """The API keys count no longer, until `restore_key`: logins and REST are refused, private streams fall silent.

    A stream that stood on such a key does not wake by itself when it is restored.
    """
    hub = target.hub
    hit = []
    for floor, dialect in _floors(target, fault):
        floor.credentials.revoked.update(floor.credentials.secrets)
        dialect.expire_keys(hub.clock.now(), notice=fault.notice)
        for connection in hub.listeners(floor.venue, "private"):
            # The notice is the last that is told.
            connection.tick()
            connection.session.lose(1.0, hub.random)
            hit.append(connection)
    return ids_of(hit)


@kind("restore_key", "private")
def _restore_key(target: Target, fault: Fault) -> list[int]:
    """The API keys that were revoked count again."""
    for floor, _ in _floors(target, fault):
        floor.credentials.revoked.clear()
    return []


@kind("refuse_login", "private", timed=True)
def _refuse_login(target: Target, fault: Fault) -> list[int]:
    """Whoever opens a private stream is told that the credentials are wrong; REST goes on."""
    for floor, _ in _floors(target, fault):
        floor.credentials.refused_until = target.hub.clock.now() + fault.duration
    return []


@kind("lost_login_ack", "private", timed=True)
def _lost_login_ack(target: Target, fault: Fault) -> list[int]:
    """Logins take effect, but consent to them is not told; refusals are."""
    target.hub.force(fault)
    return ids_of(target.hub.targets(fault.venue, "private"))


@kind("rest_lag", "rest", timed=True)
def _rest_lag(target: Target, fault: Fault) -> list[int]:
    """REST shows accounts as they were `delay` seconds ago: by `variant` all of it, only fills, or only orders."""
    until = target.hub.clock.now() + fault.duration
    for floor, _ in _floors(target, fault):
        for account in floor.accounts.values():
            account.lag(fault.delay, until, _LAGS[fault.variant % len(_LAGS)])
    return ids_of(target.hub.targets(fault.venue, "rest"))


@kind("unknown_outcome", "rest", timed=True)
def _unknown_outcome(target: Target, fault: Fault) -> list[int]:
    """Every REST request is answered, in the venue's words, by nobody knowing whether it was done."""
    target.hub.force(fault)
    return ids_of(target.hub.targets(fault.venue, "rest"))


@kind("drop_events", "private")
def _drop_events(target: Target, fault: Fault) -> list[int]:
    """The stream lives, and leaves out the next `count` messages."""
    hit = target.hub.listeners(fault.venue, "private")
    for connection in hit:
        connection.drop(fault.count)
    return ids_of(hit)


@kind("replay_events", "private")
def _replay_events(target: Target, fault: Fault) -> list[int]:
    """The latest `count` messages come once more, as when a venue's gateway starts again; 64 are remembered."""
    hit = target.hub.listeners(fault.venue, "private")
    for connection in hit:
        connection.replay(fault.count)
    return ids_of(hit)
