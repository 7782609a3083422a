"""KuCoin spot: the private stream of an account."""

import json
from decimal import Decimal
from urllib.parse import parse_qsl, urlsplit

import pytest

from actors._account_source import AccountSource
from actors._errors import BadFrame
from actors._records import Fill, OrderUpdate
from actors._source import Acknowledged, Closing, Ignored, Pong, Refused, Welcome

from .inquiries import answered
from .kucoin_account import ACCOUNT, BALANCE, FILL, MATCH, NOW, OPEN, RECEIVED, page, reply, row


def changed(frame: bytes, **fields: object) -> bytes:
    message = json.loads(frame)
    message["data"].update(fields)
    return json.dumps(message).encode()


def update_of(frame: bytes) -> OrderUpdate:
    decoded = ACCOUNT.decode_many([frame], 77)
    assert decoded.error is None
    [update] = decoded.items
    assert isinstance(update, OrderUpdate)
    return update


def test_the_source_is_what_the_actors_ask_for() -> None:
    source: AccountSource = ACCOUNT
    assert (source.venue, source.account, source.whole, source.fills_apart) == ("kucoin", "main", False, False)
    assert (source.keeping, source.probe_every, source.probe(NOW, 1)) == (None, None, None)
    assert source.limits.greets
    assert source.symbol("btc-usdt") == "BTC-USDT"
    with pytest.raises(ValueError, match="BTC-USDT"):
        source.symbol("BTCUSDT")
    with pytest.raises(BadFrame):
        source.key(b"")


def test_the_official_order_that_was_received() -> None:
    assert update_of(RECEIVED) == OrderUpdate(
        venue="kucoin",
        account="main",
        symbol="BTC-USDT",
        order_id="6720da3fa30a360007f5f832",
        client_id="5c52e11203aa677f33e493fc",
        side="buy",
        type="market",
        status="new",
        price=Decimal(0),
        quantity=Decimal("0.00001"),
        filled=Decimal(0),
        fill=None,
        time=1730206271616,
        source="stream",
        received=77,
    )
    assert update_of(RECEIVED).raw == RECEIVED


def test_the_official_order_in_the_book() -> None:
    update = update_of(OPEN)
    assert (update.status, update.price, update.type) == ("new", Decimal(50000), "limit")


def test_an_execution_is_the_order_s_state_and_its_fill() -> None:
    update = update_of(MATCH)
    assert (update.status, update.filled) == ("filled", Decimal("0.1"))
    assert update.fill == Fill(
        symbol="KCS-USDT",
        order_id="5efab07953bdea00089965fa",
        id="5efab07a4ee4c7000a82d6d9",
        price=Decimal("0.96738"),
        quantity=Decimal("0.1"),
        side="sell",
        maker=False,
        commission=Decimal(0),
        commission_asset="",
        time=1670329987311,
    )
    assert update.fill.raw == MATCH


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"filledSize": "0.04", "remainSize": "0.06"}, "partially_filled"),
        # Of what was taken back before, nothing was filled.
        ({"filledSize": "0.04", "remainSize": "0"}, "partially_filled"),
        ({"type": "open", "status": "open", "filledSize": "0.04"}, "partially_filled"),
        ({"type": "filled", "status": "done"}, "filled"),
        ({"type": "canceled", "status": "done", "filledSize": "0.04", "canceledSize": "0.06"}, "canceled"),
        ({"type": "update", "status": "open", "filledSize": "0"}, "new"),
        ({"type": "update", "status": "match", "filledSize": "0.04"}, "partially_filled"),
        ({"type": "update", "status": "done", "filledSize": "0.04"}, "canceled"),
    ],
)
def test_what_became_of_an_order(fields: dict[str, str], status: str) -> None:
    update = update_of(changed(MATCH, **fields))
    assert update.status == status
    assert update.filled == Decimal(fields.get("filledSize", "0.1"))


def test_an_order_for_an_amount_of_the_quote_asset_has_no_quantity_and_is_filled_in_the_base_asset() -> None:
    funds = {"orderType": "market", "side": "buy", "originSize": "0", "size": None, "price": "", "originFunds": "10"}
    match = update_of(changed(MATCH, **funds, filledSize="0.1", remainSize=None, remainFunds="0"))
    assert (match.quantity, match.filled, match.price, match.status) == (0, Decimal("0.1"), 0, "partially_filled")
    done = update_of(changed(MATCH, **funds, type="filled", status="done", filledSize="0.2"))
    assert (done.quantity, done.filled, done.status) == (0, Decimal("0.2"), "filled")


@pytest.mark.parametrize(("told", "expected"), [("11067996711960577", 11067996711960577), (5, 5), ("5e", "5e")])
def test_the_stream_spells_an_execution_as_rest_does(told: object, expected: object) -> None:
    fill = update_of(changed(MATCH, tradeId=told)).fill
    assert fill is not None
    assert fill.id == expected
    [listed] = answered(
        ACCOUNT.fills("KCS-USDT", NOW - 1000, NOW),
        [page(row(FILL, tradeId=expected))],
    )
    assert type(listed.id) is type(fill.id)
    assert listed.id == fill.id


@pytest.mark.parametrize(
    "fields",
    [
        {"symbol": ""},
        {"orderId": ""},
        {"side": "long"},
        {"matchSize": "0"},
        {"matchSize": "NaN"},
        {"matchPrice": "much"},
        {"tradeId": None},
        {"tradeId": ""},
        {"filledSize": "Infinity"},
        {"ts": None},
    ],
)
def test_a_broken_change_is_a_bad_frame_that_shows_nothing(fields: dict[str, object]) -> None:
    decoded = ACCOUNT.decode_many([OPEN, changed(MATCH, **fields), OPEN], 1)
    assert len(decoded.items) == 1
    assert isinstance(decoded.error, BadFrame)
    assert decoded.error.sample == ""
    assert "1593487481000313" not in str(decoded.error)


def test_a_kind_of_change_that_is_new_ends_nothing() -> None:
    assert ACCOUNT.decode_many([changed(MATCH, type="amended")], 1).controls == [Ignored("order amended", known=False)]


def test_the_controls_of_a_private_connection() -> None:
    frames = [
        b'{"id":"hQvf8jkno","type":"welcome"}',
        b'{"id":"7","type":"ack"}',
        b'{"id":"p16","type":"pong","timestamp":1790113097236506}',
        BALANCE,
        b'{"id":"7","type":"error","code":403,"data":"login is required"}',
        b'{"id":"x","type":"error","code":401,"data":"token is expired"}',
    ]
    assert ACCOUNT.decode_many(frames, 1).controls == [
        Welcome(),
        Acknowledged("7"),
        Pong(),
        Ignored("/account/balance", known=True),
        Refused(403, "login is required", "7"),
        Closing("token is expired"),
    ]


def test_the_token_is_the_login_and_one_subscription_brings_all_orders() -> None:
    question = ACCOUNT.door_question()
    assert question is not None
    assert (question.method, question.path, question.signed) == ("POST", "/api/v1/bullet-private", True)
    server = {"endpoint": "wss://push.example/", "protocol": "websocket", "pingInterval": 18000, "pingTimeout": 10000}
    door = ACCOUNT.door("wss://unused", reply({"token": "a/b+c=", "instanceServers": [server]}), "")
    assert dict(parse_qsl(urlsplit(door.url).query))["token"] == "a/b+c="
    assert (door.ping_every, door.pong_within) == (18.0, 10.0)
    assert "a/b" not in repr(door)
    phase = ACCOUNT.phase(0, NOW, "", 7)
    assert phase is not None
    [subscription] = phase
    assert json.loads(subscription.text) == {
        "id": "7",
        "type": "subscribe",
        "topic": "/spotMarket/tradeOrdersV2",
        "privateChannel": True,
        "response": True,
    }
    assert ACCOUNT.phase(1, NOW, "", 8) is None
