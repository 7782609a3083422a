"""OKX's dialect against its documents (docs-v5, about 2026-02)."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio

from actors.simulator import Exchange

from .shapes import shape
from .tongues import follow

Silent = Callable[[Any, float], Awaitable[bool]]
NAMES = {"okx": ["BTC-USDT", "ETH-USDT"]}
PUBLIC, BUSINESS = "/ws/v5/public", "/ws/v5/business"

TRADES = """{"arg":{"channel":"trades","instId":"BTC-USDT"},"data":[{"instId":"BTC-USDT","tradeId":"130639474",
"px":"42219.9","sz":"0.12060306","side":"buy","ts":"1630048897897","count":"3","source":"0","seqId":1234}]}"""
TRADES_ALL = """{"arg":{"channel":"trades-all","instId":"BTC-USDT"},"data":[{"instId":"BTC-USDT","tradeId":"130639474",
"px":"42219.9","sz":"0.12060306","side":"buy","source":"0","ts":"1630048897897"}]}"""
SNAPSHOT = """{"arg":{"channel":"books","instId":"BTC-USDT"},"action":"snapshot","data":[{"asks":[["8476.98","415","0",
"13"]],"bids":[["8476.97","256","0","12"]],"ts":"1597026383085","checksum":-855196043,"prevSeqId":-1,
"seqId":123456}]}"""
BEST = """{"arg":{"channel":"bbo-tbt","instId":"BCH-USDT-SWAP"},"data":[{"asks":[["111.06","55154","0","2"]],
"bids":[["111.05","57745","0","2"]],"ts":"1670324386802","seqId":363996337}]}"""
ROW = """{"instId":"BTC-USDT","side":"sell","sz":"0.00001","source":"0","px":"29963.2","tradeId":"242720720",
"ts":"1654161646974"}"""


def quiet(**options: Any) -> Exchange:
    return Exchange(symbols=NAMES, trades_per_second=0, **options)


def args(*channels: str, symbol: str = "BTC-USDT") -> list[dict[str, str]]:
    return [{"channel": channel, "instId": symbol} for channel in channels]


async def subscribe(ws: Any, *channels: str, number: str = "1512") -> None:
    await ws.send(json.dumps({"id": number, "op": "subscribe", "args": args(*channels)}))
    for _ in channels:
        assert (await ws.json())["event"] == "subscribe"


async def test_trades_are_aggregated_and_trades_all_are_single(autojump_clock: object, clients: Any) -> None:
    exchange = quiet()
    async with clients(exchange) as client:
        public, business = await client.ws("okx", PUBLIC), await client.ws("okx", BUSINESS)
        await subscribe(public, "trades")
        await subscribe(business, "trades-all")
        for count in (1, 3, 2):
            printed = exchange.print_trade("okx", "BTC-USDT", raw_count=count)
            message = await public.json()
            assert shape(message) == shape(json.loads(TRADES))
            (row,) = message["data"]
            assert (row["tradeId"], row["count"]) == (str(printed.raw[-1].id), str(count))
            assert row["sz"] == printed.aggregate.quantity
            for trade in printed.raw:
                single = await business.json()
                assert shape(single) == shape(json.loads(TRADES_ALL))
                assert single["data"][0]["tradeId"] == str(trade.id)
    raw = [trade.id for trade in exchange.record.trades["okx", "BTC-USDT"]]
    assert raw == list(range(int(raw[0]), int(raw[0]) + 6))
    aggregates = exchange.record.agg_trades["okx", "BTC-USDT"]
    assert [(trade.first_id, trade.id) for trade in aggregates] == [
        (raw[0], raw[0]),
        (raw[1], raw[3]),
        (raw[4], raw[5]),
    ]


async def test_each_arg_is_acknowledged_or_refused_by_itself(autojump_clock: object, clients: Any) -> None:
    async with clients(quiet()) as client:
        ws = await client.ws("okx", PUBLIC)
        wanted = [
            *args("trades", "trades-all"),
            *args("trades", symbol="NOPE-USDT"),
            *args("trades", symbol="ETH-USDT"),
        ]
        await ws.send(json.dumps({"id": "1512", "op": "subscribe", "args": wanted}))
        got = [await ws.json() for _ in range(4)]
        connection = got[0]["connId"]
        assert [message["arg"] for message in got if message["event"] == "subscribe"] == [wanted[0], wanted[3]]
        errors = [message for message in got if message["event"] == "error"]
        assert [(error["id"], error["code"], error["connId"]) for error in errors] == [
            ("1512", "60018", connection)
        ] * 2
        assert all("arg" not in error for error in errors)
        await ws.send(json.dumps({"op": "unsubscribe", "args": wanted[:1]}))
        assert await ws.json() == {"event": "unsubscribe", "arg": wanted[0], "connId": connection}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('{"op": "subscribe", "argss":[{ "channel" : "trades", "instId" : "BTC-USDT"}]}', "60012"),
        ("nonsense", "60012"),
        ("[]", "60012"),
        ('{"id":"not alphanumeric!","op":"subscribe","args":[]}', "60013"),
        (json.dumps({"id": "a" * 33, "op": "subscribe", "args": args("trades")}), "60013"),
    ],
)
async def test_what_cannot_be_read_is_told(autojump_clock: object, clients: Any, text: str, code: str) -> None:
    async with clients(quiet()) as client:
        ws = await client.ws("okx", PUBLIC)
        await ws.send(text)
        got = await ws.json()
        assert (got["event"], got["code"]) == ("error", code)


async def test_ping_is_text_and_without_it_a_quiet_connection_ends(autojump_clock: object, clients: Any) -> None:
    exchange = quiet()
    async with clients(exchange) as client:
        ws = await client.ws("okx", PUBLIC)
        await subscribe(ws, "trades")
        for _ in range(5):
            await trio.sleep(25)
            await ws.send("ping")
            assert await ws.text() == "pong"
        await trio.sleep(29)
        exchange.print_trade("okx", "BTC-USDT")
        await ws.json()
        began = trio.current_time()
        # A protocol ping is answered, but its pong is no data.
        await trio.sleep(20)
        with pytest.raises(EOFError, match="4004"):
            await ws.text()
        assert trio.current_time() == pytest.approx(began + 30)


async def test_the_fourth_attempt_in_a_second_is_too_many(
    autojump_clock: object, clients: Any, refused: type[Exception]
) -> None:
    exchange = quiet()
    async with clients(exchange) as client:
        for _ in range(3):
            await client.ws("okx", PUBLIC)
            await trio.sleep(0.3)
        with pytest.raises(refused, match="429"):
            await client.ws("okx", PUBLIC)
        await trio.sleep(0.11)
        await client.ws("okx", PUBLIC)
    assert [violation.rule for violation in exchange.record.violations] == ["attempts"]


async def test_480_requests_an_hour_and_not_one_more(autojump_clock: object, clients: Any) -> None:
    exchange = quiet()
    async with clients(exchange) as client:
        ws = await client.ws("okx", PUBLIC)
        for _ in range(480):
            await subscribe(ws, "trades")
        await ws.send("ping")
        assert await ws.text() == "pong"
        assert not exchange.record.violations
        await ws.send(json.dumps({"id": "9", "op": "subscribe", "args": args("trades")}))
        assert (await ws.json())["code"] == "60014"
    assert [violation.rule for violation in exchange.record.violations] == ["requests_per_hour"]


async def test_a_request_of_more_than_64_kilobytes_is_1009(autojump_clock: object, clients: Any) -> None:
    exchange = quiet()
    async with clients(exchange) as client:
        ws = await client.ws("okx", PUBLIC)
        await ws.send(json.dumps({"op": "subscribe", "args": args(*["trades"] * 2000)}))
        with pytest.raises(EOFError, match="1009"):
            await ws.text()
    assert [violation.rule for violation in exchange.record.violations] == ["longest_request"]


async def test_books_are_chained_by_their_predecessor(autojump_clock: object, clients: Any) -> None:
    exchange = Exchange(5, NAMES, 10)
    async with clients(exchange) as client, trio.open_nursery() as nursery:
        nursery.start_soon(exchange.run)
        await trio.sleep(20)
        ws = await client.ws("okx", PUBLIC)
        await subscribe(ws, "books")
        message = await ws.json()
        assert shape(message) == shape(json.loads(SNAPSHOT))
        book = message["data"][0]
        assert (message["action"], book["prevSeqId"], book["checksum"]) == ("snapshot", -1, 0)
        sides = {name: {level[0]: level[1] for level in book[name]} for name in ("bids", "asks")}
        last, gaps = book["seqId"], 0
        for _ in range(300):
            message = await ws.json()
            book = message["data"][0]
            assert (message["action"], book["prevSeqId"]) == ("update", last)
            gaps += book["seqId"] > last + len(book["bids"]) + len(book["asks"])
            last = book["seqId"]
            for name, side in sides.items():
                for price, size, _, _ in book[name]:
                    if size == "0":
                        del side[price]
                    else:
                        side[price] = size
            assert max(map(float, sides["bids"])) < min(map(float, sides["asks"]))
        assert gaps > 100  # so that nobody takes the numbers for consecutive ones
        state = exchange.record.books["okx", "BTC-USDT"].at(last)
        assert (dict(state.bids), dict(state.asks)) == (sides["bids"], sides["asks"])
        nursery.cancel_scope.cancel()


async def test_a_book_without_changes_says_every_minute_that_it_is_alive(autojump_clock: object, clients: Any) -> None:
    exchange = quiet()
    async with clients(exchange) as client, trio.open_nursery() as nursery:
        ws = await client.ws("okx", PUBLIC)
        await subscribe(ws, "books")
        last = (await ws.json())["data"][0]["seqId"]

        async def ping_on() -> None:
            while True:
                await trio.sleep(20)
                await ws.send("ping")

        nursery.start_soon(ping_on)
        for n in (1, 2):
            while (text := await ws.text()) == "pong":
                pass
            assert trio.current_time() == pytest.approx(60 * n)
            book = json.loads(text)["data"][0]
            assert (book["prevSeqId"], book["seqId"], book["bids"], book["asks"]) == (last, last, [], [])
        nursery.cancel_scope.cancel()


async def test_the_best_prices_come_at_once_and_when_they_change(
    autojump_clock: object, clients: Any, silent_for: Silent
) -> None:
    exchange = quiet()
    async with clients(exchange) as client:
        ws = await client.ws("okx", PUBLIC)
        await subscribe(ws, "bbo-tbt", "books5")
        first, five = await ws.json(), await ws.json()
        assert shape(first) == shape(json.loads(BEST))
        assert len(five["data"][0]["asks"]) == 5
        assert five["data"][0]["asks"][0] == first["data"][0]["asks"][0]
        assert await silent_for(ws, 10)
        quotes = exchange.record.quotes["okx", "BTC-USDT"]
        while not quotes:
            exchange.change_book("okx", "BTC-USDT")
        while (message := await ws.json())["arg"]["channel"] != "bbo-tbt":
            pass
        quote = message["data"][0]
        assert (quote["bids"][0][0], quote["asks"][0][1]) == (quotes[0].bid, quotes[0].ask_quantity)


# REST.


async def test_history_pages_backwards_with_after(autojump_clock: object, clients: Any) -> None:
    exchange = quiet()
    async with clients(exchange) as client:
        for _ in range(250):
            exchange.print_trade("okx", "BTC-USDT", raw_count=1)
        ids = [trade.id for trade in exchange.record.trades["okx", "BTC-USDT"]]

        async def page(query: str) -> list[int]:
            answer = await client.get("okx", f"/api/v5/market/history-trades?instId=BTC-USDT{query}")
            assert answer.json["code"] == "0"
            return [int(row["tradeId"]) for row in answer.json["data"]]

        assert await page("") == ids[:-101:-1]
        assert await page(f"&after={ids[200]}&limit=3") == [ids[199], ids[198], ids[197]]
        # `before` alone gives the latest page, not the one that follows the id.
        assert await page(f"&before={ids[10]}") == ids[:-101:-1]
        assert await page(f"&before={ids[-4]}") == ids[:-4:-1]
        assert await page(f"&after={ids[20]}&before={ids[10]}") == ids[19:10:-1]
        assert await page(f"&type=2&after={exchange.clock.ms() + 1}&limit=1") == ids[-1:]
        walked: list[int] = []
        while found := await page(f"&after={walked[-1] if walked else ids[-1] + 1}"):
            walked += found
        assert walked == ids[::-1]
        newest = (await client.get("okx", "/api/v5/market/trades?instId=BTC-USDT&limit=200")).json["data"]
        assert [int(row["tradeId"]) for row in newest] == ids[:-201:-1]
        assert shape(newest[0]) == shape(json.loads(ROW))


async def test_rest_errors_have_their_codes(autojump_clock: object, clients: Any) -> None:
    async with clients(quiet()) as client:
        for path, status, code in (
            ("/api/v5/market/trades?instId=NOPE", 200, "51001"),
            ("/api/v5/market/trades", 400, "50014"),
            ("/api/v5/market/history-trades?instId=BTC-USDT&limit=101", 400, "51000"),
            ("/api/v5/market/history-trades?instId=BTC-USDT&after=x", 400, "51000"),
        ):
            answer = await client.get("okx", path)
            assert (answer.status, answer.json["code"]) == (status, code)
        assert (await client.get("okx", "/api/v5/nothing")).status == 404


async def test_each_endpoint_has_its_own_limit(autojump_clock: object, clients: Any) -> None:
    exchange = quiet()
    async with clients(exchange) as client:
        http = await client.http("okx")
        history = "/api/v5/market/history-trades?instId=BTC-USDT"
        for _ in range(20):
            assert (await http.request("GET", history)).status == 200
        over = await http.request("GET", history)
        assert (over.status, over.json["code"]) == (429, "50011")
        assert (await http.request("GET", "/api/v5/market/trades?instId=BTC-USDT")).status == 200
        await trio.sleep(2)
        assert (await http.request("GET", history)).status == 200
    assert [violation.rule for violation in exchange.record.violations] == ["rest_requests"]


async def test_the_rest_book_is_the_record(autojump_clock: object, clients: Any) -> None:
    exchange = quiet()
    async with clients(exchange) as client:
        exchange.change_book("okx", "BTC-USDT")
        book = (await client.get("okx", "/api/v5/market/books?instId=BTC-USDT&sz=400")).json["data"][0]
        state = exchange.record.books["okx", "BTC-USDT"].at(book["seqId"])
        assert [tuple(level[:2]) for level in book["asks"]] == list(state.asks)
        ticker = (await client.get("okx", "/api/v5/market/ticker?instId=BTC-USDT")).json["data"][0]
        assert (ticker["bidPx"], ticker["bidSz"]) == state.bids[0]
        instruments = (await client.get("okx", "/api/v5/public/instruments?instType=SPOT")).json["data"]
        assert [row["instId"] for row in instruments] == NAMES["okx"]


async def test_independent_followers_see_the_same(autojump_clock: object, clients: Any) -> None:
    exchange = Exchange(2, NAMES, 10)
    async with clients(exchange) as client, trio.open_nursery() as nursery:
        followers = [await follow(client, "okx") for _ in range(2)]
        nursery.start_soon(exchange.run)
        first, second = [[(await f.ids())[0] for _ in range(50)] for f in followers]
        assert first == second == [trade.id for trade in exchange.record.trades["okx", "BTC-USDT"][:50]]
        nursery.cancel_scope.cancel()
