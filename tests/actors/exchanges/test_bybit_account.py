"""Bybit's private stream and signed requests, by the samples of its documentation and by any bytes."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from actors import Fill, OrderUpdate, Secret, SecretMissing
from actors._account_source import Credentials, Question
from actors._errors import BadFrame, ClockOff, HttpFailure, NoSuchOrder, RateLimited, Unauthorized, UnknownOutcome
from actors._signing import verify
from actors._source import Acknowledged, Denied, HttpReply, Ignored, Pong, Refused
from actors.exchanges._bybit_account import LOGIN_VALID, BybitAccount

from .inquiries import drive

CREDENTIALS = Credentials(Secret.literal("test_api_key"), Secret.literal("test_secret"))
SPOT = BybitAccount("main", CREDENTIALS)
LINEAR = BybitAccount("main", CREDENTIALS, category="linear")
DAY = 24 * 3600 * 1000

EXECUTION = (
    b'{"topic":"execution","id":"386825804_BTCUSDT_140612148849382","creationTime":1746270400355,"data":[{"category":"linear",'
    b'"symbol":"BTCUSDT","closedSize":"0.5","execFee":"26.3725275","execId":"0ab1bdf7-4219-438b-b30a-32ec863018f7",'
    b'"execPrice":"95900.1","execQty":"0.5","execType":"Trade","execValue":"47950.05","feeRate":"0.00055","tradeIv":"",'
    b'"markIv":"","blockTradeId":"","markPrice":"95901.48","indexPrice":"","underlyingPrice":"","leavesQty":"0",'
    b'"orderId":"9aac161b-8ed6-450d-9cab-c5cc67c21784","orderLinkId":"","orderPrice":"94942.5","orderQty":"0.5",'
    b'"orderType":"Market","stopOrderType":"UNKNOWN","side":"Sell","execTime":"1746270400353","isLeverage":"0",'
    b'"isMaker":false,"seq":140612148849382,"marketUnit":"","execPnl":"0.05","createType":"CreateByUser",'
    b'"extraFees":[{"feeCoin":"USDT","feeType":"GST","subFeeType":"IND_GST","feeRate":"0.0000675","fee":"0.006403779"}],'
    b'"feeCurrency":"USDT"}]}'
)
ORDER = (
    b'{"id":"5923240c6880ab-c59f-420b-9adb-3639adc9dd90","topic":"order","creationTime":1672364262474,"data":[{"symbol":'
    b'"ETHUSDT","orderId":"5cf98598-39a7-459e-97bf-76ca765ee020","side":"Sell","orderType":"Market","cancelType":"UNKNOWN",'
    b'"price":"72.5","qty":"1","timeInForce":"IOC","orderStatus":"Filled","orderLinkId":"","leavesQty":"","cumExecQty":"1",'
    b'"cumExecValue":"75","avgPrice":"75","positionIdx":0,"cumExecFee":"0.358635","createdTime":"1672364262444",'
    b'"updatedTime":"1672364262457","rejectReason":"EC_NoError","category":"linear"}]}'
)
ROW = (
    b'{"orderId":"fd4300ae-7847-404e-b947-b46980a4d140","orderLinkId":"test-000005","blockTradeId":"","symbol":"ETHUSDT",'
    b'"price":"1600.00","qty":"0.10","side":"Buy","isLeverage":"","positionIdx":1,"orderStatus":"New","cancelType":'
    b'"UNKNOWN","rejectReason":"EC_NoError","avgPrice":"0","leavesQty":"0.10","leavesValue":"160","cumExecQty":"0.00",'
    b'"cumExecValue":"0","cumExecFee":"0","timeInForce":"GTC","orderType":"Limit","createdTime":"1684738540559",'
    b'"updatedTime":"1684738540561"}'
)
LOGGED_IN = b'{"success":true,"ret_msg":"","op":"auth","conn_id":"cejreaspqfh3sjdnldmg-p"}'
SUBSCRIBED = b'{"success":true,"ret_msg":"","op":"subscribe","conn_id":"cejreassvfrsfvb9v1a0-2m"}'
PONG = b'{"req_id":"test","op":"pong","args":["1675418560633"],"conn_id":"cfcb4ocsvfriu23r3er0-1b"}'
FAST = (
    b'{"topic":"execution.fast","creationTime":1716800399338,"data":[{"category":"linear","symbol":"ICPUSDT","execId":'
    b'"3510f361-0add-5c7b-a2e7-9679810944fc","execPrice":"12.015","execQty":"3000","orderId":'
    b'"443d63fa-b4c3-4297-b7b1-23bca88b04dc","isMaker":false,"orderLinkId":"test-00001","side":"Sell","execTime":'
    b'"1716800399334","seq":34771365464}]}'
)


def page(*rows: bytes, cursor: str = "") -> bytes:
    return b'{"retCode":0,"retMsg":"OK","result":{"category":"linear","list":[%b],"nextPageCursor":"%b"},"time":1}' % (
        b",".join(rows),
        cursor.encode(),
    )


def changed(sample: bytes, **fields: Any) -> bytes:
    return json.dumps(json.loads(sample) | fields).encode()


# The connection ------------------------------------------------------------------------------------------------


def test_logs_in_before_it_subscribes_both_topics_of_its_category() -> None:
    login, subscription = LINEAR.phase(0, 1_700_000_000_000 - LOGIN_VALID, "", 1), LINEAR.phase(1, 0, "", 2)

    assert login is not None and subscription is not None and LINEAR.phase(2, 0, "", 3) is None
    assert json.loads(login[0].text) == {
        "req_id": login[0].id,
        "op": "auth",
        "args": [
            "test_api_key",
            1_700_000_000_000,
            "bacffe7500499eb829bb58c45d36d1b3e5ac67c14eaeba91df5e99ccee013925",
        ],
    }
    assert json.loads(subscription[0].text)["args"] == ["order.linear", "execution.linear"]
    assert LINEAR.door("wss://stream.bybit.com", None, "").url == "wss://stream.bybit.com/v5/private"
    # Answers without an id are those to these two.
    answers = LINEAR.decode_many([LOGGED_IN, SUBSCRIBED, PONG], 1).controls
    assert answers == [Acknowledged(login[0].id), Acknowledged(subscription[0].id), Pong()]


def test_neither_a_login_nor_a_signed_request_shows_what_it_is_made_of() -> None:
    login = SPOT.phase(0, 1, "", 1)
    request = SPOT.request(Question("GET", "/v5/order/realtime", (("category", "spot"),)), 1)

    for shown in map(repr, (SPOT, login, request)):
        assert "test_api_key" not in shown
        assert "test_secret" not in shown
        assert "sign" not in shown.lower()


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("API key is invalid.", Denied),
        ("Your api key has expired.", Denied),
        ("error sign! origin_string[GET/realtime1]", Denied),
        ("Unmatched IP, please check your API key's bound IP addresses.", Denied),
        ("Request expired: expires is in the past", Refused),
        ("Internal error, please try again later", Refused),
        ("Too many connections", Refused),
    ],
)
def test_a_refused_login_parks_unless_the_next_one_may_be_taken(reason: str, kind: type) -> None:
    frame = json.dumps({"success": False, "ret_msg": reason, "op": "auth", "conn_id": "x"}).encode()

    [control] = SPOT.decode_many([frame], 1).controls

    assert isinstance(control, kind)


def test_a_refused_subscription_is_refused_and_a_second_one_is_harmless() -> None:
    frames = [
        b'{"success":false,"ret_msg":"error:handler not found,topic:order.spot","conn_id":"d","req_id":"subscribe","op":"subscribe"}',
        b'{"success":false,"ret_msg":"error:already subscribed,topic:order.spot","conn_id":"d","op":"subscribe"}',
    ]

    first, second = SPOT.decode_many(frames, 1).controls

    assert isinstance(first, Refused) and first.id == "subscribe" and not first.harmless
    assert isinstance(second, Refused) and second.harmless


# What comes ------------------------------------------------------------------------------------------------------


def test_orders_and_executions_come_apart_each_with_its_frame() -> None:
    decoded = LINEAR.decode_many([EXECUTION, ORDER], 7)

    fill, order = decoded.items
    assert decoded.error is None
    assert fill == Fill(
        symbol="BTCUSDT",
        order_id="9aac161b-8ed6-450d-9cab-c5cc67c21784",
        id="0ab1bdf7-4219-438b-b30a-32ec863018f7",
        price=Decimal("95900.1"),
        quantity=Decimal("0.5"),
        side="sell",
        maker=False,
        commission=Decimal("26.3725275"),
        commission_asset="USDT",
        time=1746270400353,
    )
    assert isinstance(order, OrderUpdate)
    assert (order.order_id, order.status, order.filled) == (
        "5cf98598-39a7-459e-97bf-76ca765ee020",
        "filled",
        Decimal(1),
    )
    assert (order.time, order.received, order.fill) == (1672364262457, 7, None)
    assert (fill.raw, order.raw) == (EXECUTION, ORDER)


def test_what_is_of_another_category_or_no_fill_is_left_out() -> None:
    funding = EXECUTION.replace(b'"Trade"', b'"Funding"')

    assert SPOT.decode_many([EXECUTION, ORDER], 1).items == []
    assert LINEAR.decode_many([funding], 1).items == []


def test_the_fast_executions_are_not_taken_for_fills() -> None:
    assert LINEAR.decode_many([FAST], 1).controls == [Ignored("fast executions", known=True)]


def test_a_topic_that_is_not_used_is_ignored() -> None:
    frames = [b'{"topic":"wallet","data":[]}', b'{"topic":"novelty","data":[]}']

    assert SPOT.decode_many(frames, 1).controls == [Ignored("wallet", known=True), Ignored("novelty", known=False)]


SAMPLES = [EXECUTION, ORDER, LOGGED_IN, SUBSCRIBED, PONG, FAST]
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
scalars |= st.sampled_from(["NaN", "1e9999999999999", "-0", "9" * 5000, " 1", ""])


@st.composite
def mangled(draw: st.DrawFn, samples: list[bytes]) -> bytes:
    """A sample in which a value was replaced, or bytes were cut out."""
    sample = draw(st.sampled_from(samples))
    if draw(st.booleans()) or not sample.startswith(b"{"):
        start = draw(st.integers(0, len(sample)))
        return sample[:start] + draw(st.binary(max_size=4)) + sample[draw(st.integers(start, len(sample))) :]
    message = json.loads(sample)
    inner = message["data"][0] if message.get("data") and draw(st.booleans()) else message
    inner[draw(st.sampled_from(sorted(inner)))] = draw(scalars)
    return json.dumps(message).encode()


@settings(max_examples=300)
@given(st.lists(mangled(SAMPLES) | st.binary(max_size=40), max_size=3))
def test_whatever_the_bytes_reading_raises_nothing_and_an_error_shows_nothing_of_them(frames: list[bytes]) -> None:
    decoded = LINEAR.decode_many(frames, 1)

    if decoded.error is not None:
        assert decoded.error.sample == ""


# REST ------------------------------------------------------------------------------------------------------------


def test_requests_are_signed_in_their_headers_as_in_the_worked_examples() -> None:
    query = Question("GET", "/v5/order/realtime", (("category", "linear"), ("symbol", "BTCUSDT")))
    content = b'{"category": "linear", "symbol": "BTCUSDT", "orderLinkId": "test-order-1"}'

    get = dict(SPOT.request(query, 1_700_000_000_000).headers)
    post = SPOT.request(Question("POST", "/v5/order/create", content=content), 1_700_000_000_000)

    assert get == {
        "X-BAPI-API-KEY": "test_api_key",
        "X-BAPI-TIMESTAMP": "1700000000000",
        "X-BAPI-RECV-WINDOW": "5000",
        "X-BAPI-SIGN": "fd4f31228a46109dc6673062328693696df9a96c7ff04e6491a45e7f63a0fdd7",
    }
    assert dict(post.headers)["X-BAPI-SIGN"] == "2df4a0603d69c08d5dea29ba85b46eb7db64ce9e9ebd34a7802a3d69700cb2a1"
    assert post.content == content
    assert SPOT.request(SPOT.time_question(), 1).headers == ()


def test_rsa_keys_sign_too() -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form = serialization.PrivateFormat.PKCS8
    pem = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()
    account = BybitAccount("main", Credentials(Secret.literal("k"), Secret.literal(pem)))

    headers = dict(account.request(Question("GET", "/v5/user/query-api"), 12).headers)
    login = account.phase(0, 0, "", 1)

    assert verify(pem, "12k5000", headers["X-BAPI-SIGN"])
    assert login is not None and verify(pem, f"GET/realtime{LOGIN_VALID}", json.loads(login[0].text)["args"][2])


def test_a_secret_that_is_missing_is_told_as_that() -> None:
    account = BybitAccount("main", Credentials(Secret.literal("k"), Secret.env("NO_SUCH_SECRET")))

    with pytest.raises(SecretMissing):
        account.phase(0, 0, "", 1)


def test_a_cursor_leads_from_page_to_page_and_goes_as_it_came() -> None:
    cursor = "page_args%3Dfd4300ae%26symbol%3D6%26"
    pages = iter([page(ROW, cursor=cursor), page(changed(ROW, orderId="b"), cursor=cursor)])

    found, asked = drive(SPOT.open_orders("ETHUSDT"), lambda _: next(pages))

    assert [report.order_id for report in found] == ["fd4300ae-7847-404e-b947-b46980a4d140", "b"]
    assert found[0].raw == ROW
    assert len(asked) == 2
    assert SPOT.request(asked[1], 1).query.endswith(f"cursor={cursor}")


def test_open_orders_of_all_linear_contracts_are_asked_for_by_coin_of_settlement() -> None:
    found, asked = drive(LINEAR.open_orders(None), lambda _: page())

    assert found == []
    assert [dict(question.parameters).get("settleCoin") for question in asked] == ["USDT", "USDC"]


def test_what_reaches_over_more_than_a_week_is_asked_for_week_by_week() -> None:
    now = 1_700_000_000_000

    _, of_orders = drive(SPOT.orders(None, now - 16 * DAY, now), lambda _: page())
    _, of_fills = drive(SPOT.fills(None, now - 16 * DAY, now), lambda _: page())

    windows = [dict(question.parameters) for question in of_orders if question.path == "/v5/order/history"]
    assert [(window["startTime"], window["endTime"]) for window in windows] == [
        (now - 16 * DAY, now - 9 * DAY),
        (now - 9 * DAY, now - 2 * DAY),
        (now - 2 * DAY, now),
    ]
    fills = [dict(question.parameters) for question in of_fills]
    assert [window["startTime"] for window in fills] == [now - 16 * DAY, now - 9 * DAY, now - 2 * DAY]
    assert "endTime" not in fills[-1]


def test_closed_orders_are_asked_for_in_real_time_no_further_back_than_needed() -> None:
    def answer(question: Question) -> bytes:
        if question.path == "/v5/order/history":
            return page()
        return page(changed(ROW, orderStatus="Cancelled", createdTime="99"), cursor="more")

    found, asked = drive(SPOT.orders("ETHUSDT", 100, 200), answer)

    assert [report.status for report in found] == ["canceled"]
    assert [question.path for question in asked] == ["/v5/order/history", "/v5/order/realtime"]


def test_one_order_is_looked_for_in_the_history_too_and_may_be_unknown() -> None:
    filled = changed(ROW, orderStatus="Filled")

    found, asked = drive(
        SPOT.one_order("ETHUSDT", "fd4300ae-7847-404e-b947-b46980a4d140"),
        lambda question: page() if question.path == "/v5/order/realtime" else page(filled),
    )
    unknown, _ = drive(SPOT.one_order("ETHUSDT", "x"), lambda _: page())

    assert found is not None and found.status == "filled" and len(asked) == 2
    assert unknown is None


def test_fills_come_in_the_order_in_which_they_happened() -> None:
    row = json.loads(EXECUTION)["data"][0]
    first = json.dumps(row | {"execId": "a", "leavesQty": "2", "execTime": "5", "seq": 1}).encode()
    second = json.dumps(row | {"execId": "b", "leavesQty": "1", "execTime": "5", "seq": 1}).encode()
    later = json.dumps(row | {"execId": "c", "leavesQty": "3", "execTime": "6", "seq": 1}).encode()
    funding = json.dumps(row | {"execId": "d", "execType": "Funding", "orderId": ""}).encode()

    fills, _ = drive(LINEAR.fills(None, 1, 10), lambda _: page(later, funding, second, first))

    assert [fill.id for fill in fills] == ["a", "b", "c"]


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"result":{}}', page(b"{}"), page(b'{"symbol":1}')])
def test_an_answer_that_is_none_is_a_bad_frame(body: bytes) -> None:
    with pytest.raises(BadFrame) as caught:
        drive(SPOT.open_orders(None), lambda _: body)

    assert caught.value.sample == ""


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (200, 10002, ClockOff),
        (200, -1, ClockOff),
        (200, 10003, Unauthorized),
        (200, 10004, Unauthorized),
        (200, 10010, Unauthorized),
        (200, 33004, Unauthorized),
        (200, 10006, RateLimited),
        (403, 0, RateLimited),
        (200, 10016, UnknownOutcome),
        (502, 0, UnknownOutcome),
        (200, 110001, NoSuchOrder),
        (200, 10001, HttpFailure),
    ],
)
def test_error_codes_have_their_meaning(status: int, code: int, kind: type) -> None:
    request = SPOT.request(Question("GET", "/v5/order/realtime"), 1)
    body = json.dumps({"retCode": code, "retMsg": "no"}).encode()

    assert type(SPOT.failure(request, HttpReply(status, {}, body))) is kind


def test_what_a_key_may_do_is_read() -> None:
    def body(**fields: Any) -> bytes:
        key: dict[str, Any] = {"readOnly": 0, "permissions": {"Spot": ["SpotTrade"], "Wallet": ["Withdraw"]}}
        return json.dumps(
            {"retCode": 0, "result": key | {"ips": ["*"], "expiredAt": "2023-05-15T03:13:24Z"} | fields}
        ).encode()

    free, bound = SPOT.permissions(body()), LINEAR.permissions(body(readOnly=1, ips=["10.0.0.1"]))

    assert (free.trades, free.withdraws, free.bound_to_addresses, free.expires) == (True, True, False, 1684120404000)
    assert (bound.trades, bound.withdraws, bound.bound_to_addresses, bound.expires) == (False, False, True, None)
    assert LINEAR.permissions(body()).trades is False


def test_the_venues_time_is_read_in_milliseconds() -> None:
    assert (
        SPOT.time(b'{"retCode":0,"result":{"timeSecond":"1688639403","timeNano":"1688639403423213947"}}')
        == 1688639403423
    )
