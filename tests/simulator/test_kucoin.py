"""KuCoin's dialect against its documents (sdk spec 2025-11-04) and live observations of 2026-09."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import attrs
import pytest
import trio

from actors.simulator import Exchange, Rules

from .shapes import shape
from .tongues import Follower, dial, follow

Silent = Callable[[Any, float], Awaitable[bool]]
NAMES = {"kucoin": ["BTC-USDT", "ETH-USDT"]}

BULLET = """{"code":"200000","data":{"token":"2neAiuYvAU61ZDXANAGAsiL4","instanceServers":[{"endpoint":
"wss://ws-api-spot.kucoin.com/","encrypt":true,"protocol":"websocket","pingInterval":18000,"pingTimeout":10000}]}}"""
MATCH = """{"topic":"/market/match:BTC-USDT","type":"message","subject":"trade.l3match","data":{"makerOrderId":
"671b5007389355000701b1d3","price":"67523","sequence":"11067996711960577","side":"buy","size":"0.003","symbol":
"BTC-USDT","takerOrderId":"671b50161777ff00074c168d","time":"1729843222921000000","tradeId":"11067996711960577",
"type":"match"}}"""
LEVEL2 = """{"topic":"/market/level2:BTC-USDT","type":"message","subject":"trade.l2update","data":{"changes":{"asks":[[
"67993.3","1.21427407","14701689783"]],"bids":[]},"sequenceEnd":14701689783,"sequenceStart":14701689783,"symbol":
"BTC-USDT","time":1729816425625}}"""
LEVEL1 = """{"topic":"/spotMarket/level1:BTC-USDT","type":"message","subject":"level1","data":{"asks":["68145.8",
"0.51987471"],"bids":["68145.7","1.29267802"],"timestamp":1729816058766}}"""


def quiet(**options: Any) -> Exchange:
    return Exchange(symbols=NAMES, trades_per_second=0, **options)


async def subscribe(ws: Any, topic: str, **fields: Any) -> None:
    await ws.send(json.dumps({"id": 1, "type": "subscribe", "topic": topic, "response": True, **fields}))


async def test_the_bullet_call_names_the_exchanges_own_address(autojump_clock: object, clients: Any) -> None:
    async with clients(quiet()) as client:
        http = await client.http("kucoin")
        answer = (await http.request("POST", "/api/v1/bullet-public")).json
        assert shape(answer) == shape(json.loads(BULLET))
        assert answer["data"]["instanceServers"][0]["endpoint"] == "ws://kucoin.exchange/"
        assert (await http.request("POST", "/api/v1/bullet-public")).json["data"]["token"] != answer["data"]["token"]
        assert (await http.request("GET", "/api/v1/bullet-public")).status == 405


@pytest.mark.parametrize("target", ["/", "/endpoint?connectId=x", "/?token=invented&connectId=x"])
async def test_without_a_token_nothing_is_opened(autojump_clock: object, clients: Any, target: str) -> None:
    async with clients(quiet()) as client:
        ws = await client.ws("kucoin", target)
        error = await ws.json()
        assert (error["type"], error["code"], error["data"]) == ("error", 401, "token is invalid")
        with pytest.raises(EOFError):
            await ws.json()


async def test_a_token_lives_a_day_and_opens_more_than_one_connection(autojump_clock: object, clients: Any) -> None:
    async with clients(quiet()) as client:
        token = (await (await client.http("kucoin")).request("POST", "/api/v1/bullet-public")).json["data"]["token"]
        for _ in range(2):
            assert (await (await client.ws("kucoin", f"/?token={token}&connectId=a")).json())["type"] == "welcome"
        await trio.sleep_until(86_401)
        assert (await (await client.ws("kucoin", f"/?token={token}&connectId=a")).json())["data"] == "token is expired"


async def test_what_is_said_before_the_welcome_is_lost(
    autojump_clock: object, clients: Any, silent_for: Silent
) -> None:
    exchange = quiet(rules={"kucoin": attrs.evolve(Rules.documented("kucoin"), welcome_after=0.05)})
    async with clients(exchange) as client:
        token = (await (await client.http("kucoin")).request("POST", "/api/v1/bullet-public")).json["data"]["token"]
        ws = await client.ws("kucoin", f"/?token={token}&connectId=hQvf8jkno")
        await subscribe(ws, "/market/match:BTC-USDT")
        assert await ws.json() == {"id": "hQvf8jkno", "type": "welcome"}
        exchange.print_trade("kucoin", "BTC-USDT")
        assert await silent_for(ws, 5)


async def test_the_welcome_comes_at_once_and_is_not_waited_for_by_everybody(
    autojump_clock: object, clients: Any
) -> None:
    async with clients(quiet()) as client:
        token = (await (await client.http("kucoin")).request("POST", "/api/v1/bullet-public")).json["data"]["token"]
        ws = await client.ws("kucoin", f"/?token={token}&connectId=hQvf8jkno")
        await subscribe(ws, "/market/match:BTC-USDT")
        assert await ws.json() == {"id": "hQvf8jkno", "type": "welcome"}
        assert await ws.json() == {"id": "1", "type": "ack"}


async def test_a_topic_with_a_space_in_it_is_invalid(autojump_clock: object, clients: Any) -> None:
    async with clients(quiet()) as client:
        ws = (await dial(client, "kucoin")).ws
        # As cryptofeed 2.4.1 sends it, and what the venue has said to that since 2026-02 (cryptofeed issue 1100).
        await subscribe(ws, "/market/match: BTC-USDT")
        assert await ws.json() == {
            "id": "1",
            "type": "error",
            "code": 400,
            "data": "topic /market/match: BTC-USDT is invalid",
        }


async def test_only_who_asks_for_a_response_gets_one(autojump_clock: object, clients: Any, silent_for: Silent) -> None:
    exchange = quiet()
    async with clients(exchange) as client:
        ws = (await dial(client, "kucoin")).ws
        await subscribe(ws, "/market/match:BTC-USDT", response=False)
        assert await silent_for(ws, 5)
        exchange.print_trade("kucoin", "BTC-USDT", raw_count=1)
        assert (await ws.json())["subject"] == "trade.l3match"
        await subscribe(ws, "/market/match:BTC-USDT", id=1545910660739)
        assert await ws.json() == {"id": "1545910660739", "type": "ack"}
        exchange.print_trade("kucoin", "BTC-USDT", raw_count=1)
        await ws.json()
        assert await silent_for(ws, 5)  # subscribed twice, told once


async def test_nonsense_symbols_are_acknowledged_and_nonsense_topics_are_not(
    autojump_clock: object, clients: Any, silent_for: Silent
) -> None:
    exchange = quiet()
    async with clients(exchange) as client:
        ws = (await dial(client, "kucoin")).ws
        await subscribe(ws, "/market/match:NOPE-USDT,ETH-USDT")
        assert (await ws.json())["type"] == "ack"
        await subscribe(ws, "/market/nothing:BTC-USDT", id="p28")
        assert await ws.json() == {"id": "p28", "type": "error", "code": 404, "data": "topic does not exist"}
        await ws.send("not json")
        error = await ws.json()
        assert (error["code"], error["data"][:27]) == (400, "Unrecognized token 'not': w")
        exchange.print_trade("kucoin", "ETH-USDT", raw_count=1)
        assert (await ws.json())["topic"] == "/market/match:ETH-USDT"
        await ws.send(json.dumps({"id": 2, "type": "unsubscribe", "topic": "/market/match:ETH-USDT", "response": True}))
        assert (await ws.json())["type"] == "ack"
        exchange.print_trade("kucoin", "ETH-USDT")
        assert await silent_for(ws, 5)


async def test_messages_have_the_documented_fields(autojump_clock: object, clients: Any) -> None:
    exchange = quiet()
    async with clients(exchange) as client:
        follower = await follow(client, "kucoin")
        exchange.print_trade("kucoin", "BTC-USDT", raw_count=1)
        message = await follower.ws.json()
        assert shape(message) == shape(json.loads(MATCH))
        assert message["data"]["time"] == f"{exchange.clock.ms()}000000"
        ws = (await dial(client, "kucoin")).ws
        for path in ("/market/level2", "/spotMarket/level1", "/spotMarket/level2Depth50", "/spotMarket/level2Depth5"):
            await subscribe(ws, f"{path}:BTC-USDT")
            await ws.json()
        exchange.print_trade("kucoin", "BTC-USDT", side="buy")
        got = {}
        with trio.move_on_after(1):
            while True:
                message = await ws.json()
                got[message["topic"]] = message
        assert shape(got["/spotMarket/level1:BTC-USDT"]) == shape(json.loads(LEVEL1))
        update = got["/market/level2:BTC-USDT"]
        update["data"]["changes"]["bids"] = []
        assert shape(update) == shape(json.loads(LEVEL2))
        depth = got["/spotMarket/level2Depth50:BTC-USDT"]["data"]
        state = exchange.record.books["kucoin", "BTC-USDT"].at(10**18)
        assert [tuple(level) for level in depth["bids"]] == list(state.bids[:50])
        assert len(got["/spotMarket/level2Depth5:BTC-USDT"]["data"]["asks"]) == 5


async def test_sequences_increase_with_holes(autojump_clock: object) -> None:
    exchange = Exchange(3, NAMES, 20)
    with trio.move_on_after(60):
        await exchange.run()
    ids = [int(trade.id) for trade in exchange.record.trades["kucoin", "BTC-USDT"]]
    steps = [after - before for before, after in zip(ids, ids[1:], strict=False)]
    assert min(steps) == 1
    assert max(steps) > 10


async def test_differences_are_numbered_level_by_level(autojump_clock: object, clients: Any) -> None:
    exchange = Exchange(4, NAMES, 10)
    async with clients(exchange) as client, trio.open_nursery() as nursery:
        ws = (await dial(client, "kucoin")).ws
        await subscribe(ws, "/market/level2:BTC-USDT")
        await ws.json()
        nursery.start_soon(exchange.run)
        last = None
        for _ in range(200):
            data = (await ws.json())["data"]
            rows = data["changes"]["bids"] + data["changes"]["asks"]
            assert last is None or data["sequenceStart"] == last + 1
            last = data["sequenceEnd"]
            assert [int(row[2]) for row in rows] == list(range(data["sequenceStart"], last + 1))
        nursery.cancel_scope.cancel()


async def test_who_does_not_ping_for_a_minute_is_cut_off_though_data_streams(
    autojump_clock: object, clients: Any
) -> None:
    exchange = Exchange(symbols=NAMES, trades_per_second=5)
    async with clients(exchange) as client, trio.open_nursery() as nursery:
        nursery.start_soon(exchange.run)
        follower = await follow(client, "kucoin")
        await trio.sleep(30)
        await follower.ping()
        await trio.sleep(20)
        await follower.ws.ping()  # which does not count
        await follower.subscribe()  # nor does this
        with pytest.raises(EOFError, match="1000"):
            while True:
                await follower.ids()
        assert trio.current_time() == pytest.approx(90, abs=0.2)
        nursery.cancel_scope.cancel()


async def test_an_unsubscribed_one_is_told_why(autojump_clock: object, clients: Any) -> None:
    async with clients(quiet()) as client:
        ws = (await dial(client, "kucoin")).ws
        assert await ws.json() == {"type": "error", "code": 400, "data": "ping timeout"}
        with pytest.raises(EOFError, match="1000"):
            await ws.json()


async def test_pongs_carry_the_id_and_microseconds(autojump_clock: object, clients: Any) -> None:
    exchange = quiet()
    async with clients(exchange) as client:
        ws = (await dial(client, "kucoin")).ws
        await ws.send('{"id":"1545910590801","type":"ping"}')
        pong = await ws.json()
        assert pong == {"id": "1545910590801", "type": "pong", "timestamp": exchange.clock.ms() * 1000}


async def test_101_symbols_in_a_message_301_topics_and_101_messages_are_too_many(
    autojump_clock: object, clients: Any
) -> None:
    exchange = quiet()
    async with clients(exchange) as client:
        ws = (await dial(client, "kucoin")).ws
        await subscribe(ws, "/market/match:" + ",".join(f"A{n}-USDT" for n in range(101)))
        assert (await ws.json())["code"] == 509
        for block in range(3):
            await subscribe(ws, "/market/match:" + ",".join(f"A{block}{n}-USDT" for n in range(100)))
            assert (await ws.json())["type"] == "ack"
        await subscribe(ws, "/market/match:ONE-USDT")
        assert (await ws.json())["code"] == 509
        follower = Follower("kucoin", (await dial(client, "kucoin")).ws)
        for _ in range(101):
            await follower.ping()
        got = [await follower.message() for _ in range(101)]
        assert [message["type"] for message in got] == ["pong"] * 100 + ["error"]
    assert [violation.rule for violation in exchange.record.violations] == ["args", "streams", "messages"]


# REST.


async def test_histories_are_the_last_hundred_in_ascending_order(autojump_clock: object, clients: Any) -> None:
    exchange = quiet()
    async with clients(exchange) as client:
        for _ in range(150):
            exchange.print_trade("kucoin", "BTC-USDT", raw_count=1)
        trades = exchange.record.trades["kucoin", "BTC-USDT"]
        rows = (await client.get("kucoin", "/api/v1/market/histories?symbol=BTC-USDT")).json["data"]
        assert [(row["sequence"], row["price"], row["size"], row["side"], row["time"]) for row in rows] == [
            (str(t.id), t.price, t.quantity, t.side, t.time * 1_000_000) for t in trades[-100:]
        ]
        unknown = await client.get("kucoin", "/api/v1/market/histories?symbol=NOPE")
        assert (unknown.status, unknown.json["code"]) == (200, "900001")


async def test_part_of_the_book_is_free_and_the_whole_needs_a_key(autojump_clock: object, clients: Any) -> None:
    exchange = quiet()
    async with clients(exchange) as client:
        exchange.change_book("kucoin", "BTC-USDT")
        for depth in (20, 100):
            path = f"/api/v1/market/orderbook/level2_{depth}?symbol=BTC-USDT"
            data = (await client.get("kucoin", path)).json["data"]
            state = exchange.record.books["kucoin", "BTC-USDT"].at(int(data["sequence"]))
            assert [tuple(level) for level in data["bids"]] == list(state.bids[:depth])
        top = (await client.get("kucoin", "/api/v1/market/orderbook/level1?symbol=BTC-USDT")).json["data"]
        assert (top["bestAsk"], top["bestAskSize"]) == state.asks[0]
        whole = await client.get("kucoin", "/api/v3/market/orderbook/level2?symbol=BTC-USDT")
        assert (whole.status, whole.json["code"]) == (401, "400001")


async def test_requests_draw_from_one_pool(autojump_clock: object, clients: Any) -> None:
    exchange = quiet()
    async with clients(exchange) as client:
        http = await client.http("kucoin")
        for n in range(1, 201):
            answer = await http.request("POST", "/api/v1/bullet-public")
            assert answer.headers["gw-ratelimit-remaining"] == str(2000 - 10 * n)
        await trio.sleep(10)
        over = await http.request("GET", "/api/v1/timestamp")
        assert (over.status, over.json["code"], over.headers["gw-ratelimit-reset"]) == (429, "429000", "20000")
        await trio.sleep(20)
        assert (await http.request("GET", "/api/v1/timestamp")).status == 200
    assert [violation.rule for violation in exchange.record.violations] == ["rest_requests"]
