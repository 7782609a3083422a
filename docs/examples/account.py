"""account.py: an account through a bad moment, on the embedded exchange. Start it with `python account.py`."""

from decimal import Decimal

import trio

from actors import AccountItem, AccountState, Liveness, OrderUpdate, Secret, binance_usdm
from actors.simulator import Exchange, Fault, FaultScript, serve
from supervisor import Mailbox, Me, Supervisor, actor

orders = Mailbox[AccountItem]("orders", capacity=1_000)
live = Liveness("main live")

# The listen key dies while nobody can connect, and orders go on filling: reconnecting with the old key would bring a
# connection that is open and silent for ever.
bad_moment = FaultScript(
    [
        (1.0, Fault("refuse", venue="binance-usdm", surface="ws", duration=1.0)),
        (1.1, Fault("reset", venue="binance-usdm", surface="private")),
        (1.5, Fault("expire_key", venue="binance-usdm", surface="private", notice=False)),
    ]
)


@actor()
async def keep_books(me: Me, orders: Mailbox[AccountItem], position: dict[str, Decimal]) -> None:
    """Stands for what must see every fill, whatever the state of the account is."""
    async for item in orders:
        match item:
            case OrderUpdate(fill=fill) if fill is not None:
                signed = fill.quantity if fill.side == "buy" else -fill.quantity
                position[fill.symbol] = position.get(fill.symbol, Decimal(0)) + signed
            case AccountState():
                print(item.state)


@actor()
async def trade(me: Me, live: Liveness) -> None:
    """Stands for your strategy: works only while what it knows of its orders is true."""
    while True:
        async with live.hold():
            await trio.sleep_forever()  # here orders would be placed


async def main() -> None:
    position: dict[str, Decimal] = {}  # outside of the actor: a restart does not lose it
    exchange = Exchange(seed=1, symbols={"binance-usdm": ["BTCUSDT"]}, keys={"demo": "secret"}, orders_per_second=20)
    async with serve(exchange) as addresses:
        venue = binance_usdm.at(ws=addresses["binance-usdm"].ws, rest=addresses["binance-usdm"].rest)
        account = venue.account(
            "main", key=Secret.literal("demo"), secret=Secret.literal("secret"), out=orders, live=live
        )
        children = [account, keep_books.child("books", orders, position), trade.child("trade", live)]
        async with Supervisor("bot", children).open():
            with trio.move_on_after(6):
                await exchange.run(bad_moment)
            await trio.sleep(1)  # nothing is traded any more: what happened last arrives
    true = Decimal(0)
    for fill in exchange.accounts["binance-usdm", "demo"].fills:
        true += Decimal(fill.quantity) if fill.side == "buy" else -Decimal(fill.quantity)
    print("the position is the venue's" if position["BTCUSDT"] == true else "the position is not the venue's")


if __name__ == "__main__":
    trio.run(main)
