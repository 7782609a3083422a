"""bot.py: two feeds, an account and a strategy, each of which may fail without taking the others along.

unblinking check bot.py
BINANCE_KEY=... BINANCE_SECRET=... unblinking run bot.py
"""

from collections.abc import Callable, Sequence

import structlog
import trio

from actors import (
    AccountItem,
    AccountState,
    FeedItem,
    FeedState,
    Gap,
    OrderUpdate,
    Secret,
    Venue,
    binance,
    binance_usdm,
)
from supervisor import Limit, Mailbox, Me, Supervisor, actor

log = structlog.get_logger()

# Mailboxes belong to the tree: what is in them survives the actors at both ends.
trades = Mailbox[FeedItem]("trades", capacity=10_000)
orders = Mailbox[AccountItem]("orders", capacity=1_000)


@actor(restart="transient", grace=5)
async def strategy(
    me: Me, trades: Mailbox[FeedItem], orders: Mailbox[AccountItem], journal: Callable[[object], None]
) -> None:
    """Follow the market and the own orders. Yours would trade here, but only while everything it looks at is live."""
    live: dict[str, bool] = {}
    say = log.bind(path=me.path)

    async def follow(mailbox: Mailbox[FeedItem] | Mailbox[AccountItem]) -> None:
        async for item in mailbox:
            match item:
                case FeedState() | AccountState():
                    live[f"{item.venue} {getattr(item, 'symbol', 'account')}"] = item.live
                    say.info("trading" if all(live.values()) else "waiting", because=item.reason)
                case Gap():
                    say.warning("trades are lost", symbol=item.symbol, count=item.count, reason=item.reason)
                case OrderUpdate(fill=fill) if fill is not None:
                    say.info("filled", side=fill.side, quantity=str(fill.quantity), price=str(fill.price))
            journal(item)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(follow, trades)
        nursery.start_soon(follow, orders)


def bot(
    markets: Sequence[tuple[Venue, str]] = ((binance, "BTCUSDT"), (binance_usdm, "BTCUSDT")),
    account: Venue = binance_usdm,
    symbols: Sequence[str] = ("BTCUSDT",),
    key: Secret = Secret.env("BINANCE_KEY"),
    secret: Secret = Secret.env("BINANCE_SECRET"),
    journal: Callable[[object], None] = lambda item: None,
) -> Supervisor:
    """Build the tree. The demo and the tests call this with an exchange of their own."""
    return Supervisor(
        "bot",
        [
            *(venue.trades(symbol, out=trades) for venue, symbol in markets),
            account.account("main", symbols=symbols, key=key, secret=secret, out=orders),
            strategy.child("strategy", trades, orders, journal),
        ],
        limit=Limit(restarts=30, within=60),
    )


tree = bot()
