"""The embedded exchange as a process of its own; each line of its standard input is a fault: `KIND SECONDS`."""

import json
import sys

import trio

from actors.simulator import Exchange, Fault, serve


async def main() -> None:
    exchange = Exchange(
        seed=1,
        symbols={"binance": ["BTCUSDT"], "binance-usdm": ["BTCUSDT"]},
        trades_per_second=20.0,
        keys={"demo-key": "demo-secret"},
    )
    async with serve(exchange, host="127.0.0.1") as addresses, trio.open_nursery() as nursery:
        for venue in addresses:
            exchange.print_trade(venue, "BTCUSDT")
        nursery.start_soon(exchange.run)
        print(json.dumps({venue: [place.ws, place.rest] for venue, place in addresses.items()}), flush=True)
        async for line in trio.wrap_file(sys.stdin):
            kind, seconds = line.split()
            exchange.inject(Fault(kind, venue="binance", duration=float(seconds)))
        nursery.cancel_scope.cancel("nobody asks any more")


trio.run(main)
