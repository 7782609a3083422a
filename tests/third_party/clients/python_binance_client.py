"""python-binance's sockets, as its documentation uses them, at another address."""

import asyncio
import json
import sys

from binance import AsyncClient, BinanceSocketManager

SETTINGS = json.loads(sys.argv[1])


async def main():
    # `AsyncClient.create` would ask REST first.
    client = AsyncClient()
    manager = BinanceSocketManager(client)
    manager.STREAM_URL = manager.FSTREAM_URL = SETTINGS["ws"] + "/"
    futures = SETTINGS["channel"] == "futures"
    socket = (manager.aggtrade_futures_socket if futures else manager.trade_socket)(SETTINGS["name"])
    async with socket as stream:
        print("ready", flush=True)
        for _ in range(SETTINGS["count"]):
            message = await stream.recv()
            # Errors come as messages; those have no trade in them, and the subscript fails.
            trade = message["data"] if futures else message
            row = {
                "id": str(trade["a" if futures else "t"]),
                "price": trade["p"],
                "quantity": trade["q"],
                "side": "sell" if trade["m"] else "buy",
                "time": trade["T"],
            }
            print(json.dumps(row), flush=True)
    await client.close_connection()


asyncio.run(main())
