"""OKX v5: aggregated and single trades, best bid and ask, order book, REST, and accounts.

Sources: www.okx.com/docs-v5/en, about 2026-02; the checksum that is always zero: the notice of 2026-06. That trade ids
have no holes was measured, not promised.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import msgspec

from .._book import BookChange, BookState, Level
from .._dialect import AccountDialect, Answer, BadTarget, Floor, Goodbye, Overdue, Session, Telling
from .._limits import RollingWindow
from .._market import Printed, Scheme, Tape
from .._record import OrderEvent, OrderStatus, PublishedQuote, PublishedTrade
from .._rest import Limited, Reply, Request, encode_json
from ._okx_account import OkxAccountDesk
from ._okx_private import OkxPrivateSession, order_event
from ._okx_rest import OkxDesk, shown, too_often

SCHEME = Scheme(aggregates="last", base=130_000_000, book_base=363_000_000, book_holes=True)

_PATHS = {
    "/ws/v5/public": ("trades", "books", "books5", "bbo-tbt"),
    "/ws/v5/business": ("trades-all",),
}
_ID = re.compile(r"[A-Za-z0-9]{1,32}\Z")
_KEEP_ALIVE = 60.0
"""Seconds without a change after which an empty update says that the book is still alive."""


class Okx(AccountDialect):
    """The dialect.

    Args:
        floor: of the venue.
    """

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._desk = OkxDesk(floor).desk
        OkxAccountDesk(floor, self._desk)
        self._holders: dict[str, set[int]] = {}

    def open(self, target: str, now: float) -> Session:
        """A connection to the public, the private or the business service."""
        path = urlsplit(target).path
        if path == "/ws/v5/private":
            return OkxPrivateSession(self._floor, self._holders)
        if path not in _PATHS:
            raise BadTarget(404, f"nothing at {path}")
        return OkxSession(self._floor, path)

    def traded(self, tape: Tape, printed: Printed) -> Iterator[Telling]:
        """`trades`, in which a taker order's trades at one price are one, and `trades-all`."""
        symbol, aggregate = tape.symbol, printed.aggregate
        yield f"trades:{symbol}", lambda: _trade(symbol, aggregate, len(printed.raw))
        for trade in printed.raw:
            yield f"trades-all:{symbol}", partial(_trade, symbol, trade, None)

    def changed(self, tape: Tape, change: BookChange) -> Iterator[Telling]:
        """`books`: differences, chained by `prevSeqId`; `books5` and `bbo-tbt`: the top."""
        symbol, quote = tape.symbol, change.quote
        yield f"books:{symbol}", lambda: _update(self._floor, symbol, change)
        yield f"books5:{symbol}", lambda: _top5(self._floor, tape)
        if quote is not None:
            yield f"bbo-tbt:{symbol}", lambda: _best(self._floor, symbol, quote)

    def answer(self, request: Request, now: float) -> Reply:
        """Answer one REST request."""
        return self._desk.answer(request, now)

    def limited(self, status: Limited, seconds: float) -> Reply:
        """The answer while a limit is in force; OKX bans with the same words."""
        return too_often(seconds)

    def status(self, status: OrderStatus) -> str:
        """What has expired is told as cancelled."""
        return "canceled" if status == "EXPIRED" else status.lower()

    def ordered(self, api_key: str, event: OrderEvent) -> Iterator[Telling]:
        """`orders`: a fill stands in the order's own message."""
        yield f"{api_key}/orders/{event.symbol}", lambda: encode_json(order_event(event))

    def unknown_outcome(self) -> Reply:
        """Code 50004: a timeout that says nothing."""
        message = "API endpoint request timeout (does not mean that the request was successful or failed)"
        return Reply(400, encode_json({"code": "50004", "msg": message, "data": []}))


class OkxSession(Session):
    """One connection.

    Args:
        floor: of the venue.
        path: as dialled; it decides which channels there are.
    """

    def __init__(self, floor: Floor, path: str) -> None:
        super().__init__(path)
        self._floor = floor
        self._id = floor.token(8, "0123456789abcdef")
        per_hour = floor.rules.requests_per_hour
        self._requests = None if per_hour is None else RollingWindow(per_hour, 3600.0)
        self._kept_alive: dict[str, float] = {}

    def receive(self, text: bytes, now: float) -> Answer:
        """Answer the text `ping`, or one request: each of its topics by itself."""
        if text == b"ping":
            return Answer(frames=(b"pong",), ping=True)
        try:
            request = msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError):
            request = None
        if not isinstance(request, dict):
            return Answer(frames=(self._error("60012", f"Invalid request: {text.decode('utf-8', 'replace')}", None),))
        op, args, number = request.get("op"), request.get("args"), request.get("id")
        if number is not None and not (isinstance(number, str) and _ID.match(number)):
            return Answer(frames=(self._error("60013", "Invalid args", None),))
        if op not in ("subscribe", "unsubscribe") or not isinstance(args, list) or not args:
            return Answer(frames=(self._error("60012", f"Invalid request: {text.decode()}", number),))
        if self._requests is not None and not self._requests.count(now):
            breach = ("requests_per_hour", f"more than {self._floor.rules.requests_per_hour} in an hour")
            return Answer(frames=(self._error("60014", "Requests too frequent", number),), breach=breach)
        acks, errors, data = [], [], []
        for arg in args:
            topic = self._topic(arg)
            if topic is None:
                message = (
                    f"Wrong URL or {_said(arg)} doesn't exist. "
                    "Please use the correct URL, channel and parameters referring to API document."
                )
                errors.append(self._error("60018", message, number))
                continue
            acks.append(self._ack(op, arg, number))
            if op == "unsubscribe":
                self.unsubscribe(topic)
            else:
                self.subscribe(topic)
                self._kept_alive[topic] = now
                data += self._first(topic)
        return Answer(tuple(acks), (*errors, *data))

    def _topic(self, arg: object) -> str | None:
        if not isinstance(arg, dict):
            return None
        channel, symbol = arg.get("channel"), arg.get("instId")
        known = channel in _PATHS[self.path] and symbol in self._floor.tapes
        return f"{channel}:{symbol}" if known else None

    def _first(self, topic: str) -> list[bytes]:
        """What comes at once on a new subscription: where it is a book, all of it."""
        channel, _, symbol = topic.partition(":")
        tape = self._floor.tapes[symbol]
        if channel == "books":
            return [_snapshot(self._floor, symbol, tape.book.state())]
        if channel == "books5":
            return [_top5(self._floor, tape)]
        return [_best(self._floor, symbol, tape.book.quote)] if channel == "bbo-tbt" else []

    def _ack(self, op: str, arg: object, number: object) -> bytes:
        body = {} if number is None else {"id": number}
        return encode_json(body | {"event": op, "arg": arg, "connId": self._id})

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

    def _silent(self) -> Iterator[tuple[float, str]]:
        for topic, last in self._kept_alive.items():
            if topic.startswith("books:") and self.subscribed(topic):
                book = self._floor.tapes[topic.partition(":")[2]].book
                yield max(last, book.changed_at) + _KEEP_ALIVE, topic

    def due(self) -> float:
        """When a book that does not change shows that it is alive."""
        return min((at for at, _ in self._silent()), default=float("inf"))

    def tick(self, now: float) -> tuple[bytes, ...]:
        """An empty update with `prevSeqId == seqId` for each book that has not changed."""
        still = [topic for at, topic in self._silent() if at <= now]
        self._kept_alive.update(dict.fromkeys(still, now))
        symbols = [topic.partition(":")[2] for topic in still]
        return tuple(_keep_alive(self._floor, symbol, self._floor.tapes[symbol].book.last) for symbol in symbols)


def _said(arg: object) -> str:
    if not isinstance(arg, dict):
        return str(arg)
    return "{" + ",".join(f"{name}:{value}" for name, value in arg.items()) + "}"


def _message(channel: str, symbol: str, data: object, action: str = "") -> bytes:
    head: dict[str, Any] = {"arg": {"channel": channel, "instId": symbol}}
    if action:
        head["action"] = action
    return encode_json(head | {"data": [data]})


def _trade(symbol: str, trade: PublishedTrade, count: int | None) -> bytes:
    row: dict[str, Any] = {
        "instId": symbol,
        "tradeId": str(trade.id),
        "px": trade.price,
        "sz": trade.quantity,
        "side": trade.side,
    }
    if count is None:
        return _message("trades-all", symbol, row | {"source": "0", "ts": str(trade.time)})
    row |= {"ts": str(trade.time), "count": str(count), "source": "0", "seqId": trade.seq}
    return _message("trades", symbol, row)


def _book(bids: tuple[Level, ...], asks: tuple[Level, ...], time: int, previous: int, last: int) -> dict[str, Any]:
    # The checksum is always zero since 2026-06-23.
    return {
        "asks": shown(asks),
        "bids": shown(bids),
        "ts": str(time),
        "checksum": 0,
        "prevSeqId": previous,
        "seqId": last,
    }


def _snapshot(floor: Floor, symbol: str, state: BookState) -> bytes:
    return _message("books", symbol, _book(state.bids, state.asks, floor.ms(), -1, state.last), "snapshot")


def _update(floor: Floor, symbol: str, change: BookChange) -> bytes:
    book = _book(change.bids, change.asks, floor.ms(), change.previous, change.last)
    return _message("books", symbol, book, "update")


def _keep_alive(floor: Floor, symbol: str, last: int) -> bytes:
    return _message("books", symbol, _book((), (), floor.ms(), last, last), "update")


def _top5(floor: Floor, tape: Tape) -> bytes:
    top = {"asks": shown(tape.book.asks(5)), "bids": shown(tape.book.bids(5)), "instId": tape.symbol}
    return _message("books5", tape.symbol, top | {"ts": str(floor.ms()), "seqId": tape.book.last})


def _best(floor: Floor, symbol: str, quote: PublishedQuote) -> bytes:
    best = {
        "asks": shown(((quote.ask, quote.ask_quantity),)) if quote.ask_quantity != "0" else [],
        "bids": shown(((quote.bid, quote.bid_quantity),)) if quote.bid_quantity != "0" else [],
        "ts": str(quote.time or floor.ms()),
        "seqId": quote.last,
    }
    return _message("bbo-tbt", symbol, best)
