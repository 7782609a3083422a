"""KuCoin's accounts: tokens of accounts, user topics, and what ends them."""

import base64
import hashlib
import hmac
import json
from collections.abc import Awaitable, Callable
from typing import Any

import attrs
import pytest
import trio

from actors.simulator import Exchange, Fault, Rules

from .shapes import shape

Silent = Callable[[Any, float], Awaitable[bool]]
SECRET = "demo-secret"

# Official samples (sdk spec/ws, 2025-11-04); of an execution the guide of 2024, without the fields that it lacks.
OPEN = """{"topic":"/spotMarket/tradeOrdersV2","type":"message","subject":"orderChange","userId":"633559791e1cbc0001f319bc",
"channelType":"private","data":{"canceledSize":"0","clientOid":"5c52e11203aa677f33e493fb","filledSize":"0","orderId":
"6720ecd9ec71f4000747731a","orderTime":1730211033305,"orderType":"limit","originSize":"0.00001","price":"50000",
"remainSize":"0.00001","side":"buy","size":"0.00001","status":"open","symbol":"BTC-USDT","ts":1730211033335000000,
"type":"open"}}"""


def with_account(**options: Any) -> Exchange:
    return Exchange(seed=5, symbols={"kucoin": ["BTC-USDT"]}, keys={"demo-key": SECRET}, trades_per_second=0, **options)


def signed(method: str, target: str, time: int, **changes: str) -> dict[str, str]:
    def of(text: str) -> str:
        return base64.b64encode(hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).digest()).decode()

    return {
        "KC-API-KEY": "demo-key",
        "KC-API-SIGN": of(f"{time}{method}{target}"),
        "KC-API-TIMESTAMP": str(time),
        "KC-API-PASSPHRASE": of("demo-passphrase"),
        "KC-API-KEY-VERSION": "3",
        **changes,
    }


async def token(client: Any) -> Any:
    headers = signed("POST", "/api/v1/bullet-private", client.exchange.clock.ms())
    return await (await client.http("kucoin")).request("POST", "/api/v1/bullet-private", headers)


async def stream(client: Any, topic: str = "/spotMarket/tradeOrdersV2") -> Any:
    value = (await token(client)).json["data"]["token"]
    ws = await client.ws("kucoin", f"/?token={value}&connectId=x")
    assert (await ws.json())["type"] == "welcome"
    await subscribe(ws, topic)
    assert (await ws.json())["type"] == "ack"
    return ws


async def subscribe(ws: Any, topic: str, *, private: object = True) -> None:
    await ws.send(
        json.dumps({"id": 1, "type": "subscribe", "topic": topic, "privateChannel": private, "response": True})
    )


def place(exchange: Exchange) -> int:
    return exchange.place_order("demo-key", "BTC-USDT", "buy", "0.1", "60000", venue="kucoin").order_id


async def test_the_life_of_an_order_is_told_as_the_documents_say(autojump_clock: object, clients: Any) -> None:
    exchange = with_account()
    async with clients(exchange) as client:
        ws = await stream(client)
        first, second = place(exchange), place(exchange)
        exchange.fill_order("demo-key", first, "0.04", venue="kucoin")
        exchange.fill_order("demo-key", first, venue="kucoin")
        exchange.expire_order("demo-key", second, venue="kucoin")
        told = [await ws.json() for _ in range(8)]
        assert shape(told[1]) == shape(json.loads(OPEN))
        rows = [message["data"] for message in told]
        assert [(row["type"], row["status"], row.get("filledSize", "0")) for row in rows] == [
            ("received", "new", "0"),
            ("open", "open", "0"),
            ("received", "new", "0"),
            ("open", "open", "0"),
            ("match", "open", "0.04"),
            ("match", "open", "0.10"),
            ("filled", "done", "0.10"),
            # There is no other word for it.
            ("canceled", "done", "0"),
        ]
        public = [str(trade.id) for trade in exchange.record.trades["kucoin", "BTC-USDT"]]
        assert [row["tradeId"] for row in rows if row["type"] == "match"] == public
        assert {row["orderId"] for row in rows} == {
            order.order_id for order in exchange.spelled("kucoin", "demo-key").orders
        }
        [connection] = [each for each in exchange.record.connections if each.surface == "private"]
        assert connection.path == "/"


async def test_the_older_topic_does_not_tell_that_an_order_was_received(autojump_clock: object, clients: Any) -> None:
    exchange = with_account()
    async with clients(exchange) as client:
        ws = await stream(client, "/spotMarket/tradeOrders")
        place(exchange)
        assert (await ws.json())["data"]["type"] == "open"


async def test_user_topics_want_a_token_of_the_account_and_to_be_private(
    autojump_clock: object, clients: Any, silent_for: Silent
) -> None:
    exchange = with_account()
    async with clients(exchange) as client:
        public = (await (await client.http("kucoin")).request("POST", "/api/v1/bullet-public")).json["data"]["token"]
        ws = await client.ws("kucoin", f"/?token={public}&connectId=x")
        await ws.json()
        await subscribe(ws, "/spotMarket/tradeOrdersV2")
        assert (await ws.json())["code"] == 403
        private = await stream(client, "/account/balance")
        await subscribe(private, "/spotMarket/tradeOrdersV2", private=False)
        assert (await private.json())["code"] == 403
        place(exchange)
        assert await silent_for(private, 5.0)


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"KC-API-SIGN": ""}, "400001"),
        ({"KC-API-TIMESTAMP": "1"}, "400002"),
        ({"KC-API-KEY": "other"}, "400003"),
        ({"KC-API-PASSPHRASE": "demo-passphrase"}, "400004"),
        ({"KC-API-SIGN": "x"}, "400005"),
        ({"KC-API-KEY-VERSION": "1"}, "400009"),
    ],
)
async def test_what_is_wrong_with_a_request_is_told_by_its_code(
    autojump_clock: object, clients: Any, headers: dict[str, str], code: str
) -> None:
    async with clients(with_account()) as client:
        sent = signed("GET", "/api/v1/user/api-key", client.exchange.clock.ms(), **headers)
        answer = await client.get("kucoin", "/api/v1/user/api-key", sent)
        assert (answer.status, answer.json["code"]) == (401, code)


async def test_a_token_that_is_used_again_after_a_day_is_refused(autojump_clock: object, clients: Any) -> None:
    exchange = with_account(rules={"kucoin": attrs.evolve(Rules.documented("kucoin"), client_ping_within=None)})
    async with clients(exchange) as client:
        value = (await token(client)).json["data"]["token"]
        await trio.sleep(86_399)
        ws = await client.ws("kucoin", f"/?token={value}&connectId=x")
        assert (await ws.json())["type"] == "welcome"
        await trio.sleep(2)
        late = await client.ws("kucoin", f"/?token={value}&connectId=x")
        assert (await late.json())["data"] == "token is expired"
        with pytest.raises(EOFError):
            await late.json()


@pytest.mark.parametrize("told", [True, False])
async def test_a_fault_ends_the_tokens_of_accounts_with_a_word_or_without(
    autojump_clock: object, clients: Any, silent_for: Silent, told: bool
) -> None:
    exchange = with_account()
    async with clients(exchange) as client:
        ws = await stream(client)
        exchange.inject(Fault("expire_key", venue="kucoin", surface="private", notice=told))
        if told:
            assert (await ws.json())["data"] == "token is expired"
        place(exchange)
        assert await silent_for(ws, 5.0)
        again = await stream(client)
        place(exchange)
        assert (await again.json())["data"]["type"] == "received"


async def test_a_revoked_key_gets_no_token_and_its_stream_no_order(
    autojump_clock: object, clients: Any, silent_for: Silent
) -> None:
    exchange = with_account()
    async with clients(exchange) as client:
        ws = await stream(client)
        value = (await token(client)).json["data"]["token"]
        exchange.inject(Fault("revoke_key", venue="kucoin", surface="private", notice=False))
        place(exchange)
        assert await silent_for(ws, 5.0)
        assert (await token(client)).json["code"] == "400003"
        late = await client.ws("kucoin", f"/?token={value}&connectId=x")
        assert (await late.json())["data"] == "token is invalid"
        exchange.inject(Fault("restore_key", venue="kucoin", surface="private"))
        assert (await token(client)).json["code"] == "200000"


async def test_a_refused_login_is_a_refused_token_and_rest_goes_on(autojump_clock: object, clients: Any) -> None:
    exchange = with_account()
    async with clients(exchange) as client:
        exchange.inject(Fault("refuse_login", venue="kucoin", surface="private", duration=30.0))
        assert (await token(client)).json["code"] == "400003"
        target = "/api/v1/hf/orders/active?symbol=BTC-USDT"
        answer = await client.get("kucoin", target, signed("GET", target, exchange.clock.ms()))
        assert answer.json == {"code": "200000", "data": []}
        await trio.sleep(31)
        assert (await token(client)).json["code"] == "200000"


async def test_pages_are_of_a_hundred_at_most(autojump_clock: object, clients: Any) -> None:
    exchange = with_account()
    async with clients(exchange) as client:
        for limit, code in (("100", "200000"), ("101", "400100"), ("x", "400100")):
            target = f"/api/v1/hf/fills?symbol=BTC-USDT&limit={limit}"
            answer = await client.get("kucoin", target, signed("GET", target, exchange.clock.ms()))
            assert answer.json["code"] == code
