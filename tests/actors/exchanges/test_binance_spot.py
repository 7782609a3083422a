"""Binance spot: trades from the stream and from REST."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors._errors import BadFrame
from actors._records import Trade
from actors._source import Ignored, Listed
from actors.exchanges.binance_spot import Kind, SpotAggTrade, SpotTrade, SpotTrades, decode

from ..recordings import received_frames, recording

# The official samples (web-socket-streams.md).
TRADE = (
    '{"e":"trade","E":1672515782136,"s":"BNBBTC","t":12345,"p":"0.001","q":"100","T":1672515782135,"m":true,"M":true}'
)
AGG = '{"e":"aggTrade","E":1672515782136,"s":"BNBBTC","a":12345,"p":"0.001","q":"100","f":100,"l":105,"T":1672515782136,"m":false,"M":true}'


def combined(data: str) -> str:
    return f'{{"stream":"s","data":{data}}}'


@pytest.mark.parametrize("wrap", [str, combined])
@pytest.mark.parametrize("form", [str, str.encode])
def test_the_official_trade_sample_in_every_form(wrap, form) -> None:  # type: ignore[no-untyped-def]
    trade = decode(form(wrap(TRADE)))
    assert isinstance(trade, SpotTrade)
    assert (trade.venue, trade.symbol, trade.id, trade.side, trade.time) == (
        "binance",
        "BNBBTC",
        12345,
        "sell",
        1672515782135,
    )
    assert (trade.price, trade.quantity) == (Decimal("0.001"), Decimal(100))


@pytest.mark.parametrize("wrap", [str, combined])
def test_the_official_aggregate_sample(wrap) -> None:  # type: ignore[no-untyped-def]
    trade = decode(wrap(AGG))
    assert isinstance(trade, SpotAggTrade)
    assert (trade.venue, trade.id, trade.first_trade_id, trade.last_trade_id, trade.side) == (
        "binance",
        12345,
        100,
        105,
        "buy",
    )


@given(st.from_regex(r"\A(0|[1-9][0-9]{0,8})(\.[0-9]{1,12})?\Z"))
def test_prices_print_exactly_as_they_came(text: str) -> None:
    trade = decode(json.dumps({**json.loads(TRADE), "p": text, "q": text}))
    assert isinstance(trade, SpotTrade)
    assert format(trade.price, "f") == text
    assert format(trade.quantity, "f") == text


@pytest.mark.parametrize(
    "change",
    [{"p": "NaN"}, {"q": "Infinity"}, {"p": "abc"}, {"p": None}, {"t": "12345"}, {"t": 1.5}, {"m": 1}, {"T": None}],
)
@pytest.mark.parametrize("wrap", [str, combined])
def test_a_broken_trade_is_a_bad_frame(wrap, change: dict[str, object]) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(BadFrame, match="a trade message that is not one"):
        decode(wrap(json.dumps({**json.loads(TRADE), **change})))


@pytest.mark.parametrize("field", ["t", "p", "q", "T", "m"])
def test_a_trade_without_a_field_is_a_bad_frame(field: str) -> None:
    message = json.loads(TRADE)
    del message[field]
    with pytest.raises(BadFrame):
        decode(json.dumps(message))


@pytest.mark.parametrize("change", [{"s": "ETHBTC"}, {"s": ""}])
def test_a_trade_of_another_symbol_is_a_bad_frame(change: dict[str, object]) -> None:
    with pytest.raises(BadFrame, match="not a trade of BNBBTC"):
        SpotTrades("bnbbtc").decode(json.dumps({**json.loads(TRADE), **change}))


def test_a_trade_of_another_kind_is_a_bad_frame() -> None:
    with pytest.raises(BadFrame):
        SpotTrades("BNBBTC", "aggTrade").decode(TRADE)
    with pytest.raises(BadFrame):
        SpotTrades("BNBBTC", "trade").decode(AGG)


def test_unknown_fields_are_ignored_and_new_kinds_are_counted() -> None:
    assert isinstance(decode(json.dumps({**json.loads(TRADE), "zz": [1]})), SpotTrade)
    assert decode('{"e":"brandNew"}') == Ignored("brandNew", known=False)
    assert decode(combined('{"e":"kline","E":1}')) == Ignored("kline", known=True)


@pytest.mark.parametrize(
    ("kind", "newest", "backfill"),
    [
        ("trade", "/api/v3/trades", "/api/v3/historicalTrades"),
        ("aggTrade", "/api/v3/aggTrades", "/api/v3/aggTrades"),
    ],
)
def test_the_addresses_of_a_symbol(kind: Kind, newest: str, backfill: str) -> None:
    source = SpotTrades("btcusdt", kind)
    assert source.symbol == "BTCUSDT"
    assert source.stream_path() == f"/stream?streams=btcusdt@{kind}"
    assert source.lists_us(Listed((f"btcusdt@{kind}",)))
    assert not source.lists_us(Listed(("btcusdt@depth",)))
    assert (source.newest_request().path, source.newest_request().query) == (newest, "symbol=BTCUSDT&limit=1")
    request = source.backfill_request(17, 5)
    assert (request.path, request.query) == (backfill, "symbol=BTCUSDT&fromId=17&limit=5")
    assert source.backfill_request(17, 5000).query.endswith("limit=1000")


def test_rest_rows_become_the_same_trades_as_the_stream_gives() -> None:
    rows = b'[{"id":12345,"price":"0.001","qty":"100","quoteQty":"0.1","time":1672515782135,"isBuyerMaker":true,"isBestMatch":true}]'
    live, [row] = SpotTrades("BNBBTC").decode(TRADE), SpotTrades("BNBBTC").rows(rows)
    assert row == live
    agg = b'[{"a":12345,"p":"0.001","q":"100","f":100,"l":105,"T":1672515782136,"m":false,"M":true}]'
    source = SpotTrades("BNBBTC", "aggTrade")
    assert source.rows(agg) == [source.decode(AGG)]


def test_rest_rows_come_back_ascending() -> None:
    rows = [{"a": i, "p": "1", "q": "1", "f": i, "l": i, "T": i, "m": True} for i in (3, 1, 2)]
    assert [t.id for t in SpotTrades("X", "aggTrade").rows(json.dumps(rows).encode())] == [1, 2, 3]


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"<html>", b'[{"id":1}]', b"\xff", b'[{"id":1,"price":"NaN","qty":"1","time":1,"isBuyerMaker":true}]'],
)
def test_rest_rows_that_are_none_are_a_bad_frame(body: bytes) -> None:
    with pytest.raises(BadFrame):
        SpotTrades("X").rows(body)


def test_stamping_writes_the_local_time() -> None:
    source = SpotTrades("BNBBTC")
    trade = source.decode(TRADE)
    assert isinstance(trade, SpotTrade)
    source.stamp([trade], 77)
    assert trade.received == 77


def test_the_structs_are_what_a_bot_expects_of_a_trade() -> None:
    trades: list[Trade] = [t for t in (decode(TRADE), decode(AGG)) if isinstance(t, (SpotTrade, SpotAggTrade))]
    assert len(trades) == 2


def test_the_recording_decodes_and_aggregate_ids_are_consecutive() -> None:
    last: dict[str, int] = {}
    trades = 0
    for frame in received_frames(recording("binance_spot/cryptofeed/BINANCE.ws.1.0")):
        message = decode(frame)
        if isinstance(message, SpotAggTrade):
            assert message.id == last.get(message.symbol, message.id - 1) + 1
            last[message.symbol] = message.id
            trades += 1
        else:
            assert isinstance(message, Ignored), message
            assert message.known, message
    assert trades == 2
