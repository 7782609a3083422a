"""One connection to Binance's spot WebSocket API, as far as accounts need it: logon, subscriptions, some queries. Pure.

Sources: binance-spot-api-docs web-socket-api.md and errors.md, 2026-07-21; the margin pages of developers.binance.com for
`userDataStream.subscribe.listenToken`. Requests cost weight out of the same allowance as REST, and so does the handshake.
What the venue answers to a method that it does not know, and its code for a second subscription to one account, are not
documented where we looked; both are refused with -1020 and -2035 here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

import msgspec

from .._dialect import Answer, BadTarget, Floor, Session
from .._limits import Verdict, WeightLimit
from .._rest import ApiError, Handler, Request, encode_json
from ._binance_auth import Authority, check_time, rejected
from ._binance_event_streams import EventStream, EventStreams, spot_topic
from ._binance_rest import Params, problem
from ._binance_spot_messages import stream_terminated, subscribed_event

PATH = "/ws-api/v3"
_CONNECT_WEIGHT = 2
_QUERIES = {
    "openOrders.status": "openOrders",
    "order.status": "order",
    "allOrders": "allOrders",
    "myTrades": "myTrades",
    "openOrderLists.status": "openOrderList",
}
_WEIGHTS = {"ping": 1, "time": 1, "order.status": 4, "allOrders": 20, "myTrades": 20, "openOrderLists.status": 6}


class WsApiSession(Session):
    """What one connection is authorised for and subscribed to.

    Args:
        floor: of the venue.
        weight: the allowance of the address.
        streams: what subscriptions stand on.
        handlers: the answers to queries, past the signature.

    Raises:
        BadTarget: the address has used up its allowance.
    """

    def __init__(
        self, floor: Floor, weight: WeightLimit, streams: EventStreams, handlers: Mapping[str, Handler]
    ) -> None:
        super().__init__(PATH, "private", form=PATH)
        self._floor = floor
        self._weight = weight
        self._all = streams
        self._handlers = handlers
        self._authority = Authority(floor)
        self._connected_ms = floor.ms()
        self._api_key: str | None = None
        self._authorized_ms: int | None = None
        self._streams: dict[int, EventStream] = {}
        """By subscription id."""
        self._next = 0
        verdict = weight.spend(_CONNECT_WEIGHT, floor.ms())
        if verdict.status != 200:
            raise BadTarget(verdict.status, "too much request weight", verdict.breach)
        self._methods: dict[str, Callable[[dict[str, Any]], Any]] = {
            "ping": lambda _: {},
            "time": lambda _: {"serverTime": floor.ms()},
            "session.logon": self._logon,
            "session.logout": self._logout,
            "session.status": lambda _: self._status(),
            "session.subscriptions": lambda _: [{"subscriptionId": number} for number in self._streams],
            "userDataStream.subscribe": self._subscribe,
            "userDataStream.subscribe.signature": self._subscribe_signed,
            "userDataStream.subscribe.listenToken": self._subscribe_token,
            "userDataStream.unsubscribe": self._unsubscribe,
        }

    # Events.

    def wants(self, topic: str) -> bool:
        """Whether those events flow to this connection."""
        now = self._floor.clock.now()
        return self.subscribed(topic) and any(s.topic == topic and s.active(now) for s in self._streams.values())

    def dress(self, topic: str, payload: bytes) -> bytes:
        """Around each event stands by which subscription it comes."""
        number = next((number for number, stream in self._streams.items() if stream.topic == topic), 0)
        return subscribed_event(number, payload)

    def due(self) -> float:
        """When the next of its subscriptions ends."""
        return min((stream.expires for stream in self._streams.values()), default=float("inf"))

    def tick(self, now: float) -> tuple[bytes, ...]:
        """The notices that subscriptions have ended."""
        ended = {number: stream for number, stream in self._streams.items() if not stream.active(now)}
        for number in ended:
            self._drop(number)
        payload = stream_terminated(self._floor.ms())
        return tuple(subscribed_event(number, payload) for number, stream in ended.items() if stream.notice)

    def notice(self, variant: int, now: float) -> bytes | None:
        """`serverShutdown`, which has no subscription here."""
        return encode_json({"event": {"e": "serverShutdown", "E": self._floor.ms()}})

    def _add(self, stream: EventStream) -> dict[str, Any]:
        number = self._next
        self._next += 1
        self._streams[number] = stream
        self.subscribe(stream.topic)
        self._changed()
        return {"subscriptionId": number}

    def _drop(self, number: int) -> None:
        self.unsubscribe(self._streams.pop(number).topic)
        self._changed()

    def _changed(self) -> None:
        self.credentials = {stream.credential for stream in self._streams.values()}
        self.form = PATH + "".join(f" {number}={stream.topic}" for number, stream in self._streams.items())

    # Requests.

    def receive(self, text: bytes, now: float) -> Answer:
        """Answer one request of the client."""
        try:
            request = msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError):
            request = None
        if not isinstance(request, dict) or not isinstance(request.get("method"), str):
            return Answer(frames=(self._error(None, 400, {"code": -1000, "msg": "Invalid JSON request."}, None),))
        number, method, params = request.get("id"), request["method"], request.get("params") or {}
        verdict = self._weight.spend(self._cost(method, params), self._floor.ms())
        if verdict.status != 200:
            breach = (verdict.breach, f"{verdict.used} in this minute") if verdict.breach else None
            return Answer(frames=(self._too_much(number, verdict),), breach=breach)
        try:
            if self._api_key is not None and self._floor.credentials.secret(self._api_key) is None:
                # The session is told of its end only now, and not by the id of what it has asked.
                number, self._api_key, self._authorized_ms = None, None, None
                raise rejected()
            result = self._answer(method, params)
        except ApiError as error:
            return Answer(frames=(self._error(number, error.status, msgspec.json.decode(error.body), verdict),))
        reply = encode_json({"id": number, "status": 200, "result": result, "rateLimits": self._limits(verdict)})
        if method not in self._methods or not method.startswith(("session.logon", "userDataStream.")):
            return Answer(frames=(reply,))
        return Answer(acks=(reply,), login=method != "userDataStream.unsubscribe")

    def _answer(self, method: str, params: object) -> Any:
        if not isinstance(params, dict):
            raise problem(400, -1000, "Invalid JSON request.")
        if method in self._methods:
            return self._methods[method](params)
        if method not in _QUERIES:
            raise problem(400, -1020, "This operation is not supported.")
        api_key = self._signer(params)
        query = urlencode({name: value for name, value in params.items() if name != "apiKey"})
        return self._handlers[_QUERIES[method]](Request("GET", method, query, {"x-mbx-apikey": api_key}))

    def _cost(self, method: str, params: object) -> int:
        if method == "openOrders.status":
            return 6 if isinstance(params, dict) and "symbol" in params else 80
        return _WEIGHTS.get(method, 2)

    def _signer(self, params: dict[str, Any]) -> str:
        """Whose request it is: of the session's key, or of the one that has signed it.

        Raises:
            ApiError: nobody's, or it is late, or the signature is wrong.
        """
        asked = Params(Request("GET", "", urlencode(params), {}))
        if "apiKey" not in params and self._api_key is not None:
            check_time(asked, self._floor.ms())
            return self._api_key
        api_key = self._authority.known(str(params.get("apiKey", "")))
        check_time(asked, self._floor.ms())
        signature = asked.text("signature")
        # Sorted by name, and not percent-encoded.
        payload = "&".join(f"{name}={_plain(params[name])}" for name in sorted(params) if name != "signature")
        self._authority.check(api_key, payload, signature)
        return api_key

    def _logon(self, params: dict[str, Any]) -> Any:
        # A session that has a key may log on with another one.
        self._api_key = None
        api_key = self._signer(params)
        if "-----BEGIN" not in self._floor.credentials.secrets[api_key]:
            raise problem(400, -4056, "HMAC_SHA256 API key is not supported.")
        self._authority.may_log_in()
        self._api_key, self._authorized_ms = api_key, self._floor.ms()
        return self._status()

    def _logout(self, params: dict[str, Any]) -> Any:
        mine = [number for number, stream in self._streams.items() if stream.topic == spot_topic(self._api_key or "")]
        for number in mine:
            self._drop(number)
        self._api_key = self._authorized_ms = None
        return self._status()

    def _status(self) -> dict[str, Any]:
        return {
            "apiKey": self._api_key,
            "authorizedSince": self._authorized_ms,
            "connectedSince": self._connected_ms,
            "returnRateLimits": True,
            "serverTime": self._floor.ms(),
            "userDataStream": bool(self._streams),
        }

    def _subscribe(self, params: dict[str, Any]) -> Any:
        if self._api_key is None:
            raise problem(401, -2015, "Session is not authenticated.")
        return self._subscribe_spot(self._api_key)

    def _subscribe_signed(self, params: dict[str, Any]) -> Any:
        api_key = self._signer(params)
        self._authority.may_log_in()
        return self._subscribe_spot(api_key)

    def _subscribe_spot(self, api_key: str) -> dict[str, Any]:
        topic = spot_topic(api_key)
        if any(stream.topic == topic for stream in self._streams.values()):
            raise problem(400, -2035, "User Data Stream subscription already active.")
        return self._add(self._all.subscribe(topic))

    def _subscribe_token(self, params: dict[str, Any]) -> Any:
        now = self._floor.clock.now()
        token = self._all.find(str(params.get("listenToken", "")), now)
        if token is None:
            raise problem(400, -1209, "Invalid listenToken.")
        expires = self._floor.ms() + round((token.expires - now) * 1000)
        present = next((number for number, stream in self._streams.items() if stream.topic == token.topic), None)
        if present is None:
            return self._add(token) | {"expirationTime": expires}
        # The same account with the next token: the subscription lives on.
        self._streams[present] = token
        self._changed()
        return {"subscriptionId": present, "expirationTime": expires}

    def _unsubscribe(self, params: dict[str, Any]) -> Any:
        wanted = params.get("subscriptionId")
        for number in [*self._streams] if wanted is None else [wanted]:
            if number in self._streams:
                self._drop(number)
        return {}

    # Answers.

    def _limits(self, verdict: Verdict) -> list[dict[str, Any]]:
        limit = {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1}
        return [limit | {"limit": self._floor.rules.weight_per_minute, "count": verdict.used}]

    def _error(self, number: object, status: int, error: object, verdict: Verdict | None) -> bytes:
        message: dict[str, Any] = {"id": number, "status": status, "error": error}
        if verdict is not None:
            message["rateLimits"] = self._limits(verdict)
        return encode_json(message)

    def _too_much(self, number: object, verdict: Verdict) -> bytes:
        """Here the time to come back at is a moment, and not seconds as in REST."""
        now = self._floor.ms()
        until = verdict.banned_until or now + verdict.retry_after * 1000
        error = {
            "code": -1003,
            "msg": "Too much request weight used.",
            "data": {"serverTime": now, "retryAfter": until},
        }
        return self._error(number, verdict.status, error, verdict)


def _plain(value: object) -> str:
    """A parameter as it is signed."""
    return ("true" if value else "false") if isinstance(value, bool) else str(value)
