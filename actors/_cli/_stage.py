"""What the demo plays: an exchange, its markets, and the bad day; invented from a seed, or out of a recording."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import attrs
import msgspec
import trio

from actors.simulator import Exchange, FaultScript, OrderEvent, PublishedTrade, RecordedMessage, Recording

from ._faults import bad_day
from ._load import BadInput

SPOT, USDM = "binance", "binance-usdm"
API_KEY, API_SECRET = "demo-key", "demo-secret"
SECONDS = 20.0
TRADES_PER_SECOND = 20.0
ORDERS_PER_SECOND = 2.0
OWN_SYMBOLS = ("BTCUSDT", "DEMOUSDT")
"""Where the account trades: the first that a recording does not move."""

HISTORY = 1
"""Trades of each market from before the bot came."""

Market = tuple[str, str]
"""Venue and symbol."""


@attrs.frozen
class Stage:
    """One performance, fixed by its seed."""

    exchange: Exchange
    markets: tuple[Market, ...]
    """What the bot's feeds follow."""
    symbol: str
    """Where the account has its orders, on USD-M."""
    seconds: float
    """How long the exchange publishes."""
    script: FaultScript
    recording: Recording | None = None
    speed: float = 1.0

    def begin(self) -> None:
        """Give each market one trade from before the bot came: no real market is without a history."""
        for venue, symbol in self.markets:
            if self.recording is None:
                self.exchange.print_trade(venue, symbol, raw_count=1)
            else:
                earlier = _trade_before(self.published((venue, symbol))[0])
                self.exchange.tapes[venue][symbol].remember((earlier,), earlier)

    def published(self, market: Market) -> Sequence[PublishedTrade]:
        """Return what a market has published since the bot is there: a recording speaks for itself."""
        if self.recording is None:
            return self.exchange.record.trades[market][HISTORY:]
        return [_trade(message) for message in self.recording.messages if message.stream == _stream(market[1])]

    def summary(self) -> str:
        """Say in one line what is played."""
        if self.recording is None:
            return f"an invented market, {self.seconds:g} s of it"
        trades = sum(map(_is_trade, self.recording.messages))
        others = len(self.recording.messages) - trades
        return f"a recording: {trades} trades of {len(self.markets)} symbols among {others} other messages"

    @property
    def order_events(self) -> Sequence[OrderEvent]:
        """What has happened to the account's orders."""
        return self.exchange.record.orders[USDM, API_KEY]

    async def perform(self) -> None:
        """Publish, and do harm, until the time is over. Cancellation ends it at once."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.exchange.run, self.script)
            if self.recording is None:
                await trio.sleep(self.seconds)
            else:
                await self.exchange.replay(self.recording, USDM, self.speed)
            nursery.cancel_scope.cancel("the performance is over")


def invented(seed: int, seconds: float | None) -> Stage:
    """Return a performance with a market of its own."""
    length = SECONDS if seconds is None else seconds
    exchange = Exchange(
        seed=seed,
        symbols={SPOT: ["BTCUSDT"], USDM: ["BTCUSDT"]},
        trades_per_second=TRADES_PER_SECOND,
        keys={API_KEY: API_SECRET},
        orders_per_second=ORDERS_PER_SECOND,
    )
    script = bad_day(seed, length, [SPOT, USDM], USDM)
    return Stage(exchange, ((SPOT, "BTCUSDT"), (USDM, "BTCUSDT")), "BTCUSDT", length, script)


def recorded(seed: int, seconds: float | None, file: Path) -> Stage:
    """Return a performance of recorded USD-M traffic, at its own speed unless it is to take so many seconds.

    Raises:
        BadInput: The file cannot be read, or holds no trades of Binance USD-M.
    """
    try:
        recording = Recording.load(file)
    except (OSError, ValueError) as wrong:
        raise BadInput(f"{file}: {getattr(wrong, 'strerror', None) or wrong}") from wrong
    # Spot numbers its aggregate trades, too, but the bot follows raw ones there.
    foreign = [url for url in recording.urls if "//stream.binance.com" in url]
    moved = {message.stream.partition("@")[0].upper() for message in recording.messages if _is_trade(message)}
    if foreign or not moved:
        raise BadInput(f"{file}: holds no trades of Binance USD-M, there would be nothing to compare")
    length = max(0.1, recording.messages[-1].at - recording.messages[0].at)
    speed = 1.0 if seconds is None else length / seconds
    own = next(symbol for symbol in OWN_SYMBOLS if symbol not in moved)
    exchange = Exchange(
        seed=seed,
        symbols={USDM: [own]},
        trades_per_second=0.0,
        keys={API_KEY: API_SECRET},
        orders_per_second=ORDERS_PER_SECOND,
    )
    for symbol in recording.symbols:
        exchange.add_symbol(USDM, symbol, live=False)
    markets = tuple((USDM, symbol) for symbol in recording.symbols if symbol in moved)
    script = bad_day(seed, length / speed, [USDM], USDM)
    return Stage(exchange, markets, own, length / speed, script, recording, speed)


def _is_trade(message: RecordedMessage) -> bool:
    return message.stream.endswith("@aggTrade")


def _stream(symbol: str) -> str:
    return f"{symbol.lower()}@aggTrade"


def _trade(message: RecordedMessage) -> PublishedTrade:
    event = msgspec.json.decode(message.payload)
    side: Literal["buy", "sell"] = "sell" if event["m"] else "buy"
    return PublishedTrade(event["a"], event["p"], event["q"], side, event["T"], event["f"], event["l"], message.at)


def _trade_before(first: PublishedTrade) -> PublishedTrade:
    """Return a trade with the id before that one, and otherwise like it."""
    return attrs.evolve(first, id=int(first.id) - 1, time=first.time - 1, at=0.0)
