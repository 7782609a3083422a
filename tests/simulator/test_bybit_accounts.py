"""Bybit's accounts: logins, the two private topics, signed REST, disconnect-cancel-all (docs/v5, 2026-07-24)."""

import hashlib
import hmac
import json
from collections.abc import Awaitable, Callable
from typing import Any

import attrs
import pytest
import trio

from actors.simulator import Exchange, Fault, Rules
from actors.simulator.venues._bybit_messages import order_id, order_number

Silent = Callable[[Any, float], Awaitable[bool]]
SECRET = "demo-secret"
PRIVATE = "/v5/private"


def with_account(venue: str = "bybit", **options: Any) -> Exchange:
    return Exchange(
        seed=5,
        symbols={venue: ["BTCUSDT"]},
        keys={"demo-key": SECRET},
        trades_per_second=0,
        orders_per_second=0,
        **options,
    )


def signature(text: str, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


async def said(ws: Any, op: str, *args: Any) -> Any:
    await ws.send(json.dumps({"req_id": "7", "op": op, "args": args}))
    return await ws.json()


async def log_in(client: Any, venue: str = "bybit", *, ahead: int = 5000, secret: str = SECRET) -> tuple[Any, Any]:
    ws = await client.ws(venue, PRIVATE)
    expires = client.exchange.clock.ms() + ahead
    return ws, await said(ws, "auth", "demo-key", expires, signature(f"GET/realtime{expires}", secret))


async def ask(client: Any, target: str, venue: str = "bybit", **changes: str) -> Any:
    stamp = str(client.exchange.clock.ms())
    query = target.partition("?")[2]
    headers = {
        "X-BAPI-API-KEY": "demo-key",
        "X-BAPI-TIMESTAMP": stamp,
        "X-BAPI-RECV-WINDOW": "5000",
        "X-BAPI-SIGN": signature(f"{stamp}demo-key5000{query}"),
        **changes,
    }
    return (await client.get(venue, target, headers)).json


async def day_over() -> None:
    for _ in range(24):
        await trio.sleep(3600.1)


def place(exchange: Exchange, venue: str = "bybit") -> int:
    return exchange.place_order("demo-key", "BTCUSDT", "buy", "1", "10", venue=venue).order_id


@pytest.mark.parametrize(("venue", "category"), [("bybit", "spot"), ("bybit-linear", "linear")])
async def test_an_order_is_told_on_one_topic_and_its_fill_on_another(
    autojump_clock: object, clients: Any, venue: str, category: str
) -> None:
    exchange = with_account(venue)
    async with clients(exchange) as client:
        ws, answer = await log_in(client, venue)
        assert answer["success"] and answer["op"] == "auth"
        assert (await said(ws, "subscribe", f"order.{category}", f"execution.{category}"))["success"]
        order = place(exchange, venue)
        new = await ws.json()
        assert (new["topic"], new["data"][0]["orderStatus"]) == ("order", "New")
        exchange.fill_order("demo-key", order, "0.4", venue=venue)
        told = {message["topic"]: message["data"][0] for message in [await ws.json(), await ws.json()]}
        [true] = exchange.spelled(venue, "demo-key").fills
        assert told["execution"]["execId"] == true.id
        assert told["execution"]["orderId"] == told["order"]["orderId"] == true.order_id
        assert (told["order"]["orderStatus"], told["order"]["cumExecQty"]) == ("PartiallyFilled", "0.4")
        exchange.cancel_order("demo-key", order, venue=venue)
        ended = (await ws.json())["data"][0]["orderStatus"]
        assert ended == ("PartiallyFilledCanceled" if category == "spot" else "Cancelled")


async def test_some_filled_orders_are_told_twice(autojump_clock: object, clients: Any, silent_for: Silent) -> None:
    exchange = with_account(rules={"bybit": attrs.evolve(Rules.documented("bybit"), filled_twice=2)})
    async with clients(exchange) as client:
        ws, _ = await log_in(client)
        await said(ws, "subscribe", "order")
        for _ in range(2):
            exchange.fill_order("demo-key", place(exchange), venue="bybit")
        rows = [(await ws.json())["data"][0] for _ in range(5)]
        assert [row["orderStatus"] for row in rows] == ["New", "Filled", "New", "Filled", "Filled"]
        assert (rows[4]["cancelType"], rows[4]["rejectReason"]) == ("CancelByUser", "EC_OrigClOrdIDDoesNotExist")
        assert await silent_for(ws, 5)


async def test_a_login_wants_the_right_key_signature_and_time(autojump_clock: object, clients: Any) -> None:
    async with clients(with_account()) as client:
        for options in ({"secret": "another"}, {"ahead": -1}):
            ws, answer = await log_in(client, **options)
            assert not answer["success"]
            refused = await said(ws, "subscribe", "order")
            assert (refused["success"], refused["op"]) == (False, "subscribe")


async def test_topics_of_all_and_of_one_category_do_not_go_together(autojump_clock: object, clients: Any) -> None:
    async with clients(with_account()) as client:
        ws, _ = await log_in(client)
        assert not (await said(ws, "subscribe", "order", "order.spot"))["success"]
        assert "handler not found" in (await said(ws, "subscribe", "orders"))["ret_msg"]
        assert (await said(ws, "subscribe", "order.spot"))["success"]
        assert "already subscribed" in (await said(ws, "subscribe", "order.spot"))["ret_msg"]


async def test_signed_requests_are_checked(autojump_clock: object, clients: Any) -> None:
    exchange = with_account()
    target = "/v5/order/realtime?category=spot"
    async with clients(exchange) as client:
        now = exchange.clock.ms()
        assert (await ask(client, target))["retCode"] == 0
        assert (await ask(client, target, **{"X-BAPI-SIGN": "0" * 64}))["retCode"] == 10004
        assert (await ask(client, target, **{"X-BAPI-API-KEY": "x"}))["retCode"] == 10003
        assert (await ask(client, target, **{"X-BAPI-TIMESTAMP": str(now - 6000)}))["retCode"] == 10002
        assert (await ask(client, target, **{"X-BAPI-TIMESTAMP": str(now + 1500)}))["retCode"] == 10002
        exchange.inject(Fault("revoke_key", surface="private"))
        assert (await ask(client, target))["retCode"] == 10003


async def test_pages_follow_the_cursor_and_windows_are_a_week(autojump_clock: object, clients: Any) -> None:
    exchange = with_account()
    async with clients(exchange) as client:
        orders = [place(exchange) for _ in range(5)]
        exchange.fill_order("demo-key", orders[0], venue="bybit")
        found, cursor = [], ""
        pages = 0
        while pages < 3:
            pages += 1
            more = f"&cursor={cursor}" if cursor else ""
            result = (await ask(client, f"/v5/order/realtime?category=spot&limit=2{more}"))["result"]
            found += [row["orderId"] for row in result["list"]]
            cursor = result["nextPageCursor"]
            if not cursor:
                break
        assert pages == 2
        spelled = [order.order_id for order in exchange.spelled("bybit", "demo-key").orders]
        assert found == spelled[:0:-1]
        closed = (await ask(client, "/v5/order/realtime?category=spot&openOnly=1"))["result"]["list"]
        assert [row["orderId"] for row in closed] == spelled[:1]
        one = (await ask(client, f"/v5/order/history?category=spot&orderId={spelled[0]}"))["result"]["list"]
        assert [row["orderStatus"] for row in one] == ["Filled"]
        [fill] = (await ask(client, "/v5/execution/list?category=spot"))["result"]["list"]
        assert fill["execId"] == exchange.spelled("bybit", "demo-key").fills[0].id
        week = 7 * 86_400_000
        wide = await ask(client, f"/v5/execution/list?category=spot&startTime=1&endTime={week + 2}")
        assert wide["retCode"] == 10001
        await day_over()
        exchange.cancel_order("demo-key", orders[1], venue="bybit")
        await day_over()
        history = (await ask(client, "/v5/order/history?category=spot"))["result"]["list"]
        # What was cancelled without a fill is forgotten after a day.
        assert [row["orderId"] for row in history] == spelled[:1]


async def test_linear_wants_a_symbol_or_a_coin(autojump_clock: object, clients: Any) -> None:
    async with clients(with_account("bybit-linear")) as client:
        bare = await ask(client, "/v5/order/realtime?category=linear", "bybit-linear")
        coin = await ask(client, "/v5/order/realtime?category=linear&settleCoin=USDT", "bybit-linear")
        assert (bare["retCode"], coin["retCode"]) == (10001, 0)


async def test_orders_go_when_the_last_guarded_connection_has_been_gone_for_ten_seconds(
    autojump_clock: object, clients: Any
) -> None:
    exchange = with_account()
    async with clients(exchange) as client, trio.open_nursery() as nursery:
        nursery.start_soon(exchange.run)
        order = place(exchange)
        (first, _), (second, _) = await log_in(client), await log_in(client)
        for ws in (first, second):
            assert (await said(ws, "subscribe", "dcp.spot"))["success"]
        await first.stream.aclose()
        await trio.sleep(30)
        assert exchange.accounts["bybit", "demo-key"].orders[order].open
        await second.stream.aclose()
        await trio.sleep(9)
        assert exchange.accounts["bybit", "demo-key"].orders[order].open
        await trio.sleep(2)
        assert not exchange.accounts["bybit", "demo-key"].orders[order].open
        nursery.cancel_scope.cancel()


def test_an_order_id_leads_back_to_its_number_and_no_other_text_does() -> None:
    assert order_number(order_id(1_000_000_017)) == 1_000_000_017
    assert order_number("x") == order_number("0aac161b-8ed6-450d-9cab-c5cc67c21784") == -1
