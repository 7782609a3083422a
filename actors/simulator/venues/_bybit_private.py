"""Bybit's private stream: login, subscriptions, and orders that are cancelled when nobody is connected. Pure.

Source: Bybit v5 docs (docs/v5, 2026-07-24), websocket/wss-authentication.mdx, websocket/private/dcp.mdx, order/dcp.mdx.
The texts of refusals are not documented; those here resemble what REST says.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import Any
from uuid import UUID

import msgspec

from .._dialect import Answer, Floor, Session
from .._rest import encode_json

_TOPIC = re.compile(
    r"(order|execution\.fast|execution|position|wallet|greeks|dcp)(?:\.(spot|linear|inverse|option|future))?\Z"
)


class Protection:
    """Disconnect-cancel-all: orders go when the last connection that subscribed `dcp` has been gone for a time.

    Args:
        floor: of the venue.
        product: what its topic and REST call the venue's products.
    """

    def __init__(self, floor: Floor, product: str) -> None:
        self.topic = f"dcp.{product}"
        self._floor = floor
        self._windows: dict[str, float] = {}
        self._holders: dict[str, set[int]] = {}

    def window(self, api_key: str, seconds: float) -> None:
        """Set how long it takes; 10 s are the default."""
        self._windows[api_key] = seconds

    def hold(self, api_key: str, session: Session) -> None:
        """A connection has subscribed: nothing is cancelled as long as it lives."""
        self._holders.setdefault(api_key, set()).add(id(session))
        self._floor.countdowns.stop(api_key)

    def give_up(self, api_key: str, session: Session) -> None:
        """A connection has ended its subscription in order; that alone cancels nothing."""
        self._holders.get(api_key, set()).discard(id(session))

    def lose(self, api_key: str, session: Session, now: float) -> None:
        """A connection is gone; with the last one the time begins to run."""
        holders = self._holders.get(api_key, set())
        if id(session) in holders:
            holders.discard(id(session))
            if not holders:
                self._floor.countdowns.set(api_key, now + self._windows.get(api_key, 10.0))


class BybitPrivateSession(Session):
    """One private connection.

    Args:
        floor: of the venue.
        protection: of the venue.
        category: "spot" or "linear".
    """

    def __init__(self, floor: Floor, protection: Protection, category: str) -> None:
        super().__init__("/v5/private", "private")
        self._floor = floor
        self._protection = protection
        self._category = category
        self._id = str(UUID(int=floor.random.getrandbits(128), version=4))
        self._api_key: str | None = None

    def wants(self, topic: str) -> bool:
        """Whether it is logged in as whom the topic is for, and has subscribed its kind, of all or of this category."""
        api_key, _, kind = topic.rpartition("/")
        return api_key == self._api_key and (self.subscribed(kind) or self.subscribed(f"{kind}.{self._category}"))

    def receive(self, text: bytes, now: float) -> Answer:
        """Answer one request."""
        try:
            request = msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError):
            shown = text[:100].decode("utf-8", "replace")
            return self._no(f"Failed to decode incoming data:{shown}", "", {})
        request = request if isinstance(request, dict) else {}
        op, args = request.get("op"), request.get("args")
        if op == "ping":
            pong = {"req_id": str(request.get("req_id", "")), "op": "pong", "args": [str(self._floor.ms())]}
            return Answer(frames=(encode_json(pong | {"conn_id": self._id}),), ping=True)
        if op == "auth":
            return self._log_in(args if isinstance(args, list) else [], request, now)
        if op not in ("subscribe", "unsubscribe"):
            return self._no("error:invalid op", str(op or ""), request)
        if self._api_key is None:
            return self._no("error:request not authorized", op, request)
        topics = args if isinstance(args, list) and all(isinstance(topic, str) for topic in args) else []
        return self._change(op, topics, request)

    def _log_in(self, args: list[Any], request: dict[str, Any], now: float) -> Answer:
        credentials = self._floor.credentials
        if len(args) != 3 or not isinstance(args[0], str) or not isinstance(args[2], str):
            return self._no("Params Error", "auth", request)
        api_key, expires, signature = args
        secret = credentials.secret(api_key)
        if secret is None or credentials.refuses_logins(now):
            return self._no("API key is invalid.", "auth", request)
        # pybit sends the time as text, or as a number with decimals.
        if not str(expires).isdigit() or int(expires) <= self._floor.ms():
            return self._no("Request expired: expires must be greater than the present time", "auth", request)
        expected = hmac.new(secret.encode(), f"GET/realtime{expires}".encode(), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(expected.encode(), signature.encode("utf-8", "replace")):
            return self._no("error sign!", "auth", request)
        self._api_key = api_key
        return Answer((self._said("", "auth", request),), login=True)

    def _change(self, op: str, topics: list[str], request: dict[str, Any]) -> Answer:
        assert self._api_key is not None, "only who is logged in changes anything"
        if op == "unsubscribe":
            for topic in topics:
                self.unsubscribe(topic)
            if self._protection.topic in topics:
                self._protection.give_up(self._api_key, self)
            return Answer((self._said("", op, request),))
        for topic in topics:
            if _TOPIC.match(topic) is None:
                return self._no(f"error:handler not found,topic:{topic}", op, request)
            if self.subscribed(topic):
                return self._no(f"error:already subscribed,topic:{topic}", op, request)
        kinds = {topic.partition(".")[0] for topic in topics if "." in topic}
        if not topics or kinds & set(topics):
            return self._no("error:invalid args", op, request)
        for topic in topics:
            self.subscribe(topic)
        if self._protection.topic in topics:
            self._protection.hold(self._api_key, self)
        return Answer((self._said("", op, request),))

    def ended(self, now: float) -> None:
        """It no longer keeps the account's orders alive."""
        if self._api_key is not None:
            self._protection.lose(self._api_key, self, now)

    def _no(self, message: str, op: str, request: dict[str, Any]) -> Answer:
        return Answer(frames=(self._said(message, op, request, success=False),))

    def _said(self, message: str, op: str, request: dict[str, Any], *, success: bool = True) -> bytes:
        body: dict[str, object] = {"success": success, "ret_msg": message, "op": op, "conn_id": self._id}
        number = request.get("req_id")
        return encode_json(body | ({"req_id": number} if isinstance(number, str) else {}))
