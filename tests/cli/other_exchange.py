"""A Binance-like spot exchange that shares no code with ours: asyncio and the `websockets` library, in a process of its own.

Prints its port, publishes ten trades in a second, and obeys lines on standard input:

    reset           break every connection with a TCP reset
    outage SECONDS  the same, and refuse connections for so long; trades go on
    garbage         send a frame that is not JSON
    stop            publish nothing more, print the ids that were published, and wait for the end of the input
"""

import asyncio
import itertools
import json
import socket
import struct
import sys
import time
from http import HTTPStatus
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

SYMBOL = "BTCUSDT"
FIRST_ID = 5_000_000_000  # needs more than 32 bits, as real ids do
INTERVAL = 0.1

history: list[dict[str, object]] = []
streams: set[ServerConnection] = set()


def publish() -> None:
    """Make one trade and send it to every stream."""
    number = FIRST_ID + len(history)
    now = int(time.time() * 1000)
    trade = {
        "e": "trade", "E": now, "s": SYMBOL, "t": number, "p": f"{60000 + len(history) % 7}.01000000",
        "q": "0.00100000", "T": now, "m": bool(number % 2), "M": True,
    }  # fmt: skip
    history.append(trade)
    for connection in streams:
        frame = json.dumps({"stream": f"{SYMBOL.lower()}@trade", "data": trade})
        asyncio.get_running_loop().create_task(send(connection, frame))


async def send(connection: ServerConnection, frame: str) -> None:
    try:
        await connection.send(frame)
    except ConnectionClosed:
        streams.discard(connection)


async def stream(connection: ServerConnection) -> None:
    """Serve one WebSocket: trades once they are subscribed, and the answer to LIST_SUBSCRIPTIONS."""
    try:
        async for frame in connection:
            request = json.loads(frame)
            if request.get("method") == "SUBSCRIBE":
                await connection.send(json.dumps({"result": None, "id": request["id"]}))
                streams.add(connection)
            if request.get("method") == "LIST_SUBSCRIPTIONS":
                answer = {"result": [f"{SYMBOL.lower()}@trade"], "id": request["id"]}
                await connection.send(json.dumps(answer))
    except ConnectionClosed:
        pass  # broken by `reset`
    finally:
        streams.discard(connection)


def answer_rest(connection: ServerConnection, request: Request) -> Response | None:
    """Answer REST requests on the same port; None lets the WebSocket handshake go on."""
    target = urlsplit(request.path)
    if not target.path.startswith("/api/"):
        return None
    query = {key: values[0] for key, values in parse_qs(target.query).items()}
    limit = int(query.get("limit", 500))
    if target.path == "/api/v3/trades" or "fromId" not in query:
        rows = history[-limit:]
    elif target.path == "/api/v3/historicalTrades":
        start = max(0, int(query["fromId"]) - FIRST_ID)
        rows = history[start : start + limit]
    else:
        return connection.respond(HTTPStatus.NOT_FOUND, "{}")
    body = [
        {"id": row["t"], "price": row["p"], "qty": row["q"], "quoteQty": "60.0", "time": row["T"],
         "isBuyerMaker": row["m"], "isBestMatch": True}
        for row in rows
    ]  # fmt: skip
    return connection.respond(HTTPStatus.OK, json.dumps(body))


def reset() -> None:
    """Break every stream with an RST instead of a FIN."""
    for connection in list(streams):
        plug = connection.transport.get_extra_info("socket")
        plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.transport.abort()
        streams.discard(connection)


async def main() -> None:
    publishing = asyncio.Event()
    publishing.set()

    async def market() -> None:
        for _ in itertools.count():
            await asyncio.sleep(INTERVAL)
            if publishing.is_set():
                publish()

    commands = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    server = await serve(stream, "127.0.0.1", 0, process_request=answer_rest, compression=None)
    port = server.sockets[0].getsockname()[1]
    print(port, flush=True)
    running = loop.create_task(market())
    while line := (await commands.readline()).decode().split():
        match line:
            case ["reset"]:
                reset()
            case ["outage", seconds]:
                server.server.close()
                reset()
                await asyncio.sleep(float(seconds))
                server = await serve(stream, "127.0.0.1", port, process_request=answer_rest, compression=None)
            case ["garbage"]:
                await asyncio.gather(*(send(connection, "<html>502 Bad Gateway") for connection in set(streams)))
            case ["stop"]:
                publishing.clear()
                print(json.dumps([row["t"] for row in history]), flush=True)
    running.cancel()


asyncio.run(main())
