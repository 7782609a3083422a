"""KuCoin classic, spot: matches, best bid and ask, order books, the bullet calls with their tokens, REST, user topics.

Sources: Kucoin/kucoin-universal-sdk spec/ws and spec/rest, 2025-11-04; what happens to silent clients, unknown symbols
and old tokens: live observations of 2026-09. The sequences of matches increase, with holes (measured, 2021).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec

from .._book import BookChange
from .._dialect import AccountDialect, Answer, BadTarget, Floor, Goodbye, Overdue, Session, Telling, Topic
from .._market import Printed, Scheme, Tape
from .._record import OrderEvent, OrderStatus, PublishedQuote, PublishedTrade, Surface
from .._rest import Limited, Reply, Request, encode_json
from ._kucoin_account import USER_TOPICS, V1, V2, AccountDesk, changes, order_id
from ._kucoin_rest import KucoinDesk, too_often
from ._kucoin_tokens import Tokens

SCHEME = Scheme(ids="holes", base=11_067_996_700_000_000, book_base=14_701_000_000)

_TOPICS = {
    "/market/match": "trade.l3match",
    "/market/level2": "trade.l2update",
    "/spotMarket/level1": "level1",
    "/spotMarket/level2Depth5": "level2",
    "/spotMarket/level2Depth50": "level2",
}


class Kucoin(AccountDialect):
    """The dialect.

    Args:
        floor: of the venue.
    """

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self.tokens = Tokens(floor)
        self._desk = KucoinDesk(floor, self.tokens).desk
        AccountDesk(floor, self._desk, self.tokens)

    def open(self, target: str, now: float) -> KucoinSession:
        """A connection; a token that is missing or too old is told on it, and ends it."""
        parts = urlsplit(target)
        if parts.path not in ("", "/", "/endpoint"):
            raise BadTarget(404, f"nothing at {parts.path}")
        query = dict(parse_qsl(parts.query))
        return KucoinSession(self._floor, self.tokens, parts.path, query, now)

    def traded(self, tape: Tape, printed: Printed) -> Iterator[Telling]:
        """`/market/match`: one message a trade."""
        for trade in printed.raw:
            yield f"/market/match:{tape.symbol}", partial(_match, tape.symbol, trade)

    def changed(self, tape: Tape, change: BookChange) -> Iterator[Telling]:
        """`/market/level2`: differences; the others: the top as a whole."""
        symbol, quote = tape.symbol, change.quote
        yield f"/market/level2:{symbol}", lambda: _level2(self._floor, symbol, change)
        for depth in (5, 50):
            yield f"/spotMarket/level2Depth{depth}:{symbol}", partial(_depth, self._floor, tape, depth)
        if quote is not None:
            yield f"/spotMarket/level1:{symbol}", lambda: _level1(self._floor, symbol, quote)

    def answer(self, request: Request, now: float) -> Reply:
        """Answer one REST request."""
        return self._desk.answer(request, now)

    def limited(self, status: Limited, seconds: float) -> Reply:
        """The answer while a limit is in force; KuCoin bans with the same words."""
        return too_often(seconds, self._floor)

    def surface(self, target: str) -> Surface:
        """One address for all: whose token it is tells."""
        token = self.tokens.find(dict(parse_qsl(urlsplit(target).query)).get("token", ""))
        return "private" if token is not None and token.api_key else "ws"

    def order_id(self, number: int) -> str:
        """24 hexadecimal digits."""
        return order_id(number)

    def status(self, status: OrderStatus) -> str:
        """What has expired is canceled here."""
        return "canceled" if status == "EXPIRED" else status.lower()

    def ordered(self, api_key: str, event: OrderEvent) -> Iterable[Telling]:
        """Both generations of the topic, a message for each thing that happened."""
        for topic in (V1, V2):
            for payload in changes(topic, event):
                yield f"{api_key}{topic}", partial(bytes, payload)

    def expire_keys(self, now: float, *, notice: bool) -> list[str]:
        """End the tokens of accounts."""
        return self.tokens.end_private(now, told=notice)

    def unknown_outcome(self) -> Reply:
        """The venue's own gateway gave up."""
        return Reply(200, encode_json({"code": "408000", "msg": "Network timeout, please try again later."}))


class KucoinSession(Session):
    """One connection.

    Args:
        floor: of the venue.
        tokens: those that were given out.
        path: as dialled.
        query: of the dialled target: token and connectId.
        now: second at which it was opened.
    """

    def __init__(self, floor: Floor, tokens: Tokens, path: str, query: dict[str, str], now: float) -> None:
        super().__init__(path or "/")
        self._floor = floor
        self._id = query.get("connectId") or floor.token(9)
        token = query.get("token", "")
        self.credentials = (token,)
        self._trouble = tokens.trouble(token, now)
        self._token = tokens.find(token)
        self._api_key = "" if self._token is None else self._token.api_key
        if self._api_key:
            self.surface = "private"
        self._welcome_at = now + floor.rules.welcome_after
        self._welcomed = False
        self._told = False

    def greet(self, now: float) -> Answer:
        """The welcome, when it comes at once, or why the token is not accepted."""
        if not self._trouble:
            return Answer(frames=self.tick(now))
        return Answer(frames=(self._error(401, self._trouble, self._id),), goodbye=Goodbye(1000, "Bye"))

    def wants(self, topic: Topic) -> bool:
        """Nothing flows on a token that a fault has ended."""
        return self.subscribed(topic) and not (self._token is not None and self._token.ended)

    def due(self) -> float:
        """When the welcome is said."""
        return float("inf") if self._welcomed else self._welcome_at

    def tick(self, now: float) -> tuple[bytes, ...]:
        """The welcome; later, and once, that the token has ended, if that is to be told."""
        if self._token is not None and self._token.ended:
            told, self._told = self._told, True
            return (self._error(401, "token is expired", self._id),) if self._token.told and not told else ()
        if self._welcomed or now < self._welcome_at:
            return ()
        self._welcomed = True
        return (encode_json({"id": self._id, "type": "welcome"}),)

    def receive(self, text: bytes, now: float) -> Answer:
        """Answer one command."""
        if not self._welcomed:
            return Answer()
        try:
            request = msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError):
            word = text.decode("utf-8", "replace").split(None, 1)[:1]
            trouble = f"Unrecognized token '{word[0] if word else ''}': was expecting ('true', 'false' or 'null')"
            return Answer(frames=(self._error(400, trouble, self._floor.token(9)),))
        if not isinstance(request, dict):
            request = {}
        number, kind = str(request.get("id", "")), request.get("type")
        if kind == "ping":
            pong = {"id": number, "type": "pong", "timestamp": self._floor.ms() * 1000}
            return Answer(frames=(encode_json(pong),), ping=True)
        if kind not in ("subscribe", "unsubscribe"):
            return Answer(frames=(self._error(400, "type is not supported", number),))
        told, topic = request.get("response") is True, str(request.get("topic", ""))
        if topic in USER_TOPICS:
            private = request.get("privateChannel") in (True, "true")
            return self._change_private(str(kind), topic, number, told=told, private=private)
        return self._change(str(kind), topic, number, told=told)

    def _change_private(self, kind: str, topic: str, number: str, *, told: bool, private: bool) -> Answer:
        if not (self._api_key and private):
            return Answer(frames=(self._error(403, "login is required", number),))
        own = f"{self._api_key}{topic}"
        if kind == "subscribe":
            self.subscribe(own)
        else:
            self.unsubscribe(own)
        return Answer(acks=(encode_json({"id": number, "type": "ack"}),) if told else ())

    def _change(self, kind: str, topic: str, number: str, *, told: bool) -> Answer:
        path, _, names = topic.partition(":")
        symbols = [name for name in names.split(",") if name]
        if any(character.isspace() for character in topic):
            # Since 2026-02 (cryptofeed issue 1100, which is about "/market/match: BTC-USDT").
            return Answer(frames=(self._error(400, f"topic {topic} is invalid", number),))
        if path not in _TOPICS or not symbols:
            return Answer(frames=(self._error(404, "topic does not exist", number),))
        rules = self._floor.rules
        if rules.args_per_request is not None and len(symbols) > rules.args_per_request:
            message = f"exceed max subscription count limitation of {rules.args_per_request} per time"
            breach = ("args", f"{len(symbols)} symbols in one message")
            return Answer(frames=(self._error(509, message, number),), breach=breach)
        topics = [f"{path}:{symbol}" for symbol in symbols]
        most = rules.streams_per_connection
        if kind == "subscribe" and most is not None and len({*self.topics, *topics}) > most:
            message = f"exceed max subscription count limitation of {most} per session"
            breach = ("streams", f"more than {most} topics")
            return Answer(frames=(self._error(509, message, number),), breach=breach)
        for each in topics:
            # Whether there is such a symbol, nobody says.
            if kind == "subscribe":
                self.subscribe(each)
            else:
                self.unsubscribe(each)
        # Without `response` there is no acknowledgement at all.
        return Answer(acks=(encode_json({"id": number, "type": "ack"}),) if told else ())

    def _error(self, code: int, message: str, number: str) -> bytes:
        return encode_json({"id": number, "type": "error", "code": code, "data": message})

    def too_many(self) -> Answer:
        """An error, as in the old documents; the connection lives."""
        return Answer(frames=(self._error(509, "exceed max permits per second", self._id),))

    def overdue(self, why: Overdue) -> Answer:
        """Who does not ping is cut off; who does not subscribe either is told so before."""
        if why == "ping" and not self.topics:
            error = encode_json({"type": "error", "code": 400, "data": "ping timeout"})
            return Answer(frames=(error,), goodbye=Goodbye(1000, "Bye"))
        return super().overdue(why)


def _message(path: str, symbol: str, data: object) -> bytes:
    head = {"topic": f"{path}:{symbol}", "type": "message", "subject": _TOPICS[path]}
    return encode_json(head | {"data": data})


def _match(symbol: str, trade: PublishedTrade) -> bytes:
    data = {
        "makerOrderId": f"{int(trade.id) * 2:024x}",
        "price": trade.price,
        "sequence": str(trade.id),
        "side": trade.side,
        "size": trade.quantity,
        "symbol": symbol,
        "takerOrderId": f"{int(trade.id) * 2 + 1:024x}",
        "time": f"{trade.time}000000",
        "tradeId": str(trade.id),
        "type": "match",
    }
    return _message("/market/match", symbol, data)


def _level2(floor: Floor, symbol: str, change: BookChange) -> bytes:
    numbers = iter(range(change.first, change.last + 1))
    bids = [(price, size, str(next(numbers))) for price, size in change.bids]
    asks = [(price, size, str(next(numbers))) for price, size in change.asks]
    data: dict[str, Any] = {
        "changes": {"asks": asks, "bids": bids},
        "sequenceEnd": change.last,
        "sequenceStart": change.first,
        "symbol": symbol,
        "time": floor.ms(),
    }
    return _message("/market/level2", symbol, data)


def _depth(floor: Floor, tape: Tape, depth: int) -> bytes:
    data = {"asks": tape.book.asks(depth), "bids": tape.book.bids(depth), "timestamp": floor.ms()}
    return _message(f"/spotMarket/level2Depth{depth}", tape.symbol, data)


def _level1(floor: Floor, symbol: str, quote: PublishedQuote) -> bytes:
    data = {
        "asks": (quote.ask, quote.ask_quantity),
        "bids": (quote.bid, quote.bid_quantity),
        "timestamp": floor.ms(),
    }
    return _message("/spotMarket/level1", symbol, data)
