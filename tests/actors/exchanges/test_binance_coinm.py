"""Binance COIN-M: what differs from USD-M, and that nothing else does."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors._account_source import AccountSource, Credentials, Inquiry, Question
from actors._errors import BadFrame
from actors._records import OrderUpdate
from actors._secret import Secret
from actors._source import BookRule, BookSource, Depth, Missing, QuoteSource, Terminated, TradeSource
from actors.exchanges import binance_coinm
from actors.exchanges.binance_coinm import CoinmAccount, CoinmBooks, CoinmQuotes, CoinmTrades
from actors.exchanges.binance_usdm import UsdmAccount

from .binance_usdm_account import order

TRADES: TradeSource = CoinmTrades()
QUOTES: QuoteSource = CoinmQuotes()
BOOKS: BookSource = CoinmBooks()
CREDENTIALS = Credentials(Secret.literal("the-key"), Secret.literal("the-secret"))
ACCOUNT: AccountSource = CoinmAccount("main", CREDENTIALS)
USDM: AccountSource = UsdmAccount("main", CREDENTIALS)
NOW = 1_700_000_000_000

# binance-connector-python, 2026-08-21
AGG = '{"e":"aggTrade","E":1591261134288,"a":424951,"s":"BTCUSD_200626","p":"9643.5","q":"2","f":606073,"l":606073,"T":1591261134199,"m":false,"st":1}'
DEPTH = '{"e":"depthUpdate","E":1591270260907,"T":1591270260891,"s":"BTCUSD_200626","ps":"BTCUSD","U":17285681,"u":17285702,"pu":17285675,"b":[["9517.6","10"]],"a":[["9518.5","45"]],"st":1}'
TICKER = '{"e":"bookTicker","u":17242169,"s":"BTCUSD_200626","ps":"BTCUSD","b":"9548.1","B":"52","a":"9548.5","A":"11","T":1591268628155,"E":1591268628166,"st":2}'


def on(stream: str, data: str) -> bytes:
    return f'{{"stream":"{stream}","data":{data}}}'.encode()


def test_the_official_samples() -> None:
    [trade] = TRADES.decode_many([on("btcusd_200626@aggTrade", AGG)], 7).items
    assert (trade.venue, trade.symbol, trade.id, trade.side) == ("binance-coinm", "BTCUSD_200626", 424951, "buy")
    [quote] = QUOTES.decode_many([on("btcusd_200626@bookTicker", TICKER)], 7).items
    assert (quote.venue, quote.bid, quote.ask_quantity) == ("binance-coinm", Decimal("9548.1"), Decimal(11))
    [depth] = BOOKS.decode_many([on("btcusd_200626@depth@100ms", DEPTH)], 7).items
    bids, asks = [(Decimal("9517.6"), Decimal(10))], [(Decimal("9518.5"), Decimal(45))]
    assert depth == Depth("BTCUSD_200626", False, 17285681, 17285702, 17285675, bids, asks, 1591270260891)
    assert BookRule("rest", "previous", 0) == BOOKS.rule


def test_rest_rows_are_of_this_venue() -> None:
    body = b'[{"a":416690,"p":"9642.4","q":"3","f":595259,"l":595259,"T":1591250548649,"m":false}]'
    [trade] = TRADES.rows("BTCUSD_PERP", body, 7)
    assert (trade.venue, trade.symbol, trade.quantity) == ("binance-coinm", "BTCUSD_PERP", Decimal(3))
    body = b'{"lastUpdateId":16769853,"symbol":"BTCUSD_PERP","pair":"BTCUSD","E":1591250106370,"T":1591250106368,"bids":[["9638.0","431"]],"asks":[["9638.2","12"]]}'
    assert QUOTES.newest("BTCUSD_PERP", body, 7).venue == "binance-coinm"


def test_streams_have_no_roots_and_rest_is_under_dapi() -> None:
    for source in (TRADES, QUOTES, BOOKS):
        assert source.door("wss://host", None).url == "wss://host/stream"
        [ask] = source.subscribe([source.symbol("btcusd_perp")], 9)
        assert json.loads(ask.text)["params"][0].startswith("btcusd_perp@")
    requests = [
        TRADES.newest_request("BTCUSD_PERP"),
        TRADES.fill_request("BTCUSD_PERP", Missing(1, 2)),
        TRADES.recent_request("BTCUSD_PERP", None),
        QUOTES.newest_request("BTCUSD_PERP"),
        BOOKS.snapshot_request("BTCUSD_PERP"),
    ]
    assert [(r.path, r.weight) for r in requests] == [("/dapi/v1/aggTrades", 20)] * 3 + [
        ("/dapi/v1/depth", 2),
        ("/dapi/v1/depth", 20),
    ]
    assert binance_coinm.WS.startswith("wss://dstream.")
    assert binance_coinm.REST.startswith("https://dapi.")


def test_the_listen_key_is_subscribed_to_and_stands_in_no_address() -> None:
    assert ACCOUNT.door("wss://host", None, "abc").url == "wss://host/stream"
    [ask] = ACCOUNT.phase(0, NOW, "abc", 5) or []
    assert json.loads(ask.text) == {"method": "SUBSCRIBE", "params": ["abc"], "id": 5}
    assert ACCOUNT.phase(1, NOW, "abc", 6) is None
    keeping = ACCOUNT.keeping
    assert keeping is not None
    assert keeping.extend is not None
    assert (keeping.create.path, keeping.extend.method) == ("/dapi/v1/listenKey", "PUT")
    request = ACCOUNT.request(keeping.create, NOW)
    assert (request.method, request.query, request.headers) == ("POST", "", (("X-MBX-APIKEY", "the-key"),))


def test_events_are_read_in_either_form_and_are_of_this_venue() -> None:
    event = order(x="TRADE", X="FILLED", l="1", z="1", L="9.5", t=7, N="BTC", n="0.0001")
    for frame in (event, b'{"stream":"abc","data":' + event + b"}"):
        [update] = ACCOUNT.decode_many([frame], 9).items
        assert isinstance(update, OrderUpdate)
        assert (update.venue, update.account, update.status) == ("binance-coinm", "main", "filled")
        assert update.fill is not None
        assert (update.fill.commission_asset, update.raw) == ("BTC", frame)
    end = b'{"stream":"abc","data":{"e":"listenKeyExpired","E":1576653824250,"listenKey":"abc"}}'
    assert ACCOUNT.decode_many([end], 9).controls == [Terminated("the listen key has expired")]


def test_questions_have_the_weights_and_pages_of_coinm() -> None:
    inquiries: list[Inquiry[Any]] = [
        ACCOUNT.open_orders("BTCUSD_PERP"),
        ACCOUNT.open_orders(None),
        ACCOUNT.orders("BTCUSD_PERP", NOW, NOW),
        ACCOUNT.fills("BTCUSD_PERP", NOW, NOW),
        ACCOUNT.one_order("BTCUSD_PERP", 5),
    ]
    asked: list[Question] = [next(inquiry) for inquiry in inquiries]
    assert [(q.path, q.weight, dict(q.parameters).get("limit")) for q in asked] == [
        ("/dapi/v1/openOrders", 1, None),
        ("/dapi/v1/openOrders", 40, None),
        ("/dapi/v1/allOrders", 20, 100),
        ("/dapi/v1/userTrades", 20, 1000),
        ("/dapi/v1/order", 1, None),
    ]
    assert ACCOUNT.time_question().path == "/dapi/v1/time"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["NaN", "1e999999999"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["e", "o", "stream", "data", "id", "code"]), inner, max_size=4)
    ),
    max_leaves=6,
)


@st.composite
def mangled(draw: st.DrawFn) -> bytes:
    """An event of an order in which one part was replaced."""
    message = json.loads(order(x="TRADE", l="1", z="1", L="9.5", t=7))
    message["o"][draw(st.sampled_from(sorted(message["o"])))] = draw(json_values)
    whole = message if draw(st.booleans()) else {"stream": "abc", "data": message}
    return json.dumps(whole).encode()


@pytest.mark.parametrize("source", [ACCOUNT, USDM], ids=["coinm", "usdm"])
@given(
    frames=st.lists(
        st.binary(max_size=60) | mangled() | json_values.map(lambda value: json.dumps(value).encode()), max_size=4
    )
)
def test_no_bytes_make_reading_an_account_raise(source: AccountSource, frames: list[bytes]) -> None:
    decoded = source.decode_many(frames, 5)
    assert len(decoded.items) + len(decoded.controls) + (decoded.error is not None) <= len(frames)
    assert decoded.error is None or isinstance(decoded.error, BadFrame)
    assert decoded.error is None or decoded.error.sample == ""
    for update in decoded.items:
        assert update.quantity.is_finite()
        repr(update)
