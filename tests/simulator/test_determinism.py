"""The same seed on the virtual clock gives the same run."""

from typing import Any

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from actors.simulator import Exchange, Fault, FaultScript, TrueRecord, open_network

from .tongues import ALL, PINGS, follow

SYMBOLS = ALL | {"binance": ["BTCUSDT", "ETHUSDT"]}


def live_through(
    seed: int, script: FaultScript, seconds: float = 60, symbols: dict[str, list[str]] = SYMBOLS, keys: str = "ab"
) -> TrueRecord:
    secrets = {key: f"secret of {key}" for key in keys}
    exchange = Exchange(seed, symbols, trades_per_second=2, keys=secrets, orders_per_second=0.2)

    async def main() -> None:
        async with open_network(exchange):
            with trio.move_on_after(seconds):
                await exchange.run(script)

    trio.run(main, clock=MockClock(autojump_threshold=0))
    return exchange.record


def all_of(record: TrueRecord) -> dict[str, Any]:
    return {
        name: dict(value) if isinstance(value, dict) else list(value)
        for name, value in vars(record).items()
        if name not in ("connections", "books")
    } | {"books": {key: list(history.changes) for key, history in record.books.items()}}


@settings(max_examples=4, deadline=None)
@given(st.integers(0, 2**32))
def test_two_runs_of_one_seed_have_the_same_record(seed: int) -> None:
    script = FaultScript.random(seed, 60, mean_gap=3, venues=list(ALL), kinds=Fault.kinds())
    first, second = live_through(seed, script), live_through(seed, script)
    assert all_of(first) == all_of(second)
    assert first.trades["binance", "BTCUSDT"]
    assert first.orders["binance-usdm", "a"] != first.orders["binance-usdm", "b"]


@settings(max_examples=3, deadline=None)
@given(st.integers(0, 2**32))
def test_faults_and_neighbours_do_not_change_a_market(seed: int) -> None:
    plain = live_through(seed, FaultScript([]))
    # All but maintenance, in which nothing is traded.
    kinds = [kind for kind in Fault.kinds() if kind != "maintenance"]
    troubled = live_through(seed, FaultScript.random(seed, 60, mean_gap=3, venues=list(ALL), kinds=kinds))
    assert plain.trades == troubled.trades
    assert plain.orders == troubled.orders
    assert plain.quotes == troubled.quotes


def test_different_seeds_differ() -> None:
    first, second = (live_through(seed, FaultScript([])) for seed in (1, 2))
    assert first.trades["binance", "BTCUSDT"] != second.trades["binance", "BTCUSDT"]


def test_the_rate_is_the_declared_one() -> None:
    # Without accounts, whose orders are filled by trades beside those.
    symbols = {"binance": ["BTCUSDT", "ETHUSDT"], "okx": ["BTC-USDT"]}
    record = live_through(3, FaultScript([]), 500, symbols, keys="")
    for key, log in record.trades.items():
        assert 0.85 < len(log) / 1000 < 1.15, key


@pytest.mark.parametrize("venue", ALL)
def test_the_same_client_reads_the_same_bytes(clients: Any, venue: str) -> None:
    def bytes_read() -> list[bytes]:
        exchange = Exchange(7, {venue: ALL[venue]}, trades_per_second=5)
        # Not random scripts: what ends the connection ends the comparison.
        script = FaultScript(
            [(10, Fault("duplicate", duration=20, share=0.3)), (40, Fault("reorder", duration=20, share=0.3))]
        )
        read = []

        async def main() -> None:
            async with clients(exchange) as client, trio.open_nursery() as nursery:
                follower = await follow(client, venue)
                nursery.start_soon(exchange.run, script)
                with trio.move_on_after(120):
                    while True:
                        frame = await follower.ws.frame()
                        read.append(bytes([frame.opcode]) + bytes(frame.data))
                        if venue in PINGS and len(read) % 50 == 0:
                            await follower.ping()
                nursery.cancel_scope.cancel()

        trio.run(main, clock=MockClock(autojump_threshold=0))
        return read

    first = bytes_read()
    assert len(first) > 300
    assert first == bytes_read()
