"""Binance's spot WebSocket API, as far as the events of an account go: what is asked there, and what its frames mean.

Sources: binance-spot-api-docs web-socket-api.md, user-data-stream.md and errors.md, 2026-07-21; the margin pages of
developers.binance.com for the listen token, 2026.

Every request has an id, which comes back with ``status`` and ``result`` or ``error``. Events come without one, as
``{"subscriptionId":0,"event":{..}}``. What an answer to a probe means is told by its id, so that reading it needs no memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import msgspec

from .._errors import BadFrame
from .._records import Fill, OrderStatus, OrderUpdate, Side
from .._secret import Secret
from .._signing import sign
from .._source import (
    Acknowledged,
    Ask,
    Closing,
    Control,
    Decoded,
    Denied,
    Frame,
    Ignored,
    Refused,
    Terminated,
)
from . import _binance
from ._binance_rows import SIDE, STATUS
from ._decode import UNREADABLE, Moment, finite, text

PATH: Final = "/ws-api/v3"
INVALID_LISTEN_TOKEN: Final = -1209

_KNOWN: Final = frozenset({"balanceUpdate", "externalLockUpdate", "listStatus", "outboundAccountPosition"})
_STATUS_PROBE: Final = "status-"
_SUBSCRIPTIONS_PROBE: Final = "subscriptions-"
_KEY_PROBE: Final = "key-"


class _Report(
    msgspec.Struct,
    frozen=True,
    tag_field="e",
    tag="executionReport",
    rename={
        "symbol": "s",
        "client_id": "c",
        "canceled_client_id": "C",
        "side": "S",
        "type": "o",
        "quantity": "q",
        "price": "p",
        "execution": "x",
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
    execution: str
    status: str
    order_id: int
    last_quantity: Decimal
    filled: Decimal
    last_price: Decimal
    time: Moment
    fill_id: int
    maker: bool
    commission: Decimal = Decimal(0)
    commission_asset: str | None = None
    canceled_client_id: str = ""

    def __post_init__(self) -> None:
        if not self.symbol:
            raise ValueError("an order of nothing")
        finite(self.quantity, self.price, self.last_quantity, self.filled, self.last_price, self.commission)


class _Event(msgspec.Struct, frozen=True):
    event: _Report


_event = msgspec.json.Decoder(_Event)
_anything = msgspec.json.Decoder()
_encode = msgspec.json.Encoder().encode


def ask(identity: str, method: str, parameters: Mapping[str, str | int] | None = None) -> Ask:
    """Return a request. It holds what its parameters hold: a signature, a token."""
    message: dict[str, Any] = {"id": identity, "method": method}
    if parameters:
        message["params"] = dict(parameters)
    return Ask(identity, _encode(message).decode(), ())


def signed(key: Secret, secret: Secret, now: int, window: int) -> dict[str, str | int]:
    """Return the parameters of a signed request that has no others.

    What is signed are all of them, sorted by name, and not percent-encoded (web-socket-api.md, "SIGNED request security").

    Args:
        key: The API key.
        secret: What signs.
        now: The venue's time, milliseconds.
        window: How old the request may be when the venue gets it, milliseconds.

    Raises:
        SecretMissing: One of them cannot be read.
    """
    parameters: dict[str, str | int] = {"apiKey": key.reveal(), "recvWindow": window, "timestamp": now}
    payload = "&".join(f"{name}={value}" for name, value in sorted(parameters.items()))
    return {**parameters, "signature": sign(secret.reveal(), payload)}


def status_probe(number: int) -> Ask:
    """Return the question whether the session is still authorised: weight 2."""
    return ask(f"{_STATUS_PROBE}{number}", "session.status")


def subscriptions_probe(number: int) -> Ask:
    """Return the question what this connection is subscribed to: weight 2."""
    return ask(f"{_SUBSCRIPTIONS_PROBE}{number}", "session.subscriptions")


def key_probe(number: int, parameters: Mapping[str, str | int]) -> Ask:
    """Return a small signed request, which is refused once the key is: open order lists, weight 6."""
    return ask(f"{_KEY_PROBE}{number}", "openOrderLists.status", parameters)


def decode_many(frames: Sequence[Frame], received: int, *, venue: str, account: str) -> Decoded:
    """Read a batch of frames, up to the first that cannot be read. Raises nothing, whatever they hold."""
    decoded = Decoded([], [])
    for frame in frames:
        try:
            report = _event.decode(frame).event
        except UNREADABLE:
            try:
                decoded.controls.append(_control(frame))
            except BadFrame as error:
                decoded.error = error
                break
            continue
        side, status = SIDE.get(report.side), STATUS.get(report.status)
        if side is None or status is None:
            decoded.error = BadFrame("an order of unknown side or status")
            break
        decoded.items.append(_update(report, side, status, frame, received, venue, account))
    return decoded


def _update(
    report: _Report, side: Side, status: OrderStatus, frame: Frame, received: int, venue: str, account: str
) -> OrderUpdate:
    fill = None
    if report.execution == "TRADE" and report.fill_id >= 0 and report.last_quantity > 0:
        fill = Fill(
            symbol=report.symbol,
            order_id=report.order_id,
            id=report.fill_id,
            price=report.last_price,
            quantity=report.last_quantity,
            side=side,
            maker=report.maker,
            commission=report.commission,
            commission_asset=report.commission_asset or "",
            time=report.time,
            raw=frame,
        )
    return OrderUpdate(
        venue=venue,
        account=account,
        symbol=report.symbol,
        order_id=report.order_id,
        # On a cancel `c` is the id of the request that cancels, and `C` that of the order (user-data-stream.md).
        client_id=report.canceled_client_id or report.client_id,
        side=side,
        type=report.type,
        status=status,
        price=report.price,
        quantity=report.quantity,
        filled=report.filled,
        fill=fill,
        time=report.time,
        source="stream",
        received=received,
        raw=frame,
    )


def _control(frame: Frame) -> Control:
    # Errors carry no sample: frames of an account hold its data.
    try:
        message = _anything.decode(frame)
    except UNREADABLE:
        raise BadFrame("not JSON") from None
    if not isinstance(message, dict):
        raise BadFrame("not a JSON object")
    event = message.get("event")
    if isinstance(event, dict):
        return _notice(event)
    asked, error = text(message.get("id"), 40), message.get("error")
    if isinstance(error, dict):
        return _refusal(asked, error, message.get("status"))
    if "result" not in message:
        return Ignored("no kind", known=False)
    result = message["result"]
    if asked.startswith(_SUBSCRIPTIONS_PROBE) and result == []:
        return Terminated("the venue lists no subscription of this connection any more")
    if asked.startswith(_STATUS_PROBE) and isinstance(result, dict) and result.get("apiKey") is None:
        return Denied(-2015, "the session is no longer authorised")
    return Acknowledged(asked)


def _notice(event: dict[str, Any]) -> Control:
    kind = event.get("e")
    if kind == "executionReport":
        raise BadFrame("an executionReport message that is not one")
    if kind == "serverShutdown":
        return Closing("serverShutdown")
    if kind == "eventStreamTerminated":
        return Terminated("eventStreamTerminated")
    return Ignored(text(kind, 40) or "no kind", known=kind in _KNOWN if isinstance(kind, str) else False)


def _refusal(asked: str, error: dict[str, Any], status: object) -> Control:
    code, message = error.get("code"), text(error.get("msg"))
    code = code if isinstance(code, int) else 0
    if status == 401 or code in _binance.UNAUTHORIZED:
        # After a key was revoked this comes with "id":null, after the next request (web-socket-api.md, "Session
        # authentication").
        return Denied(code, message)
    if code == INVALID_LISTEN_TOKEN:
        return Terminated("the listen token is not valid")
    return Refused(
        code, message, asked, clock_off=code == _binance.INVALID_TIMESTAMP, retry_after=_seconds(error.get("data"))
    )


def _seconds(data: object) -> float | None:
    """Read when to come back, which is a moment by the venue's clock here, and not seconds as in REST's Retry-After."""
    if not isinstance(data, dict):
        return None
    until, now = data.get("retryAfter"), data.get("serverTime")
    if not isinstance(until, int) or not isinstance(now, int) or not 0 < until - now < 7 * 24 * 3600 * 1000:
        return None
    return (until - now) / 1000
