"""Bybit v5, spot and linear: public trades, best bid and ask, order book, REST, and accounts.

Sources: Bybit v5 docs (docs/v5, 2026-07-24), ws/connect.mdx, websocket/public/trade.mdx, websocket/public/orderbook.mdx;
refusals as captured on the linear stream, 2026-09. That spot's trade ids have no holes was observed, not promised.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit
from uuid import UUID

import msgspec

from .._account_view import FillRow
from .._book import BookChange
from .._dialect import AccountDialect, Answer, BadTarget, Floor, Session, Telling
from .._market import Printed, Scheme, Tape
from .._record import OrderEvent, OrderStatus, PublishedQuote, PublishedTrade
from .._rest import Limited, Reply, Request, encode_json
from .._rules import BYBIT
from ._bybit_account import BybitAccountDesk
from ._bybit_messages import execution_event, order_event, order_id
from ._bybit_private import BybitPrivateSession, Protection
from ._bybit_rest import BybitDesk, too_often

SCHEME = Scheme(base=2_290_000_000_000_000_000, book_base=7_961_000_000, book_levels=50)
LINEAR_SCHEME = Scheme(ids="uuid", book_base=66_544_000_000, quantity_decimals=3, book_levels=50)

_TOPIC = re.compile(r"(publicTrade|orderbook\.(?:1|50|200|1000))\.([A-Z0-9-]+)\Z")
_REPEAT = 3.0
"""Seconds without a change after which level 1 is sent again (websocket/public/orderbook.mdx)."""


class Bybit(AccountDialect):
    """The dialect of one category.

    Args:
        floor: of the venue; its name decides the category.
    """

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._spot = floor.venue == BYBIT
        self._category = "spot" if self._spot else "linear"
        self._desk = BybitDesk(floor).desk
        self._protection = Protection(floor, "spot" if self._spot else "future")
        BybitAccountDesk(floor, self._desk, self._category, self._protection)
        self._filled = 0

    def open(self, target: str, now: float) -> Session:
        """A connection to the public stream of the category, or to the private one."""
        path = urlsplit(target).path
        if path == "/v5/private":
            return BybitPrivateSession(self._floor, self._protection, self._category)
        if path != f"/v5/public/{'spot' if self._spot else 'linear'}":
            raise BadTarget(404, f"nothing at {path}")
        return BybitSession(self._floor, path, now)

    def traded(self, tape: Tape, printed: Printed) -> Iterator[Telling]:
        """`publicTrade`: all trades of one taker order in one message."""
        topic = f"publicTrade.{tape.symbol}"
        yield topic, lambda: self._trades(topic, tape.symbol, printed.raw)

    def changed(self, tape: Tape, change: BookChange) -> Iterator[Telling]:
        """`orderbook`: differences, and of level 1 the whole."""
        floor, symbol, quote = self._floor, tape.symbol, change.quote
        for depth in ("50", "200", "1000"):
            topic = f"orderbook.{depth}.{symbol}"
            yield topic, lambda topic=topic: _delta(floor, topic, symbol, change)  # type: ignore[misc]
        if quote is not None:
            yield f"orderbook.1.{symbol}", lambda: _level1(floor, symbol, quote)

    def answer(self, request: Request, now: float) -> Reply:
        """Answer one REST request."""
        return self._desk.answer(request, now)

    def limited(self, status: Limited, seconds: float) -> Reply:
        """The answer while a limit is in force; a ban is HTTP 403 here."""
        return too_often(status, self._floor)

    def order_id(self, number: int) -> str:
        """A UUID."""
        return order_id(number)

    def fill_id(self, fill: FillRow | OrderEvent) -> str:
        """That of the public trade, as text."""
        return str(fill.public_id)

    def status(self, status: OrderStatus) -> str:
        """What has expired is told as cancelled."""
        return "canceled" if status == "EXPIRED" else status.lower()

    def ordered(self, api_key: str, event: OrderEvent) -> Iterator[Telling]:
        """`order` and `execution`, in either order; of some filled orders twice."""
        of_order, of_fill = f"{api_key}/order", f"{api_key}/execution"
        tellings: list[Telling] = [
            (of_order, lambda: self._message("order", order_event(event, self._category, race=False)))
        ]
        if event.execution == "TRADE":
            telling = (of_fill, lambda: self._message("execution", execution_event(event, self._category)))
            tellings.insert(event.trade_id % 2, telling)
        yield from tellings
        if event.status == "FILLED":
            self._filled += 1
            every = self._floor.rules.filled_twice
            if every and self._filled % every == 0:
                yield of_order, lambda: self._message("order", order_event(event, self._category, race=True))

    def unknown_outcome(self) -> Reply:
        """Code 10000: the server has timed out."""
        body = {"retCode": 10000, "retMsg": "Server Timeout", "result": {}, "retExtInfo": {}, "time": self._floor.ms()}
        return Reply(200, encode_json(body))

    def _message(self, topic: str, row: dict[str, object]) -> bytes:
        head = {"topic": topic, "id": str(UUID(int=self._floor.random.getrandbits(128), version=4))}
        return encode_json(head | {"creationTime": self._floor.ms(), "data": [row]})

    def _trades(self, topic: str, symbol: str, trades: tuple[PublishedTrade, ...]) -> bytes:
        rows = [_spot_row(symbol, trade) if self._spot else _linear_row(symbol, trade) for trade in trades]
        now = self._floor.ms()
        # On spot `ts` comes before `type`.
        head = {"topic": topic, "ts": now, "type": "snapshot"}
        if not self._spot:
            head = {"topic": topic, "type": "snapshot", "ts": now}
        return encode_json(head | {"data": rows})


class BybitSession(Session):
    """One public connection.

    Args:
        floor: of the venue.
        path: as dialled.
        now: second at which it was opened.
    """

    def __init__(self, floor: Floor, path: str, now: float) -> None:
        super().__init__(path)
        self._floor = floor
        self._spot = floor.venue == BYBIT
        self._id = str(UUID(int=floor.random.getrandbits(128), version=4))
        self._repeated: dict[str, float] = {}

    def receive(self, text: bytes, now: float) -> Answer:
        """Answer one request: one answer for all its topics."""
        try:
            request = msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError):
            shown = text[:100].decode("utf-8", "replace")
            return Answer(frames=(self._said(f"Failed to decode incoming data:{shown}", "", {}, success=False),))
        if not isinstance(request, dict):
            request = {}
        op, args = request.get("op"), request.get("args")
        if op == "ping":
            return Answer(frames=(self._said("pong", "ping", request),), ping=True)
        if op not in ("subscribe", "unsubscribe"):
            return Answer(frames=(self._said("error:invalid op", str(op or ""), request, success=False),))
        topics = args if isinstance(args, list) and all(isinstance(topic, str) for topic in args) else []
        if op == "unsubscribe":
            for topic in topics:
                self.unsubscribe(topic)
            return Answer(acks=(self._said(op if self._spot else "", op, request),))
        return self._subscribe(topics, request, now)

    def _subscribe(self, topics: list[str], request: dict[str, object], now: float) -> Answer:
        wrong, breach = self._objection(topics)
        if wrong:
            # One bad topic fails the whole request, and only that one is named.
            return Answer(frames=(self._said(wrong, "subscribe", request, success=False),), breach=breach)
        snapshots = []
        for topic in topics:
            self.subscribe(topic)
            kind, _, rest = topic.partition(".")
            if kind == "orderbook":
                self._repeated[topic] = now
                snapshots.append(self._snapshot(topic, rest.partition(".")[2]))
        return Answer((self._said("subscribe" if self._spot else "", "subscribe", request),), tuple(snapshots))

    def _objection(self, topics: list[str]) -> tuple[str, tuple[str, str] | None]:
        rules = self._floor.rules
        if not topics:
            return "error:no args", None
        if rules.args_per_request is not None and len(topics) > rules.args_per_request:
            return f"args size >{rules.args_per_request}", ("args", f"{len(topics)} args in one request")
        for topic in topics:
            found = _TOPIC.match(topic)
            if found is None or found[2] not in self._floor.tapes:
                return f"error:handler not found,topic:{topic}", None
            if self.subscribed(topic):
                return f"error:already subscribed,topic:{topic}", None
        length = sum(map(len, {*topics, *self.topics}))
        if rules.args_length is not None and length > rules.args_length:
            return "error:args too long", ("args_length", f"{length} characters of args")
        return "", None

    def _snapshot(self, topic: str, symbol: str) -> bytes:
        tape = self._floor.tapes[symbol]
        if topic.startswith("orderbook.1."):
            return _level1(self._floor, symbol, tape.book.quote)
        state = tape.book.state()
        head = {"topic": topic, "type": "snapshot", "ts": self._floor.ms()}
        data = {"s": symbol, "b": state.bids, "a": state.asks, "u": _update(state.count), "seq": state.last}
        return encode_json(head | {"data": data, "cts": self._floor.ms()})

    def _said(self, message: str, op: str, request: dict[str, object], *, success: bool = True) -> bytes:
        body: dict[str, object] = {"success": success, "ret_msg": message, "conn_id": self._id}
        number = request.get("req_id")
        if isinstance(number, str):
            body["req_id"] = number
        elif not self._spot:
            body["req_id"] = ""
        return encode_json(body | {"op": op} if op else body)

    def _repeats(self) -> Iterator[tuple[float, str]]:
        for topic, last in self._repeated.items():
            if self.subscribed(topic) and topic.startswith("orderbook.1."):
                quote = self._floor.tapes[topic.rpartition(".")[2]].book.quote
                yield max(last, quote.at) + _REPEAT, topic

    def due(self) -> float:
        """When level 1 of a symbol that does not change is sent again."""
        return min((at for at, _ in self._repeats()), default=float("inf"))

    def tick(self, now: float) -> tuple[bytes, ...]:
        """Level 1 of the symbols that have not changed, with the same `u`."""
        still = [topic for at, topic in self._repeats() if at <= now]
        self._repeated.update(dict.fromkeys(still, now))
        return tuple(self._snapshot(topic, topic.rpartition(".")[2]) for topic in still)


def _update(count: int) -> int:
    """`u` of a book that began with another number than 1: that one means that the service was restarted."""
    return 18_000_000 + count


def _delta(floor: Floor, topic: str, symbol: str, change: BookChange) -> bytes:
    data = {"s": symbol, "b": change.bids, "a": change.asks, "u": _update(change.count), "seq": change.last}
    head = {"topic": topic, "type": "delta", "ts": floor.ms()}
    return encode_json(head | {"data": data, "cts": change.time})


def _level1(floor: Floor, symbol: str, quote: PublishedQuote) -> bytes:
    data = {
        "s": symbol,
        "b": [(quote.bid, quote.bid_quantity)] if quote.bid_quantity != "0" else [],
        "a": [(quote.ask, quote.ask_quantity)] if quote.ask_quantity != "0" else [],
        "u": quote.last,
        "seq": quote.last,
    }
    head = {"topic": f"orderbook.1.{symbol}", "type": "snapshot", "ts": floor.ms()}
    return encode_json(head | {"data": data, "cts": quote.time or floor.ms()})


def _spot_row(symbol: str, trade: PublishedTrade) -> dict[str, object]:
    return {
        "i": str(trade.id),
        "T": trade.time,
        "p": trade.price,
        "v": trade.quantity,
        "S": trade.side.capitalize(),
        "s": symbol,
        "BT": False,
        "seq": trade.seq,
    }


def _linear_row(symbol: str, trade: PublishedTrade) -> dict[str, object]:
    return {
        "T": trade.time,
        "s": symbol,
        "S": trade.side.capitalize(),
        "v": trade.quantity,
        "p": trade.price,
        "L": "PlusTick" if trade.side == "buy" else "MinusTick",
        "i": trade.id,
        "BT": False,
        "seq": trade.seq,
    }
