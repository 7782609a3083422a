"""What each kind of fault does. A new kind is one function with `@kind`. Those of accounts are in `_account_faults`."""

from __future__ import annotations

from . import _account_faults  # noqa: F401 - registers its kinds
from ._dialect import Goodbye
from ._faults import KINDS, Fault, Target, ids_of, kind, venues_of
from ._frames import Opcode, encode
from ._rules import GATE, KUCOIN, OKX, SPOT
from .venues.kucoin import Kucoin


def apply_fault(target: Target, fault: Fault) -> list[int]:
    """Do it now; the ids of the connections that were hit."""
    return KINDS[fault.kind].apply(target, fault)


@kind("reset", "ws", "private", "rest")
def _reset(target: Target, fault: Fault) -> list[int]:
    """TCP reset of every connection."""
    hit = target.hub.targets(fault.venue, fault.surface)
    for connection in hit:
        connection.reset("reset by a fault")
    return ids_of(hit)


@kind("close", "ws", "private", "rest")
def _close(target: Target, fault: Fault) -> list[int]:
    """Orderly close of every connection, with a close code where there is one."""
    hit = target.hub.targets(fault.venue, fault.surface)
    for connection in hit:
        connection.close(fault.code, "closed by a fault")
    return ids_of(hit)


@kind("mute", "ws", "private", "rest", timed=True)
def _mute(target: Target, fault: Fault) -> list[int]:
    """No frame of any kind for a while; the market goes on, and what it prints is lost to the connection."""
    until = target.hub.force(fault)
    hit = target.hub.targets(fault.venue, fault.surface)
    for connection in hit:
        connection.mute(until)
    return ids_of(hit)


@kind("refuse", "ws", "rest", timed=True)
def _refuse(target: Target, fault: Fault) -> list[int]:
    """The listener is closed: connections are refused, existing ones live on. "ws" carries private streams too."""
    hub = target.hub
    hub.force(fault, longest=True)
    for venue in venues_of(hub, fault):
        for notify in hub.on_refuse:
            notify(venue, fault.surface, hub.in_force["refuse", venue, fault.surface].until)
    return []


@kind("garbage", "ws", "private")
def _garbage(target: Target, fault: Fault) -> list[int]:
    """A text frame that is not JSON."""
    hit = target.hub.listeners(fault.venue, fault.surface)
    for connection in hit:
        connection.say(encode(Opcode.TEXT, fault.text.encode()))
    return ids_of(hit)


@kind("http_5xx", "rest", timed=True)
def _http_5xx(target: Target, fault: Fault) -> list[int]:
    """Every REST request fails for a while, whatever it asks."""
    target.hub.force(fault)
    return ids_of(target.hub.targets(fault.venue, "rest"))


@kind("stale", "ws", "private", timed=True)
def _stale(target: Target, fault: Fault) -> list[int]:
    """Frozen: whenever a topic has news, the connection gets the last message from before once more."""
    target.hub.force(fault)
    return ids_of(target.hub.targets(fault.venue, fault.surface))


@kind("half_open", "ws", "private", "rest", timed=True)
def _half_open(target: Target, fault: Fault) -> list[int]:
    """The TCP connection lives, but nothing is read, answered or ended, as when the network between is gone.

    Newcomers are accepted by the operating system, and their handshakes are never answered.
    """
    until = target.hub.force(fault)
    hit = target.hub.targets(fault.venue, fault.surface)
    for connection in hit:
        connection.freeze(until)
    return ids_of(hit)


@kind("accept_then_close", "ws", "private", timed=True)
def _accept_then_close(target: Target, fault: Fault) -> list[int]:
    """Connections are accepted, and closed at once; those that exist live on."""
    target.hub.force(fault)
    return []


@kind("slow", "ws", "private", "rest", timed=True)
def _slow(target: Target, fault: Fault) -> list[int]:
    """Every write is late by `delay`, and, with a `chunk`, brings no more than so many bytes."""
    target.hub.force(fault)
    return ids_of(target.hub.targets(fault.venue, fault.surface))


@kind("oversized", "ws", "private")
def _oversized(target: Target, fault: Fault) -> list[int]:
    """A message of `size` bytes: JSON, but nothing that anybody asked for."""
    hit = target.hub.listeners(fault.venue, fault.surface)
    empty = b'{"padding":""}'
    payload = empty[:-2] + b"x" * max(0, fault.size - len(empty)) + empty[-2:]
    frame = encode(Opcode.TEXT, payload)
    for connection in hit:
        connection.say(frame)
    return ids_of(hit)


@kind("truncated", "ws", "private")
def _truncated(target: Target, fault: Fault) -> list[int]:
    """The first half of a frame, and then the end of the connection."""
    hit = target.hub.listeners(fault.venue, fault.surface)
    frame = encode(Opcode.TEXT, fault.text.encode() * 2)
    for connection in hit:
        connection.say(frame[: len(frame) // 2])
        connection.cut("cut off in the middle of a frame by a fault")
    return ids_of(hit)


@kind("duplicate", "ws", "private", timed=True)
def _duplicate(target: Target, fault: Fault) -> list[int]:
    """A `share` of the data frames comes twice."""
    target.hub.force(fault)
    return ids_of(target.hub.targets(fault.venue, fault.surface))


@kind("reorder", "ws", "private", timed=True)
def _reorder(target: Target, fault: Fault) -> list[int]:
    """A `share` of the data frames comes after the frame that follows it."""
    target.hub.force(fault)
    return ids_of(target.hub.targets(fault.venue, fault.surface))


@kind("lost_subscription", "ws", "private")
def _lost_subscription(target: Target, fault: Fault) -> list[int]:
    """A `share` of each connection's topics falls silent without a word; subscribing again wakes them."""
    hub = target.hub
    hit = [c for c in hub.listeners(fault.venue, fault.surface) if c.session.lose(fault.share, hub.random)]
    return ids_of(hit)


@kind("lost_ack", "ws", "private", timed=True)
def _lost_ack(target: Target, fault: Fault) -> list[int]:
    """Requests take effect, but consent to them is not told; refusals are."""
    target.hub.force(fault)
    return ids_of(target.hub.targets(fault.venue, fault.surface))


@kind("clock_skew", "ws", "rest", timed=True)
def _clock_skew(target: Target, fault: Fault) -> list[int]:
    """The venue's gateways are wrong about the time by `shift`: in stamps, and when they check requests."""
    hub = target.hub
    until = hub.force(fault, "ws", "rest")
    for venue in venues_of(hub, fault):
        hub.clocks[venue].skew(fault.shift, until)
    return []


@kind("http_429", "rest", timed=True)
def _http_429(target: Target, fault: Fault) -> list[int]:
    """Every REST request is one too many; asking again before the told time is a violation."""
    target.hub.force(fault)
    return ids_of(target.hub.targets(fault.venue, "rest"))


@kind("http_418", "rest", timed=True)
def _http_418(target: Target, fault: Fault) -> list[int]:
    """The address is banned: 418 on Binance, elsewhere what the venue says then. Asking on is a violation."""
    target.hub.force(fault)
    return ids_of(target.hub.targets(fault.venue, "rest"))


@kind("notice", "ws", "private", timed=True, venues=(SPOT, OKX, GATE))
def _notice(target: Target, fault: Fault) -> list[int]:
    """The venue says that it will close every connection, and `duration` later it does."""
    hub = target.hub
    now = hub.clock.now()
    hit = []
    for connection in hub.listeners(fault.venue, fault.surface):
        payload = connection.session.notice(fault.variant, now)
        if payload is not None:
            connection.say(encode(Opcode.TEXT, payload))
            connection.end_at(now + fault.duration, Goodbye(fault.code, "service upgrade"))
            hit.append(connection)
    return ids_of(hit)


@kind("maintenance", "ws", timed=True)
def _maintenance(target: Target, fault: Fault) -> list[int]:
    """All of the venue is down: connections are closed, nothing is accepted, nothing trades; then ids go on."""
    hub = target.hub
    hub.force(fault, "ws", "private", "rest")
    hit = [*hub.targets(fault.venue, "ws"), *hub.targets(fault.venue, "private"), *hub.targets(fault.venue, "rest")]
    for connection in hit:
        connection.close(fault.code, "maintenance")
    return ids_of(hit)


@kind("expire_token", "ws", venues=(KUCOIN,))
def _expire_token(target: Target, fault: Fault) -> list[int]:
    """Every token ends now: connections live on, new ones need a new token."""
    dialect = target.dialects[KUCOIN]
    if isinstance(dialect, Kucoin):
        dialect.tokens.expire(target.hub.clock.now())
    return []
