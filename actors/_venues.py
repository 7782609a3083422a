"""What a bot names: venues, and the groups of actors that bring their data.

Each group is a supervisor of the strategy ``rest_for_one``: the owner of the data first, because it outlives its
connections; then what the connection needs; then the connection; then its pinger. An outage of a venue, however long,
must never stop the bot, so that no limit of a group can be reached by failures that keep to the backoff.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import attrs

from supervisor import Budget, Child, Limit, Mailbox, Supervisor, child

from ._connection import Connection, PrivateLine, PublicLine
from ._feed import Feed
from ._listen_key import ListenKeeper
from ._messages import Hold, Inflow, Key, KeyRequest, Order
from ._pinger import Pinger
from ._private_stream import PrivateStream
from ._records import AccountItem, FeedItem, OrderUpdate, Trade
from ._secret import Secret
from ._source import AccountSource, TradeSource
from ._wire import Dial
from .exchanges import binance_spot as spot
from .exchanges import binance_usdm as usdm

NEVER_REACHED: Final = Limit(restarts=1000, within=60.0)
"""A backoff with a floor of 0.25 s allows 240 restarts a minute and actor."""
ATTEMPTS: Final = 250
"""Connections that all actors of one tree may open to one address in `ATTEMPTS_WITHIN`: Binance allows an address 300
(web-socket-streams.md, 2026-07-21; for USD-M nothing is stated), and other programs may share it."""
ATTEMPTS_WITHIN: Final = 300.0
"""Seconds."""
INFLOW: Final = 4096
"""Messages between a connection and the owner of the data; when they are used up, the connection waits."""
PING_EVERY: Final = 15.0
"""Seconds. Pings count as messages: Binance allows 5 a second on spot and 10 on USD-M."""


@attrs.frozen
class Venue:
    """An exchange, or one of its products, at certain addresses. An immutable value.

    Attributes:
        name: What records and paths say: ``binance-usdm``.
        ws: Address of the public streams, to which their paths are added.
        rest: Address of the REST API.
        private: Address of the private streams; None: the same as ``ws``.
    """

    name: str
    ws: str
    rest: str
    _trade_source: Callable[..., TradeSource] = attrs.field(repr=False)
    _account_source: Callable[[str, Secret, Secret], AccountSource] | None = attrs.field(default=None, repr=False)
    _testnet: tuple[str, str] | None = attrs.field(default=None, repr=False)
    private: str | None = None
    dial: Dial | None = attrs.field(default=None, repr=False)
    transport: Callable[[], Any] | None = attrs.field(default=None, repr=False)
    # One each for all groups of this venue at these addresses: a ban is for all that come from one machine.
    _ws_hold: Mailbox[Hold] = attrs.field(factory=lambda: Mailbox("hold of connections", capacity=1), repr=False)
    _rest_hold: Mailbox[Hold] = attrs.field(factory=lambda: Mailbox("hold of REST", capacity=1), repr=False)

    def at(
        self,
        *,
        ws: str | None = None,
        rest: str | None = None,
        private: str | None = None,
    ) -> Venue:
        """Return the same venue at other addresses: a mirror, a simulator.

        Args:
            ws: ``wss://host:port`` without a path; ``ws://`` only where nobody listens in.
            rest: ``https://host:port``.
            private: Of the private streams, where it differs from ``ws``.
        """
        return attrs.evolve(
            self,
            ws=(ws or self.ws).rstrip("/"),
            rest=(rest or self.rest).rstrip("/"),
            private=private.rstrip("/") if private is not None else (None if ws is not None else self.private),
            ws_hold=Mailbox("hold of connections", capacity=1),
            rest_hold=Mailbox("hold of REST", capacity=1),
        )

    def through(self, *, dial: Dial | None = None, transport: Callable[[], Any] | None = None) -> Venue:
        """Return the same venue over another network: through a proxy, or in memory.

        Args:
            dial: Connects WebSockets to host and port; TLS is put on top for ``wss``. None: TCP.
            transport: Makes the httpx transport that carries REST. None: the network.
        """
        return attrs.evolve(self, dial=dial, transport=transport)

    @property
    def testnet(self) -> Venue:
        """The venue's test network, which has accounts and prices of its own."""
        if self._testnet is None:
            raise ValueError(f"{self.name} has no test network")
        ws, rest = self._testnet
        return self.at(ws=ws, rest=rest)

    def trades(
        self,
        symbol: str,
        *,
        out: Mailbox[FeedItem],
        name: str | None = None,
        silence: float = 30.0,
        patience: float = 60.0,
        largest_backfill: int = 50_000,
        ping_every: float = PING_EVERY,
        source: dict[str, Any] | None = None,
        **options: Any,
    ) -> Supervisor:
        """Return the group that delivers every trade of a symbol once and in order, or a `Gap` in its place.

        Args:
            symbol: The venue's own name: ``BTCUSDT``.
            out: Where `Trade`, `Gap` and `FeedState` go.
            name: Of the group in the tree; None: ``binance-btcusdt``.
            silence: Seconds without a trade after which the venue is asked whether there was one.
            patience: Seconds without progress after which missing trades are declared a gap.
            largest_backfill: Most trades that are fetched after an outage; of more, the latest.
            ping_every: Seconds between pings.
            source: Options of the venue's own: on spot ``{"kind": "aggTrade"}``.
            options: Of the group as a child, see `supervisor.Policy`.

        Raises:
            BadTree: An option does not exist, or its value makes no sense.
        """
        wrong = _wrong_seconds(silence=silence, patience=patience, ping_every=ping_every)
        wrong += _wrong_type("out", out, Mailbox, "a Mailbox")
        wrong += _wrong_count("largest_backfill", largest_backfill, least=1)
        made = _made(wrong, lambda: self._trade_source(symbol, **(source or {})))
        group = name if name is not None else f"{self.name}-{symbol}".lower()
        if made is None:
            return Supervisor(group, [_unusable("feed", wrong)], **options)
        inflow: Mailbox[Inflow[Trade]] = Mailbox(f"{group} inflow", capacity=INFLOW)
        control = _control(group)
        return Supervisor(
            group,
            [
                _with_problems(
                    child(
                        "feed",
                        Feed(
                            source=made,
                            rest=self.rest,
                            inflow=inflow,
                            out=out,
                            control=control,
                            hold=self._rest_hold,
                            cursor=Mailbox(f"{group} cursor", capacity=1),
                            silence=silence,
                            patience=patience,
                            largest=largest_backfill,
                            transport=self.transport,
                        ),
                    ),
                    wrong,
                ),
                child(
                    "connection",
                    Connection(
                        line=PublicLine(made),
                        address=self.ws,
                        inflow=inflow,
                        control=control,
                        hold=self._ws_hold,
                        dial=self.dial,
                    ),
                    budget=_attempts(self.ws),
                ),
                child("pinger", Pinger(control, ping_every)),
            ],
            strategy="rest_for_one",
            limit=NEVER_REACHED,
            **options,
        )

    def account(
        self,
        name: str,
        *,
        key: Secret,
        secret: Secret,
        out: Mailbox[AccountItem],
        symbols: Sequence[str] = (),
        since: int | None = None,
        reconcile_every: float = 300.0,
        ping_every: float = PING_EVERY,
        **options: Any,
    ) -> Supervisor:
        """Return the group that delivers every order update and fill of an account, reconciled after interruptions.

        Args:
            name: Of the account in records, and of the group in the tree.
            key: The API key; it needs the permission to read.
            secret: What signs.
            out: Where `OrderUpdate` and `AccountState` go.
            symbols: What is reconciled. Without any: every symbol that has open orders or of which an update came; an
                order that began and ended during an interruption on a symbol never seen before then goes unnoticed.
            since: Where the history begins, milliseconds by the venue's clock, at most six days ago: the fills after it
                are delivered even if they happened before the bot was started. None: when it was started.
            reconcile_every: Seconds between reconciliations while nothing is interrupted.
            ping_every: Seconds between pings.
            options: Of the group as a child, see `supervisor.Policy`.

        Raises:
            BadTree: An option does not exist, or its value makes no sense.
        """
        wrong = _wrong_seconds(reconcile_every=reconcile_every, ping_every=ping_every)
        wrong += _wrong_type("out", out, Mailbox, "a Mailbox")
        wrong += _wrong_type("key", key, Secret, "a Secret, such as Secret.env('NAME')")
        wrong += _wrong_type("secret", secret, Secret, "a Secret, such as Secret.env('NAME')")
        wrong += _wrong_type("symbols", symbols, (list, tuple, set, frozenset), "a list of symbols")
        wrong += [] if since is None else _wrong_count("since", since, least=0)
        if self._account_source is None:
            wrong.append(f"private streams of {self.name} are not supported")
        if wrong or self._account_source is None:
            return Supervisor(name, [_unusable("orders", wrong)], **options)
        source = self._account_source(name, key, secret)
        inflow: Mailbox[Inflow[OrderUpdate]] = Mailbox(f"{name} inflow", capacity=INFLOW)
        requests: Mailbox[KeyRequest] = Mailbox(f"{name} key requests", capacity=1, overflow="drop_oldest")
        keys: Mailbox[Key] = Mailbox(f"{name} keys", capacity=1, overflow="drop_oldest")
        control = _control(name)
        return Supervisor(
            name,
            [
                child(
                    "orders",
                    PrivateStream(
                        source=source,
                        rest=self.rest,
                        symbols=tuple(symbol.upper() for symbol in symbols),
                        inflow=inflow,
                        out=out,
                        control=control,
                        hold=self._rest_hold,
                        book=Mailbox(f"{name} book", capacity=1),
                        since=since,
                        reconcile_every=reconcile_every,
                        transport=self.transport,
                    ),
                ),
                child(
                    "key",
                    ListenKeeper(
                        source=source,
                        rest=self.rest,
                        requests=requests,
                        keys=keys,
                        control=control,
                        hold=self._rest_hold,
                        transport=self.transport,
                    ),
                ),
                child(
                    "connection",
                    Connection(
                        line=PrivateLine(source, requests, keys),
                        address=self.private or self.ws,
                        inflow=inflow,
                        control=control,
                        hold=self._ws_hold,
                        dial=self.dial,
                    ),
                    budget=_attempts(self.private or self.ws),
                ),
                child("pinger", Pinger(control, ping_every)),
            ],
            strategy="rest_for_one",
            limit=NEVER_REACHED,
            **options,
        )


def _control(name: str) -> Mailbox[Order]:
    # Nobody waits to give an order; with more than these unread the connection is about to be ended as stale.
    return Mailbox(f"{name} control", capacity=16, overflow="drop_oldest")


def _attempts(address: str) -> Budget:
    return Budget(f"connections to {address}", ATTEMPTS, ATTEMPTS_WITHIN)


def _made(wrong: list[str], make: Callable[[], TradeSource]) -> TradeSource | None:
    try:
        return make()
    except (TypeError, ValueError) as problem:
        # attrs reports options that do not exist as TypeError, and values as ValueError with all its arguments.
        wrong.append(str(problem.args[0]))
        return None


def _with_problems(made: Child, wrong: Sequence[str]) -> Child:
    return attrs.evolve(made, wrong=(*made.wrong, *wrong))


async def _never(_me: object) -> None:
    """Stands in for an actor that could not be built; the tree that holds it does not open."""


def _unusable(name: str, wrong: Sequence[str]) -> Child:
    return _with_problems(child(name, _never), wrong)


def _wrong_type(name: str, value: object, wanted: type | tuple[type, ...], what: str) -> list[str]:
    # The value itself is not shown: where a Secret is wanted it may be the very key.
    return [] if isinstance(value, wanted) else [f"{name} must be {what}, not {type(value).__name__}"]


def _wrong_count(name: str, value: object, *, least: int) -> list[str]:
    if isinstance(value, int) and not isinstance(value, bool) and value >= least:
        return []
    return [f"{name} must be a whole number >= {least}, not {value!r}"]


def _wrong_seconds(**values: object) -> list[str]:
    return [
        f"{name} must be a number of seconds > 0, not {value!r}"
        for name, value in values.items()
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < float("inf")
    ]


binance = Venue(
    spot.VENUE,
    spot.WS,
    spot.REST,
    trade_source=spot.SpotTrades,
    testnet=(spot.TESTNET_WS, spot.TESTNET_REST),
)
"""Binance spot: public trades."""

binance_usdm = Venue(
    usdm.VENUE,
    usdm.WS,
    usdm.REST,
    trade_source=usdm.UsdmTrades,
    account_source=usdm.UsdmAccount,
    testnet=(usdm.TESTNET_WS, usdm.TESTNET_REST),
)
"""Binance USD-M futures: public aggregate trades, and accounts."""
