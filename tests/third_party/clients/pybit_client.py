"""pybit's WebSocket with a callback on its own thread, at another address."""

import json
import queue
import sys
import threading

import pybit.unified_trading

SETTINGS = json.loads(sys.argv[1])

# The addresses are constants of the module; its parameters `domain` and `tld` leave scheme and host as they are.
host = "wss://{SUBDOMAIN}.{DOMAIN}.com"
private = "wss://{SUBDOMAIN}.{DOMAIN}.{TLD}"
unified = pybit.unified_trading
assert unified.PUBLIC_WSS.startswith(host)
assert unified.PRIVATE_WSS.startswith((host, private))
unified.PUBLIC_WSS = unified.PUBLIC_WSS.replace(host, SETTINGS["ws"])
unified.PRIVATE_WSS = unified.PRIVATE_WSS.replace(private, SETTINGS["ws"]).replace(host, SETTINGS["ws"])


class NearServer(pybit.unified_trading.WebSocket):
    """pybit notes a request after it has sent it, and gives up when the answer was faster: here it would be."""

    noting = threading.Lock()

    def subscribe(self, *args, **kwargs):
        with self.noting:
            super().subscribe(*args, **kwargs)

    def _on_message(self, message):
        with self.noting:
            super()._on_message(message)


def trade(data):
    return {
        "id": data["i"],
        "price": data["p"],
        "quantity": data["v"],
        "side": data["S"].lower(),
        "time": data["T"],
    }


def execution(data):
    return {
        "id": data["execId"],
        "order": data["orderId"],
        "price": data["execPrice"],
        "quantity": data["execQty"],
        "side": data["side"].lower(),
    }


def order(data):
    return {
        "order": data["orderId"],
        "client": data["orderLinkId"],
        "status": data["orderStatus"],
        "filled": data["cumExecQty"],
    }


messages = queue.SimpleQueue()
socket = NearServer(testnet=False, channel_type=SETTINGS["channel"], **SETTINGS.get("login", {}))
wanted = SETTINGS.get("wanted", "trade")
row_of = {"trade": trade, "execution": execution, "order": order}[wanted]
if wanted == "trade":
    socket.trade_stream(symbol=SETTINGS["name"], callback=messages.put)
elif wanted == "execution":
    socket.execution_stream(callback=messages.put)
else:
    socket.order_stream(callback=messages.put)
print("ready", flush=True)
left = SETTINGS["count"]
while left:
    for data in messages.get()["data"][:left]:
        left -= 1
        print(json.dumps(row_of(data)), flush=True)
socket.exit()
