"""Bybit v5, spot and linear: trades, quotes and books from the stream and from REST."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors._errors import BadFrame, ClockOff, HttpFailure, RateLimited, Unauthorized, UnknownOutcome
from actors._records import Quote, Trade
from actors._source import (
    Acknowledged,
    BookRule,
    BookSource,
    Depth,
    HttpReply,
    HttpRequest,
    Ignored,
    Listed,
    Missing,
    Pong,
    PublicSource,
    QuoteSource,
    Refused,
    TradeSource,
)
from actors.exchanges.bybit import BybitBooks, BybitLinearTrade, BybitQuotes, BybitSpotTrade, BybitTrades, Category

from ..recordings import recording

SPOT: TradeSource = BybitTrades("spot")
LINEAR: TradeSource = BybitTrades("linear")
QUOTES: QuoteSource = BybitQuotes("linear")
BOOKS: BookSource = BybitBooks("linear")

# Samples of the documentation (websocket/public/trade.mdx, orderbook.mdx).
TRADE = b'{"topic":"publicTrade.BTCUSDT","type":"snapshot","ts":1672304486868,"data":[{"T":1672304486865,"s":"BTCUSDT","S":"Buy","v":"0.001","p":"16578.50","L":"PlusTick","i":"20f43950-d8dd-5b31-9112-a178eb6023af","BT":false,"seq":1783284617}]}'
SNAPSHOT = b'{"topic":"orderbook.50.BTCUSDT","type":"snapshot","ts":1672304484978,"data":{"s":"BTCUSDT","b":[["16493.50","0.006"],["16493.00","0.100"]],"a":[["16611.00","0.029"],["16612.00","0.213"]],"u":18521288,"seq":7961638724},"cts":1672304484976}'
DELTA = b'{"topic":"orderbook.50.BTCUSDT","type":"delta","ts":1687940967466,"data":{"s":"BTCUSDT","b":[["30247.20","30.028"],["30245.40","0.224"],["30242.10","1.593"],["30240.30","1.305"],["30240.00","0"]],"a":[["30248.70","0"],["30249.30","0.892"],["30249.50","1.778"],["30249.60","0"],["30251.90","2.947"],["30252.20","0.659"],["30252.50","4.591"]],"u":177400507,"seq":66544703342},"cts":1687940967464}'
TOP = b'{"topic":"orderbook.1.BTCUSDT","type":"snapshot","ts":1680673820717,"data":{"s":"BTCUSDT","b":[["28552.00","0.047"]],"a":[["28552.10","25.433"]],"u":7003305,"seq":50193540681}}'
# Seen (2023): four trades of one message.
SPOT_TRADES = b'{"topic":"publicTrade.BTCUSDT","ts":1680652847526,"type":"snapshot","data":[%s]}' % b",".join(
    b'{"i":"%d","T":1680652847524,"p":"28165.38","v":"0.041732","S":"Sell","s":"BTCUSDT","BT":false}' % number
    for number in range(2290000000050703789, 2290000000050703793)
)
UUID = "20f43950-d8dd-5b31-9112-a178eb6023af"


def changed(sample: bytes, **changes: Any) -> bytes:
    """A sample with other fields in its data, or in its first trade."""
    message = json.loads(sample)
    data = message["data"]
    (data[0] if isinstance(data, list) else data).update(changes)
    return json.dumps(message).encode()


def test_the_sample_of_a_linear_trade() -> None:
    [trade] = LINEAR.decode_many([TRADE], 77).items
    assert isinstance(trade, BybitLinearTrade)
    assert (trade.venue, trade.symbol, trade.id, trade.first_id) == ("bybit-linear", "BTCUSDT", UUID, UUID)
    assert (trade.side, trade.time, trade.received) == ("buy", 1672304486865, 77)
    assert (format(trade.price, "f"), format(trade.quantity, "f")) == ("16578.50", "0.001")


def test_the_trades_of_a_spot_message_have_numbers() -> None:
    trades = SPOT.decode_many([SPOT_TRADES], 77).items
    assert [trade.id for trade in trades] == list(range(2290000000050703789, 2290000000050703793))
    assert {(type(t), t.venue, t.side, t.received) for t in trades} == {(BybitSpotTrade, "bybit", "sell", 77)}
    assert trades[0].first_id == trades[0].id


def test_as_many_trades_as_a_message_can_have() -> None:
    message = json.loads(TRADE)
    message["data"] *= 1024
    decoded = LINEAR.decode_many([json.dumps(message).encode()] * 3, 0)
    assert (len(decoded.items), decoded.controls, decoded.error) == (3072, [], None)


def test_the_sample_of_a_quote() -> None:
    [quote] = QUOTES.decode_many([TOP], 77).items
    bid, ask = (Decimal("28552.00"), Decimal("0.047")), (Decimal("28552.10"), Decimal("25.433"))
    assert quote == Quote("bybit-linear", "BTCUSDT", *bid, *ask, 50193540681, 1680673820717, 77)
    [quote] = BybitQuotes("spot").decode_many([TOP], 77).items
    assert quote.venue == "bybit"
    [quote] = QUOTES.decode_many([changed(TOP, b=[])], 77).items
    assert (quote.bid, quote.bid_quantity) == (0, 0)


def test_the_samples_of_a_book() -> None:
    snapshot, delta = BOOKS.decode_many([SNAPSHOT, DELTA], 77).items
    assert snapshot == Depth(
        "BTCUSDT",
        True,
        18521288,
        18521288,
        None,
        [(Decimal("16493.50"), Decimal("0.006")), (Decimal("16493.00"), Decimal("0.100"))],
        [(Decimal("16611.00"), Decimal("0.029")), (Decimal("16612.00"), Decimal("0.213"))],
        1672304484976,
    )
    assert (delta.snapshot, delta.first, delta.last, delta.time) == (False, 177400507, 177400507, 1687940967464)
    assert (len(delta.bids), len(delta.asks), delta.bids[-1][1]) == (5, 7, 0)
    assert BookRule("stream", "next") == BOOKS.rule


def test_a_book_that_begins_at_one_is_a_snapshot_whatever_it_says() -> None:
    [depth] = BOOKS.decode_many([changed(DELTA, u=1)], 0).items
    assert depth.snapshot
    assert depth.last == 1


@pytest.mark.parametrize(
    ("source", "frame"),
    [
        *[
            (LINEAR, changed(TRADE, **change))
            for change in ({"p": "NaN"}, {"v": "inf"}, {"S": "buy"}, {"i": 5}, {"i": ""}, {"s": ""}, {"T": None})
        ],
        *[
            (SPOT, changed(SPOT_TRADES, **change))
            for change in ({"i": UUID}, {"i": "-"}, {"i": ""}, {"p": "NaN"}, {"s": ""}, {"S": None})
        ],
        *[(QUOTES, changed(TOP, **change)) for change in ({"b": [["NaN", "1"]]}, {"seq": None}, {"s": ""})],
        *[(BOOKS, changed(DELTA, **change)) for change in ({"b": [["1"]]}, {"a": 1}, {"u": "1"}, {"s": ""})],
        (BOOKS, DELTA.replace(b'"delta"', b'"other"')),
    ],
)
def test_a_broken_message_of_an_own_topic_is_a_bad_frame(source: PublicSource, frame: bytes) -> None:
    decoded = source.decode_many([TOP.replace(b"orderbook.1.", b"kline.1."), frame], 0)
    assert decoded.items == []
    assert decoded.controls == [Ignored("kline", known=True)]
    assert isinstance(decoded.error, BadFrame)


# As documented (websocket/wss-authentication.mdx), and as seen.
@pytest.mark.parametrize(
    "frame",
    [
        '{"success":true,"ret_msg":"pong","conn_id":"0970e817-426e-429a-a679-ff7f55e0b16a","op":"ping"}',
        '{"success":true,"ret_msg":"pong","conn_id":"465772b1-7630-4fdc-a492-e003e6f0f260","req_id":"","op":"ping"}',
        '{"args":["1672916271846"],"op":"pong"}',
        '{"req_id":"test","op":"pong","args":["1675418560633"],"conn_id":"cfcb4ocsvfriu23r3er0-1b"}',
    ],
)
def test_a_pong_in_every_shape(frame: str) -> None:
    assert SPOT.decode_many([frame.encode()], 0).controls == [Pong()]


@pytest.mark.parametrize(
    ("source", "frame", "meaning"),
    [
        (
            SPOT,
            '{"success":true,"ret_msg":"subscribe","conn_id":"2324d924","req_id":"10001","op":"subscribe"}',
            Acknowledged("10001"),
        ),
        (LINEAR, '{"success":true,"ret_msg":"","conn_id":"3cd84cb1","req_id":"","op":"subscribe"}', Acknowledged("")),
        (LINEAR, '{"success":true,"ret_msg":"","conn_id":"cejr","op":"unsubscribe"}', Acknowledged("")),
        (
            BOOKS,
            '{"success":false,"ret_msg":"error:handler not found,topic:orderbook.50.NOPEUSDT","conn_id":"d","req_id":"e1","op":"subscribe"}',
            Refused(0, "error:handler not found,topic:orderbook.50.NOPEUSDT", "e1", ("NOPEUSDT",)),
        ),
        (
            QUOTES,
            '{"success":false,"ret_msg":"error:already subscribed,topic:orderbook.1.ETHUSDT","conn_id":"d","req_id":"e6","op":"subscribe"}',
            Refused(0, "error:already subscribed,topic:orderbook.1.ETHUSDT", "e6", ("ETHUSDT",), harmless=True),
        ),
        (
            SPOT,
            '{"success":false,"ret_msg":"Invalid symbol :[publicTrade.NOPEUSDT]","conn_id":"x","req_id":"7","op":"subscribe"}',
            Refused(0, "Invalid symbol :[publicTrade.NOPEUSDT]", "7", ("NOPEUSDT",)),
        ),
        (
            SPOT,
            '{"success":false,"ret_msg":"args size >10","conn_id":"x","req_id":"7","op":"subscribe"}',
            Refused(0, "args size >10", "7"),
        ),
        (SPOT, '{"success":false,"ret_msg":"error:invalid op","op":"nope"}', Refused(0, "error:invalid op")),
        (SPOT, '{"topic":"tickers.BTCUSDT","type":"snapshot","data":{}}', Ignored("tickers", known=True)),
        (SPOT, '{"topic":"orderbook.50.BTCUSDT","type":"delta","data":{}}', Ignored("orderbook", known=True)),
        (SPOT, '{"topic":"something.new","data":{}}', Ignored("something", known=False)),
        (SPOT, "{}", Ignored("no topic", known=False)),
    ],
)
def test_what_is_not_data_is_read(source: PublicSource, frame: str, meaning: object) -> None:
    decoded = source.decode_many([frame.encode()], 0)
    assert (decoded.items, decoded.controls, decoded.error) == ([], [meaning], None)


@pytest.mark.parametrize(
    "frame", [b"", b"x", b"[1]", b"null", b"\xff", b"[" * 100_000, b"Failed to decode incoming data"]
)
def test_what_is_not_a_json_object_is_a_bad_frame(frame: bytes) -> None:
    for source in (SPOT, LINEAR, QUOTES, BOOKS):
        decoded = source.decode_many([frame], 0)
        assert (decoded.items, decoded.controls) == ([], [])
        assert decoded.error is not None


@given(st.integers(1, 10**6), st.integers(0, 35))
def test_every_symbol_is_asked_for_once_and_ten_at_a_time(first_id: int, count: int) -> None:
    symbols = [f"S{number}USDT" for number in range(count)]
    for operation, make in (("subscribe", SPOT.subscribe), ("unsubscribe", SPOT.unsubscribe)):
        asks = make(symbols, first_id)
        assert [ask.id for ask in asks] == [str(first_id + n) for n in range(len(asks))]
        assert [name for ask in asks for name in ask.symbols] == symbols
        for ask in asks:
            args = [f"publicTrade.{name}" for name in ask.symbols]
            assert json.loads(ask.text) == {"req_id": ask.id, "op": operation, "args": args}
            assert 1 <= len(args) <= 10


@pytest.mark.parametrize(
    ("source", "topic"), [(SPOT, "publicTrade."), (QUOTES, "orderbook.1."), (BOOKS, "orderbook.50.")]
)
def test_a_full_connection_stays_below_the_length_that_topics_may_have(source: PublicSource, topic: str) -> None:
    longest = "X" * 27
    assert source.symbol(longest) == longest
    asks = source.subscribe([longest] * source.limits.symbols, 1)
    names = [name for ask in asks for name in json.loads(ask.text)["args"]]
    assert all(name.startswith(topic) for name in names)
    assert sum(map(len, names)) <= 21_000


@pytest.mark.parametrize("category", ["spot", "linear"])
def test_where_and_how_to_connect(category: Category) -> None:
    for source in (BybitTrades(category), BybitQuotes(category), BybitBooks(category)):
        assert source.venue == {"spot": "bybit", "linear": "bybit-linear"}[category]
        assert source.door_request() is None
        assert source.door("wss://host", None).url == f"wss://host/v5/public/{category}"
        assert json.loads(source.ping(7) or "") == {"req_id": "7", "op": "ping"}
        assert source.ping_every == 20
        assert source.list_request() is None
        assert source.listed(Listed(("publicTrade.BTCUSDT",))) == frozenset()
        limits = source.limits
        assert limits.attempts <= 500
        assert limits.rest.weight <= 600
        assert (limits.attempts_within, limits.rest.within, limits.messages, limits.lifetime) == (300, 5, None, None)


def test_what_each_category_can_do_about_holes() -> None:
    assert (SPOT.dense, SPOT.page, SPOT.lists_only) == (True, 60, True)
    assert (LINEAR.dense, LINEAR.page, LINEAR.lists_only) == (False, 1000, True)


def test_symbols_are_upper_case_and_nothing_else() -> None:
    assert SPOT.symbol("btcusdt") == "BTCUSDT"
    assert LINEAR.symbol("BTCUSDT-26DEC25") == "BTCUSDT-26DEC25"
    for bad in ("", "-", "BTC/USDT", "BTC.USDT", "X" * 28, "ÄUSDT", "a b"):
        with pytest.raises(ValueError, match="not a symbol"):
            SPOT.symbol(bad)
    with pytest.raises(ValueError, match="category"):
        BybitTrades("inverse")  # type: ignore[arg-type]


def test_the_requests() -> None:
    spot, linear = "category=spot&symbol=BTCUSDT&limit=", "category=linear&symbol=BTCUSDT&limit="
    for request, path, query in (
        (SPOT.newest_request("BTCUSDT"), "/v5/market/recent-trade", f"{spot}1"),
        (SPOT.fill_request("BTCUSDT", Missing(1, 5)), "/v5/market/recent-trade", f"{spot}60"),
        (SPOT.recent_request("BTCUSDT", 5), "/v5/market/recent-trade", f"{spot}60"),
        (LINEAR.recent_request("BTCUSDT", None), "/v5/market/recent-trade", f"{linear}1000"),
        (QUOTES.newest_request("BTCUSDT"), "/v5/market/orderbook", f"{linear}1"),
        (BOOKS.snapshot_request("BTCUSDT"), "/v5/market/orderbook", f"{linear}50"),
    ):
        assert (request.method, request.path, request.query, request.weight) == ("GET", path, query, 1)


def listed(*rows: dict[str, Any]) -> bytes:
    answer = {"retCode": 0, "retMsg": "OK", "result": {"category": "spot", "list": rows}, "retExtInfo": {}, "time": 1}
    return json.dumps(answer).encode()


def row(number: int, *, time: int = 1672052955758, seq: int = 1, **changes: Any) -> dict[str, Any]:
    return {
        "execId": str(2100000000007764263 + number),
        "symbol": "BTCUSDT",
        "price": "16618.49",
        "size": "0.00012",
        "side": "Buy",
        "time": str(time),
        "isBlockTrade": False,
        "isRPITrade": True,
        "seq": str(seq),
        **changes,
    }


def test_rest_rows_begin_with_the_newest_and_come_back_ascending() -> None:
    trades = SPOT.rows("BTCUSDT", listed(row(2), row(1), row(0)), 7)
    assert [trade.id for trade in trades] == [2100000000007764263, 2100000000007764264, 2100000000007764265]
    assert trades[0] == BybitSpotTrade(
        2100000000007764263, Decimal("16618.49"), Decimal("0.00012"), 1672052955758, "Buy", "BTCUSDT", 7
    )
    rows = [row(0, execId="d", time=5, seq=9), *[row(0, execId=name, time=5, seq=8) for name in "cb"]]
    rows.append(row(0, execId="a", time=4, seq=10))
    assert [trade.id for trade in LINEAR.rows("BTCUSDT", listed(*rows), 7)] == ["a", "b", "c", "d"]
    assert SPOT.rows("BTCUSDT", listed(), 7) == []


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"<html>", b"\xff", listed(row(0, price="NaN")), listed(row(0, side="?")), b'{"result":{}}'],
)
def test_a_body_that_is_none_is_a_bad_frame(body: bytes) -> None:
    for read in (
        lambda: SPOT.rows("X", body, 0),
        lambda: LINEAR.rows("X", body, 0),
        lambda: QUOTES.newest("X", body, 0),
        lambda: BOOKS.snapshot("X", body),
    ):
        with pytest.raises(BadFrame):
            read()


@pytest.mark.parametrize("name", [UUID, "", "-5", "١٢", "9" * 30])
def test_a_spot_row_without_a_number_is_a_bad_frame(name: str) -> None:
    with pytest.raises(BadFrame):
        SPOT.rows("X", listed(row(0, execId=name)), 0)


def test_the_sample_of_a_book_by_rest() -> None:
    body = b'{"retCode":0,"retMsg":"OK","result":{"s":"BTCUSDT","a":[["65557.7","16.606555"]],"b":[["65485.47","47.081829"]],"ts":1716863719031,"u":230704,"seq":1432604333,"cts":1716863718905},"retExtInfo":{},"time":1716863719382}'
    bid, ask = (Decimal("65485.47"), Decimal("47.081829")), (Decimal("65557.7"), Decimal("16.606555"))
    assert BOOKS.snapshot("BTCUSDT", body) == Depth("BTCUSDT", True, 230704, 230704, None, [bid], [ask], 1716863718905)
    assert QUOTES.newest("BTCUSDT", body, 7) == Quote(
        "bybit-linear", "BTCUSDT", *bid, *ask, 1432604333, 1716863718905, 7
    )


def reply(status: int, body: object, **headers: str) -> HttpReply:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HttpReply(status, {name.replace("_", "-"): value for name, value in headers.items()}, raw)


def error(code: int, text: str = "why") -> dict[str, Any]:
    return {"retCode": code, "retMsg": text, "result": {}, "retExtInfo": {}, "time": 1_700_000_000_000}


@pytest.mark.parametrize(
    ("answer", "kind", "wait"),
    [
        (reply(200, error(10006, "Too many visits!")), RateLimited, 1.0),
        (reply(200, error(10006), x_bapi_limit_reset_timestamp="1700000004500"), RateLimited, 4.5),
        (reply(200, error(10006), x_bapi_limit_reset_timestamp="1600000000000"), RateLimited, 1.0),
        (reply(200, error(10006), x_bapi_limit_reset_timestamp="9" * 14), RateLimited, 60.0),
        (reply(200, error(10006), x_bapi_limit_reset_timestamp="soon"), RateLimited, 1.0),
        (reply(200, error(10018)), RateLimited, 600.0),
        (reply(403, b"access too frequent"), RateLimited, 600.0),
        (reply(429, b""), RateLimited, 10.0),
        (reply(200, error(10429)), RateLimited, 10.0),
        *[(reply(200, error(code)), Unauthorized, None) for code in (10003, 10004, 10005, 10010, 33004)],
        (reply(401, b""), Unauthorized, None),
        (reply(200, error(10016, "Server error.")), UnknownOutcome, None),
        (reply(502, b"<html>"), UnknownOutcome, None),
        (reply(200, error(10001, "Not supported symbols")), HttpFailure, None),
        (reply(200, error(10002)), ClockOff, None),
        (reply(404, b""), HttpFailure, None),
    ],
)
def test_each_answer_has_its_error_class(answer: HttpReply, kind: type[HttpFailure], wait: float | None) -> None:
    failure = SPOT.failure(HttpRequest("GET", "/x"), answer)
    assert type(failure) is kind
    assert failure.status == answer.status
    assert getattr(failure, "retry_after", None) == wait


def test_success_is_no_error() -> None:
    assert SPOT.failure(HttpRequest("GET", "/x"), reply(200, error(0, "OK"))) is None
    # What it is instead of data is found by whoever reads the rows.
    assert SPOT.failure(HttpRequest("GET", "/x"), reply(200, b"<html>")) is None


def test_an_unknown_symbol_is_told_from_other_failures() -> None:
    for text, unknown in (("Not supported symbols", True), ("params error: symbol invalid", True), ("limit", False)):
        failure = SPOT.failure(HttpRequest("GET", "/x"), reply(200, error(10001, text)))
        assert failure is not None
        assert SPOT.unknown_symbol(failure) is unknown


def test_the_structs_are_what_a_bot_expects_of_a_trade() -> None:
    trades: list[Trade] = [
        BybitSpotTrade(1, Decimal(1), Decimal(1), 1, "Buy", "X"),
        BybitLinearTrade("a", Decimal(1), Decimal(1), 1, "Sell", "X"),
    ]
    assert [trade.side for trade in trades] == ["buy", "sell"]


V5 = ("publicTrade.", "orderbook.", "tickers.", "liquidation.", "allLiquidation.")


def recorded(name: str) -> list[bytes]:
    """The messages of v5. The files begin with those of the interfaces before it, which have other hosts."""
    lines = recording(f"bybit_v5/{name}.jsonl").read_text().splitlines()
    found = []
    for line in lines:
        message = json.loads(line)
        if str(message.get("topic", "")).startswith(V5) and "generated" not in message and "ts" in message:
            found.append(line.encode())
    return found


LINEAR_FILE, SPOT_FILE = "tardis_node_bybit", "tardis_node_bybit_spot"


@pytest.mark.parametrize(
    ("source", "name", "count"),
    [
        (SPOT, SPOT_FILE, 5),
        (BybitBooks("spot"), SPOT_FILE, 2),
        (BybitQuotes("spot"), SPOT_FILE, 1),
        (LINEAR, LINEAR_FILE, 4),
        (BOOKS, LINEAR_FILE, 2),
        (QUOTES, LINEAR_FILE, 1),
    ],
)
def test_the_recordings_have_nothing_unknown_or_refused(source: PublicSource, name: str, count: int) -> None:
    decoded = source.decode_many(recorded(name), 0)
    assert decoded.error is None
    assert len(decoded.items) == count
    unknown = [c for c in decoded.controls if not (isinstance(c, Ignored) and c.known)]
    # Until 2023 the best bid and ask came as differences too, which are no quotes by themselves.
    assert set(unknown) <= {Ignored("delta of orderbook.1", known=False)}
    assert unknown == [] or source.channel == "quotes"


def test_recorded_spot_trades_come_out_with_consecutive_numbers() -> None:
    [busy, _] = [frame for frame in recorded(SPOT_FILE) if b"publicTrade" in frame]
    sent = [int(trade["i"]) for trade in json.loads(busy)["data"]]
    assert [trade.id for trade in SPOT.decode_many([busy], 0).items] == sent
    assert sent == list(range(sent[0], sent[0] + 4))


def test_recorded_linear_trades_come_out_with_their_ids() -> None:
    frames = [frame for frame in recorded(LINEAR_FILE) if b"publicTrade" in frame]
    sent = [trade["i"] for frame in frames for trade in json.loads(frame)["data"]]
    assert [trade.id for trade in LINEAR.decode_many(frames, 0).items] == sent


@pytest.mark.parametrize(("source", "name"), [(BOOKS, LINEAR_FILE), (BybitBooks("spot"), SPOT_FILE)])
def test_recorded_books_go_on_with_the_next_number(source: BookSource, name: str) -> None:
    snapshot, delta = source.decode_many(recorded(name), 0).items
    assert (snapshot.snapshot, delta.snapshot) == (True, False)
    assert delta.first == snapshot.last + 1
