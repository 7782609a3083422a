"""What each kind of fault does. A new kind is one function with `@kind`."""

from __future__ import annotations

from ._faults import KINDS, Fault, Target, kind
from ._frames import Opcode, encode
from ._hub import Hub
from ._rules import USDM


def apply_fault(target: Target, fault: Fault) -> list[int]:
    """Do it now; the ids of the connections that were hit."""
    return KINDS[fault.kind].apply(target, fault)


@kind("reset", "ws", "private", "rest")
def _reset(target: Target, fault: Fault) -> list[int]:
    """TCP reset of every connection."""
    hit = target.hub.targets(fault.venue, fault.surface)
    for connection in hit:
        connection.reset("reset by a fault")
    return [connection.record.id for connection in hit]


@kind("close", "ws", "private", "rest")
def _close(target: Target, fault: Fault) -> list[int]:
    """Orderly close of every connection, with a close code where there is one."""
    hit = target.hub.targets(fault.venue, fault.surface)
    for connection in hit:
        connection.close(fault.code, "closed by a fault")
    return [connection.record.id for connection in hit]


@kind("mute", "ws", "private", "rest", timed=True)
def _mute(target: Target, fault: Fault) -> list[int]:
    """No frame of any kind for a while; the market goes on, and what it prints is lost to the connection."""
    until = target.hub.force(fault)
    hit = target.hub.targets(fault.venue, fault.surface)
    for connection in hit:
        connection.mute(until)
    return [connection.record.id for connection in hit]


@kind("refuse", "ws", "rest", timed=True)
def _refuse(target: Target, fault: Fault) -> list[int]:
    """The listener is closed: connections are refused, existing ones live on. "ws" carries private streams too."""
    hub = target.hub
    hub.force(fault, longest=True)
    for venue in _venues(hub, fault):
        for notify in hub.on_refuse:
            notify(venue, fault.surface, hub.in_force["refuse", venue, fault.surface].until)
    return []


@kind("expire_key", "private", venues=(USDM,))
def _expire_key(target: Target, fault: Fault) -> list[int]:
    """Every listen key ends now; the sockets stay open and fall silent."""
    hit = []
    expired = target.expire_keys(notice=fault.notice)
    for connection in list(target.hub.subscribers.values()):
        if any(key in connection.session.credentials for key in expired):
            connection.tick()
            hit.append(connection.record.id)
    return hit


@kind("garbage", "ws", "private")
def _garbage(target: Target, fault: Fault) -> list[int]:
    """A text frame that is not JSON."""
    hit = target.hub.listeners(fault.venue, fault.surface)
    for connection in hit:
        connection.say(encode(Opcode.TEXT, fault.text.encode()))
    return [connection.record.id for connection in hit]


@kind("http_5xx", "rest", timed=True)
def _http_5xx(target: Target, fault: Fault) -> list[int]:
    """Every REST request fails for a while, whatever it asks."""
    target.hub.force(fault)
    return [connection.record.id for connection in target.hub.targets(fault.venue, "rest")]


def _venues(hub: Hub, fault: Fault) -> list[str]:
    return [venue for venue in hub.rules if fault.venue in (None, venue)]
