"""order_book.py: a local order book through a bad moment, on the embedded exchange. Start it with `python order_book.py`."""

import trio

from actors import Book, BookError, BookItem, FeedState, SymbolChange, binance
from actors.simulator import Exchange, Fault, FaultScript, serve
from supervisor import Mailbox, Me, Supervisor, actor

updates = Mailbox[BookItem]("updates", capacity=1_000)
changes = Mailbox[SymbolChange]("changes", capacity=10)

bad_moment = FaultScript([(1.0, Fault("reset"))])


@actor()
async def follow(me: Me, updates: Mailbox[BookItem], changes: Mailbox[SymbolChange], book: Book) -> None:
    """Stands for your strategy: keeps the book, and looks at it only while it is live."""
    async for item in updates:
        try:
            book.apply(item)
        except BookError as error:
            # An update is missing, perhaps because this actor failed while it had it: have the book sent again.
            print(error)
            await changes.send(SymbolChange(add=(book.symbol,)))
            continue
        if isinstance(item, FeedState):
            print("live" if item.live else "not live:", item.reason)
        if book.live and book.best_bid and book.best_ask:
            spread = book.best_ask[0] - book.best_bid[0]
            assert spread > 0


async def main() -> None:
    book = Book("BTCUSDT")  # outside of the actor: a restart of the strategy does not lose it
    exchange = Exchange(seed=1, symbols={"binance": ["BTCUSDT"]}, trades_per_second=50)
    async with serve(exchange) as addresses:
        venue = binance.at(ws=addresses["binance"].ws, rest=addresses["binance"].rest)
        feed = venue.books("BTCUSDT", out=updates, changes=changes)
        tree = Supervisor("order-book", [feed, follow.child("follow", updates, changes, book)])
        async with tree.open():
            with trio.move_on_after(3):
                await exchange.run(bad_moment)
            await trio.sleep(1)  # the market stands still: what was published last arrives
            bids = [(format(price, "f"), format(quantity, "f")) for price, quantity in book.bids(10)]
    history = exchange.record.books["binance", "BTCUSDT"]
    truth = history.at(history.changes[-1].last)
    same = book.sequence == truth.last and bids == list(truth.bids[:10])
    print(f"{len(history.changes)} changes published; best bid {bids[0][0]}")
    print("the book is the venue's" if same else "the book is not the venue's")


if __name__ == "__main__":
    trio.run(main)
