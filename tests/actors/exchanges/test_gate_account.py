"""Gate.io spot: the private stream of an account."""

import json
from decimal import Decimal
from typing import Any

import attrs
import pytest

from actors._account_source import AccountSource, Credentials
from actors._errors import BadFrame
from actors._records import Fill, OrderUpdate
from actors._secret import Secret
from actors._source import Acknowledged, Closing, Denied, Ignored, Pong, Refused
from actors.exchanges.gate import GateAccount

from .gate_account import ACCOUNT, NOW, ORDER, SUBSCRIBED, TRADE, UPGRADE, row, trade
from .inquiries import answered


def changed(frame: bytes, **fields: object) -> bytes:
    message = json.loads(frame)
    message["result"][0].update(fields)
    return json.dumps(message).encode()


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
