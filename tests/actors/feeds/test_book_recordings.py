"""Recorded traffic of real venues goes through the synchroniser without a hole, and no book is ever crossed."""

from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest

from actors._feeds._book import Book
from actors._feeds._book_sync import BookSync
from actors._session import Session
from actors._source import BookRule, BookSource, Depth
from actors.exchanges.binance_spot import SpotBooks
from actors.exchanges.binance_usdm import UsdmBooks
from actors.exchanges.gate import GateBooks

from ..book_model import Follower
from ..recordings import recording


def lines(path: Path, mark: str) -> Iterator[tuple[float, str, bytes]]:
    """Yield time, address and body; of frames the address is empty."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            if not line.strip() or line.startswith("wss://"):
                continue
            address, _, rest = line.partition(mark) if mark else ("", "", line)
            at, _, body = rest.partition(": ")
            yield float(at), address, body.strip().encode()


class Kucoin:
    """The full book's differences, which the source leaves out because their base wants a key."""

    rule = BookRule("rest", "next", 1)

    def decode(self, frame: bytes) -> list[Depth]:
        message = msgspec.json.decode(frame)
        if message.get("subject") != "trade.l2update":
            return []
        data = message["data"]
        bids, asks = (
            [(Decimal(row[0]), Decimal(row[1])) for row in data["changes"][side] if Decimal(row[0])]
            for side in ("bids", "asks")
        )
        return [Depth(data["symbol"], False, data["sequenceStart"], data["sequenceEnd"], None, bids, asks, 0)]

    def snapshot(self, symbol: str, body: bytes) -> Depth:
        data = msgspec.json.decode(body)["data"]
        bids, asks = ([(Decimal(p), Decimal(q)) for p, q in data[side]] for side in ("bids", "asks"))
        number = int(data["sequence"])
        return Depth(symbol, True, number, number, None, bids, asks, data["time"])


class Decoding:
    """A source's own reading."""

    def __init__(self, source: BookSource) -> None:
        self.source = source
        self.rule = source.rule

    def decode(self, frame: bytes) -> list[Depth]:
        decoded = self.source.decode_many([frame], 0)
        assert decoded.error is None
        return decoded.items

    def snapshot(self, symbol: str, body: bytes) -> Depth:
        return self.source.snapshot(symbol, body)


VENUES: dict[str, tuple[str, str, Callable[[], Any], bytes, int]] = {
    "binance": ("binance_spot/cryptofeed/BINANCE", "symbol", lambda: Decoding(SpotBooks()), b"@depth", 170),
    "binance-usdm": (
        "binance_usdm/cryptofeed/BINANCE_FUTURES",
        "symbol",
        lambda: Decoding(UsdmBooks()),
        b"@depth",
        750,
    ),
    "gate": ("gate_spot/cryptofeed/GATEIO", "currency_pair", lambda: Decoding(GateBooks()), b"order_book_update", 150),
    "kucoin": ("kucoin/cryptofeed/KUCOIN", "symbol", Kucoin, b"trade.l2update", 3800),
}


@pytest.mark.parametrize("venue", sorted(VENUES))
def test_a_recording_makes_books_without_a_hole(venue: str) -> None:
    stem, parameter, make, mark, least = VENUES[venue]
    reading = make()
    frames = [(at, "", body) for at, _, body in lines(recording(f"{stem}.ws.1.0"), "") if mark in body]
    answers = [
        (at, parse_qs(urlsplit(address).query)[parameter][0], body)
        for at, address, body in lines(recording(f"{stem}.http.0.0"), " -> ")
        if parameter in parse_qs(urlsplit(address).query)
    ]
    session = Session()
    syncs: dict[str, BookSync] = {}
    followers: dict[str, Follower] = {}
    books: dict[str, Book] = {}
    messages = 0
    for at, symbol, body in sorted(frames + answers, key=lambda line: line[0]):
        for depth in [reading.snapshot(symbol, body)] if symbol else reading.decode(body):
            sync = syncs.get(depth.symbol)
            if sync is None:
                sync = syncs[depth.symbol] = BookSync(reading.rule)
                sync.opened(session)
                followers[depth.symbol] = Follower(sync, depth.symbol)
                books[depth.symbol] = Book(depth.symbol)
            messages += not symbol
            step = sync.snapshot(depth) if symbol else sync.take(session, depth, at)
            assert step.broken is None
            for item in followers[depth.symbol].items(step):
                books[depth.symbol].apply(item)

    assert messages >= least
    began = [symbol for symbol, sync in syncs.items() if sync.sequence is not None]
    assert began, "a snapshot joined"
    for symbol in began:
        assert syncs[symbol].counts.breaks == syncs[symbol].counts.holes == 0
        assert books[symbol].live
    applied = sum(sync.counts.applied for sync in syncs.values())
    print(f"{venue}: {messages} messages, {applied} applied, {len(began)} of {len(syncs)} books began")
