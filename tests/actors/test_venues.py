"""What a bot names: groups that are right when they are built, and say what is wrong with a path."""

from typing import Any

import attrs
import pytest

from actors import AccountItem, FeedItem, Secret, binance, binance_usdm
from supervisor import BadTree, Mailbox, Supervisor, collecting_problems

OUT: Mailbox[FeedItem] = Mailbox("out", capacity=10)
ORDERS: Mailbox[AccountItem] = Mailbox("orders", capacity=10)
KEYS: dict[str, Any] = {"key": Secret.env("K"), "secret": Secret.env("S"), "out": ORDERS}


def children(group: Supervisor) -> list[str]:
    return [child.name for child in group.children]


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
    assert binance_usdm.trades("BTCUSDT", out=OUT, name="perp").name == "perp"


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
    connection = moved.at(private="ws://127.0.0.1:4").account("main", **KEYS).children[2]
    assert connection.actor.address == "ws://127.0.0.1:4"  # type: ignore[union-attr]


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
        (lambda: binance.trades("BTC/USDT", out=OUT), r"/feed: not a symbol: 'BTC/USDT'"),
        (lambda: binance.trades("BTCUSDT", out=OUT, source={"kind": "kline"}), r"/feed: 'kind' must be in"),
        (lambda: binance_usdm.trades("BTCUSDT", out=OUT, source={"kind": "x"}), r"/feed: .*unexpected keyword.*kind"),
        (lambda: binance_usdm.account("main", **KEYS, symbol="X"), r"main: unknown option 'symbol'"),
        (lambda: binance_usdm.account("main", **{**KEYS, "key": "MYKEY"}), r"main/orders: key must be a Secret"),
        (lambda: binance_usdm.account("main", **KEYS, symbols="BTCUSDT"), r"main/orders: symbols must be a list"),
        (lambda: binance_usdm.account("main", **KEYS, since=-5), r"main/orders: since must be"),
        (lambda: binance_usdm.account("main", **KEYS, reconcile_every=0), r"main/orders: reconcile_every must be"),
        (lambda: binance.account("main", **KEYS), r"main/orders: private streams of binance are not supported"),
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
