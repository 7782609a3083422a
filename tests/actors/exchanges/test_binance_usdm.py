"""Binance USD-M: aggregate trades, the private stream, signed requests."""

import json
from decimal import Decimal
from urllib.parse import parse_qs

import pytest

from actors._errors import BadFrame, HttpFailure
from actors._records import OrderUpdate
from actors._secret import Secret
from actors._source import Ignored, ListenKeyExpired
from actors.exchanges import binance_usdm
from actors.exchanges.binance_usdm import UsdmAccount, UsdmAggTrade, UsdmTrades, decode

from ..recordings import received_frames, recording

# Official samples: aggTrade of 2026, with fields that older ones lack; the order update of the user data page.
AGG = '{"e":"aggTrade","E":123456789,"s":"BNBUSDT","a":5933014,"p":"0.001","q":"100","nq":"100","f":100,"l":105,"T":123456785,"m":true,"st":1}'
ORDER = (
    '{"e":"ORDER_TRADE_UPDATE","E":1568879465651,"T":1568879465650,"o":{"s":"BTCUSDT","c":"TEST","S":"SELL",'
    '"o":"TRAILING_STOP_MARKET","f":"GTC","q":"0.001","p":"0","ap":"0","sp":"7103.04","x":"NEW","X":"NEW","i":8886774,'
    '"l":"0","z":"0","L":"0","N":"USDT","n":"0","T":1568879465650,"t":0,"b":"0","a":"9.91","m":false,"R":false,'
    '"wt":"CONTRACT_PRICE","ot":"TRAILING_STOP_MARKET","ps":"LONG","cp":false,"AP":"7476.89","cr":"5.0","pP":false,'
    '"si":0,"ss":0,"rp":"0","V":"EXPIRE_TAKER","pm":"OPPONENT","gtd":0,"er":"0"}}'
)
ACCOUNT = UsdmAccount("main", Secret.literal("the-key"), Secret.literal("the-secret"))


def order(**changes: object) -> str:
    message = json.loads(ORDER)
    message["o"].update(changes)
    return json.dumps(message)


def test_the_official_aggregate_sample() -> None:
    for frame in (AGG, f'{{"stream":"bnbusdt@aggTrade","data":{AGG}}}'):
        trade = decode(frame)
        assert isinstance(trade, UsdmAggTrade)
        assert (trade.venue, trade.symbol, trade.id, trade.side, trade.time) == (
            "binance-usdm",
            "BNBUSDT",
            5933014,
            "sell",
            123456785,
        )


@pytest.mark.parametrize("change", [{"s": ""}, {"a": "1"}, {"p": "NaN"}, {"q": None}])
def test_a_broken_aggregate_is_a_bad_frame(change: dict[str, object]) -> None:
    with pytest.raises(BadFrame):
        decode(json.dumps({**json.loads(AGG), **change}))


def test_another_symbol_is_a_bad_frame() -> None:
    with pytest.raises(BadFrame, match="not an aggTrade of BTCUSDT"):
        UsdmTrades("BTCUSDT").decode(AGG)


def test_raw_trades_are_not_used() -> None:
    assert decode('{"e":"trade","s":"BTCUSDT","t":5933014,"p":"0.001","q":"100","T":1,"m":true}') == Ignored(
        "trade", known=False
    )


def test_the_stream_is_asked_for_under_market_and_the_orders_under_private() -> None:
    assert UsdmTrades("BTCUSDT").stream_path() == "/market/stream?streams=btcusdt@aggTrade"
    assert ACCOUNT.stream_path("abc") == (
        "/private/ws?listenKey=abc&events=ORDER_TRADE_UPDATE/ACCOUNT_UPDATE/MARGIN_CALL/listenKeyExpired"
    )


def test_the_recording_decodes_with_every_aggregate_trade_once_and_consecutive() -> None:
    path = recording("binance_usdm/cryptofeed/BINANCE_FUTURES.ws.1.0")
    # The ids by a decoder of another make, so that losing some cannot go unseen.
    sent = [
        (message["data"]["s"], message["data"]["a"], message["data"]["p"])
        for message in map(json.loads, received_frames(path))
        if message["data"]["e"] == "aggTrade"
    ]
    got = []
    for frame in received_frames(path):
        message = decode(frame)
        if isinstance(message, UsdmAggTrade):
            got.append((message.symbol, message.id, format(message.price, "f")))
        else:
            assert isinstance(message, Ignored), message
            assert message.known, message
    assert got == sent
    assert len(got) == 91
    for symbol in {s for s, _, _ in got}:
        ids = [i for s, i, _ in got if s == symbol]
        assert ids == list(range(ids[0], ids[0] + len(ids)))


def test_a_new_order_is_an_update_without_a_fill() -> None:
    update = ACCOUNT.decode(ORDER, 5)
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
    update = ACCOUNT.decode(f'{{"stream":"k","data":{frame}}}', 5)
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
    update = ACCOUNT.decode(order(X=wire), 0)
    assert isinstance(update, OrderUpdate)
    assert update.status == status


@pytest.mark.parametrize("change", [{"X": "WHO_KNOWS"}, {"S": "BOTH"}, {"i": None}, {"z": "NaN"}])
def test_an_order_that_cannot_be_read_is_a_bad_frame_without_a_sample(change: dict[str, object]) -> None:
    with pytest.raises(BadFrame) as caught:
        ACCOUNT.decode(order(**change), 0)
    assert "BTCUSDT" not in str(caught.value)


def test_other_private_events() -> None:
    assert ACCOUNT.decode('{"e":"listenKeyExpired","E":"1","listenKey":"W"}', 0) == ListenKeyExpired()
    assert ACCOUNT.decode('{"e":"ACCOUNT_UPDATE","E":1,"a":{}}', 0) == Ignored("ACCOUNT_UPDATE", known=True)
    assert ACCOUNT.decode('{"e":"TRADE_LITE","E":1}', 0) == Ignored("TRADE_LITE", known=True)


def test_listen_key_requests_are_unsigned_and_carry_the_api_key() -> None:
    for request, method in ((ACCOUNT.create_key_request(), "POST"), (ACCOUNT.extend_key_request(), "PUT")):
        assert (request.method, request.path, request.query) == (method, "/fapi/v1/listenKey", "")
        assert request.headers == (("X-MBX-APIKEY", "the-key"),)


def test_a_listen_key_is_read_and_one_that_would_change_the_address_is_refused() -> None:
    assert ACCOUNT.listen_key(b'{"listenKey":"pqia91ma19a5"}') == "pqia91ma19a5"
    for bad in (b'{"listenKey":""}', b'{"listenKey":"a&events=x"}', b"{}", b"[]"):
        with pytest.raises(BadFrame):
            ACCOUNT.listen_key(bad)


def test_requests_for_orders_and_fills_are_signed() -> None:
    now, day = 1_700_000_000_000, 86_400_000
    cases = [
        (ACCOUNT.open_orders_request("BTCUSDT", now), "/fapi/v1/openOrders", {}),
        (
            ACCOUNT.orders_request("BTCUSDT", now, from_id=7, since=1),
            "/fapi/v1/allOrders",
            {"orderId": "7", "limit": "1000"},
        ),
        (
            ACCOUNT.orders_request("BTCUSDT", now, from_id=None, since=now - day),
            "/fapi/v1/allOrders",
            {"startTime": str(now - day), "limit": "1000"},
        ),
        (ACCOUNT.order_request("BTCUSDT", 7, now), "/fapi/v1/order", {"orderId": "7"}),
        (
            ACCOUNT.fills_request("BTCUSDT", now, from_id=7, since=1),
            "/fapi/v1/userTrades",
            {"fromId": "7", "limit": "1000"},
        ),
        (
            ACCOUNT.fills_request("BTCUSDT", now, from_id=None, since=1),
            "/fapi/v1/userTrades",
            {"startTime": str(now - 6 * day), "limit": "1000"},
        ),
    ]
    for request, path, expected in cases:
        fields = {name: values[0] for name, values in parse_qs(request.query).items()}
        assert len(fields.pop("signature")) == 64
        assert request.path == path
        assert fields == {"symbol": "BTCUSDT", **expected, "recvWindow": "5000", "timestamp": str(now)}


def test_order_rows_are_read_as_a_list_and_alone() -> None:
    row = {
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
    [report] = ACCOUNT.orders(json.dumps(row).encode())
    assert (report.key, report.side, report.status, report.filled) == (
        ("BTCUSDT", 2),
        "buy",
        "partially_filled",
        Decimal("0.4"),
    )
    assert (report.created, report.updated, format(report.price, "f")) == (10, 20, "9.10")
    reports = ACCOUNT.orders(json.dumps([row, {**row, "orderId": 1}]).encode())
    assert [r.order_id for r in reports] == [1, 2]
    for bad in ({**row, "status": "?"}, {**row, "side": "?"}, {**row, "executedQty": "NaN"}):
        with pytest.raises(BadFrame):
            ACCOUNT.orders(json.dumps([bad]).encode())


def test_fill_rows_are_read() -> None:
    row = (
        b'[{"buyer":false,"commission":"0.07819010","commissionAsset":"USDT","id":698759,"maker":false,"orderId":25851813,'
        b'"price":"7819.01","qty":"0.002","quoteQty":"15.63802","realizedPnl":"-0.91539999","side":"SELL",'
        b'"positionSide":"SHORT","symbol":"BTCUSDT","pair":"BTCUSDT","time":1569514978020}]'
    )
    [fill] = ACCOUNT.fills(row)
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


def test_what_the_error_codes_mean() -> None:
    def error(code: int) -> HttpFailure:
        return HttpFailure("GET /x", "", status=400, code=code)

    assert ACCOUNT.key_is_gone(error(-1125))
    assert not ACCOUNT.key_is_gone(error(-1021))
    assert ACCOUNT.clock_is_off(error(-1021))
    assert not ACCOUNT.clock_is_off(error(-1125))


def test_an_account_never_shows_its_secrets() -> None:
    assert "the-key" not in repr(ACCOUNT)
    assert "the-secret" not in repr(ACCOUNT)


def test_the_time_is_read() -> None:
    assert ACCOUNT.time(b'{"serverTime":1499827319559}') == 1499827319559
    assert binance_usdm.REST.startswith("https://")
    assert binance_usdm.WS.startswith("wss://")
