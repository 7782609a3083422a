"""The same seed on the virtual clock gives the same run."""

from typing import Any

import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from actors.simulator import Exchange, FaultScript, TrueRecord, open_network

SYMBOLS = {"binance": ["BTCUSDT", "ETHUSDT"], "binance-usdm": ["BTCUSDT"]}


def live_through(seed: int, script: FaultScript, seconds: float = 120) -> TrueRecord:
    exchange = Exchange(seed, SYMBOLS, trades_per_second=2, keys={"a": "1", "b": "2"}, orders_per_second=0.2)

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


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32))
def test_two_runs_of_one_seed_have_the_same_record(seed: int) -> None:
    script = FaultScript.random(seed, 120, mean_gap=10)
    first, second = live_through(seed, script), live_through(seed, script)
    assert all_of(first) == all_of(second)
    assert first.trades["binance", "BTCUSDT"]
    assert first.orders["binance-usdm", "a"] != first.orders["binance-usdm", "b"]


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 2**32))
def test_faults_and_neighbours_do_not_change_a_market(seed: int) -> None:
    plain = live_through(seed, FaultScript([]))
    troubled = live_through(seed, FaultScript.random(seed, 120, mean_gap=5))
    assert plain.trades == troubled.trades
    assert plain.orders == troubled.orders


def test_different_seeds_differ() -> None:
    first, second = (live_through(seed, FaultScript([])) for seed in (1, 2))
    assert first.trades["binance", "BTCUSDT"] != second.trades["binance", "BTCUSDT"]


def test_the_rate_is_the_declared_one() -> None:
    record = live_through(3, FaultScript([]), seconds=500)
    for key, log in record.trades.items():
        if key[0] == "binance-usdm":
            continue  # The accounts' own fills are trades as well, on top of the rate.
        assert 0.85 < len(log) / 1000 < 1.15, key
