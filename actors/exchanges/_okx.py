"""OKX v5: what stands in its messages and answers.

Sources: OKX API guide v5 (www.okx.com/docs-v5/en) as of February 2026; section names below are its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, ClassVar, Final, Generic, Literal, TypeVar

import msgspec

from .._errors import BadFrame, ClockOff, HttpFailure, NoSuchOrder, RateLimited, Unauthorized, UnknownOutcome
from .._records import Quote, Side, Trade
from .._source import (
    Acknowledged,
    Closing,
    Control,
    Depth,
    Frame,
    HttpReply,
    HttpRequest,
    Ignored,
    Pong,
    Refused,
)
from ._common import ascending, best, checked, get, json_object, number_of
from ._decode import NO_NUMBER, UNREADABLE, Moment, Reader, Row, levels, plain, reader, rows_of

VENUE: Final = "okx"

WINDOW: Final = 2.0
WEIGHT: Final = 100
LIST_WEIGHT: Final = 1
BOOK_WEIGHT: Final = 3
HISTORY_WEIGHT: Final = 5
"""Every endpoint has a limit of its own by address: lists of trades 100 requests in 2 s, books 40, history 20. One
weight for all of them is within each."""
RATE_LIMITED: Final = frozenset({50011, 50013, 50040, 50061})
"""Too many requests; busy; too frequent; too many for a sub-account ("Error code", "REST API")."""
UNKNOWN_OUTCOME: Final = 50004
"""Timeout, which "does not mean that the request was successful or failed"."""
CLOCK_OFF: Final = frozenset({50102, 50112})
"""The request's time is more than 30 s off, or cannot be read. Comes with the status 401, like a wrong key."""
UNAUTHORIZED: Final = frozenset(
    {50007, 50100, 50101, 50103, 50104, 50105, 50106, 50110, 50111, 50113, 50114, 50119, 50120}
)
"""Account blocked; key frozen, of another environment, missing, wrong or unknown; passphrase missing or wrong; signature
missing or wrong; address not among the key's; no permission ("Error code", "API class")."""
NO_SUCH_ORDER: Final = 51603
NO_SUCH_INSTRUMENT: Final = 51001
SERVICE_UPGRADE: Final = "64008"

_KNOWN: Final = frozenset(
    {
        "adl-warning",
        "bbo-tbt",
        "block-tickers",
        "books",
        "books-elp",
        "books-l2-tbt",
        "books-rpi",
        "books5",
        "books50-l2-tbt",
        "call-auction-details",
        "estimated-price",
        "funding-rate",
        "index-tickers",
        "instruments",
        "liquidation-orders",
        "liquidations",
        "mark-price",
        "open-interest",
        "opt-summary",
        "option-trades",
        "price-limit",
        "public-block-trades",
        "public-struc-block-trades",
        "status",
        "tickers",
        "trades",
        "trades-all",
    }
)
_named: Final = re.compile(r"instId:([^\s,\"]+)")
T = TypeVar("T")
C = TypeVar("C")
R = TypeVar("R")


class OkxTrade(
    msgspec.Struct,
    frozen=True,
    gc=False,
    rename={"symbol": "instId", "id": "tradeId", "price": "px", "quantity": "sz", "time": "ts"},
):
    """One trade, or the fills of one taker order at one price. See `actors.Trade`."""

    venue: ClassVar[str] = VENUE

    id: int
    price: Decimal
    quantity: Decimal
    """Of spot in the base asset; of futures and swaps in contracts."""
    side: Side
    time: Moment
    symbol: str = ""
    count: int = 1
    """How many trades it stands for; their ids end with `id`."""
    received: int = 0

    @property
    def first_id(self) -> int:
        """The id of the first of them."""
        return self.id - self.count + 1


class _Arg(msgspec.Struct, Generic[C], frozen=True, gc=False, rename={"symbol": "instId"}):
    channel: C
    symbol: str


class _Message(msgspec.Struct, Generic[C, T], frozen=True, gc=False):
    arg: _Arg[C]
    data: list[T]
    action: Literal["snapshot", "update"] = "update"


class _Levels(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    asks: list[Row]
    bids: list[Row]
    time: Moment = msgspec.field(name="ts")
    # Neither was sent before 2023, and REST sends neither.
    seq_id: int | None = None
    prev_seq_id: int = -1


class _Reply(msgspec.Struct, Generic[T], frozen=True):
    data: list[T]


_trade_rows = msgspec.json.Decoder(_Reply[OkxTrade], strict=False)
_level_rows = msgspec.json.Decoder(_Reply[_Levels], strict=False)


def _trades(messages: list[_Message[Any, OkxTrade]], received: int) -> list[Any]:
    made = []
    stamp = msgspec.structs.force_setattr
    for message in messages:
        for trade in message.data:
            if not plain(trade.price, trade.quantity):
                raise ValueError(NO_NUMBER)
            if trade.count < 1 or not trade.symbol:
                raise ValueError("a trade of nothing")
            stamp(trade, "received", received)
            made.append(trade)
    return made


def _quotes(messages: list[_Message[Any, _Levels]], received: int) -> list[Any]:
    return [_quote(message.arg.symbol, row, received) for message in messages for row in message.data]


def _quote(symbol: str, row: _Levels, received: int) -> Quote:
    bid, ask = best(levels(row.bids)), best(levels(row.asks))
    return Quote(VENUE, symbol, *bid, *ask, row.seq_id or 0, row.time, received)


def _depths(messages: list[_Message[Any, _Levels]], received: int) -> list[Any]:
    return [
        _depth(message.arg.symbol, row, snapshot=message.action == "snapshot")
        for message in messages
        for row in message.data
    ]


def _depth(symbol: str, row: _Levels, *, snapshot: bool) -> Depth:
    previous = None if snapshot or row.prev_seq_id == -1 else row.prev_seq_id
    last = row.time if row.seq_id is None else row.seq_id
    return Depth(symbol, snapshot, last, last, previous, levels(row.bids), levels(row.asks), row.time)


def symbol(name: str) -> str:
    """Return an instrument's name: ``BTC-USDT``, ``BTC-USDT-SWAP``, ``BTC-USD_UM-261030``.

    Raises:
        ValueError: It cannot be one.
    """
    return checked(name, name.replace("_", "-").split("-"), "BTC-USDT")


def control(frame: Frame, channel: str) -> Control:
    """Read a frame that is not data.

    Args:
        frame: The whole of it.
        channel: What is read elsewhere: a message of it in here is one that could not be.

    Raises:
        BadFrame: Neither ``pong`` nor a JSON object, or a broken message of the channel.
    """
    if frame == b"pong":
        return Pong()
    message = json_object(frame)
    arg = message.get("arg")
    arg = arg if isinstance(arg, dict) else {}
    event, named, symbol = message.get("event"), str(arg.get("channel", "")), str(arg.get("instId", ""))
    number = str(message.get("id", ""))
    if event == "error":
        text = str(message.get("msg", ""))[:200]
        return Refused(number_of(message.get("code")) or 0, text, number, tuple(_named.findall(text)))
    if event == "notice":
        # Sent a minute before the connection ends ("Notification").
        if message.get("code") == SERVICE_UPGRADE:
            return Closing("service upgrade")
        return Ignored(f"notice {message.get('code')}"[:40], known=False)
    if event in ("subscribe", "unsubscribe"):
        if named != channel:
            return Ignored(f"{event} {named}"[:40], known=True)
        return Acknowledged(number, (symbol,) if symbol else ())
    if event is not None:
        return Ignored(str(event)[:40], known=event in ("login", "channel-conn-count"))
    if named == channel:
        raise BadFrame(f"a {channel} message that is not one", frame)
    known = named in _KNOWN or named.startswith(("candle", "index-candle", "mark-price-candle", "sprd-"))
    return Ignored((named or "no channel")[:40], known=known)


def _control(channel: str) -> Callable[[Frame], Control]:
    return lambda frame: control(frame, channel)


READERS: Final[dict[str, Reader[Any]]] = {
    "trades": reader(_Message[Literal["trades"], OkxTrade], _trades, _control("trades"), strict=False),
    "trades-all": reader(_Message[Literal["trades-all"], OkxTrade], _trades, _control("trades-all"), strict=False),
    "bbo-tbt": reader(_Message[Literal["bbo-tbt"], _Levels], _quotes, _control("bbo-tbt"), strict=False),
    "books": reader(_Message[Literal["books"], _Levels], _depths, _control("books"), strict=False),
}
"""How each channel is read. Numbers stand in quotes."""


def trade_rows(symbol: str, body: bytes, received: int) -> list[Trade]:
    """Read trades from REST.

    Raises:
        BadFrame: It is not what was asked for.
    """
    return ascending(rows_of(_trade_rows, body, "trades").data, symbol, received)


def book_request(symbol: str, size: int) -> HttpRequest:
    """Return the request for the present book."""
    return get("/api/v5/market/books", {"instId": symbol, "sz": size}, BOOK_WEIGHT)


def quote(symbol: str, body: bytes, received: int) -> Quote:
    """Read the best level from a book by REST.

    Raises:
        BadFrame: It is not what was asked for.
    """
    return _one(body, lambda row: _quote(symbol, row, received))


def book(symbol: str, body: bytes) -> Depth:
    """Read a book from REST.

    Raises:
        BadFrame: It is not what was asked for.
    """
    return _one(body, lambda row: _depth(symbol, row, snapshot=True))


def _one(body: bytes, make: Callable[[_Levels], R]) -> R:
    rows = rows_of(_level_rows, body, "books").data
    if len(rows) != 1:
        raise BadFrame(f"books: {len(rows)} of them")
    try:
        return make(rows[0])
    except ValueError as error:
        raise BadFrame(f"books: {error}") from None


class _Error(msgspec.Struct, frozen=True):
    code: str = ""
    msg: str = ""


_error = msgspec.json.Decoder(_Error)


def failure(request: HttpRequest, reply: HttpReply) -> HttpFailure | None:
    """Return the error that a reply means, or None for success. Errors come with status 200 too."""
    try:
        body = _error.decode(reply.body)
    except UNREADABLE:
        # Proxies answer in HTML.
        body = _Error()
    status, code = reply.status, number_of(body.code)
    if 200 <= status < 300 and not code:
        return None
    where, reason = str(request), body.msg[:200] or "no explanation"
    if status == 429 or code in RATE_LIMITED:
        return RateLimited(where, reason, retry_after=WINDOW, status=status, code=code)
    if code in CLOCK_OFF:
        return ClockOff(where, reason, status=status, code=code)
    if status == 401 or code in UNAUTHORIZED:
        return Unauthorized(where, reason, status=status, code=code)
    if code == NO_SUCH_ORDER:
        return NoSuchOrder(where, reason, status=status, code=code)
    if status >= 500 or code == UNKNOWN_OUTCOME:
        return UnknownOutcome(where, reason, status=status, code=code)
    return HttpFailure(where, reason, status=status, code=code)
