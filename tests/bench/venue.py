"""A venue that does nothing but send: trades of Binance's spot, as fast as they are taken or at a rate.

usage: venue.py COUNT [RATE]      COUNT: trades for each connection; RATE: a second, 0 for as fast as they are taken

A process of its own, so that whoever is measured has its core to itself. It speaks each client's dialect and sends all
of them the same trades: at ``/stream`` it waits until SUBSCRIBE and LIST_SUBSCRIPTIONS are answered and sends the
combined form; at ``/ws`` it waits for SUBSCRIBE; at any other path it sends at once. REST knows one trade, the one before
the first. With a rate the trades come at random moments, independent of each other as those of a market are, and `T` is
not milliseconds since 1970 but microseconds of this machine's monotonic clock, read just before the trade is written.
It prints its port, and never ends a connection.
"""

from __future__ import annotations

import base64
import hashlib
import json
import random
import re
import socket
import struct
import sys
import threading
import time
from collections.abc import Iterator

FIRST = 12_345
"""Id of the first trade."""
START = 1_672_515_782_136
"""Its time, milliseconds since 1970."""
CHUNK = 500
"""Trades that are written together, as fast as they are taken."""
SPIN = 0.002
"""Seconds before a trade from which its moment is waited for awake."""

Row = tuple[bytes, bytes]
"""What stands before and behind a trade, in one form of the stream."""
FORMS: dict[str, Row] = {"raw": (b"", b""), "combined": (b'{"stream":"%s@trade","data":', b"}")}


def frame(payload: bytes) -> bytes:
    """Return an unmasked text frame."""
    size = len(payload)
    return (struct.pack(">BB", 0x81, size) if size < 126 else struct.pack(">BBH", 0x81, 126, size)) + payload


def trade(number: int, symbol: bytes, form: str, time_of_it: int) -> bytes:
    """Return the frame of one trade."""
    before, behind = FORMS[form]
    body = b'{"e":"trade","E":%d,"s":"%s","t":%d,"p":"67890.12000000","q":"0.00120000","T":%d,"m":%s,"M":true}' % (
        time_of_it,
        symbol.upper(),
        FIRST + number,
        time_of_it,
        b"true" if number & 1 else b"false",
    )
    return frame((before % symbol if before else b"") + body + behind)


class Peer:
    """One connection."""

    def __init__(self, connection: socket.socket, blobs: dict[str, list[bytes]], count: int, rate: float) -> None:
        self._connection = connection
        self._blobs = blobs
        self._count = count
        self._rate = rate
        self._unread = b""
        self._sending = threading.Lock()

    def serve(self) -> None:
        """Serve requests one after the other, and then a WebSocket, until the client goes."""
        self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            while True:
                head = self._read_until(b"\r\n\r\n")
                path = head.split(b" ", 2)[1].decode()
                key = re.search(rb"(?i)sec-websocket-key: *(\S+)", head)
                if key is not None:
                    break
                self._rest(path)
            token = base64.b64encode(hashlib.sha1(key[1] + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
            self._send(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Accept: " + token + b"\r\n\r\n"
            )
            self._talk(path)
        except OSError:
            pass
        finally:
            self._connection.close()

    def _rest(self, path: str) -> None:
        row = {"id": FIRST - 1, "price": "1", "qty": "1", "time": START - 1, "isBuyerMaker": False}
        body = json.dumps([row] if "rades" in path else {}).encode()
        self._send(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        )

    def _talk(self, path: str) -> None:
        asks = path == "/stream" or re.fullmatch(r"/ws(/\d*)?", path) is not None
        form = "combined" if path.startswith("/stream") else "raw"
        if not asks:
            self._start(form, "btcusdt")
        streams: list[str] = []
        flowing = 0
        for opcode, payload in self._frames():
            if opcode == 9:
                self._send(struct.pack(">BB", 0x8A, len(payload)) + payload)
            elif opcode == 8:
                return
            elif opcode == 1:
                request = json.loads(payload)
                listing = request["method"] == "LIST_SUBSCRIPTIONS"
                if request["method"] == "SUBSCRIBE":
                    streams += request["params"]
                answer = {"result": list(streams) if listing else None, "id": request["id"]}
                self._send(frame(json.dumps(answer).encode()))
                if asks and listing is (form == "combined"):
                    for stream in streams[flowing:]:
                        self._start(form, stream.partition("@")[0])
                    flowing = len(streams)

    def _start(self, form: str, symbol: str) -> None:
        threading.Thread(target=self._trades, args=(form, symbol.encode()), daemon=True).start()

    def _trades(self, form: str, symbol: bytes) -> None:
        try:
            if not self._rate:
                for chunk in self._blobs[form]:
                    self._send(chunk)
                return
            # With few trades a second nobody looks at microseconds, and there may be a thousand connections.
            spin = SPIN if self._rate >= 100 else 0.0
            rng = random.Random(symbol)
            at = time.monotonic()
            for number in range(self._count):
                at += rng.expovariate(self._rate)
                if (left := at - time.monotonic()) > spin:
                    time.sleep(left - spin)
                while time.monotonic() < at:
                    pass
                self._send(trade(number, symbol, form, time.monotonic_ns() // 1000))
        except OSError:
            pass  # The client has what it wanted.

    # Bytes.

    def _send(self, data: bytes) -> None:
        with self._sending:
            self._connection.sendall(data)

    def _read(self, size: int) -> bytes:
        while len(self._unread) < size:
            self._more()
        data, self._unread = self._unread[:size], self._unread[size:]
        return data

    def _read_until(self, end: bytes) -> bytes:
        while end not in self._unread:
            self._more()
        return self._read(self._unread.index(end) + len(end))

    def _more(self) -> None:
        data = self._connection.recv(65536)
        if not data:
            raise ConnectionResetError("the client has gone")
        self._unread += data

    def _frames(self) -> Iterator[tuple[int, bytes]]:
        """Read what the client sends: short and masked."""
        while True:
            first, size = self._read(2)
            size &= 0x7F
            if size == 126:
                (size,) = struct.unpack(">H", self._read(2))
            mask = self._read(4)
            payload = self._read(size)
            yield first & 0x0F, bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))


def main() -> None:
    """Listen until killed."""
    count, rate = int(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 0.0
    blobs: dict[str, list[bytes]] = {form: [] for form in FORMS}
    if not rate:
        for form, chunks in blobs.items():
            for start in range(0, count, CHUNK):
                numbers = range(start, min(start + CHUNK, count))
                chunks.append(b"".join(trade(number, b"btcusdt", form, START + number) for number in numbers))
    server = socket.create_server(("", 0), backlog=2048)
    print(server.getsockname()[1], flush=True)
    while True:
        connection, _ = server.accept()
        threading.Thread(target=Peer(connection, blobs, count, rate).serve, daemon=True).start()


if __name__ == "__main__":
    main()
