"""Gate.io v4 spot: what stands in its messages and answers.

Sources: Gate's spot WebSocket v4 guide, 2026-05-27; gateio/gateapi-python docs/SpotApi.md, 2025-07-31; the announcement
on rate limits of 14 January 2024. What "seen" says was observed by others on the live venue in September 2026.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from email.utils import parsedate_to_datetime
from typing import Any, ClassVar, Final, Generic, Literal, TypeVar

import msgspec

from .._errors import BadFrame, ClockOff, HttpFailure, RateLimited, Unauthorized, UnknownOutcome
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
from ._common import ascending, best, json_object, number_of
from ._decode import NO_NUMBER, UNREADABLE, Moment, Reader, Row, finite, levels, plain, reader, rows_of

VENUE: Final = "gate"

WINDOW: Final = 10.0
RATE_LIMITED: Final = frozenset({"TOO_MANY_REQUESTS", "TOO_FAST"})
CLOCK_OFF: Final = "REQUEST_EXPIRED"
"""The time in the header is more than 60 s off; answered with 403, and before the key is looked at (seen)."""
UNAUTHORIZED: Final = frozenset(
    {
        "ACCOUNT_LOCKED",
        "AUTHENTICATION_FAILED",
        "FORBIDDEN",
        "INVALID_CREDENTIALS",
        "INVALID_KEY",
        "INVALID_SIGNATURE",
        "IP_FORBIDDEN",
        "MISSING_REQUIRED_HEADER",
        "READ_ONLY",
        "SUB_ACCOUNT_LOCKED",
    }
)
"""Keys, signatures, addresses, permissions; the account is locked."""
NO_SUCH_ORDER: Final = frozenset({"ORDER_NOT_FOUND", "CLIENT_ID_NOT_FOUND"})
UNKNOWN: Final = frozenset({"INTERNAL", "SERVER_ERROR", "TOO_BUSY"})
LATEST: Final = 10**16
"""Milliseconds: what is above is no time."""
NO_SUCH_PAIR: Final = frozenset({"INVALID_CURRENCY_PAIR", "INVALID_CURRENCY"})
"""No pair in this spelling; one of its assets does not exist (seen)."""

_KNOWN: Final = frozenset(
    {
        "spot.balances",
        "spot.book_ticker",
        "spot.candlesticks",
        "spot.obu",
        "spot.order_book",
        "spot.order_book_update",
        "spot.orders",
        "spot.orders_v2",
        "spot.tickers",
        "spot.trades",
        "spot.trades_v2",
        "spot.usertrades",
        "spot.usertrades_v2",
    }
)
S = TypeVar("S")
T = TypeVar("T")
R = TypeVar("R")


class GateTrade(
    msgspec.Struct,
    frozen=True,
    gc=False,
    rename={"symbol": "currency_pair", "quantity": "amount", "milliseconds": "create_time_ms"},
):
    """One trade. See `actors.Trade`. Ids rise and may have holes; a few may come in the wrong order (seen in 2022)."""

    venue: ClassVar[str] = VENUE

    id: int
    price: Decimal
    quantity: Decimal
    side: Side
    milliseconds: Decimal
    """When it happened, since 1970 by the venue's clock."""
    symbol: str = ""
    received: int = 0

    @property
    def first_id(self) -> int:
        """The same as `id`."""
        return self.id

    @property
    def time(self) -> int:
        """When it happened: whole milliseconds since 1970 by the venue's clock."""
        return int(self.milliseconds)


class _Message(msgspec.Struct, Generic[S, T], frozen=True, gc=False):
    channel: S
    event: Literal["update"]
    result: T


class _Best(
    msgspec.Struct,
    frozen=True,
    gc=False,
    rename={
        "time": "t",
        "sequence": "u",
        "symbol": "s",
        "bid": "b",
        "bid_quantity": "B",
        "ask": "a",
        "ask_quantity": "A",
    },
):
    time: Moment
    sequence: int
    symbol: str
    # Text, because an empty side is an empty text.
    bid: str
    bid_quantity: str
    ask: str
    ask_quantity: str


class _Levels(
    msgspec.Struct,
    frozen=True,
    gc=False,
    rename={"time": "t", "symbol": "s", "first": "U", "last": "u", "bids": "b", "asks": "a"},
):
    time: Moment
    symbol: str
    last: int
    bids: list[Row]
    asks: list[Row]
    first: int | None = None
    full: bool = False


class _Book(msgspec.Struct, frozen=True):
    id: int
    asks: list[Row]
    bids: list[Row]
    update: Moment = 0


_trade_rows = msgspec.json.Decoder(list[GateTrade], strict=False)
_book = msgspec.json.Decoder(_Book)


def _trades(messages: list[_Message[Any, GateTrade]], received: int) -> list[Any]:
    made = []
    stamp = msgspec.structs.force_setattr
    for message in messages:
        trade = message.result
        if not plain(trade.price, trade.quantity):
            raise ValueError(NO_NUMBER)
        if not (trade.symbol and _is_time(trade.milliseconds)):
            raise ValueError("a trade without a symbol or a time")
        stamp(trade, "received", received)
        made.append(trade)
    return made


def _is_time(milliseconds: Decimal) -> bool:
    # Making a whole number of "1e999999999" takes all the memory there is.
    return milliseconds.is_finite() and 0 <= milliseconds < LATEST


def milliseconds(value: Decimal) -> int:
    """Return a time in whole milliseconds.

    Raises:
        ValueError: It is none.
    """
    if not _is_time(value):
        raise ValueError("not a time")
    return int(value)


def _quotes(messages: list[_Message[Any, _Best]], received: int) -> list[Any]:
    return [_quote(message.result, received) for message in messages]


def _quote(row: _Best, received: int) -> Quote:
    try:
        bid, bid_quantity = Decimal(row.bid or 0), Decimal(row.bid_quantity or 0)
        ask, ask_quantity = Decimal(row.ask or 0), Decimal(row.ask_quantity or 0)
    except InvalidOperation:
        raise ValueError("a price or quantity is no number") from None
    finite(bid, bid_quantity, ask, ask_quantity)
    return Quote(VENUE, row.symbol, bid, bid_quantity, ask, ask_quantity, row.sequence, row.time, received)


def _depths(messages: list[_Message[Any, _Levels]], received: int) -> list[Any]:
    return [_depth(message.result) for message in messages]


def _depth(row: _Levels) -> Depth:
    if row.full:
        # Sent now and then instead of changes.
        return Depth(row.symbol, True, row.last, row.last, None, levels(row.bids), levels(row.asks), row.time)
    if row.first is None:
        raise ValueError("changes without the number of the first")
    return Depth(row.symbol, False, row.first, row.last, None, levels(row.bids), levels(row.asks), row.time)


def control(frame: Frame, *channels: str) -> Control:
    """Read a frame that is not data.

    Args:
        frame: The whole of it.
        channels: What is read elsewhere: an update of them in here is one that could not be.

    Raises:
        BadFrame: Not a JSON object, or a broken update of the channel.
    """
    message = json_object(frame)
    named, event, result = str(message.get("channel", "")), message.get("event"), message.get("result")
    # The guide has the first form, the venue's Python SDK waits for the second, futures send the third.
    kinds = (message.get("type"), event, result.get("type") if isinstance(result, dict) else None)
    if "upgrade" in kinds:
        return Closing("service upgrade")
    if named.endswith(".pong"):
        return Pong()
    if event in ("subscribe", "unsubscribe"):
        return _answer(message, named, channels)
    if isinstance(message.get("error"), dict):
        return _refusal(message, ())
    if named in channels and event == "update":
        raise BadFrame(f"an update of {named} that is not one", frame)
    return Ignored((named or "no channel")[:40], known=named in _KNOWN or named.startswith("futures."))


def _answer(message: dict[str, Any], named: str, channels: tuple[str, ...]) -> Control:
    payload = message.get("payload")
    # Only the first is a pair where it is followed by an interval.
    symbols = tuple(str(part) for part in payload[:1]) if isinstance(payload, list) else ()
    result = message.get("result")
    if message.get("error") or not (isinstance(result, dict) and result.get("status") == "success"):
        return _refusal(message, symbols)
    if named not in channels:
        return Ignored(f"{message.get('event')} {named}"[:40], known=True)
    return Acknowledged(_number(message), symbols)


def _refusal(message: dict[str, Any], symbols: tuple[str, ...]) -> Refused:
    error = message.get("error")
    error = error if isinstance(error, dict) else {}
    text = str(error.get("message", ""))[:200]
    # "Alert sub ..": it is subscribed already (seen).
    return Refused(
        number_of(error.get("code")) or 0, text, _number(message), symbols, harmless=text.startswith("Alert sub ")
    )


def _number(message: dict[str, Any]) -> str:
    number = message.get("id")
    return "" if number is None else str(number)


def _control(channel: str) -> Callable[[Frame], Control]:
    return lambda frame: control(frame, channel)


CHANNELS: Final[dict[str, str]] = {
    "trades": "spot.trades",
    "quotes": "spot.book_ticker",
    "book": "spot.order_book_update",
}
READERS: Final[dict[str, Reader[Any]]] = {
    "trades": reader(_Message[Literal["spot.trades"], GateTrade], _trades, _control(CHANNELS["trades"]), strict=False),
    "quotes": reader(_Message[Literal["spot.book_ticker"], _Best], _quotes, _control(CHANNELS["quotes"])),
    "book": reader(_Message[Literal["spot.order_book_update"], _Levels], _depths, _control(CHANNELS["book"])),
}
"""How each channel is read. Some numbers of trades stand in quotes."""


def trade_rows(symbol: str, body: bytes, received: int) -> list[Trade]:
    """Read trades from REST.

    Raises:
        BadFrame: It is not what was asked for.
    """
    trades = rows_of(_trade_rows, body, "trades")
    if not all(_is_time(trade.milliseconds) for trade in trades):
        raise BadFrame("a trade without a time")
    return ascending(trades, symbol, received)


def quote(symbol: str, body: bytes, received: int) -> Quote:
    """Read the best level from a book by REST.

    Raises:
        BadFrame: It is not what was asked for.
    """
    depth = book(symbol, body)
    return Quote(VENUE, symbol, *best(depth.bids), *best(depth.asks), depth.last, depth.time or None, received)


def book(symbol: str, body: bytes) -> Depth:
    """Read a book from REST.

    Raises:
        BadFrame: It is not what was asked for.
    """
    row = rows_of(_book, body, "order_book")
    try:
        return Depth(symbol, True, row.id, row.id, None, levels(row.bids), levels(row.asks), row.update)
    except ValueError as error:
        raise BadFrame(f"order_book: {error}") from None


class _Error(msgspec.Struct, frozen=True):
    label: str = ""
    message: str = ""


_error = msgspec.json.Decoder(_Error)


def failure(request: HttpRequest, reply: HttpReply) -> HttpFailure | None:
    """Return the error that a reply means, or None for success. The reason begins with the venue's label."""
    status = reply.status
    if 200 <= status < 300:
        return None
    try:
        body = _error.decode(reply.body)
    except UNREADABLE:
        # Proxies answer in HTML.
        body = _Error()
    where = str(request)
    reason = ": ".join(part for part in (body.label[:60], body.message[:200]) if part) or "no explanation"
    if status == 429 or body.label in RATE_LIMITED:
        return RateLimited(where, reason, retry_after=_wait(reply.headers), status=status)
    if body.label == CLOCK_OFF:
        return ClockOff(where, reason, status=status)
    if status == 401 or body.label in UNAUTHORIZED:
        return Unauthorized(where, reason, status=status)
    if status >= 500 or body.label in UNKNOWN:
        return UnknownOutcome(where, reason, status=status)
    return HttpFailure(where, reason, status=status)


def label(failure: HttpFailure) -> str:
    """Return the venue's label of an error."""
    return failure.reason.partition(":")[0]


def _wait(headers: dict[str, str]) -> float:
    """Return the seconds until the limit ends, which the venue gives as a time of its clock, as it gives the present.

    Seen too: the time of the limit's end is the present, which helps nobody. The window is waited for then.
    """
    try:
        end = float(headers.get("x-gate-ratelimit-reset-timestamp", ""))
        wait = end - parsedate_to_datetime(headers.get("date", "")).timestamp()
    except (TypeError, ValueError):
        return WINDOW
    return wait if 1.0 <= wait <= 3600.0 else WINDOW
