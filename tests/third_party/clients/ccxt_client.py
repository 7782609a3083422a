"""ccxt's own loop over what it can watch, at another address; its paths stay what they are."""

import asyncio
import json
import re
import sys

import ccxt.pro

SETTINGS = json.loads(sys.argv[1])


def moved(urls):
    """All addresses of an exchange with another host, so that not one request can go anywhere else."""
    if isinstance(urls, dict):
        return {name: moved(url) for name, url in urls.items()}
    if isinstance(urls, str):
        urls = re.sub(r"^wss?://[^/]+", SETTINGS["ws"], urls)
        return re.sub(r"^https?://[^/]+", SETTINGS["rest"], urls)
    return urls


def market(symbol, name):
    """What `load_markets` would have asked REST for."""
    base, quote = symbol.partition(":")[0].split("/")
    swap = ":" in symbol
    return {
        "id": name,
        "lowercaseId": name.lower(),
        "symbol": symbol,
        "base": base,
        "quote": quote,
        "baseId": base,
        "quoteId": quote,
        "settle": quote if swap else None,
        "type": "swap" if swap else "spot",
        "spot": not swap,
        "margin": False,
        "swap": swap,
        "future": False,
        "option": False,
        "contract": swap,
        "linear": True if swap else None,
        "inverse": False if swap else None,
        "contractSize": 1 if swap else None,
        "active": True,
        "precision": {"amount": 1e-8, "price": 1e-8},
        "limits": {},
    }


async def trades(exchange, symbol):
    left = SETTINGS["count"]
    while left:
        for trade in (await exchange.watch_trades(symbol))[:left]:
            left -= 1
            row = {
                "id": trade["id"],
                "price": repr(trade["price"]),
                "quantity": repr(trade["amount"]),
                "side": trade["side"],
                "time": trade["timestamp"],
            }
            print(json.dumps(row), flush=True)


async def books(exchange, symbol):
    for _ in range(SETTINGS["count"]):
        book = await exchange.watch_order_book(symbol)
        row = {"nonce": book["nonce"]}
        for side in ("bids", "asks"):
            row[side] = [[repr(level[0]), repr(level[1])] for level in book[side]]
        print(json.dumps(row), flush=True)


async def my_trades(exchange, symbol):
    left = SETTINGS["count"]
    while left:
        for trade in (await exchange.watch_my_trades(symbol))[:left]:
            left -= 1
            row = {"id": trade["id"], "order": trade["order"], "side": trade["side"]}
            row |= {"price": repr(trade["price"]), "quantity": repr(trade["amount"])}
            print(json.dumps(row), flush=True)


async def orders(exchange, symbol):
    left = SETTINGS["count"]
    while left:
        for order in (await exchange.watch_orders(symbol))[:left]:
            left -= 1
            row = {"order": order["id"], "client": order["clientOrderId"], "side": order["side"]}
            row |= {"status": order["status"], "filled": repr(order["filled"]), "quantity": repr(order["amount"])}
            print(json.dumps(row), flush=True)


WATCH = {"trades": trades, "books": books, "my_trades": my_trades, "orders": orders}


async def main():
    exchange = getattr(ccxt.pro, SETTINGS["exchange"])(SETTINGS.get("options", {}) | SETTINGS.get("login", {}))
    exchange.urls["api"] = moved(exchange.urls["api"])
    async with exchange:
        if SETTINGS.get("asks"):
            await exchange.load_markets()
        else:
            exchange.set_markets([market(SETTINGS["symbol"], SETTINGS["name"])])
        print("ready", flush=True)
        await WATCH[SETTINGS["channel"]](exchange, SETTINGS["symbol"])


asyncio.run(main())
