"""OKX: trades, quotes and books from the stream and from REST."""

import json
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors._errors import BadFrame, ClockOff, HttpFailure, RateLimited, UnknownOutcome
from actors._feeds._book_sync import BookSync
from actors._session import Session
from actors._source import (
    Acknowledged,
    BookSource,
    Closing,
    Depth,
    HttpReply,
    HttpRequest,
    Ignored,
    Missing,
    Pong,
    QuoteSource,
    Refused,
    TradeSource,
)
from actors.exchanges.okx import OkxBooks, OkxQuotes, OkxTrade, OkxTrades

from .reading import DECIMALS, check_prices, read_to_the_end, recorded_frames

# Official samples (OKX API guide v5, February 2026).
TRADE = b'{"arg":{"channel":"trades","instId":"BTC-USDT"},"data":[{"instId":"BTC-USDT","tradeId":"130639474","px":"42219.9","sz":"0.12060306","side":"buy","ts":"1630048897897","count":"3","source":"0","seqId":1234}]}'
TRADE_ALL = b'{"arg":{"channel":"trades-all","instId":"BTC-USDT"},"data":[{"instId":"BTC-USDT","tradeId":"130639474","px":"42219.9","sz":"0.12060306","side":"buy","source":"0","ts":"1630048897897"}]}'
SNAPSHOT = b'{"arg":{"channel":"books","instId":"BTC-USDT"},"action":"snapshot","data":[{"asks":[["8476.98","415","0","13"]],"bids":[["8476.97","256","0","12"]],"ts":"1597026383085","checksum":-855196043,"prevSeqId":-1,"seqId":123456}]}'
UPDATE = b'{"arg":{"channel":"books","instId":"BTC-USDT"},"action":"update","data":[{"asks":[["8476.98","415","0","13"]],"bids":[["8476.97","256","0","12"]],"ts":"1597026383085","checksum":-855196043,"prevSeqId":123456,"seqId":123457}]}'
QUOTE = b'{"arg":{"channel":"bbo-tbt","instId":"BCH-USDT-SWAP"},"data":[{"asks":[["111.06","55154","0","2"]],"bids":[["111.05","57745","0","2"]],"ts":"1670324386802","seqId":363996337}]}'
SUBSCRIBED = b'{"id":"1512","event":"subscribe","arg":{"channel":"trades","instId":"BTC-USDT"},"connId":"accb8e21"}'
ERROR = b'{"id":"1512","event":"error","code":"60012","msg":"Invalid request: {\\"op\\": \\"subscribe\\", \\"argss\\":[{ \\"channel\\" : \\"trades\\", \\"instId\\" : \\"BTC-USD-191227\\"}]}","connId":"a4d3ae55"}'
NOTICE = b'{"event":"notice","code":"64008","msg":"The connection will soon be closed for a service upgrade. Please reconnect.","connId":"a4d3ae55"}'
ROW = b'{"instId":"BTC-USDT","side":"sell","sz":"0.00001","source":"0","px":"29963.2","tradeId":"242720720","ts":"1654161646974"}'

TRADES, QUOTES, BOOKS = OkxTrades(), OkxQuotes(), OkxBooks()
LEVEL = ([(Decimal("8476.97"), Decimal(256))], [(Decimal("8476.98"), Decimal(415))])


def changed(frame: bytes, **fields: object) -> bytes:
    message = json.loads(frame)
    message["data"][0].update(fields)
    return json.dumps(message).encode()


def reply(status: int, body: bytes) -> HttpReply:
    return HttpReply(status, {}, body)


def test_the_sources_are_what_the_actors_ask_for() -> None:
    trades: TradeSource = TRADES
    quotes: QuoteSource = QUOTES
    books: BookSource = BOOKS
    assert [source.channel for source in (trades, quotes, books)] == ["trades", "quotes", "book"]
    assert {source.venue for source in (trades, quotes, books)} == {"okx"}
    assert trades.dense
    assert not trades.lists_only


def test_an_aggregate_stands_for_the_ids_up_to_its_own() -> None:
    [trade] = TRADES.decode_many([TRADE], 77).items
    assert isinstance(trade, OkxTrade)
    assert (trade.venue, trade.symbol, trade.first_id, trade.id) == ("okx", "BTC-USDT", 130639472, 130639474)
    assert (trade.price, trade.quantity, trade.side) == (Decimal("42219.9"), Decimal("0.12060306"), "buy")
    assert (trade.time, trade.received) == (1630048897897, 77)


def test_a_trade_of_the_other_channel_stands_for_itself() -> None:
    [trade] = OkxTrades("trades-all").decode_many([TRADE_ALL], 77).items
    assert trade.first_id == trade.id == 130639474


def test_each_channel_ignores_the_data_of_the_others() -> None:
    for source in (TRADES, OkxTrades("trades-all"), QUOTES, BOOKS):
        decoded = source.decode_many([TRADE, TRADE_ALL, SNAPSHOT, QUOTE], 1)
        assert decoded.error is None
        assert len(decoded.items) == 1
        assert [control.known for control in decoded.controls if isinstance(control, Ignored)] == [True] * 3


def test_the_official_snapshot_and_update() -> None:
    first, second = BOOKS.decode_many([SNAPSHOT, UPDATE], 1).items
    assert first == Depth("BTC-USDT", True, 123456, 123456, None, *LEVEL, 1597026383085)
    assert second == Depth("BTC-USDT", False, 123457, 123457, 123456, *LEVEL, 1597026383085)


def test_a_message_without_changes_follows_the_one_before_and_is_followed_by_the_next() -> None:
    quiet = changed(UPDATE, asks=[], bids=[], prevSeqId=123457, seqId=123457)
    [depth] = BOOKS.decode_many([quiet], 1).items
    assert (depth.previous, depth.last, depth.bids, depth.asks) == (123457, 123457, [], [])


def test_numbers_that_start_anew_after_maintenance_still_follow() -> None:
    [depth] = BOOKS.decode_many([changed(UPDATE, prevSeqId=123457, seqId=3)], 1).items
    assert (depth.previous, depth.last) == (123457, 3)


def test_a_book_goes_on_through_quiet_minutes_and_maintenance_and_breaks_at_a_hole() -> None:
    session, sync = Session(), BookSync(BOOKS.rule)
    sync.opened(session)
    steps = [(123456, 123457), (123457, 123457), (123457, 3), (3, 9)]
    frames = [SNAPSHOT, *(changed(UPDATE, prevSeqId=before, seqId=last) for before, last in steps)]
    for depth in BOOKS.decode_many(frames, 1).items:
        assert sync.take(session, depth, 0.0).broken is None
    assert sync.sequence == 9
    [hole] = BOOKS.decode_many([changed(UPDATE, prevSeqId=10, seqId=11)], 1).items
    assert sync.take(session, hole, 0.0).broken
    assert sync.need == "subscription"


def test_the_checksum_is_not_looked_at() -> None:
    assert BOOKS.decode_many([changed(UPDATE, checksum=0)], 1).items == BOOKS.decode_many([UPDATE], 1).items


def test_a_difference_without_numbers_follows_nothing() -> None:
    message = json.loads(UPDATE)
    del message["data"][0]["seqId"], message["data"][0]["prevSeqId"]
    [depth] = BOOKS.decode_many([json.dumps(message).encode()], 1).items
    assert depth.previous is None
    assert depth.first == 1597026383085
    session, sync = Session(), BookSync(BOOKS.rule)
    sync.opened(session)
    [snapshot] = BOOKS.decode_many([SNAPSHOT], 1).items
    assert sync.take(session, snapshot, 0.0).broken is None
    assert sync.take(session, depth, 0.0).broken


def test_the_official_best_bid_and_ask() -> None:
    [quote] = QUOTES.decode_many([QUOTE], 9).items
    assert (quote.venue, quote.symbol, quote.sequence, quote.time, quote.received) == (
        "okx",
        "BCH-USDT-SWAP",
        363996337,
        1670324386802,
        9,
    )
    assert (quote.bid, quote.bid_quantity) == (Decimal("111.05"), Decimal(57745))
    assert (quote.ask, quote.ask_quantity) == (Decimal("111.06"), Decimal(55154))


def test_a_side_without_orders_is_zero() -> None:
    [quote] = QUOTES.decode_many([changed(QUOTE, asks=[])], 9).items
    assert (quote.ask, quote.ask_quantity) == (0, 0)


def test_pong_is_no_json_and_no_failure() -> None:
    decoded = TRADES.decode_many([TRADE, b"pong", TRADE], 1)
    assert (len(decoded.items), decoded.controls, decoded.error) == (2, [Pong()], None)
    assert TRADES.ping(1) == "ping"


def test_acknowledgements_and_refusals_name_the_request() -> None:
    decoded = TRADES.decode_many([SUBSCRIBED, ERROR], 1)
    assert decoded.controls[0] == Acknowledged("1512", ("BTC-USDT",))
    refused = decoded.controls[1]
    assert isinstance(refused, Refused)
    assert (refused.id, refused.code, refused.symbols, refused.harmless) == ("1512", 60012, (), False)


def test_a_refusal_that_names_an_instrument_says_which() -> None:
    text = "Wrong URL or channel:trades,instId:NOPE-USDT doesn't exist. Please use the correct URL, channel and parameters referring to API document."
    frame = json.dumps({"event": "error", "code": "60018", "msg": text, "connId": "a4d3ae55"}).encode()
    assert TRADES.decode_many([frame], 1).controls == [Refused(60018, text, "", ("NOPE-USDT",))]


def test_the_notice_of_an_upgrade_asks_for_the_next_connection() -> None:
    assert TRADES.decode_many([NOTICE], 1).controls == [Closing("service upgrade")]
    other = NOTICE.replace(b"64008", b"64099")
    assert TRADES.decode_many([other], 1).controls == [Ignored("notice 64099", known=False)]


def test_what_is_new_is_told_from_what_is_known() -> None:
    frames = [
        b'{"arg":{"channel":"tickers","instId":"BTC-USDT"},"data":[{}]}',
        b'{"arg":{"channel":"candle1m","instId":"BTC-USDT"},"data":[]}',
        b'{"event":"channel-conn-count","channel":"orders","connCount":"2","connId":"abcd1234"}',
        b'{"arg":{"channel":"brand-new","instId":"BTC-USDT"},"data":[{}]}',
        b'{"event":"brand-new"}',
        b"{}",
    ]
    controls = TRADES.decode_many(frames, 1).controls
    assert [c.known for c in controls if isinstance(c, Ignored)] == [True, True, True, False, False, False]


@pytest.mark.parametrize(
    "change",
    [
        {"px": "NaN"},
        {"sz": "Infinity"},
        {"px": "abc"},
        {"px": None},
        {"tradeId": "x"},
        {"tradeId": None},
        {"count": "0"},
        {"count": "-3"},
        {"side": "hold"},
        {"ts": ""},
        {"instId": ""},
    ],
)
def test_a_broken_trade_is_the_error_and_ends_the_batch(change: dict[str, object]) -> None:
    decoded = TRADES.decode_many([TRADE, changed(TRADE, **change), TRADE], 1)
    assert len(decoded.items) == 1
    assert isinstance(decoded.error, BadFrame)
    assert "trades" in str(decoded.error)


@pytest.mark.parametrize(
    "change", [{"bids": [["NaN", "1", "0", "1"]]}, {"asks": [["1"]]}, {"ts": None}, {"seqId": "x"}]
)
@pytest.mark.parametrize("frame", [UPDATE, QUOTE])
def test_broken_levels_are_the_error(frame: bytes, change: dict[str, object]) -> None:
    source = BOOKS if frame is UPDATE else QUOTES
    assert source.decode_many([changed(frame, **change)], 1).error is not None


@given(DECIMALS)
def test_prices_print_exactly_as_they_came(text: str) -> None:
    check_prices(TRADES, changed(TRADE, px=text, sz=text), text)


# Where to connect and what to ask ------------------------------------------------------------------------------


def test_each_channel_has_its_path() -> None:
    address = "wss://ws.okx.com:8443"
    paths = [s.door(address, None).url for s in (TRADES, OkxTrades("trades-all"), QUOTES, BOOKS)]
    assert paths == [f"{address}/ws/v5/{part}" for part in ("public", "business", "public", "public")]
    assert TRADES.door_request() is None


def test_each_instrument_has_a_request_of_its_own() -> None:
    asks = TRADES.subscribe(["BTC-USDT", "ETH-USDT"], 1512)
    assert [(ask.id, ask.symbols) for ask in asks] == [("1512", ("BTC-USDT",)), ("1513", ("ETH-USDT",))]
    assert json.loads(asks[0].text) == {
        "id": "1512",
        "op": "subscribe",
        "args": [{"channel": "trades", "instId": "BTC-USDT"}],
    }
    [ask] = OkxTrades("trades-all").unsubscribe(["BTC-USDT"], 7)
    assert json.loads(ask.text)["op"] == "unsubscribe"
    assert json.loads(ask.text)["args"] == [{"channel": "trades-all", "instId": "BTC-USDT"}]


def test_what_a_connection_subscribes_and_pings_in_an_hour_is_within_its_messages() -> None:
    limits = TRADES.limits
    assert (limits.attempts, limits.attempts_within) == (3, 1.0)
    assert (limits.messages, limits.messages_within) == (480, 3600.0)
    assert limits.symbols + 3600 / TRADES.ping_every <= 480 - 2 * 50
    assert TRADES.ping_every < 30
    assert BOOKS.limits.symbols == 30


@pytest.mark.parametrize("name", ["BTC-USDT", "btc-usdt-swap", "BTC-USD_UM-261030", "BTC-USD-260327-80000-C"])
def test_symbols_are_upper_case(name: str) -> None:
    assert TRADES.symbol(name) == name.upper()


@pytest.mark.parametrize("name", ["", "BTCUSDT", "-", "BTC-", "BTC USDT", 'BTC-"', "BTC-USDT&x=1", "BTC/USDT"])
def test_what_is_no_symbol_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="not a symbol like BTC-USDT"):
        TRADES.symbol(name)


# REST --------------------------------------------------------------------------------------------------------


def history(request: HttpRequest) -> range:
    """What the venue answers with: ids below ``after``, the highest first."""
    asked = dict(part.split("=") for part in request.query.split("&"))
    return range(int(asked["after"]) - 1, int(asked["after"]) - 1 - int(asked["limit"]), -1)


@given(st.integers(1, 10**9), st.integers(1, 5000))
def test_a_hole_is_filled_from_its_lowest_id_on(first: int, count: int) -> None:
    missing = Missing(first, first + count - 1)
    request = TRADES.fill_request("BTC-USDT", missing)
    assert request.path == "/api/v5/market/history-trades"
    assert sorted(history(request)) == list(range(first, first + min(count, 100)))


def test_the_weight_of_a_window_is_within_each_endpoint_s_own_limit() -> None:
    rest = TRADES.limits.rest
    assert rest.within == 2.0
    for request, allowed in [
        (TRADES.fill_request("BTC-USDT", Missing(1, 5)), 20),
        (TRADES.newest_request("BTC-USDT"), 100),
        (TRADES.recent_request("BTC-USDT", 5), 100),
        (BOOKS.snapshot_request("BTC-USDT"), 40),
        (QUOTES.newest_request("BTC-USDT"), 40),
    ]:
        assert rest.weight // request.weight <= allowed
    assert rest.weight // TRADES.fill_request("BTC-USDT", Missing(1, 5)).weight == 20


def test_rest_rows_are_single_trades_in_ascending_order() -> None:
    older = ROW.replace(b"242720720", b"242720719")
    body = b'{"code":"0","msg":"","data":[' + ROW + b"," + older + b"]}"
    first, second = TRADES.rows("BTC-USDT", body, 5)
    assert (first.id, second.id, second.first_id) == (242720719, 242720720, 242720720)
    assert (second.symbol, second.side, second.time, second.received) == ("BTC-USDT", "sell", 1654161646974, 5)


def test_rest_brings_the_best_level_and_the_book() -> None:
    body = b'{"code":"0","msg":"","data":[{"asks":[["41006.8","0.60038921","0","1"]],"bids":[["41006.3","0.30178218","0","2"]],"ts":"1629966436396"}]}'
    quote = QUOTES.newest("BTC-USDT", body, 5)
    assert (quote.bid, quote.ask, quote.sequence, quote.time) == (
        Decimal("41006.3"),
        Decimal("41006.8"),
        0,
        1629966436396,
    )
    depth = BOOKS.snapshot("BTC-USDT", body)
    assert depth.snapshot
    assert (len(depth.bids), len(depth.asks), depth.time) == (1, 1, 1629966436396)


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"<html>", b'{"data":[{}]}', b"\xff", b'{"data":[' + ROW.replace(b"29963.2", b"NaN") + b"]}"]
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
        (429, "50011", RateLimited),
        (200, "50011", RateLimited),
        (429, "50013", RateLimited),
        (200, "50004", UnknownOutcome),
        (401, "50102", ClockOff),
        (503, "50001", UnknownOutcome),
        (200, "51001", HttpFailure),
        (400, "51000", HttpFailure),
    ],
)
def test_errors_have_types(status: int, code: str, expected: type[HttpFailure]) -> None:
    body = json.dumps({"code": code, "msg": "why", "data": []}).encode()
    failure = TRADES.failure(TRADES.newest_request("BTC-USDT"), reply(status, body))
    assert type(failure) is expected
    assert failure is not None
    assert (failure.status, failure.code) == (status, int(code))
    assert TRADES.unknown_symbol(failure) == (code == "51001")
    if isinstance(failure, RateLimited):
        assert failure.retry_after == 2.0


def test_success_is_no_failure_and_html_is_one() -> None:
    request = TRADES.newest_request("BTC-USDT")
    assert TRADES.failure(request, reply(200, b'{"code":"0","msg":"","data":[]}')) is None
    assert type(TRADES.failure(request, reply(403, b"<html>"))) is HttpFailure
    assert type(TRADES.failure(request, reply(502, b"<html>"))) is UnknownOutcome


# Recordings ----------------------------------------------------------------------------------------------------


def frames_of(name: str) -> list[bytes]:
    # {"table":..} is the third version of the API, closed in 2022.
    return recorded_frames(f"okx/{name}", lacking=(b'"table"',))


RECORDINGS = [
    "cryptofeed/OKX.ws.1.0",
    "tardis_node_okex.jsonl",
    "tardis_node_okex_swap.jsonl",
    "tardis_node_okex_futures.jsonl",
]


@pytest.mark.parametrize("name", RECORDINGS)
@pytest.mark.parametrize("source", [TRADES, OkxTrades("trades-all"), QUOTES, BOOKS])
def test_recordings_decode_without_an_unknown_or_refused_message(name: str, source: OkxTrades) -> None:
    frames = frames_of(name)
    items, _ = read_to_the_end(source, frames)
    named = (
        "trades-all"
        if source == OkxTrades("trades-all")
        else {"trades": "trades", "quotes": "bbo-tbt", "book": "books"}[source.channel]
    )
    messages = [json.loads(frame) for frame in frames]
    rows = [row for m in messages if m.get("arg", {}).get("channel") == named and "data" in m for row in m["data"]]
    assert len(items) == len(rows)
    if source.channel == "trades":
        assert [str(trade.id) for trade in items] == [row["tradeId"] for row in rows]
        assert [format(trade.price, "f") for trade in items] == [row["px"] for row in rows]


def test_recorded_trade_ids_follow_each_other() -> None:
    trades = TRADES.decode_many(frames_of("cryptofeed/OKX.ws.1.0"), 1).items
    assert len(trades) == 74
    for symbol in {trade.symbol for trade in trades}:
        mine = [trade for trade in trades if trade.symbol == symbol]
        assert all(b.first_id == a.id + 1 for a, b in pairwise(mine))
