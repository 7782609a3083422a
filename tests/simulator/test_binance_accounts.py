"""Accounts of Binance spot, margin and COIN-M: the WebSocket API, REST, tokens, by clients that share nothing with it."""

import base64
import hashlib
import hmac
import json
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote, urlencode

import attrs
import pytest
import trio
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa

from actors.simulator import Exchange, Fault, Rules

Silent = Callable[[Any, float], Awaitable[bool]]
DAY = 86_400_000
RSA = rsa.generate_private_key(65537, 2048)
ED = ed25519.Ed25519PrivateKey.generate()


def public_pem(key: Any) -> str:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return str(key.public_key().public_bytes(serialization.Encoding.PEM, form).decode())


# As the venue has them: a shared secret, or the public half.
KEYS = {"demo-key": "demo-secret", "rsa-key": public_pem(RSA), "ed-key": public_pem(ED)}


def signature(api_key: str, payload: str) -> str:
    if api_key == "rsa-key":
        return base64.b64encode(RSA.sign(payload.encode(), padding.PKCS1v15(), hashes.SHA256())).decode()
    if api_key == "ed-key":
        return base64.b64encode(ED.sign(payload.encode())).decode()
    return hmac.new(b"demo-secret", payload.encode(), hashlib.sha256).hexdigest()


def market(**options: Any) -> Exchange:
    symbols = {"binance": ["BTCUSDT", "ETHUSDT"], "binance-coinm": ["BTCUSD_PERP"]}
    return Exchange(seed=5, symbols=symbols, keys=KEYS, trades_per_second=0, **options)


def place(exchange: Exchange, symbol: str = "BTCUSDT", venue: str = "binance", api_key: str = "demo-key") -> int:
    return exchange.place_order(api_key, symbol, "buy", "2", "60000.00", venue=venue).order_id


def signed(exchange: Exchange, api_key: str = "demo-key", **params: Any) -> dict[str, Any]:
    """Parameters of the WebSocket API: sorted, not percent-encoded."""
    whole = {"apiKey": api_key, "timestamp": exchange.clock.ms(), **params}
    payload = "&".join(f"{name}={whole[name]}" for name in sorted(whole))
    return whole | {"signature": signature(api_key, payload)}


async def rest(
    client: Any, path: str, *, method: str = "GET", venue: str = "binance", api_key: str = "demo-key", **params: Any
) -> Any:
    query = urlencode({"timestamp": client.exchange.clock.ms(), **params})
    made = quote(signature(api_key, query), safe="")
    http = await client.http(venue)
    return await http.request(method, f"{path}?{query}&signature={made}", {"X-MBX-APIKEY": api_key})


async def api(client: Any) -> Any:
    return await client.ws("binance", "/ws-api/v3")


async def subscribed(client: Any, api_key: str = "demo-key") -> Any:
    ws = await api(client)
    params = signed(client.exchange, api_key)
    answer = await ws.ask("userDataStream.subscribe.signature", params, "s")
    assert (answer["id"], answer["status"], answer["result"]) == ("s", 200, {"subscriptionId": 0})
    return ws


# The WebSocket API ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("api_key", KEYS)
async def test_a_signature_of_any_kind_subscribes(autojump_clock: object, clients: Any, api_key: str) -> None:
    exchange = market()
    async with clients(exchange) as client:
        ws = await subscribed(client, api_key)
        number = place(exchange, api_key=api_key)
        event = await ws.json()
        assert (event["subscriptionId"], event["event"]["e"], event["event"]["i"]) == (0, "executionReport", number)
    assert [record.surface for record in exchange.record.connections] == ["private"]


async def test_an_ed25519_key_logs_on_and_other_keys_do_not(autojump_clock: object, clients: Any) -> None:
    exchange = market()
    async with clients(exchange) as client:
        ws = await api(client)
        assert (await ws.ask("userDataStream.subscribe"))["status"] == 401
        assert (await ws.ask("session.logon", signed(exchange)))["status"] == 400
        logged = await ws.ask("session.logon", signed(exchange, "ed-key"))
        assert (logged["status"], logged["result"]["apiKey"]) == (200, "ed-key")
        assert (await ws.ask("userDataStream.subscribe"))["result"] == {"subscriptionId": 0}
        await trio.sleep(1)
        status = (await ws.ask("session.status"))["result"]
        assert (status["apiKey"], status["userDataStream"]) == ("ed-key", True)
        assert (await ws.ask("session.subscriptions"))["result"] == [{"subscriptionId": 0}]
        place(exchange, api_key="demo-key")
        mine = place(exchange, api_key="ed-key")
        assert (await ws.json())["event"]["i"] == mine, "another key's orders are not told"
        assert (await ws.ask("session.logout"))["result"]["apiKey"] is None
        assert (await ws.ask("session.subscriptions"))["result"] == []


async def test_an_order_is_told_as_it_lives(autojump_clock: object, clients: Any) -> None:
    exchange = market()
    async with clients(exchange) as client:
        ws = await subscribed(client)
        number = place(exchange)
        exchange.fill_order("demo-key", number, "0.5", venue="binance")
        exchange.cancel_order("demo-key", number, venue="binance")
        new, fill, cancel = [(await ws.json())["event"] for _ in range(3)]
        assert [(e["x"], e["X"], e["l"], e["z"]) for e in (new, fill, cancel)] == [
            ("NEW", "NEW", "0.00000000", "0.00000000"),
            ("TRADE", "PARTIALLY_FILLED", "0.50000000", "0.50000000"),
            ("CANCELED", "CANCELED", "0.00000000", "0.50000000"),
        ]
        assert (new["t"], fill["t"], cancel["t"]) == (-1, exchange.record.trades["binance", "BTCUSDT"][0].id, -1)
        # A cancel comes under the id of the request that cancels.
        assert new["c"] == fill["c"] == cancel["C"] != cancel["c"]
        assert (new["N"], fill["N"]) == (None, "USDT")
        assert new["C"] == fill["C"] == ""


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"signature": "00"}, 400, -1022),
        ({"timestamp": 1}, 400, -1021),
        ({"apiKey": "nobody"}, 401, -2015),
        ({"apiKey": ""}, 401, -2014),
        ({"recvWindow": 60001}, 400, -1131),
    ],
)
async def test_what_is_wrong_with_a_subscription_is_told(
    autojump_clock: object, clients: Any, change: dict[str, Any], status: int, code: int
) -> None:
    exchange = market()
    async with clients(exchange) as client:
        ws = await api(client)
        answer = await ws.ask("userDataStream.subscribe.signature", signed(exchange) | change)
        assert (answer["status"], answer["error"]["code"], answer["id"]) == (status, code, 1)


@pytest.mark.parametrize(("shift", "accepted"), [(-4999, True), (-5001, False), (999, True), (1000, False)])
async def test_the_window_of_time_is_the_documented_one(
    autojump_clock: object, clients: Any, shift: int, accepted: bool
) -> None:
    exchange = market()
    async with clients(exchange) as client:
        ws = await api(client)
        params = signed(exchange, timestamp=exchange.clock.ms() + shift)
        answer = await ws.ask("userDataStream.subscribe.signature", params)
        assert (answer["status"] == 200) == accepted


async def test_a_revoked_key_is_told_of_only_with_the_next_request(
    autojump_clock: object, clients: Any, silent_for: Silent
) -> None:
    exchange = market()
    async with clients(exchange) as client:
        ws = await api(client)
        await ws.ask("session.logon", signed(exchange, "ed-key"))
        await ws.ask("userDataStream.subscribe")
        exchange.inject(Fault("revoke_key", surface="private", notice=False))
        place(exchange, api_key="ed-key")
        assert await silent_for(ws, 3600)
        answer = await ws.ask("session.status", number=7)
        assert (answer["id"], answer["status"], answer["error"]["code"]) == (None, 401, -2015)
        late = await ws.ask("userDataStream.subscribe.signature", signed(exchange))
        assert late["error"]["code"] == -2015
        exchange.inject(Fault("restore_key", surface="private"))
        again = await ws.ask("userDataStream.subscribe.signature", signed(exchange))
        assert again["status"] == 200


@pytest.mark.parametrize("notice", [True, False])
async def test_the_end_of_a_subscription_is_told_or_found_by_asking(
    autojump_clock: object, clients: Any, silent_for: Silent, notice: bool
) -> None:
    exchange = market()
    async with clients(exchange) as client:
        ws = await subscribed(client)
        exchange.inject(Fault("expire_key", venue="binance", surface="private", notice=notice))
        if notice:
            message = await ws.json()
            assert (message["subscriptionId"], message["event"]["e"]) == (0, "eventStreamTerminated")
        place(exchange)
        assert await silent_for(ws, 100)
        assert (await ws.ask("session.subscriptions"))["result"] == []
        # The connection lives, and can subscribe again.
        assert (await ws.ask("userDataStream.subscribe.signature", signed(exchange)))["result"] == {"subscriptionId": 1}
        number = place(exchange)
        message = await ws.json()
        assert (message["subscriptionId"], message["event"]["i"]) == (1, number)


async def test_refused_logins_and_lost_consent(autojump_clock: object, clients: Any, silent_for: Silent) -> None:
    exchange = market()
    async with clients(exchange) as client:
        ws = await api(client)
        exchange.inject(Fault("refuse_login", surface="private", duration=10))
        answer = await ws.ask("userDataStream.subscribe.signature", signed(exchange))
        assert (answer["status"], answer["error"]["code"]) == (401, -2015)
        await trio.sleep(10)
        exchange.inject(Fault("lost_login_ack", surface="private", duration=10))
        request = {"method": "userDataStream.subscribe.signature", "params": signed(exchange), "id": 1}
        await ws.send(json.dumps(request))
        assert await silent_for(ws, 5)
        place(exchange)
        assert (await ws.json())["event"]["e"] == "executionReport"


async def test_weight_is_shared_with_rest_and_who_goes_on_is_banned(autojump_clock: object, clients: Any) -> None:
    rules = attrs.evolve(Rules.documented("binance"), weight_per_minute=10)
    exchange = market(rules={"binance": rules}, epoch=1_800_000_000.0)
    async with clients(exchange) as client:
        ws = await subscribed(client)
        counted = await ws.ask("ping")
        assert counted["rateLimits"][0] | {"limit": 10, "count": 5} == counted["rateLimits"][0]
        assert (await client.get("binance", "/api/v3/time")).headers["x-mbx-used-weight-1m"] == "6"
        await ws.ask("openOrderLists.status", signed(exchange))
        late = await ws.ask("ping")
        assert (late["status"], late["error"]["code"]) == (429, -1003)
        data = late["error"]["data"]
        # A moment, and not seconds: the end of the minute.
        assert data["retryAfter"] - data["serverTime"] == 60_000
        for _ in range(3):
            await trio.sleep(1)
            late = await ws.ask("ping")
        assert late["status"] == 418
        assert {violation.rule for violation in exchange.record.violations} >= {"request_weight", "banned"}


async def test_the_server_pings_and_says_when_it_goes(autojump_clock: object, clients: Any) -> None:
    exchange = market()
    async with clients(exchange) as client:
        ws = await subscribed(client)
        frame = await ws.frame()
        assert (frame.opcode.name, trio.current_time()) == ("PING", pytest.approx(20))
        exchange.inject(Fault("notice", venue="binance", surface="private", duration=5))
        assert (await ws.json())["event"]["e"] == "serverShutdown"
        with pytest.raises(EOFError):
            await ws.json()


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"id":1}', '{"id":1,"method":5}', '{"id":1,"method":"x","params":[1]}']
)
async def test_nonsense_is_answered(autojump_clock: object, clients: Any, text: str) -> None:
    async with clients(market()) as client:
        ws = await api(client)
        await ws.send(text)
        answer = await ws.json()
        assert (answer["status"], answer["error"]["code"]) == (400, -1000)
        assert (await ws.ask("no.such.method"))["error"]["code"] == -1020
        assert (await ws.ask("ping", number="x"))["result"] == {}


async def test_the_old_listen_key_of_spot_is_gone(autojump_clock: object, clients: Any) -> None:
    async with clients(market()) as client:
        http = await client.http("binance")
        answer = await http.request("POST", "/api/v3/userDataStream", {"X-MBX-APIKEY": "demo-key"})
        assert answer.status == 404


# Margin --------------------------------------------------------------------------------------------------------------


async def token(client: Any, **params: Any) -> str:
    answer = await rest(client, "/sapi/v1/userListenToken", method="POST", **params)
    assert answer.status == 200
    return str(answer.json["token"])


async def test_margin_listens_by_a_token_until_its_end(
    autojump_clock: object, clients: Any, silent_for: Silent
) -> None:
    exchange = market()
    async with clients(exchange) as client:
        ws = await api(client)
        first = await token(client, validity=3_600_000)
        asked = exchange.clock.ms()
        answer = await ws.ask("userDataStream.subscribe.listenToken", {"listenToken": first})
        assert answer["result"] == {"subscriptionId": 0, "expirationTime": asked + 3_600_000}
        place(exchange)
        assert (await ws.json())["subscriptionId"] == 0
        assert await silent_for(ws, 3000)
        # The next one extends the subscription.
        second = await token(client, validity=3_600_000)
        answer = await ws.ask("userDataStream.subscribe.listenToken", {"listenToken": second})
        assert answer["result"]["subscriptionId"] == 0
        assert await silent_for(ws, 3599)
        assert (await ws.json())["event"]["e"] == "eventStreamTerminated"
        for dead in (first, second, "nonsense"):
            answer = await ws.ask("userDataStream.subscribe.listenToken", {"listenToken": dead})
            assert answer["error"]["code"] == -1209


async def test_an_isolated_account_is_that_of_its_symbol(autojump_clock: object, clients: Any) -> None:
    exchange = market()
    async with clients(exchange) as client:
        ws = await api(client)
        value = await token(client, symbol="BTCUSDT", isIsolated="true")
        await ws.ask("userDataStream.subscribe.listenToken", {"listenToken": value})
        place(exchange, "ETHUSDT")
        number = place(exchange, "BTCUSDT")
        assert (await ws.json())["event"]["i"] == number
        path = "/sapi/v1/margin/openOrders"
        assert (await rest(client, path, isIsolated="TRUE")).json["code"] == -1102
        [row] = (await rest(client, path, symbol="BTCUSDT", isIsolated="TRUE")).json
        assert (row["orderId"], row["isIsolated"]) == (number, True)
        answer = await rest(client, "/sapi/v1/margin/allOrders", symbol="BTCUSDT")
        assert answer.headers["x-sapi-used-ip-weight-1m"] == "200"
        assert "x-mbx-used-weight-1m" not in answer.headers


# REST ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("api_key", KEYS)
async def test_rest_takes_a_signature_of_any_kind(autojump_clock: object, clients: Any, api_key: str) -> None:
    exchange = market()
    async with clients(exchange) as client:
        number = place(exchange, api_key=api_key)
        answer = await rest(client, "/api/v3/order", api_key=api_key, symbol="BTCUSDT", orderId=number)
        assert (answer.status, answer.json["orderId"], answer.json["status"]) == (200, number, "NEW")
        other = next(name for name in KEYS if name != api_key)
        query = urlencode({"timestamp": exchange.clock.ms(), "symbol": "BTCUSDT"})
        forged = quote(signature(other, query), safe="")
        answer = await client.get(
            "binance", f"/api/v3/openOrders?{query}&signature={forged}", {"X-MBX-APIKEY": api_key}
        )
        assert answer.json["code"] == -1022


async def test_history_is_given_by_the_day_or_from_an_id_on(autojump_clock: object, clients: Any) -> None:
    exchange = market()
    async with clients(exchange) as client:
        start = exchange.clock.ms()
        numbers = []
        for _ in range(3):
            numbers.append(place(exchange))
            exchange.fill_order("demo-key", numbers[-1], venue="binance")
            await trio.sleep(86_400)
        orders, trades = "/api/v3/allOrders", "/api/v3/myTrades"
        fills = [trade.id for trade in exchange.record.trades["binance", "BTCUSDT"]]
        for path, name, ids, field in ((orders, "orderId", numbers, "orderId"), (trades, "fromId", fills, "id")):

            async def ask(path: str = path, field: str = field, **params: Any) -> list[int]:
                return [row[field] for row in (await rest(client, path, symbol="BTCUSDT", **params)).json]

            assert await ask() == ids
            assert await ask(limit=2) == ids[1:]
            assert await ask(startTime=start) == ids[:2], "a day, both ends included"
            assert await ask(startTime=start, endTime=start + DAY - 1) == ids[:1]
            assert await ask(endTime=start + DAY) == ids[:2]
            assert await ask(**{name: ids[1]}, limit=1) == ids[1:2]
            assert await ask(**{name: ids[1]}) == ids[1:]
            for bad, code in (
                ({"startTime": start, "endTime": start + DAY + 1}, -1127),
                ({"startTime": start, name: 1}, -1128),
                ({"limit": 1001}, -1130),
            ):
                assert (await rest(client, path, symbol="BTCUSDT", **bad)).json["code"] == code
        assert (await rest(client, trades, symbol="BTCUSDT", orderId=numbers[0])).json[0]["id"] == fills[0]


@pytest.mark.parametrize(
    ("path", "params", "weight"),
    [
        ("/api/v3/openOrders", {"symbol": "BTCUSDT"}, 6),
        ("/api/v3/openOrders", {}, 80),
        ("/api/v3/order", {"symbol": "BTCUSDT", "orderId": 1}, 4),
        ("/api/v3/allOrders", {"symbol": "BTCUSDT"}, 20),
        ("/api/v3/myTrades", {"symbol": "BTCUSDT"}, 20),
        ("/api/v3/myTrades", {"symbol": "BTCUSDT", "orderId": 1}, 5),
        ("/api/v3/openOrderList", {}, 6),
    ],
)
async def test_the_documented_weights_are_charged(
    autojump_clock: object, clients: Any, path: str, params: dict[str, Any], weight: int
) -> None:
    async with clients(market()) as client:
        assert (await rest(client, path, **params)).headers["x-mbx-used-weight-1m"] == str(weight)


async def test_what_a_key_may_do_is_told_to_who_signs(autojump_clock: object, clients: Any) -> None:
    async with clients(market()) as client:
        answer = await rest(client, "/sapi/v1/account/apiRestrictions")
        assert (answer.json["enableReading"], answer.json["enableWithdrawals"]) == (True, False)


# COIN-M --------------------------------------------------------------------------------------------------------------


async def coinm_key(client: Any) -> str:
    http = await client.http("binance-coinm")
    answer = await http.request("POST", "/dapi/v1/listenKey", {"X-MBX-APIKEY": "demo-key"})
    return str(answer.json["listenKey"])


@pytest.mark.parametrize("target", ["/ws/{key}", "/stream?streams={key}", "/stream", "/ws"])
async def test_a_listen_key_of_coinm_is_the_name_of_a_stream(autojump_clock: object, clients: Any, target: str) -> None:
    exchange = market()
    async with clients(exchange) as client:
        key = await coinm_key(client)
        ws = await client.ws("binance-coinm", target.format(key=key))
        if key not in target.format(key=key):
            assert (await ws.ask("SUBSCRIBE", [key]))["result"] is None
        number = place(exchange, "BTCUSD_PERP", "binance-coinm")
        exchange.fill_order("demo-key", number, "1", venue="binance-coinm")
        told = [await ws.json(), await ws.json()]
        if target.startswith("/stream"):
            assert {message["stream"] for message in told} == {key}
            told = [message["data"] for message in told]
        assert [(m["o"]["x"], m["o"]["q"], m["o"]["N"]) for m in told] == [("NEW", "2", "BTC"), ("TRADE", "2", "BTC")]
        [fill] = (await rest(client, "/dapi/v1/userTrades", venue="binance-coinm", symbol="BTCUSD_PERP")).json
        assert (fill["orderId"], fill["pair"], fill["commissionAsset"]) == (number, "BTCUSD", "BTC")
        # Without a filter all events come, the end of the key too.
        exchange.inject(Fault("expire_key", venue="binance-coinm", surface="private"))
        assert "listenKeyExpired" in await ws.text()
    [record] = exchange.record.connections[:1]
    assert all(key not in entry.path for entry in exchange.record.connections)
    assert [entry.surface for entry in exchange.record.connections if entry.surface != "rest"] == ["private"]
    assert record is not None


async def test_coinm_counts_a_page_of_a_hundred_orders(autojump_clock: object, clients: Any) -> None:
    async with clients(market()) as client:
        for limit, status in ((100, 200), (101, 400)):
            answer = await rest(client, "/dapi/v1/allOrders", venue="binance-coinm", symbol="BTCUSD_PERP", limit=limit)
            assert answer.status == status
        assert answer.headers["x-mbx-used-weight-1m"] == "40"
