"""The failure that this project began with: a listen key that expires while the connection is down.

Reconnecting with the old key succeeds, the handshake is answered, and nothing ever comes.
"""

import json
from collections.abc import Sequence
from typing import Any

import pytest
import trio

from actors import AccountItem, AccountState, OrderUpdate, Secret, binance_usdm
from actors.simulator import Exchange, Fault, Network, open_network
from supervisor import Mailbox, Running, Supervisor
from supervisor.testing import run_virtually

from ..actors.in_memory import drain, through
from ..simulator.conftest import Client, WireClient

OUTAGE = 90.0
BACK_WITHIN = 60.0
"""Seconds after the outage: the longest backoff of a connection."""
HOURS = 6 * 3600.0
KEY, SECRET = "demo-key", "demo-secret"


def usdm() -> Exchange:
    return Exchange(symbols={"binance-usdm": ["BTCUSDT"]}, trades_per_second=0, keys={KEY: SECRET})


async def outage_with_expiry(exchange: Exchange) -> None:
    """The network is gone for a while, and with it the keep-alive; the key ends without a word."""
    exchange.inject(Fault("refuse", surface="ws", duration=OUTAGE))
    exchange.inject(Fault("reset", surface="private"))
    await trio.sleep(OUTAGE / 2)
    exchange.inject(Fault("expire_key", surface="private", notice=False))
    await trio.sleep(OUTAGE / 2)


def live_through_an_order(exchange: Exchange) -> None:
    order_id = exchange.place_order(KEY, "BTCUSDT", "buy", "0.1", "60000").order_id
    exchange.fill_order(KEY, order_id)


async def old_way(exchange: Exchange, network: Network) -> Sequence[Any]:
    """What one gets who reconnects to the address that worked before."""
    http = Client(exchange, network)
    key = (await http.listen_key()).json["listenKey"]
    target = f"/private/ws?listenKey={key}&events=ORDER_TRADE_UPDATE/listenKeyExpired"
    told: list[Any] = []

    async def connect() -> WireClient:
        client = WireClient(await network.dial("binance-usdm", "ws"), target)
        await client.open()
        return client

    async def follow() -> None:
        client = await connect()
        while True:
            try:
                told.append(json.loads(await client.text()))
            except (EOFError, trio.BrokenResourceError):
                client = await reconnect()

    async def reconnect() -> WireClient:
        while True:
            await trio.sleep(5)
            try:
                return await connect()
            except OSError:
                continue

    async with trio.open_nursery() as nursery:
        nursery.start_soon(follow)
        await trio.sleep(10)
        live_through_an_order(exchange)
        await trio.sleep(1)
        await outage_with_expiry(exchange)
        await trio.sleep(BACK_WITHIN)
        live_through_an_order(exchange)
        await trio.sleep(HOURS)
        nursery.cancel_scope.cancel()
    return told


async def our_way(exchange: Exchange, network: Network) -> Sequence[AccountItem]:
    """What our account delivers."""
    out: Mailbox[AccountItem] = Mailbox("orders", capacity=1000)
    account = through(binance_usdm, network).account(
        "main", key=Secret.literal(KEY), secret=Secret.literal(SECRET), symbols=["BTCUSDT"], out=out
    )
    running = Running(Supervisor("bot", [account]), 1)
    told: list[AccountItem] = []
    async with running.opened(), trio.open_nursery() as nursery:
        nursery.start_soon(drain, running.mailbox(out), told)
        await trio.sleep(10)
        live_through_an_order(exchange)
        await trio.sleep(1)
        await outage_with_expiry(exchange)
        await trio.sleep(BACK_WITHIN)
        live_through_an_order(exchange)
        await trio.sleep(1)
        nursery.cancel_scope.cancel()
    return told


@pytest.mark.parametrize("expires", [True, False])
def test_the_old_way_stays_silent_for_hours_on_an_open_connection(expires: bool) -> None:
    exchange = usdm()
    if not expires:
        # The same outage with a key that lives on, to show that nothing but the key is to blame.
        exchange.inject = lambda fault, do=exchange.inject: None if fault.kind == "expire_key" else do(fault)  # type: ignore[method-assign,misc,assignment]
    told: list[Any] = []
    still_open: list[bool] = []

    async def main() -> None:
        async with open_network(exchange) as network:
            told.extend(await old_way(exchange, network))
            still_open.extend(c.surface == "private" for c in exchange.record.connections_at(exchange.clock.now()))

    run_virtually(main)
    assert len(exchange.record.orders["binance-usdm", KEY]) == 4
    assert len([event for event in told if event["e"] == "ORDER_TRADE_UPDATE"]) == (2 if expires else 4)
    accepted = [a for a in exchange.record.attempts if a.surface == "private" and a.outcome == "accepted"]
    assert len(accepted) == 2, "the reconnect succeeded"


def test_our_way_has_every_update_of_before_and_after() -> None:
    exchange = usdm()
    told: list[AccountItem] = []

    async def main() -> None:
        async with open_network(exchange) as network:
            told.extend(await our_way(exchange, network))

    run_virtually(main)
    updates = [item for item in told if isinstance(item, OrderUpdate)]
    true = exchange.record.orders["binance-usdm", KEY]
    assert [(u.order_id, u.status) for u in updates] == [(e.order_id, e.status.lower()) for e in true]
    assert {u.source for u in updates} == {"stream"}, "the last order came over the new stream, nobody had to ask"
    assert [s.live for s in told if isinstance(s, AccountState)][-1]
