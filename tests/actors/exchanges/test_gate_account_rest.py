"""Gate.io spot: the signed requests of an account, what it asks for, and the simulated exchange's answers."""

import json
from typing import Any

import attrs
import pytest

from actors._account_source import Credentials, KeyReport, Question
from actors._errors import BadFrame, ClockOff, HttpFailure, NoSuchOrder, RateLimited, Unauthorized, UnknownOutcome
from actors._secret import Secret
from actors._source import HttpReply
from actors.exchanges._inquiries import DAY, SECOND
from actors.exchanges.gate import GateAccount
from actors.simulator import Exchange, Rules

from .gate_account import ACCOUNT, CREDENTIALS, MAIN_KEYS, NOW, OF_A_GET, OF_A_POST, row, trade
from .inquiries import answered, asked, found


@pytest.mark.parametrize(
    ("question", "sign"),
    [
        (
            Question(
                "GET",
                "/api/v4/futures/orders",
                (("contract", "BTC_USD"), ("status", "finished"), ("limit", 50)),
            ),
            OF_A_GET,
        ),
        (
            Question(
                "POST",
                "/api/v4/futures/orders",
                content=b'{"contract":"BTC_USD","type":"limit","size":100,"price":6800,"time_in_force":"gtc"}',
            ),
            OF_A_POST,
        ),
    ],
)
def test_the_official_signatures_of_rest(question: Question, sign: str) -> None:
    account = GateAccount("main", Credentials(Secret.literal("key"), Secret.literal("secret")))
    request = account.request(question, 1541993715000)
    headers = dict(request.headers)
    assert (headers["KEY"], headers["Timestamp"], headers["SIGN"]) == ("key", "1541993715", sign)
    assert sign[:8] not in repr(request)
    assert account.request(account.time_question(), NOW).headers == ()


@pytest.mark.parametrize(
    ("status", "label", "expected"),
    [
        (401, "INVALID_KEY", Unauthorized),
        (401, "INVALID_SIGNATURE", Unauthorized),
        (403, "FORBIDDEN", Unauthorized),
        (403, "IP_FORBIDDEN", Unauthorized),
        (400, "MISSING_REQUIRED_HEADER", Unauthorized),
        (403, "ACCOUNT_LOCKED", Unauthorized),
        (403, "REQUEST_EXPIRED", ClockOff),
        (429, "TOO_MANY_REQUESTS", RateLimited),
        (404, "ORDER_NOT_FOUND", NoSuchOrder),
        (400, "ORDER_NOT_FOUND", NoSuchOrder),
        (500, "SERVER_ERROR", UnknownOutcome),
        (503, "TOO_BUSY", UnknownOutcome),
        (400, "INVALID_PARAM_VALUE", HttpFailure),
        (403, "", HttpFailure),
    ],
)
def test_errors_have_types(status: int, label: str, expected: type[HttpFailure]) -> None:
    body = json.dumps({"label": label, "message": "why"}).encode() if label else b"<html>"
    request = ACCOUNT.request(next(ACCOUNT.one_order("BTC_USDT", 1)), NOW)
    assert type(ACCOUNT.failure(request, HttpReply(status, {}, body))) is expected


def test_an_order_that_is_unknown_is_an_answer() -> None:
    assert answered(ACCOUNT.one_order("BTC_USDT", 1), [NoSuchOrder("GET /x", "ORDER_NOT_FOUND")]) is None


def test_open_orders_are_asked_for_until_no_pair_has_a_full_page() -> None:
    full = [row(id=str(i)) for i in range(100)]
    pages = [
        [
            {"currency_pair": "BTC_USDT", "total": 102, "orders": full},
            {"currency_pair": "X_Y", "orders": [row(id="7777")]},
        ],
        [{"currency_pair": "BTC_USDT", "total": 102, "orders": [row(id="100"), row(id="101")]}],
    ]
    reports = answered(ACCOUNT.open_orders(None), [json.dumps(page).encode() for page in pages])
    assert len(reports) == 103
    assert answered(ACCOUNT.open_orders(None), [b"[]"]) == []
    reports = answered(ACCOUNT.open_orders("BTC_USDT"), [json.dumps(full).encode(), b"[]"])
    assert len(reports) == 100


def test_a_long_time_is_asked_for_in_pieces_that_leave_nothing_out() -> None:
    inquiry = ACCOUNT.fills(None, NOW - 20 * DAY, NOW)
    times = []
    question = next(inquiry)
    try:
        while True:
            parameters = dict(question.parameters)
            assert "currency_pair" not in parameters
            times.append((int(parameters["from"]), int(parameters["to"])))
            question = inquiry.send(b"[]")
    except StopIteration:
        pass
    assert times[0][0] == (NOW - 20 * DAY) // SECOND
    assert times[-1][1] > NOW // SECOND
    assert all(end >= start for (_, end), (start, _) in zip(times, times[1:], strict=False))
    assert all(end - start <= 30 * 86_400 for start, end in times)


@pytest.mark.parametrize("ask", [ACCOUNT.orders, ACCOUNT.fills])
def test_what_happens_now_is_asked_for_although_the_clock_was_measured_two_minutes_slow(ask: Any) -> None:
    happens, inquiry = NOW + 120_000, ask("BTC_USDT", NOW - DAY, NOW)
    parameters = dict(next(inquiry).parameters)
    if "from" not in parameters:
        # The open orders come first.
        parameters = dict(inquiry.send(b"[]").parameters)
    assert int(parameters["from"]) * 1000 <= happens <= int(parameters["to"]) * 1000


def test_a_row_that_moves_to_the_next_page_meanwhile_is_one() -> None:
    rows = [trade(id=str(2000 - i), create_time_ms=f"{NOW - i}.5") for i in range(1200)]
    first, second = rows[:1000], rows[990:]
    fills = answered(
        ACCOUNT.fills("BTC_USDT", NOW - 5000, NOW), [json.dumps(page).encode() for page in (first, second)]
    )
    assert [fill.id for fill in fills] == list(range(801, 2001))


def test_a_venue_that_does_not_count_pages_is_not_asked_for_ever() -> None:
    full = json.dumps([row(id=str(i)) for i in range(100)]).encode()
    with pytest.raises(BadFrame, match="pages"):
        answered(ACCOUNT.open_orders("BTC_USDT"), [full] * 2000)


def test_what_the_key_may_do_is_told_by_the_only_entry_that_begins_like_it() -> None:
    def report(key: str, body: bytes = MAIN_KEYS) -> KeyReport:
        return GateAccount("main", Credentials(Secret.literal(key), Secret.literal("s"))).permissions(body)

    assert report("c5dcfbf1f3a7ab12") == KeyReport(reads=True, trades=True, bound_to_addresses=False)
    assert report("52fd0035f665ff00") == KeyReport(reads=True, trades=False, bound_to_addresses=True)
    assert report("another") == KeyReport()
    assert report("c5dcfbf1f3a7ab12", b'[{"key":{"mode":1},"perms":[]},{"key":"*****"},{}]') == KeyReport()
    twice = json.dumps(json.loads(MAIN_KEYS)[:1] * 2).encode()
    assert report("c5dcfbf1f3a7ab12", twice) == KeyReport()


# Against the simulator -----------------------------------------------------------------------------------------


def exchange_with_orders(**options: Any) -> Exchange:
    return Exchange(
        symbols={"gate": ["BTC_USDT", "ETH_USDT"]}, keys={"demo-key": "demo-secret"}, trades_per_second=0, **options
    )


async def test_the_exchange_says_of_an_account_what_is_true(autojump_clock: object) -> None:
    exchange = exchange_with_orders()
    began = exchange.clock.ms()
    numbers = [
        exchange.place_order("demo-key", symbol, "sell", "1", "100", venue="gate").order_id
        for symbol in ["BTC_USDT"] * 330 + ["ETH_USDT"] * 110
    ]
    for number in numbers[:300]:
        exchange.fill_order("demo-key", number, "0.5", venue="gate")
    for number in numbers[:150]:
        exchange.fill_order("demo-key", number, venue="gate")
    for number in numbers[150:220]:
        exchange.cancel_order("demo-key", number, venue="gate")
    exchange.expire_order("demo-key", numbers[221], venue="gate")
    true = exchange.spelled("gate", "demo-key")
    now = exchange.clock.ms()

    orders = found(exchange, ACCOUNT, ACCOUNT.orders(None, began, now))
    assert len(orders) == len(numbers)
    assert {order.order_id: (order.symbol, order.status, order.filled, order.client_id) for order in orders} == {
        order.order_id: (order.symbol, order.status, order.filled, order.client_id) for order in true.orders
    }
    fills = found(exchange, ACCOUNT, ACCOUNT.fills(None, began, now))
    assert sorted((fill.order_id, fill.id, fill.quantity, fill.price) for fill in fills) == sorted(
        (fill.order_id, fill.id, fill.quantity, fill.price) for fill in true.fills
    )
    opened = found(exchange, ACCOUNT, ACCOUNT.open_orders(None))
    assert {order.order_id for order in opened} == {
        order.order_id for order in true.orders if order.status in ("new", "partially_filled")
    }
    of_one = found(exchange, ACCOUNT, ACCOUNT.open_orders("ETH_USDT"))
    assert len(of_one) == 110
    one = found(exchange, ACCOUNT, ACCOUNT.one_order("BTC_USDT", numbers[221]))
    assert one is not None
    assert one.status == "expired"
    assert found(exchange, ACCOUNT, ACCOUNT.one_order("BTC_USDT", 7)) is None
    question = ACCOUNT.permissions_question()
    assert question is not None
    assert ACCOUNT.permissions(asked(exchange, ACCOUNT, question)) == KeyReport(
        reads=True, trades=True, bound_to_addresses=False
    )
    assert ACCOUNT.time(asked(exchange, ACCOUNT, ACCOUNT.time_question())) == now
    assert exchange.record.violations == []


@pytest.mark.parametrize(
    ("credentials", "off", "expected"),
    [
        ({}, 0, None),
        ({}, 59_000, None),
        ({}, -62_000, ClockOff),
        ({}, 62_000, ClockOff),
        ({"key": Secret.literal("other")}, 0, Unauthorized),
        ({"secret": Secret.literal("other")}, 0, Unauthorized),
    ],
)
async def test_the_exchange_takes_what_is_signed_right_and_in_time(
    autojump_clock: object, credentials: dict[str, Secret], off: int, expected: type[HttpFailure] | None
) -> None:
    exchange = exchange_with_orders()
    account = GateAccount("main", attrs.evolve(CREDENTIALS, **credentials))
    question = next(account.open_orders(None))
    if expected is None:
        assert asked(exchange, account, question, off=off) == b"[]"
    else:
        with pytest.raises(expected):
            asked(exchange, account, question, off=off)


async def test_each_endpoint_has_a_limit_and_all_orders_are_one_endpoint(autojump_clock: object) -> None:
    rules = attrs.evolve(Rules.documented("gate"), rest_requests=3)
    exchange = exchange_with_orders(rules={"gate": rules})
    for number in range(3):
        assert found(exchange, ACCOUNT, ACCOUNT.one_order("BTC_USDT", number)) is None
    with pytest.raises(RateLimited):
        found(exchange, ACCOUNT, ACCOUNT.one_order("BTC_USDT", 4))
    assert found(exchange, ACCOUNT, ACCOUNT.open_orders(None)) == []
