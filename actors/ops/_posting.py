"""Sending to addresses that are secrets themselves: whoever knows the address of a webhook or of a check can use it.

What goes wrong is told without the address, whoever words it: nothing of path, query or credentials comes out of here.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from math import inf
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import msgspec

from .._errors import ActorError, HttpFailure, RateLimited, SecretMissing
from .._http import Http, open_http
from .._rest_limit import number
from .._secret import Secret
from .._source import HttpReply, HttpRequest

TIMEOUT: Final = 10.0
"""Seconds for one request, connecting included."""
_ANSWER: Final = 64 * 1024
"""Bytes of the largest answer."""
_SHORT: Final = 4
"""Characters of a part of an address that is too short to be a secret, and would be found in any sentence."""
_DEFAULT_WAIT: Final = 30.0
"""Seconds, where a 429 does not say how long."""


class Undelivered(ActorError):
    """Something was not taken. The message does not hold the address.

    Args:
        reason: In words.
        retry_after: Seconds until it makes sense to try again, where the other side has said so.
        final: Whether trying the same again is useless: the other side has understood, and refuses.
    """

    def __init__(self, reason: str, *, retry_after: float | None = None, final: bool = False) -> None:
        super().__init__(reason)
        self.retry_after = retry_after
        self.final = final


class Posting:
    """The way to one secret address. Made by `open_posting`."""

    def __init__(self, http: Http, path: str, query: str, secrets: tuple[str, ...]) -> None:
        self._http = http
        self._path = path
        self._query = query
        self._secrets = secrets

    async def post(
        self, content: bytes = b"", *, below: str = "", query: str = "", content_type: str = "text/plain; charset=utf-8"
    ) -> None:
        """Send one request, once. Cancellation gives it up.

        Args:
            content: The body.
            below: Added to the address's path: ``/fail``.
            query: Added to the address's query, encoded already.
            content_type: Of the body.

        Raises:
            Undelivered: There was no answer, or not one of success.
        """
        headers = (("Content-Type", content_type),)
        both = "&".join(part for part in (self._query, query) if part)
        request = HttpRequest("POST", self._path.rstrip("/") + below or "/", both, headers, content=content)
        try:
            await self._http.request(request)
        except RateLimited as error:
            raise Undelivered(self._hide(error.reason), retry_after=error.retry_after) from None
        except HttpFailure as error:
            final = error.status is not None and 300 <= error.status < 500 and error.status != 408
            raise Undelivered(self._hide(error.reason), final=final) from None

    def _hide(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text


@asynccontextmanager
async def open_posting(address: Secret, *, below: str = "", timeout: float = TIMEOUT) -> AsyncGenerator[Posting]:
    """Open the way to a secret address; nothing is connected before the first request.

    Args:
        address: ``https://...``; read now.
        below: Added to its path: what is no secret of it.
        timeout: Seconds for one request.

    Raises:
        SecretMissing: It is not there, or is no address. The message does not hold it.
    """
    parts = parse(address.reveal())
    if parts is None:
        # Whoever takes a chat for an address must not read it in the log.
        raise SecretMissing("the secret is there, but it is not an http:// or https:// address") from None
    base, path, query = parts
    origin = base.partition("://")[2]
    known = {base, origin, origin.rpartition(":")[0], path, query, *path.split("/"), *query.split("&")}
    known |= {pair.partition("=")[2] for pair in query.split("&")}
    known |= {unquote(part) for part in known}
    secrets = tuple(sorted((part for part in known if len(part) > _SHORT), key=len, reverse=True))
    async with open_http(base, _judge, timeout=timeout, max_body=_ANSWER) as http:
        yield Posting(http, path.rstrip("/") + below, query, secrets)


def parse(address: str) -> tuple[str, str, str] | None:
    """Return origin, path and query of an address; None when it is none that can be asked."""
    try:
        parts = urlsplit(address)
        port = parts.port  # is checked when it is read
        host = (parts.hostname or "").encode("ascii").decode()
        (parts.path + parts.query).encode("ascii")
    except ValueError:
        return None
    printable = address.isprintable() and " " not in address
    if parts.scheme not in ("http", "https") or not host or parts.username is not None or not printable:
        return None
    name = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{name}" + (f":{port}" if port is not None else ""), parts.path, parts.query


def _judge(request: HttpRequest, reply: HttpReply) -> HttpFailure | None:
    if 200 <= reply.status < 300:
        return None
    if reply.status == 429:
        wait = _asked_to_wait(reply)
        return RateLimited("POST", "answered with 429", retry_after=wait, status=reply.status)
    # A redirection is an answer like another: the secret goes nowhere else.
    return HttpFailure("POST", f"answered with {reply.status}", status=reply.status)


def _asked_to_wait(reply: HttpReply) -> float:
    """Return the seconds that the answer names: Telegram and Discord say it in the body, others in a header."""
    try:
        told: Any = msgspec.json.decode(reply.body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        told = None
    if isinstance(told, dict):
        parameters = told.get("parameters")
        for place in (parameters if isinstance(parameters, dict) else {}, told):
            wait = place.get("retry_after")
            if isinstance(wait, int | float) and not isinstance(wait, bool) and 0 <= wait < inf:
                return float(wait)
    asked = number(reply.headers, "retry-after")
    return _DEFAULT_WAIT if asked is None else float(asked)
