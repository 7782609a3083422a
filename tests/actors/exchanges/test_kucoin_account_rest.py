"""KuCoin spot: the signed requests of an account, what it asks for, and the simulated exchange's answers."""

import json
from decimal import Decimal
from typing import Any

import attrs
import pytest

from actors._account_source import Credentials, KeyReport, Question
from actors._errors import (
    BadFrame,
    ClockOff,
    HttpFailure,
    NoSuchOrder,
    RateLimited,
    SecretMissing,
    Unauthorized,
    UnknownOutcome,
)
from actors._records import Fill
from actors._secret import Secret
from actors._source import HttpReply
from actors.exchanges._inquiries import DAY
from actors.exchanges.kucoin import KucoinAccount
from actors.simulator import Exchange, Rules

from .inquiries import answered, asked, found
from .kucoin_account import ACCOUNT, API_KEY, CREDENTIALS, FILL, NOW, ORDER, page, reply, row


def test_the_signature_is_over_time_method_path_query_and_body() -> None:
    credentials = Credentials(Secret.literal("k"), Secret.literal("testSecretKey"), Secret.literal("testPassphrase"))
    question = ACCOUNT.door_question()
    assert question is not None
    request = KucoinAccount("main", credentials).request(question, 1000000)
    headers = dict(request.headers)
    assert headers == {
        "KC-API-KEY": "k",
        "KC-API-SIGN": "fxtXmya3tsMgLdPkYv4okhvUP0ji6oENC1432UB/G9k=",
        "KC-API-TIMESTAMP": "1000000",
        "KC-API-PASSPHRASE": "xehUYLvk352f1MFa4K1rY0qecEpYipPd35wjr8c8PpE=",
        "KC-API-KEY-VERSION": "3",
        "Content-Type": "application/json",
    }
    assert "fxtX" not in repr(request)


def test_what_is_public_is_not_signed_and_needs_no_credentials() -> None:
    nobody = KucoinAccount("main", Credentials(Secret.env("NOT_SET_1"), Secret.env("NOT_SET_2")))
    assert nobody.request(nobody.time_question(), NOW).headers == ()
    assert nobody.time(b'{"code":"200000","data":1729100692873}') == 1729100692873


def test_without_a_passphrase_nothing_is_signed() -> None:
    account = KucoinAccount("main", attrs.evolve(CREDENTIALS, passphrase=None))
    with pytest.raises(SecretMissing, match="passphrase"):
        account.request(Question("GET", "/x"), NOW)


@pytest.mark.parametrize(
    ("status", "code", "message", "expected"),
    [
        (401, "400001", "Please check the header", Unauthorized),
        (401, "400002", "Invalid KC-API-TIMESTAMP", ClockOff),
        (401, "400003", "KC-API-KEY not exists", Unauthorized),
        (401, "400004", "Invalid KC-API-PASSPHRASE", Unauthorized),
        (401, "400005", "Invalid KC-API-SIGN", Unauthorized),
        (401, "400006", "Invalid request IP", Unauthorized),
        (403, "400007", "Access denied, requires more permission", Unauthorized),
        (200, "411100", "User are frozen", Unauthorized),
        (429, "429000", "Too many requests", RateLimited),
        (500, "500000", "Internal Server Error", UnknownOutcome),
        (200, "408000", "Network timeout", UnknownOutcome),
        (200, "400100", "order not exist", HttpFailure),
        (200, "100001", "error.getOrder.orderNotExist", HttpFailure),
    ],
)
def test_errors_have_types(status: int, code: str, message: str, expected: type[HttpFailure]) -> None:
    body = json.dumps({"code": code, "msg": message}).encode()
    request = ACCOUNT.request(Question("GET", "/api/v1/hf/fills", (("symbol", "X-Y"),)), NOW)
    failure = ACCOUNT.failure(request, HttpReply(status, {}, body))
    assert type(failure) is expected
    assert failure is not None
    assert failure.code == int(code)


@pytest.mark.parametrize(
    "body",
    [
        b'{"code":"200000","data":null}',
        b'{"code":"100001","msg":"error.getOrder.orderNotExist"}',
        b'{"code":"400100","msg":"order not exist"}',
    ],
)
def test_an_order_that_is_unknown_is_an_answer(body: bytes) -> None:
    inquiry = ACCOUNT.one_order("BTC-USDT", "6717422bd51c29000775ea03")
    request = ACCOUNT.request(next(inquiry), NOW)
    failure = ACCOUNT.failure(request, HttpReply(200, {}, body))
    assert isinstance(failure, NoSuchOrder)
    with pytest.raises(StopIteration) as end:
        inquiry.throw(failure)
    assert end.value.value is None


def test_no_open_orders_are_told_in_two_ways() -> None:
    for path in ("/api/v1/hf/orders/active", "/api/v1/hf/orders/active/symbols"):
        request = ACCOUNT.request(Question("GET", path), NOW)
        assert ACCOUNT.failure(request, HttpReply(200, {}, b'{"code":"200000","data":null}')) is None
    assert answered(ACCOUNT.open_orders("BTC-USDT"), [b'{"code":"200000","data":null}']) == []
    assert answered(ACCOUNT.open_orders(None), [reply({"symbols": []})]) == []
    # Elsewhere an answer with nothing in it is none.
    request = ACCOUNT.request(Question("POST", "/api/v1/bullet-private"), NOW)
    assert ACCOUNT.failure(request, HttpReply(200, {}, b'{"code":"200000","data":null}')) is not None


def test_the_official_order_and_fill_of_rest() -> None:
    report = answered(ACCOUNT.one_order("BTC-USDT", "6717422bd51c29000775ea03"), [reply(row(ORDER))])
    assert report is not None
    assert (report.key, report.status) == (("BTC-USDT", "6717422bd51c29000775ea03"), "filled")
    assert (report.filled, report.quantity, report.price) == (Decimal("0.00001"), Decimal("0.00001"), Decimal(70000))
    assert (report.created, report.updated) == (1729577515444, 1729577515481)
    assert json.loads(report.raw or b"") == row(ORDER)
    [fill] = answered(ACCOUNT.fills("BTC-USDT", NOW - 1000, NOW), [page(row(FILL))])
    assert fill == Fill(
        symbol="BTC-USDT",
        order_id="6717422bd51c29000775ea03",
        id=11029373945659392,
        price=Decimal("67717.6"),
        quantity=Decimal("0.00001"),
        side="buy",
        maker=False,
        commission=Decimal("0.000677176"),
        commission_asset="USDT",
        time=1729577515473,
    )


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"active": True, "dealSize": "0"}, "new"),
        ({"active": True, "dealSize": "0.000004"}, "partially_filled"),
        ({"cancelExist": True, "dealSize": "0.000004"}, "canceled"),
        # Part of it was taken back, and the rest filled.
        ({"dealSize": "0.000004"}, "canceled"),
        # A cancellation that came too late.
        ({"cancelExist": True}, "filled"),
        ({"size": "0", "dealSize": "0.00001"}, "filled"),
        ({"size": None, "dealSize": "0.00001", "cancelExist": True}, "canceled"),
    ],
)
def test_what_rest_says_of_an_order(fields: dict[str, object], status: str) -> None:
    report = answered(ACCOUNT.one_order("BTC-USDT", "x"), [reply(row(ORDER, **fields))])
    assert report is not None
    assert report.status == status


@pytest.mark.parametrize("fields", [{"side": "long"}, {"dealSize": "much"}, {"createdAt": None}, {"active": None}])
def test_a_row_that_is_none_is_a_bad_frame_that_shows_nothing(fields: dict[str, object]) -> None:
    with pytest.raises(BadFrame) as caught:
        answered(ACCOUNT.one_order("BTC-USDT", "x"), [reply(row(ORDER, **fields))])
    assert "5c52" not in str(caught.value)


def test_pages_are_followed_to_their_end_and_a_row_on_two_of_them_is_one() -> None:
    rows = [row(FILL, id=900 - i, tradeId=900 - i, createdAt=NOW - i) for i in range(150)]
    inquiry = ACCOUNT.fills("BTC-USDT", NOW - 1000, NOW)
    first = next(inquiry)
    assert dict(first.parameters) == {"symbol": "BTC-USDT", "startAt": NOW - 1000, "limit": 100}
    second = inquiry.send(page(*rows[:100], last_id=801))
    assert dict(second.parameters) == {"symbol": "BTC-USDT", "startAt": NOW - 1000, "limit": 100, "lastId": 801}
    with pytest.raises(StopIteration) as end:
        # The venue's last row may come again.
        inquiry.send(page(*rows[99:150], last_id=751))
    assert [fill.id for fill in end.value.value] == list(range(751, 901))


def test_full_pages_that_lead_nowhere_are_a_bad_frame() -> None:
    full = page(*[row(FILL, tradeId=i) for i in range(100)], last_id=5)
    with pytest.raises(BadFrame, match="next"):
        answered(ACCOUNT.fills("BTC-USDT", NOW - 1000, NOW), [full, full])


def test_a_long_time_is_asked_for_day_by_day_and_not_longer_than_the_venue_remembers() -> None:
    def starts(inquiry: Any, skip: int) -> list[tuple[int, int | None]]:
        asked_for = []
        question = next(inquiry)
        try:
            for _ in range(skip):
                question = inquiry.send(reply([]))
            while True:
                parameters = dict(question.parameters)
                asked_for.append((parameters["startAt"], parameters.get("endAt")))
                question = inquiry.send(page())
        except StopIteration:
            return asked_for

    done = starts(ACCOUNT.orders("BTC-USDT", 0, NOW), 1)
    fills = starts(ACCOUNT.fills("BTC-USDT", 0, NOW), 0)
    for windows, days in ((done, 3), (fills, 7)):
        assert len(windows) == days
        assert NOW - days * DAY <= windows[0][0] <= NOW - days * DAY + 120_000
        assert [end for _, end in windows[:-1]] == [start for start, _ in windows[1:]]
        # What happens while we ask is in the last one.
        assert windows[-1][1] is None
        assert NOW - windows[-1][0] <= DAY


def test_lists_are_by_symbol() -> None:
    for inquiry in (ACCOUNT.orders(None, 0, NOW), ACCOUNT.fills(None, 0, NOW)):
        with pytest.raises(ValueError, match="one symbol"):
            next(inquiry)


def test_what_the_key_may_do() -> None:
    assert ACCOUNT.permissions(API_KEY) == KeyReport(
        reads=True, trades=True, withdraws=True, bound_to_addresses=True, expires=None
    )
    reader = reply({"permission": "General", "ipWhitelist": ""})
    assert ACCOUNT.permissions(reader) == KeyReport(reads=True, trades=False, withdraws=False, bound_to_addresses=False)
    assert ACCOUNT.permissions(reply({})) == KeyReport()


# Against the simulator -----------------------------------------------------------------------------------------


def exchange_with_orders(**options: Any) -> Exchange:
    return Exchange(
        symbols={"kucoin": ["BTC-USDT", "ETH-USDT"]},
        keys={"demo-key": "demo-secret"},
        trades_per_second=0,
        **options,
    )


async def test_the_exchange_says_of_an_account_what_is_true(autojump_clock: object) -> None:
    exchange = exchange_with_orders()
    began = exchange.clock.ms()
    numbers = [
        exchange.place_order("demo-key", symbol, "buy", "1", "100", venue="kucoin").order_id
        for symbol in ["BTC-USDT"] * 230 + ["ETH-USDT"]
    ]
    for number in numbers[:225]:
        exchange.fill_order("demo-key", number, "0.5", venue="kucoin")
    for number in numbers[:150]:
        exchange.fill_order("demo-key", number, venue="kucoin")
    for number in numbers[150:220]:
        exchange.cancel_order("demo-key", number, venue="kucoin")
    true = exchange.spelled("kucoin", "demo-key")
    now = exchange.clock.ms()

    seen: list[Question] = []
    orders = found(exchange, ACCOUNT, ACCOUNT.orders("BTC-USDT", began, now), seen)
    assert [question.path for question in seen].count("/api/v1/hf/orders/done") == 3
    truth = {order.order_id: (order.status, order.filled) for order in true.orders}
    assert {order.order_id: (order.status, order.filled) for order in orders} == {
        number: state for number, state in truth.items() if number != true.orders[-1].order_id
    }
    fills = found(exchange, ACCOUNT, ACCOUNT.fills("BTC-USDT", began, now))
    assert [(fill.order_id, fill.id, fill.quantity) for fill in fills] == [
        (fill.order_id, fill.id, fill.quantity) for fill in true.fills
    ]
    opened = found(exchange, ACCOUNT, ACCOUNT.open_orders(None))
    assert {order.symbol for order in opened} == {"BTC-USDT", "ETH-USDT"}
    assert len(opened) == 11
    one = found(exchange, ACCOUNT, ACCOUNT.one_order("BTC-USDT", true.orders[160].order_id))
    assert one is not None
    assert one.status == "canceled"
    assert found(exchange, ACCOUNT, ACCOUNT.one_order("BTC-USDT", "f" * 24)) is None
    assert found(exchange, ACCOUNT, ACCOUNT.one_order("ETH-USDT", true.orders[0].order_id)) is None
    question = ACCOUNT.permissions_question()
    assert question is not None
    assert ACCOUNT.permissions(asked(exchange, ACCOUNT, question)).trades
    assert ACCOUNT.time(asked(exchange, ACCOUNT, ACCOUNT.time_question())) == now
    assert exchange.record.violations == []


@pytest.mark.parametrize(
    ("credentials", "off", "expected"),
    [
        ({}, 0, None),
        ({}, 4999, None),
        ({}, -5001, ClockOff),
        ({}, 5001, ClockOff),
        ({"key": Secret.literal("other")}, 0, Unauthorized),
        ({"secret": Secret.literal("other")}, 0, Unauthorized),
        ({"passphrase": Secret.literal("other")}, 0, Unauthorized),
    ],
)
async def test_the_exchange_takes_what_is_signed_right_and_in_time(
    autojump_clock: object, credentials: dict[str, Secret], off: int, expected: type[HttpFailure] | None
) -> None:
    exchange = exchange_with_orders()
    account = KucoinAccount("main", attrs.evolve(CREDENTIALS, **credentials))
    question = account.door_question()
    assert question is not None
    if expected is None:
        assert json.loads(asked(exchange, account, question, off=off))["data"]["token"]
    else:
        with pytest.raises(expected):
            asked(exchange, account, question, off=off)


async def test_the_pool_of_requests_is_finite(autojump_clock: object) -> None:
    rules = attrs.evolve(Rules.documented("kucoin"), account_requests=7)
    exchange = exchange_with_orders(rules={"kucoin": rules})
    question = Question("GET", "/api/v1/hf/orders/active", (("symbol", "BTC-USDT"),), weight=2)
    for _ in range(3):
        asked(exchange, ACCOUNT, question)
    with pytest.raises(RateLimited) as caught:
        asked(exchange, ACCOUNT, question)
    assert caught.value.retry_after == pytest.approx(30.0, abs=0.1)
    # The public pool is another one.
    asked(exchange, ACCOUNT, ACCOUNT.time_question())
