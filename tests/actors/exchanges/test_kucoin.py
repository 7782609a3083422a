"""KuCoin spot: trades, quotes and books from the stream and from REST, and the door with its token."""

import json
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given

from actors._errors import BadFrame, HttpFailure, RateLimited, Unauthorized, UnknownOutcome
from actors._source import (
    Acknowledged,
    BookSource,
    Closing,
    Depth,
    HttpReply,
    Ignored,
    Missing,
    Pong,
    QuoteSource,
    Refused,
    TradeSource,
    Welcome,
)
from actors.exchanges import _kucoin
from actors.exchanges.kucoin import KucoinBooks, KucoinQuotes, KucoinTrade, KucoinTrades

from .reading import DECIMALS, check_prices, read_to_the_end, recorded_frames

# Official samples (Kucoin/kucoin-universal-sdk, spec/ws and spec/rest, 2025-11-04).
TRADE = b'{"topic":"/market/match:BTC-USDT","type":"message","subject":"trade.l3match","data":{"makerOrderId":"671b5007389355000701b1d3","price":"67523","sequence":"11067996711960577","side":"buy","size":"0.003","symbol":"BTC-USDT","takerOrderId":"671b50161777ff00074c168d","time":"1729843222921000000","tradeId":"11067996711960577","type":"match"}}'
QUOTE = b'{"topic":"/spotMarket/level1:BTC-USDT","type":"message","subject":"level1","data":{"asks":["68145.8","0.51987471"],"bids":["68145.7","1.29267802"],"timestamp":1729816058766}}'
DIFFERENCE = b'{"topic":"/market/level2:BTC-USDT","type":"message","subject":"trade.l2update","data":{"changes":{"asks":[["67993.3","1.21427407","14701689783"]],"bids":[]},"sequenceEnd":14701689783,"sequenceStart":14701689783,"symbol":"BTC-USDT","time":1729816425625}}'
TICKER = b'{"type":"message","topic":"/market/ticker:BTC-USDT","subject":"trade.ticker","data":{"sequence":"1545896668986","price":"0.08","size":"0.011","bestAsk":"0.08","bestAskSize":"0.18","bestBid":"0.049","bestBidSize":"0.036","Time":1704873323416}}'
BULLET = b'{"code":"200000","data":{"token":"2neAiuYvAU61ZDXANAGAsiL4-iAExhsBXZxftpOeh_55i3Ysy2q2LEsEWU64mdzUOPusi34M_wGoSf7iNyEWJ93g2WHl-j4M7tCZ_S21PuIByWXUJFDywtiYB9J6i9GjsxUuhPw3Blq6rhZlGykT3Vp1phUafnulOOpts-MEmEF-3bpfetLOAq79RbGaLlE4JBvJHl5Vs9Y=.ymP9jIr6v-vucrZr8761yA==","instanceServers":[{"endpoint":"wss://ws-api-spot.kucoin.com/","encrypt":true,"protocol":"websocket","pingInterval":18000,"pingTimeout":10000}]}}'
# The sample of the guide of 2023; the form is that of today.
BOOK = b'{"type":"message","topic":"/spotMarket/level2Depth50:BTC-USDT","subject":"level2","data":{"asks":[["9993","3"],["9992","3"]],"bids":[["9988","56"],["9987","15"]],"timestamp":1586948108193}}'
HISTORIES = b'{"code":"200000","data":[{"sequence":"1545896668578","price":"0.054","size":"0.066","side":"buy","time":1545904581619888405},{"sequence":"1545896668571","price":"0.07","size":"0.004","side":"sell","time":1545904567062140823}]}'

TRADES, QUOTES, BOOKS = KucoinTrades(), KucoinQuotes(), KucoinBooks()


def changed(frame: bytes, **fields: object) -> bytes:
    message = json.loads(frame)
    message["data"].update(fields)
    return json.dumps(message).encode()


def bullet(token: str = "secret", **server: object) -> bytes:
    message = json.loads(BULLET)
    message["data"]["token"] = token
    message["data"]["instanceServers"][0].update(server)
    return json.dumps(message).encode()


def test_the_sources_are_what_the_actors_ask_for() -> None:
    trades: TradeSource = TRADES
    quotes: QuoteSource = QUOTES
    books: BookSource = BOOKS
    assert [source.channel for source in (trades, quotes, books)] == ["trades", "quotes", "book"]
    assert {source.venue for source in (trades, quotes, books)} == {"kucoin"}
    assert not trades.dense
    assert trades.lists_only
    assert books.rule.base == "whole"


def test_the_official_trade() -> None:
    [trade] = TRADES.decode_many([TRADE], 77).items
    assert isinstance(trade, KucoinTrade)
    assert (trade.venue, trade.symbol, trade.side, trade.received) == ("kucoin", "BTC-USDT", "buy", 77)
    assert trade.id == trade.first_id == 11067996711960577
    assert (trade.price, trade.quantity) == (Decimal(67523), Decimal("0.003"))


def test_nanoseconds_become_whole_milliseconds() -> None:
    [trade] = TRADES.decode_many([changed(TRADE, time="1619378327739999999")], 1).items
    assert trade.time == 1619378327739


def test_the_official_best_bid_and_ask() -> None:
    [quote] = QUOTES.decode_many([QUOTE], 9).items
    assert (quote.symbol, quote.time, quote.sequence) == ("BTC-USDT", 1729816058766, 1729816058766)
    assert (quote.bid, quote.bid_quantity) == (Decimal("68145.7"), Decimal("1.29267802"))
    assert (quote.ask, quote.ask_quantity) == (Decimal("68145.8"), Decimal("0.51987471"))


@pytest.mark.parametrize("side", [[], None])
def test_a_side_without_orders_is_zero(side: object) -> None:
    [quote] = QUOTES.decode_many([changed(QUOTE, bids=side)], 9).items
    assert (quote.bid, quote.bid_quantity) == (0, 0)


def test_every_message_of_the_book_is_all_of_it() -> None:
    [depth] = BOOKS.decode_many([BOOK], 1).items
    bids = [(Decimal(9988), Decimal(56)), (Decimal(9987), Decimal(15))]
    asks = [(Decimal(9993), Decimal(3)), (Decimal(9992), Decimal(3))]
    assert depth == Depth("BTC-USDT", True, 1586948108193, 1586948108193, None, bids, asks, 1586948108193)


def test_each_channel_ignores_the_data_of_the_others() -> None:
    for source in (TRADES, QUOTES, BOOKS):
        decoded = source.decode_many([TRADE, QUOTE, BOOK, DIFFERENCE, TICKER], 1)
        assert decoded.error is None
        assert len(decoded.items) == 1
        assert [c.known for c in decoded.controls if isinstance(c, Ignored)] == [True] * 4


def test_the_official_controls() -> None:
    frames = [
        b'{"id":"hQvf8jkno","type":"welcome"}',
        b'{"id":"1545910590801","type":"pong"}',
        b'{"id":"p16","type":"pong","timestamp":1790113097236506}',
        b'{"id":"1545910660739","type":"ack"}',
        b'{"id":"p28","type":"error","code":404,"data":"topic does not exist"}',
    ]
    assert TRADES.decode_many(frames, 1).controls == [
        Welcome(),
        Pong(),
        Pong(),
        Acknowledged("1545910660739"),
        Refused(404, "topic does not exist", "p28"),
    ]


def test_an_old_token_and_a_missed_ping_ask_for_the_next_connection() -> None:
    frames = [
        b'{"id":"x","type":"error","code":401,"data":"token is expired"}',
        b'{"type":"error","code":400,"data":"ping timeout"}',
    ]
    assert TRADES.decode_many(frames, 1).controls == [Closing("token is expired"), Closing("ping timeout")]


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (401, "token is invalid"),
        (400, "Unrecognized token 'not': ..."),
        (509, "exceed max subscription count limitation of 100 per time"),
    ],
)
def test_other_errors_are_refusals(code: int, text: str) -> None:
    frame = json.dumps({"id": "7", "type": "error", "code": code, "data": text}).encode()
    assert TRADES.decode_many([frame], 1).controls == [Refused(code, text, "7")]


def test_what_is_new_is_told_from_what_is_known() -> None:
    frames = [
        b'{"type":"notice","data":{}}',
        b'{"type":"message","topic":"/market/snapshot:BTC","data":{}}',
        b'{"type":"message","topic":"/brand/new:BTC-USDT","data":{}}',
        b'{"type":"brand new"}',
        b"{}",
    ]
    controls = TRADES.decode_many(frames, 1).controls
    assert [c.known for c in controls if isinstance(c, Ignored)] == [True, True, False, False, False]


@pytest.mark.parametrize(
    "change",
    [
        {"price": "NaN"},
        {"size": "-Infinity"},
        {"price": None},
        {"sequence": "x"},
        {"side": "BUY"},
        {"time": "soon"},
        {"symbol": ""},
    ],
)
def test_a_broken_trade_is_the_error_and_ends_the_batch(change: dict[str, object]) -> None:
    decoded = TRADES.decode_many([TRADE, changed(TRADE, **change), TRADE], 1)
    assert len(decoded.items) == 1
    assert isinstance(decoded.error, BadFrame)


@pytest.mark.parametrize("change", [{"bids": ["1"]}, {"bids": ["NaN", "1"]}, {"asks": "x"}, {"timestamp": None}])
def test_a_broken_quote_is_the_error(change: dict[str, object]) -> None:
    assert QUOTES.decode_many([changed(QUOTE, **change)], 1).error is not None


@pytest.mark.parametrize("change", [{"bids": [["1"]]}, {"bids": [["NaN", "1"]]}, {"asks": None}, {"timestamp": "x"}])
def test_a_broken_book_is_the_error(change: dict[str, object]) -> None:
    assert BOOKS.decode_many([changed(BOOK, **change)], 1).error is not None


@given(DECIMALS)
def test_prices_print_exactly_as_they_came(text: str) -> None:
    check_prices(TRADES, changed(TRADE, price=text, size=text), text)


# The door ----------------------------------------------------------------------------------------------------


def test_the_answer_with_the_token_says_where_to_connect_and_how_often_to_ping() -> None:
    request = TRADES.door_request()
    assert request is not None
    assert (request.method, request.path, request.weight) == ("POST", "/api/v1/bullet-public", 10)
    door = TRADES.door("wss://elsewhere.example", BULLET)
    token = json.loads(BULLET)["data"]["token"]
    head, _, name = door.url.partition("&connectId=")
    assert head == f"wss://ws-api-spot.kucoin.com/?token={token}"
    assert name.isalnum()
    assert (door.ping_every, door.pong_within) == (18.0, 10.0)
    assert TRADES.limits.greets


def test_each_token_gives_its_connection_another_name() -> None:
    names = {TRADES.door("", bullet(token)).url.partition("&connectId=")[2] for token in ("a", "b", "c")}
    assert len(names) == 3


def test_a_token_cannot_end_the_address() -> None:
    assert "?token=a%26b%23c%2Fd=&connectId=" in TRADES.door("", bullet("a&b#c/d=")).url


def test_an_endpoint_that_has_a_query_keeps_it() -> None:
    assert TRADES.door("", bullet(endpoint="ws://h/p?q=1")).url.startswith("ws://h/p?q=1&token=secret")


def test_the_token_is_nowhere_to_be_seen() -> None:
    answer = bullet("t0ps3cret")
    assert "t0ps3cret" not in repr(TRADES.door("", answer))
    decoded = _kucoin._bullet.decode(answer)
    assert "t0ps3cret" not in repr(decoded)
    unusable = [
        bullet("t0ps3cret", **{name: value}) for name in ("pingInterval", "pingTimeout") for value in (0, 10**16)
    ]
    for broken in (bullet("t0ps3cret", endpoint="http://x"), answer[:-3], *unusable):
        with pytest.raises(BadFrame) as caught:
            TRADES.door("", broken)
        assert "t0ps3cret" not in str(caught.value) + repr(caught.value) + caught.value.sample
        assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    "answer",
    [
        None,
        b"",
        b"<html>",
        b'{"code":"400100"}',
        b'{"data":{"token":"x","instanceServers":[]}}',
        bullet(""),
        bullet(protocol="carrier pigeon"),
        bullet(pingTimeout=-1),
        bullet(endpoint="javascript:0"),
        bullet(endpoint="wss://[h"),
        bullet(endpoint="wss://h:99999"),
        bullet(endpoint="wss://h/ a"),
    ],
)
def test_an_answer_that_leads_nowhere_is_a_bad_frame(answer: bytes | None) -> None:
    with pytest.raises(BadFrame):
        TRADES.door("", answer)


# What to ask ---------------------------------------------------------------------------------------------------


def test_a_request_has_a_hundred_symbols_and_asks_for_an_answer() -> None:
    symbols = [f"S{number}-USDT" for number in range(250)]
    asks = TRADES.subscribe(symbols, 41)
    assert [ask.id for ask in asks] == ["41", "42", "43"]
    assert [len(ask.symbols) for ask in asks] == [100, 100, 50]
    assert [symbol for ask in asks for symbol in ask.symbols] == symbols
    assert json.loads(asks[2].text) == {
        "id": "43",
        "type": "subscribe",
        "topic": "/market/match:" + ",".join(symbols[200:]),
        "privateChannel": False,
        "response": True,
    }
    [ask] = BOOKS.unsubscribe(["BTC-USDT"], 1)
    assert json.loads(ask.text)["topic"] == "/spotMarket/level2Depth50:BTC-USDT"
    assert json.loads(ask.text)["type"] == "unsubscribe"
    assert json.loads(QUOTES.subscribe(["BTC-USDT"], 1)[0].text)["topic"] == "/spotMarket/level1:BTC-USDT"


def test_pings_are_json_and_differ() -> None:
    assert json.loads(TRADES.ping(5) or "") == {"id": "p5", "type": "ping"}
    assert TRADES.ping(5) != TRADES.ping(6)


@pytest.mark.parametrize("name", ["BTC-USDT", "btc-usdt", "1inch-usdt"])
def test_symbols_are_upper_case(name: str) -> None:
    assert TRADES.symbol(name) == name.upper()


@pytest.mark.parametrize("name", ["", "BTCUSDT", "BTC-", "BTC-USDT,ETH-USDT", "BTC-USDT-SWAP", "BTC_USDT", "BTC-US:DT"])
def test_what_is_no_symbol_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="not a symbol like BTC-USDT"):
        TRADES.symbol(name)


# REST --------------------------------------------------------------------------------------------------------


def test_the_last_hundred_trades_are_all_there_is() -> None:
    request = TRADES.newest_request("BTC-USDT")
    assert (request.path, request.query, request.weight) == ("/api/v1/market/histories", "symbol=BTC-USDT", 3)
    assert TRADES.recent_request("BTC-USDT", 5) == TRADES.fill_request("BTC-USDT", Missing(1, 2)) == request
    first, second = TRADES.rows("BTC-USDT", HISTORIES, 5)
    assert (first.id, second.id) == (1545896668571, 1545896668578)
    assert (first.symbol, first.time, first.side, first.received) == ("BTC-USDT", 1545904567062, "sell", 5)


def test_rest_brings_the_best_level_and_the_book() -> None:
    body = b'{"code":"200000","data":{"time":1729172965609,"sequence":"14609309753","price":"67269","size":"0.000025","bestBid":"67267.5","bestBidSize":"0.000025","bestAsk":"67267.6","bestAskSize":"1.24808993"}}'
    quote = QUOTES.newest("BTC-USDT", body, 5)
    assert (quote.bid, quote.ask, quote.time) == (Decimal("67267.5"), Decimal("67267.6"), 1729172965609)
    book = b'{"code":"200000","data":{"time":1729176273859,"sequence":"14610502970","bids":[["66976.4","0.69109872"]],"asks":[["66976.5","0.05408199"]]}}'
    depth = BOOKS.snapshot("BTC-USDT", book)
    assert (depth.snapshot, depth.last, depth.time) == (True, 1729176273859, 1729176273859)


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"<html>", b'{"data":[{}]}', b"\xff", HISTORIES.replace(b"0.054", b"NaN")]
)
def test_answers_that_are_none_are_a_bad_frame(body: bytes) -> None:
    with pytest.raises(BadFrame):
        TRADES.rows("BTC-USDT", body, 1)
    with pytest.raises(BadFrame):
        QUOTES.newest("BTC-USDT", body, 1)
    with pytest.raises(BadFrame):
        BOOKS.snapshot("BTC-USDT", body)


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (429, "429000", RateLimited),
        (200, "429000", RateLimited),
        (403, "1015", RateLimited),
        (401, "400003", Unauthorized),
        (200, "400005", Unauthorized),
        (500, "500000", UnknownOutcome),
        (200, "900001", HttpFailure),
        (400, "400100", HttpFailure),
        (404, "404000", HttpFailure),
    ],
)
def test_errors_have_types(status: int, code: str, expected: type[HttpFailure]) -> None:
    body = json.dumps({"code": code, "msg": "why"}).encode()
    failure = TRADES.failure(TRADES.newest_request("BTC-USDT"), HttpReply(status, {"gw-ratelimit-reset": "1500"}, body))
    assert type(failure) is expected
    assert failure is not None
    assert (failure.status, failure.code) == (status, int(code))
    assert TRADES.unknown_symbol(failure) == (code in ("900001", "400100"))
    if isinstance(failure, RateLimited):
        assert failure.retry_after == 1.5


@pytest.mark.parametrize(
    "header", [{}, {"gw-ratelimit-reset": "soon"}, {"gw-ratelimit-reset": "-1"}, {"gw-ratelimit-reset": "inf"}]
)
def test_a_limit_without_a_time_lasts_a_window(header: dict[str, str]) -> None:
    failure = TRADES.failure(TRADES.newest_request("X-Y"), HttpReply(429, header, b"<html>"))
    assert isinstance(failure, RateLimited)
    assert failure.retry_after == 30.0


def test_success_with_nothing_in_it_means_that_there_is_no_such_pair() -> None:
    request = QUOTES.newest_request("NO-SUCH")
    for body in (b'{"code":"200000","data":null}', b'{"code":"200000"}'):
        failure = QUOTES.failure(request, HttpReply(200, {}, body))
        assert failure is not None
        assert QUOTES.unknown_symbol(failure)
    assert TRADES.failure(request, HttpReply(200, {}, b'{"code":"200000","data":[]}')) is None
    assert TRADES.rows("NEW-USDT", b'{"code":"200000","data":[]}', 1) == []


# Recordings ----------------------------------------------------------------------------------------------------

RECORDINGS = ["cryptofeed/KUCOIN.ws.1.0", "tardis_node_kucoin.jsonl", "tardis_node_kucoin_futures.jsonl"]


def frames_of(name: str) -> list[bytes]:
    return recorded_frames(f"kucoin/{name}")


@pytest.mark.parametrize("name", RECORDINGS)
@pytest.mark.parametrize("source", [TRADES, QUOTES, BOOKS])
def test_recordings_decode_without_an_unknown_or_refused_message(name: str, source: KucoinTrades) -> None:
    frames = frames_of(name)
    items, controls = read_to_the_end(source, frames)
    assert len(items) + controls == len(frames)
    if source.channel == "trades":
        rows = [m["data"] for m in map(json.loads, frames) if m.get("subject") == "trade.l3match"]
        assert [str(trade.id) for trade in items] == [row["sequence"] for row in rows]
        assert [format(trade.price, "f") for trade in items] == [row["price"] for row in rows]
        assert [trade.time for trade in items] == [int(row["time"]) // 1_000_000 for row in rows]


def test_recorded_trade_sequences_rise_with_holes_while_those_of_the_book_have_none() -> None:
    frames = frames_of("cryptofeed/KUCOIN.ws.1.0")
    trades = TRADES.decode_many(frames, 1).items
    assert len(trades) == 18
    steps = [
        later.id - earlier.id
        for symbol in {trade.symbol for trade in trades}
        for earlier, later in pairwise(trade for trade in trades if trade.symbol == symbol)
    ]
    assert min(steps) > 0
    assert max(steps) > 1
    books: dict[str, int] = {}
    joined = 0
    for message in map(json.loads, frames):
        if message.get("subject") == "trade.l2update":
            data = message["data"]
            last = books.get(data["symbol"])
            assert last is None or data["sequenceStart"] == last + 1
            joined += last is not None
            books[data["symbol"]] = data["sequenceEnd"]
    assert joined == 3844
