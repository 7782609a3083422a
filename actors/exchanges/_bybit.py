"""What the channels of Bybit v5 share: addresses, topics, pings, acknowledgements, error codes.

Source: Bybit v5 docs (bybit-exchange/docs, 2026-07-24): websocket/wss-authentication.mdx, rate-limit/rate-limit.mdx and
error.mdx. What was only observed says so.
"""

from __future__ import annotations

import abc
import re
from collections.abc import Sequence
from typing import Any, ClassVar, Final, Literal, TypeAlias

import attrs
import msgspec

from .._errors import BadFrame, ClockOff, HttpFailure, NoSuchOrder, RateLimited, Unauthorized, UnknownOutcome
from .._source import (
    Acknowledged,
    Ask,
    Channel,
    Control,
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
from ._common import Unlisted
from ._decode import UNREADABLE, Moment, text

VENUE: Final = "bybit"
VENUE_LINEAR: Final = "bybit-linear"
WS: Final = "wss://stream.bybit.com"
REST: Final = "https://api.bybit.com"
TESTNET_WS: Final = "wss://stream-testnet.bybit.com"
TESTNET_REST: Final = "https://api-testnet.bybit.com"

Category: TypeAlias = Literal["spot", "linear"]
VENUES: Final[dict[str, str]] = {"spot": VENUE, "linear": VENUE_LINEAR}

PING_EVERY: Final = 20.0
"""Seconds, the venue's own advice. It sends no pings."""
ARGS: Final = 10
"""Topics in one request: the limit on spot. The same on linear, where there is none, so that one bad topic, which fails
its whole request, takes fewer good ones with it."""
LONGEST: Final = 27
"""Characters of a symbol, far more than any has: 500 topics stay below the 21000 characters that a connection may have."""

LIMITS: Final = Limits(
    attempts=400,
    attempts_within=300.0,
    messages=None,
    messages_within=1.0,
    symbols=500,
    lifetime=None,
    rest=RestLimit(500, 5.0),
)
"""The venue allows 500 connections in 5 minutes, and an address 600 requests in 5 s: other programs may share them, and
whoever asks more often is shut out for 10 minutes. No header tells how much of it is used."""

_WAIT_FORBIDDEN: Final = 600.0
"""Seconds: "terminate all HTTP sessions and wait for at least 10 minutes"."""
_WAIT_SECOND: Final = 1.0
"""Seconds: limits by endpoint count a rolling second."""
_WAIT_PROTECTION: Final = 10.0
"""Seconds. How long the system's own protection wants to be left alone is not documented."""
_UNAUTHORIZED: Final = frozenset({10003, 10004, 10005, 10007, 10008, 10010, 33004})
"""Key, signature, permission, login, banned user, address not among the key's, expired key."""
_CLOCK_OFF: Final = frozenset({-1, 10002})
"""Request expired; its time is not the venue's."""
_NO_SUCH_ORDER: Final = frozenset({110001, 170213})
"""On derivatives, on spot."""
_UNKNOWN_OUTCOME: Final = frozenset({10000, 10016})
"""Server timeout, internal error or restart."""
_ADDRESS_LIMIT: Final = frozenset({10009, 10018})
_TOO_MANY_VISITS: Final = 10006
_SYSTEM_PROTECTION: Final = 10429
_PARAMETER: Final = 10001

_KNOWN: Final = frozenset(
    {"allLiquidation", "insurance", "kline", "liquidation", "orderbook", "priceLimit", "publicTrade", "tickers"}
)


class _Head(msgspec.Struct, frozen=True, rename={"code": "retCode", "message": "retMsg"}):
    code: int = 0
    message: str = ""
    time: Moment = 0


_head = msgspec.json.Decoder(_Head)
_anything = msgspec.json.Decoder()
_encode = msgspec.json.Encoder().encode


@attrs.frozen
class PublicTopics(Unlisted, abc.ABC):
    """One channel of one category: the part of `actors._source.PublicSource` that is the same for all.

    The venue does not tell what is subscribed; its acknowledgements can be relied on.

    Attributes:
        category: ``spot``, or ``linear``: perpetuals and futures settled in USDT or USDC.
    """

    category: Category = attrs.field(default="spot", validator=attrs.validators.in_(tuple(VENUES)))

    channel: ClassVar[Channel]
    prefix: ClassVar[str]
    """What stands before the symbol in a topic."""
    limits: ClassVar[Limits] = LIMITS
    ping_every: ClassVar[float] = PING_EVERY

    @property
    def venue(self) -> str:
        """``bybit`` is spot, ``bybit-linear`` are perpetuals and futures."""
        return VENUES[self.category]

    def symbol(self, name: str) -> str:
        """Return a symbol as the venue has it: upper case, and nothing else. Dated futures have a hyphen."""
        return symbol(name)

    def door(self, address: str, answer: bytes | None) -> Door:
        """Return the address of the category's public streams."""
        return Door(f"{address}/v5/public/{self.category}")

    def subscribe(self, symbols: Sequence[str], first_id: int) -> list[Ask]:
        """Return the requests for these symbols. One bad topic fails the whole of its request."""
        return self._asks("subscribe", symbols, first_id)

    def unsubscribe(self, symbols: Sequence[str], first_id: int) -> list[Ask]:
        """Return the requests that end these symbols' subscriptions."""
        return self._asks("unsubscribe", symbols, first_id)

    def _asks(self, operation: str, symbols: Sequence[str], first_id: int) -> list[Ask]:
        made: list[Ask] = []
        for start in range(0, len(symbols), ARGS):
            part = tuple(symbols[start : start + ARGS])
            number = str(first_id + len(made))
            frame = _encode({"req_id": number, "op": operation, "args": [self.prefix + name for name in part]})
            made.append(Ask(number, frame.decode(), part))
        return made

    def ping(self, number: int) -> str | None:
        """Return the text of a ping. Protocol pings do not keep the connection."""
        return f'{{"req_id":"{number}","op":"ping"}}'

    def failure(self, request: HttpRequest, reply: HttpReply) -> HttpFailure | None:
        """Return the error that the reply means, or None. Most errors come with the status 200."""
        return failure(request, reply)

    def unknown_symbol(self, failure: HttpFailure) -> bool:
        """Say whether it is 10001 about the symbol: "Not supported symbols", "params error: symbol invalid" (seen)."""
        return failure.code == _PARAMETER and "symbol" in failure.reason.lower()


def symbol(name: str) -> str:
    """Return a symbol as the venue has it.

    Raises:
        ValueError: It cannot be one.
    """
    plain = name.replace("-", "")
    if not (plain.isascii() and plain.isalnum() and len(name) <= LONGEST):
        raise ValueError(f"not a symbol: {name!r}")
    return name.upper()


def failure(request: HttpRequest, reply: HttpReply) -> HttpFailure | None:
    """Return the error that a reply means, or None for success."""
    try:
        head = _head.decode(reply.body)
    except UNREADABLE:
        # Content delivery networks answer in HTML. What should have been data is found by whoever reads the rows.
        head = _Head()
    where, status = str(request), reply.status
    code = head.code or None
    reason = head.message[:200] or "no explanation"
    if status == 403 or code in _ADDRESS_LIMIT:
        # Also the answer to countries that the venue does not serve: then it never ends, and costs a request each time.
        return RateLimited(where, reason, retry_after=_WAIT_FORBIDDEN, status=status, code=code)
    if status == 429 or code == _SYSTEM_PROTECTION:
        return RateLimited(where, reason, retry_after=_WAIT_PROTECTION, status=status, code=code)
    if code == _TOO_MANY_VISITS:
        wait = _until_reset(reply.headers.get("x-bapi-limit-reset-timestamp"), head.time)
        return RateLimited(where, reason, retry_after=wait, status=status, code=code)
    if status == 401 or code in _UNAUTHORIZED:
        return Unauthorized(where, reason, status=status, code=code)
    if code in _CLOCK_OFF:
        return ClockOff(where, reason, status=status, code=code)
    if code in _NO_SUCH_ORDER:
        return NoSuchOrder(where, reason, status=status, code=code)
    if status >= 500 or code in _UNKNOWN_OUTCOME:
        return UnknownOutcome(where, reason, status=status, code=code)
    if code is not None or not 200 <= status < 300:
        return HttpFailure(where, reason, status=status, code=code)
    return None


def _until_reset(text: str | None, now: int) -> float:
    # Both are milliseconds by the venue's clock.
    if text is None or not (text.isascii() and text.isdigit()) or len(text) > 15 or now <= 0:
        return _WAIT_SECOND
    return max(_WAIT_SECOND, min((int(text) - now) / 1000, 60.0))


def control(frame: Frame, prefix: str, *, not_used: str | None = None) -> Control:
    """Read a frame that is not data.

    Args:
        frame: The whole frame.
        prefix: Of the topics that the caller decodes itself; one of them here means that it could not.
        not_used: A type of messages on these topics that the caller does not take.

    Raises:
        BadFrame: Not JSON, not an object, or a broken message of one of these topics.
    """
    try:
        message = _anything.decode(frame)
    except UNREADABLE:
        raise BadFrame("not JSON", frame) from None
    if not isinstance(message, dict):
        raise BadFrame("not a JSON object", frame)
    topic = message.get("topic")
    if isinstance(topic, str):
        kind = topic.partition(".")[0][:40]
        if not topic.startswith(prefix):
            return Ignored(kind, known=kind in _KNOWN)
        if not_used is not None and message.get("type") == not_used:
            return Ignored(f"{not_used} of {prefix[:-1]}", known=False)
        raise BadFrame(f"a {prefix[:-1]} message that is not one", frame)
    return _answer(message, prefix)


def _answer(message: dict[str, Any], prefix: str) -> Control:
    operation, reason = message.get("op"), text(message.get("ret_msg"))
    # Spot and linear send the ping back with the word in `ret_msg`; private and option streams name the operation so.
    if operation == "pong" or (operation == "ping" and reason == "pong"):
        return Pong()
    success = message.get("success")
    if not isinstance(success, bool):
        return Ignored("no topic", known=False)
    number = text(message.get("req_id"), 40)
    if success:
        if operation in ("subscribe", "unsubscribe"):
            return Acknowledged(number)
        return Ignored(f"answer to {text(operation, 20)}", known=False)
    # Seen: "error:handler not found,topic:publicTrade.X" on linear, "Invalid symbol :[publicTrade.X]" on spot.
    symbols = tuple(re.findall(re.escape(prefix) + r"([A-Z0-9-]+)", reason))
    return Refused(0, reason, number, symbols, harmless="already subscribed" in reason)
