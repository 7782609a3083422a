"""One Binance connection: the target it dialled and the requests it sent. Pure.

Sources: binance-spot-api-docs web-socket-streams.md, 2026-07-21; for USD-M the notice of 2026-03-06 on the three
roots, and the live observations that a subscription on the wrong root is acknowledged and silent.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

from .._dialect import Answer, BadTarget, Floor, Goodbye, Session
from .._listen_keys import ListenKeys
from .._rest import encode_json
from .._rules import COINM, SPOT, USDM
from ._binance_messages import listen_key_expired, wrapped

_TOLD = ("ORDER_TRADE_UPDATE", "listenKeyExpired")
"""The user events that there are here."""
_METHODS = ("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY")
_ALPHANUMERIC = re.compile(r"[A-Za-z0-9-]{1,36}\Z")
_PUBLIC_ROOT = re.compile(r".*@(bookTicker|depth.*|rpiDepth.*|trade)\Z|!bookTicker\Z")


def root_of(stream: str) -> str:
    """On which USD-M root a stream flows: "public" or "market"."""
    return "public" if _PUBLIC_ROOT.match(stream) else "market"


def user_topic(listen_key: str, event: str) -> str:
    """The topic of one kind of user event."""
    return f"{listen_key}/{event}"


class BinanceSession(Session):
    """What one connection is subscribed to.

    Args:
        floor: of the venue.
        target: path and query of the handshake.
        known: says whether a stream exists.
        keys: the venue's listen keys; None: it has no private streams.

    Raises:
        BadTarget: there is nothing at that path.
    """

    def __init__(self, floor: Floor, target: str, known: Callable[[str], bool], keys: ListenKeys | None = None) -> None:
        self._floor = floor
        self._known = known
        self._keys = keys
        self._split = floor.venue == USDM
        self._told: set[str] = set()
        self.user_streams: dict[str, frozenset[str] | None] = {}
        """By listen key, the event names that were asked for; None: all."""
        parts = urlsplit(target)
        steps = [unquote(step) for step in parts.path.split("/")[1:]]
        self.root = ""
        if self._split and steps[0] in ("public", "market", "private"):
            self.root = steps.pop(0)
        if not steps or steps[0] not in ("ws", "stream") or (steps[0] == "stream" and len(steps) > 1):
            raise BadTarget(404, f"nothing at {parts.path}")
        query = parse_qsl(parts.query, keep_blank_values=True)
        if self.root == "private":
            # The old path form /private/ws/<listenKey> completes its handshake and stays silent, so it adds nothing,
            # and the path that is recorded names no key.
            super().__init__(f"/private/{steps[0]}", "private", form=steps[0])
            self._read_listen_keys(query)
            self.credentials = self.user_streams
            return
        names = steps[1:]
        # Of COIN-M a listen key is the name of a stream; the path that is recorded names none.
        super().__init__(
            "/" + "/".join([steps[0], *("..." if self._is_key(name) else name for name in names)]), form=steps[0]
        )
        for name, value in query:
            if name == "streams" and self.combined:
                names += value.split("/")
        for name in names:
            if name:
                self.subscribe(name)
        self._check_count()

    def _is_key(self, name: str) -> bool:
        return self._floor.venue == COINM and bool(name) and "@" not in name and not name.startswith("!")

    def subscribe(self, topic: str) -> None:
        """Subscribe; a stream by the name of a listen key makes it a private connection."""
        if not self._is_key(topic):
            super().subscribe(topic)
            return
        self.surface = "private"
        self.user_streams[topic] = None
        self.credentials = self.user_streams

    def unsubscribe(self, topic: str) -> None:
        """End a subscription, if there is one."""
        self.user_streams.pop(topic, None)
        super().unsubscribe(topic)

    def _check_count(self) -> None:
        if self._too_many_streams():
            raise BadTarget(400, f"{self.stream_count} streams", "streams")

    @property
    def combined(self) -> bool:
        """Whether each payload comes with the name of its stream around it."""
        return self.form == "stream"

    def _read_listen_keys(self, query: list[tuple[str, str]]) -> None:
        key = None
        for name, value in query:
            if name == "listenKey":
                key = value
                self.user_streams[key] = None if self._floor.rules.tells_without_events else frozenset()
            elif name == "events" and key is not None:
                if "," in value:
                    raise BadTarget(400, "event names are separated by a slash")
                self.user_streams[key] = frozenset(value.split("/"))

    @property
    def stream_count(self) -> int:
        """What the venue's limit of streams counts."""
        return len(self.topics) + len(self.user_streams)

    def _too_many_streams(self) -> bool:
        most = self._floor.rules.streams_per_connection
        return most is not None and self.stream_count > most

    def wants(self, topic: str) -> bool:
        """Whether data of that stream, or that event of a listen key, flows to this connection."""
        key, is_event, event = topic.partition("/")
        if is_event:
            # `events` is a filter, and without it nothing arrives.
            wanted = self.user_streams.get(key, frozenset())
            return (wanted is None or event in wanted) and topic not in self.lost
        return self.subscribed(topic) and self._flows(topic)

    def lose(self, share: float, random: Random) -> int:
        """Silence a share of the streams, or of the user events that were asked for."""
        if not self.user_streams:
            return super().lose(share, random)
        asked = [
            user_topic(key, event)
            for key, events in self.user_streams.items()
            for event in (_TOLD if events is None else sorted(events))
        ]
        living = [topic for topic in asked if topic not in self.lost]
        count = min(len(living), max(1, round(share * len(living))))
        self.lost.update(random.sample(living, count))
        return count

    def dress(self, topic: str, payload: bytes) -> bytes:
        """The combined form names the stream, or of a user event the listen key."""
        return wrapped(topic.partition("/")[0], payload) if self.combined else payload

    def _flows(self, stream: str) -> bool:
        # A legacy USD-M connection without a root only gets what is on /public.
        return not self._split or root_of(stream) == (self.root or "public")

    def due(self) -> float:
        """When the next of its listen keys ends."""
        if self._keys is None:
            return float("inf")
        keys = (self._keys.find(value) for value in self.user_streams if value not in self._told)
        return min((key.expires for key in keys if key is not None), default=float("inf"))

    def tick(self, now: float) -> tuple[bytes, ...]:
        """The notices that keys have ended: each once, and only where `events` lists it."""
        notices = []
        for value in self.user_streams:
            key = self._keys.find(value) if self._keys is not None else None
            if key is None or key.active(now) or value in self._told:
                continue
            self._told.add(value)
            topic = user_topic(value, "listenKeyExpired")
            if key.notice and self.wants(topic):
                notices.append(self.dress(topic, listen_key_expired(value, self._floor.ms())))
        return tuple(notices)

    def notice(self, variant: int, now: float) -> bytes | None:
        """`serverShutdown`; it is not documented for USD-M (binance-spot-api-docs CHANGELOG.md, 2026-06-09)."""
        if self._floor.venue != SPOT:
            return None
        return self.dress("!serverShutdown", encode_json({"e": "serverShutdown", "E": self._floor.ms()}))

    def receive(self, text: bytes, now: float) -> Answer:
        """Answer one request of the client; the subscriptions change at once."""
        method, reply = self._request(text)
        if self._too_many_streams():
            breach = ("streams", f"{self.stream_count} streams")
            return Answer(breach=breach, goodbye=Goodbye(1008, "Too many streams"))
        consent = method in ("SUBSCRIBE", "UNSUBSCRIBE") and b'"error"' not in reply
        return Answer(acks=(reply,)) if consent else Answer(frames=(reply,))

    def _request(self, text: bytes) -> tuple[object, bytes]:
        try:
            request = msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError):
            # The position would be the parser's; the first column is where most garbage stops being JSON.
            return None, encode_json({"error": {"code": 3, "msg": "Invalid JSON: expected value at line 1 column 1"}})
        if not isinstance(request, dict) or "method" not in request:
            column = len(text)
            return None, _error(
                2, f"Invalid request: missing field `method` at line 1 column {column}", _id_of(request)
            )
        number = request.get("id")
        if not _valid_id(number):
            return None, _error(2, "Invalid request: request ID must be an unsigned integer", None)
        method, params = request["method"], request.get("params", [])
        if method not in _METHODS:
            expected = ", ".join(f"`{name}`" for name in _METHODS)
            message = f"Invalid request: unknown variant `{method}`, expected one of {expected} at line 1 column 28"
            return None, _error(2, message, number)
        if method == "LIST_SUBSCRIPTIONS":
            return method, _result(self._listing(), number)
        if not isinstance(params, list):
            return None, _error(2, "Invalid request: streams must be an array", number)
        if method in ("SUBSCRIBE", "UNSUBSCRIBE"):
            return method, self._subscribe(method, params, number)
        return method, self._property(method, params, number)

    def _subscribe(self, method: str, params: list[Any], number: object) -> bytes:
        if not all(isinstance(name, str) for name in params):
            return _error(2, "Invalid request: streams must be an array", number)
        for name in params:
            if method == "SUBSCRIBE":
                self.subscribe(name)
            else:
                self.unsubscribe(name)
        return _result(None, number)

    def _listing(self) -> list[str]:
        # A stream that a fault has silenced is listed all the same: a listing proves no data.
        if self._floor.rules.lists_unknown:
            return [*self.topics, *self.user_streams]
        return [name for name in self.topics if self._known(name) and self._flows(name)]

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
        self.form = "stream" if params[1] else "ws"
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
