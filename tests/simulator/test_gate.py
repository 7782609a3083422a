"""Gate's dialect against its documents (2026-05-27) and live captures of 2026-09."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio

from actors.simulator import Exchange

from .shapes import shape
from .tongues import follow

Silent = Callable[[Any, float], Awaitable[bool]]
NAMES = {"gate": ["BTC_USDT", "ETH_USDT"]}

ACK = """{"time":1788336080,"time_ms":1788336080750,"conn_id":"b2c2b0629e0c34a3","channel":"spot.trades",
"event":"subscribe","payload":["BTC_USDT"],"result":{"status":"success"}}"""
TRADE = """{"time":1788336082,"time_ms":1788336082402,"channel":"spot.trades","event":"update","result":{"id":217831625,
"id_market":217831625,"create_time":1788336082,"create_time_ms":"1788336082402.208000","side":"sell","currency_pair":
"BTC_USDT","amount":"0.000021","price":"77474","range":"217831625-217831625","stock":"BTC","money":"USDT",
"trade_mode":0}}"""
TICKER = """{"time":1606293275,"time_ms":1606293275123,"channel":"spot.book_ticker","event":"update","result":{"t":
1606293275123,"u":48733182,"s":"BTC_USDT","b":"19177.79","B":"0.0003341504","a":"19179.38","A":"0.09"}}"""
UPDATE = """{"time":1606294781,"time_ms":1606294781236,"channel":"spot.order_book_update","event":"update","result":{"t":
1606294781123,"full":true,"l":"100","e":"depthUpdate","E":1606294781,"s":"BTC_USDT","U":48776301,"u":48776306,"b":[[
"19137.74","0.0001"],["19088.37","0"]],"a":[["19137.75","0.6135"]]}}"""


def quiet(**options: Any) -> Exchange:
    return Exchange(symbols=NAMES, trades_per_second=0, **options)


async def ask(ws: Any, channel: str, payload: object, event: str = "subscribe", **fields: Any) -> Any:
    await ws.send(json.dumps({"channel": channel, "event": event, "payload": payload, **fields}))
    return await ws.json()


async def test_a_subscription_is_acknowledged_as_one(autojump_clock: object, clients: Any) -> None:
    exchange = quiet()
    async with clients(exchange) as client:
        ws = await client.ws("gate", "/ws/v4/")
        got = await ask(ws, "spot.trades", NAMES["gate"])
        assert {name: shape(value) for name, value in got.items() if name != "error"} == shape(json.loads(ACK))
        assert got["error"] is None
        got = await ask(ws, "spot.book_ticker", NAMES["gate"], id=7, time=exchange.clock.ms() // 1000)
        assert (got["id"], got["payload"]) == (7, NAMES["gate"])


@pytest.mark.parametrize(
    ("channel", "payload", "words"),
    [
        ("spot.trades", ["BTC_USDT", "NOPE_USDT"], "unknown currency pair: NOPE_USDT"),
        ("spot.trades", ["btc_usdt"], "unknown currency pair: btc_usdt"),
        ("spot.order_book_update", ["NOPE_USDT", "100ms"], "unknown currency pair: NOPE_USDT"),
        ("spot.order_book_update", ["BTC_USDT", "10ms"], "invalid payload"),
        ("spot.nothing", ["BTC_USDT"], "unknown channel"),
    ],
)
async def test_refusals_have_code_2(
    autojump_clock: object, clients: Any, silent_for: Silent, channel: str, payload: list[str], words: str
) -> None:
    exchange = quiet()
    async with clients(exchange) as client:
        ws = await client.ws("gate", "/ws/v4/")
        got = await ask(ws, channel, payload)
        assert (got["error"]["code"], got["result"]) == (2, {"status": "fail"})
        assert words in got["error"]["message"]
        exchange.print_trade("gate", "BTC_USDT")
        assert await silent_for(ws, 5)


async def test_a_request_of_another_minute_is_refused(autojump_clock: object, clients: Any) -> None:
    exchange = quiet()
    async with clients(exchange) as client:
        ws = await client.ws("gate", "/ws/v4/")
        now = exchange.clock.ms() // 1000
        assert (await ask(ws, "spot.trades", ["BTC_USDT"], time=now - 61))["result"] == {"status": "fail"}
        assert (await ask(ws, "spot.trades", ["BTC_USDT"], time=now + 60))["result"] == {"status": "success"}
        await ws.send("nonsense")
        assert (await ws.json())["error"]["code"] == 1


async def test_messages_have_the_documented_fields(autojump_clock: object, clients: Any) -> None:
    exchange = quiet()
    async with clients(exchange) as client:
        ws = await client.ws("gate", "/ws/v4/")
        for channel, payload in (
            ("spot.trades", ["BTC_USDT"]),
            ("spot.book_ticker", ["BTC_USDT"]),
            ("spot.order_book_update", ["BTC_USDT", "100ms"]),
        ):
            await ask(ws, channel, payload)
        printed = exchange.print_trade("gate", "BTC_USDT", raw_count=3)
        got: dict[str, list[Any]] = {}
        with trio.move_on_after(1):
            while True:
                message = await ws.json()
                got.setdefault(message["channel"], []).append(message)
        # One trade a message.
        assert [message["result"]["id"] for message in got["spot.trades"]] == [trade.id for trade in printed.raw]
        assert shape(got["spot.trades"][0]) == shape(json.loads(TRADE))
        assert shape(got["spot.book_ticker"][-1]) == shape(json.loads(TICKER))
        update = got["spot.order_book_update"][-1]
        for side in "ba":
            update["result"][side] = [["1", "1"]]
        assert shape(update) == shape(json.loads(UPDATE))


async def test_ids_increase_with_holes(autojump_clock: object) -> None:
    exchange = Exchange(3, NAMES, 20)
    with trio.move_on_after(60):
        await exchange.run()
    ids = [int(trade.id) for trade in exchange.record.trades["gate", "BTC_USDT"]]
    steps = [after - before for before, after in zip(ids, ids[1:], strict=False)]
    assert min(steps) == 1
    assert max(steps) > 10


async def test_payloads_add_up_and_can_be_taken_back(autojump_clock: object, clients: Any, silent_for: Silent) -> None:
    exchange = quiet()
    async with clients(exchange) as client:
        ws = await client.ws("gate", "/ws/v4/")
        for name in NAMES["gate"]:
            await ask(ws, "spot.trades", [name])
        for name in NAMES["gate"]:
            exchange.print_trade("gate", name, raw_count=1)
            assert (await ws.json())["result"]["currency_pair"] == name
        assert (await ask(ws, "spot.trades", ["BTC_USDT"], "unsubscribe"))["event"] == "unsubscribe"
        exchange.print_trade("gate", "BTC_USDT")
        assert await silent_for(ws, 5)


async def test_differences_join_the_rest_book_without_a_hole(autojump_clock: object, clients: Any) -> None:
    exchange = Exchange(5, NAMES, 10)
    async with clients(exchange) as client, trio.open_nursery() as nursery:
        nursery.start_soon(exchange.run)
        ws = await client.ws("gate", "/ws/v4/")
        await ask(ws, "spot.order_book_update", ["BTC_USDT", "100ms"])
        await trio.sleep(10)
        path = "/api/v4/spot/order_book?currency_pair=BTC_USDT&limit=100&with_id=true"
        base = (await client.get("gate", path)).json
        bids, asks = (dict(base[side]) for side in ("bids", "asks"))
        last = None
        for _ in range(300):
            change = (await ws.json())["result"]
            if change["u"] <= base["id"]:
                continue
            assert change["U"] <= base["id"] + 1 <= change["u"] if last is None else change["U"] == last + 1
            last = change["u"]
            for side, name in ((bids, "b"), (asks, "a")):
                for price, size in change[name]:
                    if size == "0":
                        del side[price]
                    else:
                        side[price] = size
            assert max(map(float, bids)) < min(map(float, asks))
        state = exchange.record.books["gate", "BTC_USDT"].at(last or 0)
        assert (dict(state.bids), dict(state.asks)) == (bids, asks)
        nursery.cancel_scope.cancel()


async def test_pong_and_the_thirty_seconds_of_who_has_no_subscription(autojump_clock: object, clients: Any) -> None:
    async with clients(quiet()) as client:
        ws = await client.ws("gate", "/ws/v4/")
        await trio.sleep(20)
        await ws.send('{"time":1545404023,"channel":"spot.ping"}')
        pong = await ws.json()
        assert (pong["channel"], pong["event"], pong["error"], pong["result"]) == ("spot.pong", "", None, None)
        await trio.sleep(20)
        await ws.ping()  # a protocol ping is a sign of life, too
        with pytest.raises(EOFError) as caught:
            await ws.text()
        assert caught.value.args == ()
        assert trio.current_time() == pytest.approx(70.5)


async def test_a_subscribed_connection_needs_no_ping(autojump_clock: object, clients: Any, silent_for: Silent) -> None:
    async with clients(quiet()) as client:
        assert await silent_for((await follow(client, "gate")).ws, 86_400)


async def test_more_than_100_connections_are_too_many(
    autojump_clock: object, clients: Any, refused: type[Exception]
) -> None:
    exchange = quiet()
    async with clients(exchange) as client:
        for _ in range(100):
            await client.ws("gate", "/ws/v4/")
        with pytest.raises(refused, match="429"):
            await client.ws("gate", "/ws/v4/")
    assert [violation.rule for violation in exchange.record.violations] == ["connections"]


# REST.


async def test_trades_page_by_time_and_by_page_newest_first(autojump_clock: object, clients: Any) -> None:
    exchange = quiet(epoch=1_000_000.0)
    async with clients(exchange) as client:
        for _ in range(50):
            exchange.print_trade("gate", "BTC_USDT", raw_count=1)
            await trio.sleep(1)
        ids = [str(trade.id) for trade in exchange.record.trades["gate", "BTC_USDT"]]

        async def page(query: str) -> list[str]:
            answer = await client.get("gate", f"/api/v4/spot/trades?currency_pair=BTC_USDT{query}")
            assert answer.status == 200, answer.body
            return [row["id"] for row in answer.json]

        assert await page("") == ids[::-1]
        assert await page("&limit=5") == ids[:-6:-1]
        assert await page("&limit=5&page=2") == ids[-6:-11:-1]
        assert await page("&limit=5&page=11") == []
        assert await page("&from=1000010&to=1000019") == ids[10:20][::-1]
        assert await page("&from=1000010&to=1000019&limit=4") == ids[16:20][::-1]
        assert await page("&from=1000010&to=1000019&limit=4&page=3") == ids[10:12][::-1]
        assert await page(f"&last_id={ids[40]}") == ids[41:][::-1]
        assert await page(f"&last_id={ids[10]}&reverse=true&limit=3") == ids[7:10][::-1]
        row = (await client.get("gate", "/api/v4/spot/trades?currency_pair=BTC_USDT&limit=1")).json[0]
        trade = exchange.record.trades["gate", "BTC_USDT"][-1]
        assert (row["create_time_ms"], row["side"], row["amount"], row["price"]) == (
            f"{trade.time}.000000",
            trade.side,
            trade.quantity,
            trade.price,
        )


@pytest.mark.parametrize(
    ("query", "label"),
    [
        ("currency_pair=NOPE_USDT", "INVALID_CURRENCY_PAIR"),
        ("", "MISSING_REQUIRED_PARAM"),
        ("currency_pair=BTC_USDT&limit=1001", "INVALID_PARAM_VALUE"),
        ("currency_pair=BTC_USDT&limit=1000&page=102", "INVALID_PARAM_VALUE"),
        ("currency_pair=BTC_USDT&last_id=x", "INVALID_PARAM_VALUE"),
    ],
)
async def test_rest_errors_have_labels(autojump_clock: object, clients: Any, query: str, label: str) -> None:
    async with clients(quiet()) as client:
        answer = await client.get("gate", f"/api/v4/spot/trades?{query}")
        assert (answer.status, answer.json["label"]) == (400, label)


async def test_200_requests_in_ten_seconds_of_each_endpoint(autojump_clock: object, clients: Any) -> None:
    exchange = quiet(epoch=1_000_000.0)
    async with clients(exchange) as client:
        http = await client.http("gate")
        for n in range(200):
            answer = await http.request("GET", "/api/v4/spot/time")
            assert answer.headers["x-gate-ratelimit-requests-remain"] == str(199 - n)
        await trio.sleep(4)
        over = await http.request("GET", "/api/v4/spot/time")
        assert (over.status, over.json["label"]) == (429, "TOO_MANY_REQUESTS")
        assert over.headers["x-gate-ratelimit-reset-timestamp"] == "1000010"
        assert (await http.request("GET", "/api/v4/spot/trades?currency_pair=BTC_USDT")).status == 200
        await trio.sleep(6)
        assert (await http.request("GET", "/api/v4/spot/time")).status == 200
    assert [violation.rule for violation in exchange.record.violations] == ["rest_requests"]


async def test_tickers_and_pairs(autojump_clock: object, clients: Any) -> None:
    exchange = quiet()
    async with clients(exchange) as client:
        (row,) = (await client.get("gate", "/api/v4/spot/tickers?currency_pair=BTC_USDT")).json
        book = exchange.tapes["gate"]["BTC_USDT"].book
        assert (row["highest_bid"], row["lowest_ask"]) == (book.quote.bid, book.quote.ask)
        pairs = (await client.get("gate", "/api/v4/spot/currency_pairs")).json
        assert [pair["id"] for pair in pairs] == NAMES["gate"]
