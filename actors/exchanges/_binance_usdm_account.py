"""Binance USD-M futures: the private stream and the signed requests of an account.

Sources: developers.binance.com, USD-M user data streams and account pages of 2026-05-28; the notice of 2026-03-06 on the
addresses of private streams; binance-connector-python, 2026-08-21.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import ClassVar, Final

import attrs
import msgspec

from .._account_source import Credentials, Inquiry, Keeping, KeyReport, OrderReport, Question
from .._errors import BadFrame, HttpFailure
from .._records import Fill, OrderId, OrderUpdate
from .._source import Ask, Control, Decoded, Door, Frame, HttpReply, HttpRequest, Limits, RestLimit
from . import _binance, _binance_history, _binance_signed
from ._binance_history import DAY, Listing
from ._binance_rows import SIDE, STATUS
from ._decode import UNREADABLE, Moment, finite, rows_of

VENUE: Final = "binance-usdm"
LIMITS: Final = Limits(
    attempts=_binance.ATTEMPTS,
    attempts_within=_binance.ATTEMPTS_WITHIN,
    messages=10,
    messages_within=1.0,
    symbols=_binance.STREAMS,
    lifetime=_binance.LIFETIME,
    rest=RestLimit(2400, 60.0, used_header="x-mbx-used-weight-1m"),
)
"""USD-M "Connect" page. For attempts nothing is stated: those of spot are used."""
PAGE: Final = 1000
RECV_WINDOW: Final = 5000
"""Milliseconds; the venue's own default."""

WEEK: Final = 7 * DAY
"""Milliseconds. Start and end of a question by time must not be more than that apart."""
LOOK_BACK: Final = 90 * DAY
"""Milliseconds. Orders are kept for 90 days, fills for six months."""

EVENTS: Final = ("ORDER_TRADE_UPDATE", "ACCOUNT_UPDATE", "MARGIN_CALL", "listenKeyExpired")
"""What the private stream is asked for. The venue does not check these names: a misspelt one just never arrives, and
without the list nothing may arrive at all."""

_PRIVATE: Final = frozenset({"ORDER_TRADE_UPDATE"})
_PRIVATE_KNOWN: Final = frozenset(
    {"ACCOUNT_CONFIG_UPDATE", "ACCOUNT_UPDATE", "ALGO_UPDATE", "MARGIN_CALL", "STRATEGY_UPDATE", "TRADE_LITE"}
)


class _Order(
    msgspec.Struct,
    frozen=True,
    rename={
        "symbol": "s",
        "client_id": "c",
        "side": "S",
        "type": "o",
        "quantity": "q",
        "price": "p",
        "status": "X",
        "order_id": "i",
        "last_quantity": "l",
        "filled": "z",
        "last_price": "L",
        "commission_asset": "N",
        "commission": "n",
        "time": "T",
        "fill_id": "t",
        "maker": "m",
    },
):
    symbol: str
    client_id: str
    side: str
    type: str
    quantity: Decimal
    price: Decimal
    status: str
    order_id: int
    last_quantity: Decimal
    filled: Decimal
    last_price: Decimal
    time: Moment
    fill_id: int
    maker: bool
    commission_asset: str | None = None
    commission: Decimal = Decimal(0)

    def __post_init__(self) -> None:
        if not self.symbol:
            raise ValueError("an order of nothing")
        finite(self.quantity, self.price, self.last_quantity, self.filled, self.last_price, self.commission)


class _OrderTradeUpdate(
    msgspec.Struct, frozen=True, tag_field="e", tag="ORDER_TRADE_UPDATE", rename={"order": "o", "time": "T"}
):
    order: _Order
    time: Moment


class _PrivateCombined(msgspec.Struct, frozen=True):
    stream: str
    data: _OrderTradeUpdate


class _Key(msgspec.Struct, frozen=True, rename={"value": "listenKey"}):
    value: str


class _Time(msgspec.Struct, frozen=True, rename={"value": "serverTime"}):
    value: Moment


_private = msgspec.json.Decoder(_OrderTradeUpdate)
_private_combined = msgspec.json.Decoder(_PrivateCombined)
_key = msgspec.json.Decoder(_Key)
_time = msgspec.json.Decoder(_Time)


def listen_keys(root: str) -> Keeping:
    """Return how the listen keys of a product are made and kept."""
    return Keeping(
        create=Question("POST", f"{root}/listenKey", signed=False),
        extend=Question("PUT", f"{root}/listenKey", signed=False),
        # The page says 60 minutes for both, which leaves no room for a failure.
        every=30 * 60.0,
        life=60 * 60.0,
    )


@attrs.frozen
class UsdmAccount:
    """The private stream and signed requests of one account: a `actors._account_source.AccountSource`."""

    root: ClassVar[str] = "/fapi/v1"
    """Of the paths of REST."""
    order_listing: ClassVar[Listing] = Listing("/fapi/v1/allOrders", 5, PAGE, "orderId", WEEK, LOOK_BACK)
    fill_listing: ClassVar[Listing] = Listing("/fapi/v1/userTrades", 5, PAGE, "fromId", WEEK, LOOK_BACK)

    account: str
    credentials: Credentials
    venue: str = VENUE
    limits: Limits = LIMITS
    ping_every: float = _binance.PING_EVERY
    whole: bool = False
    fills_apart: bool = False
    keeping: Keeping = attrs.field(default=listen_keys("/fapi/v1"))
    probe_every: float | None = None
    window: int = RECV_WINDOW

    def key(self, body: bytes) -> str:
        """Read the listen key from the answer."""
        value: str = rows_of(_key, body, "listen key").value
        if not value.isalnum():
            # It goes into an address: nothing may stand in it that means something there.
            raise BadFrame("a listen key that is not one")
        return value

    def symbol(self, name: str) -> str:
        """Return a symbol in upper case."""
        return _binance.symbol(name)

    # The connection --------------------------------------------------------------------------------------------

    def door_question(self) -> None:
        """Return None: the address is fixed, and the listen key is all that it needs."""

    def door(self, address: str, answer: bytes | None, key: str) -> Door:
        """Return the address: with the key, and the full list of events, separated by slashes."""
        return Door(f"{address}/private/ws?listenKey={key}&events={'/'.join(EVENTS)}")

    def phase(self, number: int, now: int, key: str, first_id: int) -> list[Ask] | None:
        """Return None: the address says everything."""

    def probe(self, now: int, number: int) -> Ask | None:
        """Return None: a key that has ended is told, or found out when it is extended."""

    def ping(self, number: int) -> str | None:
        """Return None: the protocol's own ping is used."""

    def decode_many(self, frames: Sequence[Frame], received: int) -> Decoded:
        """Read frame by frame: there are few."""
        decoded = Decoded([], [])
        for frame in frames:
            try:
                message = self._decode(frame, received)
            except BadFrame as error:
                decoded.error = error
                break
            if isinstance(message, OrderUpdate):
                decoded.items.append(message)
            else:
                decoded.controls.append(message)
        return decoded

    def _decode(self, frame: Frame, received: int) -> OrderUpdate | Control:
        try:
            message = _private_combined.decode(frame).data if _binance.is_combined(frame) else _private.decode(frame)
        except UNREADABLE:
            return _binance.control(frame, known=_PRIVATE_KNOWN, data=_PRIVATE, show=False)
        order = message.order
        side, status = SIDE.get(order.side), STATUS.get(order.status)
        if side is None or status is None:
            raise BadFrame("an order of unknown side or status")
        fill = None
        # `x` is TRADE for ordinary fills and CALCULATED for liquidations: the trade id is what makes it a fill.
        if order.fill_id > 0 and order.last_quantity > 0:
            fill = Fill(
                symbol=order.symbol,
                order_id=order.order_id,
                id=order.fill_id,
                price=order.last_price,
                quantity=order.last_quantity,
                side=side,
                maker=order.maker,
                commission=order.commission,
                commission_asset=order.commission_asset or "",
                time=order.time,
                raw=frame,
            )
        return OrderUpdate(
            venue=self.venue,
            account=self.account,
            symbol=order.symbol,
            order_id=order.order_id,
            client_id=order.client_id,
            side=side,
            type=order.type,
            status=status,
            price=order.price,
            quantity=order.quantity,
            filled=order.filled,
            fill=fill,
            time=order.time,
            source="stream",
            received=received,
            raw=frame,
        )

    # REST ------------------------------------------------------------------------------------------------------

    def request(self, question: Question, now: int) -> HttpRequest:
        """Return the request for a question: signed, with the API key alone, or with nothing where that is asked."""
        return _binance_signed.request(question, self.credentials, now, self.window)

    def failure(self, request: HttpRequest, reply: HttpReply) -> HttpFailure | None:
        """Return the error that the reply means, or None."""
        return _binance.failure(request, reply)

    def time_question(self) -> Question:
        """Return the question for the venue's time."""
        return Question("GET", f"{self.root}/time", signed=False)

    def time(self, body: bytes) -> int:
        """Read the venue's time."""
        value: int = rows_of(_time, body, "time").value
        return value

    def open_orders(self, symbol: str | None) -> Inquiry[list[OrderReport]]:
        """Ask for all open orders of a symbol: weight 1; of all symbols: 40."""
        named = () if symbol is None else (("symbol", symbol),)
        question = Question("GET", f"{self.root}/openOrders", named, weight=40 if symbol is None else 1)
        return _binance_history.open_orders(question)

    def orders(self, symbol: str | None, since: int, now: int) -> Inquiry[list[OrderReport]]:
        """Ask for the orders made since a time, a week or a page at a time."""
        return self.order_listing.orders(_named(symbol), since, now)

    def one_order(self, symbol: str, order_id: OrderId) -> Inquiry[OrderReport | None]:
        """Ask for one order: weight 1. None for -2013, "Order does not exist."."""
        question = Question("GET", f"{self.root}/order", (("symbol", symbol), ("orderId", order_id)))
        return _binance_history.one_order(question)

    def fills(self, symbol: str | None, since: int, now: int) -> Inquiry[list[Fill]]:
        """Ask for fills, a week or a page at a time. Ids and times must not be combined."""
        return self.fill_listing.fills(_named(symbol), since, now)

    def permissions_question(self) -> None:
        """Return None: only the spot API tells what a key may do."""

    def permissions(self, body: bytes) -> KeyReport:
        """Return that nothing is known."""
        return KeyReport()


def _named(symbol: str | None) -> str:
    if symbol is None:
        raise ValueError("Binance lists orders and fills by symbol")
    return symbol
