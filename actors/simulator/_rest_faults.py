"""What faults do to REST: the answer of a gateway, of a limit, or of nobody, instead of the venue's own."""

from __future__ import annotations

import attrs

from ._dialect import AccountDialect, Dialect
from ._hub import Hub, InForce
from ._rest import Limited, Reply, Request

_FLIGHT = 1.0
"""Seconds after the first refusal in which requests may still come that were sent before it was read."""


_TELLS = ("retry-after", "gw-ratelimit-reset", "x-gate-ratelimit-reset-timestamp")
"""Headers that tell how long to wait."""
_LIMITS: tuple[tuple[str, Limited], ...] = (("http_418", "418"), ("http_429", "429"))


def answer_or_fail(hub: Hub, venue: str, dialect: Dialect, request: Request) -> Reply:
    """Answer one request, unless a fault in force does it instead."""
    now = hub.clock.now()
    if hub.active("maintenance", venue, "rest") is not None:
        return Reply(503, b"<html><body>System maintenance</body></html>")
    failing = hub.active("http_5xx", venue, "rest")
    if failing is not None:
        # The body of a gateway, not of the venue: not every 5xx is JSON.
        return Reply(failing.fault.status, b"<html><body>Service Unavailable</body></html>")
    for kind, status in _LIMITS:
        limit = hub.active(kind, venue, "rest")
        if limit is not None:
            reply = dialect.limited(status, limit.until - now)
            return reply if _unheard(hub, venue) else _refuse(limit, reply, now, _in_flight(hub, venue))
    if isinstance(dialect, AccountDialect) and hub.active("unknown_outcome", venue, "rest") is not None:
        return dialect.unknown_outcome()
    return dialect.answer(request, now)


def _unheard(hub: Hub, venue: str) -> bool:
    """Say whether an answer does not arrive: it tells nobody how long to wait."""
    return any(hub.active(kind, venue, "rest") is not None for kind in ("mute", "half_open"))


def _in_flight(hub: Hub, venue: str) -> float:
    slow = hub.active("slow", venue, "rest")
    return _FLIGHT if slow is None else _FLIGHT + 2 * slow.fault.delay


def _refuse(limit: InForce, reply: Reply, now: float, in_flight: float) -> Reply:
    """Refuse; who was told before how long to wait, and asks all the same, breaks a rule.

    Where the answer does not tell, nobody can know how long; only a ban is always to be waited out.
    """
    told = reply.status in (403, 418) or any(name.lower() in _TELLS for name, _ in reply.headers)
    ignored = bool(limit.hit) and now > limit.hit[0] + in_flight
    if not limit.hit:
        limit.hit.append(now)
    return attrs.evolve(reply, breach="ignored_429") if told and ignored else reply
