"""Gate's accounts: subscriptions that are signed one by one, and what is told of orders and executions."""

import hashlib
import hmac
import json
from collections.abc import Awaitable, Callable
from typing import Any

import attrs
import pytest

from actors.simulator import Exchange, Fault

from .shapes import shape

Silent = Callable[[Any, float], Awaitable[bool]]
SECRET = "demo-secret"

# Official samples (Gate's spot WebSocket v4 guide, 2026-05-27), without the fields that are not simulated.
ORDER = """{"time":1694655225,"time_ms":1694655225315,"channel":"spot.orders","event":"update","result":[{"id":"399123456",
"text":"t-testtext","create_time":"1694655225","update_time":"1694655225","currency_pair":"BTC_USDT","type":"limit",
"account":"spot","side":"sell","amount":"0.0001","price":"26253.3","time_in_force":"gtc","left":"0.0001","filled_total":"0",
"filled_amount":"812.8","avg_deal_price":"0","fee":"0","fee_currency":"USDT","point_fee":"0","gt_fee":"0","rebated_fee":"0",
"rebated_fee_currency":"USDT","create_time_ms":"1694655225315","update_time_ms":"1694655225315","user":3497082,"event":"put",
"stp_id":0,"stp_act":"-","finish_as":"open","biz_info":"-","amend_text":"-","iceberg":"0"}]}"""
TRADE = """{"time":1605176741,"time_ms":1605176741123,"channel":"spot.usertrades","event":"update","result":[{"id":5736713,
"user_id":1000001,"order_id":"30784428","currency_pair":"BTC_USDT","create_time":1605176741,"create_time_ms":
"1605176741123.456","side":"sell","amount":"1.00000000","role":"taker","price":"10000.00000000","fee":"0.00200000000000",
"point_fee":"0","gt_fee":"0","text":"apiv4","id_market":917144}]}"""


def with_account(**options: Any) -> Exchange:
    symbols = {"gate": ["BTC_USDT", "ETH_USDT"]}
    return Exchange(seed=5, symbols=symbols, keys={"demo-key": SECRET}, trades_per_second=0, **options)


def request(channel: str, time: int, payload: object = None, event: str = "subscribe", **auth: str) -> str:
    text = f"channel={channel}&event={event}&time={time}"
    sign = hmac.new(SECRET.encode(), text.encode(), hashlib.sha512).hexdigest()
    return json.dumps(
        {
            "time": time,
            "id": 7,
            "channel": channel,
            "event": event,
            "payload": ["!all"] if payload is None else payload,
            "auth": {"method": "api_key", "KEY": "demo-key", "SIGN": sign, **auth},
        }
    )


async def stream(client: Any, *channels: str, payload: object = None) -> Any:
    ws = await client.ws("gate", "/ws/v4/")
    for channel in channels:
        await ws.send(request(channel, client.exchange.clock.ms() // 1000, payload))
        answer = await ws.json()
        assert (answer["id"], answer["error"], answer["result"]) == (7, None, {"status": "success"})
    return ws


def place(exchange: Exchange, symbol: str = "BTC_USDT") -> int:
    return exchange.place_order("demo-key", symbol, "sell", "0.1", "60000", venue="gate").order_id


async def test_the_life_of_an_order_is_told_as_the_documents_say(autojump_clock: object, clients: Any) -> None:
    exchange = with_account()
    async with clients(exchange) as client:
        ws = await stream(client, "spot.orders", "spot.usertrades")
        first, second = place(exchange), place(exchange)
        exchange.fill_order("demo-key", first, "0.04", venue="gate")
        exchange.fill_order("demo-key", first, venue="gate")
        exchange.cancel_order("demo-key", second, venue="gate")
        told = [await ws.json() for _ in range(7)]
        orders = [message for message in told if message["channel"] == "spot.orders"]
        trades = [message for message in told if message["channel"] == "spot.usertrades"]
        assert shape(orders[0]) == shape(json.loads(ORDER))
        assert shape(trades[0]) == shape(json.loads(TRADE))
        rows = [message["result"][0] for message in orders]
        assert [(row["event"], row["finish_as"], row["left"]) for row in rows] == [
            ("put", "open", "0.1"),
            ("put", "open", "0.1"),
            ("update", "open", "0.06"),
            ("finish", "filled", "0.00"),
            ("finish", "cancelled", "0.1"),
        ]
        public = [trade.id for trade in exchange.record.trades["gate", "BTC_USDT"]]
        assert [message["result"][0]["id"] for message in trades] == public
        [connection] = exchange.record.connections
        assert connection.surface == "private"


async def test_an_execution_and_its_order_come_in_either_order(autojump_clock: object, clients: Any) -> None:
    exchange = with_account()
    async with clients(exchange) as client:
        ws = await stream(client, "spot.orders", "spot.usertrades")
        order = place(exchange)
        await ws.json()
        seen = set()
        for _ in range(8):
            exchange.fill_order("demo-key", order, "0.01", venue="gate")
            seen.add(tuple([(await ws.json())["channel"] for _ in range(2)]))
        assert seen == {("spot.orders", "spot.usertrades"), ("spot.usertrades", "spot.orders")}


async def test_a_subscription_for_one_pair_brings_one_pair(
    autojump_clock: object, clients: Any, silent_for: Silent
) -> None:
    exchange = with_account()
    async with clients(exchange) as client:
        ws = await stream(client, "spot.orders", payload=["ETH_USDT"])
        place(exchange)
        place(exchange, "ETH_USDT")
        assert (await ws.json())["result"][0]["currency_pair"] == "ETH_USDT"
        await ws.send(request("spot.orders", exchange.clock.ms() // 1000, ["ETH_USDT"], "unsubscribe"))
        await ws.json()
        place(exchange, "ETH_USDT")
        assert await silent_for(ws, 5.0)


@pytest.mark.parametrize(
    ("fields", "late", "code"),
    [
        ({"KEY": "other"}, 0, 4),
        ({"SIGN": "x"}, 0, 4),
        ({"SIGN": "ß"}, 0, 4),
        ({}, 61, 2),
        ({}, -61, 2),
    ],
)
async def test_what_is_not_signed_right_and_in_time_is_refused(
    autojump_clock: object, clients: Any, silent_for: Silent, fields: dict[str, str], late: int, code: int
) -> None:
    exchange = with_account()
    async with clients(exchange) as client:
        ws = await client.ws("gate", "/ws/v4/")
        await ws.send(request("spot.orders", exchange.clock.ms() // 1000 - late, **fields))
        answer = await ws.json()
        assert (answer["error"]["code"], answer["result"]) == (code, {"status": "fail"})
        place(exchange)
        assert await silent_for(ws, 5.0)
        assert exchange.record.connections[0].surface == "ws"


async def test_a_signature_counts_for_its_own_request_alone(autojump_clock: object, clients: Any) -> None:
    exchange = with_account()
    async with clients(exchange) as client:
        ws = await stream(client, "spot.orders")
        message = json.loads(request("spot.orders", exchange.clock.ms() // 1000))
        await ws.send(json.dumps(message | {"channel": "spot.usertrades"}))
        assert (await ws.json())["error"]["code"] == 4
        del message["auth"]
        await ws.send(json.dumps(message))
        assert (await ws.json())["error"]["code"] == 4


async def test_a_refused_login_and_a_revoked_key_are_wrong_keys(
    autojump_clock: object, clients: Any, silent_for: Silent
) -> None:
    exchange = with_account()
    async with clients(exchange) as client:
        ws = await stream(client, "spot.orders")
        faults = (Fault("refuse_login", surface="private", duration=10.0), Fault("revoke_key", surface="private"))
        for fault in faults:
            exchange.inject(attrs.evolve(fault, venue="gate"))
            other = await client.ws("gate", "/ws/v4/")
            await other.send(request("spot.orders", exchange.clock.ms() // 1000))
            assert (await other.json())["error"]["code"] == 4
        place(exchange)
        assert await silent_for(ws, 5.0)


@pytest.mark.parametrize(
    ("target", "status", "label"),
    [
        ("/api/v4/spot/orders?status=open", 400, "MISSING_REQUIRED_PARAM"),
        ("/api/v4/spot/orders?status=finished&limit=101", 400, "INVALID_PARAM_VALUE"),
        ("/api/v4/spot/my_trades?from=1&to=2592002", 400, "INVALID_PARAM_VALUE"),
        ("/api/v4/spot/my_trades?currency_pair=A_B", 400, "INVALID_CURRENCY_PAIR"),
        ("/api/v4/spot/orders/7?currency_pair=BTC_USDT", 404, "ORDER_NOT_FOUND"),
        ("/api/v4/spot/orders/7/8?currency_pair=BTC_USDT", 404, "NOT_FOUND"),
    ],
)
async def test_what_is_wrong_with_a_question_is_told_by_its_label(
    autojump_clock: object, clients: Any, target: str, status: int, label: str
) -> None:
    exchange = with_account()
    async with clients(exchange) as client:
        path, _, query = target.partition("?")
        time = str(exchange.clock.ms() // 1000)
        text = f"GET\n{path}\n{query}\n{hashlib.sha512(b'').hexdigest()}\n{time}"
        sign = hmac.new(SECRET.encode(), text.encode(), hashlib.sha512).hexdigest()
        answer = await client.get("gate", target, {"KEY": "demo-key", "Timestamp": time, "SIGN": sign})
        assert (answer.status, answer.json["label"]) == (status, label)
        assert (await client.get("gate", target.replace("orders/7/8", "orders"))).json[
            "label"
        ] == "MISSING_REQUIRED_HEADER"
