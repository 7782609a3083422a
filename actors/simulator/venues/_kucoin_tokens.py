"""The tokens of KuCoin's sockets: what the bullet calls give out, and what opens a connection. Pure."""

from __future__ import annotations

import string
from collections import OrderedDict
from typing import Any

import attrs

from .._dialect import Floor

_TOKENS_KEPT = 10_000
_ALPHABET = string.ascii_letters + string.digits + "-_"


@attrs.define
class Token:
    """One of them. It opens connections for a day; what stands on it goes on after that, unless a fault ended it."""

    api_key: str
    """Whose it is; empty: anybody's, for public topics."""
    expires: float
    ended: bool = False
    told: bool = False
    """Whether the connections on it are told that it has ended."""


class Tokens:
    """The tokens of one venue.

    Args:
        floor: of the venue.
    """

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._tokens: OrderedDict[str, Token] = OrderedDict()

    def issue(self, api_key: str = "") -> str:
        """A new one."""
        value = f"{self._floor.token(160, _ALPHABET)}==.{self._floor.token(22, _ALPHABET)}=="
        self._tokens[value] = Token(api_key, self._floor.clock.now() + self._floor.rules.token_life)
        if len(self._tokens) > _TOKENS_KEPT:
            self._tokens.popitem(last=False)
        return value

    def find(self, value: str) -> Token | None:
        """What is known of it."""
        return self._tokens.get(value)

    def trouble(self, value: str, now: float) -> str:
        """Why a connection with that token is not accepted; empty when it is."""
        token = self._tokens.get(value)
        if token is None or (token.api_key and self._floor.credentials.secret(token.api_key) is None):
            return "token is invalid"
        return "" if now < token.expires else "token is expired"

    def expire(self, now: float) -> None:
        """Let none of them open a connection any more; those that are open live on."""
        for token in self._tokens.values():
            token.expires = min(token.expires, now)

    def end_private(self, now: float, *, told: bool) -> list[str]:
        """End those of accounts, and say which that were: what is open on them falls silent."""
        ended = [value for value, token in self._tokens.items() if token.api_key and not token.ended]
        for value in ended:
            token = self._tokens[value]
            token.expires, token.ended, token.told = min(token.expires, now), True, told
        return ended


def bullet(floor: Floor, token: str) -> dict[str, Any]:
    """What a bullet call gives: a token, and where to use it."""
    server = {
        "endpoint": f"{floor.address}/",
        "encrypt": floor.address.startswith("wss:"),
        "protocol": "websocket",
        "pingInterval": 18_000,
        "pingTimeout": 10_000,
    }
    return {"token": token, "instanceServers": [server]}
