"""pybit's WebSocket with a callback on its own thread, at another address."""

import json
import queue
import sys

import pybit.unified_trading

SETTINGS = json.loads(sys.argv[1])

# The address is a constant of the module; its parameters `domain` and `tld` leave scheme and host as they are.
host = "wss://{SUBDOMAIN}.{DOMAIN}.com"
assert pybit.unified_trading.PUBLIC_WSS.startswith(host)
pybit.unified_trading.PUBLIC_WSS = pybit.unified_trading.PUBLIC_WSS.replace(host, SETTINGS["ws"])

messages = queue.SimpleQueue()
socket = pybit.unified_trading.WebSocket(testnet=False, channel_type=SETTINGS["channel"])
socket.trade_stream(symbol=SETTINGS["name"], callback=messages.put)
print("ready", flush=True)
left = SETTINGS["count"]
while left:
    for trade in messages.get()["data"][:left]:
        left -= 1
        row = {
            "id": trade["i"],
            "price": trade["p"],
            "quantity": trade["v"],
            "side": trade["S"].lower(),
            "time": trade["T"],
        }
        print(json.dumps(row), flush=True)
socket.exit()
