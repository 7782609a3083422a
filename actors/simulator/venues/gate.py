"""Gate.io v4, spot: public trades, best bid and ask, order book, REST, orders and executions of accounts.

Sources: Gate's spot WebSocket v4 page, 2026-05-27; live captures of 2026-09. Trade ids increase; whether the ranges of
one pair follow each other nobody promises, and here they do not.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import msgspec

from .._book import BookChange
from .._dialect import AccountDialect, Answer, BadTarget, Floor, Session, Telling, Topic
from .._market import Printed, Scheme, Tape
from .._record import OrderEvent, PublishedQuote, PublishedTrade
from .._rest import Limited, Reply, Request, encode_json
from ._gate_account import (
    ORDERS,
    TIME_WINDOW,
    USER_CHANNELS,
    USER_TRADES,
    AccountDesk,
    hmac_sha512,
    order_update,
    user_trade,
)
from ._gate_rest import GateDesk, too_often

SCHEME = Scheme(ids="holes", base=210_000_000, book_base=48_000_000)

_CHANNELS = ("spot.trades", "spot.book_ticker", "spot.order_book_update")
_SPEEDS = ("20ms", "100ms")
_ALL = "!all"
_CLOSING = "The connection will soon be closed for a service upgrade. Please reconnect."


class Gate(AccountDialect):
    """The dialect.

    Args:
        floor: of the venue.
    """

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._desk = GateDesk(floor).desk
        AccountDesk(floor, self._desk)

    def open(self, target: str, now: float) -> GateSession:
        """A connection."""
        path = urlsplit(target).path
        if path.rstrip("/") != "/ws/v4":
            raise BadTarget(404, f"nothing at {path}")
        return GateSession(self._floor, path)

    def traded(self, tape: Tape, printed: Printed) -> Iterator[Telling]:
        """`spot.trades`: one message a trade."""
        for trade in printed.raw:
            yield f"spot.trades:{tape.symbol}", partial(_trade, self._floor, tape.symbol, trade)

    def changed(self, tape: Tape, change: BookChange) -> Iterator[Telling]:
        """`spot.order_book_update`, at either speed, and `spot.book_ticker`."""
        floor, symbol, quote = self._floor, tape.symbol, change.quote
        for speed in _SPEEDS:
            yield f"spot.order_book_update:{symbol}:{speed}", partial(_update, floor, symbol, change, speed)
        if quote is not None:
            yield f"spot.book_ticker:{symbol}", lambda: _ticker(floor, symbol, quote)

    def answer(self, request: Request, now: float) -> Reply:
        """Answer one REST request."""
        return self._desk.answer(request, now)

    def limited(self, status: Limited, seconds: float) -> Reply:
        """The answer while a limit is in force; Gate bans with the same words."""
        return too_often(seconds, self._floor)

    def ordered(self, api_key: str, event: OrderEvent) -> Iterable[Telling]:
        """What became of the order, and what was executed, apart; which comes first, nobody promises."""
        told = [(ORDERS, partial(_told, self._floor, ORDERS, order_update, event))]
        if event.execution == "TRADE":
            told.insert(event.trade_id % 2, (USER_TRADES, partial(_told, self._floor, USER_TRADES, user_trade, event)))
        for channel, payload in told:
            yield _own(api_key, channel, event.symbol), payload

    def unknown_outcome(self) -> Reply:
        """The venue itself does not know."""
        return Reply(500, encode_json({"label": "SERVER_ERROR", "message": "Internal server error"}))


class GateSession(Session):
    """One connection.

    Args:
        floor: of the venue.
        path: as dialled.
    """

    def __init__(self, floor: Floor, path: str) -> None:
        super().__init__(path)
        self._floor = floor
        self._id = floor.token(16, "0123456789abcdef")

    def receive(self, text: bytes, now: float) -> Answer:
        """Answer one request: one answer for all that is in its payload."""
        try:
            request = msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError):
            request = None
        if not isinstance(request, dict):
            return Answer(frames=(self._said({}, 1, "invalid request body"),))
        channel, event, payload = request.get("channel"), request.get("event"), request.get("payload")
        if channel == "spot.ping":
            return Answer(frames=(self._pong(),), ping=True)
        sent = request.get("time")
        if isinstance(sent, int) and abs(sent - self._floor.seconds()) > TIME_WINDOW:
            return Answer(frames=(self._said(request, 2, "request expired"),))
        if channel in USER_CHANNELS and event in ("subscribe", "unsubscribe"):
            return self._change_private(request, str(channel), str(event), now)
        if channel not in _CHANNELS or event not in ("subscribe", "unsubscribe") or not isinstance(payload, list):
            return Answer(frames=(self._said(request, 2, f"unknown channel or event: {channel} {event}"),))
        topics, trouble = self._topics(str(channel), payload)
        if trouble:
            return Answer(frames=(self._said(request, 2, trouble),))
        for topic in topics:
            # Subscriptions add up; subscribing again replaces nothing.
            if event == "subscribe":
                self.subscribe(topic)
            else:
                self.unsubscribe(topic)
        return Answer(acks=(self._said(request),))

    def _change_private(self, request: dict[str, Any], channel: str, event: str, now: float) -> Answer:
        """Each request is signed by itself; there is no login that would count for the next one."""
        sent, auth, payload = request.get("time"), request.get("auth"), request.get("payload")
        if not isinstance(sent, int) or not isinstance(auth, dict):
            return Answer(frames=(self._said(request, 4, "authentication fail: no time or no auth"),))
        api_key, sign = str(auth.get("KEY", "")), str(auth.get("SIGN", ""))
        secret = self._floor.credentials.secret(api_key)
        if secret is None or self._floor.credentials.refuses_logins(now):
            return Answer(frames=(self._said(request, 4, "authentication fail: invalid key"),))
        text = f"channel={channel}&event={event}&time={sent}"
        if not hmac.compare_digest(hmac_sha512(secret, text), sign.encode()):
            return Answer(frames=(self._said(request, 4, "authentication fail: signature mismatch"),))
        pairs = payload if isinstance(payload, list) else []
        strangers = [pair for pair in pairs if pair != _ALL and pair not in self._floor.tapes]
        if strangers or not pairs:
            return Answer(
                frames=(self._said(request, 2, f"unknown currency pair: {''.join(map(str, strangers[:1]))}"),)
            )
        self.surface = "private"
        for pair in pairs:
            if event == "subscribe":
                self.subscribe(_own(api_key, channel, pair))
            else:
                self.unsubscribe(_own(api_key, channel, pair))
        return Answer(acks=(self._said(request),), login=True)

    def wants(self, topic: Topic) -> bool:
        """A channel that is subscribed for all pairs brings each."""
        return self.subscribed(topic) or self.subscribed(f"{topic.rpartition(':')[0]}:{_ALL}")

    def _topics(self, channel: str, payload: list[Any]) -> tuple[list[str], str]:
        if channel == "spot.order_book_update":
            if len(payload) != 2 or payload[1] not in _SPEEDS:
                return [], "invalid payload: a pair and 20ms or 100ms"
            pairs, tail = payload[:1], f":{payload[1]}"
        else:
            pairs, tail = payload, ""
        for pair in pairs:
            if pair not in self._floor.tapes:
                return [], f"unknown currency pair: {pair}"
        return [f"{channel}:{pair}{tail}" for pair in pairs], "" if pairs else "empty payload"

    def _stamp(self) -> dict[str, Any]:
        now = self._floor.ms()
        return {"time": now // 1000, "time_ms": now}

    def _pong(self) -> bytes:
        pong = {"conn_id": self._id, "channel": "spot.pong", "event": "", "error": None, "result": None}
        return encode_json(self._stamp() | pong)

    def _said(self, request: dict[str, Any], code: int = 0, message: str = "") -> bytes:
        body = self._stamp()
        if isinstance(request.get("id"), int):
            body["id"] = request["id"]
        body |= {"conn_id": self._id, "channel": request.get("channel", ""), "event": request.get("event", "")}
        if "payload" in request:
            body["payload"] = request["payload"]
        if code:
            body |= {"error": {"code": code, "message": message}, "result": {"status": "fail"}}
        else:
            body |= {"error": None, "result": {"status": "success"}}
        return encode_json(body)

    def notice(self, variant: int, now: float) -> bytes:
        """The upgrade, in the documented form (0), in the SDK's (1), or in that of the futures (2)."""
        if variant == 1:
            return encode_json(self._stamp() | {"channel": "", "event": "upgrade", "result": None, "msg": _CLOSING})
        if variant == 2:
            head = self._stamp() | {"channel": "spot.system", "event": "update"}
            return encode_json(head | {"result": {"type": "upgrade", "msg": _CLOSING}})
        return encode_json({"type": "upgrade", "msg": _CLOSING})


def _message(floor: Floor, channel: str, result: object) -> bytes:
    now = floor.ms()
    head = {"time": now // 1000, "time_ms": now, "channel": channel, "event": "update"}
    return encode_json(head | {"result": result})


def _own(api_key: str, channel: str, pair: str) -> Topic:
    return f"{api_key}/{channel}:{pair}"


def _told(floor: Floor, channel: str, made: Callable[[OrderEvent], dict[str, Any]], event: OrderEvent) -> bytes:
    return _message(floor, channel, [made(event)])


def _trade(floor: Floor, symbol: str, trade: PublishedTrade) -> bytes:
    stock, _, money = symbol.partition("_")
    return _message(
        floor,
        "spot.trades",
        {
            "id": trade.id,
            "id_market": trade.id,
            "create_time": trade.time // 1000,
            "create_time_ms": f"{trade.time}.000000",
            "side": trade.side,
            "currency_pair": symbol,
            "amount": trade.quantity,
            "price": trade.price,
            "range": f"{trade.id}-{trade.id}",
            "stock": stock,
            "money": money,
            "trade_mode": 0,
        },
    )


def _update(floor: Floor, symbol: str, change: BookChange, speed: str) -> bytes:
    return _message(
        floor,
        "spot.order_book_update",
        {
            "t": change.time,
            "full": False,
            "l": "20" if speed == "20ms" else "100",
            "e": "depthUpdate",
            "E": change.time // 1000,
            "s": symbol,
            "U": change.first,
            "u": change.last,
            "b": change.bids,
            "a": change.asks,
        },
    )


def _ticker(floor: Floor, symbol: str, quote: PublishedQuote) -> bytes:
    result = {"t": quote.time, "u": quote.last, "s": symbol, "b": quote.bid, "B": quote.bid_quantity}
    return _message(floor, "spot.book_ticker", result | {"a": quote.ask, "A": quote.ask_quantity})
