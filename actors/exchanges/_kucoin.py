"""KuCoin classic spot: what stands in its messages and answers.

Sources: Kucoin/kucoin-universal-sdk, spec/ws and spec/rest, 2025-11-04; www.kucoin.com/docs-new, "Error code" and "Rate
limit", 2026. What "seen" says was observed by others on the live venue in September 2026.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Final, Generic, Literal, TypeAlias, TypeVar
from urllib.parse import quote as percent_encoded

import msgspec

from .._errors import BadFrame, ClockOff, HttpFailure, RateLimited, Unauthorized, UnknownOutcome
from .._net._address import taken_apart
from .._records import Quote, Side, Trade
from .._source import (
    Acknowledged,
    Closing,
    Control,
    Depth,
    Door,
    Frame,
    HttpReply,
    HttpRequest,
    Ignored,
    Level,
    Pong,
    Refused,
    Welcome,
)
from ._common import ascending, best, json_object, number_of, seconds_of
from ._decode import NO_NUMBER, UNREADABLE, Moment, Reader, Row, finite, levels, plain, reader, rows_of

VENUE: Final = "kucoin"

OK: Final = 200000
RATE_LIMITED: Final = 429000
BLOCKED: Final = 1015
"""By the proxy in front of the venue, for 30 s ("Request rate limit")."""
NO_SUCH_PAIR: Final = frozenset({900001, 400100, OK})
"""Seen: "Trading pair X does not exist."; a parameter is wrong, and the symbol is the only one; success with nothing in
it."""
CLOCK_OFF: Final = 400002
"""The time in the header is more than 5 s off."""
UNAUTHORIZED: Final = frozenset({*range(400001, 400013), 411100}) - {CLOCK_OFF}
"""Keys, signatures, addresses, permissions ("Error code"); the account is frozen."""
UNKNOWN: Final = frozenset({408000, 500000})
"""The venue gave up on the request; "Internal Server Error"."""
NO_SUCH_ORDER: Final = frozenset({OK, 100001, 126043})
"""Of a question for one order: success with nothing in it; "error.getOrder.orderNotExist"; "Order does not exist"
(the list in ccxt 4.5)."""
WINDOW: Final = 30.0

TOKEN_EXPIRED: Final = 401
PING_TIMEOUT: Final = 400

_KNOWN: Final = (
    "/account/",
    "/callauction/",
    "/contract/",
    "/contractMarket/",
    "/indicator/",
    "/margin/",
    "/market/candles:",
    "/market/level2:",
    "/market/level3:",
    "/market/match:",
    "/market/snapshot:",
    "/market/ticker:",
    "/spotMarket/",
)
"""How the topics begin that may come and are not used; futures have the third."""
T = TypeVar("T")
S = TypeVar("S")
R = TypeVar("R")


class KucoinTrade(
    msgspec.Struct,
    frozen=True,
    gc=False,
    rename={"id": "sequence", "quantity": "size", "nanoseconds": "time"},
):
    """One trade. See `actors.Trade`.

    Its id is the ``sequence``, which REST has too: whole numbers that rise and have holes. The ``tradeId`` of the
    stream is not in REST.
    """

    venue: ClassVar[str] = VENUE

    id: int
    price: Decimal
    quantity: Decimal
    side: Side
    nanoseconds: Moment
    """When it happened, since 1970 by the venue's clock."""
    symbol: str = ""
    received: int = 0

    @property
    def first_id(self) -> int:
        """The same as `id`."""
        return self.id

    @property
    def time(self) -> int:
        """When it happened: milliseconds since 1970 by the venue's clock."""
        return self.nanoseconds // 1_000_000


class _Message(msgspec.Struct, Generic[S, T], frozen=True, gc=False):
    type: Literal["message"]
    subject: S
    topic: str
    data: T


class _Best(msgspec.Struct, frozen=True, gc=False):
    timestamp: Moment
    asks: list[Decimal] | None = None
    bids: list[Decimal] | None = None


class _Levels(msgspec.Struct, frozen=True, gc=False):
    asks: list[Row]
    bids: list[Row]
    timestamp: Moment


class _Reply(msgspec.Struct, Generic[T], frozen=True):
    data: T


class _BestRow(msgspec.Struct, frozen=True, rename="camel"):
    time: Moment
    best_bid: Decimal | None = None
    best_bid_size: Decimal | None = None
    best_ask: Decimal | None = None
    best_ask_size: Decimal | None = None


class _LevelRows(msgspec.Struct, frozen=True):
    time: Moment
    bids: list[Row]
    asks: list[Row]


Rhythm: TypeAlias = Annotated[int, msgspec.Meta(ge=100, le=3_600_000)]
"""Milliseconds. With nothing between two pings nothing else would be done."""


class _Server(msgspec.Struct, frozen=True, rename="camel"):
    endpoint: str
    ping_interval: Rhythm
    ping_timeout: Rhythm
    protocol: str = "websocket"


class _Bullet(msgspec.Struct, frozen=True, rename="camel"):
    token: str
    instance_servers: list[_Server]

    def __repr__(self) -> str:
        return "_Bullet(token not shown)"


_trade_rows = msgspec.json.Decoder(_Reply[list[KucoinTrade]], strict=False)
_best_row = msgspec.json.Decoder(_Reply[_BestRow], strict=False)
_level_rows = msgspec.json.Decoder(_Reply[_LevelRows], strict=False)
_bullet = msgspec.json.Decoder(_Reply[_Bullet])


def _trades(messages: list[_Message[Any, KucoinTrade]], received: int) -> list[Any]:
    made = []
    stamp = msgspec.structs.force_setattr
    for message in messages:
        trade = message.data
        if not (plain(trade.price, trade.quantity) and trade.symbol):
            raise ValueError(f"{NO_NUMBER}, or the symbol is missing")
        stamp(trade, "received", received)
        made.append(trade)
    return made


def _quotes(messages: list[_Message[Any, _Best]], received: int) -> list[Any]:
    return [
        Quote(
            VENUE,
            _symbol_of(message.topic, "/spotMarket/level1:"),
            *_pair(message.data.bids),
            *_pair(message.data.asks),
            message.data.timestamp,
            message.data.timestamp,
            received,
        )
        for message in messages
    ]


def _pair(side: list[Decimal] | None) -> Level:
    if not side:
        return best(())
    price, quantity, *_ = side
    finite(price, quantity)
    return price, quantity


def _depths(messages: list[_Message[Any, _Levels]], received: int) -> list[Any]:
    return [
        _whole(_symbol_of(message.topic, "/spotMarket/level2Depth50:"), message.data, message.data.timestamp)
        for message in messages
    ]


def _whole(symbol: str, rows: _Levels | _LevelRows, time: int) -> Depth:
    return Depth(symbol, True, time, time, None, levels(rows.bids), levels(rows.asks), time)


def _symbol_of(topic: str, prefix: str) -> str:
    if not topic.startswith(prefix) or len(topic) == len(prefix):
        raise ValueError(f"not a topic that begins with {prefix}")
    return topic[len(prefix) :]


def control(frame: Frame, prefix: str) -> Control:
    """Read a frame that is not data.

    Args:
        frame: The whole of it.
        prefix: How the topics begin that are read elsewhere: one of these in here is one that could not be.

    Raises:
        BadFrame: Not a JSON object, or a broken message of the topic.
    """
    message = json_object(frame)
    kind, number = message.get("type"), str(message.get("id", ""))
    match kind:
        case "message":
            topic = str(message.get("topic", ""))
            if topic.startswith(prefix):
                raise BadFrame(f"a message of {prefix} that is not one", frame)
            return Ignored(topic.partition(":")[0][:40] or "no topic", known=topic.startswith(_KNOWN))
        case "welcome":
            return Welcome()
        case "pong":
            return Pong()
        case "ack":
            return Acknowledged(number)
        case "error":
            return _error_message(message, number)
        case _:
            return Ignored(str(kind)[:40], known=kind in ("command", "notice", "ping"))


def _error_message(message: dict[str, Any], number: str) -> Control:
    code, text = number_of(message.get("code")) or 0, str(message.get("data", ""))[:200]
    # Both are about the connection, and it does not outlive them: the next one gets a new token, and pings anew.
    if (code == TOKEN_EXPIRED and "expired" in text) or (code == PING_TIMEOUT and text == "ping timeout"):
        return Closing(text)
    return Refused(code, text, number)


def _control(prefix: str) -> Callable[[Frame], Control]:
    return lambda frame: control(frame, prefix)


TOPICS: Final[dict[str, str]] = {
    "trades": "/market/match:",
    "quotes": "/spotMarket/level1:",
    "book": "/spotMarket/level2Depth50:",
}
READERS: Final[dict[str, Reader[Any]]] = {
    "trades": reader(
        _Message[Literal["trade.l3match"], KucoinTrade], _trades, _control(TOPICS["trades"]), strict=False
    ),
    "quotes": reader(_Message[Literal["level1"], _Best], _quotes, _control(TOPICS["quotes"]), strict=False),
    "book": reader(_Message[Literal["level2"], _Levels], _depths, _control(TOPICS["book"]), strict=False),
}
"""How each channel is read. Some numbers stand in quotes."""


def door(answer: bytes | None) -> Door:
    """Return where to connect, from the answer to ``POST /api/v1/bullet-public``.

    Raises:
        BadFrame: It is not what it must be. There is no sample of it in the error: a token stands in it.
    """
    try:
        bullet = _bullet.decode(answer or b"").data
    except UNREADABLE:
        raise BadFrame("not an answer with a token") from None
    servers = [server for server in bullet.instance_servers if server.protocol == "websocket"]
    if not bullet.token or not servers:
        raise BadFrame("an answer without a token or a server")
    server = servers[0]
    try:
        taken_apart(server.endpoint, "wss", "ws")
    except ValueError:
        raise BadFrame("an answer with a server that cannot be used") from None
    # The id must differ between connections. So does the token, of which the digest tells nothing.
    name = hashlib.sha256(bullet.token.encode()).hexdigest()[:16]
    token = percent_encoded(bullet.token, safe="=")
    return Door(
        f"{server.endpoint}{'&' if '?' in server.endpoint else '?'}token={token}&connectId={name}",
        ping_every=server.ping_interval / 1000,
        pong_within=server.ping_timeout / 1000,
    )


def trade_rows(symbol: str, body: bytes, received: int) -> list[Trade]:
    """Read trades from REST.

    Raises:
        BadFrame: It is not what was asked for.
    """
    return ascending(rows_of(_trade_rows, body, "histories").data, symbol, received)


def quote(symbol: str, body: bytes, received: int) -> Quote:
    """Read the best bid and ask from REST.

    Raises:
        BadFrame: It is not what was asked for.
    """
    row = rows_of(_best_row, body, "level1").data
    nothing = Decimal(0)
    bid, bid_size = row.best_bid or nothing, row.best_bid_size or nothing
    ask, ask_size = row.best_ask or nothing, row.best_ask_size or nothing
    _checked(lambda: finite(bid, bid_size, ask, ask_size))
    return Quote(VENUE, symbol, bid, bid_size, ask, ask_size, row.time, row.time, received)


def book(symbol: str, body: bytes) -> Depth:
    """Read a book from REST.

    Raises:
        BadFrame: It is not what was asked for.
    """
    rows = rows_of(_level_rows, body, "level2")
    return _checked(lambda: _whole(symbol, rows.data, rows.data.time))


def _checked(make: Callable[[], R]) -> R:
    try:
        return make()
    except ValueError as error:
        raise BadFrame(str(error)) from None


class _Status(msgspec.Struct, frozen=True):
    code: str = ""
    msg: str = ""
    data: msgspec.Raw = msgspec.Raw(b"")


_status = msgspec.json.Decoder(_Status)


def failure(request: HttpRequest, reply: HttpReply) -> HttpFailure | None:
    """Return the error that a reply means, or None for success. Errors come with status 200 too."""
    try:
        body = _status.decode(reply.body)
    except UNREADABLE:
        # Proxies answer in HTML.
        body = _Status()
    status, code = reply.status, number_of(body.code)
    nothing = bytes(body.data).strip() in (b"", b"null")
    if 200 <= status < 300 and code in (OK, None) and not (code == OK and nothing):
        return None
    where, reason = str(request), body.msg[:200] or ("nothing in it" if code == OK else "no explanation")
    if status == 429 or code in (RATE_LIMITED, BLOCKED):
        wait = seconds_of(reply.headers.get("gw-ratelimit-reset"), 0.001, WINDOW)
        return RateLimited(where, reason, retry_after=wait, status=status, code=code)
    if code == CLOCK_OFF:
        return ClockOff(where, reason, status=status, code=code)
    if status == 401 or code in UNAUTHORIZED:
        return Unauthorized(where, reason, status=status, code=code)
    if status >= 500 or code in UNKNOWN:
        return UnknownOutcome(where, reason, status=status, code=code)
    return HttpFailure(where, reason, status=status, code=code)


def says_no_order(failure: HttpFailure) -> bool:
    """Say whether the text of an error says that there is no such order: 400100, "a parameter is wrong", says it so."""
    return failure.code == 400100 and "exist" in failure.reason.lower()
