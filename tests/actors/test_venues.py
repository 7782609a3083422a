"""What a bot names: groups that are right when they are built, and say what is wrong with a path."""

import traceback
from typing import Any

import attrs
import pytest

from actors import (
    AccountItem,
    BookItem,
    FeedItem,
    FeedSpec,
    QuoteItem,
    Secret,
    SymbolChange,
    Venue,
    binance,
    binance_coinm,
    binance_usdm,
    bybit,
    bybit_linear,
    gate,
    kucoin,
    okx,
)
from actors._connections._connection import Connection
from supervisor import BadTree, Mailbox, Supervisor, collecting_problems

OUT: Mailbox[FeedItem] = Mailbox("out", capacity=10)
QUOTES: Mailbox[QuoteItem] = Mailbox("quotes", capacity=1000)
BOOKS: Mailbox[BookItem] = Mailbox("books", capacity=1000)
ORDERS: Mailbox[AccountItem] = Mailbox("orders", capacity=10)
KEYS: dict[str, Any] = {"key": Secret.env("K"), "secret": Secret.env("S"), "out": ORDERS}


NAMES = {
    binance: "BTCUSDT",
    binance_usdm: "BTCUSDT",
    binance_coinm: "BTCUSD_PERP",
    bybit: "BTCUSDT",
    bybit_linear: "BTCUSDT",
    okx: "BTC-USDT",
    kucoin: "BTC-USDT",
    gate: "BTC_USDT",
}
NO_ACCOUNTS = attrs.evolve(binance, account_source=None)
MANY = [f"S{number}USDT" for number in range(1025)]


def children(group: Supervisor) -> list[str]:
    return [child.name for child in group.children]


def connection_of(group: Supervisor) -> Connection:
    [found] = [child for child in group.children if child.name == "connection"]
    connection = found.actor  # type: ignore[union-attr]
    assert isinstance(connection, Connection)
    return connection


def test_the_groups_and_their_order() -> None:
    feed = binance.trades("btcusdt", out=OUT)
    assert (feed.name, feed.strategy, children(feed)) == (
        "binance-btcusdt",
        "rest_for_one",
        ["feed", "connection", "pinger"],
    )
    account = binance_usdm.account("main", **KEYS)
    assert (account.name, account.strategy, children(account)) == (
        "main",
        "rest_for_one",
        ["orders", "key", "connection", "pinger"],
    )
    spot = binance.account("main", **KEYS)
    assert children(spot) == ["orders", "connection", "pinger"], "spot has no listen key"
    assert children(binance.account("main", **KEYS, source={"margin": "cross"})) == children(account)
    assert binance_usdm.trades("BTCUSDT", out=OUT, name="perp").name == "perp"


@pytest.mark.parametrize("venue", NAMES, ids=lambda venue: venue.name)
def test_every_venue_has_every_channel(venue: Venue) -> None:
    name = NAMES[venue]
    groups = [venue.trades(name, out=OUT), venue.quotes(name, out=QUOTES), venue.books(name, out=BOOKS)]
    assert [children(group)[0] for group in groups] == ["feed", "quotes", "books"]
    assert [children(group)[1:] for group in groups] == [["connection", "pinger"]] * 3
    base = f"{venue.name}-{name}".lower()
    assert [group.name for group in groups] == [base, f"{base}-quotes", f"{base}-book"]
    for group, other in zip(groups, [venue.trades(name), venue.quotes(name), venue.books(name)], strict=True):
        # Two groups of one venue and address draw from one allowance of attempts.
        limits = connection_of(group).line.limits
        budget = group.children[1].policy.budget
        assert limits is not None
        assert budget is not None
        assert (budget.count, budget.within) == (limits.attempts, limits.attempts_within)
        assert budget == connection_of(group).attempts
        assert connection_of(group).lifetime == limits.lifetime
        assert (other.name, other.venue, other.symbols) == (group.name, venue.name, (name,))
    for out, spec in ((OUT, venue.trades(name)), (QUOTES, venue.quotes(name)), (BOOKS, venue.books(name))):
        assert spec.into(out) in groups


def test_a_feed_without_a_place_to_deliver_is_a_value_that_can_be_built_later() -> None:
    spec = binance.trades(["btcusdt", "ETHUSDT"], name="pair", silence=5, connections=2)
    assert isinstance(spec, FeedSpec)
    assert spec == binance.trades(["btcusdt", "ETHUSDT"], name="pair", silence=5, connections=2)
    assert (spec.name, spec.venue, spec.symbols) == ("pair", "binance", ("btcusdt", "ETHUSDT"))
    wanted = binance.trades(["btcusdt", "ETHUSDT"], out=OUT, name="pair", silence=5, connections=2)
    assert spec.into(OUT) == wanted
    assert spec.into(OUT) == wanted, "building it changes nothing"
    assert spec.into(OUT, name="other").name == "other"
    with pytest.raises(BadTree, match="pair/feed: silence must be"):
        binance.trades("BTCUSDT", name="pair", silence=-1).into(OUT)
    with pytest.raises(BadTree, match=r"binance-btcusdt: unknown option 'silense'"):
        binance.trades("BTCUSDT", silense=1).into(OUT)  # type: ignore[call-overload]


def test_several_connections_stand_side_by_side() -> None:
    group = binance.trades("BTCUSDT", out=OUT, connections=2)
    assert children(group) == ["feed", "lines"]
    owner, lines = group.children
    assert isinstance(lines, Supervisor)
    assert (lines.strategy, children(lines)) == ("one_for_one", ["1", "2"])
    first, second = (line for line in lines.children if isinstance(line, Supervisor))
    assert first.strategy == "rest_for_one"
    assert children(first) == children(second) == ["connection", "pinger"]
    controls = [connection_of(line).control for line in (first, second)]
    assert controls[0] is not controls[1]
    assert owner.actor.controls == tuple(controls)  # type: ignore[union-attr]
    assert connection_of(first).inflow is connection_of(second).inflow


def test_the_set_of_symbols_can_be_changed_through_a_mailbox() -> None:
    changes: Mailbox[SymbolChange] = Mailbox("changes", capacity=10)
    group = binance.quotes(["BTCUSDT", "ETHUSDT"], out=QUOTES, changes=changes)
    assert group.children[0].actor.changes is changes  # type: ignore[union-attr]
    assert group.name == "binance-btcusdt-ethusdt-quotes"
    assert binance.quotes(MANY[:5], out=QUOTES).name == "binance-s0usdt-and-4-more-quotes"


def test_a_proxy_and_certificates_are_for_websockets_and_rest() -> None:
    venue = binance.through(proxy="socks5://user:HIDDEN@127.0.0.1:1080", ca="/etc/own-ca.pem")
    group = venue.trades("BTCUSDT", out=OUT)
    assert connection_of(group).dial is not None
    assert connection_of(group).tls == "/etc/own-ca.pem"
    assert group.children[0].actor.transport is not None  # type: ignore[union-attr]
    assert group == venue.trades("BTCUSDT", out=OUT)
    assert "HIDDEN" not in repr(venue) + repr(group)
    assert binance.through().transport is None
    with pytest.raises(ValueError, match="a proxy is"):
        binance.through(proxy="ftp://127.0.0.1")


def test_a_group_is_a_value() -> None:
    assert binance.trades("BTCUSDT", out=OUT) == binance.trades("btcusdt", out=OUT)
    assert binance.trades("BTCUSDT", out=OUT) != binance.trades("ETHUSDT", out=OUT)
    assert binance_usdm.account("main", **KEYS) == binance_usdm.account("main", **KEYS)
    assert hash(binance) == hash(binance.at())


def test_an_outage_can_never_trip_a_limit() -> None:
    for group in (binance.trades("BTCUSDT", out=OUT), binance_usdm.account("main", **KEYS)):
        for child in group.children:
            assert child.policy.max_failures is None
            if child.name != "pinger":
                assert child.policy.first_start == "retry"
        # Every child failing as fast as its backoff lets it, all the time.
        worst = sum(group.limit.within / child.policy.backoff.floor for child in group.children)
        assert group.limit.restarts > worst


def test_connections_to_one_address_share_a_budget() -> None:
    first = binance.trades("BTCUSDT", out=OUT).children[1].policy.budget
    second = binance.trades("ETHUSDT", out=OUT).children[1].policy.budget
    other = binance_usdm.trades("BTCUSDT", out=OUT).children[1].policy.budget
    assert first is not None
    assert first == second
    assert first != other
    assert (first.count, first.within) == (250, 300)
    assert binance_usdm.account("main", **KEYS).children[2].policy.budget == other


def test_at_changes_addresses_and_nothing_else() -> None:
    moved = binance_usdm.at(ws="ws://127.0.0.1:1/", rest="http://127.0.0.1:2/")
    assert (moved.name, moved.ws, moved.rest) == ("binance-usdm", "ws://127.0.0.1:1", "http://127.0.0.1:2")
    assert binance_usdm.ws == "wss://fstream.binance.com", "a venue is a value"
    assert moved.at(rest="http://127.0.0.1:3").ws == "ws://127.0.0.1:1"
    assert moved.at(private="ws://127.0.0.1:4").private == "ws://127.0.0.1:4"
    assert moved.at(private="ws://127.0.0.1:4").at(ws="ws://127.0.0.1:5").private is None, "not left at the old place"
    connection = connection_of(moved.at(private="ws://127.0.0.1:4").account("main", **KEYS))
    assert connection.line.address == "ws://127.0.0.1:4"  # type: ignore[attr-defined]


NO_WS = ["http://h", "h:443", "wss://", "wss://h:70000", "wss://h:0", "wss://[::1", "wss://h/a b", "wss://bücher.de"]


@pytest.mark.parametrize(
    ("option", "address"),
    [("ws", address) for address in NO_WS] + [("rest", "wss://h"), ("rest", ""), ("private", "https://h")],
)
def test_an_address_that_is_none_is_refused_where_it_is_declared(option: str, address: str) -> None:
    with pytest.raises(ValueError, match=rf"^binance: {option}: not a (wss|https)://"):
        binance.at(**{option: address})


def test_the_error_about_an_address_does_not_show_it() -> None:
    password = "hidden".upper()
    with pytest.raises(ValueError, match="ws: not a") as caught:
        binance.at(ws=f"wss://user:{password}@[{password}")
    assert password not in "".join(traceback.format_exception(caught.value))


def test_the_test_network_has_both_addresses_of_its_own() -> None:
    for venue in (binance, binance_usdm):
        assert venue.testnet.ws != venue.ws
        assert venue.testnet.rest != venue.rest
        assert venue.testnet.ws.startswith("wss://")
        assert venue.testnet.rest.startswith("https://")
    with pytest.raises(ValueError, match="no test network"):
        _ = attrs.evolve(binance, testnet=None).testnet


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: binance.trades("BTCUSDT", out=OUT, silense=3), r"binance-btcusdt: unknown option 'silense'"),
        (lambda: binance.trades("BTCUSDT", out=OUT, silence=-1), r"binance-btcusdt/feed: silence must be"),
        (lambda: binance.trades("BTCUSDT", out=OUT, patience="1"), r"binance-btcusdt/feed: patience must be"),
        (lambda: binance.trades("BTCUSDT", out=OUT, largest_backfill=0), r"/feed: largest_backfill must be"),
        (lambda: binance.trades("BTCUSDT", out=OUT, ping_every=float("inf")), r"/feed: ping_every must be"),
        (lambda: binance.trades("BTCUSDT", out=print), r"/feed: out must be a Mailbox, not builtin"),
        (lambda: binance.trades("BTC/USDT", out=OUT), r"binance-btc-usdt/feed: not a symbol: 'BTC/USDT'"),
        (lambda: okx.trades("BTCUSDT", out=OUT), r"okx-btcusdt/feed: not a symbol like BTC-USDT: 'BTCUSDT'"),
        (lambda: binance.trades(["BTCUSDT", "btcusdt"], out=OUT), r"/feed: symbols has 'BTCUSDT' twice"),
        (lambda: binance.trades([], out=OUT), r"/feed: symbols must have at least one name"),
        (lambda: binance.trades([7], out=OUT), r"/feed: a symbol must be a name, not 7"),  # type: ignore[list-item]
        (lambda: binance.trades(MANY, out=OUT), r"/feed: symbols has 1025 names, and binance takes 1024 .* two feeds"),
        (lambda: binance.trades("BTCUSDT", out=OUT, connections=0), r"/feed: connections must be a whole number >= 1"),
        (lambda: binance.trades("BTCUSDT", out=OUT, changes=7), r"/feed: changes must be a Mailbox"),
        (
            lambda: binance.quotes("BTCUSDT", out=QUOTES, patience=7),
            r"binance-btcusdt-quotes: unknown option 'patience'",
        ),
        (lambda: binance.books("BTCUSDT", out=attrs.evolve), r"/books: out must be a Mailbox"),
        (
            lambda: binance.books("BTCUSDT", out=Mailbox("b", capacity=1, overflow="drop_oldest")),
            r"/books: mailbox 'b': books need a capacity",
        ),
        (lambda: binance.trades("BTCUSDT", out=OUT, source={"kind": "kline"}), r"/feed: 'kind' must be in"),
        (lambda: binance_usdm.trades("BTCUSDT", out=OUT, source={"kind": "x"}), r"/feed: .*unexpected keyword.*kind"),
        (lambda: binance_usdm.account("main", **KEYS, symbol="X"), r"main: unknown option 'symbol'"),
        (
            lambda: binance_usdm.account("main", **{**KEYS, "out": Mailbox("o", capacity=9, overflow="drop_oldest")}),
            r"main/orders: out must have overflow='block': with 'drop_oldest' order updates and fills would be lost",
        ),
        (lambda: binance_usdm.account("main", **{**KEYS, "key": "MYKEY"}), r"main/orders: key must be a Secret"),
        (lambda: binance_usdm.account("main", **KEYS, symbols="BTCUSDT"), r"main/orders: symbols must be a list"),
        (lambda: binance_usdm.account("main", **KEYS, since=-5), r"main/orders: since must be"),
        (lambda: binance_usdm.account("main", **KEYS, reconcile_every=0), r"main/orders: reconcile_every must be"),
        (lambda: NO_ACCOUNTS.account("main", **KEYS), r"main/orders: private streams of binance are not supported"),
        (
            lambda: binance.account("main", **KEYS, source={"margin": "x"}),
            r"main/orders: margin is 'cross' or 'isolated'",
        ),
        (
            lambda: binance.account("main", **KEYS, source={"margin": "isolated"}),
            r"main/orders: an isolated margin account",
        ),
    ],
)
def test_what_is_wrong_is_reported_with_its_path(build: Any, message: str) -> None:
    with pytest.raises(BadTree, match=message) as caught:
        build()
    assert "MYKEY" not in str(caught.value)
    with collecting_problems():
        tree = Supervisor("bot", [build()])
    with pytest.raises(BadTree, match="bot/"):
        tree.check()


def test_neither_secrets_nor_keys_are_printed() -> None:
    group = binance_usdm.account("main", key=Secret.literal("HIDDEN1"), secret=Secret.literal("HIDDEN2"), out=ORDERS)
    assert "HIDDEN" not in repr(group) + str(group)
