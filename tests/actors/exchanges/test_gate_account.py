"""Gate.io spot: the private stream of an account, its signed requests, and what it asks for."""

import json
from decimal import Decimal
from typing import Any

import attrs
import pytest

from actors._account_source import AccountSource, Credentials, KeyReport, Question
from actors._errors import BadFrame, ClockOff, HttpFailure, NoSuchOrder, RateLimited, Unauthorized, UnknownOutcome
from actors._records import Fill, OrderUpdate
from actors._secret import Secret
from actors._source import Acknowledged, Closing, Denied, HttpReply, Ignored, Pong, Refused
from actors.exchanges._inquiries import DAY, SECOND
from actors.exchanges.gate import GateAccount
from actors.simulator import Exchange, Rules

from .inquiries import answered, asked, found

# Official samples (Gate's spot WebSocket v4 guide, 2026-05-27). What the first one says of `filled_amount` cannot be.
ORDER = b'{"time":1694655225,"time_ms":1694655225315,"channel":"spot.orders","event":"update","result":[{"id":"399123456","text":"t-testtext","create_time":"1694655225","update_time":"1694655225","currency_pair":"BTC_USDT","type":"limit","account":"spot","side":"sell","amount":"0.0001","price":"26253.3","time_in_force":"gtc","left":"0.0001","filled_total":"0","filled_amount":"812.8","avg_deal_price":"0","fee":"0","fee_currency":"USDT","point_fee":"0","gt_fee":"0","rebated_fee":"0","rebated_fee_currency":"USDT","create_time_ms":"1694655225315","update_time_ms":"1694655225315","user":3497082,"event":"put","stp_id":0,"stp_act":"-","finish_as":"open","biz_info":"-","amend_text":"-","slippage":"0.05"}]}'
TRADE = b'{"time":1605176741,"channel":"spot.usertrades","event":"update","result":[{"id":5736713,"user_id":1000001,"order_id":"30784428","currency_pair":"BTC_USDT","create_time":1605176741,"create_time_ms":"1605176741123.456","side":"sell","amount":"1.00000000","role":"taker","price":"10000.00000000","fee":"0.00200000000000","point_fee":"0","gt_fee":"0","text":"apiv4","id_market":917144}]}'
SUBSCRIBED = (
    b'{"time":1611541000,"id":8,"channel":"spot.orders","event":"subscribe","error":null,"result":{"status":"success"}}'
)
UPGRADE = b'{"type":"upgrade","msg":"The connection will soon be closed for a service upgrade. Please reconnect."}'
# The guide of REST, shortened to what is one of each.
MAIN_KEYS = b'[{"state":1,"mode":1,"name":"test1","user_id":1,"perms":[{"name":"account","read_only":false},{"name":"spot","read_only":false}],"ip_whitelist":[],"currency_pairs":["BTC_USD"],"key":"c5dcfbf1f3a7*****","created_at":1753030929,"update_at":1756300567,"last_access":1753030929},{"state":1,"mode":1,"name":"test2","user_id":1,"perms":[{"name":"spot","read_only":true}],"ip_whitelist":["1.2.3.4"],"currency_pairs":[],"key":"52fd0035f665*****","created_at":1753897991,"update_at":1756300567,"last_access":1753897991}]'

# Its worked signatures.
OF_A_GET = "55f84ea195d6fe57ce62464daaa7c3c02fa9d1dde954e4c898289c9a2407a3d6fb3faf24deff16790d726b66ac9f74526668b13bd01029199cc4fcc522418b8a"
OF_A_POST = "eae42da914a590ddf727473aff25fc87d50b64783941061f47a3fdb92742541fc4c2c14017581b4199a1418d54471c269c03a38d788d802e2c306c37636389f0"

NOW = 1_694_655_300_000
CREDENTIALS = Credentials(Secret.literal("demo-key"), Secret.literal("demo-secret"))
ACCOUNT = GateAccount("main", CREDENTIALS)


def changed(frame: bytes, **fields: object) -> bytes:
    message = json.loads(frame)
    message["result"][0].update(fields)
    return json.dumps(message).encode()


def row(**fields: object) -> dict[str, Any]:
    """An order of REST: as on the stream, with a status instead of an event, and numbers for times."""
    order = {**json.loads(ORDER)["result"][0], "status": "open"}
    del order["event"]
    return {**order, "create_time_ms": 1694655225315, "update_time_ms": 1694655225315, **fields}


def trade(**fields: object) -> dict[str, Any]:
    """An execution of REST, which has its id as text, and the asset of the fee."""
    return {**json.loads(TRADE)["result"][0], "id": "5736713", "fee_currency": "USDT", **fields}


def update_of(frame: bytes) -> OrderUpdate:
    decoded = ACCOUNT.decode_many([frame], 77)
    assert decoded.error is None
    [update] = decoded.items
    assert isinstance(update, OrderUpdate)
    return update


def test_the_source_is_what_the_actors_ask_for() -> None:
    source: AccountSource = ACCOUNT
    assert (source.venue, source.account, source.whole, source.fills_apart) == ("gate", "main", True, True)
    assert (source.keeping, source.probe_every, source.ping(1)) == (None, None, None)
    assert source.door_question() is None
    assert source.door("wss://host/", None, "").url == "wss://host/ws/v4/"
    assert source.symbol("btc_usdt") == "BTC_USDT"
    with pytest.raises(ValueError, match="BTC_USDT"):
        source.symbol("BTC-USDT")


# The stream ----------------------------------------------------------------------------------------------------


def test_the_official_order() -> None:
    assert update_of(ORDER) == OrderUpdate(
        venue="gate",
        account="main",
        symbol="BTC_USDT",
        order_id=399123456,
        client_id="t-testtext",
        side="sell",
        type="limit",
        status="new",
        price=Decimal("26253.3"),
        quantity=Decimal("0.0001"),
        filled=Decimal(0),
        fill=None,
        time=1694655225315,
        source="stream",
        received=77,
    )
    assert update_of(ORDER).raw == ORDER


def test_the_official_execution_comes_by_itself() -> None:
    decoded = ACCOUNT.decode_many([TRADE], 77)
    assert decoded.items == [
        Fill(
            symbol="BTC_USDT",
            order_id=30784428,
            id=5736713,
            price=Decimal(10000),
            quantity=Decimal(1),
            side="sell",
            maker=False,
            commission=Decimal("0.002"),
            commission_asset="",
            time=1605176741123,
        )
    ]
    assert decoded.items[0].raw == TRADE
    # REST says the same, and what the fee was paid in.
    [fill] = answered(ACCOUNT.fills("BTC_USDT", NOW - 1000, NOW), [json.dumps([trade()]).encode()])
    assert attrs.evolve(fill, commission_asset="") == decoded.items[0]


def test_several_things_in_one_message_are_several() -> None:
    message = json.loads(TRADE)
    message["result"] = [trade(id=1), trade(id=2, role="maker")]
    decoded = ACCOUNT.decode_many([json.dumps(message).encode(), ORDER], 1)
    assert [getattr(item, "id", None) for item in decoded.items] == [1, 2, None]
    assert [fill.maker for fill in decoded.items[:2]] == [False, True]


@pytest.mark.parametrize(
    ("fields", "status", "filled"),
    [
        ({"event": "update", "left": "0.00004"}, "partially_filled", "0.00006"),
        # Only the amount or the price was changed.
        ({"event": "update"}, "new", "0"),
        ({"event": "finish", "left": "0", "finish_as": "filled"}, "filled", "0.0001"),
        ({"event": "finish", "left": "0.00004", "finish_as": "cancelled"}, "canceled", "0.00006"),
        ({"event": "finish", "left": "0.00004", "finish_as": "ioc"}, "expired", "0.00006"),
        ({"event": "finish", "left": "0", "finish_as": "ioc"}, "filled", "0.0001"),
        ({"event": "finish", "finish_as": "stp"}, "canceled", "0"),
        ({"event": "finish", "finish_as": "a new word"}, "canceled", "0"),
        ({"event": "finish", "finish_as": None}, "canceled", "0"),
    ],
)
def test_what_became_of_an_order_is_said_alike_by_stream_and_rest(
    fields: dict[str, Any], status: str, filled: str
) -> None:
    update = update_of(changed(ORDER, **fields))
    assert (update.status, update.filled) == (status, Decimal(filled))
    of_rest = {**fields, "status": {"filled": "closed"}.get(status, "cancelled" if update.closed else "open")}
    del of_rest["event"]
    report = answered(ACCOUNT.one_order("BTC_USDT", 399123456), [json.dumps(row(**of_rest)).encode()])
    assert report is not None
    assert (report.status, report.filled, report.quantity) == (status, Decimal(filled), update.quantity)


def test_a_market_order_to_buy_is_for_an_amount_of_the_quote_asset_and_filled_in_the_base_asset() -> None:
    bought = {"type": "market", "side": "buy", "amount": "10", "left": "0.3", "price": "0", "filled_total": "9.7"}
    done = update_of(changed(ORDER, **bought, filled_amount="0.0002", event="finish", finish_as="ioc"))
    assert (done.quantity, done.filled, done.status) == (0, Decimal("0.0002"), "expired")
    whole = {**bought, "left": "0", "filled_total": "10"}
    filled = update_of(changed(ORDER, **whole, filled_amount="0.0002", event="finish", finish_as="filled"))
    assert (filled.quantity, filled.filled, filled.status) == (0, Decimal("0.0002"), "filled")
    sold = update_of(changed(ORDER, type="market", side="sell", left="0.00004", price="0", event="update"))
    assert (sold.quantity, sold.filled) == (Decimal("0.0001"), Decimal("0.00006"))
    # What was bought must not be guessed.
    decoded = ACCOUNT.decode_many([changed(ORDER, **bought, filled_amount=None, event="update")], 1)
    assert isinstance(decoded.error, BadFrame)


@pytest.mark.parametrize(
    ("sample", "fields"),
    [
        *[(ORDER, c) for c in ({"currency_pair": ""}, {"side": "long"}, {"left": "NaN"}, {"event": "gone"})],
        *[(ORDER, c) for c in ({"update_time_ms": "1e99"}, {"id": "x"}, {"price": "much"}, {"amount": None})],
        *[(TRADE, c) for c in ({"currency_pair": ""}, {"price": "Infinity"}, {"order_id": None}, {"fee": "much"})],
        *[(TRADE, c) for c in ({"create_time_ms": "-1"}, {"amount": "x"}, {"side": ""})],
    ],
)
def test_a_broken_message_is_a_bad_frame_that_shows_nothing(sample: bytes, fields: dict[str, object]) -> None:
    decoded = ACCOUNT.decode_many([TRADE, changed(sample, **fields), ORDER], 1)
    assert len(decoded.items) == 1
    assert isinstance(decoded.error, BadFrame)
    assert decoded.error.sample == ""
    assert "t-testtext" not in str(decoded.error)


def test_the_controls_of_a_private_connection() -> None:
    live = json.loads(SUBSCRIBED) | {"payload": ["!all"], "conn_id": "b2c2b0629e0c34a3", "channel": "spot.usertrades"}
    frames = [
        SUBSCRIBED,
        json.dumps(live).encode(),
        b'{"time":1545404023,"channel":"spot.pong","event":"","error":null,"result":null}',
        b'{"time":1,"channel":"spot.balances","event":"update","result":[]}',
        UPGRADE,
    ]
    assert ACCOUNT.decode_many(frames, 1).controls == [
        Acknowledged("8"),
        Acknowledged("8"),
        Pong(),
        Ignored("spot.balances", known=True),
        Closing("service upgrade"),
    ]


@pytest.mark.parametrize(
    ("code", "message", "expected"),
    [
        (4, "authentication fail", Denied(4, "authentication fail")),
        (4, "request time expired", Refused(4, "request time expired", "8", clock_off=True)),
        (2, "request expired", Refused(2, "request expired", "8", clock_off=True)),
        (3, "server error", Refused(3, "server error", "8")),
    ],
)
def test_a_refusal_is_of_the_credentials_of_the_time_or_of_nothing_in_particular(
    code: int, message: str, expected: object
) -> None:
    refusal = json.loads(SUBSCRIBED) | {"error": {"code": code, "message": message}, "payload": ["!all"]}
    assert ACCOUNT.decode_many([json.dumps(refusal).encode()], 1).controls == [expected]


def test_each_channel_is_subscribed_with_a_signature_of_that_moment() -> None:
    account = GateAccount("main", Credentials(Secret.literal("k"), Secret.literal("secret")))
    phase = account.phase(0, 1611541000999, "", 7)
    assert phase is not None
    orders, trades = (json.loads(ask.text) for ask in phase)
    assert [ask.id for ask in phase] == ["7", "8"]
    assert orders == {
        "time": 1611541000,
        "id": 7,
        "channel": "spot.orders",
        "event": "subscribe",
        "payload": ["!all"],
        "auth": {
            "method": "api_key",
            "KEY": "k",
            "SIGN": "833a44bb4cd083e47bc1fec22b5c12e8b98c30fc7a9f4a1e52800dcfdff9a572"
            "40d7c10f1e9553dee020011fa5d02cdc7d1155a380cc4dcbd45f8fb525e41f4b",
        },
    }
    assert (trades["channel"], trades["id"]) == ("spot.usertrades", 8)
    assert trades["auth"]["SIGN"] != orders["auth"]["SIGN"]
    later = account.phase(0, 1611541061000, "", 7)
    assert later is not None
    assert json.loads(later[0].text)["auth"]["SIGN"] != orders["auth"]["SIGN"]
    assert account.phase(1, NOW, "", 9) is None


# REST ----------------------------------------------------------------------------------------------------------


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
