"""Binance spot and margin accounts: what REST is asked, how it is signed, and what is found by it."""

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
from actors._errors import BadFrame, NoSuchOrder
from actors._records import Fill
from actors._signing import sign
from actors.exchanges._binance_history import DAY, Listing
from actors.exchanges._binance_spot_account import MarginAccount, SpotAccount, spot_account

from .binance_spot_accounts import CROSS, ED, HMAC, ISOLATED, NOW, RSA, SPOT
from .test_signatures import BINANCE_KEY


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
