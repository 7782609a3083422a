"""Gate: trades, quotes and books from the stream and from REST."""

import json
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors._errors import BadFrame, HttpFailure, RateLimited, Unauthorized, UnknownOutcome
from actors._feeds._book_sync import BookSync
from actors._session import Session
from actors._source import (
    Acknowledged,
    BookRule,
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
)
from actors.exchanges.gate import GateBooks, GateQuotes, GateTrade, GateTrades

from ..recordings import recording
from .reading import DECIMALS, check_prices, read_to_the_end, recorded_frames

# The trade and the first answer were seen on the live venue on 2026-09-02; the others are the guide's (2026-05-27).
TRADE = b'{"time":1788336082,"time_ms":1788336082402,"channel":"spot.trades","event":"update","result":{"id":217831625,"id_market":217831625,"create_time":1788336082,"create_time_ms":"1788336082402.208000","side":"sell","currency_pair":"BTC_USDT","amount":"0.000021","price":"77474","range":"217831625-217831625","stock":"BTC","money":"USDT","trade_mode":0}}'
SUBSCRIBED = b'{"time":1788336080,"time_ms":1788336080750,"conn_id":"b2c2b0629e0c34a3","channel":"spot.trades","event":"subscribe","payload":["BTC_USDT"],"result":{"status":"success"}}'
QUOTE = b'{"time":1606293275,"channel":"spot.book_ticker","event":"update","result":{"t":1606293275123,"u":48733182,"s":"BTC_USDT","b":"19177.79","B":"0.0003341504","a":"19179.38","A":"0.09"}}'
FULL = b'{"time":1606294781,"time_ms":1606294781236,"channel":"spot.order_book_update","event":"update","result":{"t":1606294781123,"full":true,"l":"100","e":"depthUpdate","E":1606294781,"s":"BTC_USDT","U":48776301,"u":48776306,"b":[["19137.74","0.0001"],["19088.37","0"]],"a":[["19137.75","0.6135"]]}}'
DIFFERENCE = FULL.replace(b'"full":true,', b"")
REFUSED = b'{"time":1747391482,"time_ms":1747391482960,"id":1,"conn_id":"d9db9373dc5e081e","trace_id":"ee001938590e183db957bd5ba71651c0","channel":"spot.obu","event":"subscribe","payload":["ob.BTC_USDT.400"],"error":{"code":2,"message":"Alert sub ob.BTC_USDT.400"},"result":{"status":"fail"}}'
UNKNOWN = b'{"time":1606292218,"time_ms":1606292218231,"id":7,"channel":"spot.trades","event":"subscribe","error":{"code":2,"message":"unknown currency pair GIBBERISH_USD"},"result":null}'
OBU = b'{"channel":"spot.obu","result":{"t":1747054612695,"s":"ob.BTC_USDT.50","U":73777715169,"u":73777715212,"b":[["104024.5","10343"]],"a":[["104027.2","0"]]},"time_ms":1747054612925}'
UPGRADES = [
    b'{"type":"upgrade","msg":"The connection will soon be closed for a service upgrade. Please reconnect."}',
    b'{"time":1,"channel":"","event":"upgrade","result":null}',
    b'{"time":1,"channel":"futures.system","event":"update","result":{"type":"upgrade","msg":"..."}}',
]
ROW = b'{"id":"1232893232","create_time":"1548000000","create_time_ms":"1548000000123.456","side":"buy","amount":"0.15","price":"0.03"}'

TRADES, QUOTES, BOOKS = GateTrades(), GateQuotes(), GateBooks()


def changed(frame: bytes, **fields: object) -> bytes:
    message = json.loads(frame)
    message["result"].update(fields)
    return json.dumps(message).encode()


def test_the_sources_are_what_the_actors_ask_for() -> None:
    trades: TradeSource = TRADES
    quotes: QuoteSource = QUOTES
    books: BookSource = BOOKS
    assert [source.channel for source in (trades, quotes, books)] == ["trades", "quotes", "book"]
    assert {source.venue for source in (trades, quotes, books)} == {"gate"}
    assert not trades.dense
    assert trades.lists_only
    assert books.rule == BookRule(base="rest", chain="next", joint=1)


def test_a_trade_of_the_live_venue() -> None:
    [trade] = TRADES.decode_many([TRADE], 77).items
    assert isinstance(trade, GateTrade)
    assert (trade.venue, trade.symbol, trade.side, trade.received) == ("gate", "BTC_USDT", "sell", 77)
    assert trade.id == trade.first_id == 217831625
    assert (trade.price, trade.quantity) == (Decimal(77474), Decimal("0.000021"))
    assert trade.time == 1788336082402


def test_parts_of_milliseconds_are_cut_off() -> None:
    [trade] = TRADES.decode_many([changed(TRADE, create_time_ms="1788336082402.999999")], 1).items
    assert trade.time == 1788336082402


def test_the_official_best_bid_and_ask() -> None:
    [quote] = QUOTES.decode_many([QUOTE], 9).items
    assert (quote.symbol, quote.sequence, quote.time, quote.received) == ("BTC_USDT", 48733182, 1606293275123, 9)
    assert (quote.bid, quote.bid_quantity) == (Decimal("19177.79"), Decimal("0.0003341504"))
    assert (quote.ask, quote.ask_quantity) == (Decimal("19179.38"), Decimal("0.09"))


def test_a_side_without_orders_is_zero() -> None:
    [quote] = QUOTES.decode_many([changed(QUOTE, a="", A="")], 9).items
    assert (quote.ask, quote.ask_quantity) == (0, 0)


def test_changes_have_the_numbers_of_their_first_and_last() -> None:
    [depth] = BOOKS.decode_many([DIFFERENCE], 1).items
    bids = [(Decimal("19137.74"), Decimal("0.0001")), (Decimal("19088.37"), Decimal(0))]
    asks = [(Decimal("19137.75"), Decimal("0.6135"))]
    assert depth == Depth("BTC_USDT", False, 48776301, 48776306, None, bids, asks, 1606294781123)


def test_a_full_message_replaces_the_book() -> None:
    [depth] = BOOKS.decode_many([FULL], 1).items
    assert (depth.snapshot, depth.first, depth.last) == (True, 48776306, 48776306)


def test_each_channel_ignores_the_data_of_the_others() -> None:
    for source in (TRADES, QUOTES, BOOKS):
        decoded = source.decode_many([TRADE, QUOTE, DIFFERENCE, OBU], 1)
        assert decoded.error is None
        assert len(decoded.items) == 1
        assert [c.known for c in decoded.controls if isinstance(c, Ignored)] == [True] * 3


def test_acknowledgements_name_the_pair_and_refusals_the_request() -> None:
    decoded = TRADES.decode_many([SUBSCRIBED, UNKNOWN], 1)
    assert decoded.controls == [
        Acknowledged("", ("BTC_USDT",)),
        Refused(2, "unknown currency pair GIBBERISH_USD", "7", ()),
    ]


def test_an_answer_repeats_the_request_s_number() -> None:
    frame = SUBSCRIBED.replace(b'"time":1788336080,', b'"id":12,')
    assert TRADES.decode_many([frame], 1).controls == [Acknowledged("12", ("BTC_USDT",))]
    book = frame.replace(b"spot.trades", b"spot.order_book_update").replace(b'["BTC_USDT"]', b'["BTC_USDT","100ms"]')
    assert BOOKS.decode_many([book], 1).controls == [Acknowledged("12", ("BTC_USDT",))]


def test_the_guide_s_short_answer_is_the_answer_to_the_oldest_request() -> None:
    frame = (
        b'{"time":1611541000,"channel":"spot.trades","event":"subscribe","error":null,"result":{"status":"success"}}'
    )
    assert TRADES.decode_many([frame], 1).controls == [Acknowledged("", ())]


def test_subscribing_twice_is_harmless() -> None:
    [refused] = TRADES.decode_many([REFUSED], 1).controls
    assert isinstance(refused, Refused)
    assert (refused.code, refused.id, refused.harmless) == (2, "1", True)


def test_a_failure_without_an_error_is_a_refusal() -> None:
    frame = SUBSCRIBED.replace(b"success", b"fail")
    assert TRADES.decode_many([frame], 1).controls == [Refused(0, "", "", ("BTC_USDT",))]


def test_an_error_that_belongs_to_no_subscription_is_a_refusal() -> None:
    frame = b'{"time":1,"channel":"","event":"","error":{"code":1,"message":"invalid json"},"result":null}'
    assert TRADES.decode_many([frame], 1).controls == [Refused(1, "invalid json", "", ())]


@pytest.mark.parametrize("frame", UPGRADES)
@pytest.mark.parametrize("source", [TRADES, QUOTES, BOOKS])
def test_every_form_of_the_notice_asks_for_the_next_connection(source: GateTrades, frame: bytes) -> None:
    decoded = source.decode_many([frame], 1)
    assert (decoded.controls, decoded.error) == ([Closing("service upgrade")], None)


@pytest.mark.parametrize(
    "frame",
    [
        b'{"time":1545404023,"channel":"spot.pong","event":"","error":null,"result":null}',
        b'{"time":1789456354,"time_ms":1789456354999,"conn_id":"c59a69fd3702aa1d","channel":"futures.pong","event":"","result":null}',
    ],
)
def test_pongs(frame: bytes) -> None:
    assert TRADES.decode_many([frame], 1).controls == [Pong()]


def test_what_is_new_is_told_from_what_is_known() -> None:
    frames = [
        b'{"channel":"spot.tickers","event":"update","result":{}}',
        b'{"channel":"spot.brand_new","event":"update","result":{}}',
        b"{}",
    ]
    controls = TRADES.decode_many(frames, 1).controls
    assert [c.known for c in controls if isinstance(c, Ignored)] == [True, False, False]


@pytest.mark.parametrize(
    "change",
    [
        {"price": "NaN"},
        {"amount": "Infinity"},
        {"create_time_ms": "NaN"},
        {"create_time_ms": "1e999999999"},
        {"create_time_ms": "-1"},
        {"price": None},
        {"id": "x"},
        {"side": "SELL"},
        {"currency_pair": ""},
    ],
)
def test_a_broken_trade_is_the_error_and_ends_the_batch(change: dict[str, object]) -> None:
    decoded = TRADES.decode_many([TRADE, changed(TRADE, **change), TRADE], 1)
    assert len(decoded.items) == 1
    assert isinstance(decoded.error, BadFrame)
    assert "spot.trades" in str(decoded.error)


@pytest.mark.parametrize("change", [{"b": "x"}, {"B": "NaN"}, {"a": None}, {"u": "1"}, {"t": None}])
def test_a_broken_quote_is_the_error(change: dict[str, object]) -> None:
    assert QUOTES.decode_many([changed(QUOTE, **change)], 1).error is not None


@pytest.mark.parametrize("change", [{"b": [["NaN", "1"]]}, {"a": [["1"]]}, {"u": None}, {"U": None}, {"s": 5}])
def test_broken_changes_are_the_error(change: dict[str, object]) -> None:
    assert BOOKS.decode_many([changed(DIFFERENCE, **change)], 1).error is not None


@given(DECIMALS)
def test_prices_print_exactly_as_they_came(text: str) -> None:
    check_prices(TRADES, changed(TRADE, price=text, amount=text), text)


# Where to connect and what to ask ------------------------------------------------------------------------------


def test_all_channels_share_an_address_with_a_slash_at_its_end() -> None:
    assert {s.door("wss://api.gateio.ws", None).url for s in (TRADES, QUOTES, BOOKS)} == {"wss://api.gateio.ws/ws/v4/"}
    assert TRADES.door_request() is None


def test_each_pair_has_a_request_of_its_own_without_a_time() -> None:
    asks = TRADES.subscribe(["BTC_USDT", "GT_USDT"], 5)
    assert [(ask.id, ask.symbols) for ask in asks] == [("5", ("BTC_USDT",)), ("6", ("GT_USDT",))]
    assert json.loads(asks[0].text) == {
        "id": 5,
        "channel": "spot.trades",
        "event": "subscribe",
        "payload": ["BTC_USDT"],
    }
    [ask] = BOOKS.unsubscribe(["BTC_USDT"], 7)
    assert json.loads(ask.text) == {
        "id": 7,
        "channel": "spot.order_book_update",
        "event": "unsubscribe",
        "payload": ["BTC_USDT", "100ms"],
    }


def test_the_protocol_s_own_ping_is_used_every_ten_seconds() -> None:
    assert TRADES.ping(1) is None
    assert TRADES.ping_every == 10.0


@pytest.mark.parametrize("name", ["BTC_USDT", "btc_usdt", "btc3l_usdt", "币安人生_usdt"])
def test_symbols_are_upper_case(name: str) -> None:
    assert TRADES.symbol(name) == name.upper()


@pytest.mark.parametrize("name", ["", "BTCUSDT", "BTC-USDT", "_USDT", "BTC_USDT,X_Y", "BTC_US DT", "A_B_C"])
def test_what_is_no_symbol_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="not a symbol like BTC_USDT"):
        TRADES.symbol(name)


# REST --------------------------------------------------------------------------------------------------------


def test_the_addresses_of_a_pair() -> None:
    request = TRADES.newest_request("BTC_USDT")
    assert (request.path, request.query) == ("/api/v4/spot/trades", "currency_pair=BTC_USDT&limit=1")
    assert TRADES.recent_request("BTC_USDT", None).query == "currency_pair=BTC_USDT&limit=1000"
    assert TRADES.fill_request("BTC_USDT", Missing(1, 2)) == TRADES.recent_request("BTC_USDT", None)
    assert BOOKS.snapshot_request("BTC_USDT").query == "currency_pair=BTC_USDT&limit=100&with_id=true"
    assert "%E5%B8%81" in TRADES.newest_request("币安人生_USDT").query


@given(st.integers(0, 2**42))
def test_a_list_from_a_time_on_begins_before_it(since: int) -> None:
    start = int(TRADES.recent_request("BTC_USDT", since).query.partition("from=")[2])
    assert since - 2000 < start * 1000 or start == 0
    assert start * 1000 <= since


def test_rest_rows_are_in_ascending_order_and_numbers_may_stand_in_quotes() -> None:
    body = b"[" + ROW + b"," + ROW.replace(b'"1232893232"', b"1232893231") + b"]"
    first, second = TRADES.rows("GT_USDT", body, 5)
    assert (first.id, second.id) == (1232893231, 1232893232)
    assert (second.symbol, second.side, second.time, second.received) == ("GT_USDT", "buy", 1548000000123, 5)
    assert TRADES.rows("GT_USDT", b"[]", 5) == []


def test_rest_brings_the_best_level_and_the_book() -> None:
    body = b'{"id":123456,"current":1623898993123,"update":1623898993121,"asks":[["1.52","1.151"],["1.53","1.218"]],"bids":[["1.17","201.863"],["1.16","725.464"]]}'
    depth = BOOKS.snapshot("BTC_USDT", body)
    assert (depth.snapshot, depth.first, depth.last, depth.time) == (True, 123456, 123456, 1623898993121)
    quote = QUOTES.newest("BTC_USDT", body, 5)
    assert (quote.bid, quote.ask, quote.sequence) == (Decimal("1.17"), Decimal("1.52"), 123456)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"<html>",
        b"[{}]",
        b"\xff",
        b"[" + ROW.replace(b"0.03", b"NaN") + b"]",
        b"[" + ROW.replace(b"1548000000123.456", b"NaN") + b"]",
    ],
)
def test_answers_that_are_none_are_a_bad_frame(body: bytes) -> None:
    with pytest.raises(BadFrame):
        TRADES.rows("BTC_USDT", body, 1)
    with pytest.raises(BadFrame):
        QUOTES.newest("BTC_USDT", body, 1)
    with pytest.raises(BadFrame):
        BOOKS.snapshot("BTC_USDT", body)


def test_a_book_of_a_time_that_no_database_holds_is_a_bad_frame() -> None:
    body = b'{"id":5,"update":%d,"asks":[["2","1"]],"bids":[["1","1"]]}'
    assert BOOKS.snapshot("BTC_USDT", body % (2**63 - 1)).time == 2**63 - 1
    with pytest.raises(BadFrame):
        BOOKS.snapshot("BTC_USDT", body % 2**63)


@pytest.mark.parametrize(
    ("status", "label", "expected"),
    [
        (429, "TOO_MANY_REQUESTS", RateLimited),
        (400, "TOO_MANY_REQUESTS", RateLimited),
        (401, "INVALID_KEY", Unauthorized),
        (500, "SERVER_ERROR", UnknownOutcome),
        (400, "INVALID_CURRENCY_PAIR", HttpFailure),
        (400, "INVALID_CURRENCY", HttpFailure),
        (400, "COMMON_PARAM_BIND_ERROR", HttpFailure),
    ],
)
def test_errors_have_types(status: int, label: str, expected: type[HttpFailure]) -> None:
    body = json.dumps({"label": label, "message": "Invalid currency NOTACOIN"}).encode()
    failure = TRADES.failure(TRADES.newest_request("BTC_USDT"), HttpReply(status, {}, body))
    assert type(failure) is expected
    assert failure is not None
    assert failure.reason.startswith(label)
    assert TRADES.unknown_symbol(failure) == label.startswith("INVALID_CURRENCY")


def test_a_label_without_a_message_is_still_a_label() -> None:
    failure = TRADES.failure(TRADES.newest_request("X_Y"), HttpReply(400, {}, b'{"label":"INVALID_CURRENCY_PAIR"}'))
    assert failure is not None
    assert TRADES.unknown_symbol(failure)


@pytest.mark.parametrize(
    ("reset", "date", "expected"),
    [
        ("1788336087", "Wed, 02 Sep 2026 08:01:22 GMT", 5.0),
        ("1788336182", "Wed, 02 Sep 2026 08:01:22 GMT", 100.0),
        ("1788336082", "Wed, 02 Sep 2026 08:01:22 GMT", 10.0),
        ("1788336087000", "Wed, 02 Sep 2026 08:01:22 GMT", 10.0),
        ("1788336087", "yesterday", 10.0),
        ("soon", "Wed, 02 Sep 2026 08:01:22 GMT", 10.0),
        ("nan", "Wed, 02 Sep 2026 08:01:22 GMT", 10.0),
    ],
)
def test_how_long_to_wait_is_told_by_the_venue_s_own_clock(reset: str, date: str, expected: float) -> None:
    headers = {"x-gate-ratelimit-reset-timestamp": reset, "date": date}
    failure = TRADES.failure(TRADES.newest_request("X_Y"), HttpReply(429, headers, b""))
    assert isinstance(failure, RateLimited)
    assert failure.retry_after == expected


# Recordings ----------------------------------------------------------------------------------------------------

RECORDINGS = [
    "gate_spot/cryptofeed/GATEIO.ws.1.0",
    "gate_spot/tardis_node_gate_io.jsonl",
    "gate_mixed/crypto_msg_parser_gate.jsonl",
]


def frames_of(name: str) -> list[bytes]:
    # {"method":..} is the third version of the API, closed since; what has no channel is an answer by REST.
    return recorded_frames(name, having=b'"channel"', lacking=(b'"method"',))


@pytest.mark.parametrize("name", RECORDINGS)
@pytest.mark.parametrize("source", [TRADES, QUOTES, BOOKS])
def test_recordings_decode_without_an_unknown_or_refused_message(name: str, source: GateTrades) -> None:
    frames = frames_of(name)
    items, controls = read_to_the_end(source, frames)
    assert len(items) + controls == len(frames)
    if source.channel == "trades":
        messages = [json.loads(frame) for frame in frames]
        rows = [m["result"] for m in messages if (m["channel"], m["event"]) == ("spot.trades", "update")]
        assert [trade.id for trade in items] == [row["id"] for row in rows]
        assert [format(trade.price, "f") for trade in items] == [row["price"] for row in rows]
        assert [trade.time for trade in items] == [int(Decimal(row["create_time_ms"])) for row in rows]


def test_recorded_changes_of_a_book_follow_each_other() -> None:
    depths = BOOKS.decode_many(frames_of(RECORDINGS[0]), 1).items
    last: dict[str, int] = {}
    joined = 0
    for depth in depths:
        assert depth.symbol not in last or depth.first == last[depth.symbol] + 1
        joined += depth.symbol in last
        last[depth.symbol] = depth.last
    assert joined == 162


def test_recorded_books_begin_with_the_recorded_answers_of_rest() -> None:
    depths = BOOKS.decode_many(frames_of(RECORDINGS[0]), 1).items
    begun = 0
    for line in recording("gate_spot/cryptofeed/GATEIO.http.0.0").read_text().splitlines():
        address, _, answer = line.partition(" -> ")
        if "order_book?" not in address:
            continue
        symbol = address.partition("currency_pair=")[2].partition("&")[0]
        session, sync = Session(), BookSync(BOOKS.rule)
        sync.opened(session)
        assert sync.snapshot(BOOKS.snapshot(symbol, answer.partition(": ")[2].encode())).apply
        base = sync.sequence
        assert base is not None
        for depth in depths:
            # The one recorded connection was open before REST was asked; what is older than the answer says nothing.
            if depth.symbol == symbol and depth.last > base:
                assert sync.take(session, depth, 0.0).broken is None
        begun += 1
    assert begun == 10


def test_recorded_trade_ids_rise_by_pair() -> None:
    trades = TRADES.decode_many(frames_of(RECORDINGS[0]), 1).items
    assert len(trades) == 9
    for symbol in {trade.symbol for trade in trades}:
        assert all(a.id < b.id for a, b in pairwise(trade for trade in trades if trade.symbol == symbol))
