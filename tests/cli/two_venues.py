"""The embedded exchange's two venues over real sockets, in a process of its own.

Prints their addresses, publishes fifty trades a second on each, and obeys lines on standard input:

    mute VENUE SECONDS  nothing comes from there for so long; trades go on
"""

import json
import sys

import trio

from actors.simulator import Exchange, Fault, serve


async def obey(exchange: Exchange) -> None:
    while line := (await trio.to_thread.run_sync(sys.stdin.readline, abandon_on_cancel=True)).split():
        match line:
            case ["mute", venue, seconds]:
                exchange.inject(Fault("mute", venue=venue, duration=float(seconds)))


async def main() -> None:
    symbols = {"binance": ["BTCUSDT"], "binance-usdm": ["BTCUSDT"]}
    exchange = Exchange(seed=3, symbols=symbols, trades_per_second=50)
    async with serve(exchange) as addresses, trio.open_nursery() as nursery:
        print(json.dumps({venue: [at.ws, at.rest] for venue, at in addresses.items()}), flush=True)
        nursery.start_soon(exchange.run)
        await obey(exchange)
        nursery.cancel_scope.cancel("the input has ended")


trio.run(main)
