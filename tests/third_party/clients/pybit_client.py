"""pybit's WebSocket with a callback on its own thread, at another address."""

import json
import queue
import sys
import threading

import pybit.unified_trading

SETTINGS = json.loads(sys.argv[1])

# The address is a constant of the module; its parameters `domain` and `tld` leave scheme and host as they are.
host = "wss://{SUBDOMAIN}.{DOMAIN}.com"
assert pybit.unified_trading.PUBLIC_WSS.startswith(host)
pybit.unified_trading.PUBLIC_WSS = pybit.unified_trading.PUBLIC_WSS.replace(host, SETTINGS["ws"])


class NearServer(pybit.unified_trading.WebSocket):
    """pybit notes a request after it has sent it, and gives up when the answer was faster: here it would be."""

    noting = threading.Lock()

    def subscribe(self, *args, **kwargs):
        with self.noting:
            super().subscribe(*args, **kwargs)

    def _on_message(self, message):
        with self.noting:
            super()._on_message(message)


messages = queue.SimpleQueue()
socket = NearServer(testnet=False, channel_type=SETTINGS["channel"])
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
