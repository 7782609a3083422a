"""Binance spot: trades, quotes and books from the stream and from REST."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors._errors import BadFrame, HttpFailure
from actors._records import Quote, Trade
from actors._source import (
    Acknowledged,
    BookRule,
    BookSource,
    Closing,
    Depth,
    Ignored,
    Listed,
    Missing,
    PublicSource,
    QuoteSource,
    TradeSource,
)
from actors.exchanges.binance_spot import Kind, SpotAggTrade, SpotBooks, SpotQuotes, SpotTrade, SpotTrades

from ..recordings import received_frames, recording

# The official samples (web-socket-streams.md).
TRADE = (
    '{"e":"trade","E":1672515782136,"s":"BNBBTC","t":12345,"p":"0.001","q":"100","T":1672515782135,"m":true,"M":true}'
)
AGG = '{"e":"aggTrade","E":1672515782136,"s":"BNBBTC","a":12345,"p":"0.001","q":"100","f":100,"l":105,"T":1672515782136,"m":false,"M":true}'
TICKER = '{"u":400900217,"s":"BNBUSDT","b":"25.35190000","B":"31.21000000","a":"25.36520000","A":"40.66000000"}'
DEPTH = (
    '{"e":"depthUpdate","E":1672515782136,"s":"BNBBTC","U":157,"u":160,"b":[["0.0024","10"]],"a":[["0.0026","100"]]}'
)

TRADES: TradeSource = SpotTrades()
AGGREGATES: TradeSource = SpotTrades("aggTrade")
QUOTES: QuoteSource = SpotQuotes()
BOOKS: BookSource = SpotBooks()


def on(stream: str, data: str) -> bytes:
    return f'{{"stream":"{stream}","data":{data}}}'.encode()


def changed(sample: str, **changes: Any) -> str:
    return json.dumps({**json.loads(sample), **changes})


def test_the_official_trade_sample() -> None:
    decoded = TRADES.decode_many([on("bnbbtc@trade", TRADE)], 77)
    [trade] = decoded.items
    assert isinstance(trade, SpotTrade)
    assert (decoded.controls, decoded.error) == ([], None)
    assert (trade.venue, trade.symbol, trade.id, trade.first_id) == ("binance", "BNBBTC", 12345, 12345)
    assert (trade.side, trade.time, trade.received) == ("sell", 1672515782135, 77)
    assert (trade.price, trade.quantity) == (Decimal("0.001"), Decimal(100))


def test_the_official_aggregate_sample() -> None:
    [trade] = AGGREGATES.decode_many([on("bnbbtc@aggTrade", AGG)], 77).items
    assert isinstance(trade, SpotAggTrade)
    assert (trade.venue, trade.symbol, trade.id, trade.first_id) == ("binance", "BNBBTC", 12345, 12345)
    assert (trade.first_trade_id, trade.last_trade_id, trade.side, trade.received) == (100, 105, "buy", 77)


def test_the_official_quote_sample() -> None:
    [quote] = QUOTES.decode_many([on("bnbusdt@bookTicker", TICKER)], 77).items
    assert quote == Quote(
        "binance",
        "BNBUSDT",
        Decimal("25.35190000"),
        Decimal("31.21000000"),
        Decimal("25.36520000"),
        Decimal("40.66000000"),
        400900217,
        None,
        77,
    )


def test_the_official_depth_sample() -> None:
    [depth] = BOOKS.decode_many([on("bnbbtc@depth@100ms", DEPTH)], 77).items
    assert depth == Depth(
        "BNBBTC",
        False,
        157,
        160,
        None,
        [(Decimal("0.0024"), Decimal(10))],
        [(Decimal("0.0026"), Decimal(100))],
        1672515782136,
    )
    assert BookRule("rest", "next", 1) == BOOKS.rule


def test_levels_may_have_more_than_price_and_quantity() -> None:
    [depth] = BOOKS.decode_many([on("x@depth@100ms", changed(DEPTH, b=[["1", "2", [], "3"]]))], 0).items
    assert depth.bids == [(Decimal(1), Decimal(2))]


@given(st.from_regex(r"\A(0|[1-9][0-9]{0,8})(\.[0-9]{1,12})?\Z"))
def test_prices_print_exactly_as_they_came(text: str) -> None:
    [trade] = TRADES.decode_many([on("bnbbtc@trade", changed(TRADE, p=text, q=text))], 0).items
    assert format(trade.price, "f") == text
    assert format(trade.quantity, "f") == text


BROKEN = [
    *[
        (TRADES, "bnbbtc@trade", changed(TRADE, **change))
        for change in (
            {"p": "NaN"},
            {"q": "Infinity"},
            {"p": "sNaN"},
            {"p": "abc"},
            {"p": None},
            {"t": "12345"},
            {"t": 1.5},
            {"m": 1},
            {"T": None},
            {"s": ""},
            {"e": "aggTrade"},
        )
    ],
    (AGGREGATES, "bnbbtc@aggTrade", changed(AGG, s="")),
    (AGGREGATES, "bnbbtc@aggTrade", changed(AGG, p="-Infinity")),
    *[
        (QUOTES, "bnbusdt@bookTicker", changed(TICKER, **change))
        for change in ({"b": "NaN"}, {"A": None}, {"u": "1"}, {"s": ""}, {"u": None})
    ],
    *[
        (BOOKS, "bnbbtc@depth@100ms", changed(DEPTH, **change))
        for change in ({"b": [["NaN", "1"]]}, {"a": [["1"]]}, {"U": 161}, {"u": None}, {"s": ""}, {"b": None})
    ],
]


@pytest.mark.parametrize(("source", "stream", "data"), BROKEN)
def test_a_broken_message_of_an_own_stream_is_a_bad_frame(source: PublicSource, stream: str, data: str) -> None:
    decoded = source.decode_many([on(stream, data)], 0)
    assert decoded.items == []
    assert decoded.controls == []
    assert isinstance(decoded.error, BadFrame)
    assert "message that is not one" in decoded.error.reason


@pytest.mark.parametrize("field", ["t", "p", "q", "T", "m", "s"])
def test_a_trade_without_a_field_is_a_bad_frame(field: str) -> None:
    message = json.loads(TRADE)
    del message[field]
    assert TRADES.decode_many([on("bnbbtc@trade", json.dumps(message))], 0).error is not None


def test_a_batch_is_read_up_to_the_first_bad_frame_and_controls_stand_apart() -> None:
    frames = [
        on("bnbbtc@trade", TRADE),
        b'{"result":null,"id":3}',
        on("bnbbtc@trade", changed(TRADE, t=12346)),
        b'{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1770123456789}}',
        b"garbage",
        on("bnbbtc@trade", changed(TRADE, t=12347)),
    ]
    decoded = TRADES.decode_many(frames, 5)
    assert [(trade.id, trade.received) for trade in decoded.items] == [(12345, 5), (12346, 5)]
    assert decoded.controls == [Acknowledged("3"), Closing("serverShutdown")]
    assert decoded.error is not None
    assert decoded.error.sample == "garbage"


@pytest.mark.parametrize(
    "frame",
    [
        '{"e":"serverShutdown","E":1770123456789}',
        '{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1770123456789}}',
        '{"event":{"e":"serverShutdown","E":1770123456789}}',
    ],
)
def test_every_channel_hears_of_the_end_of_its_server(frame: str) -> None:
    for source in (TRADES, QUOTES, BOOKS):
        assert source.decode_many([frame.encode()], 0).controls == [Closing("serverShutdown")]


def test_other_streams_are_known_and_new_kinds_are_not() -> None:
    for kind in ("aggTrade", "kline", "blockTrade", "referencePrice"):
        assert TRADES.decode_many([on(f"x@{kind}", f'{{"e":"{kind}","E":1}}')], 0).controls == [
            Ignored(kind, known=True)
        ]
    assert TRADES.decode_many([on("x@new", '{"e":"brandNew"}')], 0).controls == [Ignored("brandNew", known=False)]
    assert len(TRADES.decode_many([on("bnbbtc@trade", changed(TRADE, zz=[1]))], 0).items) == 1


@pytest.mark.parametrize(
    ("source", "stream"),
    [
        (TRADES, "btcusdt@trade"),
        (AGGREGATES, "btcusdt@aggTrade"),
        (QUOTES, "btcusdt@bookTicker"),
        (BOOKS, "btcusdt@depth@100ms"),
    ],
)
def test_symbols_are_asked_for_by_frames_and_found_in_the_list(source: PublicSource, stream: str) -> None:
    assert source.symbol("btcUSDT") == "BTCUSDT"
    assert source.door_request() is None
    assert source.door("wss://host", None).url == "wss://host/stream"
    [ask] = source.subscribe(["BTCUSDT"], 9)
    assert json.loads(ask.text) == {"method": "SUBSCRIBE", "params": [stream], "id": 9}
    [ask] = source.unsubscribe(["BTCUSDT"], 9)
    assert json.loads(ask.text) == {"method": "UNSUBSCRIBE", "params": [stream], "id": 9}
    assert source.listed(Listed((stream, "ethusdt@kline_1m", "ethusdt@depth"))) == {"BTCUSDT"}
    assert source.ping(1) is None


def test_what_the_venue_allows() -> None:
    for source in (TRADES, QUOTES, BOOKS):
        limits = source.limits
        assert limits.attempts <= 300
        assert (limits.attempts_within, limits.messages, limits.messages_within) == (300, 5, 1)
        assert (limits.symbols, limits.lifetime) == (1024, 86_400)
        assert (limits.rest.weight, limits.rest.within, limits.rest.used_header) == (6000, 60, "x-mbx-used-weight-1m")
        assert limits.messages is not None
        assert 1 / source.ping_every < limits.messages / 10
    assert (TRADES.dense, TRADES.page, TRADES.lists_only) == (True, 1000, False)


@pytest.mark.parametrize(
    ("kind", "newest", "fill", "recent", "weight"),
    [
        ("trade", "/api/v3/trades", "/api/v3/historicalTrades", "symbol=BTCUSDT&limit=1000", 25),
        ("aggTrade", "/api/v3/aggTrades", "/api/v3/aggTrades", "symbol=BTCUSDT&startTime=5&limit=1000", 4),
    ],
)
def test_the_requests_for_trades(kind: Kind, newest: str, fill: str, recent: str, weight: int) -> None:
    source = SpotTrades(kind)
    request = source.newest_request("BTCUSDT")
    assert (request.method, request.path, request.query) == ("GET", newest, "symbol=BTCUSDT&limit=1")
    assert request.weight == weight
    request = source.fill_request("BTCUSDT", Missing(17, 21))
    assert (request.path, request.query, request.weight) == (fill, "symbol=BTCUSDT&fromId=17&limit=5", weight)
    assert source.fill_request("BTCUSDT", Missing(17, 5016)).query.endswith("limit=1000")
    request = source.recent_request("BTCUSDT", 5)
    assert (request.path, request.query, request.weight) == (newest, recent, weight)
    assert source.recent_request("BTCUSDT", None).query == "symbol=BTCUSDT&limit=1000"


def test_the_requests_for_quotes_and_books() -> None:
    request = QUOTES.newest_request("BTCUSDT")
    assert (request.path, request.query, request.weight) == ("/api/v3/depth", "symbol=BTCUSDT&limit=1", 5)
    for levels, weight in ((100, 5), (500, 25), (1000, 50), (5000, 250)):
        request = SpotBooks(levels).snapshot_request("BTCUSDT")
        assert (request.query, request.weight) == (f"symbol=BTCUSDT&limit={levels}", weight)
    with pytest.raises(ValueError, match="levels"):
        SpotBooks(7)
    with pytest.raises(ValueError, match="kind"):
        SpotTrades("raw")  # type: ignore[arg-type]


def test_rest_rows_become_the_same_trades_as_the_stream_gives() -> None:
    rows = b'[{"id":12345,"price":"0.001","qty":"100","quoteQty":"0.1","time":1672515782135,"isBuyerMaker":true,"isBestMatch":true}]'
    assert TRADES.rows("BNBBTC", rows, 7) == TRADES.decode_many([on("bnbbtc@trade", TRADE)], 7).items
    rows = b'[{"a":12345,"p":"0.001","q":"100","f":100,"l":105,"T":1672515782136,"m":false,"M":true}]'
    assert AGGREGATES.rows("BNBBTC", rows, 7) == AGGREGATES.decode_many([on("bnbbtc@aggTrade", AGG)], 7).items


def test_rest_rows_come_back_ascending() -> None:
    rows = [{"a": i, "p": "1", "q": "1", "f": i, "l": i, "T": i, "m": True} for i in (3, 1, 2)]
    assert [t.id for t in AGGREGATES.rows("X", json.dumps(rows).encode(), 0)] == [1, 2, 3]
    assert AGGREGATES.rows("X", b"[]", 0) == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"<html>",
        b'[{"id":1}]',
        b"\xff",
        b"[" * 100_000,
        b'[{"id":1,"price":"NaN","qty":"1","time":1,"isBuyerMaker":true}]',
    ],
)
def test_a_body_that_is_none_is_a_bad_frame(body: bytes) -> None:
    for read in (
        lambda: TRADES.rows("X", body, 0),
        lambda: AGGREGATES.rows("X", body, 0),
        lambda: QUOTES.newest("X", body, 0),
        lambda: BOOKS.snapshot("X", body),
    ):
        with pytest.raises(BadFrame):
            read()


def test_the_official_depth_answer() -> None:
    body = b'{"lastUpdateId":1027024,"bids":[["4.00000000","431.00000000"]],"asks":[["4.00000200","12.00000000"]]}'
    bids, asks = [(Decimal(4), Decimal(431))], [(Decimal("4.000002"), Decimal(12))]
    assert BOOKS.snapshot("X", body) == Depth("X", True, 1027024, 1027024, None, bids, asks, 0)
    assert QUOTES.newest("X", body, 7) == Quote("binance", "X", *bids[0], *asks[0], 1027024, None, 7)
    empty = QUOTES.newest("X", b'{"lastUpdateId":1,"bids":[],"asks":[]}', 7)
    assert {empty.bid, empty.bid_quantity, empty.ask, empty.ask_quantity} == {0}


def test_an_unknown_symbol_is_told_from_other_failures() -> None:
    assert TRADES.unknown_symbol(HttpFailure("GET /x", "Invalid symbol.", status=400, code=-1121))
    assert not TRADES.unknown_symbol(HttpFailure("GET /x", "Too many requests.", status=429, code=-1003))


def test_the_structs_are_what_a_bot_expects_of_a_trade() -> None:
    trades: list[Trade] = [
        SpotTrade(1, Decimal(1), Decimal(1), 1, True),
        SpotAggTrade(1, Decimal(1), Decimal(1), 1, True, 1, 1),
    ]
    assert {trade.first_id for trade in trades} == {1}


def frames() -> list[bytes]:
    return [frame.encode() for frame in received_frames(recording("binance_spot/cryptofeed/BINANCE.ws.1.0"))]


def sent(suffix: str) -> list[dict[str, Any]]:
    """What the recording has of some streams, by a decoder of another make, so that losing some cannot go unseen."""
    messages = [json.loads(frame) for frame in frames()]
    return [message["data"] for message in messages if message["stream"].endswith(suffix)]


@pytest.mark.parametrize("source", [TRADES, AGGREGATES, QUOTES, BOOKS])
def test_the_recording_has_nothing_unknown_or_refused(source: PublicSource) -> None:
    decoded = source.decode_many(frames(), 0)
    assert decoded.error is None
    assert all(isinstance(c, Ignored) and c.known for c in decoded.controls)
    assert len(decoded.items) + len(decoded.controls) == len(frames()) == 265


def test_the_recorded_aggregate_trades_come_out_with_consecutive_ids() -> None:
    trades = AGGREGATES.decode_many(frames(), 0).items
    assert [(t.symbol, t.id) for t in trades] == [(m["s"], m["a"]) for m in sent("@aggTrade")]
    assert len(trades) == 2
    for symbol in {t.symbol for t in trades}:
        ids = [t.id for t in trades if t.symbol == symbol]
        assert ids == list(range(ids[0], ids[0] + len(ids)))


def test_the_recorded_quotes_come_out_with_rising_numbers() -> None:
    quotes = QUOTES.decode_many(frames(), 0).items
    assert [(q.symbol, q.sequence, format(q.bid, "f")) for q in quotes] == [
        (m["s"], m["u"], m["b"]) for m in sent("@bookTicker")
    ]
    assert len(quotes) == 84
    last: dict[str, int] = {}
    for quote in quotes:
        assert quote.sequence >= last.get(quote.symbol, 0)
        assert quote.bid < quote.ask
        last[quote.symbol] = quote.sequence


def test_the_recorded_depth_begins_where_the_one_before_ended() -> None:
    depths = BOOKS.decode_many(frames(), 0).items
    assert [(d.symbol, d.first, d.last, len(d.bids), len(d.asks)) for d in depths] == [
        (m["s"], m["U"], m["u"], len(m["b"]), len(m["a"])) for m in sent("@depth@100ms")
    ]
    last: dict[str, int] = {}
    steps = 0
    for depth in depths:
        if depth.symbol in last:
            assert depth.first == last[depth.symbol] + 1
            steps += 1
        last[depth.symbol] = depth.last
    assert steps == 173


def test_the_recorded_snapshots_are_read() -> None:
    count = 0
    for line in recording("binance_spot/cryptofeed/BINANCE.http.0.0").read_text().splitlines():
        url, _, answer = line.partition(" -> ")
        if "/api/v3/depth?" in url:
            body = answer.partition(": ")[2].encode()
            depth = BOOKS.snapshot("X", body)
            assert depth.last == json.loads(body)["lastUpdateId"]
            assert depth.bids[0][0] < depth.asks[0][0]
            count += 1
    assert count > 0
