"""OKX's private stream and signed requests, by the samples of its guide and by any bytes."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors import Fill, OrderUpdate, Secret, SecretMissing
from actors._account_source import Credentials, Question
from actors._errors import (
    ActorError,
    BadFrame,
    ClockOff,
    HttpFailure,
    NoSuchOrder,
    RateLimited,
    Unauthorized,
    UnknownOutcome,
)
from actors._source import Acknowledged, Closing, Denied, HttpReply, Ignored, Pong, Refused
from actors.exchanges._okx_account import OkxAccount

from .inquiries import drive
from .test_bybit_account import mangled

SECRET = "chNOOS4KvNXR_Xq4k4c9qsfoKWvnDecLATCRlcBwyKDYnWgO"
CREDENTIALS = Credentials(Secret.literal("the-key"), Secret.literal(SECRET), Secret.literal("the-words"))
MAIN = OkxAccount("main", CREDENTIALS)
SPOT = OkxAccount("main", CREDENTIALS, types=("SPOT",))
DAY = 24 * 3600 * 1000

ORDER = (
    b'{"arg":{"channel":"orders","instType":"SPOT","instId":"BTC-USDT","uid":"614488474791936"},"data":[{"accFillSz":"0.001",'
    b'"algoClOrdId":"","algoId":"","amendResult":"","amendSource":"","avgPx":"31527.1","cancelSource":"","category":'
    b'"normal","ccy":"","clOrdId":"","code":"0","cTime":"1654084334977","execType":"M","fee":"-0.02522168","feeCcy":'
    b'"USDT","fillFee":"-0.02522168","fillFeeCcy":"USDT","fillNotionalUsd":"31.50818374","fillPx":"31527.1","fillSz":'
    b'"0.001","fillPnl":"0.01","fillTime":"1654084353263","fillPxVol":"","fillPxUsd":"","fillMarkVol":"","fillFwdPx":"",'
    b'"fillMarkPx":"","fillIdxPx":"","instId":"BTC-USDT","instType":"SPOT","lever":"0","msg":"","notionalUsd":'
    b'"31.50818374","ordId":"452197707845865472","ordType":"limit","pnl":"0","posSide":"","px":"31527.1","pxUsd":"",'
    b'"pxVol":"","pxType":"","quickMgnType":"","rebate":"0","rebateCcy":"BTC","reduceOnly":"false","reqId":"","side":'
    b'"sell","attachAlgoClOrdId":"","slOrdPx":"","slTriggerPx":"","slTriggerPxType":"last","source":"","state":"filled",'
    b'"stpId":"","stpMode":"","sz":"0.001","tag":"","tdMode":"cash","tgtCcy":"","tpOrdPx":"","tpTriggerPx":"",'
    b'"tpTriggerPxType":"last","attachAlgoOrds":[],"tradeId":"242589207","tradeQuoteCcy":"USDT","lastPx":"38892.2",'
    b'"uTime":"1654084353264","isTpLimit":"false","linkedAlgoOrd":{"algoId":""}}]}'
)
LOGGED_IN = b'{"event":"login","code":"0","msg":"","connId":"a4d3ae55"}'
REFUSED_LOGIN = b'{"event":"error","code":"60009","msg":"Login failed.","connId":"a4d3ae55"}'
SUBSCRIBED = b'{"id":"subscribe","event":"subscribe","arg":{"channel":"orders","instType":"ANY"},"connId":"accb8e21"}'
COUNT = b'{"event":"channel-conn-count","channel":"orders","connCount":"2","connId":"abcd1234"}'
TOO_MANY = b'{"event":"channel-conn-count-error","channel":"orders","connCount":"30","connId":"a4d3ae55"}'
NOTICE = (
    b'{"event":"notice","code":"64008","msg":"The connection will soon be closed for a service upgrade. Please reconnect.",'
    b'"connId":"a4d3ae55"}'
)
FILL = (
    b'{"instType":"SPOT","instId":"BTC-USDT","tradeId":"242589207","ordId":"452197707845865472","clOrdId":"","billId":'
    b'"565656","tag":"","fillPx":"31527.1","fillSz":"0.001","side":"sell","posSide":"net","execType":"M","feeCcy":"USDT",'
    b'"fee":"-0.02522168","ts":"1654084353270","fillTime":"1654084353263"}'
)
ROW: dict[str, Any] = json.loads(ORDER)["data"][0]


def row(**fields: Any) -> bytes:
    return json.dumps(ROW | fields).encode()


def event(**fields: Any) -> bytes:
    message = json.loads(ORDER)
    message["data"] = [ROW | fields]
    return json.dumps(message).encode()


def page(*rows: bytes) -> bytes:
    return b'{"code":"0","msg":"","data":[%b]}' % b",".join(rows)


# The connection ------------------------------------------------------------------------------------------------


def test_logs_in_before_it_subscribes() -> None:
    login, subscription = MAIN.phase(0, 1_538_054_050_999, "", 1), MAIN.phase(1, 0, "", 2)

    assert login is not None and subscription is not None and MAIN.phase(2, 0, "", 3) is None
    assert json.loads(login[0].text) == {
        "op": "login",
        "args": [
            {
                "apiKey": "the-key",
                "passphrase": "the-words",
                "timestamp": "1538054050",
                "sign": "ENpPNQ8mQv8YzDMPhBsB4SrjaKK+FaEh2nozTRW6KU0=",
            }
        ],
    }
    assert json.loads(subscription[0].text)["args"] == [{"channel": "orders", "instType": "ANY"}]
    assert MAIN.door("wss://ws.okx.com:8443", None, "").url == "wss://ws.okx.com:8443/ws/v5/private"
    assert MAIN.decode_many([LOGGED_IN, COUNT, SUBSCRIBED, b"pong"], 1).controls == [
        Acknowledged(login[0].id),
        Ignored("channel-conn-count", known=True),
        Acknowledged(subscription[0].id),
        Pong(),
    ]


def test_neither_a_login_nor_a_signed_request_shows_what_it_is_made_of() -> None:
    login = MAIN.phase(0, 1, "", 1)
    request = MAIN.request(Question("GET", "/api/v5/account/balance"), 1)

    for shown in map(repr, (MAIN, login, request)):
        for secret in ("the-key", "the-words", SECRET, "sign"):
            assert secret not in shown


def test_a_key_without_a_passphrase_is_told_as_a_missing_secret() -> None:
    bare = OkxAccount("main", Credentials(Secret.literal("k"), Secret.literal("s")))

    with pytest.raises(SecretMissing):
        bare.phase(0, 1, "", 1)


@pytest.mark.parametrize("code", ["60005", "60007", "60009", "60024", "60032", "50110", "50111"])
def test_a_login_with_wrong_credentials_parks(code: str) -> None:
    [control] = MAIN.decode_many([REFUSED_LOGIN.replace(b"60009", code.encode())], 1).controls

    assert isinstance(control, Denied) and control.code == int(code)


@pytest.mark.parametrize(("code", "of"), [("60006", "login"), ("63999", "login"), ("60018", "subscribe")])
def test_any_other_error_refuses_what_was_asked(code: str, of: str) -> None:
    [control] = MAIN.decode_many([REFUSED_LOGIN.replace(b"60009", code.encode())], 1).controls

    assert isinstance(control, Refused) and (control.code, control.id) == (int(code), of)


def test_too_many_connections_refuse_the_subscription_after_its_acknowledgement() -> None:
    acknowledged, refused = MAIN.decode_many([SUBSCRIBED, TOO_MANY], 1).controls

    assert isinstance(acknowledged, Acknowledged) and isinstance(refused, Refused)
    assert acknowledged.id == refused.id


def test_the_notice_of_an_upgrade_closes_the_connection_in_time() -> None:
    assert MAIN.decode_many([NOTICE], 1).controls == [Closing("service upgrade")]


# What comes ------------------------------------------------------------------------------------------------------


def test_an_order_comes_with_its_fill_and_its_frame() -> None:
    [update] = MAIN.decode_many([ORDER], 7).items

    assert update == OrderUpdate(
        venue="okx",
        account="main",
        symbol="BTC-USDT",
        order_id=452197707845865472,
        client_id="",
        side="sell",
        type="limit",
        status="filled",
        price=Decimal("31527.1"),
        quantity=Decimal("0.001"),
        filled=Decimal("0.001"),
        fill=Fill(
            symbol="BTC-USDT",
            order_id=452197707845865472,
            id=242589207,
            price=Decimal("31527.1"),
            quantity=Decimal("0.001"),
            side="sell",
            maker=True,
            commission=Decimal("0.02522168"),
            commission_asset="USDT",
            time=1654084353263,
        ),
        time=1654084353264,
        source="stream",
        received=7,
    )
    assert update.raw == ORDER and update.fill.raw == ORDER


def test_only_what_names_a_trade_and_is_no_end_without_one_is_a_fill() -> None:
    live = event(state="live", tradeId="", fillSz="0", accFillSz="0", fillPx="", fillTime="", fillFee="0")
    canceled = event(state="canceled", accFillSz="0.0005", fillSz="0.0005")
    market = event(tradeId="", fillSz="0", ordType="market", px="")

    new, end, filled = MAIN.decode_many([live, canceled, market], 1).items

    assert (new.status, new.fill) == ("new", None)
    assert (end.status, end.fill, end.filled) == ("canceled", None, Decimal("0.0005"))
    assert (filled.status, filled.fill, filled.price) == ("filled", None, Decimal(0))


def test_other_channels_are_ignored() -> None:
    frames = [
        b'{"arg":{"channel":"positions","instType":"ANY"},"data":[]}',
        b'{"arg":{"channel":"novelty"},"data":[{}]}',
    ]

    assert MAIN.decode_many(frames, 1).controls == [Ignored("positions", known=True), Ignored("novelty", known=False)]


def test_an_order_that_cannot_be_read_ends_the_connection_without_a_sample() -> None:
    decoded = MAIN.decode_many([event(state="dissolved")], 1)

    assert decoded.error is not None and decoded.error.sample == ""


SAMPLES = [ORDER, LOGGED_IN, REFUSED_LOGIN, SUBSCRIBED, COUNT, TOO_MANY, NOTICE]


@settings(max_examples=300)
@given(st.lists(mangled(SAMPLES) | st.binary(max_size=40) | st.just(b"pong"), max_size=3))
def test_whatever_the_bytes_reading_raises_nothing_and_an_error_shows_nothing_of_them(frames: list[bytes]) -> None:
    decoded = MAIN.decode_many(frames, 1)

    if decoded.error is not None:
        assert decoded.error.sample == ""


# REST ------------------------------------------------------------------------------------------------------------


def test_requests_are_signed_in_their_headers_as_in_the_worked_example() -> None:
    request = MAIN.request(Question("GET", "/api/v5/account/balance"), 1_607_418_537_715)

    assert dict(request.headers) == {
        "OK-ACCESS-KEY": "the-key",
        "OK-ACCESS-SIGN": "PJ61e1nb2F2Qd7D8SPiaIcx2gjdELc+o0ygzre9z33k=",
        "OK-ACCESS-TIMESTAMP": "2020-12-08T09:08:57.715Z",
        "OK-ACCESS-PASSPHRASE": "the-words",
    }
    assert MAIN.request(MAIN.time_question(), 1).headers == ()
    demo = OkxAccount("main", CREDENTIALS, demo=True).request(MAIN.time_question(), 1)
    assert demo.headers == (("x-simulated-trading", "1"),)


def test_pages_of_orders_go_back_from_the_last_id() -> None:
    many = [row(ordId=str(1000 - number)) for number in range(150)]

    def answer(question: Question) -> bytes:
        after = int(dict(question.parameters).get("after", 2000))
        return page(*[one for one in many if int(json.loads(one)["ordId"]) < after][:100])

    found, asked = drive(MAIN.open_orders("BTC-USDT"), answer)

    assert [report.order_id for report in found] == [1000 - number for number in range(150)]
    assert [dict(question.parameters).get("after") for question in asked] == [None, 901]
    assert found[0].raw == many[0]


def test_pages_of_fills_go_back_by_bill_and_come_out_as_they_happened() -> None:
    many = [
        FILL.replace(b"565656", str(5000 - number).encode()).replace(b"242589207", str(900 - number).encode())
        for number in range(120)
    ]

    def answer(question: Question) -> bytes:
        after = int(dict(question.parameters).get("after", 9000))
        return page(*[one for one in many if int(json.loads(one)["billId"]) < after][:100])

    fills, asked = drive(MAIN.fills(None, 1_000, 2_000), answer)

    assert [fill.id for fill in fills] == list(range(781, 901))
    assert [dict(question.parameters).get("after") for question in asked] == [None, 4901]
    assert fills[0].commission == Decimal("0.02522168")


def test_old_fills_and_orders_are_asked_for_in_the_archives_by_kind_and_counted_once() -> None:
    now = 1_700_000_000_000

    fills, of_fills = drive(SPOT.fills(None, now - 10 * DAY, now), lambda _: page(FILL))
    _, of_orders = drive(SPOT.orders(None, now - 10 * DAY, now), lambda _: page())
    _, lately = drive(SPOT.fills(None, now - 2 * DAY, now), lambda _: page())

    assert len(fills) == 1
    assert [question.path for question in of_fills] == ["/api/v5/trade/fills-history", "/api/v5/trade/fills"]
    old, new = (dict(question.parameters) for question in of_fills)
    # What is in neither would be lost.
    assert old["instType"] == "SPOT" and int(old["end"]) > now - 3 * DAY > int(new["begin"])
    assert [question.path for question in of_orders] == [
        "/api/v5/trade/orders-history-archive",
        "/api/v5/trade/orders-history",
    ]
    assert [question.path for question in lately] == ["/api/v5/trade/fills"]


@pytest.mark.parametrize(
    ("symbol", "kinds"),
    [
        ("BTC-USDT", ["SPOT", "MARGIN"]),
        ("BTC-USDT-SWAP", ["SWAP"]),
        ("BTC-USD-261030", ["FUTURES"]),
        (None, ["SPOT", "MARGIN", "SWAP", "FUTURES"]),
    ],
)
def test_the_kind_of_an_instrument_follows_from_its_name(symbol: str | None, kinds: list[str]) -> None:
    _, asked = drive(MAIN.orders(symbol, 1_000, 2_000), lambda _: page())

    assert [dict(question.parameters)["instType"] for question in asked] == kinds


def test_an_order_may_be_unknown() -> None:
    def no(_: Question) -> bytes | ActorError:
        return NoSuchOrder("GET /api/v5/trade/order", "Order does not exist", code=51603)

    known, _ = drive(MAIN.one_order("BTC-USDT", 452197707845865472), lambda _: page(row()))
    unknown, _ = drive(MAIN.one_order("BTC-USDT", 1), no)

    assert known is not None and known.status == "filled"
    assert unknown is None


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"data":{}}', page(b"{}"), page(b'{"instId":1}')])
def test_an_answer_that_is_none_is_a_bad_frame(body: bytes) -> None:
    with pytest.raises(BadFrame) as caught:
        drive(MAIN.open_orders(None), lambda _: body)

    assert caught.value.sample == ""


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (401, 50102, ClockOff),
        (401, 50113, Unauthorized),
        (401, 50111, Unauthorized),
        (401, 50105, Unauthorized),
        (401, 50110, Unauthorized),
        (200, 50119, Unauthorized),
        (429, 50011, RateLimited),
        (200, 50011, RateLimited),
        (200, 50004, UnknownOutcome),
        (503, 50001, UnknownOutcome),
        (200, 51603, NoSuchOrder),
        (400, 51000, HttpFailure),
    ],
)
def test_error_codes_have_their_meaning(status: int, code: int, kind: type) -> None:
    request = MAIN.request(Question("GET", "/api/v5/trade/order"), 1)
    body = json.dumps({"code": str(code), "msg": "no", "data": []}).encode()

    assert type(MAIN.failure(request, HttpReply(status, {}, body))) is kind


def test_what_a_key_may_do_is_read() -> None:
    def body(**fields: str) -> bytes:
        return json.dumps({"code": "0", "data": [fields]}).encode()

    trader = MAIN.permissions(body(perm="read_only,withdraw,trade", ip=""))
    reader = MAIN.permissions(body(perm="read_only", ip="10.0.0.1,10.0.0.2"))
    silent = MAIN.permissions(body())

    assert (trader.reads, trader.trades, trader.withdraws, trader.bound_to_addresses) == (True, True, True, False)
    assert (reader.trades, reader.withdraws, reader.bound_to_addresses) == (False, False, True)
    assert (silent.trades, silent.bound_to_addresses) == (None, None)


def test_an_unknown_kind_of_instrument_is_an_error() -> None:
    with pytest.raises(ValueError, match="types must be of"):
        OkxAccount("main", CREDENTIALS, types=("OPTION",))
