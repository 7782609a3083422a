"""Asking a bot's health endpoint, for the commands that look at a running bot."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import click
import msgspec

from .._errors import ActorError, HttpFailure
from .._net._http import open_http
from .._source import HttpReply, HttpRequest
from ._load import BadInput

TOKEN: Final = "UNBLINKING_TOKEN"  # noqa: S105 - the name of a variable
TIMEOUT: Final = 5.0

F = TypeVar("F", bound=Callable[..., Any])


class Unreachable(BadInput):
    """The endpoint cannot be asked, or what answers is none."""


def endpoint_options(command: F) -> F:
    """Add the argument and the option that every command takes which asks a bot."""
    option = click.option(
        "--token-file",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help=f"file with the endpoint's token; otherwise it is taken from the variable {TOKEN}, if there is one",
    )
    return click.argument("url", metavar="URL")(option(command))


class Bot:
    """A running bot, known by the address of its health endpoint.

    Args:
        url: ``http://127.0.0.1:8080``, or without the scheme.
        token_file: File with its token; None: the environment has it, or there is none.

    Raises:
        BadInput: The address is none.
    """

    def __init__(self, url: str, token_file: Path | None) -> None:
        self.url = (url if "://" in url else f"http://{url}").rstrip("/")
        try:
            parts = urlsplit(self.url)
            wrong = parts.scheme not in ("http", "https") or not parts.hostname or parts.query
            _ = parts.port  # is checked when it is read
        except ValueError:
            wrong = True
        if wrong:
            raise BadInput(f"{url!r} is not the address of a health endpoint, such as http://127.0.0.1:8080")
        token = token_file.read_text().strip() if token_file is not None else os.environ.get(TOKEN, "").strip()
        self._headers = (("Authorization", f"Bearer {token}"),) if token else ()

    async def get(self, path: str, query: str = "") -> HttpReply:
        """Return the answer to one request.

        Raises:
            Unreachable: There is none, or the token is wrong.
        """
        try:
            async with open_http(self.url, _take_any, timeout=TIMEOUT) as http:
                reply = await http.request(HttpRequest("GET", path, query, self._headers))
        except (ActorError, OSError) as error:
            reason = error.reason if isinstance(error, HttpFailure) else str(error)
            raise Unreachable(f"{self.url} does not answer: {reason}") from None
        if reply.status == 401:
            raise Unreachable(f"{self.url} needs its token: set {TOKEN}, or give --token-file")
        if reply.status == 403:
            raise Unreachable(f"{self.url} refuses: {_text(reply)}")
        return reply

    async def picture(self) -> dict[str, Any]:
        """Return the whole tree, as ``/tree.json`` tells it.

        Raises:
            Unreachable: There is no endpoint.
        """
        reply = await self.get("/tree.json")
        try:
            told: Any = msgspec.json.decode(reply.body)
            if reply.status == 200 and isinstance(told["health"]["healthy"], bool) and isinstance(told["tree"], dict):
                return dict(told)
        except (msgspec.DecodeError, KeyError, TypeError):
            pass
        raise Unreachable(f"{self.url} is no health endpoint of a bot: /tree.json gives {reply.status}")

    async def explain(self, path: str) -> str:
        """Return in words how a child is.

        Raises:
            Unreachable: There is no endpoint.
            BadInput: There is no such child.
        """
        reply = await self.get("/explain", f"path={_encoded(path)}")
        if reply.status != 200:
            raise BadInput(_text(reply))
        return _text(reply)


def printable(text: object) -> str:
    """Return text of a bot without what would steer a terminal."""
    return "".join(char if char.isprintable() else "�" for char in str(text))


def _take_any(request: HttpRequest, reply: HttpReply) -> None:
    return None


def _text(reply: HttpReply) -> str:
    lines = reply.body.decode("utf-8", "replace").strip().splitlines()
    return "\n".join(printable(line) for line in lines)


def _encoded(text: str) -> str:
    return "".join(chr(byte) if chr(byte).isalnum() and byte < 128 else f"%{byte:02X}" for byte in text.encode())
