"""OKX's private service: login, and the orders of an account. Pure.

Source: www.okx.com/docs-v5/en, about 2026-02: WebSocket login, connection count limit, orders channel, error codes.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any

import msgspec

from .._dialect import Answer, Floor, Goodbye, Overdue, Session
from .._limits import RollingWindow
from .._record import OrderEvent
from .._rest import encode_json
from ._okx_rest import STATUS, instrument_type

_CHANNELS = ("orders", "account", "positions", "balance_and_position")
_TYPES = ("ANY", "SPOT", "MARGIN", "SWAP", "FUTURES", "OPTION")
_LOGIN_WITHIN_MS = 30_000


def signature(secret: str, text: str) -> str:
    """The signature of a request or a login."""
    return base64.b64encode(hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest()).decode()


class OkxPrivateSession(Session):
    """One private connection.

    Args:
        floor: of the venue.
        holders: by API key, the connections that have the orders channel.
    """

    def __init__(self, floor: Floor, holders: dict[str, set[int]]) -> None:
        super().__init__("/ws/v5/private", "private")
        self._floor = floor
        self._holders = holders
        self._id = floor.token(8, "0123456789abcdef")
        per_hour = floor.rules.requests_per_hour
        self._requests = None if per_hour is None else RollingWindow(per_hour, 3600.0)
        self._api_key: str | None = None
        self._args: dict[str, dict[str, Any]] = {}

    def wants(self, topic: str) -> bool:
        """Whether it is logged in as whom the topic is for, and has subscribed its kind or its instrument."""
        api_key, _, symbol = topic.partition("/orders/")
        return api_key == self._api_key and self._chosen(symbol) is not None

    def _chosen(self, symbol: str) -> str | None:
        kinds = (f"orders/{symbol}", f"orders/{instrument_type(symbol)}", "orders/ANY")
        return next((kind for kind in kinds if self.subscribed(kind)), None)

    def dress(self, topic: str, payload: bytes) -> bytes:
        """The row, with the argument of the subscription that brings it."""
        chosen = self._chosen(topic.partition("/orders/")[2])
        arg = self._args.get(chosen or "", {})
        return b'{"arg":%b,"data":[%b]}' % (encode_json(arg | {"uid": "614488474791936"}), payload)

    def receive(self, text: bytes, now: float) -> Answer:
        """Answer the text `ping`, or one request."""
        if text == b"ping":
            return Answer(frames=(b"pong",), ping=True)
        try:
            request = msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError):
            request = None
        # What was sent is repeated by the venue; here not, for a login may stand in it.
        op, args = (request.get("op"), request.get("args")) if isinstance(request, dict) else (None, None)
        if op not in ("login", "subscribe", "unsubscribe") or not isinstance(args, list) or not args:
            return self._no("60012", "Invalid request", None)
        number = request.get("id") if isinstance(request, dict) else None
        if self._requests is not None and not self._requests.count(now):
            breach = ("requests_per_hour", f"more than {self._floor.rules.requests_per_hour} in an hour")
            return Answer(frames=(self._error("60014", "Requests too frequent", number),), breach=breach)
        if op == "login":
            return self._log_in(args[0] if isinstance(args[0], dict) else {}, now)
        if self._api_key is None:
            return self._no("60011", "Please log in", number)
        acks: list[bytes] = []
        frames: list[bytes] = []
        for arg in args:
            self._change(op, arg if isinstance(arg, dict) else {}, number, acks, frames)
        return Answer(tuple(acks), tuple(frames))

    def _log_in(self, arg: dict[str, Any], now: float) -> Answer:
        credentials = self._floor.credentials
        api_key, moment = str(arg.get("apiKey", "")), str(arg.get("timestamp", ""))
        secret = credentials.secret(api_key)
        if secret is None:
            return self._refused("60005", "Invalid apiKey")
        if arg.get("passphrase") != credentials.passphrase:
            return self._refused("60024", "Wrong passphrase")
        if not moment.isdigit():
            return self._refused("60004", "Invalid timestamp")
        if abs(int(moment) * 1000 - self._floor.ms()) > _LOGIN_WITHIN_MS:
            return self._refused("60006", "Timestamp request expired")
        expected = signature(secret, f"{moment}GET/users/self/verify")
        if not hmac.compare_digest(expected.encode(), str(arg.get("sign", "")).encode("utf-8", "replace")):
            return self._refused("60007", "Invalid sign")
        if credentials.refuses_logins(now):
            return self._refused("60009", "Login failed.")
        self._api_key = api_key
        return Answer((encode_json({"event": "login", "code": "0", "msg": "", "connId": self._id}),), login=True)

    def _change(self, op: str, arg: dict[str, Any], number: object, acks: list[bytes], frames: list[bytes]) -> None:
        assert self._api_key is not None, "only who is logged in changes anything"
        channel, symbol, kind = arg.get("channel"), arg.get("instId"), arg.get("instType", "")
        known = channel in _CHANNELS and (symbol is None or symbol in self._floor.tapes)
        if not known or (channel == "orders" and kind not in _TYPES):
            message = "Wrong URL or channel doesn't exist. Please use the correct URL, channel and parameters."
            frames.append(self._error("60018", message, number))
            return
        topic = f"{channel}/{symbol or kind}"
        body = {} if number is None else {"id": number}
        acks.append(encode_json(body | {"event": op, "arg": arg, "connId": self._id}))
        holders = self._holders.setdefault(self._api_key, set())
        if op == "unsubscribe":
            self.unsubscribe(topic)
            if channel == "orders":
                holders.discard(id(self))
            return
        most = self._floor.rules.connections_per_channel
        if channel == "orders" and most is not None and id(self) not in holders and len(holders) >= most:
            # Acknowledged all the same, and only then told.
            frames.append(self._count("channel-conn-count-error", len(holders)))
            return
        self.subscribe(topic)
        self._args[topic] = arg
        if channel == "orders":
            holders.add(id(self))
            frames.append(self._count("channel-conn-count", len(holders)))

    def _count(self, event: str, count: int) -> bytes:
        return encode_json({"event": event, "channel": "orders", "connCount": str(count), "connId": self._id})

    def _refused(self, code: str, message: str) -> Answer:
        return Answer(frames=(self._error(code, message, None),), goodbye=Goodbye(4001, "Login failed"))

    def _no(self, code: str, message: str, number: object) -> Answer:
        return Answer(frames=(self._error(code, message, number),))

    def _error(self, code: str, message: str, number: object) -> bytes:
        body = {} if number is None else {"id": number}
        return encode_json(body | {"event": "error", "code": code, "msg": message, "connId": self._id})

    def overdue(self, why: Overdue) -> Answer:
        """Close codes as documented."""
        if why == "unpushed":
            return Answer(goodbye=Goodbye(4004, "No data received in 30s"))
        return super().overdue(why)

    def notice(self, variant: int, now: float) -> bytes:
        """The service upgrade, 60 s before the close."""
        message = "The connection will soon be closed for a service upgrade. Please reconnect."
        return encode_json({"event": "notice", "code": "64008", "msg": message, "connId": self._id})

    def ended(self, now: float) -> None:
        """It no longer counts as one of the channel's connections."""
        if self._api_key is not None:
            self._holders.get(self._api_key, set()).discard(id(self))


def order_event(event: OrderEvent) -> dict[str, Any]:
    """An order as the channel tells it."""
    traded = event.execution == "TRADE"
    return {
        "accFillSz": event.filled,
        "algoClOrdId": "",
        "algoId": "",
        "amendResult": "",
        "amendSource": "",
        "avgPx": event.average_price if float(event.filled) else "",
        "cancelSource": "1" if event.status == "CANCELED" else "",
        "category": "normal",
        "ccy": "",
        "clOrdId": event.client_id,
        "code": "0",
        "cTime": str(event.created),
        "execType": ("M" if event.maker else "T") if traded else "",
        "fee": "0",
        "feeCcy": "USDT",
        "fillFee": "0",
        "fillFeeCcy": "USDT" if traded else "",
        "fillPx": event.last_price if traded else "",
        "fillSz": event.last_quantity if traded else "0",
        "fillPnl": "0",
        "fillTime": str(event.time) if traded else "",
        "instId": event.symbol,
        "instType": instrument_type(event.symbol),
        "lever": "0",
        "msg": "",
        "ordId": str(event.order_id),
        "ordType": "limit",
        "pnl": "0",
        "posSide": "",
        "px": event.price,
        "rebate": "0",
        "rebateCcy": "",
        "reduceOnly": "false",
        "reqId": "",
        "side": event.side,
        "source": "",
        "state": STATUS[event.status],
        "sz": event.quantity,
        "tag": "",
        "tdMode": "cash",
        "tgtCcy": "",
        "tradeId": str(event.public_id) if traded else "",
        "uTime": str(event.time),
    }
