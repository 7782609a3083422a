"""A venue as a value: what can be had there, and the groups of actors that bring it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal, TypedDict, Unpack, cast, overload

import attrs

from supervisor import Child, Mailbox, PolicyOptions, Supervisor

from ._account_source import AccountSource, Credentials
from ._accounts._cancel_after import AtStop
from ._accounts._liveness import Liveness
from ._cancel_group import cancel_child, unusable_child, wrong_rule
from ._cancel_rules import CancelRule
from ._groups import (
    Place,
    Wish,
    account_group,
    feed_group,
    made_of,
    spelled_by,
    unusable_group,
    wrong_count,
    wrong_seconds,
    wrong_type,
)
from ._messages import Hold
from ._net._address import taken_apart
from ._net._dial import Dial, Tls, proxied
from ._net._http import network
from ._records import AccountItem, BookItem, FeedItem, QuoteItem, SymbolChange
from ._secret import Secret
from ._source import Channel, PublicSource

SourceMaker = Callable[..., PublicSource]


class FeedOptions(PolicyOptions, total=False):
    """The options of `Venue.quotes` and `Venue.books`, besides those of the group as a child, see `supervisor.Policy`.

    ``silence`` is the feed's own: seconds without data of a symbol after which the venue is asked whether there was any,
    at the latest; a busy symbol's own rate makes it fewer. Default 30.
    """

    name: str | None
    """Of the group in the tree; None: ``binance-btcusdt``, with ``-quotes`` or ``-book`` where it is one."""
    connections: int
    """How many connections bring the same. Losing one of two loses and delays nothing. Default 1."""
    changes: Mailbox[SymbolChange] | None
    """By which the bot changes the symbols while it runs."""
    ping_every: float
    """Seconds between pings. Default: the venue's own interval."""
    required: bool
    """Whether health is lost with this feed. Default True."""
    source: Mapping[str, Any]
    """Options of the venue's own: on Binance spot ``{"kind": "aggTrade"}``."""


class TradeOptions(FeedOptions, total=False):
    """The options of `Venue.trades`."""

    patience: float
    """Seconds without progress after which missing trades are declared a gap. Default 60."""
    largest_backfill: int
    """Most trades that are fetched after an outage; of more, the latest. Default 50,000."""


class _Defaults(TypedDict):
    patience: float
    largest_backfill: int


_TRADES: Final = _Defaults(patience=60.0, largest_backfill=50_000)
_OF_FEEDS: Final = ("silence", *(TradeOptions.__annotations__.keys() - PolicyOptions.__annotations__.keys()))


@attrs.frozen
class FeedSpec:
    """A feed that is not told yet where to deliver: a source of `best_feed`, for example."""

    name: str
    """Of its group in the tree: ``binance-btcusdt``."""
    channel: Channel
    symbols: tuple[str, ...]
    """As the bot wrote them."""
    _at: Venue = attrs.field(repr=False)
    _options: tuple[tuple[str, Any], ...] = attrs.field(default=(), repr=False)

    @property
    def venue(self) -> str:
        """Name of the venue: ``binance``."""
        return self._at.name

    def into(self, out: Mailbox[Any], *, name: str | None = None) -> Supervisor:
        """Return the group that delivers into a mailbox.

        Args:
            out: Where the items go.
            name: Of the group in the tree; None: that of the feed.

        Raises:
            BadTree: An option does not exist, or its value makes no sense.
        """
        return self._at._group(self.channel, self.symbols, out, {**dict(self._options), "name": name or self.name})  # noqa: SLF001 - one concept in two values


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
    _trade_source: SourceMaker = attrs.field(repr=False)
    _quote_source: SourceMaker = attrs.field(repr=False)
    _book_source: SourceMaker = attrs.field(repr=False)
    _account_source: Callable[..., AccountSource] | None = attrs.field(default=None, repr=False)
    _cancel_rule: CancelRule | None = attrs.field(default=None, repr=False)
    _testnet: tuple[str, ...] | None = attrs.field(default=None, repr=False)
    private: str | None = None
    tls: Tls = attrs.field(default=None, repr=False)
    dial: Dial | None = attrs.field(default=None, repr=False)
    transport: Callable[[], Any] | None = attrs.field(default=None, repr=False)
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

        Raises:
            ValueError: One of them is no such address.
        """
        for option, address, schemes in (
            ("ws", ws, ("wss", "ws")),
            ("rest", rest, ("https", "http")),
            ("private", private, ("wss", "ws")),
        ):
            if address is not None:
                try:
                    taken_apart(address, *schemes)
                except ValueError as error:
                    raise ValueError(f"{self.name}: {option}: {error}") from None
        return attrs.evolve(
            self,
            ws=(ws or self.ws).rstrip("/"),
            rest=(rest or self.rest).rstrip("/"),
            private=private.rstrip("/") if private is not None else (None if ws is not None else self.private),
            ws_hold=Mailbox("hold of connections", capacity=1),
            rest_hold=Mailbox("hold of REST", capacity=1),
        )

    def through(
        self,
        *,
        dial: Dial | None = None,
        transport: Callable[[], Any] | None = None,
        proxy: str | None = None,
        ca: Tls = None,
    ) -> Venue:
        """Return the same venue over another network: through a proxy, or in memory.

        Args:
            dial: Connects to host and port; TLS is put on top. None: TCP.
            transport: Makes the httpx transport that carries REST. None: REST takes the same way as WebSockets.
            proxy: ``http://user:password@host:port``, ``https://`` or ``socks5://``, for WebSockets and REST. With
                ``dial`` that is the way to the proxy.
            ca: Whom to trust: a file (PEM) or folder of certificates, or an `ssl.SSLContext`. None: the system's.

        Raises:
            ValueError: The proxy is none.
        """
        way = dial if proxy is None else proxied(proxy, dial=dial, tls=ca)
        if transport is None and (way is not None or ca is not None):
            transport = network(tls=ca, dial=way)
        return attrs.evolve(self, dial=way, transport=transport, tls=ca)

    @property
    def testnet(self) -> Venue:
        """The venue's test network, which has accounts and prices of its own."""
        if self._testnet is None:
            raise ValueError(f"{self.name} has no test network")
        ws, rest, *private = self._testnet
        return self.at(ws=ws, rest=rest, private=private[0] if private else None)

    @overload
    def trades(
        self, symbols: str | Sequence[str], *, out: Mailbox[FeedItem], **options: Unpack[TradeOptions]
    ) -> Supervisor: ...
    @overload
    def trades(
        self, symbols: str | Sequence[str], *, out: None = None, **options: Unpack[TradeOptions]
    ) -> FeedSpec: ...
    def trades(
        self, symbols: str | Sequence[str], *, out: Mailbox[FeedItem] | None = None, **options: Unpack[TradeOptions]
    ) -> Supervisor | FeedSpec:
        """Return the group that delivers every trade of some symbols once and in order, or a `Gap` in its place.

        Args:
            symbols: One of the venue's own names, ``BTCUSDT``, or several.
            out: Where `Trade`, `Gap` and `FeedState` go. Without it a `FeedSpec` is returned.
            options: See `TradeOptions`.

        Raises:
            BadTree: An option does not exist, or its value makes no sense.
        """
        return self._feed("trades", symbols, out, cast("dict[str, Any]", options))

    @overload
    def quotes(
        self, symbols: str | Sequence[str], *, out: Mailbox[QuoteItem], **options: Unpack[FeedOptions]
    ) -> Supervisor: ...
    @overload
    def quotes(self, symbols: str | Sequence[str], *, out: None = None, **options: Unpack[FeedOptions]) -> FeedSpec: ...
    def quotes(
        self, symbols: str | Sequence[str], *, out: Mailbox[QuoteItem] | None = None, **options: Unpack[FeedOptions]
    ) -> Supervisor | FeedSpec:
        """Return the group that delivers the best bid and ask of some symbols.

        Args:
            symbols: One of the venue's own names, ``BTCUSDT``, or several.
            out: Where `Quote` and `FeedState` go. Without it a `FeedSpec` is returned.
            options: See `FeedOptions`.

        Raises:
            BadTree: An option does not exist, or its value makes no sense.
        """
        return self._feed("quotes", symbols, out, cast("dict[str, Any]", options))

    @overload
    def books(
        self, symbols: str | Sequence[str], *, out: Mailbox[BookItem], **options: Unpack[FeedOptions]
    ) -> Supervisor: ...
    @overload
    def books(self, symbols: str | Sequence[str], *, out: None = None, **options: Unpack[FeedOptions]) -> FeedSpec: ...
    def books(
        self, symbols: str | Sequence[str], *, out: Mailbox[BookItem] | None = None, **options: Unpack[FeedOptions]
    ) -> Supervisor | FeedSpec:
        """Return the group that delivers the order books of some symbols, synchronised by the venue's rule.

        Args:
            symbols: One of the venue's own names, ``BTCUSDT``, or several.
            out: Where `BookUpdate` and `FeedState` go; `Book` keeps a local book from them. Without it a `FeedSpec` is
                returned.
            options: See `FeedOptions`.

        Raises:
            BadTree: An option does not exist, or its value makes no sense.
        """
        return self._feed("book", symbols, out, cast("dict[str, Any]", options))

    def _feed(
        self, channel: Channel, symbols: str | Sequence[str], out: Mailbox[Any] | None, options: dict[str, Any]
    ) -> Supervisor | FeedSpec:
        names = (symbols,) if isinstance(symbols, str) else tuple(symbols)
        if out is not None:
            return self._group(channel, names, out, options)
        name = options.pop("name", None) or self._name(channel, names)
        return FeedSpec(name, channel, names, self, tuple(options.items()))

    def _group(
        self, channel: Channel, symbols: tuple[str, ...], out: Mailbox[Any], options: dict[str, Any]
    ) -> Supervisor:
        own = {name: options.pop(name) for name in _OF_FEEDS if name in options}
        source = own.pop("source", {})
        if channel == "trades":
            own = {**_TRADES, **own}
        elif given := own.keys() & _TRADES.keys():
            # Reported by the group, like every option that does not exist.
            options |= {name: own.pop(name) for name in given}
        maker = {"trades": self._trade_source, "quotes": self._quote_source, "book": self._book_source}[channel]
        group = own.pop("name", None) or self._name(channel, symbols)
        wish = Wish(group=group, symbols=symbols, out=out, **own)
        return feed_group(self._place(self.ws), channel, lambda: maker(**source), wish, options)

    def _name(self, channel: Channel, symbols: Sequence[object]) -> str:
        first, *more = [str(symbol).replace("/", "-") for symbol in symbols] or ["nothing"]
        shown = [first, *more] if len(more) < 3 else [first, "and", str(len(more)), "more"]
        return "-".join([self.name, *shown, *([] if channel == "trades" else [channel])]).lower()

    def _place(self, address: str) -> Place:
        return Place(address, self.rest, self.tls, self.dial, self.transport, self._ws_hold, self._rest_hold)

    def account(
        self,
        name: str,
        *,
        key: Secret,
        secret: Secret,
        passphrase: Secret | None = None,
        out: Mailbox[AccountItem],
        symbols: Sequence[str] = (),
        live: Liveness | None = None,
        store: str | Path | Literal[False] | None = None,
        since: int | None = None,
        reconcile_every: float = 300.0,
        quiet_after: float = 60.0,
        ping_every: float | None = None,
        required: bool = True,
        source: Mapping[str, Any] = MappingProxyType({}),
        **options: Any,
    ) -> Supervisor:
        """Return the group that delivers every order update and fill of an account, reconciled after interruptions.

        Args:
            name: Of the account in records, and of the group in the tree.
            key: The API key; it needs the permission to read.
            secret: What signs.
            passphrase: Of venues that want one: OKX, KuCoin.
            out: Where `OrderUpdate` and `AccountState` go; one that drops nothing, with one reader.
            symbols: What is reconciled, where the venue is asked symbol by symbol. Without any: every symbol that has
                open orders or of which an update came; an order that began and ended during an interruption on a symbol
                never seen before then goes unnoticed.
            live: Told whether the account is live.
            store: The file in which its state is kept, so that what happens while no process runs is delivered by the
                next one. None: that of the `ledger` in the tree, if there is one; False: nowhere.
            since: Where the history begins, milliseconds by the venue's clock: the fills after it are delivered even if
                they happened before the bot was started. None: when it was started. What is in the store counts more.
            reconcile_every: Seconds between reconciliations while nothing is interrupted.
            quiet_after: Seconds without any event, while orders are open, after which there is one in between; each
                that finds nothing doubles them.
            ping_every: Seconds between pings; None: the venue's own interval.
            required: Whether health is lost with this account.
            source: Options of the venue's own.
            options: Of the group as a child, see `supervisor.Policy`.

        Raises:
            BadTree: An option does not exist, or its value makes no sense.
        """
        wrong = wrong_seconds(
            reconcile_every=reconcile_every,
            quiet_after=quiet_after,
            **({} if ping_every is None else {"ping_every": ping_every}),
        )
        wrong += (no_mailbox := wrong_type("out", out, Mailbox, "a Mailbox"))
        if not no_mailbox and out.overflow not in ("block", "fail"):
            wrong.append(f"out must have overflow='block': with {out.overflow!r} order updates and fills would be lost")
        wrong += wrong_type("required", required, bool, "True or False")
        wrong += wrong_type("key", key, Secret, "a Secret, such as Secret.env('NAME')")
        wrong += wrong_type("secret", secret, Secret, "a Secret, such as Secret.env('NAME')")
        if passphrase is not None:
            wrong += wrong_type("passphrase", passphrase, Secret, "a Secret, such as Secret.env('NAME')")
        wrong += wrong_type("symbols", symbols, (list, tuple, set, frozenset), "a list of symbols")
        if live is not None:
            wrong += wrong_type("live", live, Liveness, "a Liveness")
        if store is not None and store is not False:
            wrong += wrong_type("store", store, (str, Path), "a path, or False")
        wrong += [] if since is None else wrong_count("since", since, least=0)
        maker = self._account_source
        if maker is None:
            wrong.append(f"private streams of {self.name} are not supported")
        made = (
            None
            if wrong or maker is None
            else made_of(wrong, lambda: maker(name, Credentials(key, secret, passphrase), **source))
        )
        spelled = [] if made is None else spelled_by(wrong, made, symbols)
        if wrong or made is None:
            return unusable_group(name, "orders", wrong, options)
        return account_group(
            self._place(self.private or self.ws),
            made,
            symbols=spelled,
            out=out,
            since=since,
            reconcile_every=reconcile_every,
            quiet_after=quiet_after,
            live=live,
            store=Path(store) if isinstance(store, str) else store,
            ping_every=made.ping_every if ping_every is None else ping_every,
            required=required,
            options=options,
        )

    def cancel_all_after(
        self,
        name: str,
        *,
        key: Secret,
        secret: Secret,
        passphrase: Secret | None = None,
        seconds: int = 60,
        symbols: Sequence[str] = (),
        needs: Sequence[str] = (),
        at_stop: AtStop = "leave",
        source: Mapping[str, Any] = MappingProxyType({}),
    ) -> Child:
        """Return a child that has the exchange cancel the open orders when the bot is not healthy for too long.

        Healthy is what ``/healthz`` calls so: all that is required lives, is live and is fresh. While that holds, the child
        keeps the exchange's countdown from running out; it does so right after looking, and never by a timer alone. Where
        the venue watches a connection instead (Bybit), it holds one open while the bot is healthy.

        Args:
            name: Of the child.
            key: The API key; it needs the permission to trade.
            secret: What signs.
            passphrase: Of venues that want one: OKX, KuCoin.
            seconds: From the last moment at which the bot was known to be healthy until the orders are cancelled. What the
                venue allows: Binance USD-M 5 to 3600, OKX 10 to 120, KuCoin 5 to 86,400, Bybit 3 to 300.
            symbols: Whose orders. Binance USD-M needs them named; KuCoin takes some or, without any, all; OKX and Bybit
                cancel all orders of the account, Bybit those of the product.
            needs: Paths of children that must be ready, beside what the tree requires.
            at_stop: ``leave``: the countdown runs out after the bot was stopped. ``disarm``: stopping a healthy bot in order
                ends it, and the orders stay.
            source: Options of the venue's own, as of `account`.

        Raises:
            BadTree: A value makes no sense, or the venue has nothing of the kind.
        """
        wrong = wrong_type("key", key, Secret, "a Secret, such as Secret.env('NAME')")
        wrong += wrong_type("secret", secret, Secret, "a Secret, such as Secret.env('NAME')")
        if passphrase is not None:
            wrong += wrong_type("passphrase", passphrase, Secret, "a Secret, such as Secret.env('NAME')")
        maker, rule = self._account_source, self._cancel_rule
        if maker is None or rule is None:
            wrong.append(f"{self.name} has no dead man's switch that is supported")
            return unusable_child(name, wrong)
        wrong += wrong_rule(rule, self.name, seconds, symbols, at_stop)
        made = None if wrong else made_of(wrong, lambda: maker(name, Credentials(key, secret, passphrase), **source))
        spelled = [] if made is None else spelled_by(wrong, made, symbols)
        if wrong or made is None:
            return unusable_child(name, wrong)
        place = self._place(self.private or self.ws)
        return cancel_child(place, name, made, rule, seconds=seconds, symbols=spelled, needs=needs, at_stop=at_stop)
