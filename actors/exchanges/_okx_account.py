"""OKX v5: the private stream and the signed requests of an account.

Sources: OKX API guide v5 (www.okx.com/docs-v5/en) as of February 2026; section names below are its own: "Overview" for
signatures, "WebSocket / Login", "WS / Order channel", "Error code".

* Nothing may be subscribed before the login is acknowledged.
* The subscription is acknowledged, and may be refused after that: ``channel-conn-count-error``, when the channel has 30
  connections already. The connection lives on, and brings nothing.
* The venue's rules for repeated messages ("WS / Order channel"): with ``tradeId`` it is a fill, and each ``tradeId`` of an
  instrument counts once; without, an end counts once by order. All of it is left to whoever keeps what was delivered; here
  an end that names a trade is no fill.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar, Final

import attrs
import msgspec

from .._account_source import Credentials, Inquiry, KeyReport, OrderReport, Question
from .._errors import BadFrame, HttpFailure, SecretMissing
from .._records import Fill, OrderId
from .._signing import hmac_base64
from .._source import (
    Acknowledged,
    Ask,
    Closing,
    Control,
    Decoded,
    Denied,
    Door,
    Frame,
    HttpReply,
    HttpRequest,
    Ignored,
    Limits,
    Pong,
    Refused,
    RestLimit,
)
from . import _okx
from . import _okx_account_rest as rest
from ._common import number_of
from ._decode import UNREADABLE, Moment, rows_of, text
from ._inquiries import Keyless
from ._okx_account_rows import OrderRow

PING_EVERY: Final = 20.0
"""Seconds: the venue ends a connection on which it has pushed nothing for 30 s."""

_LOGIN: Final = "login"
_SUBSCRIBE: Final = "subscribe"
"""Ids of the requests. The answer to a login has none, and is known by its event."""
_CHANNEL: Final = "orders"
_DENIED: Final = frozenset({60005, 60007, 60009, 60024, 60032}) | _okx.UNAUTHORIZED
"""Wrong key, signature, login, passphrase; no such key ("Error code", "WebSocket")."""
_OF_LOGIN: Final = frozenset({60004, 60006, 60011, 60014, 60023, 60031, 63999})
"""Time of the login, too many of them, the venue's own trouble: the next one may be taken."""
_CLOCK_OFF: Final = frozenset({60004, 60006})
_KNOWN: Final = frozenset(
    {"account", "account-greeks", "balance_and_position", "fills", "orders-algo", "position-risk-warning", "positions"}
)


class _Arg(msgspec.Struct, frozen=True):
    channel: str = ""


class _Orders(msgspec.Struct, frozen=True):
    arg: _Arg
    data: list[OrderRow]


class _Time(msgspec.Struct, frozen=True):
    ts: Moment


class _TimeReply(msgspec.Struct, frozen=True):
    data: list[_Time]


_orders = msgspec.json.Decoder(_Orders, strict=False)
_time = msgspec.json.Decoder(_TimeReply, strict=False)
_anything = msgspec.json.Decoder()
_encode = msgspec.json.Encoder().encode


@attrs.frozen
class OkxAccount(Keyless):
    """One account: a `actors._account_source.AccountSource`.

    Nothing has to be probed: the venue closes connections of keys that were changed or deleted, with the code 4007.

    Attributes:
        account: As the bot named it.
        credentials: Key, secret and passphrase.
        types: Kinds of instruments, of which orders and old fills are asked for one by one.
        demo: Whether the account is one of demo trading, which has addresses of its own too.
    """

    account: str
    credentials: Credentials
    types: tuple[str, ...] = attrs.field(default=rest.TYPES, converter=tuple)
    demo: bool = False

    venue: ClassVar[str] = _okx.VENUE
    whole: ClassVar[bool] = True
    fills_apart: ClassVar[bool] = False
    ping_every: ClassVar[float] = PING_EVERY
    limits: ClassVar[Limits] = Limits(
        attempts=3,
        attempts_within=1.0,
        messages=480,
        messages_within=3600.0,
        symbols=1,
        lifetime=None,
        rest=RestLimit(weight=_okx.WEIGHT, within=_okx.WINDOW),
    )
    """As of the public channels."""

    @types.validator
    def _check_types(self, _attribute: object, value: tuple[str, ...]) -> None:
        if not value or not set(value) <= set(rest.TYPES):
            raise ValueError(f"types must be of {', '.join(rest.TYPES)}, not {', '.join(map(str, value)) or 'none'}")

    def symbol(self, name: str) -> str:
        """Return an instrument's name: ``BTC-USDT``, ``BTC-USDT-SWAP``, ``BTC-USD-261030``."""
        return _okx.symbol(name)

    # The connection --------------------------------------------------------------------------------------------

    def door_question(self) -> Question | None:
        """Return None: the address is fixed."""
        return None

    def door(self, address: str, answer: bytes | None, key: str) -> Door:
        """Return where to connect."""
        return Door(f"{address.rstrip('/')}/ws/v5/private")

    def phase(self, number: int, now: int, key: str, first_id: int) -> list[Ask] | None:
        """Log in; then subscribe the orders of all instruments."""
        if number == 0:
            return [self._login(now)]
        if number == 1:
            args = [{"channel": _CHANNEL, "instType": "ANY"}]
            return [Ask(_SUBSCRIBE, _encode({"id": _SUBSCRIBE, "op": "subscribe", "args": args}).decode(), ())]
        return None

    def _login(self, now: int) -> Ask:
        # Whole seconds, as text.
        moment = str(now // 1000)
        arg = {
            "apiKey": self.credentials.key.reveal(),
            "passphrase": self._passphrase(),
            "timestamp": moment,
            "sign": hmac_base64(self.credentials.secret.reveal(), f"{moment}GET/users/self/verify"),
        }
        return Ask(_LOGIN, _encode({"op": "login", "args": [arg]}).decode(), ())

    def _passphrase(self) -> str:
        if self.credentials.passphrase is None:
            raise SecretMissing("OKX keys have a passphrase, and none is given")
        return self.credentials.passphrase.reveal()

    def ping(self, number: int) -> str | None:
        """Return the text that the venue answers with ``pong``."""
        return "ping"

    def decode_many(self, frames: Sequence[Frame], received: int) -> Decoded:
        """Read a batch of frames, up to the first that cannot be read."""
        decoded = Decoded([], [])
        for frame in frames:
            try:
                message = None if frame == b"pong" else _orders.decode(frame)
            except UNREADABLE:
                message = None
            try:
                if message is None or message.arg.channel != _CHANNEL:
                    decoded.controls.append(control(frame))
                else:
                    decoded.items += [row.update(self.account, received, frame) for row in message.data]
            except BadFrame as error:
                decoded.error = error
                break
        return decoded

    # REST ------------------------------------------------------------------------------------------------------

    def request(self, question: Question, now: int) -> HttpRequest:
        """Return the request, signed in its headers ("Overview", "REST Authentication")."""
        query = "&".join(f"{name}={value}" for name, value in question.parameters)
        headers: tuple[tuple[str, str], ...] = (("x-simulated-trading", "1"),) if self.demo else ()
        if question.signed:
            moment = datetime.fromtimestamp(now // 1000, UTC).strftime(f"%Y-%m-%dT%H:%M:%S.{now % 1000:03d}Z")
            path = f"{question.path}?{query}" if query else question.path
            payload = f"{moment}{question.method}{path}{question.content.decode()}"
            headers += (
                ("OK-ACCESS-KEY", self.credentials.key.reveal()),
                ("OK-ACCESS-SIGN", hmac_base64(self.credentials.secret.reveal(), payload)),
                ("OK-ACCESS-TIMESTAMP", moment),
                ("OK-ACCESS-PASSPHRASE", self._passphrase()),
            )
        if question.content:
            headers += (("Content-Type", "application/json"),)
        return HttpRequest(question.method, question.path, query, headers, question.weight, question.content)

    def failure(self, request: HttpRequest, reply: HttpReply) -> HttpFailure | None:
        """Return the error that the reply means, or None. Errors come with the status 200 too."""
        return _okx.failure(request, reply)

    def time_question(self) -> Question:
        """Return the question for the venue's time."""
        return Question("GET", "/api/v5/public/time", weight=rest.TIME_WEIGHT, signed=False)

    def time(self, body: bytes) -> int:
        """Read the answer."""
        rows = rows_of(_time, body, "time").data
        if len(rows) != 1:
            raise BadFrame(f"time: {len(rows)} of them")
        return rows[0].ts

    def open_orders(self, symbol: str | None) -> Inquiry[list[OrderReport]]:
        """Ask for open orders, of all kinds of instruments at once."""
        return rest.open_orders(symbol)

    def orders(self, symbol: str | None, since: int, now: int) -> Inquiry[list[OrderReport]]:
        """Ask for orders that are over, by the time at which they were made; three months back."""
        return rest.orders(self.types, symbol, since, now)

    def one_order(self, symbol: str, order_id: OrderId) -> Inquiry[OrderReport | None]:
        """Ask for one order. Those that were cancelled without a fill are forgotten after two hours."""
        return rest.one_order(symbol, order_id)

    def fills(self, symbol: str | None, since: int, now: int) -> Inquiry[list[Fill]]:
        """Ask for fills, three months back."""
        return rest.fills(self.types, symbol, since, now)

    def permissions_question(self) -> Question | None:
        """Return the question for the account's configuration."""
        return Question("GET", "/api/v5/account/config", weight=rest.CONFIG_WEIGHT)

    def permissions(self, body: bytes) -> KeyReport:
        """Read the answer."""
        return rest.permissions(body)


def control(frame: Frame) -> Control:
    """Read a frame of the private connection that is no order.

    Raises:
        BadFrame: Neither ``pong`` nor a JSON object, or a broken message of the channel. Without a sample.
    """
    if frame == b"pong":
        return Pong()
    try:
        message = _anything.decode(frame)
    except UNREADABLE:
        raise BadFrame("not JSON") from None
    if not isinstance(message, dict):
        raise BadFrame("not a JSON object")
    arg = message.get("arg")
    channel = text(arg.get("channel") if isinstance(arg, dict) else "", 40)
    event = message.get("event")
    if event is None:
        if channel == _CHANNEL:
            raise BadFrame("orders: a message that is not one")
        return Ignored(channel or "no channel", known=channel in _KNOWN)
    return _said(text(event, 40), channel, message)


def _said(event: str, channel: str, message: dict[str, Any]) -> Control:
    code, reason = number_of(message.get("code")) or 0, text(message.get("msg"))
    if event == "error":
        if code in _DENIED:
            return Denied(code, reason)
        number = text(message.get("id"), 40) or (_LOGIN if code in _OF_LOGIN else _SUBSCRIBE)
        return Refused(code, reason, number, clock_off=code in _CLOCK_OFF)
    if event == "channel-conn-count-error":
        return Refused(code, f"too many connections have the channel {text(message.get('channel'), 40)}", _SUBSCRIBE)
    if event == "notice":
        # Sent a minute before the connection ends ("Notification").
        if message.get("code") == _okx.SERVICE_UPGRADE:
            return Closing("service upgrade")
        return Ignored(f"notice {text(message.get('code'), 20)}", known=False)
    if event == _LOGIN:
        return Acknowledged(_LOGIN) if code == 0 else Denied(code, reason)
    if event == _SUBSCRIBE and channel == _CHANNEL:
        return Acknowledged(text(message.get("id"), 40) or _SUBSCRIBE)
    return Ignored(f"{event} {channel}".rstrip()[:40], known=event in (_SUBSCRIBE, "unsubscribe", "channel-conn-count"))
