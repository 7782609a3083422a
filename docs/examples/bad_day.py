"""bad_day.py: a feed and its bad day, on the embedded exchange. Start it with `python bad_day.py`."""

import trio

from actors import FeedItem, FeedState, Gap, binance
from actors.simulator import Exchange, Fault, FaultScript, serve
from supervisor import Mailbox, Me, Supervisor, actor

trades = Mailbox[FeedItem]("trades", capacity=1_000)

bad_day = FaultScript(
    [
        (0.5, Fault("reset")),
        (1.0, Fault("refuse", duration=0.5)),
        (1.1, Fault("close", code=1012)),
        (2.5, Fault("garbage")),
    ]
)


@actor()
async def collect(me: Me, trades: Mailbox[FeedItem], ids: list[int]) -> None:
    """Stands for your strategy: remembers what it was given."""
    async for item in trades:
        if isinstance(item, FeedState):
            print("live" if item.live else "not live:", item.reason)
        elif isinstance(item, Gap):
            print(item.count, "trades are lost:", item.reason)
        else:
            ids.append(item.id)


async def main() -> None:
    ids: list[int] = []
    exchange = Exchange(seed=1, symbols={"binance": ["BTCUSDT"]}, trades_per_second=50)
    async with serve(exchange) as addresses:
        venue = binance.at(ws=addresses["binance"].ws, rest=addresses["binance"].rest)
        tree = Supervisor("bad-day", [venue.trades("BTCUSDT", out=trades), collect.child("collect", trades, ids)])
        async with tree.open() as running:
            with trio.move_on_after(4):
                await exchange.run(bad_day)
            published = [trade.id for trade in exchange.record.trades["binance", "BTCUSDT"]]
            with trio.move_on_after(10):
                while len(ids) < len(published):
                    await trio.sleep(0.1)
        failures = running.ledger.failures
    print(f"{failures} failures, {len(published)} trades published, {len(ids)} delivered")
    print("nothing was lost" if ids == published else "something was lost")


if __name__ == "__main__":
    trio.run(main)
