"""The USD-M user stream: listen keys, their lifetimes, the events filter, and order events."""

import json
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest
import trio

from actors.simulator import Exchange, Fault

EVENTS = "ORDER_TRADE_UPDATE/listenKeyExpired"
Silent = Callable[[Any, float], Awaitable[bool]]


def exchange_with_account() -> Exchange:
    return Exchange(seed=5, keys={"demo-key": "demo-secret"}, trades_per_second=0)


async def open_stream(client: Any, events: str | None = EVENTS, path: str = "/private/ws") -> tuple[Any, str]:
    key = (await client.listen_key()).json["listenKey"]
    return await client.ws("binance-usdm", f"{path}?listenKey={key}" + (f"&events={events}" if events else "")), key


async def test_an_order_is_told_as_it_lives(autojump_clock: object, clients: Any) -> None:
    exchange = exchange_with_account()
    async with clients(exchange) as client:
        ws, _ = await open_stream(client)
        order_id = exchange.place_order("demo-key", "BTCUSDT", "buy", "0.100", "60000.00").order_id
        exchange.fill_order("demo-key", order_id, "0.040")
        exchange.fill_order("demo-key", order_id)
        told = [await ws.json() for _ in range(3)]
        assert {event["e"] for event in told} == {"ORDER_TRADE_UPDATE"}
        orders = [event["o"] for event in told]
        assert [(o["x"], o["X"], o["l"], o["z"]) for o in orders] == [
            ("NEW", "NEW", "0", "0"),
            ("TRADE", "PARTIALLY_FILLED", "0.040", "0.040"),
            ("TRADE", "FILLED", "0.060", "0.100"),
        ]
        assert {o["i"] for o in orders} == {order_id}
        assert orders[0]["t"] == 0
        assert 0 < orders[1]["t"] < orders[2]["t"]
        public = exchange.record.trades["binance-usdm", "BTCUSDT"]
        assert [trade.first_id for trade in public] == [o["t"] for o in orders[1:]]


async def test_cancel_and_expiry_are_told_and_final(autojump_clock: object, clients: Any) -> None:
    exchange = exchange_with_account()
    async with clients(exchange) as client:
        ws, _ = await open_stream(client)
        for end in (exchange.cancel_order, exchange.expire_order):
            order_id = exchange.place_order("demo-key", "BTCUSDT", "sell", "0.1", "60000").order_id
            event = end("demo-key", order_id)
            await ws.json()
            assert (await ws.json())["o"]["X"] == event.status
            for again in (exchange.cancel_order, exchange.fill_order):
                with pytest.raises(ValueError, match="not open"):
                    again("demo-key", order_id)


async def test_more_than_what_is_left_cannot_be_filled() -> None:
    exchange = exchange_with_account()
    order_id = exchange.place_order("demo-key", "BTCUSDT", "buy", "0.1", "60000").order_id
    with pytest.raises(ValueError, match=r"0\.1 left"):
        exchange.fill_order("demo-key", order_id, "0.2")


@pytest.mark.parametrize("events", [None, "ACCOUNT_UPDATE", "ORDER_TRADE_UPDATES"])
async def test_without_its_name_in_events_nothing_arrives(
    autojump_clock: object, clients: Any, silent_for: Silent, events: str | None
) -> None:
    exchange = exchange_with_account()
    async with clients(exchange) as client:
        ws, _ = await open_stream(client, events)
        exchange.place_order("demo-key", "BTCUSDT", "buy", "0.1", "60000")
        assert await silent_for(ws, 7200)
    assert len(exchange.record.orders["binance-usdm", "demo-key"]) == 1


@pytest.mark.parametrize(
    "target", ["/private/ws?listenKey=wrong&events=" + EVENTS, "/private/ws", "/private/ws/{key}", "/ws/{key}"]
)
async def test_a_wrong_key_or_the_old_path_opens_and_stays_silent_for_ever(
    autojump_clock: object, clients: Any, silent_for: Silent, target: str
) -> None:
    exchange = exchange_with_account()
    async with clients(exchange) as client:
        key = (await client.listen_key()).json["listenKey"]
        ws = await client.ws("binance-usdm", target.format(key=key))
        exchange.place_order("demo-key", "BTCUSDT", "buy", "0.1", "60000")
        assert await silent_for(ws, 86_000)


async def test_the_combined_form_names_the_key(autojump_clock: object, clients: Any) -> None:
    exchange = exchange_with_account()
    async with clients(exchange) as client:
        ws, key = await open_stream(client, path="/private/stream")
        exchange.place_order("demo-key", "BTCUSDT", "buy", "0.1", "60000")
        message = await ws.json()
        assert (message["stream"], message["data"]["e"]) == (key, "ORDER_TRADE_UPDATE")


async def test_a_key_lives_an_hour_after_the_last_post_or_put(
    autojump_clock: object, clients: Any, silent_for: Silent
) -> None:
    exchange = exchange_with_account()
    async with clients(exchange) as client:
        ws, key = await open_stream(client)
        for method in ("POST", "PUT", "POST"):
            assert await silent_for(ws, 3500)
            answer = await client.listen_key(method)
            assert (answer.status, answer.json) == (200, {"listenKey": key})
        notice = await ws.json()
        assert trio.current_time() == pytest.approx(3 * 3500 + 3600)
        assert (notice["e"], notice["listenKey"]) == ("listenKeyExpired", key)
        gone = await client.listen_key("PUT")
        assert (gone.status, gone.json) == (400, {"code": -1125, "msg": "This listenKey does not exist."})
        assert (await client.listen_key("POST")).json["listenKey"] != key


async def test_after_expiry_the_socket_stays_open_and_silent(
    autojump_clock: object, clients: Any, silent_for: Silent
) -> None:
    exchange = exchange_with_account()
    async with clients(exchange) as client:
        ws, _ = await open_stream(client)
        assert (await ws.json())["e"] == "listenKeyExpired"
        new, _ = await open_stream(client)
        exchange.place_order("demo-key", "BTCUSDT", "buy", "0.1", "60000")
        assert (await new.json())["e"] == "ORDER_TRADE_UPDATE"
        assert await silent_for(ws, 3000)
        await ws.ping(b"alive?")
        assert bytes((await ws.frame()).data) == b"alive?"


async def test_the_notice_comes_only_to_those_who_listed_it(
    autojump_clock: object, clients: Any, silent_for: Silent
) -> None:
    exchange = exchange_with_account()
    async with clients(exchange) as client:
        deaf, _ = await open_stream(client, "ORDER_TRADE_UPDATE")
        assert await silent_for(deaf, 7200)


@pytest.mark.parametrize("notice", [True, False])
async def test_a_fault_ends_the_key_with_or_without_a_word(
    autojump_clock: object, clients: Any, silent_for: Silent, notice: bool
) -> None:
    exchange = exchange_with_account()
    async with clients(exchange) as client:
        ws, key = await open_stream(client)
        applied = exchange.inject(Fault("expire_key", surface="private", notice=notice))
        assert len(applied.hit) == 1
        exchange.place_order("demo-key", "BTCUSDT", "buy", "0.1", "60000")
        if notice:
            assert (await ws.json())["listenKey"] == key
        assert await silent_for(ws, 7200)
        assert (await client.listen_key("PUT")).json["code"] == -1125


async def test_a_deleted_key_is_dead(autojump_clock: object, clients: Any, silent_for: Silent) -> None:
    exchange = exchange_with_account()
    async with clients(exchange) as client:
        ws, key = await open_stream(client)
        deleted = await client.listen_key("DELETE")
        assert (deleted.status, deleted.json) == (200, {})
        exchange.place_order("demo-key", "BTCUSDT", "buy", "0.1", "60000")
        assert await silent_for(ws, 60)
        assert (await client.listen_key()).json["listenKey"] != key


@pytest.mark.parametrize(("api_key", "code"), [("", -2014), ("someone-else", -2015)])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_a_missing_or_foreign_api_key_is_a_401(
    autojump_clock: object, clients: Any, api_key: str, code: int, method: str
) -> None:
    async with clients(exchange_with_account()) as client:
        answer = await client.listen_key(method, api_key)
        assert (answer.status, answer.json["code"]) == (401, code)


async def test_accounts_do_not_see_each_other(autojump_clock: object, clients: Any, silent_for: Silent) -> None:
    exchange = Exchange(keys={"demo-key": "a", "other": "b"}, trades_per_second=0)
    async with clients(exchange) as client:
        ws, _ = await open_stream(client)
        exchange.place_order("other", "BTCUSDT", "buy", "0.1", "60000")
        assert await silent_for(ws, 60)


async def test_the_seeded_flow_tells_record_stream_and_rest_the_same(autojump_clock: object, clients: Any) -> None:
    exchange = Exchange(seed=8, keys={"demo-key": "demo-secret"}, trades_per_second=1, orders_per_second=1)
    async with clients(exchange) as client:
        ws, _ = await open_stream(client)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(exchange.run)
            await trio.sleep(300)
            nursery.cancel_scope.cancel()
        events = list(exchange.record.orders["binance-usdm", "demo-key"])
        assert {event.status for event in events} == {"NEW", "PARTIALLY_FILLED", "FILLED", "CANCELED", "EXPIRED"}
        told = [json.loads(await ws.text())["o"] for _ in events]
        assert [(o["i"], o["X"], o["t"], o["z"]) for o in told] == [
            (event.order_id, event.status, event.trade_id, event.filled) for event in events
        ]
        fills = [event for event in events if event.execution == "TRADE"]
        assert len({event.trade_id for event in fills}) == len(fills)
        by_order = {
            row["orderId"]: row
            for row in (await client.signed("/fapi/v1/allOrders", symbol="BTCUSDT", limit=1000)).json
        }
        assert len(by_order) > 200
        for event in {event.order_id: event for event in events}.values():
            row = by_order[event.order_id]
            assert (row["status"], Decimal(row["executedQty"])) == (event.status, Decimal(event.filled))
            mine = [Decimal(fill.last_quantity) for fill in fills if fill.order_id == event.order_id]
            assert sum(mine) == Decimal(event.filled)
        rows = (await client.signed("/fapi/v1/userTrades", symbol="BTCUSDT", limit=1000)).json
        assert [(row["id"], row["orderId"], row["qty"]) for row in rows] == [
            (fill.trade_id, fill.order_id, fill.last_quantity) for fill in fills
        ]
        open_now = [row["orderId"] for row in (await client.signed("/fapi/v1/openOrders")).json]
        assert open_now == [row["orderId"] for row in by_order.values() if row["status"] in ("NEW", "PARTIALLY_FILLED")]
