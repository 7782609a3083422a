"""One WebSocket connection's subscriptions: the target it dialled and the requests it sent. Pure.

Sources: binance-spot-api-docs web-socket-streams.md, 2026-07-21; for USD-M the notice of 2026-03-06 on the three
roots, and the live observations that a subscription on the wrong root is acknowledged and silent.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

from ._messages import encode_json
from ._record import Surface
from ._rules import SPOT

_METHODS = ("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY")
_ALPHANUMERIC = re.compile(r"[A-Za-z0-9-]{1,36}\Z")
_PUBLIC_ROOT = re.compile(r".*@(bookTicker|depth.*|rpiDepth.*|trade)\Z|!bookTicker\Z")


class BadTarget(Exception):
    """The handshake is refused.

    Args:
        status: of the HTTP answer.
        message: what was wrong with the target.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def root_of(stream: str) -> str:
    """On which USD-M root a stream flows: "public" or "market"."""
    return "public" if _PUBLIC_ROOT.match(stream) else "market"


class Session:
    """What one connection is subscribed to.

    Args:
        venue: its name.
        target: path and query of the handshake.
        known: says whether a stream exists.
        lists_unknown: whether LIST_SUBSCRIPTIONS names the others too.

    Raises:
        BadTarget: there is nothing at that path.
    """

    def __init__(self, venue: str, target: str, known: Callable[[str], bool], *, lists_unknown: bool = True) -> None:
        self._known = known
        self._lists_unknown = lists_unknown
        self._split = venue != SPOT
        self.streams: dict[str, None] = {}
        self.user_streams: dict[str, frozenset[str]] = {}
        """By listen key, the event names that were asked for."""
        parts = urlsplit(target)
        self.path = parts.path
        """As dialled, but without anything that is a listen key."""
        steps = [unquote(step) for step in parts.path.split("/")[1:]]
        self.root = ""
        if venue != SPOT and steps[0] in ("public", "market", "private"):
            self.root = steps.pop(0)
        if not steps or steps[0] not in ("ws", "stream") or (steps[0] == "stream" and len(steps) > 1):
            raise BadTarget(404, f"nothing at {parts.path}")
        self.combined = steps[0] == "stream"
        self.surface: Surface = "private" if self.root == "private" else "ws"
        query = parse_qsl(parts.query, keep_blank_values=True)
        if self.root == "private":
            # The old path form /private/ws/<listenKey> completes its handshake and stays silent, so it adds nothing.
            self.path = f"/private/{steps[0]}"
            self._read_listen_keys(query)
            return
        names = steps[1:]
        for name, value in query:
            if name == "streams" and self.combined:
                names += value.split("/")
        self.streams.update(dict.fromkeys(name for name in names if name))

    def _read_listen_keys(self, query: list[tuple[str, str]]) -> None:
        key = None
        for name, value in query:
            if name == "listenKey":
                key = value
                self.user_streams[key] = frozenset()
            elif name == "events" and key is not None:
                if "," in value:
                    raise BadTarget(400, "event names are separated by a slash")
                self.user_streams[key] = frozenset(value.split("/"))

    @property
    def stream_count(self) -> int:
        """What the venue's limit of streams counts."""
        return len(self.streams) + len(self.user_streams)

    def wants(self, stream: str) -> bool:
        """Whether data of that stream flows to this connection."""
        return stream in self.streams and self._flows(stream)

    def wants_event(self, listen_key: str, event: str) -> bool:
        """Whether that user event flows to this connection: `events` is a filter, and without it nothing arrives."""
        return event in self.user_streams.get(listen_key, ())

    def _flows(self, stream: str) -> bool:
        # A legacy USD-M connection without a root only gets what is on /public.
        return not self._split or root_of(stream) == (self.root or "public")

    def receive(self, text: bytes) -> bytes:
        """Answer one request of the client; the subscriptions change at once."""
        try:
            request = msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError):
            # The position would be the parser's; the first column is where most garbage stops being JSON.
            return encode_json({"error": {"code": 3, "msg": "Invalid JSON: expected value at line 1 column 1"}})
        if not isinstance(request, dict) or "method" not in request:
            column = len(text)
            return _error(2, f"Invalid request: missing field `method` at line 1 column {column}", _id_of(request))
        number = request.get("id")
        if not _valid_id(number):
            return _error(2, "Invalid request: request ID must be an unsigned integer", None)
        method, params = request["method"], request.get("params", [])
        if method not in _METHODS:
            expected = ", ".join(f"`{name}`" for name in _METHODS)
            message = f"Invalid request: unknown variant `{method}`, expected one of {expected} at line 1 column 28"
            return _error(2, message, number)
        if method == "LIST_SUBSCRIPTIONS":
            return _result(self._listing(), number)
        if not isinstance(params, list):
            return _error(2, "Invalid request: streams must be an array", number)
        if method in ("SUBSCRIBE", "UNSUBSCRIBE"):
            return self._subscribe(method, params, number)
        return self._property(method, params, number)

    def _subscribe(self, method: str, params: list[Any], number: object) -> bytes:
        if not all(isinstance(name, str) for name in params):
            return _error(2, "Invalid request: streams must be an array", number)
        for name in params:
            if method == "SUBSCRIBE":
                self.streams[name] = None
            else:
                self.streams.pop(name, None)
        return _result(None, number)

    def _listing(self) -> list[str]:
        if self._lists_unknown:
            return [*self.streams]
        return [name for name in self.streams if self._known(name) and self._flows(name)]

    def _property(self, method: str, params: list[Any], number: object) -> bytes:
        wanted = 2 if method == "SET_PROPERTY" else 1
        if len(params) > wanted:
            return _error(2, "Invalid request: too many parameters", number)
        if not params or not isinstance(params[0], str):
            return _error(2, "Invalid request: property name must be a string", number)
        if params[0] != "combined":
            return _error(0, "Unknown property", number)
        if method == "GET_PROPERTY":
            return _result(self.combined, number)
        if len(params) < 2 or not isinstance(params[1], bool):
            return _error(1, "Invalid value type: expected Boolean", number)
        self.combined = params[1]
        return _result(None, number)


def _valid_id(value: object) -> bool:
    """64-bit signed integer, alphanumeric string of at most 36 characters, or null."""
    if isinstance(value, bool):
        return False
    if isinstance(value, int):
        return -(2**63) <= value < 2**63
    return value is None or (isinstance(value, str) and _ALPHANUMERIC.match(value) is not None)


def _id_of(request: object) -> object:
    number = request.get("id") if isinstance(request, dict) else None
    return number if _valid_id(number) else None


def _result(result: object, number: object) -> bytes:
    return encode_json({"result": result, "id": number})


def _error(code: int, message: str, number: object) -> bytes:
    """As captured on the wire (roq-binance test/json_error.cpp, 2026-08-06): wrapped, unlike the documented table."""
    return encode_json({"error": {"code": code, "msg": message}, "id": number})
