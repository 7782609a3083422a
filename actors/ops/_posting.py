"""Sending to addresses that are secrets themselves: whoever knows the address of a webhook or of a check can use it.

`parse` and `Undelivered` are for everything that is sent out; `open_posting` is the way of heartbeats, which have no body
worth the name. Messages for people go by `actors.ops._channel.post`.

What goes wrong is told without the address, whoever words it: nothing of path, query or credentials comes out of here.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import unquote, urlsplit

from .._errors import ActorError, HttpFailure, RateLimited, SecretMissing
from .._net._http import Http, open_http
from .._net._rest_limit import number
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
    """A message was not delivered. The text tells no secret.

    Args:
        reason: Why, in words.
        retry_after: Seconds that the other side asked to wait; None: it did not.
        final: Trying again with the same message does not help.
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

    async def post(self, content: bytes = b"", *, below: str = "", query: str = "") -> None:
        """Send one request, once. Cancellation gives it up.

        Args:
            content: The body: plain text.
            below: Added to the address's path: ``/fail``.
            query: Added to the address's query, encoded already.

        Raises:
            Undelivered: There was no answer, or not one of success.
        """
        headers = (("Content-Type", "text/plain; charset=utf-8"),)
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
async def open_posting(address: Secret) -> AsyncGenerator[Posting]:
    """Open the way to a secret address; nothing is connected before the first request.

    Args:
        address: ``https://...``; read now.

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
    async with open_http(base, _judge, timeout=TIMEOUT, max_body=_ANSWER) as http:
        yield Posting(http, path.rstrip("/"), query, secrets)


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
        asked = number(reply.headers, "retry-after")
        wait = _DEFAULT_WAIT if asked is None else float(asked)
        return RateLimited("POST", "answered with 429", retry_after=wait, status=reply.status)
    # A redirection is an answer like another: the secret goes nowhere else.
    return HttpFailure("POST", f"answered with {reply.status}", status=reply.status)
