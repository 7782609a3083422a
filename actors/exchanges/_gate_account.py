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
from collections.abc import Sequence
from typing import Any, ClassVar, Final, Literal
from urllib.parse import urlencode

import attrs
import msgspec

from .._account_source import Credentials, Inquiry, KeyReport, OrderReport, Question
from .._errors import HttpFailure, NoSuchOrder
from .._records import Fill, OrderId, OrderUpdate
from .._signing import hmac_hex
from .._source import (
    Acknowledged,
    Ask,
    Control,
    Decoded,
    Denied,
    Door,
    Frame,
    HttpReply,
    HttpRequest,
    Limits,
    Refused,
    RestLimit,
)
from . import _gate
from . import _gate_account_rest as rest
from ._common import ask, checked
from ._decode import UNREADABLE
from ._gate import VENUE
from ._gate_account_rest import FillRow, OrderRow
from ._inquiries import SECOND, Keyless, read_each

PATH: Final = "/ws/v4/"
ORDERS_CHANNEL: Final = "spot.orders"
FILLS_CHANNEL: Final = "spot.usertrades"
CHANNELS: Final = (ORDERS_CHANNEL, FILLS_CHANNEL)
NOT_AUTHENTICATED: Final = 4
"""The code of a refused signature or key, on the connection."""
_LATE: Final = ("expire", "timestamp", "time gap")
"""In the text of a refusal: the time was not the venue's. The texts are not documented; REST says "request expired"."""

LIMITS: Final = Limits(
    attempts=30,
    attempts_within=60.0,
    messages=None,
    messages_within=1.0,
    symbols=150,
    lifetime=None,
    # By endpoint and account; this counts all endpoints together.
    rest=RestLimit(
        weight=200,
        within=_gate.WINDOW,
        left_header="x-gate-ratelimit-requests-remain",
        limit_header="x-gate-ratelimit-limit",
    ),
)


class _Orders(msgspec.Struct, frozen=True, tag_field="channel", tag=ORDERS_CHANNEL):
    event: Literal["update"]
    result: list[OrderRow]


class _Trades(msgspec.Struct, frozen=True, tag_field="channel", tag=FILLS_CHANNEL):
    event: Literal["update"]
    result: list[FillRow]


_message = msgspec.json.Decoder(_Orders | _Trades, strict=False)


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
                return [rest.fill_of(row, frame) for row in message.result]
            return [self._update(row, frame, received) for row in message.result]
        except UNREADABLE:
            control = _gate.control(frame, *CHANNELS)
        # Both are subscribed for all pairs: the payload that comes back names none.
        if isinstance(control, Acknowledged):
            return Acknowledged(control.id)
        if isinstance(control, Refused):
            # A clock that is off is no reason to give up: the next connection signs by the venue's time.
            late = any(word in control.message.lower() for word in _LATE)
            if control.code == NOT_AUTHENTICATED and not late:
                return Denied(control.code, control.message)
            return attrs.evolve(control, symbols=(), clock_off=late)
        return control

    def _update(self, row: OrderRow, frame: Frame, received: int) -> OrderUpdate:
        report = rest.report_of(row, frame)
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
        return rest.TIME

    def time(self, body: bytes) -> int:
        """Read the venue's time."""
        return rest.time(body)

    def open_orders(self, symbol: str | None) -> Inquiry[list[OrderReport]]:
        """Ask for open orders."""
        return rest.open_orders(symbol)

    def orders(self, symbol: str | None, since: int, now: int) -> Inquiry[list[OrderReport]]:
        """Ask for the open orders, and for those that ended since a time."""
        return rest.orders(symbol, since, now)

    def one_order(self, symbol: str, order_id: OrderId) -> Inquiry[OrderReport | None]:
        """Ask for one order."""
        return rest.one_order(symbol, order_id)

    def fills(self, symbol: str | None, since: int, now: int) -> Inquiry[list[Fill]]:
        """Ask for fills."""
        return rest.fills(symbol, since, now)

    def permissions_question(self) -> Question | None:
        """Return the question for the keys of the account. Keys without the permission "account" are refused it."""
        return rest.PERMISSIONS

    def permissions(self, body: bytes) -> KeyReport:
        """Read the answer: it lists all keys, each by its first characters. Unless exactly one fits, it tells nothing."""
        return rest.permissions(body, self.credentials.key)
