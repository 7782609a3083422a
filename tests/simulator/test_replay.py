"""Recordings: reading them, and playing them to subscribers with history and record."""

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import trio

from actors.simulator import Exchange, Recording
from actors.simulator._replay import RecordedMessage

RECORDINGS = Path(os.environ.get("UNBLINKING_RECORDINGS", Path(__file__).parents[2].parent / "shared" / "recordings"))
USDM = RECORDINGS / "binance_usdm" / "cryptofeed" / "BINANCE_FUTURES.ws.1.0"
SPOT = RECORDINGS / "binance_spot" / "cryptofeed" / "BINANCE.ws.1.0"

needs_recordings = pytest.mark.skipif(not USDM.exists(), reason="no recordings here")

CAPTURE = """\
wss://x/stream?streams=a <-> 100.5
wss://x/stream?streams=a <- 100.6: {"method":"SUBSCRIBE"}
101.0: {"stream":"bnbbtc@trade","data":{"e":"trade","E":5,"s":"BNBBTC","t":7,"p":"0.1","q":"2","T":4,"m":true}}

103.0: {"stream":"bnbbtc@trade","data":{"e":"trade","E":6,"s":"BNBBTC","t":8,"p":"0.10","q":"2","T":5,"m":false}}
103.5: {"stream":"bnbbtc@bookTicker","data":{"u":1,  "s":"BNBBTC"}}
"""
LINES = """\
{"e":"aggTrade","E":5,"s":"BNBUSDT","a":9,"p":"0.1","q":"2","f":1,"l":3,"T":4,"m":true}
{"result":null,"id":1}
{"e":"aggTrade","E":5,"s":"BNBUSDT","a":10,"p":"0.1","q":"2","f":4,"l":4,"T":4,"m":true}
"""


def test_a_capture_is_read_with_its_times_and_lines_of_the_client() -> None:
    recording = Recording.parse(CAPTURE)
    assert recording.urls == ("wss://x/stream?streams=a",)
    assert recording.sent == ((100.6, '{"method":"SUBSCRIBE"}'),)
    assert recording.symbols == ("BNBBTC",)
    assert [message.at for message in recording.messages] == [101.0, 103.0, 103.5]
    assert recording.messages[2] == RecordedMessage(103.5, "bnbbtc@bookTicker", b'{"u":1,  "s":"BNBBTC"}')


def test_json_lines_are_read_with_a_given_spacing() -> None:
    recording = Recording.parse(LINES, spacing=0.5)
    assert [(message.at, message.stream) for message in recording.messages] == [
        (0.0, "bnbusdt@aggTrade"),
        (0.5, ""),
        (1.0, "bnbusdt@aggTrade"),
    ]


def test_a_line_that_is_neither_is_named() -> None:
    with pytest.raises(ValueError, match="line 2"):
        Recording.parse('{"e":"x"}\nnonsense\n')


async def test_recorded_trades_are_published_remembered_and_recorded(autojump_clock: object, clients: Any) -> None:
    exchange = Exchange(trades_per_second=0)
    async with clients(exchange) as client:
        ws = await client.ws("binance", "/ws/bnbbtc@trade/bnbbtc@bookTicker")
        await trio.sleep(10)
        assert await exchange.replay(Recording.parse(CAPTURE), "binance", speed=2.0) == 3
        assert trio.current_time() == pytest.approx(11.25)
        assert [(await ws.json()).get("t") for _ in range(3)] == [7, 8, None]
        rows = (await client.get("binance", "/api/v3/historicalTrades?symbol=BNBBTC&fromId=8")).json
        assert [(row["id"], row["price"], row["isBuyerMaker"]) for row in rows] == [(8, "0.10", False)]
    log = exchange.record.trades["binance", "BNBBTC"]
    assert [(trade.id, trade.price, trade.side, trade.time, trade.at) for trade in log] == [
        (7, "0.1", "sell", 4, 10.0),
        (8, "0.10", "buy", 5, 11.0),
    ]


async def test_a_symbol_that_trades_live_is_not_mixed_with_a_recording() -> None:
    exchange = Exchange(symbols={"binance": ["BNBBTC"]})
    with pytest.raises(ValueError, match="live"):
        await exchange.replay(Recording.parse(CAPTURE), "binance")
    with pytest.raises(ValueError, match="above zero"):
        await exchange.replay(Recording.parse(CAPTURE), "binance", speed=0)


async def test_a_symbol_that_is_only_replayed_does_not_trade_by_itself(autojump_clock: object, clients: Any) -> None:
    exchange = Exchange(symbols={"binance": []}, trades_per_second=50)
    async with clients(exchange), trio.open_nursery() as nursery:
        await exchange.replay(Recording.parse(CAPTURE), "binance")
        nursery.start_soon(exchange.run)
        await trio.sleep(10)
        nursery.cancel_scope.cancel()
    assert len(exchange.record.trades["binance", "BNBBTC"]) == 2


@needs_recordings
async def test_a_real_recording_reaches_its_subscribers_message_by_message(
    autojump_clock: object, clients: Any
) -> None:
    recording = Recording.load(USDM)
    assert recording.symbols == ("SUSHIUSDT", "AKROUSDT", "KEEPUSDT", "CTKUSDT")
    assert len(recording.messages) == 1535
    by_stream = Counter(message.stream for message in recording.messages)
    exchange = Exchange(symbols={"binance-usdm": []}, trades_per_second=0)
    async with clients(exchange) as client:
        market = await client.ws("binance-usdm", "/market/stream")
        public = await client.ws("binance-usdm", "/public/stream")
        for ws in (market, public):
            await ws.ask("SUBSCRIBE", list(by_stream))
        began = trio.current_time()
        await exchange.replay(recording, "binance-usdm")
        assert trio.current_time() - began == pytest.approx(recording.messages[-1].at - recording.messages[0].at)
        flowing = {market: ("@aggTrade", "@kline"), public: ("@depth", "@bookTicker")}
        for ws, kinds in flowing.items():
            expected = [m for m in recording.messages if any(kind in m.stream for kind in kinds)]
            for message in expected:
                got = await ws.json()
                assert (got["stream"], got["data"]) == (message.stream, json.loads(message.payload))
        trades = {symbol: exchange.record.trades["binance-usdm", symbol] for symbol in recording.symbols}
        assert sum(map(len, trades.values())) == 91
        for symbol, log in trades.items():
            assert [trade.id for trade in log] == list(range(log[0].id, log[0].id + len(log)))
            target = f"/fapi/v1/aggTrades?symbol={symbol}&fromId={log[0].id}"
            assert [row["a"] for row in (await client.get("binance-usdm", target)).json] == [trade.id for trade in log]


@needs_recordings
def test_every_recorded_file_of_the_venues_can_be_read() -> None:
    assert len(Recording.load(SPOT).messages) == 265
    for path in RECORDINGS.rglob("*.jsonl"):
        assert Recording.load(path).messages, path
