"""failover.py: one price feed over two venues, of which the first goes mute. Start it with `python failover.py`."""

import trio

from actors import BestItem, Blind, Gap, Switched, Venue, best_feed, binance, explain_feed, okx
from actors.simulator import Exchange, Fault, FaultScript, serve
from supervisor import Mailbox, Me, Supervisor, actor

prices = Mailbox[BestItem]("prices", capacity=1_000)


@actor()
async def strategy(me: Me, prices: Mailbox[BestItem]) -> None:
    """Stands for yours: it trades while it sees, and stops while it does not."""
    async for item in prices:
        if isinstance(item, Switched):
            print("follows", item.source, "because", item.reason, flush=True)
        elif isinstance(item, Blind):
            print("blind:", item.reason, flush=True)
        elif isinstance(item, Gap):
            print("trades are missing:", item.reason, flush=True)
        else:
            _fresh = item.price  # never older than a second against what is usual for its venue


async def main() -> None:
    exchange = Exchange(seed=1, symbols={"binance": ["BTCUSDT"], "okx": ["BTC-USDT"]}, trades_per_second=50)
    async with serve(exchange) as addresses:

        def simulated(venue: Venue) -> Venue:
            return venue.at(ws=addresses[venue.name].ws, rest=addresses[venue.name].rest)

        sources = [simulated(binance).trades("BTCUSDT"), simulated(okx).trades("BTC-USDT")]
        tree = Supervisor("bot", [strategy.child("strategy", prices), best_feed("btc", sources, out=prices, stable=20)])
        async with tree.open() as running:
            with trio.move_on_after(6):
                await exchange.run(FaultScript([(3.0, Fault("mute", venue="binance", duration=10))]))
            explained = explain_feed(running, "bot/btc")
    print(explained)
    print("the feed went on with", explained.followed)


if __name__ == "__main__":
    trio.run(main)
