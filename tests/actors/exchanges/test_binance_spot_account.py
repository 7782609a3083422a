"""Binance spot and margin accounts: what is said on the WebSocket API, what is understood of it, and what REST is asked."""

import json
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, unquote

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors._account_source import Credentials, Inquiry, OrderReport, Question
from actors._errors import BadFrame, NoSuchOrder, SecretMissing
from actors._records import Fill, OrderUpdate
from actors._secret import Secret
from actors._signing import sign
from actors._source import (
    Acknowledged,
    Closing,
    Decoded,
    Denied,
    Ignored,
    Refused,
    Terminated,
)
from actors.exchanges._binance_history import DAY, Listing
from actors.exchanges._binance_spot_account import MarginAccount, SpotAccount, spot_account

from .test_signatures import BINANCE, BINANCE_KEY, ED25519, PRIVATE

NOW = 1_649_729_878_532
HMAC = Credentials(Secret.literal(BINANCE_KEY), Secret.literal(BINANCE))
ED = Credentials(Secret.literal(BINANCE_KEY), Secret.literal(ED25519))
RSA = Credentials(Secret.literal(BINANCE_KEY), Secret.literal(PRIVATE["rsa"]))
SPOT = SpotAccount("main", HMAC)
CROSS = spot_account("cross", HMAC, margin="cross")
ISOLATED = spot_account("alone", HMAC, margin="isolated", symbol="btcusdt")

# user-data-stream.md, 2026-07-21
NEW = (
    b'{"subscriptionId":0,"event":{"e":"executionReport","E":1499405658658,"s":"ETHBTC","c":"mUvoqJxFIILMdfAW5iGSOW",'
    b'"S":"BUY","o":"LIMIT","f":"GTC","q":"1.00000000","p":"0.10264410","P":"0.00000000","F":"0.00000000","g":-1,"C":"",'
    b'"x":"NEW","X":"NEW","r":"NONE","i":4293153,"l":"0.00000000","z":"0.00000000","L":"0.00000000","n":"0","N":null,'
    b'"T":1499405658657,"t":-1,"v":3,"I":8641984,"w":true,"m":false,"M":false,"O":1499405658657,"Z":"0.00000000",'
    b'"Y":"0.00000000","Q":"0.00000000","W":1499405658657,"V":"NONE"}}'
)


def report(**changes: Any) -> bytes:
    message = json.loads(NEW)
    message["event"] |= changes
    return json.dumps(message).encode()


FILL = report(x="TRADE", X="PARTIALLY_FILLED", l="0.25", z="0.25", L="0.1", n="0.001", N="BNB", t=77, m=True, T=5)
CANCEL = report(x="CANCELED", X="CANCELED", c="of the request", C="mUvoqJxFIILMdfAW5iGSOW")
OTHERS = {
    "outboundAccountPosition": b'{"subscriptionId":0,"event":{"e":"outboundAccountPosition","E":1564034571105,"u":1564034571073,"B":[{"a":"ETH","f":"10000.000000","l":"0.000000"}]}}',
    "balanceUpdate": b'{"subscriptionId":0,"event":{"e":"balanceUpdate","E":1573200697110,"a":"BTC","d":"100.00000000","T":1573200697068}}',
    "listStatus": b'{"subscriptionId":0,"event":{"e":"listStatus","E":1564035303637,"s":"ETHBTC","g":2,"c":"OCO","l":"EXEC_STARTED","L":"EXECUTING","r":"NONE","C":"F4QN4G8DlFATFlIUQ0cjdD","T":1564035303625,"O":[{"s":"ETHBTC","i":17,"c":"AJYsMjErWJesZvqlJCTUgL"}]}}',
    "externalLockUpdate": b'{"subscriptionId":0,"event":{"e":"externalLockUpdate","E":1581557507324,"a":"NEO","d":"10.00000000","T":1581557507268}}',
}


def read(*frames: bytes) -> Decoded:
    return SPOT.decode_many(frames, 9)


def one(frame: bytes) -> OrderUpdate:
    (update,) = read(frame).items
    assert isinstance(update, OrderUpdate)
    return update


# Events ------------------------------------------------------------------------------------------------------------


def test_the_documented_report_of_a_new_order_is_read() -> None:
    assert one(NEW) == OrderUpdate(
        venue="binance",
        account="main",
        symbol="ETHBTC",
        order_id=4293153,
        client_id="mUvoqJxFIILMdfAW5iGSOW",
        side="buy",
        type="LIMIT",
        status="new",
        price=Decimal("0.10264410"),
        quantity=Decimal(1),
        filled=Decimal(0),
        fill=None,
        time=1499405658657,
        source="stream",
        received=9,
    )
    assert one(NEW).raw == NEW


def test_an_execution_brings_its_fill() -> None:
    update = one(FILL)

    assert (update.status, update.filled) == ("partially_filled", Decimal("0.25"))
    assert update.fill == Fill(
        symbol="ETHBTC",
        order_id=4293153,
        id=77,
        price=Decimal("0.1"),
        quantity=Decimal("0.25"),
        side="buy",
        maker=True,
        commission=Decimal("0.001"),
        commission_asset="BNB",
        time=5,
    )


def test_a_cancelled_order_keeps_its_own_client_id() -> None:
    assert one(CANCEL).client_id == "mUvoqJxFIILMdfAW5iGSOW"
    assert one(CANCEL).status == "canceled"
    assert one(CANCEL).fill is None


@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        ("NEW", "new"),
        ("PENDING_NEW", "new"),
        ("PARTIALLY_FILLED", "partially_filled"),
        ("FILLED", "filled"),
        ("CANCELED", "canceled"),
        ("REJECTED", "rejected"),
        ("EXPIRED", "expired"),
        ("EXPIRED_IN_MATCH", "expired"),
    ],
)
def test_each_status_has_its_common_word(status: str, meaning: str) -> None:
    assert one(report(X=status)).status == meaning


@pytest.mark.parametrize("kind", OTHERS)
def test_other_documented_events_are_known_and_not_used(kind: str) -> None:
    assert read(OTHERS[kind]).controls == [Ignored(kind, known=True)]


@pytest.mark.parametrize(
    ("frame", "meaning"),
    [
        ('{"subscriptionId":0,"event":{"e":"eventStreamTerminated","E":1728973001334}}', Terminated("eventStreamTerminated")),
        ('{"event":{"e":"serverShutdown","E":1770123456789}}', Closing("serverShutdown")),
        ('{"event":{"e":"newThing","E":1}}', Ignored("newThing", known=False)),
        ('{"id":"3","status":200,"result":{"subscriptionId":0}}', Acknowledged("3")),
        ('{"id":3,"status":200,"result":{"subscriptionId":0,"expirationTime":1749094553955907}}', Acknowledged("3")),
        ('{"id":"status-4","status":200,"result":{"apiKey":"vmPU","userDataStream":true}}', Acknowledged("status-4")),
        (
            '{"id":"status-4","status":200,"result":{"apiKey":null,"userDataStream":false}}',
            Denied(-2015, "the session is no longer authorised"),
        ),
        ('{"id":"subscriptions-5","status":200,"result":[{"subscriptionId":0}]}', Acknowledged("subscriptions-5")),
        (
            '{"id":"subscriptions-5","status":200,"result":[]}',
            Terminated("the venue lists no subscription of this connection any more"),
        ),
        ('{"id":"key-6","status":200,"result":[]}', Acknowledged("key-6")),
        (
            '{"id":null,"status":401,"error":{"code":-2015,"msg":"Invalid API-key, IP, or permissions for action."}}',
            Denied(-2015, "Invalid API-key, IP, or permissions for action."),
        ),
        (
            '{"id":"1","status":400,"error":{"code":-1022,"msg":"Signature for this request is not valid."}}',
            Denied(-1022, "Signature for this request is not valid."),
        ),
        (
            '{"id":"1","status":400,"error":{"code":-1021,"msg":"Timestamp for this request is outside of the recvWindow."}}',
            Refused(-1021, "Timestamp for this request is outside of the recvWindow.", "1", clock_off=True),
        ),
        ('{"id":"1","status":400,"error":{"code":-1209,"msg":"Invalid listenToken."}}', Terminated("the listen token is not valid")),
        (
            '{"id":"1","status":418,"error":{"code":-1003,"msg":"IP banned.","data":{"serverTime":1659142907531,"retryAfter":1659146400000}}}',
            Refused(-1003, "IP banned.", "1", retry_after=3492.469),
        ),
        ('{"id":"1","status":503,"error":{"code":-1008,"msg":"busy"}}', Refused(-1008, "busy", "1")),
        ('{"id":null,"status":400,"error":{"code":-1000,"msg":"Invalid JSON request."}}', Refused(-1000, "Invalid JSON request.")),
        ('{"id":"1","status":400,"error":{}}', Refused(0, "", "1")),
        ("{}", Ignored("no kind", known=False)),
    ],
)  # fmt: skip
def test_what_is_not_an_order_is_read(frame: str, meaning: object) -> None:
    assert read(frame.encode()).controls == [meaning]


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"[1]",
        b"null",
        b"\xff\xfe",
        b"[" * 100_000,
        NEW[:-5],
        report(q="NaN"),
        report(S="UP"),
        report(X="ODD"),
        report(i="x"),
        report(T=None),
    ],
)
def test_what_cannot_be_read_is_a_bad_frame_that_shows_nothing(bad: bytes) -> None:
    decoded = read(NEW, bad, NEW)

    assert len(decoded.items) == 1
    assert isinstance(decoded.error, BadFrame)
    assert decoded.error.sample == ""
    assert "ETHBTC" not in str(decoded.error)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=5)
    | st.sampled_from(["NaN", "1e999999999", "status-1"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["e", "event", "id", "status", "result", "error", "code", "data", "retryAfter", "serverTime"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@st.composite
def mangled(draw: st.DrawFn) -> bytes:
    message = json.loads(draw(st.sampled_from([NEW, FILL, CANCEL])))
    message["event"][draw(st.sampled_from(sorted(message["event"])))] = draw(json_values)
    return json.dumps(message).encode()


@given(
    st.lists(st.binary(max_size=60) | json_values.map(lambda value: json.dumps(value).encode()) | mangled(), max_size=5)
)
def test_no_bytes_make_reading_raise(frames: list[bytes]) -> None:
    decoded = read(*frames)

    assert len(decoded.items) + len(decoded.controls) + (decoded.error is not None) <= len(frames)
    for update in decoded.items:
        assert update.quantity.is_finite()
        repr(update)


# What is said on the connection --------------------------------------------------------------------------------------


def said(source: SpotAccount | MarginAccount, key: str = "") -> list[dict[str, Any]]:
    phases: list[Any] = []
    while (asks := source.phase(len(phases), NOW, key, 10 + len(phases))) is not None:
        (ask,) = asks
        message = json.loads(ask.text)
        assert message["id"] == ask.id == str(10 + len(phases))
        phases.append(message)
    return phases


@pytest.mark.parametrize("credentials", [HMAC, RSA], ids=["hmac", "rsa"])
def test_a_shared_secret_or_rsa_key_subscribes_with_one_signed_request(credentials: Credentials) -> None:
    (message,) = said(SpotAccount("main", credentials))

    assert message["method"] == "userDataStream.subscribe.signature"
    parameters = message["params"]
    # By name, and with the API key among what is signed: not as in REST.
    payload = f"apiKey={BINANCE_KEY}&recvWindow=5000&timestamp={NOW}"
    assert parameters.pop("signature") == sign(credentials.secret.reveal(), payload)
    assert parameters == {"apiKey": BINANCE_KEY, "recvWindow": 5000, "timestamp": NOW}


def test_an_ed25519_key_logs_on_before_it_subscribes() -> None:
    logon, subscribe = said(SpotAccount("main", ED))

    assert (logon["method"], subscribe["method"]) == ("session.logon", "userDataStream.subscribe")
    assert logon["params"]["signature"] == sign(ED25519, f"apiKey={BINANCE_KEY}&recvWindow=5000&timestamp={NOW}")
    assert "params" not in subscribe


def test_margin_subscribes_with_its_token_alone() -> None:
    assert said(CROSS, "6xXx+pY/") == [
        {"id": "10", "method": "userDataStream.subscribe.listenToken", "params": {"listenToken": "6xXx+pY/"}}
    ]


def test_each_kind_of_key_is_probed_for_what_it_can_lose() -> None:
    def methods(source: SpotAccount | MarginAccount) -> list[str]:
        asks = [source.probe(NOW, number) for number in (1, 2, 3, 4)]
        assert len({ask.id for ask in asks if ask is not None}) == 4
        return [json.loads(ask.text)["method"] for ask in asks if ask is not None]

    assert methods(SpotAccount("main", ED)) == ["session.subscriptions", "session.status"] * 2
    # Without a logon there is no session to ask about: a signed request must tell whether the key still counts.
    assert methods(SPOT) == ["session.subscriptions", "openOrderLists.status"] * 2
    assert methods(CROSS) == ["session.subscriptions"] * 4


def test_where_it_connects() -> None:
    door = SPOT.door("wss://ws-api.binance.com:443", None, "")

    assert door.url == "wss://ws-api.binance.com:443/ws-api/v3"
    assert SPOT.door_question() is None


@pytest.mark.parametrize("source", [SPOT, SpotAccount("main", ED), CROSS, ISOLATED], ids=repr)
def test_nothing_shows_key_secret_or_signature(source: SpotAccount | MarginAccount) -> None:
    request = source.request(Question("GET", "/api/v3/order", (("symbol", "BTCUSDT"),)), NOW)
    shown = [repr(source), repr(request), str(request), repr(source.door("wss://x", None, "token"))]

    for text in shown:
        assert BINANCE_KEY not in text
        assert BINANCE not in text
        assert "signature" not in text


def test_a_missing_or_broken_key_is_told_when_it_is_needed() -> None:
    absent = Credentials(Secret.env("NO_SUCH_VARIABLE_HERE"), Secret.literal("s"))
    broken = Credentials(
        Secret.literal("k"), Secret.literal("-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----")
    )
    for credentials in (absent, broken):
        with pytest.raises(SecretMissing):
            SpotAccount("main", credentials).phase(0, NOW, "", 1)


# REST ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("credentials", [HMAC, RSA, ED], ids=["hmac", "rsa", "ed25519"])
def test_a_request_is_signed_as_it_is_sent(credentials: Credentials) -> None:
    question = Question("GET", "/api/v3/order", (("symbol", "１２３"), ("orderId", 7)), weight=4)  # noqa: RUF001
    request = SpotAccount("main", credentials).request(question, NOW)

    payload, _, signature = request.query.rpartition("&signature=")
    assert payload == f"symbol=%EF%BC%91%EF%BC%92%EF%BC%93&orderId=7&recvWindow=5000&timestamp={NOW}"
    assert unquote(signature) == sign(credentials.secret.reveal(), payload)
    # Base64 has signs that mean something in a query.
    assert not set(signature) & set("+/=")
    assert (request.method, request.path, request.weight) == ("GET", "/api/v3/order", 4)
    assert request.headers == (("X-MBX-APIKEY", BINANCE_KEY),)


def test_a_question_without_signature_has_none() -> None:
    request = SPOT.request(SPOT.time_question(), NOW)

    assert (request.path, request.query) == ("/api/v3/time", "")


@attrs.frozen
class Row:
    """An order or a fill as a model of the venue has it."""

    id: int
    order_id: int
    time: int


class Endpoint:
    """allOrders or myTrades: a day at most by time, oldest first, a page at most; or from an id on."""

    def __init__(self, listing: Listing, rows: Iterable[Row], now: int) -> None:
        self.listing = listing
        self.rows = sorted(rows, key=lambda row: (row.id, row.order_id))
        self.now = now
        self.questions: list[dict[str, str]] = []

    def answer(self, question: Question) -> bytes:
        listing, asked = self.listing, dict(parse_qsl("&".join(f"{n}={v}" for n, v in question.parameters)))
        self.questions.append(asked)
        assert (question.path, question.weight) == (listing.path, listing.weight)
        assert int(asked["limit"]) <= listing.page
        if listing.id_name in asked:
            assert "startTime" not in asked
            found = [row for row in self.rows if row.id >= int(asked[listing.id_name])]
        else:
            start, end = int(asked["startTime"]), int(asked["endTime"])
            assert 0 <= end - start <= listing.window
            assert start >= self.now - listing.reach
            found = [row for row in self.rows if start <= row.time <= end]
        return json.dumps([self.shown(row) for row in found[: int(asked["limit"])]]).encode()

    def shown(self, row: Row) -> dict[str, Any]:
        if self.listing.id_name == "fromId":
            return FILL_ROW | {"id": row.id, "orderId": row.order_id, "time": row.time}
        return ORDER_ROW | {"orderId": row.id, "time": row.time, "updateTime": row.time}


# rest-api.md, 2026-07-21
ORDER_ROW: dict[str, Any] = {
    "symbol": "LTCBTC",
    "orderId": 1,
    "orderListId": -1,
    "clientOrderId": "myOrder1",
    "price": "0.1",
    "origQty": "1.0",
    "executedQty": "0.0",
    "cummulativeQuoteQty": "0.0",
    "status": "NEW",
    "timeInForce": "GTC",
    "type": "LIMIT",
    "side": "BUY",
    "stopPrice": "0.0",
    "icebergQty": "0.0",
    "time": 1499827319559,
    "updateTime": 1499827319559,
    "isWorking": True,
    "origQuoteOrderQty": "0.000000",
}
FILL_ROW: dict[str, Any] = {
    "symbol": "BNBBTC",
    "id": 28457,
    "orderId": 100234,
    "orderListId": -1,
    "price": "4.00000100",
    "qty": "12.00000000",
    "quoteQty": "48.000012",
    "commission": "10.10000000",
    "commissionAsset": "BNB",
    "time": 1499865549590,
    "isBuyer": True,
    "isMaker": False,
    "isBestMatch": True,
}


def drive(inquiry: Inquiry[Any], answer: Callable[[Question], bytes]) -> Any:
    """Put each question, and return what the inquiry does."""
    try:
        question = next(inquiry)
        while True:
            question = inquiry.send(answer(question))
    except StopIteration as end:
        return end.value


def test_the_documented_rows_are_read() -> None:
    (order,) = drive(SPOT.open_orders("LTCBTC"), lambda _: json.dumps([ORDER_ROW]).encode())
    (fill,) = drive(SPOT.fills("BNBBTC", NOW, NOW), lambda _: json.dumps([FILL_ROW]).encode())

    assert order == OrderReport(
        "LTCBTC", 1, "myOrder1", "buy", "LIMIT", "new", Decimal("0.1"), Decimal(1), Decimal(0), 1499827319559, 1499827319559
    )  # fmt: skip
    assert json.loads(order.raw) == ORDER_ROW
    assert fill == Fill(
        "BNBBTC", 100234, 28457, Decimal("4.000001"), Decimal(12), "buy", False, Decimal("10.1"), "BNB", 1499865549590
    )  # fmt: skip
    assert json.loads(fill.raw) == FILL_ROW


# Small pages and windows, so that a handful of rows crosses them.
SMALL = [
    Listing("/api/v3/allOrders", 20, 3, "orderId", window=10 * 60_000, reach=100 * 60_000),
    Listing("/api/v3/myTrades", 20, 3, "fromId", window=10 * 60_000, reach=100 * 60_000),
]


@pytest.mark.parametrize("listing", SMALL, ids=lambda listing: str(listing.path))
@given(
    gaps=st.lists(st.integers(0, 20) | st.integers(0, 90 * 60_000), max_size=15),
    age=st.integers(0, 120 * 60_000),
    twins=st.booleans(),
)
@settings(max_examples=150)
def test_everything_since_a_time_is_found_whatever_the_windows_and_pages(
    listing: Listing, gaps: list[int], age: int, twins: bool
) -> None:
    now = 10**9
    # Ids ascend with the time; two own orders that meet are two fills of one trade.
    times = [now - sum(gaps[at:]) for at in range(len(gaps))]
    of_orders = listing.id_name == "orderId"
    rows = [
        Row(number, number if of_orders else 2 * number + twin, time)
        for number, time in enumerate(times, 100)
        for twin in range(2 if twins and not of_orders else 1)
    ]
    endpoint = Endpoint(listing, rows, now)
    ask = listing.orders if of_orders else listing.fills
    found = drive(ask("LTCBTC", now - age, now), endpoint.answer)

    reached = now - min(age, listing.reach - 60_000)
    keys = [(item.order_id,) if of_orders else (item.id, item.order_id) for item in found]
    assert len(set(keys)) == len(keys)
    assert keys == [(row.id,) if of_orders else (row.id, row.order_id) for row in endpoint.rows if row.time >= reached]
    # Not one question more than windows and pages make necessary.
    assert len(endpoint.questions) <= 1 + min(age, listing.reach) // (9 * 60_000) + 1 + len(rows)


def test_an_ordinary_reconciliation_asks_once() -> None:
    for ask, path in ((SPOT.orders, "/api/v3/allOrders"), (SPOT.fills, "/api/v3/myTrades")):
        endpoint = Endpoint(Listing(path, 20, 1000, "fromId", DAY, 90 * DAY), [], NOW)
        assert drive(ask("LTCBTC", NOW - 600_000, NOW), endpoint.answer) == []
        assert len(endpoint.questions) == 1


def test_a_page_of_one_id_is_an_error_and_no_endless_loop() -> None:
    page = json.dumps([FILL_ROW | {"orderId": number} for number in range(1000)]).encode()

    with pytest.raises(BadFrame, match="leads nowhere"):
        drive(SPOT.fills("BNBBTC", NOW - 1000, NOW), lambda _: page)


def test_the_weights_and_paths_of_each_account() -> None:
    def asked(source: SpotAccount | MarginAccount) -> list[tuple[str, int]]:
        inquiries: list[Inquiry[Any]] = [
            source.open_orders("BTCUSDT"),
            source.open_orders(None),
            source.orders("BTCUSDT", NOW - 1, NOW),
            source.fills("BTCUSDT", NOW - 1, NOW),
            source.one_order("BTCUSDT", 5),
        ]
        return [(question.path, question.weight) for question in map(next, inquiries)]

    # rest-api.md; margin pages
    assert asked(SPOT) == [
        ("/api/v3/openOrders", 6),
        ("/api/v3/openOrders", 80),
        ("/api/v3/allOrders", 20),
        ("/api/v3/myTrades", 20),
        ("/api/v3/order", 4),
    ]
    for source in (CROSS, ISOLATED):
        assert asked(source) == [
            ("/sapi/v1/margin/openOrders", 10),
            ("/sapi/v1/margin/openOrders", 10),
            ("/sapi/v1/margin/allOrders", 200),
            ("/sapi/v1/margin/myTrades", 10),
            ("/sapi/v1/margin/order", 10),
        ]


def test_an_isolated_account_is_named_in_every_question() -> None:
    inquiries: list[Inquiry[Any]] = [
        ISOLATED.open_orders(None),
        ISOLATED.orders("BTCUSDT", NOW - 1, NOW),
        ISOLATED.fills("BTCUSDT", NOW - 1, NOW),
        ISOLATED.one_order("BTCUSDT", 5),
    ]
    for question in map(next, inquiries):
        assert {("symbol", "BTCUSDT"), ("isIsolated", "TRUE")} <= set(question.parameters)
    keeping = ISOLATED.keeping
    assert keeping is not None
    assert {("symbol", "BTCUSDT"), ("isIsolated", "true")} <= set(keeping.create.parameters)


def test_a_listen_token_is_followed_by_the_next_long_before_its_end() -> None:
    keeping = CROSS.keeping
    assert keeping is not None

    assert (keeping.create.method, keeping.create.path, keeping.create.signed) == (
        "POST",
        "/sapi/v1/userListenToken",
        True,
    )
    assert dict(keeping.create.parameters) == {"validity": 24 * 3600 * 1000}
    assert keeping.extend is None
    assert keeping.every <= keeping.life / 2
    assert CROSS.key(b'{"token":"6xXxePXw+pYJ","expirationTime":1758792204196}') == "6xXxePXw+pYJ"
    for body in (b"{}", b'{"token":""}', b'{"token":5}', b"x"):
        with pytest.raises(BadFrame):
            CROSS.key(body)
    assert SPOT.keeping is None


def test_an_order_that_the_venue_does_not_know_is_none() -> None:
    inquiry = SPOT.one_order("BTCUSDT", 5)
    next(inquiry)

    with pytest.raises(StopIteration) as end:
        inquiry.throw(NoSuchOrder("GET /api/v3/order", "Order does not exist.", code=-2013))
    assert end.value.value is None


def test_what_the_key_may_do_is_read() -> None:
    body = (
        b'{"ipRestrict":false,"createTime":1698645219000,"enableReading":true,"enableWithdrawals":false,'
        b'"enableInternalTransfer":false,"enableMargin":false,"enableFutures":false,"permitsUniversalTransfer":false,'
        b'"enableVanillaOptions":false,"enableSpotAndMarginTrading":true,"tradingAuthorityExpirationTime":1628985600000}'
    )
    question, found = SPOT.permissions_question(), SPOT.permissions(body)

    assert question is not None
    assert (question.path, question.signed, question.weight) == ("/sapi/v1/account/apiRestrictions", True, 1)
    assert (found.reads, found.trades, found.withdraws, found.bound_to_addresses) == (True, True, False, False)
    assert found.expires == 1628985600000
    with pytest.raises(BadFrame):
        SPOT.permissions(b"[]")


@pytest.mark.parametrize(
    ("margin", "symbol"), [(None, "BTCUSDT"), ("cross", "BTCUSDT"), ("isolated", None), ("crossed", None)]
)
def test_options_that_do_not_go_together_are_refused(margin: Any, symbol: str | None) -> None:
    with pytest.raises(ValueError, match="margin"):
        spot_account("main", HMAC, margin=margin, symbol=symbol)
