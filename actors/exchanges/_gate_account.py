"""Gate.io v4 spot: the private stream of an account, and its orders and fills by REST.

There is no login: each subscription is signed by itself, with the time of its sending, which the venue takes for 60 s.
``spot.orders`` tells what became of an order and ``spot.usertrades`` its executions, in messages of their own and in
either order. Both are subscribed for all pairs at once.

The amount of a market order to buy is one of the quote asset, and so is what is left of it: such orders have the
quantity zero here, and ``filled`` is what the venue calls ``filled_amount``. Of all others ``filled`` is the amount
without what is left. Orders of the cross margin account are listed by REST only where they are asked for, and they are
not.

Sources: Gate's spot WebSocket v4 guide, 2026-05-27; gateio/gateapi-python docs/SpotApi.md, docs/Order.md and
docs/Trade.md, 2025-07-31; the API guide of 2026 on ``/account/main_keys``; the labels of errors: the list in ccxt 4.5.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Sequence
from decimal import Decimal
from typing import Any, ClassVar, Final, Literal
from urllib.parse import urlencode

import attrs
import msgspec

from .._account_source import Credentials, Inquiry, KeyReport, Question
from .._errors import BadFrame, HttpFailure, NoSuchOrder
from .._reconcile import OrderReport
from .._records import Fill, OrderId, OrderStatus, OrderUpdate, Side
from .._signing import hmac_hex
from .._source import Ask, Control, Decoded, Denied, Door, Frame, HttpReply, HttpRequest, Limits, Refused, RestLimit
from . import _gate
from ._common import ask, checked
from ._decode import UNREADABLE, finite, rows_of
from ._gate import VENUE
from ._inquiries import DAY, SECOND, Keyless, amount, each_row, read_each, windows

PATH: Final = "/ws/v4/"
ORDERS_CHANNEL: Final = "spot.orders"
FILLS_CHANNEL: Final = "spot.usertrades"
CHANNELS: Final = (ORDERS_CHANNEL, FILLS_CHANNEL)
API: Final = "/api/v4"
ORDERS: Final = f"{API}/spot/orders"
OPEN_ORDERS: Final = f"{API}/spot/open_orders"
FILLS: Final = f"{API}/spot/my_trades"
PAGE: Final = 100
FILLS_PAGE: Final = 1000
WINDOW: Final = 7 * DAY
"""Milliseconds asked for at once; the venue takes 30 days at most."""
BACK: Final = 89 * DAY
"""How far back orders that have ended, and fills, are asked for. The guide names no end."""
NOT_AUTHENTICATED: Final = 4
"""The code of a refused signature or key, on the connection."""

LIMITS: Final = Limits(
    attempts=30,
    attempts_within=60.0,
    messages=None,
    messages_within=1.0,
    symbols=150,
    lifetime=None,
    # By endpoint and account; this counts all endpoints together.
    rest=RestLimit(weight=200, within=_gate.WINDOW, left_header="x-gate-ratelimit-requests-remain"),
)

_IMMEDIATE: Final = frozenset({"ioc", "fok"})


class _Order(
    msgspec.Struct,
    frozen=True,
    rename={
        "symbol": "currency_pair",
        "client_id": "text",
        "created": "create_time_ms",
        "updated": "update_time_ms",
    },
):
    id: int
    symbol: str
    type: str
    side: Side
    amount: Decimal
    left: Decimal
    created: Decimal
    updated: Decimal
    client_id: str | None = None
    price: str | None = None
    filled_amount: str | None = None
    filled_total: str | None = None
    finish_as: str | None = None
    event: str | None = None
    """On the stream: put, update, finish."""
    status: str | None = None
    """By REST: open, closed, cancelled."""


class _Trade(
    msgspec.Struct, frozen=True, rename={"symbol": "currency_pair", "quantity": "amount", "time": "create_time_ms"}
):
    id: int
    order_id: int
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    time: Decimal
    role: str = ""
    fee: str | None = None
    fee_currency: str | None = None


class _Orders(msgspec.Struct, frozen=True, tag_field="channel", tag=ORDERS_CHANNEL):
    event: Literal["update"]
    result: list[_Order]


class _Trades(msgspec.Struct, frozen=True, tag_field="channel", tag=FILLS_CHANNEL):
    event: Literal["update"]
    result: list[_Trade]


class _OfPair(msgspec.Struct, frozen=True):
    orders: list[msgspec.Raw]


class _Time(msgspec.Struct, frozen=True):
    server_time: int


class _Permission(msgspec.Struct, frozen=True):
    name: str = ""
    read_only: bool = True


class _Key(msgspec.Struct, frozen=True, rename={"addresses": "ip_whitelist"}):
    # The schema of the guide has an object in its place, and no way to tell whose entry it is.
    key: Any = None
    perms: list[_Permission] | None = None
    addresses: list[str] | None = None


_message = msgspec.json.Decoder(_Orders | _Trades, strict=False)
_order_row = msgspec.json.Decoder(_Order, strict=False)
_fill_row = msgspec.json.Decoder(_Trade, strict=False)
_rows = msgspec.json.Decoder(list[msgspec.Raw])
_one = msgspec.json.Decoder(msgspec.Raw)
_of_pairs = msgspec.json.Decoder(list[_OfPair])
_time = msgspec.json.Decoder(_Time)
_keys = msgspec.json.Decoder(list[_Key])


@attrs.frozen
class GateAccount(Keyless):
    """The orders of one account: a `actors._account_source.AccountSource`."""

    account: str
    credentials: Credentials

    venue: ClassVar[str] = VENUE
    limits: ClassVar[Limits] = LIMITS
    ping_every: ClassVar[float] = 10.0
    whole: ClassVar[bool] = True
    fills_apart: ClassVar[bool] = True

    def symbol(self, name: str) -> str:
        """Return a currency pair: ``BTC_USDT``."""
        return checked(name, name.split("_", 1), "BTC_USDT")

    def door_question(self) -> Question | None:
        """Return None: the address is fixed."""
        return None

    def door(self, address: str, answer: bytes | None, key: str) -> Door:
        """Return where to connect."""
        return Door(address.rstrip("/") + PATH)

    def phase(self, number: int, now: int, key: str, first_id: int) -> list[Ask] | None:
        """Return the subscriptions to orders and to executions, each signed.

        Raises:
            SecretMissing: A credential cannot be read.
        """
        if number > 0:
            return None
        key_text, secret = self.credentials.key.reveal(), self.credentials.secret.reveal()
        asks = []
        for number_of_ask, channel in enumerate(CHANNELS, first_id):
            text = f"channel={channel}&event=subscribe&time={now // SECOND}"
            message = {
                "time": now // SECOND,
                "id": number_of_ask,
                "channel": channel,
                "event": "subscribe",
                "payload": ["!all"],
                "auth": {"method": "api_key", "KEY": key_text, "SIGN": hmac_hex(secret, text, "sha512")},
            }
            asks.append(ask(number_of_ask, message, ()))
        return asks

    def ping(self, number: int) -> str | None:
        """Return None: the protocol's own ping."""
        return None

    def decode_many(self, frames: Sequence[Frame], received: int) -> Decoded:
        """Read a batch of frames."""
        return read_each(frames, lambda frame: self._read(frame, received))

    def _read(self, frame: Frame, received: int) -> list[Any] | Control:
        try:
            message = _message.decode(frame)
            if isinstance(message, _Trades):
                return [_fill(row, frame) for row in message.result]
            return [self._update(row, frame, received) for row in message.result]
        except UNREADABLE:
            control = _gate.control(frame, *CHANNELS)
        if isinstance(control, Refused) and control.code == NOT_AUTHENTICATED:
            # A clock that is off is no reason to give up: the next connection signs by the venue's time.
            late = "time" in control.message.lower() or "expire" in control.message.lower()
            return control if late else Denied(control.code, control.message)
        # Both are subscribed for all pairs, and the request tells which of the two it is.
        return attrs.evolve(control, symbols=()) if hasattr(control, "symbols") else control

    def _update(self, row: _Order, frame: Frame, received: int) -> OrderUpdate:
        report = _report(row, frame)
        return OrderUpdate(
            venue=VENUE,
            account=self.account,
            symbol=report.symbol,
            order_id=report.order_id,
            client_id=report.client_id,
            side=report.side,
            type=report.type,
            status=report.status,
            price=report.price,
            quantity=report.quantity,
            filled=report.filled,
            fill=None,
            time=report.updated,
            source="stream",
            received=received,
            raw=frame,
        )

    # REST ------------------------------------------------------------------------------------------------------

    def request(self, question: Question, now: int) -> HttpRequest:
        """Return the request, signed over method, path, query, the digest of the body, and time.

        Raises:
            SecretMissing: A credential cannot be read.
        """
        query = urlencode(question.parameters)
        headers: tuple[tuple[str, str], ...] = ()
        if question.signed:
            time = str(now // SECOND)
            digest = hashlib.sha512(question.content).hexdigest()
            text = f"{question.method}\n{question.path}\n{query}\n{digest}\n{time}"
            secret = self.credentials.secret.reveal()
            sign = hmac_hex(secret, text, "sha512")
            headers = (("KEY", self.credentials.key.reveal()), ("Timestamp", time), ("SIGN", sign))
        if question.content:
            headers += (("Content-Type", "application/json"),)
        return HttpRequest(question.method, question.path, query, headers, question.weight, question.content)

    def failure(self, request: HttpRequest, reply: HttpReply) -> HttpFailure | None:
        """Return the error that the reply means, or None."""
        failure = _gate.failure(request, reply)
        if failure is not None and _gate.label(failure) in _gate.NO_SUCH_ORDER:
            return NoSuchOrder(str(request), failure.reason, status=failure.status)
        return failure

    def time_question(self) -> Question:
        """Return the question for the venue's time."""
        return Question("GET", f"{API}/spot/time", signed=False)

    def time(self, body: bytes) -> int:
        """Read the venue's time."""
        return rows_of(_time, body, "time").server_time

    def open_orders(self, symbol: str | None) -> Inquiry[list[OrderReport]]:
        """Ask for open orders, page by page; without a symbol each page has the orders of all pairs that have so many."""
        rows: list[msgspec.Raw] = []
        page = 1
        while True:
            paging: tuple[tuple[str, str | int], ...] = (("page", page), ("limit", PAGE))
            if symbol is None:
                body = yield Question("GET", OPEN_ORDERS, paging)
                pages = [pair.orders for pair in rows_of(_of_pairs, body, "open_orders")]
            else:
                body = yield Question("GET", ORDERS, (("currency_pair", symbol), ("status", "open"), *paging))
                pages = [rows_of(_rows, body, "orders")]
            rows += [row for each in pages for row in each]
            if all(len(each) < PAGE for each in pages):
                return each_row(_order_row, rows, _report, "orders")
            page += 1

    def orders(self, symbol: str | None, since: int, now: int) -> Inquiry[list[OrderReport]]:
        """Ask for the open orders, and for those that ended since a time."""
        found = yield from self.open_orders(symbol)
        rows = yield from _pages(ORDERS, symbol, (("status", "finished"),), PAGE, since, now)
        return found + each_row(_order_row, rows, _report, "orders")

    def one_order(self, symbol: str, order_id: OrderId) -> Inquiry[OrderReport | None]:
        """Ask for one order."""
        try:
            body = yield Question("GET", f"{ORDERS}/{order_id}", (("currency_pair", symbol),))
        except NoSuchOrder:
            return None
        [report] = each_row(_order_row, [rows_of(_one, body, "order")], _report, "order")
        return report

    def fills(self, symbol: str | None, since: int, now: int) -> Inquiry[list[Fill]]:
        """Ask for fills."""
        rows = yield from _pages(FILLS, symbol, (), FILLS_PAGE, since, now)
        found = each_row(_fill_row, rows, _fill, "my_trades")
        # Pages are newest first, and what happens meanwhile moves rows to the next one.
        once = {(fill.symbol, fill.order_id, fill.id): fill for fill in reversed(found)}
        return sorted(once.values(), key=lambda fill: (fill.time, fill.id))

    def permissions_question(self) -> Question | None:
        """Return the question for the keys of the account. Keys without the permission "account" are refused it."""
        return Question("GET", f"{API}/account/main_keys")

    def permissions(self, body: bytes) -> KeyReport:
        """Read the answer: it lists all keys, each by its first characters. Without exactly one that fits nothing is told."""
        mine = [key for key in rows_of(_keys, body, "main_keys") if self._fits(key.key)]
        if len(mine) != 1:
            return KeyReport()
        [key] = mine
        names = {permission.name: permission.read_only for permission in key.perms or []}
        # The list has no word for withdrawals: whether the key may is not told.
        return KeyReport(
            reads="spot" in names,
            trades=names.get("spot") is False,
            bound_to_addresses=None if key.addresses is None else bool(key.addresses),
        )

    def _fits(self, shown: Any) -> bool:
        start = shown.partition("*")[0] if isinstance(shown, str) else ""
        return bool(start) and self.credentials.key.reveal().startswith(start)


def _pages(
    path: str, symbol: str | None, more: tuple[tuple[str, str | int], ...], size: int, since: int, now: int
) -> Generator[Question, bytes, list[msgspec.Raw]]:
    """Ask for all rows of a time. The venue counts in seconds, and pages from the newest on."""
    rows: list[msgspec.Raw] = []
    pair: tuple[tuple[str, str | int], ...] = () if symbol is None else (("currency_pair", symbol),)
    for start, end in windows(max(since, now - BACK), now, WINDOW):
        times: tuple[tuple[str, str | int], ...] = (("from", start // SECOND),)
        # The last window ends ahead of now, whatever the clock: an order report must not be newer than the fills.
        times += (("to", (now + 60 * SECOND if end is None else end) // SECOND),)
        page = 1
        while True:
            question = Question("GET", path, (*pair, *more, *times, ("page", page), ("limit", size)))
            found = rows_of(_rows, (yield question), "page")
            rows += found
            if len(found) < size:
                break
            page += 1
    return rows


def _report(row: _Order, raw: bytes) -> OrderReport:
    finite(row.amount, row.left)
    if not row.symbol:
        raise ValueError("an order without a symbol")
    if row.type == "market" and row.side == "buy":
        quantity, filled = Decimal(0), amount(row.filled_amount)
        if not filled and amount(row.filled_total):
            raise ValueError("a market order that does not tell how much it bought")
    else:
        quantity, filled = row.amount, row.amount - row.left
    return OrderReport(
        symbol=row.symbol,
        order_id=row.id,
        client_id=row.client_id or "",
        side=row.side,
        type=row.type,
        status=_status(row, filled),
        price=amount(row.price),
        quantity=quantity,
        filled=filled,
        created=_gate.milliseconds(row.created),
        updated=_gate.milliseconds(row.updated),
        raw=raw,
    )


def _status(row: _Order, filled: Decimal) -> OrderStatus:
    if row.event == "finish" or row.status in ("closed", "cancelled"):
        if row.finish_as == "filled" or row.status == "closed" or not row.left:
            return "filled"
        return "expired" if row.finish_as in _IMMEDIATE else "canceled"
    if row.event not in ("put", "update") and row.status != "open":
        raise ValueError("an order of unknown state")
    return "partially_filled" if filled else "new"


def _fill(row: _Trade, raw: bytes) -> Fill:
    finite(row.price, row.quantity)
    if not row.symbol:
        raise ValueError("a fill without a symbol")
    return Fill(
        symbol=row.symbol,
        order_id=row.order_id,
        id=row.id,
        price=row.price,
        quantity=row.quantity,
        side=row.side,
        maker=row.role == "maker",
        commission=amount(row.fee),
        commission_asset=row.fee_currency or "",
        time=_gate.milliseconds(row.time),
        raw=raw,
    )
