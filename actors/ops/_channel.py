"""What carries messages to people."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from .._errors import HttpFailure, RateLimited
from .._net._dial import Dial, Tls
from .._net._http import open_http
from .._source import HttpReply, HttpRequest
from ._alerts import AlertMessage
from ._posting import Undelivered, parse

WITHIN: Final = 15.0
"""Seconds for one delivery."""
_ANSWER: Final = 64 * 1024
"""Bytes of an answer that are read."""
_REFUSED: Final = frozenset({400, 413, 415, 422})
"""Statuses that mean this very message."""


class AlertChannel(Protocol):
    """Carries messages to people. A value: one object can serve several trees."""

    @property
    def name(self) -> str:
        """For notes and status; tells no secret."""

    async def send(self, message: AlertMessage) -> None:
        """Deliver one message.

        Cancellation: it may or may not arrive.

        Raises:
            Undelivered: It was not delivered, as far as is known.
        """


def parts_of(address: str) -> tuple[str, str]:
    """Return an address without its query, and the query. Both may be secrets, and stand in no error.

    Raises:
        Undelivered: It is none.
    """
    parts = parse(address)
    if parts is None:
        raise Undelivered("its address is no http:// or https:// address")
    origin, path, query = parts
    return origin + path, query


async def post(
    base: str,
    content: Any,
    *,
    path: str = "",
    query: str = "",
    headers: Mapping[str, str] | None = None,
    reason: Callable[[HttpReply], tuple[str, float | None]],
    tls: Tls,
    dial: Dial | None,
) -> None:
    """Send JSON.

    Args:
        base: Where to; it may be a secret.
        content: Plain values.
        path: Below the base; no secret.
        query: May be a secret.
        headers: Beside the content's type; may be secret.
        reason: Gives the words, and the seconds to wait, of an answer that is no success.
        tls: Whom to trust.
        dial: How to connect.

    Raises:
        Undelivered: There was no answer, or it was no success.
    """

    def judge(request: HttpRequest, reply: HttpReply) -> HttpFailure | None:
        if 200 <= reply.status < 300:
            return None
        words, wait = reason(reply)
        wait = _seconds(reply.headers.get("retry-after")) if wait is None else wait
        if wait is not None:
            return RateLimited(str(request), words, retry_after=wait, status=reply.status)
        return HttpFailure(str(request), words, status=reply.status)

    body = json.dumps(content, default=str).encode("ascii")
    given = (("Content-Type", "application/json"), *(headers or {}).items())
    request = HttpRequest("POST", path, query, given, content=body)
    try:
        async with open_http(base, judge, tls=tls, dial=dial, timeout=WITHIN, max_body=_ANSWER) as http:
            await http.request(request)
    except RateLimited as failure:
        raise Undelivered(str(failure), retry_after=failure.retry_after) from None
    except HttpFailure as failure:
        raise Undelivered(str(failure), final=failure.status in _REFUSED) from None


def _seconds(header: str | None) -> float | None:
    # RFC 9110, 10.2.3, knows dates, too: for those our own backoff does.
    return float(header) if header is not None and header.isascii() and header.isdigit() and len(header) < 7 else None
