"""python-binance's sockets, as its documentation uses them, at another address."""

import asyncio
import json
import sys

from binance import AsyncClient, BinanceSocketManager

SETTINGS = json.loads(sys.argv[1])
FUTURES = SETTINGS["channel"] in ("futures_user", "coin_futures_user")


def trade_row(message):
    """A public trade. Errors come as messages; those have no trade in them, and the subscript fails."""
    futures = SETTINGS["channel"] == "futures"
    trade = message["data"] if futures else message
    return {
        "id": str(trade["a" if futures else "t"]),
        "price": trade["p"],
        "quantity": trade["q"],
        "side": "sell" if trade["m"] else "buy",
        "time": trade["T"],
    }


def order_row(message):
    """An event of an own order."""
    assert message["e"] == ("ORDER_TRADE_UPDATE" if FUTURES else "executionReport"), message
    order = message["o"] if FUTURES else message
    row = {"order": order["i"], "status": order["X"], "filled": order["z"], "side": order["S"]}
    if order["x"] == "TRADE":
        row["fill"] = {"id": order["t"], "price": order["L"], "quantity": order["l"]}
    return row


async def main():
    # `AsyncClient.create` would ask REST first.
    for name, path in (("API_URL", "/api"), ("MARGIN_API_URL", "/sapi"), ("FUTURES_URL", "/fapi")):
        setattr(AsyncClient, name, SETTINGS["rest"] + path)
    AsyncClient.FUTURES_COIN_URL = SETTINGS["rest"] + "/dapi"
    AsyncClient.WS_API_URL = SETTINGS["ws"] + "/ws-api/v3"
    client = AsyncClient(*SETTINGS.get("login", ()))
    manager = BinanceSocketManager(client)
    manager.STREAM_URL = manager.FSTREAM_URL = manager.DSTREAM_URL = SETTINGS["ws"] + "/"
    name = SETTINGS["name"]
    socket, row = {
        "trades": lambda: (manager.trade_socket(name), trade_row),
        "futures": lambda: (manager.aggtrade_futures_socket(name), trade_row),
        "user": lambda: (manager.user_socket(), order_row),
        "margin": lambda: (manager.margin_socket(), order_row),
        "isolated": lambda: (manager.isolated_margin_socket(name), order_row),
        "futures_user": lambda: (manager.futures_user_socket(), order_row),
        "coin_futures_user": lambda: (manager.coin_futures_user_socket(), order_row),
    }[SETTINGS["channel"]]()
    async with socket as stream:
        print("ready", flush=True)
        for _ in range(SETTINGS["count"]):
            print(json.dumps(row(await stream.recv())), flush=True)
    await client.close_connection()


asyncio.run(main())
