"""cryptofeed's feed handler, at another address; its paths stay what they are."""

import asyncio
import json
import re
import ssl
import sys

from cryptofeed import FeedHandler, exchanges
from cryptofeed.connection import WebsocketEndpoint
from cryptofeed.defines import PERPETUAL, SPOT, TRADES
from cryptofeed.symbols import Symbols

SETTINGS = json.loads(sys.argv[1])


async def main():
    feed = getattr(exchanges, SETTINGS["exchange"])
    pair, kind = SETTINGS["symbol"], PERPETUAL if SETTINGS["symbol"].endswith("-PERP") else SPOT
    # Without this it asks REST.
    Symbols.set(feed.id, {pair: SETTINGS["name"]}, {"instrument_type": {pair: kind}, "tick_size": {pair: "0.01"}})
    # It refuses addresses without TLS, and has no other way to name a certificate authority.
    options = {"ssl": ssl.create_default_context(cadata=SETTINGS["ca"])}
    feed.websocket_endpoints = [
        WebsocketEndpoint(
            re.sub(r"^wss://[^/]+", SETTINGS["ws"], endpoint.address),
            instrument_filter=endpoint.instrument_filter,
            channel_filter=endpoint.channel_filter,
            options=options,
        )
        for endpoint in feed.websocket_endpoints
    ]
    left = SETTINGS["count"]
    done = asyncio.Event()

    async def received(trade, receipt_timestamp):
        nonlocal left
        if left:
            left -= 1
            row = {
                "id": str(trade.id),
                "price": str(trade.price),
                "quantity": str(trade.amount),
                "side": trade.side,
                "time": round(trade.timestamp * 1000),
            }
            print(json.dumps(row), flush=True)
            if not left:
                done.set()

    handler = FeedHandler({"log": {"filename": "cryptofeed.log", "level": "WARNING"}})
    handler.add_feed(feed(symbols=[pair], channels=[TRADES], callbacks={TRADES: received}))
    print("ready", flush=True)
    handler.run(start_loop=False, install_signal_handlers=False)
    await done.wait()
    await handler.stop_async(asyncio.get_running_loop())


asyncio.run(main())
