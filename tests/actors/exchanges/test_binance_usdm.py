"""Binance USD-M: aggregate trades, quotes, books, the private stream, signed requests."""

import json
from decimal import Decimal
from typing import Any, TypeVar
from urllib.parse import parse_qs

import pytest

from actors._account_source import AccountSource, Credentials, Inquiry, Question
from actors._errors import BadFrame, NoSuchOrder
from actors._records import OrderUpdate, Quote
from actors._secret import Secret
from actors._source import (
    BookRule,
    BookSource,
    Depth,
    Ignored,
    Listed,
    Missing,
    PublicSource,
    QuoteSource,
    Terminated,
    TradeSource,
)
from actors.exchanges import binance_usdm
from actors.exchanges.binance_usdm import UsdmAccount, UsdmAggTrade, UsdmBooks, UsdmQuotes, UsdmTrades

from ..recordings import received_frames, recording

# Official samples: those of 2026, with fields that older ones lack; the order update of the user data page.
AGG = '{"e":"aggTrade","E":123456789,"s":"BNBUSDT","a":5933014,"p":"0.001","q":"100","nq":"100","f":100,"l":105,"T":123456785,"m":true,"st":1}'
DEPTH = '{"e":"depthUpdate","E":123456789,"T":123456788,"s":"BNBUSDT","U":157,"u":160,"pu":149,"b":[["0.0024","10"]],"a":[["0.0026","100"]],"ps":"BTCUSDT","st":1}'
TICKER = '{"e":"bookTicker","u":400900217,"E":1568014460893,"T":1568014460891,"s":"BNBUSDT","b":"25.35190000","B":"31.21000000","a":"25.36520000","A":"40.66000000","ps":"BTCUSDT","st":1}'
ORDER = (
    '{"e":"ORDER_TRADE_UPDATE","E":1568879465651,"T":1568879465650,"o":{"s":"BTCUSDT","c":"TEST","S":"SELL",'
    '"o":"TRAILING_STOP_MARKET","f":"GTC","q":"0.001","p":"0","ap":"0","sp":"7103.04","x":"NEW","X":"NEW","i":8886774,'
    '"l":"0","z":"0","L":"0","N":"USDT","n":"0","T":1568879465650,"t":0,"b":"0","a":"9.91","m":false,"R":false,'
    '"wt":"CONTRACT_PRICE","ot":"TRAILING_STOP_MARKET","ps":"LONG","cp":false,"AP":"7476.89","cr":"5.0","pP":false,'
    '"si":0,"ss":0,"rp":"0","V":"EXPIRE_TAKER","pm":"OPPONENT","gtd":0,"er":"0"}}'
)
CREDENTIALS = Credentials(Secret.literal("the-key"), Secret.literal("the-secret"))
ACCOUNT: AccountSource = UsdmAccount("main", CREDENTIALS)
T = TypeVar("T")
TRADES: TradeSource = UsdmTrades()
QUOTES: QuoteSource = UsdmQuotes()
BOOKS: BookSource = UsdmBooks()


def order(**changes: object) -> bytes:
    message = json.loads(ORDER)
    message["o"].update(changes)
    return json.dumps(message).encode()


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


def read(frame: bytes, received: int = 0) -> Any:
    """Return the one thing that a frame says."""
    decoded = ACCOUNT.decode_many([frame], received)
    if decoded.error is not None:
        raise decoded.error
    [found] = [*decoded.items, *decoded.controls]
    return found


def test_a_new_order_is_an_update_without_a_fill() -> None:
    update = read(ORDER.encode(), 5)
    assert isinstance(update, OrderUpdate)
    assert (update.venue, update.account, update.symbol, update.order_id) == (
        "binance-usdm",
        "main",
        "BTCUSDT",
        8886774,
    )
    assert (update.side, update.type, update.status, update.client_id) == (
        "sell",
        "TRAILING_STOP_MARKET",
        "new",
        "TEST",
    )
    assert (update.fill, update.filled, update.source, update.received, update.time) == (
        None,
        Decimal(0),
        "stream",
        5,
        1568879465650,
    )


def test_an_execution_is_an_update_with_its_fill() -> None:
    frame = order(x="TRADE", X="PARTIALLY_FILLED", l="0.0004", z="0.0006", L="7000.10", t=99, n="0.01", m=True)
    update = read(b'{"stream":"k","data":%b}' % frame, 5)
    assert isinstance(update, OrderUpdate)
    assert update.status == "partially_filled"
    assert update.filled == Decimal("0.0006")
    assert update.fill is not None
    assert (update.fill.id, update.fill.quantity, format(update.fill.price, "f"), update.fill.maker) == (
        99,
        Decimal("0.0004"),
        "7000.10",
        True,
    )
    assert (update.fill.commission, update.fill.commission_asset) == (Decimal("0.01"), "USDT")


@pytest.mark.parametrize(
    ("wire", "status"), [("EXPIRED_IN_MATCH", "expired"), ("CANCELED", "canceled"), ("FILLED", "filled")]
)
def test_every_status_has_its_name(wire: str, status: str) -> None:
    update = read(order(X=wire), 0)
    assert isinstance(update, OrderUpdate)
    assert update.status == status


@pytest.mark.parametrize("change", [{"X": "WHO_KNOWS"}, {"S": "BOTH"}, {"i": None}, {"z": "NaN"}])
def test_an_order_that_cannot_be_read_is_a_bad_frame_without_a_sample(change: dict[str, object]) -> None:
    with pytest.raises(BadFrame) as caught:
        read(order(**change), 0)
    assert "BTCUSDT" not in str(caught.value)


def test_other_private_events() -> None:
    assert read(b'{"e":"listenKeyExpired","E":"1","listenKey":"W"}', 0) == Terminated("the listen key has expired")
    assert read(b'{"e":"ACCOUNT_UPDATE","E":1,"a":{}}', 0) == Ignored("ACCOUNT_UPDATE", known=True)
    assert read(b'{"e":"TRADE_LITE","E":1}', 0) == Ignored("TRADE_LITE", known=True)


def asked(inquiry: Inquiry[T], *answers: object) -> tuple[list[Question], T]:
    """Return what an inquiry asks, given these answers, and what it finds."""
    questions = [next(inquiry)]
    for answer in answers:
        try:
            if isinstance(answer, Exception):
                questions.append(inquiry.throw(answer))
            else:
                questions.append(inquiry.send(json.dumps(answer).encode()))
        except StopIteration as end:
            assert len(questions) == len(answers), "nothing more is asked than there are answers"
            return questions, end.value
    raise AssertionError(f"it goes on asking: {questions[-1]}")


def told(question: Question) -> tuple[str, dict[str, str | int], int]:
    assert (question.method, question.signed) == ("GET", True)
    return question.path, dict(question.parameters), question.weight


def test_a_listen_key_is_asked_for_with_the_api_key_and_no_signature() -> None:
    keeping = ACCOUNT.keeping
    assert keeping is not None and keeping.extend is not None
    assert (keeping.every, keeping.life) == (1800, 3600)
    for question, method in ((keeping.create, "POST"), (keeping.extend, "PUT")):
        request = ACCOUNT.request(question, 5)
        assert (request.method, request.path, request.query) == (method, "/fapi/v1/listenKey", "")
        assert request.headers == (("X-MBX-APIKEY", "the-key"),)
    request = ACCOUNT.request(ACCOUNT.time_question(), 5)
    assert (request.method, request.path, request.query, request.headers) == ("GET", "/fapi/v1/time", "", ())


def test_a_listen_key_is_read_and_one_that_would_change_the_address_is_refused() -> None:
    assert ACCOUNT.key(b'{"listenKey":"pqia91ma19a5"}') == "pqia91ma19a5"
    for bad in (b'{"listenKey":""}', b'{"listenKey":"a&events=x"}', b"{}", b"[]"):
        with pytest.raises(BadFrame):
            ACCOUNT.key(bad)


def test_the_address_says_everything() -> None:
    assert ACCOUNT.door_question() is None
    assert ACCOUNT.phase(0, 1, "key", 1) is None
    assert (ACCOUNT.probe_every, ACCOUNT.probe(0, 0), ACCOUNT.ping(1)) == (None, None, None)
    assert (ACCOUNT.whole, ACCOUNT.fills_apart) == (False, False)
    assert ACCOUNT.symbol("btcusdt_260327") == "BTCUSDT_260327"


def test_questions_are_signed_with_the_time_of_sending() -> None:
    now = 1_700_000_000_000
    request = ACCOUNT.request(Question("GET", "/fapi/v1/order", (("symbol", "BTCUSDT"), ("orderId", 7)), weight=3), now)
    fields = {name: values[0] for name, values in parse_qs(request.query).items()}
    assert len(fields.pop("signature")) == 64
    assert (request.path, request.weight) == ("/fapi/v1/order", 3)
    assert fields == {"symbol": "BTCUSDT", "orderId": "7", "recvWindow": "5000", "timestamp": str(now)}


NOW, DAY = 1_700_000_000_000, 86_400_000
ROW = {
    "avgPrice": "0",
    "clientOrderId": "abc",
    "cumQuote": "0",
    "executedQty": "0.4",
    "orderId": 2,
    "origQty": "1.0",
    "origType": "LIMIT",
    "price": "9.10",
    "side": "BUY",
    "status": "PARTIALLY_FILLED",
    "symbol": "BTCUSDT",
    "time": 10,
    "timeInForce": "GTC",
    "type": "LIMIT",
    "updateTime": 20,
}
FILL_ROW = {
    "buyer": False,
    "commission": "0.07819010",
    "commissionAsset": "USDT",
    "id": 698759,
    "maker": False,
    "orderId": 25851813,
    "price": "7819.01",
    "qty": "0.002",
    "quoteQty": "15.63802",
    "realizedPnl": "-0.91539999",
    "side": "SELL",
    "positionSide": "SHORT",
    "symbol": "BTCUSDT",
    "pair": "BTCUSDT",
    "time": 1569514978020,
}


def test_open_orders_are_asked_for_by_symbol_or_all_together() -> None:
    [question], reports = asked(ACCOUNT.open_orders("BTCUSDT"), [ROW, {**ROW, "orderId": 1}])
    assert told(question) == ("/fapi/v1/openOrders", {"symbol": "BTCUSDT"}, 1)
    assert [report.order_id for report in reports] == [1, 2]
    [question], _ = asked(ACCOUNT.open_orders(None), [])
    assert told(question) == ("/fapi/v1/openOrders", {}, 40)


@pytest.mark.parametrize("what", ["orders", "fills"])
def test_orders_and_fills_are_asked_for_week_by_week_and_page_by_page(what: str) -> None:
    path = "/fapi/v1/allOrders" if what == "orders" else "/fapi/v1/userTrades"
    ask: Any = getattr(ACCOUNT, what)
    row, number, by_id = (ROW, "orderId", "orderId") if what == "orders" else (FILL_ROW, "id", "fromId")
    since = NOW - 8 * DAY
    week = {"symbol": "BTCUSDT", "limit": 1000}
    questions, found = asked(ask("BTCUSDT", since, NOW), [], [{**row, number: 5}])
    assert [told(question) for question in questions] == [
        (path, {**week, "startTime": since, "endTime": since + 7 * DAY - 1}, 5),
        (path, {**week, "startTime": since + 7 * DAY, "endTime": since + 14 * DAY - 1}, 5),
    ]
    assert len(found) == 1
    full = [{**row, number: place} for place in range(1000)]
    questions, found = asked(ask("BTCUSDT", since, NOW), full, [{**row, number: 1000}])
    assert told(questions[1]) == (path, {**week, by_id: 999}, 5), "by id there is no end, and no second week"
    assert len(found) == 1001
    [question], _ = asked(ask("BTCUSDT", NOW, NOW), [])
    assert dict(question.parameters)["startTime"] == NOW


def test_one_order_is_asked_for_and_may_be_unknown() -> None:
    [question], report = asked(ACCOUNT.one_order("BTCUSDT", 2), ROW)
    assert told(question) == ("/fapi/v1/order", {"symbol": "BTCUSDT", "orderId": 2}, 1)
    assert report is not None
    assert (report.key, report.side, report.status, report.filled) == (
        ("BTCUSDT", 2),
        "buy",
        "partially_filled",
        Decimal("0.4"),
    )
    assert (report.created, report.updated, format(report.price, "f")) == (10, 20, "9.10")
    assert asked(ACCOUNT.one_order("BTCUSDT", 2), NoSuchOrder("GET /x", ""))[1] is None


def test_fill_rows_are_read_and_kept_as_they_came() -> None:
    _, [fill] = asked(ACCOUNT.fills("BTCUSDT", NOW, NOW), [FILL_ROW])
    assert (fill.id, fill.order_id, fill.side, fill.maker, fill.time) == (
        698759,
        25851813,
        "sell",
        False,
        1569514978020,
    )
    assert (format(fill.price, "f"), fill.quantity, fill.commission) == (
        "7819.01",
        Decimal("0.002"),
        Decimal("0.07819010"),
    )
    assert fill.raw is not None
    assert json.loads(fill.raw) == FILL_ROW


@pytest.mark.parametrize("bad", [{"status": "?"}, {"side": "?"}, {"executedQty": "NaN"}, {"orderId": None}])
def test_an_order_row_that_cannot_be_read_is_a_bad_frame(bad: dict[str, object]) -> None:
    with pytest.raises(BadFrame):
        asked(ACCOUNT.open_orders("BTCUSDT"), [{**ROW, **bad}])


def test_an_account_never_shows_its_secrets() -> None:
    assert "the-key" not in repr(ACCOUNT)
    assert "the-secret" not in repr(ACCOUNT)


def test_the_time_is_read() -> None:
    assert ACCOUNT.time(b'{"serverTime":1499827319559}') == 1499827319559
    assert binance_usdm.REST.startswith("https://")
    assert binance_usdm.WS.startswith("wss://")
