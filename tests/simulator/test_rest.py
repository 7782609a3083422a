"""REST from outside: paging, error bodies, weights and bans, signatures."""

import hashlib
import hmac
from typing import Any

import attrs
import pytest
import trio

from actors.simulator import Exchange, PublishedTrade, Rules
from actors.simulator._listen_keys import ListenKey

VECTOR_KEY = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
VECTOR_SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"


def quiet(**options: Any) -> Exchange:
    return Exchange(trades_per_second=0, keys={"demo-key": "demo-secret"}, **options)


def fill(exchange: Exchange, venue: str, count: int) -> list[PublishedTrade]:
    for _ in range(count):
        exchange.print_trade(venue, "BTCUSDT")
    return list(exchange.record.agg_trades[venue, "BTCUSDT"])


@pytest.mark.parametrize(("venue", "root"), [("binance", "/api/v3"), ("binance-usdm", "/fapi/v1")])
async def test_time_and_ping(autojump_clock: object, clients: Any, venue: str, root: str) -> None:
    async with clients(quiet(epoch=1_499_827_319.559)) as client:
        await trio.sleep(2.5)
        assert (await client.get(venue, f"{root}/time")).json == {"serverTime": 1499827322059}
        assert (await client.get(venue, f"{root}/ping")).json == {}


async def test_trades_and_their_history_page_by_id(autojump_clock: object, clients: Any) -> None:
    exchange = quiet()
    async with clients(exchange) as client:
        fill(exchange, "binance", 1500)
        raw = list(exchange.record.trades["binance", "BTCUSDT"])
        newest = (await client.get("binance", "/api/v3/trades?symbol=BTCUSDT&limit=1")).json
        assert newest[0] | {"quoteQty": ""} == {
            "id": raw[-1].id,
            "price": raw[-1].price,
            "qty": raw[-1].quantity,
            "quoteQty": "",
            "time": raw[-1].time,
            "isBuyerMaker": raw[-1].side == "sell",
            "isBestMatch": True,
        }
        got: list[int] = []
        while len(got) < len(raw):
            start = got[-1] + 1 if got else raw[0].id
            page = (
                await client.get("binance", f"/api/v3/historicalTrades?symbol=BTCUSDT&fromId={start}&limit=1000")
            ).json
            assert page[0]["id"] == start
            got += [row["id"] for row in page]
        assert got == [trade.id for trade in raw]
        assert len((await client.get("binance", "/api/v3/historicalTrades?symbol=BTCUSDT")).json) == 500
        beyond = f"/api/v3/historicalTrades?symbol=BTCUSDT&fromId={raw[-1].id + 1}"
        assert (await client.get("binance", beyond)).json == []


@pytest.mark.parametrize(
    ("venue", "path", "fields"),
    [
        ("binance", "/api/v3/aggTrades", ["a", "p", "q", "f", "l", "T", "m", "M"]),
        ("binance-usdm", "/fapi/v1/aggTrades", ["a", "p", "q", "nq", "f", "l", "T", "m"]),
    ],
)
async def test_aggregate_trades_page_by_id_and_time(
    autojump_clock: object, clients: Any, venue: str, path: str, fields: list[str]
) -> None:
    exchange = quiet()
    async with clients(exchange) as client:
        early = fill(exchange, venue, 20)
        await trio.sleep(10)
        late = fill(exchange, venue, 20)[20:]
        page = (await client.get(venue, f"{path}?symbol=BTCUSDT&fromId={early[5].id}&limit=30")).json
        assert [row["a"] for row in page] == [trade.id for trade in (early + late)[5:35]]
        assert list(page[0]) == fields
        page = (await client.get(venue, f"{path}?symbol=BTCUSDT&startTime={late[0].time}")).json
        assert [row["a"] for row in page] == [trade.id for trade in late]
        page = (await client.get(venue, f"{path}?symbol=BTCUSDT&endTime={late[0].time - 1}&limit=3")).json
        assert [row["a"] for row in page] == [trade.id for trade in early[-3:]]
        page = (await client.get(venue, f"{path}?symbol=BTCUSDT&limit=1")).json
        assert [row["a"] for row in page] == [late[-1].id]
        mixed = await client.get(venue, f"{path}?symbol=BTCUSDT&fromId=1&startTime=1")
        assert (mixed.status, mixed.json["code"]) == (400, -1128)


async def test_usdm_forgets_aggregate_trades_after_48_hours(autojump_clock: object, clients: Any) -> None:
    exchange = quiet()
    async with clients(exchange) as client:
        old = fill(exchange, "binance-usdm", 5)
        await trio.sleep(47 * 3600)
        fill(exchange, "binance-usdm", 5)
        target = f"/fapi/v1/aggTrades?symbol=BTCUSDT&fromId={old[2].id}"
        assert (await client.get("binance-usdm", target)).json[0]["a"] == old[2].id
        await trio.sleep(2 * 3600)
        assert (await client.get("binance-usdm", target)).json[0]["a"] == old[4].id + 1
        await trio.sleep(100 * 3600)
        assert (await client.get("binance-usdm", target)).json == []


async def test_exchange_info_has_limits_and_symbols(autojump_clock: object, clients: Any) -> None:
    exchange = quiet(symbols={"binance": ["BTCUSDT", "ETHBTC"], "binance-usdm": ["BTCUSDT"]})
    async with clients(exchange) as client:
        info = (await client.get("binance", "/api/v3/exchangeInfo")).json
        assert [limit["limit"] for limit in info["rateLimits"]] == [6000, 300_000]
        assert [row["symbol"] for row in info["symbols"]] == ["BTCUSDT", "ETHBTC"]
        assert (info["symbols"][1]["baseAsset"], info["symbols"][1]["quoteAsset"]) == ("ETH", "BTC")
        one = (await client.get("binance", "/api/v3/exchangeInfo?symbol=ETHBTC")).json
        assert [row["symbol"] for row in one["symbols"]] == ["ETHBTC"]
        info = (await client.get("binance-usdm", "/fapi/v1/exchangeInfo")).json
        assert info["rateLimits"][0]["limit"] == 2400


@pytest.mark.parametrize(
    ("target", "status", "code"),
    [
        ("/api/v3/trades", 400, -1102),
        ("/api/v3/trades?symbol=", 400, -1102),
        ("/api/v3/trades?symbol=btcusdt", 400, -1121),
        ("/api/v3/trades?symbol=BTCUSDT&limit=1001", 400, -1130),
        ("/api/v3/trades?symbol=BTCUSDT&limit=0", 400, -1130),
        ("/api/v3/historicalTrades?symbol=BTCUSDT&fromId=x", 400, -1100),
    ],
)
async def test_errors_have_code_and_words(
    autojump_clock: object, clients: Any, target: str, status: int, code: int
) -> None:
    async with clients(quiet()) as client:
        answer = await client.get("binance", target)
        assert (answer.status, answer.json["code"]) == (status, code)
        assert answer.json["msg"]


@pytest.mark.parametrize("target", ["/", "/api/v3/nothing", "/fapi/v1/time", "/api/v3/userDataStream"])
async def test_unknown_paths_are_404(autojump_clock: object, clients: Any, target: str) -> None:
    async with clients(quiet()) as client:
        assert (await client.get("binance", target)).status == 404


async def test_every_answer_shows_the_weight_that_was_used(autojump_clock: object, clients: Any) -> None:
    async with clients(quiet(epoch=0.0)) as client:
        http = await client.http("binance")
        used = []
        for path in ("time", "trades?symbol=BTCUSDT", "aggTrades?symbol=BTCUSDT", "exchangeInfo", "trades", "nothing"):
            answer = await http.request("GET", f"/api/v3/{path}")
            used.append(int(answer.headers["x-mbx-used-weight-1m"]))
        assert used == [1, 26, 30, 50, 75, 76]
        await trio.sleep(60)
        answer = await http.request("GET", "/api/v3/historicalTrades?symbol=BTCUSDT&limit=1")
        assert answer.headers["x-mbx-used-weight-1m"] == "25"
        http = await client.http("binance-usdm")
        for path, total in (
            ("aggTrades?symbol=BTCUSDT", 20),
            ("time", 21),
            ("openOrders", 61),
            ("openOrders?symbol=X", 62),
        ):
            answer = await http.request("GET", f"/fapi/v1/{path}")
            assert answer.headers["x-mbx-used-weight-1m"] == str(total)


async def test_too_much_weight_is_429_and_ignoring_it_is_418(autojump_clock: object, clients: Any) -> None:
    exchange = quiet(epoch=30.0)
    async with clients(exchange) as client:
        http = await client.http("binance")
        for _ in range(240):
            assert (await http.request("GET", "/api/v3/trades?symbol=BTCUSDT")).status == 200
        over = await http.request("GET", "/api/v3/time")
        assert (over.status, over.headers["retry-after"], over.json["code"]) == (429, "30", -1003)
        for _ in range(2):
            assert (await http.request("GET", "/api/v3/time")).status == 429
        banned = await http.request("GET", "/api/v3/time")
        assert (banned.status, banned.headers["retry-after"]) == (418, "120")
        assert f"IP banned until {(30 + 120) * 1000}" in banned.json["msg"]
        await trio.sleep(119)
        http = await client.http("binance")
        assert (await http.request("GET", "/api/v3/time")).status == 418
        await trio.sleep(1)
        assert (await http.request("GET", "/api/v3/time")).status == 200
    rules = [violation.rule for violation in exchange.record.violations]
    assert rules == ["request_weight", "ignored_429", "ignored_429", "banned"]


async def test_who_waits_as_told_after_429_is_served(autojump_clock: object, clients: Any) -> None:
    exchange = quiet(rules={"binance": attrs.evolve(Rules.documented("binance"), weight_per_minute=1)})
    async with clients(exchange) as client:
        http = await client.http("binance")
        await http.request("GET", "/api/v3/time")
        over = await http.request("GET", "/api/v3/time")
        await trio.sleep(int(over.headers["retry-after"]))
        assert (await http.request("GET", "/api/v3/time")).status == 200


# Signatures.


@pytest.mark.parametrize(
    ("symbol", "query", "signature"),
    [
        ("LTCBTC", "LTCBTC", "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"),
        (
            "１２３４５６",  # noqa: RUF001  # the official example of a symbol that must be percent-encoded
            "%EF%BC%91%EF%BC%92%EF%BC%93%EF%BC%94%EF%BC%95%EF%BC%96",
            "e1353ec6b14d888f1164ae9af8228a3dbd508bc82eb867db8ab6046442f33ef3",
        ),
    ],
)
async def test_the_official_signatures_are_accepted(
    autojump_clock: object, clients: Any, symbol: str, query: str, signature: str
) -> None:
    exchange = Exchange(symbols={"binance-usdm": [symbol]}, keys={VECTOR_KEY: VECTOR_SECRET}, epoch=1_499_827_319.559)
    signed = (
        f"symbol={query}&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1"
        f"&recvWindow=5000&timestamp=1499827319559&signature="
    )
    async with clients(exchange) as client:
        headers = {"X-MBX-APIKEY": VECTOR_KEY}
        answer = await client.get("binance-usdm", f"/fapi/v1/openOrders?{signed}{signature}", headers)
        assert (answer.status, answer.json) == (200, [])
        wrong = signature[:-1] + ("0" if signature[-1] != "0" else "1")
        answer = await client.get("binance-usdm", f"/fapi/v1/openOrders?{signed}{wrong}", headers)
        assert (answer.status, answer.json["code"]) == (400, -1022)


async def test_the_signature_covers_the_order_of_the_parameters(autojump_clock: object, clients: Any) -> None:
    exchange = quiet(epoch=1000.0)
    async with clients(exchange) as client:
        signature = hmac.new(b"demo-secret", b"symbol=BTCUSDT&timestamp=1000000", hashlib.sha256).hexdigest()
        swapped = f"/fapi/v1/openOrders?timestamp=1000000&symbol=BTCUSDT&signature={signature}"
        assert (await client.get("binance-usdm", swapped, {"X-MBX-APIKEY": "demo-key"})).json["code"] == -1022


@pytest.mark.parametrize(
    ("offset", "window", "code"),
    [
        (-5000, None, None),
        (-5001, None, -1021),
        (999, None, None),
        (1000, None, -1021),
        (-60_000, 60_000, None),
        (-101, 100, -1021),
        (0, 60_001, -1131),
    ],
)
async def test_the_time_window_is_five_seconds_back_and_one_ahead(
    autojump_clock: object, clients: Any, offset: int, window: int | None, code: int | None
) -> None:
    exchange = quiet()
    async with clients(exchange) as client:
        params = {"timestamp": exchange.clock.ms() + offset} | ({} if window is None else {"recvWindow": window})
        answer = await client.signed("/fapi/v1/openOrders", **params)
        assert (answer.json["code"] if code else answer.json) == (code or [])


@pytest.mark.parametrize(
    ("api_key", "secret", "status", "code"),
    [("demo-key", "wrong", 400, -1022), ("someone-else", "demo-secret", 401, -2015), ("", "x", 401, -2014)],
)
@pytest.mark.parametrize("path", ["allOrders", "openOrders", "order", "userTrades"])
async def test_signed_requests_need_key_and_secret(
    autojump_clock: object, clients: Any, api_key: str, secret: str, status: int, code: int, path: str
) -> None:
    async with clients(quiet()) as client:
        answer = await client.signed(f"/fapi/v1/{path}", api_key, secret, symbol="BTCUSDT")
        assert (answer.status, answer.json["code"]) == (status, code)


async def test_orders_and_fills_can_be_paged(autojump_clock: object, clients: Any) -> None:
    exchange = quiet()
    async with clients(exchange) as client:
        ids = []
        for _ in range(10):
            ids.append(exchange.place_order("demo-key", "BTCUSDT", "buy", "0.1", "60000").order_id)
            exchange.fill_order("demo-key", ids[-1])
            await trio.sleep(1)
        page = (await client.signed("/fapi/v1/allOrders", symbol="BTCUSDT", orderId=ids[4], limit=3)).json
        assert [row["orderId"] for row in page] == ids[4:7]
        page = (await client.signed("/fapi/v1/allOrders", symbol="BTCUSDT", limit=3)).json
        assert [row["orderId"] for row in page] == ids[-3:]
        fills = [event.trade_id for event in exchange.record.orders["binance-usdm", "demo-key"] if event.trade_id]
        page = (await client.signed("/fapi/v1/userTrades", symbol="BTCUSDT", fromId=fills[4], limit=3)).json
        assert [row["id"] for row in page] == fills[4:7]
        page = (await client.signed("/fapi/v1/userTrades", symbol="BTCUSDT", orderId=ids[2])).json
        assert [row["id"] for row in page] == [fills[2]]
        start = exchange.clock.ms(5)
        page = (await client.signed("/fapi/v1/userTrades", symbol="BTCUSDT", startTime=start)).json
        assert [row["id"] for row in page] == fills[5:]
        await trio.sleep(8 * 86_400)
        assert (await client.signed("/fapi/v1/userTrades", symbol="BTCUSDT")).json == []
        assert (await client.signed("/fapi/v1/allOrders", symbol="BTCUSDT")).json == []
        old = await client.signed("/fapi/v1/allOrders", symbol="BTCUSDT", startTime=start, limit=2)
        assert [row["orderId"] for row in old.json] == ids[5:7]
        wide = await client.signed("/fapi/v1/allOrders", symbol="BTCUSDT", startTime=0, endTime=exchange.clock.ms())
        assert wide.status == 400


async def test_one_order_by_either_id(autojump_clock: object, clients: Any) -> None:
    exchange = quiet()
    async with clients(exchange) as client:
        placed = exchange.place_order("demo-key", "BTCUSDT", "sell", "0.1", "60000")
        for by in ({"orderId": placed.order_id}, {"origClientOrderId": placed.client_id}):
            row = (await client.signed("/fapi/v1/order", symbol="BTCUSDT", **by)).json
            assert (row["orderId"], row["side"], row["status"]) == (placed.order_id, "SELL", "NEW")
        assert (await client.signed("/fapi/v1/order", symbol="BTCUSDT", orderId=1)).json["code"] == -2013
        assert (await client.signed("/fapi/v1/order", symbol="BTCUSDT")).json["code"] == -1102


async def test_secrets_are_never_shown() -> None:
    exchange = quiet()
    key = ListenKey("a-listen-key", "demo-key", 0.0)
    shown = f"{exchange!r} {exchange.accounts!r} {exchange.floors!r} {key!r}"
    assert not [secret for secret in ("demo-secret", "demo-passphrase", key.value) if secret in shown]


# The HTTP server itself.


async def test_a_connection_is_kept_alive_and_recorded(autojump_clock: object, clients: Any) -> None:
    exchange = quiet()
    async with clients(exchange) as client:
        http = await client.http("binance")
        for _ in range(3):
            assert (await http.request("GET", "/api/v3/ping")).status == 200
            await trio.sleep(60)
        await trio.sleep(16)
        assert await http.stream.receive_some() == b""
    (entry,) = exchange.record.connections
    assert (entry.surface, entry.messages_in, entry.messages_out) == ("rest", 3, 3)
    assert entry.closed == pytest.approx(195)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 20_000, b"431"),
        (b"POST /fapi/v1/listenKey HTTP/1.1\r\nHost: x\r\nContent-Length: 70000\r\n\r\n" + b"a" * 70_000, b"413"),
    ],
)
async def test_what_is_not_bounded_http_is_refused(
    autojump_clock: object, clients: Any, sent: bytes, status: bytes
) -> None:
    async with clients(quiet()) as client:
        http = await client.http("binance-usdm")
        await http.stream.send_all(sent)
        assert (await http.stream.receive_some()).startswith(b"HTTP/1.1 " + status)
