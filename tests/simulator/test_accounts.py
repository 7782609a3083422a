"""Accounts of the simulator: what is true of them, what REST shows when it is behind, and the faults that hit them."""

import json
from collections.abc import Awaitable, Callable
from copy import deepcopy
from decimal import Decimal
from random import Random
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from actors.simulator import Exchange, Fault, PublishedTrade
from actors.simulator._accounts import Account
from actors.simulator._record import Log

Silent = Callable[[Any, float], Awaitable[bool]]
EVENTS = "ORDER_TRADE_UPDATE/listenKeyExpired"


def with_account(**options: Any) -> Exchange:
    return Exchange(seed=5, keys={"demo-key": "demo-secret"}, trades_per_second=0, **options)


async def stream(client: Any) -> Any:
    key = (await client.listen_key()).json["listenKey"]
    return await client.ws("binance-usdm", f"/private/ws?listenKey={key}&events={EVENTS}")


def place(exchange: Exchange) -> int:
    return exchange.place_order("demo-key", "BTCUSDT", "buy", "0.1", "60000").order_id


def shown(view: Any) -> tuple[Any, ...]:
    return (
        [deepcopy(order) for order in view.orders()],
        [order.order_id for order in view.open_orders()],
        list(view.fills),
    )


# Each step: seconds later, what, and of which order.
STEPS = st.lists(
    st.tuples(st.sampled_from([0.0, 0.5, 1.0, 7.0]), st.sampled_from(["place", "fill", "end"]), st.integers(0, 9)),
    max_size=25,
)


@given(STEPS, st.sampled_from([0.25, 1.0, 3.0, 100.0]), st.sampled_from(["all", "fills", "orders"]))
def test_what_rest_shows_when_it_is_behind_is_what_was_true_then(steps: Any, lag: float, of: Any) -> None:
    account = Account("k", Random(1), 100, Log())
    at = 1000.0
    truth = [(0.0, shown(account.view(at)))]
    for number, (later, what, which) in enumerate(steps):
        at += later
        resting = account.open_orders()
        if what == "place" or not resting:
            account.place("S", "buy", "1.000", "5", at, round(at * 1000))
        elif what == "fill":
            trade = PublishedTrade(number, "5", "1", "sell", 0, number, number, at)
            account.fill(resting[which % len(resting)].order_id, None if which % 2 else "0.001", trade, at, 0)
        else:
            account.end(resting[which % len(resting)].order_id, "CANCELED", at, round(at * 1000))
        truth.append((at, shown(account.view(at))))
    account.lag(lag, at + 1, of)
    then, now = next(state for when, state in reversed(truth) if when <= at - lag), truth[-1][1]
    expected = (*(now if of == "fills" else then)[:2], (now if of == "orders" else then)[2])
    assert shown(account.view(at)) == expected
    assert shown(account.view(at + 1)) == now


async def test_the_truth_is_spelled_as_the_venue_does(autojump_clock: object) -> None:
    exchange = with_account()
    exchange.clock.now()
    first, second = place(exchange), place(exchange)
    exchange.fill_order("demo-key", first, "0.04")
    exchange.cancel_order("demo-key", first)
    exchange.fill_order("demo-key", second)
    true = exchange.spelled("binance-usdm", "demo-key")
    assert [(order.order_id, order.status, order.filled) for order in true.orders] == [
        (first, "canceled", Decimal("0.04")),
        (second, "filled", Decimal("0.1")),
    ]
    ids = [trade.first_id for trade in exchange.record.trades["binance-usdm", "BTCUSDT"]]
    assert [(fill.id, fill.order_id, fill.quantity) for fill in true.fills] == [
        (ids[0], first, Decimal("0.04")),
        (ids[1], second, Decimal("0.1")),
    ]


async def test_every_key_has_an_account_of_its_own_wherever_the_venue_has_accounts() -> None:
    exchange = Exchange(symbols={"binance-usdm": ["BTCUSDT"]}, keys={"a": "1", "b": "2"})
    assert set(exchange.accounts) == {("binance-usdm", "a"), ("binance-usdm", "b")}
    with pytest.raises(KeyError):
        exchange.place_order("c", "BTCUSDT", "buy", "1", "1")


async def test_what_cannot_be_filled_prints_no_trade() -> None:
    exchange = with_account()
    exchange.clock.now()
    order_id = place(exchange)
    with pytest.raises(ValueError, match="left"):
        exchange.fill_order("demo-key", order_id, "0.2")
    assert not exchange.record.trades["binance-usdm", "BTCUSDT"]


async def test_a_living_stream_leaves_out_and_repeats_what_a_fault_says(
    autojump_clock: object, clients: Any, silent_for: Silent
) -> None:
    exchange = with_account()
    async with clients(exchange) as client:
        ws = await stream(client)
        orders = [place(exchange) for _ in range(3)]
        assert [(await ws.json())["o"]["i"] for _ in range(3)] == orders
        exchange.inject(Fault("replay_events", surface="private", count=2))
        assert [(await ws.json())["o"]["i"] for _ in range(2)] == orders[1:]
        exchange.inject(Fault("drop_events", surface="private", count=2))
        later = [place(exchange) for _ in range(3)]
        assert (await ws.json())["o"]["i"] == later[2]
        assert await silent_for(ws, 60)


async def test_a_restored_key_does_not_wake_the_streams_that_stood_on_it(
    autojump_clock: object, clients: Any, silent_for: Silent
) -> None:
    exchange = with_account()
    async with clients(exchange) as client:
        ws = await stream(client)
        exchange.inject(Fault("revoke_key", surface="private", notice=False))
        place(exchange)
        exchange.inject(Fault("restore_key", surface="private"))
        place(exchange)
        assert await silent_for(ws, 60)
        fresh = await stream(client)
        order_id = place(exchange)
        assert (await fresh.json())["o"]["i"] == order_id
    assert len(exchange.record.orders["binance-usdm", "demo-key"]) == 3


async def test_a_refused_login_is_refused_though_the_key_is_right(autojump_clock: object, clients: Any) -> None:
    exchange = with_account()
    async with clients(exchange) as client:
        exchange.inject(Fault("refuse_login", surface="private", duration=30))
        answer = await client.listen_key()
        assert (answer.status, answer.json["code"]) == (401, -2015)
        assert (await client.signed("/fapi/v1/openOrders")).status == 200
        await trio.sleep(30)
        assert (await client.listen_key()).status == 200


@pytest.mark.parametrize(("variant", "status", "fills"), [(0, "NEW", 0), (1, "FILLED", 0), (2, "NEW", 1)])
async def test_rest_that_lags_shows_the_past(
    autojump_clock: object, clients: Any, variant: int, status: str, fills: int
) -> None:
    exchange = with_account()
    async with clients(exchange) as client:
        order_id = place(exchange)
        await trio.sleep(5)
        exchange.fill_order("demo-key", order_id)
        exchange.inject(Fault("rest_lag", surface="rest", duration=10, delay=3, variant=variant))
        await trio.sleep(1)
        assert (await client.signed("/fapi/v1/order", symbol="BTCUSDT", orderId=order_id)).json["status"] == status
        assert len((await client.signed("/fapi/v1/userTrades", symbol="BTCUSDT")).json) == fills
        assert len((await client.signed("/fapi/v1/openOrders")).json) == (status == "NEW")
        await trio.sleep(2.1)
        assert (await client.signed("/fapi/v1/order", symbol="BTCUSDT", orderId=order_id)).json["status"] == "FILLED"


async def test_nobody_may_know_what_became_of_a_request(autojump_clock: object, clients: Any) -> None:
    exchange = with_account()
    async with clients(exchange) as client:
        exchange.inject(Fault("unknown_outcome", surface="rest", duration=10))
        answer = await client.signed("/fapi/v1/openOrders")
        assert (answer.status, json.loads(answer.body)["code"]) == (503, -1007)
        await trio.sleep(10)
        assert (await client.signed("/fapi/v1/openOrders")).status == 200
