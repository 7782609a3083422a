"""Bybit's dialect against its documents and captures (docs/v5, 2026-07-24; captures of 2026-09)."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import attrs
import pytest
import trio

from actors.simulator import Exchange, Rules

from .shapes import shape
from .tongues import follow

Silent = Callable[[Any, float], Awaitable[bool]]
BOTH = {"bybit": ["BTCUSDT", "ETHUSDT"], "bybit-linear": ["BTCUSDT", "ETHUSDT"]}
PATHS = {"bybit": "/v5/public/spot", "bybit-linear": "/v5/public/linear"}
each = pytest.mark.parametrize("venue", PATHS)

LINEAR_TRADE = """{"topic":"publicTrade.BTCUSDT","type":"snapshot","ts":1672304486868,"data":[{"T":1672304486865,
"s":"BTCUSDT","S":"Buy","v":"0.001","p":"16578.50","L":"PlusTick","i":"20f43950-d8dd-5b31-9112-a178eb6023af","BT":false,
"seq":1783284617}]}"""
SPOT_TRADE = """{"topic":"publicTrade.BTCUSDT","ts":1680652847526,"type":"snapshot","data":[{"i":"2290000000050703789",
"T":1680652847524,"p":"28165.38","v":"0.041732","S":"Sell","s":"BTCUSDT","BT":false,"seq":1783284617}]}"""
SNAPSHOT = """{"topic":"orderbook.50.BTCUSDT","type":"snapshot","ts":1672304484978,"data":{"s":"BTCUSDT",
"b":[["16493.50","0.006"],["16493.00","0.100"]],"a":[["16611.00","0.029"],["16612.00","0.213"]],"u":18521288,
"seq":7961638724},"cts":1672304484976}"""
RECENT = """{"execId":"2100000000007764263","symbol":"BTCUSDT","price":"16618.49","size":"0.00012","side":"Buy",
"time":"1672052955758","isBlockTrade":false,"isRPITrade":true,"seq":"123456"}"""


def quiet(**options: Any) -> Exchange:
    return Exchange(symbols=BOTH, trades_per_second=0, **options)


async def ask(ws: Any, **request: Any) -> Any:
    await ws.send(json.dumps(request))
    return await ws.json()


@each
async def test_trades_have_the_documented_fields(autojump_clock: object, clients: Any, venue: str) -> None:
    exchange = quiet()
    async with clients(exchange) as client:
        ws = (await follow(client, venue)).ws
        printed = exchange.print_trade(venue, "BTCUSDT", raw_count=3, side="sell")
        message = await ws.json()
        sample = json.loads(SPOT_TRADE if venue == "bybit" else LINEAR_TRADE)
        assert shape(message) == shape(sample)
        assert list(message) == list(sample)
        # All trades of a taker order are in one message, and share one `seq`.
        assert [row["i"] for row in message["data"]] == [str(trade.id) for trade in printed.raw]
        assert {row["S"] for row in message["data"]} == {"Sell"}
        assert len({row["seq"] for row in message["data"]}) == 1


async def test_spot_ids_have_no_holes_and_linear_ids_say_nothing(autojump_clock: object) -> None:
    exchange = Exchange(3, BOTH, 20)
    with trio.move_on_after(60):
        await exchange.run()
    spot = [trade.id for trade in exchange.record.trades["bybit", "BTCUSDT"]]
    assert spot == list(range(int(spot[0]), int(spot[0]) + len(spot)))
    linear = [str(trade.id) for trade in exchange.record.trades["bybit-linear", "BTCUSDT"]]
    assert len({*linear}) == len(linear) > 500
    assert {(len(text), text[14]) for text in linear} == {(36, "5")}


async def test_acknowledgements_differ_by_channel(autojump_clock: object, clients: Any) -> None:
    async with clients(quiet()) as client:
        spot, linear = [await client.ws(venue, path) for venue, path in PATHS.items()]
        topics = ["publicTrade.BTCUSDT"]
        got = await ask(spot, op="subscribe", args=topics, req_id="10001")
        assert got == {"success": True, "ret_msg": "subscribe", "conn_id": got["conn_id"], "req_id": "10001"} | {
            "op": "subscribe"
        }
        got = await ask(linear, op="subscribe", args=topics)
        assert got == {"success": True, "ret_msg": "", "conn_id": got["conn_id"], "req_id": "", "op": "subscribe"}
        assert "req_id" not in await ask(spot, op="ping")
        assert (await ask(spot, op="ping"))["ret_msg"] == "pong"
        pong = await ask(linear, op="ping")
        assert (pong["op"], pong["ret_msg"], pong["req_id"]) == ("ping", "pong", "")
        got = await ask(spot, op="unsubscribe", args=topics, req_id="x")
        assert (got["success"], got["op"], got["req_id"]) == (True, "unsubscribe", "x")


@each
async def test_one_bad_topic_fails_the_whole_request(
    autojump_clock: object, clients: Any, silent_for: Silent, venue: str
) -> None:
    exchange = quiet()
    async with clients(exchange) as client:
        ws = await client.ws(venue, PATHS[venue])
        for bad in ("orderbook.50.NOPEUSDT", "publicTrade.btcusdt", "orderbook.7.BTCUSDT", "nothing", "order"):
            got = await ask(ws, op="subscribe", args=["publicTrade.BTCUSDT", bad], req_id="e1")
            assert got == {
                "success": False,
                "ret_msg": f"error:handler not found,topic:{bad}",
                "conn_id": got["conn_id"],
                "req_id": "e1",
                "op": "subscribe",
            }
        exchange.print_trade(venue, "BTCUSDT")
        assert await silent_for(ws, 5)
        await ask(ws, op="subscribe", args=["publicTrade.BTCUSDT"])
        got = await ask(ws, op="subscribe", args=["publicTrade.ETHUSDT", "publicTrade.BTCUSDT"])
        assert got["ret_msg"] == "error:already subscribed,topic:publicTrade.BTCUSDT"
        exchange.print_trade(venue, "ETHUSDT")
        exchange.print_trade(venue, "BTCUSDT")
        assert (await ws.json())["topic"] == "publicTrade.BTCUSDT"


async def test_ten_args_on_spot_and_no_limit_on_linear(autojump_clock: object, clients: Any) -> None:
    names = [f"S{n}USDT" for n in range(11)]
    exchange = Exchange(symbols={"bybit": names, "bybit-linear": names}, trades_per_second=0)
    args = [f"publicTrade.{name}" for name in names]
    async with clients(exchange) as client:
        spot, linear = [await client.ws(venue, path) for venue, path in PATHS.items()]
        assert (await ask(spot, op="subscribe", args=args[:10]))["success"]
        assert (await ask(linear, op="subscribe", args=args))["success"]
        assert not exchange.record.violations
        spot = await client.ws("bybit", PATHS["bybit"])
        got = await ask(spot, op="subscribe", args=args)
        assert (got["success"], got["ret_msg"]) == (False, "args size >10")
    assert [violation.rule for violation in exchange.record.violations] == ["args"]


async def test_too_many_characters_of_args_are_a_violation(autojump_clock: object, clients: Any) -> None:
    names = [f"{n:0200d}USDT" for n in range(110)]
    exchange = Exchange(symbols={"bybit-linear": names}, trades_per_second=0)
    async with clients(exchange) as client:
        ws = await client.ws("bybit-linear", PATHS["bybit-linear"])
        half = [f"publicTrade.{name}" for name in names]
        assert (await ask(ws, op="subscribe", args=half[:55]))["success"]
        assert not (await ask(ws, op="subscribe", args=half[55:]))["success"]
    assert [violation.rule for violation in exchange.record.violations] == ["args_length"]


@pytest.mark.parametrize(("text", "words"), [('{"op":"nope"}', "error:invalid op"), ("nonsense", "Failed to decode")])
async def test_nonsense_is_told_and_the_socket_stays(
    autojump_clock: object, clients: Any, text: str, words: str
) -> None:
    async with clients(quiet()) as client:
        ws = await client.ws("bybit", PATHS["bybit"])
        await ws.send(text)
        got = await ws.json()
        assert not got["success"]
        assert got["ret_msg"].startswith(words)
        assert (await ask(ws, op="ping"))["success"]


@each
async def test_a_book_is_a_snapshot_and_then_differences(autojump_clock: object, clients: Any, venue: str) -> None:
    exchange = Exchange(5, BOTH, 10)
    async with clients(exchange) as client, trio.open_nursery() as nursery:
        nursery.start_soon(exchange.run)
        await trio.sleep(30)
        ws = await client.ws(venue, PATHS[venue])
        await ask(ws, op="subscribe", args=["orderbook.50.BTCUSDT"])
        message = await ws.json()
        assert shape(message) == shape(json.loads(SNAPSHOT))
        bids, asks = (dict(message["data"][side]) for side in "ba")
        last = message["data"]["u"]
        for _ in range(300):
            message = await ws.json()
            assert message["type"] == "delta"
            assert message["data"]["u"] == last + 1
            last += 1
            for side, name in ((bids, "b"), (asks, "a")):
                for price, size in message["data"][name]:
                    if size == "0":
                        del side[price]
                    else:
                        side[price] = size
            assert max(map(float, bids)) < min(map(float, asks))
            assert 20 <= len(bids) <= 50
        state = exchange.record.books[venue, "BTCUSDT"].at(message["data"]["seq"])
        assert (dict(state.bids), dict(state.asks)) == (bids, asks)
        nursery.cancel_scope.cancel()


async def test_level_1_is_repeated_after_three_seconds_without_a_change(autojump_clock: object, clients: Any) -> None:
    exchange = quiet()
    async with clients(exchange) as client:
        ws = await client.ws("bybit", PATHS["bybit"])
        await ask(ws, op="subscribe", args=["orderbook.1.BTCUSDT"])
        first = await ws.json()
        for n in range(1, 4):
            again = await ws.json()
            assert trio.current_time() == pytest.approx(3 * n)
            assert (again["type"], again["data"]) == ("snapshot", first["data"])
        await trio.sleep(1)
        exchange.print_trade("bybit", "BTCUSDT")
        changed = [await ws.json()]
        with trio.move_on_after(1):
            changed.append(await ws.json())
        assert changed[-1]["data"]["u"] > first["data"]["u"]
        await ws.json()
        assert trio.current_time() == pytest.approx(13)


@each
async def test_ten_minutes_of_nothing_end_a_subscribed_connection(
    autojump_clock: object, clients: Any, silent_for: Silent, venue: str
) -> None:
    exchange = quiet()
    async with clients(exchange) as client:
        follower = await follow(client, venue)
        await trio.sleep(500)
        await follower.ping()
        await follower.message()
        await trio.sleep(599)
        exchange.print_trade(venue, "BTCUSDT")
        await follower.ids()
        with pytest.raises(EOFError):
            await follower.message()
        assert trio.current_time() == pytest.approx(1699)
        assert not exchange.record.violations


async def test_an_idle_unsubscribed_connection_is_dropped_after_a_minute(autojump_clock: object, clients: Any) -> None:
    async with clients(quiet()) as client:
        ws = await client.ws("bybit-linear", PATHS["bybit-linear"])
        await trio.sleep(30)
        await ws.send('{"op":"ping"}')
        await ws.json()
        with pytest.raises(EOFError) as caught:
            await ws.text()
        assert caught.value.args == ()  # no close frame
        assert trio.current_time() == pytest.approx(91)


async def test_the_other_categorys_path_is_nothing_here(
    autojump_clock: object, clients: Any, refused: type[Exception]
) -> None:
    async with clients(quiet()) as client:
        with pytest.raises(refused, match="404"):
            await client.ws("bybit", PATHS["bybit-linear"])


async def test_501_attempts_in_five_minutes_are_too_many(
    autojump_clock: object, clients: Any, refused: type[Exception]
) -> None:
    exchange = quiet()
    async with clients(exchange) as client:
        for _ in range(500):
            await (await client.ws("bybit", PATHS["bybit"])).stream.aclose()
        with pytest.raises(refused):
            await client.ws("bybit", PATHS["bybit"])
    assert [violation.rule for violation in exchange.record.violations] == ["attempts"]


# REST.


@pytest.mark.parametrize(("venue", "category", "most"), [("bybit", "spot", 60), ("bybit-linear", "linear", 1000)])
async def test_recent_trades_are_the_newest_and_no_more(
    autojump_clock: object, clients: Any, venue: str, category: str, most: int
) -> None:
    exchange = quiet()
    async with clients(exchange) as client:
        for _ in range(1200):
            exchange.print_trade(venue, "BTCUSDT", raw_count=1)
        path = f"/v5/market/recent-trade?category={category}&symbol=BTCUSDT"
        answer = (await client.get(venue, f"{path}&limit={most}")).json
        rows = answer["result"]["list"]
        assert shape(rows[0]) == shape(json.loads(RECENT))
        expected = [str(trade.id) for trade in exchange.record.trades[venue, "BTCUSDT"][-most:]]
        assert [row["execId"] for row in reversed(rows)] == expected
        over = await client.get(venue, f"{path}&limit={most + 1}")
        assert (over.status, over.json["retCode"]) == (200, 10001)
        for wrong in ("symbol=NOPE", "symbol=btcusdt"):
            got = await client.get(venue, f"/v5/market/recent-trade?category={category}&{wrong}")
            assert (got.status, got.json["retCode"], got.json["result"]) == (200, 10001, {})
        assert (await client.get(venue, "/v5/market/recent-trade?symbol=BTCUSDT")).json["retCode"] == 10001
        assert (await client.get(venue, "/v5/nothing")).status == 404


async def test_the_rest_book_is_the_record(autojump_clock: object, clients: Any) -> None:
    exchange = quiet()
    async with clients(exchange) as client:
        exchange.print_trade("bybit", "BTCUSDT")
        result = (await client.get("bybit", "/v5/market/orderbook?category=spot&symbol=BTCUSDT&limit=200")).json[
            "result"
        ]
        state = exchange.record.books["bybit", "BTCUSDT"].at(result["seq"])
        assert [tuple(level) for level in result["b"]] == list(state.bids)
        ticker = (await client.get("bybit", "/v5/market/tickers?category=spot&symbol=BTCUSDT")).json
        row = ticker["result"]["list"][0]
        assert (row["bid1Price"], row["bid1Size"]) == state.bids[0]
        assert (row["ask1Price"], row["ask1Size"]) == state.asks[0]


async def test_600_requests_in_five_seconds_and_then_403_for_ten_minutes(autojump_clock: object, clients: Any) -> None:
    exchange = quiet()
    async with clients(exchange) as client:
        http = await client.http("bybit")
        for _ in range(600):
            assert (await http.request("GET", "/v5/market/time")).status == 200
        await trio.sleep(4.9)
        assert (await http.request("GET", "/v5/market/time")).status == 403
        assert [violation.rule for violation in exchange.record.violations] == ["rest_requests"]
        await trio.sleep(60)
        assert (await http.request("GET", "/v5/market/time")).status == 403
        assert exchange.record.violations[-1].rule == "ignored_ban"
        await trio.sleep(541)
        assert (await client.get("bybit", "/v5/market/time")).status == 200


async def test_rules_are_the_users_to_tighten(autojump_clock: object, clients: Any) -> None:
    strict = attrs.evolve(Rules.documented("bybit"), quiet=5.0)
    async with clients(quiet(rules={"bybit": strict})) as client:
        with pytest.raises(EOFError):
            await (await follow(client, "bybit")).message()
        assert trio.current_time() == pytest.approx(5)
