"""Binance spot and margin: the events of an account over the WebSocket API, and its orders and fills by REST.

Spot has had no listen key since 2026-02-20. A connection to the WebSocket API subscribes to the account's events itself,
with a signature of any kind of key, and the subscription lives as long as the connection. With an Ed25519 key the session
logs on first, after which the venue can be asked whether it is still authorised. Margin, cross or isolated, subscribes with
a listen token that is made by REST, valid for a day at most.

Sources: binance-spot-api-docs web-socket-api.md, user-data-stream.md, rest-api.md and CHANGELOG.md, 2026-07-21; the margin
pages of developers.binance.com, 2026.
"""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import ClassVar, Final, Literal, TypeAlias

import attrs
import msgspec

from .._account_source import Credentials, Inquiry, Keeping, KeyReport, OrderReport, Question
from .._errors import BadFrame, HttpFailure
from .._records import Fill, OrderId
from .._signing import key_kind
from .._source import Ask, Decoded, Door, Frame, HttpReply, HttpRequest, Limits, RestLimit
from . import _binance, _binance_history, _binance_signed, _binance_ws_api
from ._binance_history import DAY, Listing, Parameters
from ._decode import Moment, rows_of

VENUE: Final = "binance"
PRIVATE: Final = "wss://ws-api.binance.com:443"
TESTNET_PRIVATE: Final = "wss://ws-api.testnet.binance.vision"
RECV_WINDOW: Final = 5000
"""Milliseconds; the venue's own default."""

LIMITS: Final = Limits(
    attempts=_binance.ATTEMPTS,
    attempts_within=_binance.ATTEMPTS_WITHIN,
    # Stated for streams; for the WebSocket API only weight is, of which a connection with all that is said on it costs 8.
    messages=5,
    messages_within=1.0,
    symbols=1,
    lifetime=_binance.LIFETIME,
    rest=RestLimit(6000, 60.0, used_header="x-mbx-used-weight-1m"),
)
MARGIN_LIMITS: Final = attrs.evolve(LIMITS, rest=RestLimit(12_000, 60.0, used_header="x-sapi-used-ip-weight-1m"))
"""The endpoints below /sapi count apart from those below /api, each for itself: 12,000 a minute and address."""

_REACH: Final = 90 * DAY
"""Older orders without fills are archived (rest-api.md), and a day costs one request as long as nothing is found."""
TOKEN_LIFE: Final = 24 * 3600.0
"""Seconds; the longest that can be had."""
TOKEN_EVERY: Final = 12 * 3600.0
"""Seconds from one listen token to the next."""
PROBE_EVERY: Final = 60.0
"""Seconds. A revoked key is told only after a request (web-socket-api.md, "Session authentication")."""

Margin: TypeAlias = Literal["cross", "isolated"]


class _Time(msgspec.Struct, frozen=True, rename={"value": "serverTime"}):
    value: Moment


class _Token(msgspec.Struct, frozen=True):
    token: str


class _Restrictions(msgspec.Struct, frozen=True, rename="camel"):
    enable_reading: bool | None = None
    enable_withdrawals: bool | None = None
    enable_spot_and_margin_trading: bool | None = None
    ip_restrict: bool | None = None
    trading_authority_expiration_time: Moment | None = None


_time = msgspec.json.Decoder(_Time)
_token = msgspec.json.Decoder(_Token)
_restrictions = msgspec.json.Decoder(_Restrictions)


@attrs.frozen
class _OverWebSocketApi(abc.ABC):
    """What spot and margin share: everything but how a connection subscribes, and the paths of REST."""

    account: str
    credentials: Credentials
    window: int = RECV_WINDOW

    venue: ClassVar[str] = VENUE
    limits: ClassVar[Limits] = LIMITS
    ping_every: ClassVar[float] = _binance.PING_EVERY
    whole: ClassVar[bool] = False
    """Open orders can be asked for of all symbols, what has ended cannot."""
    fills_apart: ClassVar[bool] = False

    @property
    @abc.abstractmethod
    def _orders(self) -> Listing: ...

    @property
    @abc.abstractmethod
    def _fills(self) -> Listing: ...

    @abc.abstractmethod
    def _of_symbol(self, path: str, symbol: str | None, **parameters: OrderId) -> Question: ...

    @property
    def probe_every(self) -> float | None:
        """Seconds between requests of `probe`."""
        return PROBE_EVERY

    def symbol(self, name: str) -> str:
        """Return a symbol as REST and the records have it: upper case."""
        return _binance.symbol(name)

    def door_question(self) -> Question | None:
        """Return None: the address is fixed."""
        return None

    def door(self, address: str, answer: bytes | None, key: str) -> Door:
        """Return the address of the WebSocket API."""
        return Door(address + _binance_ws_api.PATH)

    def ping(self, number: int) -> str | None:
        """Return None: the venue answers the protocol's own ping frames."""
        return None

    def decode_many(self, frames: Sequence[Frame], received: int) -> Decoded:
        """Read a batch of frames."""
        return _binance_ws_api.decode_many(frames, received, venue=self.venue, account=self.account)

    def request(self, question: Question, now: int) -> HttpRequest:
        """Return the request for a question, signed where it must be."""
        return _binance_signed.request(question, self.credentials, now, self.window)

    def failure(self, request: HttpRequest, reply: HttpReply) -> HttpFailure | None:
        """Return the error that the reply means, or None."""
        return _binance.failure(request, reply)

    def time_question(self) -> Question:
        """Return the question for the venue's time: weight 1."""
        return Question("GET", "/api/v3/time", signed=False)

    def time(self, body: bytes) -> int:
        """Read the venue's time."""
        return rows_of(_time, body, "time").value

    def open_orders(self, symbol: str | None) -> Inquiry[list[OrderReport]]:
        """Ask for the open orders."""
        return _binance_history.open_orders(self._of_symbol("openOrders", symbol))

    def orders(self, symbol: str | None, since: int, now: int) -> Inquiry[list[OrderReport]]:
        """Ask for the orders that were made since a time, a day or a page at a time."""
        return self._orders.orders(_given(symbol), since, now)

    def one_order(self, symbol: str, order_id: OrderId) -> Inquiry[OrderReport | None]:
        """Ask for one order."""
        return _binance_history.one_order(self._of_symbol("order", symbol, orderId=order_id))

    def fills(self, symbol: str | None, since: int, now: int) -> Inquiry[list[Fill]]:
        """Ask for the fills since a time, a day or a page at a time."""
        return self._fills.fills(_given(symbol), since, now)

    def permissions_question(self) -> Question | None:
        """Return the question for what the key may do: weight 1. The test network has no such endpoint."""
        return Question("GET", "/sapi/v1/account/apiRestrictions")

    def permissions(self, body: bytes) -> KeyReport:
        """Read the answer."""
        found = rows_of(_restrictions, body, "restrictions of the key")
        return KeyReport(
            reads=found.enable_reading,
            trades=found.enable_spot_and_margin_trading,
            withdraws=found.enable_withdrawals,
            bound_to_addresses=found.ip_restrict,
            expires=found.trading_authority_expiration_time,
        )


_SPOT_WEIGHT: Final = {"openOrders": 6, "order": 4}
_SPOT_ORDERS: Final = Listing("/api/v3/allOrders", 20, 1000, "orderId", window=DAY, reach=_REACH)
_SPOT_FILLS: Final = Listing("/api/v3/myTrades", 20, 1000, "fromId", window=DAY, reach=_REACH)


@attrs.frozen
class SpotAccount(_OverWebSocketApi):
    """A spot account: a `actors._account_source.AccountSource`."""

    keeping: ClassVar[Keeping | None] = None

    def key(self, body: bytes) -> str:
        """There is no listen key.

        Raises:
            BadFrame: Always.
        """
        raise BadFrame("Binance spot has no listen key")

    def phase(self, number: int, now: int, key: str, first_id: int) -> list[Ask] | None:
        """Return how to subscribe: in one signed request, or with an Ed25519 key by logging on first."""
        logs_on = self._logs_on
        if number > (1 if logs_on else 0):
            return None
        identity = str(first_id)
        if number == 1:
            return [_binance_ws_api.ask(identity, "userDataStream.subscribe")]
        method = "session.logon" if logs_on else "userDataStream.subscribe.signature"
        return [_binance_ws_api.ask(identity, method, self._signed(now))]

    def probe(self, now: int, number: int) -> Ask | None:
        """Return, in turn, the question whether we are authorised, and whether we are subscribed."""
        if number % 2:
            return _binance_ws_api.subscriptions_probe(number)
        if self._logs_on:
            return _binance_ws_api.status_probe(number)
        # The session of another kind of key is not authorised itself: only a signed request shows what became of the key.
        return _binance_ws_api.key_probe(number, self._signed(now))

    def _signed(self, now: int) -> dict[str, str | int]:
        return _binance_ws_api.signed(self.credentials.key, self.credentials.secret, now, self.window)

    @property
    def _logs_on(self) -> bool:
        return key_kind(self.credentials.secret.reveal()) == "ed25519"

    @property
    def _orders(self) -> Listing:
        return _SPOT_ORDERS

    @property
    def _fills(self) -> Listing:
        return _SPOT_FILLS

    def _of_symbol(self, path: str, symbol: str | None, **parameters: OrderId) -> Question:
        weight = 80 if symbol is None else _SPOT_WEIGHT[path]
        named = () if symbol is None else (("symbol", symbol),)
        return Question("GET", f"/api/v3/{path}", (*named, *parameters.items()), weight=weight)


@attrs.frozen
class MarginAccount(_OverWebSocketApi):
    """A cross or isolated margin account: a `actors._account_source.AccountSource`.

    Attributes:
        isolated: The symbol of the isolated account; None: the cross account.
    """

    isolated: str | None = None

    limits: ClassVar[Limits] = MARGIN_LIMITS

    @property
    def keeping(self) -> Keeping | None:
        """How listen tokens are made: weight 1. They cannot be extended, only followed by the next."""
        of_whom: Parameters = () if self.isolated is None else (("symbol", self.isolated), ("isIsolated", "true"))
        create = Question("POST", "/sapi/v1/userListenToken", (*of_whom, ("validity", round(TOKEN_LIFE * 1000))))
        return Keeping(create, None, every=TOKEN_EVERY, life=TOKEN_LIFE)

    def key(self, body: bytes) -> str:
        """Read the listen token."""
        value = rows_of(_token, body, "listen token").token
        if not value:
            raise BadFrame("a listen token that is not one")
        return value

    def phase(self, number: int, now: int, key: str, first_id: int) -> list[Ask] | None:
        """Return how to subscribe."""
        if number:
            return None
        return [_binance_ws_api.ask(str(first_id), "userDataStream.subscribe.listenToken", {"listenToken": key})]

    def probe(self, now: int, number: int) -> Ask | None:
        """Return the question whether we are subscribed: the token is all the authorisation that there is."""
        return _binance_ws_api.subscriptions_probe(number)

    @property
    def _extra(self) -> Parameters:
        return () if self.isolated is None else (("isIsolated", "TRUE"),)

    @property
    def _orders(self) -> Listing:
        return Listing("/sapi/v1/margin/allOrders", 200, 500, "orderId", DAY, _REACH, self._extra)

    @property
    def _fills(self) -> Listing:
        return Listing("/sapi/v1/margin/myTrades", 10, 1000, "fromId", DAY, _REACH, self._extra)

    def _of_symbol(self, path: str, symbol: str | None, **parameters: OrderId) -> Question:
        # Without the symbol an isolated account is not named.
        asked = symbol or self.isolated
        named = () if asked is None else (("symbol", asked),)
        return Question("GET", f"/sapi/v1/margin/{path}", (*named, *self._extra, *parameters.items()), weight=10)


def spot_account(
    account: str,
    credentials: Credentials,
    *,
    margin: Margin | None = None,
    symbol: str | None = None,
    window: int = RECV_WINDOW,
) -> SpotAccount | MarginAccount:
    """Return the source of an account.

    Args:
        account: Its name in records.
        credentials: HMAC, RSA or Ed25519.
        margin: ``cross`` or ``isolated``; None: the spot account.
        symbol: Of the isolated account.
        window: How old a request may be when the venue gets it, milliseconds; at most 60000.

    Raises:
        ValueError: They do not go together.
    """
    if margin not in (None, "cross", "isolated"):
        raise ValueError(f"margin is 'cross' or 'isolated', not {margin!r}")
    if (margin == "isolated") != (symbol is not None):
        raise ValueError("an isolated margin account is that of a symbol, and no other account is")
    if margin is None:
        return SpotAccount(account, credentials, window)
    return MarginAccount(account, credentials, window, None if symbol is None else _binance.symbol(symbol))


def _given(symbol: str | None) -> str:
    if symbol is None:
        raise ValueError("Binance lists orders and fills by symbol")
    return symbol
