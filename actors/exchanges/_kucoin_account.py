"""KuCoin classic spot: the private stream of an account, and its orders and fills by REST.

Each connection begins with a signed request for a token, which stands in its address: there is no login on the
connection. A token is valid for 24 h and never used twice. What the address may do is in the token, so that a key that
is refused shows in that request.

``/spotMarket/tradeOrdersV2`` tells each change of an order, executions among them, in one message each; `received` comes
first, as the older ``/spotMarket/tradeOrders`` does not tell. It does not tell fees: fills of the stream have the
commission zero in no asset, those of REST have both. Orders by an amount of the quote asset have the quantity zero:
what they are in units of the base asset nobody knows before they are filled; ``filled`` always is in the base asset.
Stop orders are another topic and other endpoints until they are triggered, and are not orders here.

Sources: Kucoin/kucoin-universal-sdk, spec/ws and spec/rest and the samples in its tests, 2025-11-04; www.kucoin.com/docs,
"Private Order Change V2", "Get HF Completed order list" (3 days), "Get HF Filled List" (100 rows, lastId), 2024;
www.kucoin.com/docs-new, "Error code", 2026.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, ClassVar, Final, Literal
from urllib.parse import quote, urlencode

import attrs
import msgspec

from .._account_source import Credentials, Inquiry, KeyReport, OrderReport, Question
from .._errors import HttpFailure, NoSuchOrder, SecretMissing
from .._records import Fill, OrderId, OrderStatus, OrderUpdate, Side
from .._signing import hmac_base64
from .._source import Ask, Control, Decoded, Door, Frame, HttpReply, HttpRequest, Ignored, Limits, RestLimit
from . import _kucoin
from . import _kucoin_account_rest as rest
from ._common import ask, checked
from ._decode import UNREADABLE, Moment
from ._inquiries import Keyless, amount, number_or_text, read_each
from ._kucoin import VENUE

TOPIC: Final = "/spotMarket/tradeOrdersV2"
LIMITS: Final = Limits(
    attempts=30,
    attempts_within=60.0,
    messages=100,
    messages_within=10.0,
    symbols=300,
    lifetime=86_400.0,
    # Pool "Spot" of the lowest rank, by account. The token and the time draw from others, and are counted with it.
    rest=RestLimit(
        weight=4000, within=_kucoin.WINDOW, left_header="gw-ratelimit-remaining", limit_header="gw-ratelimit-limit"
    ),
    greets=True,
)

_KINDS: Final = frozenset({"received", "open", "match", "update", "filled", "canceled"})


class _Change(
    msgspec.Struct,
    frozen=True,
    rename={
        "order_id": "orderId",
        "client_id": "clientOid",
        "order_type": "orderType",
        "kind": "type",
        "nanoseconds": "ts",
        "quantity": "originSize",
        "filled": "filledSize",
        "trade_id": "tradeId",
        "match_price": "matchPrice",
        "match_quantity": "matchSize",
    },
):
    symbol: str
    order_id: str
    side: Side
    order_type: str
    kind: str
    status: str
    nanoseconds: Moment
    client_id: str | None = None
    # Texts, because what does not apply may be left out, null, or an empty text.
    price: str | None = None
    quantity: str | None = None
    filled: str | None = None
    trade_id: int | str | None = None
    match_price: str | None = None
    match_quantity: str | None = None
    liquidity: str | None = None


class _Message(msgspec.Struct, frozen=True):
    type: Literal["message"]
    topic: Literal["/spotMarket/tradeOrdersV2"]
    data: _Change


_message = msgspec.json.Decoder(_Message, strict=False)


@attrs.frozen
class KucoinAccount(Keyless):
    """The orders of one account: a `actors._account_source.AccountSource`."""

    account: str
    credentials: Credentials

    venue: ClassVar[str] = VENUE
    limits: ClassVar[Limits] = LIMITS
    ping_every: ClassVar[float] = 18.0
    """The answer with the token says it anew for each connection."""
    whole: ClassVar[bool] = False
    fills_apart: ClassVar[bool] = False

    def symbol(self, name: str) -> str:
        """Return a symbol: ``BTC-USDT``."""
        return checked(name, name.split("-", 1), "BTC-USDT")

    def door_question(self) -> Question | None:
        """Return the request for a token."""
        return Question("POST", "/api/v1/bullet-private", weight=10)

    def door(self, address: str, answer: bytes | None, key: str) -> Door:
        """Return where to connect. The address is the one in the answer, whatever ``address`` says."""
        return _kucoin.door(answer)

    def phase(self, number: int, now: int, key: str, first_id: int) -> list[Ask] | None:
        """Return the subscription to all orders: the token was the login."""
        if number > 0:
            return None
        message = {"id": str(first_id), "type": "subscribe", "topic": TOPIC, "privateChannel": True, "response": True}
        return [ask(first_id, message, ())]

    def ping(self, number: int) -> str | None:
        """Return a ping."""
        return f'{{"id":"p{number}","type":"ping"}}'

    def decode_many(self, frames: Sequence[Frame], received: int) -> Decoded:
        """Read a batch of frames."""
        return read_each(frames, lambda frame: self._read(frame, received))

    def _read(self, frame: Frame, received: int) -> list[Any] | Control:
        try:
            change = _message.decode(frame).data
            if change.kind not in _KINDS:
                return Ignored(f"order {change.kind}"[:40], known=False)
            return [self._update(change, frame, received)]
        except UNREADABLE:
            return _kucoin.control(frame, TOPIC)

    def _update(self, change: _Change, frame: Frame, received: int) -> OrderUpdate:
        filled, quantity = amount(change.filled), amount(change.quantity)
        if not (change.symbol and change.order_id):
            raise ValueError("an order without a symbol or an id")
        time = change.nanoseconds // 1_000_000
        fill = None
        if change.kind == "match":
            price, size = amount(change.match_price), amount(change.match_quantity)
            if change.trade_id is None or not size > 0:
                raise ValueError("a match without an id or a size")
            fill = Fill(
                symbol=change.symbol,
                order_id=change.order_id,
                id=number_or_text(change.trade_id),
                price=price,
                quantity=size,
                side=change.side,
                maker=change.liquidity == "maker",
                commission=Decimal(0),
                commission_asset="",
                time=time,
                raw=frame,
            )
        return OrderUpdate(
            venue=VENUE,
            account=self.account,
            symbol=change.symbol,
            order_id=change.order_id,
            client_id=change.client_id or "",
            side=change.side,
            type=change.order_type,
            status=_status(change, filled, quantity),
            price=amount(change.price),
            quantity=quantity,
            filled=filled,
            fill=fill,
            time=time,
            source="stream",
            received=received,
            raw=frame,
        )

    # REST ------------------------------------------------------------------------------------------------------

    def request(self, question: Question, now: int) -> HttpRequest:
        """Return the request, signed over time, method, path with query, and body (version 3 of the keys).

        Raises:
            SecretMissing: A credential cannot be read, or there is no passphrase.
        """
        query = urlencode(question.parameters, quote_via=quote)
        headers: tuple[tuple[str, str], ...] = ()
        if question.signed:
            headers = self._signature(question, f"{question.path}?{query}" if query else question.path, str(now))
        if question.method != "GET":
            headers += (("Content-Type", "application/json"),)
        return HttpRequest(question.method, question.path, query, headers, question.weight, question.content)

    def _signature(self, question: Question, target: str, now: str) -> tuple[tuple[str, str], ...]:
        credentials = self.credentials
        if credentials.passphrase is None:
            raise SecretMissing("an account at KuCoin needs the passphrase of its API key")
        secret = credentials.secret.reveal()
        text = f"{now}{question.method}{target}{question.content.decode()}"
        return (
            ("KC-API-KEY", credentials.key.reveal()),
            ("KC-API-SIGN", hmac_base64(secret, text)),
            ("KC-API-TIMESTAMP", now),
            ("KC-API-PASSPHRASE", hmac_base64(secret, credentials.passphrase.reveal())),
            ("KC-API-KEY-VERSION", "3"),
        )

    def failure(self, request: HttpRequest, reply: HttpReply) -> HttpFailure | None:
        """Return the error that the reply means, or None. Errors come with status 200 too."""
        failure = _kucoin.failure(request, reply)
        if failure is None:
            return None
        if failure.code == _kucoin.OK and failure.status == 200 and request.path in rest.MAY_BE_EMPTY:
            # Success with nothing in it: there are no open orders.
            return None
        if rest.is_one_order(request.path) and (
            failure.code in _kucoin.NO_SUCH_ORDER or _kucoin.says_no_order(failure)
        ):
            return NoSuchOrder(str(request), failure.reason, status=failure.status, code=failure.code)
        return failure

    def time_question(self) -> Question:
        """Return the question for the venue's time."""
        return rest.TIME

    def time(self, body: bytes) -> int:
        """Read the venue's time."""
        return rest.time(body)

    def open_orders(self, symbol: str | None) -> Inquiry[list[OrderReport]]:
        """Ask for the open orders of a symbol, or first for the symbols that have any, and then for those of each."""
        return rest.open_orders(symbol)

    def orders(self, symbol: str | None, since: int, now: int) -> Inquiry[list[OrderReport]]:
        """Ask for the open orders, and for those that have ended: of the last three days at most."""
        return rest.orders(symbol, since, now)

    def one_order(self, symbol: str, order_id: OrderId) -> Inquiry[OrderReport | None]:
        """Ask for one order. The venue forgets canceled orders after days."""
        return rest.one_order(symbol, order_id)

    def fills(self, symbol: str | None, since: int, now: int) -> Inquiry[list[Fill]]:
        """Ask for fills: of the last seven days at most."""
        return rest.fills(symbol, since, now)

    def permissions_question(self) -> Question | None:
        """Return the question for what the key may do."""
        return rest.PERMISSIONS

    def permissions(self, body: bytes) -> KeyReport:
        """Read the answer. When a key ends is not in it."""
        return rest.permissions(body)


def _status(change: _Change, filled: Decimal, quantity: Decimal) -> OrderStatus:
    if change.kind == "match":
        # An order of which a part was canceled before is not filled with its last match.
        return "filled" if filled == quantity else "partially_filled"
    if change.kind == "filled":
        return "filled"
    # An update of what is done: the rest was taken back, to keep the account from trading with itself.
    if change.kind == "canceled" or change.status == "done":
        return "canceled"
    return "partially_filled" if filled else "new"
