"""What a user would take instead, in its own process: receives trades of venue.py as its documentation says.

usage: peers.py CLIENT PORT COUNT [timed | watch | installed]
    CLIENT: websockets | websockets-msgspec | picows-msgspec | python-binance | ccxt

Prints JSON when it has so many trades in hand: `messages` after the first, the `seconds` and the `cpu` seconds of the
process that they took; with ``timed``, beside a venue that sends at a rate, their `latencies` in microseconds. Each
library gives a trade in its own form; where it gives only text, that is decoded: with json, or with msgspec into types.
None of them looks for repetitions or gaps. With ``watch`` it goes on for ever, through what happens to its connection, as
the library's documentation says, and prints for each trade when it came, by the monotonic clock. With ``installed`` it
only says, by its exit status, whether its library is.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from decimal import Decimal
from importlib.util import find_spec
from typing import Any

CLIENT, PORT, COUNT = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
URL = f"ws://127.0.0.1:{PORT}"


class Tally:
    """Counts from the first trade on. What it costs is in the figure, so it is no more than it must be."""

    def __init__(self) -> None:
        self.latencies: list[int] = []
        self.left = COUNT

    def timed(self, time_of_it: int) -> None:
        """Count a trade, and note how old it is."""
        self.latencies.append(time.monotonic_ns() // 1000 - time_of_it)
        self.counted(time_of_it)

    def counted(self, time_of_it: int) -> None:
        """Count a trade, and end the process with the last one."""
        self.left -= 1
        if self.left <= 0:
            self.end()
        elif self.left == COUNT - 1:
            self.begin()

    def begin(self) -> None:
        """Start the clocks."""
        self.began, self.cpu = time.perf_counter(), time.process_time()

    def end(self) -> None:
        """Print the result. At once: what a library does on its way out is not measured."""
        seconds, cpu = time.perf_counter() - self.began, time.process_time() - self.cpu
        messages = COUNT - 1 - self.left
        print(
            json.dumps({"messages": messages, "seconds": seconds, "cpu": cpu, "latencies": self.latencies}), flush=True
        )
        os._exit(0)


def watched(time_of_it: int) -> None:
    """Print when a trade came."""
    print("trade", 0, time.monotonic(), flush=True)


TALLY = Tally()
add = {"timed": TALLY.timed, "watch": watched}.get("".join(sys.argv[4:]), TALLY.counted)


async def websockets_json() -> None:
    import websockets

    async for connection in websockets.connect(f"{URL}/ws/btcusdt@trade"):
        try:
            async for text in connection:
                trade = json.loads(text)
                float(trade["p"])
                add(trade["T"])
        except (websockets.ConnectionClosed, ValueError):
            continue


def typed() -> Any:
    import msgspec

    class Trade(msgspec.Struct):
        s: str
        t: int
        p: Decimal
        q: Decimal
        T: int
        m: bool

    return msgspec.json.Decoder(Trade).decode


async def websockets_msgspec() -> None:
    import websockets

    decode = typed()
    async with websockets.connect(f"{URL}/ws/btcusdt@trade") as connection:
        while True:
            add(decode(await connection.recv(decode=False)).T)


async def picows_msgspec() -> None:
    import picows

    decode = typed()
    is_timed = add == TALLY.timed

    class Listener(picows.WSListener):
        def on_ws_connected(self, transport: Any) -> None:
            self.left = COUNT

        def on_ws_frame(self, transport: Any, frame: Any) -> None:
            if frame.msg_type == picows.WSMsgType.TEXT:
                trade = decode(frame.get_payload_as_memoryview())
                # It is so quick that a call would show.
                self.left -= 1
                if is_timed or self.left in (COUNT - 1, 0):
                    TALLY.left = self.left + 1
                    add(trade.T)

    transport, _ = await picows.ws_connect(Listener, f"{URL}/ws/btcusdt@trade")
    await transport.wait_disconnected()


async def python_binance() -> None:
    from binance import AsyncClient, BinanceSocketManager

    # Its queue drops what is beyond this; `AsyncClient.create` would ask REST first.
    manager = BinanceSocketManager(AsyncClient(), max_queue_size=10**9)
    manager.STREAM_URL = f"{URL}/"
    while True:
        async with manager.trade_socket("BTCUSDT") as stream:
            while True:
                message = await stream.recv()
                # Errors come as messages; it goes on by itself after those that it can mend.
                if message.get("e") == "trade":
                    add(message["T"])
                elif message.get("type") in ("BinanceWebsocketUnableToConnect", "ReadLoopClosed"):
                    break


async def ccxt_pro() -> None:
    import ccxt.pro

    venue = ccxt.pro.binance({"newUpdates": True})
    venue.urls["api"]["ws"]["spot"] = f"{URL}/ws"
    # What `load_markets` would have asked REST for.
    market = dict.fromkeys(("margin", "swap", "future", "option", "contract", "inverse", "linear"), False)
    market |= {"id": "BTCUSDT", "lowercaseId": "btcusdt", "symbol": "BTC/USDT", "base": "BTC", "quote": "USDT"}
    market |= {"baseId": "BTC", "quoteId": "USDT", "type": "spot", "spot": True, "active": True, "limits": {}}
    venue.set_markets([market | {"precision": {"price": 0.01, "amount": 0.00001}, "info": {}}])
    last = -1
    while True:
        # Of what came between two calls it hands over what is in its cache, the last 1000.
        try:
            trades = await venue.watch_trades("BTC/USDT")
        except (ccxt.BaseError, ValueError):
            continue
        for trade in trades:
            number = int(trade["id"])
            TALLY.left -= max(0, number - last - 1) if last >= 0 else 0
            last = number
            add(trade["timestamp"])


CLIENTS = {
    "websockets": websockets_json,
    "websockets-msgspec": websockets_msgspec,
    "picows-msgspec": picows_msgspec,
    "python-binance": python_binance,
    "ccxt": ccxt_pro,
}

LIBRARIES = {
    "websockets": ("websockets",),
    "websockets-msgspec": ("websockets", "msgspec"),
    "picows-msgspec": ("picows", "msgspec"),
    "python-binance": ("binance",),
    "ccxt": ("ccxt",),
}
"""What each needs to be installed."""

if __name__ == "__main__":
    if sys.argv[4:] == ["installed"]:
        sys.exit(0 if all(find_spec(name) for name in LIBRARIES[CLIENT]) else 3)
    asyncio.run(CLIENTS[CLIENT]())
