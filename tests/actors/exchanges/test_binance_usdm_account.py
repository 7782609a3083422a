"""Binance USD-M: the private stream of an account, its signed requests, and what it asks for."""

import json
from decimal import Decimal
from typing import Any, TypeVar
from urllib.parse import parse_qs

import pytest

from actors._account_source import Inquiry, Question
from actors._errors import BadFrame, NoSuchOrder
from actors._records import OrderUpdate
from actors._source import Ignored, Terminated
from actors.exchanges import binance_usdm

from .binance_usdm_account import ACCOUNT, ORDER, order

T = TypeVar("T")


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
