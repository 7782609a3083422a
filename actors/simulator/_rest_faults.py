"""What faults do to REST: the answer of a gateway, of a limit, or of nobody, instead of the venue's own."""

from __future__ import annotations

from ._dialect import Dialect
from ._hub import Hub
from ._rest import Reply, Request


def answer_or_fail(hub: Hub, venue: str, dialect: Dialect, request: Request) -> Reply:
    """Answer one request, unless a fault in force does it instead."""
    now = hub.clock.now()
    failing = hub.active("http_5xx", venue, "rest")
    if failing is not None:
        # The body of a gateway, not of the venue: not every 5xx is JSON.
        return Reply(failing.fault.status, b"<html><body>Service Unavailable</body></html>")
    return dialect.answer(request, now)
