"""Bybit v5, spot and linear: the private stream and the signed requests of an account.

Sources: Bybit v5 docs (bybit-exchange/docs, 2026-07-24): guide.mdx for signatures, websocket/wss-authentication.mdx,
websocket/private/order.mdx and execution.mdx, user/apikey-info.mdx; REST pages in `_bybit_account_rest`. What was only
observed says so.

Orders and executions come in messages of their own, in either order. ``execution.fast`` is not used: it repeats the
executions, and leaves the client id of makers out. An order that was filled while a cancellation of it was under way is
told twice as ``Filled`` (order.mdx): the second adds nothing to the first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Final
from urllib.parse import quote

import attrs
import msgspec

from .._account_source import Credentials, Inquiry, KeyReport, OrderReport, Question
from .._errors import BadFrame, HttpFailure
from .._records import Fill, OrderId
from .._signing import sign
from .._source import (
    Acknowledged,
    Ask,
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
)
from . import _bybit
from . import _bybit_account_rest as rest
from ._bybit import VENUES, Category
from ._bybit_account_rows import ExecutionRow, OrderRow
from ._decode import UNREADABLE, Moment, rows_of, text
from ._inquiries import Keyless

RECV_WINDOW: Final = 5000
"""Milliseconds; the venue's own default."""
LOGIN_VALID: Final = 10_000
"""Milliseconds from signing a login to its end."""

_LOGIN: Final = "auth"
_SUBSCRIBE: Final = "subscribe"
"""Ids of the requests: answers to them were seen without one, and are then known by their operation."""
_PASSING: Final = (
    "busy",
    "frequent",
    "internal",
    "maintenance",
    "restart",
    "system",
    "timeout",
    "too many",
    "try again",
)
"""In the text of a refused login: the venue's trouble, which passes. The texts are not documented."""
_LATE: Final = ("expire", "timestamp", "recv_window")
"""The same, of the request's time. A key that has expired is told as one."""
_KNOWN: Final = frozenset({"dcp", "fast executions", "greeks", "position", "wallet"})


class _Orders(msgspec.Struct, frozen=True):
    topic: str
    data: list[OrderRow]


class _Executions(msgspec.Struct, frozen=True):
    topic: str
    data: list[ExecutionRow]


class _Topic(msgspec.Struct, frozen=True):
    topic: str


class _Time(msgspec.Struct, frozen=True, rename={"nanoseconds": "timeNano"}):
    nanoseconds: Moment


class _TimeReply(msgspec.Struct, frozen=True):
    result: _Time


_topic = msgspec.json.Decoder(_Topic)
_orders = msgspec.json.Decoder(_Orders, strict=False)
_executions = msgspec.json.Decoder(_Executions, strict=False)
_time = msgspec.json.Decoder(_TimeReply, strict=False)
_anything = msgspec.json.Decoder()
_encode = msgspec.json.Encoder().encode


@attrs.frozen
class BybitAccount(Keyless):
    """One account and category: a `actors._account_source.AccountSource`.

    The key is HMAC or RSA. There is no request that tells whether it still is one: a key that was revoked is found by the
    next question by REST.

    Attributes:
        account: As the bot named it.
        credentials: Key and secret.
        category: ``spot``, or ``linear``.
        settle_coins: Of linear: in what its contracts are settled, to ask for all open orders.
    """

    account: str
    credentials: Credentials
    category: Category = attrs.field(default="spot", validator=attrs.validators.in_(tuple(VENUES)))
    settle_coins: tuple[str, ...] = attrs.field(default=("USDT", "USDC"), converter=tuple)

    limits: ClassVar[Limits] = _bybit.LIMITS
    ping_every: ClassVar[float] = _bybit.PING_EVERY
    whole: ClassVar[bool] = True
    fills_apart: ClassVar[bool] = True

    @property
    def venue(self) -> str:
        """``bybit`` is spot, ``bybit-linear`` are perpetuals and futures."""
        return VENUES[self.category]

    def symbol(self, name: str) -> str:
        """Return a symbol as the venue has it, as of the public channels."""
        return _bybit.symbol(name)

    # The connection --------------------------------------------------------------------------------------------

    def door_question(self) -> Question | None:
        """Return None: the address is fixed."""
        return None

    def door(self, address: str, answer: bytes | None, key: str) -> Door:
        """Return the address of the private stream, which is the same for all categories."""
        return Door(f"{address}/v5/private")

    def phase(self, number: int, now: int, key: str, first_id: int) -> list[Ask] | None:
        """Log in; then subscribe both topics of the category with one request."""
        if number == 0:
            return [login(self.credentials, now)]
        if number == 1:
            return [subscription((f"order.{self.category}", f"execution.{self.category}"))]
        return None

    def ping(self, number: int) -> str | None:
        """Return the text of a ping. Protocol pings do not keep the connection."""
        return f'{{"req_id":"{number}","op":"ping"}}'

    def decode_many(self, frames: Sequence[Frame], received: int) -> Decoded:
        """Read a batch of frames, up to the first that cannot be read."""
        decoded = Decoded([], [])
        for frame in frames:
            try:
                self._decode(frame, received, decoded)
            except BadFrame as error:
                decoded.error = error
                break
        return decoded

    def _decode(self, frame: Frame, received: int, decoded: Decoded) -> None:
        try:
            topic = _topic.decode(frame).topic
        except UNREADABLE:
            decoded.controls.append(control(frame))
            return
        kind = "fast executions" if topic.startswith("execution.fast") else topic.partition(".")[0]
        try:
            if kind == "order":
                orders = [row for row in _orders.decode(frame).data if row.category == self.category]
                decoded.items += [row.update(self.venue, self.account, received, frame) for row in orders]
            elif kind == "execution":
                executions = [row for row in _executions.decode(frame).data if row.category == self.category]
                decoded.items += [row.fill(frame) for row in executions if row.counts]
            else:
                decoded.controls.append(Ignored(kind[:40], known=kind in _KNOWN))
        except UNREADABLE:
            raise BadFrame(f"{kind}: a message that is not one") from None

    # REST ------------------------------------------------------------------------------------------------------

    def request(self, question: Question, now: int) -> HttpRequest:
        """Return the request, signed in its headers (guide.mdx, "Authentication")."""
        # Cursors are escaped when they come, and have to go as they came: so the official client sends them.
        query = "&".join(f"{name}={quote(str(value), safe='%:,=')}" for name, value in question.parameters)
        headers: tuple[tuple[str, str], ...] = ()
        if question.signed:
            key = self.credentials.key.reveal()
            payload = f"{now}{key}{RECV_WINDOW}{query}{question.content.decode()}"
            headers = (
                ("X-BAPI-API-KEY", key),
                ("X-BAPI-TIMESTAMP", str(now)),
                ("X-BAPI-RECV-WINDOW", str(RECV_WINDOW)),
                ("X-BAPI-SIGN", sign(self.credentials.secret.reveal(), payload)),
            )
        if question.content:
            headers = (*headers, ("Content-Type", "application/json"))
        return HttpRequest(question.method, question.path, query, headers, question.weight, question.content)

    def failure(self, request: HttpRequest, reply: HttpReply) -> HttpFailure | None:
        """Return the error that the reply means, or None. Most errors come with the status 200."""
        return _bybit.failure(request, reply)

    def time_question(self) -> Question:
        """Return the question for the venue's time."""
        return Question("GET", "/v5/market/time", signed=False)

    def time(self, body: bytes) -> int:
        """Read the answer."""
        return rows_of(_time, body, "time").result.nanoseconds // 1_000_000

    def open_orders(self, symbol: str | None) -> Inquiry[list[OrderReport]]:
        """Ask for open orders."""
        return rest.open_orders(self.category, symbol, self.settle_coins)

    def orders(self, symbol: str | None, since: int, now: int) -> Inquiry[list[OrderReport]]:
        """Ask for orders by the time at which they were made, the youngest of the closed ones in real time."""
        return rest.orders(self.category, symbol, self.settle_coins, since, now)

    def one_order(self, symbol: str, order_id: OrderId) -> Inquiry[OrderReport | None]:
        """Ask for one order. The venue answers with an empty list where it knows none."""
        return rest.one_order(self.category, symbol, str(order_id))

    def fills(self, symbol: str | None, since: int, now: int) -> Inquiry[list[Fill]]:
        """Ask for executions, two years back."""
        return rest.fills(self.category, symbol, since, now)

    def permissions_question(self) -> Question | None:
        """Return the question for what the key may do; any key may ask it."""
        return Question("GET", "/v5/user/query-api", weight=rest.WEIGHT)

    def permissions(self, body: bytes) -> KeyReport:
        """Read the answer."""
        return rest.permissions(self.category, body)


def login(credentials: Credentials, now: int) -> Ask:
    """Return the request that logs a private connection in.

    Args:
        credentials: Key and secret.
        now: The venue's time, milliseconds.

    Raises:
        SecretMissing: One cannot be read.
    """
    expires = now + LOGIN_VALID
    signature = sign(credentials.secret.reveal(), f"GET/realtime{expires}")
    message = {"req_id": _LOGIN, "op": "auth", "args": [credentials.key.reveal(), expires, signature]}
    return Ask(_LOGIN, _encode(message).decode(), ())


def subscription(topics: Sequence[str], operation: str = _SUBSCRIBE) -> Ask:
    """Return the request that subscribes topics, or with ``unsubscribe`` ends that."""
    message = {"req_id": operation, "op": operation, "args": list(topics)}
    return Ask(operation, _encode(message).decode(), ())


def control(frame: Frame) -> Control:
    """Read a frame of a private connection that has no topic.

    Raises:
        BadFrame: Not JSON, not an object. Without a sample.
    """
    try:
        message = _anything.decode(frame)
    except UNREADABLE:
        raise BadFrame("not JSON") from None
    if not isinstance(message, dict):
        raise BadFrame("not a JSON object")
    return _answer(message)


def _answer(message: dict[str, Any]) -> Control:
    operation, reason = text(message.get("op"), 20), text(message.get("ret_msg"))
    if operation == "pong" or (operation == "ping" and reason == "pong"):
        return Pong()
    success = message.get("success")
    if not isinstance(success, bool):
        return Ignored("no topic", known=False)
    number = text(message.get("req_id"), 40) or operation
    if success:
        known = operation in (_LOGIN, _SUBSCRIBE, "unsubscribe")
        return Acknowledged(number) if known else Ignored(f"answer to {operation}", known=False)
    if operation == _LOGIN:
        return _refused_login(reason, number)
    # What was subscribed already goes on ("error:already subscribed,topic:...").
    return Refused(0, reason, number, harmless="already subscribed" in reason)


def _refused_login(reason: str, number: str) -> Control:
    said = reason.lower()
    late = any(word in said for word in _LATE) and "api key" not in said and "apikey" not in said
    if late or any(word in said for word in _PASSING):
        return Refused(0, reason, number, clock_off=late)
    return Denied(0, reason)
