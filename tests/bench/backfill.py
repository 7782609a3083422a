"""A backfill of a million trades over REST: how fast, and whether the venue's allowance is kept to.

On the virtual clock: a feed of twenty symbols, of each of which the last 50,000 trades are missing. The venue answers in
this process after `ANSWER` seconds; it has 1000 trades for the weight 25, and allows 6000 in any minute.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

import httpx  # noqa: ASYNC127 - see actors/_net/_http.py
import trio
import trio.testing
from figures import Figure

from actors import FeedItem, Gap, Trade
from actors._feeds._feed import Feed
from actors._messages import Batch, Inflow, Opened
from actors._session import Session
from actors.exchanges.binance_spot import LIMITS, SpotTrade, SpotTrades
from supervisor import Mailbox, Supervisor, child

SYMBOLS = tuple(f"S{number}USDT" for number in range(20))
MISSING = 50_000
"""Of each symbol: as many as a feed fetches at most."""
FIRST = 1_000_000
"""Id of the first live trade."""
ANSWER = 0.1
"""Seconds that an answer takes."""
WEIGHT = 25
ROW = b'{"id":%d,"price":"67890.12000000","qty":"0.00120000","quoteQty":"81.468144","time":%d,"isBuyerMaker":true,"isBestMatch":true}'


class Rest(httpx.AsyncBaseTransport):
    """The venue's REST side. Notes when it was asked for what weight."""

    def __init__(self, asked: list[float]) -> None:
        self._asked = asked

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer any of the requests of a feed of trades."""
        self._asked.append(trio.current_time())
        await trio.sleep(ANSWER)
        wanted = parse_qs(request.url.query.decode())
        count = int(wanted["limit"][0])
        first = int(wanted["fromId"][0]) if "fromId" in wanted else FIRST - MISSING - count
        rows = [ROW % (number, 1_672_515_782_136 + number) for number in range(first, first + count)]
        return httpx.Response(200, content=b"[%b]" % b",".join(rows))


def heaviest_minute(asked: list[float]) -> int:
    """Return the greatest weight in any 60 s."""
    most = first = 0
    for last, at in enumerate(asked):
        while asked[first] <= at - LIMITS.rest.within:
            first += 1
        most = max(most, (last - first + 1) * WEIGHT)
    return most


def feed(inflow: Mailbox[Inflow[Trade]], out: Mailbox[FeedItem], transport: Callable[[], Any]) -> Feed:
    """Return the owner of a feed, without any connection."""
    return Feed(
        source=SpotTrades(),
        rest="http://venue",
        inflow=inflow,
        out=out,
        controls=(),
        hold=Mailbox("hold", capacity=1),
        cursors=Mailbox("cursors", capacity=1),
        wanted=Mailbox("wanted", capacity=1),
        changes=None,
        silence=3600.0,
        patience=600.0,
        largest=MISSING,
        transport=transport,
        symbols=SYMBOLS,
    )


async def run() -> tuple[float, list[float]]:
    """Fill all holes; return the seconds that it took on the virtual clock, and when REST was asked."""
    asked: list[float] = []
    inflow: Mailbox[Inflow[Trade]] = Mailbox("inflow", capacity=100)
    out: Mailbox[FeedItem] = Mailbox("trades", capacity=10_000)
    tree = Supervisor("bench", [child("feed", feed(inflow, out, lambda: Rest(asked)))])
    async with tree.open(seed=1) as running:
        began = trio.current_time()
        session = Session()
        sending = running.mailbox(inflow)
        await sending.send(Opened(session, frozenset(SYMBOLS)))
        price = SpotTrade(0, 1, 1, 0, True).price  # type: ignore[arg-type] - nobody looks at it
        live = [SpotTrade(FIRST, price, price, 1_672_515_782_136 + FIRST, True, symbol) for symbol in SYMBOLS]
        await sending.send(Batch(live, session))
        left = len(SYMBOLS) * (MISSING + 1)
        box = running.mailbox(out)
        while left:
            for item in await box.receive_many():
                assert not isinstance(item, Gap), item
                left -= isinstance(item, SpotTrade)
        return trio.current_time() - began, asked


async def backfill() -> list[Figure]:
    """Trades a second of the virtual clock, the heaviest minute, and what a trade costs."""
    gc.collect()
    cpu = time.process_time()
    seconds, asked = await trio.to_thread.run_sync(
        lambda: trio.run(run, clock=trio.testing.MockClock(autojump_threshold=0))
    )
    cpu = time.process_time() - cpu
    count = len(SYMBOLS) * MISSING
    allowed = LIMITS.rest.weight / WEIGHT * 1000 / LIMITS.rest.within
    return [
        Figure(
            "backfill, trades a virtual second (beside: all that the venue allows)",
            count / seconds,
            "a second",
            allowed,
        ),
        Figure(
            "backfill, heaviest minute, weight", float(heaviest_minute(asked)), "a minute", target=LIMITS.rest.weight
        ),
        Figure("backfill, CPU a trade, the making of the answer included", cpu / count * 1e6, "us"),
    ]
