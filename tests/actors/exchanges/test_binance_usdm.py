"""Binance USD-M: aggregate trades, quotes and books."""

import json
from decimal import Decimal
from typing import Any

import pytest

from actors._errors import BadFrame
from actors._records import Quote
from actors._source import BookRule, BookSource, Depth, Ignored, Listed, Missing, PublicSource, QuoteSource, TradeSource
from actors.exchanges.binance_usdm import UsdmAggTrade, UsdmBooks, UsdmQuotes, UsdmTrades

from ..recordings import received_frames, recording
from .binance_usdm_account import ACCOUNT

# Official samples: those of 2026, with fields that older ones lack.
AGG = '{"e":"aggTrade","E":123456789,"s":"BNBUSDT","a":5933014,"p":"0.001","q":"100","nq":"100","f":100,"l":105,"T":123456785,"m":true,"st":1}'
DEPTH = '{"e":"depthUpdate","E":123456789,"T":123456788,"s":"BNBUSDT","U":157,"u":160,"pu":149,"b":[["0.0024","10"]],"a":[["0.0026","100"]],"ps":"BTCUSDT","st":1}'
TICKER = '{"e":"bookTicker","u":400900217,"E":1568014460893,"T":1568014460891,"s":"BNBUSDT","b":"25.35190000","B":"31.21000000","a":"25.36520000","A":"40.66000000","ps":"BTCUSDT","st":1}'
TRADES: TradeSource = UsdmTrades()
QUOTES: QuoteSource = UsdmQuotes()
BOOKS: BookSource = UsdmBooks()


def on(stream: str, data: str) -> bytes:
    return f'{{"stream":"{stream}","data":{data}}}'.encode()


def changed(sample: str, **changes: Any) -> str:
    return json.dumps({**json.loads(sample), **changes})


def test_the_official_aggregate_sample() -> None:
    [trade] = TRADES.decode_many([on("bnbusdt@aggTrade", AGG)], 77).items
    assert isinstance(trade, UsdmAggTrade)
    assert (trade.venue, trade.symbol, trade.id, trade.first_id) == ("binance-usdm", "BNBUSDT", 5933014, 5933014)
    assert (trade.side, trade.time, trade.received) == ("sell", 123456785, 77)


def test_the_official_quote_sample() -> None:
    [quote] = QUOTES.decode_many([on("bnbusdt@bookTicker", TICKER)], 77).items
    assert quote == Quote(
        "binance-usdm",
        "BNBUSDT",
        Decimal("25.35190000"),
        Decimal("31.21000000"),
        Decimal("25.36520000"),
        Decimal("40.66000000"),
        400900217,
        1568014460891,
        77,
    )


def test_the_official_depth_sample() -> None:
    [depth] = BOOKS.decode_many([on("bnbusdt@depth@100ms", DEPTH)], 77).items
    bids, asks = [(Decimal("0.0024"), Decimal(10))], [(Decimal("0.0026"), Decimal(100))]
    assert depth == Depth("BNBUSDT", False, 157, 160, 149, bids, asks, 123456788)
    assert BookRule("rest", "previous", 0) == BOOKS.rule


@pytest.mark.parametrize(
    ("source", "stream", "data"),
    [
        *[(TRADES, "x@aggTrade", changed(AGG, **c)) for c in ({"s": ""}, {"a": "1"}, {"p": "NaN"}, {"q": None})],
        *[(QUOTES, "x@bookTicker", changed(TICKER, **c)) for c in ({"s": ""}, {"u": None}, {"b": "NaN"}, {"e": "x"})],
        *[(BOOKS, "x@depth@100ms", changed(DEPTH, **c)) for c in ({"s": ""}, {"pu": None}, {"U": 161}, {"b": 1})],
    ],
)
def test_a_broken_message_of_an_own_stream_is_a_bad_frame(source: PublicSource, stream: str, data: str) -> None:
    decoded = source.decode_many([on(stream, data)], 0)
    assert (decoded.items, decoded.controls) == ([], [])
    assert isinstance(decoded.error, BadFrame)


def test_raw_trades_are_not_used() -> None:
    frame = on("x@trade", '{"e":"trade","s":"BTCUSDT","t":5933014,"p":"0.001","q":"100","T":1,"m":true}')
    assert TRADES.decode_many([frame], 0).controls == [Ignored("trade", known=False)]


def test_each_channel_is_asked_for_under_its_own_root() -> None:
    for source, path, stream in (
        (TRADES, "/market/stream", "btcusdt@aggTrade"),
        (QUOTES, "/public/stream", "btcusdt@bookTicker"),
        (BOOKS, "/public/stream", "btcusdt@depth@100ms"),
    ):
        assert source.door("wss://host", None).url == f"wss://host{path}"
        [ask] = source.subscribe([source.symbol("btcusdt")], 9)
        assert json.loads(ask.text) == {"method": "SUBSCRIBE", "params": [stream], "id": 9}
        assert source.listed(Listed((stream, "ethusdt@kline_1m"))) == {"BTCUSDT"}
        limits = source.limits
        assert (limits.messages, limits.symbols, limits.lifetime) == (10, 1024, 86_400)
        assert (limits.rest.weight, limits.rest.within, limits.rest.used_header) == (2400, 60, "x-mbx-used-weight-1m")
    assert ACCOUNT.door("wss://host", None, "abc").url == (
        "wss://host/private/ws?listenKey=abc&events=ORDER_TRADE_UPDATE/ACCOUNT_UPDATE/MARGIN_CALL/listenKeyExpired"
    )


def test_the_requests_and_their_weights() -> None:
    for request, query in (
        (TRADES.newest_request("BTCUSDT"), "symbol=BTCUSDT&limit=1"),
        (TRADES.fill_request("BTCUSDT", Missing(17, 21)), "symbol=BTCUSDT&fromId=17&limit=5"),
        (TRADES.fill_request("BTCUSDT", Missing(17, 5016)), "symbol=BTCUSDT&fromId=17&limit=1000"),
        (TRADES.recent_request("BTCUSDT", 5), "symbol=BTCUSDT&startTime=5&limit=1000"),
        (TRADES.recent_request("BTCUSDT", None), "symbol=BTCUSDT&limit=1000"),
    ):
        assert (request.path, request.query, request.weight) == ("/fapi/v1/aggTrades", query, 20)
    request = QUOTES.newest_request("BTCUSDT")
    assert (request.path, request.query, request.weight) == ("/fapi/v1/depth", "symbol=BTCUSDT&limit=5", 2)
    request = BOOKS.snapshot_request("BTCUSDT")
    assert (request.path, request.query, request.weight) == ("/fapi/v1/depth", "symbol=BTCUSDT&limit=1000", 20)
    assert (TRADES.dense, TRADES.page, TRADES.lists_only) == (True, 1000, False)


def test_rest_answers_are_read() -> None:
    body = b'[{"a":2,"p":"0.01633102","q":"4.70443515","nq":"1","f":27781,"l":27781,"T":1498793709153,"m":true},{"a":1,"p":"1","q":"1","f":1,"l":1,"T":1,"m":false}]'
    trades = TRADES.rows("BTCUSDT", body, 7)
    assert [(t.id, t.symbol, t.received) for t in trades] == [(1, "BTCUSDT", 7), (2, "BTCUSDT", 7)]
    body = b'{"lastUpdateId":1027024,"E":1589436922972,"T":1589436922959,"bids":[["4","431"]],"asks":[["5","12"]]}'
    bids, asks = [(Decimal(4), Decimal(431))], [(Decimal(5), Decimal(12))]
    assert BOOKS.snapshot("X", body) == Depth("X", True, 1027024, 1027024, None, bids, asks, 1589436922959)
    assert QUOTES.newest("X", body, 7) == Quote("binance-usdm", "X", *bids[0], *asks[0], 1027024, 1589436922959, 7)
    for bad in (b"", b"{}", b"[1]", b'[{"a":1,"p":"NaN","q":"1","f":1,"l":1,"T":1,"m":true}]'):
        with pytest.raises(BadFrame):
            TRADES.rows("X", bad, 0)
        with pytest.raises(BadFrame):
            BOOKS.snapshot("X", bad)


def frames() -> list[bytes]:
    return [frame.encode() for frame in received_frames(recording("binance_usdm/cryptofeed/BINANCE_FUTURES.ws.1.0"))]


def sent(suffix: str) -> list[dict[str, Any]]:
    """What the recording has of some streams, by a decoder of another make, so that losing some cannot go unseen."""
    messages = [json.loads(frame) for frame in frames()]
    return [message["data"] for message in messages if message["stream"].endswith(suffix)]


@pytest.mark.parametrize("source", [TRADES, QUOTES, BOOKS])
def test_the_recording_has_nothing_unknown_or_refused(source: PublicSource) -> None:
    decoded = source.decode_many(frames(), 0)
    assert decoded.error is None
    assert all(isinstance(c, Ignored) and c.known for c in decoded.controls)
    assert len(decoded.items) + len(decoded.controls) == len(frames()) == 1535


def test_the_recorded_aggregate_trades_come_out_with_consecutive_ids() -> None:
    trades = TRADES.decode_many(frames(), 0).items
    assert [(t.symbol, t.id, format(t.price, "f")) for t in trades] == [
        (m["s"], m["a"], m["p"]) for m in sent("@aggTrade")
    ]
    assert len(trades) == 91
    for symbol in {t.symbol for t in trades}:
        ids = [t.id for t in trades if t.symbol == symbol]
        assert ids == list(range(ids[0], ids[0] + len(ids)))


def test_the_recorded_quotes_come_out_with_rising_numbers() -> None:
    quotes = QUOTES.decode_many(frames(), 0).items
    assert [(q.symbol, q.sequence, q.time, format(q.ask, "f")) for q in quotes] == [
        (m["s"], m["u"], m["T"], m["a"]) for m in sent("@bookTicker")
    ]
    assert len(quotes) == 613
    last: dict[str, int] = {}
    for quote in quotes:
        assert quote.sequence > last.get(quote.symbol, 0)
        assert quote.bid < quote.ask
        last[quote.symbol] = quote.sequence


def test_the_recorded_depth_names_the_one_before() -> None:
    depths = BOOKS.decode_many(frames(), 0).items
    assert [(d.symbol, d.first, d.last, d.previous, len(d.bids)) for d in depths] == [
        (m["s"], m["U"], m["u"], m["pu"], len(m["b"])) for m in sent("@depth@100ms")
    ]
    last: dict[str, int] = {}
    steps = 0
    for depth in depths:
        if depth.symbol in last:
            assert depth.previous == last[depth.symbol]
            steps += 1
        last[depth.symbol] = depth.last
    assert steps == 760


def test_the_recorded_snapshots_are_read() -> None:
    count = 0
    for line in recording("binance_usdm/cryptofeed/BINANCE_FUTURES.http.0.0").read_text().splitlines():
        url, _, answer = line.partition(" -> ")
        if "/fapi/v1/depth?" in url:
            body = answer.partition(": ")[2].encode()
            depth = BOOKS.snapshot("X", body)
            assert (depth.last, depth.time) == (json.loads(body)["lastUpdateId"], json.loads(body)["T"])
            assert depth.bids[0][0] < depth.asks[0][0]
            count += 1
    assert count == 4
